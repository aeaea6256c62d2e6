import datetime

from evaluator.v1 import vocabulary_pb2 as _vocabulary_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
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

class ResultOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESULT_ORDER_UNSPECIFIED: _ClassVar[ResultOrder]
    RESULT_ORDER_VALUE_ASCENDING: _ClassVar[ResultOrder]
    RESULT_ORDER_VALUE_DESCENDING: _ClassVar[ResultOrder]
    RESULT_ORDER_WORST: _ClassVar[ResultOrder]

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
    DECISION_CANCELLED: _ClassVar[Decision]
    DECISION_SET_ASIDE: _ClassVar[Decision]
    DECISION_DEPENDENCY_FAILED: _ClassVar[Decision]
    DECISION_OVER_BUDGET: _ClassVar[Decision]
    DECISION_QUEUED: _ClassVar[Decision]
    DECISION_OUT_OF_SCOPE: _ClassVar[Decision]
    DECISION_EARLIER_VERSION: _ClassVar[Decision]
    DECISION_LATE_IGNORED: _ClassVar[Decision]

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_PENDING: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_SUCCEEDED: _ClassVar[RunState]
    RUN_STATE_PARTIAL: _ClassVar[RunState]
    RUN_STATE_FAILED: _ClassVar[RunState]
    RUN_STATE_CANCELLED: _ClassVar[RunState]

class BackfillOnly(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BACKFILL_ONLY_UNSPECIFIED: _ClassVar[BackfillOnly]
    BACKFILL_ONLY_OVER_BUDGET: _ClassVar[BackfillOnly]
    BACKFILL_ONLY_FAILED: _ClassVar[BackfillOnly]
    BACKFILL_ONLY_CANCELLED: _ClassVar[BackfillOnly]
    BACKFILL_ONLY_UNSCORED: _ClassVar[BackfillOnly]
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
RESULT_ORDER_UNSPECIFIED: ResultOrder
RESULT_ORDER_VALUE_ASCENDING: ResultOrder
RESULT_ORDER_VALUE_DESCENDING: ResultOrder
RESULT_ORDER_WORST: ResultOrder
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
DECISION_CANCELLED: Decision
DECISION_SET_ASIDE: Decision
DECISION_DEPENDENCY_FAILED: Decision
DECISION_OVER_BUDGET: Decision
DECISION_QUEUED: Decision
DECISION_OUT_OF_SCOPE: Decision
DECISION_EARLIER_VERSION: Decision
DECISION_LATE_IGNORED: Decision
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_PENDING: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_SUCCEEDED: RunState
RUN_STATE_PARTIAL: RunState
RUN_STATE_FAILED: RunState
RUN_STATE_CANCELLED: RunState
BACKFILL_ONLY_UNSPECIFIED: BackfillOnly
BACKFILL_ONLY_OVER_BUDGET: BackfillOnly
BACKFILL_ONLY_FAILED: BackfillOnly
BACKFILL_ONLY_CANCELLED: BackfillOnly
BACKFILL_ONLY_UNSCORED: BackfillOnly

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
    metrics: _containers.RepeatedCompositeFieldContainer[_vocabulary_pb2.MetricRef]
    wait: _duration_pb2.Duration
    reuse: bool
    request_id: str
    def __init__(self, targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[_vocabulary_pb2.MetricRef, _Mapping]]] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reuse: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Result]
    def __init__(self, results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ...) -> None: ...

