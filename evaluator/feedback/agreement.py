"""How far people agree with each other, and a judge with them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from evaluator.errors import InvalidFeedback
from evaluator.feedback.agreed import Agreement, AgreementGroup
from evaluator.feedback.human_human import Rated, between_people
from evaluator.feedback.judge_human import Judged, against_people
from evaluator.metrics.agreeing import classes, comparable, word
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.registry import Metrics
from evaluator.statistics.power import advice
from storage.agreement import LabelFilter, LabelledTarget, Labels
from storage.feedback import ResolutionStatus
from storage.model import OutputType, Score

MAX_TARGETS = 100_000
OWN_DIMENSIONS = frozenset({"class", "level", "annotator", "version", "queue"})
"""What a label says of itself; any other dimension is an attribute of the target, as its snapshot has it."""
MAX_DIMENSIONS = 10
WANTED_TWICE = 0.15
"""Share of targets that two people should label: without, nobody knows how far people agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementQuery:
    """Whose agreement.

    Attributes:
        version: None = the metric's active one.
        by: Dimensions to report by also.
    """

    metric: str
    version: int | None = None
    queue: str = ""
    by: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


def watched(definition: MetricDefinition) -> str:
    """The statistic whose interval decides whether more labels are wanted, and what an alert looks at."""
    match definition.output_type:
        case OutputType.BOOLEAN | OutputType.CATEGORICAL:
            return "cohen_kappa"
        case OutputType.DISCRETE | OutputType.COUNT:
            return "weighted_kappa"
        case OutputType.MULTILABEL:
            return "jaccard"
        case _:
            return "ccc"


async def measure_agreement(
    metrics: Metrics, labels: Labels, query: AgreementQuery, *, max_targets: int = MAX_TARGETS
) -> Agreement:
    """Read and count.

    Args:
        max_targets: Beyond, a sample is drawn by a hash of the target, and said.

    Raises:
        MetricNotFound: There is no such metric, or version.
        InvalidFeedback: Its output is text, or there are too many dimensions.
        Unavailable: The store is away.
    """
    definition = await metrics.get(query.metric, query.version)
    if not comparable(definition):
        raise InvalidFeedback("metric", f"the output of {definition.name!r} is text, which cannot be compared")
    if len(query.by) > MAX_DIMENSIONS:
        raise InvalidFeedback("by", f"at most {MAX_DIMENSIONS} dimensions, got {len(query.by)}")
    chosen = LabelFilter(
        metric=definition.name,
        versions=() if "version" in query.by else (definition.version,),
        queue=query.queue,
        start=query.start,
        end=query.end,
        segments=bool(set(query.by) - OWN_DIMENSIONS),
    )
    there = await labels.count(chosen)
    share = min(1.0, max_targets / there) if there else 1.0
    targets = await labels.read(chosen, share=share)
    found = await asyncio.to_thread(agreement_of, definition, targets, by=query.by)
    if share == 1.0:
        return found
    counts = {**found.counts, "sampled_from": there}
    said = f"{len(targets)} of {there} targets were drawn, by a hash of their ids"
    return Agreement(
        metric=found.metric,
        version=found.version,
        judge_human=found.judge_human,
        human_human=found.human_human,
        advice=(said, *found.advice),
        counts=counts,
    )


def agreement_of(
    definition: MetricDefinition, targets: Sequence[LabelledTarget], *, by: Sequence[str] = ()
) -> Agreement:
    """Agreement over labels that are read already."""
    counts: Counter[str] = Counter()
    judged = [row for each in targets for row in _judged(definition, each, by, counts)]
    rated = [row for each in targets if (row := _rated(definition, each, counts)) is not None]
    current = [each for each in judged if each.version == definition.version]
    judge_human = against_people(definition, judged, by=by)
    return Agreement(
        metric=definition.name,
        version=definition.version,
        judge_human=judge_human,
        human_human=between_people(definition, rated, by=by),
        advice=_advice(definition, judge_human[0], current, rated, len(targets)),
        counts={"judge_human": len(current), "human_human": len(rated), **dict(sorted(counts.items()))},
    )


def _judged(
    definition: MetricDefinition, each: LabelledTarget, by: Sequence[str], counts: Counter[str]
) -> list[Judged]:
    """The target beside what each version said of it; the metric's own version decides whether it counts."""
    if each.status is not ResolutionStatus.RESOLVED:
        counts[str(each.status)] += 1
        return []
    if each.resolved is None or not _fits(definition, each.resolved):
        counts["other_output_type"] += 1
        return []
    verdicts = dict(each.verdicts)
    for label in each.labels:
        if label.judged is not None:
            verdicts[label.metric_version] = label.judged  # what was seen when they spoke; later ones count more
    if definition.version not in verdicts:
        counts["no_verdict_of_this_version"] += 1
    wanted = verdicts if "version" in by else {definition.version: verdicts.get(definition.version)}
    return [
        Judged(labelled=each, version=version, expected=each.resolved, concluded=verdict)
        for version, verdict in sorted(wanted.items())
        if verdict is not None and _fits(definition, verdict)
    ]


def _rated(definition: MetricDefinition, each: LabelledTarget, counts: Counter[str]) -> Rated | None:
    if each.status is ResolutionStatus.EXCLUDED:
        return None
    said = {label.annotator: label for label in each.labels if _fits(definition, label.expected)}
    if len(said) < 2:
        counts["one_annotator"] += 1
        return None
    return Rated(labelled=each, said=said)


def _fits(definition: MetricDefinition, score: Score) -> bool:
    match definition.output_type:
        case OutputType.BOOLEAN | OutputType.CATEGORICAL:
            return bool(score.label) or (definition.output_type is OutputType.BOOLEAN and score.value is not None)
        case OutputType.MULTILABEL:
            return True
        case _:
            return score.value is not None


def _advice(
    definition: MetricDefinition, every: AgreementGroup, judged: Sequence[Judged], rated: Sequence[Rated], targets: int
) -> tuple[str, ...]:
    said = []
    told = every.statistics.get(watched(definition))
    of_class = Counter(dict.fromkeys(classes(definition), 0))
    if definition.output_type in (OutputType.BOOLEAN, OutputType.CATEGORICAL):
        of_class.update(word(definition, each.expected) for each in judged)
    if not judged:
        said.append("nothing that a person has resolved was judged by this version: label some of its results")
    elif told is not None and told.half_width is None:
        rarest = min(of_class, key=lambda each: (of_class[each], each)) if len(of_class) >= 2 else ""
        said.append("label some more" + (f", mostly of class {rarest}" if rarest else "") + f": {told.note}")
    elif told is not None and (more := advice(told, of_class)):
        said.append(more)
    if targets and len(rated) < WANTED_TWICE * targets:
        wanted = -(-round(100 * WANTED_TWICE * targets) // 100) - len(rated)
        said.append(
            f"let a second person label about {max(1, wanted)} targets: {len(rated)} of {targets} have two labels"
        )
    return tuple(said)
