import datetime

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

DESCRIPTOR: _descriptor.FileDescriptor

class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEVEL_UNSPECIFIED: _ClassVar[Level]
    LEVEL_SPAN: _ClassVar[Level]
    LEVEL_TRACE: _ClassVar[Level]
    LEVEL_SESSION: _ClassVar[Level]

class MetricKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_KIND_UNSPECIFIED: _ClassVar[MetricKind]
    METRIC_KIND_JUDGE: _ClassVar[MetricKind]
    METRIC_KIND_CODE: _ClassVar[MetricKind]
    METRIC_KIND_COMPOSITE: _ClassVar[MetricKind]
    METRIC_KIND_SQL: _ClassVar[MetricKind]
    METRIC_KIND_EXTERNAL: _ClassVar[MetricKind]
    METRIC_KIND_HUMAN: _ClassVar[MetricKind]

class OutputType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_TYPE_UNSPECIFIED: _ClassVar[OutputType]
    OUTPUT_TYPE_BOOLEAN: _ClassVar[OutputType]
    OUTPUT_TYPE_CATEGORICAL: _ClassVar[OutputType]
    OUTPUT_TYPE_PERCENTAGE: _ClassVar[OutputType]
    OUTPUT_TYPE_COUNT: _ClassVar[OutputType]
    OUTPUT_TYPE_DISCRETE: _ClassVar[OutputType]
    OUTPUT_TYPE_MULTILABEL: _ClassVar[OutputType]
    OUTPUT_TYPE_TEXT: _ClassVar[OutputType]
    OUTPUT_TYPE_NUMBER: _ClassVar[OutputType]
LEVEL_UNSPECIFIED: Level
LEVEL_SPAN: Level
LEVEL_TRACE: Level
LEVEL_SESSION: Level
METRIC_KIND_UNSPECIFIED: MetricKind
METRIC_KIND_JUDGE: MetricKind
METRIC_KIND_CODE: MetricKind
METRIC_KIND_COMPOSITE: MetricKind
METRIC_KIND_SQL: MetricKind
METRIC_KIND_EXTERNAL: MetricKind
METRIC_KIND_HUMAN: MetricKind
OUTPUT_TYPE_UNSPECIFIED: OutputType
OUTPUT_TYPE_BOOLEAN: OutputType
OUTPUT_TYPE_CATEGORICAL: OutputType
OUTPUT_TYPE_PERCENTAGE: OutputType
OUTPUT_TYPE_COUNT: OutputType
OUTPUT_TYPE_DISCRETE: OutputType
OUTPUT_TYPE_MULTILABEL: OutputType
OUTPUT_TYPE_TEXT: OutputType
OUTPUT_TYPE_NUMBER: OutputType

class Metric(_message.Message):
    __slots__ = ("name", "display_name", "version", "digest", "builtin", "kind", "levels", "span_kinds", "output_type", "description", "prompt", "labels", "function", "model", "parameters", "required_metrics", "create_time")
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
    name: str
    display_name: str
    version: int
    digest: str
    builtin: bool
    kind: MetricKind
    levels: _containers.RepeatedScalarFieldContainer[Level]
    span_kinds: _containers.RepeatedScalarFieldContainer[str]
    output_type: OutputType
    description: str
    prompt: str
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    function: str
    model: str
    parameters: _struct_pb2.Struct
    required_metrics: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[str] = ..., builtin: _Optional[bool] = ..., kind: _Optional[_Union[MetricKind, str]] = ..., levels: _Optional[_Iterable[_Union[Level, str]]] = ..., span_kinds: _Optional[_Iterable[str]] = ..., output_type: _Optional[_Union[OutputType, str]] = ..., description: _Optional[str] = ..., prompt: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., function: _Optional[str] = ..., model: _Optional[str] = ..., parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., required_metrics: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class MetricRef(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

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
