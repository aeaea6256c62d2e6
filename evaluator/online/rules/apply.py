"""Definitions as code: what ought to be there is stated, and made so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from evaluator.errors import EvaluatorError, InvalidDefinition, InvalidDefinitions, RuleNotFound, Violation
from evaluator.metrics.check import settled
from evaluator.metrics.composite.check_composite import check_requirements
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.directory import Directory
from evaluator.metrics.doubts import doubts
from evaluator.metrics.registry import Metrics
from evaluator.online.rules.applied import Action, Applied, Change, StatedRule
from evaluator.online.rules.catalogue import Rules
from storage.errors import NameTaken, VersionMoved


class Definitions:
    """Compares what is stated with what is there, and writes the difference.

    Every method may raise `storage.errors.Unavailable`.
    """

    def __init__(self, metrics: Metrics, rules: Rules) -> None:
        self._metrics = metrics
        self._rules = rules

    async def apply(
        self, metrics: Sequence[MetricDefinition], rules: Sequence[StatedRule], *, validate_only: bool = False
    ) -> list[Applied]:
        """Make metrics and rules be as stated; what is not named is left alone.

        Everything is checked first, as if it were there.  A crash between two writes leaves the earlier ones; the same
        call again does the rest.

        Raises:
            InvalidDefinitions: Everything that is wrong, with its place; nothing was written.
            NameTaken, VersionMoved: Somebody else made something else of it meanwhile.
        """
        before = await self._metrics.directory(fresh=True)
        metrics = [before.numbered(settled(metric)) for metric in metrics]
        after = before.having(*metrics)
        wrong = _twice("metrics", [metric.name for metric in metrics])
        wrong += _twice("rules", [rule.definition.name for rule in rules])
        for number, metric in enumerate(metrics):
            wrong += await self._wrong_with_metric(f"metrics[{number}]", metric, after)
        checked: list[StatedRule] = []
        for number, rule in enumerate(rules):
            try:
                checked.append(replace(rule, definition=await self._rules.checked(rule.definition, after)))
            except EvaluatorError as error:
                wrong.append(_violation(f"rules[{number}]", "rule", error))
        if wrong:
            raise InvalidDefinitions(wrong)
        await self._refuse_breaking(before, after, metrics, checked)
        plan = {metric.name: _metric_plan(metric, before) for metric in metrics}
        for metric in [] if validate_only else _in_order(metrics, after):
            plan[metric.name] = await self._keep_metric(metric, plan[metric.name], before)
        return [*plan.values()] + [await self._apply_rule(rule, validate_only=validate_only) for rule in checked]

    async def _wrong_with_metric(self, place: str, metric: MetricDefinition, after: Directory) -> list[Violation]:
        try:
            await self._metrics.check(metric)
            after.check_names(metric)
            await check_requirements(metric, after)
        except (EvaluatorError, NameTaken) as error:
            return [_violation(place, "metric", error)]
        return []

    async def _refuse_breaking(
        self, before: Directory, after: Directory, metrics: Sequence[MetricDefinition], rules: Sequence[StatedRule]
    ) -> None:
        stated = {rule.definition.name for rule in rules}
        wrong = []
        for number, metric in enumerate(metrics):
            users = await self._metrics.broken_users(before, after, metric.name, apart_from_rules=stated)
            if users:
                message = (
                    f"{', '.join(users)} would not find it any more, or not at their level, or could not compute it"
                )
                wrong.append(Violation(field=f"metrics[{number}]", message=message))
        if wrong:
            raise InvalidDefinitions(wrong)

    async def _keep_metric(self, metric: MetricDefinition, planned: Applied, before: Directory) -> Applied:
        if planned.action is Action.UNCHANGED:
            return planned
        current = before.custom.get(metric.name)
        try:
            kept = await self._metrics.keep(metric, base_version=current.definition.version if current else None)
        except (NameTaken, VersionMoved):
            there = _metric_plan(metric, await self._metrics.directory(fresh=True))
            if there.action is not Action.UNCHANGED:
                raise
            return there  # somebody else stated the same, just now
        return replace(planned, version=kept.definition.version)  # of a deleted metric only the store knows

    async def _apply_rule(self, stated: StatedRule, *, validate_only: bool) -> Applied:
        try:
            current = (await self._rules.get(stated.definition.name)).definition
        except RuleNotFound:
            new = replace(stated.definition, enabled=stated.enabled is not False)
            made = new if validate_only else (await self._rules.create(new)).definition
            return Applied(kind="rule", name=new.name, action=Action.CREATED, version=made.version)
        enabled = current.enabled if stated.enabled is None else stated.enabled
        wanted = replace(stated.definition, enabled=current.enabled, enable_time=current.enable_time)
        changes = _changes(current.to_body(), wanted.to_body())
        version = current.version
        if changes:
            version += 1
            if not validate_only:
                await self._rules.update(wanted, base_version=current.version)
        if enabled is not current.enabled:
            changes += (Change(field="enabled", before=current.enabled, after=enabled),)
            version += 1
            if not validate_only:
                await (self._rules.enable(wanted.name) if enabled else self._rules.disable(wanted.name))
        action = Action.CHANGED if changes else Action.UNCHANGED
        return Applied(kind="rule", name=wanted.name, action=action, version=version, changes=changes)


def _metric_plan(metric: MetricDefinition, before: Directory) -> Applied:
    custom, builtin = before.custom.get(metric.name), before.builtin.get(metric.name)
    current = custom.definition if custom else builtin
    warnings = doubts(metric)
    if current is None:
        return Applied(
            kind="metric", name=metric.name, action=Action.CREATED, version=metric.version, warnings=warnings
        )
    stated = replace(metric, alignment_id=current.alignment_id)  # nobody can state which alignment made a version
    changes = _changes(current.to_body(), stated.to_body())
    return Applied(
        kind="metric",
        name=metric.name,
        action=Action.UNCHANGED if not changes else Action.CHANGED if custom else Action.CREATED,
        version=metric.version if changes else current.version,
        changes=changes,
        warnings=warnings,
    )


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Change, ...]:
    names = [*before, *(name for name in after if name not in before)]
    return tuple(
        Change(field=name, before=before.get(name), after=after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def _in_order(metrics: Sequence[MetricDefinition], after: Directory) -> Iterable[MetricDefinition]:
    """What is required first, so that nobody who looks in between finds a metric without what it requires."""
    by_name = {metric.name: metric for metric in metrics}
    graph: dict[str, set[str]] = {}
    for metric in metrics:
        found = (after.find(required.partition("@")[0]) for required in metric.required_metrics)
        graph[metric.name] = {each.definition.name for each in found if each is not None} & (
            by_name.keys() - {metric.name}
        )
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise InvalidDefinitions(
            [Violation(field="metrics", message=f"metrics require each other in a circle: {circle}")]
        ) from error


def _twice(field: str, names: Sequence[str]) -> list[Violation]:
    return [
        Violation(field=f"{field}[{number}].name", message=f"{name!r} is defined twice")
        for number, name in enumerate(names)
        if name in names[:number]
    ]


def _violation(place: str, kind: str, error: EvaluatorError | NameTaken) -> Violation:
    if isinstance(error, InvalidDefinition):
        rest = error.field.removeprefix(kind)
        return Violation(field=f"{place}{rest}", message=error.reason)
    return Violation(field=place, message=str(error))
