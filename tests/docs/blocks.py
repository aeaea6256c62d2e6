"""Fenced blocks of a Markdown page, and how each kind is run against a running installation."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import clickhouse_connect
from running_installation import PATIENCE_SECONDS, Installation, command_environment, wait_until

ROOT = Path(__file__).resolve().parents[2]
RUN = ("console", "python", "sql")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"<!-- not run: (?P<name>[a-z-]+) -->\n\Z")
_DEFAULT_PORTS = {"otlp_grpc": "4317", "otlp_http": "4318", "grpc": "4320", "clickhouse_http": "8123"}


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block.  `shown` is the answer that the page prints under it; `not_run` names why it cannot be run."""

    language: str
    body: str
    line: int
    shown: str = ""
    not_run: str = ""


def blocks_of(page: Path) -> list[Block]:
    """Blocks that can be run, in order.  A `text` block right after one is its answer; so are lines without a `$`."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(text):
        between, end = text[end : match.start()], match.end()
        language, body = match["language"], match["body"]
        if language == "text" and found and not between.strip():
            found[-1] = Block(**vars(found[-1]) | {"shown": body})
        elif language in RUN:
            marker = _MARKER.search(between)
            line = text.count("\n", 0, match.start()) + 1
            found.append(_block(language, body, line, marker["name"] if marker else ""))
    return found


def _block(language: str, body: str, line: int, not_run: str) -> Block:
    if language != "console":
        return Block(language=language, body=body, line=line, not_run=not_run)
    said: list[str] = []
    commands: list[str] = []
    for each in body.splitlines():
        if each.startswith(("$ ", "> ")):
            commands.append(each[2:])
        else:
            said.append(each)
    return Block(language=language, body="\n".join(commands), line=line, shown="\n".join(said), not_run=not_run)


@dataclass
class Reader:
    """Somebody who types the page's blocks, in order, in one terminal at the repository's root."""

    installation: Installation
    folder: Path
    patience_seconds: float = PATIENCE_SECONDS

    def read(self, block: Block) -> None:
        """Run one block until it says what the page shows; a failing command or another answer is an error."""
        text = self._substituted(block.body)
        expected = [_pattern(line) for line in block.shown.splitlines() if line.strip()]
        asks = block.language == "sql" or (
            bool(expected) and "create" not in block.body
        )  # asking again changes nothing

        said = ""

        def answered() -> bool:
            nonlocal said
            said = self._say(block.language, text)
            return _agrees(expected, said)

        try:
            wait_until("the block to say what is shown", answered, seconds=30 if asks else 0)
        except AssertionError as error:
            raise AssertionError(f"line {block.line} says:\n{said}") from error

    def _substituted(self, text: str) -> str:
        """The same block with this installation's ports, data directory and interpreter."""
        for name, port in _DEFAULT_PORTS.items():
            text = text.replace(f"127.0.0.1:{port}", str(self.installation.endpoints[name]))
        return text.replace(".venv/bin/", f"{Path(sys.executable).parent}/").replace(
            '".assay/', f'"{self.installation.data_dir}/'
        )

    def _say(self, language: str, text: str) -> str:
        if language == "sql":
            client = clickhouse_connect.get_client(dsn=self.installation.endpoints["analyst_url"])
            return client.raw_query(text.strip().rstrip(";"), fmt="TSVWithNames").decode()
        state = self.folder / "exported"  # what one block exports, the next one sees
        state.touch()
        script = f'set -euo pipefail\n. "{state}"\n{text}\nexport -p > "{state}"'
        if language == "python":
            script = f'. "{state}"\n{shlex.quote(sys.executable)} -c {shlex.quote(text)}'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience_seconds,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return command_environment(ASSAY_DATA_DIR=str(self.installation.data_dir), PATH=os.environ["PATH"])


def _pattern(line: str) -> re.Pattern[str]:
    """A shown line: `…` stands for anything, an id for any id, and columns may be as wide as they like."""
    words = [re.escape(word).replace("…", ".*") for word in line.split()]
    return re.compile(r"\s+".join(re.sub(r"\b[0-9a-f]{16,32}\b", "[0-9a-f]+", word) for word in words))


def _agrees(expected: list[re.Pattern[str]], said: str) -> bool:
    """Whether the shown lines are there, in order."""
    lines = iter(said.splitlines())
    return all(any(pattern.search(line) for line in lines) for pattern in expected)
