"""One request for traces and one for logs that hold every kind of value, id, time and enum that OTLP can carry."""

from __future__ import annotations

import math
from typing import Any

from storage.otlp.messages import AnyValue, LogsRequest, TracesRequest

START_NS = 1_763_000_000_123_456_789
TRACE_ID = bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736")


def spans() -> bytes:
    """ExportTraceServiceRequest bytes."""
    request = TracesRequest()
    group = request.resource_spans.add(schema_url=b"https://opentelemetry.io/schemas/1.40.0")
    _fill(group.resource.attributes, _resource())
    scoped = group.scope_spans.add()
    scoped.scope.name, scoped.scope.version = b"hand-made", b"1.2.3"
    for name, pairs in (("scalars", _scalars()), ("doubles", _doubles()), ("nested", _nested()), ("keys", _keys())):
        _fill(_span(scoped, name).attributes, pairs)
    _kinds_and_codes(scoped)
    _ids_and_times(scoped)
    _events_and_links(_span(scoped, "events and links"))
    odd = request.resource_spans.add()
    _fill(odd.resource.attributes, [(b"service.name", AnyValue(int_value=7)), (b"service.name", _string(b"second"))])
    _span(odd.scope_spans.add(), "a service name that is a number")
    _span(request.resource_spans.add().scope_spans.add(), "no resource, no scope")
    return bytes(request.SerializeToString())


def logs() -> bytes:
    """ExportLogsServiceRequest bytes."""
    request = LogsRequest()
    group = request.resource_logs.add(schema_url=b"https://opentelemetry.io/schemas/1.40.0")
    _fill(group.resource.attributes, _resource())
    scoped = group.scope_logs.add(schema_url=b"https://opentelemetry.io/schemas/1.39.0")
    scoped.scope.name, scoped.scope.version = b"hand-made", b"1.2.3"
    _fill(scoped.scope.attributes, _scalars())
    for pairs in (_scalars(), _doubles(), _nested()):
        for key, value in pairs:
            record = _record(scoped, key)
            record.body.CopyFrom(value)
            _fill(record.attributes, pairs)
    for severity in (0, 1, 9, 24):
        _record(scoped, b"severity").severity_number = severity
    _record(scoped, b"flags").flags = 0x1FF
    _record(scoped, b"observed only").time_unix_nano = 0
    _record(scoped, b"event").event_name = b"gen_ai.client.inference.operation.details"
    bare = request.resource_logs.add().scope_logs.add().log_records.add()
    bare.time_unix_nano = START_NS
    return bytes(request.SerializeToString())


def _resource() -> list[tuple[bytes, Any]]:
    return [
        (b"service.name", _string(b"every-kind")),
        (b"deployment.environment.name", _string(b"test")),
        (b"process.pid", AnyValue(int_value=4711)),
        (b"a list", _array(_string(b"x"), AnyValue(int_value=1))),
    ]


def _scalars() -> list[tuple[bytes, Any]]:
    values = {
        b"string": _string(b"plain"),
        b"empty": _string(b""),
        b"unicode": _string("Zürich 東京 🦆 \u2028".encode()),
        b"quotes": _string(b"'\"`\\ \x00 \t\r\n <b>&"),
        b"not utf-8": _string(b"caf\xe9"),
        b"long": _string(b"x" * 70_000),
        b"unset": AnyValue(),
        b"true": AnyValue(bool_value=True),
        b"false": AnyValue(bool_value=False),
        b"zero": AnyValue(int_value=0),
        b"smallest int": AnyValue(int_value=-(2**63)),
        b"largest int": AnyValue(int_value=2**63 - 1),
        b"bytes": AnyValue(bytes_value=bytes(range(256))),
        b"no bytes": AnyValue(bytes_value=b""),
    }
    return list(values.items())


def _doubles() -> list[tuple[bytes, Any]]:
    numbers = (
        0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 123456789.0, 1e-5, 1e-6, 9.99e-7, 1e-7, 1.5e-9, 1e-10, 1e15, 1e16, 1e17,
        123456789012345680000.0, 1e20, 1e21, 1.5e21, 1e22, 1e100, 2.0**53, 5e-324, 2.2250738585072014e-308,
        1.7976931348623157e308, math.nan, math.inf, -math.inf,
    )  # fmt: skip
    return [(f"double {number!r}".encode(), AnyValue(double_value=number)) for number in numbers]


