"""One query says what many rules want: each as if it had been asked alone."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
from storing import SentSpan, a_chat, store

from evaluator.online.rules.filters import compile_filter
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.model import Level
from storage.queue import Candidates, Completion, Look, Ready, Stream

QUICK = Completion(grace_one_ms=1, grace_many_ms=1, idle_ms=1)
MILLION = 1_000_000


async def ready(database: Database, *spans: SentSpan) -> list[Ready]:
    """Store spans and have them as a page of complete traces."""
    at = time.time_ns() // 1_000_000 - 60_000
    await store(database, *spans, ingested_ms=at)
    look = Look(since_ms=at - 1, until_ms=at + 1, shards=range(16), limit=100_000)
    page = await ClickHouseQueue(database).ready(Stream(level=Level.TRACE), QUICK, look)
    of_test = {span.trace_id for span in spans}
    return [each for each in page if each.record.ref.trace_id in of_test]


def wish(level: Level, text: str = "", **other: Any) -> Candidates:
    """What a rule wants."""
    compiled = compile_filter(text, level)
    fields: dict[str, Any] = {"sample_ppm": MILLION}
    return Candidates(level=level, filter_sql=compiled.sql, filter_parameters=compiled.parameters, **fields | other)


async def wanted(queue: ClickHouseQueue, page: list[Ready], wishes: list[Candidates]) -> list[set[str]]:
    """Names of the spans (roots) that each of these wants, asked together."""
    found: list[set[str]] = [set() for _ in wishes]
    for each in await queue.candidates(page, wishes):
        assert each.wanted, "what nobody wants is no candidate"
        for place in each.wanted:
            found[place].add(each.record.anchor.span_name)
    return found


FILTERS = (
    "name = 'a'", "name = 'b'", "name = 'nobody'", "name LIKE 'a%'", "name LIKE '%b'", "name IN ('a', 'b')",
    "name IN ('c')", "attributes['tier'] = 'gold'", "attributes['tier'] = 'lead'", "attributes['size'] > 5",
    "attributes['size'] > 50", "attributes['size'] IS NULL", "NOT name = 'a'", "service = 'it''s'", "",
    "name = 'a' OR attributes['tier'] = 'lead'", "name = 'c' OR attributes['tier'] = 'gold'",
    "startsWith(name, 'a')", "startsWith(name, 'b')", "start_time > '2020-01-01'", "start_time > '2200-01-01'",
)  # fmt: skip


@pytest.mark.parametrize("level", [Level.SPAN, Level.TRACE])
async def test_many_rules_in_one_query_want_what_each_wants_alone(database: Database, level: Level) -> None:
    """Equal filters, filters of one shape, rates and scopes: the answer of the one query, rule by rule."""
    queue = ClickHouseQueue(database)
    page = await ready(
        database,
        SentSpan(name="a", attributes={"tier": "gold", "size": "9"}),
        SentSpan(name="b", service="it's", attributes={"tier": "lead", "size": "90"}),
        SentSpan(name="c", attributes={"size": "none"}),
        SentSpan(name="abb"),
    )
    texts = [text for text in FILTERS if level is Level.SPAN or "name IN" not in text]
    wishes = [wish(level, text) for text in texts]
    wishes += [wish(level, text, sample_ppm=ppm) for text in texts[:4] for ppm in (0, 400_000, 700_000)]
    wishes += [wish(level, texts[0], scope="shop"), wish(level, scope="it's"), wish(level, scope="nowhere")]
    alone = [(await wanted(queue, page, [each]))[0] for each in wishes]
    assert await wanted(queue, page, wishes) == alone
    assert set().union(*alone) == {"a", "b", "c", "abb"}
    assert set() in alone


async def test_a_thousand_rules_are_asked_about_at_once(database: Database) -> None:
    """Of one shape with a literal each: as many as there are, whatever is in the literals."""
    queue = ClickHouseQueue(database)
    names = ["plain", "it's", 'a "b" \\ {f0:String}', "ü\n\t", "']"]
    page = await ready(database, *(SentSpan(name=name) for name in names))
    asked = [*names, *(f"nobody {number}" for number in range(995))]
    quoted = [name.replace("'", "''") for name in asked]
    wishes = [wish(Level.SPAN, f"name = '{name}'") for name in quoted if "\\" not in name]
    wishes.append(
        Candidates(
            level=Level.SPAN,
            sample_ppm=MILLION,
            filter_sql="(`SpanName` = {f0:String})",
            filter_parameters={"f0": names[2]},
        )
    )
    found = await wanted(queue, page, wishes)
    assert len(found) == 1000
    assert sorted(name for each in found for name in each) == sorted(names)
    assert max(map(len, found)) == 1


async def test_an_experiment_has_a_rate_of_its_own(database: Database) -> None:
    """By the attribute of the span or of its resource; of a trace the root decides."""
    queue = ClickHouseQueue(database)
    tried = SentSpan(name="tried", attributes={"assay.experiment.id": "e1"})
    live = SentSpan(name="live")
    page = await ready(database, tried, live)
    for level in (Level.SPAN, Level.TRACE):
        wishes = [
            wish(level, experiment_ppm=0),
            wish(level, sample_ppm=0, experiment_ppm=MILLION),
            wish(level, experiment_ppm=MILLION),
            wish(level, sample_ppm=0, experiment_ppm=0),
        ]
        assert await wanted(queue, page, wishes) == [{"live"}, {"tried"}, {"live", "tried"}, set()]


async def test_a_scope_is_a_service_or_a_project(database: Database) -> None:
    """`service.name`, or the resource attribute `assay.project`; of a trace the root's."""
    queue = ClickHouseQueue(database)
    root = SentSpan(name="front", service="shop")
    child = a_chat(name="back", service="bank", trace_id=root.trace_id, parent=root.span_id)
    page = await ready(database, root, child)
    rows = await database.query(
        "SELECT count() AS n FROM otel_traces WHERE TraceId = {id:String} AND ServiceName = 'bank'",
        {"id": root.trace_id},
    )
    assert rows == [{"n": 1}]
    scopes = ("shop", "bank", "other", "")
    spans = await wanted(queue, page, [wish(Level.SPAN, scope=scope) for scope in scopes])
    assert spans == [{"front"}, {"back"}, set(), {"front", "back"}]
    traces = await wanted(queue, page, [wish(Level.TRACE, scope=scope) for scope in scopes])
    assert traces == [{"front"}, set(), set(), {"front"}]


