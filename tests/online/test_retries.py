"""A failed target is evaluated again as often as its rule says: the attempts are recorded, the end is written once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from composite_parts import mean_of
from online_parts import PACE, Online, a_rule, at_work, online
from storing import SentSpan, a_chat, located, store, until

from evaluator.judges.scripted_faults import status
from evaluator.online.polling.retrying import next_attempt_ms, spent
from evaluator.online.rules.policy import Retries
from storage.clickhouse.client import Database
from storage.model import Level, Score
from storage.queue import Decision

QUICK = replace(PACE, waiting_seconds=0.1)
TWICE = Retries(attempts=2, backoff_seconds=1.0)
REFUSED = "JUDGE_REFUSED: HTTP 400: down; check ASSAY_JUDGE_BASE_URL, the model and its `parameters`"


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


def judged(**other: Any) -> Any:
    """A rule whose judge may fail."""
    return a_rule("judged", **{"metrics": ("correctness",), "retries": TWICE} | other)


async def ledger(parts: Online, span: SentSpan, *, rule: str = "judged") -> Decision | None:
    """The newest decision about a span, for the only metric."""
    found = await parts.explainer.inquiries.ledger(span.ref, rule=rule)
    return found[0].decision if found else None


async def until_decided(parts: Online, span: SentSpan, decision: str) -> Decision:
    """Wait until the ledger says so."""

    async def there() -> Decision | None:
        entry = await ledger(parts, span)
        return entry if entry is not None and entry.decision == decision else None

    entry: Decision = await until(there)
    return entry


async def attempts(parts: Online) -> list[tuple[int, str]]:
    """Attempt and status of every stored result, in order."""
    return [(each.attempt, str(each.status)) for each in sorted(await parts.results(), key=lambda each: each.attempt)]


async def times_written(parts: Online, decision: str) -> int:
    """Rows of the ledger that ever said so, those that newer ones hide included."""
    rows = await parts.database.query(
        "SELECT count() AS n FROM decisions WHERE Decision = {decision:String}", {"decision": decision}
    )
    return int(rows[0]["n"])


def test_pauses_double_until_the_attempts_or_the_age_are_spent() -> None:
    """1, 2, 4 minutes after each failure; the age counts from the first failure, so a long pause costs no attempt."""
    policy = Retries(attempts=4, backoff_seconds=60.0, max_age_seconds=400.0)
    assert next_attempt_ms(policy, attempt=1, first_ms=1_000, now_ms=1_000) == 61_000
    assert next_attempt_ms(policy, attempt=2, first_ms=1_000, now_ms=61_000) == 181_000
    assert next_attempt_ms(policy, attempt=3, first_ms=1_000, now_ms=161_000) == 401_000
    assert next_attempt_ms(policy, attempt=3, first_ms=1_000, now_ms=161_001) == 0, "later than 400 s after the first"
    assert next_attempt_ms(policy, attempt=4, first_ms=1_000, now_ms=2_000) == 0
    assert next_attempt_ms(Retries(), attempt=1, first_ms=1_000, now_ms=1_000) == 0, "off by default"


def test_an_attempt_that_came_too_late_or_is_not_allowed_any_more_is_not_made() -> None:
    """Every evaluator was down, or the policy was edited, since it was planned."""
    policy = Retries(attempts=2, max_age_seconds=60.0)
    assert spent(policy, attempt=2, first_ms=0, now_ms=60_000) == ""
    assert spent(policy, attempt=2, first_ms=0, now_ms=61_000) == (
        "attempt 2 would have come 61 s after the first, later than the rule allows"
    )
    assert spent(Retries(), attempt=2, first_ms=0, now_ms=1) == "the rule allows 1 attempt now"


async def test_a_passing_fault_is_never_shown_as_the_end(parts: Online) -> None:
    """The failed attempt is a result of its own, the ledger says when the next one comes, and the next one counts."""
    parts.scoring.judge.then(status(400, "down"))
    await parts.rules.create(judged())
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts, pace=QUICK):
        between = await until_decided(parts, span, "retrying")
        assert (between.reason, between.attempt) == (REFUSED, 1)
        assert between.next_attempt_ms - between.first_attempt_ms == 1_000
        after = await until_decided(parts, span, "scored")
    assert (after.attempt, after.first_attempt_ms) == (2, between.first_attempt_ms)
    assert await attempts(parts) == [(1, "failed"), (2, "success")]
    assert len({each.evaluation_id for each in await parts.results()}) == 1
    assert await times_written(parts, "failed") == 0


async def test_the_final_state_is_written_once_when_the_policy_is_spent(parts: Online) -> None:
    """Three attempts, the second pause twice the first; nobody asks a fourth time."""
    parts.scoring.judge.always(status(400, "down"))
    await parts.rules.create(judged(retries=replace(TWICE, attempts=3)))
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts, pace=QUICK):
        final = await until_decided(parts, span, "failed")
        await parts.until_looked("judged")
    assert (final.reason, final.attempt, final.next_attempt_ms) == (REFUSED, 3, 0)
    assert await attempts(parts) == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert await times_written(parts, "failed") == 1
    assert len(parts.scoring.judge.requests) == 3


async def test_a_restart_keeps_what_is_to_be_tried_again(parts: Online) -> None:
    """The plan is in the ledger, not in the process that made it."""
    parts.scoring.judge.then(status(400, "down"))
    await parts.rules.create(judged())
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts, pace=QUICK):
        await until_decided(parts, span, "retrying")
    async with at_work(parts, pace=QUICK):
        await until_decided(parts, span, "scored")
    assert await attempts(parts) == [(1, "failed"), (2, "success")]


async def test_of_a_rule_that_was_disabled_the_failure_is_final(parts: Online) -> None:
    """When its next attempt is due; enabling it again scores nothing again."""
    parts.scoring.judge.then(status(400, "down"))
    await parts.rules.create(judged())
    await parts.rules.create(a_rule("other"))  # with no rule at all nobody polls
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts, pace=QUICK):
        await until_decided(parts, span, "retrying")
        await parts.rules.disable("judged")
        final = await until_decided(parts, span, "failed")
        assert final.reason == f"{REFUSED}; the rule was not enabled when attempt 2 was due"
        await parts.rules.enable("judged")
        await parts.until_looked("judged")
    assert len(parts.scoring.judge.requests) == 1
    assert await times_written(parts, "failed") == 1


async def test_an_edit_of_the_policy_holds_for_what_is_planned(parts: Online) -> None:
    """One attempt is allowed now, so the second is not made."""
    parts.scoring.judge.then(status(400, "down"))
    created = await parts.rules.create(judged())
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts, pace=QUICK):
        await until_decided(parts, span, "retrying")
        await parts.rules.update(replace(created.definition, retries=Retries()), base_version=1)
        final = await until_decided(parts, span, "failed")
    assert final.reason == f"{REFUSED}; the rule allows 1 attempt now"
    assert len(parts.scoring.judge.requests) == 1


@pytest.mark.parametrize("stored", [False, True], ids=["before its result", "after its result"])
async def test_a_death_in_an_attempt_costs_none(parts: Online, stored: bool) -> None:
    """What was stored is not asked for again, and what was not is: the attempt keeps its number."""
    parts.scoring.judge.then(status(400, "down"))
    if stored:
        parts.scoring.judge.then(status(400, "down"))
    await parts.rules.create(judged())
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts, pace=QUICK):
        left = await until_decided(parts, span, "failed" if stored else "retrying")
    asked = len(parts.scoring.judge.requests)
    await parts.queue.record([replace(left, decision="started", worker="dead", attempt=2, next_attempt_ms=0)])
    async with at_work(parts, pace=QUICK):
        after = await until_decided(parts, span, "failed" if stored else "scored")
    assert (after.attempt, len(parts.scoring.judge.requests) - asked) == (2, 0 if stored else 1)
    assert await attempts(parts) == [(1, "failed"), (2, "failed" if stored else "success")]


async def test_a_composite_is_tried_again_with_what_it_requires(parts: Online) -> None:
    """Its own rule names only the composite; the required metric that failed is asked again, too."""
    await parts.scoring.metrics.create(mean_of("overall", "correctness", output_type="number", levels=(Level.SPAN,)))
    parts.scoring.judge.then(status(400, "down"))
    await parts.rules.create(judged(metrics=("overall",)))
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts, pace=QUICK):
        between = await until_decided(parts, span, "retrying")
        assert between.reason.startswith("REQUIRED_METRIC_FAILED: ")
        await until_decided(parts, span, "scored")
    results = {(each.metric, each.attempt): each.outcome for each in await parts.results()}
    assert results[("overall", 2)] == Score(value=1.0, explanation="of 1 results")
    assert sorted(results) == [("correctness", 1), ("correctness", 2), ("overall", 1), ("overall", 2)]


async def test_a_metric_that_failed_is_tried_again_and_its_neighbours_are_not(parts: Online) -> None:
    """Per rule and metric: one of three failed."""
    parts.scoring.judge.then(status(400, "down"))
    await parts.rules.create(judged(metrics=("response_length", "correctness", "json_valid")))
    span = a_chat(answer=json.dumps("Paris"))
    await store(parts.database, span)

    async def decisions() -> dict[str, tuple[str, int]]:
        entries = await parts.queue.decisions_of("judged", span.ref)
        return {entry.metric: (entry.decision, entry.attempt) for entry, _ in entries}

    async def all_scored() -> bool:
        found = await decisions()
        return len(found) == 3 and all(decision == "scored" for decision, _ in found.values())

    async with at_work(parts, pace=QUICK):
        await until(all_scored)
    assert await decisions() == {
        "response_length": ("scored", 1), "correctness": ("scored", 2), "json_valid": ("scored", 1),
    }  # fmt: skip
    assert len(await parts.results()) == 4


async def test_a_newer_revision_ends_the_attempts_of_the_older(parts: Online) -> None:
    """Its own first attempt is made, the second of what is not the target any more is not."""
    await parts.rules.create(judged())
    await parts.rules.create(a_rule("other"))
    span = a_chat()
    await store(parts.database, span)
    record = await located(parts.database, span.ref)
    old = Decision(
        rule="judged",
        rule_version=1,
        metric="correctness",
        target=span.ref,
        watermark_ms=record.watermark_ms - 1,
        decision="retrying",
        reason=REFUSED,
        first_attempt_ms=record.watermark_ms,
        next_attempt_ms=record.watermark_ms,
    )
    await parts.queue.record([old])
    async with at_work(parts, pace=QUICK):
        await parts.until_results(2)

        async def closed() -> bool:
            rows = await parts.database.query(
                "SELECT Reason AS reason FROM decisions FINAL WHERE Decision = 'cancelled' AND RuleId = 'judged'"
            )
            return rows == [{"reason": "a newer revision of the target is scored"}]

        await until(closed)
    assert len(parts.scoring.judge.requests) == 1
