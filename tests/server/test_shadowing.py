"""A custom metric that takes the name of a built-in one, names and their spellings, and what may be renamed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest

from evaluator.errors import InvalidDefinition, MetricInUse, MetricNotFound
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import named
from evaluator.metrics.record import MetricRecord
from evaluator.metrics.registry import Metrics
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.errors import NameTaken, VersionMoved
from storage.model import Document, Level, MetricKind, OutputType


def a_name(prefix: str = "m") -> str:
    """A slug that nobody else uses."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def judged(name: str, **other: Any) -> MetricDefinition:
    """A small judge metric."""
    definition = MetricDefinition(
        name=name,
        kind=MetricKind.JUDGE,
        levels=(Level.SPAN,),
        output_type=OutputType.BOOLEAN,
        prompt="Kind?\n{{output}}",
    )
    return replace(definition, **other)


class CountingDefinitions(ClickHouseDefinitions):
    """The store, and how often it was asked."""

    reads = 0

    async def live(self, kind: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        """As ever."""
        self.reads += 1
        return await super().live(kind, after=after, limit=limit)

    async def get(self, kind: str, name: str, *, version: int | None = None) -> Document:
        """As ever."""
        self.reads += 1
        return await super().get(kind, name, version=version)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """What a test holds: a built-in metric that no other test knows, and the registry over the module's database."""

    builtin: MetricDefinition
    mine: MetricDefinition
    metrics: Metrics
    store: CountingDefinitions

    @property
    def tone(self) -> str:
        """The built-in's slug."""
        return self.builtin.name


@pytest.fixture
def shop(database: Database) -> Shop:
    """A registry with one built-in metric that has an alias."""
    tone = a_name("tone")
    builtin = judged(tone, display_name=f"The {tone}", builtin=True)
    store = CountingDefinitions(database)
    return Shop(
        builtin=builtin,
        mine=replace(builtin, builtin=False, prompt="Really kind?\n{{output}}"),
        metrics=Metrics(store, builtin=[builtin], aliases={f"politeness_{tone}": tone}),
        store=store,
    )


async def test_a_metric_that_takes_a_builtin_name_shadows_it_and_goes_on_from_its_version(shop: Shop) -> None:
    """Results of the two never share a name and a version, and the original stays within reach."""
    made = await shop.metrics.create(shop.mine)
    assert made.definition == replace(shop.mine, version=2)
    shown = shop.builtin.display_name
    names = (shop.tone, shown, shown.lower(), f"politeness_{shop.tone}")
    assert [await shop.metrics.get(name) for name in names] == [made.definition] * 4
    assert [await shop.metrics.get(f"builtin/{name}") for name in names] == [shop.builtin] * 4
    originals = [await shop.metrics.get(name, 1) for name in (shop.tone, f"builtin/{shop.tone}")]
    assert originals == [shop.builtin] * 2
    with pytest.raises(MetricNotFound):
        await shop.metrics.get(f"builtin/{shop.tone}", 2)
    updated = await shop.metrics.update(replace(shop.mine, description="mine"), base_version=2)
    assert updated.definition.version == 3
    assert [record.definition.version for record in await shop.metrics.versions(shop.tone)] == [3, 2, 1]
    assert await shop.metrics.versions(f"builtin/{shop.tone}") == [MetricRecord(definition=shop.builtin, shadowed=True)]


async def test_a_release_that_overtakes_a_shadow_is_told_and_can_be_cured(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """A newer built-in of version 5 beside a shadow of version 2: the log says so once, and what to do works."""
    await shop.metrics.create(shop.mine)
    newer = Metrics(shop.store, builtin=[replace(shop.builtin, version=5)])
    for _ in range(2):
        assert (await newer.get(shop.tone)).version == 2
        await newer.directory(fresh=True)
    told = [record for record in caplog.records if record.message == "shadow_below_builtin"]
    assert [(record.metric, record.version, record.shipped) for record in told] == [(shop.tone, 2, 5)]  # type: ignore[attr-defined]
    await newer.delete(shop.tone)
    assert (await newer.create(shop.mine)).definition.version == 6


async def test_the_list_shows_a_shadow_and_what_it_hides_each_under_the_name_that_reaches_it(shop: Shop) -> None:
    """Both are there, in an order that pages can follow."""
    await shop.metrics.create(shop.mine)
    keys = [record.key for record in await shop.metrics.live() if shop.tone in record.key]
    assert keys == [f"builtin/{shop.tone}", shop.tone]
    assert [(await shop.metrics.record(key)).key for key in keys] == keys
    every = [record.key for record in await shop.metrics.live()]
    assert every == sorted(every)
    assert [record.key for record in await shop.metrics.live(after=every[0], limit=1)] == every[1:2]


async def test_deleting_the_shadow_brings_the_builtin_back_and_a_new_one_gets_a_new_version(shop: Shop) -> None:
    """Whoever names it goes on with the original; version numbers are never used twice."""
    await shop.metrics.create(shop.mine)
    await shop.metrics.delete(shop.tone)
    assert await shop.metrics.record(shop.tone) == MetricRecord(definition=shop.builtin)
    with pytest.raises(InvalidDefinition, match="built in"):
        await shop.metrics.delete(shop.tone)
    assert (await shop.metrics.create(shop.mine)).definition.version == 4  # 2 was the first shadow, 3 its deletion


async def test_a_shadow_that_does_more_than_the_builtin_stays_while_that_is_used(shop: Shop) -> None:
    """A rule over traces would be left without its metric."""
    rules, rule = Rules(shop.store, shop.metrics), a_name("r")
    await shop.metrics.create(replace(shop.mine, levels=(Level.SPAN, Level.TRACE)))
    await rules.create(RuleDefinition(name=rule, level=Level.TRACE, metrics=(shop.tone,)))
    with pytest.raises(MetricInUse, match=f"rule '{rule}'"):
        await shop.metrics.delete(shop.tone)
    with pytest.raises(MetricInUse, match=f"rule '{rule}'"):
        await shop.metrics.update(shop.mine, base_version=2)


async def test_a_rule_keeps_whether_it_meant_the_builtin(shop: Shop) -> None:
    """A shadow made later takes over only where the plain name was written."""
    rules, rule = Rules(shop.store, shop.metrics), a_name("r")
    shown = shop.builtin.display_name
    made = await rules.create(RuleDefinition(name=rule, level=Level.SPAN, metrics=(f"builtin/{shown}", shown)))
    assert made.definition.metrics == (f"builtin/{shop.tone}", shop.tone)


async def test_every_spelling_of_a_name_leads_to_the_metric_and_is_taken(shop: Shop) -> None:
    """`create_code_metric("My Custom Metric")` and `required_metrics=["my custom metric"]` mean the same."""
    number = uuid.uuid4().int % 10**12
    slug, shown = named(f"My Custom Metric {number}")
    made = await shop.metrics.create(judged(slug, display_name=shown))
    for spelling in (
        f"MyCustomMetric {number}",
        f"my custom metric {number}",
        f"my-custom-metric-{number}",
        shown,
        slug,
    ):
        assert (spelling, await shop.metrics.get(spelling)) == (spelling, made.definition)
        with pytest.raises(NameTaken, match=slug):
            await shop.metrics.create(judged(a_name(), display_name=spelling))


async def test_an_old_version_comes_back_as_a_new_one(shop: Shop) -> None:
    """Nothing of the history changes."""
    name, request_id = a_name(), str(uuid.uuid4())
    first = await shop.metrics.create(replace(shop.mine, name=name, display_name=""))
    await shop.metrics.update(replace(first.definition, prompt="Worse?\n{{output}}"), base_version=1)
    restored = [await shop.metrics.restore(name, 1, request_id=request_id) for _ in range(2)]
    assert [record.definition for record in restored] == [replace(first.definition, version=3)] * 2
    assert restored[0].definition.digest == first.definition.digest
    with pytest.raises(VersionMoved):
        await shop.metrics.restore(name, 2, base_version=2)
    with pytest.raises(MetricNotFound):
        await shop.metrics.restore(name, 9)
    await shop.metrics.delete(name)
    assert (await shop.metrics.restore(name, 1)).definition.version == 5  # 4 was the deletion


async def test_the_builtin_content_can_be_restored_into_its_shadow_and_into_nothing_else(shop: Shop) -> None:
    """There is nothing to restore where nothing was changed."""
    with pytest.raises(InvalidDefinition, match="built in"):
        await shop.metrics.restore(shop.tone, 1)
    await shop.metrics.create(shop.mine)
    assert (await shop.metrics.restore(shop.tone, 1)).definition == replace(shop.builtin, builtin=False, version=3)


async def test_names_are_resolved_without_asking_the_store_each_time(shop: Shop) -> None:
    """Every score resolves its metric; the store is asked once a second, and when a name is not known."""
    name = a_name()
    made = await shop.metrics.create(judged(name, display_name=f"Title {name}"))
    await shop.metrics.get(name)
    shop.store.reads = 0
    for _ in range(100):
        assert await shop.metrics.get(f"Title {name}") == made.definition
        assert await shop.metrics.get(name, 1) == made.definition
        assert await shop.metrics.get(f"builtin/{shop.tone}") == shop.builtin
    assert shop.store.reads <= 1  # at most one second passed
    with pytest.raises(MetricNotFound):
        await shop.metrics.get("no_such")
    assert shop.store.reads <= 2


async def test_what_another_process_makes_is_found_at_once_and_what_it_edits_a_moment_later(shop: Shop) -> None:
    """A miss asks again before it is said; a hit may be as old as `fresh_seconds`."""
    now, name = [0.0], a_name()
    here: dict[str, Any] = {"builtin": [shop.builtin], "fresh_seconds": 1.0, "clock": lambda: now[0]}
    mine, other = Metrics(shop.store, **here), Metrics(shop.store, builtin=[shop.builtin])
    assert await mine.get(shop.tone) == shop.builtin
    made = (await other.create(judged(name))).definition
    assert await mine.get(name) == made
    edited = (await other.update(replace(made, description="new"), base_version=1)).definition
    assert await mine.get(name) == made
    now[0] = 1.0
    assert await mine.get(name) == edited


async def test_one_unreadable_definition_does_not_end_the_others(shop: Shop) -> None:
    """A newer program may have written it."""
    name, unreadable = a_name(), a_name("from_the_future")
    await shop.store.create("metric", unreadable, {"name": unreadable, "telepathy": True})
    made = await shop.metrics.create(judged(name))
    assert await shop.metrics.get(name) == made.definition
    with pytest.raises(MetricNotFound):
        await shop.metrics.get(unreadable)
