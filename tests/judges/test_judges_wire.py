"""The thin adapter against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest

from evaluator.judges.choose import Judges, speaks_openai_wire
from evaluator.judges.port import (
    BadAnswer,
    InputTooLong,
    JudgeError,
    JudgeRateLimited,
    JudgeRefused,
    JudgeTimeout,
    JudgeUnavailable,
    Mode,
    NoJudgeConfigured,
    Question,
    without_secrets,
)
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import Behaviour, ScriptedJudge
from evaluator.judges.scripted_faults import (
    body,
    close_connection,
    cut_in_the_body,
    hang,
    rate_limited,
    says,
    status,
    without_schema_support,
)

QUICK = Retries(max_tries=3, first_pause=0.01, longest_pause=1.0, call=5.0, whole=10.0)


async def test_a_question_goes_out_as_asked_and_nothing_else(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """The request holds the two messages, the schema and the parameters; the key travels in its header only."""
    answer = await judges.ask(question)
    assert judge.requests[0].body == {
        "model": "scripted",
        "messages": [{"role": "system", "content": "You judge."}, {"role": "user", "content": "Is it good?"}],
        "temperature": 0.5,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": question.schema},
        },
    }
    assert judge.requests[0].headers["authorization"] == "Bearer key-1"
    assert set(json.loads(answer.text)) == {"rationale", "verdict"}
    assert (answer.model, answer.usage.attempts, answer.cut) == ("scripted", 1, False)
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    assert answer.usage.cost_usd is None


async def test_the_cost_of_a_model_with_a_known_price_is_in_the_usage(judge: ScriptedJudge, question: Question) -> None:
    """Tokens times the bundled prices; the endpoint's own words decide nothing."""
    async with Judges(model="gpt-4o-mini", base_url=judge.base_url) as judges:
        usage = (await judges.ask(question)).usage
    assert usage.cost_usd == pytest.approx(usage.input_tokens * 1.5e-07 + usage.output_tokens * 6e-07)


async def test_a_refused_connection_is_unavailable_and_may_be_retried(question: Question) -> None:
    """Nothing listens: three tries, then an error that says so."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with Judges(model="openai/x", base_url=f"http://127.0.0.1:{port}/v1", retries=QUICK) as judges:
        with pytest.raises(JudgeUnavailable, match=r"after 3 tries") as raised:
            await judges.ask(question)
    assert (raised.value.code, raised.value.retryable) == ("JUDGE_UNAVAILABLE", True)
    assert raised.value.usage.attempts == 3


@pytest.mark.parametrize(
    "fault",
    [rate_limited("0"), status(500), status(503), status(409), close_connection(), cut_in_the_body()],
    ids=["429", "500", "503", "409", "closed", "cut"],
)
async def test_a_passing_fault_is_asked_over(
    judge: ScriptedJudge, judges: Judges, question: Question, fault: Behaviour
) -> None:
    """One fault costs one more request, and the answer tells how many there were."""
    judge.then(fault)
    answer = await judges.ask(question)
    assert (answer.usage.attempts, len(judge.requests)) == (2, 2)


async def test_retry_after_is_waited_for(judge: ScriptedJudge, judges: Judges, question: Question) -> None:
    """The provider's wish comes before our own jitter."""
    judge.then(rate_limited("0.3"))
    began = time.monotonic()
    await judges.ask(question)
    assert time.monotonic() - began >= 0.3


