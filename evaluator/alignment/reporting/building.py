"""A report out of what a run has stored: its outcome, the proof in it, its rows, and what people said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from evaluator.alignment.model import Line, RowResult, Split
from evaluator.alignment.proof.evidence import Turned, agreeing, turned
from evaluator.alignment.proof.proof import Proof
from evaluator.alignment.reporting.report import Flip, GuidelineLine, Report, Running, Spent
from evaluator.alignment.running.definition import AlignmentPlan
from evaluator.alignment.running.outcome import AlignmentOutcome, results_of
from evaluator.feedback.human_human import Rated, between_people
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta
from evaluator.metrics.guideline import Guideline
from evaluator.metrics.judging import template
from evaluator.metrics.judging.prepared import prepared
from evaluator.statistics.estimate import Estimate
from storage.agreement import Label, LabelledTarget
from storage.alignments import AlignedRow, AlignmentStanding
from storage.feedback import FeedbackRow, ResolutionStatus
from storage.model import Abstention, Failure, Outcome, Score

CEILING = ("cohen_kappa", "krippendorff_alpha", "agreement", "weighted_kappa", "mae")
"""Statistics of people among themselves that stand beside the judge's; those that the output type has."""


def build(
    standing: AlignmentStanding,
    definition: MetricDefinition,
    *,
    rows: Sequence[AlignedRow],
    feedback: Mapping[UUID, FeedbackRow],
    running: Running,
    active_version: int,
) -> Report:
    """The report of a run that has ended.

    Args:
        definition: The version that it started from.
        feedback: What is still there of the rows' feedback, by id.
        active_version: Of the metric now.
    """
    outcome = AlignmentOutcome.from_body(standing.outcome)
    proof = Proof.from_body(outcome.proof) if outcome.proof else None
    results = results_of(rows, feedback)
    return compose(
        standing,
        definition,
        outcome,
        proof,
        lines=lines_of(outcome.lines, definition.guidelines),
        after=outcome.guidelines,
        results=results,
        running=running,
        active_version=active_version,
        people=ceiling(definition, rows, feedback),
    )


def compose(
    standing: AlignmentStanding,
    definition: MetricDefinition,
    outcome: AlignmentOutcome,
    proof: Proof | None,
    *,
    lines: tuple[GuidelineLine, ...],
    after: Sequence[Guideline],
    results: Sequence[RowResult],
    running: Running,
    active_version: int,
    people: tuple[tuple[str, Estimate], ...] = (),
    notes: Sequence[str] = (),
) -> Report:
    """The value itself; of a run that failed, as far as it came."""
    run, plan = standing.run, AlignmentPlan.of(standing.run)
    delta = default_delta(definition) if plan.delta is None else plan.delta
    decision = standing.decision or {}
    accepted = f"{decision['metric']}@{decision['version']}" if decision.get("version") else ""
    said = "" if outcome.error is None else f"{outcome.error.code}: {outcome.error.message}"
    return Report(
        alignment_id=run.run_id,
        metric=run.metric,
        metric_version=definition.version,
        output_type=definition.output_type,
        status=str(standing.state).capitalize(),
        verdict=proof.verdict if proof else outcome.verdict,
        sentence=(proof.sentence if proof else outcome.summary) or said,
        decision=str(decision.get("decision", "")),
        accepted=accepted,
        active_version=active_version,
        lines=lines,
        prompt_before=prompt_of(definition, definition.guidelines),
        prompt_after=prompt_of(definition, after),
        agreement=proof.comparisons if proof else (),
        human_agreement=people,
        confusion_before=proof.confusion_before if proof else (),
        confusion_after=proof.confusion_after if proof else (),
        flips=flips_of(definition, results, delta=delta),
        noise_floor=proof.noise_floor if proof else Estimate(note="nothing was proved"),
        optimism=_optimism(proof),
        p_value=proof.p_value if proof else None,
        test=proof.test if proof else "",
        design=proof.design if proof else outcome.design,
        failed_guardrails=proof.failed_guardrails if proof else (),
        counts=outcome.counts,
        spent=Spent.of(standing.usage),
        running=running,
        candidates=outcome.candidates,
        seed=plan.seed,
        judge_model=outcome.judge_model or plan.judge_model,
        reflection_model=outcome.reflection_model or plan.reflection_model,
        delta=delta,
        fingerprint=outcome.fingerprint,
        sources=run.source_ids,
        warnings=_warnings(outcome, proof),
        notes=(*notes, *_moved(active_version, definition.version, decided=bool(decision))),
        created=run.created,
    )


def _optimism(proof: Proof | None) -> Estimate:
    if proof is None or proof.optimism is None:
        return Estimate(note="not known")
    return Estimate(value=proof.optimism, count=proof.rows)


def _warnings(outcome: AlignmentOutcome, proof: Proof | None) -> tuple[str, ...]:
    told = [*outcome.warnings, *(proof.warnings if proof else ())]
    if proof is not None and proof.advice:
        told.append(proof.advice)
    return tuple(dict.fromkeys(told))


