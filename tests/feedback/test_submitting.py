"""What people say is completed, kept with what they saw, settled, and shown."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from dataclasses import replace

import pytest
from feedback_parts import (
    EXPECTED,
    FeedbackParts,
    a_judgement,
    a_metric,
    a_target,
    feedback_parts,
    human_attributes,
    words,
)
from storing import SentSpan, a_chat, a_result, store

from evaluator.errors import (
    InvalidFeedback,
    LevelMismatch,
    MetricNotFound,
    ResultNotFound,
    TargetNotFound,
)
from evaluator.feedback.desk import feedback_id_of
from evaluator.feedback.verdicts import Stated
from evaluator.feedback.words import Taken
from storage.clickhouse.client import Database
from storage.feedback import FeedbackFilter, FeedbackStatus, ResolutionMethod, ResolutionStatus
from storage.model import NO_ID, Abstention, Level, MetricKind, OutputType, Score, Status, TargetRef
from storage.results import ResultFilter

HOSTILE = 'it\'s "quoted" `so` \\ {curly} {{output}} [\n\r\t\0] --; DROP TABLE feedback /* 日本語 🦊 é \u2028 \ud800'


@pytest.fixture
def parts(database: Database) -> FeedbackParts:
    """A desk over the module's database."""
    return feedback_parts(database)


@pytest.mark.parametrize("level", list(Level))
async def test_one_word_outside_a_queue_resolves_its_target(parts: FeedbackParts, level: Level):
    """Every output type at every level, shown as a result of kind human and on the span."""
    metrics = {output: await a_metric(parts, output) for output in OutputType}
    target, span = await a_target(parts.database, level)
    why = "Because the user asked for one city only."
    said = [words(target, metrics[output], stated=EXPECTED[output][0], explanation=why) for output in OutputType]
    taken = dict(zip(OutputType, await parts.desk.take(said), strict=True))
    names = tuple(metric.name for metric in metrics.values())
    where = ResultFilter(targets=(target,), metrics=names, kinds=(MetricKind.HUMAN,))
    shown = {each.metric: each for each in await parts.results.newest(where, before=None, limit=10)}
    attributes = await human_attributes(parts.database, span)
    for output, metric in metrics.items():
        each, whole = taken[output], EXPECTED[output][1]
        assert isinstance(each, Taken)
        assert (each.row.expected, each.row.metric_version, each.row.rationale) == (whole, 1, why)
        assert (each.resolution.status, each.resolution.expected, each.resolution.method) == (
            ResolutionStatus.RESOLVED,
            whole,
            ResolutionMethod.SELF,
        )
        result = shown[metric.name]
        assert (result.outcome, result.annotator, result.output_type, result.metric_digest) == (
            replace(whole, explanation=why),
            "ann",
            output,
            metric.digest,
        )
        prefix = f"gen_ai.evaluation.{'' if level is Level.SPAN else f'{level}.'}human.{metric.name}"
        assert attributes[f"{prefix}.explanation"] == why
        assert f"{prefix}.score.value" in attributes or f"{prefix}.score.label" in attributes


async def test_feedback_keeps_what_its_author_saw(database: Database):
    """The judge's verdict, and the inputs as a judge reads them: redacted."""

    def redact(text: str) -> tuple[str, Counter[str]]:
        return text.replace("secret", "[HIDDEN]"), Counter()

    parts = feedback_parts(database, redact=redact)
    metric = await a_metric(parts, OutputType.PERCENTAGE)
    target, span = await a_target(database, question="the secret question", answer="the secret answer", service="till")
    judged = await a_judgement(parts, target, span, metric, Score(value=0.9, explanation="looks fine"))
    by_id = (await parts.desk.submit(replace(words(target, metric, "0.2"), target=None, metric="",
                                             result_id=judged.evaluation_id))).row  # fmt: skip
    by_target = (await parts.desk.submit(words(target, metric, "0.2"))).row
    for row in (by_id, by_target):
        assert (row.judged, row.judge_model, row.result_id) == (
            Score(value=0.9, explanation="looks fine"),
            "openai/judge-1",
            judged.evaluation_id,
        )
        assert row.snapshot.inputs["input"] == "the [HIDDEN] question"
        assert row.snapshot.inputs["output"] == "the [HIDDEN] answer"
        assert row.snapshot.segment == {"level": "span", "service": "till"}
        assert row.snapshot.span_kind == "llm"
        assert row.group_key == span.trace_id
        assert row.watermark_ms > 0


