"""Reports of real runs: what they say, and what lines are worth as somebody toggles and edits them."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest
from align_run_parts import PRICE, Align, align, labelled, reviewed, working
from recomputed_report import RAW, recompute

from benchmarks.align_parts import metric
from benchmarks.align_serving import Setting, Simulation
from evaluator.alignment.deciding.choices import Choice
from evaluator.alignment.deciding.reverify import weighed
from evaluator.alignment.model import Verdict
from evaluator.alignment.proof.proof import Proof
from evaluator.alignment.reporting.report import Report
from evaluator.alignment.running.definition import AlignmentRequest
from evaluator.alignment.running.outcome import AlignmentOutcome
from evaluator.errors import AlignmentNotEnded, AlignmentNotFound, InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import section
from evaluator.server import convert_reports as convert
from evaluator.statistics.estimate import Estimate
from evaluator.v1 import alignment_pb2 as pb
from storage.clickhouse.client import Database
from storage.model import Level, TargetRef

ROWS = 40
SEED = 11


@dataclass(kw_only=True)
class Seen:
    """A run on a simulated world, and what was seen of it in order; `paid` counts judge calls after each step."""

    definition: MetricDefinition
    run_id: str
    outcome: AlignmentOutcome
    raw: list[dict[str, Any]]
    report: Report
    toggled: Report
    again: Report
    edited: Report
    moved: MetricDefinition
    stale: Report
    rebased: Report
    refused: list[str]
    paid: list[float]


@dataclass(kw_only=True)
class Looking:
    """Reads reports as a client does."""

    parts: Align
    run_id: str
    metric: str
    paid: list[float]

    async def report(self) -> Report:
        """Of the run as it ended."""
        message = await self.parts.parts.reports.report(pb.GetAlignmentReportRequest(alignment_id=self.run_id))
        return await self._counted(message)

    async def reverified(self, *choices: Choice, rebase: bool = False) -> Report:
        """Of lines as chosen."""
        asked = [pb.GuidelineChoice(guideline_id=c.guideline_id, include=c.include, text=c.text) for c in choices]
        request = pb.ReverifyAlignmentRequest(alignment_id=self.run_id, choices=asked, rebase=rebase)
        return await self._counted(await self.parts.parts.reports.reverify(request))

    async def _counted(self, message: pb.AlignmentReport) -> Report:
        self.paid.append((await self.parts.alignments.spent(self.run_id))["judge_calls"])
        return convert.report(message)


async def _see(url: str) -> Seen:
    async with (
        Database(url) as database,
        Simulation(Setting(seed=SEED)) as world,
        align(database, world.base_url, price=PRICE) as parts,
        working(parts),
    ):
        definition = (await parts.metrics.create(metric())).definition
        targets = [TargetRef(level=Level.TRACE, trace_id=f"{place:032x}") for place in range(1, ROWS + 1)]
        await reviewed(parts, definition, labelled(SEED, ROWS), annotators=("ann", "bob"), on=targets)
        standing, outcome = await parts.done(AlignmentRequest(metric=definition.name, seed=5))
        assert outcome.error is None
        looking = Looking(parts=parts, run_id=standing.run.run_id, metric=definition.name, paid=[])
        first = outcome.guidelines[0]
        without = Choice(guideline_id=first.guideline_id, include=False)
        report, toggled, again = (
            await looking.report(), await looking.reverified(without), await looking.reverified(without),
        )  # fmt: skip
        edited = await looking.reverified(Choice(guideline_id=first.guideline_id, text=f"{first.text} Always."))
        moved = replace(definition, prompt=f"{definition.prompt}\n\nBe fair.")
        await parts.metrics.update(moved, base_version=1)
        return Seen(
            definition=definition,
            run_id=looking.run_id,
            outcome=outcome,
            raw=await database.query(RAW, {"run_id": looking.run_id}),
            report=report,
            toggled=toggled,
            again=again,
            edited=edited,
            moved=moved,
            stale=await looking.report(),
            rebased=await looking.reverified(rebase=True),
            refused=await _refused(parts, looking),
            paid=looking.paid,
        )


async def _refused(parts: Align, looking: Looking) -> list[str]:
    """What is said of no such run, of a line that is not there, and of a run that has not ended."""
    with pytest.raises(AlignmentNotFound) as unknown:
        await parts.parts.reports.report(pb.GetAlignmentReportRequest(alignment_id=str(uuid.UUID(int=1))))
    with pytest.raises(InvalidDefinition) as no_line:
        await looking.reverified(Choice(guideline_id="nope"))
    parts.stop.set()  # nobody works any more
    waiting = await parts.parts.catalogue.start(AlignmentRequest(metric=looking.metric))
    with pytest.raises(AlignmentNotEnded) as waits:
        await parts.parts.reports.report(pb.GetAlignmentReportRequest(alignment_id=waiting.run.run_id))
    return [str(unknown.value), str(no_line.value), str(waits.value)]


@pytest.fixture(scope="module")
def seen(database_url: str) -> Seen:
    """One run for all of the module."""
    return asyncio.run(_see(database_url))


def test_a_report_says_what_the_raw_rows_say(seen: Seen) -> None:
    """Agreement, kappa, flips, confusions, p and noise are recomputed from SQL by a script that shares no code."""
    raw, report = seen.raw, seen.report
    expected = recompute(raw)
    told = {each.name: each for each in report.agreement if each.group == "all"}
    assert expected.rows == ROWS
    assert (told["agreement"].before.value, told["agreement"].after.value) == pytest.approx(
        (expected.agreement_before, expected.agreement_after)
    )
    assert (told["cohen_kappa"].before.value, told["cohen_kappa"].after.value) == pytest.approx(
        (expected.kappa_before, expected.kappa_after)
    )
    assert told["agreement"].difference.value == pytest.approx(expected.agreement_after - expected.agreement_before)
    assert (report.fixed, report.broken) == (expected.fixed, expected.broken)
    assert {each["flip"] for each in raw} >= {"fixed"}
    assert sum(each["flip"] == "fixed" for each in raw) == expected.fixed
    assert {(each.expected, each.concluded): each.count for each in report.confusion_before} == (
        expected.confusion_before
    )
    assert {(each.expected, each.concluded): each.count for each in report.confusion_after} == expected.confusion_after
    assert report.p_value == pytest.approx(expected.p_value)
    assert report.noise_floor.value == pytest.approx(expected.noise)


def test_a_report_has_everything_to_see_before_accepting(seen: Seen) -> None:
    """Verdict, lines with their feedback, prompts, flips with both reasonings and the person's words, cost, models."""
    report = seen.report
    assert report.verdict is seen.outcome.verdict
    assert report.headline is not None
    assert report.headline.name == "cohen_kappa"
    assert [each.text for each in report.lines if each.included] == [each.text for each in seen.outcome.guidelines]
    assert all(each.feedback_ids and each.support for each in report.lines if each.included)
    assert report.prompt_before == seen.definition.prompt
    assert report.prompt_after == f"{seen.definition.prompt}\n\n{section(seen.outcome.guidelines)}"
    flip = report.flips[-1]
    assert flip.fixed
    assert flip.people
    assert flip.before is not None
    assert flip.after is not None
    assert flip.before.label != flip.after.label == flip.expected.label
    assert flip.before_explanation
    assert flip.after_explanation
    running = report.running
    assert running.tokens_before is not None
    assert running.tokens_after is not None
    assert running.usd_before is not None
    assert running.usd_after is not None
    assert running.tokens_after > running.tokens_before
    assert running.usd_after - running.usd_before == pytest.approx(
        1000 * PRICE.input * (round(running.tokens_after) - round(running.tokens_before)) / 1_000_000
    )
    assert report.spent.judge_calls == seen.paid[0]
    assert (report.counts.annotations, report.seed, report.judge_model) == (ROWS, 5, "gateway:/judge")
    assert dict(report.human_agreement)["agreement"].value == 1.0  # both said the same
    assert report.optimism.value is not None


