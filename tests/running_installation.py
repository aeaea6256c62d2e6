"""Real installations for tests: `assay up` and other commands as processes, signals, and what is left of them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from evaluator.judges.scripted import ScriptedJudge
from storage.clickhouse.client import Database

ASSAY = str(Path(sys.executable).with_name("assay"))
PATIENCE_SECONDS = 120.0
"""What a busy machine is given; a good run waits for a fraction of it."""
FREE_PORTS = ("--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
              "--clickhouse-http", "127.0.0.1:0")  # fmt: skip
MARK = "TEST_INSTALLATION"
T = TypeVar("T")


def wait_until(what: str, condition: Callable[[], T | None], *, seconds: float = PATIENCE_SECONDS) -> T:
    """Ask until the answer is true, and return it; fail with `what` was waited for."""
    pause = threading.Event()
    limit = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        assert time.monotonic() < limit, f"not within {seconds:.0f} s: {what}"
        pause.wait(0.05)


def marked(mark: str) -> set[int]:
    """Every live process, however deep, that inherited this mark in its environment."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def command_environment(**settings: str) -> dict[str, str]:
    """The environment without settings of Assay's but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "OTEL_"))}
    return kept | settings


def assay(*arguments: str, cwd: Path, **settings: str) -> Said:
    """Run one command to its end."""
    done = subprocess.run(
        [ASSAY, *arguments],
        cwd=cwd,
        env=command_environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON value."""
        return json.loads(self.out)


@dataclass
class Installation:
    """`assay up` on a data directory; start, stop, and look at it as often as you like."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = FREE_PORTS
    process: subprocess.Popen[str] | None = None
    first_line: str = ""
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def data_dir(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        return (self.folder / "up.log").read_text()

    def launch(self) -> subprocess.Popen[str]:
        """Start it, without waiting."""
        with open(self.folder / "up.log", "a") as log:
            self.process = subprocess.Popen(
                [ASSAY, "up", "--json", "--data-dir", str(self.data_dir), *self.arguments],
                cwd=self.folder,
                env=command_environment(**self.settings, **{MARK: self.mark}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self.process

    def start(self) -> dict[str, Any]:
        """Start it, and return its endpoints when it is ready."""
        process = self.launch()
        assert process.stdout is not None
        self.first_line = process.stdout.readline()  # ends with the process, at the latest
        assert self.first_line.startswith('{"otlp_grpc"'), self.first_line + self.log
        found: dict[str, Any] = json.loads(self.first_line)
        return found

    @property
    def endpoints(self) -> dict[str, Any]:
        """`endpoints.json` as it is now."""
        found: dict[str, Any] = json.loads((self.data_dir / "endpoints.json").read_text())
        return found

    def pid_of(self, role: str) -> int:
        """Process id of `up`, `exporter`, `evaluator` or `clickhouse`, as `endpoints.json` says."""
        pids = self.endpoints["pids"]
        return int(pids["exporters"][0] if role == "exporter" else pids[role])

    def kill(self, role: str) -> int:
        """kill -9 one process; returns its pid."""
        pid = self.pid_of(role)
        os.kill(pid, signal.SIGKILL)
        return pid

    @contextmanager
    def frozen(self, role: str) -> Iterator[None]:
        """Stop one process's clock for the length of a block."""
        pid = self.pid_of(role)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def wait_replaced(self, role: str, old_pid: int) -> int:
        """Wait until another process has the role (it may still be starting); returns its pid."""

        def replaced() -> int | None:
            pid = self.pid_of(role)
            return pid if pid not in (0, old_pid) and pid in self.left() else None

        return wait_until(f"a new {role} in endpoints.json; {self.log[-2000:]}", replaced)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send one signal to `assay up` only, and wait for its end; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.ended()

    def ctrl_c(self) -> int:
        """What a terminal does: SIGINT to the whole foreground group."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end of `assay up`; returns the exit code."""
        assert self.process is not None
        code = self.process.wait(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def left(self) -> set[int]:
        """Processes of this installation that live."""
        return marked(self.mark)

    def wait_empty(self) -> None:
        """Wait until no process is left."""
        wait_until("every process of the installation to end", lambda: not self.left())

    def query(self, sql: str, *, user: str = "clickhouse_url") -> list[dict[str, Any]]:
        """Rows of a query, as the service's own user or as `analyst_url`."""
        address = self.endpoints[user]

        async def work() -> list[dict[str, Any]]:
            async with Database(address) as database:
                return await database.query(sql)

        return asyncio.run(work())

    def run(self, *arguments: str, **settings: str) -> Said:
        """One `assay` command on this data directory."""
        return assay(*arguments, "--data-dir", str(self.data_dir), cwd=self.folder, **settings)


@contextmanager
def installation(
    folder: Path, settings: Mapping[str, str] | None = None, *, started: bool = True
) -> Iterator[Installation]:
    """An installation for the length of a block; afterwards none of its processes is left, whatever happened."""
    made = Installation(folder=folder, settings=settings or {})
    try:
        if started:
            made.start()
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()
        for pid in made.left():
            os.kill(pid, signal.SIGKILL)
        if made.process is not None and made.process.stdout is not None:
            made.process.stdout.close()


@contextmanager
def scripted_judge(*, latency_seconds: float = 0.0) -> Iterator[ScriptedJudge]:
    """A scripted judge that answers while the test blocks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="scripted-judge")
    thread.start()

    async def opened() -> ScriptedJudge:
        return await ScriptedJudge(latency_seconds=latency_seconds).__aenter__()

    judge = asyncio.run_coroutine_threadsafe(opened(), loop).result(PATIENCE_SECONDS)
    try:
        yield judge
    finally:
        asyncio.run_coroutine_threadsafe(judge.__aexit__(None, None, None), loop).result(PATIENCE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)
        loop.close()


def judged_by(judge: ScriptedJudge) -> dict[str, str]:
    """Settings that name the scripted judge."""
    return {
        "ASSAY_JUDGE_MODEL": "openai/scripted",
        "ASSAY_JUDGE_BASE_URL": judge.base_url,
        "ASSAY_JUDGE_API_KEY": "scripted-key",
        "ASSAY_JUDGE_CACHE": "off",  # tests count what the judge was asked
    }


def without_passwords(text: str) -> str:
    """Text with credentials of addresses removed, so that tests can compare it whole."""
    return re.sub(r"(?<=://)[^/@\s]+(?=@)", "***", text)
