"""Overlap of the output with the expected text, in n-grams: BLEU and ROUGE.

Both are a few lines over counters; the reference packages (sacrebleu, rouge-score) would bring numpy, lxml or nltk:
70 MB and up to 2 s of CPU at import.  The tests hold the numbers of those packages.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from evaluator.metrics.functions.function import Arguments, CodeFunction, Form, Parameter
from evaluator.metrics.material import Material
from storage.model import Abstention, Outcome, OutputType, Score

MAX_CHARACTERS: Final = 100_000
"""Two texts of this length take up to 0.2 s of CPU."""

_ORDER: Final = 4
_WORD: Final = re.compile(r"\w+")
_MTEVAL: Final = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""Tokens of mteval-v13a, which sacreBLEU has as its default `13a`."""


def bleu(material: Material, arguments: Arguments) -> Outcome:
    """Sentence BLEU: up to 4-grams, exponential smoothing, effective order, brevity penalty; as sacreBLEU's.

    Source:
        Papineni et al. (2002), "BLEU: a Method for Automatic Evaluation of Machine Translation"; Chen and Cherry
        (2014), smoothing 3; Post (2018), "A Call for Clarity in Reporting BLEU Scores".
    """
    if _too_long(material):
        return Abstention(reason="too_long")
    split = _characters if arguments.get("tokens") == "characters" else _mteval
    output, expected = split(material.inputs["output"]), split(material.inputs["expected"])
    logs: list[float] = []
    smoothing = 1.0
    for order in range(1, min(_ORDER, len(output)) + 1):
        made, wanted = _grams(output, order), _grams(expected, order)
        matches, total = sum((made & wanted).values()), sum(made.values())
        if order == 1 and not matches:
            return Score(value=0.0)
        if not matches:
            smoothing *= 2
        logs.append(math.log((matches or 1 / smoothing) / total))
    brevity = min(0.0, 1 - len(expected) / len(output))
    return Score(value=min(1.0, math.exp(brevity + sum(logs) / len(logs))))


def rouge(material: Material, arguments: Arguments) -> Outcome:
    """F measure of common words: unigrams, bigrams, or the longest common subsequence; no stemming.

    Source:
        Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries".
    """
    if _too_long(material):
        return Abstention(reason="too_long")
    output, expected = (_WORD.findall(material.inputs[name].casefold()) for name in ("output", "expected"))
    if not expected:
        return Abstention(reason="no words in expected")
    variant = arguments.get("variant", "rougeL")
    if variant == "rougeL":
        # imported here: 0.06 s of CPU that an evaluator need not pay at its start
        from rapidfuzz.distance import LCSseq

        common, made, wanted = LCSseq.similarity(output, expected), len(output), len(expected)
    else:
        order = 2 if variant == "rouge2" else 1
        grams, expected_grams = _grams(output, order), _grams(expected, order)
        common, made, wanted = sum((grams & expected_grams).values()), grams.total(), expected_grams.total()
    return Score(value=2 * common / (made + wanted) if common else 0.0)


def _too_long(material: Material) -> bool:
    return max(len(material.inputs["output"]), len(material.inputs["expected"])) > MAX_CHARACTERS


def _characters(text: str) -> list[str]:
    return list("".join(text.split()))


def _mteval(text: str) -> list[str]:
    line = text.strip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        line = line.replace(entity, character)
    line = f" {line} "
    for pattern, replacement in _MTEVAL:
        line = pattern.sub(replacement, line)
    return line.split()


def _grams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


OVERLAP: Mapping[str, CodeFunction] = {
    "bleu": CodeFunction(
        inputs=("output", "expected"),
        output_type=OutputType.PERCENTAGE,
        parameters={
            "tokens": Parameter(
                form=Form.TEXT,
                description="`words` (13a), unless `characters`: for languages without spaces between words.",
                choices=("words", "characters"),
            )
        },
        score=bleu,
    ),
    "rouge": CodeFunction(
        inputs=("output", "expected"),
        output_type=OutputType.PERCENTAGE,
        parameters={
            "variant": Parameter(
                form=Form.TEXT,
                description="`rougeL`, unless `rouge1` or `rouge2`.",
                choices=("rouge1", "rouge2", "rougeL"),
            )
        },
        score=rouge,
    ),
}
