"""One role in a process of its own, and several that are started, revived and stopped together."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from assay.roles.process import to_wire
from assay.settings import Settings

log = logging.getLogger(__name__)

READY_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 10.0
STEADY_SECONDS = 30.0
"""A process that lived this long before it died is started again at once."""


class StartFailed(Exception):
    """A process did not become ready; the message is its own reason."""


@dataclass(slots=True, kw_only=True)
class Child:
    """One role in a process of its own."""

    name: str
    module: str
    process: subprocess.Popen[str] | None = None
    ready: bool = False
    started_at: float = 0.0
    retry_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    addresses: dict[str, Any] = field(default_factory=dict)

    def launch(self, stderr: IO[Any] | None) -> None:
        """Start the process; it imports what it needs and waits for its settings."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the parent, which stops things in order
            env=os.environ | {"TZ": "UTC"},
        )
        self.ready = False
        self.started_at = time.monotonic()

    def configure(self, settings: Settings) -> None:
        """Hand over the settings; the pipe stays open as the child's sign that the parent lives."""
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(to_wire(settings) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise StartFailed(f"the {self.name} ended before it had its settings") from None

    def wait_ready(self) -> None:
        """Block until the child has said where it listens.

        Raises:
            StartFailed: It cannot start; the message is its reason.
        """
        assert self.process is not None
        assert self.process.stdout is not None
        limit = self.started_at + READY_SECONDS
        if not select.select([self.process.stdout], [], [], max(0.0, limit - time.monotonic()))[0]:
            raise StartFailed(f"the {self.name} was not ready within {READY_SECONDS:.0f} s")
        line = self.process.stdout.readline()
        answer = json.loads(line) if line.startswith("{") else {"error": f"the {self.name} ended without a word"}
        if "error" in answer:
            raise StartFailed(f"the {self.name} cannot start: {answer['error']}")
        self.addresses = answer
        self.ready = True

    @property
    def pid(self) -> int:
        """0 when it does not run."""
        return self.process.pid if self.process and self.process.poll() is None else 0

    def terminate(self) -> None:
        """Ask it to stop."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait until it is gone; kill it when it takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, seconds))
        except subprocess.TimeoutExpired:
            log.warning("killed_at_stop", extra={"process_name": self.name, "pid": self.process.pid})
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def revive(self, settings: Settings, stderr: IO[Any] | None) -> bool:
        """One step of a restart, if one is due; never blocks, so that the others are watched meanwhile.

        Returns:
            Whether there is another process, or it has become ready.
        """
        if self.pid == 0:
            return self._restart(settings, stderr)
        if self.ready or self.process is None or self.process.stdout is None:
            return False
        if not select.select([self.process.stdout], [], [], 0)[0]:
            if time.monotonic() - self.started_at > READY_SECONDS:  # it hangs: the next round starts another
                self.process.kill()
            return False
        try:
            self.wait_ready()
        except StartFailed as error:
            log.error("restart_failed", extra={"process_name": self.name, "reason": str(error)})
            return False
        return True

    def _restart(self, settings: Settings, stderr: IO[Any] | None) -> bool:
        now = time.monotonic()
        if now < self.retry_at:
            return False
        if now - self.started_at > STEADY_SECONDS:
            self.pause_seconds = FIRST_PAUSE_SECONDS
        self.wait(0.1)
        code = self.process.returncode if self.process else None
        log.error("restarting", extra={"process_name": self.name, "exit_code": code})
        self.retry_at = now + self.pause_seconds
        self.pause_seconds = min(2 * self.pause_seconds, LONGEST_PAUSE_SECONDS)
        self.launch(stderr)
        try:
            self.configure(settings)
        except StartFailed as error:
            log.error("restart_failed", extra={"process_name": self.name, "reason": str(error)})
        return True


def exporters(count: int) -> tuple[Child, ...]:
    """The OTLP receivers, not started yet."""
    names = [f"exporter {number}" for number in range(1, count + 1)] if count > 1 else ["exporter"]
    return tuple(Child(name=name, module="assay.roles.exporter") for name in names)


def stop_all(children: Sequence[Child], seconds: float) -> None:
    """Ask all of them to stop, then wait; who takes longer is killed."""
    limit = time.monotonic() + seconds
    for child in children:
        child.terminate()
    for child in children:
        child.wait(limit - time.monotonic())