async def test_the_segment_names_service_environment_version_and_level(parts: FeedbackParts):
    """By which agreement and reports are told apart; the environment under any key that people use for it."""
    metric = await a_metric(parts)
    span = a_chat(attributes={"deployment.environment": "staging"})
    await parts.database.insert_rows(
        "otel_traces",
        ("Timestamp", "TraceId", "SpanId", "SpanName", "ServiceName", "SpanAttributes", "ResourceAttributes"),
        [(span.start_ns, span.trace_id, span.span_id, "answer", "till", dict(span.attributes),
          {"service.name": "till", "service.version": "1.2.3"})],
    )  # fmt: skip
    row = (await parts.desk.submit(words(span.trace, metric, "true"))).row
    assert row.snapshot.segment == {
        "level": "trace",
        "service": "till",
        "environment": "staging",
        "version": "1.2.3",
    }


async def test_related_targets_share_a_group(parts: FeedbackParts):
    """The session before the trace: what is learned from a turn must not be proved on the next one."""
    metric = await a_metric(parts)
    session, span = await a_target(parts.database, Level.SESSION)
    keys = {
        (await parts.desk.submit(words(target, metric, "true"))).row.group_key
        for target in (session, span.trace, span.ref)
    }
    assert keys == {session.session_id}


async def test_a_request_is_taken_once(parts: FeedbackParts):
    """Its repetition returns what the first call made, also after it was taken back."""
    metric, (target, _) = await a_metric(parts), await a_target(parts.database)
    request = str(uuid.uuid4())
    first = await parts.desk.submit(words(target, metric, "true", request_id=request))
    again = await parts.desk.submit(words(target, metric, "false", request_id=request))
    assert (first.row, first.present, again.row, again.present) == (first.row, False, first.row, True)
    assert first.row.feedback_id == feedback_id_of(request)
    await parts.desk.retract(first.row.feedback_id)
    late = await parts.desk.submit(words(target, metric, "true", request_id=request))
    assert (late.row.status, late.resolution.status) == (FeedbackStatus.RETRACTED, ResolutionStatus.OPEN)
    assert len(await parts.feedbacks.page(FeedbackFilter(metric=metric.name), after=(), limit=10)) == 1


async def test_a_newer_word_of_the_same_annotator_replaces_the_older(parts: FeedbackParts):
    """Both stay in the history, and nobody contradicts themselves."""
    metric, (target, span) = await a_metric(parts), await a_target(parts.database)
    await parts.desk.submit(words(target, metric, "true"))
    taken = await parts.desk.submit(words(target, metric, "false"))
    assert (taken.resolution.status, taken.resolution.expected) == (
        ResolutionStatus.RESOLVED,
        Score(value=0.0, label="false"),
    )
    assert len((await parts.feedbacks.on(metric.name, [target]))[target]) == 2
    shown = await human_attributes(parts.database, span)
    assert shown[f"gen_ai.evaluation.human.{metric.name}.score.label"] == "false"
    await parts.desk.submit(words(target, metric, "false", explanation="Because it names the wrong city."))
    shown = await human_attributes(parts.database, span)
    assert shown[f"gen_ai.evaluation.human.{metric.name}.explanation"] == "Because it names the wrong city."


async def test_two_people_who_contradict_each_other_dispute_it(parts: FeedbackParts):
    """Nothing is shown any more until somebody decides; then that is."""
    metric, (target, span) = await a_metric(parts), await a_target(parts.database)
    await parts.desk.submit(words(target, metric, "true"))
    taken = await parts.desk.submit(words(target, metric, "false", annotator="bob"))
    assert (taken.resolution.status, taken.resolution.expected, taken.resolution.reason) == (
        ResolutionStatus.DISPUTED,
        None,
        "ann: true; bob: false",
    )
    assert {v for v in (await human_attributes(parts.database, span)).values() if v} == set()
    where = ResultFilter(targets=(target,), metrics=(metric.name,), kinds=(MetricKind.HUMAN,))
    [shown] = await parts.results.newest(where, before=None, limit=10)
    assert shown.outcome == Abstention(reason="ann: true; bob: false", status=Status.RETRACTED)
    decided = await parts.desk.decide(target, metric.name, Stated(label="false"), resolver="eve", reason="as agreed")
    assert (decided.status, decided.method, decided.resolver, decided.expected) == (
        ResolutionStatus.RESOLVED,
        ResolutionMethod.ADJUDICATED,
        "eve",
        Score(value=0.0, label="false"),
    )
    await parts.desk.submit(words(target, metric, "true", annotator="carl"))
    assert (await parts.feedbacks.resolutions(metric.name, [target]))[target] == decided
    [shown] = await parts.results.newest(where, before=None, limit=10)
    assert (shown.outcome, shown.annotator) == (Score(value=0.0, label="false", explanation="as agreed"), "eve")


