"""Backfill: a rule over a range of the past."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from run_parts import PACE, RunParts, working
from storing import SentSpan, a_chat, located, store, until

from evaluator.errors import InvalidDefinition, InvalidFilter, RuleNotFound
from evaluator.judges.scripted import Asked, ScriptedJudge, by_rule
from evaluator.judges.scripted_faults import status
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from evaluator.runs.backfill import OfRule
from evaluator.runs.definition import FailuresOf, RunRequest
from evaluator.scoring.request import EvaluationRequest, MetricRef
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.model import Evaluation, Level, Purpose, Status, TargetRef, result_id
from storage.queue import Decision, LedgerDecision
from storage.runs import Only, RunState

FROM = datetime(2026, 11, 2, tzinfo=UTC)
DAY = OfRule(rule="polite", since=FROM, until=FROM + timedelta(days=1))
THEN_NS = int((FROM + timedelta(hours=5)).timestamp()) * 10**9
"""Long before any look-back."""


def past(**other: object) -> SentSpan:
    """A model call of that day."""
    return a_chat(**({"start_ns": THEN_NS} | other))  # type: ignore[arg-type]


async def ruled(parts: RunParts, **other: object) -> RuleDefinition:
    """The rule, switched off: what it has not scored it never will by itself."""
    fields: dict[str, object] = {"level": Level.SPAN, "metrics": ("correctness",), "enabled": False}
    rules = Rules(ClickHouseDefinitions(parts.database), parts.scoring.metrics)
    made = await rules.create(RuleDefinition(name="polite", **(fields | other)))  # type: ignore[arg-type]
    return made.definition


async def scored_live(parts: RunParts, rule: RuleDefinition, *spans: SentSpan) -> list[Evaluation]:
    """As the rule's own worker does it."""
    records = [await located(parts.database, span.ref) for span in spans]
    request = EvaluationRequest(
        targets=(),
        metrics=(MetricRef(name=rule.metrics[0]),),
        purpose=Purpose.ONLINE,
        origin=rule.name,
        rule=rule.name,
        rule_version=rule.version,
    )
    found = await parts.scoring.engine.score(records, request)
    return [each for each in found if isinstance(each, Evaluation)]


async def of_rule(parts: RunParts) -> Counter[tuple[str, str]]:
    """What stands in the rule's ledger: how often each decision, for each reason."""
    rows = await parts.database.query(
        "SELECT toString(Decision) AS decision, Reason AS reason FROM decisions FINAL WHERE RuleId = 'polite'"
    )
    return Counter((row["decision"], row["reason"]) for row in rows)


async def test_a_backfill_scores_what_its_rule_is_about_and_the_results_are_the_rules(parts: RunParts) -> None:
    """Its filter, its metrics, days before any look-back; each result has the id that the rule would have given it."""
    rule = await ruled(parts, filter="service = 'shop'")
    spans = [past(service="shop") for _ in range(9)]
    await store(parts.database, *spans, past(service="other"), a_chat(service="shop"))
    async with working(parts):
        standing = await parts.done(RunRequest(selection=DAY))
    run_id = standing.run.run_id
    assert (standing.state, standing.total, standing.tally.decisions) == (RunState.SUCCEEDED, 9, {"scored": 9})
    assert (standing.run.estimate["targets"], standing.run.estimate["exact"]) == (9, True)
    results = await parts.results()
    assert {each.target for each in results} == {span.ref for span in spans}
    assert {(each.rule, each.rule_version, each.run, each.purpose) for each in results} == {
        ("polite", rule.version, run_id, Purpose.BACKFILL)
    }
    assert {each.evaluation_id for each in results} == {
        result_id(
            source=Purpose.ONLINE,
            origin="polite",
            metric_digest=f"correctness@{each.metric_version}:{each.metric_digest}",
            target=each.target,
            watermark_ms=each.watermark_ms,
        )
        for each in results
    }
    assert await of_rule(parts) == {("scored", f"backfill {run_id}"): 9}


