"""The third seed's composite metrics (Galileo), with their import lines changed, sent as functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from running_front import running_front

from assay import GalileoMetrics, LlmSpan, Session, Trace
from assay.client import AsyncClient
from evaluator.metrics.code.step import EXPORTS
from evaluator.sandbox.source import compile_scorer
from storage.clickhouse.client import Database
from storage.model import Level, MetricKind, OutputType


@pytest.fixture
async def client(database: Database) -> AsyncIterator[AsyncClient]:
    """A client of a running server."""
    async with running_front(database) as front, AsyncClient(front.address) as opened:
        yield opened


def conditional() -> Callable[..., float]:
    """Calculate a metric only when another metric meets certain criteria."""

    def scorer_fn(*, step_object: LlmSpan, **kwargs) -> float:  # type: ignore[no-untyped-def]  # the seed's
        # Only calculate adherence if correctness score is high
        correctness = step_object.metrics[GalileoMetrics.correctness]
        if correctness < 0.7:
            return 0.0  # Skip adherence calculation for incorrect inputs

        # Calculate adherence for correct inputs
        adherence = step_object.metrics[GalileoMetrics.context_adherence]
        return adherence  # type: ignore[no-any-return]  # noqa: RET504

    return scorer_fn


def hierarchical() -> Callable[..., float]:
    """Aggregate metric values across different levels."""

    def scorer_fn(*, step_object: Session, **kwargs) -> float:  # type: ignore[no-untyped-def]  # the seed's
        llm_scores = []

        # Collect scores from all LLM spans across all traces
        for trace in step_object.traces:
            for span in trace.spans:
                if span.type == "llm":
                    score = span.metrics[GalileoMetrics.context_adherence]
                    llm_scores.append(score)

        # Return average score
        return sum(llm_scores) / len(llm_scores) if llm_scores else 0.0

    return scorer_fn


def multi_metric() -> Callable[..., int]:
    """Check for PII and count occurrences if found."""

    def scorer_fn(*, step_object: LlmSpan, **kwargs) -> int:  # type: ignore[no-untyped-def]  # the seed's
        # Check if PII is present
        has_pii = step_object.metrics[GalileoMetrics.output_pii]

        if not has_pii:
            return 0

        # If PII found, count how many times SSN pattern appears
        import re

        output = step_object.output.content
        ssn_pattern = r"\b\d{3}-\d{2}-\d{4}\b"
        ssn_count = len(re.findall(ssn_pattern, output))

        return ssn_count  # noqa: RET504

    return scorer_fn


def cross_span() -> Callable[..., float]:
    """Combine retriever and LLM metrics for RAG evaluation."""

    def scorer_fn(*, step_object: Trace, **kwargs) -> float:  # type: ignore[no-untyped-def]  # the seed's
        retriever_score = 0.0
        llm_score = 0.0

        for span in step_object.spans:
            if span.type == "retriever":
                retriever_score = span.metrics[GalileoMetrics.context_relevance]
            elif span.type == "llm":
                llm_score = span.metrics[GalileoMetrics.context_adherence]

        # Combine both scores
        return (retriever_score + llm_score) / 2

    return scorer_fn


def with_a_custom_metric() -> Callable[..., float]:
    """Access metrics using the same enum or string used in required_metrics."""

    def scorer_fn(*, step_object: LlmSpan, **kwargs) -> float:  # type: ignore[no-untyped-def]  # the seed's
        # Access metrics using the same enum or string used in required_metrics
        adherence = step_object.metrics[GalileoMetrics.context_adherence]
        custom_score = step_object.metrics["My Custom Metric"]

        # Use the metric values in your logic
        return (adherence + custom_score) / 2  # type: ignore[no-any-return]

    return scorer_fn


def complete() -> Callable[..., float]:
    """Multi-level session metric; the stray bracket after it removed."""

    def scorer_fn(*, step_object: Session, **kwargs) -> float:  # type: ignore[no-untyped-def]  # the seed's
        """
        Comprehensive session score combining metrics from all hierarchy levels.
        """
        # Session-level metrics
        conversation_quality = step_object.metrics[GalileoMetrics.conversation_quality]
        action_completion = step_object.metrics[GalileoMetrics.action_completion]
        agent_efficiency = step_object.metrics[GalileoMetrics.agent_efficiency]

        # Collect trace-level metrics
        trace_scores = []
        for trace in step_object.traces:
            trace_scores.append(trace.metrics[GalileoMetrics.action_completion_luna])
            trace_scores.append(trace.metrics[GalileoMetrics.action_advancement])

        # Collect span-level metrics by type
        llm_scores = []
        retriever_scores = []
        tool_scores = []

        for trace in step_object.traces:
            for span in trace.spans:
                if span.type == "llm":
                    llm_scores.append(span.metrics[GalileoMetrics.context_adherence])
                elif span.type == "retriever":
                    retriever_scores.append(span.metrics[GalileoMetrics.context_relevance])
                elif span.type == "tool":
                    tool_scores.append(1 - span.metrics[GalileoMetrics.tool_error_rate])

        # Calculate averages for each level
        session_avg = (conversation_quality + action_completion + agent_efficiency) / 3
        trace_avg = sum(trace_scores) / len(trace_scores) if trace_scores else 0.5
        llm_avg = sum(llm_scores) / len(llm_scores) if llm_scores else 0.5
        retriever_avg = sum(retriever_scores) / len(retriever_scores) if retriever_scores else 0.5
        tool_avg = sum(tool_scores) / len(tool_scores) if tool_scores else 0.5

        # Return weighted average across all levels
        return (session_avg + trace_avg + llm_avg + retriever_avg + tool_avg) / 5  # type: ignore[no-any-return]

    return scorer_fn


@pytest.mark.parametrize(
    ("scorer", "required", "level", "kinds", "output_type"),
    [
        (conditional(), ["correctness", "context_adherence"], Level.SPAN, ("llm",), OutputType.NUMBER),
        (hierarchical(), ["context_adherence"], Level.SESSION, (), OutputType.NUMBER),
        (multi_metric(), ["output_pii"], Level.SPAN, ("llm",), OutputType.COUNT),
        (cross_span(), ["context_relevance", "context_adherence"], Level.TRACE, (), OutputType.NUMBER),
        (
            complete(),
            [
                "conversation_quality", "action_completion", "agent_efficiency", "action_completion_luna",
                "action_advancement", "context_adherence", "context_relevance", "tool_error_rate",
            ],
            Level.SESSION, (), OutputType.NUMBER,
        ),
    ],
    ids=["conditional", "hierarchical", "multi_metric", "cross_span", "complete"],
)  # fmt: skip
async def test_seed_003_composites_are_made_of_functions(
    client: AsyncClient,
    request: pytest.FixtureRequest,
    scorer: Callable[..., object],
    required: Sequence[str],
    level: Level,
    kinds: tuple[str, ...],
    output_type: OutputType,
) -> None:
    """Level, kinds and output type follow from the annotations, and what was sent is accepted without a warning."""
    enums = [GalileoMetrics(name) for name in required]
    made = await client.create_code_metric(f"Seed {request.node.name}", scorer, required_metrics=enums)
    metric = made.definition
    assert (metric.kind, metric.levels, metric.span_kinds, metric.output_type, metric.required_metrics) == (
        MetricKind.COMPOSITE, (level,), kinds, output_type, tuple(required),
    )  # fmt: skip
    assert made.warnings == ()
    assert compile_scorer(metric.source, exports=EXPORTS).names("metrics")


async def test_seed_003_mixes_enums_and_names_and_a_name_may_have_any_spelling(client: AsyncClient) -> None:
    """`"My Custom Metric"` is the metric that was made under that name."""

    def scorer_fn(*, step_object: LlmSpan, **kwargs: object) -> float:
        return len(step_object.output.content) / 100

    custom = await client.create_code_metric("My Custom Metric", scorer_fn)
    assert (custom.definition.name, custom.definition.kind) == ("my_custom_metric", MetricKind.CODE)
    made = await client.create_code_metric(
        "Adherence and mine",
        with_a_custom_metric(),
        required_metrics=[GalileoMetrics.context_adherence, "My Custom Metric"],
    )
    assert made.definition.required_metrics == ("context_adherence", "My Custom Metric")
    assert made.warnings == ()


async def test_seed_003_a_required_metric_that_is_not_used_is_a_warning(client: AsyncClient) -> None:
    """The seed's bad example: the metric is made, and its author told."""
    made = await client.create_code_metric(
        "Wasteful",
        conditional(),
        required_metrics=[GalileoMetrics.context_adherence, GalileoMetrics.correctness, GalileoMetrics.completeness],
    )
    (warning,) = made.warnings
    assert "'completeness' is never read" in warning
