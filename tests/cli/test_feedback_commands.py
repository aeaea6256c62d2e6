"""`assay feedback`, as people and scripts use it."""

from __future__ import annotations

import csv
import json
import uuid
from pathlib import Path

import pytest
from running_installation import Installation

Trace = tuple[str, list[str]]
WHY = "Should be false, because the answer names a city although the question asked for a country."


def _metric(running: Installation) -> str:
    name = f"fb_{uuid.uuid4().hex[:8]}"
    file = running.folder / f"{name}.yaml"
    file.write_text(
        f"name: {name}\nkind: judge\nlevels: [span, trace, session]\noutput_type: boolean\n"
        'prompt: "Right? {{output}}"\n'
    )
    made = running.run("metric", "create", str(file))
    assert made.code == 0, made.err
    return name


def test_a_correction_goes_from_the_command_to_the_resolution_and_back(running: Installation, trace: Trace) -> None:
    """Seed 000: flag, say what it should have been and why; it stands; it can be taken back."""
    target = f"{trace[0]}:{trace[1][0]}"
    scored = running.run("score", "target", target, "--metric", "correctness", "--json").json
    done = running.run(
        "feedback", "add", scored[0]["result_id"], "--expected", "0", "--because", WHY, "--annotator", "ann", "--json"
    )
    assert done.code == 0, done.err
    feedback, resolution = done.json["feedback"], done.json["resolution"]
    assert (feedback["result_id"], feedback["explanation"], feedback["annotator"], feedback["advice"]) == (
        scored[0]["result_id"],
        WHY,
        "ann",
        [],
    )
    assert (resolution["status"], resolution["method"], resolution["resolver"]) == ("resolved", "self", "ann")
    feedback_id = feedback["feedback_id"]
    listed = running.run("feedback", "list", "--metric", "correctness", "--annotator", "ann", "--json").json
    assert feedback_id in {each["feedback_id"] for each in listed}
    assert WHY[:20] in running.run("feedback", "list", "--metric", "correctness").out
    standing = running.run("feedback", "resolutions", "--metric", "correctness", "--status", "resolved", "--json").json
    assert (trace[0], trace[1][0]) in {(each["trace_id"], each["span_id"]) for each in standing}
    again = running.run("feedback", "retract", feedback_id, "--by", "bob", "--reason", "a slip", "--json")
    assert (again.code, again.json["status"], again.json["retractor"]) == (0, "retracted", "bob")
    history = running.run("feedback", "history", feedback_id)
    assert "retracted by bob: a slip" in history.out
    assert "What is the capital of France?" in history.out
    states = running.run("feedback", "history", feedback_id, "--json").json
    assert [each["status"] for each in states["states"]] == ["submitted", "retracted"]
    assert states["resolution"]["status"] == "open"


