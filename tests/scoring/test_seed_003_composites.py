"""The six scorers of seed 003, as they stand there, on a nested agent trace and on a session without tools."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from composite_parts import KIND, asked, session_of
from scoring_parts import Scoring, scoring
from storing import SentSpan, new_trace_id, store

from evaluator.metrics.definition import MetricDefinition
from storage.clickhouse.client import Database
from storage.model import Evaluation, Failure, Level, MetricKind, OutputType, Score, TargetRef
from storage.results import ResultFilter

SEED = Path(__file__).parents[1] / "fixtures" / "documents" / "composite_metrics.txt"
LLM, TRACE, SESSION = Level.SPAN, Level.TRACE, Level.SESSION
SSN = "123-45-6789"


def scorers() -> list[str]:
    """The sources, in the seed's order; the bracket that stands lost after the last one is left out."""
    text = SEED.read_text(encoding="utf-8")
    blocks = re.findall(
        r"((?:from galileo import [^\n]*\n\n)?def scorer_fn.*?)(?=\n\n[A-Z#][^\n]*\n|\n\]\n|\Z)", text, re.S
    )
    assert len(blocks) == 6
    return [block.strip() + "\n" for block in blocks]


NAMES = ("conditional", "hierarchical", "multi_metric", "cross_span", "accessing", "complete")
LEVELS = (LLM, SESSION, LLM, TRACE, LLM, SESSION)
REQUIRED = (
    ("correctness", "context_adherence"),
    ("context_adherence",),
    ("output_pii",),
    ("context_relevance", "context_adherence"),
    ("context_adherence", "My Custom Metric"),
    ("conversation_quality", "action_completion", "agent_efficiency", "action_completion_luna", "action_advancement",
     "context_adherence", "context_relevance", "tool_error_rate"),
)  # fmt: skip


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[Scoring]:
    """An engine with the catalogue, the sandbox and a judge, and the six composites saved."""
    async with scoring(database) as ready:
        known = {record.definition.name for record in await ready.metrics.live(limit=10_000)}
        if "my_custom_metric" not in known:
            custom = (
                "from galileo import LlmSpan\n\ndef scorer_fn(*, step_object: LlmSpan, **kwargs):\n    return 0.5\n"
            )
            await ready.metrics.create(
                MetricDefinition(
                    name="my_custom_metric",
                    display_name="My Custom Metric",
                    kind=MetricKind.CODE,
                    levels=(Level.SPAN,),
                    span_kinds=("llm",),
                    output_type=OutputType.PERCENTAGE,
                    source=custom,
                )
            )
            for name, level, required, source in zip(NAMES, LEVELS, REQUIRED, scorers(), strict=True):
                record = await ready.metrics.create(_composite(name, level, required, source))
                assert record.warnings == ()
        yield ready


def _composite(name: str, level: Level, required: Sequence[str], source: str) -> MetricDefinition:
    return MetricDefinition(
        name=f"seed_{name}",
        kind=MetricKind.COMPOSITE,
        levels=(level,),
        span_kinds=("llm",) if level is Level.SPAN else (),
        output_type=OutputType.COUNT if name == "multi_metric" else OutputType.PERCENTAGE,
        required_metrics=tuple(required),
        source=source,
    )


