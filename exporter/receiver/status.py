"""Every error as a status, once.  One question decides: would sending the same request again help?

OTLP clients retry UNAVAILABLE, and RESOURCE_EXHAUSTED only with RetryInfo; over HTTP 429, 502, 503 and 504.  So storage
trouble is never a 500 or INTERNAL, which would make a client drop its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from exporter.errors import BadCompression, BodyBroken, BodyTooLarge, BodyTooSlow, Overloaded, UnsupportedMedia
from exporter.intake import Signal
from storage.errors import Rejected, Unavailable
from storage.otlp.errors import Malformed, TooLarge
from storage.otlp.messages import LogsResponse, TracesResponse
from storage.otlp.reference import Translated

METRICS_REFUSED = (
    "Assay stores traces and logs, not metrics. Send metrics to your metrics backend: give them an endpoint of their "
    "own (OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, or another exporter in the Collector's metrics pipeline), or switch "
    "them off (OTEL_METRICS_EXPORTER=none)."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """How an error is answered."""

    grpc: grpc.StatusCode
    http: int


# In order: the first class that fits counts.
ANSWERS: Mapping[type[Exception], Answer] = {
    Overloaded: Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    BodyTooSlow: Answer(grpc.StatusCode.UNAVAILABLE, 503),
    Unavailable: Answer(grpc.StatusCode.UNAVAILABLE, 503),
    Rejected: Answer(grpc.StatusCode.INVALID_ARGUMENT, 400),
    Malformed: Answer(grpc.StatusCode.INVALID_ARGUMENT, 400),
    BodyBroken: Answer(grpc.StatusCode.INVALID_ARGUMENT, 400),
    BadCompression: Answer(grpc.StatusCode.INVALID_ARGUMENT, 400),
    TooLarge: Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, 413),
    BodyTooLarge: Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, 413),
    UnsupportedMedia: Answer(grpc.StatusCode.INVALID_ARGUMENT, 415),
}
REFUSALS = tuple(ANSWERS)
"""What a front catches; anything else is a bug."""


def answer_to(error: Exception) -> Answer:
    """The answer to one of `REFUSALS`."""
    return next(answer for kind, answer in ANSWERS.items() if isinstance(error, kind))


def status_of(error: Exception) -> Status:
    """google.rpc.Status with RetryInfo where a retry may help."""
    status = Status(code=answer_to(error).grpc.value[0], message=str(error))
    if isinstance(error, Unavailable):
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_seconds * 1000))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status


def response_to(signal: Signal, translated: Translated) -> TracesResponse | LogsResponse:
    """Export…ServiceResponse: empty, or with the count and reason of what was refused."""
    if signal is Signal.TRACES:
        traces = TracesResponse()
        if translated.rejected:
            traces.partial_success.rejected_spans = translated.rejected
            traces.partial_success.error_message = translated.reason
        return traces
    logs = LogsResponse()
    if translated.rejected:
        logs.partial_success.rejected_log_records = translated.rejected
        logs.partial_success.error_message = translated.reason
    return logs
