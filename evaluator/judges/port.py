"""What a judge is asked and what it answers.  Adapters implement `Judge` for one try; `choose.Judges` adds the rest.

An error has a `code` in UPPER_SNAKE and says whether asking again may help, so that a metric turns it into a `Failure`:
a judge that could not judge is never a 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

from evaluator.judges.metering import Meter
from storage.model import Usage

MAX_MESSAGE_CHARACTERS = 600
_SECRET = re.compile(r"\bsk-[A-Za-z0-9_*-]{6,}|(?i:bearer)\s+\S+|(?<=://)[^/\s@]+@")


class Mode(StrEnum):
    """How a model is held to a schema: the best that it takes, which is remembered for the life of the process."""

    SCHEMA = "json_schema"
    """`response_format` with the schema, strict."""
    TOOL = "tool_call"
    """One tool that must be called, whose parameters are the schema; the arguments are the answer."""
    WORDS = "words"
    """The schema stands in the system message; the answer is read tolerantly (`plain.object_in`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image, a sound or a file that goes with a question.

    Attributes:
        media_type: `image/png`, `audio/wav`, `application/pdf`, …
        url: Where the provider fetches it (http, https); '' = `data` is sent.
        data: Its bytes in base64.
        name: File name, where it has one.
    """

    media_type: str
    url: str = ""
    data: str = field(default="", repr=False)
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question to one model.

    Attributes:
        system: Instructions that do not depend on the target.
        user: The rendered prompt, untrusted content fenced.
        schema: JSON schema (an object, strict form) that the answer must follow.
        model: litellm name, `gateway:/NAME` (an endpoint of the settings) or `@small`; '' = the installation's model.
        parameters: Sampling parameters such as `temperature`, sent as they are.  `logprobs: true` asks for
            `Answer.verdict_probability`.
        media: What goes with `user`; a model that does not take it raises MediaNotTaken, and nothing is sent.
        earlier: Answers that did not do, each with what was wrong with it; `AsksJudges.repair` fills it.
        background: It can wait: every other question goes first.
        meter: The budgets that pay for it; None = nobody counts.
    """

    system: str
    user: str
    schema: Mapping[str, object]
    model: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    media: tuple[Media, ...] = ()
    earlier: tuple[tuple[str, str], ...] = ()
    background: bool = False
    meter: Meter | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that was made, and what came of it: the record of an exchange.

    Attributes:
        model: Name that the endpoint was asked for.
        provider: litellm's name of the provider, or that of the endpoint in the settings.
        address: host:port that was asked; '' where litellm chose it.
        mode: How the model was held to the schema.
        request: The body as it was sent (through litellm: as it was handed over).  No key is ever in it.
        response: The body as it came; '' where none came.
        status: HTTP status; 0 where none came.
        error: Code of the JudgeError that it ended with; '' where it was answered.
        start_time_ns: When it was sent, Unix time.
        cached_tokens: Those of `usage.input_tokens` that the provider read from its cache.
        usage: Tokens, cost and time of this call alone.
    """

    model: str
    provider: str
    address: str
    mode: Mode
    request: Mapping[str, object] = field(repr=False)
    response: str = field(default="", repr=False)
    status: int = 0
    error: str = ""
    start_time_ns: int
    cached_tokens: int = 0
    usage: Usage

    @property
    def messages(self) -> tuple[Mapping[str, object], ...]:
        """The messages that were sent, as the OpenAI wire writes them."""
        found = self.request.get("messages")
        return tuple(found) if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        text: The model's message, or the arguments of the tool that it was made to call; JSON unless it ignored that.
        model: The model that answered, as the endpoint names it.
        usage: Tokens, cost where known, time and tries, of all calls.
        cut: The model stopped at its token limit, so that `text` is not whole.
        mode: How the model was held to the schema.
        verdict_probability: See `probability.of_verdict`; None where it was not asked for or the provider gives none.
        calls: Every request that was made, oldest first, failed ones too.
    """

    text: str
    model: str
    usage: Usage
    cut: bool = False
    mode: Mode = Mode.SCHEMA
    verdict_probability: float | None = None
    calls: tuple[Call, ...] = ()


class JudgeError(Exception):
    """Root: a question got no usable answer.

    `usage` is what the question has cost all the same and `calls` what was sent for it; `retry_seconds` is how long the
    judge asks us to wait, if so.
    """

    code: ClassVar[str] = "JUDGE_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retry_seconds: float | None = None,
        usage: Usage | None = None,
        calls: tuple[Call, ...] = (),
    ) -> None:
        super().__init__(without_secrets(message))
        self.retry_seconds = retry_seconds
        self.usage = usage or Usage()
        self.calls = calls


class NoJudgeConfigured(JudgeError):
    """Neither the metric nor the installation names a model."""

    code = "NO_JUDGE_CONFIGURED"


class PriceUnknown(JudgeError):
    """A budget is in USD, and what the model costs is not known: nothing is sent."""

    code = "PRICE_UNKNOWN"


class JudgeUnavailable(JudgeError):
    """Refused, dropped or broken connection, or a 5xx answer."""

    code = "JUDGE_UNAVAILABLE"
    retryable = True


class JudgeUnreachable(JudgeUnavailable):
    """No connection could be made: nobody listens, or the name or certificate is wrong."""


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
    """The endpoint refuses the way in which it was held to the schema: another way may do."""


class LogprobsRefused(JudgeRefused):
    """The endpoint gives no log-probabilities: the same question without them may be answered."""


class MediaNotTaken(JudgeRefused):
    """The model does not take an image or file of this kind: a metric abstains."""

    code = "MEDIA_NOT_TAKEN"


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

    async def ask(self, question: Question, calls: list[Call]) -> Answer:
        """Ask once.  MUST close the connection when cancelled; the caller sets the time limit by cancelling.

        MUST append to `calls` every request that it made, also when it raises or is cancelled.

        Raises:
            JudgeError: One of the subclasses above, by what a caller can do about it.
        """


class AsksJudges(Protocol):
    """What metrics need: a question in, an answer out, with every limit already applied (`choose.Judges`)."""

    def model_for(self, model: str) -> str:
        """The model that would answer, aliases resolved; '' = none is configured."""

    def identity_of(self, model: str) -> str:
        """Who would answer: answers of two that differ in this are not exchanged."""

    async def window_of(self, model: str) -> int | None:
        """Tokens that the model reads at most; None where nobody knows."""

    async def ask(self, question: Question, *, deadline: float | None = None) -> Answer:
        """Ask, with transport retries; `deadline` is in seconds of the event loop's clock.

        Raises:
            JudgeError: With `usage` and `calls` of all tries.
        """

    async def repair(
        self, question: Question, answer: Answer, complaint: str, *, deadline: float | None = None
    ) -> Answer:
        """Send `answer` back with what is wrong with it, once; the answer's `usage` and `calls` are those of both.

        Raises:
            BadAnswer: `answer` was cut at the model's token limit, so that another would be, too: nothing is sent.
            JudgeError: With `usage` and `calls` of both.
        """


def without_secrets(message: str) -> str:
    """`message` cut to a readable length, with what looks like a key, token or URL password taken out."""
    message = masked(message)
    return message if len(message) <= MAX_MESSAGE_CHARACTERS else message[:MAX_MESSAGE_CHARACTERS] + " […]"


def masked(text: str) -> str:
    """`text` with what looks like a key, token or URL password taken out: some providers repeat the key they refuse."""
    return _SECRET.sub("[redacted] ", text)
