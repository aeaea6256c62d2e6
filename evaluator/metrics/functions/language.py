"""The language of the output, and how hard it is to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import pycld2

from evaluator.metrics.functions.function import Arguments, CodeFunction, Form, Parameter
from evaluator.metrics.material import Material
from storage.model import Abstention, Outcome, OutputType, Score

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""CLD2 refuses whatever should not stand in an interchanged text."""
_PLANE_ENDS: Final = {(plane << 16) + end: " " for plane in range(1, 17) for end in (0xFFFE, 0xFFFF)}
_SENTENCE_END: Final = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?:\s|$)")
_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
MIN_WORDS: Final = 10
"""Below this the index says more about the one long word than about the text."""


def language(material: Material, arguments: Arguments) -> Outcome:
    """Code of the language (ISO 639, as CLD2 has it); with `languages`, the value says whether it is one of them.

    Abstains where the text is too short or too mixed to tell: `Paris.` is a word of many languages.
    """
    text = _CONTROL.sub(" ", material.inputs["output"]).translate(_PLANE_ENDS)
    reliable, _, found = pycld2.detect(text.encode("utf-8"), bestEffort=False)
    code = found[0][1]
    if not reliable or code == "un":
        return Abstention(reason="no telling which language")
    wanted = arguments.get("languages")
    value = float(code in wanted) if isinstance(wanted, (list, tuple)) else None
    return Score(value=value, label=code)


def readability(material: Material, arguments: Arguments) -> Outcome:
    """Automated readability index: about the US school grade that reads the output with ease; needs no dictionary.

    Source:
        Senter and Smith (1967), "Automated Readability Index", AMRL-TR-66-220.
    """
    text = material.inputs["output"]
    words = _WORD.findall(text)
    if len(words) < MIN_WORDS:
        return Abstention(reason=f"no text of {MIN_WORDS} words")
    sentences = max(1, len(_SENTENCE_END.findall(text)))
    characters = sum(character.isalnum() for word in words for character in word)
    return Score(value=4.71 * characters / len(words) + 0.5 * len(words) / sentences - 21.43)


LANGUAGE: Mapping[str, CodeFunction] = {
    "language": CodeFunction(
        inputs=("output",),
        output_type=OutputType.CATEGORICAL,
        parameters={"languages": Parameter(form=Form.TEXTS, description="Codes of the languages that are wanted.")},
        score=language,
    ),
    "readability": CodeFunction(inputs=("output",), output_type=OutputType.NUMBER, score=readability),
}
