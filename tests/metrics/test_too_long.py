"""Targets that do not fit the judge's context window: not applicable, or cut where everybody can see it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from aiohttp import web
from materials import material

from evaluator.judges import fence
from evaluator.judges.choose import Judges
from evaluator.judges.scripted import Asked, Behaviour, ScriptedJudge, by_rule
from evaluator.judges.scripted_faults import status
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition, TooLong
from evaluator.metrics.judging.cutting import cut, limit_in, mark
from storage.model import Abstention, Level, MetricKind, OutputType, Score

NONCE = "0123456789abcdef"
METRIC = MetricDefinition(
    name="m",
    kind=MetricKind.JUDGE,
    levels=(Level.SPAN,),
    output_type=OutputType.BOOLEAN,
    prompt="Does {{output}} follow from {{context}}, asked {{input?}}?",
    too_long=TooLong.CUT,
)
LONG = {"input": "Why?", "output": "a" * 30_000 + "END", "context": "c" * 9_000}


def window(tokens: int, refusal: str) -> Behaviour:
    """An endpoint that counts four bytes as a token and refuses more than it can read, in these words."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        size = sum(len(str(message["content"]).encode()) for message in asked.body["messages"]) // 4
        if size > tokens:
            return await status(400, refusal.format(window=tokens, size=size))(judge, request, asked)
        return await by_rule(judge, request, asked)

    return behave


async def concluded(definition: MetricDefinition, judges: Judges, **inputs: str) -> Conclusion:
    """On one target."""
    return await conclude(definition, material(LONG | inputs), using=Instruments(judges=judges, secret=b"s"))


def test_the_longest_texts_lose_first_and_keep_head_and_tail() -> None:
    """Ten, six and three characters in twelve: the first two keep as much as each other, the third all of it."""
    texts = {"a": "0123456789", "b": "abcdef", "c": "xyz"}
    assert cut(texts, characters=11, nonce=NONCE) == (
        {"a": f"01\n{mark(NONCE, 6)}\n89", "b": f"ab\n{mark(NONCE, 2)}\nef", "c": "xyz"},
        {"a": 6, "b": 2},
    )
    assert cut(texts, characters=19, nonce=NONCE) == (texts, {})
    assert cut({"a": "0123456789"}, characters=3, nonce=NONCE) == ({"a": f"01\n{mark(NONCE, 7)}\n9"}, {"a": 7})
    assert cut({}, characters=3, nonce=NONCE) == ({}, {})


@pytest.mark.parametrize(
    ("refusal", "tokens"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens", 8192),
        ("prompt is too long: 208310 tokens > 200000 maximum", 200_000),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576),
        ("the request exceeds the available context size (4096 tokens), try increasing it", 4096),
        ("context length exceeded", None),
    ],
)
def test_the_window_is_read_out_of_a_refusal(refusal: str, tokens: int | None) -> None:
    """In the words of OpenAI, Anthropic, Gemini and llama.cpp; other words say nothing."""
    assert limit_in(refusal) == tokens


async def test_by_default_a_target_that_is_too_long_is_not_applicable(judge: ScriptedJudge, judges: Judges) -> None:
    """One refused question, no second one, and no zero."""
    judge.always(window(4096, "maximum context length is {window} tokens"))
    found = await concluded(replace(METRIC, too_long=TooLong.ABSTAIN), judges)
    assert found.outcome == Abstention(reason="too_long")
    assert len(judge.requests) == 1


@pytest.mark.parametrize(
    "refusal", ["maximum context length is {window} tokens, you sent {size}", "context_length_exceeded"]
)
async def test_a_metric_that_says_so_is_judged_on_what_fits(judge: ScriptedJudge, judges: Judges, refusal: str) -> None:
    """Head and tail of the longest, with a mark that only we can make; the result says what each input lost."""
    judge.always(window(4096, refusal))
    found = await concluded(METRIC, judges)
    assert isinstance(found.outcome, Score)
    shown = fence.contents(judge.requests[-1].prompt)
    lost = json.loads(found.metadata["cut"])
    nonce = re.findall(r"<data-([0-9a-f]{16}) ", judge.requests[-1].prompt)[0]
    assert shown["input"] == "Why?"
    assert mark(nonce, lost["output"]) in shown["output"]
    assert (shown["output"][:5], shown["output"][-3:]) == ("aaaaa", "END")
    assert (
        len(shown["output"].replace(f"\n{mark(nonce, lost['output'])}\n", "")) == len(LONG["output"]) - lost["output"]
    )
    assert "its middle was left out" in judge.requests[-1].body["messages"][0]["content"]
    assert json.loads(found.metadata["input_characters"]) == {"context": 9_000, "input": 4, "output": 30_003}


async def test_what_a_refusal_told_is_remembered(judge: ScriptedJudge, judges: Judges) -> None:
    """The next long target is cut before it is sent."""
    judge.always(window(4096, "maximum context length is {window} tokens"))
    using = Instruments(judges=judges, secret=b"s")
    for _ in range(2):
        assert isinstance((await conclude(METRIC, material(LONG), using=using)).outcome, Score)
    assert len(judge.requests) == 3


async def test_a_prompt_that_fills_the_window_alone_is_not_applicable(judge: ScriptedJudge, judges: Judges) -> None:
    """Nothing that could be judged would be left."""
    judge.always(window(300, "maximum context length is {window} tokens"))
    found = await concluded(replace(METRIC, prompt="x" * 5_000 + "{{output}}"), judges)
    assert found.outcome == Abstention(reason="too_long")
    assert len(judge.requests) == 1


async def test_an_endpoint_that_refuses_whatever_is_sent_ends_not_applicable(
    judge: ScriptedJudge, judges: Judges
) -> None:
    """It is asked four times at most."""
    judge.always(status(400, "context_length_exceeded"))
    assert (await concluded(METRIC, judges)).outcome == Abstention(reason="too_long")
    assert len(judge.requests) == 4


async def test_content_cannot_claim_to_be_cut(judge: ScriptedJudge, judges: Judges) -> None:
    """Its mark has another nonce, and the judge is told of none."""
    await concluded(METRIC, judges, output=f"fine {mark(NONCE, 9)}")
    asked = judge.requests[0]
    nonce = re.findall(r"<data-([0-9a-f]{16}) ", asked.prompt)[0]
    assert nonce != NONCE
    assert "left out" not in asked.body["messages"][0]["content"]
