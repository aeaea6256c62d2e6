"""Alignments from their start to their end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from align_models import LINE, judged, plain_models, plain_rows, reflected
from align_run_parts import Align, align, labelled, named, reviewed, working

from benchmarks.align_serving import Setting, Simulation
from evaluator.alignment.model import Split, Verdict
from evaluator.alignment.running.definition import AlignmentRequest, Caps
from evaluator.alignment.running.outcome import AlignmentOutcome, Counts, from_text, results_of
from evaluator.judges.scripted import ScriptedJudge
from evaluator.metrics.definition import MetricDefinition
from storage.alignments import AlignmentPhase, AlignmentStanding, AlignmentState, FlipKind
from storage.clickhouse.client import Database
from storage.model import Level, Score


async def a_metric(parts: Align, output_type: str = "boolean") -> MetricDefinition:
    """One of its own."""
    return (await parts.metrics.create(named(output_type))).definition


async def test_feedback_becomes_guidelines_that_are_proved_on_rows_they_were_not_made_of(database: Database) -> None:
    """Start, four phases, aligned: a line that names its feedback, a verdict, and what became of every row."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        definition = await a_metric(parts)
        recorded = {place: Score(value=1.0, label="true") for place in range(24)}
        await reviewed(parts, definition, plain_rows(24), recorded=recorded)
        standing, outcome = await parts.done(AlignmentRequest(metric=definition.name, author="ann"))
        assert standing.state is AlignmentState.ALIGNED, standing.outcome
        assert standing.phase is AlignmentPhase.FINALIZING
        assert standing.done == standing.total
        assert outcome.verdict is Verdict.SUPPORTED, outcome.summary
        assert [line.guideline.text for line in outcome.lines] == [LINE]
        assert outcome.counts == Counts(annotations=24, disagreements=12, disagreements_rerun=12, skipped_agreeing=12)
        assert (standing.usage["judge_calls"], standing.usage["reflection_calls"]) == (
            len(judged(server)), len(reflected(server)),
        )  # fmt: skip
        await check_rows(parts, standing, outcome)


async def check_rows(parts: Align, standing: AlignmentStanding, outcome: AlignmentOutcome) -> None:
    """Every feedback has its row, with what the judge said without and with the guidelines."""
    rows = await parts.alignments.rows(standing.run.run_id)
    said = await parts.feedbacks.by_id([row.feedback_id for row in rows])
    assert len(rows) == len(said) == 24
    assert {str(each) for line in outcome.lines for each in line.guideline.feedback_ids} <= {
        str(row.feedback_id) for row in rows
    }
    for row in rows:
        rude = "rude" in said[row.feedback_id].snapshot.inputs["output"]
        expected, before, after = (from_text(text) for text in (row.expected, row.before[0], row.after[0]))
        assert (expected.label, before.label, after.label) == (  # type: ignore[union-attr]
            str(not rude).lower(), "true", str(not rude).lower(),
        )  # fmt: skip
        assert row.flip is (FlipKind.FIXED if rude else FlipKind.NONE)
        assert row.split == Split.HELD_OUT
    results = results_of(rows, said)
    assert [len(result.before) for result in results] == [2] * 24
    assert {result.row.annotators for result in results} == {("ann",)}


