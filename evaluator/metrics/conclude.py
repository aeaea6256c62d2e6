"""One metric on one target's inputs: the only entrance to this package for scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from evaluator.judges.metering import Meter
from evaluator.judges.port import AsksJudges
from evaluator.metrics.code.code_metric import FUNCTIONS, code_metric, digest_of_code
from evaluator.metrics.code.plugin import Plugins
from evaluator.metrics.composite.roll_up import roll_up
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging import template
from evaluator.metrics.judging.answers import Flights, KeptAnswers
from evaluator.metrics.judging.exchange import Exchange
from evaluator.metrics.judging.judge_metric import Redact, digest_of, judge_metric, visible
from evaluator.metrics.judging.juror import Vote
from evaluator.metrics.judging.prepared import Preparations
from evaluator.metrics.material import Material
from evaluator.sandbox.sandbox import Sandbox
from storage.model import MetricKind, Outcome, Score, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What one metric version concluded, and what it took.

    Attributes:
        judge_model: The model that answered; the one that was asked, where none did; '' where none was asked.
        judge_trace_id: Trace of the exchange with the judge; '' where none was asked.
        exchange: That exchange; whoever keeps the result keeps it, too.
        input_digest: See `input_digest`.
        metadata: What else is known (`Evaluation.metadata`).
    """

    outcome: Outcome
    usage: Usage = field(default_factory=Usage)
    judge_model: str = ""
    judge_trace_id: str = ""
    input_digest: bytes = b""
    metadata: Mapping[str, str] = field(default_factory=dict)
    exchange: Exchange | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """What metrics of every kind are applied with; one of the process.

    Attributes:
        judges: Asks models, every limit applied.
        secret: The installation's; nobody who writes telemetry may know it.  Makes the fences' nonces.
        redact: What no judge may see; None = nothing is hidden.
        kept: Answers that judges have given before; None = every question is asked.
        flights: Questions under way.
        windows: Context windows that refusals have told, in tokens, by model.
        prepared: Definitions of judge metrics, made ready.
        sandbox: Runs users' code; None = such metrics fail.
        plugins: Runs functions of installed packages; likewise.
        names: What `GalileoMetrics` has in users' code, each with the slug it stands for.
    """

    judges: AsksJudges
    secret: bytes
    redact: Redact | None = None
    kept: KeptAnswers | None = None
    flights: Flights[Vote] = field(default_factory=Flights)
    windows: dict[str, int] = field(default_factory=dict)
    prepared: Preparations = field(default_factory=Preparations)
    sandbox: Sandbox | None = None
    plugins: Plugins | None = None
    names: Mapping[str, str] = field(default_factory=dict)


async def conclude(
    definition: MetricDefinition,
    material: Material,
    *,
    using: Instruments,
    deadline: float | None = None,
    repeat: int = 0,
    background: bool = False,
    meter: Meter | None = None,
) -> Conclusion:
    """Apply a metric that `check` accepts.  A judge that cannot judge is a `Failure`, a missing input an `Abstention`.

    Args:
        material: What the target offers; inputs that it lacks are absent or blank.
        deadline: Seconds of the event loop's clock; None = only the judge's own limits.
        repeat: Which repetition of the same question, from 0: a judge gives each an answer of its own.
        background: It can wait: every other question to the judge goes first.
        meter: The budgets that pay for calls to judges; None = nobody counts.

    Raises:
        OverBudget: The budgets do not cover a call that it needs.
    """
    if definition.kind is MetricKind.JUDGE:
        found = await judge_metric(
            definition, material, using=using, repeat=repeat, deadline=deadline, background=background, meter=meter
        )
        conclusion = Conclusion(
            outcome=found.outcome,
            usage=found.usage,
            judge_model=found.model,
            judge_trace_id=found.exchange.trace_id if found.exchange else "",
            input_digest=found.digest,
            metadata=found.metadata,
            exchange=found.exchange,
        )
    elif definition.roll_up is not None:
        conclusion = Conclusion(outcome=roll_up(definition, material))
    else:
        outcome = await code_metric(
            definition, material, sandbox=using.sandbox, plugins=using.plugins, names=using.names
        )
        composite = (
            definition.kind is MetricKind.COMPOSITE
        )  # known by the results that it read, not by all of a session
        digest = b"" if composite else input_digest(definition, material.inputs, material=material)
        conclusion = Conclusion(outcome=outcome, input_digest=digest)
    verdict = passed(definition, conclusion.outcome)
    if verdict is None:
        return conclusion
    return replace(conclusion, metadata={**conclusion.metadata, "passed": str(verdict).lower()})


def passed(definition: MetricDefinition, outcome: Outcome) -> bool | None:
    """Whether a value is on the good side of the definition's threshold; None where there is no value or no threshold.

    The threshold itself passes; a metric of which neither more nor less is better has no good side.
    """
    if definition.threshold is None or not isinstance(outcome, Score) or outcome.value is None:
        return None
    if definition.higher_is_better is None:
        return None
    if definition.higher_is_better:
        return outcome.value >= definition.threshold
    return outcome.value <= definition.threshold


def inputs_read(definition: MetricDefinition) -> tuple[str, ...]:
    """Names of the inputs that a metric reads: nothing else of a target matters to it.

    Raises:
        ValueError: Of a kind that cannot be applied yet.
    """
    match definition.kind:
        case MetricKind.JUDGE:
            return template.parse(definition.prompt, definition.arguments).names
        case MetricKind.CODE if definition.function in FUNCTIONS:
            function = FUNCTIONS[definition.function]
            return (*function.inputs, *function.reads)
        case other:
            raise ValueError(f"what a {other} metric reads has no names")


def input_digest(
    definition: MetricDefinition,
    inputs: Mapping[str, str],
    *,
    redact: Redact | None = None,
    material: Material | None = None,
) -> bytes:
    """BLAKE2b-128 of exactly what the metric reads of the target; costs nothing, so ask the store before paying.

    Args:
        redact: As of the instruments: the digest of a judge metric is of what the judge may see.
        material: The target; needed where a metric reads more of it than named inputs, as code does.
    """
    if material is not None and definition.kind is not MetricKind.JUDGE:
        return digest_of_code(definition, material)
    judged = definition.kind is MetricKind.JUDGE
    return digest_of(visible(inputs_read(definition), inputs, redact if judged else None)[0])
