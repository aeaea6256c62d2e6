"""CPU per span of the encoder beside the reference that it must equal.

    python -m benchmarks.encode [--runs N] [--json]

In memory, one process; CPU time of this process.  Reference and encoder take turns on the same requests, which the
encoder has not seen: it was warmed by others of the same kind, so that it remembers just what a service repeats.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from benchmarks.report import Row, arguments, show
from benchmarks.spans import LOADS, SPANS, request
from storage.otlp.encode import Encoder
from storage.otlp.reference import Translated, translate_traces

REQUESTS = 16
WARMING = 32


def main() -> None:
    """Measure both loads and print."""
    asked = arguments("CPU per span of encoder and reference", runs=7)
    rows = [row for load in LOADS for row in measure(load, asked.runs)]
    show("Encoder beside reference, microseconds of CPU per span", rows, as_json=asked.json)


def measure(load: str, runs: int) -> list[Row]:
    """One row per translator; the ratio is the median of the ratios within each run."""
    warming = [request(load, seed) for seed in range(WARMING)]
    bodies = [request(load, seed) for seed in range(WARMING, WARMING + REQUESTS)]
    figures: dict[str, list[float]] = {"reference": [], "encoder": []}
    for _ in range(runs):
        encoder = Encoder()
        for body in warming:
            encoder.encode_traces(body)
        figures["reference"].append(_cpu_us(translate_traces, bodies))
        figures["encoder"].append(_cpu_us(encoder.encode_traces, bodies))
    ratios = [slow / fast for slow, fast in zip(figures["reference"], figures["encoder"], strict=True)]
    size = sum(map(len, bodies)) / (REQUESTS * SPANS)
    return [
        {
            "load": load,
            "bytes/span": round(size),
            "translator": name,
            "median us": statistics.median(values),
            "min us": min(values),
            "max us": max(values),
            "times faster": statistics.median(ratios) if name == "encoder" else 1.0,
        }
        for name, values in figures.items()
    ]


def _cpu_us(translate: Callable[[bytes], Translated], bodies: Sequence[bytes]) -> float:
    """Microseconds of CPU per span."""
    start = time.process_time_ns()
    for body in bodies:
        translate(body)
    return (time.process_time_ns() - start) / 1000 / (REQUESTS * SPANS)


if __name__ == "__main__":
    main()
