"""Large spans and traces cost in proportion to their size, and a record says what it could not hold."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from collections.abc import Callable

import pytest

from evaluator.targets.inputs import named_inputs
from evaluator.targets.normalise import normalise_span, normalise_trace
from evaluator.targets.record import SpanRecord, TraceRecord
from storage.dialects.plan import plans
from storage.dialects.table import places
from storage.model import StoredSpan

CHAT = {"gen_ai.operation.name": "chat"}


def read(attributes: dict[str, str]) -> SpanRecord:
    """The record of a span with these attributes."""
    return normalise_span(StoredSpan(trace_id="a" * 32, span_id="b" * 16, name="x", attributes=attributes))


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds, the least of three."""
    taken = []
    for _ in range(3):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return min(taken)


def said(*contents: str) -> str:
    """A JSON list of user messages."""
    return json.dumps([{"role": "user", "content": content} for content in contents])


def escaped(text: str, times: int) -> str:
    """JSON text inside a JSON string, inside a JSON string, …"""
    for _ in range(times):
        text = json.dumps(text)
    return text


def flattened(size: int) -> dict[str, str]:
    """A conversation of `size` messages, flattened."""
    return {f"llm.input_messages.{number}.message.content": f"hello {number}" for number in range(size)} | {
        f"llm.input_messages.{number}.message.role": "user" for number in range(size)
    }


GROWING: dict[str, Callable[[int], dict[str, str]]] = {
    "one long message": lambda n: {**CHAT, "gen_ai.input.messages": said("word " * 10 * n)},
    "many messages": lambda n: {**CHAT, "gen_ai.input.messages": said(*["hello"] * n)},
    "many flattened messages": lambda n: {**CHAT, **flattened(n)},
    "many attributes": lambda n: {**CHAT, **{f"acme.key_{number}.input": "x" for number in range(n)}},
    "deep JSON": lambda n: {**CHAT, "gen_ai.input.messages": "[" * n + "]" * n},
    "deep repr": lambda n: {**CHAT, "gen_ai.input.messages": "{'a': " * n + "1" + "}" * n},
    "repr strings": lambda n: {**CHAT, "input.value": "[" + "{'role': 'user', 'content': 'x'}, " * n + "]"},
    "broken JSON": lambda n: {**CHAT, "gen_ai.input.messages": said(*["hello"] * n)[:-1]},
    "base64 media": lambda n: {
        **CHAT,
        "gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "blob", "mime_type": "image/png", "content": "A" * 100 * n}]}]
        ),
    },
    "escaped five times": lambda n: {**CHAT, "gen_ai.input.messages": escaped(said("hello " * n), 5)},
}  # fmt: skip


@pytest.mark.parametrize("name", GROWING)
def test_the_cost_of_a_span_grows_no_faster_than_its_size(name: str) -> None:
    """Eight times as much may cost twelve times as much, on a machine that others use; squared would be 64 times."""
    small, large = GROWING[name](300), GROWING[name](2_400)
    assert cpu(lambda: read(large)) < 12 * cpu(lambda: read(small)) + 0.02


def test_a_message_of_a_megabyte_is_there_whole() -> None:
    """Length alone is no reason to cut."""
    text = "word " * 200_000
    record = read({**CHAT, "gen_ai.input.messages": said(text)})
    assert (record.input_messages[0].content == text, record.notes) == (True, ())


