"""The one path, from targets to stored results, with nothing prepared."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from scoring_parts import CRASH, Scoring, otlp, scoring
from storing import SentSpan, a_chat, located, store, until

from evaluator.errors import LevelMismatch, MetricNotFound, TargetNotFound, TooManyTargets
from evaluator.judges.scripted_faults import hang, status, verdict
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.request import Answer, EvaluationRequest, InlineTarget, MetricRef, Pending, Target
from storage.clickhouse.client import Database
from storage.model import (
    NO_ID,
    Abstention,
    Evaluation,
    Failure,
    Level,
    MetricKind,
    OutputType,
    Purpose,
    Score,
    Status,
    TargetRef,
)
from storage.results import ResultFilter

BOTH = ("correctness", "response_length")
RIGHT = Score(value=1.0, label="correct", explanation="scripted verdict: the output names 'paris'")
WRONG = Score(value=0.0, label="incorrect", explanation="scripted verdict: the output does not name 'paris'")


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[Scoring]:
    """Everything, on the module's database."""
    async with scoring(database) as ready:
        yield ready


def asked(*targets: Target, metrics: tuple[str, ...] = BOTH, **other: Any) -> EvaluationRequest:
    """A request with an origin of its own."""
    fields: dict[str, Any] = {"origin": uuid.uuid4().hex, "metrics": tuple(MetricRef(name=name) for name in metrics)}
    return EvaluationRequest(targets=targets, **fields | other)


def outcomes(answers: list[Answer]) -> list[object]:
    """What was concluded; `Pending` as it is."""
    return [each.outcome if isinstance(each, Evaluation) else each for each in answers]


async def stored(parts: Scoring, *refs: TargetRef) -> list[Evaluation]:
    """Results about targets."""
    return await parts.results.newest(ResultFilter(targets=refs, include_superseded=True), before=None, limit=1000)


