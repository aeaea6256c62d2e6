"""Why a target was not scored: every reason that a rule can have, each with what it saw."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from online_parts import PACE, Online, a_rule, at_work, online
from storing import SentSpan, a_chat, located, store, until

from evaluator.errors import RuleNotFound, TargetNotFound
from evaluator.judges.scripted_faults import status
from evaluator.online.explaining.explanation import Decision, Explanation, FalseClause
from evaluator.online.rules.policy import Late, Retries
from storage.clickhouse.client import Database
from storage.model import Level, TargetRef
from storage.queue import Completion, LedgerDecision
from storage.queue import Decision as Entry

HOUR_MS = 3_600_000
QUICK = replace(PACE, waiting_seconds=0.1)


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


async def why(parts: Online, rule: str, ref: TargetRef) -> tuple[Decision, str]:
    """Decision and reason of a rule with one metric."""
    (found,) = await parts.explainer.explain(rule, ref)
    return found.decision, found.reason


async def said(parts: Online, span: SentSpan, decision: LedgerDecision, reason: str = "", **other: object) -> None:
    """Let the ledger say something about a span, as it stands."""
    record = await located(parts.database, span.ref)
    entry = Entry(
        rule="all",
        rule_version=1,
        metric="response_length",
        target=span.ref,
        watermark_ms=record.watermark_ms,
        decision=decision,
        reason=reason,
    )
    await parts.queue.record([replace(entry, **other)])


def now_ms() -> int:
    """Now."""
    return time.time_ns() // 1_000_000


async def test_every_false_clause_is_named_with_what_it_saw(parts: Online) -> None:
    """Those that are true are not; a trace's clauses see its root."""
    text = "kind = 'tool' AND service = 'shop' AND attributes['tier'] IN ('gold') AND (duration_ms > 5 OR name = 'x')"
    await parts.rules.create(a_rule("picky", filter=text))
    span = a_chat(attributes={"tier": "lead"})
    await store(parts.database, span)
    (found,) = await parts.explainer.explain("picky", span.ref)
    assert found.decision is Decision.FILTERED_OUT
    assert [(clause.text, dict(clause.seen)) for clause in found.clauses] == [
        ("kind = 'tool'", {"kind": "llm"}),
        ("attributes['tier'] IN ('gold')", {"attributes['tier']": "lead"}),
        ("(duration_ms > 5 OR name = 'x')", {"duration_ms": "1", "name": "answer"}),
    ]
    await parts.rules.create(a_rule("deep", level=Level.TRACE, filter="service = 'shop' AND spans > 1"))
    (found,) = await parts.explainer.explain("deep", span.trace)
    assert found.clauses == (FalseClause(text="spans > 1", seen={"spans": "1"}),)
    assert found.reason == "the filter is not true for it: spans > 1 (spans is '1')"


async def test_the_rate_that_is_named_is_that_of_its_source(parts: Online) -> None:
    """Production and experiments have their own."""
    rates = {"production": 0.0, "experiment": 1.0}
    await parts.rules.create(a_rule("mixed", source_rates=rates))
    live, tried = a_chat(), a_chat(attributes={"assay.experiment.id": "e1"})
    await store(parts.database, live, tried)
    decision, reason = await why(parts, "mixed", live.ref)
    assert decision is Decision.SAMPLED_OUT
    assert reason.endswith("the rate for production is 0 %")
    assert (await why(parts, "mixed", tried.ref))[0] in (Decision.QUEUED, Decision.WAITING)


async def test_another_application_is_out_of_scope(parts: Online) -> None:
    """Whatever the filter says of it."""
    await parts.rules.create(a_rule("scoped", scope="checkout", filter="kind = 'tool'"))
    span = a_chat()
    await store(parts.database, span)
    assert await why(parts, "scoped", span.ref) == (
        Decision.OUT_OF_SCOPE,
        "the rule is about 'checkout', and this came from elsewhere",
    )


async def test_a_waiting_target_counts_the_parents_that_did_not_come(parts: Online) -> None:
    """Root open, and two spans name parents that nobody has seen."""
    explainer = replace(parts.explainer, completion=Completion(grace_one_ms=HOUR_MS, idle_ms=2 * HOUR_MS))
    await parts.rules.create(a_rule("traces", level=Level.TRACE))
    first = a_chat(parent="e" * 16)
    await store(parts.database, first, a_chat(trace_id=first.trace_id, parent="d" * 16))
    (found,) = await explainer.explain("traces", first.trace)
    assert found.decision is Decision.WAITING
    assert "the root span of its trace to end (2 parent spans are missing), until " in found.reason


