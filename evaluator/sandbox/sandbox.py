"""A pool of worker processes that run users' code; a run that misbehaves costs nobody else anything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from evaluator.sandbox.errors import TookTooLong, WorkerDied
from evaluator.sandbox.lanes import Lanes
from evaluator.sandbox.limits import Limits
from evaluator.sandbox.run import Run

if TYPE_CHECKING:
    import pydantic_monty as monty

WORKERS = 4
_LEAST_SECONDS = 0.01


class Sandbox:
    """Runs code of users.  An async context manager; workers start with the first run.

    Every run starts from nothing: what code changes is gone with it.  Threads speak to the workers, because the
    interpreter's own async interface costs 0.2 ms of CPU more a run.

    Args:
        workers: Runs at the same time.
        limits: Of each run.
    """

    def __init__(self, *, workers: int = WORKERS, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._workers = workers
        self._lanes = Lanes(workers)
        self._pool: monty.Monty | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._running: set[Run] = set()
        self._starting = threading.Lock()

    async def __aenter__(self) -> Sandbox:
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="sandbox")
        return self

    async def __aexit__(self, *exc: object) -> None:
        threads, self._threads = self._threads, None
        for run in self._running:
            run.stop()
        if threads is not None:
            await asyncio.to_thread(self._end, threads)

    async def run(self, code: str, inputs: Mapping[str, object], *, owner: str) -> object:
        """The value of the code's last expression.

        Args:
            inputs: Globals of the code: plain values (None, bool, int, float, str, datetime, and lists, tuples and
                dicts of them) and `Absent`.
            owner: Whose code it is.  Owners do not wait for one another's stuck code: none gets more than half of the
                workers, and one whose code hung gets one until it answers again.

        Raises:
            Raised: The code raised, or cannot be parsed there.
            TookTooLong, TookTooMuchMemory: A limit came first.
            WorkerDied: Twice.
        """
        if self._threads is None:
            raise RuntimeError("the sandbox is not open")
        async with self._lanes.turn(owner) as lane:
            try:
                found = await self._attempt_twice(code, inputs)
            except TookTooLong:
                lane.hung()
                raise
            lane.answered()
            return found

    async def _attempt_twice(self, code: str, inputs: Mapping[str, object]) -> object:
        try:
            return await self._attempt(code, inputs)
        except WorkerDied:  # perhaps somebody else's doing (out of memory, a signal): once more, on a new worker
            return await self._attempt(code, inputs)

    async def _attempt(self, code: str, inputs: Mapping[str, object]) -> object:
        if self._threads is None:
            raise WorkerDied("the sandbox is closing")
        run = Run(code, inputs, self.limits)
        self._running.add(run)
        watch = _Watch(run)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._in_worker, run)
        except asyncio.CancelledError:
            run.stop()
            raise
        finally:
            watch.end()
            self._running.discard(run)

    def _in_worker(self, run: Run) -> object:
        from evaluator.sandbox import worker  # costs a tenth of a second of CPU: not at the evaluator's start

        with self._starting:
            if self._pool is None:
                self._pool = worker.start(self._workers)
        return worker.answer(run, self._pool)

    def _end(self, threads: ThreadPoolExecutor) -> None:
        threads.shutdown()
        if self._pool is not None:
            self._pool.__exit__(None, None, None)
            self._pool = None


class _Watch:
    """Looks at a run when it can have come to its limit of CPU, and not before."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._timer = asyncio.get_running_loop().call_later(run.limits.seconds, self._look)

    def end(self) -> None:
        """The run is over."""
        self._timer.cancel()

    def _look(self) -> None:
        left = self._run.seconds_left()
        if left > 0:
            self._timer = asyncio.get_running_loop().call_later(max(left, _LEAST_SECONDS), self._look)
