"""What was said to a judge is kept beside the result, for whoever asks why; and answers for whoever asks the same."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from scoring_parts import Scoring, otlp, scoring
from storing import SentSpan, a_chat, store

from evaluator.judges.scripted_faults import says, status, verdict
from evaluator.metrics.check import check
from evaluator.metrics.definition import Jury, MetricDefinition
from evaluator.scoring.request import EvaluationRequest, InlineTarget, MetricRef, Target
from storage.clickhouse.client import Database
from storage.clickhouse.erase import ClickHouseErasure
from storage.clickhouse.judge_traces import ClickHouseJudgeAnswers, ClickHouseJudgeTraces
from storage.erasure import Root
from storage.errors import Rejected
from storage.model import (
    Evaluation,
    Failure,
    JudgeAnswer,
    JudgeTrace,
    Level,
    MetricKind,
    OutputType,
    Score,
    StoredSpan,
    TargetRef,
)

TONE = MetricDefinition(
    name="tone",
    kind=MetricKind.JUDGE,
    levels=(Level.SPAN, Level.TRACE, Level.SESSION),
    output_type=OutputType.CATEGORICAL,
    prompt="Judge {{output}}",
    labels={"kind": 1.0, "rude": 0.0},
    parameters={"temperature": 0.5},
)


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[Scoring]:
    """Everything, on the module's database; every answer is asked for."""
    async with scoring(database) as ready:
        yield ready


@pytest.fixture
async def cached(database: Database) -> AsyncIterator[Scoring]:
    """The same, with the cache."""
    async with scoring(database, cached=True) as ready:
        yield ready


async def judged(parts: Scoring, *targets: Target, metric: MetricDefinition = TONE, **other: Any) -> list[Evaluation]:
    """Results of a metric of the test's own."""
    name = f"m{uuid.uuid4().hex[:12]}"
    await parts.metrics.create(replace(metric, name=name, display_name=""))
    return await again(parts, *targets, name=name, **other)


async def again(parts: Scoring, *targets: Target, name: str, **other: Any) -> list[Evaluation]:
    """Results of a metric that is there."""
    request = EvaluationRequest(targets=targets, metrics=(MetricRef(name=name),), origin=uuid.uuid4().hex, **other)
    answers = await parts.engine.evaluate(request)
    return [answer for answer in answers if isinstance(answer, Evaluation)]


async def exchange(parts: Scoring, result: Evaluation) -> list[StoredSpan]:
    """What is kept of it, as the store returns it."""
    return await ClickHouseJudgeTraces(parts.database).get(result.judge_trace_id)


def said(span: StoredSpan, what: str) -> str:
    """The text of the one message of a call."""
    parts = json.loads(span.attributes[f"gen_ai.{what}.messages"])[0]["parts"]
    return str(parts[0]["content"])


# ---------------------------------------------------------------------------------------------------------------------
# Exchanges
# ---------------------------------------------------------------------------------------------------------------------


async def test_a_result_is_linked_with_the_exchange_that_led_to_it(parts: Scoring) -> None:
    """One span for the evaluation, one for the call; what was sent is what arrived at the judge, letter by letter."""
    chat = a_chat(answer="Get lost, \u202e👩‍👩‍👧.")
    await store(parts.database, chat)
    parts.judge.then(verdict("rude", "it is"))
    (result,) = await judged(parts, chat.ref)
    root, call = await exchange(parts, result)
    assert root.attributes == {
        "gen_ai.evaluation.name": result.metric,
        "gen_ai.evaluation.score.value": "0.0",
        "gen_ai.evaluation.score.label": "rude",
        "gen_ai.evaluation.explanation": "it is",
        "assay.evaluation.id": str(result.evaluation_id),
        "assay.metric.version": "1",
        "assay.metric.digest": result.metric_digest,
        "assay.target.level": "span",
        "assay.target.id": chat.ref.key,
        "assay.status": "success",
    }
    assert (root.name, root.kind, root.service_name) == (f"evaluate {result.metric}", "Internal", "assay")
    assert (call.name, call.kind, call.parent_span_id) == ("chat scripted", "Client", root.span_id)
    assert root.start_ns <= call.start_ns <= call.start_ns + call.duration_ns <= root.start_ns + root.duration_ns
    messages = parts.judge.requests[0].body["messages"]
    assert said(call, "input") == messages[1]["content"]
    assert json.loads(call.attributes["gen_ai.system_instructions"])[0]["content"] == messages[0]["content"]
    assert json.loads(said(call, "output")) == {"rationale": "it is", "verdict": "rude"}
    wanted = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "scripted",
        "gen_ai.request.temperature": "0.5",
        "gen_ai.usage.input_tokens": str(result.usage.input_tokens),
        "gen_ai.usage.output_tokens": str(result.usage.output_tokens),
        "server.address": "127.0.0.1",
        "assay.judge.attempt": "1",
        "http.response.status_code": "200",
    }
    assert {key: call.attributes.get(key) for key in wanted} == wanted
    links = await parts.database.query(
        "SELECT Links.TraceId AS traces, Links.SpanId AS spans FROM judge_traces WHERE TraceId = {id:String}",
        {"id": result.judge_trace_id},
    )
    assert links == [{"traces": [chat.trace_id], "spans": [chat.span_id]}] * 2


