"""One run under way, and how to end it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from evaluator.sandbox.errors import WorkerDied
from evaluator.sandbox.limits import Limits

_AFTER = 10
"""How much nicer than this process: ingest and judging come first."""
_LAST = 19
_CPU_CLOCK = 2
"""With a process id above it: the id of the process's CPU clock, as `clock_getcpuclockid(3)` makes it."""


class Run:
    """Code, what it is given, and the worker that it has for a while."""

    def __init__(self, code: str, inputs: Mapping[str, object], limits: Limits) -> None:
        self.code = code
        self.inputs = inputs
        self.limits = limits
        self._lock = threading.Lock()
        self._pid: int | None = None
        """Of the worker, as long as it is this run's to kill."""
        self._began = 0.0
        """CPU seconds that the worker had taken before."""
        self._stopped = False
        self.too_long = False

    def stop(self) -> None:
        """End it now, from any thread.  The pool replaces the worker."""
        with self._lock:
            self._stopped = True
            self._kill()

    def seconds_left(self) -> float:
        """CPU seconds until its limit; at 0 it is ended."""
        with self._lock:
            left = self.limits.seconds - (_cpu_seconds(self._pid) - self._began if self._pid is not None else 0.0)
            if left <= 0:
                self.too_long = True
                self._kill()
            return left

    def _kill(self) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    @contextmanager
    def having(self, pid: int | None) -> Iterator[None]:
        """Own a worker.

        Raises:
            WorkerDied: It was stopped before it began.
        """
        with self._lock:
            if self._stopped:
                raise WorkerDied("stopped before it began")
            if pid is not None:
                self._began = _cpu_seconds(pid)
            self._pid = pid
        try:
            if pid is not None:
                with suppress(OSError):  # it is gone already: the run will say so
                    os.setpriority(os.PRIO_PROCESS, pid, min(_LAST, os.getpriority(os.PRIO_PROCESS, 0) + _AFTER))
            yield
        finally:
            with self._lock:
                self._pid = None


def _cpu_seconds(pid: int) -> float:
    """CPU that a process has taken; where the system does not tell (only Linux does), the clock."""
    with suppress(OSError):
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    return time.monotonic()
