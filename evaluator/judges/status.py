"""What an HTTP status of a judge endpoint means: one table for both adapters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from evaluator.judges.port import (
    InputTooLong,
    JudgeError,
    JudgeRateLimited,
    JudgeRefused,
    JudgeTimeout,
    JudgeUnavailable,
    LogprobsRefused,
    MediaNotTaken,
    Mode,
    SchemaRefused,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asked for beyond its messages' text."""

    mode: Mode
    logprobs: bool = False
    media: bool = False


HINT_OF: Mapping[int, str] = {
    401: "set ASSAY_JUDGE_API_KEY, the provider's own key variable, or what `key` of the named endpoint refers to, to "
    "a key that is accepted",
    402: "the account cannot pay; check its billing, or choose another ASSAY_JUDGE_MODEL",
    403: "the key (ASSAY_JUDGE_API_KEY, or `key` of the named endpoint) may not use this model; use another of either",
    404: "check the model's name (ASSAY_JUDGE_MODEL, or `model` of the metric or the named endpoint) and the address "
    "(ASSAY_JUDGE_BASE_URL, or its `base_url`), which ends before /chat/completions",
}
_TOO_LONG = re.compile(
    r"context_length_exceeded|context length|context window|too many tokens|prompt is too long", re.I
)
_ABOUT: Mapping[Mode, re.Pattern[str]] = {
    Mode.SCHEMA: re.compile(r"response_?format|json_?schema|json mode|structured.?output|guided|grammar", re.I),
    Mode.TOOL: re.compile(r"\btools?\b|tool_|function", re.I),
}
_ABOUT_LOGPROBS = re.compile(r"log_?prob", re.I)
_ABOUT_MEDIA = re.compile(r"image|vision|multi-?modal|audio|\bfiles?\b|\bpdf\b|media", re.I)


def error_of_status(status: int, message: str, *, asked: Asked, retry_after: str = "") -> JudgeError:
    """The error of an answer that is not 2xx.

    Args:
        message: What the endpoint says; goes into the error's text, cut and without secrets.
        asked: What the request asked for, since a refusal may be about that.
        retry_after: The header of this name: seconds, or an HTTP date.
    """
    text = f"HTTP {status}: {' '.join(message.split()) or 'no message'}"
    if status == 429 and "insufficient_quota" in message:
        return JudgeRefused(f"{text}; {HINT_OF[402]}")
    if status == 429:
        return JudgeRateLimited(text, retry_seconds=seconds_of(retry_after))
    if status in (408, 504):
        return JudgeTimeout(text)
    if status in (400, 413, 422) and (status == 413 or _TOO_LONG.search(message)):
        return InputTooLong(text)
    if status in (400, 404, 422, 501):
        if asked.mode in _ABOUT and _ABOUT[asked.mode].search(message):
            return SchemaRefused(text)
        if asked.logprobs and _ABOUT_LOGPROBS.search(message):
            return LogprobsRefused(text)
    if status >= 500 or status in (409, 425):
        return JudgeUnavailable(text, retry_seconds=seconds_of(retry_after))
    if asked.media and status in (400, 404, 415, 422) and _ABOUT_MEDIA.search(message):
        return MediaNotTaken(text)
    return JudgeRefused(f"{text}; {HINT_OF.get(status, 'check ASSAY_JUDGE_BASE_URL, the model and its `parameters`')}")


def seconds_of(retry_after: str) -> float | None:
    """Seconds from now that a Retry-After header asks for; None where there is none or it makes no sense."""
    if re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", retry_after):
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after).astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None