async def test_every_try_is_kept_with_its_error_and_equal_messages_once(parts: Scoring) -> None:
    """A 500, prose, and the answer to the complaint about it: three calls."""
    chat = a_chat()
    await store(parts.database, chat)
    parts.judge.then(status(500, "out of order"), says("It is rude."), verdict("rude", "sorry"))
    (result,) = await judged(parts, chat.ref)
    assert isinstance(result.outcome, Score)
    assert result.usage.attempts == 3
    _, broken, prose, repaired = await exchange(parts, result)
    assert (broken.attributes["error.type"], broken.status_code) == ("JUDGE_UNAVAILABLE", "Error")
    assert "out of order" in broken.attributes["assay.judge.response"]
    assert prose.attributes["assay.judge.same_messages_as"] == broken.span_id
    assert "It is rude." in prose.attributes["assay.judge.response"]
    assert json.loads(said(repaired, "output"))["verdict"] == "rude"
    assert [span.attributes["assay.judge.attempt"] for span in (broken, prose, repaired)] == ["1", "2", "3"]


async def test_a_failure_keeps_the_whole_raw_answer_in_its_exchange(parts: Scoring) -> None:
    """The message of the failure is cut, for people; this is not."""
    chat, raw = a_chat(), "Well. " + "x" * 50_000
    await store(parts.database, chat)
    parts.judge.always(says(raw))
    (result,) = await judged(parts, chat.ref)
    assert isinstance(result.outcome, Failure)
    assert len(result.outcome.message) < 1_000
    root, *calls = await exchange(parts, result)
    assert (root.attributes["error.type"], root.status_code) == ("JUDGE_BAD_ANSWER", "Error")
    assert said(calls[-1], "output") == raw


async def test_a_jury_is_one_exchange(parts: Scoring) -> None:
    """A call for each vote below one evaluation."""
    chat = a_chat()
    await store(parts.database, chat)
    metric = replace(TONE, jury=Jury(models=("openai/a", "openai/b", "openai/c")))
    (result,) = await judged(parts, chat.ref, metric=metric)
    root, *calls = await exchange(parts, result)
    assert sorted(call.name for call in calls) == ["chat a", "chat b", "chat c"]
    assert {call.parent_span_id for call in calls} == {root.span_id}


async def test_what_no_judge_was_asked_about_has_no_exchange(parts: Scoring) -> None:
    """A missing input, and a metric that is code."""
    empty, chat = SentSpan(attributes={"gen_ai.operation.name": "chat"}), a_chat()
    await store(parts.database, empty, chat)
    results = [*await judged(parts, empty.ref), *await again(parts, chat.ref, name="response_length")]
    assert [each.judge_trace_id for each in results] == ["", ""]


@pytest.mark.parametrize("inline", [True, False])
async def test_what_is_not_stored_leaves_no_exchange_and_no_answer(cached: Scoring, inline: bool) -> None:
    """An inline target, and a request that says so; not even a link."""
    chat, before = a_chat(answer=f"Go away, {uuid.uuid4().hex}."), await kept_rows(cached)
    if not inline:
        await store(cached.database, chat)
    target = InlineTarget(ref=chat.ref, otlp=otlp(chat)) if inline else chat.ref
    (result,) = await judged(cached, target, store=inline)
    assert isinstance(result.outcome, Score)
    assert result.judge_trace_id == ""
    assert await kept_rows(cached) == before


