import datetime

from evaluator.v1 import evaluator_pb2 as _evaluator_pb2
from evaluator.v1 import vocabulary_pb2 as _vocabulary_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
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
LEVEL_UNSPECIFIED: _vocabulary_pb2.Level
LEVEL_SPAN: _vocabulary_pb2.Level
LEVEL_TRACE: _vocabulary_pb2.Level
LEVEL_SESSION: _vocabulary_pb2.Level
METRIC_KIND_UNSPECIFIED: _vocabulary_pb2.MetricKind
METRIC_KIND_JUDGE: _vocabulary_pb2.MetricKind
METRIC_KIND_CODE: _vocabulary_pb2.MetricKind
METRIC_KIND_COMPOSITE: _vocabulary_pb2.MetricKind
METRIC_KIND_SQL: _vocabulary_pb2.MetricKind
METRIC_KIND_EXTERNAL: _vocabulary_pb2.MetricKind
METRIC_KIND_HUMAN: _vocabulary_pb2.MetricKind
OUTPUT_TYPE_UNSPECIFIED: _vocabulary_pb2.OutputType
OUTPUT_TYPE_BOOLEAN: _vocabulary_pb2.OutputType
OUTPUT_TYPE_CATEGORICAL: _vocabulary_pb2.OutputType
OUTPUT_TYPE_PERCENTAGE: _vocabulary_pb2.OutputType
OUTPUT_TYPE_COUNT: _vocabulary_pb2.OutputType
OUTPUT_TYPE_DISCRETE: _vocabulary_pb2.OutputType
OUTPUT_TYPE_MULTILABEL: _vocabulary_pb2.OutputType
OUTPUT_TYPE_TEXT: _vocabulary_pb2.OutputType
OUTPUT_TYPE_NUMBER: _vocabulary_pb2.OutputType

class FeedbackStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEEDBACK_STATUS_UNSPECIFIED: _ClassVar[FeedbackStatus]
    FEEDBACK_STATUS_SUBMITTED: _ClassVar[FeedbackStatus]
    FEEDBACK_STATUS_RETRACTED: _ClassVar[FeedbackStatus]

class ResolutionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOLUTION_STATUS_UNSPECIFIED: _ClassVar[ResolutionStatus]
    RESOLUTION_STATUS_OPEN: _ClassVar[ResolutionStatus]
    RESOLUTION_STATUS_IN_REVIEW: _ClassVar[ResolutionStatus]
    RESOLUTION_STATUS_RESOLVED: _ClassVar[ResolutionStatus]
    RESOLUTION_STATUS_DISPUTED: _ClassVar[ResolutionStatus]
    RESOLUTION_STATUS_NEEDS_RECONFIRM: _ClassVar[ResolutionStatus]
    RESOLUTION_STATUS_EXCLUDED: _ClassVar[ResolutionStatus]

class ResolutionMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOLUTION_METHOD_UNSPECIFIED: _ClassVar[ResolutionMethod]
    RESOLUTION_METHOD_QUORUM: _ClassVar[ResolutionMethod]
    RESOLUTION_METHOD_ADJUDICATED: _ClassVar[ResolutionMethod]
    RESOLUTION_METHOD_SELF: _ClassVar[ResolutionMethod]
FEEDBACK_STATUS_UNSPECIFIED: FeedbackStatus
FEEDBACK_STATUS_SUBMITTED: FeedbackStatus
FEEDBACK_STATUS_RETRACTED: FeedbackStatus
RESOLUTION_STATUS_UNSPECIFIED: ResolutionStatus
RESOLUTION_STATUS_OPEN: ResolutionStatus
RESOLUTION_STATUS_IN_REVIEW: ResolutionStatus
RESOLUTION_STATUS_RESOLVED: ResolutionStatus
RESOLUTION_STATUS_DISPUTED: ResolutionStatus
RESOLUTION_STATUS_NEEDS_RECONFIRM: ResolutionStatus
RESOLUTION_STATUS_EXCLUDED: ResolutionStatus
RESOLUTION_METHOD_UNSPECIFIED: ResolutionMethod
RESOLUTION_METHOD_QUORUM: ResolutionMethod
RESOLUTION_METHOD_ADJUDICATED: ResolutionMethod
RESOLUTION_METHOD_SELF: ResolutionMethod

class Verdict(_message.Message):
    __slots__ = ("value", "label", "labels", "text")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    value: float
    label: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    text: str
    def __init__(self, value: _Optional[float] = ..., label: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ...) -> None: ...

