"""The records of every capture against their ground truth."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import conformance
import pytest

ALLOWED = conformance.allowances()


@pytest.fixture(scope="module")
def found() -> list[conformance.Finding]:
    """Every asserted field of every capture."""
    return list(conformance.findings())


def test_nothing_is_wrong_invented_or_missing_beyond_the_allowances(found: list[conformance.Finding]) -> None:
    """A record says what was sent, all of it and nothing else."""
    off = {finding.key: finding for finding in found if finding.verdict != "right"}
    unexpected = {place: (off[place].expected, off[place].got) for place in off.keys() - ALLOWED.keys()}
    assert unexpected == {}


def test_every_allowance_is_still_needed(found: list[conformance.Finding]) -> None:
    """An allowance that nothing needs any more would hide the next mistake."""
    off = {finding.key for finding in found if finding.verdict != "right"}
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


def test_a_difference_on_the_list_of_allowances_is_printed_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is hidden, and the report ends well."""
    assert conformance.main(["strands"]) == 0
    assert (
        "invented strands/error_429 invoke_agent joker[c5f5bb3b6f945d21] input_text: allowed, the ground truth looked "
        "for the question of another scenario; the one that was asked is in the span's events"
    ) in capsys.readouterr().out


def test_the_report_exits_with_1_when_a_difference_is_not_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts can tell from the exit code; what was expected stands beside what was read."""
    family = tmp_path / "strands"
    family.mkdir()
    source = conformance.FIXTURES / "strands"
    shutil.copy(source / "chat_single.pb", family)
    truth = (source / "chat_single.expected.yaml").read_text("utf-8")
    assert "kind: agent" in truth
    (family / "chat_single.expected.yaml").write_text(truth.replace("kind: agent", "kind: tool", 1), "utf-8")
    assert conformance.main(["--fixtures", str(tmp_path)]) == 1
    assert "  expected 'tool'\n  got      'agent'\n" in capsys.readouterr().out