async def test_taking_back_the_odd_word_resolves_a_dispute(parts: FeedbackParts):
    """And taking back the last one leaves nothing shown, but a history."""
    metric, (target, span) = await a_metric(parts), await a_target(parts.database)
    first = await parts.desk.submit(words(target, metric, "true"))
    odd = await parts.desk.submit(words(target, metric, "false", annotator="bob"))
    gone = await parts.desk.retract(odd.row.feedback_id, by="eve", reason="wrong row")
    assert (gone.status, gone.by, gone.reason) == (FeedbackStatus.RETRACTED, "eve", "wrong row")
    standing = (await parts.feedbacks.resolutions(metric.name, [target]))[target]
    assert (standing.status, standing.expected) == (ResolutionStatus.RESOLVED, Score(value=1.0, label="true"))
    shown = await human_attributes(parts.database, span)
    assert shown[f"gen_ai.evaluation.human.{metric.name}.score.label"] == "true"
    await parts.desk.retract(first.row.feedback_id)
    again = await parts.desk.retract(first.row.feedback_id, by="bob")
    assert (again.by, again.status) == ("ann", FeedbackStatus.RETRACTED)
    standing = (await parts.feedbacks.resolutions(metric.name, [target]))[target]
    assert (standing.status, standing.expected) == (ResolutionStatus.OPEN, None)
    assert {v for v in (await human_attributes(parts.database, span)).values() if v} == set()
    assert len(await parts.feedbacks.history(first.row.feedback_id)) == 2


