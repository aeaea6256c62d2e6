"""How a reviewer is heard: single keys at a terminal, whole lines over a pipe or a dumb terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from assay.cli.console import CommandFailed

BACKSPACE = ("\x7f", "\x08")
ENTER = ("\r", "\n")
ESCAPE = "\x1b"
END = ""
"""Nothing more will come."""


class Hears(Protocol):
    """Where keys and lines come from."""

    by_key: bool
    """Whether one key is enough; else every answer is a line."""

    def key(self) -> str:
        """The next key, or line; `END` where nothing more will come."""

    def line(self, prompt: str, start: str = "") -> str | None:
        """A line of text, `start` being written already; None = it was given up."""

    def editor(self, text: str) -> str | None:
        """A text written in $VISUAL or $EDITOR; None where neither is set, or nobody can use it."""


class Lines:
    """Standard input, line by line."""

    by_key = False

    def key(self) -> str:
        """See `Hears`, here and below."""
        text = sys.stdin.readline()
        return END if not text else text.strip() or "\n"

    def line(self, prompt: str, start: str = "") -> str | None:
        print(f"{prompt}{start}", end="", flush=True)
        text = sys.stdin.readline()
        return f"{start}{text.strip()}" if text else None

    def editor(self, text: str) -> str | None:
        return None


class Terminal:
    """A terminal that gives each key as it is pressed; Ctrl-C and Ctrl-Z do what they always do."""

    by_key = True

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ahead: list[str] = []

    def key(self) -> str:
        """See `Hears`, here and below."""
        while not self._ahead:
            read = os.read(self._descriptor, 1024)
            if not read or read == b"\x04":  # the end, or Ctrl-D
                return END
            text = read.decode("utf-8", "replace")
            self._ahead += [ESCAPE] if text.startswith("\x1b") else list(text)  # arrows and the like are one key
        return self._ahead.pop(0)

    def line(self, prompt: str, start: str = "") -> str | None:
        text = start
        while True:
            print(f"\r\x1b[K{prompt}{text}", end="", flush=True)
            key = self.key()
            if key in ENTER:
                print()
                return text.strip()
            if key in (ESCAPE, END):
                print()
                return None
            if key in BACKSPACE:
                text = text[:-1]
            elif key == "\x15":  # Ctrl-U
                text = ""
            elif key.isprintable():
                text += key

    def editor(self, text: str) -> str | None:
        command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
        if not command.strip():
            return None
        with tempfile.TemporaryDirectory(prefix="assay-review-") as folder:
            file = Path(folder) / "why.txt"
            file.write_text(text, encoding="utf-8")
            with _as_it_was(self._descriptor):
                done = subprocess.run([*shlex.split(command), str(file)], check=False)
            if done.returncode:
                raise CommandFailed(f"{command!r} ended with the exit code {done.returncode}: nothing was taken over")
            return file.read_text(encoding="utf-8", errors="replace").strip()


@contextmanager
def listening() -> Iterator[Hears]:
    """Keys where standard input and output are a terminal that can, else lines.  Afterwards all is as it was."""
    able = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")
    if not able:
        yield Lines()
        return
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield Lines()
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Terminal(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _as_it_was(descriptor: int) -> Iterator[None]:
    """A terminal that an editor may do with as it likes."""
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    cooked = termios.tcgetattr(descriptor)
    cooked[3] |= termios.ICANON | termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, cooked)
    try:
        yield
    finally:
        tty.setcbreak(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