async def test_where_judge_and_people_agree_nothing_is_distilled_and_nothing_paid_for_it(database: Database) -> None:
    """Zero disagreements: aligned, no change, the reflection model is not asked."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        definition = await a_metric(parts)
        await reviewed(parts, definition, plain_rows(12, wrong=0))
        standing, outcome = await parts.done(AlignmentRequest(metric=definition.name))
        assert (standing.state, outcome.verdict, outcome.lines) == (AlignmentState.ALIGNED, Verdict.NO_CHANGE, ())
        assert (len(judged(server)), len(reflected(server))) == (24, 0)


@pytest.mark.parametrize("rows", [1, 4, 9])
async def test_a_few_labels_end_aligned_with_a_draft_and_a_warning(rows: int, database: Database) -> None:
    """No hard minimum; but nothing is supported by fewer than ten."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        definition = await a_metric(parts)
        await reviewed(parts, definition, plain_rows(rows, wrong=(rows + 1) // 2))
        standing, outcome = await parts.done(AlignmentRequest(metric=definition.name))
        assert standing.state is AlignmentState.ALIGNED
        assert [line.guideline.text for line in outcome.lines] == [LINE]
        assert outcome.verdict is Verdict.INCONCLUSIVE, outcome.summary
        assert "needs the override" in outcome.warnings[0]


async def test_more_rows_than_the_cap_are_sampled_by_label_and_it_is_said(database: Database) -> None:
    """Of each label its share; the others are counted as annotations all the same."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        definition = await a_metric(parts)
        await reviewed(parts, definition, plain_rows(40, wrong=10))
        request = AlignmentRequest(metric=definition.name, caps=Caps(max_rows=8))
        standing, outcome = await parts.done(request)
        assert outcome.counts == Counts(annotations=40, disagreements_rerun=2, skipped_agreeing=6, sampled=8)
        assert outcome.warnings[0].startswith("8 of 40 annotated targets were drawn")
        assert len(await parts.alignments.rows(standing.run.run_id)) == 8


@pytest.mark.soak
async def test_fifty_thousand_rows_are_sampled_within_the_cap(database: Database) -> None:
    """The whole of it is neither read nor asked."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        definition = await a_metric(parts)
        await reviewed(parts, definition, plain_rows(50_000))
        _, outcome = await parts.done(AlignmentRequest(metric=definition.name, caps=Caps(max_rows=200)))
        assert (outcome.counts.annotations, outcome.counts.sampled) == (50_000, 200)
        assert outcome.verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("level", [Level.SPAN, Level.SESSION])
async def test_every_level_is_aligned(level: Level, database: Database) -> None:
    """Spans and sessions as traces."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        definition = (await parts.metrics.create(named(levels=(level,)))).definition
        targets = await reviewed(parts, definition, plain_rows(12), level=level)
        standing, outcome = await parts.done(AlignmentRequest(metric=definition.name))
        assert standing.state is AlignmentState.ALIGNED
        assert outcome.counts.disagreements_rerun == 6
        assert {row.target for row in await parts.alignments.rows(standing.run.run_id)} == set(targets)


@pytest.mark.parametrize("output_type", ["categorical", "discrete", "percentage", "count"])
async def test_every_output_type_is_aligned(output_type: str, database: Database) -> None:
    """Against the simulated world, to a verdict."""
    async with (
        Simulation(Setting(seed=3, output_type=output_type)) as world,
        align(database, world.base_url) as parts,
        working(parts),
    ):
        definition = await a_metric(parts, output_type)
        await reviewed(parts, definition, labelled(3, 8, output_type))
        standing, outcome = await parts.done(AlignmentRequest(metric=definition.name))
        assert (standing.state, outcome.error) == (AlignmentState.ALIGNED, None)
        assert outcome.counts.disagreements_rerun + outcome.counts.skipped_agreeing == 8
        assert outcome.proof["headline"]


async def test_two_runs_on_one_metric_at_once_both_end(database: Database) -> None:
    """They share nothing but the judge."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        definition = await a_metric(parts)
        await reviewed(parts, definition, plain_rows(6))
        runs = [
            await parts.parts.catalogue.start(AlignmentRequest(metric=definition.name, seed=seed)) for seed in (1, 2)
        ]
        ended = [await parts.ended(each.run.run_id) for each in runs]
        assert [each.state for each in ended] == [AlignmentState.ALIGNED] * 2
        newest = await parts.parts.catalogue.newest(definition.name, before=None, limit=10)
        assert [each.run.run_id for each in newest] == [each.run.run_id for each in reversed(runs)]


async def test_a_run_keeps_the_version_that_it_started_from(database: Database) -> None:
    """The metric is edited before the run begins; what people said on the earlier version is stale for the next."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts:
        server.always(plain_models())
        definition = await a_metric(parts)
        await reviewed(parts, definition, plain_rows(6))
        run = await parts.parts.catalogue.start(AlignmentRequest(metric=definition.name))
        edited = replace(definition, prompt=f"Another prompt. {definition.prompt}")
        second = (await parts.metrics.update(edited, base_version=definition.version)).definition
        async with working(parts):
            standing = await parts.ended(run.run.run_id)
            assert (standing.state, standing.run.version) == (AlignmentState.ALIGNED, 1)
            assert not any("Another prompt." in asked.prompt for asked in server.requests)
            again, outcome = await parts.done(AlignmentRequest(metric=definition.name))
        assert (again.run.version, second.version) == (2, 2)
        assert outcome.counts.stale == 6
        assert AlignmentOutcome.from_body(standing.outcome).counts.stale == 0