async def test_annotators_at_the_same_moment_lose_nothing(database: Database):
    """Two processes, several people at once: the end is what one after the other would have come to."""
    ours, theirs = feedback_parts(database), feedback_parts(database)
    metric = await a_metric(ours)
    targets = [(await a_target(database))[0] for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for target in targets:
            for number in range(4):
                label = "false" if number == 3 and target is targets[0] else "true"
                desk = (ours, theirs)[number % 2].desk
                group.create_task(desk.submit(words(target, metric, label, annotator=f"p{number}")))
    standing = await ours.feedbacks.resolutions(metric.name, targets)
    assert [standing[target].status for target in targets] == [
        ResolutionStatus.DISPUTED,
        *[ResolutionStatus.RESOLVED] * 3,
    ]
    where = ResultFilter(targets=tuple(targets), metrics=(metric.name,), kinds=(MetricKind.HUMAN,))
    shown = {each.target: each.status for each in await ours.results.newest(where, before=None, limit=100)}
    assert shown.get(targets[0]) in (None, Status.RETRACTED)
    assert [shown[target] for target in targets[1:]] == [Status.SUCCESS] * 3


async def test_after_the_criteria_changed_only_newer_words_count(parts: FeedbackParts):
    """What was said before stays in the history, and contradicts nobody any more; taking it back answers nothing."""
    metric, (target, span) = await a_metric(parts), await a_target(parts.database)
    old = await parts.desk.submit(words(target, metric, "true"))
    changed = replace(old.resolution, status=ResolutionStatus.NEEDS_RECONFIRM, reason="the prompt was edited")
    recorded = (await parts.desk.standing.record([changed], metric))[target]
    assert (recorded.status, recorded.reason) == (ResolutionStatus.NEEDS_RECONFIRM, "the prompt was edited")
    assert {v for v in (await human_attributes(parts.database, span)).values() if v} == set()
    new = await parts.desk.submit(words(target, metric, "false", annotator="bob"))
    assert (new.resolution.status, new.resolution.expected) == (
        ResolutionStatus.RESOLVED,
        Score(value=0.0, label="false"),
    )
    third = await parts.desk.submit(words(target, metric, "false", annotator="carl"))
    assert third.resolution.status is ResolutionStatus.RESOLVED
    await parts.desk.retract(old.row.feedback_id)
    standing = (await parts.feedbacks.resolutions(metric.name, [target]))[target]
    assert (standing.status, standing.resolver) == (ResolutionStatus.RESOLVED, "bob, carl")


async def test_a_queue_of_two_waits_for_the_second(database: Database):
    """Its quorum counts whoever else speaks; what one says meanwhile outside of it counts as one of the two."""

    class TwoEach:
        async def quorum(self, queue: str) -> int:
            return {"two": 2}.get(queue, 1)

    parts = feedback_parts(database, quorums=TwoEach())
    metric, (target, _) = await a_metric(parts), await a_target(database)
    first = await parts.desk.submit(words(target, metric, "true", queue="two"))
    assert (first.resolution.status, first.resolution.reason) == (ResolutionStatus.IN_REVIEW, "1 of 2 have spoken")
    second = await parts.desk.submit(words(target, metric, "true", annotator="bob"))
    assert (second.resolution.status, second.resolution.method, second.resolution.queue) == (
        ResolutionStatus.RESOLVED,
        ResolutionMethod.QUORUM,
        "two",
    )


async def test_hostile_texts_are_kept_as_they_are(parts: FeedbackParts):
    """In the explanation, the annotator, the reason; half surrogate pairs become question marks."""
    metric = await a_metric(parts, OutputType.TEXT)
    target, _ = await a_target(
        parts.database, question=HOSTILE.replace("\ud800", ""), answer=HOSTILE.replace("\ud800", "")
    )
    said = await parts.desk.submit(
        words(target, metric, stated=Stated(text=HOSTILE), explanation=HOSTILE, annotator=HOSTILE)
    )
    kept = HOSTILE.replace("\ud800", "?")
    assert (said.row.expected.text, said.row.rationale, said.row.annotator) == (kept, kept, kept)
    gone = await parts.desk.retract(said.row.feedback_id, by=HOSTILE, reason=HOSTILE)
    assert (gone.by, gone.reason) == (kept, kept)


async def test_feedback_on_results_of_others_needs_no_definition(parts: FeedbackParts):
    """Somebody sent a number under a name that nobody defined; it can be corrected all the same."""
    target, span = await a_target(parts.database)
    sent = a_result(span, Score(value=0.7), metric="their_own", metric_version=0, kind=MetricKind.EXTERNAL,
                    output_type=OutputType.NUMBER, target=target)  # fmt: skip
    await parts.results.append([sent])
    taken = await parts.desk.submit(replace(words(target, "", "0.2"), target=None, result_id=sent.evaluation_id))
    assert (taken.row.metric, taken.row.expected, taken.row.judged) == (
        "their_own",
        Score(value=0.2),
        Score(value=0.7),
    )
    assert taken.resolution.status is ResolutionStatus.RESOLVED
    await parts.desk.retract(taken.row.feedback_id)
    standing = await parts.feedbacks.resolutions("their_own", [target])
    assert standing[target].status is ResolutionStatus.OPEN


async def test_what_cannot_be_spoken_about_is_said(parts: FeedbackParts):
    """Unknown metrics, targets, results; the wrong level; nobody; nothing."""
    metric, (target, _) = await a_metric(parts, levels=(Level.SPAN,)), await a_target(parts.database)
    nowhere = TargetRef(level=Level.SPAN, trace_id="ab" * 16, span_id="cd" * 8)
    said = [
        words(target, "no_such_metric", "true"),
        words(nowhere, metric, "true"),
        replace(words(target, metric, "true"), target=None, result_id=uuid.uuid4()),
        words(TargetRef(level=Level.TRACE, trace_id=target.trace_id), metric, "true"),
        words(target, metric, "true", annotator=" \n"),
        words(target, metric, ""),
        words(target, metric, "true", explanation="x" * 20_001),
        words(target, "", "true"),
    ]
    kinds = [type(each) for each in await parts.desk.take(said)]
    assert kinds == [
        MetricNotFound,
        TargetNotFound,
        ResultNotFound,
        LevelMismatch,
        InvalidFeedback,
        InvalidFeedback,
        InvalidFeedback,
        InvalidFeedback,
    ]
    assert await parts.feedbacks.on(metric.name, [target]) == {}


async def test_feedback_without_a_result_is_about_the_target_alone(parts: FeedbackParts):
    """There is nothing that the judge said."""
    metric, (target, _) = await a_metric(parts), await a_target(parts.database)
    row = (await parts.desk.submit(words(target, metric, "true"))).row
    assert (row.judged, row.result_id, row.judge_model) == (None, NO_ID, "")


async def test_hundreds_at_once_are_one_batch(parts: FeedbackParts):
    """More than fit into one query; each with its own outcome, in order."""
    metric = await a_metric(parts)
    spans: list[SentSpan] = [a_chat() for _ in range(450)]
    await store(parts.database, *spans)
    said = [words(span.ref, metric, "true" if number % 2 else "never") for number, span in enumerate(spans)]
    taken = await parts.desk.take(said)
    assert [isinstance(each, InvalidFeedback) for each in taken] == [number % 2 == 0 for number in range(450)]
    on = await parts.feedbacks.on(metric.name, [span.ref for span in spans])
    assert set(on) == {span.ref for number, span in enumerate(spans) if number % 2}
