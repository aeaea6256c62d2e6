"""OTLP request messages whose `string` fields are declared `bytes`.

Protobuf refuses a message for one byte that is not UTF-8, deep inside one attribute of one span.  Telemetry is worth
more than that: the bytes are stored as they were sent, and decoded (with replacement characters) only when they are
read.  On the wire `string` and `bytes` are the same, so the published descriptors are cloned into a private pool with
that one change.  Responses are the published classes.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from storage.otlp.errors import Malformed
from storage.otlp.weight import check_weight

TracesResponse = trace_service_pb2.ExportTraceServiceResponse
LogsResponse = logs_service_pb2.ExportLogsServiceResponse


def _clone(file: FileDescriptor, pool: descriptor_pool.DescriptorPool, done: set[str]) -> None:
    if file.name in done:
        return
    done.add(file.name)
    for dependency in file.dependencies:
        _clone(dependency, pool, done)
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    for message in proto.message_type:
        _retype(message)
    pool.AddSerializedFile(proto.SerializeToString())


def _retype(message: descriptor_pb2.DescriptorProto) -> None:
    field_type = descriptor_pb2.FieldDescriptorProto
    for field in message.field:
        if field.type == field_type.TYPE_STRING:
            field.type = field_type.TYPE_BYTES
    for nested in message.nested_type:
        _retype(nested)


_POOL = descriptor_pool.DescriptorPool()
_FILES: set[str] = set()
_clone(trace_service_pb2.DESCRIPTOR, _POOL, _FILES)
_clone(logs_service_pb2.DESCRIPTOR, _POOL, _FILES)


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


# `Any`: the published stubs would say `str` where these classes give `bytes`.
TracesRequest: Any = _message("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest")
LogsRequest: Any = _message("opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest")
AnyValue: Any = _message("opentelemetry.proto.common.v1.AnyValue")


def parse(message: Any, body: bytes) -> Any:
    """Parse `body` as `message` (one of this module's classes).

    Raises:
        Malformed: The bytes are not a message of this type.
        TooLarge: They hold more messages than the limit.
    """
    check_weight(message, body)
    try:
        return message.FromString(body)
    except DecodeError as error:
        raise Malformed(f"not a protobuf {message.DESCRIPTOR.name}: {str(error).rpartition(': ')[2]}") from error
