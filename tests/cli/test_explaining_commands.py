"""`assay explain`, `assay rule test` and the log of decisions, on a running installation at debug level."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_installation import Installation, installation, wait_until
from sent_spans import chat_spans, ids_of, send


@pytest.fixture(scope="module")
def debugging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """`assay up` that logs everything; no judge."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds the processes of an installation in /proc, which this system does not have")
    with installation(tmp_path_factory.mktemp("debugging"), {"ASSAY_LOG_LEVEL": "debug"}) as place:
        yield place


def decisions(place: Installation, rule: str) -> list[dict[str, Any]]:
    """What the log says of decisions of a rule, oldest first."""
    lines = [json.loads(line) for line in place.log.splitlines() if '"event": "decision"' in line]
    return [line for line in lines if line["rule"] == rule]


def test_a_rule_is_tested_and_what_it_did_is_explained_and_logged(debugging: Installation) -> None:
    """Through every stage; then a real target, in words and in JSON; every decision is one line of the log."""
    made = debugging.run("rule", "create", "lengths", "--metric", "response_length", "--filter", "kind = 'llm'")
    assert made.code == 0, made.err
    tested = debugging.run("rule", "test", "lengths", "--timeout", "110")
    assert tested.code == 0, tested.out + tested.err
    assert [line.split()[:2] for line in tested.out.splitlines()] == [
        ["✓", stage] for stage in ("rule", "stored", "filter", "sample", "complete", "claimed", "scored", "readable")
    ]
    request = chat_spans(random.Random("explaining"), 1, service="shop", question="Capital?", answer="Paris.")
    send(debugging.endpoints["otlp_grpc"], request)
    ((trace_id, span_id),) = ids_of(request)
    target = f"{trace_id}:{span_id}"

    def scored() -> bool | None:
        said = debugging.run("explain", "lengths", target, "--json")
        return True if said.code == 0 and said.json[0]["decision"] == "scored" else None

    wait_until("the target to be scored", scored)
    for_people = debugging.run("explain", target)
    rows = debugging.run("explain", target, "--json").json  # of every rule that there is by now
    (row,) = [row for row in rows if row["rule"] == "lengths"]
    lines = for_people.out.splitlines()
    assert lines[lines.index("lengths:") + 1] == (
        f"  response_length was scored 6, attempt 1 [result {row['result_id']}]"
    )
    logged = [line for line in decisions(debugging, "lengths") if line["target"] == target]
    assert [(line["level"], line["metric"], line["decision"], line["reason"]) for line in logged] == [
        ("debug", "response_length", "started", ""), ("debug", "response_length", "scored", ""),
    ]  # fmt: skip


def test_a_rule_that_stops_says_where_and_what_to_do(debugging: Installation) -> None:
    """Exit code 1; for programs one JSON value."""
    debugging.run("rule", "create", "gold", "--metric", "response_length", "--filter", "attributes['tier'] = 'gold'")
    stopped = debugging.run("rule", "test", "gold", "--json")
    assert stopped.code == 1
    assert [(row["stage"], row["passed"]) for row in stopped.json] == [
        ("rule", True), ("stored", True), ("filter", False),
    ]  # fmt: skip
    assert stopped.json[-1]["detail"] == (
        "response_length: the filter is not true for it: attributes['tier'] = 'gold' (attributes['tier'] is '') "
        "→ edit the filter, or test with a target that it is about (--target)"
    )
    assert debugging.run("rule", "test", "nobody").code == 1
    assert debugging.run("explain", "a", "b", "c").code == 2
