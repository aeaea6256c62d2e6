"""What people said is kept whole, found again, taken back for good, and paged through without a gap."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from storing import new_span_id, new_trace_id

from storage.clickhouse.client import Database
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.feedback import (
    FeedbackFilter,
    FeedbackRow,
    FeedbackStatus,
    Resolution,
    ResolutionMethod,
    ResolutionStatus,
    Snapshot,
)
from storage.model import Level, Score, TargetRef

HOSTILE = 'it\'s "quoted" `so` \\ {curly} [\n\r\t\0] --; DROP TABLE feedback /* 日本語 🦊 é \u2028'
TARGETS = {
    Level.SPAN: lambda: TargetRef(level=Level.SPAN, trace_id=new_trace_id(), span_id=new_span_id()),
    Level.TRACE: lambda: TargetRef(level=Level.TRACE, trace_id=new_trace_id()),
    Level.SESSION: lambda: TargetRef(level=Level.SESSION, session_id=f"{uuid.uuid4()} {HOSTILE}"),
}
VERDICTS = [
    Score(value=1.0, label="true"),
    Score(label=HOSTILE),
    Score(value=0.1 + 0.2),
    Score(value=0.0, labels=()),
    Score(value=2.0, labels=("b", "a", HOSTILE)),
    Score(text=HOSTILE),
    Score(value=-5e-324),
]


@pytest.fixture
def feedbacks(database: Database) -> ClickHouseFeedbacks:
    """The module's store."""
    return ClickHouseFeedbacks(database)


def a_row(target: TargetRef | None = None, **other: Any) -> FeedbackRow:
    """Feedback on a span unless another target is given."""
    fields: dict[str, Any] = {
        "feedback_id": uuid.uuid4(),
        "target": target or TARGETS[Level.SPAN](),
        "metric": f"m_{uuid.uuid4().hex[:12]}",
        "metric_version": 1,
        "annotator": "ann",
        "expected": Score(value=1.0, label="true"),
        "snapshot": Snapshot(inputs={"input": "q", "output": "a"}, span_kind="LLM", segment={"service": "shop"}),
        "group_key": "g",
    }
    return FeedbackRow(**fields | other)


def as_given(row: FeedbackRow) -> FeedbackRow:
    """Without what the store adds."""
    assert row.created is not None
    assert row.updated is not None
    return replace(row, created=None, updated=None)


@pytest.mark.parametrize("level", list(Level))
async def test_feedback_comes_back_as_it_was_given(feedbacks: ClickHouseFeedbacks, level: Level):
    """Every kind of verdict at every level, with hostile texts everywhere."""
    rows = [
        a_row(
            TARGETS[level](),
            metric="whole",
            expected=expected,
            rationale=HOSTILE,
            annotator=HOSTILE,
            judged=replace(expected, explanation=HOSTILE),
            judge_model=HOSTILE,
            result_id=uuid.uuid4(),
            bulk_id=uuid.uuid4(),
            snapshot=Snapshot(inputs={HOSTILE: HOSTILE}, has_media=True, segment={HOSTILE: HOSTILE}),
            group_key=HOSTILE,
            queue=HOSTILE,
            watermark_ms=1_764_000_000_123,
        )
        for expected in VERDICTS
    ]
    await feedbacks.add(rows)
    found = await feedbacks.by_id([row.feedback_id for row in rows])
    assert [as_given(found[row.feedback_id]) for row in rows] == rows
    on = await feedbacks.on("whole", [row.target for row in rows])
    assert {target: [as_given(each) for each in said] for target, said in on.items()} == {
        row.target: [row] for row in rows
    }


async def test_the_same_rows_again_are_the_same_rows(feedbacks: ClickHouseFeedbacks):
    """A repeated call, whole or in part, adds nothing."""
    rows = [a_row(metric="again") for _ in range(3)]
    await feedbacks.add(rows)
    await feedbacks.add(rows)
    await feedbacks.add(rows[1:])
    page = await feedbacks.page(FeedbackFilter(metric="again"), after=(), limit=10)
    assert {as_given(row).feedback_id for row in page} == {row.feedback_id for row in rows}
    assert len(page) == 3


