"""`EvaluateStream` over a real server, store and judge."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc.aio import insecure_channel
from running_front import PreparedExplaining, a_span, an_evaluation, run_catalogue, running_front
from scoring_parts import Scoring, otlp, scoring
from storing import SentSpan, a_chat, store, until

from evaluator.judges.scripted import by_rule
from evaluator.judges.scripted_faults import hang
from evaluator.online.rules.catalogue import Rules
from evaluator.scoring.request import InlineTarget
from evaluator.server import stream
from evaluator.server.convert_targets import target_to_proto
from evaluator.server.serve import Parts, serving
from evaluator.v1 import evaluator_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from evaluator.v1.evaluator_pb2_grpc import EvaluatorStub
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.model import Score

CORRECTNESS = vocabulary_pb2.MetricRef(name="correctness")
LENGTH = vocabulary_pb2.MetricRef(name="response_length")


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """What a test holds of it."""

    scoring: Scoring
    address: str


@pytest.fixture
async def streaming(database: Database) -> AsyncIterator[Streaming]:
    """A server with everything real behind it."""
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(scoring(database))
        parts = Parts(
            scoring=made.engine,
            computing=made.engine,
            results=made.results,
            explaining=PreparedExplaining(),
            metrics=made.metrics,
            rules=Rules(ClickHouseDefinitions(database), made.metrics),
            runs=run_catalogue(database, made.metrics),
        )
        port = await stack.enter_async_context(serving("127.0.0.1:0", parts, grace_seconds=5.0))
        yield Streaming(scoring=made, address=f"127.0.0.1:{port}")


def _asked(span: SentSpan, *metrics: vocabulary_pb2.MetricRef, **other: object) -> pb.EvaluateStreamRequest:
    fields: dict[str, object] = {"client_id": span.span_id, "target": target_to_proto(span.ref), "metrics": metrics}
    return pb.EvaluateStreamRequest(**fields | other)  # type: ignore[arg-type]


async def _answers(address: str, requests: Iterable[pb.EvaluateStreamRequest]) -> list[pb.EvaluateStreamResponse]:
    async with insecure_channel(address) as channel:
        call = EvaluatorStub(channel).EvaluateStream(iter(requests))  # type: ignore[no-untyped-call]
        return [answer async for answer in call]


async def test_every_request_of_a_stream_is_answered_once_with_its_own_results(streaming: Streaming) -> None:
    """More requests than slots; stored and inline targets; results in the order of the request's metrics."""
    spans = [a_chat(answer="x" * number) for number in range(1, stream.MAX_IN_FLIGHT + 10)]
    await store(streaming.scoring.database, *spans)
    inline = a_chat(answer="inline")
    requests = [_asked(span, LENGTH, CORRECTNESS) for span in spans]
    requests.append(_asked(inline, LENGTH, target=target_to_proto(InlineTarget(ref=inline.ref, otlp=otlp(inline)))))
    answers = {answer.client_id: answer for answer in await _answers(streaming.address, requests)}
    assert len(answers) == len(requests)
    for number, span in enumerate(spans, 1):
        length, judged = answers[span.span_id].results
        assert (length.metric, length.value, judged.metric) == ("response_length", number, "correctness")
        assert judged.target.span.span_id == span.span_id
    assert [(result.value, result.result_id) for result in answers[inline.span_id].results] == [(6.0, "")]


async def test_bytes_that_are_no_request_end_the_stream_as_the_callers_mistake(streaming: Streaming) -> None:
    """What was asked before is answered, and the log has no bug to look for."""
    span = a_chat(answer="Paris.")
    await store(streaming.scoring.database, span)
    async with insecure_channel(streaming.address) as channel:
        call = channel.stream_stream("/evaluator.v1.Evaluator/EvaluateStream")(
            iter([_asked(span, LENGTH).SerializeToString(), b"\xff" * 9])
        )
        answer = pb.EvaluateStreamResponse.FromString(await call.read())
        with pytest.raises(grpc.aio.AioRpcError, match="request: is no EvaluateStreamRequest") as refused:
            await call.read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [result.value for result in answer.results] == [6.0]


