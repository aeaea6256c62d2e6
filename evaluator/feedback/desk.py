"""Takes feedback in, takes it back, settles disputes; what calls, imports, queues and telemetry come through."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluator.errors import BulkNotFound, EvaluatorError, FeedbackNotFound, InvalidFeedback
from evaluator.feedback.looking import Looking, Seen
from evaluator.feedback.snapshots import group_key, snapshot_of
from evaluator.feedback.standing import Affected, Standing, parts
from evaluator.feedback.verdicts import Stated, complete
from evaluator.feedback.words import Taken, Words, checked_annotator, checked_text
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.judge_metric import Redact
from storage.feedback import (
    FeedbackFilter,
    FeedbackRow,
    Feedbacks,
    FeedbackStatus,
    Resolution,
    ResolutionMethod,
    ResolutionStatus,
)
from storage.model import NO_ID, RESULT_NAMESPACE, MetricKind, Score, TargetRef

BATCH = 200
"""Targets that are read at once: their content is in memory together."""
PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """Words that are acceptable: what they are about, and the feedback they make (or are already)."""

    seen: Seen
    row: FeedbackRow
    present: bool = False


class Desk:
    """Feedback, as people give it and take it back.

    Every method may raise `storage.errors.Unavailable`.

    Attributes:
        feedbacks: Where it is kept.
        standing: Where targets stand.
    """

    def __init__(
        self, *, feedbacks: Feedbacks, looking: Looking, standing: Standing, redact: Redact | None = None
    ) -> None:
        self.feedbacks = feedbacks
        self.standing = standing
        self._looking = looking
        self._redact = redact

    async def submit(self, words: Words) -> Taken:
        """Take in what one person says.

        Raises:
            InvalidFeedback: It is not acceptable; names the field and what to write instead.
            MetricNotFound, TargetNotFound, ResultNotFound, LevelMismatch: What it is about is not there.
        """
        [taken] = await self.take([words])
        if isinstance(taken, EvaluatorError):
            raise taken
        return taken

    async def take(
        self, said: Sequence[Words], *, known_by_content: bool = False, keep: bool = True
    ) -> list[Taken | EvaluatorError]:
        """Take in what people say: of each what became of it, or why it is not acceptable.

        Args:
            known_by_content: The same annotator's same words about the same target and metric are not added twice.
            keep: Off to learn what would become of it: nothing is stored, and nothing settled.
        """
        found: list[Taken | EvaluatorError] = []
        for part in parts(said, BATCH):
            found += await self._take(part, known_by_content=known_by_content, keep=keep)
        return found

    async def retract(self, feedback_id: uuid.UUID, *, by: str = "", reason: str = "") -> FeedbackRow:
        """Take feedback back; what is retracted already is returned unchanged.

        Raises:
            FeedbackNotFound: There is none of this id.
            InvalidFeedback: The reason or the name is too long.
        """
        found = await self.feedbacks.by_id([feedback_id])
        if feedback_id not in found:
            raise FeedbackNotFound(f"there is no feedback {feedback_id}")
        row = found[feedback_id]
        if row.status is FeedbackStatus.SUBMITTED:
            await self._retract([row], by=by, reason=reason)
        else:
            await self._settle([row])  # whoever took it back may have died before it was settled
        return (await self.feedbacks.by_id([feedback_id]))[feedback_id]

    async def undo_bulk(self, bulk_id: uuid.UUID, *, by: str, reason: str = "") -> list[FeedbackRow]:
        """Take back everything that was given together; what was retracted by this call.

        Raises:
            BulkNotFound: Nothing was given under this id.
            InvalidFeedback: Nobody says who undoes it.
        """
        checked_annotator(by)
        rows = await self.of_bulk(bulk_id)
        if not rows:
            raise BulkNotFound(f"nothing was given under the bulk id {bulk_id}")
        undone = [row for row in rows if row.status is FeedbackStatus.SUBMITTED]
        for part in parts(undone, PAGE):
            await self._retract(part, by=by, reason=reason)
        return undone

    async def of_bulk(self, bulk_id: uuid.UUID) -> list[FeedbackRow]:
        """Everything that was given together, newest first."""
        chosen, rows, after = FeedbackFilter(bulk_id=bulk_id), list[FeedbackRow](), list[str]()
        if bulk_id == NO_ID:
            return []
        while page := await self.feedbacks.page(chosen, after=after, limit=PAGE):
            rows += page
            after = place_of(page[-1])
        return rows

    async def decide(
        self, target: TargetRef, metric: str, stated: Stated | None, *, resolver: str, reason: str = ""
    ) -> Resolution:
        """Settle what a target should have been, or (`stated` None) exclude it.  It stands until it is decided again.

        Raises:
            MetricNotFound: There is no such metric.
            FeedbackNotFound: Nobody has said anything about this target and metric.
            InvalidFeedback: The verdict is none of the metric, nobody decides, or an exclusion has no reason.
        """
        resolver, reason = checked_annotator(resolver, "resolver"), checked_text(reason, "reason")
        definition = await self._looking.definition(metric)
        expected = None if stated is None else complete(definition, stated)
        if expected is None and not reason:
            raise InvalidFeedback("reason", "is required: say why it cannot be used")
        said = (await self.feedbacks.on(definition.name, [target])).get(target, [])
        before = (await self.feedbacks.resolutions(definition.name, [target])).get(target)
        if not said and before is None:
            raise FeedbackNotFound(f"nobody has said anything about {target.level} {target.key} and {metric!r}")
        marks = [row.watermark_ms for row in said] + ([before.watermark_ms] if before else [])
        decided = Resolution(
            target=target,
            metric=definition.name,
            metric_version=definition.version,
            status=ResolutionStatus.EXCLUDED if expected is None else ResolutionStatus.RESOLVED,
            expected=expected,
            method=ResolutionMethod.ADJUDICATED,
            queue=before.queue if before else "",
            resolver=resolver,
            reason=reason,
            watermark_ms=max(marks, default=0),
            counts_from=before.counts_from if before else None,
        )
        return (await self.standing.record([decided], definition))[target]

    async def _take(self, said: Sequence[Words], *, known_by_content: bool, keep: bool) -> list[Taken | EvaluatorError]:
        seen = await self._looking.at(said)
        entries = await asyncio.to_thread(lambda: [self._entry(*each) for each in zip(said, seen, strict=True)])
        entries = await self._told_apart(entries, by_content=known_by_content)
        good = [each for each in entries if isinstance(each, _Entry)]
        if not keep:
            return [_would(each) if isinstance(each, _Entry) else each for each in entries]
        await self.feedbacks.add([each.row for each in good if not each.present])
        standing = await self.standing.settle(
            Affected(
                target=each.row.target,
                definition=each.seen.definition,
                record=each.seen.subject.record,
            )
            for each in good
        )
        stored = await self.feedbacks.by_id({each.row.feedback_id for each in good})
        return [
            Taken(
                row=stored[each.row.feedback_id],
                resolution=standing[each.row.metric, each.row.target],
                present=each.present,
            )
            if isinstance(each, _Entry)
            else each
            for each in entries
        ]

    def _entry(self, words: Words, seen: Seen | EvaluatorError) -> _Entry | EvaluatorError:
        if isinstance(seen, EvaluatorError):
            return seen
        try:
            annotator = checked_annotator(words.annotator)
            expected = complete(seen.definition, words.stated)
            rationale = checked_text(words.explanation, "explanation")
        except InvalidFeedback as error:
            return error
        snapshot = snapshot_of(seen.definition, seen.subject, self._redact)
        judged = seen.judged
        outcome = judged.outcome if judged is not None and isinstance(judged.outcome, Score) else None
        row = FeedbackRow(
            feedback_id=_id_of(words),
            target=seen.subject.record.ref,
            metric=seen.definition.name,
            metric_version=seen.definition.version,
            annotator=annotator,
            expected=expected,
            rationale=rationale,
            result_id=judged.evaluation_id if judged else NO_ID,
            judged=outcome,
            judge_model=judged.judge_model if judged and judged.kind is not MetricKind.HUMAN else "",
            snapshot=snapshot,
            group_key=group_key(seen.subject, snapshot),
            watermark_ms=seen.subject.record.watermark_ms,
            queue=words.queue,
            bulk_id=words.bulk_id,
            created=words.created,
        )
        return _Entry(seen=seen, row=row)

    async def _told_apart(
        self, entries: Sequence[_Entry | EvaluatorError], *, by_content: bool
    ) -> list[_Entry | EvaluatorError]:
        """Entries of which those that are there already hold what is there.

        What was taken back and is imported again is new; what telemetry or a repeated call brings again is not.
        """
        good = [each for each in entries if isinstance(each, _Entry)]
        known = dict(await self.feedbacks.by_id({each.row.feedback_id for each in good}))
        same: dict[tuple[object, ...], FeedbackRow] = {}
        if by_content:
            for metric in {each.row.metric for each in good}:
                targets = {each.row.target for each in good if each.row.metric == metric}
                for rows in (await self.feedbacks.on(metric, targets)).values():
                    same |= {_content(row): row for row in rows}
        found: list[_Entry | EvaluatorError] = []
        for each in entries:
            if isinstance(each, _Entry):
                there = known.get(each.row.feedback_id) or same.get(_content(each.row))
                if there is not None and there.status is FeedbackStatus.RETRACTED and each.row.bulk_id != NO_ID:
                    each, there = replace(each, row=replace(each.row, feedback_id=uuid.uuid4())), None
                each = replace(each, row=there or each.row, present=there is not None)
                known[each.row.feedback_id] = each.row
                if by_content:
                    same[_content(each.row)] = each.row
            found.append(each)
        return found

    async def _retract(self, rows: Sequence[FeedbackRow], *, by: str, reason: str) -> None:
        reason = checked_text(reason, "reason")
        await self.feedbacks.add(
            [
                replace(
                    row,
                    status=FeedbackStatus.RETRACTED,
                    by=checked_annotator(by) if by.strip() else row.annotator,
                    reason=reason,
                )
                for row in rows
            ]
        )
        await self._settle(rows)

    async def _settle(self, rows: Sequence[FeedbackRow]) -> None:
        definitions: dict[tuple[str, int], MetricDefinition] = {}
        for row in rows:
            if (key := (row.metric, row.metric_version)) not in definitions:
                definitions[key] = await self._looking.spoken_of(row)
        await self.standing.settle(
            Affected(target=row.target, definition=definitions[row.metric, row.metric_version]) for row in rows
        )


def place_of(row: FeedbackRow) -> list[str]:
    """Where a page that follows this feedback begins."""
    assert row.created is not None
    return [str(round(row.created.timestamp() * 1_000_000)), str(row.feedback_id)]


def _id_of(words: Words) -> uuid.UUID:
    if words.feedback_id is not None:
        return words.feedback_id
    return feedback_id_of(words.request_id) if words.request_id else uuid.uuid4()


def feedback_id_of(request_id: str) -> uuid.UUID:
    """UUIDv5: the same request is the same feedback."""
    return uuid.uuid5(RESULT_NAMESPACE, f"feedback\x1f{request_id}")


def _content(row: FeedbackRow) -> tuple[object, ...]:
    expected = row.expected
    verdict = expected.value, expected.label, expected.labels, expected.text
    return row.metric, row.target, row.annotator, verdict, row.rationale


def _would(entry: _Entry) -> Taken:
    """What would become of it, where nothing is kept."""
    row = entry.row
    nothing = Resolution(target=row.target, metric=row.metric, status=ResolutionStatus.OPEN)
    return Taken(row=row, resolution=nothing, present=entry.present)