async def test_a_session_says_how_long_it_must_be_quiet(parts: Online) -> None:
    """Until when, and of how many of its traces no root has come."""
    await parts.rules.create(a_rule("talks", level=Level.SESSION, metrics=("conversation_quality",)))
    root, rootless = (a_chat(attributes={"session.id": "talk"}, parent=parent) for parent in ("", "e" * 16))
    await store(parts.database, root, rootless)
    (found,) = await parts.explainer.explain("talks", TargetRef(level=Level.SESSION, session_id="talk"))
    assert found.decision is Decision.WAITING
    assert found.reason.startswith(
        "waiting for the session to be quiet for 300 s; of 1 of its 2 traces no root has come, until "
    )
    assert found.next_attempt is not None
    with pytest.raises(TargetNotFound):
        await parts.explainer.explain("talks", TargetRef(level=Level.SESSION, session_id="nobody"))


async def test_a_failed_attempt_says_when_the_next_one_comes(parts: Online) -> None:
    """And how many there may be; when they are spent, how many there were."""
    parts.scoring.judge.always(status(400, "down"))
    retries = Retries(attempts=2, backoff_seconds=1.0)
    await parts.rules.create(a_rule("judged", metrics=("correctness",), retries=retries))
    span = a_chat()
    await store(parts.database, span)

    async def failed(end: str) -> Explanation | None:
        (found,) = await parts.explainer.explain("judged", span.ref)
        return found if found.decision is Decision.FAILED and end in found.reason else None

    async with at_work(parts, pace=QUICK):
        between: Explanation = await until(lambda: failed("; attempt 1 of 2, again at "))
        assert between.next_attempt is not None
        assert between.evaluation_id is not None
        after: Explanation = await until(lambda: failed("; after 2 attempts"))
    assert (after.next_attempt, after.attempts, after.evaluation_id) == (None, 2, between.evaluation_id)


async def test_an_edit_leaves_what_it_finds_to_the_version_before(parts: Online) -> None:
    """A wider filter and another metric are for what completes after them."""
    created = await parts.rules.create(a_rule("edited", filter="name = 'x'"))
    span = a_chat()
    await store(parts.database, span, ingested_ms=now_ms() - 1_000)
    async with at_work(parts):
        await parts.until_looked("edited")
    await parts.rules.update(
        replace(created.definition, filter="", metrics=("correctness", "response_length")), base_version=1
    )
    correctness, length = await parts.explainer.explain("edited", span.ref)
    assert correctness.decision in (Decision.EARLIER_VERSION, Decision.FILTERED_OUT)
    assert length.decision is Decision.FILTERED_OUT
    assert length.reason == (
        "the filter is not true for it: name = 'x' (name is 'answer') "
        "(in version 1 of the rule, which held when it was complete)"
    )


async def test_what_was_complete_before_the_look_back_says_both_times(parts: Online) -> None:
    """A rule that looks back for nothing."""
    span = a_chat()
    await store(parts.database, span, ingested_ms=now_ms() - 60_000)
    await parts.rules.create(a_rule("new", lookback_seconds=0.0))
    decision, reason = await why(parts, "new", span.ref)
    assert decision is Decision.BEFORE_LOOKBACK
    assert "over 0 minutes before the rule was enabled at " in reason


async def test_what_arrives_late_is_ignored_where_the_rule_says_so(parts: Online) -> None:
    """The result of the earlier revision stays, and is named."""
    await parts.rules.create(a_rule("once", level=Level.TRACE, late=Late.IGNORE))
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts):
        (result,) = await parts.until_results(1)
        await parts.until_quiet()
        await store(parts.database, SentSpan(trace_id=root.trace_id, parent=root.span_id))
        (found,) = await parts.explainer.explain("once", root.trace)
        await parts.until_looked("once")
        (later,) = await parts.explainer.explain("once", root.trace)
    for each in (found, later):
        assert (each.decision, each.evaluation_id) == (Decision.LATE_IGNORED, result.evaluation_id)
    assert len(await parts.results()) == 1


