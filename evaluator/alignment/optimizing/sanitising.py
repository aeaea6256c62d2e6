"""What may become a guideline: short, general, and nothing by which a case, a secret or an order gets in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from evaluator.alignment.model import Row
from evaluator.alignment.optimizing.addressing import addresses_the_evaluation
from evaluator.alignment.optimizing.claim import Claim
from evaluator.metrics.guideline import MAX_CHARACTERS
from storage.redaction.detectors import DETECTORS

QUOTED_WORDS = 8
"""So many words in a row that also stand in a case are a quotation."""
FEWEST_WORDS = 3
LOOKED_AT = 500
"""Rows in which a name is looked for, beside those that a line comes from."""
MOST_READ = 2000
"""Characters of a line as it comes; one that is longer is not looked at."""
COMMON_SHARE = 0.2
"""A name that stands in more of the rows than this is no single case's."""

_MARKS = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{\{|\}\}|<\|.*?\|>|</?[a-zA-Z][\w-]*(?:\s[^<>]*)?>|\[/?INST\]|```\w*|\[\[|\]\]|\$\{[^}]*\}"
)
_URL = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|dev|ai)\b(?:/\S*)?", re.I
)
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)]|guideline:)\s+", re.IGNORECASE)
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SCOPE = re.compile(
    r"^(?:in (?:the|this) case(?: of)?|for|with|when|on|regarding|concerning|as for|in|about)\b"
    r"([^,;:.]{0,80})[,:]\s+(?=\S)",
    re.IGNORECASE,
)
_TOO_LONG = f"it has more than {MAX_CHARACTERS} characters"
_SECRETS = tuple(DETECTORS[name] for name in ("secret", "email", "phone", "card", "iban", "us_ssn", "ip"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A line that may not become a guideline, and why."""

    claim: Claim
    reason: str


class Sanitiser:
    """For one set of rows.

    Args:
        rows: Every row that a line may have been made of.
        labels: Verdicts on offer.
    """

    def __init__(self, rows: Sequence[Row], labels: Iterable[str] = ()) -> None:
        self._rows = {row.row_id: row for row in rows}
        self._labels = tuple(labels)
        self._looked_at = rows[:LOOKED_AT]
        self._having: dict[str, frozenset[str]] = {}

    def cleaned(self, claims: Sequence[Claim], shown: Sequence[Row] = ()) -> tuple[list[Claim], list[Refused]]:
        """Lines that may be used, as they may be used; and the others.  What a metric has already passes as it is.

        Args:
            shown: Rows that whoever wrote the lines has seen, beside those that the lines name.
        """
        accepted: list[Claim] = []
        refused: list[Refused] = []
        for each in claims:
            if each.kept is not None:
                accepted.append(each)
                continue
            if len(each.text) > MOST_READ:  # the expressions below take time that grows faster than the text
                refused.append(Refused(claim=each, reason=_TOO_LONG))
                continue
            claim = replace(each, text=_plain(each.text))
            if scope := self._scope(claim):
                claim = replace(claim, text=_without(claim.text, scope))
            reason = self._against(claim, shown)
            if reason:
                refused.append(Refused(claim=each, reason=reason))
            else:
                accepted.append(claim)
        return accepted, refused

    def _against(self, claim: Claim, shown: Sequence[Row]) -> str:
        words = _words(claim.text)
        if len(words) < FEWEST_WORDS:
            return "too little is left of it"
        if len(claim.text) > MAX_CHARACTERS:
            return _TOO_LONG
        if reason := addresses_the_evaluation(claim.text, self._labels):
            return reason
        if len(words) >= QUOTED_WORDS and self._quotes(words, claim, shown):
            return "it quotes a case"
        if name := self._entity(claim.text, claim.row_ids):
            return f"it names {name!r}, which is of a single case"
        return ""

    def _quotes(self, words: Sequence[str], claim: Claim, shown: Sequence[Row]) -> bool:
        runs = [" ".join(words[at : at + QUOTED_WORDS]) for at in range(len(words) - QUOTED_WORDS + 1)]
        own = [self._rows[row_id] for row_id in claim.row_ids if row_id in self._rows]
        texts = (" ".join(_words(text)) for row in (*shown, *own) for text in row.inputs.values())
        return any(f" {run} " in f" {text} " for text in texts for run in runs)

    def _scope(self, claim: Claim) -> str:
        """What stands before a line and ties it to a single case (`For requests from Maren, …`); '' = nothing does."""
        found = _SCOPE.match(claim.text)
        return found.group() if found and self._entity(found.group(), claim.row_ids) else ""

    def _entity(self, text: str, row_ids: Sequence[str]) -> str:
        """A name or number that stands in the inputs of no more than one of the line's rows, and in few of all."""
        for found in _WORD.finditer(text):
            word = found.group()
            if not self._is_name(word, at_start=_begins_a_sentence(text, found.start())):
                continue
            having = self._rows_with(word)
            own = [row_id for row_id in row_ids if row_id in self._rows and _has(self._rows[row_id], word)]
            few = len(having) <= max(2.0, COMMON_SHARE * len(self._looked_at))
            if few and (having or own) and len(own if row_ids else having) <= 1:
                return word
        return ""

    def _is_name(self, word: str, *, at_start: bool) -> bool:
        if any(character.isdigit() for character in word):
            return len(word) > 3  # `30 days` is a rule's own number, `4711` a case's
        if not word[0].isupper() or len(word) < 2:
            return False
        return not at_start or not self._rows_with(word.lower())

    def _rows_with(self, word: str) -> frozenset[str]:
        """Rows, of those that are looked at, whose inputs have a word, letter by letter."""
        found = self._having.get(word)
        if found is None:
            found = self._having[word] = frozenset(row.row_id for row in self._looked_at if _has(row, word))
        return found


def _has(row: Row, word: str) -> bool:
    whole = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    return any(word in text and whole.search(text) for text in row.inputs.values())


def _plain(text: str) -> str:
    """One line without markers, addresses, secrets and what nobody can see."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    raw = _MARKS.sub(" ", text).encode("utf-8", "replace")
    for detector in _SECRETS:
        for start, end in reversed(list(detector.find(raw))):
            raw = raw[:start] + b" " + raw[end:]
    text = _BULLET.sub("", " ".join(_URL.sub(" ", raw.decode("utf-8", "replace")).split()))
    return re.sub(r"\s+([,.;:!?])", r"\1", text).strip(" \"'`“”")


def _without(text: str, scope: str) -> str:
    rest = text[len(scope) :]
    return rest[:1].upper() + rest[1:]


def _begins_a_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \"'(“")
    return not before or before[-1] in ".!?:;"


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
