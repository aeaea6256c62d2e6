"""The vocabulary (docs/concepts.md): frozen values without I/O, in which impossible states cannot be built.

Times are integers in nanoseconds since the Unix epoch (`*_ns`) where OTLP gives them, else aware UTC datetimes.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

RESULT_NAMESPACE = uuid.UUID("6f2f3b8e-0f5c-5a55-9a44-6d1d2a7c9f10")
"""Namespace of result ids (UUIDv5).  Never change it: ids of repeated work would stop matching."""
MAX_SESSION_ID_BYTES = 32_768
NO_ID = uuid.UUID(int=0)
"""Id of an answer that is no stored result."""


class Level(StrEnum):
    """Which of the three scorable things a target is."""

    SPAN = "span"
    TRACE = "trace"
    SESSION = "session"


class MetricKind(StrEnum):
    """Who or what concludes."""

    JUDGE = "judge"
    CODE = "code"
    COMPOSITE = "composite"
    SQL = "sql"
    EXTERNAL = "external"
    HUMAN = "human"


class OutputType(StrEnum):
    """What a success carries."""

    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    PERCENTAGE = "percentage"
    COUNT = "count"
    DISCRETE = "discrete"
    MULTILABEL = "multilabel"
    TEXT = "text"
    NUMBER = "number"


class Purpose(StrEnum):
    """Why a result was computed.  Experiments and alignments never show on spans."""

    ONLINE = "online"
    ONDEMAND = "ondemand"
    BACKFILL = "backfill"
    EXPERIMENT = "experiment"
    ALIGNMENT = "alignment"
    RECOMPUTE = "recompute"


class Status(StrEnum):
    """Status of a result.  `queued` and `computing` are not rows: nothing is stored before the end."""

    QUEUED = "queued"
    COMPUTING = "computing"
    SUCCESS = "success"
    FAILED = "failed"
    NOT_COMPUTED = "not_computed"
    NOT_APPLICABLE = "not_applicable"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRef:
    """One span, trace or session, by id.  Trace and span ids are lower-case hex (32 and 16 digits).

    Raises:
        ValueError: An id is missing, malformed, or does not belong to the level.
    """

    level: Level
    trace_id: str = ""
    span_id: str = ""
    session_id: str = ""

    def __post_init__(self) -> None:
        match self.level:
            case Level.SPAN:
                _check_hex("trace_id", self.trace_id, 32)
                _check_hex("span_id", self.span_id, 16)
            case Level.TRACE:
                _check_hex("trace_id", self.trace_id, 32)
            case Level.SESSION:
                if not self.session_id:
                    raise ValueError("a session target needs a session_id")
                if len(self.session_id.encode("utf-8", "surrogatepass")) > MAX_SESSION_ID_BYTES:
                    raise ValueError(f"a session_id may have {MAX_SESSION_ID_BYTES} bytes")
        foreign = {
            Level.SPAN: self.session_id,
            Level.TRACE: self.span_id or self.session_id,
            Level.SESSION: self.trace_id or self.span_id,
        }[self.level]
        if foreign:
            raise ValueError(f"a {self.level} target takes only ids of its own level, got also {foreign!r}")

    @property
    def key(self) -> str:
        """`TargetId` of the decision ledger: `trace:span`, the trace id, or the session id."""
        match self.level:
            case Level.SPAN:
                return f"{self.trace_id}:{self.span_id}"
            case Level.TRACE:
                return self.trace_id
            case Level.SESSION:
                return self.session_id


def storable(text: str) -> str:
    r"""What UTF-8 can hold: telemetry, judges and users' code may spell half a surrogate pair (`\ud800`)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def is_id(text: str, digits: int) -> bool:
    """Whether a text is a trace id (32 digits) or a span id (16): lower-case hex, not all zeros."""
    return len(text) == digits and not text.strip("0123456789abcdef") and bool(text.strip("0"))


def _check_hex(what: str, value: str, digits: int) -> None:
    if is_id(value, digits):
        return
    if len(value) != digits or value.strip("0123456789abcdef"):
        raise ValueError(f"{what} must be {digits} lower-case hex digits, got {value!r}")
    raise ValueError(f"{what} must not be all zeros")


# ---------------------------------------------------------------------------------------------------------------------
# Telemetry as stored
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """An event inside a span."""

    time_ns: int
    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """A span as the store returns it: attribute values are strings, stringified as the Collector's exporter does."""

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    name: str = ""
    kind: str = ""
    service_name: str = ""
    scope_name: str = ""
    start_ns: int = 0
    duration_ns: int = 0
    status_code: str = ""
    status_message: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    resource_attributes: Mapping[str, str] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    ingested_ms: int = 0
    """Server clock at insert, milliseconds since the epoch; 0 for inline targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLog:
    """A log record that belongs to a span or a trace.  `body` is text; structured bodies are JSON text."""

    trace_id: str
    span_id: str
    time_ns: int = 0
    event_name: str = ""
    body: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    ingested_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The span that shows a result as attributes, with its primary key in `otel_traces`."""

    trace_id: str
    span_id: str
    time_ns: int
    service_name: str
    span_name: str


