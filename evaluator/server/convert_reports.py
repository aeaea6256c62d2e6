"""Reports of alignments: domain <-> proto.  What a client reads is the value that was rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from evaluator.alignment.model import Verdict
from evaluator.alignment.proof.proof import Comparison, Confused
from evaluator.alignment.reporting.markdown import to_markdown
from evaluator.alignment.reporting.page import to_html
from evaluator.alignment.reporting.report import (
    Flip,
    GuidelineLine,
    Report,
    Running,
    Spent,
)
from evaluator.alignment.running.outcome import Counts
from evaluator.server import convert_targets
from evaluator.server.enums import OUTPUT_TYPE_FROM_PROTO, OUTPUT_TYPE_TO_PROTO
from evaluator.statistics.estimate import Estimate
from evaluator.v1 import alignment_pb2 as pb
from evaluator.v1 import feedback_pb2
from storage.model import Score

VERDICT_TO_PROTO: Mapping[Verdict | None, Any] = {
    None: pb.ALIGNMENT_VERDICT_UNSPECIFIED,
    **{each: pb.AlignmentVerdict.Value(f"ALIGNMENT_VERDICT_{each.upper()}") for each in Verdict},
}
VERDICT_FROM_PROTO: Mapping[int, Verdict | None] = {number: each for each, number in VERDICT_TO_PROTO.items()}
STATUS_FROM_PROTO: Mapping[int, str] = {
    number: name.removeprefix("ALIGNMENT_STATUS_").capitalize() for name, number in pb.AlignmentStatus.items()
}
DECISION_FROM_PROTO: Mapping[int, str] = {
    number: name.removeprefix("ALIGNMENT_DECISION_").lower() if number else ""
    for name, number in pb.AlignmentDecision.items()
}
_SPENT = ("judge_calls", "reflection_calls", "remembered", "input_tokens", "output_tokens", "cost_usd")
_COUNTS = ("annotations", "disagreements", "disagreements_rerun", "skipped_agreeing", "conflicts", "stale", "sampled")


def report_to_proto(report: Report, alignment: pb.Alignment) -> pb.AlignmentReport:
    """A report with its renderings; `alignment` is the run as it stands, and brings counts, usage and sources."""
    return pb.AlignmentReport(
        alignment=alignment,
        agreement=[_comparison_to_proto(each) for each in report.agreement],
        confusion_before=_cells_to_proto(report.confusion_before),
        confusion_after=_cells_to_proto(report.confusion_after),
        flips=[_flip_to_proto(each) for each in report.flips],
        noise_floor=estimate_to_proto(report.noise_floor),
        optimism=estimate_to_proto(report.optimism),
        p_value=report.p_value,
        test=report.test,
        failed_guardrails=report.failed_guardrails,
        design=report.design,
        prompt_before=report.prompt_before,
        prompt_after=report.prompt_after,
        cost_per_1000_before=report.running.usd_before,
        cost_per_1000_after=report.running.usd_after,
        input_tokens_before=report.running.tokens_before,
        input_tokens_after=report.running.tokens_after,
        candidates=report.candidates,
        fingerprint=report.fingerprint,
        human_agreement=[
            pb.BeforeAfter(name=name, group="all", before=estimate_to_proto(found))
            for name, found in report.human_agreement
        ],
        lines=[line_to_proto(each) for each in report.lines],
        verdict=VERDICT_TO_PROTO[report.verdict],
        summary=report.sentence,
        notes=report.notes,
        warnings=report.warnings,
        output_type=OUTPUT_TYPE_TO_PROTO[report.output_type],
        active_version=report.active_version,
        base_version=report.metric_version,
        judge_model=report.judge_model,
        reflection_model=report.reflection_model,
        seed=report.seed,
        delta_threshold=report.delta,
        markdown=to_markdown(report),
        html=to_html(report),
    )


def line_to_proto(line: GuidelineLine) -> pb.AlignedGuideline:
    """One line of the diff."""
    return pb.AlignedGuideline(
        guideline_id=line.guideline_id,
        text=line.text,
        feedback_ids=line.feedback_ids,
        support=line.support,
        fixed=line.fixed,
        broken=line.broken,
        origin=line.origin,
        needs_decision=line.needs_decision,
        included=line.included,
        base=line.base,
        edited_from=line.edited_from,
    )


def estimate_to_proto(found: Estimate) -> feedback_pb2.Estimate:
    """A number with its interval."""
    return feedback_pb2.Estimate(
        value=found.value, lower=found.lower, upper=found.upper, count=found.count, note=found.note
    )


def verdict_to_proto(score: Score | None) -> feedback_pb2.Verdict | None:
    """What was expected or concluded; None = nothing."""
    if score is None:
        return None
    return feedback_pb2.Verdict(value=score.value, label=score.label, labels=score.labels, text=score.text)


def _comparison_to_proto(each: Comparison) -> pb.BeforeAfter:
    return pb.BeforeAfter(
        name=each.name,
        group=each.group,
        before=estimate_to_proto(each.before),
        after=estimate_to_proto(each.after),
        difference=estimate_to_proto(each.difference),
    )


def _cells_to_proto(cells: Iterable[Confused]) -> list[feedback_pb2.ConfusionCell]:
    return [
        feedback_pb2.ConfusionCell(expected=each.expected, concluded=each.concluded, count=each.count) for each in cells
    ]


def _flip_to_proto(flip: Flip) -> pb.Flip:
    return pb.Flip(
        feedback_ids=flip.feedback_ids,
        target=convert_targets.target_ref_to_proto(flip.target),
        expected=verdict_to_proto(flip.expected),
        before=verdict_to_proto(flip.before),
        before_explanation=flip.before_explanation,
        after=verdict_to_proto(flip.after),
        after_explanation=flip.after_explanation,
        fixed=flip.fixed,
        human_explanations=flip.people,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Back: what a client reads
# ---------------------------------------------------------------------------------------------------------------------


def report(message: pb.AlignmentReport) -> Report:
    """A report off the wire."""
    run = message.alignment
    return Report(
        alignment_id=run.alignment_id,
        metric=run.metric.name,
        metric_version=message.base_version,
        output_type=OUTPUT_TYPE_FROM_PROTO[message.output_type],
        status=STATUS_FROM_PROTO[run.status],
        verdict=VERDICT_FROM_PROTO[message.verdict],
        sentence=message.summary,
        decision=DECISION_FROM_PROTO[run.decision],
        accepted=f"{run.accepted.name}@{run.accepted.version}" if run.HasField("accepted") else "",
        active_version=message.active_version,
        lines=tuple(line(each) for each in message.lines),
        prompt_before=message.prompt_before,
        prompt_after=message.prompt_after,
        agreement=tuple(_comparison(each) for each in message.agreement),
        human_agreement=tuple((each.name, estimate(each.before)) for each in message.human_agreement),
        confusion_before=_cells(message.confusion_before),
        confusion_after=_cells(message.confusion_after),
        flips=tuple(_flip(each) for each in message.flips),
        noise_floor=estimate(message.noise_floor),
        optimism=estimate(message.optimism),
        p_value=_known(message, "p_value"),
        test=message.test,
        design=message.design,
        failed_guardrails=tuple(message.failed_guardrails),
        counts=counts(run.counts),
        spent=spent(run.usage),
        running=Running(
            tokens_before=_known(message, "input_tokens_before"),
            tokens_after=_known(message, "input_tokens_after"),
            usd_before=_known(message, "cost_per_1000_before"),
            usd_after=_known(message, "cost_per_1000_after"),
        ),
        candidates=message.candidates,
        seed=message.seed,
        judge_model=message.judge_model,
        reflection_model=message.reflection_model,
        delta=_known(message, "delta_threshold"),
        fingerprint=message.fingerprint,
        sources=tuple(run.request.source_ids),
        warnings=tuple(message.warnings),
        notes=tuple(message.notes),
        created=run.create_time.ToDatetime(tzinfo=UTC) if run.HasField("create_time") else None,
    )


def line(message: pb.AlignedGuideline) -> GuidelineLine:
    """One line off the wire."""
    return GuidelineLine(
        guideline_id=message.guideline_id,
        text=message.text,
        feedback_ids=tuple(message.feedback_ids),
        support=message.support,
        fixed=message.fixed,
        broken=message.broken,
        origin=message.origin,
        included=message.included,
        base=message.base,
        edited_from=message.edited_from,
        needs_decision=message.needs_decision,
    )


def counts(message: pb.AlignmentCounts) -> Counts:
    """Rows of a run off the wire."""
    return Counts(**{name: getattr(message, name) for name in _COUNTS}, excluded=dict(message.excluded))


def spent(message: pb.AlignmentUsage) -> Spent:
    """What a run took, off the wire."""
    return Spent(**{name: getattr(message, name) for name in _SPENT})


def estimate(message: feedback_pb2.Estimate) -> Estimate:
    """A number off the wire."""
    return Estimate(
        value=_known(message, "value"),
        lower=_known(message, "lower"),
        upper=_known(message, "upper"),
        count=message.count,
        note=message.note,
    )


def verdict(message: feedback_pb2.Verdict) -> Score:
    """A verdict off the wire."""
    return Score(value=_known(message, "value"), label=message.label, labels=tuple(message.labels), text=message.text)


def _comparison(message: pb.BeforeAfter) -> Comparison:
    return Comparison(
        name=message.name,
        group=message.group,
        before=estimate(message.before),
        after=estimate(message.after),
        difference=estimate(message.difference),
    )


def _cells(messages: Iterable[feedback_pb2.ConfusionCell]) -> tuple[Confused, ...]:
    return tuple(Confused(expected=each.expected, concluded=each.concluded, count=each.count) for each in messages)


def _flip(message: pb.Flip) -> Flip:
    return Flip(
        target=convert_targets.target_ref(message.target, "flip.target"),
        expected=verdict(message.expected),
        before=verdict(message.before) if message.HasField("before") else None,
        before_explanation=message.before_explanation,
        after=verdict(message.after) if message.HasField("after") else None,
        after_explanation=message.after_explanation,
        fixed=message.fixed,
        people=tuple(message.human_explanations),
        feedback_ids=tuple(message.feedback_ids),
    )


def _known(message: Any, name: str) -> float | None:
    return getattr(message, name) if message.HasField(name) else None
