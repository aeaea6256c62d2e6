"""CPU per span of reading spans into normalised records.

    python -m benchmarks.normalise [--runs N] [--json]

In memory, one process; CPU time of this process.  Shapes take turns within a run.  Every span says something else, so
that nothing of what is said is remembered; the keys repeat, as they do in the spans of an application.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.dialects import SHAPES, spans_of
from benchmarks.report import Row, arguments, show
from benchmarks.spans import START_NS
from evaluator.targets.inputs import named_inputs
from evaluator.targets.normalise import normalise_session, normalise_span, normalise_trace
from evaluator.targets.outline import ReadTrace
from storage.model import StoredLog, StoredSpan
from storage.otlp.stored import stored_logs, stored_spans

Load = TypeVar("Load")
COUNT = 200
CAPTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "otlp"
SIZES = (100, 1_000, 5_000, 20_000)
SESSION_TRACES, TRACE_SPANS = 50, 40


def main() -> None:
    """Measure shapes, captures and trace sizes, and print."""
    asked = arguments("CPU per span of normalising", runs=7)
    show("Normalising a model call of 4 KB, microseconds of CPU per span", shapes(asked.runs), as_json=asked.json)
    show("Normalising a trace, microseconds of CPU per span", traces(asked.runs), as_json=asked.json)
    title = f"A session of {SESSION_TRACES} traces × {TRACE_SPANS} spans, milliseconds of CPU in all"
    show(title, session(asked.runs), as_json=asked.json)


def shapes(runs: int) -> list[Row]:
    """One row per dialect, and one for all spans of all captures, each read alone."""
    loads = {name: spans_of(name, COUNT) for name in SHAPES}
    loads["all captures"] = [each for spans, logs in captures() for each in alone(spans, logs)]
    floors = {name: [text for span, logs in load for text in _json_texts(span, logs)] for name, load in loads.items()}
    figures: dict[str, list[float]] = {name: [] for name in loads}
    parsing: dict[str, list[float]] = {name: [] for name in loads}
    for _ in range(runs):
        for name, load in loads.items():
            figures[name].append(_cpu_us(_read, load) / len(load))
            parsing[name].append(_cpu_us(_parse, floors[name]) / len(load))
    return [
        {
            "dialect": name,
            "attributes": round(statistics.mean(len(span.attributes) for span, _ in loads[name])),
            "bytes": round(statistics.mean(_bytes(*each) for each in loads[name])),
            **_times(figures[name]),
            "of it json.loads": statistics.median(parsing[name]),
        }
        for name in loads
    ]


def traces(runs: int) -> list[Row]:
    """One row per size of a trace of small spans: an agent's steps, model calls and tools."""
    loads = {size: small_trace(size) for size in SIZES}
    figures: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(runs):
        for size, spans in loads.items():
            figures[size].append(_cpu_us(normalise_trace, spans) / size)
    return [
        {"spans": str(size), **_times(figures[size]), "seconds in all": statistics.median(figures[size]) * size / 1e6}
        for size in SIZES
    ]


def session(runs: int) -> list[Row]:
    """One row per part of what is asked of a session: kinds and times of its spans, its records, the conversation."""
    spans = [
        [dataclasses.replace(span, trace_id=f"{number:032x}") for span in small_trace(TRACE_SPANS)]
        for number in range(1, SESSION_TRACES + 1)
    ]
    figures: dict[str, list[float]] = {"outline: what is due": [], "records": [], "messages": []}
    for _ in range(runs):
        read = [ReadTrace(each) for each in spans]
        figures["outline: what is due"].append(_cpu_us(_outlined, read))
        figures["records"].append(_cpu_us(_recorded, read))
        inputs = named_inputs(normalise_session("session-1", [each.record for each in read]))
        figures["messages"].append(_cpu_us(inputs.get, "messages"))
    return [
        {"part": name, **{unit.replace("us", "ms"): us / 1000 for unit, us in _times(took).items()}}
        for name, took in figures.items()
    ]


def captures() -> list[tuple[list[StoredSpan], list[StoredLog]]]:
    """Spans and logs of every capture."""
    found = []
    for path in sorted(CAPTURES.glob("*/*.pb")):
        if not path.name.endswith(".logs.pb"):
            logs = path.with_suffix(".logs.pb")
            spoken = stored_logs(logs.read_bytes()) if logs.exists() else []
            found.append((stored_spans(path.read_bytes()), spoken))
    return found


def alone(spans: Sequence[StoredSpan], logs: Sequence[StoredLog]) -> list[tuple[StoredSpan, list[StoredLog]]]:
    """Every span with its own logs."""
    return [(span, [log for log in logs if log.span_id == span.span_id]) for span in spans]


def small_trace(size: int) -> list[StoredSpan]:
    """A run of `size` spans: under the root, steps of a model call and a tool."""
    return [_step(number) for number in range(1, size + 1)]


def _step(number: int) -> StoredSpan:
    kinds: Mapping[int, dict[str, str]] = {
        0: {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk", "session.id": "session-1"},
        1: {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": "61",
            "gen_ai.usage.output_tokens": "11",
            "gen_ai.input.messages": json.dumps(
                [{"role": "user", "parts": [{"type": "text", "content": f"q {number}"}]}]
            ),
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": f"a {number}"}]}]
            ),
        },
        2: {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search_orders",
            "gen_ai.tool.call.id": f"call_{number}",
            "gen_ai.tool.call.arguments": f'{{"query": "order {number}"}}',
            "gen_ai.tool.call.result": f'{{"id": {number}}}',
        },
    }
    attributes = kinds[0 if number == 1 else 1 + number % 2]
    return StoredSpan(
        trace_id="a" * 32, span_id=f"{number:016x}", parent_span_id=f"{number // 3:016x}" if number > 1 else "",
        name=attributes["gen_ai.operation.name"], service_name="shop", scope_name="benchmark",
        start_ns=START_NS + number * 1_000, duration_ns=900_000, attributes=attributes,
    )  # fmt: skip


def _json_texts(span: StoredSpan, logs: Sequence[StoredLog]) -> list[str]:
    """Every text of a span and its logs that is JSON of a structure: what reading them costs at the least."""
    texts = [*span.attributes.values(), *(log.body for log in logs)]
    return [text for text in texts if text[:1] in ("{", "[") and _is_json(text)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _bytes(span: StoredSpan, logs: Sequence[StoredLog]) -> int:
    return sum(len(key) + len(text) for key, text in span.attributes.items()) + sum(len(log.body) for log in logs)


def _times(values: Sequence[float]) -> dict[str, float]:
    return {"median us": statistics.median(values), "min us": min(values), "max us": max(values)}


def _outlined(read: Sequence[ReadTrace]) -> None:
    for each in read:
        _ = each.outline


def _recorded(read: Sequence[ReadTrace]) -> None:
    for each in read:
        _ = each.record


def _read(load: Sequence[tuple[StoredSpan, Sequence[StoredLog]]]) -> None:
    for span, logs in load:
        normalise_span(span, logs)


def _parse(texts: Sequence[str]) -> None:
    for text in texts:
        json.loads(text)


def _cpu_us(work: Callable[[Load], object], load: Load) -> float:
    start = time.process_time_ns()
    work(load)
    return (time.process_time_ns() - start) / 1000


if __name__ == "__main__":
    main()
