"""What the role processes share: how they get their settings, say that they are ready, log, and learn when to stop.

A parent sends one line of JSON on standard input and keeps the pipe open; its end means that the parent is gone.  The
child answers with one line of JSON on standard output when it is ready, `{"error": …}` when it cannot be.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assay.settings import Settings

Role = Callable[[Settings, asyncio.Event, Callable[[dict[str, Any]], None]], Awaitable[None]]
"""A role serves with these settings until the event is set, and calls back once with its addresses."""

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, then what the call added."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str) -> None:
    """JSON lines on standard error, UTC."""
    import time

    formatter = JsonLines()
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("aiohttp.access", "clickhouse_connect", "LiteLLM", "httpx", "asyncio", "sqlglot"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def to_wire(settings: Settings) -> str:
    """Settings as the line that a child reads.  Holds passwords: pipes only."""
    return json.dumps(asdict(settings), default=str)


def from_wire(line: str) -> Settings:
    """Inverse of `to_wire`."""
    values = json.loads(line)
    return Settings(**values | {"data_dir": Path(values["data_dir"])})


def run_as_child(role: Role) -> int:
    """Serve one role under a parent; returns the exit code."""
    line = sys.stdin.readline()
    if not line:
        return 1
    settings = from_wire(line)
    configure_logging(settings.log_level)
    return run(role, settings, life=sys.stdin.fileno())


def run(role: Role, settings: Settings, *, life: int | None = None) -> int:
    """Serve one role until SIGTERM, SIGINT, or the end of the pipe `life`."""

    def report(addresses: dict[str, Any]) -> None:
        print(json.dumps(addresses), flush=True)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads that pipe any more: what prints must not block

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        if life is not None:
            threading.Thread(target=_watch, args=(life, loop, stop), daemon=True, name="life").start()
        await role(settings, stop, report)

    try:
        asyncio.run(main())
    except BaseExceptionGroup as group:
        return _fail(group)
    except Exception as error:
        return _fail(error)
    return 0


def _fail(error: BaseException) -> int:
    """Say why the process ends, on both channels."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    logging.getLogger(__name__).error("role_failed", exc_info=error)
    print(json.dumps({"error": str(error) or type(error).__name__, "kind": type(error).__name__}), flush=True)
    return 1


def _watch(fd: int, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(fd, 1024):
        pass
    loop.call_soon_threadsafe(stop.set)
