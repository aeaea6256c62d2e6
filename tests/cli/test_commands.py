"""Every command as people and scripts run it: what it prints, its exit code, and the next step where it fails."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from running_installation import ASSAY, FREE_PORTS, Installation, assay, command_environment

Trace = tuple[str, list[str]]
POLITENESS = """\
name: {name}
kind: judge
levels: [span, trace]
output_type: boolean
prompt: |
  {wording}
  {{{{input}}}}
  {{{{output}}}}
"""


def _metric_file(folder: Path, name: str, wording: str = "Is the answer polite?") -> str:
    path = folder / f"{name}.yaml"
    path.write_text(POLITENESS.format(name=name, wording=wording))
    return str(path)


def test_help_lists_the_commands_in_groups(tmp_path: Path) -> None:
    """The first thing that a newcomer types."""
    said = assay("--help", cwd=tmp_path)
    assert said.code == 0
    words = said.out.split()
    assert [
        name
        for name in (
            "up",
            "exporter",
            "evaluator",
            "migrate",
            "demo",
            "doctor",
            "sql",
            "show",
            "metric",
            "rule",
            "score",
            "explain",
        )
        if name not in words
    ] == []


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], ["sql"], ["rule", "create", "x"], ["score", "target", "zz", "--metric", "correctness"],
     ["rule", "create", "x", "--metric", "correctness", "--rate", "2"], ["score", "list", "--status", "perhaps"]],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(running: Installation, arguments: list[str]) -> None:
    """Scripts tell it from a failure."""
    data_dir = ["--data-dir", str(running.data_dir)] if arguments[0] in ("rule", "score") else []
    said = assay(*arguments, *data_dir, cwd=running.folder)
    assert (said.code, said.out) == (2, "")
    assert said.err


def test_a_bad_setting_is_a_usage_error_for_every_command(tmp_path: Path) -> None:
    """Also for those that only look at what runs."""
    (tmp_path / "assay.toml").write_text("grpc = 'nowhere'")
    for arguments in (["metric", "list"], ["sql", "SELECT 1"], ["doctor"]):
        said = assay(*arguments, cwd=tmp_path)
        sentence = "assay: ASSAY_GRPC must be host:port (port 0 = any free one), got 'nowhere'\n"
        assert (said.code, said.out, said.err) == (2, "", sentence)


@pytest.mark.parametrize(
    "arguments", [["metric", "list"], ["sql", "SELECT 1"], ["doctor"], ["show", "trace", "0" * 31 + "1"]]
)
def test_where_nothing_runs_the_next_step_is_to_start_it(tmp_path: Path, arguments: list[str]) -> None:
    """Port 1 answers nobody."""
    said = assay(*arguments, "--json", cwd=tmp_path, ASSAY_GRPC="127.0.0.1:1")
    assert said.code == 1
    assert "assay up" in said.json["next"]
    assert "Traceback" not in said.err


def test_sql_answers_with_the_rights_of_the_analyst(running: Installation) -> None:
    """JSON for scripts, any ClickHouse format, a table for people."""
    rows = running.run("sql", "SELECT number AS n, 'a' AS t FROM numbers(2);", "--json")
    assert (rows.code, rows.json) == (0, [{"n": 0, "t": "a"}, {"n": 1, "t": "a"}])
    csv = running.run("sql", "SELECT currentUser(), timezone()", "--format", "CSV")
    assert (csv.code, csv.out) == (0, '"analyst","UTC"\n')


def test_bad_sql_is_answered_in_clickhouses_words_and_without_secrets(running: Installation) -> None:
    """Syntax, rights, and what does not exist."""
    passwords = json.loads((running.data_dir / "credentials.json").read_text()).values()
    for sql, reason in (
        ("SELECT nonsense FROM spans", "UNKNOWN_IDENTIFIER"),
        ("SELEC 1", "Syntax error"),
        ("DROP TABLE otel_traces", "ACCESS_DENIED"),
    ):
        said = running.run("sql", sql, "--json")
        assert said.code == 1
        assert reason in said.json["error"]
        assert "DESCRIBE spans" in said.json["next"]
        assert [word for word in passwords if word in said.out + said.err] == []


def test_show_prints_one_json_object_a_line(running: Installation, trace: Trace) -> None:
    """Several ids may be given; a span by its own id or together with its trace."""
    trace_id, (root, child) = trace
    spans = running.run("show", "span", root, f"{trace_id}:{child}", "--json")
    assert spans.code == 0
    records = [json.loads(line) for line in spans.out.splitlines()]
    assert [(record["trace_id"], record["span_id"], record["kind"]) for record in records] == [
        (trace_id, root, "llm"),
        (trace_id, child, "llm"),
    ]
    shown = running.run("show", "trace", trace_id, "--json")
    assert shown.code == 0
    (line,) = shown.out.splitlines()
    assert [span["span_id"] for span in json.loads(line)["spans"]] == [root, child]


def test_show_of_what_is_not_stored_says_so(running: Installation) -> None:
    """With the next step."""
    said = running.run("show", "trace", "0" * 31 + "1", "--json")
    assert (said.code, said.json) == (
        1,
        {"error": f"trace {'0' * 31}1 is not stored", "next": "it may not have arrived yet: `assay doctor`"},
    )


def test_a_score_is_asked_for_listed_and_read_again(running: Installation, trace: Trace) -> None:
    """One result three ways."""
    trace_id, (root, _) = trace
    target = f"{trace_id}:{root}"
    asked = running.run("score", "target", target, "--metric", "correctness", "--metric", "response_length", "--json")
    assert asked.code == 0
    by_metric = {row["metric"]: row for row in asked.json}
    assert {name: (row["status"], row["value"], row["label"]) for name, row in by_metric.items()} == {
        "correctness": ("success", 1.0, "correct"),
        "response_length": ("success", 12.0, ""),
    }
    listed = running.run("score", "list", "--target", target, "--metric", "correctness", "--json")
    assert (listed.code, listed.json) == (0, [by_metric["correctness"]])
    got = running.run("score", "get", by_metric["correctness"]["result_id"], "--json")
    assert (got.code, got.json) == (0, [by_metric["correctness"]])
    for_people = running.run("score", "list", "--target", target)
    assert for_people.code == 0
    assert "correctness" in for_people.out


def test_what_does_not_exist_is_named_with_where_to_look(running: Installation, trace: Trace) -> None:
    """Unknown metric, rule, target and result."""
    known, missing = trace[0], "0" * 31 + "1"
    for arguments, name in (
        (["score", "target", known, "--metric", "nonsense"], "nonsense"),
        (["score", "target", missing, "--metric", "correctness"], missing),
        (["score", "get", "00000000-0000-5000-8000-000000000000"], "00000000-0000-5000-8000-000000000000"),
        (["explain", "nonsense", known], "nonsense"),
        (["rule", "get", "nonsense"], "nonsense"),
        (["rule", "create", "orphan", "--metric", "nonsense"], "nonsense"),
        (["metric", "get", "nonsense"], "nonsense"),
    ):
        said = running.run(*arguments, "--json")
        assert said.code == 1, arguments
        assert name in said.json["error"], arguments
        assert said.json["next"], arguments


def test_a_rule_is_made_edited_switched_off_and_on_and_deleted(running: Installation, trace: Trace) -> None:
    """The whole life of a rule, each step in JSON."""
    made = running.run(
        "rule",
        "create",
        "life",
        "--metric",
        "response_length",
        "--filter",
        "service = 'nobody'",
        "--disabled",
        "--json",
    )
    assert made.code == 0
    (row,) = made.json
    assert {key: row[key] for key in ("name", "version", "level", "metrics", "filter", "sample_rate", "enabled")} == {
        "name": "life", "version": 1, "level": "span", "metrics": ["response_length"], "filter": "service = 'nobody'",
        "sample_rate": 1.0, "enabled": False,
    }  # fmt: skip
    assert running.run("rule", "create", "life", "--metric", "response_length", "--json").code == 1
    (edited,) = running.run("rule", "update", "life", "--rate", "0.25", "--filter", "kind = 'llm'", "--json").json
    assert (edited["version"], edited["sample_rate"], edited["filter"]) == (2, 0.25, "kind = 'llm'")
    assert [row["enabled"] for row in running.run("rule", "enable", "life", "--json").json] == [True]
    explained = running.run("explain", "life", f"{trace[0]}:{trace[1][0]}", "--json")
    assert (explained.code, [row["metric"] for row in explained.json]) == (0, ["response_length"])
    assert [row["enabled"] for row in running.run("rule", "disable", "life", "--json").json] == [False]
    assert "life" in running.run("rule", "list").out
    assert running.run("rule", "get", "life", "--json").json["name"] == "life"
    assert running.run("rule", "delete", "life", "--json").json == {"deleted": "life"}
    assert running.run("rule", "get", "life").code == 1


def test_a_bad_filter_is_shown_with_a_caret_at_the_place(running: Installation) -> None:
    """People see where; scripts get the position in words."""
    said = running.run("rule", "create", "bad", "--metric", "correctness", "--filter", "kind = 'llm'\nAND secret = 1")
    assert said.code == 1
    assert said.err.splitlines()[1:] == [
        "  → at character 17 of the filter:",
        "      AND secret = 1",
        "          ^",
    ]
    injection = running.run(
        "rule", "create", "bad", "--metric", "correctness", "--filter", "1); DROP TABLE spans; --", "--json"
    )
    assert injection.code == 1
    assert injection.json["next"].splitlines()[-1].endswith("^")


def test_a_metric_is_made_of_a_file_edited_and_deleted(running: Installation, tmp_path: Path) -> None:
    """Metrics are files; an edit names the version that it was made from."""
    made = running.run("metric", "create", "-f", _metric_file(tmp_path, "politeness"), "--json")
    assert (made.code, made.json["name"], made.json["version"], made.json["builtin"]) == (0, "politeness", 1, False)
    edited = running.run(
        "metric", "update", "-f", _metric_file(tmp_path, "politeness", "Is it kind?"), "--base-version", "1", "--json"
    )
    assert (edited.code, edited.json["version"]) == (0, 2)
    stale = running.run(
        "metric", "update", "-f", _metric_file(tmp_path, "politeness", "Is it rude?"), "--base-version", "1", "--json"
    )
    assert (stale.code, stale.json["next"]) == (1, "read it again and repeat the edit")
    versions = running.run("metric", "versions", "politeness", "--json")
    assert (versions.code, [row["version"] for row in versions.json]) == (0, [2, 1])
    names = {row["name"] for row in running.run("metric", "list", "--json").json}
    assert {"correctness", "response_length", "politeness"} <= names
    assert (
        running.run("metric", "get", "politeness", "--version", "1", "--json")
        .json["prompt"]
        .startswith("Is the answer polite?")
    )
    assert running.run("metric", "delete", "politeness", "--json").json == {"deleted": "politeness"}
    assert running.run("metric", "delete", "correctness").code == 1


@pytest.mark.parametrize("text", ["- a list", "name: [unclosed", "name: x\nkind: judge\nnonsense: 1"])
def test_a_file_that_holds_no_metric_is_named(running: Installation, tmp_path: Path, text: str) -> None:
    """YAML that is none, and YAML that is something else."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    said = running.run("metric", "create", "-f", str(path), "--json")
    assert said.code in (1, 2)
    assert str(path) in said.json["error"]
    assert "docs/metrics.md" in said.json["next"]


def test_migrate_says_that_nothing_is_to_do(running: Installation) -> None:
    """`assay up` has done it."""
    checked = running.run("migrate", "--check", "--json")
    assert (checked.code, checked.json) == (0, {"pending": []})
    assert running.run("migrate", "--json").json == {"applied": []}


@pytest.mark.parametrize("role", ["exporter", "evaluator"])
def test_a_role_runs_by_itself_beside_a_clickhouse_that_is_there(running: Installation, role: str) -> None:
    """One JSON line when it is ready; SIGTERM ends it cleanly."""
    ports = {"exporter": FREE_PORTS[:4], "evaluator": FREE_PORTS[4:6]}[role]
    with subprocess.Popen(
        [ASSAY, role, "--data-dir", str(running.data_dir), *ports],
        cwd=running.folder, env=command_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert set(ready) == {"exporter": {"otlp_grpc", "otlp_http"}, "evaluator": {"grpc"}}[role]
        process.terminate()
        assert process.wait(60) == 0
