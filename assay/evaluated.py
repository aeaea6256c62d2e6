"""What `evaluate(data=…, scorers=…)` gives back."""

from __future__ import annotations

import io
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from assay.client_model import Result
from storage.model import Status, TargetRef

SHOWN_ROWS = 20
SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One row, or one stored target, with its results by metric."""

    target: TargetRef
    row: Mapping[str, Any] | None
    results: Mapping[str, Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """One metric over everything that was scored.

    Attributes:
        mean: Of the values; None where there are none.  Failures and abstentions have no value, and are not in it.
        statuses: How often each status came.
        labels: How often each label came.
    """

    metric: str
    metric_version: int
    mean: float | None
    statuses: Mapping[Status, int]
    labels: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Everything that one call scored.  `print` shows it; iterating goes over what was scored, in order.

    Attributes:
        run_id: The run that scored stored targets; '' for rows.
    """

    scored: tuple[Scored, ...]
    run_id: str = ""

    def __iter__(self) -> Iterator[Scored]:
        return iter(self.scored)

    def __len__(self) -> int:
        return len(self.scored)

    @property
    def results(self) -> list[Result]:
        """Every result, in order of what was scored."""
        return [result for each in self.scored for result in each.results.values()]

    @property
    def metrics(self) -> list[MetricSummary]:
        """One summary for each metric, in order of their first result."""
        by_metric: dict[str, list[Result]] = {}
        for result in self.results:
            by_metric.setdefault(result.metric, []).append(result)
        return [_summary(metric, results) for metric, results in by_metric.items()]

    def to_pandas(self) -> Any:
        """A data frame of one line for each that was scored; a metric is a column of values, and its details others.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]  # only where it is there

        return pandas.DataFrame([_line(each) for each in self.scored])

    def __str__(self) -> str:
        out = io.StringIO()
        console = Console(file=out, width=120, highlight=False, markup=False, color_system=None)
        console.print(_metrics_table(self.metrics))
        names = [summary.metric for summary in self.metrics]
        console.print()
        console.print(_rows_table(self.scored[:SHOWN_ROWS], names))
        if len(self.scored) > SHOWN_ROWS:
            console.print(f"… and {len(self.scored) - SHOWN_ROWS} more")
        return out.getvalue().rstrip()


def _summary(metric: str, results: list[Result]) -> MetricSummary:
    values = [result.value for result in results if result.value is not None]
    return MetricSummary(
        metric=metric,
        metric_version=results[0].metric_version,
        mean=statistics.mean(values) if values else None,
        statuses=Counter(result.status for result in results),
        labels=Counter(result.label for result in results if result.label),
    )


def _line(scored: Scored) -> dict[str, Any]:
    line: dict[str, Any] = dict(scored.row or {})
    line |= {"trace_id": scored.target.trace_id, "span_id": scored.target.span_id}
    line["session_id"] = scored.target.session_id
    for name, result in scored.results.items():
        line[name] = result.value if result.value is not None else result.label or result.text or None
        line[f"{name}.label"] = result.label
        line[f"{name}.status"] = str(result.status)
        line[f"{name}.explanation"] = result.explanation or (result.error.message if result.error else "")
    return line


def _metrics_table(summaries: list[MetricSummary]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("metric", "version", "mean", "scored", "without a score"):
        table.add_column(heading)
    for each in summaries:
        scored = each.statuses.get(Status.SUCCESS, 0)
        rest = ", ".join(f"{count} {status}" for status, count in each.statuses.items() if status is not Status.SUCCESS)
        mean = "–" if each.mean is None else f"{each.mean:.3g}"
        table.add_row(each.metric, str(each.metric_version), mean, str(scored), rest or "–")
    return table


def _rows_table(scored: tuple[Scored, ...], names: list[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("what")
    for name in names:
        table.add_column(name)
    for each in scored:
        table.add_row(_shown(each), *[_cell(each.results.get(name)) for name in names])
    return table


def _shown(scored: Scored) -> str:
    row = scored.row
    text = scored.target.key if row is None else str(row.get("inputs", row.get("outputs", "")))
    return text if row is None or len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _cell(result: Result | None) -> str:
    if result is None:
        return "–"
    if result.status is not Status.SUCCESS:
        return result.error.code if result.error else str(result.status)
    value = "" if result.value is None else f"{result.value:.3g}"
    return " ".join(part for part in (value, result.label or ", ".join(result.labels) or result.text[:40]) if part)
