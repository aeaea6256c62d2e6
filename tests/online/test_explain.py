"""Why a target was or was not scored: right in every state, and never against the results."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from online_parts import COMPLETION, Online, a_rule, at_work, online
from scoring_parts import CRASH
from storing import SentSpan, a_chat, located, store

from evaluator.errors import LevelMismatch, RuleNotFound, TargetNotFound
from evaluator.online.explaining.explanation import Decision, Explanation, FalseClause
from storage.clickhouse.client import Database
from storage.model import Level, TargetRef
from storage.queue import Completion, LedgerDecision
from storage.queue import Decision as LedgerEntry

HOUR_MS = 3_600_000
SEED = 20261121


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


async def explained(parts: Online, rule: str, ref: TargetRef) -> Explanation:
    """Of a rule with one metric."""
    (found,) = await parts.explainer.explain(rule, ref)
    return found


def timeless(explanation: Explanation) -> Explanation:
    """Without the time of the decision, which no test can know."""
    return replace(explanation, decided=None)


def started(span: SentSpan, watermark_ms: int, **other: object) -> LedgerEntry:
    """Work that somebody began."""
    fields: dict[str, object] = {"rule": "all", "rule_version": 1, "metric": "response_length", "attempt": 1}
    fields |= {"target": span.ref, "watermark_ms": watermark_ms, "decision": "started", "worker": "nobody"}
    return LedgerEntry(**fields | other)  # type: ignore[arg-type]


async def test_what_is_not_there_is_not_explained(parts: Online) -> None:
    """A rule, a target, a level: each with its own error."""
    await parts.rules.create(a_rule())
    span = a_chat()
    with pytest.raises(RuleNotFound):
        await parts.explainer.explain("nobody", span.ref)
    with pytest.raises(TargetNotFound):
        await parts.explainer.explain("all", span.ref)
    with pytest.raises(LevelMismatch, match="rule 'all' is about spans, not about a trace"):
        await parts.explainer.explain("all", span.trace)


async def test_a_scored_target_names_its_result(parts: Online) -> None:
    """One explanation per metric, in the rule's order."""
    await parts.rules.create(a_rule(metrics=("response_length", "correctness")))
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts):
        await parts.until_results(2)
        await parts.until_quiet()
    results = {each.metric: each for each in await parts.results()}
    found = await parts.explainer.explain("all", span.ref)
    assert all(each.decided is not None for each in found)
    assert [timeless(each) for each in found] == [
        Explanation(
            rule="all",
            metric=metric,
            decision=Decision.SCORED,
            reason=f"scored {value}, attempt 1",
            evaluation_id=results[metric].evaluation_id,
            attempts=1,
        )
        for metric, value in (("response_length", "6"), ("correctness", "1 (correct)"))
    ]


async def test_a_failed_target_says_what_failed(parts: Online) -> None:
    """Code and message, and the stored result."""
    await parts.rules.create(a_rule())
    span = a_chat(answer=CRASH)
    await store(parts.database, span)
    async with at_work(parts):
        (failed,) = await parts.until_results(1)
        await parts.until_quiet()
    found = await explained(parts, "all", span.ref)
    assert (found.decision, found.evaluation_id) == (Decision.FAILED, failed.evaluation_id)
    assert found.reason.startswith("INTERNAL: a bug in Assay; incident ")


async def test_a_target_outside_the_sample_says_hash_and_rate(parts: Online) -> None:
    """Worked out again, not stored."""
    await parts.rules.create(a_rule("none", sample_rate=0.0))
    span = a_chat()
    await store(parts.database, span)
    progress = await parts.queue.progress(span.trace_id, COMPLETION)
    assert progress is not None
    assert await explained(parts, "none", span.ref) == Explanation(
        rule="none",
        metric="response_length",
        decision=Decision.SAMPLED_OUT,
        reason=f"not in the sample: its hash falls at {progress.bucket / 10_000:.4f} %, the rate is 0 %",
    )


