"""Reads traces out of the store, each once for all who ask for it together or soon after."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evaluator.targets.outline import ReadTrace
from storage.model import Level, StoredLog, StoredSpan
from storage.telemetry import TargetRecord, Telemetry
from storage.together import together

MAX_WEIGHT = 128 * 2**20
"""About how many bytes of traces are kept; the newest one is kept whatever it weighs."""
KEEP_SECONDS = 60.0
QUERY_SPANS = 20_000
"""About how many spans one query fetches."""
QUERY_TRACES = 500
HINT_NS = 600_000_000_000
"""How far from its hint a target starts: ten minutes."""
MAX_NS = 2**63 - 1


class _Wanted(NamedTuple):
    """A trace in one state: with the counts, a row that becomes visible late makes another one."""

    trace_id: str
    first_ns: int
    last_ns: int
    watermark_ms: int
    spans: int
    logs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Spans that were fetched before it was known where their traces stand: those that start in a window."""

    spans: Sequence[StoredSpan]
    first_ns: int
    last_ns: int

    def whole(self, wanted: Sequence[_Wanted]) -> dict[str, list[StoredSpan]]:
        """Those traces that lie in the window and of which every row is here."""
        spans_of: defaultdict[str, list[StoredSpan]] = defaultdict(list)
        for span in self.spans:
            spans_of[span.trace_id].append(span)
        return {
            each.trace_id: spans_of[each.trace_id]
            for each in wanted
            if self.first_ns <= each.first_ns
            and each.last_ns <= self.last_ns
            and len(spans_of[each.trace_id]) == each.spans > 0
        }


