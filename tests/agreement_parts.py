"""What people say of judged targets, put where it is kept, as fast as a test needs it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from storage.clickhouse.client import Database
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.feedback import (
    FeedbackRow,
    FeedbackStatus,
    Resolution,
    ResolutionMethod,
    ResolutionStatus,
    Snapshot,
)
from storage.model import Level, Score, TargetRef

NOON = datetime(2026, 11, 12, 12, 0, tzinfo=UTC)


def verdict(value: bool) -> Score:
    """A boolean one."""
    return Score(value=float(value), label=str(value).lower())


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A target and what people say of it.

    Attributes:
        said: Of each annotator, in order of time.
        judged: What they saw; None = nothing.
        resolved: None = it is not.
    """

    said: Sequence[tuple[str, Score]]
    judged: Score | None
    resolved: Score | None
    status: ResolutionStatus = ResolutionStatus.RESOLVED
    version: int = 1
    group: str = ""
    queue: str = ""
    service: str = "shop"
    level: Level = Level.TRACE
    at: datetime = NOON
    trace_id: str = ""


def target_of(each: Spoken) -> TargetRef:
    """A fresh one, unless its trace is named."""
    trace_id = each.trace_id or uuid.uuid4().hex
    if each.level is Level.SPAN:
        return TargetRef(level=Level.SPAN, trace_id=trace_id, span_id=uuid.uuid4().hex[:15] + "1")
    if each.level is Level.SESSION:
        return TargetRef(level=Level.SESSION, session_id=trace_id)
    return TargetRef(level=Level.TRACE, trace_id=trace_id)


async def speak(database: Database, metric: str, spoken: Sequence[Spoken]) -> list[list[FeedbackRow]]:
    """Keep it; returns the feedback of each target."""
    feedbacks = ClickHouseFeedbacks(database)
    rows, resolutions = [], []
    for each in spoken:
        target = target_of(each)
        rows.append(
            [
                FeedbackRow(
                    feedback_id=uuid.uuid4(),
                    target=target,
                    metric=metric,
                    metric_version=each.version,
                    annotator=annotator,
                    expected=expected,
                    judged=each.judged,
                    snapshot=Snapshot(inputs={"output": "long " * 50}, segment={"service": each.service}),
                    group_key=each.group or target.key,
                    queue=each.queue,
                    created=each.at + timedelta(seconds=number),
                )
                for number, (annotator, expected) in enumerate(each.said)
            ]
        )
        resolutions.append(
            Resolution(
                target=target,
                metric=metric,
                metric_version=each.version,
                status=each.status,
                expected=each.resolved,
                method=ResolutionMethod.SELF if each.resolved else ResolutionMethod.NONE,
            )
        )
    await feedbacks.add([row for each in rows for row in each])
    await feedbacks.resolve(resolutions)
    return rows


async def retract(database: Database, row: FeedbackRow) -> None:
    """Take it back."""
    await ClickHouseFeedbacks(database).add([replace(row, status=FeedbackStatus.RETRACTED, by=row.annotator)])


def a_world(generator: random.Random, targets: int, **other: object) -> list[Spoken]:
    """Ann says it all; Bob, Cyd or both speak about every third; the judge is right in four of five."""
    found = []
    for number in range(targets):
        truth = generator.random() < 0.4
        said = [("ann", verdict(truth))]
        others = generator.choice((("bob",), ("cyd",), ("bob", "cyd"))) if number % 3 == 0 else ()
        said += [(annotator, verdict(truth != (generator.random() < 0.1))) for annotator in others]
        fields: dict[str, object] = {
            "said": said,
            "judged": verdict(truth != (generator.random() < 0.2)),
            "resolved": verdict(truth),
            "group": f"session-{number // 2}",
            "service": generator.choice(("shop", "bank")),
            "level": generator.choice((Level.SPAN, Level.TRACE, Level.SESSION)),
            "queue": generator.choice(("", "weekly")),
        }
        found.append(Spoken(**fields | other))  # type: ignore[arg-type]
    return found
