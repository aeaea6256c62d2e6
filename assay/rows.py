"""Rows of data as targets: what an application was asked, what it answered, what was expected."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from evaluator.scoring.request import InlineTarget
from storage.model import Level, TargetRef

FIELDS = frozenset({"inputs", "outputs", "expectations", "context", "metadata"})
_START_NS = 1_700_000_000_000_000_000
"""Rows have no time; that the retrieval came before the answer is what matters."""


def row_target(row: Mapping[str, Any], level: Level) -> InlineTarget:
    """A row as one LLM span, with a retriever span before it where the row has a `context`.

    Args:
        row: `inputs` (text, a mapping, or `{"messages": [{"role", "content"}]}`), `outputs`, `expectations`, `context`
            (texts of documents), `metadata`.  A mapping of one entry counts as that entry; others become JSON.

    Raises:
        ValueError: A field is unknown, or there is neither inputs nor outputs.
    """
    if unknown := set(row) - FIELDS:
        raise ValueError(f"a row has no {sorted(unknown)}; known are {sorted(FIELDS)}")
    if row.get("inputs") is None and row.get("outputs") is None:
        raise ValueError("a row needs inputs or outputs")
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    trace_id = secrets.token_bytes(16)
    answer = spans.add(
        trace_id=trace_id, span_id=secrets.token_bytes(8), name="row", start_time_unix_nano=_START_NS + 1_000_000,
        end_time_unix_nano=_START_NS + 2_000_000,
    )  # fmt: skip
    _say(answer, "gen_ai.operation.name", "chat")
    if row.get("inputs") is not None:
        _say(answer, "gen_ai.input.messages", json.dumps(_messages(row["inputs"], "user")))
    if row.get("outputs") is not None:
        _say(answer, "gen_ai.output.messages", json.dumps(_messages(row["outputs"], "assistant")))
    if row.get("expectations") is not None:
        _say(answer, "expected_output", _text(row["expectations"]))
    if row.get("metadata"):
        _say(answer, "metadata", json.dumps(row["metadata"], default=str))
    if row.get("context"):
        _add_retrieval(spans, answer, row["context"])
    scored = TargetRef(
        level=level, trace_id=trace_id.hex(), span_id=answer.span_id.hex() if level is Level.SPAN else ""
    )
    return InlineTarget(ref=scored, otlp=request.SerializeToString())


def _add_retrieval(spans: Any, answer: Span, context: Any) -> None:
    documents = [context] if isinstance(context, (str, Mapping)) else list(context)
    retrieval = spans.add(
        trace_id=answer.trace_id, span_id=secrets.token_bytes(8), parent_span_id=answer.span_id, name="context",
        start_time_unix_nano=_START_NS, end_time_unix_nano=_START_NS + 500_000,
    )  # fmt: skip
    _say(retrieval, "openinference.span.kind", "RETRIEVER")
    for number, document in enumerate(documents):
        _say(retrieval, f"retrieval.documents.{number}.document.content", _text(document))


def _say(span: Span, key: str, text: str) -> None:
    span.attributes.add(key=key).value.string_value = text


def _messages(value: Any, role: str) -> list[dict[str, Any]]:
    given = value.get("messages") if isinstance(value, Mapping) else None
    if isinstance(given, Sequence) and not isinstance(given, str):
        return [_message(str(each.get("role", role)), each.get("content", "")) for each in given]
    return [_message(role, value)]


def _message(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": _text(content)}]}


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and len(value) == 1:
        (value,) = value.values()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