def said(role: str, text: str) -> str:
    """One message of a model call."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def a_call(trace: Mapping[str, Any], number: int, question: str, answer: str, *, parent: str) -> SentSpan:
    """A model call with its context inside its prompt."""
    prompt = f"Context:\nFrance's capital is Paris.\n\nQuestion: {question}"
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.input.messages": said("user", prompt),
        "gen_ai.output.messages": said("assistant", answer),
    }
    return _below(trace, number, "chat gpt-4o", attributes, parent=parent)


def _below(trace: Mapping[str, Any], number: int, name: str, attributes: Mapping[str, str], *, parent: str) -> SentSpan:
    return SentSpan(
        trace_id=trace["trace_id"],
        parent=parent,
        name=name,
        start_ns=trace["start_ns"] + 10_000_000 * number,
        duration_ns=5_000_000,
        attributes={**attributes, "session.id": trace["session"]},
    )


def a_run(session: str, *, answer: str = "Paris.", tools: bool = True) -> list[SentSpan]:
    """An agent's run, nested three deep: root → step → retriever, tool and model calls; or model calls alone."""
    root = SentSpan(
        trace_id=new_trace_id(),
        name="agent",
        duration_ns=100_000_000,
        attributes={
            KIND: "AGENT",
            "session.id": session,
            "input.value": "What is the capital of France?",
            "output.value": answer,
        },
    )
    trace = {"trace_id": root.trace_id, "start_ns": root.start_ns, "session": session}
    step = _below(trace, 1, "step", {KIND: "CHAIN", "input.value": "think"}, parent=root.span_id)
    spans = [root, step]
    if tools:
        documents = {
            KIND: "RETRIEVER",
            "input.value": "capital of France",
            "retrieval.documents.0.document.content": "Paris is the capital of France.",
        }
        spans.append(_below(trace, 2, "search", documents, parent=step.span_id))
        tool = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "population",
            "gen_ai.tool.call.arguments": '{"city": "Paris"}',
            "gen_ai.tool.call.result": "2.1 million",
        }
        spans.append(_below(trace, 3, "population", tool, parent=step.span_id))
    spans.append(a_call(trace, 4, "What is the capital of France?", answer, parent=step.span_id))
    spans.append(a_call(trace, 5, "And its number of people?", f"{answer} Two million. {SSN}", parent=step.span_id))
    return spans


async def results_of(parts: Scoring, *refs: TargetRef) -> dict[tuple[TargetRef, str], Evaluation]:
    """What counts now of every metric on these targets."""
    found = await parts.results.newest(ResultFilter(targets=refs), before=None, limit=10_000)
    return {(each.target, each.metric): each for each in found}


def value(results: Mapping[tuple[TargetRef, str], Evaluation], ref: TargetRef, metric: str) -> float:
    """Of one success."""
    outcome = results[ref, metric].outcome
    assert isinstance(outcome, Score)
    assert outcome.value is not None
    return outcome.value


def mean(values: Sequence[float], otherwise: float = 0.5) -> float:
    """As the seed's."""
    return sum(values) / len(values) if values else otherwise


def of_kind(spans: Sequence[SentSpan], word: str) -> list[SentSpan]:
    """Spans by their names."""
    return [span for span in spans if word in span.name]


async def scored(parts: Scoring, ref: TargetRef, name: str) -> float:
    """The value of one composite."""
    (answer,) = await parts.engine.evaluate(asked(ref, metrics=(f"seed_{name}",)))
    assert isinstance(answer, Evaluation)
    assert isinstance(answer.outcome, Score), answer.outcome
    assert answer.outcome.value is not None
    return answer.outcome.value


async def test_the_scorers_of_a_span_see_its_own_metrics(parts: Scoring) -> None:
    """Conditional, multi-metric, and enum and display name mixed."""
    spans = a_run(f"session-{uuid.uuid4().hex}")
    await store(parts.database, *spans)
    right, other = of_kind(spans, "chat")
    assert await scored(parts, other.ref, "multi_metric") in (0.0, 1.0)
    conditional = await scored(parts, right.ref, "conditional")
    accessing = await scored(parts, right.ref, "accessing")
    found = await results_of(parts, right.ref, other.ref)
    adherence = value(found, right.ref, "context_adherence")
    assert conditional == (adherence if value(found, right.ref, "correctness") >= 0.7 else 0.0)
    assert accessing == pytest.approx((adherence + 0.5) / 2)
    leaked = value(found, other.ref, "output_pii")
    assert await scored(parts, other.ref, "multi_metric") == leaked
    assert (right.ref, "output_pii") not in found