class Traces:
    """Traces as they were when they were located.

    What several ask for at the same time is fetched once, and it is kept for a minute: the targets of a large trace
    come in many requests.  Whoever asks has just located the trace, so what was erased is not found here either.
    """

    def __init__(self, telemetry: Telemetry, *, max_weight: int = MAX_WEIGHT) -> None:
        self.telemetry = telemetry
        self._max_weight = max_weight
        self._kept: OrderedDict[_Wanted, ReadTrace] = OrderedDict()
        self._weight = 0
        self._coming: dict[_Wanted, asyncio.Future[ReadTrace | None]] = {}

    async def near(self, trace_ids: Collection[str], time_ns: int | None) -> Fetched | None:
        """Spans of traces around a time, to be read at the same time as the traces are located; None without a time."""
        if time_ns is None or not trace_ids:
            return None
        window = max(0, time_ns - HINT_NS), min(MAX_NS, time_ns + HINT_NS)
        spans = await self.telemetry.spans(trace_ids, first_ns=window[0], last_ns=window[1])
        return Fetched(spans=spans, first_ns=window[0], last_ns=window[1])

    async def read(self, records: Sequence[TargetRecord], early: Fetched | None = None) -> dict[str, ReadTrace]:
        """The traces of located targets, by trace id; one that is gone by now is missing.

        Args:
            early: What `near` gave; where a trace is whole in it, it is not fetched again.

        Raises:
            storage.errors.StorageError: As the store's.
        """
        wanted = {each.trace_id: each for record in records for each in _wanted(record)}
        found: dict[str, ReadTrace] = {}
        missing = dict(wanted)
        while missing:
            mine = [each for each in missing.values() if each not in self._kept and each not in self._coming]
            if mine:
                found |= await self._fetch(mine, early)
                for each in mine:
                    del missing[each.trace_id]
                continue
            for each in list(missing.values()):
                read = self._recall(each) or (
                    await asyncio.shield(self._coming[each]) if each in self._coming else None
                )
                if read is not None:
                    found[each.trace_id] = read
                    del missing[each.trace_id]
        return found

    def _recall(self, wanted: _Wanted) -> ReadTrace | None:
        if wanted in self._kept:
            self._kept.move_to_end(wanted)
            return self._kept[wanted]
        return None

    async def _fetch(self, wanted: Sequence[_Wanted], early: Fetched | None) -> dict[str, ReadTrace]:
        loop = asyncio.get_running_loop()
        coming: dict[_Wanted, asyncio.Future[ReadTrace | None]] = {each: loop.create_future() for each in wanted}
        self._coming |= coming
        found: dict[str, ReadTrace] = {}
        try:
            for page in _pages(wanted):
                found |= await self._query(page, early)
        finally:  # whoever waits for what did not come asks for it again
            for each, future in coming.items():
                del self._coming[each]
                future.set_result(found.get(each.trace_id))
        for each in wanted:
            if each.spans and each.trace_id in found:  # without the counts a late row would not be noticed
                self._keep(each, found[each.trace_id])
        return found

    async def _query(self, page: Sequence[_Wanted], early: Fetched | None) -> dict[str, ReadTrace]:
        window = {"first_ns": min(each.first_ns for each in page), "last_ns": max(each.last_ns for each in page)}
        with_logs = [each.trace_id for each in page if each.logs or not each.spans]
        there = early.whole(page) if early is not None else {}
        missing = [each.trace_id for each in page if each.trace_id not in there]
        if missing and with_logs:
            spans, logs = await together(self._spans(missing, **window), self._logs(with_logs, **window))
        else:
            spans, logs = await self._spans(missing, **window), await self._logs(with_logs, **window)
        return _grouped([*spans, *(span for own in there.values() for span in own)], logs)

    async def _spans(self, trace_ids: Sequence[str], *, first_ns: int, last_ns: int) -> list[StoredSpan]:
        return await self.telemetry.spans(trace_ids, first_ns=first_ns, last_ns=last_ns) if trace_ids else []

    async def _logs(self, trace_ids: Sequence[str], *, first_ns: int, last_ns: int) -> list[StoredLog]:
        return await self.telemetry.logs(trace_ids, first_ns=first_ns, last_ns=last_ns) if trace_ids else []

    def _keep(self, wanted: _Wanted, read: ReadTrace) -> None:
        self._kept[wanted] = read
        self._weight += read.weight
        while self._weight > self._max_weight and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        asyncio.get_running_loop().call_later(KEEP_SECONDS, self._drop, wanted)

    def _drop(self, wanted: _Wanted) -> None:
        if (read := self._kept.pop(wanted, None)) is not None:
            self._weight -= read.weight


def _wanted(record: TargetRecord) -> Iterator[_Wanted]:
    records = record.traces or (record,)
    for each in records:
        is_whole = each.ref.level is Level.TRACE
        yield _Wanted(
            trace_id=each.trace_ids[0],
            first_ns=each.first_ns,
            last_ns=each.last_ns,
            watermark_ms=each.watermark_ms,
            spans=each.spans if is_whole else 0,
            logs=each.logs if is_whole else 0,
        )


def _pages(wanted: Sequence[_Wanted]) -> Iterator[list[_Wanted]]:
    """Runs of traces for one query each: neighbours in time, not too many, not too large."""
    page: list[_Wanted] = []
    spans = 0
    for each in sorted(wanted, key=lambda each: each.first_ns):
        if page and (len(page) >= QUERY_TRACES or spans + each.spans > QUERY_SPANS):
            yield page
            page, spans = [], 0
        page.append(each)
        spans += each.spans
    if page:
        yield page


def _grouped(spans: Sequence[StoredSpan], logs: Sequence[StoredLog]) -> dict[str, ReadTrace]:
    spans_of: defaultdict[str, list[StoredSpan]] = defaultdict(list)
    logs_of: defaultdict[str, list[StoredLog]] = defaultdict(list)
    for span in spans:
        spans_of[span.trace_id].append(span)
    for log in logs:
        logs_of[log.trace_id].append(log)
    return {trace_id: ReadTrace(own, logs_of.get(trace_id, ())) for trace_id, own in spans_of.items()}
