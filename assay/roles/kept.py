"""What an installation keeps in its data directory: secrets that are made once, and who worked on it last."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.clickhouse.engine_config import write_private

SECRET_BYTES = 32


def made_once(path: Path, make: Callable[[], str]) -> str:
    """The text of a file, mode 0600; whoever comes first makes it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        write_private(fresh, make())
        with suppress(FileExistsError):  # another process was first: then its text is the one
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text(encoding="utf-8")


def installation_secret(data_dir: Path) -> bytes:
    """32 bytes that nobody who writes telemetry knows; made once, kept in the data directory, mode 0600.

    Raises:
        ValueError: The file does not hold 32 bytes; says what to do.
    """
    path = data_dir / "secret"
    text = made_once(path, lambda: secrets.token_hex(SECRET_BYTES)).strip()
    if len(text) != 2 * SECRET_BYTES:
        raise ValueError(f"{path} is damaged: remove it, and a new one is made (it only fences judge prompts)")
    return bytes.fromhex(text)


@contextmanager
def predecessor(data_dir: Path, owner: str) -> Iterator[str]:
    """The lease owner that last worked on this data directory, if it certainly lives no more; '' otherwise.

    Its name stands in a file that it held locked: the system lets go of the lock when a process ends, however it ends.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with open(data_dir / "evaluator.owner", "a+", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it lives: another evaluator on the same directory
            yield ""
            return
        file.seek(0)
        dead_owner = file.read().strip()
        with suppress(OSError):  # a full disk: the next process then waits until our leases expire
            file.truncate(0)
            file.write(owner)
            file.flush()
        yield dead_owner


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
