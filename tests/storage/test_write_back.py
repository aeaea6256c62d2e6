"""Results on spans: exactly the attributes that docs/clickhouse.md promises, whatever order they come in."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from storing import SECOND_NS, SentSpan, a_result, located, store

from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.model import (
    Abstention,
    Evaluation,
    Failure,
    Level,
    MetricKind,
    Outcome,
    OutputType,
    Purpose,
    Score,
    Status,
    TargetRef,
)
from storage.writeback import WriteBackBatch

KEY = "gen_ai.evaluation."
HOSTILE = 'it\'s "quoted" \\ {curly} [list] {"json": [1, null]} \n\r\t\0 % $1 日本語 🦊'


@pytest.fixture
def results(database: Database) -> ClickHouseResults:
    """The module's store."""
    return ClickHouseResults(database)


async def project(database: Database, **settings: int) -> WriteBackBatch:
    """One round of the writer."""
    write_back = ClickHouseWriteBack(database, **settings)
    return await write_back.project(since_ms=await write_back.newest_ms(), lag_seconds=60, limit=10_000)


async def shown(database: Database, span: SentSpan, view: str = "spans") -> dict[str, str]:
    """The results among a span's attributes; both maps of the view agree, and nothing of the span's own is lost."""
    rows = await database.query(
        f"SELECT SpanAttributes AS merged, RawSpanAttributes AS raw, EvaluationAttributes AS own FROM {view} "
        "WHERE TraceId = {trace:String} AND SpanId = {span:String}",
        {"trace": span.trace_id, "span": span.span_id},
    )
    assert len(rows) == 1
    assert rows[0]["raw"] == dict(span.attributes)
    assert rows[0]["merged"] == rows[0]["raw"] | rows[0]["own"]
    return dict(rows[0]["own"])


async def a_span_with(database: Database, *evaluated: Mapping[str, Any]) -> tuple[SentSpan, dict[str, str]]:
    """A fresh span, results about it one after the other, and what it shows."""
    span = SentSpan(attributes={"mine": "stays", f"{KEY}fake": "also"})
    await store(database, span)
    for fields in evaluated:
        await ClickHouseResults(database).append([a_result(span, **fields)])
    await project(database)
    return span, await shown(database, span)


def success(value: float, **other: Any) -> dict[str, Any]:
    """A score."""
    return {"outcome": Score(value=value), **other}


FAILED = Failure(code="JUDGE_TIMEOUT", message="no answer within 60 s")
SPELLED: list[tuple[OutputType, Outcome, dict[str, str]]] = [
    (OutputType.BOOLEAN, Score(value=1.0, label="true"), {".score.value": "1", ".score.label": "true"}),
    (OutputType.BOOLEAN, Score(value=0.0, label="false"), {".score.value": "0", ".score.label": "false"}),
    (
        OutputType.CATEGORICAL,
        Score(label="polite", explanation="why"),
        {".score.label": "polite", ".explanation": "why"},
    ),
    (OutputType.CATEGORICAL, Score(value=0.5, label="so so"), {".score.value": "0.5", ".score.label": "so so"}),
    (OutputType.PERCENTAGE, Score(value=0.1 + 0.2), {".score.value": "0.30000000000000004"}),
    (OutputType.COUNT, Score(value=12.0), {".score.value": "12"}),
    (OutputType.MULTILABEL, Score(labels=("b", 'a"')), {".score.label": '["b","a\\""]'}),
    (OutputType.TEXT, Score(text="ü" * 600), {".score.label": "ü" * 512}),
    (OutputType.NUMBER, Score(value=1.0, explanation="ü" * 600), {".score.value": "1", ".explanation": "ü" * 512}),
    (OutputType.NUMBER, Abstention(reason="no output"), {".status": "not_applicable", ".explanation": "no output"}),
    (
        OutputType.NUMBER,
        Abstention(reason="stopped", status=Status.NOT_COMPUTED),
        {".status": "not_computed", ".explanation": "stopped"},
    ),
    (OutputType.NUMBER, FAILED, {".status": "failed", ".error.type": "JUDGE_TIMEOUT"}),
]


