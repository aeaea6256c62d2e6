"""Metrics and rules as they are kept: names, versions, request ids, what is refused."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import pytest

from evaluator.errors import (
    InvalidDefinition,
    InvalidFilter,
    LevelMismatch,
    MetricInUse,
    MetricNotFound,
    RuleNotFound,
)
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.metrics.registry import Metrics
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.errors import NameTaken, VersionMoved
from storage.model import Level, MetricKind, OutputType

BUILT_IN = MetricDefinition(
    name="built_in",
    display_name="Built In",
    kind=MetricKind.COMPOSITE,
    levels=(Level.SPAN,),
    output_type=OutputType.PERCENTAGE,
    required_metrics=("needed",),
    builtin=True,
)


def judged(name: str, **other: Any) -> MetricDefinition:
    """A small judge metric."""
    definition = MetricDefinition(
        name=name,
        kind=MetricKind.JUDGE,
        levels=(Level.SPAN,),
        output_type=OutputType.BOOLEAN,
        prompt="Good?\n{{output}}",
    )
    return replace(definition, **other)


def a_name(prefix: str = "m") -> str:
    """A slug that nobody else uses."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def metrics(database: Database) -> Metrics:
    """The registry over the module's database."""
    return Metrics(ClickHouseDefinitions(database), builtin=[BUILT_IN])


@pytest.fixture
def rules(database: Database, metrics: Metrics) -> Rules:
    """The rules over the same."""
    return Rules(ClickHouseDefinitions(database), metrics)


async def test_a_metric_is_found_by_slug_and_by_display_name(metrics: Metrics) -> None:
    """Both resolve everywhere, for built-in and custom ones."""
    name = a_name()
    made = await metrics.create(judged(name, display_name=f"Is it good? {name}"))
    assert [await metrics.get(name), await metrics.get(f"Is it good? {name}", 1)] == [made.definition] * 2
    assert [await metrics.get("built_in"), await metrics.get("Built In")] == [BUILT_IN] * 2
    assert await metrics.record("Built In") == MetricRecord(definition=BUILT_IN)


@pytest.mark.parametrize("name", ["unknown", "", "Not A Slug", "x" * 100_000, "'; DROP TABLE spans; --"])
async def test_an_unknown_metric_is_not_found(metrics: Metrics, name: str) -> None:
    """Whatever the name is made of."""
    with pytest.raises(MetricNotFound):
        await metrics.get(name)
    with pytest.raises(MetricNotFound):
        await metrics.versions(name)


async def test_sql_shows_the_digest_of_every_version(metrics: Metrics, database: Database) -> None:
    """An analyst can join results with definitions."""
    name = a_name()
    first = await metrics.create(judged(name))
    second = await metrics.update(judged(name, prompt="Better?\n{{output}}"), base_version=1)
    rows = await database.query(
        "SELECT MetricVersion, MetricDigest FROM metric_versions WHERE MetricName = {name:String} ORDER BY 1",
        {"name": name},
    )
    assert [tuple(row.values()) for row in rows] == [(1, first.definition.digest), (2, second.definition.digest)]
    assert first.definition.digest != second.definition.digest


async def test_versions_are_listed_newest_first_and_outlive_the_metric(metrics: Metrics) -> None:
    """Results of a deleted metric can still be read with its definition."""
    name = a_name()
    await metrics.create(judged(name))
    await metrics.update(judged(name, prompt="Better?\n{{output}}"), base_version=1)
    assert [record.definition.version for record in await metrics.versions(name)] == [2, 1]
    await metrics.delete(name)
    assert [record.definition.version for record in await metrics.versions(name)] == [2, 1]
    with pytest.raises(MetricNotFound):
        await metrics.get(name)
    again = await metrics.create(judged(name))
    assert again.definition.version == 4  # 3 is the deletion


