"""`assay up`: ClickHouse, exporter and evaluator as one process tree.  What dies is started again where it was."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from assay.child import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Child, exporters, stop_all
from assay.settings import Settings
from assay.shared_ports import shared_ports
from storage.clickhouse.engine_config import ANALYST_USER, EXPRESSION_USER, write_private
from storage.clickhouse.server import EmbeddedServer, require_writable
from storage.errors import DataDirectoryInUse, EngineFailed

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
LISTENER_SECONDS = 2.0
"""How often ClickHouse's port is tried."""


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
        self._exporters = exporters(settings.exporters)
        self._ports = contextlib.ExitStack()
        self._evaluator = Child(name="evaluator", module="assay.roles.evaluator")
        self._server_pause = FIRST_PAUSE_SECONDS
        self._retry_at: dict[str, float] = {}
        self._announced = False

    @property
    def _children(self) -> tuple[Child, ...]:
        return *self._exporters, self._evaluator

    def __enter__(self) -> Self:
        require_writable(self._settings.data_dir)
        try:
            for child in self._children:  # they import while ClickHouse starts
                child.launch(self._stderr)
            if self._server is not None:
                self._server.start()
                self._settings = replace(
                    self._settings,
                    clickhouse_url=self._server.url(),
                    expressions_url=self._server.url(EXPRESSION_USER),
                )
            self._settings = self._ports.enter_context(shared_ports(self._settings))
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
        from storage.clickhouse.retention import apply_retention
        from storage.retention import parse_retention

        async def bring_up_to_date() -> None:
            async with Database(self._settings.clickhouse_url, database=self._settings.database) as database:
                for migration in await migrate(database):
                    log.debug("migrated", extra={"migration": f"{migration.number:04d}_{migration.name}"})
                for change in await apply_retention(database, parse_retention(self._settings.retention_days)):
                    log.info("retention_changed", extra=asdict(change))

        asyncio.run(bring_up_to_date())

    def _keep_addresses(self) -> None:
        """A port that was chosen freely is the one after every restart."""
        chosen = {**self._exporters[0].addresses, **self._evaluator.addresses}
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
                "exporters": [child.pid for child in self._exporters],
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
                changed = child.revive(self._settings, self._stderr) or changed
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

    def _may_retry(self, name: str) -> bool:
        return time.monotonic() >= self._retry_at.get(name, 0.0)

    def _postpone(self, name: str, pause_seconds: float) -> float:
        self._retry_at[name] = time.monotonic() + pause_seconds
        return min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def stop(self) -> None:
        """Stop taking telemetry, finish what is under way, then stop ClickHouse.  Safe to call twice."""
        stop_all(self._children, STOP_SECONDS)
        self._ports.close()
        if self._server is not None:
            self._server.stop()
        if self._announced:  # else it is another installation's, which this one was refused for
            self._endpoints_file.unlink(missing_ok=True)