async def test_trouble_with_keeping_exchanges_fails_no_score(database: Database) -> None:
    """It is counted, and the result is stored."""

    class Refuses:
        async def append(self, traces: Sequence[JudgeTrace]) -> None:
            raise Rejected("no room")

        async def get(self, trace_id: str) -> list[StoredSpan]:
            return []

    async with scoring(database, traces=Refuses()) as parts:
        chat = a_chat()
        await store(database, chat)
        (result,) = await judged(parts, chat.ref)
        assert isinstance(result.outcome, Score)
        assert (await parts.results.get(result.evaluation_id)).outcome == result.outcome
        assert dict(parts.exchanges.count) == {"lost": 1}


async def test_the_query_on_the_page_of_judging_shows_the_exchange_of_a_result(parts: Scoring) -> None:
    """With the id of a result in it."""
    chat = a_chat()
    await store(parts.database, chat)
    parts.judge.then(status(500), verdict("rude", "it is"))
    (result,) = await judged(parts, chat.ref)
    page = (Path(__file__).parents[2] / "docs" / "judging.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"```sql\n(.*?);\n```", page, re.DOTALL)
    rows = await parts.database.query(query.replace("0" * 8 + "-0000-0000-0000-" + "0" * 12, str(result.evaluation_id)))
    assert [(row["SpanName"], row["error"]) for row in rows] == [
        (f"evaluate {result.metric}", ""),
        ("chat scripted", "JUDGE_UNAVAILABLE"),
        ("chat scripted", ""),
    ]
    assert ("Paris." in rows[1]["asked"], '\\"verdict\\": \\"rude\\"' in rows[2]["answered"]) == (True, True)


async def test_the_metric_on_the_page_of_judging_is_accepted() -> None:
    """In ten lines, the prompt among them."""
    page = (Path(__file__).parents[2] / "docs" / "judging.md").read_text(encoding="utf-8")
    written = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    check(MetricDefinition.from_body(yaml.safe_load(written)))
    assert len(written.splitlines()) == 10


async def test_a_key_that_a_provider_repeats_is_not_kept(parts: Scoring) -> None:
    """Some say which key they refuse."""
    chat = a_chat()
    await store(parts.database, chat)
    parts.judge.always(status(401, "Incorrect API key provided: sk-proj-abcdef123456"))
    (result,) = await judged(parts, chat.ref)
    kept = json.dumps([dict(span.attributes) for span in await exchange(parts, result)])
    assert ("Incorrect API key" in kept, "abcdef123456" in kept) == (True, False)


# ---------------------------------------------------------------------------------------------------------------------
# Kept answers
# ---------------------------------------------------------------------------------------------------------------------


async def kept_rows(parts: Scoring) -> tuple[int, int]:
    """Rows of exchanges and of answers."""
    rows = await parts.database.query(
        "SELECT (SELECT count() FROM judge_traces) AS t, (SELECT count() FROM judge_cache) AS a"
    )
    return int(rows[0]["t"]), int(rows[0]["a"])


async def test_an_equal_question_costs_nothing(cached: Scoring) -> None:
    """On another target with the same content: same verdict, no request, no tokens, and the result says so."""
    text = f"Go away, {uuid.uuid4().hex}."
    first, second, other = a_chat(answer=text), a_chat(answer=text), a_chat(answer="Hello.")
    await store(cached.database, first, second, other)
    cached.judge.then(verdict("rude", "it is"))
    (paid,) = await judged(cached, first.ref)
    (free,) = await again(cached, second.ref, name=paid.metric)
    assert len(cached.judge.requests) == 1
    assert (free.outcome, free.judge_model, free.metadata.get("cached")) == (paid.outcome, "scripted", "true")
    assert (free.usage.input_tokens, free.usage.cost_usd, free.usage.attempts) == (0, None, 0)
    assert "cached" not in paid.metadata
    root, call = await exchange(cached, free)
    assert (call.attributes["assay.judge.cached"], said(call, "input")) == (
        "true",
        cached.judge.requests[0].body["messages"][1]["content"],
    )
    assert json.loads(said(call, "output"))["verdict"] == "rude"
    assert root.attributes["assay.target.id"] == second.ref.key
    await again(cached, other.ref, name=paid.metric)
    await again(cached, second.ref, name=paid.metric, trial=1)
    assert len(cached.judge.requests) == 3


async def test_equal_questions_at_the_same_moment_are_asked_once(cached: Scoring) -> None:
    """Twenty targets with the same content in one call."""
    text = f"Go away, {uuid.uuid4().hex}."
    chats = [a_chat(answer=text) for _ in range(20)]
    await store(cached.database, *chats)
    results = await judged(cached, *(chat.ref for chat in chats))
    assert len(cached.judge.requests) == 1
    assert {result.outcome for result in results} == {results[0].outcome}
    assert sorted(result.metadata.get("cached", "") for result in results) == [""] + ["true"] * 19
    assert sum(result.usage.attempts for result in results) == 1


async def test_a_failure_is_never_kept(cached: Scoring) -> None:
    """Nor is an answer that was no verdict: the next one asks again."""
    chat = a_chat(answer=f"Go away, {uuid.uuid4().hex}.")
    await store(cached.database, chat)
    cached.judge.then(says("prose"), says("prose"))
    (failed,) = await judged(cached, chat.ref)
    (better,) = await again(cached, chat.ref, name=failed.metric)
    assert [type(each.outcome) for each in (failed, better)] == [Failure, Score]


async def test_another_model_or_parameter_is_another_question(cached: Scoring) -> None:
    """Whatever could change the answer is in the key."""
    chat = a_chat(answer=f"Go away, {uuid.uuid4().hex}.")
    await store(cached.database, chat)
    for metric in (TONE, replace(TONE, model="openai/other"), replace(TONE, parameters={"temperature": 0.9})):
        await judged(cached, chat.ref, metric=metric)
    assert len(cached.judge.requests) == 3
    await judged(cached, chat.ref)
    assert len(cached.judge.requests) == 3


# ---------------------------------------------------------------------------------------------------------------------
# Forgetting
# ---------------------------------------------------------------------------------------------------------------------


async def test_erasing_a_trace_forgets_what_was_said_about_it_and_its_session(fresh_database: Database) -> None:
    """Exchanges and kept answers about the span, the trace and the session; those about others stay."""
    session = TargetRef(level=Level.SESSION, session_id="s-1")
    gone = a_chat(answer="my secret is 4711", attributes={"session.id": "s-1"})
    stays = a_chat(answer="harmless", attributes={"session.id": "s-1"})
    async with scoring(fresh_database, cached=True) as parts:
        await store(fresh_database, stays, gone)
        metric = replace(TONE, prompt="Judge {{messages}} {{output}}")
        results = await judged(parts, gone.ref, gone.trace, session, stays.ref, metric=metric)
    assert all(isinstance(result.outcome, Score) for result in results)
    secret = await mentions(fresh_database, "my secret is 4711")
    assert secret["judge_traces"] == 3
    erased = await ClickHouseErasure(fresh_database, key=b"k" * 32, embedded=False).erase(
        Root(kind="trace", id=gone.trace_id)
    )
    assert erased.complete
    assert (erased.found.rows["judge_traces"], erased.found.rows["judge_cache"]) == (6, 3)
    for word in ("my secret is 4711", gone.trace_id, gone.span_id):
        assert await mentions(fresh_database, word) == {}
    traces = ClickHouseJudgeTraces(fresh_database)
    left = [len(await traces.get(result.judge_trace_id)) for result in results]
    assert left == [0, 0, 0, 2]


async def mentions(database: Database, word: str) -> dict[str, int]:
    """Rows in which a word stands, by table."""
    found: dict[str, int] = {}
    for table in ("judge_traces", "judge_cache", "evaluations", "otel_traces"):
        rows = await database.query(
            f"SELECT count() AS n FROM {table} WHERE position(toJSONString(tuple(*)), {{word:String}}) > 0",
            {"word": word},
        )
        if rows[0]["n"]:
            found[table] = int(rows[0]["n"])
    return found


async def test_answers_are_found_by_their_keys_and_any_of_two_serves(database: Database) -> None:
    """More keys than one query takes; half a surrogate pair does no harm."""
    answers = ClickHouseJudgeAnswers(database)
    keys = [uuid.uuid4().bytes + uuid.uuid4().bytes for _ in range(1_500)]
    await answers.keep(
        [JudgeAnswer(key=keys[0], response="one \ud800", trace_id="t"), JudgeAnswer(key=keys[1], response="b")]
    )
    await answers.keep([JudgeAnswer(key=keys[1], response="b", session_id="s")])
    found = await answers.find(keys)
    assert {key: each.response for key, each in found.items()} == {keys[0]: "one ?", keys[1]: "b"}
    assert found[keys[0]].trace_id == "t"
