"""No input raises, nothing takes for ever: huge, broken, deep and lying attributes."""

from __future__ import annotations

import json
import random
import time

import pytest

from evaluator.targets.inputs import named_inputs
from evaluator.targets.normalise import normalise_span, normalise_trace
from evaluator.targets.record import SpanRecord
from storage.model import StoredSpan

CHAT = {"gen_ai.operation.name": "chat"}
CHAIN = {"openinference.span.kind": "CHAIN"}
MANY = [{"role": "user" if number % 2 == 0 else "assistant", "content": f"hello {number}"} for number in range(10_000)]


def read(attributes: dict[str, str]) -> SpanRecord:
    """The record; its JSON and its named inputs can be made as well."""
    span = StoredSpan(trace_id="a" * 32, span_id="b" * 16, name="x", attributes=attributes)
    record = normalise_span(span)
    json.dumps(record.to_dict())
    named_inputs(record, normalise_trace([span]))
    return record


def seconds(attributes: dict[str, str]) -> float:
    """CPU seconds of reading."""
    before = time.process_time()
    read(attributes)
    return time.process_time() - before


HOSTILE = {
    "deep list": {**CHAT, "gen_ai.input.messages": "[" * 200_000},
    "deep object": {**CHAT, "gen_ai.input.messages": '{"messages":' * 900 + "1" + "}" * 900},
    "deep literal": {**CHAT, "input.value": "{'a':" * 5_000 + "1" + "}" * 5_000},
    "long unary literal": {**CHAIN, "input.value": "{'a':" + "-" * 100_000 + "1}"},
    "deep repr": {**CHAIN, "input.value": "A(a=" * 50_000 + ")" * 50_000},
    "unary repr": {**CHAIN, "input.value": "A(a=" + "not " * 40_000 + "1)"},
    "repr of many texts": {
        **CHAT,
        "input.value": "ChatMessage(role=<Role.USER: 'user'>, " + "text='a', " * 30_000 + ")",
    },
    "many context headings": {
        **CHAT,
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": "Context:\n" * 50_000}]),
    },
    "unclosed context tags": {
        **CHAT,
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": "<context>" * 50_000}]),
    },
    "long key": {**CHAT, "llm.input_messages.0." + "a." * 50_000 + "b": "c"},
    "long numbered key": {**CHAT, "llm.input_messages." + "0." * 50_000 + "b": "c"},
    "huge index": {**CHAT, "llm.input_messages.999999999.message.content": "x"},
    "long number": {**CHAT, "gen_ai.usage.input_tokens": "9" * 100_000, "input.value": "[" + "9" * 5_000 + "]"},
    "megabyte": {**CHAT, "gen_ai.input.messages": json.dumps([{"role": "user", "content": "x" * 1_000_000}])},
    "base64": {
        **CHAT,
        "gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "blob", "content": "A" * 3_000_000}]}]
        ),
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_attributes_are_read_in_bounded_time(name: str) -> None:
    """Two seconds of CPU on a slow machine are far above what any of them takes, and far below a blow-up."""
    assert seconds(HOSTILE[name]) < 2.0


def test_ten_thousand_messages_are_all_there() -> None:
    """As JSON and as flattened keys."""
    flat = {
        f"llm.input_messages.{i}.message.{key}": text for i, message in enumerate(MANY) for key, text in message.items()
    }
    as_json = read({**CHAT, "gen_ai.input.messages": json.dumps(MANY)})
    assert [message.content for message in as_json.input_messages] == [message["content"] for message in MANY]
    assert read({**CHAT, **flat}).input_messages == as_json.input_messages


def test_messages_beyond_the_limit_are_dropped_with_a_note() -> None:
    """A partial record says that it is one."""
    record = read({**CHAT, "gen_ai.input.messages": json.dumps(MANY * 3)})
    assert (len(record.input_messages), record.notes) == (20_000, ("only the first 20000 messages were read",))


BROKEN = (
    "",
    "{",
    "[",
    '{"a":',
    "null",
    "1e999",
    "NaN",
    '"x',
    '[{"role":1}]',
    '[{"role":"user","content":5}]',
    "[null]",
    "[[null]]",
    '{"messages":[[[[[]]]]]}',
    '{"role":{"value":3}}',
    "(1,",
    "{1:2}",
    '{"args":5,"kwargs":[]}',
    '{"choices":[null]}',
    '[{"role":"assistant","tool_calls":[1,null,{"function":5},{"function":{"name":5}}]}]',
    '{"event.name":7}',
    "\x00",
    "A(b=",
    '{"documents":[{"score":"x","metadata":"{"}]}',
    '{"usage":{"input_tokens":"x","prompt_tokens":-5}}',
    "<x",
    "'",
    '[{"type":5}]',
    '[{"id":[1],"role":"tool","content":{"x":[1]}}]',
    '{"output":{"output":{"output":{}}}}',
    '[["a","b"],[1,2]]',
)
KEYS = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "input.value",
    "output.value",
    "gen_ai.prompt",
    "gen_ai.completion",
    "llm.input_messages.0.message.content",
    "llm.invocation_parameters",
    "metadata",
    "tag.tags",
    "traceloop.entity.input",
    "langfuse.observation.input",
    "langfuse.observation.output",
    "retrieval.documents.0.document.metadata",
    "x.input",
    "x.usage",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.usage.input_tokens",
    "llm.cost.total",
    "events",
    "request_data",
    "gen_ai.system_instructions",
    "haystack.component.output",
    "session.id",
    "gen_ai.response.finish_reasons",
    "a..0..b",
    ".",
)
KINDS = ("LLM", "TOOL", "RETRIEVER", "RERANKER", "EMBEDDING", "AGENT", "CHAIN", "nonsense", "")


def test_no_combination_of_broken_values_raises() -> None:
    """Fixed seed; every kind of span, every carrier of content."""
    dice = random.Random(20_261_121)
    for _ in range(1_500):
        attributes = {key: dice.choice(BROKEN) for key in dice.sample(KEYS, 6)}
        record = read({**attributes, "openinference.span.kind": dice.choice(KINDS)})
        assert record.span_id == "b" * 16
