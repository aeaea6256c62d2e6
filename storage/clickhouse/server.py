"""Starts and stops the embedded ClickHouse from its parent process."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from storage.clickhouse import engine, engine_config
from storage.errors import DataDirectoryInUse, EngineFailed

READY_SECONDS = 30.0
ORPHAN_SECONDS = engine.STOP_SECONDS + 5.0
LOOPBACK = frozenset({"127.0.0.1", "localhost"})


class EmbeddedServer:
    """A ClickHouse server as a child process; it ends with this process, however that ends.

    The port is fixed at the first start (0 = any free one), so that `start` after a crash brings it back where it was.

    Raises:
        EngineFailed: It is not installed, its address is not loopback or taken, or it died; says what to do.
        DataDirectoryInUse: Another process serves this data directory.
    """

    def __init__(self, data_dir: Path, *, http: str = "127.0.0.1:8123", database: str = "assay") -> None:
        self.data_dir = data_dir.resolve()
        self.database = database
        host, _, port = http.rpartition(":")
        if host not in LOOPBACK:
            raise EngineFailed(
                f"the embedded ClickHouse listens on loopback only, not on {host!r}: set ASSAY_CLICKHOUSE_HTTP to "
                "127.0.0.1:PORT, or run a server of your own and set ASSAY_CLICKHOUSE_URL"
            )
        self._host = "127.0.0.1"
        self._port = int(port)
        self._process: subprocess.Popen[bytes] | None = None
        self._life: int | None = None

    def start(self) -> None:
        """Start the server and return when it answers (a third of a second on a quiet machine)."""
        if engine.find_extension() is None:
            raise EngineFailed(
                "the embedded ClickHouse is not installed: run `pip install --no-deps chdb-core==26.9.0`, or set "
                "ASSAY_CLICKHOUSE_URL to a server (26.8 or newer) of your own"
            )
        require_writable(self.data_dir)
        self._forget()
        self._wait_for_orphan()
        self._port = _usable_port(self._host, self._port)
        life_read, self._life = os.pipe()
        command = [
            sys.executable, "-m", "storage.clickhouse.engine", "--data-dir", str(self.data_dir),
            "--http", f"{self._host}:{self._port}", "--database", self.database, "--life", str(life_read),
        ]  # fmt: skip
        with open(self.data_dir / "engine" / "stderr.log", "wb") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=[life_read],
                env=os.environ | {"TZ": "UTC"},
                start_new_session=True,  # Ctrl-C reaches the parent, which stops things in order
            )
        os.close(life_read)
        self._wait_until_ready()

    def _wait_for_orphan(self) -> None:
        """Wait for a server whose parent was killed: it is about to end.

        Raises:
            DataDirectoryInUse: One that is wanted serves this directory.
        """
        limit = time.monotonic() + ORPHAN_SECONDS
        while holder := engine.holder(self.data_dir):
            if holder.wanted or time.monotonic() > limit:
                raise DataDirectoryInUse(engine.in_use(self.data_dir, holder))
            time.sleep(0.05)

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        limit = time.monotonic() + READY_SECONDS
        while time.monotonic() < limit:
            if self._process.poll() is not None:
                raise self._death()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.base_url}/ping", timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.01)
        self.kill()
        raise EngineFailed(f"the embedded ClickHouse did not answer within {READY_SECONDS:.0f} s; see {self.log}")

    def _death(self) -> EngineFailed | DataDirectoryInUse:
        assert self._process is not None
        said = (self.data_dir / "engine" / "stderr.log").read_text(errors="replace").strip()
        if self._process.returncode == engine.IN_USE:
            return DataDirectoryInUse(said)
        last = said.splitlines()[-1] if said else f"exit code {self._process.returncode}"
        return EngineFailed(f"the embedded ClickHouse ended at once: {last}; see {self.log}")

    @property
    def base_url(self) -> str:
        """Without user or database."""
        return f"http://{self._host}:{self._port}"

    @property
    def log(self) -> Path:
        """ClickHouse's own log."""
        return self.data_dir / "engine" / "server.err.log"

    @property
    def pid(self) -> int:
        """Process id of the running server; 0 when there is none."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.pid != 0

    def listens(self) -> bool:
        """Whether its port takes connections; one that is only slow to do so counts as well."""
        try:
            socket.create_connection((self._host, self._port), timeout=1.0).close()
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True

    def url(self, user: str = engine_config.SERVICE_USER) -> str:
        """Address with credentials of one of the users of `engine_config`.  A secret: never log it."""
        credentials = engine_config.load_or_create_credentials(self.data_dir)
        password = {
            engine_config.SERVICE_USER: credentials.service,
            engine_config.ANALYST_USER: credentials.analyst,
            engine_config.EXPRESSION_USER: credentials.expressions,
        }[user]
        return f"http://{user}:{quote(password)}@{self._host}:{self._port}/{self.database}"

    def stop(self, *, timeout_seconds: float = 30.0) -> None:
        """Stop cleanly; kill it when it does not end in time.  Safe to call twice."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        if self._life is not None:
            os.close(self._life)
            self._life = None
        self._process = None


def require_writable(data_dir: Path) -> None:
    """Make the data directory where it is not there yet, and try to write into it.

    Raises:
        EngineFailed: It cannot be written; the message names it and the setting.
    """
    try:
        (data_dir / "engine").mkdir(parents=True, exist_ok=True)
        probe = data_dir / "engine" / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EngineFailed(
            f"the data directory {data_dir} cannot be written ({error.strerror}): choose another ASSAY_DATA_DIR"
        ) from error


def _usable_port(host: str, port: int) -> int:
    """`port` if it can be bound, a free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EngineFailed(
                f"port {port} is in use ({error.strerror}): stop what listens there, or set ASSAY_CLICKHOUSE_HTTP to "
                f"another port, {host}:0 for any free one"
            ) from error
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(data_dir: Path, *, http: str = "127.0.0.1:0", database: str = "assay") -> Iterator[EmbeddedServer]:
    """An embedded server for the length of a `with` block."""
    server = EmbeddedServer(data_dir, http=http, database=database)
    server.start()
    try:
        yield server
    finally:
        server.stop()
