"""Requests off the wire."""

from __future__ import annotations

import uuid

import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from evaluator.scoring.request import EvaluationRequest, InlineTarget, MetricRef
from evaluator.server import convert, convert_targets
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import evaluator_pb2 as pb
from storage.model import Level, TargetRef

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SPAN_REF = TargetRef(level=Level.SPAN, trace_id=TRACE_ID, span_id=SPAN_ID)


def resource_spans(*names: str) -> ResourceSpans:
    """Spans of one trace; the first has `SPAN_ID`."""
    spans = [
        Span(trace_id=bytes.fromhex(TRACE_ID), span_id=(int(SPAN_ID, 16) + number).to_bytes(8), name=name)
        for number, name in enumerate(names)
    ]
    return ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])


def parsed(target: object, *, remaining_seconds: float | None = None, **other: object) -> EvaluationRequest:
    """A request in JSON, as a reflection client writes it."""
    body = {"targets": [target], "metrics": [{"name": "correctness"}], **other}
    message = json_format.ParseDict(body, pb.EvaluateRequest())
    return convert.evaluation_request(message, remaining_seconds=remaining_seconds)


STORED = {"span": {"traceId": TRACE_ID, "spanId": SPAN_ID}}


@pytest.mark.parametrize(
    ("target", "ref"),
    [
        (STORED, SPAN_REF),
        ({"trace": {"traceId": TRACE_ID}}, TargetRef(level=Level.TRACE, trace_id=TRACE_ID)),
        ({"session": {"sessionId": "höflich/1"}}, TargetRef(level=Level.SESSION, session_id="höflich/1")),
    ],
)
def test_a_reference_is_read_and_written(target: object, ref: TargetRef) -> None:
    """All three levels, both ways."""
    assert parsed(target).targets == (ref,)
    assert convert_targets.target_ref(convert_targets.target_ref_to_proto(ref), "target") == ref
    assert json_format.MessageToDict(convert_targets.target_to_proto(ref)) == target


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({}, "targets[0]: set one of span, trace, session, inline"),
        ({"span": {}}, "targets[0].span: trace_id must be 32 lower-case hex digits, got ''"),
        ({"trace": {"traceId": TRACE_ID.upper()}}, "targets[0].trace: trace_id must be 32 lower-case hex digits"),
        ({"span": {"traceId": "0" * 32, "spanId": SPAN_ID}}, "targets[0].span: trace_id must not be all zeros"),
        ({"session": {}}, "targets[0].session: a session target needs a session_id"),
        ({"inline": {}}, "targets[0].inline: holds 0 spans: set span or trace to say what is scored"),
        ({"inline": {"store": True}}, "targets[0].inline.store: must be false"),
    ],
)
def test_a_bad_target_is_refused_with_its_place(target: object, message: str) -> None:
    """The caller learns which of a thousand targets is wrong."""
    with pytest.raises(InvalidRequest) as refused:
        parsed(target)
    assert str(refused.value).startswith(message)


def test_the_only_inline_span_is_what_is_scored() -> None:
    """A guardrail has one span and need not say it twice."""
    spans = resource_spans("chat")
    (target,) = parsed({"inline": {"resourceSpans": [json_format.MessageToDict(spans)]}}).targets
    otlp = ExportTraceServiceRequest(resource_spans=[spans]).SerializeToString()
    assert target == InlineTarget(ref=SPAN_REF, otlp=otlp)


def test_of_several_inline_spans_one_must_be_named() -> None:
    """Guessing would score the wrong one."""
    spans = json_format.MessageToDict(resource_spans("chat", "tool"))
    with pytest.raises(InvalidRequest, match="holds 2 spans"):
        parsed({"inline": {"resourceSpans": [spans]}})
    request = parsed({"inline": {"resourceSpans": [spans], "trace": {"traceId": TRACE_ID}}})
    assert [target.ref for target in request.targets if isinstance(target, InlineTarget)] == [
        TargetRef(level=Level.TRACE, trace_id=TRACE_ID)
    ]


def test_an_inline_target_survives_the_wire() -> None:
    """What the client sends is what the engine gets."""
    otlp = ExportTraceServiceRequest(resource_spans=[resource_spans("chat", "tool")]).SerializeToString()
    for ref in (SPAN_REF, TargetRef(level=Level.TRACE, trace_id=TRACE_ID)):
        target = InlineTarget(ref=ref, otlp=otlp)
        message = pb.EvaluateRequest(targets=[convert_targets.target_to_proto(target)])
        message.metrics.add(name="correctness")
        assert convert.evaluation_request(message, remaining_seconds=None).targets == (target,)


