"""The protos keep the house's rules, and the committed code is what they generate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = """syntax = "proto3";
package evaluator.v1;
// A service.
service Things {
  // Makes one.
  rpc CreateThing(CreateThingRequest) returns (Thing);
}
// Colours.
enum ThingColour {
  // Not set.
  THING_COLOUR_UNSPECIFIED = 0;
}
// A thing.
message Thing {
  // Its colour.
  ThingColour colour = 1;
}
// Request of `CreateThing`.
message CreateThingRequest {
  // A UUID.
  string request_id = 1;
}
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A program of `protos/`, as `make` calls it."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_committed_code_is_what_the_protos_generate(tmp_path: Path) -> None:
    """Nobody edits generated code, and nobody forgets `make protos`."""
    assert run("protos/generate.py", "--out", str(tmp_path)).returncode == 0
    generated = {path.name: path.read_text() for path in (tmp_path / "evaluator/v1").iterdir()}
    committed = {path.name: path.read_text() for path in (ROOT / "evaluator/v1").iterdir() if path.is_file()}
    assert generated == committed


def test_our_protos_keep_the_rules() -> None:
    """Comments, names, paging, request ids."""
    assert run("-m", "protos.lint").stdout == "protos: no complaints\n"


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ("  // Its colour.\n", "", "Thing.colour: has no comment"),
        ("// A thing.\n", "", "Thing: has no comment"),
        ("  // Not set.\n", "", "ThingColour.THING_COLOUR_UNSPECIFIED: has no comment"),
        ("  // Makes one.\n", "", "Things.CreateThing: has no comment"),
        ("// A service.\n", "", "Things: has no comment"),
        ("THING_COLOUR_UNSPECIFIED", "THING_COLOUR_RED", "ThingColour: begins with THING_COLOUR_UNSPECIFIED"),
        (" colour = 1", " Colour = 1", "Thing.Colour: fields are snake_case"),
        ("string request_id", "string id", "Things.CreateThing: changes something, so it takes a request_id"),
        ("CreateThing(", "MakeThing(", "Things.MakeThing: takes a MakeThingRequest"),
    ],
)
def test_the_lint_sees_what_breaks_a_rule(tmp_path: Path, good: str, bad: str, complaint: str) -> None:
    """A lint that never complains would be worth nothing."""
    folder = tmp_path / "evaluator/v1"
    folder.mkdir(parents=True)
    assert good in GOOD
    (folder / "things.proto").write_text(GOOD.replace(good, bad))
    assert run("-m", "protos.lint", str(tmp_path)).stdout == f"evaluator/v1/things.proto: {complaint}\n"
