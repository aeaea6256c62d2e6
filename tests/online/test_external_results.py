"""Results of others: what applications say with the OpenTelemetry SDK is there, once, about what they said it of."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from composite_parts import TRACE, leaf, mean_of
from external_parts import EVENT, App, External, context, external, receiver
from online_parts import PACE, a_rule, at_work, online
from opentelemetry._logs import set_logger_provider
from opentelemetry.trace import SpanContext
from storing import SentSpan, a_chat, a_result, located, store, until

from evaluator.metrics.definition import MetricDefinition, RollUp, Statistic
from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.model import Evaluation, Failure, Level, MetricKind, OutputType, Purpose, Score, TargetRef

NAME, VALUE, LABEL = "gen_ai.evaluation.name", "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label"
WHY, RESPONSE = "gen_ai.evaluation.explanation", "gen_ai.response.id"


@pytest.fixture
async def parts(fresh_database: Database) -> External:
    """A worker on an empty database."""
    return await external(fresh_database)


async def say(database: Database, at: SentSpan | None, *, time_ns: int | None = None, **said: str) -> None:
    """One log record with these attributes, `name` for NAME and so on, as any writer may store it."""
    keys = {"name": NAME, "value": VALUE, "label": LABEL, "why": WHY, "response": RESPONSE, "error": "error.type"}
    row = (
        time_ns or time.time_ns(),
        at.trace_id if at else "",
        at.span_id if at else "",
        EVENT,
        {keys.get(key, key.replace("__", ".")): text for key, text in said.items()},
    )
    await database.insert_rows("otel_logs", ("Timestamp", "TraceId", "SpanId", "EventName", "LogAttributes"), [row])


def outcomes(found: list[Evaluation]) -> list[tuple[TargetRef, str, int, object]]:
    """What tests compare of results."""
    return [(each.target, each.metric, each.metric_version, each.outcome) for each in found]


async def looked(parts: External) -> None:
    """Rounds until nothing more is found at once."""
    while (await parts.round()).behind:
        pass


def the_app_speaks(app: App) -> list[SpanContext]:
    """Three spans, each judged in a manner of its own."""
    with app.tracer.start_as_current_span("in log") as first:
        app.said({NAME: "Answer Relevance", VALUE: 0.75, WHY: "on topic"})
    with app.tracer.start_as_current_span("in span") as second:
        second.add_event(EVENT, {NAME: "polite", VALUE: 1.0, LABEL: "pass"})
    with app.tracer.start_as_current_span("later", attributes={RESPONSE: "chatcmpl-7"}) as third:
        pass
    with app.tracer.start_as_current_span("the judge's own span"):
        app.said({NAME: "grade", LABEL: "good", RESPONSE: "chatcmpl-7"})
    app.said({NAME: "broken", "error.type": "TimeoutError", WHY: "no answer"}, first.get_span_context())
    app.close()
    return [each.get_span_context() for each in (first, second, third)]


async def test_what_the_sdk_sends_becomes_results(parts: External) -> None:
    """A log in the span's context, a span event, a completion's id, and an evaluator that failed; and nobody's target
    is new again for it."""
    async with receiver(parts.database) as endpoints:
        contexts = await asyncio.to_thread(lambda: the_app_speaks(App(endpoints)))
    first, second, third = (
        TargetRef(level=Level.SPAN, trace_id=f"{each.trace_id:032x}", span_id=f"{each.span_id:016x}")
        for each in contexts
    )
    before = await located(parts.database, first)
    await looked(parts)
    found = {each.metric: each for each in await parts.results()}
    assert {name: (each.target, each.outcome) for name, each in found.items()} == {
        "answer_relevance": (first, Score(value=0.75, explanation="on topic")),
        "polite": (second, Score(value=1.0, label="true")),
        "grade": (third, Score(label="good")),
        "broken": (first, Failure(code="TIMEOUT_ERROR", message="no answer")),
    }
    relevance = found["answer_relevance"]
    assert relevance == Evaluation(
        evaluation_id=relevance.evaluation_id,
        target=first,
        target_time_ns=before.target_time_ns,
        start_ns=before.start_ns,
        anchor=before.anchor,
        metric="answer_relevance",
        metric_version=0,
        metric_digest="",
        kind=MetricKind.EXTERNAL,
        purpose=Purpose.ONLINE,
        output_type=OutputType.NUMBER,
        outcome=Score(value=0.75, explanation="on topic"),
        watermark_ms=before.watermark_ms,
        metadata={"name": "Answer Relevance", "statement": relevance.metadata["statement"]},
        started=relevance.started,
        evaluated=relevance.evaluated,
        inserted_us=relevance.inserted_us,
    )
    assert abs((datetime.now(UTC) - relevance.evaluated).total_seconds()) < 120
    assert found["polite"].output_type is OutputType.BOOLEAN
    assert await located(parts.database, first) == before


async def test_what_is_sent_twice_is_one_result(parts: External) -> None:
    """The same request again, the same score as span event and as log, the same key at another time."""
    span, now = SentSpan(), time.time_ns()
    await store(parts.database, span)
    for _ in range(2):
        await say(parts.database, span, time_ns=now, name="tone", value="0.5")
        await looked(parts)
    await say(parts.database, span, time_ns=now + 5_000_000, name="tone", value="0.5")
    for late in (0, 3_600_000_000_000):
        await say(
            parts.database, span, time_ns=now + late, name="keyed", value="1", openlit__score__idempotency_key="k1"
        )
    await looked(parts)
    assert sorted((each.metric, each.outcome) for each in await parts.results()) == [
        ("keyed", Score(value=1.0)),
        ("tone", Score(value=0.5)),
    ]


async def test_a_change_of_mind_and_back_counts(parts: External) -> None:
    """Three statements, of which the last counts, although it says what the first did; and a copy of an older one that
    comes after it changes nothing."""
    span, now = SentSpan(), time.time_ns()
    await store(parts.database, span)
    for seconds, label in ((-90, "good"), (-60, "bad"), (-30, "good")):
        await say(parts.database, span, time_ns=now + seconds * 10**9, name="mood", label=label)
        await looked(parts)
    await say(parts.database, span, time_ns=now - 60 * 10**9, name="mood", label="bad")
    await looked(parts)
    assert [each.outcome for each in await parts.results()] == [Score(label=each) for each in ("good", "bad", "good")]
    assert outcomes(await parts.current()) == [(span.ref, "mood", 0, Score(label="good"))]


async def test_a_statement_waits_for_its_target(parts: External) -> None:
    """Logs overtake the span around them; a worker that starts meanwhile finds the statement again."""
    span = SentSpan()
    await say(parts.database, span, name="early", value="2")
    waiting = await parts.round()
    assert (waiting.stored, waiting.waiting) == (0, 1)
    another = await external(parts.database)
    assert (await another.round()).waiting == 1
    await store(parts.database, span)
    for one in (another, parts):
        await one.round()
    assert outcomes(await parts.results()) == [(span.ref, "early", 0, Score(value=2.0))]
    assert (await parts.round()).waiting == 0


async def test_who_waited_long_enough_is_counted(fresh_database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """The log line says how many and why; the event itself stays in the logs."""
    parts = await external(fresh_database, wait_seconds=0.0)
    await say(fresh_database, SentSpan(), name="orphan", value="2")
    await say(fresh_database, SentSpan(), name="日本語", value="2")
    await say(fresh_database, SentSpan(), name="session", value="2")
    await say(fresh_database, None, name="about_nothing", value="2")
    refused = {
        "its target did not come": 1,
        "no name of which a metric's can be made": 2,
        "it says nowhere what it is about": 1,
    }
    done = await parts.round()
    assert (done.stored, done.waiting, done.refused) == (0, 0, refused)
    assert [record.__dict__["reasons"] for record in caplog.records if record.msg == "external_results_refused"] == [
        refused
    ]


async def test_ours_are_not_taken_for_others(parts: External) -> None:
    """What Assay gave out and got back is known by its id."""
    span = SentSpan()
    await store(parts.database, span)
    await say(parts.database, span, name="quality", value="0.5", assay__result__id="x")
    await looked(parts)
    assert await parts.results() == []


async def test_a_name_of_our_own_metrics_takes_nothing_from_them(parts: External) -> None:
    """`correctness` of others stands below every version of ours, and never counts in its place."""
    span = a_chat()
    await store(parts.database, span)
    ours = a_result(span, Score(value=0.25), metric="correctness")
    await ClickHouseResults(parts.database).append([ours])
    await say(parts.database, span, name="Correctness", value="1")
    await looked(parts)
    assert sorted(outcomes(await parts.current()), key=lambda each: each[2]) == [
        (span.ref, "correctness", 0, Score(value=1.0)),
        (span.ref, "correctness", 1, Score(value=0.25)),
    ]


async def test_a_definition_says_what_fits(parts: External) -> None:
    """Its version and digest are the result's; a value off the scale is a failure that says what was sent."""
    stars = MetricDefinition(
        name="stars",
        display_name="Stars given",
        kind=MetricKind.EXTERNAL,
        levels=(Level.TRACE,),
        output_type=OutputType.DISCRETE,
        minimum=1,
        maximum=5,
    )
    stars = (await parts.metrics.create(stars)).definition
    verdict = replace(stars, name="verdict", display_name="", kind=MetricKind.HUMAN, minimum=0, levels=tuple(Level))
    verdict = (await parts.metrics.create(verdict)).definition
    span, other = SentSpan(), SentSpan()
    await store(parts.database, span, other)
    await say(parts.database, span, name="Stars given", value="4")
    await say(parts.database, other, name="stars", value="7.5")
    await say(parts.database, other, name="verdict", value="0")
    await looked(parts)
    found = await parts.results()
    why = "the value is no discrete on the metric's scale; sent were value '7.5', label ''"
    assert sorted(
        (
            each.metric,
            each.target.trace_id == span.trace_id,
            each.target.level,
            each.metric_digest,
            each.kind,
            each.outcome,
        )
        for each in found
    ) == [
        ("stars", False, Level.TRACE, stars.digest, MetricKind.EXTERNAL, Failure(code="INVALID_RESULT", message=why)),
        ("stars", True, Level.TRACE, stars.digest, MetricKind.EXTERNAL, Score(value=4.0)),
        ("verdict", False, Level.SPAN, verdict.digest, MetricKind.HUMAN, Score(value=0.0)),
    ]


