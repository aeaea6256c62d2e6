"""What an alignment found, as it is stored with the run's end, and what became of its rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from evaluator.alignment.model import Line, Row, RowResult, Split, Verdict
from evaluator.metrics.guideline import Guideline, guidelines_of
from storage.alignments import AlignedRow
from storage.feedback import FeedbackRow
from storage.model import Abstention, Failure, Outcome, Score, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows of a run.

    Attributes:
        annotations: Resolved annotations that the sources have, those that were not drawn included.
        disagreements: Of the rows used: the recorded verdict is a gap of the threshold or more from the expected one.
        disagreements_rerun: The same, of what the judge says when it is asked again.
        skipped_agreeing: Rows used where the judge, asked again, agrees.
        conflicts: Targets whose annotators contradict each other, or whose like has another label; they are not used.
        stale: Annotations made on an earlier version; they are used.
        excluded: Rows that could not be used, by reason.
        sampled: Rows that were drawn where there were more than the cap; 0 = all were taken.
    """

    annotations: int = 0
    disagreements: int = 0
    disagreements_rerun: int = 0
    skipped_agreeing: int = 0
    conflicts: int = 0
    stale: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    sampled: int = 0

    def to_body(self) -> dict[str, object]:
        """As stored."""
        numbers = {name: getattr(self, name) for name in self.__slots__ if name != "excluded"}
        return {**numbers, "excluded": dict(self.excluded)}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Counts:
        """Inverse of `to_body`."""
        return cls(**body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A completed evaluation with resolved feedback; fields as in `storage.alignments.SourcedResult`.

    Attributes:
        resolved: Targets of it with resolved feedback for the metric.
        disagreements: Those of them whose result differs from what is expected.
    """

    source_id: str
    kind: str
    name: str
    created_us: int
    resolved: int = 0
    disagreements: int = 0

    def to_body(self) -> dict[str, object]:
        """As stored."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a run failed; `code` is UPPER_SNAKE, `message` says what happened and what to do."""

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentOutcome:
    """What a run found; of one that failed or was cancelled, as far as it came.

    Attributes:
        lines: Guidelines, as the judge is given them, and below those that need a decision.
        verdict, summary: What the held-out rows say; None = nothing was proved.
        proof: Statistics, test and guardrails (`evaluator.alignment.proof`), as that stores them; {} = none.
        design, in_sample_before, in_sample_after, candidates, exhausted: As in `evaluator.alignment.model.Optimized`.
        fingerprint: Digest of rows, prompt and models.
        reflection_model, judge_model: Who was asked.
        error: None where it did not fail.
    """

    lines: tuple[Line, ...] = ()
    verdict: Verdict | None = None
    summary: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)
    design: str = ""
    in_sample_before: float | None = None
    in_sample_after: float | None = None
    candidates: int = 0
    exhausted: bool = False
    warnings: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)
    sources: tuple[Source, ...] = ()
    fingerprint: str = ""
    reflection_model: str = ""
    judge_model: str = ""
    error: Fault | None = None

    @property
    def guidelines(self) -> tuple[Guideline, ...]:
        """Those that the judge is given."""
        return tuple(each.guideline for each in self.lines if not each.needs_decision)

    def to_body(self) -> dict[str, object]:
        """As stored."""
        plain = (
            "summary", "design", "in_sample_before", "in_sample_after", "candidates", "exhausted", "fingerprint",
            "reflection_model", "judge_model",
        )  # fmt: skip
        error = None
        if self.error is not None:
            error = {"code": self.error.code, "message": self.error.message, "retryable": self.error.retryable}
        return {name: getattr(self, name) for name in plain} | {
            "lines": [_line_to_body(line) for line in self.lines],
            "verdict": self.verdict and str(self.verdict),
            "proof": dict(self.proof),
            "warnings": list(self.warnings),
            "counts": self.counts.to_body(),
            "sources": [source.to_body() for source in self.sources],
            "error": error,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> AlignmentOutcome:
        """Inverse of `to_body`; of what is missing, nothing was found."""
        known: dict[str, Any] = dict(body)
        if known.get("verdict"):
            known["verdict"] = Verdict(known["verdict"])
        if known.get("error"):
            known["error"] = Fault(**known["error"])
        known["lines"] = tuple(_line(each) for each in known.get("lines", ()))
        known["counts"] = Counts.from_body(known.get("counts", {}))
        known["sources"] = tuple(Source(**each) for each in known.get("sources", ()))
        known["warnings"] = tuple(known.get("warnings", ()))
        return cls(**known)


def _line_to_body(line: Line) -> dict[str, object]:
    return {
        "guideline": line.guideline.to_body(),
        "fixed": line.fixed,
        "broken": line.broken,
        "needs_decision": line.needs_decision,
    }


def _line(body: Mapping[str, Any]) -> Line:
    [guideline] = guidelines_of([body["guideline"]])
    return Line(**{**body, "guideline": guideline})


# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------


def to_text(outcome: Outcome | None) -> str:
    """An outcome as JSON; '' = None."""
    match outcome:
        case None:
            return ""
        case Score():
            body: dict[str, object] = {
                "value": outcome.value,
                "label": outcome.label,
                "labels": list(outcome.labels),
                "text": outcome.text,
                "explanation": outcome.explanation,
            }
            body = {name: found for name, found in body.items() if found not in (None, "", [])}
        case Abstention():
            body = {"reason": outcome.reason, "status": str(outcome.status)}
        case Failure():
            body = {"code": outcome.code, "message": outcome.message, "retryable": outcome.retryable}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def from_text(text: str) -> Outcome | None:
    """Inverse of `to_text`."""
    if not text:
        return None
    body = json.loads(text)
    if "code" in body:
        return Failure(**body)
    if "reason" in body:
        return Abstention(reason=body["reason"], status=Status(body["status"]))
    return Score(**{**body, "labels": tuple(body.get("labels", ()))})


def results_of(rows: Sequence[AlignedRow], feedback: Mapping[UUID, FeedbackRow]) -> list[RowResult]:
    """What became of rows, as the run saw it; `feedback` has them by id (`Feedbacks.by_id`).

    Inputs, annotators and rationales are those of feedback that is still there; verdicts are those of the run.  Rows
    that nobody had decided are not among them.
    """
    together: dict[str, list[AlignedRow]] = {}
    for row in rows:
        together.setdefault(row.row_id, []).append(row)
    return [
        _result(each, expected, [feedback[row.feedback_id] for row in each if row.feedback_id in feedback])
        for each in together.values()
        if isinstance(expected := from_text(each[0].expected), Score)
    ]


def _result(rows: Sequence[AlignedRow], expected: Score, said: Sequence[FeedbackRow]) -> RowResult:
    first, newest = rows[0], said[-1] if said else None
    recorded = from_text(first.recorded)
    row = Row(
        row_id=first.row_id,
        target=first.target,
        group=newest.group_key if newest else first.row_id,
        expected=expected,
        feedback_ids=tuple(str(row.feedback_id) for row in rows),
        annotators=tuple(dict.fromkeys(each.annotator for each in said)),
        rationales=tuple(each.rationale for each in said if each.rationale.strip()),
        recorded=recorded if isinstance(recorded, Score) else None,
        metric_version=newest.metric_version if newest else 0,
        inputs=newest.snapshot.inputs if newest else {},
        span_kind=newest.snapshot.span_kind if newest else "",
        segment=newest.snapshot.segment if newest else {},
    )
    return RowResult(
        row=row,
        split=Split(first.split),
        fold=first.fold,
        before=tuple(each for text in first.before if (each := from_text(text)) is not None),
        after=tuple(each for text in first.after if (each := from_text(text)) is not None),
        reason=first.reason,
    )
