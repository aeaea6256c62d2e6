"""What a run is asked to do, and how the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from evaluator.errors import InvalidDefinition, InvalidFilter
from evaluator.online.rules.definition import RuleDefinition
from evaluator.runs import backfill
from evaluator.runs.backfill import OfRule, RuleWork
from evaluator.scoring.request import MetricRef
from storage.model import Level, Purpose, TargetRef
from storage.runs import Run, RunKind, Selected

MAX_NS = 2**63 - 1
MAX_TARGETS = 10_000
"""Targets that one request may name."""
MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Stored targets by a query.

    Attributes:
        filter: Boolean SQL as in rules (docs/rules.md); '' = everything.  Of a session it tests the trace that started
            first.
        since, until: The target started in [since, until); None = open.
        sample_rate: Share of targets in (0.0, 1.0], by the hash that rules use.
        limit: At most so many targets, the earliest; 0 = all.

    Raises:
        InvalidDefinition: A field is not acceptable; says which and why.
    """

    level: Level
    filter: str = ""
    since: datetime | None = None
    until: datetime | None = None
    sample_rate: float = 1.0
    limit: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.sample_rate <= 1.0:  # also refuses NaN
            raise InvalidDefinition("selection.where.sample_rate", f"must be in (0.0, 1.0], got {self.sample_rate!r}")
        if self.limit < 0:
            raise InvalidDefinition("selection.where.limit", f"must not be negative, got {self.limit}")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidDefinition("selection.where.until", "must be after since")

    def selected(self, *, arrived_ms: int) -> Selected:
        """As the store takes it.

        Raises:
            InvalidFilter: With the position of what is not accepted.
        """
        # sqlglot takes half a second to import, which a start need not wait for
        from evaluator.online.rules.filters import compile_for_run

        try:
            compiled = compile_for_run(self.filter, self.level)
        except InvalidFilter as error:
            field = "selection.where.filter"
            raise InvalidFilter(error.reason, position=error.position, field=field) from None
        return Selected(
            level=self.level,
            since_ns=_nanoseconds(self.since, 0),
            until_ns=_nanoseconds(self.until, MAX_NS),
            arrived_ms=arrived_ms,
            sample_ppm=max(1, round(self.sample_rate * 1_000_000)),
            filter_sql=compiled.sql,
            filter_parameters=compiled.parameters,
        )

    def to_body(self) -> dict[str, object]:
        """As stored."""
        return {
            "level": str(self.level),
            "filter": self.filter,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "sample_rate": self.sample_rate,
            "limit": self.limit,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Where:
        """Inverse of `to_body`."""
        return cls(
            level=Level(body["level"]),
            filter=body["filter"],
            since=datetime.fromisoformat(body["since"]) if body["since"] else None,
            until=datetime.fromisoformat(body["until"]) if body["until"] else None,
            sample_rate=body["sample_rate"],
            limit=body["limit"],
        )


def _nanoseconds(time: datetime | None, otherwise: int) -> int:
    if time is None:
        return otherwise
    since_epoch = time - datetime(1970, 1, 1, tzinfo=UTC)
    exact = (since_epoch.days * 86_400 + since_epoch.seconds) * 10**9 + since_epoch.microseconds * 1000
    return max(0, min(MAX_NS, exact))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recompute:
    """Targets that have a current result of the metric, but none of the version that is asked for."""

    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresOf:
    """What failed in another run: each a further attempt of the same result."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Targets by id."""

    targets: tuple[TargetRef, ...]


Selection: TypeAlias = Where | Recompute | FailuresOf | Chosen | OfRule


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run as somebody asks for it.

    Attributes:
        metrics: Empty for `FailuresOf` (what failed is evaluated with what failed on it) and `OfRule` (the rule's own).
        name: What people call it; '' = nothing.
        reuse: Take a stored success of the same metric digest and content instead of paying again.
        request_id: A UUID that makes the request idempotent; '' = a new run each time.
    """

    selection: Selection
    metrics: tuple[MetricRef, ...] = ()
    name: str = ""
    reuse: bool = False
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a worker needs of a stored run.

    Attributes:
        selected: The query that selects its targets; None = they stand in the ledger.
        limit: At most so many of them; 0 = all.
        origin, source: Of its results; from them their ids are made.
        purpose: Of its results.
        retry_failed: A stored failure is attempted again.
        rule: Whose results they are; None = nobody's.
    """

    run_id: str
    metrics: tuple[MetricRef, ...]
    selected: Selected | None
    limit: int
    origin: str
    purpose: Purpose
    reuse: bool
    retry_failed: bool
    source: Purpose | None = None
    rule: RuleWork | None = None

    @classmethod
    def of(cls, run: Run) -> RunPlan:
        """The plan of a stored run.  What arrived after it was created is not its business."""
        body: Any = run.selection.get("where")
        where = Where.from_body(body) if body else None
        created_ms = int(run.created.timestamp() * 1000) if run.created else 0
        selected = where.selected(arrived_ms=created_ms) if where else None
        of_rule: Any = run.selection.get("of_rule")
        if of_rule:
            rule = RuleDefinition.from_body(of_rule["rule"], of_rule["definition"])
            selected = selected_of_rule(OfRule.from_body(of_rule), rule, arrived_ms=created_ms)
        rule_work: Any = run.config.get("rule")
        work = RuleWork.from_body(rule_work) if rule_work else None
        return cls(
            run_id=run.run_id,
            metrics=tuple(pinned(metric) for metric in run.metrics),
            selected=selected,
            limit=where.limit if where else 0,
            origin=str(run.config.get("origin") or run.run_id),
            purpose=Purpose(str(run.config["purpose"])),
            reuse=bool(run.config.get("reuse")),
            retry_failed=bool(run.retry_of) or (work is not None and not work.recompute),
            source=Purpose(str(run.config["source"])) if run.config.get("source") else None,
            rule=work,
        )


def selected_of_rule(asked: OfRule, rule: RuleDefinition, *, arrived_ms: int) -> Selected:
    """What a backfill selects, as the store takes it.

    Raises:
        InvalidFilter: With the position of what is not accepted.
    """
    return backfill.selected(
        asked,
        rule,
        since_ns=_nanoseconds(asked.since, 0),
        until_ns=_nanoseconds(asked.until, MAX_NS),
        arrived_ms=arrived_ms,
    )


def pinned(text: str) -> MetricRef:
    """A metric as a run keeps it: `name@version`."""
    name, _, version = text.rpartition("@")
    return MetricRef(name=name, version=int(version))


KIND_OF: Mapping[type[Selection], RunKind] = {
    Where: RunKind.BACKFILL,
    OfRule: RunKind.BACKFILL,
    Recompute: RunKind.RECOMPUTE,
    FailuresOf: RunKind.BATCH,
    Chosen: RunKind.BATCH,
}
PURPOSE_OF: Mapping[RunKind, Purpose] = {
    RunKind.BATCH: Purpose.BACKFILL,
    RunKind.BACKFILL: Purpose.BACKFILL,
    RunKind.RECOMPUTE: Purpose.RECOMPUTE,
}
