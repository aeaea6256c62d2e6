"""SQL metrics over many spans in the store: the same results as by way of Python, ids included."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from emptying import emptied
from run_parts import RunParts, run_parts, working
from storing import SECOND_NS, SentSpan, store, store_log

from evaluator.metrics.definition import MetricDefinition
from evaluator.runs.bulk import Bulk
from evaluator.runs.definition import RunPlan, RunRequest, Where
from evaluator.runs.tally import Progress
from evaluator.scoring.request import MetricRef
from storage.clickhouse.bulk import ClickHouseBulkResults
from storage.clickhouse.client import Database
from storage.clickhouse.expressions import ClickHouseExpressions
from storage.model import Evaluation, Level, MetricKind, OutputType, Purpose, result_id

SPANS = Where(level=Level.SPAN, filter="service = 'shop'")
VALUE = "toFloat64OrNull(attributes['v'])"
VALUES = ("0.25", "1", "0", "-0.0", "nan", "inf", "3", "1e300", "", "no number", "9007199254740993", "0.1")


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[RunParts]:
    """With an emptied database, and a server that computes expressions."""
    await emptied(database)
    async with run_parts(database, expressions=ClickHouseExpressions(database)) as made:
        yield made


def bulk(parts: RunParts, *, window_spans: int = 8) -> Bulk:
    """For few spans, in small windows."""
    return Bulk(
        expressions=ClickHouseExpressions(parts.database),
        results=ClickHouseBulkResults(parts.database),
        least_pairs=1,
        window_spans=window_spans,
    )


def spans() -> list[SentSpan]:
    """One of each value, some minutes apart, and some that are not selected."""
    chosen = [
        SentSpan(
            service="shop",
            name="ünïcode \U0001f600",
            start_ns=1_794_400_000 * SECOND_NS + number * 45 * SECOND_NS + number,
            attributes={"v": value, "gen_ai.operation.name": "chat" if number % 2 else "execute_tool"},
        )
        for number, value in enumerate(VALUES)
    ]
    return [*chosen, SentSpan(service="other", start_ns=chosen[0].start_ns, attributes={"v": "0.5"})]


async def done(parts: RunParts, metric: str, *, bulk: Bulk | None) -> list[Evaluation]:
    """Results of a run over all of them."""
    async with working(parts, bulk=bulk):
        standing = await parts.done(RunRequest(selection=SPANS, metrics=(MetricRef(name=metric),)))
    results = await parts.results(standing.run.run_id)
    assert standing.tally.done == len(results)
    assert sum((await parts.ledger(standing.run.run_id)).values()) == len(results)
    return results


def said(each: Evaluation) -> Evaluation:
    """All that a result says but for the run and the clocks."""
    some = uuid.UUID(int=0)
    return replace(each, run="", evaluation_id=some, inserted_us=0, started=each.evaluated, evaluated=each.evaluated)


@pytest.mark.parametrize(
    ("output_type", "other"),
    [
        (OutputType.NUMBER, {"threshold": 0.1}),
        (OutputType.NUMBER, {"minimum": 0.1, "maximum": 1.0, "threshold": 0.25, "higher_is_better": False}),
        (OutputType.PERCENTAGE, {"threshold": 0.25}),
        (OutputType.COUNT, {"higher_is_better": None}),
        (OutputType.BOOLEAN, {"threshold": 1.0, "expression": f"{VALUE} > 0.2"}),
        (OutputType.NUMBER, {"span_kinds": ("tool",)}),
    ],
)
async def test_results_from_the_store_are_those_of_python(
    parts: RunParts, output_type: OutputType, other: dict[str, object]
) -> None:
    """Value, label, status, reason, watermark, anchor, whether it passed; and the ids are UUIDv5 of the same text."""
    sent = spans()
    await store(parts.database, *sent)
    await store_log(parts.database, sent[1])
    fields: dict[str, object] = {"expression": VALUE, "output_type": output_type, **other}
    metric = MetricDefinition(name="worth", kind=MetricKind.SQL, levels=(Level.SPAN,), **fields)  # type: ignore[arg-type]
    await parts.scoring.metrics.create(metric)
    by_python = await done(parts, "worth", bulk=None)
    in_bulk = await done(parts, "worth", bulk=bulk(parts))
    clock = by_python[0].evaluated

    def alike(found: list[Evaluation]) -> dict[str, Evaluation]:
        return {each.target.key: replace(said(each), started=clock, evaluated=clock) for each in found}

    assert alike(in_bulk) == alike(by_python)
    assert {each.evaluation_id for each in in_bulk} == {
        result_id(
            source=Purpose.BACKFILL,
            origin=each.run,
            metric_digest=f"worth@1:{each.metric_digest}",
            target=each.target,
            watermark_ms=each.watermark_ms,
        )
        for each in in_bulk
    }
    assert len(in_bulk) == len(VALUES) // (2 if "span_kinds" in other else 1)


async def test_a_window_that_was_done_before_is_not_done_again(parts: RunParts) -> None:
    """A process may die between the results of a window and its checkpoint."""
    await store(parts.database, *spans())
    metric = MetricDefinition(
        name="worth", kind=MetricKind.SQL, levels=(Level.SPAN,), output_type=OutputType.NUMBER, expression=VALUE
    )
    plan = RunPlan(
        run_id="r1",
        metrics=(MetricRef(name="worth", version=1),),
        selected=SPANS.selected(arrived_ms=2**42),
        limit=0,
        origin="r1",
        purpose=Purpose.BACKFILL,
        reuse=False,
        retry_failed=False,
    )
    first, again = Progress(), Progress()
    assert await bulk(parts).score(plan, [metric], first, resumed=False)
    assert await bulk(parts, window_spans=100).score(plan, [metric], again, resumed=True)
    rows = await parts.database.query("SELECT count() AS n, uniqExact(EvaluationId) AS ids FROM evaluations")
    assert rows == [{"n": len(VALUES) - 2, "ids": len(VALUES) - 2}]
    assert first.tally() == again.tally()
    assert await parts.ledger("r1") == {"not_applicable": 2, "scored": len(VALUES) - 4, "waiting": 2}
