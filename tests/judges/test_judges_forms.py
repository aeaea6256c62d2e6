"""How a model is held to the schema: schema, tool call, words; what it takes is found out once; one repair."""

from __future__ import annotations

import asyncio
import json

import pytest

from evaluator.judges.choose import Judges
from evaluator.judges.plain import object_in
from evaluator.judges.port import BadAnswer, Mode, Question
from evaluator.judges.scripted import ScriptedJudge
from evaluator.judges.scripted_faults import body, ignores_schema, says, status, verdict, without_schema_support


def forms(judge: ScriptedJudge) -> list[str]:
    """What each request asked for."""
    named = {"response_format": "schema", "tools": "tool"}
    return [next((named[key] for key in named if key in asked.body), "words") for asked in judge.requests]


async def test_a_model_that_only_calls_tools_is_made_to_call_one(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """The tool's parameters are the schema, its arguments the answer."""
    judge.always(without_schema_support())
    answer = await judges.ask(question)
    sent = judge.requests[1].body
    assert sent["tools"] == [
        {
            "type": "function",
            "function": {"name": "verdict", "description": "Gives the verdict.", "parameters": question.schema},
        }
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "verdict"}}
    assert (answer.mode, set(json.loads(answer.text))) == (Mode.TOOL, {"rationale", "verdict"})


async def test_what_a_model_takes_is_found_out_once_even_by_many_at_the_same_moment(question: Question) -> None:
    """The first question probes while the others wait: one refusal in all, not one each."""
    async with (
        ScriptedJudge(latency_seconds=0.02) as judge,
        Judges(model="openai/scripted", base_url=judge.base_url) as judges,
    ):
        judge.always(without_schema_support())
        async with asyncio.TaskGroup() as asking:
            for _ in range(20):
                asking.create_task(judges.ask(question))
        assert (forms(judge).count("schema"), forms(judge).count("tool")) == (1, 20)


