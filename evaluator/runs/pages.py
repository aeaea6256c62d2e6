"""A run's targets, page by page: from the store by its query, or from its ledger.  No list of all of them anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from evaluator.runs.definition import RunPlan
from storage.model import Level, TargetRef
from storage.queue import Candidates, Queue, Ready
from storage.runs import QueuedTarget, Runs, Selected, SelectedTarget
from storage.telemetry import TargetRecord, Telemetry

MINUTE_NS = 60 * 10**9
WIDEN = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a run.

    Attributes:
        records: What was located of it.
        queued: Ledger entries of the records, in the same order; () for targets that a query selected.
        gone: Ledger entries whose targets are not stored any more.
        place: Where to go on after this page.
    """

    records: tuple[TargetRecord, ...]
    queued: tuple[QueuedTarget, ...] = ()
    gone: tuple[QueuedTarget, ...] = ()
    place: tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Reads the targets of runs."""

    runs: Runs
    queue: Queue
    telemetry: Telemetry
    size: int = 1000

    async def of(self, plan: RunPlan, after: Sequence[str | int]) -> AsyncIterator[Page]:
        """The pages of a run, from `after` (the `place` of an earlier page; empty = the beginning)."""
        if plan.selected is None:
            async for page in self._ledger(plan.run_id, after):
                yield page
            return
        *place, number = after or (plan.selected.since_ns, "", "", 0)
        taken = int(number)
        async for rows, next_place in self.selected(plan.selected, place):
            passed = await self.passing(plan.selected, rows)
            if plan.limit:
                passed = passed[: plan.limit - taken]
            taken += len(passed)
            located = await self.telemetry.locate([row.ref for row in passed]) if passed else {}
            records = tuple(located[row.ref] for row in passed if row.ref in located)
            yield Page(records=records, place=(*next_place, taken))
            if plan.limit and taken >= plan.limit:
                return

    async def selected(
        self, selected: Selected, after: Sequence[str | int]
    ) -> AsyncIterator[tuple[list[SelectedTarget], tuple[str | int, ...]]]:
        """Targets in order of their start, and where each page ends.

        A query reads all that starts in its window: after the first page, which finds the beginning, the window follows
        how dense the targets are.
        """
        place, window_ns = tuple(after), selected.until_ns
        while (start_ns := int(place[0])) < selected.until_ns:
            end_ns = min(selected.until_ns, start_ns + window_ns)
            rows = await self.runs.page(selected, after=place, until_ns=end_ns, limit=self.size)
            if len(rows) < self.size:
                place, window_ns = (end_ns, "", ""), window_ns * WIDEN
            else:
                place = _place(rows[-1])
                window_ns = max(MINUTE_NS, 2 * (rows[-1].start_ns - rows[0].start_ns))
            if rows:
                yield rows, place

    async def passing(self, selected: Selected, rows: Sequence[SelectedTarget]) -> list[SelectedTarget]:
        """Of selected targets those for which the filter is true; spans have been through it."""
        if selected.level is Level.SPAN or not selected.reads_traces:
            return list(rows)
        of_session = selected.level is Level.SESSION
        trace_of = {row.ref: row.first_trace_id if of_session else row.ref.trace_id for row in rows}
        refs = [TargetRef(level=Level.TRACE, trace_id=trace_id) for trace_id in dict.fromkeys(trace_of.values())]
        located = await self.telemetry.locate(refs)
        traces = [Ready(record=record, ready_ms=0) for record in located.values()]
        wanted = Candidates(
            level=Level.TRACE,
            sample_ppm=1_000_000 if of_session else selected.sample_ppm,
            experiment_ppm=None if of_session else selected.experiment_ppm,
            scope=selected.scope,
            filter_sql=selected.filter_sql,
            filter_parameters=selected.filter_parameters,
        )
        passed = {each.record.ref.trace_id for each in await self.queue.candidates(traces, [wanted])}
        return [row for row in rows if trace_of[row.ref] in passed]

    async def _ledger(self, run_id: str, after: Sequence[str | int]) -> AsyncIterator[Page]:
        place = tuple(after)
        while queued := await self.runs.queued(run_id, after=place, limit=self.size):
            located = await self.telemetry.locate([each.ref for each in queued])
            here = [each for each in queued if each.ref in located]
            place = (str(queued[-1].ref.level), queued[-1].ref.key)
            yield Page(
                records=tuple(located[each.ref] for each in here),
                queued=tuple(here),
                gone=tuple(each for each in queued if each.ref not in located),
                place=place,
            )

    async def share_passing(self, selected: Selected, *, pages: int) -> tuple[int, int]:
        """(targets that pass the filter, targets looked at) among the first pages of a selection."""
        passed = looked = 0
        async for rows, _ in self.selected(selected, (selected.since_ns, "", "")):
            passed += len(await self.passing(selected, rows))
            looked += len(rows)
            pages -= 1
            if pages <= 0:
                break
        return passed, looked


def _place(row: SelectedTarget) -> tuple[str | int, ...]:
    ref = row.ref
    return row.start_ns, ref.session_id or ref.trace_id, ref.span_id
