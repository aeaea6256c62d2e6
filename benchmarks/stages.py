"""CPU per span by stage of the reference path: parse, rows, derived columns, Native block.

    python -m benchmarks.stages [--runs N] [--json]

In memory, one process; CPU time of this process, so that a busy machine disturbs little.  `rows` is the whole of
`span_rows` without its parse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.report import Row, arguments, repeated, show
from benchmarks.spans import LOADS, SPANS, request
from storage.otlp import native
from storage.otlp.columns import TRACES
from storage.otlp.messages import TracesRequest, parse
from storage.otlp.reference import span_rows, with_derived

REQUESTS = 16


def main() -> None:
    """Measure both loads and print."""
    asked = arguments("CPU per span by stage of the reference path", runs=7)
    rows = [row for load in LOADS for row in measure(load, asked.runs)]
    show("Reference translator, microseconds of CPU per span", rows, as_json=asked.json)


def measure(load: str, runs: int) -> list[Row]:
    """One row per stage."""
    bodies = [request(load, seed) for seed in range(REQUESTS)]
    stages = repeated(runs, lambda: _one_run(bodies))
    size = sum(map(len, bodies)) / (REQUESTS * SPANS)
    return [
        {"load": load, "bytes/span": round(size), "stage": stage, **{f"{name} us": us for name, us in figures.items()}}
        for stage, figures in stages.items()
    ]


def _one_run(bodies: Sequence[bytes]) -> dict[str, float]:
    translated = [span_rows(body)[0] for body in bodies]
    parsed = _cpu_us(lambda: [parse(TracesRequest, body) for body in bodies])
    both = _cpu_us(lambda: [span_rows(body) for body in bodies])
    derived = _cpu_us(lambda: [list(map(with_derived, rows)) for rows in translated])
    whole = [list(map(with_derived, rows)) for rows in translated]
    encoded = _cpu_us(lambda: [native.block(TRACES, rows) for rows in whole])
    total = both + derived + encoded
    return {"parse": parsed, "rows": both - parsed, "derived": derived, "native": encoded, "total": total}


def _cpu_us(work: Callable[[], object]) -> float:
    """Microseconds of CPU per span."""
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / 1000 / (REQUESTS * SPANS)


if __name__ == "__main__":
    main()
