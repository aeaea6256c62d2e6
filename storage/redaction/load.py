"""From the setting to a redactor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from storage.redaction.hashing import kept_key
from storage.redaction.requests import Redactor
from storage.redaction.rules import Place, Rule, rules_of, standard_rules
from storage.redaction.text import Counts

STANDARD = "standard"
KEY_FILE = "redaction.key"


def rules_in(setting: str) -> list[Rule]:
    """The rules that `ASSAY_REDACTION` names: `standard`, or those of a file.

    Raises:
        InvalidRules: They are not acceptable.
    """
    return standard_rules() if setting == STANDARD else rules_of(Path(setting).expanduser())


def redactor(setting: str, data_dir: Path) -> Redactor:
    """The redactor of an installation.

    Raises:
        InvalidRules, UnusableKey: The message says what to do.
    """
    rules = rules_in(setting)
    return Redactor(rules, kept_key(data_dir / KEY_FILE))


def text_redactor(setting: str, data_dir: Path) -> Callable[[str], tuple[str, Counts]]:
    """A text as whoever stands outside may see it, and what was hidden; for texts of which nobody knows the place any
    more, so every rule applies.  What was hidden before it was stored counts no second time.

    Raises:
        InvalidRules, UnusableKey: The message says what to do.
    """
    rules = [replace(rule, places=frozenset(Place)) for rule in rules_in(setting)]
    redactor = Redactor(rules, kept_key(data_dir / KEY_FILE))

    def redacted(text: str) -> tuple[str, Counts]:
        new, counts = redactor.text(text)
        return (new, counts) if new != text else (text, Counter())

    return redacted
