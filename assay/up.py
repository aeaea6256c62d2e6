"""`assay up`: ClickHouse, exporter and evaluator as one process tree.  What dies is started again where it was."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from assay.roles.process import to_wire
from assay.settings import Settings
from storage.clickhouse.engine_config import ANALYST_USER, write_private
from storage.clickhouse.server import EmbeddedServer, require_writable
from storage.errors import DataDirectoryInUse, EngineFailed

log = logging.getLogger(__name__)

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 10.0
LISTENER_SECONDS = 2.0
"""How often ClickHouse's port is tried."""
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


class ProcessTree:
    """All roles of one installation, as a context manager: entered when everything is ready, left when all is down.

    Raises:
        StartFailed, EngineFailed, DataDirectoryInUse, SchemaError: At entry; nothing is left running.
    """

    def __init__(self, settings: Settings, *, stderr: IO[Any] | None = None) -> None:
        self._settings = settings
        self._stderr = stderr
        self._server: EmbeddedServer | None = None
        if not settings.clickhouse_url:
            self._server = EmbeddedServer(settings.data_dir, http=settings.clickhouse_http, database=settings.database)
        self._exporter = Child(name="exporter", module="assay.roles.exporter")
        self._evaluator = Child(name="evaluator", module="assay.roles.evaluator")
        self._server_pause = FIRST_PAUSE_SECONDS
        self._retry_at: dict[str, float] = {}
        self._announced = False

    @property
    def _children(self) -> tuple[Child, Child]:
        return self._exporter, self._evaluator

    def __enter__(self) -> Self:
        require_writable(self._settings.data_dir)
        try:
            for child in self._children:  # they import while ClickHouse starts
                child.launch(self._stderr)
            if self._server is not None:
                self._server.start()
                self._settings = replace(self._settings, clickhouse_url=self._server.url())
            self._migrate()
            for child in self._children:
                child.configure(self._settings)
            for child in self._children:
                child.wait_ready()
            self._keep_addresses()
            self._write_endpoints()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _migrate(self) -> None:
        import asyncio

        from storage.clickhouse.client import Database
        from storage.clickhouse.migrate import migrate

        async def bring_up_to_date() -> None:
            async with Database(self._settings.clickhouse_url, database=self._settings.database) as database:
                for migration in await migrate(database):
                    log.debug("migrated", extra={"migration": f"{migration.number:04d}_{migration.name}"})

        asyncio.run(bring_up_to_date())

    def _keep_addresses(self) -> None:
        """A port that was chosen freely is the one after every restart."""
        chosen = {**self._exporter.addresses, **self._evaluator.addresses}
        self._settings = replace(self._settings, **chosen)

    def endpoints(self) -> dict[str, Any]:
        """Where everything is; `clickhouse_url` and `analyst_url` hold passwords."""
        server = self._server
        return {
            "otlp_grpc": self._settings.otlp_grpc,
            "otlp_http": self._settings.otlp_http,
            "grpc": self._settings.grpc,
            "clickhouse_http": server.base_url.removeprefix("http://") if server else "",
            "clickhouse_url": self._settings.clickhouse_url,
            "analyst_url": server.url(ANALYST_USER) if server else "",
            "database": self._settings.database,
            "pids": {
                "up": os.getpid(),
                "exporters": [self._exporter.pid],
                "evaluator": self._evaluator.pid,
                "clickhouse": server.pid if server else 0,
            },
        }

    @property
    def _endpoints_file(self) -> Path:
        return self._settings.data_dir / "endpoints.json"

    def _write_endpoints(self) -> None:
        self._announced = True
        write_private(self._endpoints_file, json.dumps(self.endpoints(), indent=2) + "\n")

    def _rewrite_endpoints(self) -> bool:
        """Whether the new pids could be written; a full disk is no reason to stop."""
        try:
            self._write_endpoints()
        except OSError as error:
            log.warning("endpoints_not_written", extra={"file": str(self._endpoints_file), "reason": str(error)})
            return False
        return True

    def supervise(self, stopping: Callable[[float], bool]) -> None:
        """Start again what dies, until `stopping(seconds)` (which waits so long) says to stop."""
        changed = False
        while not stopping(0.2):
            changed = self._revive_server() or changed
            for child in self._children:
                changed = self._revive(child) or changed
            if changed:
                changed = not self._rewrite_endpoints()

    def _revive_server(self) -> bool:
        server = self._server
        if server is not None and server.alive() and self._may_retry("listener"):
            self._retry_at["listener"] = time.monotonic() + LISTENER_SECONDS
            if not server.listens():  # the engine's own user has no password and may stop the listener
                server.kill()
        if server is None or server.alive() or not self._may_retry("clickhouse"):
            return False
        log.error("restarting", extra={"process_name": "clickhouse", "log": str(server.log)})
        try:
            server.start()
        except (EngineFailed, DataDirectoryInUse) as error:
            log.error("restart_failed", extra={"process_name": "clickhouse", "reason": str(error)})
            self._server_pause = self._postpone("clickhouse", self._server_pause)
            return False
        self._server_pause = FIRST_PAUSE_SECONDS
        return True

    def _revive(self, child: Child) -> bool:
        """One step of a child's restart; never blocks, so that the others are watched meanwhile."""
        if child.pid == 0:
            if not self._may_retry(child.name):
                return False
            steady = time.monotonic() - child.started_at > STEADY_SECONDS
            child.pause_seconds = FIRST_PAUSE_SECONDS if steady else child.pause_seconds
            child.wait(0.1)
            code = child.process.returncode if child.process else None
            log.error("restarting", extra={"process_name": child.name, "exit_code": code})
            child.pause_seconds = self._postpone(child.name, child.pause_seconds)
            child.launch(self._stderr)
            try:
                child.configure(self._settings)
            except StartFailed as error:
                log.error("restart_failed", extra={"process_name": child.name, "reason": str(error)})
            return True
        if not child.ready and child.process is not None and child.process.stdout is not None:
            if not select.select([child.process.stdout], [], [], 0)[0]:
                if time.monotonic() - child.started_at > READY_SECONDS:  # it hangs: the next round starts another
                    child.process.kill()
                return False
            try:
                child.wait_ready()
            except StartFailed as error:
                log.error("restart_failed", extra={"process_name": child.name, "reason": str(error)})
                return False
            return True
        return False

    def _may_retry(self, name: str) -> bool:
        return time.monotonic() >= self._retry_at.get(name, 0.0)

    def _postpone(self, name: str, pause_seconds: float) -> float:
        self._retry_at[name] = time.monotonic() + pause_seconds
        return min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def stop(self) -> None:
        """Stop taking telemetry, finish what is under way, then stop ClickHouse.  Safe to call twice."""
        limit = time.monotonic() + STOP_SECONDS
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.wait(limit - time.monotonic())
        if self._server is not None:
            self._server.stop()
        if self._announced:  # else it is another installation's, which this one was refused for
            self._endpoints_file.unlink(missing_ok=True)
