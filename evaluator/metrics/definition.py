"""What a metric is: data, validated when it is made, identified by a digest of everything that can change a verdict."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from evaluator.errors import InvalidDefinition
from storage.model import Document, Level, MetricKind, OutputType

E = TypeVar("E", MetricKind, Level, OutputType)

SLUG = re.compile(r"[a-z0-9_]{1,64}")
RESERVED = frozenset({"trace", "session", "human"})
SPAN_KINDS = frozenset(
    {"llm", "retriever", "tool", "agent", "chain", "embedding", "reranker", "guardrail", "evaluator", "other"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition:
    """One version of a metric.

    Attributes:
        name: Slug `[a-z0-9_]+`, part of SQL attribute keys; `trace`, `session` and `human` are reserved.
        display_name: What people call it; resolves wherever the slug does.
        version: 1, 2, … ; built-in metrics start at 1.
        levels: Where it can be asked for.
        span_kinds: Kinds of span it applies to at span level; empty = every kind.
        prompt: Judge metrics: a template over the named inputs of a target, `{{input}}`, `{{output}}`, ….
        labels: Judge metrics: the verdicts on offer, each with its value; empty = the judge answers in the output type.
        function: Code metrics: name of a function that ships with the product.
        model: Judge metrics: litellm name; '' = the installation's `ASSAY_JUDGE_MODEL`.
        parameters: Sampling parameters handed to the judge, such as `temperature`.
        required_metrics: Metrics whose results this one reads; they are computed first.

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
    prompt: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)
    function: str = ""
    model: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    required_metrics: tuple[str, ...] = ()
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
        body = {key: value for key, value in self.to_body().items() if key not in _NOT_IDENTITY}
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()

    def to_body(self) -> dict[str, object]:
        """As stored in `control_docs`, `digest` aside (the catalogue adds it for SQL)."""
        return {
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

    @classmethod
    def from_body(cls, body: Mapping[str, object], *, version: int = 1, builtin: bool = False) -> MetricDefinition:
        """Inverse of `to_body`; also reads the catalogue's files.  Unknown keys are refused.

        Raises:
            InvalidDefinition: A key is unknown, missing or of the wrong form.
        """
        known = {
            "name", "display_name", "kind", "levels", "span_kinds", "output_type", "description", "prompt", "labels",
            "function", "model", "parameters", "required_metrics", "digest",
        }  # fmt: skip
        unknown = set(body) - known
        if unknown:
            raise InvalidDefinition(f"metric.{min(unknown)}", f"unknown field; known are {sorted(known)}")
        for required in ("name", "kind", "levels", "output_type"):
            if not body.get(required):
                raise InvalidDefinition(f"metric.{required}", "is required")
        return cls(
            name=str(body["name"]),
            display_name=str(body.get("display_name", "")),
            version=version,
            kind=_one_of(MetricKind, "metric.kind", body["kind"]),
            levels=tuple(_one_of(Level, "metric.levels", level) for level in _items("metric.levels", body["levels"])),
            span_kinds=tuple(str(kind) for kind in _items("metric.span_kinds", body.get("span_kinds", []))),
            output_type=_one_of(OutputType, "metric.output_type", body["output_type"]),
            description=str(body.get("description", "")),
            prompt=str(body.get("prompt", "")),
            labels={str(k): _number("metric.labels", v) for k, v in _mapping("metric.labels", body.get("labels", {}))},
            function=str(body.get("function", "")),
            model=str(body.get("model", "")),
            parameters={str(k): v for k, v in _mapping("metric.parameters", body.get("parameters", {}))},
            required_metrics=tuple(
                str(name) for name in _items("metric.required_metrics", body.get("required_metrics", []))
            ),
            builtin=builtin,
        )

    @classmethod
    def from_document(cls, document: Document) -> MetricDefinition:
        """A stored version of a custom metric."""
        return cls.from_body(document.body, version=document.version)


_NOT_IDENTITY = frozenset({"name", "display_name", "description"})


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
