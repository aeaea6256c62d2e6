"""What was stored before a call began: nobody pays for it again."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import ResultKey
from storage.model import Evaluation, Level, MetricKind, Purpose, Status, TargetRef
from storage.telemetry import TargetRecord

SHOWN = frozenset({Purpose.ONLINE, Purpose.ONDEMAND, Purpose.BACKFILL, Purpose.RECOMPUTE})
"""Why a result is computed that others may read: those of experiments and alignments stay with their run."""


class ReadsResults(Protocol):
    """The part of `storage.results.Results` that is read here."""

    async def existing(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Evaluation]:
        """The newest attempt of each of these results that is there."""

    async def current(
        self, metrics: Collection[str], *, trace_ids: Collection[str] = (), session_ids: Collection[str] = ()
    ) -> list[Evaluation]:
        """Current results of metrics on traces and their spans, and on sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Results by id, and current ones by target and metric.

    Attributes:
        existing: What was asked for before under the same id.
        automatic: By target, slug and version: what judges, code and others' programs concluded.
        human: By target and slug: what people concluded.
        external: By target and slug: the newest of any version, since whoever sends results knows nothing of ours.
    """

    existing: Mapping[uuid.UUID, Evaluation] = field(default_factory=dict)
    automatic: Mapping[tuple[ResultKey, int], Evaluation] = field(default_factory=dict)
    human: Mapping[ResultKey, Evaluation] = field(default_factory=dict)
    external: Mapping[ResultKey, Evaluation] = field(default_factory=dict)

    @classmethod
    def of(cls, existing: Mapping[uuid.UUID, Evaluation], current: Iterable[Evaluation]) -> Stored:
        """Sort what was read."""
        automatic: dict[tuple[ResultKey, int], Evaluation] = {}
        human: dict[ResultKey, Evaluation] = {}
        external: dict[ResultKey, Evaluation] = {}
        for each in sorted(current, key=lambda each: (each.watermark_ms, each.inserted_us or 0)):
            key = each.target, each.metric
            match each.kind:
                case MetricKind.HUMAN:
                    human[key] = each
                case MetricKind.EXTERNAL:
                    external[key] = each
                case _:
                    automatic[key, each.metric_version] = each
        return cls(existing=existing, automatic=automatic, human=human, external=external)

    def earlier(self, evaluation_id: uuid.UUID, metric: MetricDefinition, record: TargetRecord) -> Evaluation | None:
        """The newest attempt under the same id, as far as it was looked for."""
        found = self.existing.get(evaluation_id)
        kept = self.of_version(metric, record) if found is None else None
        return kept if kept is not None and kept.evaluation_id == evaluation_id else found

    def of_others(self, metric: MetricDefinition, ref: TargetRef) -> Evaluation | None:
        """What somebody else concluded, a person or a program."""
        found = self.human if metric.kind is MetricKind.HUMAN else self.external
        return found.get((ref, metric.name))

    def of_version(self, metric: MetricDefinition, record: TargetRecord, *, digest: str = "") -> Evaluation | None:
        """What this very version concluded on all that has arrived of the target; `digest` = the metric's, if known."""
        found = self.automatic.get(((record.ref, metric.name), metric.version))
        if found is None or found.watermark_ms != record.watermark_ms:
            return None
        return found if found.metric_digest == (digest or metric.digest) else None


def counts(found: Evaluation, purpose: Purpose) -> bool:
    """Whether a required result that is stored is taken as it is.

    A rule takes what is final: failures are not repeated by themselves.  Who asks gets another attempt at those.
    """
    return purpose is Purpose.ONLINE or found.status in (Status.SUCCESS, Status.NOT_APPLICABLE)


async def read_stored(
    results: ReadsResults,
    *,
    ids: Collection[uuid.UUID],
    metrics: Collection[str],
    records: Iterable[TargetRecord],
) -> Stored:
    """Everything that a call may find stored, in one query each.

    Raises:
        storage.errors.StorageError: As the store's.
    """
    current: list[Evaluation] = []
    if metrics:
        located = list(records)
        current = await results.current(
            metrics,
            trace_ids={trace_id for record in located for trace_id in record.trace_ids},
            session_ids={record.ref.session_id for record in located if record.ref.level is Level.SESSION},
        )
    return Stored.of(await results.existing(ids) if ids else {}, current)
