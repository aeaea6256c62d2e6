"""Alignments over the wire: what is sent, and how the answer is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from assay import client_model as model
from assay.client_calls import PAGE_SIZE, Call, Listing
from evaluator.alignment.deciding.choices import Choice, chosen
from evaluator.alignment.model import Line, Verdict
from evaluator.alignment.reporting.report import GuidelineLine, Report, Spent
from evaluator.alignment.running.outcome import Counts
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline
from evaluator.metrics.record import MetricRecord
from evaluator.server import convert_reports as convert
from evaluator.server.convert_targets import target_ref
from evaluator.v1 import alignment_pb2 as pb
from storage.alignments import AlignmentPhase, AlignmentState
from storage.model import TargetRef

VERIFY_SECONDS = 1800.0
"""A line that nobody has verified is asked about on every row; answers are remembered, should it take longer."""
STATE_FROM_PROTO: Mapping[int, AlignmentState] = {
    pb.AlignmentStatus.Value(f"ALIGNMENT_STATUS_{state}"): state for state in AlignmentState
}
PHASE_FROM_PROTO: Mapping[int, AlignmentPhase] = {
    pb.AlignmentPhase.Value(f"ALIGNMENT_PHASE_{phase.upper()}"): phase for phase in AlignmentPhase
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentSource:
    """A completed evaluation that has resolved feedback for a metric.

    Attributes:
        source_id: A run's id, `rule:NAME@YYYY-MM-DD` or `ondemand@YYYY-MM-DD`.
        kind: `batch`, `backfill`, `recompute`, `experiment`, `rule_day` or `ondemand_day`.
        resolved: Targets with resolved feedback; `disagreements` of them differ from what the judge recorded.
    """

    source_id: str
    kind: str
    name: str
    resolved: int
    disagreements: int
    create_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentEstimate:
    """What a run would take.

    Attributes:
        cost_usd: None = a price is not known, which is never a 0.
        power: Chance that a gain of so many points would be proved, by points.
    """

    counts: Counts
    judge_calls: int
    reflection_calls: int
    cost_usd: float | None
    power: Mapping[int, float]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentFailure:
    """Why a run failed; `message` says what to do."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """A run that aligns a metric, and where it stands.

    Attributes:
        metric, version: What it started from.
        phase: What it is at; None where it does not run.
        done, total: Steps of the phase.
        guidelines: Once it has aligned; `guidelines_text` is what the judge is given of them.
        verdict: What the held-out rows say; `summary` says it in one sentence.
        decision: `accepted`, `discarded` or ''.
        accepted: `name@version` that accepting made; '' before.
    """

    alignment_id: str
    metric: str
    version: int
    state: AlignmentState
    phase: AlignmentPhase | None
    done: int
    total: int
    cancel_requested: bool
    error: AlignmentFailure | None
    counts: Counts
    usage: Spent
    guidelines: tuple[GuidelineLine, ...]
    guidelines_text: str
    verdict: Verdict | None
    summary: str
    warnings: tuple[str, ...]
    decision: str
    accepted: str
    retry_of: str
    source_ids: tuple[str, ...]
    sources: tuple[AlignmentSource, ...]
    create_time: datetime | None
    update_time: datetime | None

    @property
    def status(self) -> str:
        """As people say it: `Pending`, `Running`, `Aligned`, `Error`, `Cancelled`."""
        return self.state.capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentReport:
    """What a person should see before accepting: as a value, as Markdown, and as a page that needs nothing else."""

    value: Report
    markdown: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What accepting did.

    Attributes:
        rules_left: Rules that use the built-in metric, and still do.
        regressions: Targets that an earlier version had put right, and this one gets wrong.
    """

    alignment: Alignment
    metric: MetricRecord
    rules_left: tuple[str, ...]
    rules_repointed: tuple[str, ...]
    regressions: tuple[TargetRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentOptions:
    """How a run is to go; what is not said is the installation's.

    Attributes:
        reflection_model: The model that distills guidelines; '' = the installation's.
        judge_model: The model that verifies them; '' = the metric's own.
        delta_threshold: The smallest gap that is a disagreement, in the unit of the metric; None = its default.
        max_calls, max_cost_usd: Caps; 0 = none.
        max_rows: A sample is drawn beyond so many; 0 = 2000.
        seed: Decides splits and order; None = drawn from the run's id.
    """

    reflection_model: str = ""
    judge_model: str = ""
    delta_threshold: float | None = None
    max_calls: int = 0
    max_cost_usd: float = 0.0
    max_rows: int = 0
    seed: int | None = None


DEFAULTS = AlignmentOptions()


def list_alignment_sources(metric: str, delta_threshold: float | None) -> Listing[AlignmentSource]:
    """`Alignments.ListSources`."""
    request = pb.ListSourcesRequest(metric=metric, delta_threshold=delta_threshold, page_size=PAGE_SIZE)
    return Listing(service="Alignments", method="ListSources", request=request, items="sources", read=source)


def estimate_alignment(metric: str, sources: Sequence[str], options: AlignmentOptions) -> Call[AlignmentEstimate]:
    """`Alignments.EstimateAlignment`."""
    request = pb.EstimateAlignmentRequest(alignment=_asked(metric, sources, options))
    return Call(service="Alignments", method="EstimateAlignment", request=request, read=_estimate)


def start_alignment(
    metric: str, sources: Sequence[str], options: AlignmentOptions, *, author: str, request_id: str
) -> Call[Alignment]:
    """`Alignments.StartAlignment`."""
    request = _asked(metric, sources, options)
    request.author, request.request_id = author, request_id
    return Call(service="Alignments", method="StartAlignment", request=request, read=alignment)


def get_alignment(alignment_id: str) -> Call[Alignment]:
    """`Alignments.GetAlignment`."""
    request = pb.GetAlignmentRequest(alignment_id=alignment_id)
    return Call(service="Alignments", method="GetAlignment", request=request, read=alignment)


def list_alignments(metric: str) -> Listing[Alignment]:
    """`Alignments.ListAlignments`."""
    request = pb.ListAlignmentsRequest(metric=metric, page_size=PAGE_SIZE)
    return Listing(service="Alignments", method="ListAlignments", request=request, items="alignments", read=alignment)


def watch_alignment(alignment_id: str) -> Call[Alignment]:
    """`Alignments.WatchAlignment`."""
    request = pb.WatchAlignmentRequest(alignment_id=alignment_id)
    return Call(service="Alignments", method="WatchAlignment", request=request, read=_watched)


def _watched(message: pb.WatchAlignmentResponse) -> Alignment:
    return alignment(message.alignment)


def cancel_alignment(alignment_id: str) -> Call[Alignment]:
    """`Alignments.CancelAlignment`."""
    request = pb.CancelAlignmentRequest(alignment_id=alignment_id)
    return Call(service="Alignments", method="CancelAlignment", request=request, read=alignment)


def retry_alignment(alignment_id: str, changes: AlignmentOptions, request_id: str) -> Call[Alignment]:
    """`Alignments.RetryAlignment`."""
    request = pb.RetryAlignmentRequest(
        alignment_id=alignment_id, changes=_asked("", (), changes), request_id=request_id
    )
    return Call(service="Alignments", method="RetryAlignment", request=request, read=alignment)


def alignment_report(alignment_id: str) -> Call[AlignmentReport]:
    """`Alignments.GetAlignmentReport`."""
    request = pb.GetAlignmentReportRequest(alignment_id=alignment_id)
    return Call(service="Alignments", method="GetAlignmentReport", request=request, read=_report)


def reverify_alignment(alignment_id: str, choices: Iterable[Choice], rebase: bool) -> Call[AlignmentReport]:
    """`Alignments.ReverifyAlignment`."""
    request = pb.ReverifyAlignmentRequest(alignment_id=alignment_id, choices=_choices(choices), rebase=rebase)
    return Call(
        service="Alignments", method="ReverifyAlignment", request=request, read=_report, timeout_seconds=VERIFY_SECONDS
    )


def accept_alignment(
    alignment_id: str,
    choices: Iterable[Choice],
    *,
    name: str,
    override: bool,
    reason: str,
    repoint_rules: Iterable[str],
    rebase: bool,
    author: str,
) -> Call[Accepted]:
    """`Alignments.AcceptAlignment`."""
    request = pb.AcceptAlignmentRequest(
        alignment_id=alignment_id,
        choices=_choices(choices),
        name=name,
        override=override,
        reason=reason,
        repoint_rules=list(repoint_rules),
        rebase=rebase,
        author=author,
    )
    return Call(
        service="Alignments", method="AcceptAlignment", request=request, read=_accepted, timeout_seconds=VERIFY_SECONDS
    )


def discard_alignment(alignment_id: str, *, reason: str, author: str) -> Call[Alignment]:
    """`Alignments.DiscardAlignment`."""
    request = pb.DiscardAlignmentRequest(alignment_id=alignment_id, reason=reason, author=author)
    return Call(service="Alignments", method="DiscardAlignment", request=request, read=alignment)


def _asked(metric: str, sources: Sequence[str], options: AlignmentOptions) -> pb.StartAlignmentRequest:
    caps = pb.AlignmentCaps(max_calls=options.max_calls, max_cost_usd=options.max_cost_usd, max_rows=options.max_rows)
    return pb.StartAlignmentRequest(
        metric=metric,
        source_ids=sources,
        reflection_model=options.reflection_model,
        judge_model=options.judge_model,
        delta_threshold=options.delta_threshold,
        caps=caps if caps.ListFields() else None,
        seed=options.seed,
    )


def _choices(choices: Iterable[Choice]) -> list[pb.GuidelineChoice]:
    return [
        pb.GuidelineChoice(guideline_id=each.guideline_id, include=each.include, text=each.text) for each in choices
    ]


def candidate(definition: MetricDefinition, run: Alignment, choices: Sequence[Choice] = ()) -> MetricDefinition:
    """A metric as a run would make it, with lines toggled, edited and added as chosen; it can be tried unsaved.

    Raises:
        InvalidDefinition: A choice names no line, or the lines are none that a judge can be given.
    """
    lines = [
        Line(guideline=Guideline(text=each.text, guideline_id=each.guideline_id), needs_decision=each.needs_decision)
        for each in run.guidelines
    ]
    return replace(definition, guidelines=chosen(lines, choices), builtin=False)


# ---------------------------------------------------------------------------------------------------------------------
# What comes back
# ---------------------------------------------------------------------------------------------------------------------


def source(message: pb.AlignmentSource) -> AlignmentSource:
    """A source off the wire."""
    return AlignmentSource(
        source_id=message.source_id,
        kind=message.kind,
        name=message.name,
        resolved=message.resolved,
        disagreements=message.disagreements,
        create_time=_time(message, "create_time"),
    )


def alignment(message: pb.Alignment) -> Alignment:
    """A run off the wire."""
    error = message.error if message.HasField("error") else None
    return Alignment(
        alignment_id=message.alignment_id,
        metric=message.metric.name,
        version=message.metric.version,
        state=STATE_FROM_PROTO[message.status],
        phase=PHASE_FROM_PROTO.get(message.phase),
        done=message.done,
        total=message.total,
        cancel_requested=message.cancel_requested,
        error=AlignmentFailure(code=error.code, message=error.message, retryable=error.retryable) if error else None,
        counts=convert.counts(message.counts),
        usage=convert.spent(message.usage),
        guidelines=tuple(convert.line(each) for each in message.guidelines),
        guidelines_text=message.guidelines_text,
        verdict=convert.VERDICT_FROM_PROTO[message.verdict],
        summary=message.summary,
        warnings=tuple(message.warnings),
        decision=convert.DECISION_FROM_PROTO[message.decision],
        accepted=f"{message.accepted.name}@{message.accepted.version}" if message.HasField("accepted") else "",
        retry_of=message.retry_of,
        source_ids=tuple(message.request.source_ids),
        sources=tuple(source(each) for each in message.sources),
        create_time=_time(message, "create_time"),
        update_time=_time(message, "update_time"),
    )


def _estimate(message: pb.AlignmentEstimate) -> AlignmentEstimate:
    return AlignmentEstimate(
        counts=convert.counts(message.counts),
        judge_calls=message.judge_calls,
        reflection_calls=message.reflection_calls,
        cost_usd=message.cost_usd if message.HasField("cost_usd") else None,
        power=dict(sorted(message.power.items())),
        warnings=tuple(message.warnings),
    )


def _report(message: pb.AlignmentReport) -> AlignmentReport:
    return AlignmentReport(value=convert.report(message), markdown=message.markdown, html=message.html)


def _accepted(message: pb.AcceptAlignmentResponse) -> Accepted:
    return Accepted(
        alignment=alignment(message.alignment),
        metric=model.metric(message.metric),
        rules_left=tuple(message.rules_left),
        rules_repointed=tuple(message.rules_repointed),
        regressions=tuple(target_ref(each, "regressions") for each in message.regressions),
    )


def _time(message: Any, name: str) -> datetime | None:
    return getattr(message, name).ToDatetime(tzinfo=UTC) if message.HasField(name) else None
