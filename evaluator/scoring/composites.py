"""Composites: required results first, then the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from evaluator.metrics.composite.requirements import BY_OTHERS, spellings
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material, ResultKey
from evaluator.scoring.call import Call
from evaluator.scoring.due import Need
from evaluator.scoring.gate import Needed, gate, inputs_digest
from evaluator.scoring.others import Others
from evaluator.scoring.pairs import Pair, id_of, is_shared, pair_of, pending_of, tries_again, unpaid_of
from evaluator.scoring.request import Pending, Unpaid
from evaluator.scoring.stored import Stored, counts
from evaluator.scoring.subject import Subject
from evaluator.scoring.work import Task, Work
from storage.errors import StorageError
from storage.model import Abstention, Evaluation, Failure, MetricKind, Status
from storage.telemetry import TargetRecord

Missing = Mapping[ResultKey, tuple[MetricDefinition, TargetRecord]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A composite whose required metrics are all final.

    Attributes:
        refused: What its result is, where one of them had no success; None = it may run.
    """

    material: Material
    refused: Failure | Abstention | None
    inputs_digest: bytes


class Composites:
    """Gathers what composites require, starting what nobody has computed."""

    def __init__(self, work: Work, others: Others, compute: Callable[[Pair, Call], Task]) -> None:
        self._work = work
        self._others = others
        self._compute = compute

    async def ready(self, pair: Pair, call: Call, stored: Stored) -> Ready | Evaluation | Pending | Unpaid:
        """When everything required is final; or a stored result that read the very same; or what is waited for.

        Raises:
            storage.errors.StorageError: Something required could not be stored or read.
        """
        needs = call.due.of(pair.subject, pair.metric)
        found = await self._required(pair, needs, call, stored)
        if isinstance(found, (Pending, Unpaid)):
            return found
        self._work.begin(pair)
        digest = inputs_digest(found.values())
        if (same := _same_inputs(pair, digest, stored)) is not None:
            return same
        needed = [
            Needed(entry=need.entry, due=[(each.record.ref, need.metric.name) for each in need.subjects])
            for need in needs
        ]
        names = spellings(call.required[pair.metric.name, pair.metric.version])
        return Ready(
            material=replace(pair.subject.material, results=found, required=names),
            refused=gate(needed, found, wait_seconds=pair.metric.wait_seconds),
            inputs_digest=digest,
        )

    async def _required(
        self, composite: Pair, needs: Sequence[Need], call: Call, stored: Stored
    ) -> Mapping[ResultKey, Evaluation] | Pending | Unpaid:
        """Final results of everything that is due; results of others that did not come in time are missing."""
        found: dict[ResultKey, Evaluation] = {}
        tasks: dict[ResultKey, Task] = {}
        others: dict[ResultKey, Pair] = {}
        """What somebody may compute for somebody else."""
        missing: dict[ResultKey, tuple[MetricDefinition, TargetRecord]] = {}
        for need in needs:
            digest = need.metric.digest
            for subject in need.subjects:
                key = subject.record.ref, need.metric.name
                if need.metric.kind in BY_OTHERS:
                    theirs = stored.of_others(need.metric, subject.record.ref)
                    if theirs is not None:
                        found[key] = theirs
                    else:
                        missing[key] = need.metric, subject.record
                elif key not in found and key not in tasks:
                    ours = _kept(subject, need.metric, digest, call, stored)
                    if ours is not None:
                        found[key] = ours
                    else:
                        pair = pair_of(subject, need.metric, call.request, required=True)
                        tasks[key] = self._obtain(pair, call)
                        if pair.evaluation_id not in call.started and tasks[key] is self._work.alike(pair):
                            others[key] = pair
        await self._work.wait(tasks.values())
        if poor := [key for key in others if isinstance(tasks[key].result(), Unpaid)]:
            tasks |= {key: self._compute(others[key], call) for key in poor}  # our own budget may pay for it
            await self._work.wait([tasks[key] for key in poor])
        waits: list[Pending] = []
        unpaid: Unpaid | None = None
        for key, task in tasks.items():
            match task.result():
                case StorageError() as error:
                    raise error
                case Pending() as pending:
                    waits.append(pending)
                case Unpaid() as over:
                    unpaid = over
                case Evaluation() as result:
                    found[key] = result
        if missing:
            came = await self._theirs(composite, missing, call)
            if isinstance(came, Pending):
                waits.append(came)
            else:
                found |= came
        if waits:  # what comes wakes it, and a budget may pay by then
            return _together(composite, waits)
        if unpaid is not None:
            return unpaid_of(composite, f"it requires {unpaid.metric}: {unpaid.reason}", unpaid.resets)
        return found

    def _obtain(self, pair: Pair, call: Call) -> Task:
        """A required result that is to come: what was asked for in the same call, what somebody computes now,
        or a start."""
        asked = call.started.get(pair.evaluation_id)
        return asked or self._work.alike(pair) or self._compute(pair, call)

    async def _theirs(self, pair: Pair, missing: Missing, call: Call) -> Mapping[ResultKey, Evaluation] | Pending:
        """Results of others: waited for until so long after the newest arrival of the target."""
        arrived = datetime.fromtimestamp(pair.subject.record.watermark_ms / 1000, UTC)
        until = arrived + timedelta(seconds=pair.metric.wait_seconds)
        if pair.subject.inline or datetime.now(UTC) >= until:
            return {}
        if call.patient:
            return await self._others.wait(list(missing.values()), until=until)
        names = ", ".join(sorted({f"{metric.name} ({metric.kind})" for metric, _ in missing.values()}))
        return replace(pending_of(pair), reason=f"waiting for results of {names}", until=until)


def _kept(subject: Subject, metric: MetricDefinition, digest: str, call: Call, stored: Stored) -> Evaluation | None:
    """A stored result that a composite takes as it is; not what is asked for in the same call, nor a composite's, which
    may be stale."""
    record, request = subject.record, call.request
    if metric.kind is MetricKind.COMPOSITE or not is_shared(subject, request) or call.asks(record.ref, metric):
        return None
    shared = record.ref, metric.name, metric.version, record.watermark_ms
    kept = stored.of_version(metric, record, digest=digest) or call.finished.get(shared)
    if kept is None or tries_again(request, kept):
        return None
    own = counts(kept, request.purpose) or kept.evaluation_id == id_of(subject, metric, request)
    return kept if own else None


def _same_inputs(pair: Pair, digest: bytes, stored: Stored) -> Evaluation | None:
    """A stored result of a composite that read these very results.

    Of the same id it is the answer.  Any other serves whoever reuses: other composites, and callers who say so.
    """
    earlier = stored.earlier(pair.evaluation_id, pair.metric, pair.subject.record)
    if earlier is not None and earlier.inputs_digest == digest:
        return None if tries_again(pair.request, earlier) else earlier
    if not pair.stores or not (pair.required or pair.request.reuse):
        return None
    kept = stored.of_version(pair.metric, pair.subject.record)
    if kept is None or kept.inputs_digest != digest or not counts(kept, pair.request.purpose):
        return None
    return kept


def _together(pair: Pair, waits: Sequence[Pending]) -> Pending:
    """Everything that is waited for, until the last of it."""
    reasons = dict.fromkeys(each.reason for each in waits)
    ends = [each.until for each in waits if each.until is not None]
    return replace(pending_of(pair), status=Status.QUEUED, reason="; ".join(reasons), until=max(ends, default=None))