async def test_annotations_of_a_span_are_results(parts: External) -> None:
    """OpenInference: attributes of the span itself, its trace and its session, of programs and people."""
    span = SentSpan(
        attributes={
            "session.id": "s-1",
            "evaluations.0.evaluation.name": "tone",
            "evaluations.0.evaluation.score": "0.5",
            "evaluations.0.evaluation.label": "flat",
            "annotations.3.annotation.name": "tone",
            "annotations.3.annotation.label": "warm",
            "annotations.3.annotation.annotator_kind": "HUMAN",
            "trace.evaluations.1.evaluation.name": "route",
            "trace.evaluations.1.evaluation.score": "3",
            "session.annotations.0.annotation.name": "mood",
            "session.annotations.0.annotation.label": "good",
            "session.annotations.0.annotation.explanation": "thanks!",
        }
    )
    await store(parts.database, span)
    await looked(parts)
    session = TargetRef(level=Level.SESSION, session_id="s-1")
    assert sorted((each.metric, each.kind, each.target.key, each.outcome) for each in await parts.results()) == [
        ("mood", MetricKind.EXTERNAL, session.key, Score(label="good", explanation="thanks!")),
        ("route", MetricKind.EXTERNAL, span.trace.key, Score(value=3.0)),
        ("tone", MetricKind.EXTERNAL, span.ref.key, Score(value=0.5, label="flat")),
        ("tone", MetricKind.HUMAN, span.ref.key, Score(label="warm")),
    ]


