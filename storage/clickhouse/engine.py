"""The embedded ClickHouse: chdb-core's real server, in a process of its own.

    python -m storage.clickhouse.engine --data-dir DIR --http 127.0.0.1:8123 --life FD

chdb-core ships clickhouse-local's `LocalServer`, which understands `SYSTEM START LISTEN HTTP` since ClickHouse 26.5.
The process loads the extension without importing `chdb` (whose import would start another engine), starts the listener,
and keeps the server alive with a query that sleeps.  SIGTERM, or the end of the pipe `--life` (its other end belongs to
the parent, so it ends with it, even when the parent is killed), ends that query; `LocalServer` then shuts down by
itself.

Exit codes: 0 stopped as asked, 1 the engine failed, 75 the data directory is in use (the reason is on standard error).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import importlib.machinery
import importlib.util
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.clickhouse import engine_config

IN_USE = 75
STOP_SECONDS = 20.0
KEEPALIVE = (
    "SELECT sleepEachRow(0.2) AS {tag} FROM system.numbers "
    "SETTINGS max_block_size = 1, max_threads = 1, max_execution_time = 0 FORMAT Null"
)


def main() -> int:
    """Serve until told to stop; returns the exit code."""
    arguments = _arguments()
    data_dir = Path(arguments.data_dir).resolve()
    run_dir = data_dir / "engine"
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(data_dir)
    if lock is None:
        return IN_USE
    host, port = arguments.http.rsplit(":", 1)
    credentials = engine_config.load_or_create_credentials(data_dir)
    store = data_dir / "clickhouse"
    store.mkdir(exist_ok=True)
    engine_config.write(
        run_dir, store=store, host=host, http_port=int(port), credentials=credentials, database=arguments.database
    )
    os.chdir(run_dir)  # LocalServer reads ./config.xml
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # standard input must not look like table data

    stop_signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)  # inherited by every thread of the engine
    run = _load_extension()
    tag = "keepalive_" + secrets.token_hex(8)
    ended = threading.Event()
    failure: list[str] = []

    def serve() -> None:
        try:
            error = run("SYSTEM START LISTEN HTTP; " + KEEPALIVE.format(tag=tag), str(store))
            if error:
                failure.append(error)
        except BaseException as error:  # whatever the extension throws is the reason to report
            failure.append(str(error) or repr(error))
        finally:
            ended.set()
            os.kill(os.getpid(), signal.SIGTERM)

    threading.stack_size(8 << 20)  # queries nest deeply
    threading.Thread(target=serve, name="clickhouse", daemon=True).start()
    if arguments.life >= 0:
        threading.Thread(target=_end_with_parent, args=(arguments.life,), name="life", daemon=True).start()

    signal.sigwait(stop_signals)
    asked = not ended.is_set()
    if asked:
        _end_query(f"http://{host}:{port}", credentials, tag)
        limit = time.monotonic() + STOP_SECONDS
        while not ended.wait(0.1) and time.monotonic() < limit:
            _hang_up_clients(int(port))
    failure = [text for text in failure if not (asked and "QUERY_WAS_CANCELLED" in text)]
    for text in failure:
        print(f"clickhouse: {text.strip()}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(1 if failure or not asked else 0)  # skips the static teardown of Python and C++, which can hang


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The embedded ClickHouse server (started by `assay up`).")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--http", required=True, help="host:port, loopback")
    parser.add_argument("--database", default="assay", help="what the analyst may read")
    parser.add_argument("--life", type=int, default=-1, help="file descriptor whose end of file ends the server")
    return parser.parse_args()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who serves a data directory: the engine's process id and its parent's; 0 = not known."""

    engine: int = 0
    parent: int = 0

    @property
    def wanted(self) -> bool:
        """Whether its parent lives; a server without one is about to end."""
        try:
            os.kill(self.parent, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # somebody else's, and alive
            pass
        return True


def holder(data_dir: Path) -> Holder | None:
    """Who serves this data directory at the moment; None = nobody."""
    try:
        fd = os.open(data_dir / "engine" / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _written_by_holder(fd)
    else:
        return None
    finally:
        os.close(fd)


def in_use(data_dir: Path, by: Holder) -> str:
    """The sentence that refuses a second server."""
    who = f"pid {by.engine} (started by pid {by.parent})" if by.engine else "another process"
    return f"the data directory {data_dir} is in use by {who}; stop it, or choose another ASSAY_DATA_DIR"


def _written_by_holder(fd: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(fd, 4096, 0)))
    except (ValueError, TypeError):  # it has not written it yet
        return Holder()


def _lock(data_dir: Path) -> int | None:
    """Take the directory's lock for the life of this process; None (and a sentence) when another has it."""
    fd = os.open(data_dir / "engine" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    limit = time.monotonic() + 0.5  # `holder` of a start at the same moment takes it for an instant
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() > limit:
                print(in_use(data_dir, _written_by_holder(fd)), file=sys.stderr, flush=True)
                return None
            time.sleep(0.02)
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps({"engine": os.getpid(), "parent": os.getppid()}).encode(), 0)
    return fd


def find_extension() -> Path | None:
    """Where chdb-core's extension module is, without importing it."""
    spec = importlib.util.find_spec("chdb")
    for folder in list(spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("_chdb*.so")):
            return path
    return None


def _load_extension() -> Callable[[str, str], str | None]:
    path = find_extension()
    if path is None:
        print("chdb-core is not installed: pip install --no-deps chdb-core==26.9.0", file=sys.stderr)
        os._exit(1)
    with contextlib.chdir(path.parent):  # its libraries are found from its own folder
        # RTLD_DEEPBIND keeps its C++ runtime apart from the interpreter's, as chdb's own import does.
        ctypes.CDLL(str(path), mode=sys.getdlopenflags() | getattr(os, "RTLD_DEEPBIND", 0))
        loader = importlib.machinery.ExtensionFileLoader("_chdb", str(path))
        spec = importlib.util.spec_from_file_location("_chdb", str(path), loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)

    def run(sql: str, store: str) -> str | None:
        result = module.query(sql, "TSV", path=store)
        return str(result.error_message()) if result.has_error() else None

    return run


def _end_with_parent(fd: int) -> None:
    """Block until the parent's end of the pipe is closed, then stop as on SIGTERM."""
    while os.read(fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _end_query(base_url: str, credentials: engine_config.Credentials, tag: str) -> None:
    """End the sleeping query; the server then shuts down cleanly."""
    request = urllib.request.Request(
        base_url + "/",
        data=f"KILL QUERY WHERE query LIKE '%{tag}%' AND query NOT LIKE 'KILL%' ASYNC FORMAT Null".encode(),
        headers={
            "X-ClickHouse-User": engine_config.SERVICE_USER,
            "X-ClickHouse-Key": credentials.service,
            "Connection": "close",
        },
    )
    try:
        urllib.request.urlopen(request, timeout=5).read()
    except OSError as error:
        print(f"clickhouse: no clean stop, the sleeping query could not be ended: {error}", file=sys.stderr, flush=True)


def _hang_up_clients(port: int) -> None:
    """Half-close accepted connections: idle keep-alive clients would hold up the stop for five seconds."""
    if not os.path.isdir("/proc/self/fd"):
        return
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as connection:
                if connection.family == socket.AF_INET and connection.getsockname()[1] == port:
                    connection.getpeername()  # raises on the listening socket
                    connection.shutdown(socket.SHUT_RD)
        except OSError:
            continue  # it went away, or it is not ours


if __name__ == "__main__":
    sys.exit(main())
