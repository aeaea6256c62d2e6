"""Keeps where targets stand in step with what people say about them, whoever else writes at the same time.

Nothing is locked: whoever has recorded a state looks again, and goes on until what it rests on has not changed
meanwhile.  So the last to write has seen everything.  What is shown as a result is compared with what should be, so a
process that died in between leaves nothing behind that the next word about the target does not repair.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from evaluator.feedback.settling import Settled, settle
from evaluator.feedback.showing import result_of, why
from evaluator.metrics.definition import MetricDefinition
from storage.feedback import FeedbackRow, Feedbacks, Resolution, ResolutionMethod, ResolutionStatus
from storage.model import Evaluation, MetricKind, Score, TargetRef
from storage.results import ResultFilter, Results
from storage.telemetry import TargetRecord, Telemetry

T = TypeVar("T")
PAGE = 500
"""Targets in one query."""
_DECIDED = frozenset({ResolutionStatus.RESOLVED, ResolutionStatus.EXCLUDED})
_CHANGED = frozenset({ResolutionStatus.NEEDS_RECONFIRM, ResolutionStatus.EXCLUDED})


class KnowsQuorums(Protocol):
    """How many annotators review queues want."""

    async def quorum(self, queue: str) -> int:
        """Of one queue, also of a deleted one; 1 where there never was one of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A target about which something was said.  `record`: where it stands, if that is known already."""

    target: TargetRef
    definition: MetricDefinition
    record: TargetRecord | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be recorded of one target."""

    affected: Affected
    resolution: Resolution
    counted: Sequence[FeedbackRow]
    shown: Evaluation | None
    changed: bool


class Standing:
    """Where targets stand among their reviewers."""

    def __init__(
        self, *, feedbacks: Feedbacks, results: Results, telemetry: Telemetry, quorums: KnowsQuorums | None = None
    ) -> None:
        self._feedbacks = feedbacks
        self._results = results
        self._telemetry = telemetry
        self._quorums = quorums

    async def settle(self, affected: Iterable[Affected]) -> dict[tuple[str, TargetRef], Resolution]:
        """Work out where targets stand now, record it, and show it; by slug of the metric and target."""
        by_metric: dict[str, dict[TargetRef, Affected]] = defaultdict(dict)
        for each in affected:
            by_metric[each.definition.name][each.target] = each
        found: dict[tuple[str, TargetRef], Resolution] = {}
        for metric, of in by_metric.items():
            for page in parts(list(of.values()), PAGE):
                standing = await self._settled(metric, {each.target: each for each in page})
                found |= {(metric, target): each for target, each in standing.items()}
        return found

    async def record(
        self, resolutions: Sequence[Resolution], definition: MetricDefinition
    ) -> dict[TargetRef, Resolution]:
        """Record states that somebody decided, of one metric, and show them; as they are stored."""
        for page in parts(list(resolutions), PAGE):
            targets = [each.target for each in page]
            said = await self._feedbacks.on(definition.name, targets)
            shown = await self._shown(definition.name, targets)
            await self._write(
                [
                    _Due(
                        Affected(target=each.target, definition=definition),
                        _above(each, shown.get(each.target)),
                        said.get(each.target, ()),
                        shown.get(each.target),
                        changed=True,
                    )
                    for each in page
                ]
            )
        return await self._feedbacks.resolutions(definition.name, [each.target for each in resolutions])

    async def _settled(self, metric: str, pending: dict[TargetRef, Affected]) -> dict[TargetRef, Resolution]:
        everything = list(pending)
        said = await self._feedbacks.on(metric, pending)
        while pending:
            before = await self._feedbacks.resolutions(metric, pending)
            shown = await self._shown(metric, pending)
            await self._write(
                [
                    await self._due(each, said.get(target, ()), before.get(target), shown.get(target))
                    for target, each in pending.items()
                ]
            )
            again = await self._feedbacks.on(metric, pending)
            pending = {
                target: each
                for target, each in pending.items()
                if _ids(again.get(target, ())) != _ids(said.get(target, ()))
            }
            said = again
        return await self._feedbacks.resolutions(metric, everything)

    async def _due(
        self,
        affected: Affected,
        said: Sequence[FeedbackRow],
        before: Resolution | None,
        shown: Evaluation | None,
    ) -> _Due:
        if before is not None and before.method is ResolutionMethod.ADJUDICATED and before.status in _DECIDED:
            return _Due(affected, before, said, shown, changed=False)
        since = before.counts_from if before else None
        if before is not None and before.status in _CHANGED:
            since = before.updated
        counting = [row for row in said if since is None or (row.updated is not None and row.updated > since)]
        if before is not None and before.status in _CHANGED and said and not counting:
            return _Due(affected, before, said, shown, changed=False)
        queues = {row.queue for row in counting if row.queue}
        wanted = [await self._quorums.quorum(queue) for queue in sorted(queues)] if self._quorums else []
        settled = settle(affected.definition, counting, quorum=max(wanted, default=1))
        resolution = replace(_resolution(affected, settled, before, shown), counts_from=since)
        return _Due(affected, resolution, settled.counted, shown, changed=_differs(before, resolution))

    async def _write(self, due: Sequence[_Due]) -> None:
        hidden = [each for each in due if _shows(each) != _is_shown(each)]
        records = {each.affected.target: each.affected.record for each in hidden}
        lost = [target for target, record in records.items() if record is None]
        located = await self._telemetry.locate(lost) if lost else {}
        evaluations = []
        for each in hidden:
            record = records[each.affected.target] or located.get(each.affected.target)
            if record is not None:  # a target that is gone has no results either
                evaluations.append(_result(each, record))
        await self._results.append(evaluations)
        await self._feedbacks.resolve([each.resolution for each in due if each.changed])

    async def _shown(self, metric: str, targets: Iterable[TargetRef]) -> dict[TargetRef, Evaluation]:
        """What is shown of people's verdicts: of each target the highest version's."""
        where = ResultFilter(targets=tuple(targets), metrics=(metric,), kinds=(MetricKind.HUMAN,))
        found: dict[TargetRef, Evaluation] = {}
        for each in await self._results.newest(where, before=None, limit=100 * PAGE):
            if each.target not in found or each.metric_version > found[each.target].metric_version:
                found[each.target] = each
        return found


