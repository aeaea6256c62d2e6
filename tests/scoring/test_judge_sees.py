"""What arrives at a judge, captured on the wire: what the template names, after redaction, and nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scoring_parts import Scoring, otlp, scoring
from storing import SentSpan, a_chat, store, store_log

from evaluator.judges import fence
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.request import EvaluationRequest, InlineTarget, MetricRef, Target
from storage.clickhouse.client import Database
from storage.clickhouse.judge_traces import ClickHouseJudgeTraces
from storage.model import Abstention, Evaluation, Level, MetricKind, OutputType, Score
from storage.redaction.load import text_redactor

METRIC = MetricDefinition(
    name="m",
    kind=MetricKind.JUDGE,
    levels=(Level.SPAN, Level.TRACE),
    output_type=OutputType.BOOLEAN,
    prompt="By these rules:\n{{rules}}\nis this fine? {{output}}",
    arguments={"rules": ["Be {{kind}}.", "Be short."]},
)


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[Scoring]:
    """Everything, on the module's database."""
    async with scoring(database) as ready:
        yield ready


@pytest.fixture
async def redacting(database: Database, tmp_path: Path) -> AsyncIterator[Scoring]:
    """The same, with the standard rules."""
    async with scoring(database, redact=text_redactor("standard", tmp_path)) as ready:
        yield ready


async def judged(parts: Scoring, target: Target, metric: MetricDefinition = METRIC, **other: Any) -> Evaluation:
    """The result of a metric of the test's own, which is a score."""
    answer = await concluded(parts, target, metric, **other)
    assert isinstance(answer.outcome, Score)
    return answer


async def concluded(parts: Scoring, target: Target, metric: MetricDefinition = METRIC, **other: Any) -> Evaluation:
    """The result of a metric of the test's own."""
    name = f"m{uuid.uuid4().hex[:12]}"
    await parts.metrics.create(replace(metric, name=name))
    request = EvaluationRequest(targets=(target,), metrics=(MetricRef(name=name),), origin=uuid.uuid4().hex, **other)
    (answer,) = await parts.engine.evaluate(request)
    assert isinstance(answer, Evaluation)
    return answer


async def test_nothing_arrives_but_what_the_template_names(parts: Scoring) -> None:
    """A span with attributes of every sort, a log, a parent and a neighbour: of all of it only the output."""
    others = {
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "marker-1"}]),
        "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "marker-2"}]),
        "session.id": "marker-3",
        "user.id": "marker-4",
        "acme.secret": "marker-5",
        "gen_ai.request.model": "marker-6",
        "exception.message": "marker-7",
    }
    parent = SentSpan(name="marker-8", attributes={"input.value": "marker-9"})
    chat = a_chat(
        "marker-10", "Fine, thanks.", trace_id=parent.trace_id, parent=parent.span_id, service="marker-11",
        name="marker-12", attributes=others,
    )  # fmt: skip
    neighbour = SentSpan(
        trace_id=parent.trace_id,
        parent=parent.span_id,
        attributes={"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.content": "marker-13"},
    )
    await store(parts.database, parent, chat, neighbour)
    await store_log(parts.database, chat, event="marker-14")
    result = await judged(parts, chat.ref)
    (asked,) = parts.judge.requests
    assert fence.contents(asked.prompt) == {"output": "Fine, thanks."}
    wire = json.dumps(asked.body) + json.dumps(dict(asked.headers))
    assert "marker" not in wire
    assert [each for each in (chat.trace_id, chat.span_id, result.metric, "acme") if each in wire] == []
    assert json.loads(result.metadata["input_characters"]) == {"output": 13}


async def test_arguments_are_the_authors_text_and_no_data(parts: Scoring) -> None:
    """Not fenced, not read as a template once more."""
    chat = a_chat(answer="Fine.")
    await store(parts.database, chat)
    await judged(parts, chat.ref)
    assert parts.judge.requests[0].prompt.startswith(
        "By these rules:\n- Be {{kind}}.\n- Be short.\nis this fine? <data-"
    )


async def test_secrets_and_personal_data_do_not_reach_the_judge(redacting: Scoring) -> None:
    """Of rows that came past the receiver, too; the exchange has what was sent, the result how much was hidden."""
    chat = a_chat(answer='Write to jane@example.com, {"password": "hunter2"}, card 4111 1111 1111 1111.')
    await store(redacting.database, chat)
    result = await judged(redacting, chat.ref)
    (asked,) = redacting.judge.requests
    shown = fence.contents(asked.prompt)["output"]
    assert shown.startswith("Write to [email:")
    assert shown.endswith('], {"password": "[credentials]"}, card [card].')
    assert json.loads(result.metadata["redacted"]) == {"card": 1, "credentials": 1, "email": 1}
    exchange = await ClickHouseJudgeTraces(redacting.database).get(result.judge_trace_id)
    kept = json.dumps([dict(span.attributes) for span in exchange])
    assert [each for each in ("jane@", "hunter2", "4111") if each in json.dumps(asked.body) + kept] == []


async def test_an_inline_target_is_redacted_as_well(redacting: Scoring) -> None:
    """It never saw the receiver."""
    chat = a_chat(answer="Write to jane@example.com.")
    await judged(redacting, InlineTarget(ref=chat.ref, otlp=otlp(chat)))
    assert "jane@" not in json.dumps(redacting.judge.requests[0].body)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"type": "blob", "mime_type": "image/png", "content": "iVBORw0KGgo="}, "unsupported media"),
        ({"type": "file", "mime_type": "application/pdf", "file_id": "f-1"}, "media not captured"),
    ],
)
async def test_a_stored_picture_that_the_judge_cannot_see_is_not_applicable(
    parts: Scoring, part: dict[str, str], reason: str
) -> None:
    """From the span's own messages; a metric that is about the answer alone is judged."""
    asked = [{"role": "user", "parts": [{"type": "text", "content": "What is it?"}, part]}]
    chat = a_chat(attributes={"gen_ai.input.messages": json.dumps(asked)})
    await store(parts.database, chat)
    blind = await concluded(parts, chat.ref, replace(METRIC, prompt="{{input}} {{output}}", arguments={}))
    assert (blind.outcome, len(parts.judge.requests)) == (Abstention(reason=reason), 0)
    assert isinstance((await concluded(parts, chat.ref)).outcome, Score)


async def test_what_was_hidden_before_it_was_stored_is_the_same_content(redacting: Scoring) -> None:
    """It is hidden once, counted no second time, and a stored result of it is used again."""
    raw = a_chat(answer='{"password": "hunter2"}')
    stored = a_chat(answer='{"password": "[credentials]"}')
    await store(redacting.database, raw, stored)
    first, second = await judged(redacting, raw.ref), await judged(redacting, stored.ref)
    assert first.input_digest == second.input_digest
    assert ("redacted" in first.metadata, "redacted" in second.metadata) == (True, False)
    request = EvaluationRequest(
        targets=(raw.ref,), metrics=(MetricRef(name=first.metric),), origin=uuid.uuid4().hex, reuse=True
    )
    (again,) = await redacting.engine.evaluate(request)
    assert isinstance(again, Evaluation)
    assert (again.evaluation_id, len(redacting.judge.requests)) == (first.evaluation_id, 2)
