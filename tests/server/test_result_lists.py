"""`ListResults`: filters, orders, and pages that stay where they are."""

from __future__ import annotations

import math
import struct
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from emptying import emptied
from running_front import Front, a_span, an_evaluation, running_front

from evaluator.scoring.request import Pending
from evaluator.server.convert_targets import target_ref_to_proto
from evaluator.v1 import evaluator_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from evaluator.v1.evaluator_pb2_grpc import EvaluatorStub
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.model import Evaluation, Failure, MetricKind, Purpose, Score
from storage.queue import Decision


@pytest.fixture
async def front(database: Database) -> AsyncIterator[Front]:
    """A server over an emptied database."""
    await emptied(database)
    async with running_front(database) as made:
        yield made


async def _pages(front: Front, size: int, **request: Any) -> list[pb.Result]:
    """Every page of a list."""
    found: list[pb.Result] = []
    token = ""
    async with grpc.aio.insecure_channel(front.address) as channel:
        stub = EvaluatorStub(channel)  # type: ignore[no-untyped-call]
        while True:
            asked = pb.ListResultsRequest(page_size=size, page_token=token, **request)
            answer = await stub.ListResults(asked)
            assert len(answer.results) <= size
            found += answer.results
            token = answer.next_page_token
            if not token:
                return found


async def _refused(front: Front, **request: Any) -> str:
    async with grpc.aio.insecure_channel(front.address) as channel:
        stub = EvaluatorStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListResults(pb.ListResultsRequest(**request))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return refused.value.details() or ""


def _scored(value: float, **other: Any) -> Evaluation:
    return an_evaluation(a_span(), Score(value=value), **other)


async def test_results_are_listed_by_value_in_both_directions_page_after_page(front: Front) -> None:
    """Equal values, negative ones, neighbours one bit apart; what has no value is left out."""
    near = struct.unpack("<d", struct.pack("<q", struct.unpack("<q", struct.pack("<d", 0.3))[0] + 1))[0]
    values = [0.3, near, 0.3, -2.5, 0.0, 1e300, 5e-324, 0.1 + 0.2, 0.3]
    await front.results.append([_scored(value) for value in values])
    await front.results.append([an_evaluation(a_span(), Failure(code="X", message="no"))])
    rising = await _pages(front, 2, order=pb.RESULT_ORDER_VALUE_ASCENDING)
    assert [result.value for result in rising] == sorted(values)
    falling = await _pages(front, 2, order=pb.RESULT_ORDER_VALUE_DESCENDING)
    assert [result.value for result in falling] == sorted(values, reverse=True)
    assert len({result.result_id for result in rising}) == len(values)


@pytest.mark.parametrize(("higher_is_better", "worst"), [(True, 0.1), (False, 0.9)])
async def test_the_worst_comes_first_by_the_direction_of_the_metric(
    front: Front, higher_is_better: bool, worst: float
) -> None:
    """The lowest of what is good when high, the highest of what is good when low."""
    from dataclasses import replace

    built_in = await front.metrics.get("correctness")
    name = f"direction_{str(higher_is_better).lower()}"
    try:
        await front.metrics.get(name)
    except Exception:
        await front.metrics.create(
            replace(built_in, name=name, display_name="", builtin=False, higher_is_better=higher_is_better)
        )
    await front.results.append([_scored(value, metric=name) for value in (0.5, 0.1, 0.9)])
    found = await _pages(front, 10, order=pb.RESULT_ORDER_WORST, filter=pb.ResultFilter(metrics=[name]))
    assert found[0].value == worst
    assert sorted(result.value for result in found) == [0.1, 0.5, 0.9]


async def test_what_has_no_worst_is_refused(front: Front) -> None:
    """Several metrics, a metric without a direction, results without a value, an order that does not exist."""
    worst = pb.RESULT_ORDER_WORST
    assert "must name one metric" in await _refused(front, order=worst)
    length = pb.ResultFilter(metrics=["response_length"])
    assert "no better and worse" in await _refused(front, order=worst, filter=length)
    computing = pb.ResultFilter(statuses=[pb.RESULT_STATUS_COMPUTING])
    assert "has no value" in await _refused(front, order=pb.RESULT_ORDER_VALUE_ASCENDING, filter=computing)
    assert "known order" in await _refused(front, order=99)
    assert "must be a number" in await _refused(front, filter=pb.ResultFilter(minimum_value=math.nan))


async def test_a_range_of_values_holds_its_ends_to_the_last_bit(front: Front) -> None:
    """0.1 + 0.2 is not 0.3."""
    await front.results.append([_scored(value) for value in (0.1, 0.3, 0.1 + 0.2, 0.7)])
    exact = await _pages(front, 10, filter=pb.ResultFilter(minimum_value=0.1, maximum_value=0.3))
    assert sorted(result.value for result in exact) == [0.1, 0.3]
    above = await _pages(front, 10, filter=pb.ResultFilter(minimum_value=0.1 + 0.2))
    assert sorted(result.value for result in above) == [0.1 + 0.2, 0.7]


