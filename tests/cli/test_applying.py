"""Definitions as code, from files to the store and back: apply, diff, export, and the commands of one metric."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from running_front import Front, a_span, an_evaluation, running_front
from typer.testing import CliRunner

from assay.cli import applying, metrics, rules
from assay.cli.console import CommandFailed
from assay.cli.main import app
from storage.clickhouse.client import Database
from storage.model import Failure, Score, Usage

COMMAND_MODULES = (applying, metrics, rules)
"""Imported, they register their commands."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command printed, and its exit code."""

    out: str
    code: int

    @property
    def json(self) -> Any:
        """Its one JSON value."""
        return json.loads(self.out)


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Runs commands against a server."""

    front: Front

    async def run(self, *arguments: str, stdin: str = "") -> Said:
        """One command, to its end; what it refuses is said as `assay` says it."""
        result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), input=stdin)
        if isinstance(result.exception, CommandFailed):
            return Said(out=str(result.exception), code=result.exception.exit_code)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(out=result.stdout, code=result.exit_code)


@pytest.fixture
async def shell(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shell]:
    """A server that the settings name."""
    async with running_front(database) as front:
        monkeypatch.setenv("ASSAY_GRPC", front.address)
        yield Shell(front=front)


@dataclass(frozen=True, kw_only=True)
class Names:
    """Slugs that nobody else uses."""

    judge: str
    code: str
    composite: str
    rule: str


@pytest.fixture
def names() -> Names:
    """Of one judge, one code metric, one composite of these and one rule."""
    number = uuid.uuid4().hex[:8]
    return Names(judge=f"judge_{number}", code=f"code_{number}", composite=f"all_{number}", rule=f"rule_{number}")


def write(folder: Path, names: Names, *, prompt: str = "Polite?\n{{output}}", rate: float = 0.5) -> Path:
    """Two files and a source; what is required stands after what requires it."""
    (folder / "a.yaml").write_text(
        f"""\
kind: rule
name: {names.rule}
level: span
metrics: [{names.composite}]
sample_rate: {rate}
filter: kind = 'llm'
---
kind: composite
name: {names.composite}
levels: [span]
span_kinds: [llm]
output_type: number
required_metrics: [{names.judge}, {names.code}]
source_file: scorers/all.py
""",
        encoding="utf-8",
    )
    (folder / "b.yml").write_text(
        f"""\
# Comments and order are the author's.
kind: judge
name: {names.judge}
description: "Höflichkeit: ünïcode, 'quotes' and # signs"
levels: [span]
output_type: categorical
labels: {{"yes": 1.0, "no": 0}}
colors: {{"no": "#aa0000"}}
threshold: 0.5
prompt: |
  {prompt.replace(chr(10), chr(10) + "  ")}
