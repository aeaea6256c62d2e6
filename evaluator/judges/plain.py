"""Answers without a schema: how to ask for JSON in words, and how to find the one object in what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from evaluator.judges.port import BadAnswer

RAW_CHARACTERS = 300
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.S)
"""A string, kept as it is; or a comma that nothing follows."""


def instruction(schema: Mapping[str, object]) -> str:
    """The words that stand in for `response_format` where an endpoint does not know it."""
    return "\n\nAnswer with exactly one JSON object and nothing else. It must follow this JSON schema:\n" + json.dumps(
        schema, ensure_ascii=False
    )


def object_in(text: str) -> dict[str, object]:
    """The one JSON object in `text`: alone, in a code fence, before or after words.

    Tolerated, since it can be read in one way only: words and fences around it, commas that nothing follows, line
    breaks inside strings, the same object twice.  Two objects that differ, or a brace that opens none, decide nothing.

    Raises:
        BadAnswer: There is none, it is broken, a key stands twice, or there are more objects: nothing is guessed.
    """
    start = text.find("{")
    if start < 0:
        raise BadAnswer(f"the judge answered no JSON object: {raw(text)}")
    first, rest = _object_at(text[start:], text)
    while (start := rest.find("{")) >= 0:
        other, rest = _object_at(rest[start:], text)
        if other != first:
            raise BadAnswer(f"the judge answered more than one JSON object: {raw(text)}")
    return first


def holds_no_object(text: str) -> bool:
    """Whether there is nothing that looks like JSON: an answer that a strict mode cannot give."""
    return "{" not in text


def raw(text: str) -> str:
    """`text` cut, for messages."""
    return repr(text if len(text) <= RAW_CHARACTERS else text[:RAW_CHARACTERS] + "[…]")


def _object_at(text: str, whole: str) -> tuple[dict[str, object], str]:
    """The object that `text` begins with, and what follows it."""
    try:
        try:
            found, end = _DECODER.raw_decode(text)
        except ValueError:
            text = _COMMA.sub(lambda found: found[1] or "", text)
            found, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"the judge's JSON is broken ({error}): {raw(whole)}") from None
    assert isinstance(found, dict)  # a document that begins with a brace
    return found, text[end:]


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, strict=False)
