"""Bounds that guidelines must keep, whatever they gain (§6 of the design)."""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.alignment.proof.evidence import Evidence, Turned, agreeing
from evaluator.alignment.proof.proof import Comparison, Guardrail
from evaluator.metrics.agreeing import word
from evaluator.metrics.guideline import MAX_GUIDELINES
from evaluator.statistics.comparing import holm, sign_flip
from storage.model import OutputType, Score

BROKEN_ROWS = 2
BROKEN_SHARE = 0.05
"""Of the rows that agreed before: so many may turn wrong."""
FAILED_ANSWERS = 1
FAILED_SHARE = 0.01
"""Of the answers: so many more may be none (one that cannot be read is chance)."""
MAX_PROMPT_GROWTH = 2.0
FEWEST_OF_CLASS = 5
"""Rows of a class, below which its recall says nothing."""
HARM_ALPHA = 0.05
"""Over all classes together (Holm), where there are more than two."""

_LABELLED = frozenset({OutputType.BOOLEAN, OutputType.CATEGORICAL})


def guardrails(
    evidence: Evidence,
    comparisons: Sequence[Comparison],
    *,
    guidelines: int,
    tokens_before: float | None,
    tokens_after: float | None,
    seed: int,
) -> tuple[Guardrail, ...]:
    """Every bound, and whether it is kept."""
    return (
        _broken(evidence),
        _recall(evidence, comparisons, seed=seed),
        _failures(evidence),
        _prompt(tokens_before, tokens_after),
        Guardrail(
            name="guidelines",
            kept=guidelines <= MAX_GUIDELINES,
            detail=f"{guidelines} of at most {MAX_GUIDELINES}",
        ),
    )


def _broken(evidence: Evidence) -> Guardrail:
    broken, agreed = evidence.turned(Turned.BROKEN), agreed_before(evidence)
    allowed = max(BROKEN_ROWS, int(BROKEN_SHARE * agreed))
    detail = f"{broken} of {agreed} rows that agreed turned wrong, {allowed} are allowed"
    return Guardrail(name="broken rows", kept=broken <= allowed, detail=detail)


def agreed_before(evidence: Evidence) -> int:
    """Rows of which more than half of the answers agreed without the guidelines."""
    return sum(agreeing(evidence.definition, each, each.before, delta=evidence.delta) > 0.5 for each in evidence.rows)


def _recall(evidence: Evidence, comparisons: Sequence[Comparison], *, seed: int) -> Guardrail:
    name = "recall of classes"
    if evidence.definition.output_type not in _LABELLED:
        return Guardrail(name=name, kept=True, detail="the output has no classes")
    of_class = {
        each.group.removeprefix("class="): each.difference
        for each in comparisons
        if each.name == "recall" and each.group.startswith("class=") and each.difference.count >= FEWEST_OF_CLASS
    }
    fallen = {label for label, each in of_class.items() if each.upper is not None and each.upper < 0.0}
    if len(of_class) > 2:
        adjusted = holm({label: _fell(evidence, label, seed=seed) for label in of_class})
        fallen = {label for label in fallen if adjusted[label] < HARM_ALPHA}
    if not fallen:
        return Guardrail(name=name, kept=True, detail="that of no class has fallen beyond chance")
    told = ", ".join(f"{label} by {-(of_class[label].value or 0.0):.0%}" for label in sorted(fallen))
    return Guardrail(name=name, kept=False, detail=f"fell beyond chance: {told}")


def _fell(evidence: Evidence, label: str, *, seed: int) -> float:
    lost: dict[int, float] = {}
    for result, group, before, after in zip(
        evidence.rows, evidence.groups, evidence.before, evidence.after, strict=True
    ):
        if word(evidence.definition, result.row.expected) == label:
            lost[group] = lost.get(group, 0.0) + before - after
    return sign_flip(list(lost.values()), seed=seed)


def _failures(evidence: Evidence) -> Guardrail:
    def share(answers: Sequence[Sequence[object]]) -> tuple[int, int]:
        every = [answer for each in answers for answer in each]
        return sum(not isinstance(answer, Score) for answer in every), len(every)

    failed_before, all_before = share([each.before for each in evidence.rows])
    failed_after, all_after = share([each.after for each in evidence.rows])
    expected = failed_before * all_after / all_before if all_before else 0.0
    allowed = expected + max(FAILED_ANSWERS, FAILED_SHARE * all_after)
    detail = f"{failed_after} of {all_after} answers are no verdict, before {failed_before} of {all_before}"
    return Guardrail(name="answers without a verdict", kept=failed_after <= allowed, detail=detail)


def _prompt(before: float | None, after: float | None) -> Guardrail:
    name = "length of the prompt"
    if not before or after is None:
        return Guardrail(name=name, kept=True, detail="not known")
    growth = after / before
    detail = f"{growth:.2g} times as long as before, {MAX_PROMPT_GROWTH:g} times is allowed"
    return Guardrail(name=name, kept=growth <= MAX_PROMPT_GROWTH, detail=detail)
