"""Answers without a schema: how to ask for JSON in words, and how to find the one object in what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping

from evaluator.judges.port import BadAnswer, Question

RAW_CHARACTERS = 300


def instruction(schema: Mapping[str, object]) -> str:
    """The words that stand in for `response_format` where an endpoint does not know it."""
    return "\n\nAnswer with exactly one JSON object and nothing else. It must follow this JSON schema:\n" + json.dumps(
        schema, ensure_ascii=False
    )


def messages(question: Question, *, with_schema: bool) -> list[dict[str, str]]:
    """The two messages of a question, as every provider takes them."""
    system = question.system if with_schema else question.system + instruction(question.schema)
    return [{"role": "system", "content": system}, {"role": "user", "content": question.user}]


def object_in(text: str) -> dict[str, object]:
    """The one JSON object in `text`: alone, in a code fence, or after some words.

    Raises:
        BadAnswer: There is none, it is broken, a key stands twice, or there are more objects: nothing is guessed.
    """
    start = text.find("{")
    if start < 0:
        raise BadAnswer(f"the judge answered no JSON object: {raw(text)}")
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
    try:
        found, end = decoder.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"the judge's JSON is broken ({error}): {raw(text)}") from None
    if "{" in text[end:]:
        raise BadAnswer(f"the judge answered more than one JSON object: {raw(text)}")
    assert isinstance(found, dict)  # a document that begins with a brace
    return found


def raw(text: str) -> str:
    """`text` cut, for messages."""
    return repr(text if len(text) <= RAW_CHARACTERS else text[:RAW_CHARACTERS] + "[…]")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
