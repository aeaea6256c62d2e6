"""Reads what a reflection model answered: JSON, in any of the forms that models give it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from evaluator.alignment.optimizing.claim import Claim, Direction

SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "guidelines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "guideline_text": {"type": "string", "description": "One rule, one line, at most 300 characters."},
                    "source_row_ids": {
                        "type": "array",
                        "items": {"type": "integer"},
                        "description": "Numbers of the cases, or of the lines, that it comes from.",
                    },
                    "criterion": {"type": "string", "description": "What it is about, in at most five words."},
                    "direction": {
                        "type": "string",
                        "enum": [str(each) for each in Direction],
                        "description": "Whether verdicts become better or worse by it.",
                    },
                },
                "required": ["guideline_text", "source_row_ids", "criterion", "direction"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["guidelines"],
    "additionalProperties": False,
}
"""What a reflection model is held to, where its endpoint can hold it."""
MOST_READ = 40
"""Lines of one answer; the rest of a flood is not looked at."""
MOST_TRIED = 30
"""Brackets of one answer that JSON may begin at."""

_TEXTS = ("guideline_text", "guideline", "text", "rule", "line")
_SOURCES = ("source_row_ids", "source_trace_ids", "source_ids", "sources", "rows", "cases")
_LOST_COMMA = re.compile(r",(?=\s*[}\]])")


class Unreadable(ValueError):
    """There are no guidelines in an answer; the message says why."""


def claims_of(answer: str, row_ids: Sequence[tuple[str, ...]]) -> list[Claim]:
    """The lines of an answer, as they stand; an empty list says that there is nothing to add.

    Tolerated: words and code fences around the JSON, commas that nothing follows, a list instead of an object, texts
    instead of objects, and other names of the fields.

    Args:
        row_ids: What the numbers of sources stand for, from 0.

    Raises:
        Unreadable: Nothing in it is a list of guidelines.
    """
    listed = _list_in(answer)
    claims = [claim for item in listed[:MOST_READ] if (claim := _claim(item, row_ids)) is not None]
    if listed and not claims:
        raise Unreadable(f"no item of its list has a text: {answer[:200]!r}")
    return claims


def _list_in(answer: str) -> list[object]:
    for start in [found.start() for found in re.finditer(r"[\[{]", answer)][:MOST_TRIED]:
        document = _document(answer[start:])
        if isinstance(document, dict) and isinstance(found := document.get("guidelines"), list):
            return found
        if isinstance(document, list) and all(isinstance(item, (dict, str)) for item in document):
            return document
    raise Unreadable(f"it holds no JSON with a list `guidelines`: {answer[:200]!r}")


def _document(text: str) -> object:
    for candidate in (text, _LOST_COMMA.sub("", text)):
        try:
            return json.JSONDecoder(strict=False).raw_decode(candidate)[0]
        except (ValueError, RecursionError):
            continue
    return None


def _claim(item: object, row_ids: Sequence[tuple[str, ...]]) -> Claim | None:
    if isinstance(item, str):
        return Claim(text=item) if item.strip() else None
    if not isinstance(item, Mapping):
        return None
    text = next((item[name] for name in _TEXTS if isinstance(item.get(name), str)), "")
    if not text.strip():
        return None
    said = item.get("direction")
    criterion = item.get("criterion")
    return Claim(
        text=text,
        row_ids=_sources(item, row_ids),
        direction=Direction(said) if said in {str(each) for each in Direction} else Direction.NEITHER,
        criterion=criterion[:80] if isinstance(criterion, str) else "",
    )


def _sources(item: Mapping[str, object], row_ids: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    listed = next((item[name] for name in _SOURCES if isinstance(item.get(name), list)), [])
    assert isinstance(listed, list)
    numbers = [each for each in (_number(each) for each in listed) if each is not None]
    return tuple(dict.fromkeys(row_id for each in numbers if each < len(row_ids) for row_id in row_ids[each]))


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9 else None