def as_stored(evaluation: Evaluation) -> Evaluation:
    """An answer, as the store returns it: the start is kept to the millisecond, `inserted_us` is the server's."""
    started = evaluation.started.replace(microsecond=evaluation.started.microsecond // 1000 * 1000)
    return replace(evaluation, started=started, inserted_us=None)


async def test_every_pair_gets_one_answer_in_the_order_asked(parts: Scoring) -> None:
    """t1m1, t1m2, t2m1, …; spans and traces mixed; a target named twice is answered twice and paid once."""
    right, wrong = a_chat(), a_chat(answer="Lyon, of course.")
    await store(parts.database, right, wrong)
    answers = await parts.engine.evaluate(asked(wrong.ref, right.ref, right.trace, wrong.ref))
    assert outcomes(answers) == [
        WRONG, Score(value=16.0), RIGHT, Score(value=6.0), RIGHT, Score(value=6.0), WRONG, Score(value=16.0),
    ]  # fmt: skip
    assert len(parts.judge.requests) == 3
    targets = [each.target for each in answers]
    assert targets == [wrong.ref, wrong.ref, right.ref, right.ref, right.trace, right.trace, wrong.ref, wrong.ref]
    assert [each.metric for each in answers] == list(BOTH) * 4


async def test_an_answer_is_what_the_store_has(parts: Scoring) -> None:
    """Whole values: identity of the metric, anchor, times, cost, content digest; stored when the call returns."""
    chat = a_chat()
    await store(parts.database, chat)
    record = await located(parts.database, chat.ref)
    request = asked(chat.ref, metrics=("correctness",), rule="r", rule_version=4, purpose=Purpose.BACKFILL)
    (answer,) = await parts.engine.evaluate(request)
    assert isinstance(answer, Evaluation)
    (kept,) = await stored(parts, chat.ref)
    assert replace(kept, inserted_us=None) == as_stored(answer)
    metric = await parts.metrics.get("correctness")
    assert (answer.metric, answer.metric_version, answer.metric_digest) == ("correctness", 1, metric.digest)
    assert (answer.anchor, answer.target_time_ns, answer.watermark_ms) == (
        chat.anchor,
        chat.start_ns,
        record.watermark_ms,
    )
    assert (answer.rule, answer.rule_version, answer.purpose) == ("r", 4, Purpose.BACKFILL)
    assert (answer.judge_model, answer.usage.attempts, len(answer.input_digest)) == ("scripted", 1, 16)
    assert answer.evaluated >= answer.started


async def test_unknown_metrics_and_targets_score_nothing(parts: Scoring) -> None:
    """All or nothing: one bad name must not leave half of a call paid for."""
    chat, stranger = a_chat(), a_chat()
    await store(parts.database, chat)
    with pytest.raises(MetricNotFound, match="there is no metric 'nobody'"):
        await parts.engine.evaluate(asked(chat.ref, metrics=("response_length", "nobody")))
    with pytest.raises(MetricNotFound, match="version 9"):
        await parts.engine.evaluate(replace(asked(chat.ref), metrics=(MetricRef(name="correctness", version=9),)))
    with pytest.raises(TargetNotFound, match=rf"span {stranger.ref.key} is not stored"):
        await parts.engine.evaluate(asked(chat.ref, stranger.ref))
    with pytest.raises(TargetNotFound, match=rf"trace {stranger.trace_id} is not stored"):
        await parts.engine.evaluate(asked(stranger.trace))
    assert await stored(parts, chat.ref) == []
    assert len(parts.judge.requests) == 0


async def test_a_metric_of_another_level_is_refused(parts: Scoring) -> None:
    """Before anything is read or paid."""
    chat = a_chat()
    await store(parts.database, chat)
    metric = _count("span_only", levels=(Level.SPAN,))
    await parts.metrics.create(metric)
    with pytest.raises(LevelMismatch, match="'span_only' works on span, not on a trace"):
        await parts.engine.evaluate(asked(chat.ref, chat.trace, metrics=("span_only",)))
    assert len(parts.judge.requests) == 0


def _count(name: str, **other: Any) -> MetricDefinition:
    fields: dict[str, Any] = {"levels": (Level.SPAN, Level.TRACE), "prompt": "Count the words of {{output}}"}
    return MetricDefinition(name=name, kind=MetricKind.JUDGE, output_type=OutputType.COUNT, **fields | other)


async def test_too_many_pairs_are_refused(parts: Scoring) -> None:
    """A call has a size; a run has none."""
    refs = [SentSpan().ref for _ in range(501)]
    with pytest.raises(TooManyTargets, match="1000"):
        await parts.engine.evaluate(asked(*refs))


async def test_two_versions_of_a_metric_can_be_compared_in_one_call(parts: Scoring) -> None:
    """Each answer is its own version's."""
    chat = a_chat()
    await store(parts.database, chat)
    await parts.metrics.create(_count("edited"))
    await parts.metrics.update(_count("edited", prompt="Count the letters of {{output}}"), base_version=1)
    versions = tuple(MetricRef(name="edited", version=version) for version in (1, 2, 1))
    answers = await parts.engine.evaluate(replace(asked(chat.ref), metrics=versions))
    assert [each.metric_version for each in answers] == [1, 2, 1]
    assert ["words" in each.prompt for each in parts.judge.requests].count(True) == 1
    assert len(parts.judge.requests) == 2


@pytest.mark.parametrize("kind", [MetricKind.EXTERNAL, MetricKind.HUMAN])
async def test_what_others_conclude_is_never_computed_and_stands_in_nobodys_way(
    parts: Scoring, kind: MetricKind
) -> None:
    """Asking for it answers so and stores nothing: a stored failure would end what waits for the real result."""
    span, name = a_chat(), f"by_{kind}"
    await store(parts.database, span)
    levels = (Level.SPAN,)
    await parts.metrics.create(MetricDefinition(name=name, kind=kind, levels=levels, output_type=OutputType.NUMBER))
    [answer] = await parts.engine.evaluate(asked(span.ref, metrics=(name,)))
    assert isinstance(answer, Evaluation)
    reason = f"results of {name} are sent by others, as it is {kind}"
    assert (answer.evaluation_id, answer.outcome) == (
        NO_ID,
        Abstention(reason=reason, status=Status.NOT_COMPUTED),
    )
    assert await stored(parts, span.ref) == []


async def test_a_span_of_another_kind_has_no_result(parts: Scoring) -> None:
    """The caller is told why; nothing is stored, nobody is asked."""
    tool = SentSpan(attributes={"gen_ai.operation.name": "execute_tool"})
    await store(parts.database, tool)
    (answer,) = await parts.engine.evaluate(asked(tool.ref, metrics=("correctness",)))
    assert isinstance(answer, Evaluation)
    reason = "correctness applies to spans of kind llm, agent; this one is tool"
    assert (answer.outcome, answer.evaluation_id) == (Abstention(reason=reason), NO_ID)
    assert await stored(parts, tool.ref) == []
    assert len(parts.judge.requests) == 0


async def test_a_target_that_lacks_the_input_is_not_applicable_and_stored(parts: Scoring) -> None:
    """A result like any other, without a value."""
    silent = SentSpan(attributes={"gen_ai.operation.name": "chat"})
    await store(parts.database, silent)
    answers = await parts.engine.evaluate(asked(silent.ref))
    assert outcomes(answers) == [Abstention(reason="no input"), Abstention(reason="no output")]
    assert len(await stored(parts, silent.ref)) == 2


async def test_what_takes_longer_is_pending_and_arrives_under_its_id(parts: Scoring) -> None:
    """The call ends in time, the work goes on."""
    chat = a_chat()
    await store(parts.database, chat)
    release = asyncio.Event()
    parts.judge.always(_when(release))
    quick, slow = "response_length", "correctness"
    answers = await parts.engine.evaluate(asked(chat.ref, metrics=(quick, slow), wait_seconds=0.5))
    assert outcomes(answers)[0] == Score(value=6.0)
    pending = answers[1]
    assert isinstance(pending, Pending)
    assert (pending.target, pending.metric, pending.metric_version) == (chat.ref, "correctness", 1)
    assert parts.engine.pending(pending.evaluation_id) == pending
    release.set()
    found = await until(lambda: parts.results.existing([pending.evaluation_id]))
    assert found[pending.evaluation_id].outcome == RIGHT

    async def computed() -> bool:  # a result is stored before it stops being computed
        return parts.engine.pending(pending.evaluation_id) is None

    await until(computed)


def _when(release: asyncio.Event) -> Any:
    """A judge that answers by rule, once `release` is set."""
    from evaluator.judges.scripted import by_rule

    async def behave(judge: Any, request: Any, asked: Any) -> Any:
        await release.wait()
        return await by_rule(judge, request, asked)

    return behave


async def test_a_repeated_request_pays_once(parts: Scoring) -> None:
    """The same origin again has the same ids, and the stored results."""
    chat = a_chat()
    await store(parts.database, chat)
    request = asked(chat.ref, deduplicate=True)
    first = await parts.engine.evaluate(request)
    again = await parts.engine.evaluate(request)
    assert [as_stored(each) for each in again] == [as_stored(each) for each in first]  # type: ignore[arg-type]
    assert len(parts.judge.requests) == 1
    assert len(await stored(parts, chat.ref)) == 2


async def test_repetitions_at_the_same_time_pay_once(parts: Scoring) -> None:
    """Also those that come while the first one still looks for what is stored."""
    chat = a_chat()
    await store(parts.database, chat)
    request = asked(chat.ref, deduplicate=True, metrics=("correctness",))
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(parts.engine.evaluate(request)) for _ in range(8)]
    assert [outcomes(call.result()) for call in calls] == [[RIGHT]] * 8
    assert len(parts.judge.requests) == 1
    assert len(await stored(parts, chat.ref)) == 1


