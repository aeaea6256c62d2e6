"""What a judge is asked and what it answers.  Adapters implement `Judge` for one try; `choose.Judges` adds the rest.

An error has a `code` in UPPER_SNAKE and says whether asking again may help, so that a metric turns it into a `Failure`:
a judge that could not judge is never a 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from storage.model import Usage

MAX_MESSAGE_CHARACTERS = 600
_SECRET = re.compile(r"\bsk-[A-Za-z0-9_*-]{6,}|(?i:bearer)\s+\S+|(?<=://)[^/\s@]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question to one model.

    Attributes:
        system: Instructions that do not depend on the target.
        user: The rendered prompt, untrusted content fenced.
        schema: JSON schema (an object, strict form) that the answer must follow.
        model: litellm name; '' = the installation's model.
        parameters: Sampling parameters such as `temperature`, sent as they are.
    """

    system: str
    user: str
    schema: Mapping[str, object]
    model: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        text: The model's message; JSON unless the model ignored the schema.
        model: The model that answered, as the endpoint names it.
        usage: Tokens, cost where known, time, tries.
        cached_tokens: Those of `usage.input_tokens` that the provider read from its cache.
        cut: The model stopped at its token limit, so that `text` is not whole.
    """

    text: str
    model: str
    usage: Usage
    cached_tokens: int = 0
    cut: bool = False


class JudgeError(Exception):
    """Root: a question got no usable answer.

    `usage` is what the question has cost all the same; `retry_seconds` is how long the judge asks us to wait, if so.
    """

    code: ClassVar[str] = "JUDGE_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_seconds: float | None = None, usage: Usage | None = None) -> None:
        super().__init__(without_secrets(message))
        self.retry_seconds = retry_seconds
        self.usage = usage or Usage()


class NoJudgeConfigured(JudgeError):
    """Neither the metric nor the installation names a model."""

    code = "NO_JUDGE_CONFIGURED"


class JudgeUnavailable(JudgeError):
    """Refused, dropped or broken connection, or a 5xx answer."""

    code = "JUDGE_UNAVAILABLE"
    retryable = True


class JudgeRateLimited(JudgeError):
    """The provider asks us to slow down (429)."""

    code = "JUDGE_RATE_LIMITED"
    retryable = True


class JudgeTimeout(JudgeError):
    """No answer in time."""

    code = "JUDGE_TIMEOUT"
    retryable = True


class JudgeRefused(JudgeError):
    """The endpoint refuses the request as such (400, 401, 403, 404, …); the message names what to set."""

    code = "JUDGE_REFUSED"


class SchemaRefused(JudgeRefused):
    """The endpoint refuses `response_format`: the same question without it may be answered."""


class InputTooLong(JudgeRefused):
    """The question does not fit the context window of the model."""

    code = "INPUT_TOO_LONG"


class BadAnswer(JudgeError):
    """An answer came that is no verdict: prose, broken or cut JSON, a wrong type, a value out of range."""

    code = "JUDGE_BAD_ANSWER"


class LabelNotOffered(BadAnswer):
    """The verdict is a label that was not among those offered."""

    code = "LABEL_NOT_OFFERED"


class Judge(Protocol):
    """One endpoint, one try."""

    async def ask(self, question: Question) -> Answer:
        """Ask once.  MUST close the connection when cancelled; the caller sets the time limit by cancelling.

        Raises:
            JudgeError: One of the subclasses above, by what a caller can do about it.
        """


class AsksJudges(Protocol):
    """What metrics need: a question in, an answer out, with every limit already applied (`choose.Judges`)."""

    def model_for(self, model: str) -> str:
        """The model that would answer: the given one, else the installation's; '' = none is configured."""

    async def ask(self, question: Question, *, deadline: float | None = None) -> Answer:
        """Ask, with transport retries; `deadline` is in seconds of the event loop's clock.

        Raises:
            JudgeError: With `usage` of all tries.
        """


def without_secrets(message: str) -> str:
    """`message` cut to a readable length, with what looks like a key, token or URL password taken out."""
    message = _SECRET.sub("[redacted] ", message)
    return message if len(message) <= MAX_MESSAGE_CHARACTERS else message[:MAX_MESSAGE_CHARACTERS] + " […]"
