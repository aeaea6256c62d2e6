"""The natural SQL, the fast SQL, the dashboards' table and the read-only view give equal answers."""

from __future__ import annotations

import asyncio
import math
import random
import struct
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from storing import SentSpan, a_result, store

from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.model import Abstention, Evaluation, Failure, MetricKind, Outcome, Score

SEED = 20261121
SPANS = 120
RESULTS = 600
METRICS = ("quality", "tone")
SERVICES = ("shop", 'search\'s "own"')
EXTREMES = (0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3, 1e22, 1e-7, 123456789.12345679, -1.5, 2.0**53)


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Spans, and what was stored about them, in order."""

    spans: list[SentSpan]
    results: list[Evaluation]


def outcome(chance: random.Random) -> Outcome:
    """Mostly scores, of any bits that are a number."""
    kind = chance.random()
    if kind < 0.1:
        return Failure(code="JUDGE_TIMEOUT", message="")
    if kind < 0.2:
        return Abstention(reason="no output")
    if kind < 0.3:
        return Score(label=chance.choice(["good", "bad's"]))
    return Score(value=number(chance), label=chance.choice(["", "x"]), explanation=chance.choice(["", "because"]))


def number(chance: random.Random) -> float:
    """Any finite double."""
    if chance.random() < 0.3:
        return chance.choice(EXTREMES)
    if chance.random() < 0.5:
        return chance.random()
    while True:
        (value,) = struct.unpack("<d", chance.randbytes(8))
        if math.isfinite(value):
            return float(value)


@pytest.fixture(scope="module")
def filled(database_url: str) -> Filled:
    """Random results with random superseding, projected as they come."""
    return asyncio.run(_fill(database_url))


async def _fill(url: str) -> Filled:
    chance = random.Random(SEED)
    spans = [SentSpan(service=chance.choice(SERVICES), attributes={"own": str(n)}) for n in range(SPANS)]
    stored: list[Evaluation] = []
    async with Database(url) as database:
        await store(database, *spans)
        results, write_back = ClickHouseResults(database), ClickHouseWriteBack(database)
        for _ in range(12):
            part = [
                a_result(
                    chance.choice(spans[: SPANS * 3 // 4]),
                    outcome(chance),
                    metric=chance.choice(METRICS),
                    metric_version=chance.choice((1, 1, 2)),
                    watermark_ms=chance.randrange(5),
                    kind=chance.choice((MetricKind.JUDGE, MetricKind.JUDGE, MetricKind.HUMAN)),
                )
                for _ in range(RESULTS // 12)
            ]
            stored += part
            await results.append(part)
            batch = await write_back.project(since_ms=await write_back.newest_ms(), lag_seconds=60, limit=10_000)
            assert batch.missing == 0
    return Filled(spans=spans, results=stored)


async def maps(database: Database, view: str, column: str) -> dict[str, dict[str, str]]:
    """Results by span id, as one view shows them in one of its maps."""
    rows = await database.query(f"SELECT SpanId AS id, {column} AS own FROM {view}")
    return {row["id"]: {k: v for k, v in row["own"].items() if k.startswith("gen_ai.evaluation.")} for row in rows}


def expected_values(filled: Filled, inserted: dict[Any, int]) -> dict[str, dict[str, float]]:
    """By hand: per span and key the value of the current result, worked out in Python."""
    groups: dict[tuple[str, str, bool], list[Evaluation]] = defaultdict(list)
    for each in filled.results:
        groups[each.target.span_id, each.metric, each.kind is MetricKind.HUMAN].append(each)
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for (span_id, metric, human), group in groups.items():
        best = max(
            group,
            key=lambda e: (
                not isinstance(e.outcome, Failure),
                e.metric_version,
                e.watermark_ms,
                inserted[e.evaluation_id],
            ),
        )
        if isinstance(best.outcome, Score) and best.outcome.value is not None:
            key = f"gen_ai.evaluation.{'human.' if human else ''}{metric}.score.value"
            values[span_id][key] = best.outcome.value
    return values


async def test_every_way_to_read_results_gives_the_same(database: Database, filled: Filled) -> None:
    """Five hundred random results over spans, metrics, versions, people, failures: every map of every view is equal."""
    patched = await maps(database, "spans", "EvaluationAttributes")
    assert patched == await maps(database, "spans", "SpanAttributes")
    assert patched == await maps(database, "spans_dedup", "SpanAttributes")
    assert patched == await maps(database, "spans_joined", "SpanAttributes")
    assert patched == await maps(database, "spans_joined", "EvaluationAttributes")
    assert patched == await maps(database, "otel_traces", "EvaluationAttributes")
    assert sum(map(len, patched.values())) > SPANS, "too few results to prove anything"
    assert sum(not found for found in patched.values()) >= SPANS // 4, "no spans without results"


async def test_values_are_the_current_ones_and_bit_identical(database: Database, filled: Filled) -> None:
    """What `toFloat64` reads is what the judge said: subnormals, extremes, thirds; -0.0 keeps its sign."""
    rows = await database.query(
        "SELECT SpanId AS id, k AS key, toFloat64(v) AS value FROM spans "
        "ARRAY JOIN mapKeys(EvaluationAttributes) AS k, mapValues(EvaluationAttributes) AS v "
        "WHERE endsWith(k, '.score.value')"
    )
    found: dict[str, dict[str, bytes]] = defaultdict(dict)
    for row in rows:
        found[row["id"]][row["key"]] = struct.pack("<d", row["value"])
    stored = await database.query(
        "SELECT EvaluationId AS id, toUnixTimestamp64Micro(InsertedAt) AS at FROM evaluations"
    )
    inserted = {row["id"]: row["at"] for row in stored}
    # Results of one INSERT have one time; which of two with equal rank stands is the server's to choose.
    wanted = expected_values(filled, inserted)
    tied = _ties(filled, inserted)
    compared = 0
    for span_id, values in wanted.items():
        for key, value in values.items():
            if (span_id, key) not in tied:
                assert found[span_id][key] == struct.pack("<d", value), (span_id, key, value)
                compared += 1
    assert compared > 50


def _ties(filled: Filled, inserted: dict[Any, int]) -> set[tuple[str, str]]:
    seen: set[tuple[object, ...]] = set()
    tied: set[tuple[str, str]] = set()
    for each in filled.results:
        human = each.kind is MetricKind.HUMAN
        key = f"gen_ai.evaluation.{'human.' if human else ''}{each.metric}.score.value"
        rank = (each.target.span_id, key, each.metric_version, each.watermark_ms, inserted[each.evaluation_id])
        if rank in seen:
            tied.add((each.target.span_id, key))
        seen.add(rank)
    return tied


@pytest.mark.parametrize("service", SERVICES)
async def test_the_natural_average_is_the_fast_average_and_skips_spans_without_a_score(
    database: Database, filled: Filled, service: str
) -> None:
    """The README's sentence, in its four spellings."""
    key = "gen_ai.evaluation.quality.score.value"
    bounded = "if(abs(x) < 1e6, x, NULL)"  # sums of the extremes would depend on their order
    of_spans = [
        f"SELECT count(x) AS n, avg({bounded}) AS mean FROM (SELECT toFloat64({column}['{key}']) AS x FROM {view} "
        "WHERE ServiceName = {service:String})"
        for view, column in (
            ("spans", "SpanAttributes"),
            ("spans", "EvaluationAttributes"),
            ("spans_joined", "SpanAttributes"),
        )
    ]
    # One row per version: the one a span shows is the best of them.  A tuple, because argMax skips NULL.
    of_results = (
        f"SELECT count(x) AS n, avg({bounded}) AS mean FROM ("
        "SELECT tupleElement(argMax(tuple(Value), (Status != 'failed', MetricVersion, Rank)), 1) AS x "
        "FROM evaluations_current FINAL WHERE MetricName = 'quality' AND SourceClass = 'auto' "
        "AND ServiceName = {service:String} GROUP BY TraceId, SpanId)"
    )
    natural, *others = [(await database.query(sql, {"service": service}))[0] for sql in (*of_spans, of_results)]
    assert natural["n"] > 10
    assert others == [pytest.approx(natural, rel=1e-12)] * 3


async def test_a_span_without_a_result_gives_null(database: Database, filled: Filled) -> None:
    """Not an error, and not a 0: the natural sentence works over all spans."""
    rows = await database.query(
        "SELECT SpanAttributes['gen_ai.evaluation.quality.score.value'] AS text, toFloat64(text) AS number, "
        "SpanAttributes['own'] AS own FROM spans WHERE SpanId = {id:String}",
        {"id": filled.spans[-1].span_id},
    )
    assert rows == [{"text": None, "number": None, "own": str(SPANS - 1)}]