async def test_samples_of_a_hundred_thousand_ids_hold_their_rates_and_lie_in_each_other(database: Database) -> None:
    """Binomial bounds: four standard deviations of n = 100,000 are 380 at 10 %, 633 at 50 %."""
    ids = "lower(hex(MD5(toString(number))))"
    bucket = f"cityHash64({ids}, 'assay') % 1000000"
    rows = await database.query(
        f"SELECT countIf({bucket} < 100000) AS tenth, countIf({bucket} < 500000) AS half, "
        f"countIf({bucket} < 100000 AND {bucket} >= 500000) AS outside, "
        f"countIf({bucket} < 100000 AND cityHash64({ids}) % 16 = 3) AS of_a_shard FROM numbers(100000)"
    )
    found = rows[0]
    assert abs(found["tenth"] - 10_000) < 380
    assert abs(found["half"] - 50_000) < 633
    assert found["outside"] == 0
    assert abs(found["of_a_shard"] - 625) < 100, "shards are of another hash: each has its share of the sample"


async def test_the_sample_is_the_hash_and_nothing_else(database: Database) -> None:
    """Whatever the filter, the scope or the number of rules: the ids below the rate, found before any limit."""
    queue = ClickHouseQueue(database)
    spans = [SentSpan(trace_id=hashlib.md5(f"s{n}".encode()).hexdigest(), name=f"n{n}") for n in range(300)]
    page = await ready(database, *spans)
    rows = await database.query(
        "SELECT id, cityHash64(id, 'assay') % 1000000 AS bucket FROM (SELECT arrayJoin({ids:Array(String)}) AS id)",
        {"ids": [span.trace_id for span in spans]},
    )
    buckets = {row["id"]: row["bucket"] for row in rows}
    assert {each.record.ref.trace_id: each.bucket for each in page} == buckets
    for ppm in (100_000, 500_000):
        expected = {span.name for span in spans if buckets[span.trace_id] < ppm}
        for level in (Level.SPAN, Level.TRACE):
            wishes = [wish(level, sample_ppm=ppm), wish(level, "name LIKE 'n%'", sample_ppm=ppm), wish(level)]
            found = await wanted(queue, page, wishes)
            assert found == [expected, expected, {span.name for span in spans}]