def test_five_megabytes_of_media_leave_their_mime_type_and_not_themselves() -> None:
    """A record names the media; the bytes stay in the attributes."""
    blob = {"type": "blob", "mime_type": "image/png", "content": base64.b64encode(bytes(5_000_000)).decode()}
    parts = [{"type": "text", "content": "what is this?"}, blob]
    record = read({**CHAT, "gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}])})
    assert (record.input_messages[0].content, record.input_messages[0].media) == ("what is this?", ("image/png",))
    assert len(json.dumps(record.to_dict())) < 1_000


@pytest.mark.parametrize(
    "text",
    [said("hello")[:-1], "[" * 10_000 + "]" * 10_000, '{"messages": ' * 10_000 + "1" + "}" * 10_000],
    ids=["broken", "deep list", "deep object"],
)
def test_messages_that_cannot_be_decoded_are_absent_with_a_note(text: str) -> None:
    """The rest of the span is read."""
    record = read({**CHAT, "gen_ai.request.model": "m", "gen_ai.input.messages": text})
    assert (record.kind, record.request_model, record.input_messages) == ("llm", "m", ())
    assert record.notes == ("gen_ai.input.messages could not be read: broken, too large or too deep",)


def test_what_was_withheld_is_no_broken_content() -> None:
    """`[REDACTED]` begins like JSON and is none."""
    assert read({**CHAT, "gen_ai.input.messages": "[REDACTED]"}).notes == ()


def test_documents_beyond_the_limit_are_dropped_with_a_note() -> None:
    """A partial record says that it is one."""
    found = json.dumps([{"id": str(number), "content": "x"} for number in range(10_001)])
    record = read({"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": found})
    assert (len(record.documents), record.notes) == (10_000, ("only the first 10000 documents were read",))


def steps(size: int) -> list[StoredSpan]:
    """A run of `size` small spans: model calls and tools below an agent."""

    def attributes(number: int) -> dict[str, str]:
        if number == 1:
            return {"gen_ai.operation.name": "invoke_agent", "session.id": "s"}
        if number % 2:
            return {**CHAT, "gen_ai.input.messages": said(f"q {number}"), "gen_ai.usage.input_tokens": "1"}
        return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": f'{{"n": {number}}}'}

    return [
        StoredSpan(
            trace_id="a" * 32,
            span_id=f"{number:016x}",
            parent_span_id=f"{1:016x}" if number > 1 else "",
            start_ns=number * 1_000,
            duration_ns=500,
            attributes=attributes(number),
        )
        for number in range(1, size + 1)
    ]


def test_the_cost_of_a_span_does_not_grow_with_its_trace() -> None:
    """200 spans and 2,000: within the noise of a shared machine the same per span."""
    few, many = steps(200), steps(2_000)
    assert cpu(lambda: normalise_trace(many)) / 2_000 < 1.6 * cpu(lambda: normalise_trace(few)) / 200


@pytest.mark.parametrize("size", [1_000, pytest.param(20_000, marks=pytest.mark.soak)])
def test_a_large_trace_is_read_whole_in_bounded_memory(size: int) -> None:
    """Below 8 KB a span; every call is counted, every span has the session."""
    spans = steps(size)
    normalise_trace(spans[:100])  # what is remembered of keys is no part of a trace
    tracemalloc.start()
    trace = normalise_trace(spans)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    calls = size // 2 - 1
    assert (len(trace.spans), trace.llm_calls, trace.usage_total["input_tokens"]) == (size, calls, calls)
    assert {record.session_id for record in trace.spans} == {"s"}
    assert peak / size < 8 * 1024


def test_the_inputs_of_a_span_do_not_read_its_whole_trace_anew() -> None:
    """Spans of one trace are scored one by one: what its tools returned is written out once."""
    few, many = normalise_trace(steps(200)), normalise_trace(steps(1_600))

    def inputs_of(trace: TraceRecord, count: int) -> float:
        return cpu(lambda: [named_inputs(span, trace) for span in trace.spans[:count]])

    assert inputs_of(many, 200) < 2 * inputs_of(few, 200) + 0.02


def test_keys_that_never_repeat_are_not_remembered_for_ever() -> None:
    """An attacker's unique keys stay within the memory bound."""
    for number in range(20_000):
        places()[f"evil.{number}"]
    places()["x" * 10_000]
    for number in range(1_000):
        read({f"evil.{number}": "x"})
    read({f"wide.{number}": "x" for number in range(500)})
    assert len(places()) <= 16_384
    assert "x" * 10_000 not in places()
    assert len(plans()) <= 512
    assert max(len(signature.keys) for signature in plans()) <= 128
