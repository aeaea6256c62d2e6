"""Targets, by reference or inline: proto <-> domain."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from evaluator.scoring.request import InlineTarget, Target
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import evaluator_pb2 as pb
from storage.model import Level, TargetRef


def target_ref(message: pb.TargetRef, field: str) -> TargetRef:
    """A reference.

    Raises:
        InvalidRequest: None is set, or an id is malformed.
    """
    match message.WhichOneof("ref"):
        case "span":
            return _ref(f"{field}.span", Level.SPAN, message.span)
        case "trace":
            return _ref(f"{field}.trace", Level.TRACE, message.trace)
        case "session":
            return _ref(f"{field}.session", Level.SESSION, message.session)
        case _:
            raise InvalidRequest(field, "set one of span, trace, session")


def _ref(field: str, level: Level, ids: pb.SpanRef | pb.TraceRef | pb.SessionRef) -> TargetRef:
    try:
        return TargetRef(level=level, **{item.name: value for item, value in ids.ListFields()})
    except ValueError as error:
        raise InvalidRequest(field, str(error)) from None


def target_ref_to_proto(ref: TargetRef) -> pb.TargetRef:
    """Inverse of `target_ref`."""
    match ref.level:
        case Level.SPAN:
            return pb.TargetRef(span=pb.SpanRef(trace_id=ref.trace_id, span_id=ref.span_id))
        case Level.TRACE:
            return pb.TargetRef(trace=pb.TraceRef(trace_id=ref.trace_id))
        case Level.SESSION:
            return pb.TargetRef(session=pb.SessionRef(session_id=ref.session_id))


def target(message: pb.Target, field: str) -> Target:
    """What is to be scored.

    Raises:
        InvalidRequest: None is set, an id is malformed, or an inline target does not say which span is meant.
    """
    match message.WhichOneof("target"):
        case "span":
            return _ref(f"{field}.span", Level.SPAN, message.span)
        case "trace":
            return _ref(f"{field}.trace", Level.TRACE, message.trace)
        case "session":
            return _ref(f"{field}.session", Level.SESSION, message.session)
        case "inline":
            return _inline(message.inline, f"{field}.inline")
        case _:
            raise InvalidRequest(field, "set one of span, trace, session, inline")


def target_to_proto(target: Target) -> pb.Target:
    """What a caller asks for, as it is sent.

    Raises:
        google.protobuf.message.DecodeError: An inline target is not OTLP.
    """
    ref = target_ref_to_proto(target.ref if isinstance(target, InlineTarget) else target)
    if not isinstance(target, InlineTarget):
        match ref.WhichOneof("ref"):
            case "span":
                return pb.Target(span=ref.span)
            case "trace":
                return pb.Target(trace=ref.trace)
            case _:
                return pb.Target(session=ref.session)
    inline = pb.InlineTarget(resource_spans=ExportTraceServiceRequest.FromString(target.otlp).resource_spans)
    if ref.WhichOneof("ref") == "trace":
        inline.trace.CopyFrom(ref.trace)
    else:
        inline.span.CopyFrom(ref.span)
    return pb.Target(inline=inline)


def _inline(message: pb.InlineTarget, field: str) -> InlineTarget:
    if message.store:
        raise InvalidRequest(f"{field}.store", "must be false: keeping inline targets is not offered yet")
    otlp = ExportTraceServiceRequest(resource_spans=message.resource_spans)
    match message.WhichOneof("scored"):
        case "span":
            ref = _ref(f"{field}.span", Level.SPAN, message.span)
        case "trace":
            ref = _ref(f"{field}.trace", Level.TRACE, message.trace)
        case _:
            ref = _only_span(otlp, field)
    return InlineTarget(ref=ref, otlp=otlp.SerializeToString())


def _only_span(otlp: ExportTraceServiceRequest, field: str) -> TargetRef:
    spans = [span for resource in otlp.resource_spans for scope in resource.scope_spans for span in scope.spans]
    if len(spans) != 1:
        raise InvalidRequest(field, f"holds {len(spans)} spans: set span or trace to say what is scored")
    (span,) = spans
    try:
        return TargetRef(level=Level.SPAN, trace_id=span.trace_id.hex(), span_id=span.span_id.hex())
    except ValueError as error:
        raise InvalidRequest(f"{field}.resource_spans", str(error)) from None