---
kind: code
name: {names.code}
levels: [span]
output_type: count
function: response_length
""",
        encoding="utf-8",
    )
    (folder / "scorers").mkdir(exist_ok=True)
    (folder / "scorers" / "all.py").write_text(
        "def scorer_fn(*, step_object, **kwargs):\n"
        f"    if step_object.metrics['{names.judge}'] == 'no':\n"
        "        return 0.0\n"
        f"    return step_object.metrics['{names.code}'] * 1.0\n",
        encoding="utf-8",
    )
    return folder


async def test_a_folder_is_applied_once_and_then_nothing_changes(shell: Shell, names: Names, tmp_path: Path) -> None:
    """Created, unchanged, and after an edit one new version of exactly what was edited."""
    folder = str(write(tmp_path, names))
    dry = await shell.run("apply", "-f", folder, "--dry-run", "--json")
    applied = await shell.run("apply", "-f", folder, "--json")
    assert [(each["kind"], each["name"], each["action"], each["version"]) for each in applied.json] == [
        ("metric", names.composite, "created", 1),
        ("metric", names.judge, "created", 1),
        ("metric", names.code, "created", 1),
        ("rule", names.rule, "created", 1),
    ]
    assert dry.json == applied.json
    again = await shell.run("apply", "-f", folder, "--json")
    assert [(each["action"], each["version"], each["changes"]) for each in again.json] == [("unchanged", 1, {})] * 4
    assert (await shell.run("diff", "-f", folder)) == Said(out="no difference\n", code=0)

    write(tmp_path, names, prompt="Really polite?\n{{output}}", rate=0.25)
    told = await shell.run("diff", "-f", folder)
    assert (told.code, told.out.splitlines()) == (
        1,
        [
            f"~ metric {names.judge} (changed, version 2)",
            "  prompt:",
            "    @@ -1,2 +1,2 @@",
            "    -Polite?",
            "    +Really polite?",
            "     {{output}}",
            f"~ rule {names.rule} (changed, version 2)",
            "  sample_rate: 0.5 → 0.25",
        ],
    )
    changed = await shell.run("apply", "-f", folder)
    assert [line.split()[:4] for line in changed.out.splitlines()[1:]] == [
        ["metric", names.composite, "unchanged", "1"],
        ["metric", names.judge, "changed", "2"],
        ["metric", names.code, "unchanged", "1"],
        ["rule", names.rule, "changed", "2"],
    ]


async def test_what_is_exported_can_be_applied_and_changes_nothing(shell: Shell, names: Names, tmp_path: Path) -> None:
    """The round trip of everything that there is, through a pipe, and into an empty place."""
    await shell.run("apply", "-f", str(write(tmp_path, names)))
    exported = await shell.run("export", names.judge, names.code, names.composite, names.rule)
    piped = await shell.run("apply", "-f", "-", "--json", stdin=exported.out)
    assert {each["action"] for each in piped.json} == {"unchanged"}
    assert len(piped.json) == 4
    await shell.run("rule", "delete", names.rule)
    for name in (names.composite, names.judge, names.code):
        await shell.run("metric", "delete", name)
    await shell.run("apply", "-f", "-", stdin=exported.out)
    assert (await shell.run("export", names.judge, names.code, names.composite, names.rule)).out == exported.out
    missing = await shell.run("export", "no_such_metric")
    assert (missing.code, missing.out) == (1, "there is no metric or rule no_such_metric")


async def test_everything_that_is_wrong_is_said_at_once_with_file_and_line_and_nothing_is_written(
    shell: Shell, names: Names, tmp_path: Path
) -> None:
    """What the service refuses has its place in the file, too."""
    write(tmp_path, names)
    file = tmp_path / "c.yaml"
    file.write_text(
        f"""\
