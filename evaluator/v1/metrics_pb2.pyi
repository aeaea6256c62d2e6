import datetime

from evaluator.v1 import evaluator_pb2 as _evaluator_pb2
from evaluator.v1 import vocabulary_pb2 as _vocabulary_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
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

class Vote(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VOTE_UNSPECIFIED: _ClassVar[Vote]
    VOTE_MAJORITY: _ClassVar[Vote]
    VOTE_MEAN: _ClassVar[Vote]
    VOTE_MEDIAN: _ClassVar[Vote]
    VOTE_MIN: _ClassVar[Vote]
    VOTE_MAX: _ClassVar[Vote]

class TooLong(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOO_LONG_UNSPECIFIED: _ClassVar[TooLong]
    TOO_LONG_ABSTAIN: _ClassVar[TooLong]
    TOO_LONG_CUT: _ClassVar[TooLong]

class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIRECTION_UNSPECIFIED: _ClassVar[Direction]
    DIRECTION_HIGHER: _ClassVar[Direction]
    DIRECTION_LOWER: _ClassVar[Direction]
    DIRECTION_NEITHER: _ClassVar[Direction]

class Statistic(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATISTIC_UNSPECIFIED: _ClassVar[Statistic]
    STATISTIC_MEAN: _ClassVar[Statistic]
    STATISTIC_SUM: _ClassVar[Statistic]
    STATISTIC_MIN: _ClassVar[Statistic]
    STATISTIC_MAX: _ClassVar[Statistic]
    STATISTIC_SHARE: _ClassVar[Statistic]
    STATISTIC_COUNT: _ClassVar[Statistic]
VOTE_UNSPECIFIED: Vote
VOTE_MAJORITY: Vote
VOTE_MEAN: Vote
VOTE_MEDIAN: Vote
VOTE_MIN: Vote
VOTE_MAX: Vote
TOO_LONG_UNSPECIFIED: TooLong
TOO_LONG_ABSTAIN: TooLong
TOO_LONG_CUT: TooLong
DIRECTION_UNSPECIFIED: Direction
DIRECTION_HIGHER: Direction
DIRECTION_LOWER: Direction
DIRECTION_NEITHER: Direction
STATISTIC_UNSPECIFIED: Statistic
STATISTIC_MEAN: Statistic
STATISTIC_SUM: Statistic
STATISTIC_MIN: Statistic
STATISTIC_MAX: Statistic
STATISTIC_SHARE: Statistic
STATISTIC_COUNT: Statistic

class Metric(_message.Message):
    __slots__ = ("name", "display_name", "version", "digest", "builtin", "kind", "levels", "span_kinds", "output_type", "description", "prompt", "labels", "function", "model", "parameters", "required_metrics", "create_time", "reference", "arguments", "jury", "too_long", "source", "expression", "roll_up", "wait", "minimum", "maximum", "direction", "threshold", "unit", "shadowed", "warnings", "colors", "guidelines", "alignment_id")
    class ColorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    BUILTIN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    SPAN_KINDS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_METRICS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    JURY_FIELD_NUMBER: _ClassVar[int]
    TOO_LONG_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    ROLL_UP_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    SHADOWED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    COLORS_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    version: int
    digest: str
    builtin: bool
    kind: _vocabulary_pb2.MetricKind
    levels: _containers.RepeatedScalarFieldContainer[_vocabulary_pb2.Level]
    span_kinds: _containers.RepeatedScalarFieldContainer[str]
    output_type: _vocabulary_pb2.OutputType
    description: str
    prompt: str
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    function: str
    model: str
    parameters: _struct_pb2.Struct
    required_metrics: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    reference: str
    arguments: _struct_pb2.Struct
    jury: Jury
    too_long: TooLong
    source: str
    expression: str
    roll_up: RollUp
    wait: _duration_pb2.Duration
    minimum: float
    maximum: float
    direction: Direction
    threshold: float
    unit: str
    shadowed: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    colors: _containers.ScalarMap[str, str]
    guidelines: _containers.RepeatedCompositeFieldContainer[Guideline]
    alignment_id: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[str] = ..., builtin: _Optional[bool] = ..., kind: _Optional[_Union[_vocabulary_pb2.MetricKind, str]] = ..., levels: _Optional[_Iterable[_Union[_vocabulary_pb2.Level, str]]] = ..., span_kinds: _Optional[_Iterable[str]] = ..., output_type: _Optional[_Union[_vocabulary_pb2.OutputType, str]] = ..., description: _Optional[str] = ..., prompt: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., function: _Optional[str] = ..., model: _Optional[str] = ..., parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., required_metrics: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reference: _Optional[str] = ..., arguments: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., jury: _Optional[_Union[Jury, _Mapping]] = ..., too_long: _Optional[_Union[TooLong, str]] = ..., source: _Optional[str] = ..., expression: _Optional[str] = ..., roll_up: _Optional[_Union[RollUp, _Mapping]] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., direction: _Optional[_Union[Direction, str]] = ..., threshold: _Optional[float] = ..., unit: _Optional[str] = ..., shadowed: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ..., colors: _Optional[_Mapping[str, str]] = ..., guidelines: _Optional[_Iterable[_Union[Guideline, _Mapping]]] = ..., alignment_id: _Optional[str] = ...) -> None: ...

class Guideline(_message.Message):
    __slots__ = ("guideline_id", "text", "feedback_ids", "support", "origin", "alignment_id")
    GUIDELINE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_IDS_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    guideline_id: str
    text: str
    feedback_ids: _containers.RepeatedScalarFieldContainer[str]
    support: int
    origin: str
    alignment_id: str
    def __init__(self, guideline_id: _Optional[str] = ..., text: _Optional[str] = ..., feedback_ids: _Optional[_Iterable[str]] = ..., support: _Optional[int] = ..., origin: _Optional[str] = ..., alignment_id: _Optional[str] = ...) -> None: ...

class Jury(_message.Message):
    __slots__ = ("models", "repeats", "vote")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    VOTE_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedScalarFieldContainer[str]
    repeats: int
    vote: Vote
    def __init__(self, models: _Optional[_Iterable[str]] = ..., repeats: _Optional[int] = ..., vote: _Optional[_Union[Vote, str]] = ...) -> None: ...

class RollUp(_message.Message):
    __slots__ = ("statistic", "label")
    STATISTIC_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    statistic: Statistic
    label: str
    def __init__(self, statistic: _Optional[_Union[Statistic, str]] = ..., label: _Optional[str] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class CreateMetricRequest(_message.Message):
    __slots__ = ("metric", "request_id")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    metric: Metric
    request_id: str
    def __init__(self, metric: _Optional[_Union[Metric, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetMetricRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ListMetricsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMetricsResponse(_message.Message):
    __slots__ = ("metrics", "next_page_token")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    next_page_token: str
    def __init__(self, metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListMetricVersionsRequest(_message.Message):
    __slots__ = ("name", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMetricVersionsResponse(_message.Message):
    __slots__ = ("metrics", "next_page_token")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    next_page_token: str
    def __init__(self, metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateMetricRequest(_message.Message):
    __slots__ = ("metric", "update_mask", "base_version", "request_id")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    metric: Metric
    update_mask: _field_mask_pb2.FieldMask
    base_version: int
    request_id: str
    def __init__(self, metric: _Optional[_Union[Metric, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., base_version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteMetricRequest(_message.Message):
    __slots__ = ("name", "base_version", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    base_version: int
    request_id: str
    def __init__(self, name: _Optional[str] = ..., base_version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class RestoreMetricVersionRequest(_message.Message):
    __slots__ = ("name", "version", "base_version", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    base_version: int
    request_id: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., base_version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class TestMetricRequest(_message.Message):
    __slots__ = ("metric", "name", "target", "repeats", "wait")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    metric: Metric
    name: str
    target: _evaluator_pb2.Target
    repeats: int
    wait: _duration_pb2.Duration
    def __init__(self, metric: _Optional[_Union[Metric, _Mapping]] = ..., name: _Optional[str] = ..., target: _Optional[_Union[_evaluator_pb2.Target, _Mapping]] = ..., repeats: _Optional[int] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class TestMetricResponse(_message.Message):
    __slots__ = ("results", "spread", "usage", "warnings")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_evaluator_pb2.Result]
    spread: Spread
    usage: _evaluator_pb2.Usage
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, results: _Optional[_Iterable[_Union[_evaluator_pb2.Result, _Mapping]]] = ..., spread: _Optional[_Union[Spread, _Mapping]] = ..., usage: _Optional[_Union[_evaluator_pb2.Usage, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Spread(_message.Message):
    __slots__ = ("mean", "standard_deviation", "minimum", "maximum", "agreement", "successes")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    STANDARD_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    SUCCESSES_FIELD_NUMBER: _ClassVar[int]
    mean: float
    standard_deviation: float
    minimum: float
    maximum: float
    agreement: float
    successes: int
    def __init__(self, mean: _Optional[float] = ..., standard_deviation: _Optional[float] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., agreement: _Optional[float] = ..., successes: _Optional[int] = ...) -> None: ...
