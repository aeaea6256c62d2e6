"""Random trees, metrics, failures, orders of arrival and restarts: the engine concludes what ten lines conclude."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from composite_parts import KIND, SPAN, Leaves, a_trace, asked, composing, leaf, mean_of, session_of
from scoring_parts import otlp
from storing import SentSpan, located, store

from evaluator.metrics.composite.requirements import parsed
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.directory import Directory
from evaluator.scoring.engine import Engine
from evaluator.scoring.request import InlineTarget
from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Abstention, Evaluation, Failure, Level, MetricKind, Outcome, Score, Status, TargetRef

KINDS = ("llm", "tool", "retriever")
OUTCOMES: Sequence[Outcome] = (
    Score(value=0.0), Score(value=0.25), Score(value=1.0), Score(value=0.5),
    Failure(code="JUDGE_TIMEOUT", message="late"), Abstention(reason="no context"),
    Abstention(reason="cancelled", status=Status.NOT_COMPUTED),
)  # fmt: skip
Answer = tuple[Status, float | None]


def expected(
    metric: MetricDefinition,
    ref: TargetRef,
    below: Mapping[TargetRef, Sequence[tuple[TargetRef, str]]],
    metrics: Mapping[str, MetricDefinition],
    leaves: Leaves,
) -> Answer:
    """The oracle: required metrics where due, all of them successes, and their mean."""
    if metric.kind is not MetricKind.COMPOSITE:
        outcome = leaves.outcomes.get((metric.name, ref.key), Score(value=1.0))
        known = {Score: Status.SUCCESS, Failure: Status.FAILED}.get(type(outcome))
        return known or getattr(outcome, "status", Status.QUEUED), getattr(outcome, "value", None)
    name, level = parsed(metric.required_metrics[0])
    child = metrics[name]
    due = [
        each for each, kind in below[ref] if each.level is level and (not child.span_kinds or kind in child.span_kinds)
    ]
    found = [expected(child, each, below, metrics, leaves) for each in due]
    if any(status is not Status.SUCCESS for status, _ in found):
        return Status.FAILED, None
    values = [value for _, value in found if value is not None]
    return (Status.SUCCESS, sum(values) / len(values)) if values else (Status.NOT_APPLICABLE, None)


def answer(evaluation: object) -> Answer:
    """What the engine concluded, to compare."""
    assert isinstance(evaluation, Evaluation)
    value = getattr(evaluation.outcome, "value", None)
    return evaluation.status, None if value is None else pytest.approx(value)


def a_family(numbers: random.Random) -> dict[str, MetricDefinition]:
    """Leaves of random kinds, and composites over them and over each other."""
    metrics: dict[str, MetricDefinition] = {}
    for number in range(numbers.randint(1, 3)):
        kinds = tuple(numbers.sample(KINDS, numbers.randint(0, 2)))
        metrics[f"leaf_{number}"] = leaf(f"leaf_{number}", span_kinds=kinds)
    for number in range(numbers.randint(1, 3)):
        required = numbers.choice([name for name in metrics if metrics[name].levels == SPAN])
        kinds = metrics[required].span_kinds
        metrics[f"own_{number}"] = mean_of(f"own_{number}", f"{required}@span", levels=SPAN, span_kinds=kinds)
    for number in range(numbers.randint(1, 3)):
        required = numbers.choice(list(metrics))
        level = metrics[required].levels[0]
        metrics[f"up_{number}"] = mean_of(f"up_{number}", f"{required}@{level}")
    return metrics


def said(numbers: random.Random, metrics: Mapping[str, MetricDefinition], spans: Sequence[SentSpan]) -> Leaves:
    """Leaves that say something random."""
    leaves = Leaves()
    bad = numbers.choice((0.0, 0.1, 0.4))
    for name in metrics:
        for span in spans if name.startswith("leaf") else ():
            kept = OUTCOMES if numbers.random() < bad else OUTCOMES[:4]
            leaves.outcomes[name, span.ref.key] = numbers.choice(kept)
    return leaves


def kind_of(span: SentSpan) -> str:
    """As it was sent."""
    return span.attributes[KIND].lower()


@pytest.mark.parametrize("seed", range(0, 200, 20))
async def test_random_trees_conclude_as_the_oracle_says(seed: int) -> None:
    """Twenty trees each, brought along with the call: every composite on every target it is about."""
    for number in range(seed, seed + 20):
        numbers = random.Random(number)
        metrics = a_family(numbers)
        root, *others = a_trace(*numbers.choices(KINDS, k=numbers.randint(0, 7)))
        tools = [[each for each in others[:at] if kind_of(each) == "tool"] for at in range(len(others))]
        parents = [numbers.choice([root, *above]) for above in tools]  # a call inside one of its kind is the same call
        spans = [root, *(replace(each, parent=above.span_id) for each, above in zip(others, parents, strict=True))]
        leaves = said(numbers, metrics, spans)
        own = {span.ref: [(span.ref, kind_of(span))] for span in spans}
        below = own | {root.trace: [(root.trace, ""), *((span.ref, kind_of(span)) for span in spans)]}
        composites = [each for each in metrics.values() if each.kind is MetricKind.COMPOSITE]
        nowhere = Database("http://127.0.0.1:1/nothing_is_stored")
        async with Engine(
            metrics=Directory(builtin=metrics, custom={}, aliases={}),
            telemetry=ClickHouseTelemetry(nowhere),
            results=ClickHouseResults(nowhere),
            apply=leaves.apply,
        ) as engine:
            numbers.shuffle(spans)
            brought = otlp(*spans)
            for metric in composites:
                targets = [root.trace] if metric.levels[0] is Level.TRACE else [
                    span.ref for span in spans if not metric.span_kinds or kind_of(span) in metric.span_kinds
                ]  # fmt: skip
                inline = [InlineTarget(ref=ref, otlp=brought) for ref in targets]
                found = await engine.evaluate(asked(*inline, metrics=(metric.name,)))
                wanted = [expected(metric, ref, below, metrics, leaves) for ref in targets]
                assert [answer(each) for each in found] == wanted, f"case {number}, {metric.name}"


@pytest.mark.parametrize("seed", range(3))
async def test_orders_of_arrival_failures_and_restarts_end_as_the_oracle_says(database: Database, seed: int) -> None:
    """Spans in random parts, calls in between, judgements that change, engines that end.

    What counts at the end is right, and no success of a leaf was bought twice.
    """
    numbers = random.Random(1000 + seed)
    name = f"session-{uuid.uuid4().hex}"
    metrics = {
        "graded": leaf("graded", span_kinds=("llm",)),
        "per_trace": mean_of("per_trace", "graded@span"),
        "per_session": mean_of("per_session", "per_trace@trace", levels=(Level.SESSION,)),
        "all_spans": mean_of("all_spans", "graded@span", levels=(Level.SESSION,)),
    }
    traces = [a_trace(*numbers.choices(KINDS, k=numbers.randint(1, 4)), session=name) for _ in range(2)]
    everything = [span for trace in traces for span in trace]
    leaves = Leaves()
    waiting = numbers.sample(everything, len(everything))
    first = next(span for span in waiting if span in traces[0])
    waiting.remove(first)
    await store(database, first)
    again: dict[tuple[str, str], int] = {}
    counts: dict[tuple[str, str], Outcome] = {}  # a failure never hides what is known
    while True:
        async with composing(database, leaves) as parts:
            await parts.make(*metrics.values())
            for _ in range(numbers.randint(1, 2)):
                size = numbers.randint(1, 3)
                part, waiting = waiting[:size], waiting[size:]
                if part:
                    await store(database, *part)
                here = [span for span in everything if span not in waiting]
                for span in here:
                    if kind_of(span) == "llm" and numbers.random() < 0.3:  # judged again, or for the first time
                        key = "graded", span.ref.key
                        before = counts.get(key, Score(value=1.0)) if leaves.count[key] else None
                        leaves.outcomes[key] = numbers.choice(OUTCOMES[:5])
                        hides = not isinstance(leaves.outcomes[key], Failure) or isinstance(before, Failure | None)
                        counts[key] = leaves.outcomes[key] if hides or before is None else before
                        again[key] = again.get(key, 0) + 1
                        await parts.engine.evaluate(asked(span.ref, metrics=("graded",)))
                await parts.engine.evaluate(asked(session_of(name), metrics=("per_session", "all_spans"), reuse=True))
            if not waiting:
                break
    async with composing(database, leaves) as parts:
        for key in [key for key, outcome in counts.items() if isinstance(outcome, Failure)]:
            leaves.outcomes[key] = counts[key] = Score(value=0.75)  # the judge is well again: it is asked once more
            again[key] += 100
        answers = await parts.engine.evaluate(asked(session_of(name), metrics=("per_session", "all_spans"), reuse=True))
        below = {trace[0].trace: [(span.ref, kind_of(span)) for span in trace] for trace in traces}
        session = session_of(name)
        below[session] = [(ref, "") for ref in below] + [each for spans in below.values() for each in spans]
        keys = [("graded", span.ref.key) for span in everything]
        assert [key for key in keys if leaves.count[key] > 1 + again.get(key, 0)] == []
        for metric, found in zip(("per_session", "all_spans"), answers, strict=True):
            assert answer(found) == expected(metrics[metric], session, below, metrics, Leaves(outcomes=counts))
            record = await located(database, session)
            assert isinstance(found, Evaluation)
            assert found.watermark_ms == record.watermark_ms
