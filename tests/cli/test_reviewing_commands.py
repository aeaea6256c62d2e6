"""`assay queue` and `assay review`, as a person at a terminal and a script over a pipe use them."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running_installation import ASSAY, PATIENCE_SECONDS, Installation, command_environment

from assay.client import Client, Level, MetricDefinition, MetricKind, OutputType

Trace = tuple[str, list[str]]
SCALE = {"bad": 1.0, "fair": 2.0, "good": 3.0}


class Typist:
    """Somebody at a terminal of 80 columns: presses keys, and waits for what is shown."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self.shown = ""

    def sees(self, text: str) -> None:
        """Wait until a text was shown since the last key."""
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} was not shown:\n{self.shown}"
            if select.select([self._descriptor], [], [], 1.0)[0]:
                try:
                    self.shown += os.read(self._descriptor, 65_536).decode("utf-8", "replace")
                except OSError as error:  # the other end has closed
                    raise AssertionError(f"{text!r} was not shown:\n{self.shown}") from error

    def presses(self, keys: str, then: str) -> None:
        """Press keys, and wait for what they bring."""
        self.shown = ""
        os.write(self._descriptor, keys.encode())
        self.sees(then)


@contextmanager
def at_a_terminal(running: Installation, *arguments: str, **settings: str) -> Iterator[Typist]:
    """A command in a terminal of its own; it has ended afterwards."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [ASSAY, *arguments, "--data-dir", str(running.data_dir)],
        cwd=running.folder,
        env=command_environment(TERM="xterm", COLUMNS="80", LINES="30", **settings),
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=None,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Typist(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_SECONDS)
        os.close(ours)


@pytest.fixture
def targets(trace: Trace) -> list[str]:
    """Two stored spans, as the command line names them."""
    return [f"{trace[0]}:{span}" for span in trace[1]]


def a_metric(running: Installation, output_type: OutputType = OutputType.BOOLEAN, **other: Any) -> str:
    """A fresh judge of spans."""
    name = f"m_{uuid.uuid4().hex[:8]}"
    with Client(running.endpoints["grpc"]) as client:
        client.create_metric(
            MetricDefinition(
                name=name, kind=MetricKind.JUDGE, levels=(Level.SPAN,), output_type=output_type,
                prompt="Is it so? {{input}} {{output}}", **other,
            )
        )  # fmt: skip
    return name


def a_queue(running: Installation, targets: list[str], *options: str, metric: str = "") -> str:
    """A fresh queue with targets in it."""
    name = f"q_{uuid.uuid4().hex[:8]}"
    named = [part for target in targets for part in ("--target", target)]
    made = running.run("queue", "create", name, "--metric", metric or a_metric(running), *named, *options, "--json")
    assert made.code == 0, made.err + made.out
    assert made.json["progress"]["items"] == len(targets)
    return name


def verdicts(running: Installation, queue: str) -> list[tuple[str, str]]:
    """What counts of a queue: (verdict, why), oldest first."""
    with Client(running.endpoints["grpc"]) as client:
        said = [each for each in client.list_feedback(queue=queue) if each.status == "submitted"]
    return [(each.expected.label, each.explanation) for each in reversed(said)]


def test_a_person_reviews_with_one_key_each(running: Installation, targets: list[str], tmp_path: Path) -> None:
    """Help, why in an editor, verdict, undo, back, skip, Ctrl-C in the middle, and on from where it stopped."""
    queue = a_queue(running, targets)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho 'because the answer names the city' > \"$1\"\n")
    editor.chmod(0o755)
    who = ("review", queue, "--annotator", "ann")
    with at_a_terminal(running, *who, EDITOR=str(editor)) as person:
        person.sees("[y] true  [n] false")
        assert "0/2 done" in person.shown
        assert "capital of France" in person.shown
        person.presses("?", "any key goes on")
        person.presses("x", "[y] true")
        person.presses("e", "why: because the answer names the city")
        person.presses("y", "1/2 done · 1 by you")
        assert "kept: true (resolved)" in person.shown
        person.presses("u", "taken back")
        person.presses("n", "1/2 done · 1 by you")
        person.presses("b", "a new one replaces it")
        person.presses("y", "kept: true")
        person.presses("z", "means nothing here")
        person.process.send_signal(signal.SIGINT)
        assert person.process.wait(PATIENCE_SECONDS) == 130
    assert verdicts(running, queue) == [("true", "because the answer names the city")]
    with at_a_terminal(running, *who) as person:
        person.sees("1/2 done · 1 by you")
        person.presses("s", "nothing is left")
        person.sees("0 verdicts by ann, 1 skipped")
        assert person.process.wait(PATIENCE_SECONDS) == 0


def test_labels_are_digits_and_numbers_are_written(running: Installation, targets: list[str]) -> None:
    """What is no verdict of the metric is said so, and asked again."""
    labelled = a_metric(running, OutputType.CATEGORICAL, labels=SCALE)
    queue = a_queue(running, targets[:1], metric=labelled)
    with at_a_terminal(running, "review", queue, "--annotator", "ann") as person:
        person.sees("[1] bad  [2] fair  [3] good")
        person.presses("3", "nothing is left")
    assert verdicts(running, queue) == [("good", "")]
    percent = a_queue(running, targets[:1], metric=a_metric(running, OutputType.PERCENTAGE))
    with at_a_terminal(running, "review", percent, "--annotator", "ann") as person:
        person.sees("write a number from 0.0 to 1.0")
        person.presses("60\r", "write 0.6")
        person.presses("0.7\x7f6 for 3 of 5\r", "nothing is left")
    with Client(running.endpoints["grpc"]) as client:
        [said] = client.list_feedback(queue=percent)
    assert (said.expected.value, said.explanation) == (0.6, "for 3 of 5")


def test_a_script_reviews_over_a_pipe(running: Installation, targets: list[str]) -> None:
    """A line for each answer, the why behind the verdict; the end of the input is the end."""
    queue = a_queue(running, targets)
    done = subprocess.run(
        [ASSAY, "review", queue, "--annotator", "bob", "--data-dir", str(running.data_dir)],
        input="perhaps\ny because it names the city\ns\n", cwd=running.folder, env=command_environment(),
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "is no boolean" in done.stdout
    assert "1 verdict by bob, 1 skipped" in done.stderr
    assert verdicts(running, queue) == [("true", "because it names the city")]


def test_queues_are_listed_shown_filled_disputed_undone_and_deleted(running: Installation, targets: list[str]) -> None:
    """Every command, with `--json` for scripts."""
    queue = a_queue(running, targets[:1], "--quorum", "2", "--blind", "--instructions", "Mind the gap.")
    assert queue in {each["name"] for each in running.run("queue", "list", "--json").json}
    assert queue in running.run("queue", "list").out
    filled = running.run("queue", "fill", queue, "--target", targets[0], "--target", targets[1], "--json")
    assert filled.json == {"added": 1, "present": 1}
    items = [str(each) for each in _ids(running, queue)]
    bulk = running.run(
        "queue",
        "complete",
        queue,
        "--item",
        items[0],
        "--item",
        items[1],
        "--verdict",
        "y",
        "--annotator",
        "ann",
        "--json",
    ).json
    assert (bulk["completed"], bulk["refused"]) == (2, {})
    single = running.run("queue", "complete", queue, "--item", items[0], "--verdict", "false", "--annotator", "bob")
    assert single.code == 0, single.err
    disputes = running.run("queue", "disputes", queue, "--json").json
    assert [[(said["annotator"], said["verdict"]) for said in each["said"]] for each in disputes] == [
        [("bob", "false"), ("ann", "true")]
    ]
    assert f"assay feedback resolve {disputes[0]['target']}" in running.run("queue", "disputes", queue).out
    shown = running.run("queue", "show", queue).out
    assert "2 reviewers each, blind" in shown
    assert "Mind the gap." in shown
    assert running.run("queue", "undo", bulk["bulk_id"], "--annotator", "ann", "--json").json == {"retracted": 2}
    assert running.run("queue", "disputes", queue).out.strip() == f"nobody differs in {queue}"
    assert running.run("queue", "delete", queue).code == 0
    gone = running.run("queue", "show", queue)
    assert (gone.code, "assay queue list" in gone.err) == (1, True)


def _ids(running: Installation, queue: str) -> list[str]:
    sql = f"SELECT toString(ItemId) AS id FROM review_items WHERE Queue = '{queue}' ORDER BY CreatedAt, Rank"
    return [row["id"] for row in running.query(sql)]