async def test_a_repetition_joins_what_is_still_computed(parts: Scoring) -> None:
    """A client that gave up waiting asks again; the judge does not notice."""
    chat = a_chat()
    await store(parts.database, chat)
    release = asyncio.Event()
    parts.judge.always(_when(release))
    request = asked(chat.ref, deduplicate=True, metrics=("correctness",))
    (pending,) = await parts.engine.evaluate(replace(request, wait_seconds=0.1))
    assert isinstance(pending, Pending)
    joined = asyncio.create_task(parts.engine.evaluate(request))
    release.set()
    assert outcomes(await joined) == [RIGHT]
    assert len(parts.judge.requests) == 1


async def test_a_cancelled_call_hangs_up_at_the_judge(parts: Scoring) -> None:
    """Nobody pays for what nobody reads."""
    chat = a_chat()
    await store(parts.database, chat)
    parts.judge.then(hang())
    call = asyncio.create_task(parts.engine.evaluate(asked(chat.ref, metrics=("correctness",))))
    await asyncio.wait_for(parts.judge.asked.wait(), 60)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(parts.judge.hung_up.wait(), 60)
    assert await stored(parts, chat.ref) == []


async def test_a_cancelled_call_leaves_what_another_call_waits_for(parts: Scoring) -> None:
    """Two callers of one request id share the work; the first to hang up must not end the second's."""
    chat = a_chat()
    release = asyncio.Event()
    parts.judge.always(_when(release))
    request = asked(InlineTarget(ref=chat.ref, otlp=otlp(chat)), deduplicate=True, metrics=("correctness",))
    first = asyncio.create_task(parts.engine.evaluate(request))
    await asyncio.wait_for(parts.judge.asked.wait(), 60)
    second = asyncio.create_task(parts.engine.evaluate(request))
    await _joined()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    release.set()
    assert outcomes(await second) == [RIGHT]
    assert len(parts.judge.requests) == 1