class FeedbackEntry(_message.Message):
    __slots__ = ("feedback_id", "target", "metric", "result_id", "expected", "explanation", "annotator", "judged", "judge_explanation", "judge_model", "status", "queue", "create_time", "advice", "earlier_revision", "bulk_id", "retract_time", "retractor", "retract_reason")
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    JUDGE_EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    JUDGE_MODEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    EARLIER_REVISION_FIELD_NUMBER: _ClassVar[int]
    BULK_ID_FIELD_NUMBER: _ClassVar[int]
    RETRACT_TIME_FIELD_NUMBER: _ClassVar[int]
    RETRACTOR_FIELD_NUMBER: _ClassVar[int]
    RETRACT_REASON_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    target: _evaluator_pb2.TargetRef
    metric: _vocabulary_pb2.MetricRef
    result_id: str
    expected: Verdict
    explanation: str
    annotator: str
    judged: Verdict
    judge_explanation: str
    judge_model: str
    status: FeedbackStatus
    queue: str
    create_time: _timestamp_pb2.Timestamp
    advice: _containers.RepeatedScalarFieldContainer[str]
    earlier_revision: bool
    bulk_id: str
    retract_time: _timestamp_pb2.Timestamp
    retractor: str
    retract_reason: str
    def __init__(self, feedback_id: _Optional[str] = ..., target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ..., metric: _Optional[_Union[_vocabulary_pb2.MetricRef, _Mapping]] = ..., result_id: _Optional[str] = ..., expected: _Optional[_Union[Verdict, _Mapping]] = ..., explanation: _Optional[str] = ..., annotator: _Optional[str] = ..., judged: _Optional[_Union[Verdict, _Mapping]] = ..., judge_explanation: _Optional[str] = ..., judge_model: _Optional[str] = ..., status: _Optional[_Union[FeedbackStatus, str]] = ..., queue: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., advice: _Optional[_Iterable[str]] = ..., earlier_revision: _Optional[bool] = ..., bulk_id: _Optional[str] = ..., retract_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retractor: _Optional[str] = ..., retract_reason: _Optional[str] = ...) -> None: ...