async def test_what_the_rule_has_concluded_is_neither_estimated_nor_bought_again(parts: RunParts) -> None:
    """Of this version, on this revision; whoever wants it all the same says `recompute`, and the newer one counts."""
    rule = await ruled(parts)
    spans = [past() for _ in range(8)]
    await store(parts.database, *spans)
    live = await scored_live(parts, rule, *spans[:5])
    async with working(parts):
        standing = await parts.done(RunRequest(selection=DAY))
        assert (standing.run.estimate["pairs"], standing.tally.decisions) == (3, {"scored": 3})
        assert len(parts.scoring.judge.requests) == 8
        again = await parts.done(RunRequest(selection=DAY))
        assert (again.state, again.run.estimate["pairs"], again.tally.decisions) == (RunState.SUCCEEDED, 0, {})
        assert len(parts.scoring.judge.requests) == 8
        anew = await parts.done(RunRequest(selection=replace(DAY, recompute=True)))
    assert (anew.run.estimate["pairs"], anew.tally.decisions) == (8, {"scored": 8})
    assert len(parts.scoring.judge.requests) == 16
    rows = await parts.database.query("SELECT count() AS n, uniqExact(EvaluationId) AS ids FROM evaluations")
    assert rows == [{"n": 16, "ids": 16}]
    current = await parts.database.query("SELECT EvaluationId AS id FROM evaluations_current FINAL")
    assert {str(row["id"]) for row in current}.isdisjoint({str(each.evaluation_id) for each in live})


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (Only.OVER_BUDGET, {"over_budget"}),
        (Only.FAILED, {"failed", "poisoned"}),
        (Only.CANCELLED, {"cancelled"}),
        (Only.UNSCORED, {"nothing"}),
        (None, {"over_budget", "failed", "poisoned", "cancelled", "nothing"}),
    ],
)
async def test_a_backfill_takes_what_the_rule_decided_so(
    parts: RunParts, only: Only | None, expected: set[str]
) -> None:
    """What waits or is to be tried again comes back by itself, and what has a result has one."""
    rule = await ruled(parts)
    decisions = ("over_budget", "failed", "poisoned", "cancelled", "waiting", "retrying", "scored", "nothing")
    spans = {decision: past(question=decision) for decision in decisions}
    await store(parts.database, *spans.values())
    await scored_live(parts, rule, spans["scored"])
    for decision, span in spans.items():
        if decision != "nothing":
            await decide(parts, rule, span, decision)  # type: ignore[arg-type]
    async with working(parts):
        standing = await parts.done(RunRequest(selection=replace(DAY, only=only)))
    assert standing.tally.decisions == {"scored": len(expected)}
    found = {each.target for each in await parts.results(standing.run.run_id)}
    assert {name for name, span in spans.items() if span.ref in found} == expected


async def decide(parts: RunParts, rule: RuleDefinition, span: SentSpan, decision: LedgerDecision) -> None:
    """An entry in the rule's ledger."""
    record = await located(parts.database, span.ref)
    entry = Decision(
        rule=rule.name,
        rule_version=rule.version,
        metric="correctness",
        target=record.ref,
        watermark_ms=record.watermark_ms,
        decision=decision,
    )
    await parts.queue.record([entry])


async def test_what_failed_in_the_rule_is_a_further_attempt_of_the_same_result(parts: RunParts) -> None:
    """And what fails in a backfill is tried again by a run over its failures: still the rule's, still the same id."""
    rule = await ruled(parts)
    span = past(question="hard")
    await store(parts.database, span)
    judge = parts.scoring.judge
    judge.always(status(400, "no"))
    [live] = await scored_live(parts, rule, span)
    assert live.status is Status.FAILED
    await decide(parts, rule, span, "failed")
    async with working(parts):
        first = await parts.done(RunRequest(selection=replace(DAY, only=Only.FAILED)))
        assert (first.state, first.tally.decisions) == (RunState.FAILED, {"failed": 1})
        judge.always(by_rule)
        second = await parts.done(RunRequest(selection=FailuresOf(run_id=first.run.run_id)))
    assert second.tally.decisions == {"scored": 1}
    results = await parts.results()
    assert [(each.evaluation_id, each.attempt, each.rule, each.status) for each in results] == [
        (live.evaluation_id, 1, "polite", Status.FAILED),
        (live.evaluation_id, 2, "polite", Status.FAILED),
        (live.evaluation_id, 3, "polite", Status.SUCCESS),
    ]
    [(decision, reason)] = await of_rule(parts)
    assert (decision, reason) == ("scored", f"backfill {second.run.run_id}")


@pytest.mark.parametrize("level", list(Level))
async def test_sample_scope_and_both_filters_decide_at_every_level(parts: RunParts, level: Level) -> None:
    """The narrower filter stands beside the rule's own, whatever is written in either."""
    of_root = "" if level is Level.SPAN else "root_"
    metric = {Level.SPAN: "response_length", Level.TRACE: "response_length", Level.SESSION: "conversation_quality"}
    await ruled(
        parts,
        level=level,
        metrics=(metric[level],),
        scope="shop",
        filter=f"{of_root}name = 'answer' OR {of_root}name = 'ask'",
    )
    wanted = [past(service="shop", attributes={"session.id": f"s{number}"}) for number in range(6)]
    slow = past(service="shop", duration_ns=10**10, attributes={"session.id": "slow"})
    other_name = past(service="shop", name="tidy up", attributes={"session.id": "tidy"})
    await store(parts.database, *wanted, slow, other_name, past(service="bank", attributes={"session.id": "bank"}))
    narrowed = replace(DAY, filter="duration_ms < 5000")
    async with working(parts):
        standing = await parts.done(RunRequest(selection=narrowed))
    found = {each.target for each in await parts.results(standing.run.run_id) if each.metric == metric[level]}
    refs = {
        Level.SPAN: {span.ref for span in wanted},
        Level.TRACE: {span.trace for span in wanted},
        Level.SESSION: {TargetRef(level=Level.SESSION, session_id=f"s{number}") for number in range(6)},
    }
    assert found == refs[level]
    assert standing.run.estimate["targets"] == 6