class EvaluateStreamRequest(_message.Message):
    __slots__ = ("client_id", "target", "metrics", "reuse", "request_id")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    REUSE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    target: Target
    metrics: _containers.RepeatedCompositeFieldContainer[_vocabulary_pb2.MetricRef]
    reuse: bool
    request_id: str
    def __init__(self, client_id: _Optional[str] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., metrics: _Optional[_Iterable[_Union[_vocabulary_pb2.MetricRef, _Mapping]]] = ..., reuse: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class EvaluateStreamResponse(_message.Message):
    __slots__ = ("client_id", "results", "error")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    results: _containers.RepeatedCompositeFieldContainer[Result]
    error: _status_pb2.Status
    def __init__(self, client_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("result_id", "target", "metric", "metric_version", "metric_digest", "kind", "output_type", "status", "value", "label", "labels", "text", "explanation", "error", "rule", "rule_version", "judge_model", "usage", "watermark_time", "evaluate_time", "insert_time", "attempt", "purpose", "run_id", "trial", "judge_trace_id", "metadata", "inputs_digest", "outdated_time")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
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
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    JUDGE_TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    INPUTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OUTDATED_TIME_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    target: TargetRef
    metric: str
    metric_version: int
    metric_digest: str
    kind: _vocabulary_pb2.MetricKind
    output_type: _vocabulary_pb2.OutputType
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
    run_id: str
    trial: int
    judge_trace_id: str
    metadata: _containers.ScalarMap[str, str]
    inputs_digest: str
    outdated_time: _timestamp_pb2.Timestamp
    def __init__(self, result_id: _Optional[str] = ..., target: _Optional[_Union[TargetRef, _Mapping]] = ..., metric: _Optional[str] = ..., metric_version: _Optional[int] = ..., metric_digest: _Optional[str] = ..., kind: _Optional[_Union[_vocabulary_pb2.MetricKind, str]] = ..., output_type: _Optional[_Union[_vocabulary_pb2.OutputType, str]] = ..., status: _Optional[_Union[ResultStatus, str]] = ..., value: _Optional[float] = ..., label: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ..., explanation: _Optional[str] = ..., error: _Optional[_Union[ResultError, _Mapping]] = ..., rule: _Optional[str] = ..., rule_version: _Optional[int] = ..., judge_model: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., watermark_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., evaluate_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., insert_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., purpose: _Optional[_Union[Purpose, str]] = ..., run_id: _Optional[str] = ..., trial: _Optional[int] = ..., judge_trace_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., inputs_digest: _Optional[str] = ..., outdated_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("targets", "metrics", "levels", "statuses", "rule", "run", "start_time", "end_time", "include_superseded", "minimum_value", "maximum_value", "labels", "purposes", "kinds")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_VALUE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[TargetRef]
    metrics: _containers.RepeatedScalarFieldContainer[str]
    levels: _containers.RepeatedScalarFieldContainer[_vocabulary_pb2.Level]
    statuses: _containers.RepeatedScalarFieldContainer[ResultStatus]
    rule: str
    run: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    include_superseded: bool
    minimum_value: float
    maximum_value: float
    labels: _containers.RepeatedScalarFieldContainer[str]
    purposes: _containers.RepeatedScalarFieldContainer[Purpose]
    kinds: _containers.RepeatedScalarFieldContainer[_vocabulary_pb2.MetricKind]
    def __init__(self, targets: _Optional[_Iterable[_Union[TargetRef, _Mapping]]] = ..., metrics: _Optional[_Iterable[str]] = ..., levels: _Optional[_Iterable[_Union[_vocabulary_pb2.Level, str]]] = ..., statuses: _Optional[_Iterable[_Union[ResultStatus, str]]] = ..., rule: _Optional[str] = ..., run: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., include_superseded: _Optional[bool] = ..., minimum_value: _Optional[float] = ..., maximum_value: _Optional[float] = ..., labels: _Optional[_Iterable[str]] = ..., purposes: _Optional[_Iterable[_Union[Purpose, str]]] = ..., kinds: _Optional[_Iterable[_Union[_vocabulary_pb2.MetricKind, str]]] = ...) -> None: ...

class ListResultsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token", "order")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    filter: ResultFilter
    page_size: int
    page_token: str
    order: ResultOrder
    def __init__(self, filter: _Optional[_Union[ResultFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., order: _Optional[_Union[ResultOrder, str]] = ...) -> None: ...

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

class FalseClause(_message.Message):
    __slots__ = ("text", "seen")
    class SeenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    text: str
    seen: _containers.ScalarMap[str, str]
    def __init__(self, text: _Optional[str] = ..., seen: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("metric", "decision", "reason", "result_id", "decide_time", "next_attempt_time", "attempts", "rule", "clauses")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    metric: str
    decision: Decision
    reason: str
    result_id: str
    decide_time: _timestamp_pb2.Timestamp
    next_attempt_time: _timestamp_pb2.Timestamp
    attempts: int
    rule: str
    clauses: _containers.RepeatedCompositeFieldContainer[FalseClause]
    def __init__(self, metric: _Optional[str] = ..., decision: _Optional[_Union[Decision, str]] = ..., reason: _Optional[str] = ..., result_id: _Optional[str] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts: _Optional[int] = ..., rule: _Optional[str] = ..., clauses: _Optional[_Iterable[_Union[FalseClause, _Mapping]]] = ...) -> None: ...

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

class MarkCompleteRequest(_message.Message):
    __slots__ = ("target", "request_id")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    target: TargetRef
    request_id: str
    def __init__(self, target: _Optional[_Union[TargetRef, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class MarkCompleteResponse(_message.Message):
    __slots__ = ("mark_time", "stored")
    MARK_TIME_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    mark_time: _timestamp_pb2.Timestamp
    stored: bool
    def __init__(self, mark_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stored: _Optional[bool] = ...) -> None: ...

class TargetQuery(_message.Message):
    __slots__ = ("level", "filter", "start_time", "end_time", "sample_rate", "limit")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    level: _vocabulary_pb2.Level
    filter: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    sample_rate: float
    limit: int
    def __init__(self, level: _Optional[_Union[_vocabulary_pb2.Level, str]] = ..., filter: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sample_rate: _Optional[float] = ..., limit: _Optional[int] = ...) -> None: ...

class TargetList(_message.Message):
    __slots__ = ("targets",)
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[TargetRef]
    def __init__(self, targets: _Optional[_Iterable[_Union[TargetRef, _Mapping]]] = ...) -> None: ...

class RuleRange(_message.Message):
    __slots__ = ("rule", "start_time", "end_time", "filter", "only", "recompute")
    RULE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    RECOMPUTE_FIELD_NUMBER: _ClassVar[int]
    rule: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    filter: str
    only: BackfillOnly
    recompute: bool
    def __init__(self, rule: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., filter: _Optional[str] = ..., only: _Optional[_Union[BackfillOnly, str]] = ..., recompute: _Optional[bool] = ...) -> None: ...

class RunSelection(_message.Message):
    __slots__ = ("where", "targets", "failures_of", "recompute", "of_rule")
    WHERE_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_OF_FIELD_NUMBER: _ClassVar[int]
    RECOMPUTE_FIELD_NUMBER: _ClassVar[int]
    OF_RULE_FIELD_NUMBER: _ClassVar[int]
    where: TargetQuery
    targets: TargetList
    failures_of: str
    recompute: TargetQuery
    of_rule: RuleRange
    def __init__(self, where: _Optional[_Union[TargetQuery, _Mapping]] = ..., targets: _Optional[_Union[TargetList, _Mapping]] = ..., failures_of: _Optional[str] = ..., recompute: _Optional[_Union[TargetQuery, _Mapping]] = ..., of_rule: _Optional[_Union[RuleRange, _Mapping]] = ...) -> None: ...

class CreateRunRequest(_message.Message):
    __slots__ = ("selection", "metrics", "name", "reuse", "validate_only", "request_id")
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REUSE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    selection: RunSelection
    metrics: _containers.RepeatedCompositeFieldContainer[_vocabulary_pb2.MetricRef]
    name: str
    reuse: bool
    validate_only: bool
    request_id: str
    def __init__(self, selection: _Optional[_Union[RunSelection, _Mapping]] = ..., metrics: _Optional[_Iterable[_Union[_vocabulary_pb2.MetricRef, _Mapping]]] = ..., name: _Optional[str] = ..., reuse: _Optional[bool] = ..., validate_only: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class RunEstimate(_message.Message):
    __slots__ = ("targets", "pairs", "exact", "judge_calls", "input_tokens", "output_tokens", "cost_usd", "unknown_metrics")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    JUDGE_CALLS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_METRICS_FIELD_NUMBER: _ClassVar[int]
    targets: int
    pairs: int
    exact: bool
    judge_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unknown_metrics: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, targets: _Optional[int] = ..., pairs: _Optional[int] = ..., exact: _Optional[bool] = ..., judge_calls: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ..., unknown_metrics: _Optional[_Iterable[str]] = ...) -> None: ...

class RunProgress(_message.Message):
    __slots__ = ("done", "total", "decisions", "judge_calls", "input_tokens", "output_tokens", "cost_usd", "unpriced_results")
    class DecisionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    JUDGE_CALLS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    UNPRICED_RESULTS_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    decisions: _containers.ScalarMap[str, int]
    judge_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced_results: int
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ..., decisions: _Optional[_Mapping[str, int]] = ..., judge_calls: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ..., unpriced_results: _Optional[int] = ...) -> None: ...

class RunFailures(_message.Message):
    __slots__ = ("metric", "code", "count", "message")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    metric: str
    code: str
    count: int
    message: str
    def __init__(self, metric: _Optional[str] = ..., code: _Optional[str] = ..., count: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("run_id", "name", "selection", "metrics", "state", "detail", "estimate", "progress", "failures", "cancel_requested", "retry_of", "create_time", "update_time")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    name: str
    selection: RunSelection
    metrics: _containers.RepeatedCompositeFieldContainer[_vocabulary_pb2.MetricRef]
    state: RunState
    detail: str
    estimate: RunEstimate
    progress: RunProgress
    failures: _containers.RepeatedCompositeFieldContainer[RunFailures]
    cancel_requested: bool
    retry_of: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, run_id: _Optional[str] = ..., name: _Optional[str] = ..., selection: _Optional[_Union[RunSelection, _Mapping]] = ..., metrics: _Optional[_Iterable[_Union[_vocabulary_pb2.MetricRef, _Mapping]]] = ..., state: _Optional[_Union[RunState, str]] = ..., detail: _Optional[str] = ..., estimate: _Optional[_Union[RunEstimate, _Mapping]] = ..., progress: _Optional[_Union[RunProgress, _Mapping]] = ..., failures: _Optional[_Iterable[_Union[RunFailures, _Mapping]]] = ..., cancel_requested: _Optional[bool] = ..., retry_of: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("states", "page_size", "page_token")
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[RunState]
    page_size: int
    page_token: str
    def __init__(self, states: _Optional[_Iterable[_Union[RunState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class WatchRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...
