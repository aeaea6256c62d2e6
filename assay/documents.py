"""Definitions in YAML files: read with the place of every field, and written so that they read well.

A document is a metric (`kind: judge`, `code`, `composite`, …) or a rule (`kind: rule`); a file may hold several.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline
from evaluator.metrics.naming import named
from evaluator.online.rules.applied import StatedRule
from evaluator.online.rules.definition import RuleDefinition

STDIN = "-"
RULE = "rule"
SOURCE_FILE = "source_file"
MAX_SOURCE_BYTES = 1_000_000
_RULE_FIELDS = frozenset({
    "kind", "name", "level", "metrics", "sample_rate", "source_rates", "filter", "scope", "when", "late",
    "lookback_seconds", "session_idle_seconds", "retries", "budget", "actions", "description", "enabled",
})  # fmt: skip
_RULE_TEXTS = frozenset({"filter", "scope", "when", "late", "description", "level"})


class Unreadable(ValueError):
    """Files are not what they ought to be: one line for each thing that is wrong, `FILE:LINE: field: message`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a document stands, and each of its fields, `labels.good` for example."""

    file: str
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, path: str, message: str) -> str:
        """One complaint about a field; '' = about the whole document."""
        name = re.sub(r"\[\d+\]", "", path)
        while name and name not in self.lines:
            name = name.rpartition(".")[0]
        return f"{self.file}:{self.lines.get(name, self.line)}: {f'{path}: ' if path else ''}{message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """What was read, each with its place, in the same order."""

    metrics: tuple[MetricDefinition, ...]
    rules: tuple[StatedRule, ...]
    metric_places: tuple[Place, ...]
    rule_places: tuple[Place, ...]

    def located(self, path: str, message: str) -> str:
        """A complaint of the service about `metrics[2].prompt`, with the place in its file."""
        found = re.fullmatch(r"(metrics|rules)\[(\d+)\]\.?(.*)", path)
        if found is None:
            return f"{path}: {message}"
        places = self.metric_places if found[1] == "metrics" else self.rule_places
        return places[int(found[2])](found[3], message)


def read(paths: Iterable[Path]) -> Documents:
    """Every document of files and of folders (`*.yaml` and `*.yml`, at any depth); `-` is standard input.

    Raises:
        Unreadable: Everything that is wrong.
    """
    metrics: list[tuple[MetricDefinition, Place]] = []
    rules: list[tuple[StatedRule, Place]] = []
    wrong: list[str] = []
    for path in paths:
        for file in _files(path):
            for body, place in _bodies(file, wrong):
                try:
                    if body.get("kind") == RULE:
                        rules.append((_rule(body), place))
                    else:
                        metrics.append((metric_of(body, folder=file.parent), place))
                except InvalidDefinition as error:
                    wrong.append(place(error.field.partition(".")[2], error.reason))
    if wrong:
        raise Unreadable("\n".join(wrong))
    return Documents(
        metrics=tuple(metric for metric, _ in metrics),
        rules=tuple(rule for rule, _ in rules),
        metric_places=tuple(place for _, place in metrics),
        rule_places=tuple(place for _, place in rules),
    )


def metric_of(body: Mapping[str, Any], *, folder: Path) -> MetricDefinition:
    """The metric of a document; `source_file` is read from beside it.

    Raises:
        InvalidDefinition: A field is not acceptable.
    """
    fields = dict(body)
    if (name := fields.pop(SOURCE_FILE, None)) is not None:
        if fields.get("source"):
            raise InvalidDefinition(f"metric.{SOURCE_FILE}", "set either source or source_file")
        fields["source"] = _source(folder / str(name))
    slug, shown = named(str(fields.get("name") or ""), str(fields.get("display_name") or ""))
    fields["name"] = slug
    if shown:
        fields["display_name"] = shown
    return MetricDefinition.from_body(fields)


def _source(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_SOURCE_BYTES:
            raise InvalidDefinition(f"metric.{SOURCE_FILE}", f"{path} is larger than {MAX_SOURCE_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDefinition(f"metric.{SOURCE_FILE}", f"{path} cannot be read: {error}") from error


def _rule(body: Mapping[str, Any]) -> StatedRule:
    if unknown := set(body) - _RULE_FIELDS:
        raise InvalidDefinition(f"rule.{min(unknown)}", f"unknown field; known are {sorted(_RULE_FIELDS)}")
    if not isinstance(body.get("name"), str):
        raise InvalidDefinition("rule.name", "is required")
    for key, value in body.items():  # a document says what it means: nothing is text because YAML cannot tell
        if key in _RULE_TEXTS and not isinstance(value, str):
            raise InvalidDefinition(f"rule.{key}", f"must be a text, got {value!r}")
    enabled = body.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise InvalidDefinition("rule.enabled", f"must be true or false, got {enabled!r}")
    return StatedRule(definition=RuleDefinition.from_body(body["name"], body), enabled=enabled)


def _files(path: Path) -> list[Path]:
    if str(path) == STDIN or path.is_file():
        return [path]
    if not path.is_dir():
        raise Unreadable(f"{path}: there is no such file or folder")
    return sorted(each for each in path.rglob("*") if each.suffix in (".yaml", ".yml") and each.is_file())


def _bodies(file: Path, wrong: list[str]) -> Iterator[tuple[Mapping[str, Any], Place]]:
    shown = "standard input" if str(file) == STDIN else str(file)
    try:
        text = sys.stdin.read() if str(file) == STDIN else file.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
                continue
            place = Place(file=shown, line=node.start_mark.line + 1, lines=dict(_lines(node)))
            if not isinstance(node, yaml.MappingNode):
                wrong.append(place("", "a document is a mapping: a metric, or a rule (kind: rule)"))
            elif twice := _twice(node):
                wrong.append(place(twice, "stands there twice"))
            else:
                yield loader.construct_document(node), place
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        wrong.append(f"{shown}:{line}: is not YAML: {error.problem}")
    except (yaml.YAMLError, UnicodeDecodeError, OSError, ValueError, RecursionError) as error:
        wrong.append(f"{shown}:1: cannot be read: {error}")


def _lines(node: yaml.Node, above: str = "", *, deeper: int = 2) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = f"{above}{key.value}"
            yield path, key.start_mark.line + 1
            if deeper:  # no deeper than fields are: aliases may make a small file endless
                yield from _lines(value, f"{path}.", deeper=deeper - 1)


def _twice(node: yaml.MappingNode) -> str:
    keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    return next((key for number, key in enumerate(keys) if key in keys[:number]), "")


# ---------------------------------------------------------------------------------------------------------------------
# Writing
# ---------------------------------------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are, not as one line with escapes."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def dumped(bodies: Iterable[Mapping[str, Any]]) -> str:
    """Documents as text; what reads it gets the same."""
    return yaml.dump_all(
        bodies, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, explicit_start=True
    )  # fmt: skip


def metric_body(definition: MetricDefinition) -> dict[str, Any]:
    """A metric as a document: what says nothing is left out, and which alignment made it, which nobody can state."""
    said = {key: value for key, value in definition.to_body().items() if value not in ("", [], {})}
    said.pop("alignment_id", None)
    if definition.guidelines:
        said["guidelines"] = [
            line.text if line == Guideline(text=line.text) else line.to_body() for line in definition.guidelines
        ]
    return said


def rule_body(rule: RuleDefinition) -> dict[str, Any]:
    """A rule as a document: what is as it would be anyway is left out."""
    plain = RuleDefinition(name=rule.name, level=rule.level, metrics=rule.metrics).to_body()
    plain |= {"enable_time": rule.to_body()["enable_time"]}
    always = ("level", "metrics", "sample_rate", "enabled")
    said = {key: value for key, value in rule.to_body().items() if key in always or value != plain[key]}
    return {"kind": RULE, "name": rule.name} | {key: _said(value, plain[key]) for key, value in said.items()}


def _said(value: Any, plain: Any) -> Any:
    """A field without those of its parts that say nothing."""
    match value:
        case dict():
            return {key: part for key, part in value.items() if not isinstance(plain, dict) or part != plain.get(key)}
        case [dict(), *_]:
            return [{key: part for key, part in each.items() if part != ""} for each in value]
    return value
