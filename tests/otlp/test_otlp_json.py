"""OTLP/JSON by its specification."""

from __future__ import annotations

import json
from typing import Any

import pytest
from otlp_building import SPAN_ID, START_NS, TRACE_ID, span, text_value, traces

from storage.otlp.errors import Malformed
from storage.otlp.jsonwire import logs_body, traces_body
from storage.otlp.messages import LogsRequest, TracesRequest


def in_request(**fields: Any) -> bytes:
    """A JSON request with one span."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def parsed(body: bytes) -> Any:
    """The one span of a request in JSON."""
    return TracesRequest.FromString(traces_body(body)).resource_spans[0].scope_spans[0].spans[0]


def test_a_whole_request_gives_the_same_message_as_its_protobuf() -> None:
    """Hex ids, integers as strings, every kind of value, names in both spellings, unknown fields ignored."""
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                "scope_spans": [
                    {
                        "scope": {"name": "scope"},
                        "spans": [
                            {
                                "traceId": TRACE_ID.hex().upper(),
                                "spanId": SPAN_ID.hex(),
                                "startTimeUnixNano": str(START_NS),
                                "endTimeUnixNano": START_NS + 1,
                                "kind": "SPAN_KIND_CLIENT",
                                "status": {"code": 2},
                                "parentSpanId": None,
                                "futureField": {"a": [1]},
                                "attributes": [
                                    {"key": "s", "value": {"stringValue": "käse"}},
                                    {"key": "i", "value": {"intValue": "-5"}},
                                    {"key": "d", "value": {"doubleValue": "NaN"}},
                                    {"key": "b", "value": {"boolValue": False}},
                                    {"key": "y", "value": {"bytesValue": "-_8"}},
                                    {"key": "a", "value": {"arrayValue": {"values": [{"intValue": 1}]}}},
                                    {"key": "m", "value": {"kvlistValue": {}}},
                                    {"key": "u", "value": {}},
                                ],
                            }
                        ],
                    }
                ],
            }
        ]
    }
    attributes = [
        ("s", "käse"),
        ("i", -5),
        ("d", float("nan")),
        ("b", False),
        ("y", b"\xfb\xff"),
        ("a", [1]),
        ("m", {}),
        ("u", None),
    ]
    expected = traces(span(end_time_unix_nano=START_NS + 1, kind=3, status={"code": 2}, attributes=attributes))
    assert traces_body(json.dumps(body).encode()) == expected


def test_logs_are_converted_too() -> None:
    """Body, severity and event name."""
    record = {"body": {"stringValue": "hi"}, "severityNumber": 9, "eventName": "e", "observedTimeUnixNano": "1"}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    expected = LogsRequest()
    expected.resource_logs.add().scope_logs.add().log_records.add(
        body=text_value(b"hi"), severity_number=9, event_name=b"e", observed_time_unix_nano=1
    )
    assert LogsRequest.FromString(logs_body(body)) == expected


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    """JSON can carry it, UTF-8 cannot."""
    assert parsed(in_request(name="a\ud800b")).name == "a\ufffdb".encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"resourceSpans":' * 200 + b"1" + b"}" * 200, r"resourceSpans must be an array"),
        (b"[]", "the body must be an object"),
        (in_request(traceId="zz"), r"resourceSpans\[0\].scopeSpans\[0\].spans\[0\].traceId must be hex digits"),
        (in_request(traceId="01 2"), "traceId must be hex digits"),
        (in_request(traceId=5), "traceId must be a string"),
        (in_request(startTimeUnixNano="1_0"), "startTimeUnixNano must be an integer"),
        (in_request(startTimeUnixNano=1.5), "startTimeUnixNano must be an integer"),
        (in_request(startTimeUnixNano=-1), "startTimeUnixNano: "),
        (in_request(startTimeUnixNano=2**64), "startTimeUnixNano: "),
        (in_request(kind="SPAN_KIND_ODD"), "'SPAN_KIND_ODD' is no SpanKind"),
        (in_request(attributes={}), "attributes must be an array"),
        (in_request(attributes=[{"key": "k", "value": {"boolValue": "yes"}}]), "boolValue must be true or false"),
        (in_request(attributes=[{"key": "k", "value": {"doubleValue": "x"}}]), "doubleValue must be a number"),
        (in_request(attributes=[{"key": "k", "value": {"bytesValue": "!"}}]), "bytesValue must be base64"),
        (in_request(attributes=[{"key": "k", "value": 5}]), r"attributes\[0\].value must be an object"),
    ],
)
def test_what_is_not_a_request_is_malformed_and_names_the_field(body: bytes, message: str) -> None:
    """The sender's developer reads this message and nothing else."""
    with pytest.raises(Malformed, match=message):
        traces_body(body)


def test_values_nested_deeper_than_protobuf_allows_are_malformed() -> None:
    """Else the conversion would make bytes that no parser takes."""
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(120):
        value = {"arrayValue": {"values": [value]}}
    with pytest.raises(Malformed, match="nested more than 100 levels"):
        traces_body(in_request(attributes=[{"key": "k", "value": value}]))