def _moved(active: int, version: int, *, decided: bool) -> tuple[str, ...]:
    if decided or active == version:
        return ()
    return (
        f"the metric is at version {active} now and the run started from {version}: it cannot be accepted before it is "
        "verified on the version that is active (--rebase)",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Lines and prompts
# ---------------------------------------------------------------------------------------------------------------------


def lines_of(
    lines: Iterable[Line], base: Iterable[Guideline], chosen: Sequence[Guideline] | None = None
) -> tuple[GuidelineLine, ...]:
    """The diff, line by line: those of the run, those that were added, those of the metric that are taken out.

    Args:
        base: What the metric has already.
        chosen: What the judge is given instead of what the run found.
    """
    there = {each.guideline_id for each in base}
    given = None if chosen is None else {each.guideline_id: each for each in chosen}
    found = [_line(line, there, given) for line in lines]
    known = {each.guideline_id for each in found}
    added = [each for each in chosen or () if each.guideline_id not in known]
    found += [_plain(each, base=each.guideline_id in there, included=True) for each in added]
    known |= {each.guideline_id for each in chosen or ()}
    found += [_plain(each, base=True, included=False) for each in base if each.guideline_id not in known]
    return tuple(found)


def _line(line: Line, base: set[str], given: Mapping[str, Guideline] | None) -> GuidelineLine:
    found = line.guideline
    now = found if given is None else given.get(found.guideline_id, found)
    included = not line.needs_decision if given is None else found.guideline_id in given
    edited = now.text != found.text
    return GuidelineLine(
        guideline_id=found.guideline_id,
        text=now.text,
        feedback_ids=found.feedback_ids,
        support=now.support,
        fixed=0 if edited else line.fixed,
        broken=0 if edited else line.broken,
        origin=str(now.origin),
        included=included,
        base=found.guideline_id in base,
        edited_from=found.text if edited else "",
        needs_decision=line.needs_decision,
    )


def _plain(each: Guideline, *, base: bool, included: bool) -> GuidelineLine:
    return GuidelineLine(
        guideline_id=each.guideline_id,
        text=each.text,
        feedback_ids=each.feedback_ids,
        support=each.support,
        origin=str(each.origin),
        included=included,
        base=base,
    )


def prompt_of(definition: MetricDefinition, guidelines: Sequence[Guideline]) -> str:
    """The prompt as the judge is given it, with the names of inputs where their texts go."""
    parts = prepared(with_lines(definition, guidelines)).template.parts
    return "".join(part if isinstance(part, str) else _slot(part) for part in parts)


def with_lines(definition: MetricDefinition, guidelines: Sequence[Guideline]) -> MetricDefinition:
    """The metric, given these lines and no others."""
    return replace(definition, guidelines=tuple(guidelines))


def _slot(slot: template.Slot) -> str:
    return f"{{{{{slot.name}{'?' if slot.optional else ''}}}}}"


# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------


def flips_of(definition: MetricDefinition, results: Iterable[RowResult], *, delta: float) -> tuple[Flip, ...]:
    """Held-out rows whose verdict turned, broken ones first, then in order of their targets."""
    found = []
    for each in results:
        kind = turned(definition, each, delta=delta) if each.split is Split.HELD_OUT else Turned.NONE
        if kind is not Turned.NONE:
            found.append(_flip(definition, each, fixed=kind is Turned.FIXED, delta=delta))
    return tuple(sorted(found, key=lambda flip: (flip.fixed, flip.target.level, flip.target.key)))


def _flip(definition: MetricDefinition, result: RowResult, *, fixed: bool, delta: float) -> Flip:
    """Of several answers, the first that shows the turn."""
    before = _showing(definition, result, result.before, right=not fixed, delta=delta)
    after = _showing(definition, result, result.after, right=fixed, delta=delta)
    return Flip(
        target=result.row.target,
        expected=result.row.expected,
        before=before if isinstance(before, Score) else None,
        before_explanation=_why(before),
        after=after if isinstance(after, Score) else None,
        after_explanation=_why(after),
        fixed=fixed,
        people=result.row.rationales,
        feedback_ids=result.row.feedback_ids,
    )


def _showing(
    definition: MetricDefinition, result: RowResult, answers: Sequence[Outcome], *, right: bool, delta: float
) -> Outcome:
    shows = (each for each in answers if (agreeing(definition, result, [each], delta=delta) == 1.0) is right)
    return next(shows, answers[0])


def _why(outcome: Outcome) -> str:
    match outcome:
        case Score(explanation=explanation):
            return explanation
        case Abstention(reason=reason):
            return reason
        case Failure(code=code, message=message):
            return f"{code}: {message}"


def ceiling(
    definition: MetricDefinition, rows: Iterable[AlignedRow], feedback: Mapping[UUID, FeedbackRow]
) -> tuple[tuple[str, Estimate], ...]:
    """How far people agree among themselves on the targets of a run that two or more of them have labelled."""
    said: dict[str, dict[str, FeedbackRow]] = {}
    for row in rows:
        if (word := feedback.get(row.feedback_id)) is not None:
            said.setdefault(row.row_id, {})[word.annotator] = word
    rated = [_rated(words) for words in said.values() if len(words) > 1]
    if not rated:
        return ()
    found = between_people(definition, rated, by=())[0].statistics
    return tuple((name, found[name]) for name in CEILING if name in found)


def _rated(words: Mapping[str, FeedbackRow]) -> Rated:
    labels = {
        annotator: Label(
            annotator=annotator,
            expected=word.expected,
            judged=word.judged,
            metric_version=word.metric_version,
            queue=word.queue,
        )
        for annotator, word in sorted(words.items())
    }
    first = next(iter(words.values()))
    labelled = LabelledTarget(
        target=first.target,
        status=ResolutionStatus.RESOLVED,
        resolved=None,
        group_key=first.group_key,
        labels=tuple(labels.values()),
    )
    return Rated(labelled=labelled, said=labels)
