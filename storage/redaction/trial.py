"""Something for the rules to hide, so that an installation can be asked whether it does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from storage.redaction.requests import Redactor
from storage.redaction.rules import Place, Rule

EXAMPLES = {
    "email": "someone@example.com",
    "phone": "+1 202 555 0143",
    "card": "4111 1111 1111 1111",
    "iban": "GB29 NWBK 6016 1331 9268 19",
    "us_ssn": "219-09-9999",
    "ip": "203.0.113.7",
    "secret": "AKIAIOSFODNN7EXAMPLE",
}
"""One that each detector finds; none is anybody's."""
_HASH = re.compile(r":[a-p]{16}\]")


def trial(rules: Sequence[Rule]) -> tuple[str, str]:
    """A text for the value of an attribute, and what the rules make of it, with `…` for hashes: their key is the
    receiver's."""
    sent: dict[str, str] = {}
    for rule in rules:
        if rule.finds_parts and not rule.keys:
            sent |= {f"{name} example": EXAMPLES[name] for name in rule.detectors}
        else:
            sent |= {re.sub(r"[*?]", "", key): "a secret" for key in rule.keys[:1]}
    text = json.dumps(sent)
    return text, without_hashes(Redactor(rules, b"").text(text, Place.ATTRIBUTES)[0])


def without_hashes(text: str) -> str:
    """The text with `…` for hashes."""
    return _HASH.sub(":…]", text)
