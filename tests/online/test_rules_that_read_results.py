"""Rules and the metrics that there are: what filters may read, what ingest allows, what a metric in use may become."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

import pytest

from evaluator.errors import InvalidDefinition, InvalidFilter, MetricInUse
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.registry import Metrics
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import When
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.model import Level, MetricKind, OutputType


def a_metric(name: str, **other: object) -> MetricDefinition:
    """A judge of model calls."""
    fields: dict[str, object] = {
        "kind": MetricKind.JUDGE, "levels": (Level.SPAN,), "span_kinds": ("llm",),
        "output_type": OutputType.BOOLEAN, "prompt": "Good? {{output}}",
    }  # fmt: skip
    return MetricDefinition(name=name, **fields | other)  # type: ignore[arg-type]


def sent(name: str, **other: object) -> MetricDefinition:
    """A metric whose results others send."""
    return a_metric(name, kind=MetricKind.EXTERNAL, prompt="", span_kinds=(), **other)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Catalogues over one store."""

    metrics: Metrics
    rules: Rules

    async def rule(self, metric: str = "mine", **other: object) -> RuleDefinition:
        """One that is kept."""
        fields: dict[str, object] = {"level": Level.SPAN, "metrics": (metric,)}
        name = f"r_{uuid.uuid4().hex[:8]}"
        return (await self.rules.create(RuleDefinition(name=name, **fields | other))).definition  # type: ignore[arg-type]


@pytest.fixture
async def shop(database: Database) -> Shop:
    """With a metric that rules compute (`mine`), one that they read (`other`), one of traces (`whole`), and more."""
    store = ClickHouseDefinitions(database)
    metrics = Metrics(store, builtin=[])
    if not await metrics.live():
        for metric in (
            a_metric("mine"),
            a_metric("other", display_name="Is it other?"),
            a_metric("whole", levels=(Level.TRACE,), span_kinds=()),
            sent("stars"),
            a_metric("documents", prompt="Supported? {{context}} {{output}}"),
            a_metric(
                "both", kind=MetricKind.COMPOSITE, prompt="", output_type=OutputType.NUMBER,
                required_metrics=("other",), source="def scorer_fn(*, step_object, **kwargs):\n    return 1.0\n",
            ),
        ):  # fmt: skip
            await metrics.create(metric)
    return Shop(metrics=metrics, rules=Rules(store, metrics))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("metric.other.value = 1 AND name = 'x'", "metric.other.value = 1 AND name = 'x'"),
        ("metric.`Is it other?`.value = 1", "metric.other.value = 1"),
        (
            "metric.\"is it other\".label = 'true' OR metric.Other.value=0",
            "metric.other.label = 'true' OR metric.other.value=0",
        ),
        ("metric.stars.value > 3", "metric.stars.value > 3"),
    ],
)  # fmt: skip
async def test_a_filter_is_kept_with_the_slugs_of_the_metrics_that_it_names(
    shop: Shop, written: str, kept: str
) -> None:
    """Whatever name was used, and whoever computes or sends the results."""
    assert (await shop.rule(filter=written)).filter == kept


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("name = 'x' AND metric.othr.value > 0", 22, "there is no metric 'othr'; did you mean 'other'?"),
        ("metric.whole.value > 0", 7, "metric 'whole' has results of trace, the rule is about span"),
        ("metric.mine.value > 0", 7, "the rule computes 'mine' itself, after its filter: it would wait for ever"),
    ],
)
async def test_a_filter_that_reads_what_cannot_come_is_refused(
    shop: Shop, text: str, position: int, message: str
) -> None:
    """With the place of the metric's name."""
    with pytest.raises(InvalidFilter) as refused:
        await shop.rule(filter=text)
    assert (refused.value.reason, refused.value.position) == (message, position)


async def test_a_filter_cannot_wait_in_a_circle_through_composites(shop: Shop) -> None:
    """What the rule's metrics require is computed after its filter; and what requires them comes later still."""
    with pytest.raises(InvalidFilter, match="the rule computes 'other' itself"):
        await shop.rule("both", filter="metric.other.value > 0")
    with pytest.raises(InvalidFilter, match="'both' requires 'other', which the rule computes after its filter"):
        await shop.rule("other", filter="metric.both.value > 0")


async def test_a_metric_that_a_filter_reads_is_in_use(shop: Shop) -> None:
    """It is not deleted, does not leave its level, and may become one that others send; then it is free again."""
    read = (await shop.metrics.create(a_metric(f"read_{uuid.uuid4().hex[:8]}"))).definition
    rule = await shop.rule(filter=f"metric.{read.name}.value > 0")
    with pytest.raises(MetricInUse, match=f"rule '{rule.name}'"):
        await shop.metrics.delete(read.name)
    with pytest.raises(MetricInUse, match=f"rule '{rule.name}'"):
        await shop.metrics.update(replace(read, levels=(Level.TRACE,), span_kinds=()), base_version=1)
    await shop.metrics.update(sent(read.name), base_version=1)
    await shop.rules.update(replace(rule, filter=""), base_version=rule.version)
    await shop.metrics.delete(read.name)


async def test_a_metric_that_a_rule_computes_does_not_become_one_that_others_send(shop: Shop) -> None:
    """The rule would have nothing that it could do."""
    computed = (await shop.metrics.create(a_metric(f"computed_{uuid.uuid4().hex[:8]}"))).definition
    rule = await shop.rule(computed.name)
    with pytest.raises(MetricInUse, match=f"rule '{rule.name}', which would not find it any more, or not at their"):
        await shop.metrics.update(sent(computed.name), base_version=1)
    await shop.rules.delete(rule.name)
    await shop.metrics.update(sent(computed.name), base_version=1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"filter": "trace.status = 'OK'"}, "ingest is not possible: the filter reads the trace"),
        ({"filter": "metric.other.value > 0"}, "ingest is not possible: the filter reads results of other metrics"),
        (
            {"metrics": ("documents",)},
            "ingest is not possible: metric 'documents' reads context, which only the trace has",
        ),
        ({"level": Level.TRACE, "metrics": ("whole",)}, "ingest is for spans; a trace is known when it is complete"),
    ],
)  # fmt: skip
async def test_spans_are_not_scored_as_they_arrive_where_their_trace_is_needed(
    shop: Shop, fields: dict[str, object], message: str
) -> None:
    """A score of half a trace would be wrong, and nobody would see it."""
    with pytest.raises(InvalidDefinition) as refused:
        await shop.rule(**{"metric": "mine", "when": When.INGEST, **fields})
    assert (refused.value.field, refused.value.reason) == ("rule.when", message)
    assert (await shop.rule(when=When.INGEST, filter="kind = 'llm' AND metadata.x = 'y'")).when is When.INGEST


async def test_two_names_of_one_metric_are_one_metric(shop: Shop) -> None:
    """By slug and by display name."""
    with pytest.raises(InvalidDefinition, match="names a metric twice"):
        await shop.rule(metrics=("other", "Is it other?"))


async def test_a_rule_that_a_newer_program_wrote_ends_no_other(shop: Shop, database: Database) -> None:
    """While versions run side by side: it is left out, and the log says why; it can still be deleted."""
    rule = await shop.rule()
    body = rule.to_body() | {"when": "yesterday"}
    await ClickHouseDefinitions(database).create("rule", "from_the_future", body)
    names = [each.name for each in await shop.rules.enabled()]
    assert (rule.name in names, "from_the_future" in names) == (True, False)
    await shop.rules.delete("from_the_future")
