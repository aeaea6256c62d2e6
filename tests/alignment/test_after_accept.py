"""What follows when an alignment is in force: rules that score, the past on wish, and means that stay honest."""

from __future__ import annotations

import math
import random
import uuid
from datetime import UTC, datetime, timedelta
from statistics import NormalDist, fmean, variance
from typing import Any

import pytest
from deciding_parts import AMOUNTS, FALSE, TRUE, Deciding, a_judge, accepting, deciding_with
from online_parts import a_rule, at_work, online
from run_parts import RunParts, working
from scoring_parts import scoring
from storing import a_chat, a_result, store

from evaluator.alignment.rechecking.corrected import CHOSEN
from evaluator.errors import InvalidDefinition, MetricNotFound
from evaluator.metrics.definition import MetricDefinition
from evaluator.runs.definition import Recompute, RunRequest, Where
from evaluator.scoring.request import MetricRef
from evaluator.statistics.ppi import powered_mean
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.runs import ClickHouseRuns
from storage.feedback import FeedbackRow, Resolution, ResolutionMethod, ResolutionStatus, Snapshot
from storage.model import Level, OutputType


async def test_new_evaluations_use_what_was_accepted_and_old_ones_stay(database: Database) -> None:
    """A rule on a metric of one's own follows it; nothing is scored twice, also not where it is repointed to a fork."""
    async with online(database) as parts:
        here = deciding_with(parts.scoring)
        mine = await here.a_judge(levels=(Level.SPAN,))
        shipped = await here.scoring.metrics.get("bias")
        await parts.rules.create(a_rule("on_mine", metrics=(mine.name,)))
        await parts.rules.create(a_rule("on_bias", metrics=("bias",)))
        first, second = a_chat(), a_chat()
        async with at_work(parts):
            await store(database, first)
            await parts.until_results(2)
            for metric in (mine, shipped):
                run_id = await here.a_run(metric, AMOUNTS)
                await here.parts.acceptances.accept(accepting(run_id, repoint=("*",) if metric.builtin else ()))
            for _ in range(2):  # whoever looks with rules that were read before has done so
                await parts.until_looked("on_bias")
            await store(database, second)
            await parts.until_results(4)
            await parts.until_looked("on_bias")
        found = sorted((each.target == first.ref, each.metric, each.metric_version) for each in await parts.results())
        assert found == sorted(
            [
                (True, mine.name, 1),
                (True, "bias", shipped.version),
                (False, mine.name, 2),
                (False, "bias_aligned", 1),
            ]
        )


async def test_history_is_computed_again_on_wish_also_for_a_fork(database: Database) -> None:
    """A recompute of the fork takes what the built-in metric has scored; the estimate says how much that is."""
    async with scoring(database) as parts:
        here = deciding_with(parts)
        runs = RunParts(
            scoring=parts, runs=ClickHouseRuns(database), queue=ClickHouseQueue(database), database=database
        )
        shipped = await parts.metrics.get("input_sexism")
        spans = [a_chat(answer=f"Paris {number}.") for number in range(3)]
        await store(database, *spans, a_chat(answer="never scored"))
        facts: dict[str, Any] = {"metric": shipped.name, "metric_version": shipped.version}
        await parts.results.append([a_result(span, FALSE, output_type=OutputType.BOOLEAN, **facts) for span in spans])
        run_id = await here.a_run(shipped, AMOUNTS)
        fork = (await here.parts.acceptances.accept(accepting(run_id))).record.definition
        request = RunRequest(
            selection=Recompute(where=Where(level=Level.SPAN)), metrics=(MetricRef(name=fork.name, version=1),)
        )
        estimate = await runs.catalogue.create(request, validate_only=True)
        async with working(runs):
            standing = await runs.done(request)
        scored = {each.target for each in await runs.results(standing.run.run_id)}
        assert (estimate.total, standing.total, scored) == (3, 3, {span.ref for span in spans})


# ---------------------------------------------------------------------------------------------------------------------
# Means
# ---------------------------------------------------------------------------------------------------------------------


async def a_judged_day(
    here: Deciding, *, judged: int, labelled: int, seed: int
) -> tuple[MetricDefinition, list[float], list[tuple[str, float, float]]]:
    """Results of a judge that is right four times of five, and of some targets what people say, in groups of three.

    Returns:
        The metric; what the judge says of each target; group, people's value and the judge's of those labelled.
    """
    metric = await here.a_judge()
    drawn = random.Random(seed)
    spans = [a_chat(start_ns=1_794_441_600_000_000_000 + number) for number in range(judged)]
    truths = [float(drawn.random() < 0.6) for _ in spans]
    said = [truth if drawn.random() < 0.8 else 1.0 - truth for truth in truths]
    await ClickHouseResults(here.database).append(
        [
            a_result(
                span,
                TRUE if value else FALSE,
                target=span.trace,
                metric=metric.name,
                metric_version=metric.version,
                output_type=OutputType.BOOLEAN,
            )
            for span, value in zip(spans, said, strict=True)
        ]
    )
    chosen = drawn.sample(range(judged), labelled)
    groups = {place: f"session {number // 3}" for number, place in enumerate(chosen)}
    await here.feedbacks.add([_feedback(metric, spans[each].trace, truths[each], groups[each]) for each in chosen])
    await here.feedbacks.resolve([_resolution(metric, spans[each].trace, truths[each]) for each in chosen])
    return metric, said, [(groups[each], truths[each], said[each]) for each in chosen]


