"""The records of every capture against their ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import conformance
import pytest
import yaml

ALLOWED = {
    (entry["place"], entry["verdict"]): entry["reason"]
    for entry in yaml.safe_load(Path(__file__).with_name("allowances.yaml").read_text("utf-8"))
}


@pytest.fixture(scope="module")
def found() -> list[conformance.Finding]:
    """Every asserted field of every capture."""
    return list(conformance.findings())


def test_nothing_is_wrong_invented_or_missing_beyond_the_allowances(found: list[conformance.Finding]) -> None:
    """A record says what was sent, all of it and nothing else."""
    off = {(finding.place, finding.verdict): finding for finding in found if finding.verdict != "right"}
    unexpected = {place: (off[place].expected, off[place].got) for place in off.keys() - ALLOWED.keys()}
    assert unexpected == {}


def test_every_allowance_is_still_needed(found: list[conformance.Finding]) -> None:
    """An allowance that nothing needs any more would hide the next mistake."""
    off = {(finding.place, finding.verdict) for finding in found if finding.verdict != "right"}
    assert ALLOWED.keys() - off == set()


def test_every_family_is_compared(found: list[conformance.Finding]) -> None:
    """All 31 families are there, so that a forgotten folder does not look like success."""
    families = {path.name for path in conformance.FIXTURES.iterdir() if path.is_dir()}
    assert len(families) == 31
    assert {finding.family for finding in found} == families


def test_the_report_counts_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints family, field and how often each verdict fell."""
    assert conformance.main(["pydantic-evals", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["pydantic-evals"]["usage"] == {"right": 2, "wrong": 0, "missing": 0, "invented": 0}


def test_the_report_exits_with_1_when_something_is_invented(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts can tell from the exit code."""
    assert conformance.main(["strands", "--details"]) == 1
    assert "invented strands/error_429" in capsys.readouterr().out
