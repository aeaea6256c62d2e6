"""CPU per span of redaction beside the encoder that comes after it.

    python -m benchmarks.redaction [--runs N] [--json]

In memory, one process; CPU time of this process.  All variants take turns on the same requests, which none has seen:
they were warmed by others of the same kind.  `found` loads have an e-mail address in every third prompt.  `off` is what
the receiver does without the setting: it asks whether there is a redactor.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.report import Row, arguments, show
from benchmarks.spans import LOADS, SPANS, request
from storage.otlp.encode import Encoder
from storage.redaction.requests import Redactor
from storage.redaction.rules import Action, Rule, standard_rules

REQUESTS = 16
WARMING = 16
KEY = bytes(32)
OWN = Rule(name="staff", action=Action.MASK, pattern="EMP-[0-9]{6}")

Work = Callable[[bytes], object]


def main() -> None:
    """Measure every load and print."""
    asked = arguments("CPU per span of redaction", runs=7)
    rows = [row for load in LOADS for found in (False, True) for row in measure(load, asked.runs, found=found)]
    show("Redaction beside the encoder, microseconds of CPU per span", rows, as_json=asked.json)


def measure(load: str, runs: int, *, found: bool) -> list[Row]:
    """One row per variant; `times the encoder` is the median of the ratios within each run."""
    bodies = [
        _with_addresses(body) if found else body for body in (request(load, n) for n in range(WARMING + REQUESTS))
    ]
    figures: dict[str, list[float]] = {name: [] for name in _variants()}
    for _ in range(runs):
        for name, work in _variants().items():
            for body in bodies[:WARMING]:
                work(body)
            figures[name].append(_cpu_us(work, bodies[WARMING:]))
    return [
        {
            "load": f"{load}, found" if found else load,
            "variant": name,
            "median us": statistics.median(values),
            "min us": min(values),
            "max us": max(values),
            "times the encoder": statistics.median(
                [value / encoder for value, encoder in zip(values, figures["encoder alone"], strict=True)]
            ),
        }
        for name, values in figures.items()
    ]


def _variants() -> dict[str, Work]:
    redactors = {
        "off": None,
        "standard": Redactor(standard_rules(), KEY),
        "standard and an expression": Redactor([*standard_rules(), OWN], KEY),
    }

    def receiver(redactor: Redactor | None) -> Work:
        def work(body: bytes) -> object:
            return redactor.traces(body) if redactor is not None else body

        return work

    return {"encoder alone": Encoder().encode_traces} | {name: receiver(each) for name, each in redactors.items()}


def _with_addresses(body: bytes) -> bytes:
    message = ExportTraceServiceRequest.FromString(body)
    for number, span in enumerate(message.resource_spans[0].scope_spans[0].spans):
        if number % 3 == 0:
            text = max((pair.value for pair in span.attributes), key=lambda value: len(value.string_value))
            text.string_value = text.string_value.replace(" ", f" user{number}@example.com ", 1)
    return message.SerializeToString()


def _cpu_us(work: Work, bodies: Sequence[bytes]) -> float:
    """Microseconds of CPU per span."""
    start = time.process_time_ns()
    for body in bodies:
        work(body)
    return (time.process_time_ns() - start) / 1000 / (REQUESTS * SPANS)


if __name__ == "__main__":
    main()
