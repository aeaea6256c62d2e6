"""Reviewers' own sentences as guidelines: what they wrote needs no model to say it again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evaluator.alignment.model import Row
from evaluator.alignment.optimizing.claim import Claim
from evaluator.metrics.guideline import MAX_CHARACTERS

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_NORM = re.compile(
    r"\b(?:should|must|shall|may|can(?:not)?|never|not|acceptable|unacceptable|allowed|permitted|required|fine|wrong|"
    r"correct|count(?:s|ed)?|penali[sz]e[sd]?|flag(?:s|ged)?|fails?|pass(?:es)?|unless|except|violat\w+|okay|ok|forbidden|"
    r"prohibited|needs?|expect(?:s|ed)?|because|only|always|enough|instead)\b",
    re.IGNORECASE,
)
FEWEST_WORDS = 5


def sentences(rows: Sequence[Row]) -> list[Claim]:
    """Sentences that say what is right or wrong, each once, those with the most rows first."""
    found: dict[str, tuple[str, list[str]]] = {}
    for row in rows:
        for text in row.rationales:
            for sentence in (each.strip() for each in _SENTENCE.split(text)):
                if len(sentence.split()) < FEWEST_WORDS or len(sentence) > MAX_CHARACTERS or not _NORM.search(sentence):
                    continue
                _, row_ids = found.setdefault(" ".join(sentence.lower().split()).rstrip(".!"), (sentence, []))
                if row.row_id not in row_ids:
                    row_ids.append(row.row_id)
    ordered = sorted(found.values(), key=lambda each: -len(each[1]))
    return [Claim(text=sentence, row_ids=tuple(row_ids)) for sentence, row_ids in ordered]
