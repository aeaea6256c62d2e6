"""Which result counts, whoever was slow and whatever clocks said; and what is said of one older than its target."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from storing import SentSpan, a_result, located, store, store_log
from test_write_back import project, shown

from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Evaluation, Failure, Level, MetricKind, Score, TargetRef
from storage.results import ResultFilter

VALUE = "gen_ai.evaluation.quality.score.value"
TRACE_VALUE = "gen_ai.evaluation.trace.quality.score.value"


@pytest.fixture
def results(database: Database) -> ClickHouseResults:
    """The module's store."""
    return ClickHouseResults(database)


def by_a_worker_with(skew_seconds: float, result: Evaluation) -> Evaluation:
    """The result as a worker whose clock is wrong writes it."""
    skew = timedelta(seconds=skew_seconds)
    return replace(result, started=result.started + skew, evaluated=result.evaluated + skew)


async def current(results: ClickHouseResults, ref: TargetRef, **where: Any) -> list[Evaluation]:
    """What counts."""
    return await results.newest(ResultFilter(targets=(ref,), **where), before=None, limit=10)


@pytest.mark.parametrize("skew_seconds", [0.0, 5.0, -5.0])
async def test_a_slow_worker_never_brings_an_old_result_back(
    database: Database, results: ClickHouseResults, skew_seconds: float
) -> None:
    """The result of an earlier revision that is written last stands in the history only, whatever its clock says."""
    span = SentSpan()
    await store(database, span)
    at = (await located(database, span.ref)).watermark_ms
    new = a_result(span, Score(value=0.9), watermark_ms=at + 1_000)
    old = a_result(span, Score(value=0.1), watermark_ms=at)
    await results.append([by_a_worker_with(-skew_seconds, new)])
    await project(database)
    await results.append([by_a_worker_with(skew_seconds, old)])
    await project(database)
    assert [each.evaluation_id for each in await current(results, span.ref)] == [new.evaluation_id]
    assert (await shown(database, span))[VALUE] == "0.9"
    history = await current(results, span.ref, include_superseded=True)
    assert [each.evaluation_id for each in history] == [old.evaluation_id, new.evaluation_id]


async def test_of_one_revision_the_servers_clock_decides(database: Database, results: ClickHouseResults) -> None:
    """Two workers whose clocks are ten seconds apart: what the server stored last counts."""
    span = SentSpan()
    await store(database, span)
    first, second = a_result(span, Score(value=0.1)), a_result(span, Score(value=0.9))
    await results.append([by_a_worker_with(5, first)])
    await results.append([by_a_worker_with(-5, second)])
    await project(database)
    [counts] = await current(results, span.ref)
    assert (counts.evaluation_id, counts.evaluated < first.evaluated + timedelta(seconds=5)) == (
        second.evaluation_id,
        True,
    )
    assert (await shown(database, span))[VALUE] == "0.9"


@pytest.mark.parametrize("seed", range(3))
async def test_what_counts_is_the_newest_revisions_last_success_in_any_order(
    database: Database, results: ClickHouseResults, seed: int
) -> None:
    """Against an oracle: successes before failures, then the revision, then the order of storing."""
    chance = random.Random(20261121 + seed)
    spans = [SentSpan() for _ in range(6)]
    await store(database, *spans)
    written: dict[TargetRef, list[Evaluation]] = {span.ref: [] for span in spans}
    for _ in range(40):
        span = chance.choice(spans)
        failed = chance.random() < 0.3
        result = a_result(
            span,
            Failure(code="JUDGE_TIMEOUT", message="late") if failed else Score(value=chance.random()),
            watermark_ms=1_795_000_000_000 + chance.randrange(4),
        )
        await results.append([by_a_worker_with(chance.uniform(-5, 5), result)])
        written[span.ref].append(result)
    for ref, history in written.items():
        best = max(
            enumerate(history),
            key=lambda each: (not isinstance(each[1].outcome, Failure), each[1].watermark_ms, each[0]),
            default=None,
        )
        expected = [best[1].evaluation_id] if best else []
        assert [each.evaluation_id for each in await current(results, ref)] == expected


