"""A rule: a standing instruction to score what arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import SLUG
from evaluator.online.rules.policy import (
    Action,
    Budget,
    Late,
    Retries,
    When,
    action_of,
    body_of,
    budget_of,
    retries_of,
)
from storage.model import Document, Level

E = TypeVar("E", bound=StrEnum)

SOURCES = ("production", "experiment")
"""Where telemetry comes from: an experiment's spans carry `assay.experiment.id`, all others are production."""
LOOKBACK_SECONDS = 3600.0
SESSION_IDLE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDefinition:
    """One version of a rule.

    Attributes:
        name: Slug `[a-z0-9_]+`, the `RuleId` of SQL.
        level: Spans, traces or sessions.
        metrics: Names of metrics, each with that level.
        sample_rate: Share of targets in [0.0, 1.0]; decided by a hash of the trace id (session id), the same for every
            rule.
        source_rates: Share for `production` or `experiment` instead of `sample_rate`.
        filter: Boolean SQL over documented columns, attributes and results of other metrics; '' = everything.  For
            sessions it is about their first trace.  See docs/rules.md.
        scope: The application: its `service.name`, or its resource attribute `assay.project`; '' = all.
        when: Spans only: with their trace, or as they arrive.
        late: Whether what arrives later is a reason to score again.
        lookback_seconds: How long before its enabling a target may have completed, 0 to 86,400.
        session_idle_seconds: After how much quiet a session is over, 1 to 604,800.
        retries: How often a failed target is evaluated again.
        budget: What judging may cost per UTC day.
        actions: What is done with results.
        enabled: Whether it scores.
        enable_time: When it was enabled last; nothing that completed `lookback_seconds` before that is scored.

    Raises:
        InvalidDefinition: A field is not acceptable; says which and why.
    """

    name: str
    version: int = 1
    level: Level
    metrics: tuple[str, ...]
    sample_rate: float = 1.0
    source_rates: Mapping[str, float] = field(default_factory=dict)
    filter: str = ""
    scope: str = ""
    when: When = When.COMPLETE
    late: Late = Late.RESCORE
    lookback_seconds: float = LOOKBACK_SECONDS
    session_idle_seconds: float = SESSION_IDLE_SECONDS
    retries: Retries = field(default_factory=Retries)
    budget: Budget = field(default_factory=Budget)
    actions: tuple[Action, ...] = ()
    description: str = ""
    enabled: bool = True
    enable_time: datetime | None = None

    def __post_init__(self) -> None:
        if not SLUG.fullmatch(self.name):
            raise InvalidDefinition("rule.name", f"must be 1 to 64 of a-z, 0-9 and _, got {self.name!r}")
        if not self.metrics:
            raise InvalidDefinition("rule.metrics", "name at least one metric")
        if len(set(self.metrics)) != len(self.metrics):
            raise InvalidDefinition("rule.metrics", "names a metric twice")
        _rate("rule.sample_rate", self.sample_rate)
        for source, rate in self.source_rates.items():
            if source not in SOURCES:
                raise InvalidDefinition("rule.source_rates", f"no source {source!r}; there are {', '.join(SOURCES)}")
            _rate(f"rule.source_rates.{source}", rate)
        if self.when is When.INGEST and self.level is not Level.SPAN:
            raise InvalidDefinition("rule.when", f"ingest is for spans; a {self.level} is known when it is complete")
        if not 0 <= self.lookback_seconds <= 86_400:
            raise InvalidDefinition("rule.lookback_seconds", f"must be in [0, 86,400], got {self.lookback_seconds!r}")
        if not 1 <= self.session_idle_seconds <= 604_800:
            raise InvalidDefinition(
                "rule.session_idle_seconds", f"must be in [1, 604,800], got {self.session_idle_seconds!r}"
            )
        if len({action.name for action in self.actions}) != len(self.actions):
            raise InvalidDefinition("rule.actions", "names an action twice")

    @property
    def sample_ppm(self) -> int:
        """Sample rate in parts per million, as the queries take it."""
        return round(self.sample_rate * 1_000_000)

    def to_body(self) -> dict[str, object]:
        """As stored in `control_docs`."""
        return {
            "level": str(self.level),
            "metrics": list(self.metrics),
            "sample_rate": self.sample_rate,
            "source_rates": dict(self.source_rates),
            "filter": self.filter,
            "scope": self.scope,
            "when": str(self.when),
            "late": str(self.late),
            "lookback_seconds": self.lookback_seconds,
            "session_idle_seconds": self.session_idle_seconds,
            "retries": body_of(self.retries),
            "budget": body_of(self.budget),
            "actions": [body_of(action) for action in self.actions],
            "description": self.description,
            "enabled": self.enabled,
            "enable_time": self.enable_time.isoformat() if self.enable_time else "",
        }

    @classmethod
    def from_document(cls, document: Document) -> RuleDefinition:
        """A stored version of a rule."""
        return cls.from_body(document.name, document.body, version=document.version)

    @classmethod
    def from_body(cls, name: str, body: Mapping[str, object], *, version: int = 1) -> RuleDefinition:
        """Inverse of `to_body`; absent fields have their defaults."""
        rates = body.get("source_rates", {})
        if not isinstance(rates, Mapping):
            raise InvalidDefinition("rule.source_rates", f"must be a map of sources to rates, got {rates!r}")
        actions = body.get("actions", [])
        if not isinstance(actions, (list, tuple)):
            raise InvalidDefinition("rule.actions", f"must be a list, got {actions!r}")
        metrics = body.get("metrics", [])
        if not isinstance(metrics, (list, tuple)):
            raise InvalidDefinition("rule.metrics", f"must be a list of names, got {metrics!r}")
        enable_time = str(body.get("enable_time", ""))
        return cls(
            name=name,
            version=version,
            level=_member("rule.level", Level, body.get("level", "")),
            metrics=tuple(str(metric) for metric in metrics),
            sample_rate=_number("rule.sample_rate", body.get("sample_rate", 1.0)),
            source_rates={str(key): _number(f"rule.source_rates.{key}", rate) for key, rate in rates.items()},
            filter=str(body.get("filter", "")),
            scope=str(body.get("scope", "")),
            when=_member("rule.when", When, body.get("when", When.COMPLETE)),
            late=_member("rule.late", Late, body.get("late", Late.RESCORE)),
            lookback_seconds=_number("rule.lookback_seconds", body.get("lookback_seconds", LOOKBACK_SECONDS)),
            session_idle_seconds=_number(
                "rule.session_idle_seconds", body.get("session_idle_seconds", SESSION_IDLE_SECONDS)
            ),
            retries=retries_of(body.get("retries", {})),
            budget=budget_of(body.get("budget", {})),
            actions=tuple(action_of(action) for action in actions),
            description=str(body.get("description", "")),
            enabled=bool(body.get("enabled", True)),
            enable_time=datetime.fromisoformat(enable_time) if enable_time else None,
        )


def _rate(name: str, rate: float) -> None:
    if not 0.0 <= rate <= 1.0:  # also refuses NaN
        raise InvalidDefinition(name, f"must be in [0.0, 1.0], got {rate!r}")


def _number(name: str, number: object) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise InvalidDefinition(name, f"must be a number, got {number!r}")
    return float(number)


def _member(name: str, members: type[E], text: object) -> E:
    if str(text) not in {str(member) for member in members}:
        raise InvalidDefinition(name, f"must be one of {', '.join(members)}, got {text!r}")
    return members(str(text))
