"""A number, the interval around it, and why it may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a sample says about a number.  It is never NaN: what is not defined has no value, and a note that says why.

    Attributes:
        lower, upper: Ends of the 95 % interval; None = there is none.
        count: Rows, pairs or units that it rests on.
    """

    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    count: int = 0
    note: str = ""

    @property
    def half_width(self) -> float | None:
        """Half of the interval."""
        return None if self.lower is None or self.upper is None else (self.upper - self.lower) / 2

    def to_body(self) -> dict[str, object]:
        """As JSON; what says nothing is left out."""
        body = {"value": self.value, "lower": self.lower, "upper": self.upper, "count": self.count, "note": self.note}
        return {key: each for key, each in body.items() if each is not None and each != ""}

    @classmethod
    def from_body(cls, body: Mapping[str, object]) -> Estimate:
        """Inverse of `to_body`."""
        return cls(
            value=_number(body.get("value")),
            lower=_number(body.get("lower")),
            upper=_number(body.get("upper")),
            count=int(_number(body.get("count")) or 0),
            note=str(body.get("note", "")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How often an expected label met a concluded one; repeated answers count in parts."""

    expected: str
    concluded: str
    count: float


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
