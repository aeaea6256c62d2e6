"""What ought to be there is stated: circles, shadows, doubles, half-finished work, and two who apply at once."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest

from evaluator.errors import InvalidDefinitions
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.registry import Metrics
from evaluator.online.rules.applied import Action, Applied, StatedRule
from evaluator.online.rules.apply import Definitions
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.errors import NameTaken, VersionMoved
from storage.model import Level, MetricKind, OutputType


@dataclass(frozen=True, kw_only=True)
class Shop:
    """What a test holds: one built-in metric of its own, over the module's database."""

    builtin: MetricDefinition
    metrics: Metrics
    rules: Rules

    async def apply(
        self, *metrics: MetricDefinition, rules: tuple[RuleDefinition, ...] = (), **how: Any
    ) -> list[Applied]:
        """State them."""
        definitions = Definitions(self.metrics, self.rules)
        return await definitions.apply(metrics, [StatedRule(definition=rule) for rule in rules], **how)

    async def wrong(self, *metrics: MetricDefinition, rules: tuple[RuleDefinition, ...] = ()) -> list[str]:
        """What is refused, by place; and that nothing of it is there."""
        with pytest.raises(InvalidDefinitions) as refused:
            await self.apply(*metrics, rules=rules)
        known = (await self.metrics.directory(fresh=True)).custom
        assert [metric.name for metric in metrics if metric.name in known] == []
        return [each.field for each in refused.value.violations]


@pytest.fixture
def shop(database: Database) -> Shop:
    """Another one for each test."""
    store = ClickHouseDefinitions(database)
    builtin = judge(a_name("shipped"), builtin=True)
    metrics = Metrics(store, builtin=[builtin])
    return Shop(builtin=builtin, metrics=metrics, rules=Rules(store, metrics))


def a_name(prefix: str = "m") -> str:
    """A slug that nobody else uses."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def judge(name: str, **other: Any) -> MetricDefinition:
    """A small judge metric."""
    definition = MetricDefinition(
        name=name,
        kind=MetricKind.JUDGE,
        levels=(Level.SPAN,),
        output_type=OutputType.BOOLEAN,
        prompt="Kind?\n{{output}}",
    )
    return replace(definition, **other)


def reader(name: str, *required: str, **other: Any) -> MetricDefinition:
    """A composite, called code by its author."""
    definition = MetricDefinition(
        name=name,
        kind=MetricKind.CODE,
        levels=(Level.SPAN,),
        output_type=OutputType.BOOLEAN,
        source="def scorer_fn(*, step_object, **kwargs):\n    return bool(list(step_object.metrics.values()))\n",
        required_metrics=required,
    )
    return replace(definition, **other)


async def test_metrics_that_require_each_other_in_a_chain_are_written_from_its_end(shop: Shop) -> None:
    """In whatever order they are stated, so that whoever looks in between finds all that a metric requires."""
    names = [a_name() for _ in range(5)]
    chain = [reader(name, required) for name, required in zip(names, [*names[1:], shop.builtin.name], strict=True)]
    applied = await shop.apply(*chain)
    assert [(each.name, each.action, each.version) for each in applied] == [(name, Action.CREATED, 1) for name in names]
    made = [(await shop.metrics.record(name)).create_time for name in names]
    assert made == sorted(made, reverse=True)  # type: ignore[type-var]  # none of them is built in


async def test_circles_doubles_and_strangers_are_refused_together(shop: Shop) -> None:
    """Each with its place; nothing is written."""
    first, second, third, rule = a_name(), a_name(), a_name(), a_name("r")
    assert await shop.wrong(reader(first, second), reader(second, first)) == ["metrics[0]", "metrics[1]"]
    assert await shop.wrong(reader(first, first)) == ["metrics[0]"]
    assert await shop.wrong(
        judge(first),
        judge(first, description="again"),
        judge(second, display_name=shop.builtin.name),
        reader(third, "no_such_metric"),
        judge(a_name(), prompt=""),
        rules=(
            RuleDefinition(name=rule, level=Level.TRACE, metrics=(first,)),
            RuleDefinition(name=rule, level=Level.SPAN, metrics=(first,), filter="colour = 1"),
        ),
    ) == [
        "metrics[1].name", "rules[1].name", "metrics[2]", "metrics[3]", "metrics[4].prompt", "rules[0]",
        "rules[1].filter",
    ]  # fmt: skip


async def test_a_stated_builtin_is_left_alone_and_a_changed_one_shadows_it(shop: Shop) -> None:
    """What was exported with `--builtin` makes no copies; the shadow may read what it hides."""
    same = replace(shop.builtin, builtin=False)
    assert [(each.action, each.version) for each in await shop.apply(same)] == [(Action.UNCHANGED, 1)]
    mine = reader(shop.builtin.name, f"builtin/{shop.builtin.name}")
    planned = await shop.apply(mine, validate_only=True)
    assert [(each.action, each.version) for each in planned] == [(Action.CREATED, 2)]
    assert await shop.apply(mine) == planned
    assert (await shop.metrics.get(shop.builtin.name)).kind is MetricKind.COMPOSITE
    assert [each.action for each in await shop.apply(mine)] == [Action.UNCHANGED]


async def test_a_change_says_what_it_changes(shop: Shop) -> None:
    """Field by field, with what it was."""
    name = a_name()
    await shop.apply(judge(name))
    (applied,) = await shop.apply(judge(name, prompt="Ruder?\n{{output}}", threshold=1.0))
    assert {each.field: (each.before, each.after) for each in applied.changes} == {
        "prompt": ("Kind?\n{{output}}", "Ruder?\n{{output}}"),
        "threshold": (None, 1.0),
    }
    assert (applied.action, applied.version) == (Action.CHANGED, 2)


async def test_work_that_was_interrupted_is_finished_by_the_same_call(shop: Shop) -> None:
    """What is there already is left alone."""
    names = [a_name(), a_name()]
    await shop.apply(judge(names[0]))
    rule = RuleDefinition(name=a_name("r"), level=Level.SPAN, metrics=tuple(names))
    applied = await shop.apply(*map(judge, names), rules=(rule,))
    assert [each.action for each in applied] == [Action.UNCHANGED, Action.CREATED, Action.CREATED]


async def test_who_states_the_same_at_the_same_moment_agree(shop: Shop) -> None:
    """Two jobs of one pipeline: one of them makes the version, and none of them fails."""
    name = a_name()
    for stated in (judge(name), judge(name, description="edited")):
        applied = await asyncio.gather(*(shop.apply(stated) for _ in range(4)))
        assert {each.version for (each,) in applied} == {1 if stated == judge(name) else 2}
    assert [record.definition.version for record in await shop.metrics.versions(name)] == [2, 1]


async def test_of_two_who_apply_at_once_each_version_is_written_once(shop: Shop) -> None:
    """The loser is told, and nothing is lost: the same call again ends in what it stated."""
    name = a_name()
    await shop.apply(judge(name))
    edits = [judge(name, description=f"edit {number}") for number in range(4)]
    outcomes = await asyncio.gather(*(shop.apply(edit) for edit in edits), return_exceptions=True)
    written = [each for each in outcomes if not isinstance(each, BaseException)]
    assert written
    assert all(isinstance(each, (list, VersionMoved, NameTaken)) for each in outcomes)
    versions = [record.definition.version for record in await shop.metrics.versions(name)]
    assert versions == list(range(len(written) + 1, 0, -1))
    await shop.apply(edits[0])
    assert (await shop.metrics.get(name)).description == "edit 0"
