"""Edits, enabling and disabling: which version of a rule decides about what, and that nothing is scored again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from online_parts import PACE, Online, a_rule, at_work, online
from storing import SentSpan, a_chat, store, until

from evaluator.judges.scripted import by_rule
from evaluator.online.polling.editions import FOR_EVER_MS, standing_of
from evaluator.online.rules.record import RuleRecord
from storage.clickhouse.client import Database
from storage.model import Level, TargetRef

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own: rules see everything that is stored."""
    async with online(fresh_database) as ready:
        yield ready


async def targets(parts: Online) -> set[TargetRef]:
    """What has a result."""
    return {each.target for each in await parts.results()}


def version(number: int, at_s: int, **fields: Any) -> RuleRecord:
    """A version of a rule that was made so many seconds after the epoch."""
    made = datetime.fromtimestamp(at_s, UTC)
    return RuleRecord(definition=replace(a_rule("r", **fields), version=number), create_time=made)


def intervals(*history: RuleRecord) -> list[tuple[int, int, int]]:
    """(version, from, until) in seconds, of versions in order of time."""
    return [
        (
            each.rule.version,
            each.from_ms // 1000,
            FOR_EVER_MS if each.until_ms == FOR_EVER_MS else each.until_ms // 1000,
        )
        for each in standing_of(history[::-1]).editions
    ]


def test_each_version_decides_about_its_own_time() -> None:
    """What was there before is the first one's, as far back as it looks."""
    created, edited = version(1, 10_000), version(2, 11_000, filter="name = 'a'")
    assert intervals(created, edited) == [(1, 6_400, 11_000), (2, 11_000, FOR_EVER_MS)]


def test_what_became_ready_while_it_was_disabled_is_left_to_the_version_that_enabled_it() -> None:
    """Enabled at 10,000, off from 11,000 to 12,000: enabling looks back an hour, and what was decided stays so."""
    history = [version(1, 10_000), version(2, 11_000, enabled=False), version(3, 12_000)]
    assert intervals(*history) == [(1, 8_400, 11_000), (3, 11_000, 12_000), (3, 12_000, FOR_EVER_MS)]
    edited_off = [*history[:2], version(3, 11_500, enabled=False, filter="name = 'a'"), version(4, 12_000)]
    assert intervals(*edited_off)[0] == (1, 8_400, 11_000)
    assert {each[0] for each in intervals(*edited_off)[1:]} == {4}


def test_a_rule_that_does_not_look_back_begins_where_it_is_enabled() -> None:
    """0 is allowed; an edit of the look-back reaches no further back."""
    created = version(1, 10_000, lookback_seconds=0.0)
    assert intervals(created) == [(1, 10_000, FOR_EVER_MS)]
    edited = version(2, 11_000, lookback_seconds=7_200.0)
    assert intervals(created, edited) == [(1, 10_000, 11_000), (2, 11_000, FOR_EVER_MS)]


def test_a_session_that_was_not_over_by_the_version_before_is_the_new_ones() -> None:
    """Quiet for ten minutes before, for five now: what the old one still waited for is not stepped over."""
    created = version(1, 10_000, level=Level.SESSION, session_idle_seconds=600.0)
    edited = version(2, 11_000, level=Level.SESSION, session_idle_seconds=300.0)
    assert intervals(created, edited) == [(2, 10_700, FOR_EVER_MS)]


async def test_a_rule_looks_back_as_far_as_it_says(parts: Online) -> None:
    """Two hours, or not at all."""
    now = time.time_ns() // 1_000_000
    recent, old, older = a_chat(), a_chat(), a_chat()
    await store(parts.database, recent, ingested_ms=now - 10 * MINUTE_MS)
    await store(parts.database, old, ingested_ms=now - 90 * MINUTE_MS)
    await store(parts.database, older, ingested_ms=now - 150 * MINUTE_MS)
    await parts.rules.create(a_rule("far", lookback_seconds=7_200.0))
    await parts.rules.create(a_rule("not_at_all", lookback_seconds=0.0))
    async with at_work(parts):
        await parts.until_looked("far")
        await parts.until_looked("not_at_all")
        new = a_chat()
        await store(parts.database, new)
        await parts.until_results(4)
        await parts.until_looked("far")
    found = {(each.rule, each.target) for each in await parts.results()}
    assert found == {("far", span.ref) for span in (recent, old, new)} | {("not_at_all", new.ref)}


