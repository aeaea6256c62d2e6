"""Images and files go to a judge that takes them, with the inputs that a template names; else the metric abstains."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from materials import material

from evaluator.judges.choose import Judges
from evaluator.judges.endpoints import Endpoint
from evaluator.judges.scripted import ScriptedJudge
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.media import attachments, sendable
from evaluator.metrics.material import Material
from evaluator.targets.record import SpanRecord, TraceRecord
from storage.dialects.media import Attached, attached
from storage.dialects.message import Message
from storage.model import Abstention, Level, MetricKind, OutputType, Score

METRIC = MetricDefinition(
    name="m",
    kind=MetricKind.JUDGE,
    levels=(Level.SPAN,),
    output_type=OutputType.BOOLEAN,
    prompt="Does {{output}} describe what is in {{input}}?",
    model="gateway:/seeing",
)
PNG = Attached(media_type="image/png", data="iVBORw0KGgo=")
WEB = Attached(media_type="image/jpeg", url="https://images.example.com/cat.jpg")


@pytest.fixture
async def seeing(judge: ScriptedJudge) -> AsyncIterator[Judges]:
    """A model that takes images, and one that takes none."""
    endpoints = [
        Endpoint(name=name, model=f"openai/{name}", base_url=judge.base_url, media=media)
        for name, media in (("seeing", ("image/*",)), ("blind", ()))
    ]
    async with Judges(endpoints=endpoints) as open_judges:
        yield open_judges


def shown(*found: Attached, answer: Sequence[Attached] = ()) -> Material:
    """A model call whose question holds these, and its answer those."""
    media = tuple(each.media_type for each in found)
    record = SpanRecord(
        trace_id="a" * 32,
        span_id="b" * 16,
        kind="llm",
        input_messages=(Message(role="user", content="What is it?", media=media, attached=found),),
        output_messages=(Message(role="assistant", content="A cat.", attached=tuple(answer)),),
    )
    plain = material({})
    return Material(
        ref=plain.ref, kind="llm", inputs={"input": "What is it? [image]", "output": "A cat."}, record=record
    )


async def concluded(definition: MetricDefinition, about: Material, judges: Judges) -> Conclusion:
    """With the secret of these tests."""
    return await conclude(definition, about, using=Instruments(judges=judges, secret=b"s"))


async def test_images_of_what_a_template_names_arrive_at_a_judge_that_takes_them(
    judge: ScriptedJudge, seeing: Judges
) -> None:
    """As data or as an address, after the text; the result says what was sent, the exchange does not hold the bytes."""
    found = await concluded(METRIC, shown(PNG, WEB, answer=[replace(PNG, data="AAAA")]), seeing)
    assert isinstance(found.outcome, Score)
    text, *images = judge.requests[0].body["messages"][-1]["content"]
    assert text["type"] == "text"
    assert [image["image_url"]["url"] for image in images] == [
        "data:image/png;base64,iVBORw0KGgo=",
        "https://images.example.com/cat.jpg",
        "data:image/png;base64,AAAA",
    ]
    assert json.loads(found.metadata["media"]) == ["image/png", "image/jpeg", "image/png"]
    assert found.exchange is not None


async def test_what_the_template_does_not_name_is_not_sent(judge: ScriptedJudge, seeing: Judges) -> None:
    """A metric about the answer sees no picture of the question."""
    found = await concluded(replace(METRIC, prompt="Is {{output}} short?"), shown(PNG), seeing)
    assert isinstance(found.outcome, Score)
    assert "iVBOR" not in json.dumps(judge.requests[0].body)
    assert "media" not in found.metadata


async def test_a_model_that_takes_no_images_abstains_and_nothing_is_sent(judge: ScriptedJudge, seeing: Judges) -> None:
    """A verdict on a picture that nobody saw would be a guess."""
    found = await concluded(replace(METRIC, model="gateway:/blind"), shown(PNG), seeing)
    assert found.outcome == Abstention(reason="unsupported media")
    assert len(judge.requests) == 0


@pytest.mark.parametrize(
    "url",
    [
        "", "http://images.example.com/cat.jpg", "https://localhost/x", "https://10.0.0.1/x", "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data", "https://2130706433/x", "https://0x7f.1/x", "https://db.internal/x",
        "https://user:pw@example.com/x", "file:///etc/passwd", "https://[bad/x", "https://intranet/x",
    ],
)  # fmt: skip
async def test_what_was_not_captured_or_stands_behind_a_wall_abstains(
    judge: ScriptedJudge, seeing: Judges, url: str
) -> None:
    """Telemetry must not make a judge's server fetch addresses of a private network."""
    found = await concluded(METRIC, shown(Attached(media_type="image/png", url=url)), seeing)
    assert found.outcome == Abstention(reason="media not captured")
    assert len(judge.requests) == 0


@pytest.mark.parametrize(
    ("part", "url", "data"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}, "https://x.example/a.png", ""),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "", "AAAA"),
        ({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}, "", "AAAA"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}, "", "AAAA"),
        ({"type": "image", "source": {"type": "url", "url": "https://x.example/a"}}, "https://x.example/a", ""),
        ({"inline_data": {"mime_type": "image/png", "data": "AAAA"}}, "", "AAAA"),
        ({"type": "blob", "mime_type": "image/png", "content": "AAAA"}, "", "AAAA"),
        ({"type": "uri", "uri": "https://x.example/a.png"}, "https://x.example/a.png", ""),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "", "AAAA"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "", ""),
        ({"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg"}}, "", ""),
        ({"type": "image"}, "", ""),
        ({"type": "image", "source": 5, "data": None}, "", ""),
    ],
)
def test_media_are_found_in_every_vendors_words(part: Mapping[str, Any], url: str, data: str) -> None:
    """Where it was sent, and empty where it was not."""
    assert attached(part, "image/png") == Attached(media_type="image/png", url=url, data=data)


def test_of_a_trace_each_picture_goes_once() -> None:
    """Every call of an agent repeats the conversation so far."""
    first = Message(role="user", content="1", attached=(PNG,))
    second = Message(role="user", content="2", attached=(WEB,))
    calls = tuple(
        SpanRecord(trace_id="a" * 32, span_id=f"{number:016x}", kind="llm", input_messages=messages)
        for number, messages in enumerate([(first,), (first, second)], 1)
    )
    trace = TraceRecord(trace_id="a" * 32, spans=calls)
    assert attachments(trace, ["messages"]) == (PNG, WEB)
    assert attachments(trace, ["first_user_message"]) == (PNG,)
    assert attachments(trace, ["last_user_message"]) == (WEB,)
    assert attachments(trace, ["output", "context"]) == ()
    assert attachments(TraceRecord(trace_id="a" * 32), ["messages"]) == ()
    assert sendable(()) == ()
