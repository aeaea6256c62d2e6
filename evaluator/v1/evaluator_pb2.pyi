import datetime

from evaluator.v1 import metrics_pb2 as _metrics_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from opentelemetry.proto.trace.v1 import trace_pb2 as _trace_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResultStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESULT_STATUS_UNSPECIFIED: _ClassVar[ResultStatus]
    RESULT_STATUS_QUEUED: _ClassVar[ResultStatus]
    RESULT_STATUS_COMPUTING: _ClassVar[ResultStatus]
    RESULT_STATUS_SUCCESS: _ClassVar[ResultStatus]
    RESULT_STATUS_FAILED: _ClassVar[ResultStatus]
    RESULT_STATUS_NOT_COMPUTED: _ClassVar[ResultStatus]
    RESULT_STATUS_NOT_APPLICABLE: _ClassVar[ResultStatus]
    RESULT_STATUS_RETRACTED: _ClassVar[ResultStatus]

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_ONLINE: _ClassVar[Purpose]
    PURPOSE_ONDEMAND: _ClassVar[Purpose]
    PURPOSE_BACKFILL: _ClassVar[Purpose]
    PURPOSE_EXPERIMENT: _ClassVar[Purpose]
    PURPOSE_ALIGNMENT: _ClassVar[Purpose]
    PURPOSE_RECOMPUTE: _ClassVar[Purpose]

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_SCORED: _ClassVar[Decision]
    DECISION_WAITING: _ClassVar[Decision]
    DECISION_RUNNING: _ClassVar[Decision]
    DECISION_SAMPLED_OUT: _ClassVar[Decision]
    DECISION_FILTERED_OUT: _ClassVar[Decision]
    DECISION_FAILED: _ClassVar[Decision]
    DECISION_NOT_APPLICABLE: _ClassVar[Decision]
    DECISION_DISABLED: _ClassVar[Decision]
    DECISION_BEFORE_LOOKBACK: _ClassVar[Decision]
RESULT_STATUS_UNSPECIFIED: ResultStatus
RESULT_STATUS_QUEUED: ResultStatus
RESULT_STATUS_COMPUTING: ResultStatus
RESULT_STATUS_SUCCESS: ResultStatus
RESULT_STATUS_FAILED: ResultStatus
RESULT_STATUS_NOT_COMPUTED: ResultStatus
RESULT_STATUS_NOT_APPLICABLE: ResultStatus
RESULT_STATUS_RETRACTED: ResultStatus
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_ONLINE: Purpose
PURPOSE_ONDEMAND: Purpose
PURPOSE_BACKFILL: Purpose
PURPOSE_EXPERIMENT: Purpose
PURPOSE_ALIGNMENT: Purpose
PURPOSE_RECOMPUTE: Purpose
DECISION_UNSPECIFIED: Decision
DECISION_SCORED: Decision
DECISION_WAITING: Decision
DECISION_RUNNING: Decision
DECISION_SAMPLED_OUT: Decision
DECISION_FILTERED_OUT: Decision
DECISION_FAILED: Decision
DECISION_NOT_APPLICABLE: Decision
DECISION_DISABLED: Decision
DECISION_BEFORE_LOOKBACK: Decision

class SpanRef(_message.Message):
    __slots__ = ("trace_id", "span_id")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    span_id: str
    def __init__(self, trace_id: _Optional[str] = ..., span_id: _Optional[str] = ...) -> None: ...

class TraceRef(_message.Message):
    __slots__ = ("trace_id",)
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    def __init__(self, trace_id: _Optional[str] = ...) -> None: ...

