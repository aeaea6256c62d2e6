"""What drives all contenders, in whatever environment they live: rows, a number of them at once, figures."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

WARMING = 32
WORDS = 270
"""Of the question and of the answer: with the instructions about 780 tokens."""
INSTRUCTION = "Is the answer correct, complete and to the point? Answer good or bad, and say why.\n\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One question and one answer, of their own number, so that nothing can be given twice."""

    question: str
    answer: str


Score = Callable[[Row], Awaitable[object]]
Contender = Callable[[str], AbstractAsyncContextManager[Score]]
"""From the judge's base URL to a function that scores one row, and raises if it cannot."""


def row(number: int) -> Row:
    """The row of a number."""
    return Row(f"question {number} " + "what is it " * (WORDS // 3), f"answer {number} " + "it is so " * (WORDS // 3))


async def drive(contender: Contender, base_url: str, count: int, in_flight: int) -> dict[str, float]:
    """CPU milliseconds and wall seconds of `count` scores, and how many were lost."""
    async with contender(base_url) as score:
        await _all(score, range(-WARMING, 0), min(in_flight, WARMING))
        cpu, began = _cpu_seconds(), time.perf_counter()
        lost = await _all(score, range(count), in_flight)
        cpu, wall = _cpu_seconds() - cpu, time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_ms": cpu * 1000 / count, "per_s": (count - lost) / wall, "lost": lost, "rss_mb": peak}


async def _all(score: Score, numbers: range, in_flight: int) -> int:
    left = iter(numbers)
    lost = 0

    async def lane() -> None:
        nonlocal lost
        for number in left:
            try:
                await score(row(number))
            except Exception as error:  # whatever a peer raises is a row that its user does not get
                lost += 1
                if "ASSAY_BENCH_SHOW" in os.environ:
                    print(repr(error)[:300])

    async with asyncio.TaskGroup() as lanes:
        for _ in range(in_flight):
            lanes.create_task(lane())
    return lost


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def run(contender: Contender, words: list[str]) -> None:
    """Of the command line BASE_URL COUNT IN_FLIGHT; prints one line of JSON."""
    base_url, count, in_flight = words
    print(json.dumps(asyncio.run(drive(contender, base_url, int(count), int(in_flight)))))
