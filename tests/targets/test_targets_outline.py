"""The outline of a trace says what its records say, for a fraction of the work."""

from __future__ import annotations

from pathlib import Path

import pytest
from target_spans import TRACE, agent_trace, chat, rag_trace, span, text

from evaluator.targets.inputs import INPUT_NAMES, NamedInputs, named_inputs
from evaluator.targets.outline import Outline, ReadTrace
from evaluator.targets.record import TraceRecord
from storage.model import StoredLog, StoredSpan
from storage.otlp.stored import stored_logs, stored_spans

CAPTURES = sorted(
    path for path in (Path(__file__).parent.parent / "fixtures" / "otlp").glob("*/*.pb") if ".logs." not in path.name
)


def read(path: Path) -> list[ReadTrace]:
    """Every trace of a capture, with its logs."""
    spans = stored_spans(path.read_bytes())
    spoken = path.with_suffix(".logs.pb")
    logs = stored_logs(spoken.read_bytes()) if spoken.exists() else []
    ids = dict.fromkeys(span.trace_id for span in spans)
    return [ReadTrace([span for span in spans if span.trace_id == trace_id], logs) for trace_id in ids]


def test_the_outline_of_every_capture_is_that_of_its_records() -> None:
    """Kind, status and order, span by span: what is due by the outline is due by the record."""
    differing = []
    for path in CAPTURES:
        for trace in read(path):
            outlined = [(each.span_id, each.kind, each.status, each.start_ns) for each in trace.outline]
            recorded = [(each.span_id, each.kind, each.status, each.start_ns) for each in trace.record.spans]
            if outlined != recorded or any(trace.outline_of(each.span_id) != each for each in trace.outline):
                differing.append(f"{path.parent.name}/{path.name}")
    assert (differing, len(CAPTURES) > 100) == ([], True)


def test_a_record_without_content_is_the_whole_one_without_content() -> None:
    """Of every capture: the same spans, the same calls counted once, the same tree; most need not be normalised."""
    differing, light = [], 0
    for path in CAPTURES:
        for trace, whole in zip(read(path), read(path), strict=True):
            light += trace.light is not trace.record
            shaped = [_shape(each.light) for each in (trace, whole)]
            if shaped != [_shape(whole.record)] * 2:
                differing.append(f"{path.parent.name}/{path.name}")
    assert (differing, light > 200) == ([], True)


def _shape(trace: TraceRecord) -> object:
    facts = ("span_id", "parent_span_id", "kind", "status", "name", "service_name", "start_ns", "duration_ns",
             "duplicate_of")  # fmt: skip
    spans = [tuple(getattr(span, name) for name in facts) for span in trace.spans]
    return trace.trace_id, spans, trace.children, trace.root_span


def test_calls_that_may_be_one_are_read_whole() -> None:
    """Nested, noted beside, or named alike: only their content tells."""
    call = chat([text("user", "q")], [text("assistant", "a")])
    nested = [
        span(1, attributes=call, lasts_ms=50),
        span(2, parent=1, attributes={}),
        span(3, parent=2, attributes=call),
    ]
    noted = [span(1, attributes=call), span(2, attributes=call, lasts_ms=0)]
    alike = [span(n, attributes={**call, "gen_ai.response.id": "r"}) for n in (1, 2)]
    apart = [
        span(1, attributes=call),
        span(2, attributes={"gen_ai.operation.name": "execute_tool"}),
        span(3, attributes=call),
    ]
    traces = [ReadTrace(each) for each in (nested, noted, alike, apart)]
    assert [trace.light is trace.record for trace in traces] == [True, True, True, False]
    assert traces[3].light is traces[3].record, "once it is normalised there is nothing to save"


def test_a_span_arrived_when_its_last_log_did() -> None:
    """A log of another trace is none of its logs, and a copy of a span is passed over."""
    one = span(1, attributes={"gen_ai.operation.name": "chat"}, status_code="Error")
    logs = [
        StoredLog(trace_id=TRACE, span_id=one.span_id, ingested_ms=30),
        StoredLog(trace_id=TRACE, span_id=one.span_id, ingested_ms=20),
        StoredLog(trace_id="b" * 32, span_id=one.span_id, ingested_ms=99),
    ]
    arrived = _arrived(one, 10)
    assert ReadTrace([arrived, _arrived(one, 40)], logs).outline == (
        Outline(
            trace_id=TRACE, span_id=one.span_id, parent_span_id="", name="step", service_name="", kind="llm",
            status="error", response_id=None, start_ns=10_000_000, duration_ns=5_000_000, watermark_ms=30,
        ),
    )  # fmt: skip
    assert ReadTrace([arrived]).outline[0].watermark_ms == 10


def _arrived(one: StoredSpan, at_ms: int) -> StoredSpan:
    return StoredSpan(**{name: getattr(one, name) for name in one.__slots__} | {"ingested_ms": at_ms})


def test_one_span_is_outlined_without_the_others() -> None:
    """As the outline of all has it; an unknown one has none."""
    first, second = ReadTrace(rag_trace()), ReadTrace(rag_trace())
    assert [first.outline_of(each.span_id) for each in second.outline] == list(second.outline)
    assert (first.outline_of("f" * 16), second.outline_of("f" * 16)) == (None, None)


def test_a_trace_is_normalised_once_however_many_ask() -> None:
    """Every target of a trace reads the same record."""
    trace = ReadTrace(agent_trace())
    assert trace.record is trace.record


def test_an_input_that_nobody_asks_for_is_not_made() -> None:
    """And what was made is kept; absent ones stay absent."""
    made: list[str] = []

    def reader(name: str) -> str:
        made.append(name)
        return "" if name == "context" else f"the {name}"

    inputs = NamedInputs({name: (lambda name=name: reader(name)) for name in INPUT_NAMES})  # type: ignore[misc]
    assert (inputs["output"], inputs.get("output"), "context" in inputs) == ("the output", "the output", False)
    assert made == ["output", "context"]
    with pytest.raises(KeyError):
        inputs["no_such_name"]
    assert list(inputs) == [name for name in INPUT_NAMES if name != "context"]
    assert len(inputs) == len(INPUT_NAMES) - 1


def test_what_went_wrong_is_in_the_conversation() -> None:
    """A model that failed and a tool whose error nobody repeats; what is said already is not said twice."""
    spans = [
        span(1, name="run", lasts_ms=100, attributes={"openinference.span.kind": "CHAIN", "input.value": "How long?"},
             status_code="Error", status_message="rate limited"),
        span(2, parent=1, name="execute_tool find", status_code="Error", status_message="no route to host",
             attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"}),
        span(3, parent=1, name="chat m", status_code="Error", status_message="rate limited",
             attributes=chat([text("user", "How long?")], [])),
    ]  # fmt: skip
    inputs = named_inputs(ReadTrace(spans).record)
    assert inputs["messages"] == (
        "user: How long?\nerror in chain run: rate limited\nerror in tool find: no route to host"
    )
    assert inputs["trajectory"] == (
        "1. run: error: rate limited\n2. tool find() -> error: no route to host\n3. model m: error: rate limited"
    )
