"""Rules: what is to go, where, and how; read from YAML or TOML.

    rules:
      - name: staff                 # letters, digits, _ and -; stands in what is stored: [staff]
        keys: [staff_no, "hr.*"]    # whole values, by the name of an attribute, a map's key, a JSON member, key=value
        detectors: [email]          # or parts of texts
        pattern: "EMP-[0-9]{6}"     # or parts of texts, by an expression of your own (RE2)
        action: hash                # mask, hash or drop
        places: [attributes, body]  # everywhere, unless it says so

`extends: standard` puts the standard rules before these; a rule of the same name takes the place of a standard one, and
`action: keep` removes it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from storage.redaction.detectors import DETECTORS
from storage.redaction.pattern import NoPattern, Pattern

STANDARD = Path(__file__).with_name("standard.yaml")
MAX_PATTERN_CHARACTERS = 2000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_FIELDS = {"name", "keys", "detectors", "pattern", "action", "places"}


class Action(StrEnum):
    """What becomes of a value, or of the part of it that was found."""

    MASK = "mask"
    """`[name]` stands in its place."""
    HASH = "hash"
    """`[name:…]` with a keyed hash: equal values stay equal, and nobody without the key learns more."""
    DROP = "drop"
    """It is gone: an attribute with its key, a part of a text without a trace; a JSON member becomes null."""
    KEEP = "keep"
    """Nothing; takes a standard rule away."""


class Place(StrEnum):
    """Where in a request."""

    ATTRIBUTES = "attributes"
    """Of spans, events, links and log records."""
    RESOURCE = "resource"
    """Attributes of resources and scopes."""
    BODY = "body"
    """Of log records."""
    STATUS = "status"
    """Messages of spans' status."""
    NAMES = "names"
    """Everything else that is text: names of spans, events and scopes, trace state, severity, schema URLs."""


class InvalidRules(ValueError):
    """The file cannot be read, or a rule is not acceptable; names the file, the rule, and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; see the module.  `keys` alone mean whole values; with detectors or a pattern, parts of such values."""

    name: str
    action: Action
    keys: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    pattern: str = ""
    places: frozenset[Place] = frozenset(Place)

    @property
    def finds_parts(self) -> bool:
        """Whether it looks for parts of values."""
        return bool(self.detectors or self.pattern)


def standard_rules() -> list[Rule]:
    """What `ASSAY_REDACTION=standard` switches on."""
    return rules_of(STANDARD)


def rules_of(file: Path) -> list[Rule]:
    """Rules of a file, in their order.

    Raises:
        InvalidRules: See there.
    """
    content = _content(file)
    if unknown := set(content) - {"extends", "rules"}:
        raise InvalidRules(
            f"{file}: unknown {sorted(unknown)}; a file of rules has `rules` and, if you like, `extends`"
        )
    written = content.get("rules", [])
    if not isinstance(written, list):
        raise InvalidRules(f"{file}: `rules` must be a list")
    own = [_rule(file, number, each) for number, each in enumerate(written, 1)]
    names = [rule.name for rule in own]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise InvalidRules(f"{file}: several rules are called {sorted(doubled)}; a name is for one rule")
    extends = content.get("extends")
    if extends not in (None, "standard"):
        raise InvalidRules(f"{file}: `extends` can only be `standard`, got {extends!r}")
    inherited = standard_rules() if extends else []
    replaced = {rule.name: rule for rule in own}
    kept = [replaced.pop(rule.name, rule) for rule in inherited]
    rules = [rule for rule in (*kept, *replaced.values()) if rule.action is not Action.KEEP]
    if not rules:
        raise InvalidRules(f"{file}: there is no rule in it; to redact nothing, set ASSAY_REDACTION=off")
    return rules


def _content(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        content = tomllib.loads(text) if file.suffix == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise InvalidRules(
            f"the file of redaction rules {file} cannot be read ({error.strerror}): ASSAY_REDACTION is off, standard, "
            "or the path of a file of rules"
        ) from error
    except (tomllib.TOMLDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        kind = "TOML" if file.suffix == ".toml" else "YAML"
        raise InvalidRules(f"{file} is not {kind}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InvalidRules(f"{file}: write `rules:` and a list below it")
    return content


def _rule(file: Path, number: int, written: Any) -> Rule:
    if not isinstance(written, dict):
        raise InvalidRules(f"{file}: rule {number} must be a map with {sorted(_FIELDS)}")
    name = written.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRules(f"{file}: rule {number} needs a `name` of letters, digits, _ and -, got {name!r}")
    where = f"{file}: rule {name!r}"
    if unknown := set(written) - _FIELDS:
        raise InvalidRules(f"{where} has unknown {sorted(map(str, unknown))}; known are {sorted(_FIELDS)}")
    action = _one_of(Action, written.get("action"), f"{where}: `action`")
    keys = _texts(written.get("keys", []), f"{where}: `keys`")
    detectors = _texts(written.get("detectors", []), f"{where}: `detectors`")
    if unknown := set(detectors) - set(DETECTORS):
        raise InvalidRules(f"{where}: no detector is called {sorted(unknown)}; there are {sorted(DETECTORS)}")
    pattern = written.get("pattern", "")
    if pattern != "":
        _check_pattern(pattern, f"{where}: `pattern`")
    if not (keys or detectors or pattern or action is Action.KEEP):
        raise InvalidRules(f"{where} finds nothing: give it `keys`, `detectors` or a `pattern`")
    places = _texts(written.get("places", list(Place)), f"{where}: `places`")
    return Rule(
        name=name,
        action=action,
        keys=keys,
        detectors=detectors,
        pattern=pattern,
        places=frozenset(_one_of(Place, place, f"{where}: `places`") for place in places),
    )


def _one_of(kind: type[Any], written: object, where: str) -> Any:
    try:
        return kind(written)
    except ValueError:
        raise InvalidRules(f"{where} must be one of {[str(each) for each in kind]}, got {written!r}") from None


def _texts(written: object, where: str) -> tuple[str, ...]:
    texts: Sequence[object] = written if isinstance(written, list) else [written]
    if not all(isinstance(text, str) and text.strip("*?. ") for text in texts):
        raise InvalidRules(f"{where} must be a list of texts (a key needs more than * and ?), got {written!r}")
    return tuple(map(str, texts))


def _check_pattern(pattern: object, where: str) -> None:
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN_CHARACTERS:
        raise InvalidRules(f"{where} must be a text of at most {MAX_PATTERN_CHARACTERS} characters")
    try:
        found = Pattern(pattern)
    except NoPattern as error:
        raise InvalidRules(
            f"{where} is no expression of RE2 ({error}); look-around and back-references are not in RE2"
        ) from error
    if found.is_in(b""):
        raise InvalidRules(f"{where} matches the empty text: it would be found everywhere")