async def test_a_retraction_is_final(feedbacks: ClickHouseFeedbacks):
    """It stays in the history, and the feedback itself once more does not bring it back."""
    row = a_row(metric="retracted")
    await feedbacks.add([row])
    [stored] = (await feedbacks.by_id([row.feedback_id])).values()
    gone = replace(stored, status=FeedbackStatus.RETRACTED, by="bob", reason="a slip", updated=None)
    await feedbacks.add([gone])
    await feedbacks.add([row, a_row(metric="other")])
    found = (await feedbacks.by_id([row.feedback_id]))[row.feedback_id]
    assert replace(found, updated=None) == gone
    assert await feedbacks.on("retracted", [row.target]) == {}
    history = await feedbacks.history(row.feedback_id)
    assert [(each.status, each.by, each.created) for each in history] == [
        (FeedbackStatus.SUBMITTED, "", stored.created),
        (FeedbackStatus.RETRACTED, "bob", stored.created),
    ]


async def test_pages_neither_skip_nor_repeat(feedbacks: ClickHouseFeedbacks):
    """Rows of one INSERT share their moment; the id decides."""
    rows = [a_row(metric="paged", annotator=f"a{number % 3}") for number in range(25)]
    await feedbacks.add(rows[:20])
    await feedbacks.add(rows[20:])
    seen: list[FeedbackRow] = []
    after: tuple[str, ...] = ()
    while page := await feedbacks.page(FeedbackFilter(metric="paged"), after=after, limit=4):
        seen += page
        assert page[-1].created is not None
        after = (str(round(page[-1].created.timestamp() * 1_000_000)), str(page[-1].feedback_id))
    assert len(seen) == 25
    assert {row.feedback_id for row in seen} == {row.feedback_id for row in rows}
    assert [row.created for row in seen] == sorted((row.created for row in seen if row.created), reverse=True)
    by_annotator = await feedbacks.page(FeedbackFilter(metric="paged", annotator="a1"), after=(), limit=100)
    assert {row.annotator for row in by_annotator} == {"a1"}


async def test_every_field_of_a_filter_chooses(feedbacks: ClickHouseFeedbacks):
    """One row fits all of it, the others differ in one thing each."""
    bulk, target, day = uuid.uuid4(), TARGETS[Level.TRACE](), datetime(2026, 3, 1, tzinfo=UTC)
    fits = a_row(target, metric="chosen", annotator="x", queue="q", bulk_id=bulk, created=day)
    others = [
        replace(fits, feedback_id=uuid.uuid4(), metric="chosen_other"),
        replace(fits, feedback_id=uuid.uuid4(), target=TARGETS[Level.TRACE]()),
        replace(fits, feedback_id=uuid.uuid4(), target=TARGETS[Level.SESSION]()),
        replace(fits, feedback_id=uuid.uuid4(), annotator="y"),
        replace(fits, feedback_id=uuid.uuid4(), queue="r"),
        replace(fits, feedback_id=uuid.uuid4(), bulk_id=uuid.uuid4()),
        replace(fits, feedback_id=uuid.uuid4(), created=day + timedelta(days=2)),
        replace(fits, feedback_id=uuid.uuid4(), status=FeedbackStatus.RETRACTED),
    ]
    await feedbacks.add([fits, *others])
    await feedbacks.resolve([Resolution(target=target, metric="chosen", status=ResolutionStatus.DISPUTED)])
    everything = FeedbackFilter(
        metric="chosen",
        target=target,
        annotator="x",
        queue="q",
        bulk_id=bulk,
        status=FeedbackStatus.SUBMITTED,
        start=day,
        end=day + timedelta(days=1),
        resolution=ResolutionStatus.DISPUTED,
    )
    [found] = await feedbacks.page(everything, after=(), limit=10)
    assert replace(found, updated=None) == fits
    assert await feedbacks.page(replace(everything, resolution=ResolutionStatus.OPEN), after=(), limit=10) == []
    sessions = await feedbacks.page(FeedbackFilter(metric="chosen", level=Level.SESSION), after=(), limit=10)
    assert [row.feedback_id for row in sessions] == [others[2].feedback_id]