# ---------------------------------------------------------------------------------------------------------------------
# Outcomes and results
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A metric applied.  At least one of value, label, labels, text is there; a value is finite.

    Boolean: value 1.0 / 0.0 and label `true` / `false`.  Percentage: value in [0.0, 1.0].  Count and discrete: whole.
    """

    value: float | None = None
    label: str = ""
    labels: tuple[str, ...] = ()
    text: str = ""
    explanation: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a score is finite, got {self.value!r}")
        if self.value is None and not (self.label or self.labels or self.text):
            raise ValueError("a score has a value, a label or a text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """A metric did not apply (`not_applicable`), was deliberately not computed, or its result was taken back."""

    reason: str
    status: Status = Status.NOT_APPLICABLE

    def __post_init__(self) -> None:
        if self.status not in (Status.NOT_APPLICABLE, Status.NOT_COMPUTED, Status.RETRACTED):
            raise ValueError(f"an abstention is not_applicable, not_computed or retracted, got {self.status!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A metric could not conclude.  It has no value: a broken judge is never a 0.

    `code` is UPPER_SNAKE and low in cardinality (it becomes `.error.type`); `retryable` says whether asking again later
    may help.
    """

    code: str
    message: str
    retryable: bool = False


Outcome: TypeAlias = Score | Abstention | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a result cost.  `cost_usd` is None where the price of the model is unknown."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    latency_ms: int = 0
    attempts: int = 0

    def __add__(self, other: Usage) -> Usage:
        known = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=sum(known) if known else None,
            latency_ms=self.latency_ms + other.latency_ms,
            attempts=self.attempts + other.attempts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One finished attempt: what one metric version concluded on one target.  A row of `evaluations`.

    `target_time_ns` cannot move (span start; first arrival of a trace or session); `watermark_ms` is the newest arrival
    that the result has seen of its target; `inserted_us` is the server's clock and None until the row was stored.

    Attributes:
        run: Id of the finite run that computed it; '' = none.
        trial: Which repetition of a run, from 0.
        inputs_digest: Composites: `inputs_digest` of the results that it read; b'' for others.
        annotator: Who concluded, of kind human; '' for others.
        judge_trace_id: Trace of the exchange with the judge, in `judge_traces`; '' = no judge was asked.
        metadata: What else is known of this result (spread of a jury, calibrated probability, …), by snake_case name.
    """

    evaluation_id: uuid.UUID
    attempt: int = 1
    target: TargetRef
    target_time_ns: int
    start_ns: int
    anchor: Anchor | None
    metric: str
    metric_version: int
    metric_digest: str
    kind: MetricKind
    purpose: Purpose
    output_type: OutputType
    outcome: Outcome
    rule: str = ""
    rule_version: int = 0
    watermark_ms: int = 0
    run: str = ""
    trial: int = 0
    annotator: str = ""
    input_digest: bytes = b""
    inputs_digest: bytes = b""
    judge_model: str = ""
    judge_trace_id: str = ""
    usage: Usage = Usage()
    metadata: Mapping[str, str] = field(default_factory=dict)
    started: datetime
    evaluated: datetime
    inserted_us: int | None = None

    @property
    def status(self) -> Status:
        """Final status, as stored."""
        match self.outcome:
            case Score():
                return Status.SUCCESS
            case Abstention(status=status):
                return status
            case Failure():
                return Status.FAILED


def result_id(
    *, source: Purpose, origin: str, metric_digest: str, target: TargetRef, watermark_ms: int, trial: int = 0
) -> uuid.UUID:
    """UUIDv5 of what was asked, so that repeated work is the same row.  `origin`: rule, run or request id."""
    parts = (source, origin, metric_digest, target.level, target.key, str(watermark_ms), str(trial))
    return uuid.uuid5(RESULT_NAMESPACE, "\x1f".join(parts))


# ---------------------------------------------------------------------------------------------------------------------
# Exchanges with judges
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTrace:
    """What was said to judges about one target, and what they answered, as an OTel trace.

    Attributes:
        spans: One for the evaluation, and below it one for each call of a model.
        about: The judged span, or the one at which a judged trace or session stands; (trace id, span id).
        session_id: Of a judged session; '' for spans and traces.
    """

    trace_id: str
    spans: tuple[StoredSpan, ...]
    about: tuple[str, str]
    session_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeAnswer:
    """An answer of a judge that may be given again to the same question.

    Attributes:
        key: 32 bytes, a digest of the question.
        trace_id, session_id: The target that it was given about; one of them is ''.
        response: What the asker keeps of it, as text.
    """

    key: bytes
    response: str
    trace_id: str = ""
    session_id: str = ""


# ---------------------------------------------------------------------------------------------------------------------
# Definitions
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One accepted version of a definition (metric, rule, …) as the store keeps it."""

    kind: str
    name: str
    version: int
    body: Mapping[str, object]
    author: str = ""
    deleted: bool = False
    created: datetime | None = None
