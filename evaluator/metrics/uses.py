"""Who relies on a metric: the rules and metrics that name it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluator.metrics.composite.requirements import BY_OTHERS
from evaluator.metrics.directory import Directory
from storage.model import Document, Level

FILTER_METRICS = "filter_metrics"
"""Key in a rule's document: metrics whose results its filter reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One mention of a metric.

    Attributes:
        by: Who mentions it, for people: `rule 'r'`, `metric 'm'`.
        name: As it is mentioned.
        level: Where it is needed; None = the mention does not say.
        computes: Its results are computed there, not only read.
    """

    by: str
    name: str
    level: Level | None
    computes: bool = False


def uses(directory: Directory, rules: Sequence[Document], *, apart_from: Iterable[str] = ()) -> list[Use]:
    """Every mention of a metric by a rule or by a custom or built-in metric but those named."""
    found = [
        Use(by=f"rule {rule.name!r}", name=name, level=_level(str(rule.body.get("level", ""))), computes=computes)
        for rule in rules
        for key, computes in (("metrics", True), (FILTER_METRICS, False))
        for name in _strings(rule.body.get(key))
    ]
    for metric in (record.definition for record in directory.all()):
        if metric.name not in set(apart_from):
            for required in metric.required_metrics:
                name, _, level = required.partition("@")
                found.append(Use(by=f"metric {metric.name!r}", name=name, level=_level(level)))
    return found


def broken(before: Directory, after: Directory, slug: str, mentions: Iterable[Use]) -> list[str]:
    """Who reached a metric before, and would not any more (or not at the level needed, or could not compute it, because
    others send its results now), for people; each once."""
    users: dict[str, None] = {}
    for use in mentions:
        was, would_be = before.find(use.name), after.find(use.name)
        if (
            was is None
            or was.definition.name != slug
            or (use.level is not None and use.level not in was.definition.levels)
        ):
            continue  # it is broken already
        if (
            would_be is None
            or would_be.definition.name != was.definition.name
            or (use.level is not None and use.level not in would_be.definition.levels)
            or (use.level is None and not set(was.definition.levels) <= set(would_be.definition.levels))
            or (use.computes and would_be.definition.kind in BY_OTHERS)
        ):
            users[use.by] = None
    return list(users)


def _level(text: str) -> Level | None:
    return Level(text) if text in {str(level) for level in Level} else None


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
