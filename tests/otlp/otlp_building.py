"""Requests for tests, with the message classes whose strings are bytes, so that anything can be in them."""

from __future__ import annotations

from typing import Any

from storage.otlp.messages import AnyValue, LogsRequest, TracesRequest

TRACE_ID = bytes(range(1, 17))
SPAN_ID = bytes(range(1, 9))
START_NS = 1_790_000_000_000_000_000


def any_value(value: object) -> Any:
    """A Python value as AnyValue: dicts are kvlists, lists arrays, None unset, str its UTF-8."""
    message = AnyValue()
    _set(message, value)
    return message


def _set(message: Any, value: object) -> None:
    match value:
        case None:
            pass
        case bool():
            message.bool_value = value
        case int():
            message.int_value = value
        case float():
            message.double_value = value
        case str():
            message.string_value = value.encode()
        case bytes():
            message.bytes_value = value
        case list():
            message.array_value.SetInParent()
            for item in value:
                _set(message.array_value.values.add(), item)
        case dict():
            message.kvlist_value.SetInParent()
            put(message.kvlist_value.values, list(value.items()))


def put(target: Any, pairs: list[tuple[Any, Any]]) -> None:
    """Append attributes; keys are str or bytes, values as for `any_value`, or AnyValue messages."""
    for key, value in pairs:
        pair = target.add(key=key.encode() if isinstance(key, str) else key)
        pair.value.SetInParent()
        pair.value.CopyFrom(value if isinstance(value, AnyValue) else any_value(value))


def text_value(raw: bytes) -> Any:
    """A string AnyValue of any bytes."""
    return AnyValue(string_value=raw)


def span(**fields: Any) -> dict[str, Any]:
    """Fields of a Span; `attributes` as for `put`."""
    return {"trace_id": TRACE_ID, "span_id": SPAN_ID, "start_time_unix_nano": START_NS} | fields


def traces(*spans: dict[str, Any], resource: list[tuple[Any, Any]] | None = None) -> bytes:
    """A request with one resource and one scope."""
    request = TracesRequest()
    group = request.resource_spans.add()
    put(group.resource.attributes, [("service.name", "shop")] if resource is None else resource)
    scoped = group.scope_spans.add()
    scoped.scope.name = b"scope"
    for fields in spans:
        attributes = fields.pop("attributes", [])
        put(scoped.spans.add(**fields).attributes, attributes)
    return bytes(request.SerializeToString())


def logs(*records: dict[str, Any]) -> bytes:
    """A request with one resource and one scope."""
    request = LogsRequest()
    group = request.resource_logs.add(schema_url=b"https://resource")
    put(group.resource.attributes, [("service.name", "shop")])
    scoped = group.scope_logs.add(schema_url=b"https://scope")
    scoped.scope.name, scoped.scope.version = b"scope", b"1.0"
    put(scoped.scope.attributes, [("scope.key", 7)])
    for fields in records:
        attributes = fields.pop("attributes", [])
        put(scoped.log_records.add(**fields).attributes, attributes)
    return bytes(request.SerializeToString())
