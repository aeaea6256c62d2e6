"""Whatever happened to a target, there is an answer, and it never contradicts the results and the ledger.

Random histories (seeded): arrivals, late spans, failures, deaths, spent budgets, edits, disabling and enabling.  After
each step every answer is compared with an oracle that reads the raw rows and knows nothing of how answers are made.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

import pytest
from online_parts import PACE, Online, a_rule, at_work, online
from scoring_parts import CRASH
from storing import SentSpan, a_chat, located, store

from evaluator.errors import RuleNotFound
from evaluator.judges.scripted_faults import status
from evaluator.online.explaining.explanation import Decision, Explanation
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Late, Retries
from storage.clickhouse.client import Database
from storage.model import Evaluation, Level, Status, TargetRef
from storage.queue import Decision as Entry

STEPS = 4
PACE_OF_HISTORIES = replace(PACE, waiting_seconds=0.1)
NOTHING_DONE = {
    Decision.SAMPLED_OUT,
    Decision.FILTERED_OUT,
    Decision.OUT_OF_SCOPE,
    Decision.BEFORE_LOOKBACK,
    Decision.EARLIER_VERSION,
}
LAST_WORDS: Mapping[Decision, set[str]] = {
    Decision.SCORED: {"scored"},
    Decision.FAILED: {"failed", "retrying"},
    Decision.DEPENDENCY_FAILED: {"failed", "not_computed"},
    Decision.OVER_BUDGET: {"over_budget"},
    Decision.SET_ASIDE: {"poisoned"},
    Decision.LATE_IGNORED: {"too_late"},
}
"""What the ledger must have said last of the newest revision that it knows, by the answer."""


@dataclass(kw_only=True)
class Seen:
    """The raw rows about one rule, metric and target.

    Attributes:
        words: The last word of the ledger about each revision.
    """

    words: dict[int, str] = field(default_factory=dict)
    results: list[Evaluation] = field(default_factory=list)

    def check(self, answer: Explanation, watermark_ms: int) -> str:
        """What is wrong with an answer; '' = nothing."""
        newest = max([*self.words, *(each.watermark_ms for each in self.results)], default=0)
        word = self.words.get(newest, "")
        ids = {each.evaluation_id for each in self.results}
        scored = {each.evaluation_id for each in self.results if each.status is Status.SUCCESS}
        if not answer.reason:
            return "it says nothing"
        if answer.evaluation_id is not None and answer.evaluation_id not in ids:
            return "it names a result that is not this rule's, metric's and target's"
        if answer.decision in NOTHING_DONE and watermark_ms in self.words and word != "cancelled":
            return f"the ledger says {word!r} of this very revision"
        if answer.decision in NOTHING_DONE and any(each.watermark_ms == watermark_ms for each in self.results):
            return "there is a result of this very revision"
        if (words := LAST_WORDS.get(answer.decision)) is not None and word not in words:
            return f"the ledger said {word!r} last"
        if answer.decision is Decision.SCORED and answer.evaluation_id not in scored:
            return "there is no such score"
        if word == "scored" and newest == watermark_ms and answer.decision is not Decision.SCORED:
            return "it was scored"
        if answer.decision is Decision.RUNNING:
            return "nothing is at work"
        return ""


class History:
    """One random history."""

    def __init__(self, parts: Online, seed: int) -> None:
        self.parts = parts
        self.chance = random.Random(seed)
        self.spans: list[SentSpan] = []
        self.met: set[Decision] = set()

    async def begin(self) -> None:
        """Three rules, as different as they may be."""
        retries = Retries(attempts=2, backoff_seconds=1.0)
        for rule in (
            a_rule("some", sample_rate=0.5),
            a_rule("judged", metrics=("response_length", "correctness"), filter="kind = 'llm'", retries=retries),
            a_rule("traces", level=Level.TRACE, filter="attributes['tier'] = 'gold'", late=Late.IGNORE),
        ):
            await self.parts.rules.create(rule)

    async def step(self) -> None:
        """Something happens; then, perhaps, an evaluator works for a while."""
        await self.arrive()
        for event in self.chance.sample((self.die, self.spend, self.edit, self.switch, self.come_late), 3):
            await event()
        if self.chance.random() < 0.8:
            await self.work()

    async def arrive(self) -> None:
        """New traces of one span each."""
        new = [
            a_chat(
                answer=self.chance.choice(("Paris.", "Lyon.", CRASH)),
                attributes={
                    "gen_ai.operation.name": self.chance.choice(("chat", "execute_tool")),
                    "tier": self.chance.choice(("gold", "lead")),
                },
            )
            for _ in range(4)
        ]
        await store(self.parts.database, *new)
        self.spans += new

    async def come_late(self) -> None:
        """A further span of a trace that is there."""
        root = self.chance.choice(self.spans)
        late = SentSpan(trace_id=root.trace_id, parent=root.span_id, attributes={"tier": "gold"})
        await store(self.parts.database, late)

    async def die(self) -> None:
        """A worker begins something and dies."""
        await self._say("started")

    async def spend(self) -> None:
        """The budget is spent when a target's turn comes."""
        await self._say("over_budget")

    async def _say(self, decision: str) -> None:
        span = self.chance.choice(self.spans[-4:])
        record = await located(self.parts.database, span.ref)
        entry = Entry(
            rule="judged",
            rule_version=1,
            metric="response_length",
            target=span.ref,
            watermark_ms=record.watermark_ms,
            decision="started" if decision == "started" else "over_budget",
            reason="" if decision == "started" else "10 of 10 calls are spent",
            worker="dead",
        )
        await self.parts.queue.record([entry])

    async def edit(self) -> None:
        """Another rate."""
        rule = (await self.parts.rules.get("some")).definition
        await self.parts.rules.update(
            replace(rule, sample_rate=self.chance.choice((0.2, 0.5, 1.0))), base_version=rule.version
        )

    async def switch(self) -> None:
        """A rule is disabled, or enabled again."""
        rule = (await self.parts.rules.get(self.chance.choice(("some", "judged", "traces")))).definition
        await (self.parts.rules.disable(rule.name) if rule.enabled else self.parts.rules.enable(rule.name))

    async def work(self) -> None:
        """An evaluator comes, decides everything that it finds, and goes; its judge fails now and then."""
        enabled = [rule.name for rule in await self.parts.rules.enabled()]
        if not enabled:
            return
        if self.chance.random() < 0.7:
            self.parts.scoring.judge.then(status(400, "down"))
        async with at_work(self.parts, pace=PACE_OF_HISTORIES):
            for name in enabled:
                await self.parts.until_looked(name)

    async def check(self) -> None:
        """Every answer against the raw rows."""
        seen = await self._seen()
        watermarks: dict[TargetRef, int] = {}
        for record in await self.parts.rules.live():
            rule = record.definition
            for target in self._targets(rule):
                answers = await self.parts.explainer.explain(rule.name, target)
                assert [answer.metric for answer in answers] == list(rule.metrics)
                if target not in watermarks:
                    watermarks[target] = (await located(self.parts.database, target)).watermark_ms
                for answer in answers:
                    self.met.add(answer.decision)
                    raw = seen[rule.name, answer.metric, target.key]
                    wrong = raw.check(answer, watermarks[target])
                    assert not wrong, (wrong, rule, answer, raw)

    def _targets(self, rule: RuleDefinition) -> list[TargetRef]:
        span_rule = rule.level is Level.SPAN
        return list(dict.fromkeys(span.ref if span_rule else span.trace for span in self.spans))

    async def _seen(self) -> Mapping[tuple[str, str, str], Seen]:
        seen: defaultdict[tuple[str, str, str], Seen] = defaultdict(Seen)
        for row in await self.parts.database.query(
            "SELECT toString(RuleId) AS rule, toString(MetricName) AS metric, TargetId AS target, "
            "toUnixTimestamp64Milli(Watermark) AS watermark_ms, toString(Decision) AS word "
            "FROM decisions ORDER BY DecidedAt"
        ):
            seen[row["rule"], row["metric"], row["target"]].words[row["watermark_ms"]] = row["word"]
        for result in await self.parts.results():
            seen[result.rule, result.metric, result.target.key].results.append(result)
        return seen


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


