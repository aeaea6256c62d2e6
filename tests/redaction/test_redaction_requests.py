"""Whole requests: everything that is stored is looked at, and nothing else is touched."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from redacting import KEY, a_log_everywhere, a_trace_everywhere, detecting, hiding, standard, strings_of

from storage.otlp.encode import Encoder
from storage.otlp.errors import Malformed, TooLarge
from storage.otlp.reference import log_rows, span_rows, translate_logs, translate_traces
from storage.redaction.requests import Redactor
from storage.redaction.rules import Action, Place, Rule, standard_rules

CAPTURES = sorted((Path(__file__).parents[1] / "fixtures" / "otlp").glob("*/*.pb"))
SECRETS = {
    "email": "someone@example.com",
    "phone": "+12025550143",
    "card": "4111 1111 1111 1111",
    "iban": "GB29 NWBK 6016 1331 9268 19",
    "us_ssn": "219-09-9999",
    "ip": "203.0.113.7",
    "secret": "AKIAIOSFODNN7EXAMPLE",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_hidden_in_every_place_of_a_span_and_of_a_log(name: str) -> None:
    """Names, states, scopes, resources, events, links, bodies, keys; and in rows, whoever translates them."""
    secret, redactor = SECRETS[name], standard()
    traces = redactor.traces(a_trace_everywhere(secret).SerializeToString())
    logs = redactor.logs(a_log_everywhere(secret).SerializeToString())
    digits = re.sub(r"[^0-9A-Za-z]", "", secret)
    for rows in (span_rows(traces.body)[0], log_rows(logs.body)[0]):
        said = repr(rows)
        assert rows
        assert (secret in said, digits in re.sub(r"[^0-9A-Za-z]", "", said)) == (False, False)
    said = [*strings_of(ExportTraceServiceRequest.FromString(traces.body)),
            *strings_of(ExportLogsServiceRequest.FromString(logs.body))]  # fmt: skip
    assert [text for text in said if secret in text] == []
    assert (traces.counts.total(), logs.counts.total()) == (11 + 3 * 9, 6 + 3 * (9 + 3))


def test_what_was_changed_is_counted_beside_it() -> None:
    """`assay.redacted` stands on the span, record, resource or scope, with the number of values per rule."""
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    group.resource.attributes.add(key="owner").value.string_value = "owner@example.com"
    first, second = group.scope_spans.add().spans.add(name="a"), group.scope_spans[0].spans.add(name="b")
    first.attributes.add(key="input").value.string_value = "a@example.com b@example.com 219-09-9999"
    first.events.add(name="e").attributes.add(key="x").value.string_value = "c@example.com"
    second.attributes.add(key="input").value.string_value = "nothing"
    rows = span_rows(detecting("email", "us_ssn").traces(message.SerializeToString()).body)[0]
    assert [(dict(row.resource_attributes), dict(row.attributes)) for row in rows] == [
        (
            {b"assay.redacted": b'{"email":1}', b"service.name": b"shop", b"owner": b"[email]"},
            {b"assay.redacted": b'{"email":3,"us_ssn":1}', b"input": b"[email] [email] [us_ssn]"},
        ),
        ({b"assay.redacted": b'{"email":1}', b"service.name": b"shop", b"owner": b"[email]"}, {b"input": b"nothing"}),
    ]
    assert rows[0].event_attributes == [[(b"x", b"[email]")]]


def test_a_request_with_nothing_to_hide_is_the_same_object() -> None:
    """Not parsed, not copied."""
    message = a_trace_everywhere("nobody")
    body = message.SerializeToString()
    assert standard().traces(body).body is body


def test_no_capture_is_changed_by_the_standard_rules() -> None:
    """Ids, hashes, tokens, prices and times of 31 instrumentations: nobody's data is in them."""
    redactor = standard()
    bodies = {path: path.read_bytes() for path in CAPTURES}
    redacted = {
        path: (redactor.logs if ".logs" in path.name else redactor.traces)(body) for path, body in bodies.items()
    }
    assert len(bodies) > 200
    assert {str(path): said.counts for path, said in redacted.items() if said.body is not bodies[path]} == {}


