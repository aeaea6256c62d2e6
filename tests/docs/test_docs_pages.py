"""Pages agree with the program: settings, commands, names of filters, codes, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from blocks import ROOT

from assay.cli import (
    agreement,
    alerts,
    aligning,
    applying,
    completing,
    deciding,
    erasing,
    explaining,
    feedback,
    feedback_transfers,
    main,
    metrics,
    previewing,
    proving,
    queues,
    rechecking,
    reviewing,
    rules,
    running,
    runs,
    scores,
    store,
    testing,
    watching,
)
from assay.cli.people import ANNOTATOR
from assay.settings import Settings
from evaluator.expressions.columns import columns_of
from evaluator.judges import port
from evaluator.metrics.check import check
from evaluator.metrics.definition import SPAN_KINDS, MetricDefinition
from evaluator.metrics.judging.check_judge import PARAMETERS
from evaluator.online.explaining.explanation import Decision
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.filters import compile_filter
from evaluator.server.errors import TABLE
from evaluator.targets.inputs import INPUT_NAMES
from storage.model import Level

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "README.md"])
COMMAND_MODULES = (
    agreement,
    alerts,
    aligning,
    applying,
    completing,
    deciding,
    erasing,
    metrics,
    rules,
    running,
    runs,
    scores,
    store,
    testing,
    watching,
    explaining,
    feedback,
    feedback_transfers,
    previewing,
    proving,
    queues,
    rechecking,
    reviewing,
)
"""Imported, they register their commands."""
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def first_cells(text: str) -> list[str]:
    """The first cell of every row of every table, without backquotes."""
    return [row.split("|")[1].strip().strip("`") for row in text.splitlines() if row.startswith("| `")]


def anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return kept.replace(" ", "-")


def commands(command: Any, *path: str) -> Iterator[str]:
    """Every command, as it is typed; `command` is of typer's click."""
    if not hasattr(command, "commands"):
        yield " ".join(path)
        return
    for name, each in command.commands.items():
        yield from commands(each, *path, name)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    """Files exist, and so do the headings that are pointed at."""
    for target in _LINK.findall(_CODE.sub("", path.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://")):
            continue
        file, _, heading = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{path.name}: {target}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {anchor(each) for each in headings}, f"{path.name}: {target}"


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    """One row each, nothing that does not exist."""
    rows = dict(re.findall(r"^\| `(ASSAY_[A-Z_]+)` \| `?([^`|]*?)`? \|", page("README.md"), re.MULTILINE))
    switches = {"True": "on", "False": "off"}
    defaults = {f"ASSAY_{field.name.upper()}": str(field.default) for field in fields(Settings)}
    assert rows == {name: switches.get(value, value) or "none" for name, value in defaults.items()}


def test_every_command_is_on_the_page_of_commands() -> None:
    """And no command that does not exist."""
    named = [re.match(r"assay [a-z]+(?: [a-z]+)?", cell) for cell in first_cells(page("docs/commands.md"))]
    assert sorted(match[0] for match in named if match) == sorted(commands(typer.main.get_command(main.app), "assay"))


@pytest.mark.parametrize("level", [Level.SPAN, Level.TRACE])
def test_every_name_of_a_filter_is_on_the_page_of_rules(level: Level) -> None:
    """The table of a level is exactly what `columns_of` offers, with aliases and types."""
    section = page("docs/rules.md").split(f"### Names for {level} rules")[1].split("###")[0]
    expected = {
        (column.name, ", ".join(f"`{alias}`" for alias in column.aliases), str(column.type))
        for column in columns_of(level).values()
    }
    rows = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in section.splitlines() if "| `" in row]
    assert {(name.strip("`"), aliases, kind) for name, aliases, kind in rows} == expected


def test_the_page_of_metrics_names_every_field_input_and_code() -> None:
    """What can be written in a file, and what a failure can say."""
    text = page("docs/metrics.md")
    body = MetricDefinition.from_body(
        {"name": "x", "kind": "code", "levels": ["span"], "output_type": "count"}
    ).to_body()
    codes = {error.code for error in _subclasses(port.JudgeError) if error is not port.JudgeError}
    missing = {name for name in {*body, *INPUT_NAMES, *SPAN_KINDS, *PARAMETERS, *codes} if f"`{name}`" not in text}
    assert missing == set()
    assert set(body) <= set(first_cells(text))
    assert codes <= set(first_cells(text))


def _subclasses(kind: type[port.JudgeError]) -> Iterator[type[port.JudgeError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _subclasses(each)


def test_the_page_of_grpc_names_every_error_with_its_status() -> None:
    """The table of errors is exactly the program's."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \| (yes|no|after reading again) \|", page("docs/grpc.md"), re.MULTILINE
    )
    known = {(meaning.reason, meaning.code.name, meaning.retry_seconds is not None) for meaning in TABLE.values()}
    assert {(reason, code, retry == "yes") for reason, code, retry in rows} == known


def test_the_page_of_explanations_names_every_decision() -> None:
    """What `assay explain` can answer."""
    assert {str(decision) for decision in Decision} <= set(first_cells(page("docs/explain.md")))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_names_a_setting_that_does_not_exist(path: Path) -> None:
    """No page looks ahead."""
    known = {f"ASSAY_{field.name.upper()}" for field in fields(Settings)} | {"ASSAY_TEST_CLICKHOUSE_URL", ANNOTATOR}
    named = set(re.findall(r"ASSAY_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8")))
    assert named - known == set()


def test_the_metric_on_the_page_of_metrics_is_accepted() -> None:
    """And it is ten lines long."""
    (written,) = re.findall(r"```yaml\n(.*?)```", page("docs/metrics.md"), re.DOTALL)
    check(MetricDefinition.from_body(yaml.safe_load(written)))
    assert len(written.splitlines()) == 10


def test_the_filter_on_the_page_of_rules_is_accepted() -> None:
    """It uses a column, an alias and an attribute; the other reads a result."""
    written, of_result = re.findall(r'--filter "(.*?)"', page("docs/rules.md"))
    assert compile_filter(written, Level.SPAN).parameters == {
        "f0": "llm", "f1": "checkout", "f2": "tenant", "f3": "test",
    }  # fmt: skip
    assert compile_filter(of_result, Level.SPAN).metrics == ("toxicity",)


def test_the_page_of_rules_names_every_field_and_its_rule_is_accepted() -> None:
    """What can be written in a file."""
    text = page("docs/rules.md")
    (written,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    body = yaml.safe_load(written)
    rule = RuleDefinition.from_body(body["name"], body)
    compile_filter(rule.filter, rule.level)
    fields = set(rule.to_body()) - {"enabled", "enable_time"}
    assert fields <= set(first_cells(text.split("## On, off, edited")[0]))