async def test_cases_of_pydantic_evals_are_results(parts: External) -> None:
    """Scores, labels and assertions of a `case:` span."""
    span = SentSpan(name="case: capital")
    attributes = {
        "scores": json.dumps({"Exact": {"name": "Exact", "value": 0.5, "reason": "half", "source": {}}}),
        "labels": json.dumps({"Class": {"name": "Class", "value": "short", "reason": None}}),
        "assertions": json.dumps({"IsString": {"name": "IsString", "value": True, "reason": None}}),
    }
    await parts.database.insert_rows(
        "otel_traces",
        ("Timestamp", "TraceId", "SpanId", "SpanName", "ScopeName", "SpanAttributes"),
        [(span.start_ns, span.trace_id, span.span_id, span.name, "pydantic-evals", attributes)],
    )
    await looked(parts)
    assert sorted(outcomes(await parts.results()), key=lambda each: each[1]) == [
        (span.ref, "class", 0, Score(label="short")),
        (span.ref, "exact", 0, Score(value=0.5, explanation="half")),
        (span.ref, "is_string", 0, Score(value=1.0, label="true")),
    ]


async def test_nothing_is_stepped_over_by_pages(fresh_database: Database) -> None:
    """More of one moment than a page holds, and a restart in the middle of the backlog."""
    span = SentSpan()
    await store(fresh_database, span)
    rows = [
        (time.time_ns(), span.trace_id, span.span_id, EVENT, {NAME: f"m{number}", VALUE: "1"}) for number in range(25)
    ]
    for part in (rows[:10], rows[10:20], rows[20:]):
        await fresh_database.insert_rows(
            "otel_logs", ("Timestamp", "TraceId", "SpanId", "EventName", "LogAttributes"), part
        )
    first = await external(fresh_database, page=4)
    assert (await first.round()).stored == 10
    second = await external(fresh_database, page=4)
    await looked(second)
    assert sorted(each.metric for each in await second.results()) == sorted(f"m{number}" for number in range(25))


