"""OTLP/JSON -> protobuf bytes, by the OTLP specification's "JSON Protobuf Encoding".

Differences from plain protobuf JSON: trace and span ids are hex, enums are integers (names are accepted too), unknown
fields are ignored.  As in protobuf JSON: field names in lowerCamelCase or as in the .proto files, 64-bit integers as
strings or numbers, `bytesValue` in base64 (standard or URL alphabet, padding optional), `null` is the default.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import EncodeError

from storage.otlp.errors import Malformed
from storage.otlp.messages import LogsRequest, TracesRequest

_HEX = frozenset({"trace_id", "span_id", "parent_span_id"})
_MAX_DEPTH = 100
"""Protobuf's own limit for nested messages."""


def traces_body(body: bytes) -> bytes:
    """JSON of an ExportTraceServiceRequest -> its protobuf bytes.

    Raises:
        Malformed: Not JSON, or not such a request; names the field.
    """
    return _convert(TracesRequest(), body)


def logs_body(body: bytes) -> bytes:
    """JSON of an ExportLogsServiceRequest -> its protobuf bytes.  Raises as `traces_body` does."""
    return _convert(LogsRequest(), body)


def _convert(message: Any, body: bytes) -> bytes:
    try:
        parsed = json.loads(body)
    except RecursionError as error:
        raise Malformed("the JSON is nested too deeply") from error
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from error
    _fill(message, parsed, "", 0)
    try:
        return bytes(message.SerializeToString())
    except EncodeError as error:
        raise Malformed(str(error)) from error


def _fill(message: Any, parsed: Any, path: str, depth: int) -> None:
    if not isinstance(parsed, dict):
        raise Malformed(f"{path or 'the body'} must be an object")
    if depth >= _MAX_DEPTH:
        raise Malformed(f"nested more than {_MAX_DEPTH} levels deep")
    fields = message.DESCRIPTOR.fields_by_camelcase_name
    by_proto_name = message.DESCRIPTOR.fields_by_name
    for key, value in parsed.items():
        field = fields.get(key) or by_proto_name.get(key)
        if field is None or value is None:
            continue
        where = f"{path}.{key}" if path else key
        if field.is_repeated:
            _fill_repeated(message, field, value, where, depth)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            child = getattr(message, field.name)
            child.SetInParent()
            _fill(child, value, where, depth + 1)
        else:
            _assign(message, field, value, where)


def _fill_repeated(message: Any, field: Any, values: Any, where: str, depth: int) -> None:
    if not isinstance(values, list):
        raise Malformed(f"{where} must be an array")
    container = getattr(message, field.name)
    for place, value in enumerate(values):
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            _fill(container.add(), value, f"{where}[{place}]", depth + 1)
        else:
            container.append(_scalar(field, value, f"{where}[{place}]"))


def _assign(message: Any, field: Any, value: Any, where: str) -> None:
    try:
        setattr(message, field.name, _scalar(field, value, where))
    except (ValueError, TypeError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed(f"{where}: {error}") from error


def _scalar(field: Any, value: Any, where: str) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _octets(field, value, where)
    if kind == FieldDescriptor.CPPTYPE_ENUM and isinstance(value, str) and not value.lstrip("-").isdigit():
        return _enum(field, value, where)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise Malformed(f"{where} must be true or false")
        return value
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return _float(value, where)
    return _integer(value, where)


def _octets(field: Any, value: Any, where: str) -> bytes:
    if not isinstance(value, str):
        raise Malformed(f"{where} must be a string")
    if field.name in _HEX:
        try:
            return binascii.unhexlify(value)
        except ValueError as error:
            raise Malformed(f"{where} must be hex digits") from error
    if field.name == "bytes_value":
        plain = value.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except binascii.Error as error:
            raise Malformed(f"{where} must be base64") from error
    try:
        return value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: valid JSON, no valid text
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _enum(field: Any, value: str, where: str) -> int:
    known = field.enum_type.values_by_name.get(value)
    if known is None:
        raise Malformed(f"{where}: {value[:80]!r} is no {field.enum_type.name}")
    return int(known.number)


def _float(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Malformed(f"{where} must be a number")
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{where} must be a number") from error


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Malformed(f"{where} must be an integer")
    if (isinstance(value, float) and not value.is_integer()) or (isinstance(value, str) and "_" in value):
        raise Malformed(f"{where} must be an integer")
    try:
        return int(value)
    except ValueError as error:
        raise Malformed(f"{where} must be an integer") from error
