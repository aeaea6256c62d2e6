"""Texts made shorter so that they fit a model's context window: head and tail stay, a mark says what went."""

from __future__ import annotations

import re
from collections.abc import Mapping

ANSWER_TOKENS = 2048
"""Room for rationale and verdict where the metric sets none."""
LEAST_CHARACTERS = 200
"""Less than this of all inputs together is nothing that could be judged."""
_LIMITS = (
    re.compile(r"maximum context length is (\d+)", re.I),
    re.compile(r"tokens? > (\d+) maximum", re.I),
    re.compile(r"maximum number of tokens allowed \((\d+)\)", re.I),
    re.compile(r"context (?:window|length|size)(?: of| is|:|=)? \(?(\d+)", re.I),
)


def limit_in(refusal: str) -> int | None:
    """The context window, in tokens, that a provider's refusal names."""
    found = (pattern.search(refusal) for pattern in _LIMITS)
    return next((int(match[1]) for match in found if match), None)


def cut(texts: Mapping[str, str], *, characters: int, nonce: str) -> tuple[dict[str, str], dict[str, int]]:
    """Texts of at most `characters` together (the marks come on top), and how many characters each one lost.

    The longest lose first: all that lose any are equally long afterwards.
    """
    level = _level([len(text) for text in texts.values()], characters)
    lost = {name: len(text) - level for name, text in texts.items() if len(text) > level}
    return {name: _without_middle(text, level, nonce) for name, text in texts.items()}, lost


def mark(nonce: str, lost: int) -> str:
    """What stands in place of what was cut; carries the nonce, so that content cannot claim to be cut."""
    return f"[data-{nonce}: {lost} characters are left out here]"


def _without_middle(text: str, level: int, nonce: str) -> str:
    if len(text) <= level:
        return text
    head, tail = (level + 1) // 2, level // 2
    return f"{text[:head]}\n{mark(nonce, len(text) - level)}\n{text[len(text) - tail :]}"


def _level(lengths: list[int], budget: int) -> int:
    """The greatest length at which all of them, cut to it, fit the budget."""
    left, many = max(0, budget), len(lengths)
    for length in sorted(lengths):
        if length * many > left:
            return left // many
        left -= length
        many -= 1
    return max(lengths, default=0)
