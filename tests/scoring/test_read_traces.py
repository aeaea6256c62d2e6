"""Traces are fetched once for all who ask together or soon after, and never when they have changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest
from storing import SECOND_NS, SentSpan, a_chat, located, store, store_log

from evaluator.errors import TargetNotFound
from evaluator.scoring import traces as reading
from evaluator.scoring.subject import MAX_SPANS, read, resolve
from evaluator.scoring.traces import Traces
from evaluator.targets.outline import ReadTrace
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.errors import Unavailable
from storage.model import StoredLog, StoredSpan, TargetRef
from storage.telemetry import TargetRecord


class Counting:
    """The store's telemetry, which counts what is fetched, and may be slow or away."""

    def __init__(self, database: Database) -> None:
        self._inner = ClickHouseTelemetry(database)
        self.fetched: list[list[str]] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors: list[Exception] = []

    async def locate(
        self, refs: Sequence[TargetRef], *, time_hint_ns: int | None = None
    ) -> Mapping[TargetRef, TargetRecord]:
        """As it is."""
        return await self._inner.locate(refs, time_hint_ns=time_hint_ns)

    async def traces(self, trace_ids: Collection[str]) -> Mapping[str, TargetRecord]:
        """As they are."""
        return await self._inner.traces(trace_ids)

    async def spans(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredSpan]:
        """Counted; behind the gate."""
        self.fetched.append(sorted(trace_ids))
        self.asked.set()
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop()
        return await self._inner.spans(trace_ids, first_ns=first_ns, last_ns=last_ns)

    async def logs(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredLog]:
        """As they are."""
        return await self._inner.logs(trace_ids, first_ns=first_ns, last_ns=last_ns)


def a_run(count: int = 16) -> list[SentSpan]:
    """A root with model calls below it."""
    root = SentSpan(duration_ns=SECOND_NS)
    calls = [
        a_chat(f"question {n}", f"answer {n}", trace_id=root.trace_id, parent=root.span_id, start_ns=root.start_ns + n)
        for n in range(1, count + 1)
    ]
    return [root, *calls]


async def test_targets_of_one_trace_in_many_requests_fetch_it_once(database: Database) -> None:
    """Spans, one after the other, and then the trace itself; all of them read one and the same record."""
    run = a_run()
    await store(database, *run)
    telemetry = Counting(database)
    traces = Traces(telemetry)
    records = set()
    for ref in [*(span.ref for span in run[1:]), run[0].trace]:
        [subject] = await resolve(traces, [ref], time_hint_ns=None)
        records.add(id(subject.material.trace or subject.material.record))
    assert (telemetry.fetched, len(records)) == ([[run[0].trace_id]], 1)


async def test_who_asks_at_the_same_time_waits_for_one_fetch(database: Database) -> None:
    """A caller that goes away, or is refused, takes nobody else's answer with it."""
    run = a_run(3)
    await store(database, *run)
    telemetry = Counting(database)
    traces = Traces(telemetry)
    wanted = [await located(database, run[0].trace)]
    telemetry.gate.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(traces.read(wanted))
        others = [group.create_task(traces.read(wanted)) for _ in range(5)]
        await telemetry.asked.wait()
        assert len(telemetry.fetched) == 1
        first.cancel()
        telemetry.gate.set()
    answers = [other.result()[run[0].trace_id] for other in others]
    assert (first.cancelled(), len(set(map(id, answers))), len(telemetry.fetched)) == (True, 1, 2)

    telemetry = Counting(database)
    telemetry.errors.append(Unavailable("away"))
    traces = Traces(telemetry)
    answers_or_errors = await _settled(traces.read(wanted), traces.read(wanted))
    assert [type(each) for each in answers_or_errors] == [Unavailable, dict]


async def _settled(*work: object) -> list[object]:
    async def one(each: object) -> object:
        try:
            return await each  # type: ignore[misc]
        except Unavailable as error:
            return error

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(each)) for each in work]
    return [task.result() for task in tasks]


async def test_a_trace_that_has_changed_is_read_again(database: Database) -> None:
    """A late span, a late log, and a row that arrived no later than what was read and became visible afterwards."""
    at = time.time_ns() // 1_000_000 - 60_000
    root = a_chat()
    await store(database, root, ingested_ms=at)
    telemetry = Counting(database)
    traces = Traces(telemetry)

    async def sizes() -> tuple[int, int]:
        [subject] = await resolve(traces, [root.trace], time_hint_ns=None)
        return len(subject.read[0].outline), len(telemetry.fetched)

    assert await sizes() == (1, 1)
    assert await sizes() == (1, 1)
    await store(database, SentSpan(trace_id=root.trace_id, start_ns=root.start_ns), ingested_ms=at)
    assert await sizes() == (2, 2)
    await store_log(database, root)
    assert await sizes() == (2, 3)
    assert await sizes() == (2, 3)


