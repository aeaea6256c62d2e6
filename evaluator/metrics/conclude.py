"""One metric on one target's inputs: the only entrance to this package for scoring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from evaluator.judges.port import AsksJudges
from evaluator.metrics import template
from evaluator.metrics.code_metric import FUNCTIONS, code_metric
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judge_metric import judge_metric
from evaluator.metrics.material import Material
from storage.model import MetricKind, Outcome, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What one metric version concluded, and what it took.

    Attributes:
        judge_model: The model that answered; the one that was asked, where none did; '' where none was asked.
        judge_trace_id: Trace of the exchange with the judge; '' where it is not kept.
        input_digest: See `input_digest`.
        metadata: What else is known (`Evaluation.metadata`).
    """

    outcome: Outcome
    usage: Usage = field(default_factory=Usage)
    judge_model: str = ""
    judge_trace_id: str = ""
    input_digest: bytes = b""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """What metrics of every kind are applied with; one of the process.

    Attributes:
        judges: Asks models, every limit applied.
        secret: The installation's; nobody who writes telemetry may know it.  Makes the fences' nonces.
    """

    judges: AsksJudges
    secret: bytes


async def conclude(
    definition: MetricDefinition,
    material: Material,
    *,
    using: Instruments,
    deadline: float | None = None,
) -> Conclusion:
    """Apply a metric that `check` accepts.  A judge that cannot judge is a `Failure`, a missing input an `Abstention`.

    Args:
        material: What the target offers; inputs that it lacks are absent or blank.
        deadline: Seconds of the event loop's clock; None = only the judge's own limits.
    """
    inputs = material.inputs
    if definition.kind is MetricKind.CODE:
        return Conclusion(outcome=code_metric(definition, inputs), input_digest=input_digest(definition, inputs))
    parsed = template.parse(definition.prompt)
    digest = _digest(parsed.names, inputs)
    outcome, usage, model = await judge_metric(
        definition,
        parsed,
        inputs,
        nonce=nonce_of(definition, digest, using.secret),
        judges=using.judges,
        deadline=deadline,
    )
    return Conclusion(outcome=outcome, usage=usage, judge_model=model, input_digest=digest)


def inputs_read(definition: MetricDefinition) -> tuple[str, ...]:
    """Names of the inputs that a metric reads: nothing else of a target matters to it.

    Raises:
        ValueError: Of a kind that cannot be applied yet.
    """
    match definition.kind:
        case MetricKind.JUDGE:
            return template.parse(definition.prompt).names
        case MetricKind.CODE:
            return FUNCTIONS[definition.function].inputs
        case other:
            raise ValueError(f"{other} metrics are not offered yet")


def input_digest(definition: MetricDefinition, inputs: Mapping[str, str]) -> bytes:
    """BLAKE2b-128 of exactly what the metric reads of the target; costs nothing, so ask the store before paying."""
    return _digest(inputs_read(definition), inputs)


def _digest(names: Iterable[str], inputs: Mapping[str, str]) -> bytes:
    read = [(name, inputs[name]) for name in names if not template.is_missing(inputs, name)]
    return hashlib.blake2b(json.dumps(read).encode(), digest_size=16).digest()


def nonce_of(definition: MetricDefinition, digest: bytes, secret: bytes) -> str:
    """Nonce of the fences, 16 hex digits: the same for equal inputs; only the owner of the secret can foretell it."""
    key = hashlib.blake2b(secret, digest_size=32).digest()
    return hashlib.blake2b(definition.digest.encode() + digest, key=key, digest_size=8).hexdigest()
