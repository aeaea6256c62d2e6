"""How sure the model was of its verdict, from the log-probabilities of the tokens that it wrote."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

_KEY = re.compile(r'(?<!\\)"verdict"\s*:\s*')
_DECODER = json.JSONDecoder()


def of_verdict(text: str, tokens: Sequence[tuple[str, float]]) -> float | None:
    """Probability in (0.0, 1.0] of the verdict's value, given everything that was written before it.

    The product of the probabilities of all tokens that hold a character of the value (quotes aside): for a label, that
    of the label; for `true`, that of `true`.  It is the model's own belief after its rationale, not the chance that
    the verdict is right: a rationale that argues for one label makes it likely.  Providers may report it before or
    after the schema has ruled out other tokens, so compare it within one model only.

    Args:
        text: The whole answer.
        tokens: Each token with its natural logarithm of probability; together they are `text`.

    Returns:
        None where the tokens do not add up to the text, or it has not exactly one verdict.
    """
    keys = list(_KEY.finditer(text))
    if len(keys) != 1 or "".join(token for token, _ in tokens) != text:
        return None
    start = keys[0].end()
    try:
        _, end = _DECODER.raw_decode(text, start)
    except ValueError:
        return None
    if text[start] == '"':
        start, end = start + 1, end - 1
    at, total, seen = 0, 0.0, False
    for token, logarithm in tokens:
        if at < end and at + len(token) > start:
            total, seen = total + logarithm, True
        at += len(token)
    return min(1.0, math.exp(total)) if seen and not math.isnan(total) else None