async def test_a_moved_version_is_refused_and_names_the_current_one(metrics: Metrics) -> None:
    """Two people edit: the second learns of the first."""
    name = a_name()
    await metrics.create(judged(name))
    await metrics.update(judged(name, description="first"), base_version=1)
    with pytest.raises(VersionMoved) as moved:
        await metrics.update(judged(name, description="second"), base_version=1)
    assert moved.value.current_version == 2
    assert (await metrics.get(name)).description == "first"


async def test_a_taken_name_is_refused(metrics: Metrics) -> None:
    """Slugs, display names and the slugs of these share one space, with those of built-in metrics."""
    name, other = a_name(), a_name()
    await metrics.create(judged(name, display_name=f"Title of {name}"))
    for taken in (
        judged(name),
        judged(other, display_name=f"title   OF {name}"),
        judged(other, display_name="Built In"),
        judged(other, display_name=name),
        judged(other, display_name=f"Title of {name}"),
    ):
        with pytest.raises(NameTaken):
            await metrics.create(taken)
    await metrics.create(judged(other))
    with pytest.raises(NameTaken):
        await metrics.update(judged(other, display_name=name), base_version=1)
    kept = await metrics.update(judged(name, display_name=f"Title of {name}", description="new"), base_version=1)
    assert kept.definition.version == 2


async def test_a_built_in_metric_does_not_change(metrics: Metrics) -> None:
    """It comes with the program, not from the store."""
    with pytest.raises(InvalidDefinition, match="built in"):
        await metrics.update(judged("built_in"), base_version=1)
    with pytest.raises(InvalidDefinition, match="built in"):
        await metrics.delete("Built In")


async def test_a_definition_that_could_not_be_computed_is_not_kept(metrics: Metrics) -> None:
    """Refused when it is saved, not when it is used."""
    name = a_name()
    with pytest.raises(InvalidDefinition, match="prompt"):
        await metrics.create(judged(name, prompt="no input named"))
    with pytest.raises(MetricNotFound):
        await metrics.get(name)


async def test_a_metric_in_use_is_not_deleted_and_its_users_are_named(metrics: Metrics, rules: Rules) -> None:
    """By a rule, also one that named it by its display name; by another metric."""
    name, rule = a_name(), a_name("r")
    await metrics.create(judged(name, display_name=f"Title of {name}"))
    await rules.create(RuleDefinition(name=rule, level=Level.SPAN, metrics=(f"Title of {name}",)))
    with pytest.raises(MetricInUse, match=f"rule '{rule}'"):
        await metrics.delete(name)
    await rules.delete(rule)
    await metrics.delete(name)
    await metrics.create(judged("needed"))
    with pytest.raises(MetricInUse, match="metric 'built_in'"):
        await metrics.delete("needed")


async def test_the_same_request_id_makes_one_metric_one_version_and_one_deletion(metrics: Metrics) -> None:
    """A client that lost the answer may repeat the call."""
    name = a_name()
    create, update, delete = (str(uuid.uuid4()) for _ in range(3))
    created = [await metrics.create(judged(name), request_id=create) for _ in range(2)]
    assert created[0] == created[1]
    edit = judged(name, description="edited")
    updated = [await metrics.update(edit, base_version=1, request_id=update) for _ in range(2)]
    assert updated[0] == updated[1]
    assert updated[0].definition.version == 2
    for _ in range(2):
        await metrics.delete(name, request_id=delete)
    with pytest.raises(MetricNotFound):
        await metrics.delete(name)


async def test_many_creations_at_once_with_one_request_id_make_one_metric(metrics: Metrics) -> None:
    """A name is claimed once; whoever loses the race gets what the winner made."""
    name, request_id = a_name(), str(uuid.uuid4())
    made: list[MetricRecord] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(_keep(metrics, judged(name), request_id, made))
    assert [record.definition.version for record in made] == [1] * 4


async def _keep(metrics: Metrics, definition: MetricDefinition, request_id: str, made: list[MetricRecord]) -> None:
    made.append(await metrics.create(definition, request_id=request_id))


