"""`assay feedback`, as people and scripts use it."""

from __future__ import annotations

import csv
import json
import uuid
from pathlib import Path

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
    made = running.run("metric", "create", "-f", str(file))
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
    sql = f"SELECT Status, Expected, Annotator FROM feedback_current WHERE MetricName = '{metric}' ORDER BY Annotator"
    assert running.query(sql) == [
        {"Status": "submitted", "Expected": "true", "Annotator": "ann"},
        {"Status": "submitted", "Expected": "false", "Annotator": "bob"},
    ]
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
    sql = f"SELECT Status, Expected, By, Method FROM resolutions_current WHERE MetricName = '{metric}'"
    assert running.query(sql) == [{"Status": "resolved", "Expected": "false", "By": "eve", "Method": "adjudicated"}]
    left_out = running.run("feedback", "resolve", target, metric, "--exclude", "--reason", "a test call", "--json")
    assert (left_out.json["status"], left_out.json["expected"]) == ("excluded", None)


def test_a_file_comes_back_as_it_was_written(running: Installation, trace: Trace, tmp_path: Path) -> None:
    """Hostile texts and all; a second import adds nothing, and all of it can be undone."""
    metric = _metric(running)
    hostile = '=HYPERLINK("x"), it\'s "quoted"\nsecond line, \\ 日本語 🦊; - because it is'
    first, second = tmp_path / "first.jsonl", tmp_path / "second.csv"
    with first.open("w") as out:
        for span, expected in zip(trace[1], (True, "false"), strict=True):
            row = {"trace_id": trace[0], "span_id": span, "metric": metric, "expected": expected}
            out.write(json.dumps(row | {"explanation": hostile, "annotator": "ann"}) + "\n")
    added = running.run("feedback", "import", str(first), "--json").json
    assert (added["added"], added["present"], added["vague"], added["refused"]) == (2, 0, 0, [])
    assert running.run("feedback", "export", str(second), "--metric", metric, "--json").json["written"] == 2
    again = running.run("feedback", "import", str(second), "--json").json
    assert (again["added"], again["present"], again["refused"]) == (0, 2, [])
    listed = running.run("feedback", "list", "--metric", metric, "--json").json
    assert sorted((each["span_id"], each["expected"]["label"], each["explanation"]) for each in listed) == sorted(
        (span, label, hostile) for span, label in zip(trace[1], ("true", "false"), strict=True)
    )
    undone = running.run("feedback", "undo", added["bulk_id"], "--json").json
    assert undone == {"bulk_id": added["bulk_id"], "retracted": 2}
    dry = running.run("feedback", "import", str(second), "--dry-run", "--json").json
    assert (dry["added"], dry["bulk_id"]) == (2, "")


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
