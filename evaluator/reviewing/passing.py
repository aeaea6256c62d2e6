"""Which targets a filter lets through, in the filter language of rules; a session's is about its first trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluator.online.rules.filters import CompiledFilter, compile_filter
from storage.model import Level, TargetRef
from storage.queue import Candidates, Queue, Ready
from storage.telemetry import Telemetry

EVERYTHING_PPM = 1_000_000


def compiled(text: str, level: Level) -> CompiledFilter:
    """A filter for targets of a level.

    Raises:
        InvalidFilter: With the position of what is not accepted.
    """
    return compile_filter(text, Level.SPAN if level is Level.SPAN else Level.TRACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """Every method may raise `storage.errors.Unavailable`."""

    queue: Queue
    telemetry: Telemetry

    async def of(self, text: str, level: Level, targets: Sequence[TargetRef]) -> set[TargetRef]:
        """Those of the targets that are stored, and for which the filter is true."""
        if level is Level.SESSION:
            return await self._sessions(text, targets)
        traces = await self.telemetry.traces({each.trace_id for each in targets})
        if not text.strip():
            return {each for each in targets if each.trace_id in traces}
        ready = [Ready(record=record, ready_ms=0) for record in traces.values()]
        found = await self.queue.candidates(ready, [_wanted(text, level)])
        return {each.record.ref for each in found} & set(targets)

    async def _sessions(self, text: str, targets: Sequence[TargetRef]) -> set[TargetRef]:
        located = await self.telemetry.locate(targets)
        if not text.strip():
            return set(located)
        first: Mapping[TargetRef, TargetRef] = {
            ref: min(record.traces, key=lambda each: (each.start_ns, each.ref.trace_id)).ref
            for ref, record in located.items()
            if record.traces
        }
        passed = await self.of(text, Level.TRACE, list(set(first.values())))
        return {ref for ref, trace in first.items() if trace in passed}


def _wanted(text: str, level: Level) -> Candidates:
    made = compiled(text, level)
    return Candidates(level=level, sample_ppm=EVERYTHING_PPM, filter_sql=made.sql, filter_parameters=made.parameters)