async def test_lists_go_by_name_and_go_on_after_one(metrics: Metrics) -> None:
    """Built-in and custom metrics in one order."""
    await metrics.create(judged(f"a_{a_name()}"))
    await metrics.create(judged(f"z_{a_name()}"))
    names = [record.definition.name for record in await metrics.live()]
    assert names == sorted(names)
    assert "built_in" in names
    assert [record.definition.name for record in await metrics.live(after=names[0], limit=1)] == names[1:2]


async def test_a_rule_needs_known_metrics_of_its_level_and_a_filter_that_compiles(rules: Rules) -> None:
    """Refused when it is saved, with what is wrong; nothing is kept."""
    rule = RuleDefinition(name=a_name("r"), level=Level.SPAN, metrics=("built_in",))
    with pytest.raises(MetricNotFound):
        await rules.create(replace(rule, metrics=("built_in", "unknown")))
    with pytest.raises(LevelMismatch, match="'built_in' works at span, the rule at trace"):
        await rules.create(replace(rule, level=Level.TRACE))
    with pytest.raises(InvalidFilter) as refused:
        await rules.create(replace(rule, filter="ServiceName = 'x'; DROP TABLE spans"))
    assert refused.value.position == 17
    with pytest.raises(RuleNotFound):
        await rules.get(rule.name)


async def test_a_rule_cannot_compute_what_others_send(rules: Rules, metrics: Metrics) -> None:
    """A metric of kind external or human has nothing that a rule could do."""
    sent = MetricDefinition(
        name=a_name("sent"), kind=MetricKind.EXTERNAL, levels=(Level.SPAN,), output_type=OutputType.NUMBER
    )
    await metrics.create(sent)
    with pytest.raises(InvalidDefinition, match=f"'{sent.name}' is external: others send its results"):
        await rules.create(RuleDefinition(name=a_name("r"), level=Level.SPAN, metrics=("built_in", sent.name)))


async def test_the_same_request_id_makes_one_rule_one_version_and_one_deletion(rules: Rules) -> None:
    """As for metrics."""
    rule = RuleDefinition(name=a_name("r"), level=Level.SPAN, metrics=("built_in",))
    create, update, delete = (str(uuid.uuid4()) for _ in range(3))
    created = [await rules.create(rule, request_id=create) for _ in range(2)]
    assert created[0] == created[1]
    edit = replace(rule, sample_rate=0.5)
    updated = [await rules.update(edit, base_version=1, request_id=update) for _ in range(2)]
    assert updated[0] == updated[1]
    for _ in range(2):
        await rules.delete(rule.name, request_id=delete)
    with pytest.raises(RuleNotFound):
        await rules.delete(rule.name)


async def test_a_rule_made_disabled_was_never_enabled(rules: Rules) -> None:
    """Enabling it later looks back from then, not from its creation."""
    rule = RuleDefinition(name=a_name("r"), level=Level.SPAN, metrics=("built_in",), enabled=False)
    made = (await rules.create(rule)).definition
    assert (made.enabled, made.enable_time) == (False, None)
    assert rule.name not in [each.name for each in await rules.enabled()]
    enabled = (await rules.enable(rule.name)).definition
    assert enabled.enable_time is not None
    assert enabled in await rules.enabled()


async def test_enabling_goes_through_while_somebody_edits(rules: Rules) -> None:
    """Switching goes with any edit, so nobody has to repeat it by hand."""
    rule = RuleDefinition(name=a_name("r"), level=Level.SPAN, metrics=("built_in",))
    await rules.create(rule)
    async with asyncio.TaskGroup() as group:
        for switch in (rules.disable, rules.disable, rules.disable):
            group.create_task(switch(rule.name))
    disabled = (await rules.get(rule.name)).definition
    assert (disabled.enabled, disabled.version) == (False, 2)
