"""CPU per judge score, scores per second and what a failing judge costs, beside peers, in one run.

    python -m benchmarks.judges [--runs N] [--count N] [--only NAME …] [--load NAME …] [--json]

0 ms      a judge that answers at once, 64 in flight: CPU of the client alone
200 ms    64 in flight (bound 320 scores/s), and 256 (bound 1,280)
storm     20 ms, 10 % 429 and 10 % 500 without Retry-After: rows lost of those asked for, and requests by their minimum

All contenders score the same rows (about 780 tokens in, 150 out) against the same scripted judge in its own process,
taking turns within a run.  Peers live in environments of their own, made at the first use.  CPU: the whole process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.judges.contenders import CONTENDERS
from benchmarks.report import Row, show

ENVIRONMENTS = Path(".build/bench-peers")
PEERS = {
    "autoevals": ["autoevals==0.4.1", "openai==2.54.0"],
    "openevals": ["openevals==0.2.2", "openai==2.54.0"],
    "phoenix-evals": ["arize-phoenix-evals==3.9.4", "openai==2.54.0"],
}
TIMEOUT_SECONDS = 300
SLOW = {"phoenix-evals": 10}
"""Peers that get a share of the rows: 7 a second would take minutes."""


class Load(NamedTuple):
    """One situation."""

    name: str
    latency_ms: float
    limited: float
    failing: float
    in_flight: int


LOADS = (
    Load("0 ms × 64", 0, 0, 0, 64),
    Load("200 ms × 64", 200, 0, 0, 64),
    Load("200 ms × 256", 200, 0, 0, 256),
    Load("storm × 64", 20, 0.1, 0.1, 64),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="judge calls beside peers")
    parser.add_argument("--runs", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--count", type=int, default=1000, help="rows of each run (default 1000)")
    parser.add_argument("--only", nargs="*", default=[], help="names of contenders (default all)")
    parser.add_argument("--load", nargs="*", default=[], help="names of loads (default all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    chosen = [name for name in CONTENDERS if not asked.only or name in asked.only]
    loads = [load for load in LOADS if not asked.load or load.name in asked.load]
    rows = [row for load in loads for row in measure(load, chosen, asked.runs, asked.count)]
    show("Judge calls", rows, as_json=asked.json)


def measure(load: Load, chosen: Sequence[str], runs: int, count: int) -> list[Row]:
    """One row per contender."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    for number in range(runs):
        for name in chosen:
            figures = _one_run(load, name, max(load.in_flight, count // SLOW.get(name, 1)))
            print(f"{load.name} run {number} {name}: {figures}", file=sys.stderr)
            if figures:
                found[name].append(figures)
    floor = found.get("assay", [])
    return [_row(load, name, found[name], floor) for name in chosen]


def _row(load: Load, name: str, mine: list[dict[str, float]], ours: list[dict[str, float]]) -> Row:
    shown: dict[str, object] = {"load": load.name, "contender": name}
    for key, title in (("cpu_ms", "CPU ms"), ("per_s", "scores/s"), ("lost", "lost"), ("rss_mb", "RSS MB")):
        shown[title] = statistics.median(each[key] for each in mine) if mine else "not done"
    spread = [each["cpu_ms"] for each in mine]
    shown["min"], shown["max"] = (min(spread), max(spread)) if spread else ("", "")
    ratios = [each["cpu_ms"] / their["cpu_ms"] for each, their in zip(mine, ours, strict=False)]
    shown["CPU / assay"] = round(statistics.median(ratios), 2) if ratios else ""
    asked = [each["asked_over"] for each in mine]
    shown["requests / minimum"] = round(statistics.median(asked), 4) if asked else ""
    return shown


def _one_run(load: Load, name: str, count: int) -> dict[str, float]:
    with _judge(load) as judge:
        command = [_python(name), "-m", "benchmarks.judges.contenders", name, judge.base_url, str(count)]
        try:
            done = subprocess.run(
                [*command, str(load.in_flight)], check=True, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired:
            return {}
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        counted = judge.counted()
    warming = 32
    return figures | {"asked_over": counted["requests"] / (count + warming + counted["faults"])}


class _Judge:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.base_url = self._read()

    def counted(self) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        found: dict[str, int] = json.loads(self._read())
        return found

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def _judge(load: Load) -> Iterator[_Judge]:
    words = [str(load.latency_ms), str(load.limited), str(load.failing)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.judges.server", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield _Judge(process)
    finally:
        process.kill()
        process.wait()


def _python(name: str) -> str:
    """That of the contender's environment, which is made at the first use."""
    if name not in PEERS:
        return sys.executable
    folder = ENVIRONMENTS / name
    if not (folder / ".ready").exists():
        print(f"installing {PEERS[name]} into {folder} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PEERS[name]], check=True)
        (folder / ".ready").touch()
    return str(folder / "bin" / "python")


if __name__ == "__main__":
    main()
