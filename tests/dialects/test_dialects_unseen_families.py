"""Captures of instrumentations that are none of the families with ground truth: what each of them comes to.

`expected.yaml` holds whole records, reviewed beside the attributes of the capture; the README names the sources.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluator.targets.normalise import normalise_trace
from evaluator.targets.record import SpanRecord, TraceRecord
from storage.otlp.stored import stored_logs, stored_spans

UNSEEN = Path(__file__).parent.parent / "fixtures" / "unseen"
FAMILIES = sorted(path.parent.name for path in UNSEEN.glob("*/expected.yaml"))
NOT_COMPARED = frozenset({
    "trace_id", "span_id", "parent_span_id", "start_ns", "duration_ns", "service_name", "scope", "response_id", "tools",
    "root_span", "n_spans", "spans", "notes",
})  # fmt: skip
LONGEST = 120
"""Characters after which a text is compared by its beginning and its length."""


def test_every_unseen_capture_has_its_expectations() -> None:
    """A folder without its expectations would pass for success."""
    assert sorted(path.parent.name for path in UNSEEN.glob("*/run.pb.gz")) == FAMILIES
    assert len(FAMILIES) >= 30


@pytest.mark.parametrize("family", FAMILIES)
def test_an_unseen_family_is_read_as_it_was_reviewed(family: str) -> None:
    """Whole records, so that anything invented fails like anything missing."""
    expected = yaml.load((UNSEEN / family / "expected.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    assert [shown(trace) for trace in traces_of(family)] == expected


ODD = {
    "otel-google-genai": "one span for a run of several calls", "openinference-several": "one span for several calls",
    "otel-google-genai-events": "one span for several calls", "openllmetry-gemini-groq": "one span for several calls",
    "otel-botocore-bedrock": "Anthropic's own count, without cached tokens", "openllmetry-several": "Anthropic's count",
    "openinference-smolagents": "messages that the SDK joined before it sent them",
    "mastra": "one span for several calls",
}  # fmt: skip
"""Families in which the counts of one call do not fit what was said, each with its reason."""


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokens_of_a_call_fit_the_messages_that_were_read(family: str) -> None:
    """The scripted model counted 10 for each message and 2 more, and the words of its answer and 3 more.

    A message that was lost, doubled or made up shows here, whoever wrote the expectations.
    """
    off = [
        (record.name, dict(record.usage), said)
        for record in model_calls(family)
        if (said := counts_of(record)) and not fits(record, said)
    ]
    assert len(off) == (family in ODD), off


def model_calls(family: str) -> Iterator[SpanRecord]:
    """Model calls that carry content and tokens."""
    for trace in traces_of(family):
        for record in trace.spans:
            told = record.usage and record.input_messages and record.output_messages
            if record.kind == "llm" and record.duplicate_of is None and told:
                yield record


def counts_of(record: SpanRecord) -> tuple[int, int, int]:
    """Messages, messages with the system prompt, and words of the answer (2 for calls of tools)."""
    messages = len(record.input_messages)
    words = 2 if record.output_tool_calls else len((record.output_text or "").split())
    return messages, messages + bool(record.system_prompt), words


def fits(record: SpanRecord, counts: tuple[int, int, int]) -> bool:
    """Whether the tokens are those that the scripted model counted."""
    without, with_system, words = counts
    given = record.usage.get("input_tokens")
    return given in (10 * without + 2, 10 * with_system + 2) and record.usage.get("output_tokens") == words + 3


def traces_of(family: str) -> list[TraceRecord]:
    """The traces of a capture, in order of their start."""
    folder = UNSEEN / family
    logs = folder / "run.logs.pb.gz"
    records = stored_logs(gzip.decompress(logs.read_bytes())) if logs.exists() else []
    by_trace: dict[str, list[Any]] = {}
    for span in stored_spans(gzip.decompress((folder / "run.pb.gz").read_bytes())):
        by_trace.setdefault(span.trace_id, []).append(span)
    return sorted((normalise_trace(spans, records) for spans in by_trace.values()), key=lambda trace: trace.start_ns)


def shown(trace: TraceRecord) -> dict[str, Any]:
    """A trace as its expectations name it: without ids and times, spans that are one call by name."""
    names = {span.span_id: span.name for span in trace.spans}
    spans = [_named(_kept(span.to_dict()), names) for span in trace.spans]
    return {**_kept(trace.to_dict()), "spans": spans}


def _kept(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _cut(value) for name, value in record.items() if name not in NOT_COMPARED and value != "unset"}


def _named(span: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {**span, "duplicate_of": names[span["duplicate_of"]]} if "duplicate_of" in span else span


def _cut(value: Any) -> Any:
    match value:
        case str() if len(value) > LONGEST:
            return f"{value[:LONGEST]}… {len(value)}"
        case dict():
            return {name: _cut(item) for name, item in value.items()}
        case list():
            return [_cut(item) for item in value]
        case _:
            return value
