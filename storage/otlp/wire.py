"""OTLP as it lies on the wire: requests parsed only as deep as columns need, and attributes without a parser at all.

A *frame* is a request whose attributes stay bytes: protobuf checks and splits everything around them, and one attribute
is one bytes object.  The string in such an attribute, less its tag, is already a String of ClickHouse's Native format.
So the one encoding that every SDK writes is cut into key and value; any other is parsed, and its text is that of
`anyvalue`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor

from storage.otlp import native
from storage.otlp.anyvalue import Attributes, attributes, double, text
from storage.otlp.messages import AnyValue, LogsRequest, TracesRequest

Known = TypeVar("Known")
Buffer: TypeAlias = bytes | memoryview
Pair: TypeAlias = tuple[bytes, Buffer]
"""A key, and its value as a Native String."""

_OPAQUE = {
    "ResourceSpans": {"resource"},
    "Span": {"attributes"},
    "Event": {"attributes"},
    "Link": {"attributes"},
    "ResourceLogs": {"resource"},
    "LogRecord": {"attributes", "body"},
}
"""Fields of frames that stay bytes, by message.  Each is repeated, so that pieces of a split message are seen."""

_STRING, _INTEGER, _DOUBLE = 0x0A, 0x18, 0x21  # tags of an AnyValue
_SHORT = tuple(bytes((0x12, size - 2, _STRING, size - 4)) if size >= 4 else b"none" for size in range(130))
"""How the value field of a KeyValue begins if it is a string and takes `size` bytes in all; one-byte lengths."""
_LITTLE_ENDIAN = struct.Struct("<d")
_COPY_BELOW = 512
"""Longer values are not copied out of their attribute but pointed at."""
_DEEP_FROM = 160
"""Bytes in which messages can be nested deeply enough to pass protobuf's limit of 100 levels, and to spare."""
_SPAN_EVENT_ATTRIBUTE = b"\x0a\x12\x12\x5a\x1a"
_LOG_BODY = b"\x0a\x12\x12\x2a"
_RESOURCE = b"\x0a\x0a"


def _frame(request: Any) -> Any:
    """The class of `request` with the opaque fields as bytes, in a pool of its own."""
    pool = descriptor_pool.DescriptorPool()
    for file in {file.name: file for file in _with_dependencies(request.DESCRIPTOR.file)}.values():
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        for message in proto.message_type:
            _close(message)
        pool.AddSerializedFile(proto.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(request.DESCRIPTOR.full_name))


def _with_dependencies(file: FileDescriptor) -> Iterator[FileDescriptor]:
    for dependency in file.dependencies:
        yield from _with_dependencies(dependency)
    yield file


def _close(message: descriptor_pb2.DescriptorProto) -> None:
    for field in message.field:
        if field.name in _OPAQUE.get(message.name, ()):
            field.type, field.label = field.TYPE_BYTES, field.LABEL_REPEATED
            field.ClearField("type_name")
    for nested in message.nested_type:
        _close(nested)


TracesFrame = _frame(TracesRequest)
LogsFrame = _frame(LogsRequest)
_KeyValue: Any = message_factory.GetMessageClass(AnyValue.DESCRIPTOR.file.message_types_by_name["KeyValue"])


class Memo(dict[bytes, Known]):
    """What `translate` says about bytes, remembered for short ones.

    Bounded: it starts empty again when it holds `entries`.  Threads may share it: an answer depends on the bytes alone,
    and at worst is worked out twice.
    """

    def __init__(self, translate: Callable[[bytes], Known], *, entries: int, longest: int) -> None:
        super().__init__()
        self._translate = translate
        self._entries = entries
        self._longest = longest

    def __missing__(self, raw: bytes) -> Known:
        known = self._translate(raw)
        if len(raw) <= self._longest:
            if len(self) >= self._entries:
                self.clear()
            self[raw] = known
        return known


