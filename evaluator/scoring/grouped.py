"""Look-ups of many small calls in few queries: what is asked while a query runs goes together into the next one.

A call that comes alone is asked at once, and nobody gets an answer that is older than the question.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from storage.model import StoredLog, StoredSpan, TargetRef
from storage.telemetry import TargetRecord, Telemetry

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
SMALL = 8
"""Calls that name more than this are queries by themselves."""
MAX_KEYS = 200
"""In one query."""
HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
_Place: TypeAlias = tuple[TargetRef, int | None]
"""A target, and the day that it is thought to be of."""
_Window: TypeAlias = tuple[str, int, int]
"""A trace, and the first and last start that are asked for."""


class Grouped(Generic[K, V]):
    """Groups of keys, asked one after the other; `ask` answers what it finds of them."""

    def __init__(self, group: asyncio.TaskGroup, ask: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._group = group
        self._ask = ask
        self._next: dict[K, asyncio.Future[Mapping[K, V]]] = {}
        self._asking = False

    async def get(self, keys: Collection[K]) -> Mapping[K, V]:
        """What `ask` answers about these; raises what it raises."""
        loop = asyncio.get_running_loop()
        answers = [self._next.setdefault(key, loop.create_future()) for key in keys]
        if not self._asking and answers:
            self._asking = True
            self._group.create_task(self._work())
        found: dict[K, V] = {}
        for key, answer in zip(keys, answers, strict=True):
            # Others may wait for the same answer: shielded, it outlives this call.
            some = await asyncio.shield(answer)
            if key in some:
                found[key] = some[key]
        return found

    async def _work(self) -> None:
        try:
            while self._next:
                keys = list(self._next)[:MAX_KEYS]
                waiting = {key: self._next.pop(key) for key in keys}
                await self._answer(waiting)
        finally:
            self._asking = False
            for answer in self._next.values():
                answer.cancel()
            self._next.clear()

    async def _answer(self, waiting: Mapping[K, asyncio.Future[Mapping[K, V]]]) -> None:
        try:
            found = await self._ask(waiting)
        except Exception as error:  # theirs who asked, a bug's too: raised here, it would end the whole evaluator
            for answer in waiting.values():
                answer.set_exception(error)
                answer.exception()  # whoever asked may have gone
        except BaseException:
            for answer in waiting.values():
                answer.cancel()
            raise
        else:
            for answer in waiting.values():
                answer.set_result(found)


class GroupedTelemetry:
    """`storage.telemetry.Telemetry` over another one.  An async context manager."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._group = asyncio.TaskGroup()
        self._located = Grouped(self._group, self._locate)
        self._traces: Grouped[str, TargetRecord] = Grouped(self._group, telemetry.traces)
        self._spans = Grouped(self._group, self._fetch_spans)
        self._logs = Grouped(self._group, self._fetch_logs)

    async def __aenter__(self) -> GroupedTelemetry:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._group.__aexit__(None, None, None)

    async def locate(
        self, refs: Sequence[TargetRef], *, time_hint_ns: int | None = None
    ) -> Mapping[TargetRef, TargetRecord]:
        """See the port, here and below."""
        if len(refs) > SMALL:
            return await self._telemetry.locate(refs, time_hint_ns=time_hint_ns)
        day = None if time_hint_ns is None else time_hint_ns // DAY_NS
        found = await self._located.get([(ref, day) for ref in dict.fromkeys(refs)])
        return {ref: record for (ref, _), record in found.items()}

    async def _locate(self, wanted: Collection[_Place]) -> Mapping[_Place, TargetRecord]:
        days = {day for _, day in wanted}
        hint = None
        if len(days) == 1 and (day := next(iter(days))) is not None:
            hint = day * DAY_NS + DAY_NS // 2
        refs = list(dict.fromkeys(ref for ref, _ in wanted))
        found = await self._telemetry.locate(refs, time_hint_ns=hint)
        return {place: found[place[0]] for place in wanted if place[0] in found}

    async def traces(self, trace_ids: Collection[str]) -> Mapping[str, TargetRecord]:
        if len(trace_ids) > SMALL:
            return await self._telemetry.traces(trace_ids)
        return await self._traces.get(sorted(trace_ids))

    async def spans(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredSpan]:
        if len(trace_ids) > SMALL:
            return await self._telemetry.spans(trace_ids, first_ns=first_ns, last_ns=last_ns)
        found = await self._spans.get([(trace_id, first_ns, last_ns) for trace_id in sorted(trace_ids)])
        return [span for spans in found.values() for span in spans]

    async def _fetch_spans(self, wanted: Collection[_Window]) -> Mapping[_Window, list[StoredSpan]]:
        found: dict[_Window, list[StoredSpan]] = {}
        for part in _neighbours(wanted):
            trace_ids, first_ns, last_ns = _together(part)
            spans_of: defaultdict[str, list[StoredSpan]] = defaultdict(list)
            for span in await self._telemetry.spans(trace_ids, first_ns=first_ns, last_ns=last_ns):
                spans_of[span.trace_id].append(span)
            for window in part:
                trace_id, first, last = window
                found[window] = [span for span in spans_of[trace_id] if first <= span.start_ns <= last]
        return found

    async def logs(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredLog]:
        if len(trace_ids) > SMALL:
            return await self._telemetry.logs(trace_ids, first_ns=first_ns, last_ns=last_ns)
        found = await self._logs.get([(trace_id, first_ns, last_ns) for trace_id in sorted(trace_ids)])
        return [log for logs in found.values() for log in logs]

    async def _fetch_logs(self, wanted: Collection[_Window]) -> Mapping[_Window, list[StoredLog]]:
        found: dict[_Window, list[StoredLog]] = {}
        for part in _neighbours(wanted):
            trace_ids, first_ns, last_ns = _together(part)
            logs_of: defaultdict[str, list[StoredLog]] = defaultdict(list)
            for log in await self._telemetry.logs(trace_ids, first_ns=first_ns, last_ns=last_ns):
                logs_of[log.trace_id].append(log)
            found |= {window: logs_of[window[0]] for window in part}
        return found


def _neighbours(windows: Collection[_Window]) -> Iterator[list[_Window]]:
    """Windows in parts that are near each other: a query reads all that lies between the first and the last."""
    part: list[_Window] = []
    for window in sorted(windows, key=lambda window: window[1]):
        if part and window[1] - part[0][1] > HOUR_NS:
            yield part
            part = []
        part.append(window)
    if part:
        yield part


def _together(part: Sequence[_Window]) -> tuple[set[str], int, int]:
    return {window[0] for window in part}, part[0][1], max(window[2] for window in part)
