"""The language of the output, and how hard it is to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import gcld3

from evaluator.metrics.functions.function import Arguments, CodeFunction, Form, Parameter
from evaluator.metrics.material import Material
from storage.model import Abstention, Outcome, OutputType, Score

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""CLD3 reads no further than a zero."""
_LETTER: Final = re.compile(r"[^\W\d_]")
_WORD_SIGN: Final = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
"""Of scripts in which a few signs are words: they count for `SIGNS_PER_LETTER` letters."""
SIGNS_PER_LETTER: Final = 4
MIN_LETTERS: Final = 20
"""Below this CLD3 is sure of whatever it says: `Paris.` is Latin to it."""
MAX_BYTES: Final = 4096
"""So much of a text, in snippets from all of it, tells its language."""
_SENTENCE_END: Final = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?:\s|$)")
_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
MIN_WORDS: Final = 10
"""Below this the index says more about the one long word than about the text."""


def language(material: Material, arguments: Arguments) -> Outcome:
    """Code of the language (BCP 47, as CLD3 has it); with `languages`, the value says whether it is one of them.

    Abstains where the text is too short or too mixed to tell: `Paris.` is a word of many languages.
    """
    text = _CONTROL.sub(" ", material.inputs["output"]).encode("utf-8", "replace").decode()
    letters = len(_LETTER.findall(text)) + (SIGNS_PER_LETTER - 1) * len(_WORD_SIGN.findall(text))
    if letters < MIN_LETTERS:
        return Abstention(reason="no telling which language")
    found = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=MAX_BYTES).FindLanguage(text=text)
    code = found.language
    if not found.is_reliable:
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
