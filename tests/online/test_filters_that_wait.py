"""A rule whose filter reads results of other metrics waits for them, target by target, and then decides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from online_parts import PACE, Online, a_rule, at_work, online
from storing import a_chat, a_result, located, store, until

from evaluator.online.explaining.explanation import Decision as Answer
from storage.clickhouse.client import Database
from storage.model import Failure, Level, MetricKind, Score, TargetRef
from storage.queue import Decision

QUICK = replace(PACE, waiting_seconds=0.1)


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own: rules see everything that is stored."""
    async with online(fresh_database) as ready:
        yield ready


async def ledger(parts: Online, rule: str) -> dict[str, tuple[str, str]]:
    """Decision and reason by target."""
    rows = await parts.database.query(
        "SELECT TargetId AS id, toString(Decision) AS decision, Reason AS reason FROM decisions FINAL "
        "WHERE RuleId = {rule:String}",
        {"rule": rule},
    )
    return {row["id"]: (row["decision"], row["reason"]) for row in rows}


async def until_decided(parts: Online, rule: str, expected: dict[str, str]) -> None:
    """Wait until the ledger says of every target what is expected, and of no other anything."""

    async def as_expected() -> bool:
        return {key: decision for key, (decision, _) in (await ledger(parts, rule)).items()} == expected

    await until(as_expected)


async def test_a_target_waits_for_the_result_that_its_filter_reads(parts: Online) -> None:
    """The rest of the filter decides at once; the judge is asked only about what passes the whole of it."""
    filtered = "metric.response_length.value > 10 AND name = 'wanted'"
    await parts.rules.create(a_rule("judged", metrics=("correctness",), filter=filtered))
    long, short = a_chat(answer="It is Paris, of course.", name="wanted"), a_chat(answer="Paris.", name="wanted")
    other = a_chat(answer="It is Paris, of course.", name="other")
    await store(parts.database, long, short, other)
    async with at_work(parts, pace=QUICK):
        await until_decided(parts, "judged", {long.ref.key: "waiting", short.ref.key: "waiting"})
        waiting = {reason for _, reason in (await ledger(parts, "judged")).values()}
        assert waiting == {"the filter waits for the result of response_length"}
        assert list(parts.scoring.judge.requests) == []
        await parts.rules.create(a_rule("lengths"))
        await until_decided(parts, "judged", {long.ref.key: "scored", short.ref.key: "filtered_out"})
    results = await parts.results(metrics=("correctness",))
    assert [(each.target, each.rule) for each in results] == [(long.ref, "judged")]
    assert len(parts.scoring.judge.requests) == 1
    (answer,) = await parts.explainer.explain("judged", short.ref)
    assert answer.decision is Answer.FILTERED_OUT


async def test_results_that_are_there_already_are_not_waited_for(parts: Online) -> None:
    """A failure is a result, too, and a comparison with nothing is not true."""
    spans = [a_chat() for _ in range(3)]
    await store(parts.database, *spans)
    outcomes = [Score(value=0.9), Score(value=0.1), Failure(code="JUDGE_UNAVAILABLE", message="429")]
    at = [(await located(parts.database, span.ref)).watermark_ms for span in spans]
    await parts.scoring.results.append(
        [
            a_result(span, outcome, metric="toxicity", watermark_ms=seen)
            for span, outcome, seen in zip(spans, outcomes, at, strict=True)
        ]
    )
    await parts.rules.create(a_rule("toxic", filter="metric.toxicity.value > 0.5"))
    async with at_work(parts, pace=QUICK):
        await until_decided(
            parts,
            "toxic",
            dict(zip((s.ref.key for s in spans), ("scored", "filtered_out", "filtered_out"), strict=True)),
        )


async def test_a_result_of_an_earlier_revision_is_not_enough_and_one_of_others_is(parts: Online) -> None:
    """What Assay computes it computes again when something arrives late; what others send says nothing of that."""
    ours, theirs = a_chat(), a_chat()
    await store(parts.database, ours, theirs)
    await parts.scoring.results.append(
        [
            a_result(ours, Score(value=0.9), metric="toxicity", watermark_ms=1),
            a_result(theirs, Score(value=0.9), metric="toxicity", kind=MetricKind.EXTERNAL),
        ]
    )
    await parts.rules.create(a_rule("toxic", filter="metric.toxicity.value > 0.5"))
    async with at_work(parts, pace=QUICK):
        await until_decided(parts, "toxic", {ours.ref.key: "waiting", theirs.ref.key: "scored"})


async def test_what_does_not_come_in_time_is_decided_without_it_and_that_is_said(parts: Online) -> None:
    """The ledger names what was waited for; a filter may ask for exactly that."""
    await parts.rules.create(a_rule("toxic", filter="metric.toxicity.value > 0.5"))
    await parts.rules.create(a_rule("unjudged", filter="metric.toxicity.status IS NULL"))
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts, pace=QUICK):
        for rule in ("toxic", "unjudged"):
            await until_decided(parts, rule, {span.ref.key: "waiting"})
        seen_ms = (await located(parts.database, span.ref)).watermark_ms
        waited = Decision(
            rule="", rule_version=1, metric="response_length", target=span.ref, watermark_ms=seen_ms,
            decision="waiting", next_attempt_ms=1,
        )  # fmt: skip
        await parts.queue.record([replace(waited, rule=rule) for rule in ("toxic", "unjudged")])  # an hour later
        await until_decided(parts, "toxic", {span.ref.key: "filtered_out"})
        await until_decided(parts, "unjudged", {span.ref.key: "scored"})
    assert (await ledger(parts, "toxic"))[span.ref.key] == (
        "filtered_out",
        "the filter is not true for it: the result of toxicity did not come within 60 minutes",
    )


@pytest.mark.parametrize("level", [Level.TRACE, Level.SESSION])
async def test_traces_and_sessions_wait_for_results_of_their_own_level(parts: Online, level: Level) -> None:
    """A result of a span of the trace is not the trace's."""
    chat = a_chat(attributes={"session.id": "S"})
    await store(parts.database, chat)
    target = chat.trace if level is Level.TRACE else TargetRef(level=Level.SESSION, session_id="S")
    metric = "tool_call_correctness" if level is Level.TRACE else "user_frustration"
    rule = a_rule(
        "toxic", level=level, metrics=(metric,), filter="metric.toxicity.value > 0.5", session_idle_seconds=1.0
    )
    levels = await parts.scoring.metrics.get("toxicity")
    if level not in levels.levels:
        await parts.scoring.metrics.create(replace(levels, builtin=False, levels=(level,), span_kinds=()))
    await parts.rules.create(rule)
    await parts.scoring.results.append([a_result(chat, Score(value=0.9), metric="toxicity", watermark_ms=2**42)])
    async with at_work(parts, pace=QUICK):
        await until_decided(parts, "toxic", {target.key: "waiting"})
        record = await located(parts.database, target)
        await parts.scoring.results.append(
            [a_result(chat, Score(value=0.9), target=target, metric="toxicity", watermark_ms=record.watermark_ms)]
        )

        async def begun() -> bool:
            return (await ledger(parts, "toxic"))[target.key][0] not in ("waiting", "started")

        await until(begun)
    assert (await ledger(parts, "toxic"))[target.key][0] != "filtered_out"