def _nested() -> list[tuple[bytes, Any]]:
    inner = _map((b"b", AnyValue(int_value=2)), (b"a", AnyValue(double_value=1.0)), (b"b", AnyValue(bool_value=True)))
    values = {
        b"empty list": _array(),
        b"empty map": _map(),
        b"scalars": _array(*(value for _, value in _scalars())),
        b"doubles": _array(*(value for _, value in _doubles() if math.isfinite(value.double_value))),
        b"a list with NaN": _array(AnyValue(int_value=1), AnyValue(double_value=math.nan)),
        b"sorted, last wins": inner,
        b"deep": _map((b"list", _array(inner, _array(inner))), ("schlüssel <&>".encode(), inner)),
        b"controls": _array(_string(bytes(range(32)) + b"\x7f"), _string("\u2028\u2029</script>".encode())),
        b"messages": _array(_map((b"role", _string(b"user")), (b"content", _string(b"Capital of France?")))),
    }
    return list(values.items())


def _keys() -> list[tuple[bytes, Any]]:
    keys = (b"", b"dotted.key", b"with 'quotes' and \"more\"", b"nul\x00inside", "schlüssel".encode(), b"z", b"A", b"a")
    repeated = [(b"twice", _string(b"first")), (b"twice", _string(b"second"))]
    return [(key, _string(b"value of " + key)) for key in keys] + repeated


def _kinds_and_codes(scoped: Any) -> None:
    for kind in range(7):
        _span(scoped, f"kind {kind}").kind = kind
    for code in range(4):
        status = _span(scoped, f"status {code}").status
        status.code, status.message = code, b"why"


def _ids_and_times(scoped: Any) -> None:
    _span(scoped, "no ids", trace_id=b"", span_id=b"")
    _span(scoped, "zero ids", trace_id=bytes(16), span_id=bytes(8), parent_span_id=bytes(8))
    _span(scoped, "child", parent_span_id=b"parent-1", trace_state=b"vendor=1,other=2", flags=0x101)
    _span(scoped, "ends before it starts", end_time_unix_nano=START_NS - 1)
    _span(scoped, "no times", start_time_unix_nano=0, end_time_unix_nano=0)
    _span(scoped, "an end and no start", start_time_unix_nano=0)
    _span(scoped, "before 2106", start_time_unix_nano=(2**32 - 1) * 10**9, end_time_unix_nano=2**64 - 1)


def _events_and_links(span: Any) -> None:
    for offset, name in ((1, b"exception"), (2, b""), (1, b"gen_ai.content.prompt")):
        event = span.events.add(time_unix_nano=START_NS + offset, name=name)
        _fill(event.attributes, _scalars() if offset == 1 else [])
    span.events.add()
    link = span.links.add(trace_id=TRACE_ID, span_id=b"linked-1", trace_state=b"vendor=1", flags=1)
    _fill(link.attributes, _nested())
    span.links.add()


def _span(scoped: Any, name: str, **fields: Any) -> Any:
    given = {
        "trace_id": TRACE_ID,
        "span_id": (len(scoped.spans) + 1).to_bytes(8),
        "start_time_unix_nano": START_NS + len(scoped.spans),
        "end_time_unix_nano": START_NS + 1_000_000_000,
    }
    return scoped.spans.add(name=name.encode(), **(given | fields))


def _record(scoped: Any, name: bytes) -> Any:
    position = len(scoped.log_records)
    return scoped.log_records.add(
        trace_id=TRACE_ID,
        span_id=(position + 1).to_bytes(8),
        time_unix_nano=START_NS + position,
        observed_time_unix_nano=START_NS + 5_000_000_000 + position,
        severity_text=name,
    )


def _fill(attributes: Any, pairs: list[tuple[bytes, Any]]) -> None:
    for key, value in pairs:
        attributes.add(key=key, value=value)


def _string(text: bytes) -> Any:
    return AnyValue(string_value=text)


def _array(*values: Any) -> Any:
    value = AnyValue()
    value.array_value.SetInParent()
    value.array_value.values.extend(values)
    return value


def _map(*pairs: tuple[bytes, Any]) -> Any:
    value = AnyValue()
    value.kvlist_value.SetInParent()
    _fill(value.kvlist_value.values, list(pairs))
    return value
