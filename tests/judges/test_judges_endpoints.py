"""Named endpoints: what they resolve to, what they cost, and that their keys stay where they are."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict
from pathlib import Path

import pytest

from assay.roles.process import to_wire
from assay.settings import InvalidSetting, Settings, load
from evaluator.judges.choose import Judges
from evaluator.judges.endpoints import Endpoint, InvalidEndpoint, Price, endpoints_of
from evaluator.judges.port import JudgeRefused, JudgeTimeout, NoJudgeConfigured, Question
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import ScriptedJudge
from evaluator.judges.scripted_faults import hang, status

KEY = "very-secret-0123456789"


def test_an_endpoint_is_read_from_its_table(tmp_path: Path) -> None:
    """Every field, from the file and from the environment alike."""
    file = tmp_path / "assay.toml"
    file.write_text(
        'judge_model = "gateway:/local"\n[judges.local]\nmodel = "openai/llama"\nbase_url = "http://vllm:8000/v1"\n'
        'key = "env:VLLM_KEY"\nin_flight = 3\nrequests_per_minute = 90\ncall_seconds = 5\ncontext_tokens = 8192\n'
        'media = ["image/*"]\nprice = { input = 0.1, output = 0.4 }\n'
    )
    endpoint = Endpoint(
        name="local",
        model="openai/llama",
        base_url="http://vllm:8000/v1",
        key="env:VLLM_KEY",
        in_flight=3,
        requests_per_minute=90.0,
        call_seconds=5.0,
        context_tokens=8192,
        media=("image/*",),
        price=Price(input=0.1, output=0.4),
    )
    settings = load(environment={}, file=file)
    assert settings.judge_endpoints == (endpoint,)
    again = load(environment={"ASSAY_JUDGES": settings.judges}, file=Path("there-is-no-such-file"))
    assert again.judge_endpoints == (endpoint,)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"X": {"model": "m"}}, "[judges.X]: a name is 1 to 64"),
        ({"x": {}}, "[judges.x] model is required"),
        ({"x": {"model": "gateway:/x"}}, "[judges.x] model must be litellm's name"),
        ({"x": {"model": "m", "base_url": "vllm:8000"}}, "[judges.x] base_url must be http(s)"),
        ({"x": {"model": "m", "base_url": f"http://u:{KEY}@h/v1"}}, "[judges.x] base_url must be http(s)"),
        ({"x": {"model": "m", "key": KEY}}, "[judges.x] key must be env:VARIABLE or file:PATH, never the key itself"),
        ({"x": {"model": "m", "key": [KEY]}}, "[judges.x] key is of the wrong type: text is wanted"),
        ({"x": {"model": "m", "in_flight": 0}}, "[judges.x] in_flight must be above 0"),
        ({"x": {"model": "m", "in_flight": True}}, "[judges.x] in_flight is of the wrong type"),
        ({"x": {"model": "m", "call_seconds": "5"}}, "[judges.x] call_seconds is of the wrong type: a number"),
        ({"x": {"model": "m", "price": {"input": 1}}}, "[judges.x] price must be"),
        ({"x": {"model": "m", "price": {"input": -1, "output": 1}}}, "[judges.x] price: USD per million"),
        ({"x": {"model": "m", "colour": 1}}, "[judges.x] has unknown fields ['colour']"),
        ({"x": KEY}, "[judges.x] must be a table"),
        ([KEY], "must be {"),
    ],
)
def test_a_bad_endpoint_is_named_with_what_to_write_and_never_its_key(table: object, sentence: str) -> None:
    """Somebody who writes the key itself must not find it in a log."""
    with pytest.raises(InvalidEndpoint) as refused:
        endpoints_of(json.dumps(table))
    assert sentence in str(refused.value)
    with pytest.raises(InvalidSetting) as setting:
        Settings(judges=json.dumps(table))
    assert KEY not in f"{refused.value!r} {setting.value!r} {setting.value.__cause__!r}"


def test_a_model_of_the_settings_must_be_an_endpoint_that_is_there() -> None:
    """Told at the start, not with the first result."""
    with pytest.raises(InvalidSetting, match=r"ASSAY_JUDGE_SMALL_MODEL=gateway:/tiny names no endpoint"):
        Settings(judge_small_model="gateway:/tiny")
    with pytest.raises(InvalidSetting, match="ASSAY_JUDGES"):
        Settings(judges="{")


async def test_a_key_travels_in_its_header_only(
    judge: ScriptedJudge,
    question: Question,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From a variable or a file; in no answer, record, error, log or representation."""
    monkeypatch.setenv("VLLM_KEY", KEY)
    (tmp_path / "key").write_text(KEY + "\n")
    caplog.set_level(logging.DEBUG)
    for reference in ("env:VLLM_KEY", f"file:{tmp_path / 'key'}"):
        judge.requests.clear()
        endpoint = Endpoint(name="local", model="openai/llama", base_url=judge.base_url, key=reference)
        async with Judges(model="gateway:/local", endpoints=[endpoint]) as judges:
            answer = await judges.ask(question)
            judge.then(status(401, f"no such key: Bearer {KEY}"))
            with pytest.raises(JudgeRefused) as refused:
                await judges.ask(question)
            assert [each.headers["authorization"] for each in judge.requests] == [f"Bearer {KEY}"] * 2
            seen = f"{answer} {[asdict(call) for call in answer.calls]} {refused.value!r} {judges!r} {endpoint!r}"
        assert KEY not in seen + caplog.text
        assert answer.calls[0].provider == "local"


