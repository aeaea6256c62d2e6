"""What a metric is: data, validated when it is made, identified by a digest of everything that can change a verdict."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from evaluator.errors import InvalidDefinition
from evaluator.metrics.guideline import Guideline, guidelines_of
from storage.model import Document, Level, MetricKind, OutputType

E = TypeVar("E", bound=StrEnum)

SLUG = re.compile(r"[a-z0-9_]{1,64}")
RESERVED = frozenset({"trace", "session", "human"})
SPAN_KINDS = frozenset(
    {"llm", "retriever", "tool", "agent", "chain", "embedding", "reranker", "guardrail", "evaluator", "other"}
)

WAIT_SECONDS = 3600.0
"""How long a composite waits for a result that somebody else sends, unless it says."""


class Vote(StrEnum):
    """How the answers of a jury become one: the label most of them gave, or a statistic of their values."""

    MAJORITY = "majority"
    MEAN = "mean"
    MEDIAN = "median"
    MIN = "min"
    MAX = "max"


class TooLong(StrEnum):
    """What becomes of a target that does not fit the judge's context window."""

    ABSTAIN = "abstain"
    CUT = "cut"
    """Head and tail of the longest inputs are kept, with a mark between them."""


class Statistic(StrEnum):
    """How the results of a child metric become one of their parent's level."""

    MEAN = "mean"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    SHARE = "share"
    """The part of them that is true, passes the child's threshold, or has the label that is named."""
    COUNT = "count"
    """How many of them are true, pass, or have the label that is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jury:
    """Several answers to one question: one of each model, `repeats` times.

    Attributes:
        models: litellm names; empty = the metric's model alone.
        repeats: Answers of each model.
        vote: How they become one result.
    """

    models: tuple[str, ...] = ()
    repeats: int = 1
    vote: Vote = Vote.MAJORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class RollUp:
    """A composite without code: a statistic over the results of one required metric below (or on) the target.

    Attributes:
        label: `share` and `count` only: which label counts; '' = true, or a value that passes the child's threshold.
    """

    statistic: Statistic
    label: str = ""


class _Digested:
    """Has room for a digest that is made once: it is asked for several times with each result."""

    __slots__ = ("_digest",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition(_Digested):
    """One version of a metric.

    Attributes:
        name: Slug `[a-z0-9_]+`, part of SQL attribute keys; `trace`, `session` and `human` are reserved.
        display_name: What people call it; resolves wherever the slug does.
        version: 1, 2, … ; built-in metrics start at 1.
        levels: Where it can be asked for.
        span_kinds: Kinds of span it applies to at span level; empty = every kind.
        reference: Where the metric comes from (paper, specification, product), for people.
        prompt: Judge metrics: a template over the named inputs of a target, `{{input}}`, `{{output}}`, …, and over
            `arguments`.
        arguments: Values that the definition itself brings: texts for `{{name}}` of a prompt, parameters of a function.
        labels: The verdicts on offer, each with its value (None = it has no number); empty = any of the output type.
        colors: Labels -> `#rrggbb`, for whoever draws them.
        model: Judge metrics: litellm name or `gateway:/NAME`; '' = the installation's `ASSAY_JUDGE_MODEL`; `@small` =
            its `ASSAY_JUDGE_SMALL_MODEL`.
        parameters: Sampling parameters handed to the judge, such as `temperature`.
        jury: Judge metrics: several answers instead of one.
        too_long: Judge metrics: what becomes of a target that does not fit the context window.
        source: Code and composite metrics: Python with a `scorer_fn(*, step_object, **kwargs)`.
        function: Code metrics instead of `source`: name of a function that ships, or `plugin:NAME` of the operator's.
        expression: SQL metrics: one ClickHouse expression over the view `spans`.
        required_metrics: Composite metrics: what they read, `name` or `name@level`; computed first.
        roll_up: Composite metrics instead of `source`.
        wait_seconds: Composite metrics: how long a required result of kind external or human is waited for.
        minimum, maximum: Ends of the scale of a `number`, or of a `discrete` one without labels; None = open.
        higher_is_better: None = neither is.
        threshold: A value passes from here on (`>=` where higher is better, else `<=`).
        unit: UCUM code of the value, such as `s`, `{token}` or `USD`; '' = none.
        guidelines: Judge metrics: lines that follow the prompt, in order.
        alignment_id: The alignment that made this version; '' = a person did.

    Raises:
        InvalidDefinition: A field is not acceptable; says which and why.
    """

    name: str
    display_name: str = ""
    version: int = 1
    kind: MetricKind
    levels: tuple[Level, ...]
    span_kinds: tuple[str, ...] = ()
    output_type: OutputType
    description: str = ""
    reference: str = ""
    prompt: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)
    labels: Mapping[str, float | None] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    jury: Jury | None = None
    too_long: TooLong = TooLong.ABSTAIN
    source: str = ""
    function: str = ""
    expression: str = ""
    required_metrics: tuple[str, ...] = ()
    roll_up: RollUp | None = None
    wait_seconds: float = WAIT_SECONDS
    minimum: float | None = None
    maximum: float | None = None
    higher_is_better: bool | None = True
    threshold: float | None = None
    unit: str = ""
    guidelines: tuple[Guideline, ...] = ()
    alignment_id: str = ""
    builtin: bool = False

    def __post_init__(self) -> None:
        if not SLUG.fullmatch(self.name):
            raise InvalidDefinition("metric.name", f"must be 1 to 64 of a-z, 0-9 and _, got {self.name!r}")
        if self.name in RESERVED:
            raise InvalidDefinition("metric.name", f"{self.name!r} is reserved; choose another name")
        if not self.levels:
            raise InvalidDefinition("metric.levels", "name at least one of span, trace, session")
        unknown = set(self.span_kinds) - SPAN_KINDS
        if unknown:
            raise InvalidDefinition(
                "metric.span_kinds", f"unknown kinds {sorted(unknown)}; known are {sorted(SPAN_KINDS)}"
            )

    @property
    def digest(self) -> str:
        """Identity: 32 hex digits over everything that can change a verdict (not the name, version or description)."""
        known: str | None = getattr(self, "_digest", None)
        if known is None:
            body = {key: value for key, value in self.to_body().items() if key not in _NOT_IDENTITY}
            if self.guidelines:  # what a judge reads of them; where they come from changes no verdict
                body["guidelines"] = [each.text for each in self.guidelines]
            canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            known = hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
            object.__setattr__(self, "_digest", known)
        return known

    def to_body(self) -> dict[str, object]:
        """As stored in `control_docs`, `digest` aside (the catalogue adds it for SQL).

        What came after the first release is left out where it says nothing, so that digests stay what they were.
        """
        first: dict[str, object] = {
            "name": self.name,
            "display_name": self.display_name,
            "kind": str(self.kind),
            "levels": [str(level) for level in self.levels],
            "span_kinds": list(self.span_kinds),
            "output_type": str(self.output_type),
            "description": self.description,
            "prompt": self.prompt,
            "labels": dict(self.labels),
            "function": self.function,
            "model": self.model,
            "parameters": dict(self.parameters),
            "required_metrics": list(self.required_metrics),
        }
        later: dict[str, object] = {
            "reference": self.reference,
            "arguments": dict(self.arguments),
            "colors": dict(self.colors),
            "source": self.source,
            "expression": self.expression,
            "unit": self.unit,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "threshold": self.threshold,
            "guidelines": [each.to_body() for each in self.guidelines],
            "alignment_id": self.alignment_id,
        }
        body = first | {key: value for key, value in later.items() if value not in (None, "", {}, [])}
        if self.jury is not None:
            body["jury"] = {
                "models": list(self.jury.models),
                "repeats": self.jury.repeats,
                "vote": str(self.jury.vote),
            }
        if self.roll_up is not None:
            body["roll_up"] = {"statistic": str(self.roll_up.statistic), "label": self.roll_up.label}
        if self.too_long is not TooLong.ABSTAIN:
            body["too_long"] = str(self.too_long)
        if self.higher_is_better is not True:
            body["higher_is_better"] = self.higher_is_better
        if self.wait_seconds != WAIT_SECONDS:
            body["wait_seconds"] = self.wait_seconds
        return body

    @classmethod
    def from_body(cls, body: Mapping[str, object], *, version: int = 1, builtin: bool = False) -> MetricDefinition:
        """Inverse of `to_body`; also reads the catalogue's files.  Unknown keys are refused.

        Raises:
            InvalidDefinition: A key is unknown, missing or of the wrong form.
        """
        unknown = set(body) - _KEYS
        if unknown:
            raise InvalidDefinition(f"metric.{min(unknown)}", f"unknown field; known are {sorted(_KEYS)}")
        for required in ("name", "kind", "levels", "output_type"):
            if not body.get(required):
                raise InvalidDefinition(f"metric.{required}", "is required")
        return cls(
            **{name: _text(f"metric.{name}", body[name]) for name in _TEXTS if name in body},
            version=version,
            kind=_one_of(MetricKind, "metric.kind", body["kind"]),
            levels=tuple(_one_of(Level, "metric.levels", level) for level in _items("metric.levels", body["levels"])),
            span_kinds=tuple(str(kind) for kind in _items("metric.span_kinds", body.get("span_kinds", []))),
            output_type=_one_of(OutputType, "metric.output_type", body["output_type"]),
            arguments={str(k): v for k, v in _mapping("metric.arguments", body.get("arguments", {}))},
            labels={
                str(k): None if v is None else _number("metric.labels", v)
                for k, v in _mapping("metric.labels", body.get("labels", {}))
            },
            colors={str(k): str(v) for k, v in _mapping("metric.colors", body.get("colors", {}))},
            parameters={str(k): v for k, v in _mapping("metric.parameters", body.get("parameters", {}))},
            jury=_jury(body["jury"]) if body.get("jury") else None,
            too_long=_one_of(TooLong, "metric.too_long", body.get("too_long", TooLong.ABSTAIN)),
            required_metrics=tuple(
                str(name) for name in _items("metric.required_metrics", body.get("required_metrics", []))
            ),
            roll_up=_roll_up(body["roll_up"]) if body.get("roll_up") else None,
            wait_seconds=_number("metric.wait_seconds", body.get("wait_seconds", WAIT_SECONDS)),
            minimum=_number_or_none("metric.minimum", body.get("minimum")),
            maximum=_number_or_none("metric.maximum", body.get("maximum")),
            higher_is_better=_bool_or_none("metric.higher_is_better", body.get("higher_is_better", True)),
            threshold=_number_or_none("metric.threshold", body.get("threshold")),
            guidelines=guidelines_of(body.get("guidelines", [])),
            builtin=builtin,
        )

    @classmethod
    def from_document(cls, document: Document) -> MetricDefinition:
        """A stored version of a custom metric."""
        return cls.from_body(document.body, version=document.version)


_TEXTS = (
    "name", "display_name", "description", "reference", "prompt", "model", "source", "function", "expression", "unit",
    "alignment_id",
)  # fmt: skip
_KEYS = frozenset(_TEXTS) | {
    "kind", "levels", "span_kinds", "output_type", "arguments", "labels", "colors", "parameters", "jury", "too_long",
    "required_metrics", "roll_up", "wait_seconds", "minimum", "maximum", "higher_is_better", "threshold", "digest",
    "guidelines",
}  # fmt: skip
_NOT_IDENTITY = frozenset(
    {
        "name", "display_name", "description", "reference", "colors", "unit", "threshold", "higher_is_better",
        "alignment_id",
    }
)  # fmt: skip
"""What changes no verdict, only how people and dashboards see it."""


def _jury(value: object) -> Jury:
    fields = _fields("metric.jury", value, {"models", "repeats", "vote"})
    repeats = _number("metric.jury.repeats", fields.get("repeats", 1))
    if repeats != math.floor(repeats):
        raise InvalidDefinition("metric.jury.repeats", f"must be whole, got {repeats!r}")
    return Jury(
        models=tuple(str(model) for model in _items("metric.jury.models", fields.get("models", []))),
        repeats=int(repeats),
        vote=_one_of(Vote, "metric.jury.vote", fields.get("vote", Vote.MAJORITY)),
    )


def _roll_up(value: object) -> RollUp:
    fields = _fields("metric.roll_up", value, {"statistic", "label"})
    return RollUp(
        statistic=_one_of(Statistic, "metric.roll_up.statistic", fields.get("statistic", "")),
        label=_text("metric.roll_up.label", fields.get("label", "")),
    )


def _fields(path: str, value: object, known: set[str]) -> dict[str, Any]:
    fields = {str(key): item for key, item in _mapping(path, value)}
    if unknown := set(fields) - known:
        raise InvalidDefinition(f"{path}.{min(unknown)}", f"unknown field; known are {sorted(known)}")
    return fields


def _text(path: str, value: object) -> str:
    if value is not None and not isinstance(value, (str, int, float)):
        raise InvalidDefinition(path, f"must be text, got {value!r}")
    return "" if value is None else str(value)


def _number_or_none(path: str, value: object) -> float | None:
    return None if value is None else _number(path, value)


def _bool_or_none(path: str, value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise InvalidDefinition(path, f"must be true, false or null, got {value!r}")
    return value


def _one_of(kind: type[E], path: str, value: object) -> E:
    try:
        return kind(str(value))
    except ValueError:
        raise InvalidDefinition(path, f"must be one of {[str(item) for item in kind]}, got {value!r}") from None


def _items(path: str, value: object) -> list[object]:
    if not isinstance(value, (list, tuple)):
        raise InvalidDefinition(path, f"must be a list, got {value!r}")
    return list(value)


def _mapping(path: str, value: object) -> list[tuple[object, object]]:
    if not isinstance(value, Mapping):
        raise InvalidDefinition(path, f"must be a mapping, got {value!r}")
    return list(value.items())


def _number(path: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidDefinition(path, f"must be a number, got {value!r}")
    return float(value)