kind: judge
name: {names.judge}x
levels: [span]
output_type: boolean
prompt: says nothing
---
kind: composite
name: {names.judge}y
levels: [span]
output_type: boolean
source: "def scorer_fn(*, step_object, **kwargs): return True"
required_metrics: [no_such_metric]
---
kind: rule
name: {names.rule}x
level: span
metrics: [{names.code}]
filter: colour = 'red'
"""
    )
    refused = await shell.run("apply", "-f", str(tmp_path))
    assert refused.code == 2
    prompt, required, rule = refused.out.splitlines()
    assert prompt == f"{file}:5: prompt: names no input, so it would judge nothing; use {{{{output}}}} for example"
    assert required.startswith(f"{file}:7: ")
    assert "no_such_metric" in required
    assert rule.startswith(f"{file}:18: filter: ")
    assert (await shell.run("metric", "show", names.judge)).code == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: judge\nname: x\nname: y\n", ":3: name: stands there twice"),
        ("kind: judge\nname: [x\n", ":3: is not YAML: "),
        ("- a\n", ":1: a document is a mapping"),
        ("name: x\n", ":1: kind: is required"),
        ("kind: judge\nname: x\nlevels: [moon]\noutput_type: boolean\n", ":3: levels: must be one of"),
        ("kind: judge\nname: x\nlevels: [span]\noutput_type: boolean\nlabels:\n  a: one\n", ":5: labels: must be"),
        ("kind: judge\nname: x\nlevels: [span]\noutput_type: boolean\ncolour: red\n", ":5: colour: unknown field"),
        ("kind: code\nname: x\nlevels: [span]\noutput_type: count\nsource_file: no.py\n", ":5: source_file: "),
        ("kind: rule\nname: x\nlevel: span\nmetrics: [a]\nrate: 1\n", ":5: rate: unknown field"),
        ("kind: rule\nlevel: span\nmetrics: [a]\n", ":1: name: is required"),
        ("a: &a [*a]\n", ":1: "),
        ("\x00", ":1: "),
    ],
)
async def test_a_file_that_is_no_definition_is_refused_with_the_line(
    shell: Shell, tmp_path: Path, text: str, message: str
) -> None:
    """Before anything is asked of the service."""
    file = tmp_path / "x.yaml"
    file.write_text(text)
    refused = await shell.run("diff", "-f", str(file))
    assert (refused.code, refused.out.splitlines()[0].startswith(f"{file}{message}")) == (2, True), refused.out


async def test_a_metric_renamed_in_one_file_is_refused_while_another_relies_on_it(
    shell: Shell, names: Names, tmp_path: Path
) -> None:
    """Unless the other is edited in the same go."""
    shown = f"Shown {names.judge}"
    judge = f"kind: judge\nname: {names.judge}\nlevels: [span]\noutput_type: boolean\nprompt: 'x {{{{output}}}}'\n"
    reader = (
        f"kind: composite\nname: {names.composite}\nlevels: [trace]\noutput_type: percentage\n"
        "roll_up: {statistic: share}\n"
    )
    both = f"{judge}display_name: {shown}\n---\n{reader}required_metrics: [{shown}]\n"
    created = await shell.run("apply", "-f", "-", stdin=both)
    assert created.code == 0, created.out
    refused = await shell.run("apply", "-f", "-", stdin=f"{judge}display_name: Other {names.judge}\n")
    assert refused.out == (
        f"standard input:1: metric '{names.composite}' would not find it any more, or not at their level, "
        "or could not compute it"
    )
    moved = f"{judge}display_name: Other {names.judge}\n---\n{reader}required_metrics: [Other {names.judge}]\n"
    assert (await shell.run("apply", "-f", "-", stdin=moved)).code == 0


async def test_a_rule_says_whether_it_is_enabled_or_leaves_it(shell: Shell, names: Names) -> None:
    """A file that does not say leaves a stopped rule stopped."""
    rule = f"kind: rule\nname: {names.rule}\nlevel: span\nmetrics: [correctness]\n"
    await shell.run("apply", "-f", "-", stdin=rule)
    await shell.run("rule", "disable", names.rule)
    assert (await shell.run("diff", "-f", "-", stdin=rule)).code == 0
    told = await shell.run("diff", "-f", "-", stdin=f"{rule}enabled: true\n")
    assert told.out.splitlines()[1:] == ["  enabled: false → true"]
    await shell.run("apply", "-f", "-", stdin=f"{rule}enabled: true\n")
    assert (await shell.run("rule", "get", names.rule, "--json")).json["enabled"] is True


async def test_the_commands_of_one_metric(shell: Shell, names: Names, tmp_path: Path) -> None:
    """Check, create, update, show, versions, restore, delete; a warning is shown with what was made."""
    file = tmp_path / "m.yaml"
    wasteful = (
        f"kind: composite\nname: {names.composite}\nlevels: [span]\noutput_type: boolean\n"
        "required_metrics: [correctness]\nsource: |\n  def scorer_fn(*, step_object, **kwargs):\n      return True\n"
    )
    file.write_text(wasteful)
    checked = await shell.run("metric", "check", "-f", str(file))
    assert checked.out.startswith(f"metric {names.composite} is acceptable\nwarning: required metric 'correctness'")
    assert (await shell.run("metric", "show", names.composite)).code == 1
    made = await shell.run("metric", "create", "-f", str(file), "--json")
    assert (made.json["version"], len(made.json["warnings"])) == (1, 1)
    file.write_text(f"{wasteful}description: second\n")
    await shell.run("metric", "update", "-f", str(file), "--base-version", "1")
    restored = await shell.run("metric", "restore", names.composite, "--version", "1", "--json")
    versions = (await shell.run("metric", "versions", names.composite, "--json")).json
    assert (restored.json["version"], [each["description"] for each in versions]) == (3, ["", "second", ""])
    assert (await shell.run("metric", "show", names.composite)).out.startswith(f"name: {names.composite}\n")
    assert (await shell.run("metric", "delete", names.composite)).code == 0


async def test_an_editor_makes_the_next_version_and_what_is_refused_is_kept(
    shell: Shell, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody loses a prompt to a typing error."""
    await shell.run("apply", "-f", str(write(tmp_path, names)))
    monkeypatch.setenv("VISUAL", "sed -i s/Polite/Rude/")
    assert "version: 2" in (await shell.run("metric", "edit", names.judge)).out
    monkeypatch.setenv("VISUAL", "true")
    assert (await shell.run("metric", "edit", names.judge)).out == "nothing changed\n"
    monkeypatch.setenv("VISUAL", "sed -i s/prompt/prmpt/")
    refused = await asyncio.to_thread(CliRunner().invoke, app, ["metric", "edit", names.judge])
    assert isinstance(refused.exception, CommandFailed)
    kept = refused.exception.next_step.removeprefix("what you wrote is kept in ")
    with open(kept, encoding="utf-8") as file:  # noqa: ASYNC230  # a small one
        assert "prmpt: |" in file.read()
    os.unlink(kept)


