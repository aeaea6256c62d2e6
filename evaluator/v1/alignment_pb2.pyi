import datetime

from evaluator.v1 import evaluator_pb2 as _evaluator_pb2
from evaluator.v1 import feedback_pb2 as _feedback_pb2
from evaluator.v1 import vocabulary_pb2 as _vocabulary_pb2
from evaluator.v1 import metrics_pb2 as _metrics_pb2
from evaluator.v1 import vocabulary_pb2 as _vocabulary_pb2_1
from evaluator.v1 import vocabulary_pb2 as _vocabulary_pb2_1_1
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union
from evaluator.v1.vocabulary_pb2 import MetricRef as MetricRef
from evaluator.v1.vocabulary_pb2 import Level as Level
from evaluator.v1.vocabulary_pb2 import MetricKind as MetricKind
from evaluator.v1.vocabulary_pb2 import OutputType as OutputType

DESCRIPTOR: _descriptor.FileDescriptor
LEVEL_UNSPECIFIED: _vocabulary_pb2_1_1.Level
LEVEL_SPAN: _vocabulary_pb2_1_1.Level
LEVEL_TRACE: _vocabulary_pb2_1_1.Level
LEVEL_SESSION: _vocabulary_pb2_1_1.Level
METRIC_KIND_UNSPECIFIED: _vocabulary_pb2_1_1.MetricKind
METRIC_KIND_JUDGE: _vocabulary_pb2_1_1.MetricKind
METRIC_KIND_CODE: _vocabulary_pb2_1_1.MetricKind
METRIC_KIND_COMPOSITE: _vocabulary_pb2_1_1.MetricKind
METRIC_KIND_SQL: _vocabulary_pb2_1_1.MetricKind
METRIC_KIND_EXTERNAL: _vocabulary_pb2_1_1.MetricKind
METRIC_KIND_HUMAN: _vocabulary_pb2_1_1.MetricKind
OUTPUT_TYPE_UNSPECIFIED: _vocabulary_pb2_1_1.OutputType
OUTPUT_TYPE_BOOLEAN: _vocabulary_pb2_1_1.OutputType
OUTPUT_TYPE_CATEGORICAL: _vocabulary_pb2_1_1.OutputType
OUTPUT_TYPE_PERCENTAGE: _vocabulary_pb2_1_1.OutputType
OUTPUT_TYPE_COUNT: _vocabulary_pb2_1_1.OutputType
OUTPUT_TYPE_DISCRETE: _vocabulary_pb2_1_1.OutputType
OUTPUT_TYPE_MULTILABEL: _vocabulary_pb2_1_1.OutputType
OUTPUT_TYPE_TEXT: _vocabulary_pb2_1_1.OutputType
OUTPUT_TYPE_NUMBER: _vocabulary_pb2_1_1.OutputType

class AlignmentStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALIGNMENT_STATUS_UNSPECIFIED: _ClassVar[AlignmentStatus]
    ALIGNMENT_STATUS_PENDING: _ClassVar[AlignmentStatus]
    ALIGNMENT_STATUS_RUNNING: _ClassVar[AlignmentStatus]
    ALIGNMENT_STATUS_ALIGNED: _ClassVar[AlignmentStatus]
    ALIGNMENT_STATUS_ERROR: _ClassVar[AlignmentStatus]
    ALIGNMENT_STATUS_CANCELLED: _ClassVar[AlignmentStatus]

class AlignmentPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALIGNMENT_PHASE_UNSPECIFIED: _ClassVar[AlignmentPhase]
    ALIGNMENT_PHASE_LOADING_ANNOTATIONS: _ClassVar[AlignmentPhase]
    ALIGNMENT_PHASE_BUILDING_DISAGREEMENT_TRACES: _ClassVar[AlignmentPhase]
    ALIGNMENT_PHASE_DISTILLING_GUIDELINES: _ClassVar[AlignmentPhase]
    ALIGNMENT_PHASE_FINALIZING: _ClassVar[AlignmentPhase]

class AlignmentDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALIGNMENT_DECISION_UNSPECIFIED: _ClassVar[AlignmentDecision]
    ALIGNMENT_DECISION_ACCEPTED: _ClassVar[AlignmentDecision]
    ALIGNMENT_DECISION_DISCARDED: _ClassVar[AlignmentDecision]

class AlignmentVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALIGNMENT_VERDICT_UNSPECIFIED: _ClassVar[AlignmentVerdict]
    ALIGNMENT_VERDICT_SUPPORTED: _ClassVar[AlignmentVerdict]
    ALIGNMENT_VERDICT_HARMFUL: _ClassVar[AlignmentVerdict]
    ALIGNMENT_VERDICT_NO_CHANGE: _ClassVar[AlignmentVerdict]
    ALIGNMENT_VERDICT_INCONCLUSIVE: _ClassVar[AlignmentVerdict]

class RowVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROW_VERDICT_UNSPECIFIED: _ClassVar[RowVerdict]
    ROW_VERDICT_SOLVED: _ClassVar[RowVerdict]
    ROW_VERDICT_KEPT: _ClassVar[RowVerdict]
    ROW_VERDICT_STILL_WRONG: _ClassVar[RowVerdict]
    ROW_VERDICT_REGRESSED: _ClassVar[RowVerdict]
    ROW_VERDICT_FAILED: _ClassVar[RowVerdict]
ALIGNMENT_STATUS_UNSPECIFIED: AlignmentStatus
ALIGNMENT_STATUS_PENDING: AlignmentStatus
ALIGNMENT_STATUS_RUNNING: AlignmentStatus
ALIGNMENT_STATUS_ALIGNED: AlignmentStatus
ALIGNMENT_STATUS_ERROR: AlignmentStatus
ALIGNMENT_STATUS_CANCELLED: AlignmentStatus
ALIGNMENT_PHASE_UNSPECIFIED: AlignmentPhase
ALIGNMENT_PHASE_LOADING_ANNOTATIONS: AlignmentPhase
ALIGNMENT_PHASE_BUILDING_DISAGREEMENT_TRACES: AlignmentPhase
ALIGNMENT_PHASE_DISTILLING_GUIDELINES: AlignmentPhase
ALIGNMENT_PHASE_FINALIZING: AlignmentPhase
ALIGNMENT_DECISION_UNSPECIFIED: AlignmentDecision
ALIGNMENT_DECISION_ACCEPTED: AlignmentDecision
ALIGNMENT_DECISION_DISCARDED: AlignmentDecision
ALIGNMENT_VERDICT_UNSPECIFIED: AlignmentVerdict
ALIGNMENT_VERDICT_SUPPORTED: AlignmentVerdict
ALIGNMENT_VERDICT_HARMFUL: AlignmentVerdict
ALIGNMENT_VERDICT_NO_CHANGE: AlignmentVerdict
ALIGNMENT_VERDICT_INCONCLUSIVE: AlignmentVerdict
ROW_VERDICT_UNSPECIFIED: RowVerdict
ROW_VERDICT_SOLVED: RowVerdict
ROW_VERDICT_KEPT: RowVerdict
ROW_VERDICT_STILL_WRONG: RowVerdict
ROW_VERDICT_REGRESSED: RowVerdict
ROW_VERDICT_FAILED: RowVerdict

