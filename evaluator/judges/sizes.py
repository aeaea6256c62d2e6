"""How long texts are for a model, roughly, before anybody has counted."""

from __future__ import annotations

from evaluator.judges.port import Question
from storage.model import Usage

BYTES_PER_TOKEN = 3.5
"""Of UTF-8: a little less than English has, so that a first guess fits more often than not."""
EXPECTED_ANSWER_TOKENS = 200
"""A rationale of some sentences and a verdict; what they really are is counted when they came."""
MEDIA_TOKENS = 1000
"""Of an image or file: providers count 85 to 1600 for an image."""


def tokens_of(text: str) -> float:
    """Roughly how many tokens a text is."""
    return len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN


def expected_usage(question: Question) -> Usage:
    """What one request with this question is expected to take; its cost is not known here."""
    texts = [question.system, question.user, *(text for pair in question.earlier for text in pair)]
    answer: float = EXPECTED_ANSWER_TOKENS
    for name in ("max_tokens", "max_completion_tokens"):
        limit = question.parameters.get(name)
        if isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit > 0:
            answer = min(answer, limit)
    return Usage(
        input_tokens=round(sum(map(tokens_of, texts))) + MEDIA_TOKENS * len(question.media),
        output_tokens=round(answer),
        attempts=1,
    )