async def stale(database: Database, *spans: SentSpan) -> list[tuple[str, str, str, str]]:
    """What `evaluations_stale` says of results on these spans, their traces and their sessions."""
    sessions = sorted({span.attributes.get("session.id", "") for span in spans} - {""})
    rows = await database.query(
        "SELECT toString(Level) AS level, MetricName AS metric, SourceClass AS source, Why AS why "
        "FROM evaluations_stale WHERE TraceId IN {traces:Array(String)} OR SessionId IN {sessions:Array(String)} "
        "ORDER BY Level, metric, source",
        {"traces": [span.trace_id for span in spans], "sessions": sessions},
    )
    return [(row["level"], row["metric"], row["source"], row["why"]) for row in rows]


async def results_on_all_levels(database: Database, span: SentSpan) -> list[Evaluation]:
    """Of a machine and of a person, on the span, its trace and its session as they are now."""
    refs = (span.ref, span.trace, TargetRef(level=Level.SESSION, session_id=span.attributes["session.id"]))
    records = [await located(database, ref) for ref in refs]
    return [
        a_result(
            span,
            target=record.ref,
            kind=kind,
            target_time_ns=record.target_time_ns,
            watermark_ms=record.watermark_ms,
        )
        for record in records
        for kind in (MetricKind.JUDGE, MetricKind.HUMAN)
    ]


async def test_a_value_is_stale_until_it_is_replaced_and_a_persons_is_of_an_earlier_revision(
    database: Database, results: ClickHouseResults
) -> None:
    """On every level: of a span a log is what comes later, of a trace and a session whatever comes."""
    span = SentSpan(attributes={"session.id": f"chat-{uuid.uuid4().hex}"})
    await store(database, span)
    await results.append(await results_on_all_levels(database, span))
    assert await stale(database, span) == []
    await store(database, SentSpan(trace_id=span.trace_id, parent=span.span_id))
    newer, older = "target has a newer revision", "made on an earlier revision"
    of_both = [(level, "quality", source, why) for level in ("trace", "session")
               for source, why in (("auto", newer), ("human", older))]  # fmt: skip
    assert await stale(database, span) == of_both
    await store_log(database, span)
    of_all = [("span", "quality", "auto", newer), ("span", "quality", "human", older), *of_both]
    assert await stale(database, span) == of_all
    await store_log(database, span, event="gen_ai.evaluation.result")
    await results.append(await results_on_all_levels(database, span))
    assert await stale(database, span) == [], "our own results make nothing new, and a new one replaces the old"


async def test_a_failure_does_not_replace_and_is_told(database: Database, results: ClickHouseResults) -> None:
    """What stands is the older success; an external result is the sender's to repeat."""
    span = SentSpan()
    await store(database, span)
    at = (await located(database, span.trace)).watermark_ms
    told = a_result(span, target=span.trace, kind=MetricKind.EXTERNAL, metric="told", watermark_ms=at)
    good = a_result(span, target=span.trace, watermark_ms=at)
    await results.append([good, told])
    await store(database, SentSpan(trace_id=span.trace_id, parent=span.span_id))
    later = (await located(database, span.trace)).watermark_ms
    failed = a_result(span, Failure(code="JUDGE_TIMEOUT", message="late"), target=span.trace, watermark_ms=later)
    await results.append([failed])
    assert await stale(database, span) == [
        ("trace", "quality", "auto", "newest attempt failed"),
        ("trace", "told", "auto", "made on an earlier revision"),
    ]
    assert {each.evaluation_id for each in await current(results, span.trace)} == {
        good.evaluation_id,
        told.evaluation_id,
    }


async def test_the_last_revision_of_many_targets_is_known_at_once(
    database: Database, results: ClickHouseResults
) -> None:
    """As `locate` says it of each; of spans to which no log came nothing is said, since nothing can have come."""
    session = f"né\t'\\{uuid.uuid4().hex}"
    spans = [SentSpan(attributes={"session.id": session}) for _ in range(4)]
    await store(database, *spans[:2])
    await store(database, *spans[2:])
    await store_log(database, spans[0])
    whole = TargetRef(level=Level.SESSION, session_id=session)
    refs: Sequence[TargetRef] = [*(span.ref for span in spans), *(span.trace for span in spans), whole]
    found = await results.revised(refs)
    expected = {ref: record.watermark_ms for ref, record in (await ClickHouseTelemetry(database).locate(refs)).items()}
    assert found == {ref: at for ref, at in expected.items() if ref.level is not Level.SPAN or ref == spans[0].ref}
    assert await results.revised([]) == {}
    assert await results.revised([SentSpan().trace]) == {}