class AlignmentSource(_message.Message):
    __slots__ = ("source_id", "kind", "name", "resolved", "disagreements", "create_time")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    kind: str
    name: str
    resolved: int
    disagreements: int
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, source_id: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., resolved: _Optional[int] = ..., disagreements: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListSourcesRequest(_message.Message):
    __slots__ = ("metric", "delta_threshold", "page_size", "page_token")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    DELTA_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metric: str
    delta_threshold: float
    page_size: int
    page_token: str
    def __init__(self, metric: _Optional[str] = ..., delta_threshold: _Optional[float] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSourcesResponse(_message.Message):
    __slots__ = ("sources", "next_page_token")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[AlignmentSource]
    next_page_token: str
    def __init__(self, sources: _Optional[_Iterable[_Union[AlignmentSource, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AlignmentCaps(_message.Message):
    __slots__ = ("max_calls", "max_cost_usd", "max_rows")
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_USD_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    max_calls: int
    max_cost_usd: float
    max_rows: int
    def __init__(self, max_calls: _Optional[int] = ..., max_cost_usd: _Optional[float] = ..., max_rows: _Optional[int] = ...) -> None: ...

class StartAlignmentRequest(_message.Message):
    __slots__ = ("metric", "source_ids", "reflection_model", "judge_model", "delta_threshold", "caps", "seed", "request_id", "author")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_IDS_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_MODEL_FIELD_NUMBER: _ClassVar[int]
    JUDGE_MODEL_FIELD_NUMBER: _ClassVar[int]
    DELTA_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CAPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    metric: str
    source_ids: _containers.RepeatedScalarFieldContainer[str]
    reflection_model: str
    judge_model: str
    delta_threshold: float
    caps: AlignmentCaps
    seed: int
    request_id: str
    author: str
    def __init__(self, metric: _Optional[str] = ..., source_ids: _Optional[_Iterable[str]] = ..., reflection_model: _Optional[str] = ..., judge_model: _Optional[str] = ..., delta_threshold: _Optional[float] = ..., caps: _Optional[_Union[AlignmentCaps, _Mapping]] = ..., seed: _Optional[int] = ..., request_id: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class EstimateAlignmentRequest(_message.Message):
    __slots__ = ("alignment",)
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    alignment: StartAlignmentRequest
    def __init__(self, alignment: _Optional[_Union[StartAlignmentRequest, _Mapping]] = ...) -> None: ...

class AlignmentEstimate(_message.Message):
    __slots__ = ("counts", "judge_calls", "reflection_calls", "cost_usd", "power", "warnings", "input_tokens", "output_tokens")
    class PowerEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    JUDGE_CALLS_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_CALLS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    counts: AlignmentCounts
    judge_calls: int
    reflection_calls: int
    cost_usd: float
    power: _containers.ScalarMap[int, float]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    input_tokens: int
    output_tokens: int
    def __init__(self, counts: _Optional[_Union[AlignmentCounts, _Mapping]] = ..., judge_calls: _Optional[int] = ..., reflection_calls: _Optional[int] = ..., cost_usd: _Optional[float] = ..., power: _Optional[_Mapping[int, float]] = ..., warnings: _Optional[_Iterable[str]] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ...) -> None: ...

class AlignmentCounts(_message.Message):
    __slots__ = ("annotations", "disagreements", "disagreements_rerun", "skipped_agreeing", "conflicts", "stale", "excluded", "sampled")
    class ExcludedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_RERUN_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_AGREEING_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    SAMPLED_FIELD_NUMBER: _ClassVar[int]
    annotations: int
    disagreements: int
    disagreements_rerun: int
    skipped_agreeing: int
    conflicts: int
    stale: int
    excluded: _containers.ScalarMap[str, int]
    sampled: int
    def __init__(self, annotations: _Optional[int] = ..., disagreements: _Optional[int] = ..., disagreements_rerun: _Optional[int] = ..., skipped_agreeing: _Optional[int] = ..., conflicts: _Optional[int] = ..., stale: _Optional[int] = ..., excluded: _Optional[_Mapping[str, int]] = ..., sampled: _Optional[int] = ...) -> None: ...

class AlignedGuideline(_message.Message):
    __slots__ = ("guideline_id", "text", "feedback_ids", "support", "fixed", "broken", "origin", "needs_decision", "included", "base", "edited_from")
    GUIDELINE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_IDS_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    FIXED_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    NEEDS_DECISION_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    EDITED_FROM_FIELD_NUMBER: _ClassVar[int]
    guideline_id: str
    text: str
    feedback_ids: _containers.RepeatedScalarFieldContainer[str]
    support: int
    fixed: int
    broken: int
    origin: str
    needs_decision: str
    included: bool
    base: bool
    edited_from: str
    def __init__(self, guideline_id: _Optional[str] = ..., text: _Optional[str] = ..., feedback_ids: _Optional[_Iterable[str]] = ..., support: _Optional[int] = ..., fixed: _Optional[int] = ..., broken: _Optional[int] = ..., origin: _Optional[str] = ..., needs_decision: _Optional[str] = ..., included: _Optional[bool] = ..., base: _Optional[bool] = ..., edited_from: _Optional[str] = ...) -> None: ...

class AlignmentUsage(_message.Message):
    __slots__ = ("judge_calls", "reflection_calls", "remembered", "input_tokens", "output_tokens", "cost_usd")
    JUDGE_CALLS_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_CALLS_FIELD_NUMBER: _ClassVar[int]
    REMEMBERED_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    judge_calls: int
    reflection_calls: int
    remembered: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    def __init__(self, judge_calls: _Optional[int] = ..., reflection_calls: _Optional[int] = ..., remembered: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ...) -> None: ...

class AlignmentError(_message.Message):
    __slots__ = ("code", "message", "retryable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retryable: bool
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...

class Alignment(_message.Message):
    __slots__ = ("alignment_id", "metric", "request", "status", "phase", "done", "total", "cancel_requested", "error", "counts", "usage", "guidelines", "guidelines_text", "verdict", "summary", "warnings", "decision", "accepted", "retry_of", "create_time", "update_time", "sources")
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_TEXT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    metric: _vocabulary_pb2_1_1.MetricRef
    request: StartAlignmentRequest
    status: AlignmentStatus
    phase: AlignmentPhase
    done: int
    total: int
    cancel_requested: bool
    error: AlignmentError
    counts: AlignmentCounts
    usage: AlignmentUsage
    guidelines: _containers.RepeatedCompositeFieldContainer[AlignedGuideline]
    guidelines_text: str
    verdict: AlignmentVerdict
    summary: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    decision: AlignmentDecision
    accepted: _vocabulary_pb2_1_1.MetricRef
    retry_of: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    sources: _containers.RepeatedCompositeFieldContainer[AlignmentSource]
    def __init__(self, alignment_id: _Optional[str] = ..., metric: _Optional[_Union[_vocabulary_pb2_1_1.MetricRef, _Mapping]] = ..., request: _Optional[_Union[StartAlignmentRequest, _Mapping]] = ..., status: _Optional[_Union[AlignmentStatus, str]] = ..., phase: _Optional[_Union[AlignmentPhase, str]] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., cancel_requested: _Optional[bool] = ..., error: _Optional[_Union[AlignmentError, _Mapping]] = ..., counts: _Optional[_Union[AlignmentCounts, _Mapping]] = ..., usage: _Optional[_Union[AlignmentUsage, _Mapping]] = ..., guidelines: _Optional[_Iterable[_Union[AlignedGuideline, _Mapping]]] = ..., guidelines_text: _Optional[str] = ..., verdict: _Optional[_Union[AlignmentVerdict, str]] = ..., summary: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., decision: _Optional[_Union[AlignmentDecision, str]] = ..., accepted: _Optional[_Union[_vocabulary_pb2_1_1.MetricRef, _Mapping]] = ..., retry_of: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sources: _Optional[_Iterable[_Union[AlignmentSource, _Mapping]]] = ...) -> None: ...

class GetAlignmentRequest(_message.Message):
    __slots__ = ("alignment_id",)
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    def __init__(self, alignment_id: _Optional[str] = ...) -> None: ...

class ListAlignmentsRequest(_message.Message):
    __slots__ = ("metric", "page_size", "page_token")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metric: str
    page_size: int
    page_token: str
    def __init__(self, metric: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAlignmentsResponse(_message.Message):
    __slots__ = ("alignments", "next_page_token")
    ALIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    alignments: _containers.RepeatedCompositeFieldContainer[Alignment]
    next_page_token: str
    def __init__(self, alignments: _Optional[_Iterable[_Union[Alignment, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchAlignmentRequest(_message.Message):
    __slots__ = ("alignment_id",)
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    def __init__(self, alignment_id: _Optional[str] = ...) -> None: ...

class WatchAlignmentResponse(_message.Message):
    __slots__ = ("alignment",)
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    alignment: Alignment
    def __init__(self, alignment: _Optional[_Union[Alignment, _Mapping]] = ...) -> None: ...

class CancelAlignmentRequest(_message.Message):
    __slots__ = ("alignment_id",)
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    def __init__(self, alignment_id: _Optional[str] = ...) -> None: ...

class RetryAlignmentRequest(_message.Message):
    __slots__ = ("alignment_id", "changes", "request_id")
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    changes: StartAlignmentRequest
    request_id: str
    def __init__(self, alignment_id: _Optional[str] = ..., changes: _Optional[_Union[StartAlignmentRequest, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetAlignmentReportRequest(_message.Message):
    __slots__ = ("alignment_id",)
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    def __init__(self, alignment_id: _Optional[str] = ...) -> None: ...

class GuidelineChoice(_message.Message):
    __slots__ = ("guideline_id", "include", "text")
    GUIDELINE_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    guideline_id: str
    include: bool
    text: str
    def __init__(self, guideline_id: _Optional[str] = ..., include: _Optional[bool] = ..., text: _Optional[str] = ...) -> None: ...

class ReverifyAlignmentRequest(_message.Message):
    __slots__ = ("alignment_id", "choices", "rebase")
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    REBASE_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    choices: _containers.RepeatedCompositeFieldContainer[GuidelineChoice]
    rebase: bool
    def __init__(self, alignment_id: _Optional[str] = ..., choices: _Optional[_Iterable[_Union[GuidelineChoice, _Mapping]]] = ..., rebase: _Optional[bool] = ...) -> None: ...

class BeforeAfter(_message.Message):
    __slots__ = ("name", "group", "before", "after", "difference")
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    group: str
    before: _feedback_pb2.Estimate
    after: _feedback_pb2.Estimate
    difference: _feedback_pb2.Estimate
    def __init__(self, name: _Optional[str] = ..., group: _Optional[str] = ..., before: _Optional[_Union[_feedback_pb2.Estimate, _Mapping]] = ..., after: _Optional[_Union[_feedback_pb2.Estimate, _Mapping]] = ..., difference: _Optional[_Union[_feedback_pb2.Estimate, _Mapping]] = ...) -> None: ...

class Flip(_message.Message):
    __slots__ = ("feedback_ids", "target", "expected", "before", "before_explanation", "after", "after_explanation", "fixed", "human_explanations")
    FEEDBACK_IDS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    AFTER_EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    FIXED_FIELD_NUMBER: _ClassVar[int]
    HUMAN_EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    feedback_ids: _containers.RepeatedScalarFieldContainer[str]
    target: _evaluator_pb2.TargetRef
    expected: _feedback_pb2.Verdict
    before: _feedback_pb2.Verdict
    before_explanation: str
    after: _feedback_pb2.Verdict
    after_explanation: str
    fixed: bool
    human_explanations: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, feedback_ids: _Optional[_Iterable[str]] = ..., target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ..., expected: _Optional[_Union[_feedback_pb2.Verdict, _Mapping]] = ..., before: _Optional[_Union[_feedback_pb2.Verdict, _Mapping]] = ..., before_explanation: _Optional[str] = ..., after: _Optional[_Union[_feedback_pb2.Verdict, _Mapping]] = ..., after_explanation: _Optional[str] = ..., fixed: _Optional[bool] = ..., human_explanations: _Optional[_Iterable[str]] = ...) -> None: ...

class AlignmentReport(_message.Message):
    __slots__ = ("alignment", "agreement", "confusion_before", "confusion_after", "flips", "noise_floor", "optimism", "p_value", "test", "failed_guardrails", "design", "prompt_before", "prompt_after", "cost_per_1000_before", "cost_per_1000_after", "candidates", "fingerprint", "human_agreement", "html", "markdown", "lines", "verdict", "summary", "notes", "output_type", "active_version", "judge_model", "reflection_model", "seed", "delta_threshold", "input_tokens_before", "input_tokens_after", "warnings", "base_version")
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_BEFORE_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_AFTER_FIELD_NUMBER: _ClassVar[int]
    FLIPS_FIELD_NUMBER: _ClassVar[int]
    NOISE_FLOOR_FIELD_NUMBER: _ClassVar[int]
    OPTIMISM_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    FAILED_GUARDRAILS_FIELD_NUMBER: _ClassVar[int]
    DESIGN_FIELD_NUMBER: _ClassVar[int]
    PROMPT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_AFTER_FIELD_NUMBER: _ClassVar[int]
    COST_PER_1000_BEFORE_FIELD_NUMBER: _ClassVar[int]
    COST_PER_1000_AFTER_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    HUMAN_AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    MARKDOWN_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_VERSION_FIELD_NUMBER: _ClassVar[int]
    JUDGE_MODEL_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_MODEL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    DELTA_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_AFTER_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    alignment: Alignment
    agreement: _containers.RepeatedCompositeFieldContainer[BeforeAfter]
    confusion_before: _containers.RepeatedCompositeFieldContainer[_feedback_pb2.ConfusionCell]
    confusion_after: _containers.RepeatedCompositeFieldContainer[_feedback_pb2.ConfusionCell]
    flips: _containers.RepeatedCompositeFieldContainer[Flip]
    noise_floor: _feedback_pb2.Estimate
    optimism: _feedback_pb2.Estimate
    p_value: float
    test: str
    failed_guardrails: _containers.RepeatedScalarFieldContainer[str]
    design: str
    prompt_before: str
    prompt_after: str
    cost_per_1000_before: float
    cost_per_1000_after: float
    candidates: int
    fingerprint: str
    human_agreement: _containers.RepeatedCompositeFieldContainer[BeforeAfter]
    html: str
    markdown: str
    lines: _containers.RepeatedCompositeFieldContainer[AlignedGuideline]
    verdict: AlignmentVerdict
    summary: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    output_type: _vocabulary_pb2_1_1.OutputType
    active_version: int
    judge_model: str
    reflection_model: str
    seed: int
    delta_threshold: float
    input_tokens_before: float
    input_tokens_after: float
    warnings: _containers.RepeatedScalarFieldContainer[str]
    base_version: int
    def __init__(self, alignment: _Optional[_Union[Alignment, _Mapping]] = ..., agreement: _Optional[_Iterable[_Union[BeforeAfter, _Mapping]]] = ..., confusion_before: _Optional[_Iterable[_Union[_feedback_pb2.ConfusionCell, _Mapping]]] = ..., confusion_after: _Optional[_Iterable[_Union[_feedback_pb2.ConfusionCell, _Mapping]]] = ..., flips: _Optional[_Iterable[_Union[Flip, _Mapping]]] = ..., noise_floor: _Optional[_Union[_feedback_pb2.Estimate, _Mapping]] = ..., optimism: _Optional[_Union[_feedback_pb2.Estimate, _Mapping]] = ..., p_value: _Optional[float] = ..., test: _Optional[str] = ..., failed_guardrails: _Optional[_Iterable[str]] = ..., design: _Optional[str] = ..., prompt_before: _Optional[str] = ..., prompt_after: _Optional[str] = ..., cost_per_1000_before: _Optional[float] = ..., cost_per_1000_after: _Optional[float] = ..., candidates: _Optional[int] = ..., fingerprint: _Optional[str] = ..., human_agreement: _Optional[_Iterable[_Union[BeforeAfter, _Mapping]]] = ..., html: _Optional[str] = ..., markdown: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[AlignedGuideline, _Mapping]]] = ..., verdict: _Optional[_Union[AlignmentVerdict, str]] = ..., summary: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ..., output_type: _Optional[_Union[_vocabulary_pb2_1_1.OutputType, str]] = ..., active_version: _Optional[int] = ..., judge_model: _Optional[str] = ..., reflection_model: _Optional[str] = ..., seed: _Optional[int] = ..., delta_threshold: _Optional[float] = ..., input_tokens_before: _Optional[float] = ..., input_tokens_after: _Optional[float] = ..., warnings: _Optional[_Iterable[str]] = ..., base_version: _Optional[int] = ...) -> None: ...

class AcceptAlignmentRequest(_message.Message):
    __slots__ = ("alignment_id", "choices", "name", "override", "reason", "repoint_rules", "author", "rebase")
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REPOINT_RULES_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    REBASE_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    choices: _containers.RepeatedCompositeFieldContainer[GuidelineChoice]
    name: str
    override: bool
    reason: str
    repoint_rules: _containers.RepeatedScalarFieldContainer[str]
    author: str
    rebase: bool
    def __init__(self, alignment_id: _Optional[str] = ..., choices: _Optional[_Iterable[_Union[GuidelineChoice, _Mapping]]] = ..., name: _Optional[str] = ..., override: _Optional[bool] = ..., reason: _Optional[str] = ..., repoint_rules: _Optional[_Iterable[str]] = ..., author: _Optional[str] = ..., rebase: _Optional[bool] = ...) -> None: ...

class AcceptAlignmentResponse(_message.Message):
    __slots__ = ("alignment", "metric", "rules_left", "rules_repointed", "regressions")
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    RULES_LEFT_FIELD_NUMBER: _ClassVar[int]
    RULES_REPOINTED_FIELD_NUMBER: _ClassVar[int]
    REGRESSIONS_FIELD_NUMBER: _ClassVar[int]
    alignment: Alignment
    metric: _metrics_pb2.Metric
    rules_left: _containers.RepeatedScalarFieldContainer[str]
    rules_repointed: _containers.RepeatedScalarFieldContainer[str]
    regressions: _containers.RepeatedCompositeFieldContainer[_evaluator_pb2.TargetRef]
    def __init__(self, alignment: _Optional[_Union[Alignment, _Mapping]] = ..., metric: _Optional[_Union[_metrics_pb2.Metric, _Mapping]] = ..., rules_left: _Optional[_Iterable[str]] = ..., rules_repointed: _Optional[_Iterable[str]] = ..., regressions: _Optional[_Iterable[_Union[_evaluator_pb2.TargetRef, _Mapping]]] = ...) -> None: ...

class DiscardAlignmentRequest(_message.Message):
    __slots__ = ("alignment_id", "reason", "author")
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    alignment_id: str
    reason: str
    author: str
    def __init__(self, alignment_id: _Optional[str] = ..., reason: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class GetCorrectedMeanRequest(_message.Message):
    __slots__ = ("metric", "start_time", "end_time", "level", "queue")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    metric: _vocabulary_pb2_1_1.MetricRef
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    level: _vocabulary_pb2_1_1.Level
    queue: str
    def __init__(self, metric: _Optional[_Union[_vocabulary_pb2_1_1.MetricRef, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., level: _Optional[_Union[_vocabulary_pb2_1_1.Level, str]] = ..., queue: _Optional[str] = ...) -> None: ...

class CorrectedMean(_message.Message):
    __slots__ = ("judged", "corrected", "labelled", "metric", "warnings")
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    judged: _feedback_pb2.Estimate
    corrected: _feedback_pb2.Estimate
    labelled: _feedback_pb2.Estimate
    metric: _vocabulary_pb2_1_1.MetricRef
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, judged: _Optional[_Union[_feedback_pb2.Estimate, _Mapping]] = ..., corrected: _Optional[_Union[_feedback_pb2.Estimate, _Mapping]] = ..., labelled: _Optional[_Union[_feedback_pb2.Estimate, _Mapping]] = ..., metric: _Optional[_Union[_vocabulary_pb2_1_1.MetricRef, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class GetRecheckRequest(_message.Message):
    __slots__ = ("metric",)
    METRIC_FIELD_NUMBER: _ClassVar[int]
    metric: _vocabulary_pb2_1_1.MetricRef
    def __init__(self, metric: _Optional[_Union[_vocabulary_pb2_1_1.MetricRef, _Mapping]] = ...) -> None: ...

class RecheckedRow(_message.Message):
    __slots__ = ("target", "expected", "concluded", "explanation", "verdict", "solved_in")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    CONCLUDED_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    SOLVED_IN_FIELD_NUMBER: _ClassVar[int]
    target: _evaluator_pb2.TargetRef
    expected: _feedback_pb2.Verdict
    concluded: _feedback_pb2.Verdict
    explanation: str
    verdict: RowVerdict
    solved_in: int
    def __init__(self, target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ..., expected: _Optional[_Union[_feedback_pb2.Verdict, _Mapping]] = ..., concluded: _Optional[_Union[_feedback_pb2.Verdict, _Mapping]] = ..., explanation: _Optional[str] = ..., verdict: _Optional[_Union[RowVerdict, str]] = ..., solved_in: _Optional[int] = ...) -> None: ...

class Recheck(_message.Message):
    __slots__ = ("metric", "state", "counts", "rows", "update_time")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    METRIC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    metric: _vocabulary_pb2_1_1.MetricRef
    state: str
    counts: _containers.ScalarMap[str, int]
    rows: _containers.RepeatedCompositeFieldContainer[RecheckedRow]
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, metric: _Optional[_Union[_vocabulary_pb2_1_1.MetricRef, _Mapping]] = ..., state: _Optional[str] = ..., counts: _Optional[_Mapping[str, int]] = ..., rows: _Optional[_Iterable[_Union[RecheckedRow, _Mapping]]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
