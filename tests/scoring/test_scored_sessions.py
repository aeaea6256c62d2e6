"""Sessions through the one path: resolved, scored, stored, and shown where SQL looks for them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from scoring_parts import Scoring, scoring
from storing import SECOND_NS, SentSpan, a_chat, new_trace_id, store

from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.request import EvaluationRequest, MetricRef
from evaluator.scoring.subject import Subject, resolve, spans_below
from evaluator.scoring.traces import Traces
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.model import Evaluation, Level, MetricKind, OutputType, Score, TargetRef

LENGTH = MetricDefinition(
    name="session_length", levels=(Level.SESSION,), kind=MetricKind.CODE, output_type=OutputType.COUNT,
    function="response_length",
)  # fmt: skip
PROMPT = "Did the assistant answer?\n{{messages}}"


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[Scoring]:
    """Everything, on the module's database."""
    async with scoring(database) as ready:
        yield ready


def session(session_id: str) -> TargetRef:
    """As a target."""
    return TargetRef(level=Level.SESSION, session_id=session_id)


def turns(session_id: str, start_ns: int) -> list[list[SentSpan]]:
    """Two traces of a session: a run with a retriever and a model call; a single call by another service."""
    of_session = {"session.id": session_id}
    root = SentSpan(name="run", start_ns=start_ns, duration_ns=9 * SECOND_NS, attributes=of_session)
    found = '[{"id": "d1", "content": "Paris is the capital."}]'
    return [
        [
            root,
            SentSpan(
                trace_id=root.trace_id, parent=root.span_id, name="search", start_ns=start_ns + 1,
                attributes={"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": found},
            ),
            a_chat(trace_id=root.trace_id, parent=root.span_id, start_ns=start_ns + SECOND_NS, attributes=of_session),
        ],
        [
            a_chat("And of Italy?", "Rome.", service="bot", start_ns=start_ns + 60 * SECOND_NS, attributes=of_session),
        ],
    ]  # fmt: skip


async def subject_of(database: Database, ref: TargetRef) -> Subject:
    """A stored target, read afresh."""
    [found] = await resolve(Traces(ClickHouseTelemetry(database)), [ref], time_hint_ns=None)
    return found


async def test_a_session_is_read_turn_by_turn_in_start_order(database: Database) -> None:
    """Though the later turn arrived first."""
    session_id, start_ns = new_trace_id(), 1_700_000_000 * SECOND_NS
    first, second = turns(session_id, start_ns)
    await store(database, *second)
    await store(database, *first)
    subject = await subject_of(database, session(session_id))
    assert subject.material.inputs["messages"] == (
        "user: What is the capital of France?\nassistant: Paris.\nuser: And of Italy?\nassistant: Rome."
    )
    assert subject.material.inputs["context"] == "Paris is the capital."
    assert (subject.material.kind, subject.refused, subject.record.anchor) == ("", "", second[0].anchor)


async def test_what_stands_below_a_session_is_what_would_be_located(database: Database) -> None:
    """Its traces in start order, each followed by its spans, with the same times, anchors and watermarks."""
    session_id, start_ns = new_trace_id(), 1_700_100_000 * SECOND_NS
    first, second = turns(session_id, start_ns)
    await store(database, *second)
    await store(database, *first)
    below = spans_below(await subject_of(database, session(session_id)))
    refs = [first[0].trace, *(span.ref for span in first), second[0].trace, second[0].ref]
    located = await ClickHouseTelemetry(database).locate(refs)
    assert [each.record for each in below] == [located[ref] for ref in refs]
    assert [each.material.kind for each in below] == ["", "other", "retriever", "llm", "", "llm"]
    assert [each.record.traces for each in below] == [located[ref].traces for ref in refs]
    of_trace = spans_below(await subject_of(database, first[0].trace))
    assert [each.record for each in of_trace] == [each.record for each in below[1:4]]
    assert below[3].material.inputs["context"] == "Paris is the capital."
    assert spans_below(below[3]) == []


async def test_a_result_of_a_session_is_shown_on_its_anchor_and_in_the_view(parts: Scoring) -> None:
    """A code metric and a judge, stored under the session's id, written back onto the root of its first trace."""
    session_id, start_ns = new_trace_id(), 1_700_200_000 * SECOND_NS
    first, second = turns(session_id, start_ns)
    await store(parts.database, *first)
    await store(parts.database, *second)
    judge = MetricDefinition(
        name="session_answered", levels=(Level.SESSION,), kind=MetricKind.JUDGE, output_type=OutputType.BOOLEAN,
        prompt=PROMPT,
    )  # fmt: skip
    await parts.metrics.create(LENGTH)
    await parts.metrics.create(judge)
    answers = await parts.engine.evaluate(
        EvaluationRequest(
            targets=(session(session_id),),
            metrics=(MetricRef(name="session_length"), MetricRef(name="session_answered")),
            origin=uuid.uuid4().hex,
        )
    )
    results = [each for each in answers if isinstance(each, Evaluation)]
    assert [(each.target, each.anchor, each.target_time_ns // 10**6) for each in results] == [
        (session(session_id), first[0].anchor, results[0].target_time_ns // 10**6)
    ] * 2
    assert results[0].outcome == Score(value=5.0)
    judged = results[1].outcome
    assert isinstance(judged, Score)
    write_back = ClickHouseWriteBack(parts.database)
    await write_back.project(since_ms=0, lag_seconds=60, limit=1000)
    prefix = "gen_ai.evaluation."
    keys = {"a": f"{prefix}session.session_length.score.value", "b": f"{prefix}session.session_answered.score.label"}
    [row] = await parts.database.query(
        "SELECT EvaluationAttributes[{a:String}] AS a, EvaluationAttributes[{b:String}] AS b FROM spans"
        " WHERE TraceId = {trace:String} AND SpanId = {span:String}",
        {**keys, "trace": first[0].trace_id, "span": first[0].span_id},
    )
    assert row == {"a": "5", "b": judged.label}
    [row] = await parts.database.query(
        "SELECT EvaluationAttributes[{a:String}] AS a, EvaluationAttributes[{b:String}] AS b, AnchorSpanId AS anchor"
        " FROM sessions WHERE SessionId = {id:String}",
        {"a": f"{prefix}session_length.score.value", "b": f"{prefix}session_answered.score.label", "id": session_id},
    )
    assert row == {"a": "5", "b": judged.label, "anchor": first[0].span_id}
