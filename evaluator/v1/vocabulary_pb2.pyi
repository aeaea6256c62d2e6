from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

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

class MetricRef(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...
