"""What people said elsewhere, and telemetry brings: feedback on our metrics like any other."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from evaluator.errors import EvaluatorError
from evaluator.feedback.desk import Desk
from evaluator.feedback.verdicts import Stated
from evaluator.feedback.words import MAX_ANNOTATOR_CHARACTERS, MAX_EXPLANATION_CHARACTERS, Words
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.external.events import Statement
from storage.model import RESULT_NAMESPACE, OutputType, TargetRef

NOBODY = "somebody"
"""Who said it, where the telemetry names neither a person nor a service."""
_TRUTH = {"pass": "true", "passed": "true", "fail": "false", "failed": "false"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hearing:
    """`evaluator.online.external.worker.HearsPeople`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def hear(self, said: Sequence[tuple[Statement, TargetRef, MetricDefinition]]) -> list[str]:
        """Take in what people said; of each why it cannot be taken, '' = it was.  The same again adds nothing."""
        taken = await self._desk.take([_words(*each) for each in said], known_by_content=True)
        return [str(each) if isinstance(each, EvaluatorError) else "" for each in taken]


def _words(said: Statement, target: TargetRef, metric: MetricDefinition) -> Words:
    identity = said.key or f"{said.digest}\x1f{said.time_ns}"
    parts = ("feedback", metric.name, str(target.level), target.key, said.annotator, identity)
    name = "\x1f".join(parts).encode("utf-8", "replace").decode()
    return Words(
        target=target,
        metric=metric.name,
        stated=_stated(said, metric),
        explanation=said.explanation[:MAX_EXPLANATION_CHARACTERS],
        annotator=(said.annotator or said.service)[:MAX_ANNOTATOR_CHARACTERS].strip() or NOBODY,
        feedback_id=uuid.uuid5(RESULT_NAMESPACE, name),
        created=_EPOCH + timedelta(microseconds=min(said.time_ns, said.ingested_ms * 1_000_000) // 1000),
    )


def _stated(said: Statement, metric: MetricDefinition) -> Stated:
    """A number and a label may come together, where the metric has only one of them."""
    label, value = said.label, said.value
    match metric.output_type:
        case OutputType.BOOLEAN:
            return Stated(label=_TRUTH.get(label.lower(), label) or _truth(value))
        case OutputType.CATEGORICAL | OutputType.MULTILABEL | OutputType.TEXT:
            return Stated(label=label or value)
        case _ if metric.labels and label in metric.labels:
            return Stated(label=label)
        case _:
            return Stated(label=value or label)


def _truth(value: str) -> str:
    return {"1.0": "1", "0.0": "0"}.get(value.strip(), value)
