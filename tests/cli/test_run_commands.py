"""`assay run` and the orders of `assay score list`, as people and scripts use them."""

from __future__ import annotations

import json
import subprocess
import uuid

import pytest
from running_installation import ASSAY, Installation, command_environment

Trace = tuple[str, list[str]]
HERE = "--filter=service = 'cli'"


def test_a_run_shows_its_estimate_and_starts_only_when_it_is_told_to(running: Installation, trace: Trace) -> None:
    """Nobody is there to answer: nothing is started, and the next step says how."""
    before = running.run("run", "list", "--json").json
    said = running.run("run", "create", "--metric", "response_length", HERE)
    assert said.code == 1
    assert "2 targets, 2 evaluations with response_length@1" in said.err
    assert "nothing was started" in said.err
    assert "--yes" in said.err
    dry = running.run("run", "create", "--metric", "response_length", HERE, "--dry-run", "--json")
    assert dry.json == {
        "targets": 2, "pairs": 2, "exact": True, "judge_calls": 0, "input_tokens": 0, "output_tokens": 0,
        "cost_usd": 0.0, "unknown_metrics": [],
    }  # fmt: skip
    assert running.run("run", "list", "--json").json == before


def test_a_run_is_created_watched_shown_listed_and_its_results_read(running: Installation, trace: Trace) -> None:
    """From the command to the rows; every line of `--json` is one JSON value."""
    said = running.run(
        "run", "create", "--metric", "response_length", HERE, "--name", "lengths", "--yes", "--watch", "--json"
    )
    assert said.code == 0, said.err
    last = json.loads(said.out.splitlines()[-1])
    assert (last["state"], last["name"], last["done"], last["decisions"]) == ("SUCCEEDED", "lengths", 2, {"scored": 2})
    run_id = last["run_id"]
    assert "state     SUCCEEDED" in running.run("run", "show", run_id).out
    listed = running.run("run", "list", "--state", "succeeded", "--json").json
    assert run_id in {each["run_id"] for each in listed}
    results = running.run("score", "list", "--run", run_id, "--json").json
    assert {result["span_id"] for result in results} == set(trace[1])
    assert {result["run_id"] for result in results} == {run_id}
    assert running.run("run", "watch", run_id).code == 0
    assert running.run("run", "cancel", run_id, "--json").json["state"] == "SUCCEEDED"


def test_targets_come_from_standard_input(running: Installation, trace: Trace) -> None:
    """One a line, as `assay sql` prints them."""
    done = subprocess.run(
        [ASSAY, "run", "create", "--metric", "response_length", "--targets-from", "-", "--yes", "--watch",
         "--data-dir", str(running.data_dir)],
        input="".join(f"{trace[0]}:{span}\n" for span in trace[1]),
        cwd=running.folder, env=command_environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 scored" in done.stdout


def test_scores_are_listed_by_value_and_the_worst_first(running: Installation, trace: Trace) -> None:
    """At the level that is asked for; what is worst depends on one metric."""
    targets = [f"{trace[0]}:{span}" for span in trace[1]]
    assert running.run("score", "target", *targets, "--metric", "correctness").code == 0
    worst = running.run("score", "list", "--worst", "--metric", "correctness", "--level", "span", "--json").json
    values = [result["value"] for result in worst]
    assert values == sorted(values)
    assert len(values) >= 2
    none = running.run("score", "list", "--metric", "correctness", "--min", "2", "--json").json
    assert none == []
    refused = running.run("score", "list", "--worst")
    assert (refused.code, "depends on the metric" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("show", str(uuid.uuid4())), 1, "assay run list"),
        (("show", "x"), 1, "must be a UUID"),
        (("create", "--metric", "response_length", "--filter", "service ="), 1, "^"),
        (("create", "--metric", "nothing", "--yes"), 1, "assay metric list"),
        (("create", "--metric", "a@b", "--yes"), 2, "METRIC@VERSION"),
        (("create", "--metric", "response_length", "--target", "zz"), 2, "TRACE:SPAN"),
        (("list", "--state", "perhaps"), 2, "pending"),
        (("create", "--failures-of", str(uuid.uuid4()), "--yes"), 1, "no run"),
    ],
)
def test_what_cannot_be_is_said_with_its_next_step(
    running: Installation, arguments: tuple[str, ...], code: int, text: str
) -> None:
    """Exit code 2 for wrong usage, 1 for what the service refuses."""
    said = running.run("run", *arguments)
    assert (said.code, text in said.err) == (code, True), said.err


def test_a_rule_scores_the_past_when_it_is_told_to(running: Installation, trace: Trace) -> None:
    """The estimate first; which past has to be said; the results are the rule's."""
    name = f"past_{uuid.uuid4().hex[:8]}"
    assert running.run("rule", "create", name, "--metric", "response_length", HERE, "--disabled").code == 0
    assert running.run("run", "backfill", name).code == 2
    asked = ("run", "backfill", name, "--from", "2020-01-01", "--recompute")
    dry = running.run(*asked, "--dry-run", "--json").json
    assert (dry["targets"], dry["pairs"], dry["exact"]) == (2, 2, True)
    said = running.run(*asked, "--yes", "--watch", "--json")
    assert said.code == 0, said.err
    last = json.loads(said.out.splitlines()[-1])
    assert (last["state"], last["decisions"]) == ("SUCCEEDED", {"scored": 2})
    again = running.run("run", "backfill", name, "--from", "2020-01-01", "--only", "failed", "--yes", "--watch")
    assert "0 of 0" in again.out
    assert running.run("run", "backfill", "nobody", "--from", "2020-01-01", "--yes").code == 1
