"""Files of rules: what is in force, and what is refused with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from redacting import KEY, masked

from storage.redaction.load import rules_in
from storage.redaction.requests import Redactor
from storage.redaction.rules import Action, InvalidRules, Place, Rule, rules_of, standard_rules

REFUSED = [
    ("rules: [", "{file} is not YAML: while parsing a flow node …"),
    ("- a", "{file}: write `rules:` and a list below it"),
    ("rules: {}", "{file}: `rules` must be a list"),
    ("rules: []", "{file}: there is no rule in it; to redact nothing, set ASSAY_REDACTION=off"),
    ("rule: []", "{file}: unknown ['rule']; a file of rules has `rules` and, if you like, `extends`"),
    ("extends: all", "{file}: `extends` can only be `standard`, got 'all'"),
    ("rules: [x]", "{file}: rule 1 must be a map with …"),
    ("rules: [{name: a b, keys: x, action: mask}]",
     "{file}: rule 1 needs a `name` of letters, digits, _ and -, got 'a b'"),
    ("rules: [{keys: x, action: mask}]", "{file}: rule 1 needs a `name` of letters, digits, _ and -, got None"),
    ("rules: [{name: a, key: x, action: mask}]", "{file}: rule 'a' has unknown ['key']; known are …"),
    ("rules: [{name: a, keys: x}]",
     "{file}: rule 'a': `action` must be one of ['mask', 'hash', 'drop', 'keep'], got None"),
    ("rules: [{name: a, keys: x, action: hide}]", "{file}: rule 'a': `action` must be one of … got 'hide'"),
    ("rules: [{name: a, action: mask}]", "{file}: rule 'a' finds nothing: give it `keys`, `detectors` or a `pattern`"),
    ("rules: [{name: a, keys: ['*'], action: mask}]",
     "{file}: rule 'a': `keys` must be a list of texts (a key needs more than * and ?), got ['*']"),
    ("rules: [{name: a, keys: [1], action: mask}]", "{file}: rule 'a': `keys` must be a list of texts … got [1]"),
    ("rules: [{name: a, detectors: [mail], action: mask}]",
     "{file}: rule 'a': no detector is called ['mail']; there are ['card', 'email', 'iban', 'ip', 'phone', 'secret', "
     "'us_ssn']"),
    ("rules: [{name: a, pattern: '(', action: mask}]",
     "{file}: rule 'a': `pattern` is no expression of RE2 (missing ): () …"),
    ("rules: [{name: a, pattern: '(?=x)', action: mask}]",
     "{file}: rule 'a': `pattern` is no expression of RE2 … look-around …"),
    ("rules: [{name: a, pattern: 'x*', action: mask}]",
     "{file}: rule 'a': `pattern` matches the empty text: it would be found everywhere"),
    ("rules: [{name: a, pattern: 7, action: mask}]",
     "{file}: rule 'a': `pattern` must be a text of at most 2000 characters"),
    ("rules: [{name: a, keys: x, action: mask, places: [spans]}]",
     "{file}: rule 'a': `places` must be one of ['attributes', 'resource', 'body', 'status', 'names'], got 'spans'"),
    ("rules: [{name: a, keys: x, action: mask}, {name: a, keys: y, action: mask}]",
     "{file}: several rules are called ['a']; a name is for one rule"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "sentence"), REFUSED)
def test_an_unusable_rule_is_refused_with_file_rule_and_what_to_write(
    tmp_path: Path, written: str, sentence: str
) -> None:
    """Before anything is received."""
    file = tmp_path / "rules.yaml"
    file.write_text(written)
    with pytest.raises(InvalidRules) as refused:
        rules_of(file)
    said = str(refused.value)
    at = 0
    for part in sentence.format(file=file).split("…"):
        assert part.strip() in said[at:], said
        at = said.index(part.strip(), at) + len(part.strip())
    assert "…" in sentence or said == sentence.format(file=file)


def test_a_missing_file_says_what_the_setting_can_be(tmp_path: Path) -> None:
    """`ASSAY_REDACTION=on` is a likely mistake."""
    with pytest.raises(InvalidRules) as refused:
        rules_in("on")
    assert str(refused.value) == (
        "the file of redaction rules on cannot be read (No such file or directory): ASSAY_REDACTION is off, standard, "
        "or the path of a file of rules"
    )


def test_toml_and_yaml_say_the_same(tmp_path: Path) -> None:
    """One rule with everything in it."""
    yaml, toml = tmp_path / "r.yaml", tmp_path / "r.toml"
    yaml.write_text(
        "rules:\n  - name: staff\n    keys: [staff_no, 'hr.*']\n    detectors: email\n    pattern: 'EMP-[0-9]{6}'\n"
        "    action: hash\n    places: [attributes, body]\n"
    )
    toml.write_text(
        "[[rules]]\nname = 'staff'\nkeys = ['staff_no', 'hr.*']\ndetectors = 'email'\npattern = 'EMP-[0-9]{6}'\n"
        "action = 'hash'\nplaces = ['attributes', 'body']\n"
    )
    rule = Rule(
        name="staff",
        keys=("staff_no", "hr.*"),
        detectors=("email",),
        pattern="EMP-[0-9]{6}",
        action=Action.HASH,
        places=frozenset({Place.ATTRIBUTES, Place.BODY}),
    )
    assert rules_of(yaml) == rules_of(toml) == [rule]


def test_a_file_may_begin_with_the_standard_rules_and_change_them(tmp_path: Path) -> None:
    """A rule of the same name takes the place of a standard one, `keep` removes it, others come behind."""
    file = tmp_path / "rules.yaml"
    file.write_text(
        "extends: standard\nrules:\n  - {name: ip, action: keep}\n  - {name: email, detectors: email, action: mask}\n"
        "  - {name: session, keys: [session.id], action: hash}\n"
    )
    rules = rules_of(file)
    standard = [rule.name for rule in standard_rules()]
    assert [rule.name for rule in rules] == [name for name in standard if name != "ip"] + ["session"]
    assert masked(Redactor(rules, KEY), "a@example.com from 203.0.113.7") == "[email] from 203.0.113.7"