def test_ids_times_numbers_and_bytes_are_not_touched() -> None:
    """Whatever they look like; but a card number is one as a number, too."""
    message = ExportTraceServiceRequest()
    span = (
        message.resource_spans.add()
        .scope_spans.add()
        .spans.add(trace_id=b"someone@a.example"[:16], span_id=b"a@b.shop", start_time_unix_nano=4111111111111111)
    )
    span.attributes.add(key="bytes").value.bytes_value = b"someone@example.com"
    span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 4111111111111112
    span.attributes.add(key="request.id").value.int_value = 4111111111111111
    span.attributes.add(key="conversation_id").value.string_value = "4111111111111111"
    span.attributes.add(key="score").value.double_value = 0.4111111111111111
    body = message.SerializeToString()
    assert standard().traces(body).body is body
    span.attributes.add(key="paid with").value.int_value = 4111111111111111
    span.attributes.add(key="and with").value.double_value = 4242424242424242.0
    span.attributes.add(key="list").value.array_value.values.add().int_value = 5555555555554444
    row = span_rows(standard().traces(message.SerializeToString()).body)[0][0]
    assert dict(row.attributes) == {
        b"assay.redacted": b'{"card":3}',
        b"bytes": b"c29tZW9uZUBleGFtcGxlLmNvbQ==",
        b"gen_ai.usage.input_tokens": b"4111111111111112",
        b"request.id": b"4111111111111111",
        b"conversation_id": b"4111111111111111",
        b"score": b"0.4111111111111111",
        b"paid with": b"[card]",
        b"and with": b"[card]",
        b"list": b'["[card]"]',
    }