class SessionRef(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class TargetRef(_message.Message):
    __slots__ = ("span", "trace", "session")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    span: SpanRef
    trace: TraceRef
    session: SessionRef
    def __init__(self, span: _Optional[_Union[SpanRef, _Mapping]] = ..., trace: _Optional[_Union[TraceRef, _Mapping]] = ..., session: _Optional[_Union[SessionRef, _Mapping]] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("span", "trace", "session", "inline", "approximate_start_time")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    APPROXIMATE_START_TIME_FIELD_NUMBER: _ClassVar[int]
    span: SpanRef
    trace: TraceRef
    session: SessionRef
    inline: InlineTarget
    approximate_start_time: _timestamp_pb2.Timestamp
    def __init__(self, span: _Optional[_Union[SpanRef, _Mapping]] = ..., trace: _Optional[_Union[TraceRef, _Mapping]] = ..., session: _Optional[_Union[SessionRef, _Mapping]] = ..., inline: _Optional[_Union[InlineTarget, _Mapping]] = ..., approximate_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class InlineTarget(_message.Message):
    __slots__ = ("resource_spans", "span", "trace", "store")
    RESOURCE_SPANS_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    resource_spans: _containers.RepeatedCompositeFieldContainer[_trace_pb2.ResourceSpans]
    span: SpanRef
    trace: TraceRef
    store: bool
    def __init__(self, resource_spans: _Optional[_Iterable[_Union[_trace_pb2.ResourceSpans, _Mapping]]] = ..., span: _Optional[_Union[SpanRef, _Mapping]] = ..., trace: _Optional[_Union[TraceRef, _Mapping]] = ..., store: _Optional[bool] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ("targets", "metrics", "wait", "reuse", "request_id")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    REUSE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[Target]
    metrics: _containers.RepeatedCompositeFieldContainer[_metrics_pb2.MetricRef]
    wait: _duration_pb2.Duration
    reuse: bool
    request_id: str
    def __init__(self, targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[_metrics_pb2.MetricRef, _Mapping]]] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reuse: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Result]
    def __init__(self, results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("result_id", "target", "metric", "metric_version", "metric_digest", "kind", "output_type", "status", "value", "label", "labels", "text", "explanation", "error", "rule", "rule_version", "judge_model", "usage", "watermark_time", "evaluate_time", "insert_time", "attempt", "purpose")
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    METRIC_VERSION_FIELD_NUMBER: _ClassVar[int]
    METRIC_DIGEST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    RULE_VERSION_FIELD_NUMBER: _ClassVar[int]
    JUDGE_MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_TIME_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_TIME_FIELD_NUMBER: _ClassVar[int]
    INSERT_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    target: TargetRef
    metric: str
    metric_version: int
    metric_digest: str
    kind: _metrics_pb2.MetricKind
    output_type: _metrics_pb2.OutputType
    status: ResultStatus
    value: float
    label: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    text: str
    explanation: str
    error: ResultError
    rule: str
    rule_version: int
    judge_model: str
    usage: Usage
    watermark_time: _timestamp_pb2.Timestamp
    evaluate_time: _timestamp_pb2.Timestamp
    insert_time: _timestamp_pb2.Timestamp
    attempt: int
    purpose: Purpose
    def __init__(self, result_id: _Optional[str] = ..., target: _Optional[_Union[TargetRef, _Mapping]] = ..., metric: _Optional[str] = ..., metric_version: _Optional[int] = ..., metric_digest: _Optional[str] = ..., kind: _Optional[_Union[_metrics_pb2.MetricKind, str]] = ..., output_type: _Optional[_Union[_metrics_pb2.OutputType, str]] = ..., status: _Optional[_Union[ResultStatus, str]] = ..., value: _Optional[float] = ..., label: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ..., explanation: _Optional[str] = ..., error: _Optional[_Union[ResultError, _Mapping]] = ..., rule: _Optional[str] = ..., rule_version: _Optional[int] = ..., judge_model: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., watermark_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., evaluate_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., insert_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., purpose: _Optional[_Union[Purpose, str]] = ...) -> None: ...

class ResultError(_message.Message):
    __slots__ = ("code", "message", "retryable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retryable: bool
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "cost_usd", "latency", "attempts")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    cost_usd: float
    latency: _duration_pb2.Duration
    attempts: int
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ..., latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., attempts: _Optional[int] = ...) -> None: ...

class ResultFilter(_message.Message):
    __slots__ = ("targets", "metrics", "levels", "statuses", "rule", "run", "start_time", "end_time", "include_superseded")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[TargetRef]
    metrics: _containers.RepeatedScalarFieldContainer[str]
    levels: _containers.RepeatedScalarFieldContainer[_metrics_pb2.Level]
    statuses: _containers.RepeatedScalarFieldContainer[ResultStatus]
    rule: str
    run: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    include_superseded: bool
    def __init__(self, targets: _Optional[_Iterable[_Union[TargetRef, _Mapping]]] = ..., metrics: _Optional[_Iterable[str]] = ..., levels: _Optional[_Iterable[_Union[_metrics_pb2.Level, str]]] = ..., statuses: _Optional[_Iterable[_Union[ResultStatus, str]]] = ..., rule: _Optional[str] = ..., run: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., include_superseded: _Optional[bool] = ...) -> None: ...

class ListResultsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: ResultFilter
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[ResultFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListResultsResponse(_message.Message):
    __slots__ = ("results", "next_page_token")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Result]
    next_page_token: str
    def __init__(self, results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetResultRequest(_message.Message):
    __slots__ = ("result_id",)
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    def __init__(self, result_id: _Optional[str] = ...) -> None: ...

class WatchResultsRequest(_message.Message):
    __slots__ = ("filter", "cursor")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    filter: ResultFilter
    cursor: str
    def __init__(self, filter: _Optional[_Union[ResultFilter, _Mapping]] = ..., cursor: _Optional[str] = ...) -> None: ...

class WatchResultsResponse(_message.Message):
    __slots__ = ("result", "cursor")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    result: Result
    cursor: str
    def __init__(self, result: _Optional[_Union[Result, _Mapping]] = ..., cursor: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("metric", "decision", "reason", "result_id", "decide_time", "next_attempt_time", "attempts")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    metric: str
    decision: Decision
    reason: str
    result_id: str
    decide_time: _timestamp_pb2.Timestamp
    next_attempt_time: _timestamp_pb2.Timestamp
    attempts: int
    def __init__(self, metric: _Optional[str] = ..., decision: _Optional[_Union[Decision, str]] = ..., reason: _Optional[str] = ..., result_id: _Optional[str] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts: _Optional[int] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("rule", "target")
    RULE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    rule: str
    target: TargetRef
    def __init__(self, rule: _Optional[str] = ..., target: _Optional[_Union[TargetRef, _Mapping]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("explanations",)
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    explanations: _containers.RepeatedCompositeFieldContainer[Explanation]
    def __init__(self, explanations: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ...) -> None: ...
