"""What the commands for alignments make of their options, and how they say what they found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from assay.cli import aligning, deciding, main
from assay.cli.console import CommandFailed
from assay.client import Alignment, AlignmentEstimate, AlignmentState, Choice
from assay.client_alignments import AlignmentFailure, candidate, retry_alignment, start_alignment
from assay.client_alignments import AlignmentOptions as Options
from evaluator.alignment.model import Verdict
from evaluator.alignment.reporting.report import GuidelineLine, Spent
from evaluator.alignment.running.outcome import Counts
from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from storage.alignments import AlignmentPhase
from storage.model import Level, MetricKind, OutputType

LINES = (
    GuidelineLine(guideline_id="aa", text="Flag a dosage."),
    GuidelineLine(guideline_id="bb", text="Never flag brevity.", needs_decision="says the opposite of: aa"),
)
RUN = Alignment(
    alignment_id="7f0b0c5e-0000-4000-8000-000000000000",
    metric="tone",
    version=3,
    state=AlignmentState.ALIGNED,
    phase=None,
    done=0,
    total=0,
    cancel_requested=False,
    error=None,
    counts=Counts(annotations=9, disagreements=4, skipped_agreeing=5),
    usage=Spent(judge_calls=80, reflection_calls=3, cost_usd=0.012),
    guidelines=LINES,
    guidelines_text="1. Flag a dosage.",
    verdict=Verdict.INCONCLUSIVE,
    summary="It cannot be told.",
    warnings=("few rows",),
    decision="",
    accepted="",
    retry_of="",
    source_ids=("rule:demo@2026-11-22",),
    sources=(),
    create_time=datetime(2026, 11, 22, 3, 4, tzinfo=UTC),
    update_time=None,
)


def test_lines_are_toggled_edited_and_added() -> None:
    """What is in goes out, what needs a decision comes in, an edited line is in."""
    assert deciding._chosen(RUN, ["aa", "bb"], [], ["Be kind."]) == [
        Choice(guideline_id="aa", include=False),
        Choice(guideline_id="bb", include=True),
        Choice(text="Be kind."),
    ]
    assert deciding._chosen(RUN, [], ["bb = Brevity is fine. "], []) == [
        Choice(guideline_id="bb", include=True, text="Brevity is fine.")
    ]


@pytest.mark.parametrize(
    ("toggle", "edit", "said"), [(["zz"], [], "there is no line 'zz'"), ([], ["aa"], "'aa' is no ID=TEXT")]
)
def test_a_line_that_is_not_there_is_refused(toggle: list[str], edit: list[str], said: str) -> None:
    """With the ids that there are."""
    with pytest.raises(CommandFailed, match=said) as refused:
        deciding._chosen(RUN, toggle, edit, [])
    assert refused.value.exit_code == 2
    assert refused.value.next_step


def test_accepting_without_proof_needs_a_reason() -> None:
    """It is refused before anything is asked of the service."""
    done = CliRunner().invoke(main.app, ["align", "accept", RUN.alignment_id, "--override"])
    assert isinstance(done.exception, CommandFailed)
    assert str(done.exception) == "--override needs --reason: say why it is right all the same"


def test_an_end_says_what_was_found_and_what_to_do_next() -> None:
    """Aligned, failed and cancelled runs."""
    assert aligning.ended(RUN).splitlines() == [
        "alignment 7f0b0c5e-0000-4000-8000-000000000000 of tone version 3: Aligned",
        "4 disagreements found, 5 agreeing rows skipped",
        "verdict: inconclusive. It cannot be told.",
        "1. Flag a dosage.",
        "! few rows",
        "  → assay align report 7f0b0c5e-0000-4000-8000-000000000000",
    ]
    away = AlignmentFailure(code="MODEL_UNAVAILABLE", message="the judge: refused", retryable=True)
    failed = replace(RUN, state=AlignmentState.ERROR, error=away)
    assert aligning.ended(failed).splitlines()[1:] == [
        "MODEL_UNAVAILABLE: the judge: refused",
        "  → assay align retry 7f0b0c5e-0000-4000-8000-000000000000",
    ]
    assert aligning.ended(replace(RUN, state=AlignmentState.CANCELLED)).splitlines()[1:] == [
        "  → assay align retry 7f0b0c5e-0000-4000-8000-000000000000"
    ]


def test_progress_names_the_phases_as_people_do(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each change, then the end."""
    running = replace(RUN, state=AlignmentState.RUNNING, phase=AlignmentPhase.DISTILLING_GUIDELINES, done=1, total=3)
    aligning.follow([running, RUN], as_json=False)
    assert capsys.readouterr().out.splitlines()[0] == ("Running   Distilling guidelines 1/3  83 calls, 0.012 USD")
    assert set(aligning.PHASES) == set(AlignmentPhase)


def test_an_estimate_says_what_is_not_known() -> None:
    """A price that nobody knows is no 0; the chances of a proof are there."""
    found = AlignmentEstimate(
        counts=Counts(annotations=40, disagreements=12),
        judge_calls=1600,
        reflection_calls=30,
        cost_usd=None,
        power={10: 0.2, 20: 0.7},
        warnings=("2 stale",),
    )
    assert aligning.estimated(found).splitlines() == [
        "40 resolved annotations, 12 of them disagree with the judge",
        "about 1,600 calls of the judge, 30 of the reflection model, price not known",
        "chance that a gain would be proved: +10 points: 20%, +20 points: 70%",
        "! 2 stale",
    ]


def test_a_candidate_is_the_metric_with_the_lines_as_chosen() -> None:
    """It can be tried before it is saved; lines that a judge cannot be given are refused."""
    metric = MetricDefinition(
        name="tone", kind=MetricKind.JUDGE, levels=(Level.SPAN,), output_type=OutputType.BOOLEAN, prompt="{{output}}"
    )
    assert [each.text for each in candidate(metric, RUN).guidelines] == ["Flag a dosage."]
    chosen = candidate(metric, RUN, [Choice(guideline_id="aa", include=False), Choice(text="Be kind.")])
    assert [each.text for each in chosen.guidelines] == ["Be kind."]
    with pytest.raises(InvalidDefinition):
        candidate(metric, RUN, [Choice(text="{{braces}}")])


def test_only_what_is_said_is_sent() -> None:
    """A retry keeps caps that nobody changes; a threshold of 0 is a threshold."""
    assert not retry_alignment(RUN.alignment_id, Options(), "").request.changes.HasField("caps")  # type: ignore[attr-defined]
    assert retry_alignment(RUN.alignment_id, Options(max_calls=5), "").request.changes.caps.max_calls == 5  # type: ignore[attr-defined]
    started = start_alignment("tone", (), Options(delta_threshold=0.0), author="ann", request_id="").request
    assert started.HasField("delta_threshold")
    assert not started.HasField("seed")