async def test_experiments_have_a_sample_of_their_own(parts: RunParts) -> None:
    """A rule that leaves them out leaves them out of the past, too."""
    await ruled(parts, metrics=("response_length",), source_rates={"experiment": 0.0})
    real, tried = past(), past(attributes={"assay.experiment.id": "e1"})
    await store(parts.database, real, tried)
    async with working(parts):
        await parts.done(RunRequest(selection=DAY))
    assert [each.target for each in await parts.results()] == [real.ref]


async def test_a_backfill_is_what_the_rule_was_when_it_was_asked_for(parts: RunParts) -> None:
    """A rule that is edited or deleted meanwhile changes nothing of it."""
    await ruled(parts, metrics=("response_length",), filter="service = 'shop'")
    await store(parts.database, past(service="shop"), past(service="other"))
    created = await parts.catalogue.create(RunRequest(selection=DAY))
    rules = Rules(ClickHouseDefinitions(parts.database), parts.scoring.metrics)
    await rules.delete("polite")
    async with working(parts):
        standing = await parts.ended(created.run.run_id)
    assert (standing.state, standing.tally.decisions) == (RunState.SUCCEEDED, {"scored": 1})


async def test_a_backfill_whose_worker_died_goes_on_without_paying_twice(parts: RunParts) -> None:
    """What is recorded is found under the rule's ids, whoever records it."""
    await ruled(parts)
    spans = [past(question=f"question {number}") for number in range(24)]
    await store(parts.database, *spans)
    async with working(parts):
        run_id = (await parts.catalogue.create(RunRequest(selection=DAY))).run.run_id

        async def some() -> bool:
            return len(await parts.results(run_id)) >= 5

        await until(some, seconds=120.0)
    async with working(parts):
        standing = await parts.ended(run_id)
    assert (standing.state, standing.tally.decisions) == (RunState.SUCCEEDED, {"scored": 24})
    assert Counter(each.target for each in await parts.results()) == Counter(span.ref for span in spans)
    assert len(parts.scoring.judge.requests) <= 24 + PACE.lanes * PACE.judged_targets


async def test_a_cancelled_backfill_leaves_the_rest_to_the_next(parts: RunParts) -> None:
    """The rule's ledger says nothing of what was only begun."""
    await ruled(parts)
    spans = [past(question=f"question {number}") for number in range(20)]
    await store(parts.database, *spans)
    hold = asyncio.Event()
    judge = parts.scoring.judge

    async def held(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if len(judge.requests) > 6:
            await hold.wait()
        return await by_rule(judge, request, asked)

    judge.always(held)
    async with working(parts):
        run_id = (await parts.catalogue.create(RunRequest(selection=DAY))).run.run_id

        async def some() -> bool:
            return len(await parts.results(run_id)) >= 3

        await until(some, seconds=120.0)
        cancelled = await parts.catalogue.cancel(run_id)
        hold.set()
        assert cancelled.state is RunState.CANCELLED
    recorded = len(await parts.results())
    assert sum((await of_rule(parts)).values()) <= recorded
    async with working(parts):
        rest = await parts.done(RunRequest(selection=DAY))
    assert rest.tally.decisions == {"scored": 20 - recorded}
    assert Counter(each.target for each in await parts.results()) == Counter(span.ref for span in spans)


@pytest.mark.parametrize(
    ("asked", "metrics", "error"),
    [
        (replace(DAY, rule="nobody"), (), RuleNotFound),
        (DAY, (MetricRef(name="correctness"),), InvalidDefinition),
        (replace(DAY, filter="sleep(3)"), (), InvalidFilter),
        (replace(DAY, filter="1) OR (1"), (), InvalidFilter),
        (replace(DAY, filter="duration_ms > 1 --"), (), InvalidFilter),
    ],
)
async def test_a_backfill_that_makes_no_sense_is_refused(
    parts: RunParts, asked: OfRule, metrics: tuple[MetricRef, ...], error: type[Exception]
) -> None:
    """Before anything is written; the narrower filter cannot undo the rule's own."""
    await ruled(parts, filter="service = 'shop'")
    with pytest.raises(error):
        await parts.catalogue.create(RunRequest(selection=asked, metrics=metrics))
    assert await parts.runs.newest(states=(), before=None, limit=10) == []


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    """Where it is made; so is a choice beside `recompute`."""
    with pytest.raises(InvalidDefinition):
        replace(DAY, until=FROM)
    with pytest.raises(InvalidDefinition):
        replace(DAY, only=Only.FAILED, recompute=True)
