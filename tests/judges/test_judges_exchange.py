"""What is recorded of every call, what goes with a question, and how sure the judge was."""

from __future__ import annotations

import asyncio
import base64
import json
import math

import pytest

from evaluator.judges.choose import Judges
from evaluator.judges.endpoints import Endpoint
from evaluator.judges.port import JudgeTimeout, JudgeUnavailable, Media, MediaNotTaken, Mode, Question
from evaluator.judges.probability import of_verdict
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import ScriptedJudge
from evaluator.judges.scripted_faults import blind, hang, status, verdict, without_logprobs, without_schema_support

PIXEL = base64.b64encode(b"\x89PNG").decode()
LITELLM = "hosted_vllm/scripted"


async def test_a_record_holds_exactly_what_went_over_the_wire(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """Every request of a question with a fault and a refused schema: bodies, statuses, codes, tokens, times."""
    judge.then(status(500, "boom"))
    judge.always(without_schema_support())
    answer = await judges.ask(question)
    assert [call.request for call in answer.calls] == [asked.body for asked in judge.requests]
    assert [(call.status, call.error, call.mode) for call in answer.calls] == [
        (500, "JUDGE_UNAVAILABLE", Mode.SCHEMA),
        (400, "JUDGE_REFUSED", Mode.SCHEMA),
        (200, "", Mode.TOOL),
    ]
    assert json.loads(answer.calls[0].response) == {"error": {"message": "boom"}}
    assert json.loads(answer.calls[2].response)["choices"][0]["message"]["tool_calls"]
    assert answer.calls[2].messages == tuple(judge.requests[2].body["messages"])
    assert {(call.model, call.provider, call.address) for call in answer.calls} == {
        ("scripted", "openai", judge.base_url.split("/")[2])
    }
    starts = [call.start_time_ns for call in answer.calls]
    assert starts == sorted(starts)
    assert answer.usage.input_tokens == answer.calls[2].usage.input_tokens
    assert answer.usage.latency_ms >= sum(call.usage.latency_ms for call in answer.calls) - 3


async def test_calls_that_came_to_nothing_are_recorded_too(judge: ScriptedJudge, question: Question) -> None:
    """A time-out and a broken connection have no status; what was sent is kept."""
    judge.always(hang())
    limits = Retries(max_tries=2, first_pause=0.01, call=0.1)
    async with Judges(model="openai/scripted", base_url=judge.base_url, retries=limits) as judges:
        with pytest.raises(JudgeTimeout) as raised:
            await judges.ask(question)
    assert [(call.status, call.error, call.response) for call in raised.value.calls] == [(0, "JUDGE_TIMEOUT", "")] * 2
    assert [call.request for call in raised.value.calls] == [asked.body for asked in judge.requests]


async def test_records_of_litellm_hold_what_it_was_given_and_what_it_gave(
    judge: ScriptedJudge, question: Question
) -> None:
    """The same fields; a failed try has its status and its words.  The key is in none of it."""
    judge.then(status(500, "boom"))
    limits = Retries(max_tries=3, first_pause=0.01)
    async with Judges(model=LITELLM, base_url=judge.base_url, api_key="key-very-secret", retries=limits) as judges:
        failed, answered = (await judges.ask(question)).calls
    assert (failed.status, failed.error, answered.status, answered.error) == (500, "JUDGE_UNAVAILABLE", 200, "")
    assert "boom" in failed.response
    assert answered.messages == tuple(judge.requests[1].body["messages"])
    assert json.loads(answered.response)["choices"][0]["message"]["content"]
    assert (answered.provider, answered.usage.input_tokens > 0) == ("hosted_vllm", True)
    assert "key-very-secret" not in f"{failed.request}{failed.response}{answered.request}{answered.response}"


async def test_what_failed_on_the_way_to_a_repair_is_kept(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """The first answer was paid, although the repair came to nothing."""
    judge.then(verdict("so-so"), status(500), status(500), status(500))
    first = await judges.ask(question)
    with pytest.raises(JudgeUnavailable) as raised:
        await judges.repair(question, first, "not offered")
    assert [call.status for call in raised.value.calls] == [200, 500, 500, 500]
    assert raised.value.usage.input_tokens == first.usage.input_tokens > 0


def seeing(judge: ScriptedJudge, *media: str) -> Endpoint:
    """An endpoint whose settings say what it takes."""
    return Endpoint(name="eyes", model="openai/scripted", base_url=judge.base_url, media=media)


async def test_images_sounds_and_files_go_where_they_are_taken(judge: ScriptedJudge, question: Question) -> None:
    """As the OpenAI wire writes them: addresses and data, after the text."""
    media = (
        Media(media_type="image/png", url="https://example.com/a.png"),
        Media(media_type="image/png", data=PIXEL),
        Media(media_type="audio/mpeg", data="QUJD"),
        Media(media_type="application/pdf", data="JVBERg==", name="bill.pdf"),
    )
    endpoint = seeing(judge, "image/*", "audio/*", "application/pdf")
    async with Judges(model="gateway:/eyes", endpoints=[endpoint]) as judges:
        await judges.ask(Question(system="s", user="What is it?", schema=question.schema, media=media))
    assert judge.requests[0].body["messages"][1]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
        {"type": "file", "file": {"filename": "bill.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
    ]


@pytest.mark.parametrize(
    ("taken", "media"),
    [
        (("image/*",), Media(media_type="application/pdf", data="x")),
        ((), Media(media_type="image/png", data="x")),
        (("audio/*",), Media(media_type="audio/flac", data="x")),
        (("*/*",), Media(media_type="application/pdf", url="https://example.com/a.pdf")),
    ],
    ids=["other kind", "none", "no way to write it", "no address"],
)
async def test_what_a_model_does_not_take_is_not_sent(
    judge: ScriptedJudge, question: Question, taken: tuple[str, ...], media: Media
) -> None:
    """A metric abstains by this error; nobody is asked about half of a question."""
    async with Judges(model="gateway:/eyes", endpoints=[seeing(judge, *taken)]) as judges:
        with pytest.raises(MediaNotTaken) as raised:
            await judges.ask(Question(system="s", user="u", schema=question.schema, media=(media,)))
    assert (raised.value.code, raised.value.retryable, len(judge.requests)) == ("MEDIA_NOT_TAKEN", False, 0)


async def test_litellms_map_says_who_takes_what(judge: ScriptedJudge, question: Question) -> None:
    """gpt-4o sees; of a model that nobody knows nothing is assumed."""
    image = Media(media_type="image/png", data=PIXEL)
    asked = Question(system="s", user="u", schema=question.schema, media=(image,))
    async with Judges(model="openai/gpt-4o", base_url=judge.base_url) as judges:
        await judges.ask(asked)
        with pytest.raises(MediaNotTaken, match=r"judges\.NAME"):
            await judges.ask(Question(system="s", user="u", schema=question.schema, media=(image,), model="openai/x"))
    assert len(judge.requests) == 1


async def test_a_model_that_refuses_an_image_after_all_says_so(judge: ScriptedJudge, question: Question) -> None:
    """The settings promised too much."""
    judge.always(blind())
    image = Media(media_type="image/png", data=PIXEL)
    async with Judges(model="gateway:/eyes", endpoints=[seeing(judge, "image/*")]) as judges:
        with pytest.raises(MediaNotTaken, match="does not support image input"):
            await judges.ask(Question(system="s", user="u", schema=question.schema, media=(image,)))


@pytest.mark.parametrize("model", ["openai/scripted", LITELLM])
async def test_how_sure_the_judge_was_is_told_where_it_is_asked_for(
    judge: ScriptedJudge, question: Question, model: str
) -> None:
    """The scripted judge is sure of each word of its verdict to nine tenths; without the parameter nobody asks."""
    judge.then(verdict("good"), verdict("good"))
    asked = Question(system="s", user="u", schema=question.schema, parameters={"logprobs": True})
    async with Judges(model=model, base_url=judge.base_url, api_key="k") as judges:
        sure, silent = await judges.ask(asked), await judges.ask(question)
    assert (sure.verdict_probability, silent.verdict_probability) == (pytest.approx(0.9), None)
    assert ["logprobs" in each.body for each in judge.requests] == [True, False]


async def test_a_provider_without_log_probabilities_is_asked_without_from_then_on(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """An optional figure fails no metric."""
    judge.always(without_logprobs())
    asked = Question(system="s", user="u", schema=question.schema, parameters={"logprobs": True})
    assert [(await judges.ask(asked)).verdict_probability for _ in range(2)] == [None, None]
    assert ["logprobs" in each.body for each in judge.requests] == [True, False, False]


def pieces(*tokens: tuple[str, float]) -> tuple[str, list[tuple[str, float]]]:
    """A text of tokens, each with its probability."""
    return "".join(token for token, _ in tokens), [(token, math.log(share)) for token, share in tokens]


def test_the_probability_of_a_verdict_is_that_of_its_tokens() -> None:
    """By hand: ` "pa` 0.8, `rtly` 0.5; the quote that ends it belongs to no value: 0.8 · 0.5 = 0.4."""
    text, tokens = pieces(
        ('{"rationale":"say \\"verdict\\": no","', 0.1), ('verdict":', 0.9), ('"pa', 0.8), ("rtly", 0.5), ('"}', 0.7)
    )
    assert of_verdict(text, tokens) == pytest.approx(0.4)
    text, tokens = pieces(('{"verdict": ', 0.2), ("true", 0.6), ("}", 0.3))
    assert of_verdict(text, tokens) == pytest.approx(0.6)


@pytest.mark.parametrize(
    "tokens",
    [
        [('{"verdict": ', 1.0), ("tr", 1.0)],
        [('{"verdict": true', 1.0), ('"verdict": false}', 1.0)],
        [('{"label": true}', 1.0)],
    ],
    ids=["cut", "twice", "none"],
)
def test_where_it_is_not_certain_which_tokens_are_the_verdict_there_is_no_probability(
    tokens: list[tuple[str, float]],
) -> None:
    """None, never a guess."""
    text, listed = pieces(*tokens)
    assert of_verdict(text, listed) is None
    assert of_verdict(text + " ", listed) is None


@pytest.mark.parametrize("model", ["openai/scripted", LITELLM])
async def test_deadline_and_cancellation_reach_the_judges_socket(
    judge: ScriptedJudge, question: Question, model: str
) -> None:
    """The server sees the connection close, over either adapter."""
    async with Judges(model=model, base_url=judge.base_url, api_key="k") as judges:
        await judges.ask(question)
        judge.always(hang())
        with pytest.raises(JudgeTimeout):
            await judges.ask(question, deadline=asyncio.get_running_loop().time() + 0.2)
        async with asyncio.timeout(30):
            await judge.hung_up.wait()
        judge.hung_up.clear()
        judge.asked.clear()
        asking = asyncio.ensure_future(judges.ask(question))
        await judge.asked.wait()
        asking.cancel()
        async with asyncio.timeout(30):
            await judge.hung_up.wait()