def pair(raw: bytes) -> Pair:
    """A KeyValue.

    Raises:
        DecodeError: It is none, or is nested so deeply that it might be refused where it stands.
    """
    size = len(raw)
    if size > 5 and raw[0] == 0x0A and raw[1] < 128:  # a tag and a length of one byte each, then the key
        at = raw[1] + 2
        size -= at
        if 4 <= size < 130:
            if raw[at : at + 4] == _SHORT[size]:
                return raw[2:at], raw[at + 3 :]
            if raw[at] == 0x12 and raw[at + 1] == size - 2:
                value = _number(raw, at + 2)
                if value:
                    return raw[2:at], value
        elif size >= 134:
            start = _long_string(raw, at, size)
            if start:
                return raw[2:at], raw[start:] if size < _COPY_BELOW else memoryview(raw)[start:]
    parsed = _parsed_pair(raw)
    return parsed.key, native.string(text(parsed.value))


def value(raw: bytes) -> Buffer:
    """An AnyValue as a Native String.  Raises as `pair` does."""
    size = len(raw)
    if 2 <= size < 130 and raw[0] == _STRING and raw[1] == size - 2:
        return raw[1:]
    if size < _DEEP_FROM:
        return native.string(text(AnyValue.FromString(raw)))
    record = _nested(LogsRequest, _LOG_BODY, raw).resource_logs[0].scope_logs[0].log_records[0]
    return native.string(text(record.body))


def resource(raw: bytes) -> Attributes:
    """The attributes of a Resource.  Raises as `pair` does."""
    return attributes(_nested(TracesRequest, _RESOURCE, raw).resource_spans[0].resource.attributes)


def _long_string(raw: bytes, at: int, size: int) -> int:
    """Where the Native String begins in a value field of `size` bytes with lengths of two or three bytes; else 0."""
    if size <= 16_386:
        outer, inner = size - 3, size - 6
        head = bytes((0x12, outer & 127 | 128, outer >> 7, _STRING, inner & 127 | 128, inner >> 7))
        return at + 4 if raw[at : at + 6] == head else 0
    if 16_392 <= size <= 2_097_155:
        outer, inner = size - 4, size - 8
        head = struct.pack(
            "8B", 0x12, outer & 127 | 128, outer >> 7 & 127 | 128, outer >> 14,
            _STRING, inner & 127 | 128, inner >> 7 & 127 | 128, inner >> 14,
        )  # fmt: skip
        return at + 5 if raw[at : at + 8] == head else 0
    return 0


def _number(raw: bytes, at: int) -> bytes:
    """The AnyValue from `at` as a Native String, if it is a double or an integer from 0; else b''."""
    size = len(raw) - at - 1
    if raw[at] == _DOUBLE and size == 8:
        return native.string(double(*_LITTLE_ENDIAN.unpack_from(raw, at + 1)))
    if raw[at] != _INTEGER or not 1 <= size <= 9:
        return b""
    number = raw[at + 1]
    if size == 2 and number > 127:
        number = number & 127 | raw[at + 2] << 7
        if number > 16_383:
            return b""  # ends late
    elif size > 1:
        digits = raw[at + 1 :]
        if not digits[-1] < 128 <= min(digits[:-1]):
            return b""  # ends early or late
        number = 0
        for digit in reversed(digits):
            number = number << 7 | digit & 127
    elif number > 127:
        return b""
    return native.string(b"%d" % number)


def _parsed_pair(raw: bytes) -> Any:
    if len(raw) < _DEEP_FROM:
        return _KeyValue.FromString(raw)
    span = _nested(TracesRequest, _SPAN_EVENT_ATTRIBUTE, raw).resource_spans[0].scope_spans[0].spans[0]
    return span.events[0].attributes[0]


def _nested(request: Any, tags: bytes, raw: bytes) -> Any:
    """`raw` parsed at the depth where it stands in a request, because protobuf limits the depth."""
    for tag in reversed(tags):
        raw = bytes((tag,)) + native.varint(len(raw)) + raw
    return request.FromString(raw)