@pytest.mark.parametrize("seed", [20261122, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 21))])
async def test_there_is_always_an_answer_and_it_is_never_contradicted(parts: Online, seed: int) -> None:
    """After every step of a random history, for every target, rule and metric."""
    history = History(parts, seed)
    await history.begin()
    for _ in range(STEPS):
        await history.step()
        await history.check()
    assert {Decision.SCORED, Decision.FAILED, Decision.SAMPLED_OUT, Decision.FILTERED_OUT} <= history.met
    with pytest.raises(RuleNotFound):
        await parts.explainer.explain("nobody", history.spans[0].ref)


@pytest.mark.parametrize(
    ("answer", "words", "wrong"),
    [
        (Decision.SCORED, {1: "failed"}, "the ledger said 'failed' last"),
        (Decision.SAMPLED_OUT, {1: "scored"}, "the ledger says 'scored' of this very revision"),
        (Decision.QUEUED, {1: "scored"}, "it was scored"),
        (Decision.RUNNING, {}, "nothing is at work"),
        (Decision.SAMPLED_OUT, {}, ""),
    ],
)
def test_the_oracle_sees_a_lie(answer: Decision, words: dict[int, str], wrong: str) -> None:
    """An oracle that agrees with everything would prove nothing."""
    said = Explanation(rule="r", metric="m", decision=answer, reason="because")
    assert Seen(words=words).check(said, 1) == wrong
