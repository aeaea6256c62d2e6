"""Whether a rule can be offered with the metrics that there are: those that it computes, and those that its filter
reads."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluator.errors import InvalidDefinition, InvalidFilter, LevelMismatch, RequiredMetricMissing
from evaluator.expressions.text import suggestion
from evaluator.metrics.composite.requirements import BY_OTHERS, closure
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.directory import Directory
from evaluator.metrics.judging.template import parse
from evaluator.metrics.naming import BUILTIN
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import When
from evaluator.targets.context import RUNS
from storage.model import MetricKind

if TYPE_CHECKING:
    from evaluator.online.rules.filters import CompiledFilter

_FROM_THE_TRACE = frozenset({"context", "metadata", "trajectory"})
"""Inputs of a span that its trace fills in."""
_FROM_BELOW = frozenset({"messages", "tool_calls"})
"""Inputs of an agent or a chain that stand on the spans below it."""
_READS_MORE = re.compile(r"\b(children|context|session_id|user_id|metadata|tags)\b")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


async def computed(rule: RuleDefinition, directory: Directory) -> list[MetricDefinition]:
    """The metrics of a rule, in its order.

    Raises:
        MetricNotFound, LevelMismatch, InvalidDefinition: The rule cannot compute one of them.
    """
    metrics: list[MetricDefinition] = []
    for name in rule.metrics:
        metric = await directory.get(name)
        if rule.level not in metric.levels:
            works_at = ", ".join(metric.levels)
            raise LevelMismatch(f"metric {metric.name!r} works at {works_at}, the rule at {rule.level}")
        if metric.kind in BY_OTHERS:
            raise InvalidDefinition("rule.metrics", f"{metric.name!r} is {metric.kind}: others send its results")
        if rule.when is When.INGEST and (why := _needs_trace(metric)):
            raise InvalidDefinition("rule.when", f"ingest is not possible: metric {metric.name!r} {why}")
        metrics.append(metric)
    return metrics


async def with_known_filter(
    rule: RuleDefinition, compiled: CompiledFilter, metrics: list[MetricDefinition], directory: Directory
) -> RuleDefinition:
    """The rule with a filter that names metrics by their slugs.

    Raises:
        InvalidFilter: It reads a metric that there is not, not at the rule's level, or that waits for the rule itself.
        InvalidDefinition: Spans are to be scored as they arrive, and the filter needs more than that.
    """
    if rule.when is When.INGEST and (compiled.reads_trace or compiled.metrics):
        what = "results of other metrics" if compiled.metrics else "the trace"
        raise InvalidDefinition("rule.when", f"ingest is not possible: the filter reads {what}")
    own = await _names_needed(metrics, directory)
    text = rule.filter
    for mention in reversed(compiled.mentions):
        found = directory.find(mention.name)
        if found is None:
            known = [record.definition.name for record in directory.all()]
            near = suggestion(mention.name, known) if len(known) < 20 else _nearest(mention.name, known)
            raise InvalidFilter(f"there is no metric {mention.name[:100]!r}{near}", position=mention.start)
        read = found.definition
        if rule.level not in read.levels:
            reason = f"metric {read.name!r} has results of {', '.join(read.levels)}, the rule is about {rule.level}"
            raise InvalidFilter(reason, position=mention.start)
        if read.name in own:
            reason = f"the rule computes {read.name!r} itself, after its filter: it would wait for ever"
            raise InvalidFilter(reason, position=mention.start)
        if circle := {metric.name for metric in metrics} & await _names_needed([read], directory):
            reason = f"{read.name!r} requires {min(circle)!r}, which the rule computes after its filter"
            raise InvalidFilter(reason, position=mention.start)
        slug = f"{BUILTIN if mention.name.startswith(BUILTIN) else ''}{read.name}"
        written = slug if _PLAIN.fullmatch(slug) else f"`{slug}`"
        text = text[: mention.start] + written + text[mention.end :]
    return replace(rule, filter=text)


async def _names_needed(metrics: list[MetricDefinition], directory: Directory) -> set[str]:
    """Slugs of metrics and of everything that they require; of a circle, or where one is missing, what is known."""
    names = {metric.name for metric in metrics}
    try:
        required = await closure(directory, metrics)
    except RequiredMetricMissing:  # says so when it is computed
        return names
    return names | {each.metric.name for requirements in required.values() for each in requirements}


def _nearest(name: str, known: list[str]) -> str:
    near = suggestion(name, known)
    return near if near.startswith("; did you mean") else "; `assay metric list` has all"


def _needs_trace(metric: MetricDefinition) -> str:
    """Why a span is not enough for a metric, for people; '' = it is."""
    match metric.kind:
        case MetricKind.COMPOSITE:
            return "reads results of other metrics"
        case MetricKind.JUDGE:
            names = set(parse(metric.prompt, metric.arguments).names)
            runs = not metric.span_kinds or not RUNS.isdisjoint(metric.span_kinds)
            more = names & (_FROM_THE_TRACE | _FROM_BELOW if runs else _FROM_THE_TRACE)
            return f"reads {', '.join(sorted(more))}, which only the trace has" if more else ""
        case MetricKind.CODE:
            found = _READS_MORE.search(metric.source)
            return f"reads {found[0]}, which only the trace has" if found else ""
    return ""
