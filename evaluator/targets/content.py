"""What was said in a span: messages, questions, answers, tool calls, documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from evaluator.targets.shapes import embedded, event_messages, is_said, pieced_answer, request_messages, returned
from storage.dialects.documents import Document, documents_in
from storage.dialects.lookup import Found, Lookup, name_of
from storage.dialects.message import Message, ToolCall
from storage.dialects.messages import MAX_MESSAGES, Side, messages_in, system_messages, text_message
from storage.dialects.objects import is_object_repr
from storage.dialects.table import Table
from storage.dialects.values import decode_json, encode
from storage.dialects.wrappers import call_arguments, last_text, text_in

_MESSAGE_EVENTS: Final[Mapping[str, str]] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


class Content:
    """Reads what was said in one span.  `kind` is the span's."""

    def __init__(self, table: Table, lookup: Lookup, kind: str) -> None:
        self._lookup = lookup
        self._kind = kind
        self._withheld = frozenset(table.words["not_content"])
        self._withheld_prefixes = table.words["withheld_prefixes"]

    # Model calls -----------------------------------------------------------------------------------------------------

    def conversation(self) -> tuple[str, list[Message]]:
        """System prompt and the messages without it; '' and an empty list for what was not sent."""
        system = "\n\n".join(self._instructions())
        chosen: list[Message] = []
        bare: list[Message] = []
        for found in self._lookup.find("input_messages", self._kind):
            read = self._spoken(self._input(found))
            lifted = [message.content for message in read if message.role == "system" and message.content]
            system = system or "\n\n".join(lifted)
            spoken = [message for message in read if message.role != "system"]
            if found.row.exchange:
                spoken = _without_answer(spoken)
            chosen = _better(chosen, spoken)
            if chosen and all(map(_is_identified, chosen)):
                break
            if not chosen and not bare:
                bare = self._spoken(self._bare_question(found))
        return system, chosen or bare

    def answer(self) -> list[Message]:
        """Assistant messages that the model answered with."""
        chosen: list[Message] = []
        bare: list[Message] = []
        for found in self._lookup.find("output_messages", self._kind):
            chosen = _better(chosen, _after_the_question(self._spoken(self._output(found))))
            if chosen and all(map(_is_identified, chosen)):
                break
            if not chosen and not bare:
                bare = self._spoken(self._bare_answer(found))
        return chosen or bare

    def prepares_a_prompt(self) -> bool:
        """Whether the span's output is a conversation that still waits for its answer: a step before a model call."""
        for key in ("output.value", "traceloop.entity.output", "langfuse.observation.output", "mlflow.spanOutputs"):
            if text := self._lookup.attribute(key):
                messages = messages_in(self._lookup.decoded(text), "output")
                return bool(messages) and messages[-1].role != "assistant"
        return False

    def _instructions(self) -> Iterator[str]:
        for found in self._lookup.find("system_prompt", self._kind):
            texts = [message.content for message in self._spoken(system_messages(found.value))]
            if texts and not is_object_repr(texts[0]):
                yield "\n\n".join(texts)
                return

    def _input(self, found: Found) -> list[Message]:
        if found.row.carrier == "messages":
            return self._message_events()
        read = messages_in(found.value, "input")
        return request_messages(found.value) if not read and isinstance(found.value, dict) else read

    def _bare_question(self, found: Found) -> list[Message]:
        """A bare text that a row takes for the message: it counts only where no row finds a list of messages."""
        value = found.value
        if found.row.text and isinstance(value, list) and len(value) == 1:
            value = value[0]
        taken = isinstance(value, str) and (found.row.text or bool(found.row.at)) and is_said(value)
        return [text_message(value, "input")] if taken and isinstance(value, str) else []

    def _output(self, found: Found) -> list[Message]:
        if found.row.carrier == "choices":
            return self._choice_events()
        if found.row.pieces:
            return pieced_answer(found.value if isinstance(found.value, list) else [])
        return messages_in(found.value, "output")

    def _bare_answer(self, found: Found) -> list[Message]:
        if not found.row.text:
            return []
        if found.row.key.endswith(".object"):
            text = found.text or encode(found.value)
        elif isinstance(found.value, list) and len(found.value) == 1 and isinstance(found.value[0], str):
            text = found.value[0]
        elif isinstance(found.value, str):
            text = found.value
        else:
            text = text_in(found.value, "output") if isinstance(found.value, dict) else ""
        return [text_message(text, "output")] if is_said(text) else []

    def _message_events(self) -> list[Message]:
        """One event for each message, as span events or as logs."""
        read: list[Message] = []
        for name, attributes, body in self._named_events():
            if role := _MESSAGE_EVENTS.get(name):
                said = event_messages(role, attributes, body, "content")
                # Bedrock's answers of tools come as messages of the tool and, once more, as the user's.
                read.extend(message for message in said if message.role != "tool" or message not in read)
        return read

    def _choice_events(self) -> list[Message]:
        read: list[Message] = []
        for name, attributes, body in self._named_events():
            if name == "gen_ai.choice":
                read.extend(event_messages("assistant", attributes, body, "message"))
        return read

    def _named_events(self) -> Iterator[tuple[str, Mapping[str, str], str]]:
        for event in self._lookup.span.events[:MAX_MESSAGES]:
            yield event.name, event.attributes, ""
        for log in self._lookup.logs[:MAX_MESSAGES]:
            yield name_of(log), log.attributes, log.body

    def _spoken(self, messages: Iterable[Message]) -> list[Message]:
        """Messages without those whose content was withheld or that say nothing."""
        return [
            message
            for message in messages
            if message.says_something and not (self._is_withheld(message.content) and not message.tool_calls)
        ]

    def _is_withheld(self, text: str) -> bool:
        return bool(text) and (text in self._withheld or text.startswith(self._withheld_prefixes))

    # Everything else -------------------------------------------------------------------------------------------------

    def text(self, side: Side) -> str:
        """The question (`input`) or the answer (`output`) of a span that is no model call; '' when it was not sent."""
        for found in self._lookup.find(side, self._kind):
            if found.row.carrier in ("messages", "choices"):
                events = self._message_events() if found.row.carrier == "messages" else self._choice_events()
                text = last_text(self._spoken(events), side)
            else:
                text = text_in(found.value, side)
            if text and not self._is_withheld(text) and (found.text != text or is_said(text) or not found.row.is_glob):
                return text.strip()
        return ""

    def arguments(self) -> object:
        """Arguments of a tool's call; None when they were not sent."""
        for found in self._lookup.find("tool_arguments", self._kind):
            value = call_arguments(found.value)
            if found.row.arguments_only and (
                not isinstance(value, dict) or "properties" in value or "$schema" in value
            ):
                continue
            if isinstance(value, list) and (listed := messages_in(value, "input")):
                calls = [call for message in listed for call in message.tool_calls]
                value = calls[0].arguments if calls else value
            if value not in (None, "", [], {}) and not (isinstance(value, str) and self._is_withheld(value)):
                return decode_json(value) if isinstance(value, str) else value
        return None

    def result(self) -> object:
        """What a tool returned; None when it was not sent."""
        for found in self._lookup.find("tool_result", self._kind):
            value = returned(found.value)
            if value not in (None, "", [], {}) and not (isinstance(value, str) and self._is_withheld(value)):
                return decode_json(value) if isinstance(value, str) else value
        return None

    def failed(self) -> bool:
        """Whether the tool says that it failed, whatever the span's status."""
        return any(
            found.value is True or str(found.text).lower() == "true"
            for found in self._lookup.find("tool_failed", self._kind)
        )

    def query(self) -> str:
        """What a retriever or reranker was asked."""
        for found in self._lookup.find("query", self._kind):
            text = text_in(found.value, "input")
            if text and not text.startswith(("{", "[")) and not self._is_withheld(text):
                return text
        return ""

    def documents(self, field: str = "documents") -> list[Document]:
        """What a retriever or reranker returned (or, `input_documents`, what a reranker was given)."""
        given = (
            {found.key for found in self._lookup.find("input_documents", self._kind)} if field == "documents" else set()
        )
        for found in self._lookup.find(field, self._kind):
            if found.key in given:
                continue
            value = (
                [_hit(attributes) for attributes, _ in self._lookup.events(found.row.key)]
                if found.row.carrier == "rows"
                else found.value
            )
            if isinstance(value, (list, dict)) and (read := documents_in(value)):
                return read
        return []

    def input_texts(self) -> list[str]:
        """Texts that were embedded."""
        for found in self._lookup.find("input_texts", self._kind):
            if texts := [text for text in embedded(found.value) if text and not self._is_withheld(text)]:
                return texts
        return []