async def test_a_lost_place_and_a_sweep_let_nothing_in_that_an_earlier_version_left_out(parts: Online) -> None:
    """The cursor is gone and the whole day is looked at again: the version of its time still decides."""
    created = await parts.rules.create(a_rule("edited", filter="SpanName = 'old'"))
    old, left_out = a_chat(name="old"), a_chat(name="other")
    await store(parts.database, old, left_out)
    async with at_work(parts):
        await parts.until_looked("edited")
    await parts.rules.update(replace(created.definition, filter=""), base_version=1)
    await parts.database.execute("TRUNCATE TABLE cursors")
    async with at_work(parts):
        await parts.until_looked("edited")
        await until_swept(parts)
        new = a_chat(name="new")
        await store(parts.database, new)
        await until(lambda: _has(parts, new))
    assert await targets(parts) == {old.ref, new.ref}


async def until_swept(parts: Online) -> None:
    """Wait until the newest worker has looked again at everything that it had not seen."""

    async def swept() -> bool:
        return parts.workers[-1].sweeping.rests()

    await until(swept)


async def _has(parts: Online, span: SentSpan) -> bool:
    return bool(await parts.results(targets=(span.ref,)))


async def test_a_late_span_does_not_bring_its_neighbours_under_the_new_version(parts: Online) -> None:
    """Its trace is complete again after the edit; the spans that were complete before it are the old version's."""
    created = await parts.rules.create(a_rule("edited", filter="SpanName = 'old'"))
    old = a_chat(name="old")
    left_out = a_chat(name="other", trace_id=old.trace_id, parent=old.span_id)
    await store(parts.database, old, left_out)
    async with at_work(parts):
        await parts.until_results(1)
        await parts.until_looked("edited")
        await parts.rules.update(replace(created.definition, filter=""), base_version=1)
        late = a_chat(name="late", trace_id=old.trace_id, parent=old.span_id)
        await store(parts.database, late)
        await parts.until_results(2)
        await parts.until_looked("edited")
    assert await targets(parts) == {old.ref, late.ref}


async def test_what_was_given_up_when_a_rule_was_disabled_is_taken_up_when_it_is_enabled(parts: Online) -> None:
    """Within the look-back, once; what has a result is not scored again."""
    release = asyncio.Event()

    async def when_released(judge: Any, request: Any, asked: Any) -> Any:
        await release.wait()
        return await by_rule(judge, request, asked)

    parts.scoring.judge.always(when_released)
    await parts.rules.create(a_rule("judged", metrics=("correctness",)))
    spans = [a_chat(question=f"What is {n} and {n}?") for n in range(9)]
    await store(parts.database, *spans)
    pace = replace(PACE, lanes=1, chunk_targets=1, page_traces=100)
    async with at_work(parts, pace=pace):
        await asyncio.wait_for(parts.scoring.judge.asked.wait(), 20)
        await parts.rules.disable("judged")
        release.set()
        await parts.until_quiet()
        before = await parts.results()
        assert 0 < len(before) < 9
        await parts.rules.enable("judged")
        await parts.until_results(9)
        await parts.until_looked("judged")
    found = await parts.scored()
    assert {key[1] for key in found} == {span.ref.key for span in spans}
    assert set(found.values()) == {1}
    assert len(parts.scoring.judge.requests) == 9
    assert {each.evaluation_id for each in before} <= {each.evaluation_id for each in await parts.results()}


async def test_a_deleted_rule_of_the_same_name_decided_about_its_own_time(parts: Online) -> None:
    """Made anew it looks back; what its predecessor scored is not scored again, and what that left out stays out."""
    await parts.rules.create(a_rule("again", filter="SpanName = 'old'"))
    old, left_out = a_chat(name="old"), a_chat(name="other")
    await store(parts.database, old, left_out)
    async with at_work(parts):
        await parts.until_results(1)
        await parts.until_looked("again")
        await parts.rules.delete("again")
        between = a_chat(name="between")
        await store(parts.database, between)
        await parts.rules.create(a_rule("again"))
        await parts.until_results(2)
        await parts.until_looked("again")
    assert await targets(parts) == {old.ref, between.ref}