async def test_what_is_kept_has_a_bound(database: Database) -> None:
    """The oldest goes first, the newest stays whatever it weighs."""
    runs = [a_run(2) for _ in range(4)]
    await store(database, *(span for run in runs for span in run))
    telemetry = Counting(database)
    records = [await located(database, run[0].trace) for run in runs]
    weight = (await Traces(telemetry).read(records[:1]))[runs[0][0].trace_id].weight
    traces = Traces(telemetry, max_weight=int(weight * 2.5))
    telemetry.fetched.clear()
    for record in (*records[:3], records[1], records[2], records[0]):
        await traces.read([record])
    assert [each for [each] in telemetry.fetched] == [runs[n][0].trace_id for n in (0, 1, 2, 0)]
    tiny = Traces(telemetry, max_weight=1)
    telemetry.fetched.clear()
    for record in (records[0], records[0], records[1], records[0]):
        await tiny.read([record])
    assert [each for [each] in telemetry.fetched] == [runs[n][0].trace_id for n in (0, 1, 0)]


async def test_a_target_that_is_too_large_is_refused_and_not_fetched(database: Database) -> None:
    """Nothing is concluded on it, and the reason says how large it may be; its neighbours are read."""
    run = a_run(1)
    await store(database, *run)
    telemetry = Counting(database)
    trace = await located(database, run[0].trace)
    large = replace(trace, spans=MAX_SPANS + 1)
    span = replace(await located(database, run[1].ref), traces=(large,))
    subjects = await read(Traces(telemetry), [large, span])
    assert [each.refused for each in subjects] == [
        f"too_large: the trace has {MAX_SPANS + 1} spans; at most {MAX_SPANS} are read",
        f"too_large: its trace has {MAX_SPANS + 1} spans; at most {MAX_SPANS} are read",
    ]
    assert ([dict(each.material.inputs) for each in subjects], telemetry.fetched) == ([{}, {}], [])


async def test_what_is_gone_since_it_was_located_is_not_found(database: Database) -> None:
    """Retention or `erase` took it."""
    run, other = a_run(1), a_run(1)
    await store(database, *other)
    record = await located(database, other[0].trace)
    gone = replace(record, ref=run[0].trace, trace_ids=(run[0].trace_id,))
    with pytest.raises(TargetNotFound, match=f"trace {run[0].trace_id} is not stored any more"):
        await read(Traces(Counting(database)), [record, gone])


async def test_a_hint_reads_a_target_while_it_is_located(database: Database) -> None:
    """One fetch where the trace is whole around the hint; a second one where it is not, or where the hint is wrong."""
    run = a_run(2)
    late = a_chat(trace_id=run[0].trace_id, parent=run[0].span_id, start_ns=run[0].start_ns + 30 * 60 * SECOND_NS)
    await store(database, *run)
    telemetry = Counting(database)
    expected = await located(database, run[1].ref)

    async def asked(hint_ns: int | None) -> tuple[TargetRecord, int, int]:
        telemetry.fetched.clear()
        [subject] = await resolve(Traces(telemetry), [run[1].ref], time_hint_ns=hint_ns)
        return subject.record, len(subject.read[0].outline), len(telemetry.fetched)

    assert await asked(None) == (expected, 3, 1)
    assert await asked(run[0].start_ns + 60 * SECOND_NS) == (expected, 3, 1)
    assert await asked(run[0].start_ns - 3_600 * SECOND_NS) == (expected, 3, 2)
    await store(database, late)
    expected = await located(database, run[1].ref)
    assert await asked(run[0].start_ns) == (expected, 4, 2)
    assert expected.last_ns == late.start_ns


async def test_a_span_that_its_trace_does_not_have_is_not_found(database: Database) -> None:
    """With a hint and without."""
    run = a_run(1)
    await store(database, *run)
    for hint in (None, run[0].start_ns):
        with pytest.raises(TargetNotFound, match="is not stored"):
            await resolve(Traces(Counting(database)), [SentSpan(trace_id=run[0].trace_id).ref], time_hint_ns=hint)


async def test_a_span_is_found_though_the_rollup_lost_its_trace(fresh_database: Database) -> None:
    """As a crash between two parts leaves it."""
    span = a_chat()
    await store(fresh_database, span)
    await fresh_database.execute("TRUNCATE TABLE traces_rollup")
    for hint in (None, span.start_ns):
        [subject] = await resolve(Traces(Counting(fresh_database)), [span.ref], time_hint_ns=hint)
        assert (subject.record.anchor, subject.material.inputs["output"]) == (span.anchor, "Paris.")


async def test_many_traces_are_fetched_in_pages(database: Database) -> None:
    """No query is larger than one parameter or one answer can be."""
    spans = [SentSpan(start_ns=1_700_000_000 * SECOND_NS + n) for n in range(reading.QUERY_TRACES + 2)]
    await store(database, *spans)
    telemetry = Counting(database)
    located_all = await telemetry.locate([span.trace for span in spans])
    found = await Traces(telemetry).read(list(located_all.values()))
    assert (len(found), [len(page) for page in telemetry.fetched]) == (len(spans), [reading.QUERY_TRACES, 2])


async def test_a_large_trace_is_normalised_beside_the_event_loop() -> None:
    """Others go on meanwhile; who asks for the same trace waits for the same record."""
    run = [
        StoredSpan(trace_id="a" * 32, span_id=f"{n:016x}", start_ns=n, attributes={"gen_ai.operation.name": "chat"})
        for n in range(1, 2_001)
    ]
    trace = ReadTrace(run)
    async with asyncio.TaskGroup() as group:
        preparing = [group.create_task(trace.prepare()) for _ in range(3)]
        turns = 0
        while not all(task.done() for task in preparing):
            turns += 1
            await asyncio.sleep(0)
    assert (turns > 10, len(trace.record.spans)) == (True, 2_000)
