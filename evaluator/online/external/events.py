"""What others say on the wire, read into one form.  Every text is hostile: nothing here raises.

Source: the event `gen_ai.evaluation.result` of OpenTelemetry's conventions, also as OpenLIT (in logs and spans) and
pydantic-evals (online) send it; OpenInference's attributes `evaluations.N.evaluation.*` and
`annotations.N.annotation.*` of a span, below `trace.` and `session.` too; the JSON attributes of a `case:` span of
pydantic-evals.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evaluator.metrics.definition import RESERVED
from evaluator.metrics.naming import MAX_SLUG, slug_of
from evaluator.online import event_names as names
from storage.external import ResultEvent
from storage.model import Level, TargetRef, is_id

MAX_CHARACTERS = 16_384
"""What is kept of a text."""
MAX_NAME_CHARACTERS = 200
MAX_ID_CHARACTERS = 256
"""A completion's id that is longer is none."""
MAX_ANNOTATIONS = 100
"""Results that one span may carry as attributes."""
_ANNOTATION = re.compile(
    r"((?P<level>trace|session)\.)?(?P<group>evaluations|annotations)\.(?P<number>\d{1,6})\.(evaluation|annotation)\."
    r"(?P<field>name|score|label|explanation|identifier|annotator_kind)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One result as its sender states it; '' = not stated.

    Attributes:
        key: By which the sender knows it: stated again under the same key, it is the same result.
        level: Of its target, where the sender says so.
        human: A person concluded.
        annotator: Who that was.
        time_ns: When it was said.
    """

    name: str
    value: str = ""
    label: str = ""
    explanation: str = ""
    error: str = ""
    key: str = ""
    response_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    session_id: str = ""
    service: str = ""
    level: Level | None = None
    human: bool = False
    annotator: str = ""
    time_ns: int
    ingested_ms: int

    @property
    def digest(self) -> str:
        """Of what is stated, whoever it is about and whenever it was said."""
        said = (self.name, self.value, self.label, self.explanation, self.error, str(self.human))
        return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()

    @property
    def characters(self) -> int:
        """How much of it is kept in memory while it waits."""
        return len(self.name) + len(self.value) + len(self.label) + len(self.explanation) + len(self.error)

    @property
    def slug(self) -> str:
        """Slug of the metric; '' where the name gives none."""
        slug = slug_of(self.name)
        cut = len(slug) == MAX_SLUG and slug != self.name  # two long names must not become one metric
        return "" if slug in RESERVED or len(self.name) > MAX_NAME_CHARACTERS or cut else slug

    def span(self) -> TargetRef | None:
        """The span that it was sent with."""
        if is_id(self.trace_id, 32) and is_id(self.span_id, 16):
            return TargetRef(level=Level.SPAN, trace_id=self.trace_id, span_id=self.span_id)
        return None

    def trace(self) -> TargetRef | None:
        """The trace that it was sent with."""
        return TargetRef(level=Level.TRACE, trace_id=self.trace_id) if is_id(self.trace_id, 32) else None

    def session(self) -> TargetRef | None:
        """The session that it was sent with."""
        try:
            return TargetRef(level=Level.SESSION, session_id=self.session_id) if self.session_id else None
        except ValueError:  # longer than any that is stored
            return None


def is_ours(event: ResultEvent) -> bool:
    """Whether it is one of the results that Assay itself gave out."""
    return names.RESULT_ID in event.attributes


def statements(event: ResultEvent) -> list[Statement]:
    """What an event states; none where it states nothing."""
    match event.form:
        case "annotations":
            return list(_annotations(event))
        case "case":
            return list(_case(event))
        case _:
            return [_event(event)]


def _event(event: ResultEvent) -> Statement:
    said = event.attributes
    response_id = said.get(names.RESPONSE_ID, "")
    return _statement(
        event,
        name=said.get(names.NAME, ""),
        value=said.get(names.VALUE, ""),
        label=said.get(names.LABEL, ""),
        explanation=said.get(names.EXPLANATION, ""),
        error=said.get(names.ERROR, ""),
        key=said.get(names.OPENLIT_KEY, ""),
        response_id=response_id if len(response_id) <= MAX_ID_CHARACTERS else "",
        level=said.get(names.LEVEL, ""),
        human=said.get(names.EVALUATOR_KIND, "").lower() == "human",
        annotator=said.get(names.EVALUATOR, ""),
    )


def _annotations(event: ResultEvent) -> Iterator[Statement]:
    groups: dict[tuple[str, str, int], dict[str, str]] = defaultdict(dict)
    for attribute, value in event.attributes.items():
        if found := _ANNOTATION.fullmatch(attribute):
            groups[found["level"] or "", found["group"], int(found["number"])][found["field"]] = value
    for level, group, number in sorted(groups)[:MAX_ANNOTATIONS]:
        said = groups[level, group, number]
        yield _statement(
            event,
            name=said.get("name", ""),
            value=said.get("score", ""),
            label=said.get("label", ""),
            explanation=said.get("explanation", ""),
            key=said.get("identifier", ""),
            level=level or "span",
            human=said.get("annotator_kind", "").upper() == "HUMAN",
        )


def _case(event: ResultEvent) -> Iterator[Statement]:
    said = [(field, name, each) for field in ("scores", "labels", "assertions") for name, each in _parsed(event, field)]
    for field, name, each in said[:MAX_ANNOTATIONS]:
        value = each.get("value")
        yield _statement(
            event,
            name=name,
            value=repr(value) if field == "scores" and isinstance(value, (int, float)) else "",
            label=json.dumps(value) if field == "assertions" else str(value) if field == "labels" else "",
            explanation=str(each.get("reason") or ""),
            level="span",
        )


def _parsed(event: ResultEvent, field: str) -> list[tuple[str, Mapping[str, object]]]:
    try:
        found = json.loads(event.attributes.get(field) or "{}")
    except (ValueError, RecursionError):  # cut, or never was JSON
        return []
    return [(name, each) for name, each in found.items() if isinstance(each, dict)] if isinstance(found, dict) else []


def _statement(event: ResultEvent, *, name: str, level: str, human: bool = False, **texts: str) -> Statement:
    return Statement(
        name=name.strip()[: MAX_NAME_CHARACTERS + 1],
        level=Level(level) if level in frozenset(Level) else None,
        human=human,
        trace_id=event.trace_id,
        span_id=event.span_id,
        session_id=event.session_id,
        service=event.service,
        time_ns=event.time_ns if event.time_ns > 0 else event.ingested_ms * 1_000_000,
        ingested_ms=event.ingested_ms,
        **{key: text[:MAX_CHARACTERS] for key, text in texts.items()},
    )