async def test_the_scorer_of_a_trace_sees_its_spans(parts: Scoring) -> None:
    """Retriever and model calls of a nested trace; the last of each counts, as the seed's loop has it."""
    spans = a_run(f"session-{uuid.uuid4().hex}")
    await store(parts.database, *spans)
    combined = await scored(parts, spans[0].trace, "cross_span")
    found = await results_of(parts, *(span.ref for span in spans), spans[0].trace)
    relevance = value(found, of_kind(spans, "search")[0].ref, "context_relevance")
    adherence = value(found, of_kind(spans, "chat")[-1].ref, "context_adherence")
    assert combined == pytest.approx((relevance + adherence) / 2)
    assert (spans[0].trace, "context_adherence") not in found, "the source reads it on spans only"


@pytest.mark.parametrize("tools", [True, False], ids=["with tools", "without tools"])
async def test_the_scorers_of_a_session_see_all_of_it(parts: Scoring, tools: bool) -> None:
    """Two traces; where there are no tools and retrievers, the seed's `else 0.5` holds."""
    name = f"session-{uuid.uuid4().hex}"
    runs = [a_run(name, tools=tools), a_run(name, answer="Lyon.", tools=tools)]
    await store(parts.database, *runs[0], *runs[1])
    session = session_of(name)
    average = await scored(parts, session, "hierarchical")
    complete = await scored(parts, session, "complete")
    spans, traces = [*runs[0], *runs[1]], [run[0].trace for run in runs]
    found = await results_of(parts, session, *traces, *(span.ref for span in spans))
    llm = [value(found, span.ref, "context_adherence") for span in of_kind(spans, "chat")]
    assert average == pytest.approx(mean(llm))
    own = [value(found, session, each) for each in ("conversation_quality", "action_completion", "agent_efficiency")]
    of_traces = [value(found, ref, each) for ref in traces for each in ("action_completion_luna", "action_advancement")]
    retrieved = [value(found, span.ref, "context_relevance") for span in of_kind(spans, "search")]
    called = [1 - value(found, span.ref, "tool_error_rate") for span in of_kind(spans, "population")]
    assert (len(retrieved), len(called)) == ((2, 2) if tools else (0, 0))
    assert complete == pytest.approx((mean(own) + mean(of_traces) + mean(llm) + mean(retrieved) + mean(called)) / 5)
    computed = {(ref.level, metric) for ref, metric in found if not metric.startswith("seed_")}
    assert computed == {
        *((SESSION, each) for each in ("conversation_quality", "action_completion", "agent_efficiency")),
        *((TRACE, each) for each in ("action_completion_luna", "action_advancement")),
        (LLM, "context_adherence"),
        *(((LLM, "context_relevance"), (LLM, "tool_error_rate")) if tools else ()),
    }  # fmt: skip


async def test_a_call_without_context_gates_by_the_letter(parts: Scoring) -> None:
    """`not_applicable` on a span of the right kind is no success: the error names metric, status and span."""
    name = f"session-{uuid.uuid4().hex}"
    spans = a_run(name)
    bare = SentSpan(
        trace_id=spans[0].trace_id,
        parent=spans[1].span_id,
        name="plan",
        start_ns=spans[0].start_ns + 1,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": said("user", "Make a plan."),
            "gen_ai.output.messages": said("assistant", "1. Search."),
        },
    )
    await store(parts.database, *spans, bare)
    (answer,) = await parts.engine.evaluate(asked(spans[0].trace, metrics=("seed_cross_span",)))
    found = await results_of(parts, bare.ref)
    assert isinstance(answer, Evaluation)
    assert answer.outcome == Failure(
        code="REQUIRED_METRIC_FAILED",
        message="required metrics without success: context_adherence not_applicable on "
        f"span {bare.ref.key} (no context; result {found[bare.ref, 'context_adherence'].evaluation_id})",
    )