def test_toggling_a_line_asks_only_what_was_not_asked_and_says_that_it_is_in_sample(seen: Seen) -> None:
    """The prompt without the line is paid for once; the same choice again costs nothing."""
    line, found = seen.outcome.guidelines[0], seen.toggled
    as_it_was, toggled, again = seen.paid[:3]
    assert 0 < toggled - as_it_was <= 2 * ROWS
    assert again == toggled
    assert [each.included for each in found.lines if each.guideline_id == line.guideline_id] == [False]
    assert line.text not in found.prompt_after
    assert found.notes == (f"asked about all {ROWS} rows that the lines were made of: in-sample",)
    assert found.sentence.startswith(f"In-sample, on {ROWS} rows that were seen: ")
    assert replace(seen.again, spent=found.spent) == found


def test_a_line_that_a_person_wrote_is_no_proof_by_itself(seen: Seen) -> None:
    """However well it does on the rows that they have seen: it takes the override."""
    line, found = seen.outcome.guidelines[0], seen.edited
    assert found.verdict is not Verdict.SUPPORTED
    [edited] = [each for each in found.lines if each.guideline_id == line.guideline_id]
    assert (edited.edited_from, edited.origin, edited.support) == (line.text, "human", 0)
    assert found.notes == (
        f"1 lines were never held out (1 of them written by people): they are checked on all {ROWS} rows, with sight "
        "of them, which is in-sample and proves nothing by itself",
    )


