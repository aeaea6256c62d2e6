"""CPU of what surrounds a judge's answer: read inputs, render, fence, parse, and what the options add to it.

    python -m benchmarks.judging [--runs N] [--json]

In memory, one process, no network: the judge answers at once.  A prompt of 4 KB whose content nobody has seen before;
the variants take turns.  `with exchange` also renders the OTel trace that is stored.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import Row, arguments, show
from evaluator.judges.port import Answer, BadAnswer, Call, Mode, Question
from evaluator.metrics.conclude import Instruments, conclude
from evaluator.metrics.definition import Jury, MetricDefinition
from evaluator.metrics.judging.answers import KeptAnswers
from evaluator.metrics.material import Material
from evaluator.targets.record import SpanRecord
from storage.model import (
    Evaluation,
    JudgeAnswer,
    Level,
    MetricKind,
    OutputType,
    Purpose,
    Score,
    TargetRef,
    Usage,
)
from storage.redaction.load import text_redactor

TARGETS = 200
REF = TargetRef(level=Level.SPAN, trace_id="a" * 32, span_id="b" * 16)
METRIC = MetricDefinition(
    name="m",
    kind=MetricKind.JUDGE,
    levels=(Level.SPAN,),
    output_type=OutputType.PERCENTAGE,
    prompt="Judge by these criteria. " * 40 + "{{input}} {{output}} {{context?}}",
    labels={"good": 1.0, "bad": 0.0},
)
_NOW = datetime.now(UTC)
_RESULT = Evaluation(
    evaluation_id=uuid.UUID(int=1),
    target=REF,
    target_time_ns=1,
    start_ns=1,
    anchor=None,
    metric=METRIC.name,
    metric_version=1,
    metric_digest=METRIC.digest,
    kind=MetricKind.JUDGE,
    purpose=Purpose.ONDEMAND,
    output_type=OutputType.PERCENTAGE,
    outcome=Score(value=1.0, label="good"),
    started=_NOW,
    evaluated=_NOW,
)
VARIANTS = ("plain", "with cache", "with redaction", "with exchange", "jury of three")


class AtOnce:
    """A judge that answers at once."""

    def model_for(self, model: str) -> str:
        """Whatever is asked for."""
        return model or "m"

    def identity_of(self, model: str) -> str:
        """As it is called."""
        return self.model_for(model)

    async def window_of(self, model: str) -> int | None:
        """Nobody knows."""
        return None

    async def ask(self, question: Question, *, deadline: float | None = None) -> Answer:
        """A verdict, with the record of one call."""
        text = '{"rationale": "It says what was asked for, and no more than that.", "verdict": "good"}'
        messages = [{"role": "system", "content": question.system}, {"role": "user", "content": question.user}]
        call = Call(
            model="m",
            provider="openai",
            address="127.0.0.1:1",
            mode=Mode.SCHEMA,
            request={"messages": messages},
            start_time_ns=time.time_ns(),
            usage=Usage(attempts=1),
        )
        return Answer(text=text, model="m", usage=Usage(attempts=1), calls=(call,))

    async def repair(
        self, question: Question, answer: Answer, complaint: str, *, deadline: float | None = None
    ) -> Answer:
        """A bad answer here is a bug of the benchmark, and ends it as a failure would."""
        raise BadAnswer(complaint)


class Empty:
    """A cache without an answer."""

    async def find(self, keys: Collection[bytes]) -> Mapping[bytes, JudgeAnswer]:
        """Nothing."""
        return {}

    async def keep(self, answers: Sequence[JudgeAnswer]) -> None:
        """Nothing."""


def main() -> None:
    """Measure every variant and print."""
    asked = arguments("CPU around a judge's answer", runs=9)
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for run in range(asked.runs):
        for name in VARIANTS:
            found[name].append(asyncio.run(_cpu_ms(name, run)))
    rows: list[Row] = [
        {"variant": name, "median ms": statistics.median(values), "min ms": min(values), "max ms": max(values)}
        for name, values in found.items()
    ]
    show("Around a judge's answer, milliseconds of CPU per score", rows, as_json=asked.json)


async def _cpu_ms(variant: str, run: int) -> float:
    redact = text_redactor("standard", Path(tempfile.mkdtemp())) if variant == "with redaction" else None
    kept = KeptAnswers(Empty()) if variant == "with cache" else None
    using = Instruments(judges=AtOnce(), secret=b"s", redact=redact, kept=kept)
    metric = replace(METRIC, jury=Jury(repeats=3)) if variant == "jury of three" else METRIC
    targets = [_target(f"{run} {number}") for number in range(TARGETS)]
    await conclude(metric, targets[0], using=using)
    start = time.process_time_ns()
    for target in targets:
        found = await conclude(metric, target, using=using)
        if variant == "with exchange" and found.exchange is not None:
            found.exchange.trace(_RESULT)
    return (time.process_time_ns() - start) / 1e6 / TARGETS


def _target(mark: str) -> Material:
    inputs = {
        "input": f"{mark}: why is that so? " * 30,
        "output": "It is so because it was always like that. " * 40,
        "context": "What is known of it is little. " * 25,
    }
    record = SpanRecord(trace_id=REF.trace_id, span_id=REF.span_id, kind="llm")
    return Material(ref=REF, kind="llm", inputs=inputs, record=record)


if __name__ == "__main__":
    main()
