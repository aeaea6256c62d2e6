"""Backfill: a rule's own metrics, sample, scope and filter over a range of the past.

Its results are the rule's, under the very ids that the rule itself would have given them: what the rule has concluded
already is not bought again, and what it concludes meanwhile is the same result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from evaluator.errors import InvalidDefinition, InvalidFilter
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.polling.work import is_due
from evaluator.online.rules.definition import RuleDefinition
from storage.queue import Decision
from storage.runs import LedgerState, Only, Runs, Selected
from storage.telemetry import TargetRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class OfRule:
    """What a rule is about in a range of the past, as far as it has no result there.

    Attributes:
        since, until: The target started in [since, until); None = open.
        filter: Narrows further, beside the rule's own filter; '' = nothing.
        only: None = everything without a result, whatever the reason.
        recompute: What has a result is computed again, too; the newer one counts.

    Raises:
        InvalidDefinition: A field is not acceptable; says which and why.
    """

    rule: str
    since: datetime | None = None
    until: datetime | None = None
    filter: str = ""
    only: Only | None = None
    recompute: bool = False

    def __post_init__(self) -> None:
        if not self.rule:
            raise InvalidDefinition("selection.of_rule.rule", "is required")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidDefinition("selection.of_rule.end_time", "must be after start_time")
        if self.recompute and self.only is not None:
            raise InvalidDefinition("selection.of_rule.recompute", "computes everything again: leave `only` away")

    def to_body(self) -> dict[str, object]:
        """As stored."""
        return {
            "rule": self.rule,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "filter": self.filter,
            "only": str(self.only or ""),
            "recompute": self.recompute,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> OfRule:
        """Inverse of `to_body`."""
        return cls(
            rule=body["rule"],
            since=datetime.fromisoformat(body["since"]) if body["since"] else None,
            until=datetime.fromisoformat(body["until"]) if body["until"] else None,
            filter=body["filter"],
            only=Only(body["only"]) if body["only"] else None,
            recompute=body["recompute"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWork:
    """A run's results are a rule's.

    Attributes:
        names: Metrics by slug, as the rule names them: so they stand in its ledger.
        version: Of the rule, when the run was created.
    """

    rule: str
    version: int
    names: Mapping[str, str] = field(default_factory=dict)
    only: Only | None = None
    recompute: bool = False

    def to_body(self) -> dict[str, object]:
        """As stored in the run's `config`."""
        return {
            "rule": self.rule,
            "version": self.version,
            "names": dict(self.names),
            "only": str(self.only or ""),
            "recompute": self.recompute,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> RuleWork:
        """Inverse of `to_body`."""
        return cls(
            rule=body["rule"],
            version=body["version"],
            names=body["names"],
            only=Only(body["only"]) if body["only"] else None,
            recompute=body["recompute"],
        )

    def of_rule(self, decision: Decision, run_id: str) -> Decision:
        """What the rule's ledger says of a decision of the run's."""
        by = f"backfill {run_id}"
        return replace(
            decision,
            rule=self.rule,
            rule_version=self.version,
            metric=self.names.get(decision.metric, decision.metric),
            reason=f"{decision.reason} ({by})" if decision.reason else by,
        )


async def chosen(
    runs: Runs, work: RuleWork, metrics: Sequence[MetricDefinition], records: Collection[TargetRecord]
) -> set[tuple[str, str]]:
    """(metric, target key) that a backfill takes of a page of targets that are in its sample and through its filter."""
    if not records:
        return set()
    names = {metric.name: work.names.get(metric.name, metric.name) for metric in metrics}
    due = {(metric.name, record.ref.key) for metric in metrics for record in records if is_due(metric, record)}
    if work.recompute:
        return due
    located = list(records)
    there = await runs.concluded({metric.name: metric.version for metric in metrics}, located)
    watermarks = {record.ref.key: record.watermark_ms for record in located}
    ledger = await runs.decided_by(work.rule, located)
    return {
        (metric, key)
        for metric, key in due
        if there.get((metric, key), -1) < watermarks[key] and _takes(work.only, ledger.get((names[metric], key)))
    }


def _takes(only: Only | None, state: LedgerState | None) -> bool:
    if only is Only.UNSCORED or state is None:
        return state is None and only in (None, Only.UNSCORED)
    if state.under_way:  # live work is at it, or will be by itself
        return False
    match only:
        case None:
            return True
        case Only.FAILED:
            return state.decision in ("failed", "poisoned")
        case _:
            return state.decision == only


def joined(rule: RuleDefinition, narrower: str) -> str:
    """The text of both filters.

    Raises:
        InvalidFilter: With the position of what is not accepted in the narrower one.
    """
    if not narrower.strip():
        return rule.filter
    from evaluator.online.rules.filters import compile_for_run  # sqlglot takes half a second to import

    try:
        compile_for_run(narrower, rule.level)
    except InvalidFilter as error:
        raise InvalidFilter(error.reason, position=error.position, field="selection.of_rule.filter") from None
    return f"({rule.filter}\n) AND ({narrower}\n)" if rule.filter.strip() else narrower


def selected(asked: OfRule, rule: RuleDefinition, *, since_ns: int, until_ns: int, arrived_ms: int) -> Selected:
    """What a rule is about in a range, as the store takes it.

    Raises:
        InvalidFilter: With the position of what is not accepted.
    """
    from evaluator.online.rules.filters import compile_for_run

    compiled = compile_for_run(joined(rule, asked.filter), rule.level)
    rates = rule.source_rates
    experiment = rates.get("experiment", rule.sample_rate) if rates else None
    return Selected(
        level=rule.level,
        since_ns=since_ns,
        until_ns=until_ns,
        arrived_ms=arrived_ms,
        sample_ppm=_ppm(rates.get("production", rule.sample_rate)),
        experiment_ppm=None if experiment is None else _ppm(experiment),
        scope=rule.scope,
        filter_sql=compiled.sql,
        filter_parameters=compiled.parameters,
    )


def _ppm(rate: float) -> int:
    return round(rate * 1_000_000)


def names_of(rule: RuleDefinition, metrics: Sequence[MetricDefinition]) -> dict[str, str]:
    """Metrics by slug, as the rule names them."""
    return {metric.name: name for metric, name in zip(metrics, rule.metrics, strict=True)}