async def _joined() -> None:
    """A call about an inline target asks nothing of the store: a few turns of the loop later it waits for its tasks."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_was_promised_as_pending_survives_a_later_call_that_is_cancelled(parts: Scoring) -> None:
    """`Pending` is a promise, whoever asks again and hangs up."""
    chat = a_chat()
    await store(parts.database, chat)
    release = asyncio.Event()
    parts.judge.always(_when(release))
    request = asked(chat.ref, deduplicate=True, metrics=("correctness",))
    (pending,) = await parts.engine.evaluate(replace(request, wait_seconds=0.1))
    again = asyncio.create_task(parts.engine.evaluate(request))
    await parts.engine.evaluate(asked(chat.ref, metrics=("response_length",), store=False))  # `again` had its time
    again.cancel()
    with pytest.raises(asyncio.CancelledError):
        await again
    release.set()
    assert isinstance(pending, Pending)
    found = await until(lambda: parts.results.existing([pending.evaluation_id]))
    assert found[pending.evaluation_id].outcome == RIGHT


async def test_a_retry_right_after_hanging_up_is_a_call_of_its_own(parts: Scoring) -> None:
    """It must not join what is just being cancelled: both happen in one turn of the loop."""
    chat = a_chat()
    parts.judge.then(hang())
    request = asked(InlineTarget(ref=chat.ref, otlp=otlp(chat)), deduplicate=True, metrics=("correctness",))
    first = asyncio.create_task(parts.engine.evaluate(request))
    await asyncio.wait_for(parts.judge.asked.wait(), 60)
    first.cancel()
    second = asyncio.create_task(parts.engine.evaluate(request))
    assert outcomes(await second) == [RIGHT]


async def test_reuse_finds_a_stored_success_of_the_same_content(parts: Scoring) -> None:
    """Another request, the same question about the same text: nobody is asked, the stored result is the answer."""
    chat = a_chat()
    await store(parts.database, chat)
    (first,) = await parts.engine.evaluate(asked(chat.ref, metrics=("correctness",)))
    (reused,) = await parts.engine.evaluate(asked(chat.ref, metrics=("correctness",), reuse=True))
    assert isinstance(first, Evaluation)
    assert isinstance(reused, Evaluation)
    assert as_stored(reused) == as_stored(first)
    assert len(parts.judge.requests) == 1
    await parts.engine.evaluate(asked(chat.ref, metrics=("correctness",)))
    assert len(parts.judge.requests) == 2


async def test_a_failure_is_not_reused(parts: Scoring) -> None:
    """It is no conclusion about the content."""
    chat = a_chat()
    await store(parts.database, chat)
    parts.judge.then(status(400, "no"))
    (first,) = await parts.engine.evaluate(asked(chat.ref, metrics=("correctness",)))
    assert isinstance(first, Evaluation)
    assert isinstance(first.outcome, Failure)
    (second,) = await parts.engine.evaluate(asked(chat.ref, metrics=("correctness",), reuse=True))
    assert outcomes([second]) == [RIGHT]


async def test_a_judge_that_fails_is_a_failure_and_never_a_zero(parts: Scoring) -> None:
    """Data: the call succeeds, the other pairs are not touched, the row has no value."""
    chat, other = a_chat(), a_chat(answer="Lyon.")
    await store(parts.database, chat, other)
    parts.judge.then(status(500), status(500))
    answers = await parts.engine.evaluate(asked(chat.ref, metrics=BOTH))
    failure = outcomes(answers)[0]
    assert isinstance(failure, Failure)
    assert (failure.code, failure.retryable) == ("JUDGE_UNAVAILABLE", True)
    assert outcomes(answers)[1] == Score(value=6.0)
    parts.judge.then(verdict("splendid"), verdict("splendid"))  # the second answers the complaint about the first
    (offered,) = outcomes(await parts.engine.evaluate(asked(other.ref, metrics=("correctness",))))
    assert isinstance(offered, Failure)
    assert offered.code == "LABEL_NOT_OFFERED"
    assert {each.outcome for each in await stored(parts, chat.ref, other.ref)} == {failure, offered, Score(value=6.0)}


async def test_a_metric_that_crashes_is_an_internal_failure_with_an_incident(
    parts: Scoring, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug is that pair's failure; the incident in the answer finds the traceback in the log."""
    crashing, fine = a_chat(answer=CRASH), a_chat()
    await store(parts.database, crashing, fine)
    answers = await parts.engine.evaluate(asked(crashing.ref, fine.ref, metrics=("response_length",)))
    failure, score = outcomes(answers)
    assert isinstance(failure, Failure)
    assert score == Score(value=6.0)
    (record,) = [each for each in caplog.records if each.message == "metric_crashed"]
    assert failure == Failure(
        code="INTERNAL",
        message=f"a bug in Assay; incident {record.incident} in the log",  # type: ignore[attr-defined]
    )
    assert record.exc_info is not None
    assert "a bug in a metric" in str(record.exc_info[1])


