"""A proof as a value, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evaluator.alignment.model import Verdict
from evaluator.statistics.estimate import Estimate

ALL = "all"
"""The group of all rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A statistic without and with the guidelines, on the same held-out rows.

    Attributes:
        name: `cohen_kappa`, `agreement`, `mae`, `row_score`, ….
        group: `all`, or dimension and value: `class=true`, `level=trace`, `annotator=ann`, `service=shop`.
    """

    name: str
    group: str = ALL
    before: Estimate
    after: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Confused:
    """How often a verdict was concluded where another was expected; the first answer of each row counts."""

    expected: str
    concluded: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A bound that guidelines must keep, whatever they gain."""

    name: str
    kept: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What held-out rows say.

    Attributes:
        sentence: The verdict in one sentence, for people.
        rows, groups: Held-out rows, and how many groups they are.
        test: The test that decides; '' = none was made.
        p_value: One-sided; None = no test was made.
        alpha: Below it, `p_value` is proof.
        headline: Name of the statistic that is told first.
        difference: Gain of the mean row score (0 to 1), which the test is about.
        comparisons: The headline first, all rows before groups.
        fixed, broken: Rows whose verdict turned right, or wrong, in more than half of the answers.
        agreeing_before: Rows that were right.
        noise_floor: How far the judge's repeated answers to the same question lie apart, in row score.
        optimism: Gain on the rows that the guidelines were made of, minus that on held-out rows; None = not known.
        advice: What more labels would bring, for people; '' = nothing.
    """

    verdict: Verdict
    sentence: str
    rows: int
    groups: int
    design: str
    test: str = ""
    p_value: float | None = None
    alpha: float
    headline: str
    difference: Estimate
    comparisons: tuple[Comparison, ...] = ()
    confusion_before: tuple[Confused, ...] = ()
    confusion_after: tuple[Confused, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    fixed: int = 0
    broken: int = 0
    agreeing_before: int = 0
    noise_floor: Estimate
    optimism: float | None = None
    warnings: tuple[str, ...] = ()
    advice: str = ""

    @property
    def failed_guardrails(self) -> tuple[str, ...]:
        """Those that are not kept, for people."""
        return tuple(f"{each.name}: {each.detail}" for each in self.guardrails if not each.kept)

    def to_body(self) -> dict[str, object]:
        """As JSON."""
        return {
            "verdict": str(self.verdict),
            "sentence": self.sentence,
            "rows": self.rows,
            "groups": self.groups,
            "design": self.design,
            "test": self.test,
            "p_value": self.p_value,
            "alpha": self.alpha,
            "headline": self.headline,
            "difference": self.difference.to_body(),
            "comparisons": [_comparison_body(each) for each in self.comparisons],
            "confusion_before": [_confused_body(each) for each in self.confusion_before],
            "confusion_after": [_confused_body(each) for each in self.confusion_after],
            "guardrails": [{"name": each.name, "kept": each.kept, "detail": each.detail} for each in self.guardrails],
            "fixed": self.fixed,
            "broken": self.broken,
            "agreeing_before": self.agreeing_before,
            "noise_floor": self.noise_floor.to_body(),
            "optimism": self.optimism,
            "warnings": list(self.warnings),
            "advice": self.advice,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Proof:
        """Inverse of `to_body`."""
        return cls(
            verdict=Verdict(body["verdict"]),
            sentence=body["sentence"],
            rows=int(body["rows"]),
            groups=int(body["groups"]),
            design=body["design"],
            test=body["test"],
            p_value=body["p_value"],
            alpha=float(body["alpha"]),
            headline=body["headline"],
            difference=Estimate.from_body(body["difference"]),
            comparisons=tuple(_comparison(each) for each in body["comparisons"]),
            confusion_before=_confused(body["confusion_before"]),
            confusion_after=_confused(body["confusion_after"]),
            guardrails=tuple(Guardrail(**each) for each in body["guardrails"]),
            fixed=int(body["fixed"]),
            broken=int(body["broken"]),
            agreeing_before=int(body["agreeing_before"]),
            noise_floor=Estimate.from_body(body["noise_floor"]),
            optimism=body["optimism"],
            warnings=tuple(body["warnings"]),
            advice=body["advice"],
        )


def _comparison_body(each: Comparison) -> dict[str, object]:
    return {
        "name": each.name,
        "group": each.group,
        "before": each.before.to_body(),
        "after": each.after.to_body(),
        "difference": each.difference.to_body(),
    }


def _comparison(body: Mapping[str, Any]) -> Comparison:
    return Comparison(
        name=body["name"],
        group=body["group"],
        before=Estimate.from_body(body["before"]),
        after=Estimate.from_body(body["after"]),
        difference=Estimate.from_body(body["difference"]),
    )


def _confused_body(each: Confused) -> dict[str, object]:
    return {"expected": each.expected, "concluded": each.concluded, "count": each.count}


def _confused(body: Iterable[Mapping[str, Any]]) -> tuple[Confused, ...]:
    return tuple(
        Confused(expected=each["expected"], concluded=each["concluded"], count=int(each["count"])) for each in body
    )