async def test_a_spent_budget_says_when_there_is_a_new_one(parts: Online) -> None:
    """The next UTC day; what was left out is a backfill's."""
    await parts.rules.create(a_rule())
    span = a_chat()
    await store(parts.database, span)
    await said(parts, span, "over_budget", "rule all: 100 of 100 calls are spent")
    (found,) = await parts.explainer.explain("all", span.ref)
    assert found.decision is Decision.OVER_BUDGET
    assert found.reason.startswith("rule all: 100 of 100 calls are spent; what completes from ")
    assert " 00:00 UTC on has a new budget" in found.reason


async def test_without_a_rule_every_rule_of_the_level_answers(parts: Online) -> None:
    """By name; rules of other levels have nothing to say, and a rule that was deleted is known by the ledger."""
    for rule in (a_rule("b_off", enabled=False), a_rule("a_on", sample_rate=0.0), a_rule("traces", level=Level.TRACE)):
        await parts.rules.create(rule)
    await parts.rules.create(a_rule())
    span = a_chat()
    await store(parts.database, span)
    assert [(each.rule, each.decision) for each in await parts.explainer.explain("", span.ref)] == [
        ("a_on", Decision.SAMPLED_OUT),
        ("all", (await parts.explainer.explain("all", span.ref))[0].decision),
        ("b_off", Decision.DISABLED),
    ]
    await said(parts, span, "failed", "JUDGE_TIMEOUT: no answer")
    await parts.rules.delete("all")
    assert [(each.rule, each.reason) for each in await parts.explainer.explain("", span.ref)][1] == (
        "all",
        "JUDGE_TIMEOUT: no answer; the rule was deleted since",
    )


async def test_of_a_deleted_rule_the_ledger_answers(parts: Online) -> None:
    """What it did not decide about it never will; a rule that never was is an error."""
    await parts.rules.create(a_rule(metrics=("response_length", "correctness")))
    span = a_chat()
    await store(parts.database, span)
    await said(parts, span, "scored")
    await parts.rules.delete("all")
    assert [(each.metric, each.decision, each.reason) for each in await parts.explainer.explain("all", span.ref)] == [
        ("response_length", Decision.SCORED, "scored, attempt 1; the rule was deleted since"),
        ("correctness", Decision.DISABLED, "the rule was deleted before it decided about this target"),
    ]
    with pytest.raises(RuleNotFound):
        await parts.explainer.explain("never", span.ref)


async def test_of_a_target_that_is_gone_the_ledger_answers(parts: Online) -> None:
    """Telemetry is deleted sooner than what was decided about it."""
    await parts.rules.create(a_rule())
    span = a_chat()
    await store(parts.database, span)
    await said(parts, span, "failed", "JUDGE_TIMEOUT: no answer")
    for table in ("otel_traces", "traces_rollup", "trace_events"):
        await parts.database.execute(f"TRUNCATE TABLE {table}")
    assert await why(parts, "all", span.ref) == (Decision.FAILED, "JUDGE_TIMEOUT: no answer")
    with pytest.raises(TargetNotFound):
        await parts.explainer.explain("all", a_chat().ref)


async def test_a_metric_that_the_rule_names_no_more_is_explained_all_the_same(parts: Online) -> None:
    """After those that it names."""
    created = await parts.rules.create(a_rule())
    span = a_chat()
    await store(parts.database, span)
    await said(parts, span, "scored")
    await parts.rules.update(replace(created.definition, metrics=("correctness",)), base_version=1)
    named, dropped = await parts.explainer.explain("all", span.ref)
    assert named.metric == "correctness"
    assert (dropped.metric, dropped.decision) == ("response_length", Decision.SCORED)
    assert dropped.reason == "scored, attempt 1; the rule does not name response_length any more"


async def test_one_of_three_metrics_that_failed_is_told_apart(parts: Online) -> None:
    """Per rule and metric."""
    parts.scoring.judge.then(status(400, "down"))
    await parts.rules.create(a_rule(metrics=("response_length", "correctness", "latency")))
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts):
        await parts.until_results(3)
        await parts.until_quiet()
    found = await parts.explainer.explain("all", span.ref)
    assert [(each.metric, each.decision) for each in found] == [
        ("response_length", Decision.SCORED),
        ("correctness", Decision.FAILED),
        ("latency", Decision.SCORED),
    ]
