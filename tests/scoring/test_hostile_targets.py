"""Targets of every shape that telemetry can have: each gets an answer, and none takes the others with it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from scoring_parts import Scoring, otlp, scoring
from storing import SECOND_NS, SentSpan, a_chat, new_trace_id, store

from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.request import EvaluationRequest, InlineTarget, MetricRef, Target
from evaluator.scoring.subject import MAX_INLINE_SPANS, Subject, resolve, spans_below
from evaluator.scoring.traces import Traces
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Abstention, Evaluation, Level, MetricKind, Outcome, OutputType, Score, TargetRef

START = 1_700_000_000 * SECOND_NS
EVERY_PLANE = "".join(chr(plane * 0x10000 + 0xABC) for plane in range(17)) + "\u202eabc\u0000\ufeff e\u0301"


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[Scoring]:
    """Everything, on the module's database."""
    async with scoring(database) as ready:
        yield ready


async def lengths(parts: Scoring, *targets: Target) -> list[Outcome]:
    """What a metric concludes that counts the characters of the output at every level."""
    metric = MetricDefinition(
        name=f"length_{uuid.uuid4().hex}", levels=(Level.SPAN, Level.TRACE, Level.SESSION), kind=MetricKind.CODE,
        output_type=OutputType.COUNT, function="response_length",
    )  # fmt: skip
    await parts.metrics.create(metric)
    request = EvaluationRequest(
        targets=targets, metrics=(MetricRef(name=metric.name),), origin=uuid.uuid4().hex, wait_seconds=60.0
    )
    answers = await parts.engine.evaluate(request)
    return [each.outcome for each in answers if isinstance(each, Evaluation)]


async def subject_of(database: Database, ref: TargetRef) -> Subject:
    """A stored target, read afresh."""
    [found] = await resolve(Traces(ClickHouseTelemetry(database)), [ref], time_hint_ns=None)
    return found


def session(session_id: str) -> TargetRef:
    """As a target."""
    return TargetRef(level=Level.SESSION, session_id=session_id)


async def test_a_target_without_content_is_not_applicable_at_every_level(parts: Scoring) -> None:
    """Nothing was captured, so nothing is concluded: not a zero."""
    session_id = new_trace_id()
    empty = SentSpan(name="", attributes={"session.id": session_id})
    await store(parts.database, empty)
    nothing = Abstention(reason="no output")
    assert await lengths(parts, empty.ref, empty.trace, session(session_id)) == [nothing] * 3


async def test_circles_strangers_and_copies_are_all_spans_of_their_trace(parts: Scoring) -> None:
    """Parents in a circle, a parent that never came, a span that is its own parent (the root), one that came twice."""
    trace_id, ids = new_trace_id(), [f"{number:016x}" for number in range(1, 7)]
    parents = [ids[1], ids[0], ids[2], "f" * 16, ids[3], ids[4]]
    spans = [
        a_chat(answer="x" * number, trace_id=trace_id, span_id=span_id, parent=parent, start_ns=START + number)
        for number, (span_id, parent) in enumerate(zip(ids, parents, strict=True), 1)
    ]
    await store(parts.database, *spans, spans[4])
    subject = await subject_of(parts.database, spans[0].trace)
    assert [each.record.ref for each in spans_below(subject)] == [span.ref for span in spans]
    found = await lengths(parts, *(span.ref for span in spans), spans[0].trace)
    assert found == [Score(value=float(number)) for number in (1, 2, 3, 4, 5, 6, 3)]


async def test_text_of_every_plane_reaches_a_metric_as_it_was_sent(parts: Scoring) -> None:
    """Counted in code points, at all three levels, by a session whose id is such a text."""
    chat = a_chat(EVERY_PLANE, EVERY_PLANE, attributes={"session.id": EVERY_PLANE})
    await store(parts.database, chat)
    subject = await subject_of(parts.database, session(EVERY_PLANE))
    assert subject.material.inputs["messages"] == f"user: {EVERY_PLANE}\nassistant: {EVERY_PLANE}"
    found = await lengths(parts, chat.ref, chat.trace, session(EVERY_PLANE))
    assert found == [Score(value=float(len(EVERY_PLANE)))] * 3


async def test_a_trace_of_ten_thousand_spans_is_scored(parts: Scoring) -> None:
    """Stored and inline; below it stand ten thousand spans."""
    root = SentSpan(start_ns=START, duration_ns=60 * SECOND_NS, attributes={"output.value": "all done"})
    steps = [
        SentSpan(trace_id=root.trace_id, parent=root.span_id, start_ns=START + number, attributes={"n": str(number)})
        for number in range(1, MAX_INLINE_SPANS)
    ]
    await store(parts.database, root, *steps)
    brought = InlineTarget(ref=root.trace, otlp=otlp(root, *steps))
    assert await lengths(parts, root.trace, brought) == [Score(value=8.0)] * 2
    below = spans_below(await subject_of(parts.database, root.trace))
    assert [each.record.ref for each in below] == [span.ref for span in (root, *steps)]
    with pytest.raises(ValueError, match=f"may hold {MAX_INLINE_SPANS} spans, got {MAX_INLINE_SPANS + 1}"):
        await lengths(parts, InlineTarget(ref=root.trace, otlp=otlp(root, *steps, SentSpan(trace_id=root.trace_id))))


async def test_a_session_of_a_thousand_traces_is_scored(parts: Scoring) -> None:
    """Every turn is in the conversation, in order."""
    session_id = new_trace_id()
    turns = [
        a_chat(f"q{number}", f"a{number}", start_ns=START + number * SECOND_NS, attributes={"session.id": session_id})
        for number in range(1_000)
    ]
    await store(parts.database, *reversed(turns))
    assert await lengths(parts, session(session_id)) == [Score(value=4.0)]
    subject = await subject_of(parts.database, session(session_id))
    said = [line for number in range(1_000) for line in (f"user: q{number}", f"assistant: a{number}")]
    assert subject.material.inputs["messages"].splitlines() == said
    assert len(spans_below(subject)) == 2_000