async def test_a_request_that_is_refused_does_not_end_the_stream(streaming: Streaming) -> None:
    """Each error stands in its own answer, with the details of the error table."""
    good, unknown = a_chat(), a_chat()
    await store(streaming.scoring.database, good)
    requests = [
        _asked(unknown, LENGTH),
        _asked(good, client_id="no metric"),
        _asked(good, vocabulary_pb2.MetricRef(name="nothing"), client_id="no such metric"),
        pb.EvaluateStreamRequest(client_id="no target", metrics=[LENGTH]),
        _asked(good, LENGTH, client_id="x" * 300),
        _asked(good, LENGTH, client_id="bad id", request_id="7"),
        _asked(good, LENGTH, client_id="not otlp", target=_inline_without_span()),
        _asked(good, LENGTH, client_id="good"),
    ]
    answers = {answer.client_id: answer for answer in await _answers(streaming.address, requests)}
    reasons = {name: _reason(answer) for name, answer in answers.items()}
    assert reasons == {
        unknown.span_id: ("NOT_FOUND", "TARGET_NOT_FOUND", ""),
        "no metric": ("INVALID_ARGUMENT", "INVALID_REQUEST", "metrics"),
        "no such metric": ("NOT_FOUND", "METRIC_NOT_FOUND", ""),
        "no target": ("INVALID_ARGUMENT", "INVALID_REQUEST", "target"),
        "x" * 256: ("INVALID_ARGUMENT", "INVALID_REQUEST", "client_id"),
        "bad id": ("INVALID_ARGUMENT", "INVALID_REQUEST", "request_id"),
        "not otlp": ("INVALID_ARGUMENT", "INVALID_REQUEST", "target.inline"),
        "good": ("OK", "", ""),
    }
    assert answers["good"].results[0].value == len("Paris.")


def _inline_without_span() -> pb.Target:
    return pb.Target(inline=pb.InlineTarget())


def _reason(answer: pb.EvaluateStreamResponse) -> tuple[str, str, str]:
    info, bad = ErrorInfo(), BadRequest()
    for detail in answer.error.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    code = next(code.name for code in grpc.StatusCode if code.value[0] == answer.error.code)
    return code, info.reason, bad.field_violations[0].field if bad.field_violations else ""


async def test_the_same_request_id_in_a_stream_is_the_same_result(streaming: Streaming) -> None:
    """A caller whose connection broke sends again what was not answered."""
    span, request_id = a_chat(), str(uuid.uuid4())
    await store(streaming.scoring.database, span)
    asked = _asked(span, CORRECTNESS, request_id=request_id)
    [first] = await _answers(streaming.address, [asked])
    [second] = await _answers(streaming.address, [asked])
    assert first.results[0].result_id == second.results[0].result_id
    assert len(streaming.scoring.judge.requests) == 1


async def test_a_caller_who_does_not_read_is_not_read_from_either(database: Database) -> None:
    """What is held for it is bounded; when it reads, everything comes."""
    total, target = stream.MAX_IN_FLIGHT * 4, a_span()
    requests = [
        pb.EvaluateStreamRequest(client_id=str(number), target=target_to_proto(target), metrics=[LENGTH])
        for number in range(total)
    ]
    async with running_front(database) as front, insecure_channel(front.address) as channel:
        front.scoring.prepared = [an_evaluation(target, Score(value=1.0, explanation="x" * 50_000))]
        call = EvaluatorStub(channel).EvaluateStream(iter(requests))  # type: ignore[no-untyped-call]

        async def stands_still() -> bool:
            before = len(front.scoring.asked)
            await asyncio.sleep(0.5)
            return before > 0 and len(front.scoring.asked) == before

        await until(stands_still)
        held_back = len(front.scoring.asked)
        answers = [answer.client_id async for answer in call]
    assert held_back < total
    assert len(set(answers)) == len(answers) == total


async def test_a_stream_that_is_cancelled_reaches_the_judge(streaming: Streaming) -> None:
    """Nobody pays for what nobody reads."""
    spans = [a_chat() for _ in range(5)]
    await store(streaming.scoring.database, *spans)
    judge = streaming.scoring.judge
    judge.always(hang())
    async with insecure_channel(streaming.address) as channel:
        call = EvaluatorStub(channel).EvaluateStream()  # type: ignore[no-untyped-call]
        for span in spans:
            await call.write(_asked(span, CORRECTNESS))

        async def asked() -> bool:
            return judge.in_flight == 5

        await until(asked)
        call.cancel()

        async def hung_up() -> bool:
            return judge.in_flight == 0

        await until(hung_up)
    judge.always(by_rule)


async def test_answers_come_as_they_finish(streaming: Streaming) -> None:
    """A slow judge holds up its own request only."""
    slow, quick = a_chat(), a_chat()
    await store(streaming.scoring.database, slow, quick)
    judge = streaming.scoring.judge
    judge.always(hang())
    async with insecure_channel(streaming.address) as channel:
        call = EvaluatorStub(channel).EvaluateStream()  # type: ignore[no-untyped-call]
        await call.write(_asked(slow, CORRECTNESS))
        await call.write(_asked(quick, LENGTH))
        first = await call.read()
        assert first.client_id == quick.span_id
        call.cancel()
    judge.always(by_rule)