async def test_results_are_found_by_label_kind_purpose_and_run(front: Front) -> None:
    """Each by itself; a multilabel result by any of its labels; an experiment's only where it is asked for."""
    run = str(uuid.uuid4())
    label = an_evaluation(a_span(), Score(label="angry"))
    several = an_evaluation(a_span(), Score(labels=("angry", "sad")))
    code = an_evaluation(a_span(), Score(value=3.0), kind=MetricKind.CODE, purpose=Purpose.ONLINE)
    of_run = an_evaluation(a_span(), run=run, trial=2, purpose=Purpose.BACKFILL)
    hidden = an_evaluation(a_span(), run=run, purpose=Purpose.EXPERIMENT)
    await front.results.append([label, several, code, of_run, hidden])

    async def ids(**where: Any) -> set[str]:
        return {result.result_id for result in await _pages(front, 10, filter=pb.ResultFilter(**where))}

    def of(*evaluations: Evaluation) -> set[str]:
        return {str(each.evaluation_id) for each in evaluations}

    assert await ids(labels=["angry"]) == of(label, several)
    assert await ids(labels=["sad", "happy"]) == of(several)
    assert await ids(kinds=[vocabulary_pb2.METRIC_KIND_CODE]) == of(code)
    assert await ids(purposes=[pb.PURPOSE_ONLINE]) == of(code)
    assert await ids(run=run) == of(of_run, hidden)
    assert await ids(run=run, purposes=[pb.PURPOSE_BACKFILL]) == of(of_run)
    assert await ids() == of(label, several, code, of_run)


async def test_a_result_carries_what_is_known_of_it(front: Front) -> None:
    """Run, trial, exchange, metadata, the digest of what a composite read."""
    evaluation = an_evaluation(
        a_span(), run=str(uuid.uuid4()), trial=3, judge_trace_id="ab" * 16, metadata={"spread": "0.1"},
        inputs_digest=b"\x01" * 16,
    )  # fmt: skip
    await front.results.append([evaluation])
    [result] = await _pages(front, 10, filter=pb.ResultFilter(run=evaluation.run))
    assert (result.run_id, result.trial, result.judge_trace_id, dict(result.metadata), result.inputs_digest) == (
        evaluation.run,
        3,
        "ab" * 16,
        {"spread": "0.1"},
        "01" * 16,
    )


@pytest.mark.parametrize("order", [pb.RESULT_ORDER_UNSPECIFIED, pb.RESULT_ORDER_VALUE_ASCENDING])
async def test_pages_show_nothing_twice_while_results_are_stored(front: Front, order: int) -> None:
    """What was there at the beginning is there once, whatever comes between the pages."""
    before = [_scored(number / 50) for number in range(20)]
    await front.results.append(before)
    found: list[str] = []
    token = ""
    async with grpc.aio.insecure_channel(front.address) as channel:
        stub = EvaluatorStub(channel)  # type: ignore[no-untyped-call]
        while True:
            answer = await stub.ListResults(pb.ListResultsRequest(page_size=3, page_token=token, order=order))
            found += [result.result_id for result in answer.results]
            token = answer.next_page_token
            if not token:
                break
            if len(found) < 30:
                await front.results.append([_scored(number / 7) for number in range(4)])
    assert len(set(found)) == len(found)
    assert {str(each.evaluation_id) for each in before} <= set(found)


async def test_what_is_queued_or_computing_is_listed_where_it_is_asked_for(front: Front, database: Database) -> None:
    """Of calls from the server's memory, of rules and runs from the ledger; then what is final."""
    call = Pending(evaluation_id=uuid.uuid4(), target=a_span(), metric="correctness", metric_version=1)
    front.scoring.computing[call.evaluation_id] = call
    queue, run = ClickHouseQueue(database), str(uuid.uuid4())

    def waiting(rule: str, reason: str) -> Decision:
        return Decision(
            rule=rule, rule_version=0, metric="quality", target=a_span(), watermark_ms=1_794_441_601_000,
            decision="waiting", reason=reason,
        )  # fmt: skip

    decisions = [waiting(f"run:{run}", ""), waiting("nightly", "for human review"), waiting("nightly", "for another")]
    await queue.record(decisions)
    final = an_evaluation(a_span())
    await front.results.append([final])

    async def listed(*statuses: Any, **where: Any) -> list[tuple[str, str, str, str]]:
        asked = pb.ResultFilter(statuses=statuses, **where)
        found = await _pages(front, 1, filter=asked)
        return [(pb.ResultStatus.Name(each.status)[14:], each.rule, each.run_id, each.explanation) for each in found]

    every = await listed(pb.RESULT_STATUS_QUEUED, pb.RESULT_STATUS_COMPUTING, pb.RESULT_STATUS_SUCCESS)
    assert every[0] == ("COMPUTING", "", "", "")
    assert sorted(every[1:4]) == sorted(
        [
            ("QUEUED", "", run, ""),
            ("QUEUED", "nightly", "", "for human review"),
            ("QUEUED", "nightly", "", "for another"),
        ]
    )
    assert every[4] == ("SUCCESS", "", "", "half")
    assert await listed(pb.RESULT_STATUS_QUEUED, run=run) == [("QUEUED", "", run, "")]
    target = target_ref_to_proto(decisions[1].target)
    assert await listed(pb.RESULT_STATUS_QUEUED, targets=[target]) == [("QUEUED", "nightly", "", "for human review")]
    assert await listed(pb.RESULT_STATUS_COMPUTING) == [("COMPUTING", "", "", "")]
    assert await listed() == [("SUCCESS", "", "", "half")]
