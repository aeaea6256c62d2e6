"""Images and files of a target that go to a judge with the text that a template names."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from evaluator.judges.port import Media
from evaluator.metrics.material import Record
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.dialects.media import Attached
from storage.dialects.message import Message

_LOCAL = (".local", ".internal", ".localhost", ".lan")


def attachments(record: Record, names: Iterable[str]) -> tuple[Attached, ...]:
    """What stands in the messages behind these inputs, in order, each once."""
    wanted = set(names)
    found = (each for message in _messages(record, wanted) for each in message.attached)
    return tuple(dict.fromkeys(found))


def sendable(found: Sequence[Attached]) -> tuple[Media, ...] | None:
    """As a question carries them; None where one was not captured, or stands where nobody may be sent to look."""
    media = [Media(media_type=each.media_type, url=_public(each.url), data=each.data) for each in found]
    return tuple(media) if all(each.url or each.data for each in media) else None


def _messages(record: Record, names: set[str]) -> Iterator[Message]:
    match record:
        case SpanRecord():
            yield from _of_call([record], names, whole={"input", "messages"})
        case TraceRecord():
            yield from _of_call(_models(record), names, whole={"messages"})
        case SessionRecord():
            models = [span for trace in record.traces for span in _models(trace)]
            yield from _of_call(models, names, whole={"messages"})


def _of_call(spans: Sequence[SpanRecord], names: set[str], *, whole: set[str]) -> Iterator[Message]:
    if not spans:
        return
    if names & whole:
        yield from (message for span in spans for message in span.input_messages)
    else:
        asked = [message for message in spans[0].input_messages if message.role == "user"]
        last = [message for message in spans[-1].input_messages if message.role == "user"]
        if names & {"input", "first_user_message"}:
            yield from asked[:1]
        if "last_user_message" in names:
            yield from last[-1:]
    if "output" in names or ("messages" in names and len(spans) > 1):
        yield from spans[-1].output_messages


def _models(trace: TraceRecord) -> list[SpanRecord]:
    return [span for span in trace.spans if span.kind == "llm" and span.duplicate_of is None]


def _public(url: str) -> str:
    """The address, if it is one of the open web; '' otherwise: nobody may send a judge to look behind walls."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
    if parts.scheme != "https" or parts.username or "." not in host or host.endswith(_LOCAL):
        return ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return url if any(letter.isalpha() for letter in host.rpartition(".")[2]) else ""
    return ""