def test_people_who_differ_are_told_apart_and_decided_between(running: Installation, trace: Trace) -> None:
    """A dispute names who said what; deciding needs one of a verdict and an exclusion."""
    metric, target = _metric(running), f"{trace[0]}:{trace[1][1]}"
    add = ("feedback", "add", target, "--metric", metric)
    assert running.run(*add, "--expected", "true", "--annotator", "ann").code == 0
    disputed = running.run(*add, "--expected", "false", "--annotator", "bob")
    assert "disputed (ann: true; bob: false)" in disputed.out
    assert "say why" in disputed.out
    neither = running.run("feedback", "resolve", target, metric)
    assert (neither.code, "--expected" in neither.err) == (2, True)
    decided = running.run("feedback", "resolve", target, metric, "--expected", "false", "--resolver", "eve", "--json")
    assert (decided.json["status"], decided.json["method"], decided.json["resolver"]) == (
        "resolved",
        "adjudicated",
        "eve",
    )
    without = running.run("feedback", "resolve", target, metric, "--exclude")
    assert (without.code, "say why it cannot be used" in without.err) == (1, True)
    left_out = running.run("feedback", "resolve", target, metric, "--exclude", "--reason", "a test call", "--json")
    assert (left_out.json["status"], left_out.json["expected"]) == ("excluded", None)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_file_comes_back_as_it_was_written(running: Installation, trace: Trace, tmp_path: Path, ending: str) -> None:
    """Hostile texts and all; a second import adds nothing, and all of it can be undone."""
    metric = _metric(running)
    hostile = '=HYPERLINK("x"), it\'s "quoted"\nsecond line, \\ 日本語 🦊; - because it is'
    for span, label in zip(trace[1], ("true", "false"), strict=True):
        added = running.run(
            "feedback", "add", f"{trace[0]}:{span}", "--metric", metric, "--expected", label,
            "--because", hostile, "--annotator", "ann",
        )  # fmt: skip
        assert added.code == 0, added.err
    before = running.run("feedback", "list", "--metric", metric, "--json").json
    file = tmp_path / f"feedback.{ending}"
    assert running.run("feedback", "export", str(file), "--metric", metric).code == 0
    again = running.run("feedback", "import", str(file), "--json")
    assert (again.json["added"], again.json["present"], again.json["refused"]) == (0, 2, [])
    for each in before:
        assert running.run("feedback", "retract", each["feedback_id"]).code == 0
    dry = running.run("feedback", "import", str(file), "--dry-run", "--json").json
    assert (dry["added"], dry["bulk_id"]) == (2, "")
    back = running.run("feedback", "import", str(file), "--json").json
    assert (back["added"], back["present"]) == (2, 0)
    listed = running.run("feedback", "list", "--metric", metric, "--status", "submitted", "--json").json
    kept = ("trace_id", "span_id", "expected", "explanation", "annotator", "create_time", "metric_version")
    assert [{name: each[name] for name in kept} for each in sorted(listed, key=lambda each: each["span_id"])] == [
        {name: each[name] for name in kept} for each in sorted(before, key=lambda each: each["span_id"])
    ]
    undone = running.run("feedback", "undo", back["bulk_id"], "--json")
    assert undone.json["retracted"] == 2
    assert running.run("feedback", "list", "--metric", metric, "--status", "submitted", "--json").json == []


def test_bad_lines_are_named_with_what_to_change(running: Installation, trace: Trace, tmp_path: Path) -> None:
    """The good ones are kept; the exit code says that there were others."""
    metric, file = _metric(running), tmp_path / "mixed.csv"
    with file.open("w", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["trace_id", "span_id", "metric", "expected", "explanation"])
        lines.writerow([trace[0], trace[1][0], metric, "true", WHY])
        lines.writerow([trace[0], trace[1][1], metric, "yes", "two\nlines"])
        lines.writerow([trace[0], "xyz", metric, "true", ""])
        lines.writerow([trace[0], trace[1][1], "no_such_metric", "true", ""])
    done = running.run("feedback", "import", str(file), "--annotator", "ann", "--json")
    assert (done.code, done.json["added"]) == (1, 1)
    assert [each["line"] for each in done.json["refused"]] == [3, 5, 6]
    messages = [each["message"] for each in done.json["refused"]]
    assert "did you mean `true`?" in messages[0]
    assert "span_id must be 16" in messages[1]
    assert "no_such_metric" in messages[2]
    file.write_text(f"trace_id,metric,expectd\n{trace[0]},{metric},true\n")
    typo = running.run("feedback", "import", str(file))
    assert (typo.code, "'expected'" in typo.err) == (2, True)
    file.write_bytes(b"\xff\xfe")
    assert "UTF-8" in running.run("feedback", "import", str(file)).err


def test_the_views_say_what_the_commands_say(running: Installation, trace: Trace) -> None:
    """The same names of states in SQL."""
    metric, target = _metric(running), f"{trace[0]}:{trace[1][0]}"
    running.run("feedback", "add", target, "--metric", metric, "--expected", "true", "--annotator", "ann")
    sql = f"SELECT Status, Expected, Annotator FROM feedback_current WHERE MetricName = '{metric}'"
    assert running.query(sql) == [{"Status": "submitted", "Expected": "true", "Annotator": "ann"}]
    sql = f"SELECT Status, Expected, By, Method FROM resolutions_current WHERE MetricName = '{metric}'"
    assert running.query(sql) == [{"Status": "resolved", "Expected": "true", "By": "ann", "Method": "self"}]
    printed = running.run("sql", f"SELECT Status FROM resolutions_current WHERE MetricName = '{metric}'", "--json")
    assert "resolved" in json.dumps(printed.out)
