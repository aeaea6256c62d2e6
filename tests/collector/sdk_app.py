"""A small application with the real OpenTelemetry SDK: two spans of one trace, and a log event."""

from __future__ import annotations

from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, format_trace_id

Row = dict[str, Any]


def answer_once(otlp_grpc: str, *, service: str, namespace: str = "shop") -> str:
    """Run the application once and flush it; returns its trace id."""
    resource = Resource.create(
        {"service.name": service, "service.namespace": namespace, "deployment.environment.name": "test"}
    )
    traces, logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_grpc, insecure=True)))
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=otlp_grpc, insecure=True)))
    tracer, logger = traces.get_tracer("waiter", "1.0"), logs.get_logger("waiter", "1.0")
    with (
        tracer.start_as_current_span("invoke_agent waiter", attributes=SESSION | AGENT) as root,
        tracer.start_as_current_span("chat gpt-5", kind=SpanKind.CLIENT, attributes=SESSION | CHAT),
    ):
        logger.emit(LogRecord(event_name=EVENT, body="done", severity_number=SeverityNumber.INFO, attributes=SESSION))
        trace_id = format_trace_id(root.get_span_context().trace_id)
    traces.shutdown()
    logs.shutdown()
    return trace_id


def spans_in_sql(service: str) -> list[Row]:
    """The two spans as view `spans` has them: the root first, Assay's own columns computed."""
    common: Row = {"ServiceName": service, "SessionId": "table-7", "UserId": "ada", "Environment": "test"} | ARRIVED
    agent: Row = {"SpanName": "invoke_agent waiter", "SpanKind": "Internal", "ObservationKind": "agent", "Model": ""}
    chat: Row = {"SpanName": "chat gpt-5", "SpanKind": "Client", "ObservationKind": "llm", "Model": "gpt-5-2026-08-01"}
    return [
        common | agent | {"InputTokens": 0, "OutputTokens": 0, "FinishReasons": None},
        common | chat | {"InputTokens": 12, "OutputTokens": 34, "FinishReasons": '["stop"]'},
    ]


def trace_in_sql(service: str) -> list[Row]:
    """The trace as view `traces` has it."""
    counted: Row = {"Spans": 2, "Roots": 1, "HasLogs": 1, "LlmSpansReported": 1}
    tokens: Row = {"InputTokensReported": 12, "OutputTokensReported": 34}
    owner: Row = {"SessionId": "table-7", "UserId": "ada", "Environment": "test"}
    return [counted | tokens | owner | {"RootService": service, "RootName": "invoke_agent waiter"}]


def event_in_sql(service: str) -> list[Row]:
    """The log record as `otel_logs` has it."""
    record: Row = {"EventName": EVENT, "Body": "done", "SeverityNumber": 9, "ScopeName": "waiter"}
    return [record | {"ServiceName": service, "SessionId": "table-7"} | ARRIVED]


ARRIVED: Row = {"IngestedNow": 1}
EVENT = "gen_ai.client.inference.operation.details"
SESSION: Row = {"session.id": "table-7", "user.id": "ada"}
AGENT: Row = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "waiter"}
CHAT: Row = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2026-08-01",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 34,
}