async def test_a_crash_beside_the_metric_ends_that_pair_and_not_the_engine(fresh_database: Database) -> None:
    """What is done before a metric is applied meets hostile content, too: it fails for one target, others go on."""

    def redact(text: str) -> tuple[str, Counter[str]]:
        if text == CRASH:
            raise RuntimeError("a bug in a rule")
        return text, Counter()

    crashing, fine = a_chat(answer=CRASH), a_chat()
    await store(fresh_database, crashing, fine)
    async with scoring(fresh_database, redact=redact) as parts:
        request = asked(crashing.ref, fine.ref, metrics=("correctness",), reuse=True)
        failure, score = outcomes(await parts.engine.evaluate(request))
        assert isinstance(failure, Failure)
        assert failure.code == "INTERNAL"
        assert score == RIGHT
        assert [each.outcome for each in await stored(parts, crashing.ref)] == [failure]
        assert outcomes(await parts.engine.evaluate(asked(fine.ref, metrics=("response_length",)))) == [
            Score(value=6.0)
        ]


async def test_a_judges_half_character_does_not_stop_the_engine(parts: Scoring) -> None:
    r"""`\ud800` in a rationale is JSON and no UTF-8; it is stored with a question mark, and others go on."""
    chat, other = a_chat(), a_chat(answer="Lyon.")
    await store(parts.database, chat, other)
    parts.judge.then(verdict("correct", "half \ud800"))
    half = Score(value=1.0, label="correct", explanation="half ?")
    assert outcomes(await parts.engine.evaluate(asked(chat.ref, metrics=("correctness",)))) == [half]
    (kept,) = await stored(parts, chat.ref)
    assert kept.outcome == half
    assert outcomes(await parts.engine.evaluate(asked(other.ref, metrics=("correctness",)))) == [WRONG]


async def test_inline_targets_are_scored_like_stored_ones_and_nothing_of_them_is_kept(parts: Scoring) -> None:
    """The same spans, brought along: equal outcomes, no row of telemetry, no result."""
    chat, brought = a_chat(), a_chat(answer="Lyon.")
    await store(parts.database, chat)
    span, trace = (InlineTarget(ref=ref, otlp=otlp(brought)) for ref in (brought.ref, brought.trace))
    answers = await parts.engine.evaluate(asked(span, chat.ref, trace))
    assert outcomes(answers) == [WRONG, Score(value=5.0), RIGHT, Score(value=6.0), WRONG, Score(value=5.0)]
    assert await stored(parts, brought.ref, brought.trace) == []
    with pytest.raises(TargetNotFound):
        await parts.engine.evaluate(asked(brought.ref))


async def test_one_span_stored_and_brought_along_in_one_call_are_two_targets(parts: Scoring) -> None:
    """A caller compares what is stored with a changed version of it: each answer is about its own text."""
    chat = a_chat()
    changed = replace(chat, attributes=a_chat(answer="Lyon, as of today.").attributes)
    await store(parts.database, chat)
    targets = (chat.ref, InlineTarget(ref=chat.ref, otlp=otlp(changed)), InlineTarget(ref=chat.ref, otlp=otlp(chat)))
    answers = await parts.engine.evaluate(asked(*targets, metrics=("response_length",)))
    assert outcomes(answers) == [Score(value=6.0), Score(value=18.0), Score(value=6.0)]


async def test_a_call_may_leave_nothing_behind(parts: Scoring) -> None:
    """`store` off: an answer, no row."""
    chat = a_chat()
    await store(parts.database, chat)
    assert outcomes(await parts.engine.evaluate(asked(chat.ref, store=False))) == [RIGHT, Score(value=6.0)]
    assert await stored(parts, chat.ref) == []


async def test_an_empty_request_has_no_answers(parts: Scoring) -> None:
    """Neither targets nor metrics is an error."""
    assert await parts.engine.evaluate(asked()) == []
    chat = a_chat()
    await store(parts.database, chat)
    assert await parts.engine.evaluate(asked(chat.ref, metrics=())) == []