@pytest.mark.parametrize(("output_type", "outcome", "keys"), SPELLED, ids=[str(n) for n in range(len(SPELLED))])
async def test_a_result_is_spelled_on_its_span(
    database: Database, output_type: OutputType, outcome: Outcome, keys: dict[str, str]
) -> None:
    """These keys and no others; a key that has nothing to say is not there at all."""
    _, found = await a_span_with(database, {"outcome": outcome, "output_type": output_type})
    assert found == {f"{KEY}quality{key}": text for key, text in keys.items()}


async def test_hostile_explanations_and_labels_arrive_letter_by_letter(database: Database) -> None:
    """Quotes, NUL, braces and JSON pass through JSON and a patch of arrays; the span's neighbour is untouched."""
    neighbour = SentSpan(attributes={"a": "b"})
    await store(database, neighbour)
    _, found = await a_span_with(database, {"outcome": Score(label=HOSTILE, explanation=HOSTILE)})
    assert found == {f"{KEY}quality.score.label": HOSTILE, f"{KEY}quality.explanation": HOSTILE}
    assert await shown(database, neighbour) == {}


async def test_several_metrics_stand_side_by_side(database: Database) -> None:
    """The metric is in the key; results that come later keep the earlier ones."""
    span, first = await a_span_with(database, success(0.25, metric="a"), success(0.5, metric="b"))
    assert first == {f"{KEY}a.score.value": "0.25", f"{KEY}b.score.value": "0.5"}
    await ClickHouseResults(database).append([a_result(span, Score(value=1.0), metric="c")])
    await project(database)
    assert await shown(database, span) == first | {f"{KEY}c.score.value": "1"}


async def test_a_newer_result_takes_the_place_of_the_older_with_all_its_keys(database: Database) -> None:
    """A label or explanation of the old one must not stay beside the value of the new one."""
    span, first = await a_span_with(database, {"outcome": Score(value=0.5, label="so so", explanation="hm")})
    assert len(first) == 3
    await ClickHouseResults(database).append([a_result(span, Score(value=1.0), watermark_ms=5)])
    await project(database)
    assert await shown(database, span) == {f"{KEY}quality.score.value": "1"}


async def test_a_failure_shows_until_anything_better_comes_and_never_hides_it(database: Database) -> None:
    """A broken judge lowers nobody's average, before or after."""
    span, found = await a_span_with(database, {"outcome": FAILED})
    assert found == {f"{KEY}quality.status": "failed", f"{KEY}quality.error.type": "JUDGE_TIMEOUT"}
    await ClickHouseResults(database).append([a_result(span, Score(value=0.5), watermark_ms=1)])
    await project(database)
    assert await shown(database, span) == {f"{KEY}quality.score.value": "0.5"}
    await ClickHouseResults(database).append([a_result(span, FAILED, watermark_ms=9)])
    await project(database)
    assert await shown(database, span) == {f"{KEY}quality.score.value": "0.5"}


async def test_an_older_watermark_that_ends_later_never_wins(database: Database) -> None:
    """A slow worker that saw less of the target comes too late, whatever its clock says."""
    span, found = await a_span_with(database, success(0.9, watermark_ms=20), success(0.1, watermark_ms=10))
    assert found == {f"{KEY}quality.score.value": "0.9"}
    await ClickHouseResults(database).append([a_result(span, Score(value=0.2), watermark_ms=15)])
    await project(database)
    assert await shown(database, span) == found


async def test_the_later_of_two_results_with_one_watermark_wins(database: Database) -> None:
    """By the server's clock."""
    _, found = await a_span_with(database, success(0.9, watermark_ms=20), success(0.1, watermark_ms=20))
    assert found == {f"{KEY}quality.score.value": "0.1"}


async def test_the_highest_metric_version_with_an_outcome_wins(database: Database) -> None:
    """Recomputing an old version changes nothing; a new version that only failed does not hide the old one."""
    span, found = await a_span_with(
        database,
        success(0.2, metric_version=2),
        success(0.1, metric_version=1, watermark_ms=99),
        {"outcome": FAILED, "metric_version": 3, "watermark_ms": 99},
    )
    assert found == {f"{KEY}quality.score.value": "0.2"}
    await ClickHouseResults(database).append([a_result(span, Score(value=0.3), metric_version=3)])
    await project(database)
    assert await shown(database, span) == {f"{KEY}quality.score.value": "0.3"}


