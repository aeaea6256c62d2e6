"""Which rows a run uses, and why it does not use others."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

import pytest
from align_models import plain_rows
from align_run_parts import Align, align, named, reviewed
from storing import a_chat, store

from evaluator.alignment.model import Row
from evaluator.alignment.running.definition import AlignmentRequest, Caps
from evaluator.alignment.running.loading import Loaded, Loader
from evaluator.alignment.running.outcome import Counts
from evaluator.alignment.running.sources import choose
from evaluator.alignment.running.stored import StoredMaterials
from evaluator.errors import InvalidDefinition, NoResolvedAnnotations
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.feedback import FeedbackRow, Resolution, ResolutionMethod, ResolutionStatus, Snapshot
from storage.model import Level, Score, TargetRef

NOBODY = "http://127.0.0.1:9/v1"


async def loaded(parts: Align, definition: MetricDefinition, *, max_rows: int = 2000) -> Loaded:
    """What a run on all feedback would use."""
    loader = Loader(feedbacks=parts.feedbacks, materials=StoredMaterials(ClickHouseTelemetry(parts.database)))
    delta = default_delta(definition)
    chosen = await choose(parts.alignments, definition, (), delta)
    return await loader.load(definition, chosen, delta=delta, max_rows=max_rows, seed=1)


async def said(
    parts: Align,
    definition: MetricDefinition,
    words: Sequence[tuple[str, Score]],
    *,
    target: TargetRef | None = None,
    status: ResolutionStatus = ResolutionStatus.RESOLVED,
    method: ResolutionMethod = ResolutionMethod.SELF,
    snapshot: Snapshot | None = None,
    reason: str = "",
) -> TargetRef:
    """What annotators said of one target, which is resolved to the last of it."""
    target = target or TargetRef(level=Level.TRACE, trace_id=uuid.uuid4().hex)
    seen = snapshot or Snapshot(inputs={"input": f"case {target.key}", "output": "a reply"})
    await parts.feedbacks.add(
        [
            FeedbackRow(
                feedback_id=uuid.uuid4(),
                target=target,
                metric=definition.name,
                metric_version=1,
                annotator=annotator,
                expected=expected,
                rationale=f"{annotator} says so",
                snapshot=seen,
                group_key=target.key,
            )
            for annotator, expected in words
        ]
    )
    await parts.feedbacks.resolve(
        [
            Resolution(
                target=target, metric=definition.name, status=status, expected=words[-1][1], method=method,
                reason=reason,
            )
        ]
    )  # fmt: skip
    return target


def yes(*, good: bool = True) -> Score:
    """A boolean verdict."""
    return Score(value=float(good), label=str(good).lower())


async def test_contradictory_annotators_are_listed_and_not_used_unless_somebody_decided(database: Database) -> None:
    """Nobody is outvoted in silence; a quorum or an adjudicator has decided."""
    async with align(database, NOBODY) as parts:
        definition = named()
        both = [("ann", yes()), ("bob", yes(good=False))]
        at_odds = await said(parts, definition, both)
        disputed = await said(parts, definition, both, status=ResolutionStatus.DISPUTED)
        decided = await said(parts, definition, both, method=ResolutionMethod.ADJUDICATED)
        found = await loaded(parts, definition)
        assert [(row.target, row.rationales, set(row.annotators)) for row in found.rows] == [
            (decided, ("bob says so",), {"ann", "bob"})
        ]
        assert found.counts == Counts(annotations=2, conflicts=2)
        assert {(row.target, row.reason) for row in found.left_out} == {(at_odds, "conflict"), (disputed, "conflict")}


async def test_an_annotator_who_thinks_again_contradicts_nobody(database: Database) -> None:
    """The last word of each counts."""
    async with align(database, NOBODY) as parts:
        definition = named()
        target = await said(parts, definition, [("ann", yes(good=False))])
        await said(parts, definition, [("ann", yes())], target=target)
        found = await loaded(parts, definition)
        assert [(row.expected.label, row.rationales) for row in found.rows] == [("true", ("ann says so",))]


async def test_what_may_not_be_used_is_counted_by_its_reason(database: Database) -> None:
    """Labels that are no more, criteria that have changed, targets that are gone; each is listed with its feedback."""
    async with align(database, NOBODY) as parts:
        definition = named("categorical")
        label = Score(label="billing")
        await said(parts, definition, [("ann", Score(label="no label any more"))])
        await said(parts, definition, [("ann", label)], status=ResolutionStatus.NEEDS_RECONFIRM)
        await said(parts, definition, [("ann", label)], status=ResolutionStatus.EXCLUDED, reason="schema changed: text")
        await said(parts, definition, [("ann", label)], snapshot=Snapshot(inputs={"input": "no output"}))
        used = await said(parts, definition, [("ann", label)])
        found = await loaded(parts, definition)
        assert [row.target for row in found.rows] == [used]
        assert found.counts == Counts(
            annotations=3, excluded={"needs_reconfirm": 1, "schema_changed": 2, "target_gone": 1}
        )
        assert len(found.left_out) == 4


async def test_what_a_snapshot_lacks_is_read_from_the_target(database: Database) -> None:
    """As scoring reads it."""
    async with align(database, NOBODY) as parts:
        definition = named(levels=(Level.SPAN,))
        span = a_chat("What is the capital of France?", "Paris.")
        await store(database, span)
        await said(parts, definition, [("ann", yes())], target=span.ref, snapshot=Snapshot(inputs={}, has_media=True))
        found = await loaded(parts, definition)
        assert [(row.inputs["output"], row.span_kind) for row in found.rows] == [("Paris.", "llm")]
        assert list(found.materials) == [found.rows[0].row_id]


async def test_like_inputs_with_other_labels_are_conflicts_and_with_the_same_stay_together(database: Database) -> None:
    """Case, spaces and punctuation aside: a copy must not stand on both sides of a split."""
    async with align(database, NOBODY) as parts:
        definition = named()
        for text, good in (("Hello, you!", True), ("hello  YOU", False), ("Bye.", True), ("bye", True)):
            snapshot = Snapshot(inputs={"input": text, "output": "a reply"})
            await said(parts, definition, [("ann", yes(good=good))], snapshot=snapshot)
        found = await loaded(parts, definition)
        assert sorted(row.inputs["input"] for row in found.rows) == ["Bye.", "bye"]
        assert len({row.group for row in found.rows}) == 1
        assert found.counts == Counts(annotations=4, conflicts=2)


@pytest.mark.parametrize(
    ("output_type", "expected", "recorded", "differs"),
    [
        ("percentage", 0.7, 0.6, True),
        ("percentage", 0.7, 0.61, False),
        ("discrete", 3.0, 2.0, True),
        ("discrete", 3.0, 3.0, False),
        ("count", 4.0, 5.0, True),
        ("count", 0.0, 0.0, False),
    ],
)
async def test_a_gap_that_equals_the_threshold_is_a_disagreement(
    output_type: str, expected: float, recorded: float, differs: bool, database: Database
) -> None:
    """For every numeric type, on the scores that were recorded."""
    async with align(database, NOBODY) as parts:
        definition = named(output_type, labels={})
        row = replace(plain_rows(1)[0], expected=Score(value=expected))
        await reviewed(parts, definition, [row], recorded={0: Score(value=recorded)})
        assert (await loaded(parts, definition)).counts == Counts(annotations=1, disagreements=int(differs))


async def test_a_sample_has_of_each_label_its_share_and_is_the_same_again(database: Database) -> None:
    """A seed draws it."""
    async with align(database, NOBODY) as parts:
        definition = named()
        await reviewed(parts, definition, plain_rows(40, wrong=8))
        found = await loaded(parts, definition, max_rows=10)

        def drawn(rows: Sequence[Row]) -> list[str]:
            return [row.row_id for row in rows]

        assert sorted(row.expected.label for row in found.rows) == ["false"] * 2 + ["true"] * 8
        assert drawn((await loaded(parts, definition, max_rows=10)).rows) == drawn(found.rows)


async def test_a_run_without_resolved_feedback_is_refused_and_says_what_waits(database: Database) -> None:
    """Nothing is queued."""
    async with align(database, NOBODY) as parts:
        definition = (await parts.metrics.create(named())).definition
        await said(parts, definition, [("ann", yes())], status=ResolutionStatus.DISPUTED)
        with pytest.raises(NoResolvedAnnotations, match="1 disputed"):
            await parts.parts.catalogue.start(AlignmentRequest(metric=definition.name))
        assert await parts.alignments.newest(definition.name, before=None, limit=5) == []


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"reflection_model": "gateway:/nobody"}, "reflection_model: .*no table"),
        ({"judge_model": "gateway:/nobody"}, "judge_model: .*no table"),
        ({"caps": Caps(max_cost_usd=1.0)}, "caps.max_cost_usd: what gateway:/reflect costs is not known"),
    ],
)
async def test_what_cannot_work_is_refused_before_it_is_queued(
    asked: dict[str, object], complaint: str, database: Database
) -> None:
    """With the field."""
    async with align(database, NOBODY) as parts:
        definition = (await parts.metrics.create(named())).definition
        await reviewed(parts, definition, plain_rows(1))
        with pytest.raises(InvalidDefinition, match=complaint):
            await parts.parts.catalogue.start(AlignmentRequest(metric=definition.name, **asked))  # type: ignore[arg-type]