async def test_a_metric_is_tried_and_its_spread_and_cost_are_shown(shell: Shell, names: Names, tmp_path: Path) -> None:
    """Unsaved, from a file, several times; a failure is not a value."""
    write(tmp_path, names)
    target = a_span()
    usage = Usage(input_tokens=100, output_tokens=10, cost_usd=0.25, latency_ms=5, attempts=1)
    outcomes = [Score(value=1.0, label="yes"), Score(value=0.0, label="no"), Score(value=1.0, label="yes")]
    shell.front.scoring.prepared = [an_evaluation(target, outcome, usage=usage) for outcome in outcomes[:1]]
    file = tmp_path / "one.yaml"
    file.write_text((tmp_path / "b.yml").read_text().split("---")[0])
    span = f"{target.trace_id}:{target.span_id}"
    tried = await shell.run("metric", "test", "-f", str(file), "--span", span, "--repeats", "3", "--json")
    assert (tried.json["spread"], tried.json["usage"]) == (
        {"mean": 1.0, "standard_deviation": 0.0, "minimum": 1.0, "maximum": 1.0, "agreement": 1.0, "successes": 3},
        {"input_tokens": 300, "output_tokens": 30, "cost_usd": 0.75},
    )
    asked = shell.front.scoring.asked
    assert [(each.trial, each.store, [ref.name for ref in each.metrics]) for each in asked] == [
        (trial, False, [names.judge]) for trial in range(3)
    ]
    assert {each["result_id"] for each in tried.json["results"]} == {""}
    shown = (await shell.run("metric", "test", "-f", str(file), "--span", span, "--repeats", "2")).out.splitlines()
    assert shown[-3:] == [
        "mean 1 ± 0, from 1 to 1", "2 of 2 scored; 100% of these agree", "200 tokens in, 20 out, 0.5 USD",
    ]  # fmt: skip
    shell.front.scoring.prepared = [an_evaluation(target, Failure(code="JUDGE_TIMEOUT", message="late"), usage=usage)]
    failed = (await shell.run("metric", "test", "correctness", "--span", span)).out
    assert "JUDGE_TIMEOUT: late" in failed
    assert "none of 1 scored" in failed
    assert (await shell.run("metric", "show", names.judge)).code == 1