def _feedback(metric: MetricDefinition, target: Any, truth: float, group: str) -> FeedbackRow:
    return FeedbackRow(
        feedback_id=uuid.uuid4(),
        target=target,
        metric=metric.name,
        metric_version=metric.version,
        annotator="ann",
        expected=TRUE if truth else FALSE,
        snapshot=Snapshot(inputs={"output": "x"}),
        group_key=group,
    )


def _resolution(metric: MetricDefinition, target: Any, truth: float) -> Resolution:
    return Resolution(
        target=target,
        metric=metric.name,
        metric_version=metric.version,
        status=ResolutionStatus.RESOLVED,
        expected=TRUE if truth else FALSE,
        method=ResolutionMethod.SELF,
    )


def by_hand(said: list[float], labelled: list[tuple[str, float, float]]) -> tuple[float, float, float]:
    """Corrected mean and its ends, from raw rows: the formula written out once more, groups as wholes.

    mean(f) + mean(y - f); variance = var(f) / N + G / (G - 1) * sum_g (sum_i in g (d_i - mean d))^2 / n^2.
    """
    differences = [(group, truth - value) for group, truth, value in labelled]
    shift = fmean(each for _, each in differences)
    sums: dict[str, float] = {}
    for group, each in differences:
        sums[group] = sums.get(group, 0.0) + each - shift
    clustered = sum(each**2 for each in sums.values()) / len(labelled) ** 2 * len(sums) / (len(sums) - 1)
    half = NormalDist().inv_cdf(0.975) * math.sqrt(variance(said) / len(said) + clustered)
    middle = fmean(said) + shift
    return middle, middle - half, middle + half


@pytest.mark.parametrize("seed", [3, 8])
async def test_a_corrected_mean_is_the_same_by_hand_in_sql_and_in_the_service(database: Database, seed: int) -> None:
    """Three ways to one number, from the same rows."""
    async with scoring(database) as parts:
        here = deciding_with(parts)
        metric, said, labelled = await a_judged_day(here, judged=120, labelled=36, seed=seed)
        day = datetime(2026, 11, 12, tzinfo=UTC)
        found = await here.parts.front.means.of(metric.name, start=day, end=day + timedelta(days=1))
        by_function = powered_mean(
            judged_mean=fmean(said),
            judged_variance=variance(said),
            judged_count=len(said),
            expected=[truth for _, truth, _ in labelled],
            concluded=[value for _, _, value in labelled],
            groups=[group for group, _, _ in labelled],
        )
        [row] = await database.query(
            "SELECT * FROM metric_means_corrected WHERE MetricName = {m:String}", {"m": metric.name}
        )
        expected = pytest.approx(by_hand(said, labelled), abs=1e-9)
        for each in (found.means.corrected, by_function.corrected):
            assert (each.value, each.lower, each.upper) == expected
        assert (row["Corrected"], row["CorrectedLow"], row["CorrectedHigh"]) == expected
        assert (row["Judged"], row["Labelled"]) == pytest.approx((fmean(said), fmean(y for _, y, _ in labelled)))
        assert (row["JudgedCount"], row["LabelledCount"], str(row["Day"])) == (120, 36, "2026-11-12")
        assert found.warnings == (CHOSEN,)


async def test_a_mean_says_what_its_labels_are_worth(database: Database) -> None:
    """Few of them, none of a queue, those that made the version; a time or a metric that cannot be is refused."""
    async with scoring(database) as parts:
        here = deciding_with(parts)
        metric, said, _ = await a_judged_day(here, judged=8, labelled=3, seed=1)
        day = datetime(2026, 11, 12, tzinfo=UTC)
        means = here.parts.front.means
        found = await means.of(metric.name, start=day, end=day + timedelta(days=1), queue="calibration")
        assert (found.means.judged.value, found.means.corrected.value, found.means.labelled.count) == (
            fmean(said),
            None,
            0,
        )
        assert found.warnings == ("0 labels are few: the interval is an approximation that wants 30 or more",)
        nothing = await means.of(metric.name, start=day - timedelta(days=9), end=day)
        assert (nothing.means.judged.value, nothing.means.judged.note) == (None, "the judge has no values")
        with pytest.raises(InvalidDefinition):
            await means.of(metric.name, start=day, end=day)
        with pytest.raises(MetricNotFound):
            await means.of("no_such_metric")
        written = await here.scoring.metrics.create(a_judge(output_type=OutputType.TEXT, higher_is_better=None))
        with pytest.raises(InvalidDefinition):
            await means.of(written.definition.name)
