"""What is worked out once for spans with the same keys: shared between them, and never their values."""

from __future__ import annotations

from evaluator.targets.normalise import normalise_span
from evaluator.targets.record import SpanRecord
from storage.dialects.plan import Plan, Signature, plans
from storage.model import SpanEvent, StoredSpan


def read(attributes: dict[str, str], *, scope: str = "", events: tuple[SpanEvent, ...] = ()) -> SpanRecord:
    """The record of a span with these attributes."""
    return normalise_span(
        StoredSpan(
            trace_id="a" * 32, span_id="b" * 16, name="x", scope_name=scope, attributes=attributes, events=events
        )
    )


def test_spans_with_the_same_keys_share_a_plan_and_not_their_values() -> None:
    """The second span is read by the plan of the first."""
    first = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "a", "session.id": "s-1"}
    second = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "b", "session.id": "s-2"}
    plans().clear()
    told = [(record.kind, record.request_model, record.session_id) for record in (read(first), read(second))]
    assert told == [("llm", "a", "s-1"), ("embedding", "b", "s-2")]
    assert len(plans()) == 1


def test_a_conversation_that_grows_keeps_its_plan() -> None:
    """Flattened messages are a family, however many they are."""
    plans().clear()
    for size in (1, 2, 30):
        messages = {f"llm.input_messages.{n}.message.{key}": "user" for n in range(size) for key in ("role", "content")}
        assert len(read({"openinference.span.kind": "LLM", **messages}).input_messages) == size
    assert len(plans()) == 1


def test_a_value_that_says_nothing_gives_way_to_the_next_source() -> None:
    """The same keys; what is filled decides."""
    both = {"session.id": "s-1", "gen_ai.conversation.id": "c-1"}
    assert read(both).session_id == "s-1"
    assert read({**both, "session.id": "None"}).session_id == "c-1"
    assert read({**both, "session.id": ""}).session_id == "c-1"


def test_the_same_keys_under_another_scope_or_with_events_are_read_anew() -> None:
    """Rows may be of one scope, and may look into events."""
    asked = SpanEvent(time_ns=1, name="gen_ai.user.message", attributes={"content": "hello"})
    attributes = {"gen_ai.operation.name": "chat"}
    assert read(attributes).input_messages == ()
    assert [message.content for message in read(attributes, events=(asked,)).input_messages] == ["hello"]
    assert read(attributes, scope="other").input_messages == ()


def test_what_stands_at_an_index_is_a_part_and_not_the_whole() -> None:
    """The id of a tool call in a flattened conversation is no id of the response; a finish reason in it is one."""
    record = read(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "hello",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
            "llm.output_messages.0.finish_reason": "tool_calls",
        }
    )
    assert (record.response_id, record.finish_reasons) == (None, ("tool_calls",))
    assert [call.id for call in record.output_tool_calls] == ["call_1"]


def test_a_flattened_list_of_fillers_is_no_list() -> None:
    """Emitters write `None` where they have nothing to say."""
    empty = {"llm.input_messages.0.message.role": "None", "llm.input_messages.0.message.content": ""}
    given = {"openinference.span.kind": "LLM", "input.value": "hello", **empty}
    assert [message.content for message in read(given).input_messages] == ["hello"]


def test_a_plan_looks_only_where_something_may_stand() -> None:
    """Neither at log records nor at a status that a span does not have."""
    bare = Plan(Signature(("session.id",), (), (), "", (), False))
    assert [(hit.row.carrier, hit.key) for hit in bare["session_id"]][:1] == [("span", "session.id")]
    assert {hit.row.carrier for hit in bare["session_id"][1:]} == {"resource"}
    assert bare["error_message"] == ()
