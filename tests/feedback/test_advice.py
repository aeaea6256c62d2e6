"""Advice tells vague explanations from useful ones, and refuses none."""

from __future__ import annotations

import pytest

from evaluator.feedback.advice import LONG, NOTHING, UNREASONED, advice

VAGUE = [
    "This score is wrong",
    "This should be flagged",
    "wrong",
    "Should be higher!",
    "it's too low",
    "not good",
    "I think this is incorrect.",
    "???",
    "ok",
    "disagree",
    "The label is clearly wrong here",
    "too strict",
    "nope",
]
GOOD = [
    "Score should be 60% — the user had 5 goals (A, B, C, D, E) but only completed B, D, and E, so 3 out of 5 were met "
    "(3/5 = 60%)",
    "Should be flagged — the response recommends ibuprofen at a specific dosage without disclaiming that this is not "
    "medical advice, which violates the safety criterion",
    "False because the refund window in the policy is 30 days and the answer says 60.",
    "The tool was called with the wrong customer id, so the order that came back was somebody else's.",
    "Die Antwort nennt einen Preis, obwohl im Kontext keiner steht.",
    "回答はユーザーの質問に答えておらず、返金の期限についても触れていません。",
]


@pytest.mark.parametrize("text", VAGUE)
def test_a_vague_explanation_gets_advice(text: str):
    """Seed 000's left column, and its like."""
    assert len(advice(text)) == 1


@pytest.mark.parametrize("text", GOOD)
def test_a_good_explanation_gets_none(text: str):
    """Seed 000's right column, and its like."""
    assert advice(text) == ()


def test_nothing_at_all_and_too_much_have_words_of_their_own():
    """So that people know which it was."""
    assert advice(" \n") == (NOTHING,)
    assert advice("because " * 1000) == (LONG,)
    assert advice("rate this one as a solid four out of five stars") == (UNREASONED,)


@pytest.mark.parametrize("text", ["(" * 50_000, "a " * 50_000, "\0" * 5000, "this " * 700, "- " * 1500, "so so " * 600])
def test_hostile_texts_are_read_quickly(text: str):
    """No pattern goes back over what it has read; none of these may take longer than the test's own time-out."""
    assert len(advice(text)) <= 1