async def test_the_newest_resolution_counts(feedbacks: ClickHouseFeedbacks):
    """Whole, for every level, also where session ids are hostile."""
    targets = [make() for make in TARGETS.values()]
    since = datetime(2026, 3, 1, 1, 2, 3, 456789, tzinfo=UTC)
    await feedbacks.resolve(
        [Resolution(target=each, metric="stand", status=ResolutionStatus.IN_REVIEW) for each in targets]
    )
    wanted = [
        Resolution(
            target=each,
            metric="stand",
            metric_version=3,
            status=ResolutionStatus.RESOLVED,
            expected=Score(value=2.0, labels=("a", HOSTILE)),
            method=ResolutionMethod.ADJUDICATED,
            queue="q",
            resolver=HOSTILE,
            reason=HOSTILE,
            watermark_ms=1_764_000_000_123,
            counts_from=since,
        )
        for each in targets
    ]
    await feedbacks.resolve(wanted)
    found = await feedbacks.resolutions("stand", [*targets, TARGETS[Level.SPAN]()])
    assert {target: replace(each, updated=None) for target, each in found.items()} == {
        each.target: each for each in wanted
    }
    assert await feedbacks.resolutions("nothing", targets) == {}


async def test_resolved_targets_come_with_what_counts_about_them(feedbacks: ClickHouseFeedbacks):
    """Those of other metrics, other states, and what was taken back stay out; a limit is one."""
    rows = [a_row(metric="ready") for _ in range(6)]
    await feedbacks.add([*rows, replace(rows[0], feedback_id=uuid.uuid4(), status=FeedbackStatus.RETRACTED)])
    states = [ResolutionStatus.RESOLVED] * 4 + [ResolutionStatus.DISPUTED, ResolutionStatus.OPEN]
    await feedbacks.resolve(
        [
            Resolution(target=row.target, metric="ready", status=status, expected=row.expected)
            for row, status in zip(rows, states, strict=True)
        ]
    )
    found = await feedbacks.resolved("ready")
    wanted = sorted(rows[:4], key=lambda row: (row.target.trace_id, row.target.span_id))
    assert [(each.target, [as_given(row) for row in said]) for each, said in found] == [
        (row.target, [row]) for row in wanted
    ]
    assert await feedbacks.resolved("ready", limit=2) == found[:2]


async def test_resolutions_page_without_a_gap(feedbacks: ClickHouseFeedbacks):
    """Those of one INSERT share their moment."""
    targets = [TARGETS[Level.SPAN]() for _ in range(9)] + [TARGETS[Level.SESSION]() for _ in range(2)]
    await feedbacks.resolve([Resolution(target=t, metric="pages", status=ResolutionStatus.OPEN) for t in targets])
    seen: list[Resolution] = []
    after: tuple[str, ...] = ()
    while page := await feedbacks.resolution_page("pages", ResolutionStatus.OPEN, after=after, limit=3):
        seen += page
        last = page[-1]
        assert last.updated is not None
        place = f"{last.target.trace_id} {last.target.span_id} {last.target.session_id}"
        after = (str(round(last.updated.timestamp() * 1_000_000)), last.metric, str(last.target.level), place)
    assert len(seen) == len(targets)
    assert {each.target for each in seen} == set(targets)


async def test_thousands_of_rows_go_in_and_come_out_at_once(feedbacks: ClickHouseFeedbacks):
    """More than one INSERT and one parameter can hold."""
    rows = [a_row(metric="many") for _ in range(5000)]
    await feedbacks.add(rows)
    on = await feedbacks.on("many", [row.target for row in rows])
    assert {target: [each.feedback_id for each in said] for target, said in on.items()} == {
        row.target: [row.feedback_id] for row in rows
    }
