"""`evaluator.v1.Feedback`: what people send, what is refused and why, and lists that page without a gap."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from feedback_parts import FeedbackParts, a_judgement, a_metric, a_target, feedback_parts
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from running_front import running_front
from storing import a_chat, store

from evaluator.server.convert_targets import target_ref_to_proto
from evaluator.v1 import feedback_pb2 as pb
from evaluator.v1.feedback_pb2_grpc import FeedbackStub
from storage.clickhouse.client import Database
from storage.model import OutputType, Score, TargetRef


@dataclass
class Wire:
    """A stub, and what stands behind it."""

    stub: Any
    parts: FeedbackParts

    async def refused(self, method: str, request: Any) -> tuple[str, str, str]:
        """Reason, field and text of a refusal."""
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await getattr(self.stub, method)(request)
        trailers = dict(error.value.trailing_metadata() or ())
        status = Status.FromString(trailers["grpc-status-details-bin"])  # type: ignore[arg-type]
        info, bad = ErrorInfo(), BadRequest()
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(bad)
        fields = [each.field for each in bad.field_violations]
        return info.reason, fields[0] if fields else "", status.message


@pytest.fixture
async def wire(database: Database) -> AsyncIterator[Wire]:
    """A client of a server over the module's database."""
    async with running_front(database) as front, grpc.aio.insecure_channel(front.address) as channel:
        yield Wire(FeedbackStub(channel), feedback_parts(database))  # type: ignore[no-untyped-call]


def _submit(target: TargetRef, metric: str, **other: Any) -> pb.SubmitFeedbackRequest:
    fields: dict[str, Any] = {"metric": {"name": metric}, "expected": {"label": "true"}, "annotator": "ann"}
    return pb.SubmitFeedbackRequest(target=target_ref_to_proto(target), **fields | other)


async def test_a_correction_of_a_result_comes_back_whole(wire: Wire):
    """With the judge's verdict, advice, and where the target stands; and once more by its request."""
    metric = await a_metric(wire.parts, OutputType.PERCENTAGE)
    target, span = await a_target(wire.parts.database)
    judged = await a_judgement(wire.parts, target, span, metric, Score(value=0.9, explanation="fine"))
    request = pb.SubmitFeedbackRequest(
        result_id=str(judged.evaluation_id),
        expected={"value": 0.6},
        explanation="wrong",
        annotator=" ann ",
        request_id=str(uuid.uuid4()),
    )
    done = await wire.stub.SubmitFeedback(request)
    entry = done.feedback
    assert (entry.metric.name, entry.metric.version, entry.result_id) == (metric.name, 1, str(judged.evaluation_id))
    assert (entry.expected.value, entry.judged.value, entry.judge_explanation) == (0.6, 0.9, "fine")
    assert (entry.annotator, entry.judge_model, entry.status) == ("ann", "openai/judge-1", 1)
    assert (len(entry.advice), entry.earlier_revision, entry.bulk_id) == (1, False, "")
    assert (done.resolution.status, done.resolution.method, done.resolution.resolver) == (
        pb.RESOLUTION_STATUS_RESOLVED,
        pb.RESOLUTION_METHOD_SELF,
        "ann",
    )
    assert await wire.stub.SubmitFeedback(request) == done
    history = await wire.stub.GetFeedback(pb.GetFeedbackRequest(feedback_id=entry.feedback_id))
    assert (list(history.entries), history.resolution) == ([entry], done.resolution)
    assert (history.inputs["output"], history.segment["service"]) == ("Paris.", "shop")
    late = a_chat(trace_id=span.trace_id, span_id=span.span_id, answer="Rome.")
    await store(wire.parts.database, late)
    gone = await wire.stub.RetractFeedback(pb.RetractFeedbackRequest(feedback_id=entry.feedback_id, reason="slip"))
    assert (gone.status, gone.retractor, gone.retract_reason) == (pb.FEEDBACK_STATUS_RETRACTED, "ann", "slip")
    assert gone.HasField("retract_time")


async def test_a_target_that_has_grown_since_marks_its_feedback(wire: Wire):
    """The words are about an earlier revision of it."""
    metric, (target, span) = await a_metric(wire.parts), await a_target(wire.parts.database)
    trace = span.trace
    await wire.stub.SubmitFeedback(_submit(trace, metric.name))
    asked = pb.ListFeedbackRequest(metric=metric.name)
    [before] = (await wire.stub.ListFeedback(asked)).feedback
    await store(wire.parts.database, a_chat(trace_id=target.trace_id, parent=span.span_id))
    [after] = (await wire.stub.ListFeedback(asked)).feedback
    assert (before.earlier_revision, after.earlier_revision) == (False, True)


