"""The page on redaction agrees with the program."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from redacting import KEY, masked

from storage.redaction.detectors import DETECTORS
from storage.redaction.requests import Redactor
from storage.redaction.rules import Action, Place, Rule, rules_of, standard_rules

PAGE = (Path(__file__).parents[2] / "docs" / "redaction.md").read_text(encoding="utf-8")


def test_the_page_names_every_standard_rule_field_detector_action_and_place() -> None:
    """Nothing is missing, and no rule is on it that does not exist."""
    section = PAGE.split("## The standard rules")[1].split("##")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [rule.name for rule in standard_rules()]
    names = {*(field.name for field in fields(Rule)), *DETECTORS, *map(str, Action), *map(str, Place)}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_the_rules_on_the_page_are_accepted_and_do_what_it_says(tmp_path: Path) -> None:
    """Standard rules without addresses, staff numbers masked."""
    (written,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "rules.yaml"
    file.write_text(written)
    redactor = Redactor(rules_of(file), KEY)
    said = 'EMP-123456 of 219-09-9999 at 203.0.113.7, {"session.id": "s-1"}'
    assert (
        re.sub(":[a-p]{16}", ":…", masked(redactor, said))
        == '[staff] of [us_ssn] at 203.0.113.7, {"session.id": "[session:…]"}'
    )
