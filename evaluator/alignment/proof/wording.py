"""A proof in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.alignment.model import Verdict
from evaluator.alignment.proof.proof import ALL, Comparison, Guardrail
from evaluator.metrics.agreeing import headline
from evaluator.metrics.definition import MetricDefinition
from evaluator.statistics.estimate import Estimate
from storage.model import OutputType

SYMBOLS = {
    "cohen_kappa": "κ",
    "weighted_kappa": "weighted κ",
    "mae": "MAE",
    "ccc": "CCC",
    "jaccard": "Jaccard index",
}
BEGINS = {
    Verdict.SUPPORTED: "The guidelines help",
    Verdict.HARMFUL: "The guidelines do harm",
    Verdict.NO_CHANGE: "The guidelines change nothing",
    Verdict.INCONCLUSIVE: "It cannot be told whether the guidelines help",
}


def sentence(
    definition: MetricDefinition,
    verdict: Verdict,
    told: Sequence[Comparison],
    difference: Estimate,
    noise: Estimate,
    kept: Sequence[Guardrail],
    *,
    design: str,
    rows: int,
) -> str:
    """The verdict, the headline before and after, the gain with its interval, on how many rows, and the noise floor."""
    parts = [f"{BEGINS[verdict]}: {_headline(definition, told)}{_gain(difference)}, {_held_out(design, rows)}"]
    if noise.value is not None:
        parts.append(f"noise floor {noise.value:.0%}")
    parts += [f"{each.name}: {each.detail}" for each in kept if not each.kept]
    return "; ".join(parts) + "."


def _headline(definition: MetricDefinition, told: Sequence[Comparison]) -> str:
    name = headline(definition)
    for each in told:
        if each.name == name and each.group == ALL:
            scaled = name == "mae" and definition.output_type is OutputType.PERCENTAGE
            values = [_number(end.value, points=scaled) for end in (each.before, each.after)]
            return f"{SYMBOLS.get(name, name)} {values[0]} → {values[1]}{' points' if scaled else ''}, "
    return ""


def _number(value: float | None, *, points: bool) -> str:
    if value is None:
        return "undefined"
    return f"{100 * value:.1f}" if points else f"{value:.2f}"


def _gain(difference: Estimate) -> str:
    if difference.value is None:
        return "no gain can be told"
    gain = f"{100 * difference.value:+.0f} points"
    if difference.lower is None or difference.upper is None:
        return gain
    return f"{gain} [{100 * difference.lower:.0f}, {100 * difference.upper:.0f}]"


def _held_out(design: str, rows: int) -> str:
    if design.startswith("cross-fit"):
        return f"cross-fitted on {rows} rows"
    return f"on {rows} sealed rows" if design.startswith("sealed") else f"on {rows} held-out rows"
