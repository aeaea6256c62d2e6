"""A rule: a standing instruction to score what arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import SLUG
from storage.model import Document, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDefinition:
    """One version of a rule.

    Attributes:
        name: Slug `[a-z0-9_]+`, the `RuleId` of SQL.
        level: Spans or traces (sessions come with session metrics).
        metrics: Names of metrics, each with that level.
        sample_rate: Share of targets in [0.0, 1.0]; decided by a hash of the trace id, the same for every rule.
        filter: Boolean SQL over documented columns and attributes; '' = everything.  See docs/rules.md.
        enabled: Whether it scores.
        enable_time: When it was enabled last; nothing that completed an hour before that is scored.

    Raises:
        InvalidDefinition: A field is not acceptable; says which and why.
    """

    name: str
    version: int = 1
    level: Level
    metrics: tuple[str, ...]
    sample_rate: float = 1.0
    filter: str = ""
    description: str = ""
    enabled: bool = True
    enable_time: datetime | None = None

    def __post_init__(self) -> None:
        if not SLUG.fullmatch(self.name):
            raise InvalidDefinition("rule.name", f"must be 1 to 64 of a-z, 0-9 and _, got {self.name!r}")
        if self.level is Level.SESSION:
            raise InvalidDefinition("rule.level", "must be span or trace; session rules are not offered yet")
        if not self.metrics:
            raise InvalidDefinition("rule.metrics", "name at least one metric")
        if len(set(self.metrics)) != len(self.metrics):
            raise InvalidDefinition("rule.metrics", "names a metric twice")
        if not 0.0 <= self.sample_rate <= 1.0:  # also refuses NaN
            raise InvalidDefinition("rule.sample_rate", f"must be in [0.0, 1.0], got {self.sample_rate!r}")

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
            "filter": self.filter,
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
        """Inverse of `to_body`."""
        metrics = body.get("metrics", [])
        if not isinstance(metrics, (list, tuple)):
            raise InvalidDefinition("rule.metrics", f"must be a list of names, got {metrics!r}")
        level = str(body.get("level", ""))
        if level not in {str(item) for item in Level}:
            raise InvalidDefinition("rule.level", f"must be span or trace, got {level!r}")
        rate = body.get("sample_rate", 1.0)
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise InvalidDefinition("rule.sample_rate", f"must be a number, got {rate!r}")
        enable_time = str(body.get("enable_time", ""))
        return cls(
            name=name,
            version=version,
            level=Level(level),
            metrics=tuple(str(metric) for metric in metrics),
            sample_rate=float(rate),
            filter=str(body.get("filter", "")),
            description=str(body.get("description", "")),
            enabled=bool(body.get("enabled", True)),
            enable_time=datetime.fromisoformat(enable_time) if enable_time else None,
        )