class Resolution(_message.Message):
    __slots__ = ("target", "metric", "status", "expected", "method", "resolver", "reason", "update_time")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    RESOLVER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    target: _evaluator_pb2.TargetRef
    metric: str
    status: ResolutionStatus
    expected: Verdict
    method: ResolutionMethod
    resolver: str
    reason: str
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ..., metric: _Optional[str] = ..., status: _Optional[_Union[ResolutionStatus, str]] = ..., expected: _Optional[_Union[Verdict, _Mapping]] = ..., method: _Optional[_Union[ResolutionMethod, str]] = ..., resolver: _Optional[str] = ..., reason: _Optional[str] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SubmitFeedbackRequest(_message.Message):
    __slots__ = ("result_id", "target", "metric", "expected", "explanation", "annotator", "request_id")
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    target: _evaluator_pb2.TargetRef
    metric: _vocabulary_pb2.MetricRef
    expected: Verdict
    explanation: str
    annotator: str
    request_id: str
    def __init__(self, result_id: _Optional[str] = ..., target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ..., metric: _Optional[_Union[_vocabulary_pb2.MetricRef, _Mapping]] = ..., expected: _Optional[_Union[Verdict, _Mapping]] = ..., explanation: _Optional[str] = ..., annotator: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SubmitFeedbackResponse(_message.Message):
    __slots__ = ("feedback", "resolution")
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    feedback: FeedbackEntry
    resolution: Resolution
    def __init__(self, feedback: _Optional[_Union[FeedbackEntry, _Mapping]] = ..., resolution: _Optional[_Union[Resolution, _Mapping]] = ...) -> None: ...

class ListFeedbackRequest(_message.Message):
    __slots__ = ("metric", "target", "annotator", "queue", "status", "resolution", "page_size", "page_token")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metric: str
    target: _evaluator_pb2.TargetRef
    annotator: str
    queue: str
    status: FeedbackStatus
    resolution: ResolutionStatus
    page_size: int
    page_token: str
    def __init__(self, metric: _Optional[str] = ..., target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ..., annotator: _Optional[str] = ..., queue: _Optional[str] = ..., status: _Optional[_Union[FeedbackStatus, str]] = ..., resolution: _Optional[_Union[ResolutionStatus, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFeedbackResponse(_message.Message):
    __slots__ = ("feedback", "next_page_token")
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    feedback: _containers.RepeatedCompositeFieldContainer[FeedbackEntry]
    next_page_token: str
    def __init__(self, feedback: _Optional[_Iterable[_Union[FeedbackEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ResolveFeedbackRequest(_message.Message):
    __slots__ = ("target", "metric", "expected", "exclude", "reason", "resolver")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESOLVER_FIELD_NUMBER: _ClassVar[int]
    target: _evaluator_pb2.TargetRef
    metric: str
    expected: Verdict
    exclude: bool
    reason: str
    resolver: str
    def __init__(self, target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ..., metric: _Optional[str] = ..., expected: _Optional[_Union[Verdict, _Mapping]] = ..., exclude: _Optional[bool] = ..., reason: _Optional[str] = ..., resolver: _Optional[str] = ...) -> None: ...

class GetFeedbackRequest(_message.Message):
    __slots__ = ("feedback_id",)
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    def __init__(self, feedback_id: _Optional[str] = ...) -> None: ...

class FeedbackHistory(_message.Message):
    __slots__ = ("entries", "inputs", "segment", "resolution")
    class InputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SegmentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[FeedbackEntry]
    inputs: _containers.ScalarMap[str, str]
    segment: _containers.ScalarMap[str, str]
    resolution: Resolution
    def __init__(self, entries: _Optional[_Iterable[_Union[FeedbackEntry, _Mapping]]] = ..., inputs: _Optional[_Mapping[str, str]] = ..., segment: _Optional[_Mapping[str, str]] = ..., resolution: _Optional[_Union[Resolution, _Mapping]] = ...) -> None: ...

class ImportFeedbackRequest(_message.Message):
    __slots__ = ("feedback", "bulk_id", "annotator", "validate_only")
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    BULK_ID_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    feedback: _containers.RepeatedCompositeFieldContainer[ImportedFeedback]
    bulk_id: str
    annotator: str
    validate_only: bool
    def __init__(self, feedback: _Optional[_Iterable[_Union[ImportedFeedback, _Mapping]]] = ..., bulk_id: _Optional[str] = ..., annotator: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ImportedFeedback(_message.Message):
    __slots__ = ("feedback", "feedback_id", "create_time")
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    feedback: SubmitFeedbackRequest
    feedback_id: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, feedback: _Optional[_Union[SubmitFeedbackRequest, _Mapping]] = ..., feedback_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ImportFeedbackResponse(_message.Message):
    __slots__ = ("bulk_id", "added", "present", "refused", "vague")
    BULK_ID_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    VAGUE_FIELD_NUMBER: _ClassVar[int]
    bulk_id: str
    added: int
    present: int
    refused: _containers.RepeatedCompositeFieldContainer[RefusedFeedback]
    vague: int
    def __init__(self, bulk_id: _Optional[str] = ..., added: _Optional[int] = ..., present: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[RefusedFeedback, _Mapping]]] = ..., vague: _Optional[int] = ...) -> None: ...

class RefusedFeedback(_message.Message):
    __slots__ = ("number", "field", "message")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    number: int
    field: str
    message: str
    def __init__(self, number: _Optional[int] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class RetractFeedbackRequest(_message.Message):
    __slots__ = ("feedback_id", "annotator", "reason")
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    annotator: str
    reason: str
    def __init__(self, feedback_id: _Optional[str] = ..., annotator: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ListResolutionsRequest(_message.Message):
    __slots__ = ("metric", "status", "page_size", "page_token")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metric: str
    status: ResolutionStatus
    page_size: int
    page_token: str
    def __init__(self, metric: _Optional[str] = ..., status: _Optional[_Union[ResolutionStatus, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListResolutionsResponse(_message.Message):
    __slots__ = ("resolutions", "next_page_token")
    RESOLUTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    resolutions: _containers.RepeatedCompositeFieldContainer[Resolution]
    next_page_token: str
    def __init__(self, resolutions: _Optional[_Iterable[_Union[Resolution, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetAgreementRequest(_message.Message):
    __slots__ = ("metric", "queue", "by", "start_time", "end_time")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    metric: _vocabulary_pb2.MetricRef
    queue: str
    by: _containers.RepeatedScalarFieldContainer[str]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, metric: _Optional[_Union[_vocabulary_pb2.MetricRef, _Mapping]] = ..., queue: _Optional[str] = ..., by: _Optional[_Iterable[str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("value", "lower", "upper", "count", "note")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    value: float
    lower: float
    upper: float
    count: int
    note: str
    def __init__(self, value: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ..., count: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class AgreementGroup(_message.Message):
    __slots__ = ("group", "statistics", "confusion")
    class StatisticsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Estimate
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Estimate, _Mapping]] = ...) -> None: ...
    GROUP_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_FIELD_NUMBER: _ClassVar[int]
    group: str
    statistics: _containers.MessageMap[str, Estimate]
    confusion: _containers.RepeatedCompositeFieldContainer[ConfusionCell]
    def __init__(self, group: _Optional[str] = ..., statistics: _Optional[_Mapping[str, Estimate]] = ..., confusion: _Optional[_Iterable[_Union[ConfusionCell, _Mapping]]] = ...) -> None: ...

class ConfusionCell(_message.Message):
    __slots__ = ("expected", "concluded", "count")
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    CONCLUDED_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    expected: str
    concluded: str
    count: int
    def __init__(self, expected: _Optional[str] = ..., concluded: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class Agreement(_message.Message):
    __slots__ = ("metric", "judge_human", "human_human", "advice", "counts")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    METRIC_FIELD_NUMBER: _ClassVar[int]
    JUDGE_HUMAN_FIELD_NUMBER: _ClassVar[int]
    HUMAN_HUMAN_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    metric: _vocabulary_pb2.MetricRef
    judge_human: _containers.RepeatedCompositeFieldContainer[AgreementGroup]
    human_human: _containers.RepeatedCompositeFieldContainer[AgreementGroup]
    advice: _containers.RepeatedScalarFieldContainer[str]
    counts: _containers.ScalarMap[str, int]
    def __init__(self, metric: _Optional[_Union[_vocabulary_pb2.MetricRef, _Mapping]] = ..., judge_human: _Optional[_Iterable[_Union[AgreementGroup, _Mapping]]] = ..., human_human: _Optional[_Iterable[_Union[AgreementGroup, _Mapping]]] = ..., advice: _Optional[_Iterable[str]] = ..., counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class QueueSource(_message.Message):
    __slots__ = ("filter", "score_condition", "disagreeing_versions", "uncertain", "random", "start_time", "end_time", "limit", "seed")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SCORE_CONDITION_FIELD_NUMBER: _ClassVar[int]
    DISAGREEING_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    UNCERTAIN_FIELD_NUMBER: _ClassVar[int]
    RANDOM_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    filter: str
    score_condition: str
    disagreeing_versions: _containers.RepeatedScalarFieldContainer[int]
    uncertain: bool
    random: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    limit: int
    seed: str
    def __init__(self, filter: _Optional[str] = ..., score_condition: _Optional[str] = ..., disagreeing_versions: _Optional[_Iterable[int]] = ..., uncertain: _Optional[bool] = ..., random: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limit: _Optional[int] = ..., seed: _Optional[str] = ...) -> None: ...

class Queue(_message.Message):
    __slots__ = ("name", "version", "metric", "level", "quorum", "blind", "reservation", "instructions", "source", "follow", "progress", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    BLIND_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    metric: str
    level: _vocabulary_pb2.Level
    quorum: int
    blind: bool
    reservation: _duration_pb2.Duration
    instructions: str
    source: QueueSource
    follow: bool
    progress: QueueProgress
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., metric: _Optional[str] = ..., level: _Optional[_Union[_vocabulary_pb2.Level, str]] = ..., quorum: _Optional[int] = ..., blind: _Optional[bool] = ..., reservation: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., instructions: _Optional[str] = ..., source: _Optional[_Union[QueueSource, _Mapping]] = ..., follow: _Optional[bool] = ..., progress: _Optional[_Union[QueueProgress, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class QueueProgress(_message.Message):
    __slots__ = ("items", "resolved", "disputed", "in_review", "reserved", "verdicts", "waiting")
    class VerdictsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_FIELD_NUMBER: _ClassVar[int]
    IN_REVIEW_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    items: int
    resolved: int
    disputed: int
    in_review: int
    reserved: int
    verdicts: _containers.ScalarMap[str, int]
    waiting: int
    def __init__(self, items: _Optional[int] = ..., resolved: _Optional[int] = ..., disputed: _Optional[int] = ..., in_review: _Optional[int] = ..., reserved: _Optional[int] = ..., verdicts: _Optional[_Mapping[str, int]] = ..., waiting: _Optional[int] = ...) -> None: ...

class ReviewItem(_message.Message):
    __slots__ = ("item_id", "queue", "target", "metric", "inputs", "result", "others", "reserve_until_time", "source")
    class InputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    RESERVE_UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    queue: str
    target: _evaluator_pb2.TargetRef
    metric: _vocabulary_pb2.MetricRef
    inputs: _containers.ScalarMap[str, str]
    result: _evaluator_pb2.Result
    others: _containers.RepeatedCompositeFieldContainer[FeedbackEntry]
    reserve_until_time: _timestamp_pb2.Timestamp
    source: str
    def __init__(self, item_id: _Optional[str] = ..., queue: _Optional[str] = ..., target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ..., metric: _Optional[_Union[_vocabulary_pb2.MetricRef, _Mapping]] = ..., inputs: _Optional[_Mapping[str, str]] = ..., result: _Optional[_Union[_evaluator_pb2.Result, _Mapping]] = ..., others: _Optional[_Iterable[_Union[FeedbackEntry, _Mapping]]] = ..., reserve_until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source: _Optional[str] = ...) -> None: ...

class CreateQueueRequest(_message.Message):
    __slots__ = ("queue", "request_id")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    queue: Queue
    request_id: str
    def __init__(self, queue: _Optional[_Union[Queue, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetQueueRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListQueuesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListQueuesResponse(_message.Message):
    __slots__ = ("queues", "next_page_token")
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[Queue]
    next_page_token: str
    def __init__(self, queues: _Optional[_Iterable[_Union[Queue, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteQueueRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class FillQueueRequest(_message.Message):
    __slots__ = ("queue", "targets", "source")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    targets: _containers.RepeatedCompositeFieldContainer[_evaluator_pb2.TargetRef]
    source: QueueSource
    def __init__(self, queue: _Optional[str] = ..., targets: _Optional[_Iterable[_Union[_evaluator_pb2.TargetRef, _Mapping]]] = ..., source: _Optional[_Union[QueueSource, _Mapping]] = ...) -> None: ...

class FillQueueResponse(_message.Message):
    __slots__ = ("added", "present")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    added: int
    present: int
    def __init__(self, added: _Optional[int] = ..., present: _Optional[int] = ...) -> None: ...

class ClaimNextRequest(_message.Message):
    __slots__ = ("queue", "annotator")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    queue: str
    annotator: str
    def __init__(self, queue: _Optional[str] = ..., annotator: _Optional[str] = ...) -> None: ...

class CompleteItemRequest(_message.Message):
    __slots__ = ("queue", "item_id", "annotator", "expected", "explanation", "request_id")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    queue: str
    item_id: str
    annotator: str
    expected: Verdict
    explanation: str
    request_id: str
    def __init__(self, queue: _Optional[str] = ..., item_id: _Optional[str] = ..., annotator: _Optional[str] = ..., expected: _Optional[_Union[Verdict, _Mapping]] = ..., explanation: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CompleteItemResponse(_message.Message):
    __slots__ = ("feedback", "resolution")
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    feedback: FeedbackEntry
    resolution: Resolution
    def __init__(self, feedback: _Optional[_Union[FeedbackEntry, _Mapping]] = ..., resolution: _Optional[_Union[Resolution, _Mapping]] = ...) -> None: ...

class SkipItemRequest(_message.Message):
    __slots__ = ("queue", "item_id", "annotator")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    queue: str
    item_id: str
    annotator: str
    def __init__(self, queue: _Optional[str] = ..., item_id: _Optional[str] = ..., annotator: _Optional[str] = ...) -> None: ...

class CompleteItemsRequest(_message.Message):
    __slots__ = ("queue", "item_ids", "annotator", "expected", "explanation", "request_id")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    queue: str
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    annotator: str
    expected: Verdict
    explanation: str
    request_id: str
    def __init__(self, queue: _Optional[str] = ..., item_ids: _Optional[_Iterable[str]] = ..., annotator: _Optional[str] = ..., expected: _Optional[_Union[Verdict, _Mapping]] = ..., explanation: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CompleteItemsResponse(_message.Message):
    __slots__ = ("bulk_id", "completed", "refused")
    class RefusedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BULK_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    bulk_id: str
    completed: int
    refused: _containers.ScalarMap[str, str]
    def __init__(self, bulk_id: _Optional[str] = ..., completed: _Optional[int] = ..., refused: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UndoBulkRequest(_message.Message):
    __slots__ = ("bulk_id", "annotator")
    BULK_ID_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    bulk_id: str
    annotator: str
    def __init__(self, bulk_id: _Optional[str] = ..., annotator: _Optional[str] = ...) -> None: ...

class UndoBulkResponse(_message.Message):
    __slots__ = ("retracted",)
    RETRACTED_FIELD_NUMBER: _ClassVar[int]
    retracted: int
    def __init__(self, retracted: _Optional[int] = ...) -> None: ...