async def test_every_refusal_names_its_reason_and_its_field(wire: Wire):
    """And what to write instead."""
    metric = await a_metric(wire.parts, OutputType.PERCENTAGE)
    target, _ = await a_target(wire.parts.database)
    sixty = await wire.refused("SubmitFeedback", _submit(target, metric.name, expected={"value": 60}))
    assert sixty[:2] == ("INVALID_FEEDBACK", "expected.value")
    assert "write 0.6" in sixty[2]
    nobody = await wire.refused("SubmitFeedback", _submit(target, metric.name, annotator=""))
    assert nobody[:2] == ("INVALID_FEEDBACK", "annotator")
    both = _submit(target, metric.name, result_id=str(uuid.uuid4()))
    assert (await wire.refused("SubmitFeedback", both))[:2] == ("INVALID_REQUEST", "target")
    unknown = pb.SubmitFeedbackRequest(result_id=str(uuid.uuid4()), annotator="a", expected={"value": 1})
    reasons = [
        await wire.refused("SubmitFeedback", unknown),
        await wire.refused("SubmitFeedback", _submit(target, "no_such")),
        await wire.refused("SubmitFeedback", _submit(a_chat().ref, metric.name)),
        await wire.refused("RetractFeedback", pb.RetractFeedbackRequest(feedback_id=str(uuid.uuid4()))),
        await wire.refused("GetFeedback", pb.GetFeedbackRequest(feedback_id="x")),
        await wire.refused("UndoBulk", pb.UndoBulkRequest(bulk_id=str(uuid.uuid4()), annotator="a")),
        await wire.refused("ListFeedback", pb.ListFeedbackRequest(status=7)),  # type: ignore[arg-type]
        await wire.refused("ListFeedback", pb.ListFeedbackRequest(page_token="x")),
        await wire.refused("ImportFeedback", pb.ImportFeedbackRequest()),
    ]
    assert [reason for reason, _, _ in reasons] == [
        "RESULT_NOT_FOUND",
        "METRIC_NOT_FOUND",
        "TARGET_NOT_FOUND",
        "FEEDBACK_NOT_FOUND",
        "INVALID_REQUEST",
        "BULK_NOT_FOUND",
        "INVALID_REQUEST",
        "INVALID_PAGE_TOKEN",
        "INVALID_REQUEST",
    ]
    silent = pb.ResolveFeedbackRequest(
        target=target_ref_to_proto(target), metric=metric.name, expected={"value": 1}, resolver="eve"
    )
    assert (await wire.refused("ResolveFeedback", silent))[0] == "FEEDBACK_NOT_FOUND"


async def test_many_are_imported_listed_and_undone(wire: Wire):
    """What is not acceptable is answered by its number; pages neither skip nor repeat."""
    metric = await a_metric(wire.parts)
    spans = [a_chat() for _ in range(12)]
    await store(wire.parts.database, *spans)
    entries = [pb.ImportedFeedback(feedback=_submit(span.ref, metric.name, annotator="")) for span in spans]
    entries[3].feedback.expected.label = "maybe"
    entries[7].feedback.target.span.span_id = "nothex"
    request = pb.ImportFeedbackRequest(feedback=entries, annotator="ann", bulk_id=str(uuid.uuid4()))
    dry = pb.ImportFeedbackRequest(feedback=entries, annotator="ann", validate_only=True)
    for asked, added, present in ((dry, 10, 0), (request, 10, 0), (request, 0, 10)):
        done = await wire.stub.ImportFeedback(asked)
        assert (done.added, done.present, done.vague) == (added, present, 10)
        assert [each.number for each in done.refused] == [3, 7]
    found: list[pb.FeedbackEntry] = []
    token = ""
    while True:
        page = await wire.stub.ListFeedback(pb.ListFeedbackRequest(metric=metric.name, page_size=3, page_token=token))
        found += page.feedback
        if not (token := page.next_page_token):
            break
    assert len({each.feedback_id for each in found}) == len(found) == 10
    assert {each.bulk_id for each in found} == {request.bulk_id}
    standing: list[pb.Resolution] = []
    while True:
        listed = await wire.stub.ListResolutions(
            pb.ListResolutionsRequest(
                metric=metric.name, status=pb.RESOLUTION_STATUS_RESOLVED, page_size=4, page_token=token
            )
        )
        standing += listed.resolutions
        if not (token := listed.next_page_token):
            break
    assert len({each.target.span.span_id for each in standing}) == len(standing) == 10
    undo = pb.UndoBulkRequest(bulk_id=request.bulk_id, annotator="eve")
    assert (await wire.stub.UndoBulk(undo)).retracted == 10
    assert (await wire.stub.UndoBulk(undo)).retracted == 0
    after = await wire.stub.ListResolutions(
        pb.ListResolutionsRequest(metric=metric.name, status=pb.RESOLUTION_STATUS_RESOLVED)
    )
    assert list(after.resolutions) == []
    back = await wire.stub.ImportFeedback(request)
    assert (back.added, back.present) == (10, 0)


async def test_what_is_not_there_says_so(wire: Wire):
    """This server has neither queues nor agreement."""
    for method, request in (("ClaimNext", pb.ClaimNextRequest()), ("GetAgreement", pb.GetAgreementRequest())):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await getattr(wire.stub, method)(request)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