async def test_a_filtered_target_says_the_clause(parts: Online) -> None:
    """As the rule's author wrote it."""
    await parts.rules.create(a_rule("gold", filter="SpanAttributes['tier'] = 'gold'"))
    span = a_chat()
    await store(parts.database, span)
    assert await explained(parts, "gold", span.ref) == Explanation(
        rule="gold",
        metric="response_length",
        decision=Decision.FILTERED_OUT,
        reason="the filter is not true for it: SpanAttributes['tier'] = 'gold' (SpanAttributes['tier'] is '')",
        clauses=(FalseClause(text="SpanAttributes['tier'] = 'gold'", seen={"SpanAttributes['tier']": ""}),),
    )


async def test_a_span_of_another_kind_is_not_applicable(parts: Online) -> None:
    """Whatever sample and filter say."""
    await parts.rules.create(a_rule(metrics=("correctness",), sample_rate=0.0))
    tool = SentSpan(attributes={"gen_ai.operation.name": "execute_tool"})
    await store(parts.database, tool)
    assert await explained(parts, "all", tool.ref) == Explanation(
        rule="all",
        metric="correctness",
        decision=Decision.NOT_APPLICABLE,
        reason="correctness applies to spans of kind llm, agent; this one is tool",
    )


async def test_a_target_that_waits_says_for_what_and_until_when(parts: Online) -> None:
    """For more of its trace, for its root, or for the next poll."""
    explainer = replace(parts.explainer, completion=Completion(grace_one_ms=HOUR_MS, idle_ms=2 * HOUR_MS))
    await parts.rules.create(a_rule())
    rooted, rootless = a_chat(), a_chat(parent="e" * 16)
    await store(parts.database, rooted, rootless)
    for span, what, wait_ms in (
        (rooted, "more of its trace", HOUR_MS),
        (rootless, "the root span of its trace to end (1 parent span is missing)", 2 * HOUR_MS),
    ):
        (found,) = await explainer.explain("all", span.ref)
        ready = datetime.fromtimestamp(((await located(parts.database, span.trace)).watermark_ms + wait_ms) / 1000, UTC)
        assert found == Explanation(
            rule="all",
            metric="response_length",
            decision=Decision.WAITING,
            reason=f"waiting for {what}, until {ready:%H:%M:%S} UTC unless something arrives",
            next_attempt=ready,
        )
    done = a_chat()
    await store(parts.database, done, ingested_ms=int(datetime.now(UTC).timestamp() * 1000) - 60_000)
    found = await explained(parts, "all", done.ref)
    assert found.decision is Decision.QUEUED
    assert "the next poll takes it" in found.reason
    assert found.next_attempt is None


async def test_a_disabled_rule_and_an_old_target_say_so(parts: Online) -> None:
    """Nothing will come of waiting."""
    old = a_chat()
    await store(parts.database, old, ingested_ms=int(datetime.now(UTC).timestamp() * 1000) - 2 * HOUR_MS)
    await parts.rules.create(a_rule())
    found = await explained(parts, "all", old.ref)
    assert found.decision is Decision.BEFORE_LOOKBACK
    assert "over 60 minutes before the rule was enabled" in found.reason
    await parts.rules.disable("all")
    assert await explained(parts, "all", old.ref) == Explanation(
        rule="all", metric="response_length", decision=Decision.DISABLED, reason="the rule is disabled"
    )


async def test_work_under_way_is_running_while_its_worker_lives(parts: Online) -> None:
    """A dead worker's work is taken up again, unless the rule is disabled."""
    await parts.rules.create(a_rule())
    span, leases = a_chat(), parts.leases(ttl_seconds=600.0)
    await store(parts.database, span)
    await leases.renew()
    record = await located(parts.database, span.ref)
    await parts.queue.record([started(span, record.watermark_ms, worker=leases.owner)])
    running = await explained(parts, "all", span.ref)
    assert running.decided is not None
    assert running == Explanation(
        rule="all",
        metric="response_length",
        decision=Decision.RUNNING,
        reason=f"being scored since {running.decided:%H:%M:%S} UTC",
        decided=running.decided,
        attempts=1,
    )
    await leases.release()
    assert await explained(parts, "all", span.ref) == replace(
        running,
        decision=Decision.QUEUED,
        reason="its worker died; the next poll takes it up again (1 of 3 tries)",
    )
    await parts.rules.disable("all")
    assert await explained(parts, "all", span.ref) == replace(
        running, decision=Decision.DISABLED, reason="its worker died, and the rule is disabled"
    )


