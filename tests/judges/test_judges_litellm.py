"""The litellm adapter, against the scripted judge: `hosted_vllm/` is a litellm provider that speaks the OpenAI wire."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from evaluator.judges.choose import Judges
from evaluator.judges.port import (
    InputTooLong,
    JudgeRateLimited,
    JudgeRefused,
    JudgeTimeout,
    JudgeUnavailable,
    Mode,
    Question,
)
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import ScriptedJudge
from evaluator.judges.scripted_faults import close_connection, hang, rate_limited, status, without_schema_support

QUICK = Retries(max_tries=2, first_pause=0.01, longest_pause=1.0, call=30.0, whole=60.0)
MODEL = "hosted_vllm/scripted"


async def test_any_provider_is_asked_through_litellm(judge: ScriptedJudge, question: Question) -> None:
    """Same question, same answer, same usage as over the thin adapter; exactly one request."""
    async with Judges(model=MODEL, base_url=judge.base_url, api_key="key-1", retries=QUICK) as judges:
        answer = await judges.ask(question)
    body = judge.requests[0].body
    assert len(judge.requests) == 1
    assert body["messages"] == [
        {"role": "system", "content": "You judge."},
        {"role": "user", "content": "Is it good?"},
    ]
    assert (body["model"], body["temperature"]) == ("scripted", 0.5)
    assert body["response_format"]["json_schema"]["schema"] == question.schema
    assert judge.requests[0].headers["authorization"] == "Bearer key-1"
    assert set(json.loads(answer.text)) == {"rationale", "verdict"}
    assert (answer.usage.attempts, answer.usage.cost_usd) == (1, None)
    assert answer.usage.input_tokens > 0


async def test_faults_keep_their_meaning_through_litellm(judge: ScriptedJudge, question: Question) -> None:
    """429, 500, a cut connection, 401, 404 and a full context window; litellm's own retries stay off."""
    once = Retries(max_tries=1, call=30.0)
    async with Judges(model=MODEL, base_url=judge.base_url, retries=once) as judges:
        judge.then(rate_limited("7"))
        with pytest.raises(JudgeRateLimited) as limited:
            await judges.ask(question)
        for fault, expected in (
            (status(500), JudgeUnavailable),
            (close_connection(), JudgeUnavailable),
            (status(401), JudgeRefused),
            (status(404), JudgeRefused),
            (status(400, "This model's maximum context length is 8192 tokens"), InputTooLong),
        ):
            judge.then(fault)
            with pytest.raises(expected):
                await judges.ask(question)
    assert limited.value.retry_seconds == 7.0
    assert len(judge.requests) == 6


async def test_our_retries_serve_litellm_too(judge: ScriptedJudge, question: Question) -> None:
    """One fault, two requests."""
    judge.then(status(503))
    async with Judges(model=MODEL, base_url=judge.base_url, retries=QUICK) as judges:
        assert (await judges.ask(question)).usage.attempts == 2
    assert len(judge.requests) == 2


async def test_a_hanging_provider_is_a_timeout_and_its_socket_is_closed(
    judge: ScriptedJudge, question: Question
) -> None:
    """Our limit reaches through litellm to the connection."""
    async with Judges(model=MODEL, base_url=judge.base_url, retries=Retries(max_tries=1, call=30.0)) as judges:
        await judges.ask(question)  # the import is not what is timed
        judge.always(hang())
        with pytest.raises(JudgeTimeout):
            await judges.ask(question, deadline=asyncio.get_running_loop().time() + 0.5)
        async with asyncio.timeout(30):
            await judge.hung_up.wait()


async def test_a_provider_without_structured_output_is_made_to_call_a_tool(
    judge: ScriptedJudge, question: Question
) -> None:
    """Remembered per model, as over the thin adapter."""
    judge.always(without_schema_support())
    async with Judges(model=MODEL, base_url=judge.base_url, retries=QUICK) as judges:
        first = await judges.ask(question)
        await judges.ask(question)
    assert [asked.body.keys() & {"response_format", "tools"} for asked in judge.requests] == [
        {"response_format"},
        {"tools"},
        {"tools"},
    ]
    assert (set(json.loads(first.text)), first.mode) == ({"rationale", "verdict"}, Mode.TOOL)


async def test_an_unknown_provider_is_refused_with_what_to_set(question: Question) -> None:
    """litellm does not know it; nothing is sent."""
    async with Judges(model="no_such_provider/x", retries=QUICK) as judges:
        with pytest.raises(JudgeRefused, match="model"):
            await judges.ask(question)


async def test_a_key_is_not_sent_to_another_provider(judge: ScriptedJudge, question: Question) -> None:
    """The installation's key belongs to the installation's model, not to whatever a metric names."""
    async with Judges(model="anthropic/claude", api_key="key-1") as judges:
        other = judges._make("hosted_vllm/x")
        own = judges._make("anthropic/other")
    assert ("key-1" in repr(vars(other)), "key-1" in repr(vars(own))) == (False, True)


def test_litellm_is_not_imported_before_it_is_needed() -> None:
    """Its import takes seconds: starting the evaluator must not pay for it, nor must prices."""
    code = (
        "import sys; from evaluator.judges.choose import Judges; from evaluator.judges.prices import Prices; "
        "from evaluator.metrics.catalogue import builtin_metrics; builtin_metrics(); "
        "print(Prices.bundled().cost_usd('gpt-4o-mini', 1_000_000, 0), 'litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.15", "False"]


OFFLINE = """
import asyncio, sys
asked = []
sys.addaudithook(lambda event, details: asked.append(details[0]) if event == "socket.getaddrinfo" else None)
from evaluator.judges.choose import Judges
from evaluator.judges.port import JudgeError, Question
from evaluator.judges.scripted import ScriptedJudge

async def main():
    async with ScriptedJudge() as judge, Judges(base_url=judge.base_url, api_key="k") as judges:
        for model in ("hosted_vllm/x", "anthropic/claude-sonnet-4-5"):
            question = Question(system="s", user="u", schema={"type": "object", "properties": {}}, model=model)
            try:
                await judges.ask(question)
            except JudgeError as error:
                print(error.code)

asyncio.run(main())
print(sorted({str(host) for host in asked} - {"127.0.0.1", "None"}))
"""


def test_nothing_is_fetched_from_the_network_but_the_judge() -> None:
    """litellm would fetch price lists and headers from its makers; every name that is looked up is seen here."""
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["JUDGE_REFUSED", "[]"]