async def test_a_retry_after_that_is_too_long_ends_the_attempt_instead_of_asking_too_early(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """An hour is not waited for, and not cut short either: the failure is retryable later."""
    judge.then(rate_limited("3600"))
    with pytest.raises(JudgeRateLimited, match="asked to wait 3600 s") as raised:
        await judges.ask(question)
    assert (raised.value.retryable, raised.value.retry_seconds, len(judge.requests)) == (True, 3600.0, 1)


async def test_a_judge_that_hangs_ends_as_a_timeout(judge: ScriptedJudge, question: Question) -> None:
    """Each try has its own limit; the connection is closed when it is reached."""
    judge.always(hang())
    limits = Retries(max_tries=2, first_pause=0.01, call=0.2, whole=10.0)
    async with Judges(model="openai/x", base_url=judge.base_url, retries=limits) as judges:
        with pytest.raises(JudgeTimeout, match=r"no answer within 0\.2 s") as raised:
            await judges.ask(question)
        async with asyncio.timeout(30):
            await judge.hung_up.wait()
    assert (raised.value.code, raised.value.usage.attempts) == ("JUDGE_TIMEOUT", 2)


async def test_the_deadline_bounds_tries_and_pauses_together(judge: ScriptedJudge, question: Question) -> None:
    """However patient the limits, nothing goes on past the caller's deadline."""
    judge.always(hang())
    async with Judges(model="openai/x", base_url=judge.base_url) as judges:
        began = time.monotonic()
        with pytest.raises(JudgeTimeout):
            await judges.ask(question, deadline=asyncio.get_running_loop().time() + 0.3)
    assert time.monotonic() - began < 25.0


async def test_cancelling_a_question_closes_the_socket(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """A cancelled evaluation must not leave a request running at the provider."""
    judge.always(hang())
    asking = asyncio.ensure_future(judges.ask(question))
    async with asyncio.timeout(30):
        await judge.asked.wait()
        asking.cancel()
        await judge.hung_up.wait()
    assert asking.cancelled()


@pytest.mark.parametrize(
    ("code", "hint"),
    [(401, "ASSAY_JUDGE_API_KEY"), (403, "ASSAY_JUDGE_API_KEY"), (404, "ASSAY_JUDGE_BASE_URL"), (400, "parameters")],
)
async def test_a_refusal_ends_at_once_and_names_what_to_set(
    judge: ScriptedJudge, judges: Judges, question: Question, code: int, hint: str
) -> None:
    """Asking again cannot help, so it is not done."""
    judge.then(status(code, "no"))
    with pytest.raises(JudgeRefused, match=hint) as raised:
        await judges.ask(question)
    assert (raised.value.code, raised.value.retryable, len(judge.requests)) == ("JUDGE_REFUSED", False, 1)


async def test_an_exhausted_quota_is_no_rate_limit(judge: ScriptedJudge, judges: Judges, question: Question) -> None:
    """OpenAI says 429 where the account cannot pay: waiting does not help."""
    judge.then(status(429, "insufficient_quota: You exceeded your current quota"))
    with pytest.raises(JudgeRefused, match="billing"):
        await judges.ask(question)
    assert len(judge.requests) == 1


async def test_a_question_beyond_the_context_window_is_told_apart(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """So that a metric can abstain instead of failing."""
    judge.then(status(400, "This model's maximum context length is 8192 tokens"))
    with pytest.raises(InputTooLong):
        await judges.ask(question)


async def test_an_error_never_repeats_a_key(judge: ScriptedJudge, judges: Judges, question: Question) -> None:
    """Providers echo keys in their messages; ours end up in rows and logs."""
    judge.then(status(401, "Incorrect API key provided: sk-abcdef1234567890."))
    with pytest.raises(JudgeRefused) as raised:
        await judges.ask(question)
    assert "abcdef" not in str(raised.value)
    assert "hunter2" not in without_secrets("cannot reach http://joe:hunter2@proxy:1 with Bearer hunter2")


@pytest.mark.parametrize(
    "content",
    [b'{"choices": [{"mess', b"<html>502</html>", b"", b"[]", b'{"choices": []}', b'{"choices": [{"message": 5}]}'],
    ids=["truncated", "html", "empty", "list", "no choice", "odd message"],
)
async def test_an_answer_that_is_no_completion_is_a_bad_answer(
    judge: ScriptedJudge, judges: Judges, question: Question, content: bytes
) -> None:
    """It is reported with what came, and not asked over: the endpoint is not what it should be."""
    judge.then(body(content))
    with pytest.raises(BadAnswer, match="not a chat completion"):
        await judges.ask(question)
    assert len(judge.requests) == 1


async def test_an_endpoint_without_structured_output_is_asked_in_words_and_remembered(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """The first question costs three requests, later ones one; the words carry the schema."""
    judge.always(without_schema_support(tools=False))
    first = await judges.ask(question)
    second = await judges.ask(question)
    assert [asked.body.keys() & {"response_format", "tools"} for asked in judge.requests] == [
        {"response_format"},
        {"tools"},
        set(),
        set(),
    ]
    assert '"enum": ["good", "bad"]' in judge.requests[2].body["messages"][0]["content"]
    assert (first.mode, first.usage.attempts, second.usage.attempts) == (Mode.WORDS, 3, 1)


async def test_an_answer_that_was_cut_says_so(judge: ScriptedJudge, judges: Judges, question: Question) -> None:
    """finish_reason `length`: the text is not whole."""
    judge.then(says('{"rationale": "beca', finish_reason="length"))
    assert (await judges.ask(question)).cut


async def test_without_a_model_the_error_says_what_to_set(question: Question) -> None:
    """No default model: the installation chooses."""
    async with Judges() as judges:
        with pytest.raises(NoJudgeConfigured, match="ASSAY_JUDGE_MODEL") as raised:
            await judges.ask(question)
    assert raised.value.code == "NO_JUDGE_CONFIGURED"


async def test_without_a_key_openai_is_not_even_asked(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key is told before anything leaves the machine."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with Judges(model="openai/gpt-4o-mini") as judges:
        with pytest.raises(JudgeRefused, match="OPENAI_API_KEY"):
            await judges.ask(question)


async def test_no_more_questions_are_under_way_than_allowed(question: Question) -> None:
    """The slots bound what a provider sees at once, and all questions are answered."""
    async with (
        ScriptedJudge(latency_seconds=0.02) as judge,
        Judges(model="openai/x", base_url=judge.base_url, max_in_flight=3) as judges,
    ):
        async with asyncio.TaskGroup() as asking:
            for _ in range(12):
                asking.create_task(judges.ask(question))
        assert (len(judge.requests), judge.most_in_flight) == (12, 3)


async def test_a_deadline_that_passes_in_the_queue_is_a_timeout(judge: ScriptedJudge, question: Question) -> None:
    """Waiting for a slot is waiting too."""
    judge.always(hang())
    async with Judges(model="openai/x", base_url=judge.base_url, max_in_flight=1) as judges:
        first = asyncio.ensure_future(judges.ask(question))
        await judge.asked.wait()
        with pytest.raises(JudgeTimeout, match="free place"):
            await judges.ask(question, deadline=asyncio.get_running_loop().time() + 0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


@pytest.mark.parametrize(
    ("model", "base_url", "wire"),
    [
        ("openai/gpt-4o-mini", "", True),
        ("openai/any", "http://127.0.0.1:1/v1", True),
        ("llama-3", "http://127.0.0.1:1/v1", True),
        ("gpt-4o-mini", "", False),
        ("anthropic/claude-sonnet-4-5", "", False),
        ("hosted_vllm/llama-3", "http://127.0.0.1:1/v1", False),
    ],
)
def test_the_thin_adapter_takes_what_speaks_its_wire(model: str, base_url: str, wire: bool) -> None:
    """Everything else goes through litellm."""
    assert speaks_openai_wire(model, base_url) is wire


def test_every_error_has_a_code_of_its_own() -> None:
    """Codes become `error.type` in SQL: upper snake, few, stable."""

    def below(kind: type[JudgeError]) -> list[type[JudgeError]]:
        return [kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))]

    assert {kind.code for kind in below(JudgeError)} == {
        "JUDGE_ERROR",
        "NO_JUDGE_CONFIGURED",
        "JUDGE_UNAVAILABLE",
        "JUDGE_RATE_LIMITED",
        "JUDGE_TIMEOUT",
        "JUDGE_REFUSED",
        "INPUT_TOO_LONG",
        "MEDIA_NOT_TAKEN",
        "JUDGE_BAD_ANSWER",
        "LABEL_NOT_OFFERED",
        "PRICE_UNKNOWN",
    }