def test_values_go_by_key_whatever_they_are() -> None:
    """A dropped attribute is gone with its key; hashed ones keep groups together; an empty one stays."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name="a")
    span.attributes.add(key="http.request.header.authorization").value.array_value.values.add().string_value = "x"
    span.attributes.add(key="password").value.bytes_value = b"x"
    span.attributes.add(key="pin.password").value.int_value = 1234
    span.attributes.add(key="secret").value.string_value = ""
    inner = span.attributes.add(key="config").value.kvlist_value.values
    inner.add(key="password").value.string_value = "x"
    inner.add(key="kept").value.string_value = "y"
    body = message.SerializeToString()

    def attributes(redactor: Redactor) -> dict[bytes, bytes]:
        return dict(span_rows(redactor.traces(body).body)[0][0].attributes)

    masked = {
        b"assay.redacted": b'{"hidden":4}',
        b"http.request.header.authorization": b"[hidden]",
        b"password": b"[hidden]",
        b"pin.password": b"[hidden]",
        b"secret": b"",
        b"config": b'{"kept":"y","password":"[hidden]"}',
    }
    keys = ("authorization", "password", "secret")
    assert attributes(hiding(*keys)) == masked
    dropped = attributes(hiding(*keys, action=Action.DROP))
    assert dropped == {b"assay.redacted": b'{"hidden":4}', b"secret": b"", b"config": b'{"kept":"y"}'}
    hashed = attributes(hiding(*keys, action=Action.HASH))
    assert hashed == attributes(hiding(*keys, action=Action.HASH))
    assert len({hashed[b"password"], hashed[b"pin.password"], hashed[b"http.request.header.authorization"]}) == 3


def test_a_rule_keeps_to_its_places() -> None:
    """Each place alone, on a span and on a log."""
    secret = SECRETS["email"]
    counts = {}
    for place in Place:
        redactor = Redactor(
            [Rule(name="email", detectors=("email",), action=Action.MASK, places=frozenset({place}))], KEY
        )
        counts[str(place)] = (
            redactor.traces(a_trace_everywhere(secret).SerializeToString()).counts["email"],
            redactor.logs(a_log_everywhere(secret).SerializeToString()).counts["email"],
        )
    assert counts == {"attributes": (27, 27), "resource": (2, 2), "body": (0, 3), "status": (1, 0), "names": (8, 10)}


def test_requests_that_differ_only_in_what_is_hidden_stay_different_requests() -> None:
    """One that comes again is the same request, in any process; and nobody can try out guesses on the digest."""

    def digest(secret: str, key: bytes = KEY) -> bytes:
        rules = [Rule(name="us_ssn", detectors=("us_ssn",), action=Action.MASK)]
        body = a_trace_everywhere(secret).SerializeToString()
        return span_rows(Redactor(rules, key).traces(body).body)[0][0].request_digest

    assert digest("219-09-9999") == digest("219-09-9999")
    assert digest("219-09-9999") != digest("219-09-9998")
    assert digest("219-09-9999") != digest("219-09-9999", b"another key")


def test_the_encoder_and_the_reference_agree_on_what_was_redacted() -> None:
    """The mark, the identity and the new values are ordinary OTLP."""
    for secret in SECRETS.values():
        traces = standard().traces(a_trace_everywhere(secret).SerializeToString()).body
        logs = standard().logs(a_log_everywhere(secret).SerializeToString()).body
        encoder = Encoder()
        assert encoder.encode_traces(traces) == translate_traces(traces)
        assert encoder.encode_logs(logs) == translate_logs(logs)
        assert encoder.left_to_reference == 0


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """Requests with secrets, with a few bytes changed, cut out or doubled."""
    dice = random.Random(seed)
    bodies = [a_trace_everywhere(secret).SerializeToString() for secret in SECRETS.values()]
    for _ in range(count):
        body = bytearray(dice.choice(bodies))
        for _ in range(dice.randrange(1, 5)):
            at = dice.randrange(len(body))
            match dice.randrange(3):
                case 0:
                    body[at] = dice.randrange(256)
                case 1:
                    del body[at : at + dice.randrange(1, 9)]
                case _:
                    body[at:at] = body[at : at + dice.randrange(1, 9)]
        yield bytes(body)


def test_damaged_requests_are_refused_or_redacted_as_if_every_attribute_were_looked_at() -> None:
    """The look at raw bytes skips nothing that the rules would change, whatever the bytes are."""
    quick = standard()
    never = Rule(
        name="never", pattern=r"\x{10FFFF}{9}", action=Action.MASK
    )  # has no candidate: everything is looked at
    thorough = Redactor([*standard_rules(), never], KEY)
    accepted = 0
    for body in mutants(20261121, 1500):
        try:
            redacted = quick.traces(body)
        except Malformed:
            with pytest.raises(Malformed):
                translate_traces(body)
            continue
        accepted += 1
        try:
            expected = thorough.traces(body)
        except Malformed:  # it looks where nothing could be found
            continue
        assert redacted == expected
        assert span_rows(redacted.body)[1] == span_rows(body)[1]
    assert accepted > 100


@pytest.mark.parametrize(
    "body", [b"\x0a\x05\x12", b"not a request, someone@example.com", b"\xff" * 40 + b"a@example.com"]
)
def test_what_is_no_request_is_refused_as_without_redaction(body: bytes) -> None:
    """With the same words."""
    with pytest.raises(Malformed) as plain:
        translate_traces(body)
    redactor = Redactor([Rule(name="own", pattern="x", action=Action.MASK)], KEY)
    with pytest.raises(Malformed) as refused:
        redactor.traces(body)
    assert str(refused.value) == str(plain.value)


@pytest.mark.soak
def test_a_bomb_of_empty_messages_is_refused_before_it_is_parsed() -> None:
    """As the encoder refuses it."""
    spans = b"\x12\x00" * 4_100_000
    body = _field(b"\x0a", _field(b"\x12", spans + b"\x0a\x0da@example.com"))
    with pytest.raises(TooLarge):
        standard().traces(body)


def _field(tag: bytes, content: bytes) -> bytes:
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes((length & 127 | 128,)), length >> 7
    return tag + size + bytes((length,)) + content
