"""Redactors for tests, and requests with something to hide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storage.redaction.requests import Redactor
from storage.redaction.rules import Action, Place, Rule, standard_rules

KEY = bytes(range(32))


def standard() -> Redactor:
    """With the standard rules."""
    return Redactor(standard_rules(), KEY)


def detecting(*names: str, action: Action = Action.MASK) -> Redactor:
    """With one rule for each detector, called like it."""
    return Redactor([Rule(name=name, detectors=(name,), action=action) for name in names], KEY)


def hiding(*keys: str, action: Action = Action.MASK, places: frozenset[Place] = frozenset(Place)) -> Redactor:
    """With one rule, `hidden`, for whole values under these keys."""
    return Redactor([Rule(name="hidden", keys=keys, action=action, places=places)], KEY)


def masked(redactor: Redactor, text: str) -> str:
    """The text after the rules."""
    return redactor.text(text)[0]


def a_trace_everywhere(secret: str) -> ExportTraceServiceRequest:
    """One span with a text in every place that a span has."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url=f"https://schema/?of={secret}")
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    group.resource.attributes.add(key="deployed.by").value.string_value = secret
    scoped = group.scope_spans.add(schema_url=f"https://schema/?of={secret}")
    scoped.scope.name, scoped.scope.version = f"scope {secret}", f"1 {secret}"
    scoped.scope.attributes.add(key="a").value.string_value = secret
    span = scoped.spans.add(
        trace_id=bytes(range(16)),
        span_id=bytes(range(8)),
        name=f"name {secret}",
        trace_state=f"vendor={secret}",
        start_time_unix_nano=1_790_000_000_000_000_000,
        end_time_unix_nano=1_790_000_000_000_000_001,
    )
    span.status.message = f"failed for {secret}"
    span.status.code = 2
    _everywhere(span.attributes, secret)
    event = span.events.add(name=f"event {secret}", time_unix_nano=1_790_000_000_000_000_000)
    _everywhere(event.attributes, secret)
    link = span.links.add(trace_id=bytes(range(16)), span_id=bytes(range(8)), trace_state=f"vendor={secret}")
    _everywhere(link.attributes, secret)
    return request


def a_log_everywhere(secret: str) -> ExportLogsServiceRequest:
    """Three records with a text in every place that a record has."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add(schema_url=f"https://schema/?of={secret}")
    group.resource.attributes.add(key="deployed.by").value.string_value = secret
    scoped = group.scope_logs.add(schema_url=f"https://schema/?of={secret}")
    scoped.scope.name, scoped.scope.version = f"scope {secret}", f"1 {secret}"
    scoped.scope.attributes.add(key="a").value.string_value = secret
    for number in range(3):
        record = scoped.log_records.add(
            time_unix_nano=1_790_000_000_000_000_000 + number,
            severity_text=f"INFO {secret}",
            event_name=f"event {secret}",
        )
        _everywhere(record.attributes, secret)
        match number:
            case 0:
                record.body.string_value = f"said {secret}"
            case 1:
                record.body.kvlist_value.values.add(key="said").value.string_value = secret
            case _:
                record.body.array_value.values.add().kvlist_value.values.add(key=secret).value.int_value = 1
    return request


def _everywhere(attributes: Any, secret: str) -> None:
    """As text, in JSON, in JSON in JSON, in lists, in maps, as a key."""
    plain = json.dumps({"messages": [{"role": "user", "content": f'I am {secret}\n"quoted"'}]})
    attributes.add(key="text").value.string_value = f"I am {secret}, hello"
    attributes.add(key="long").value.string_value = "word " * 500 + secret + " word" * 500
    attributes.add(key="json").value.string_value = plain
    attributes.add(key="twice").value.string_value = json.dumps({"body": plain})
    escaped = secret.replace("@", "\\u0040").replace("+", "\\u002b")
    attributes.add(key="escaped").value.string_value = f'{{"a": "{escaped}"}}'
    attributes.add(key="cut").value.string_value = plain[:-12]
    attributes.add(key="list").value.array_value.values.add().string_value = secret
    inner = attributes.add(key="map").value.kvlist_value.values.add(key="a").value.array_value.values.add()
    inner.kvlist_value.values.add(key="b").value.string_value = secret
    attributes.add(key=f"count.{secret}").value.int_value = 1


def strings_of(message: Any) -> Iterator[str]:
    """Every text in a protobuf message."""
    for field, value in message.ListFields():
        for each in value if field.is_repeated else [value]:
            if field.message_type is not None:
                yield from strings_of(each)
            elif isinstance(each, str):
                yield each
