"""From the setting to a redactor."""

from __future__ import annotations

from pathlib import Path

from storage.redaction.hashing import kept_key
from storage.redaction.requests import Redactor
from storage.redaction.rules import Rule, rules_of, standard_rules

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