def test_no_representation_of_the_settings_shows_a_key() -> None:
    """They are logged at the start and sent to child processes over a pipe; only the pipe has them."""
    settings = Settings(judge_api_key=KEY, judges='{"x": {"model": "openai/m", "key": "env:K"}}')
    assert KEY not in repr(settings)
    assert KEY in to_wire(settings)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("env:ASSAY_NO_SUCH_KEY", "the environment variable ASSAY_NO_SUCH_KEY is not set"),
        ("file:/no/such/file", "/no/such/file cannot be read"),
    ],
)
async def test_a_key_that_is_not_there_is_told_before_anything_is_sent(
    judge: ScriptedJudge, question: Question, reference: str, sentence: str
) -> None:
    """The reference is named: it is no secret."""
    endpoint = Endpoint(name="local", model="openai/llama", base_url=judge.base_url, key=reference)
    async with Judges(model="gateway:/local", endpoints=[endpoint]) as judges:
        with pytest.raises(JudgeRefused, match=sentence):
            await judges.ask(question)
    assert not judge.requests


async def test_a_name_with_another_model_behind_it_is_another_judge() -> None:
    """So an answer that was kept under `gateway:/local` is not given for the model that came after."""
    seen = set()
    for model, address in (("openai/old", "http://a/v1"), ("openai/new", "http://a/v1"), ("openai/new", "http://b/v1")):
        endpoint = Endpoint(name="local", model=model, base_url=address)
        async with Judges(model="gateway:/local", endpoints=[endpoint]) as judges:
            assert judges.identity_of("") == judges.identity_of("gateway:/local")
            seen.add(judges.identity_of(""))
    assert len(seen) == 3


async def test_aliases_and_gateways_resolve_to_models(question: Question) -> None:
    """`@small` has a setting of its own, and falls back; an endpoint that is not there is told with those that are."""
    local = Endpoint(name="local", model="openai/llama", context_tokens=4096)
    async with Judges(model="openai/big", small_model="gateway:/local", endpoints=[local]) as judges:
        resolved = [judges.model_for(model) for model in ("", "@small", "anthropic/x", "gateway:/local")]
        assert resolved == ["openai/big", "gateway:/local", "anthropic/x", "gateway:/local"]
        assert (await judges.window_of("@small"), await judges.window_of("openai/no-such")) == (4096, None)
        assert await judges.window_of("openai/gpt-4o-mini") == 128_000
        with pytest.raises(NoJudgeConfigured, match=r"gateway:/other.*known: local"):
            await judges.ask(Question(system="s", user="u", schema=question.schema, model="gateway:/other"))
    async with Judges(model="openai/big") as judges:
        assert judges.model_for("@small") == "openai/big"


async def test_the_endpoints_own_price_comes_first(judge: ScriptedJudge, question: Question) -> None:
    """The model's name has a price in the map; what was agreed with this endpoint counts.  Failed calls cost, too."""
    endpoint = Endpoint(
        name="local", model="openai/gpt-4o-mini", base_url=judge.base_url, price=Price(input=100.0, output=1000.0)
    )
    async with Judges(model="gateway:/local", endpoints=[endpoint]) as judges:
        usage = (await judges.ask(question)).usage
        assert usage.cost_usd == pytest.approx(usage.input_tokens * 1e-4 + usage.output_tokens * 1e-3)
        assert await judges.cost_of("", input_tokens=1000, output_tokens=10) == pytest.approx(0.11)


def test_cached_input_costs_its_own_price() -> None:
    """600 of 1000 tokens were read from the provider's cache: 400 · 2 + 600 · 1 + 10 · 8 USD per million."""
    assert Price(input=2.0, output=8.0, cached=1.0).cost_usd(1000, 10, 600) == pytest.approx(1480 / 1e6)
    assert Price(input=2.0, output=8.0).cost_usd(1000, 10, 600) == pytest.approx(2080 / 1e6)


async def test_an_endpoints_limits_are_its_own(judge: ScriptedJudge, question: Question) -> None:
    """Seconds of a call, and places."""
    judge.always(hang())
    endpoint = Endpoint(name="local", model="openai/llama", base_url=judge.base_url, in_flight=1, call_seconds=0.1)
    once = Retries(max_tries=1)
    async with Judges(model="gateway:/local", endpoints=[endpoint], retries=once) as judges:
        results = await asyncio.gather(judges.ask(question), judges.ask(question), return_exceptions=True)
    assert [type(result) for result in results] == [JudgeTimeout, JudgeTimeout]
    assert judge.most_in_flight == 1