async def test_a_person_and_a_machine_do_not_hide_each_other(database: Database) -> None:
    """Human feedback is never overwritten by a machine, nor the other way round."""
    _, found = await a_span_with(
        database, success(0.1), success(1.0, kind=MetricKind.HUMAN), success(0.2, watermark_ms=50)
    )
    assert found == {f"{KEY}quality.score.value": "0.2", f"{KEY}human.quality.score.value": "1"}


@pytest.mark.parametrize("purpose", [Purpose.EXPERIMENT, Purpose.ALIGNMENT])
async def test_trials_never_show(database: Database, purpose: Purpose) -> None:
    """They are read by run."""
    _, found = await a_span_with(database, success(0.1, purpose=purpose))
    assert found == {}


async def test_a_trace_shows_its_results_itself_and_on_its_root(database: Database, results: ClickHouseResults) -> None:
    """`traces` has keys without the level; the root span has them with it; children have none."""
    root = SentSpan()
    child = SentSpan(trace_id=root.trace_id, parent=root.span_id, start_ns=root.start_ns - SECOND_NS, name="earlier")
    await store(database, root, child)
    record = await located(database, root.trace)
    assert record.anchor == root.anchor
    await results.append([_about(record.ref, root, Score(value=0.75, explanation="whole"))])
    await project(database)
    assert await shown(database, root) == {
        f"{KEY}trace.quality.score.value": "0.75",
        f"{KEY}trace.quality.explanation": "whole",
    }
    assert await shown(database, child) == {}
    assert await _view(database, "traces", "TraceId", root.trace_id) == {
        f"{KEY}quality.score.value": "0.75",
        f"{KEY}quality.explanation": "whole",
    }


async def test_a_trace_without_root_shows_its_results_on_the_earliest_span(
    database: Database, results: ClickHouseResults
) -> None:
    """And they stay there when the root comes after all, so that no stale copy is left behind."""
    late = SentSpan(parent="f" * 16)
    early = SentSpan(trace_id=late.trace_id, parent="f" * 16, start_ns=late.start_ns - SECOND_NS)
    await store(database, late, early)
    record = await located(database, late.trace)
    assert record.anchor == early.anchor
    await results.append([_about(record.ref, early, Score(value=0.5))])
    await project(database)
    root = SentSpan(trace_id=late.trace_id, span_id="f" * 16, start_ns=late.start_ns)
    await store(database, root)
    again = await located(database, late.trace)
    assert again.anchor == early.anchor
    await results.append([_about(again.ref, early, Score(value=1.0), watermark_ms=again.watermark_ms)])
    await project(database)
    assert await shown(database, early) == {f"{KEY}trace.quality.score.value": "1"}
    assert await shown(database, root) == {}


async def test_a_session_is_there_and_shows_its_results(database: Database, results: ClickHouseResults) -> None:
    """On the root of the trace that came first, and in the view `sessions` without the level."""
    session = f"s-{uuid.uuid4().hex}"
    first, second = (SentSpan(attributes={"session.id": session}) for _ in range(2))
    await store(database, first)
    await store(database, second)
    ref = TargetRef(level=Level.SESSION, session_id=session)
    await results.append([_about(ref, first, Score(value=0.5))])
    await project(database)
    assert await shown(database, first) == {f"{KEY}session.quality.score.value": "0.5"}
    assert await shown(database, second) == {}
    assert await _view(database, "sessions", "SessionId", session) == {f"{KEY}quality.score.value": "0.5"}
    rows = await database.query(
        "SELECT Traces, Spans, AnchorTraceId FROM sessions WHERE SessionId = {session:String}", {"session": session}
    )
    assert rows == [{"Traces": 2, "Spans": 2, "AnchorTraceId": first.trace_id}]


async def test_a_result_waits_for_its_span(fresh_database: Database) -> None:
    """A result may be stored before a slow writer's span: what was missing is staged again after a while."""
    database, results, span = fresh_database, ClickHouseResults(fresh_database), SentSpan()
    await results.append([a_result(span)])
    assert await project(database) == WriteBackBatch(staged=1, missing=1)
    await store(database, span)
    assert (await project(database)).staged == 0, "the next try comes after ten seconds"
    assert await project(database, retry_missing_seconds=0) == WriteBackBatch(staged=1, missing=0)
    assert await shown(database, span) == {f"{KEY}quality.score.value": "0.5"}


