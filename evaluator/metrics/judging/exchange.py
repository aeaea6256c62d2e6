"""The exchange with judges about one target, as an OTel trace: what was sent, what came, what it cost."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evaluator.judges.port import Answer, Call, Question, masked
from storage.model import Abstention, Evaluation, Failure, JudgeAnswer, JudgeTrace, Score, StoredSpan

_INPUT = "gen_ai.input.messages"
SERVICE, SCOPE = "assay", "assay.judges"
_REQUEST_PARAMETERS = (
    "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "seed", "frequency_penalty",
    "presence_penalty",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said to one judge.

    Attributes:
        question: As it was asked last; None where it was another's question that was waited for.
        calls: Every request, oldest first; none where the answer was kept from an earlier question.
        answer: The answer that was read; None where none came.
        cached: It was kept from an earlier question, or given to another who asked at the same moment.
    """

    question: Question | None = None
    calls: tuple[Call, ...] = ()
    answer: Answer | None = None
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """All of it, and the answers that may be given again."""

    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    start_ns: int = field(default_factory=time.time_ns)
    said: tuple[Said, ...] = ()
    answers: tuple[JudgeAnswer, ...] = ()

    def trace(self, evaluation: Evaluation) -> JudgeTrace:
        """As it is stored.  Names are those of OTel's GenAI conventions; our own begin with `assay.`."""
        root_id = secrets.token_hex(8)
        calls = list(_calls(self.said, self.trace_id, root_id))
        began = min([self.start_ns, *(call.start_ns for call in calls)])
        ended = max([began, *(call.start_ns + call.duration_ns for call in calls)])
        failed = isinstance(evaluation.outcome, Failure)
        root = StoredSpan(
            trace_id=self.trace_id,
            span_id=root_id,
            name=f"evaluate {evaluation.metric}",
            kind="Internal",
            service_name=SERVICE,
            scope_name=SCOPE,
            start_ns=began,
            duration_ns=ended - began,
            status_code="Error" if failed else "Unset",
            status_message=evaluation.outcome.message if isinstance(evaluation.outcome, Failure) else "",
            attributes=_of_evaluation(evaluation),
            resource_attributes={"service.name": SERVICE},
        )
        anchor, target = evaluation.anchor, evaluation.target
        return JudgeTrace(
            trace_id=self.trace_id,
            spans=(root, *calls),
            about=(anchor.trace_id, anchor.span_id) if anchor else (target.trace_id, target.span_id),
            session_id=target.session_id,
        )


def _of_evaluation(evaluation: Evaluation) -> dict[str, str]:
    attributes = {
        "gen_ai.evaluation.name": evaluation.metric,
        "assay.evaluation.id": str(evaluation.evaluation_id),
        "assay.metric.version": str(evaluation.metric_version),
        "assay.metric.digest": evaluation.metric_digest,
        "assay.target.level": str(evaluation.target.level),
        "assay.target.id": evaluation.target.key,
        "assay.status": str(evaluation.status),
        "assay.rule.id": evaluation.rule,
        "assay.run.id": evaluation.run,
    }
    match evaluation.outcome:
        case Score() as score:
            attributes |= {
                "gen_ai.evaluation.score.value": "" if score.value is None else repr(score.value),
                "gen_ai.evaluation.score.label": score.label or ", ".join(score.labels),
                "gen_ai.evaluation.explanation": score.explanation,
            }
        case Abstention(reason=reason):
            attributes["gen_ai.evaluation.explanation"] = reason
        case Failure(code=code):
            attributes["error.type"] = code
    return {key: text for key, text in attributes.items() if text}


def _calls(said: Sequence[Said], trace_id: str, parent: str) -> Iterator[StoredSpan]:
    """One span for each call, in order; messages that stand at an earlier one are not repeated."""
    for one in said:
        shown: dict[str, str] = {}
        if not one.calls and one.answer is not None and one.question is not None:
            attributes = _kept(one.question, one.answer)
            yield _span(trace_id, parent, f"chat {one.answer.model}", time.time_ns(), 0, attributes)
        answered = max((number for number, call in enumerate(one.calls) if not call.error), default=None)
        for number, call in enumerate(one.calls):
            attributes = _of_call(call, number + 1)
            if one.answer is not None and number == answered:
                attributes["gen_ai.response.model"] = one.answer.model
                attributes["gen_ai.output.messages"] = _message("assistant", one.answer.text)
            else:
                attributes["assay.judge.response"] = masked(call.response)
            asked = _asked(call.messages)
            earlier = shown.get(asked[_INPUT])
            attributes |= asked if earlier is None else {"assay.judge.same_messages_as": earlier}
            span = _span(trace_id, parent, f"chat {call.model}", call.start_time_ns, call.usage.latency_ms, attributes)
            shown.setdefault(asked[_INPUT], span.span_id)
            yield span


def _of_call(call: Call, attempt: int) -> dict[str, str]:
    host, _, port = call.address.rpartition(":")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.model,
        "gen_ai.output.type": "json",
        "server.address": host or call.address,
        "server.port": port if host else "",
        "assay.judge.attempt": str(attempt),
        "assay.judge.mode": str(call.mode),
        "assay.judge.cost_usd": "" if call.usage.cost_usd is None else repr(call.usage.cost_usd),
        "http.response.status_code": str(call.status or ""),
        "error.type": call.error,
    }
    for name in _REQUEST_PARAMETERS:
        if name in call.request:
            attributes[f"gen_ai.request.{name}"] = str(call.request[name])
    if not call.error:
        attributes["gen_ai.usage.input_tokens"] = str(call.usage.input_tokens)
        attributes["gen_ai.usage.output_tokens"] = str(call.usage.output_tokens)
    return attributes


def _kept(question: Question, answer: Answer) -> dict[str, str]:
    messages = [{"role": "system", "content": question.system}, {"role": "user", "content": question.user}]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": answer.model,
        "gen_ai.output.messages": _message("assistant", answer.text),
        "assay.judge.cached": "true",
        **_asked(messages),
    }


def _span(
    trace_id: str, parent: str, name: str, start_ns: int, milliseconds: int, attributes: Mapping[str, str]
) -> StoredSpan:
    return StoredSpan(
        trace_id=trace_id,
        span_id=secrets.token_hex(8),
        parent_span_id=parent,
        name=name,
        kind="Client",
        service_name=SERVICE,
        scope_name=SCOPE,
        start_ns=start_ns,
        duration_ns=milliseconds * 1_000_000,
        status_code="Error" if attributes.get("error.type") else "Unset",
        attributes={key: text for key, text in attributes.items() if text},
        resource_attributes={"service.name": SERVICE},
    )


def _asked(messages: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """Messages of the OpenAI wire as the conventions write them; bytes of images are not kept."""
    system = [part for message in messages if message.get("role") == "system" for part in _parts(message)]
    others = [
        {"role": message.get("role"), "parts": _parts(message)}
        for message in messages
        if message.get("role") != "system"
    ]
    return {
        "gen_ai.system_instructions": json.dumps(system, ensure_ascii=False),
        _INPUT: json.dumps(others, ensure_ascii=False),
    }


def _parts(message: Mapping[str, object]) -> list[dict[str, object]]:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    return [
        {"type": "text", "content": part.get("text")}
        if part.get("type") == "text"
        else {"type": part.get("type"), "content": "(not kept)"}
        for part in parts
        if isinstance(part, dict)
    ]


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)
