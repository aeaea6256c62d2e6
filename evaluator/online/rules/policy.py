"""What a rule says beside whom it scores: how often again, for how much, and what follows from a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import SLUG


class When(StrEnum):
    """When a span is scored."""

    COMPLETE = "complete"
    """When its trace is complete: session, user, tool results and neighbours are known only then."""
    INGEST = "ingest"
    """As it arrives; refused where the filter or a metric needs the trace."""


class Late(StrEnum):
    """What becomes of a target of which something arrives after it was scored."""

    RESCORE = "rescore"
    """Scored again, at most three times; the newer results supersede the automatic ones."""
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a target whose result is a failure is evaluated again; by default never.

    Retries of one HTTP call (429, 5xx, timeout) are not meant: they belong to one attempt.

    Attributes:
        attempts: Evaluations in all, 1 to 10.
        backoff_seconds: Pause before the second, 1 to 86,400; doubles each time.
        max_age_seconds: No attempt later than this after the first, 1 to 604,800.
    """

    attempts: int = 1
    backoff_seconds: float = 60.0
    max_age_seconds: float = 86_400.0

    def __post_init__(self) -> None:
        _whole("rule.retries.attempts", self.attempts, 1, 10)
        _within("rule.retries.backoff_seconds", self.backoff_seconds, 1, 86_400)
        _within("rule.retries.max_age_seconds", self.max_age_seconds, 1, 604_800)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What judging may cost per UTC day, required metrics included; 0 = no limit.

    Attributes:
        calls: Requests to judges.
        tokens: Input and output together.
        usd: US dollars; needs a known price for every model.
    """

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __post_init__(self) -> None:
        _whole("rule.budget.calls", self.calls, 0, 10**12)
        _whole("rule.budget.tokens", self.tokens, 0, 10**15)
        _within("rule.budget.usd", self.usd, 0, 10**9)


class ActionKind(StrEnum):
    """What can follow from a result."""

    WEBHOOK = "webhook"
    DATASET = "dataset"
    QUEUE = "queue"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that is done when a result of the rule matches a condition.

    Attributes:
        name: Slug, unique in its rule.
        kind: A signed HTTP request, a row of a dataset, an item of a review queue, or an OTel event.
        when: Condition over the result: `value < 0.5`, `label = 'angry'`, `status = 'failed'`; '' = every result.
        metric: One of the rule's metrics; '' = any.
        target: URL of the webhook, or name of the dataset or queue; '' for events.
    """

    name: str
    kind: ActionKind
    when: str = ""
    metric: str = ""
    target: str = ""

    def __post_init__(self) -> None:
        if not SLUG.fullmatch(self.name):
            raise InvalidDefinition("rule.actions.name", f"must be 1 to 64 of a-z, 0-9 and _, got {self.name!r}")


def body_of(policy: Retries | Budget | Action) -> dict[str, Any]:
    """As stored: numbers and text only."""
    return {key: str(value) if isinstance(value, StrEnum) else value for key, value in asdict(policy).items()}


def retries_of(body: object) -> Retries:
    """Inverse of `body_of`; absent fields have their defaults.

    Raises:
        InvalidDefinition: A field is unknown, or not acceptable.
    """
    fields = _fields("rule.retries", body, Retries)
    return Retries(**fields)


def budget_of(body: object) -> Budget:
    """As `retries_of`."""
    return Budget(**_fields("rule.budget", body, Budget))


def action_of(body: object) -> Action:
    """As `retries_of`."""
    fields = _fields("rule.actions", body, Action)
    for key, value in fields.items():
        if not isinstance(value, str):
            raise InvalidDefinition(f"rule.actions.{key}", f"must be a text, got {value!r}"[:300])
    kinds = {str(kind) for kind in ActionKind}
    if fields.get("kind") not in kinds:
        raise InvalidDefinition("rule.actions.kind", f"must be one of {', '.join(sorted(kinds))}")
    if "name" not in fields:
        raise InvalidDefinition("rule.actions.name", "is required")
    return Action(**(fields | {"kind": ActionKind(fields["kind"])}))


def _fields(field: str, body: object, kind: type[Retries] | type[Budget] | type[Action]) -> dict[str, Any]:
    if not isinstance(body, Mapping):
        raise InvalidDefinition(field, f"must be a map, got {body!r}"[:300])
    if unknown := sorted(set(body) - set(kind.__slots__)):
        raise InvalidDefinition(field, f"has no {unknown[0]!r}; there are {', '.join(kind.__slots__)}")
    return dict(body)


def _whole(field: str, number: object, least: int, most: int) -> None:
    if isinstance(number, float) and not number.is_integer():
        raise InvalidDefinition(field, f"must be a whole number, got {number!r}")
    _within(field, number, least, most)


def _within(field: str, number: object, least: float, most: float) -> None:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not isfinite(number):
        raise InvalidDefinition(field, f"must be a number, got {number!r}"[:300])
    if not least <= number <= most:
        raise InvalidDefinition(field, f"must be in [{least:,}, {most:,}], got {number!r}")
