"""Comparisons of the output with a text that is expected, or that the definition brings."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from evaluator.metrics.functions.answers import flag, truth
from evaluator.metrics.functions.function import Arguments, CodeFunction, Form, Parameter
from evaluator.metrics.judging.template import is_missing
from evaluator.metrics.material import Material
from storage.model import Abstention, Outcome, OutputType, Score
from storage.redaction.pattern import NoPattern, Pattern

MAX_DISTANCE_CHARACTERS = 50_000
"""Two texts of this length take 0.13 s of CPU, and the time grows with the product of their lengths."""
MAX_PATTERN_CHARACTERS = 1000

IGNORE_CASE = Parameter(form=Form.FLAG, description="Upper and lower case are the same; false unless given.")


def response_length(material: Material, arguments: Arguments) -> Outcome:
    """Characters (Unicode code points) of the output."""
    return Score(value=float(len(material.inputs["output"])))


def exact_match(material: Material, arguments: Arguments) -> Outcome:
    """Whether the output is what was expected, but for space around it and for Unicode's several spellings (NFC)."""
    return truth(
        _plain(material.inputs["output"], arguments).strip() == _plain(material.inputs["expected"], arguments).strip()
    )


def contains(material: Material, arguments: Arguments) -> Outcome:
    """Whether the output holds the texts of the definition: all of them, or any; without texts, what was expected."""
    given = arguments.get("texts")
    if isinstance(given, (list, tuple)) and given:
        wanted = [str(text) for text in given]
    elif is_missing(material.inputs, "expected"):
        return Abstention(reason="no expected")
    else:
        wanted = [material.inputs["expected"].strip()]
    output = _plain(material.inputs["output"], arguments)
    missing = [text for text in wanted if _plain(text, arguments) not in output]
    found = len(missing) < len(wanted) if arguments.get("mode") == "any" else not missing
    return truth(found, f"lacks {', '.join(map(repr, missing))}" if missing else "")


def regex(material: Material, arguments: Arguments) -> Outcome:
    """Whether the definition's expression (RE2) is found in the output."""
    pattern = _compiled(arguments)
    output = material.inputs["output"].encode("utf-8", "replace")
    span = pattern.span(output)
    if span is None:
        return truth(False)
    at = len(output[: span[0]].decode("utf-8", "replace"))
    return truth(True, f"found at character {at}")


def levenshtein(material: Material, arguments: Arguments) -> Outcome:
    """1 - edit distance / length of the longer text, over characters."""
    # imported here: 0.06 s of CPU that an evaluator need not pay at its start
    from rapidfuzz.distance import Levenshtein

    output, expected = _plain(material.inputs["output"], arguments), _plain(material.inputs["expected"], arguments)
    if max(len(output), len(expected)) > MAX_DISTANCE_CHARACTERS:
        return Abstention(reason="too_long")
    return Score(value=Levenshtein.normalized_similarity(output, expected))


def _plain(text: str, arguments: Arguments) -> str:
    normal = unicodedata.normalize("NFC", text)
    return normal.casefold() if flag(arguments.get("ignore_case"), default=False) else normal


def _compiled(arguments: Arguments) -> Pattern:
    mode = "(?i)" if flag(arguments.get("ignore_case"), default=False) else ""
    return Pattern(mode + str(arguments["pattern"]))


def _check_pattern(value: object) -> None:
    if len(str(value)) > MAX_PATTERN_CHARACTERS:
        raise ValueError(f"is {len(str(value))} characters long; at most {MAX_PATTERN_CHARACTERS} are allowed")
    try:
        Pattern(str(value))
    except NoPattern as error:
        raise ValueError(
            f"is no expression of RE2 (which knows no look-around and no back-references): {error}"
        ) from error


TEXTS: Mapping[str, CodeFunction] = {
    "response_length": CodeFunction(inputs=("output",), output_type=OutputType.COUNT, score=response_length),
    "exact_match": CodeFunction(
        inputs=("output", "expected"),
        output_type=OutputType.BOOLEAN,
        parameters={"ignore_case": IGNORE_CASE},
        score=exact_match,
    ),
    "contains": CodeFunction(
        inputs=("output",),
        reads=("expected",),
        output_type=OutputType.BOOLEAN,
        parameters={
            "texts": Parameter(form=Form.TEXTS, description="What the output must hold; without it, `expected`."),
            "mode": Parameter(form=Form.TEXT, description="`all` of the texts, unless `any`.", choices=("all", "any")),
            "ignore_case": IGNORE_CASE,
        },
        score=contains,
    ),
    "regex": CodeFunction(
        inputs=("output",),
        output_type=OutputType.BOOLEAN,
        parameters={
            "pattern": Parameter(
                form=Form.TEXT,
                description="An RE2 expression, found anywhere unless it says ^ and $.",
                required=True,
                check=_check_pattern,
            ),
            "ignore_case": IGNORE_CASE,
        },
        score=regex,
    ),
    "levenshtein": CodeFunction(
        inputs=("output", "expected"),
        output_type=OutputType.PERCENTAGE,
        parameters={"ignore_case": IGNORE_CASE},
        score=levenshtein,
    ),
}