@pytest.mark.parametrize(
    ("ledger", "reason", "decision"),
    [
        ("cancelled", "the target is not stored any more", Decision.CANCELLED),
        ("poisoned", "3 workers died at it", Decision.SET_ASIDE),
        (
            "failed",
            "REQUIRED_METRIC_FAILED: without success: a failed on …",
            Decision.DEPENDENCY_FAILED,
        ),
        ("not_computed", "no result came within 2 s for told@trace on …", Decision.DEPENDENCY_FAILED),
        ("failed", "JUDGE_TIMEOUT: no answer within 60 s", Decision.FAILED),
    ],
)
async def test_what_ended_without_a_score_says_how(
    parts: Online, ledger: LedgerDecision, reason: str, decision: Decision
) -> None:
    """Stopped, set aside, held back by what it requires, or failed by itself."""
    await parts.rules.create(a_rule())
    span = a_chat()
    await store(parts.database, span)
    record = await located(parts.database, span.ref)
    await parts.queue.record([started(span, record.watermark_ms, decision=ledger, reason=reason)])
    assert timeless(await explained(parts, "all", span.ref)) == Explanation(
        rule="all", metric="response_length", decision=decision, reason=reason, attempts=1
    )


async def test_a_newer_revision_waits_beside_the_decision_about_the_older(parts: Online) -> None:
    """The result of the older one is named; a disabled rule leaves it at that."""
    await parts.rules.create(a_rule("traces", level=Level.TRACE))
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts):
        (result,) = await parts.until_results(1)
        await parts.until_quiet()
    scored = await explained(parts, "traces", root.trace)
    await store(parts.database, SentSpan(trace_id=root.trace_id, parent=root.span_id))
    found = await explained(parts, "traces", root.trace)
    assert found.decision in (Decision.WAITING, Decision.QUEUED)
    assert found.evaluation_id == result.evaluation_id
    assert found.reason.startswith("an earlier revision was decided (scored); the newer one is ")
    await parts.rules.disable("traces")
    assert await explained(parts, "traces", root.trace) == scored


async def test_explanations_never_contradict_the_results(parts: Online) -> None:
    """Random targets under random rules: a result exactly where it says scored or failed, none anywhere else."""
    chance = random.Random(SEED)
    spans: list[SentSpan] = []
    for _ in range(24):
        kind = chance.choice(("chat", "execute_tool"))
        spans.append(
            a_chat(
                answer=chance.choice(("Paris.", "Lyon.", CRASH)),
                attributes={"gen_ai.operation.name": kind, "tier": chance.choice(("gold", "lead"))},
                service=chance.choice(("shop", "search")),
            )
        )
    rules = [
        a_rule("some", sample_rate=0.5),
        a_rule("gold", filter="SpanAttributes['tier'] = 'gold'", metrics=("response_length", "correctness")),
        a_rule("shop", filter="ServiceName = 'shop'", sample_rate=0.3, metrics=("correctness",)),
        a_rule("whole", level=Level.TRACE, filter="Spans = 1"),
    ]
    for rule in rules:
        await parts.rules.create(rule)
    await parts.rules.create(a_rule("off", enabled=False))
    await store(parts.database, *spans)
    async with at_work(parts):
        for rule in rules:
            await parts.until_looked(rule.name)
    seen: set[Decision] = set()
    for rule in (*rules, a_rule("off")):
        has = {(each.target, each.metric): each for each in await parts.results(rule=rule.name)}
        for span in chance.sample(spans, 6):
            ref = span.ref if rule.level is Level.SPAN else span.trace
            for found in await parts.explainer.explain(rule.name, ref):
                seen.add(found.decision)
                result = has.get((ref, found.metric))
                stored = Decision.SCORED if result and result.status == "success" else Decision.FAILED
                if result is None:
                    assert found.decision in _WITHOUT_RESULT, (rule, span, found)
                    assert found.evaluation_id is None
                else:
                    assert (found.decision, found.evaluation_id) == (stored, result.evaluation_id), (rule, span)
    assert seen == {Decision.SCORED, Decision.FAILED, *_WITHOUT_RESULT}, "a state was never met"


_WITHOUT_RESULT = {Decision.SAMPLED_OUT, Decision.FILTERED_OUT, Decision.NOT_APPLICABLE, Decision.DISABLED}
