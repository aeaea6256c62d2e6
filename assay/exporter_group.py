"""`assay exporter --exporters N`: several receivers behind the same ports, without the rest of an installation."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import IO, Any, Self

from assay.child import exporters, stop_all
from assay.settings import Settings
from assay.shared_ports import shared_ports

STOP_SECONDS = 20.0


class ExporterGroup:
    """The receivers, as a context manager: entered when all of them listen, left when all are down.

    Raises:
        StartFailed: At entry; nothing is left running.
    """

    def __init__(self, settings: Settings, *, stderr: IO[Any] | None = None) -> None:
        self._settings = settings
        self._stderr = stderr
        self._children = exporters(settings.exporters)
        self._ports = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._settings = self._ports.enter_context(shared_ports(self._settings))
            for child in self._children:
                child.launch(self._stderr)
                child.configure(self._settings)
            for child in self._children:
                child.wait_ready()
            self._settings = replace(self._settings, **self._children[0].addresses)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def endpoints(self) -> dict[str, Any]:
        """Where they listen, and which processes they are."""
        return {
            "otlp_grpc": self._settings.otlp_grpc,
            "otlp_http": self._settings.otlp_http,
            "pids": {"up": os.getpid(), "exporters": [child.pid for child in self._children]},
        }

    def supervise(self, stopping: Callable[[float], bool]) -> None:
        """Start again what dies, until `stopping(seconds)` (which waits so long) says to stop."""
        while not stopping(0.2):
            for child in self._children:
                child.revive(self._settings, self._stderr)

    def _stop(self) -> None:
        stop_all(self._children, STOP_SECONDS)
        self._ports.close()
