"""Scores in the form of each output type."""

from __future__ import annotations

from storage.model import Score


def truth(found: bool, explanation: str = "") -> Score:
    """A boolean."""
    return Score(value=float(found), label=str(found).lower(), explanation=explanation)


def share(part: float, whole: float, explanation: str = "") -> Score:
    """A percentage; `whole` > 0."""
    return Score(value=part / whole, explanation=explanation)


def flag(arguments: object, default: bool) -> bool:
    """An argument that is true or false."""
    return arguments if isinstance(arguments, bool) else default