async def test_a_hostile_text_is_cut_and_the_rest_is_kept(parts: External) -> None:
    """Ten megabytes of explanation, a control character in a name, ids that would end a text in a query."""
    span, ids = SentSpan(), "'\\\x00\n\t\"]){}é\U0001f600"
    await store(parts.database, span)
    await say(parts.database, span, name="long\x00name", value="1", why="é" * 5_000_000)
    await say(parts.database, None, name="nobody", value="1", response=ids)
    await say(parts.database, None, name="nobody", value="1", session__id=ids)
    await say(parts.database, None, name="nobody", value="1", session__id="s" * 40_000)
    done = await parts.round()
    assert (done.stored, done.waiting, done.refused) == (1, 2, {"it says nowhere what it is about": 1})
    assert outcomes(await parts.results()) == [
        (span.ref, "long_name", 0, Score(value=1.0, explanation="é" * 16_384)),
    ]


async def test_a_span_of_another_day_is_found_by_its_context(parts: External) -> None:
    """People answer days later, with the ids that the application kept."""
    span = SentSpan(start_ns=time.time_ns() - 20 * 86_400 * 10**9)
    await store(parts.database, span)
    async with receiver(parts.database) as endpoints:

        def speak() -> None:
            app = App(endpoints)
            app.said({NAME: "thumbs", VALUE: 1, "assay.evaluator.kind": "human"}, context(span.trace_id, span.span_id))
            app.close()

        await asyncio.to_thread(speak)
    await looked(parts)
    assert [(each.target, each.kind, each.outcome) for each in await parts.results()] == [
        (span.ref, MetricKind.HUMAN, Score(value=1.0))
    ]


async def test_a_composite_waits_for_what_is_said(fresh_database: Database) -> None:
    """Somebody else's metric is required; its event, sent with a span, is about the trace as the definition says."""
    theirs = await external(fresh_database)
    await theirs.leases.release()
    async with online(fresh_database) as parts:
        mean = RollUp(statistic=Statistic.MEAN)
        await parts.scoring.metrics.create(leaf("told", kind=MetricKind.EXTERNAL, levels=TRACE))
        await parts.scoring.metrics.create(mean_of("approved", "told@trace", levels=TRACE, roll_up=mean))
        await parts.rules.create(a_rule("composed", level=Level.TRACE, metrics=("approved",)))
        root = a_chat()
        await store(fresh_database, root)

        async def waiting() -> bool:
            found = await parts.queue.decisions_of("composed", root.trace)
            return [decision.decision for decision, _ in found] == ["waiting"]

        async with at_work(parts, pace=replace(PACE, waiting_seconds=0.1)):
            await until(waiting)
            await say(fresh_database, root, name="Told", value="0.75")
            await looked(theirs)
            found = await parts.until_results(2)
    assert sorted(outcomes(found), key=lambda each: each[1]) == [
        (root.trace, "approved", 1, Score(value=0.75, explanation="of 1 results")),
        (root.trace, "told", 1, Score(value=0.75)),
    ]


async def test_the_example_of_the_page_works(parts: External) -> None:
    """Ten lines, with the SDK set up as an application has it."""
    text = (Path(__file__).parents[2] / "docs" / "external-results.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    async with receiver(parts.database) as endpoints:

        def speak() -> None:
            app = App(endpoints)
            set_logger_provider(app.logging)
            exec(example, {"tracer": app.tracer, "call_the_model": str.upper, "question": "why?"})
            app.close()

        await asyncio.to_thread(speak)
    await looked(parts)
    (found,) = await parts.results()
    assert (found.metric, found.outcome) == (
        "politeness",
        Score(value=0.9, label="polite", explanation="greets and thanks"),
    )
    assert found.anchor is not None
    assert found.anchor.span_name == "chat"


async def test_a_worker_stands_by_without_the_lease(fresh_database: Database) -> None:
    """Two evaluators would pay twice for the same looks; who gets the lease later begins at the saved place."""
    parts = await external(fresh_database, pause_seconds=0.05)
    span, other = SentSpan(), await external(parts.database, pause_seconds=0.05)
    await store(parts.database, span)
    assert (parts.leases.owned("maintenance"), other.leases.owned("maintenance")) == ([0], [])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.worker.run()) for each in (parts, other)]
        for name in ("first", "second"):
            await say(parts.database, span, name=name, value="1")
            await until(lambda name=name: _there(parts, name))
            await parts.leases.release()
            await other.leases.renew()
        for task in tasks:
            task.cancel()
    assert [each.metric for each in await parts.results()] == ["first", "second"]


async def _there(parts: External, name: str) -> bool:
    return name in {each.metric for each in await parts.results()}