async def test_what_one_model_takes_says_nothing_of_another(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """Remembered per model, not per endpoint."""
    judge.then(status(400, "response_format is not supported"))
    await judges.ask(question)
    await judges.ask(Question(system="s", user="u", schema=question.schema, model="openai/other"))
    assert forms(judge) == ["schema", "tool", "schema"]


async def test_a_first_question_that_fails_leaves_nothing_remembered(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """A 500 says nothing about what the model takes."""
    judge.then(status(500), status(401))
    with pytest.raises(Exception, match="401"):
        await judges.ask(question)
    assert (await judges.ask(question)).mode is Mode.SCHEMA


async def test_an_answer_that_does_not_do_is_sent_back_once_with_what_is_wrong(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """The judge sees its own words and the complaint; tokens and calls of both are kept."""
    judge.then(verdict("so-so"))
    first = await judges.ask(question)
    second = await judges.repair(question, first, "offered were good and bad")
    assert judge.requests[1].body["messages"] == [
        {"role": "system", "content": "You judge."},
        {"role": "user", "content": "Is it good?"},
        {"role": "assistant", "content": first.text},
        {"role": "user", "content": "offered were good and bad"},
    ]
    assert (len(second.calls), second.usage.attempts) == (2, 2)
    assert second.usage.input_tokens == sum(call.usage.input_tokens for call in second.calls) > first.usage.input_tokens


async def test_a_model_that_heeds_no_schema_is_held_in_another_way_from_its_repair_on(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """Prose is what no model that takes a schema can answer: it is remembered as not taking it."""
    judge.always(ignores_schema())
    first = await judges.ask(question)
    second = await judges.repair(question, first, "no JSON object")
    third = await judges.ask(question)
    assert forms(judge) == ["schema", "tool", "tool"]
    assert (first.mode, second.mode, third.mode) == (Mode.SCHEMA, Mode.TOOL, Mode.TOOL)


async def test_one_answer_in_prose_takes_nothing_from_a_model_that_has_heeded_the_schema(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """Else a target that talks a judge into prose would change how all others are asked."""
    await judges.ask(question)
    judge.then(says("I would rather not."))
    second = await judges.ask(question)
    assert (await judges.repair(question, second, "no JSON object")).mode is Mode.SCHEMA
    assert forms(judge) == ["schema"] * 3


async def test_a_model_that_heeds_neither_schema_nor_tool_is_read_in_words(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """Prose, a fence, a comma too many: there is one object, and it is read."""
    judge.always(ignores_schema(tools=False))
    first = await judges.ask(question)
    second = await judges.repair(question, first, "no JSON object")
    third = await judges.repair(question, second, "no JSON object")
    assert forms(judge) == ["schema", "tool", "words"]
    assert object_in(third.text)["verdict"] == "good"


async def test_a_cut_answer_is_not_sent_back(judge: ScriptedJudge, judges: Judges, question: Question) -> None:
    """The next would be cut, too, and costs as much; what it cost so far is told."""
    judge.then(says('{"rationale": "beca', finish_reason="length"))
    first = await judges.ask(question)
    with pytest.raises(BadAnswer, match=r"broken \(cut at the model's token limit: raise `max_tokens`") as raised:
        await judges.repair(question, first, "the JSON is broken")
    assert (len(judge.requests), raised.value.usage, raised.value.calls) == (1, first.usage, first.calls)


@pytest.mark.parametrize(
    ("message", "finish", "said"),
    [
        ('{"role": "assistant", "content": ""}', "length", "reached its token limit before it answered"),
        ('{"role": "assistant", "content": null}', "length", "reached its token limit before it answered"),
        ('{"role": "assistant", "content": "{"}', "content_filter", "content filter withheld"),
        ('{"role": "assistant", "content": null, "refusal": "I must not"}', "stop", "declined to answer: 'I must not'"),
        ('{"role": "assistant", "content": 5}', "stop", "declined to answer"),
    ],
    ids=["nothing", "null", "filtered", "refused", "number"],
)
async def test_no_answer_says_why(
    judge: ScriptedJudge, judges: Judges, question: Question, message: str, finish: str, said: str
) -> None:
    """A model that thought until its limit, was filtered, or declined; the tokens were paid all the same."""
    completion = (
        f'{{"choices": [{{"message": {message}, "finish_reason": "{finish}"}}], "usage": {{"prompt_tokens": 7}}}}'
    )
    judge.then(body(completion.encode()))
    with pytest.raises(BadAnswer, match=said) as raised:
        await judges.ask(question)
    assert (raised.value.usage.input_tokens, raised.value.calls[0].response) == (7, completion)


async def test_a_message_in_parts_is_one_text(judge: ScriptedJudge, judges: Judges, question: Question) -> None:
    """Some gateways pass on the parts in which a provider answered."""
    parts = [{"type": "text", "text": '{"rationale": "r", '}, {"type": "text", "text": '"verdict": "good"}'}]
    judge.then(body(json.dumps({"choices": [{"message": {"content": parts}}]}).encode()))
    assert object_in((await judges.ask(question)).text) == {"rationale": "r", "verdict": "good"}


async def test_two_tool_calls_that_differ_are_two_objects(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """Neither is chosen."""
    calls = [{"function": {"name": "verdict", "arguments": f'{{"verdict": "{word}"}}'}} for word in ("good", "bad")]
    judge.then(
        status(400, "response_format: unknown field"),
        body(json.dumps({"choices": [{"message": {"content": None, "tool_calls": calls}}]}).encode()),
    )
    answer = await judges.ask(question)
    with pytest.raises(BadAnswer, match="more than one"):
        object_in(answer.text)


async def test_an_error_with_status_200_is_an_error(judge: ScriptedJudge, judges: Judges, question: Question) -> None:
    """Some gateways say what went wrong in the body only; a passing fault is asked over."""
    judge.then(body(b'{"error": {"message": "upstream is away", "code": 502}}'))
    answer = await judges.ask(question)
    assert [call.error for call in answer.calls] == ["JUDGE_UNAVAILABLE", ""]