def test_lines_are_verified_on_the_version_that_is_active_now(seen: Seen) -> None:
    """A report of a run whose metric has moved says so; verified again, it is about the new prompt."""
    stale, found = seen.stale, seen.rebased
    assert (stale.metric_version, stale.active_version) == (1, 2)
    assert "the metric is at version 2 now" in stale.notes[-1]
    assert (found.metric_version, found.active_version) == (2, 2)
    assert found.prompt_before == seen.moved.prompt
    assert found.notes[0] == (
        "verified on the version that is active now, and not on the one that the run started from"
    )


def test_what_cannot_be_reported_is_refused_with_a_reason(seen: Seen) -> None:
    """No such run, a line that is not there, a run that has not ended."""
    unknown, no_line, waits = seen.refused
    assert unknown == "no alignment '00000000-0000-0000-0000-000000000001'"
    assert no_line.startswith("choices[0].guideline_id: the run has no line 'nope'; it has ")
    assert "is pending: wait for its end, or cancel it" in waits


def _proof(verdict: Verdict, gain: float, optimism: float | None) -> Proof:
    return Proof(
        verdict=verdict,
        sentence="As found.",
        rows=60,
        groups=60,
        design="cross-fit, 4 folds",
        alpha=0.01,
        headline="cohen_kappa",
        difference=Estimate(value=gain, lower=gain - 0.1, upper=gain + 0.1, count=60),
        fixed=12,
        broken=1,
        noise_floor=Estimate(value=0.01, count=60),
        optimism=optimism,
    )


@pytest.mark.parametrize(
    ("of_run", "optimism", "found", "gain", "by_hand", "in_sample", "verdict", "said"),
    [
        (Verdict.SUPPORTED, 0.05, Verdict.SUPPORTED, 0.3, False, True, Verdict.SUPPORTED,
         "In-sample, on 60 rows that were seen: +30 points [20, 40], 12 rows fixed and 1 broken; the run is supported "
         "on rows it had not seen, and less its optimism of 5 points a gain of 25 is left."),
        (Verdict.SUPPORTED, 0.29, Verdict.SUPPORTED, 0.3, False, True, Verdict.INCONCLUSIVE,
         "less the run's optimism of 29 points nothing is left."),
        (Verdict.INCONCLUSIVE, 0.0, Verdict.SUPPORTED, 0.3, False, True, Verdict.INCONCLUSIVE,
         "the run itself was not supported on rows it had not seen."),
        (Verdict.SUPPORTED, 0.0, Verdict.SUPPORTED, 0.3, True, True, Verdict.INCONCLUSIVE,
         "lines that people wrote or switched on were never held out."),
        (Verdict.SUPPORTED, 0.0, Verdict.HARMFUL, -0.3, False, True, Verdict.HARMFUL,
         "-30 points [-40, -20], 12 rows fixed and 1 broken."),
        (Verdict.SUPPORTED, 0.29, Verdict.SUPPORTED, 0.3, False, False, Verdict.SUPPORTED,
         "As found; the run is supported on rows it had not seen."),
        (Verdict.INCONCLUSIVE, 0.0, Verdict.SUPPORTED, 0.3, False, False, Verdict.INCONCLUSIVE,
         "As found; the run itself was not supported on rows it had not seen."),
    ],
)  # fmt: skip
def test_rows_that_were_seen_prove_nothing_that_the_run_did_not(
    of_run: Verdict,
    optimism: float,
    found: Verdict,
    gain: float,
    by_hand: bool,
    in_sample: bool,
    verdict: Verdict,
    said: str,
) -> None:
    """Supported takes a run that is, lines that it made, and a gain that outlasts its optimism."""
    outcome = AlignmentOutcome(verdict=of_run, proof=_proof(of_run, 0.3, optimism).to_body())
    weighed_proof = weighed(_proof(found, gain, None), outcome, by_hand=by_hand, in_sample=in_sample)
    assert weighed_proof.verdict is verdict
    assert weighed_proof.sentence.endswith(said)
