"""How benchmarks repeat, summarise and print."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

Row: TypeAlias = Mapping[str, Any]


def arguments(description: str, *, runs: int = 5) -> argparse.Namespace:
    """Command line of a benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=runs, help=f"repetitions (default {runs})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def machine() -> str:
    """What it ran on, in one line."""
    model = "unknown CPU"
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return f"{os.cpu_count()} × {model}, {platform.system()}, Python {platform.python_version()}"


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def repeated(runs: int, measure: Callable[[], dict[str, float]]) -> dict[str, dict[str, float]]:
    """Summaries of every figure over several runs."""
    found = [measure() for _ in range(runs)]
    return {name: summary([run[name] for run in found]) for name in found[0]}


def children_cpu_seconds() -> float:
    """CPU seconds of all children that have ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def process_cpu_seconds(pid: int) -> float:
    """CPU seconds of a running process."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def process_rss_mb(pid: int) -> float:
    """Resident memory of a running process, in MB."""
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def show(title: str, rows: Sequence[Row], *, as_json: bool) -> None:
    """Print rows with the columns of the first."""
    if as_json:
        print(json.dumps({"title": title, "machine": machine(), "rows": list(rows)}, indent=2))
        return
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for name in rows[0]:
        table.add_column(name, justify="left" if name == next(iter(rows[0])) else "right")
    for row in rows:
        table.add_row(*[f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()])
    Console(width=120).print(table)