def _after_the_question(messages: list[Message]) -> list[Message]:
    """Assistant messages at the end of a list; some senders put the whole conversation before them."""
    start = len(messages)
    while start and messages[start - 1].role == "assistant":
        start -= 1
    return messages[start:]


def _without_answer(messages: list[Message]) -> list[Message]:
    """The question of an exchange: all but what the assistant said after it."""
    end = len(messages)
    while end and messages[end - 1].role == "assistant":
        end -= 1
    return messages[:end]


def _better(messages: list[Message], others: list[Message]) -> list[Message]:
    """The first copy of a conversation that was found, with the ids that only a later one has."""
    if not messages:
        return others
    return _identified(messages, others) if len(messages) == len(others) else messages


def _identified(messages: list[Message], others: list[Message]) -> list[Message]:
    """Messages with the call ids that another copy of the same conversation has and they lack."""
    pairs = list(zip(messages, others, strict=True))
    if not all(one.role == other.role and one.content == other.content for one, other in pairs):
        return messages
    return [
        dataclasses.replace(
            one,
            tool_call_id=one.tool_call_id or other.tool_call_id,
            tool_calls=_named_calls(one.tool_calls, other.tool_calls),
        )
        for one, other in pairs
    ]


def _named_calls(calls: tuple[ToolCall, ...], others: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    if [(call.name, call.arguments) for call in calls] != [(call.name, call.arguments) for call in others]:
        return calls
    return tuple(dataclasses.replace(call, id=call.id or other.id) for call, other in zip(calls, others, strict=True))


def _is_identified(message: Message) -> bool:
    """Whether every call and every answer to one says which it is."""
    return (message.role != "tool" or bool(message.tool_call_id)) and all(call.id for call in message.tool_calls)


def _hit(attributes: Mapping[str, str]) -> dict[str, str]:
    """One event for each document: `db.query.result.document` is its `document`."""
    return {key.rsplit(".", 1)[-1]: value for key, value in attributes.items()}
