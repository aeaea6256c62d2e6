"""One run under way, and how to end it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from evaluator.sandbox.errors import WorkerDied
from evaluator.sandbox.limits import Limits

_NICENESS = 10


class Run:
    """Code, what it is given, and the worker that it has for a while."""

    def __init__(self, code: str, inputs: Mapping[str, object], limits: Limits) -> None:
        self.code = code
        self.inputs = inputs
        self.limits = limits
        self._lock = threading.Lock()
        self._pid: int | None = None
        """Of the worker, as long as it is this run's to kill."""
        self._stopped = False

    def stop(self) -> None:
        """End it now, from any thread.  The pool replaces the worker."""
        with self._lock:
            self._stopped = True
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
            self._pid = pid
        try:
            if pid is not None:
                with suppress(OSError):  # it is gone already: the run will say so
                    os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)  # ingest comes first
            yield
        finally:
            with self._lock:
                self._pid = None