@pytest.mark.parametrize(
    ("wait", "remaining_seconds", "expected"),
    [
        (None, None, 60.0),
        (None, 30.0, 29.5),
        (None, 600.0, 60.0),
        (None, 0.2, 0.0),
        ("0s", None, 0.0),
        ("90s", None, 90.0),
        ("90s", 10.0, 9.5),
        ("1.25s", 10.0, 1.25),
    ],
)
def test_the_answer_comes_before_the_deadline(
    wait: str | None, remaining_seconds: float | None, expected: float
) -> None:
    """The smaller of what was asked (60 s by default) and the deadline less half a second."""
    asked = {} if wait is None else {"wait": wait}
    assert parsed(STORED, remaining_seconds=remaining_seconds, **asked).wait_seconds == expected


@pytest.mark.parametrize("wait", [Duration(seconds=-1), Duration(seconds=3601)])
def test_a_wait_below_zero_or_above_an_hour_is_refused(wait: Duration) -> None:
    """Said, not silently cut."""
    message = pb.EvaluateRequest(targets=[convert_targets.target_to_proto(SPAN_REF)], wait=wait)
    message.metrics.add(name="correctness")
    with pytest.raises(InvalidRequest, match="wait: must be 0 s to 3600 s"):
        convert.evaluation_request(message, remaining_seconds=None)


def test_a_request_id_is_the_origin_and_without_one_every_call_is_new() -> None:
    """Results of a repeated request have the same ids; those of two requests never."""
    one = uuid.uuid4()
    repeated = parsed(STORED, requestId=str(one).upper())
    assert (repeated.origin, repeated.deduplicate) == (str(one), True)
    fresh = [parsed(STORED) for _ in range(2)]
    assert len({request.origin for request in fresh}) == 2
    assert not any(request.deduplicate for request in fresh)


def test_a_request_id_that_is_no_uuid_is_refused() -> None:
    """`1` would soon be used twice."""
    with pytest.raises(InvalidRequest, match="request_id: must be a UUID, got '1'"):
        parsed(STORED, requestId="1")


def test_time_hints_count_only_when_they_agree() -> None:
    """A look-up by a wrong time would find nothing."""

    def hint_of(*seconds: int | None) -> int | None:
        message = pb.EvaluateRequest()
        message.metrics.add(name="correctness")
        for second in seconds:
            target = message.targets.add()
            target.CopyFrom(convert_targets.target_to_proto(SPAN_REF))
            if second is not None:
                target.approximate_start_time.CopyFrom(Timestamp(seconds=second))
        return convert.evaluation_request(message, remaining_seconds=None).time_hint_ns

    assert [hint_of(None), hint_of(5), hint_of(600, 1), hint_of(602, 1), hint_of(5, None)] == [
        None,
        5_000_000_000,
        1_000_000_000,
        None,
        None,
    ]


def test_metrics_are_named_with_a_version_or_without() -> None:
    """0 on the wire is the active one."""
    metrics = [{"name": "correctness"}, {"name": "My Metric", "version": 3}]
    message = json_format.ParseDict({"targets": [STORED], "metrics": metrics}, pb.EvaluateRequest())
    request = convert.evaluation_request(message, remaining_seconds=None)
    assert request.metrics == (MetricRef(name="correctness"), MetricRef(name="My Metric", version=3))


@pytest.mark.parametrize(
    ("metrics", "field"),
    [([], "metrics"), ([{}], "metrics[0].name"), ([{"name": "x", "version": -1}], "metrics[0].version")],
)
def test_a_metric_without_a_name_is_refused(metrics: list[object], field: str) -> None:
    """With its place."""
    message = json_format.ParseDict({"targets": [STORED], "metrics": metrics}, pb.EvaluateRequest())
    with pytest.raises(InvalidRequest) as refused:
        convert.evaluation_request(message, remaining_seconds=None)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"levels": ["LEVEL_UNSPECIFIED"]}, "filter.levels"),
        ({"levels": [99]}, "filter.levels"),
        ({"statuses": [99]}, "filter.statuses"),
        ({"targets": [{}]}, "filter.targets[0]"),
    ],
)
def test_a_bad_filter_of_results_is_refused_with_its_place(body: dict[str, object], field: str) -> None:
    """An unknown number is refused, never ignored: ignoring would widen the answer."""
    with pytest.raises(InvalidRequest) as refused:
        convert.result_filter(json_format.ParseDict(body, pb.ResultFilter()))
    assert refused.value.field == field


def test_a_time_beyond_the_calendar_is_refused() -> None:
    """Timestamps reach further than the calendar."""
    with pytest.raises(InvalidRequest, match=r"filter\.end_time"):
        convert.result_filter(pb.ResultFilter(end_time=Timestamp(seconds=2**62)))
    request = pb.EvaluateRequest(targets=[convert_targets.target_to_proto(SPAN_REF)])
    request.metrics.add(name="correctness")
    request.targets[0].approximate_start_time.seconds = 2**62
    with pytest.raises(InvalidRequest, match=r"targets\[0\]\.approximate_start_time"):
        convert.evaluation_request(request, remaining_seconds=None)