async def test_a_second_round_stages_nothing(fresh_database: Database) -> None:
    """What was projected is not projected again."""
    span = SentSpan()
    await store(fresh_database, span)
    await ClickHouseResults(fresh_database).append([a_result(span), a_result(span, FAILED, metric="other")])
    assert await project(fresh_database) == WriteBackBatch(staged=2, missing=0)
    assert await project(fresh_database) == WriteBackBatch(staged=0, missing=0)


async def test_a_limit_is_a_page_and_not_an_end(fresh_database: Database) -> None:
    """What does not fit one batch comes with the next."""
    spans = [SentSpan() for _ in range(5)]
    await store(fresh_database, *spans)
    await ClickHouseResults(fresh_database).append([a_result(span) for span in spans])
    write_back = ClickHouseWriteBack(fresh_database)
    newest = await write_back.newest_ms()
    staged = [(await write_back.project(since_ms=newest, lag_seconds=60, limit=2)).staged for _ in range(4)]
    assert staged == [2, 2, 1, 0]
    assert [await shown(fresh_database, span) for span in spans] == [{f"{KEY}quality.score.value": "0.5"}] * 5


async def test_a_batch_that_was_cut_off_is_finished_by_the_next_writer(fresh_database: Database) -> None:
    """Its process died after staging: nothing of it is on the spans, and nobody stages it again."""
    span = SentSpan()
    await store(fresh_database, span)
    await ClickHouseResults(fresh_database).append([a_result(span)])
    write_back = ClickHouseWriteBack(fresh_database)
    newest = await write_back.newest_ms()
    stage = {"batch": 1, "cursor_ms": newest, "lag": 60, "retry_after": 10, "max_rows": 10}
    await fresh_database.run("writeback_stage", stage)
    assert await project(fresh_database) == WriteBackBatch(staged=0, missing=0)
    assert await shown(fresh_database, span) == {}
    assert await write_back.resume() == 1
    assert await shown(fresh_database, span) == {f"{KEY}quality.score.value": "0.5"}
    assert await write_back.resume() == 0


async def test_the_newest_time_is_zero_without_results(fresh_database: Database) -> None:
    """And a round over nothing does nothing."""
    write_back = ClickHouseWriteBack(fresh_database)
    assert await write_back.newest_ms() == 0
    assert await write_back.project(since_ms=0, lag_seconds=60, limit=10) == WriteBackBatch(staged=0, missing=0)


async def test_copies_of_a_span_both_show_the_result(database: Database, results: ClickHouseResults) -> None:
    """A foreign writer may store a span twice; whichever copy a query finds, it has the result."""
    span = SentSpan()
    await store(database, span, span)
    await results.append([a_result(span)])
    await project(database)
    rows = await database.query(
        "SELECT EvaluationAttributes AS own FROM spans WHERE TraceId = {trace:String}", {"trace": span.trace_id}
    )
    assert rows == [{"own": {f"{KEY}quality.score.value": "0.5"}}] * 2
    assert await shown(database, span, "spans_dedup") == {f"{KEY}quality.score.value": "0.5"}


async def test_spans_of_other_traces_with_the_same_span_id_are_not_touched(
    database: Database, results: ClickHouseResults
) -> None:
    """Span ids are unique in their trace only."""
    span = SentSpan()
    twin = replace(span, trace_id=SentSpan().trace_id)
    await store(database, span, twin)
    await results.append([a_result(span)])
    await project(database)
    assert await shown(database, span) == {f"{KEY}quality.score.value": "0.5"}
    assert await shown(database, twin) == {}


def _about(ref: TargetRef, anchor: SentSpan, outcome: Outcome, **other: Any) -> Evaluation:
    return a_result(anchor, outcome, target=ref, **other)


async def _view(database: Database, view: str, column: str, key: str) -> dict[str, str]:
    rows = await database.query(
        f"SELECT EvaluationAttributes AS own FROM {view} WHERE {column} = {{key:String}}", {"key": key}
    )
    assert len(rows) == 1
    return dict(rows[0]["own"])
