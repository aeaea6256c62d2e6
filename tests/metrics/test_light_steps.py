"""A scorer that reads kinds, times and results alone gets them without anything being normalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import pytest

from evaluator.metrics.code.scorer import compiled
from evaluator.metrics.code.step import step_shape
from evaluator.metrics.material import Given, Material
from evaluator.scoring.content import SessionContent, TraceContent
from evaluator.targets.outline import ReadTrace
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.model import Level, StoredSpan, TargetRef

TRACE_ID = "a" * 32
KINDS = "def scorer_fn(*, step_object, **kwargs):\n    return len([s for s in step_object.spans if s.type == 'llm'])\n"
TIMES = "def scorer_fn(*, step_object, **kwargs):\n    return sum(t.duration_seconds for t in step_object.traces)\n"
ANSWERS = "def scorer_fn(*, step_object, **kwargs):\n    return len(step_object.output.content)\n"


def a_trace() -> ReadTrace:
    """An agent, its model call and its tool."""
    kinds = {1: "invoke_agent", 2: "chat", 3: "execute_tool"}
    return ReadTrace(
        [
            StoredSpan(
                trace_id=TRACE_ID, span_id=f"{number:016x}", parent_span_id=f"{1:016x}" if number > 1 else "",
                name=kind, start_ns=number * 10**9, duration_ns=10**9, attributes={"gen_ai.operation.name": kind},
            )
            for number, kind in kinds.items()
        ]
    )  # fmt: skip


class Sealed:
    """Content that must not be normalised."""

    inputs: Mapping[str, str] = {}
    trace: TraceRecord | None = None

    def __init__(self, light: SpanRecord | TraceRecord | SessionRecord) -> None:
        self.light = light

    @property
    def record(self) -> NoReturn:
        """Nobody may ask for it."""
        raise AssertionError("it was normalised")


TRACE = TargetRef(level=Level.TRACE, trace_id=TRACE_ID)
SESSION = TargetRef(level=Level.SESSION, session_id="s")


@pytest.mark.parametrize(("ref", "source"), [(TRACE, KINDS), (SESSION, TIMES)], ids=["kinds", "times"])
def test_a_scorer_of_kinds_and_times_normalises_nothing(ref: TargetRef, source: str) -> None:
    """And sees what it would see of the normalised target."""
    light, whole = a_trace(), a_trace()
    content = TraceContent(light) if ref is TRACE else SessionContent("s", [light])
    full = TraceContent(whole) if ref is TRACE else SessionContent("s", [whole])
    sealed = Material(ref=ref, kind="", content=Sealed(content.light))
    given = Material(ref=ref, kind="", content=Given(inputs={}, record=full.record))
    assert step_shape(sealed, compiled(source)) == step_shape(given, compiled(source))


def test_a_scorer_of_answers_reads_the_whole_target() -> None:
    """What it names is there only when the target is normalised."""
    sealed = Material(ref=TRACE, kind="", content=Sealed(a_trace().light))
    with pytest.raises(AssertionError, match="normalised"):
        step_shape(sealed, compiled(ANSWERS))