def parts(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Items, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _ids(said: Sequence[FeedbackRow]) -> frozenset[uuid.UUID]:
    return frozenset(row.feedback_id for row in said)


def _resolution(
    affected: Affected, settled: Settled, before: Resolution | None, shown: Evaluation | None
) -> Resolution:
    marks = [row.watermark_ms for row in settled.counted]
    versions = [row.metric_version for row in settled.counted]
    found = Resolution(
        target=affected.target,
        metric=affected.definition.name,
        metric_version=max(versions, default=before.metric_version if before else affected.definition.version),
        status=settled.status,
        expected=settled.expected,
        method=settled.method,
        queue=next((row.queue for row in reversed(settled.counted) if row.queue), ""),
        resolver=settled.resolver,
        reason=settled.reason,
        watermark_ms=max([*marks, before.watermark_ms if before else 0]),
    )
    return _above(found, shown)


def _above(resolution: Resolution, shown: Evaluation | None) -> Resolution:
    """So that it counts before what is shown: the highest version and the newest watermark do."""
    if shown is None:
        return resolution
    return replace(
        resolution,
        metric_version=max(resolution.metric_version, shown.metric_version),
        watermark_ms=max(resolution.watermark_ms, shown.watermark_ms),
    )


def _differs(before: Resolution | None, now: Resolution) -> bool:
    return before is None or replace(before, updated=None) != replace(now, updated=None)


def _shows(due: _Due) -> tuple[object, ...] | None:
    """What should be shown; None = nothing."""
    resolution = due.resolution
    if resolution.status is not ResolutionStatus.RESOLVED or resolution.expected is None:
        return None
    explanation = why(resolution, due.counted)
    return (*_verdict(resolution.expected), explanation, resolution.resolver, resolution.metric_version)


def _is_shown(due: _Due) -> tuple[object, ...] | None:
    shown = due.shown
    if shown is None or not isinstance(shown.outcome, Score):
        return None
    return (*_verdict(shown.outcome), shown.outcome.explanation, shown.annotator, shown.metric_version)


def _verdict(score: Score) -> tuple[object, ...]:
    return score.value, score.label, score.labels, score.text


def _result(due: _Due, record: TargetRecord) -> Evaluation:
    seen = str(due.shown.evaluation_id) if due.shown else ""
    identity = "\x1f".join([seen, *sorted(str(row.feedback_id) for row in due.counted)])
    return result_of(due.resolution, due.affected.definition, record, counted=due.counted, identity=identity)
