"""What held-out rows prove, and what they do not."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from proof_parts import BOOLEAN, CATEGORICAL, COUNT, DISCRETE, MULTILABEL, PERCENTAGE, held_out

from evaluator.alignment.model import Optimized, Split, Verdict
from evaluator.alignment.proof.evidence import Turned, turned
from evaluator.alignment.proof.proof import Comparison, Confused, Proof
from evaluator.alignment.proof.proving import prove
from evaluator.metrics.definition import MetricDefinition

Rows = list[tuple[object, object, object]]


def rows_of(*, right: int = 0, fixed: int = 0, broken: int = 0, wrong: int = 0) -> Rows:
    """So many boolean rows that are right before and after, turn right, turn wrong, or stay wrong; classes in turn."""
    kinds = [(True, True)] * right + [(False, True)] * fixed + [(True, False)] * broken + [(False, False)] * wrong
    found: Rows = []
    for number, (before, after) in enumerate(kinds):
        truth = number % 2 == 0
        found.append((truth, truth if before else not truth, truth if after else not truth))
    return found


def told(proof: Proof, name: str, group: str = "all") -> Comparison:
    """One statistic."""
    [found] = [each for each in proof.comparisons if (each.name, each.group) == (name, group)]
    return found


def test_a_clear_gain_is_supported_and_told_in_one_sentence() -> None:
    """40 rows: 16 fixed, none broken; p = 2^-16.  Kappa by hand: 20 of 40 right in balance = 0, then 36 of 40 = 0.8."""
    proof = prove(BOOLEAN, held_out(rows_of(right=20, fixed=16, wrong=4)))
    assert proof.verdict is Verdict.SUPPORTED
    assert (proof.test, proof.p_value) == ("exact one-sided McNemar", 2**-16)
    assert (proof.rows, proof.fixed, proof.broken, proof.agreeing_before) == (40, 16, 0, 20)
    kappa = told(proof, "cohen_kappa")
    assert (kappa.before.value, kappa.after.value) == (pytest.approx(0.0), pytest.approx(0.8))
    assert proof.comparisons[0] == kappa
    assert proof.difference.value == pytest.approx(0.4)
    assert proof.sentence.startswith("The guidelines help: κ 0.00 → 0.80, +40 points [")
    assert proof.sentence.endswith("], cross-fitted on 40 rows.")
    assert proof.failed_guardrails == ()


@pytest.mark.parametrize(("rows", "verdict"), [(4, "inconclusive"), (9, "inconclusive"), (10, "supported")])
def test_few_rows_support_nothing_however_good_they_look(rows: int, verdict: str) -> None:
    """Below 5 nothing is even claimed, below 10 numbers are indicative; every row is fixed in each of these."""
    proof = prove(BOOLEAN, held_out(rows_of(fixed=rows)))
    assert str(proof.verdict) == verdict
    assert (proof.p_value is None, proof.comparisons == ()) == (rows < 5, rows < 5)
    assert bool(proof.warnings) == (rows < 10)
    if rows < 5:
        assert proof.difference.value is None


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_no_rows_no_claim(rows: int) -> None:
    """A draft to read side by side; without guidelines nothing would change."""
    draft = prove(BOOLEAN, held_out(rows_of(fixed=rows)))
    assert draft.sentence == (
        f"{rows} held-out rows: nothing can be claimed; the guidelines are a draft to read side by side"
    )
    assert prove(BOOLEAN, held_out(rows_of(fixed=rows), guidelines=0)).verdict is Verdict.NO_CHANGE


def test_an_unsure_gain_is_inconclusive_and_says_how_many_rows_would_tell() -> None:
    """6 fixed and 1 broken of 40: p = 8 / 128."""
    proof = prove(BOOLEAN, held_out(rows_of(right=28, fixed=6, broken=1, wrong=5)))
    assert (proof.verdict, proof.p_value) == (Verdict.INCONCLUSIVE, 8 / 128)
    assert proof.advice.startswith("label about ")
    assert proof.sentence.startswith("It cannot be told whether the guidelines help")


def test_a_gain_below_two_points_does_not_matter_however_sure() -> None:
    """600 rows: 8 fixed and none broken, p = 1 / 256, but 1.3 points."""
    proof = prove(BOOLEAN, held_out(rows_of(right=560, fixed=8, wrong=32), design="sealed split"), replicates=300)
    assert (proof.verdict, proof.p_value) == (Verdict.INCONCLUSIVE, 1 / 256)
    assert "on 600 sealed rows" in proof.sentence


def test_a_gain_below_the_judges_own_noise_is_not_supported() -> None:
    """Every row that is right is so in one of two answers only: a floor of 60 points, above a gain of 30."""
    rows: Rows = [(True, (True, False), (True, False))] * 24 + [(False, (True, True), (False, False))] * 12
    rows += [(False, (True, True), (True, True))] * 4
    proof = prove(BOOLEAN, held_out(rows))
    assert proof.p_value == 2**-12
    assert proof.noise_floor.value == pytest.approx(0.6)
    assert proof.verdict is Verdict.INCONCLUSIVE
    assert "the gain is not above the judge's own noise of 60.0%" in proof.warnings


def test_harm_is_called_harm() -> None:
    """The whole interval is below zero."""
    proof = prove(BOOLEAN, held_out(rows_of(right=20, broken=16, wrong=4)))
    assert proof.verdict is Verdict.HARMFUL
    assert proof.sentence.startswith("The guidelines do harm: κ 0.80 → 0.00, -40 points")


def test_nothing_that_changes_is_no_change() -> None:
    """Whether there are no guidelines, or none that matters."""
    assert prove(BOOLEAN, held_out(rows_of(right=20, wrong=4))).verdict is Verdict.NO_CHANGE
    assert prove(BOOLEAN, held_out(rows_of(right=20, fixed=4), guidelines=0)).verdict is Verdict.NO_CHANGE


@pytest.mark.parametrize(("broken", "kept"), [(2, True), (3, False)])
def test_two_broken_rows_are_allowed_or_a_twentieth_of_those_that_agreed(broken: int, kept: bool) -> None:
    """Of 28 that agreed, two; the gain is sure either way."""
    proof = prove(BOOLEAN, held_out(rows_of(right=28 - broken, fixed=30, broken=broken)))
    [rail] = [each for each in proof.guardrails if each.name == "broken rows"]
    assert (rail.kept, proof.verdict) == (kept, Verdict.SUPPORTED if kept else Verdict.HARMFUL)
    assert rail.detail == f"{broken} of 28 rows that agreed turned wrong, 2 are allowed"


def test_three_of_sixty_that_agreed_are_allowed() -> None:
    """A twentieth of them."""
    proof = prove(BOOLEAN, held_out(rows_of(right=57, fixed=30, broken=3)))
    assert proof.verdict is Verdict.SUPPORTED


def test_a_class_that_pays_for_the_others_is_harm() -> None:
    """Of 200 rows 60 turn right, all of class true; 6 of the 20 of class false turn wrong: as many broken
    rows as 125 that agreed allow, and a gain of 27 points."""
    rows: Rows = [(True, True, True)] * 105 + [(True, False, True)] * 60 + [(True, False, False)] * 15
    rows += [(False, False, False)] * 14 + [(False, False, True)] * 6
    proof = prove(BOOLEAN, held_out(rows))
    assert proof.verdict is Verdict.HARMFUL
    assert proof.failed_guardrails == ("recall of classes: fell beyond chance: false by 30%",)
    assert told(proof, "recall", "class=false").difference.value == pytest.approx(-0.3)


def test_answers_that_cannot_be_read_must_not_become_more() -> None:
    """One in a hundred is chance; five of forty are not."""
    rows: Rows = [*rows_of(right=15, fixed=20), *[(True, False, None)] * 5]
    proof = prove(BOOLEAN, held_out(rows))
    assert proof.verdict is Verdict.HARMFUL
    assert proof.failed_guardrails == ("answers without a verdict: 5 of 40 answers are no verdict, before 0 of 40",)
    assert Confused(expected="true", concluded="(no verdict)", count=5) in proof.confusion_after


@pytest.mark.parametrize(("after", "kept"), [(200.0, True), (201.0, False), (None, True)])
def test_the_prompt_may_double_and_no_more(after: float | None, kept: bool) -> None:
    """Every future evaluation pays for it."""
    proof = prove(BOOLEAN, held_out(rows_of(right=20, fixed=20)), prompt_tokens_before=100.0, prompt_tokens_after=after)
    assert (proof.verdict is Verdict.SUPPORTED) == kept


def test_more_guidelines_than_a_judge_takes_are_refused() -> None:
    """Twelve lines are allowed."""
    twelve, thirteen = (prove(BOOLEAN, held_out(rows_of(fixed=20), guidelines=n)) for n in (12, 13))
    assert twelve.verdict is Verdict.SUPPORTED
    assert thirteen.failed_guardrails == ("guidelines: 13 of at most 12",)


def test_rows_of_one_session_are_no_independent_proof() -> None:
    """Twenty fixed rows of four sessions are four: p = 1 / 16, not one in a million."""
    proof = prove(BOOLEAN, held_out(rows_of(fixed=20), groups=[f"s{number % 4}" for number in range(20)]))
    assert (proof.test, proof.p_value) == ("one-sided sign-flip permutation over groups", 1 / 16)
    assert (proof.verdict, proof.groups) == (Verdict.INCONCLUSIVE, 4)
    assert "20 rows are 4 groups: rows of one group count together" in proof.warnings


@pytest.mark.parametrize(
    ("definition", "kinds", "headline", "before", "after"),
    [
        (CATEGORICAL, [("bug", "praise", "bug"), ("refund", "bug", "refund"), ("praise", "praise", "praise")],
         "cohen_kappa", 0.0, 1.0),
        (DISCRETE, [(1, 3, 1), (5, 3, 5), (3, 3, 3)], "weighted_kappa", 0.0, 1.0),
        (PERCENTAGE, [(0.9, 0.5, 0.8), (0.1, 0.5, 0.2)], "mae", 0.4, 0.1),
        (COUNT, [(4, 2, 4), (2, 2, 2), (1, 2, 1)], "mae", 1.0, 0.0),
        (MULTILABEL, [(["a", "b"], ["a"], ["a", "b"]), (["c"], ["a"], ["c"])], "jaccard", 0.25, 1.0),
    ],
)  # fmt: skip
def test_every_output_type_is_proved_in_its_own_statistics(
    definition: MetricDefinition, kinds: Rows, headline: str, before: float, after: float
) -> None:
    """60 rows of each; what gets better is supported, and stands in the headline."""
    proof = prove(definition, held_out([kinds[number % len(kinds)] for number in range(60)]), replicates=300)
    assert proof.verdict is Verdict.SUPPORTED
    first = proof.comparisons[0]
    assert (first.name, first.before.value, first.after.value) == (
        headline, pytest.approx(before, abs=1e-9), pytest.approx(after),
    )  # fmt: skip


def test_segments_levels_and_annotators_are_told_where_they_have_rows_enough() -> None:
    """Of 40 rows: 4 of a small service are not told, nor a level that all rows have."""
    services = [{"service": "shop" if number < 20 else "bank" if number < 36 else "tiny"} for number in range(40)]
    people = [("ann",) if number % 2 else ("bob", "cyd") for number in range(40)]
    proof = prove(BOOLEAN, held_out(rows_of(right=20, fixed=20), segments=services, annotators=people))
    groups = dict.fromkeys(each.group for each in proof.comparisons)
    assert list(groups) == [
        "all", "class=true", "class=false", "annotator=ann", "annotator=bob", "annotator=cyd", "service=shop",
        "service=bank",
    ]  # fmt: skip
    shop = told(proof, "row_score", "service=shop")
    assert (shop.before.value, shop.after.value, shop.before.count) == (1.0, 1.0, 20)


def test_only_rows_that_were_held_out_are_evidence() -> None:
    """What guidelines were made of says nothing about them, and the gap to it is told as optimism."""
    found = held_out(rows_of(right=20, fixed=10, wrong=10))
    learnt = tuple(replace(each, split=Split.TRAIN) for each in held_out(rows_of(fixed=50)).rows)
    both: Optimized = replace(found, rows=(*learnt, *found.rows), in_sample_before=0.4, in_sample_after=0.9)
    proof = prove(BOOLEAN, both)
    assert (proof.rows, proof.fixed) == (40, 10)
    assert proof.optimism == pytest.approx(0.5 - 0.25)


def test_answers_that_merely_vary_turn_no_row() -> None:
    """A row is fixed or broken where more than half of the answers moved."""
    answers: Rows = [
        (True, (True, False), (True, True)), (True, (True, True), (True, False)), (True, (True, True), (False, False)),
        (True, (False, False), (True, True)), (True, (True, True), (False,)), (True, False, True),
    ]  # fmt: skip
    rows = held_out(answers).rows
    assert [turned(BOOLEAN, each, delta=0.0) for each in rows] == [
        Turned.NONE, Turned.NONE, Turned.BROKEN, Turned.FIXED, Turned.BROKEN, Turned.FIXED,
    ]  # fmt: skip


def test_a_proof_survives_json_and_is_the_same_every_time() -> None:
    """Whoever reads it later reads what was decided."""
    found = held_out(rows_of(right=20, fixed=12, broken=1, wrong=4), segments=[{"service": "shop"}] * 37)
    proof = prove(BOOLEAN, found, seed=5)
    assert Proof.from_body(json.loads(json.dumps(proof.to_body(), allow_nan=False))) == proof
    assert prove(BOOLEAN, found, seed=5) == proof


def worlds(number: int, *, seed: int) -> list[Optimized]:
    """Worlds in which nothing can get better: labels at random, or a judge that is right but for noise of people; each
    row is answered twice before and after, and answers vary; some come in sessions."""
    generator = random.Random(seed)
    found = []
    for world in range(number):
        size, noisy = generator.choice((12, 20, 40, 80, 150)), world % 2 == 0
        rows: Rows = []
        for _ in range(size):
            said = generator.random() < 0.5
            truth = generator.random() < 0.5 if noisy else said != (generator.random() < 0.12)
            changes = generator.random() < 0.3  # guidelines change the judge here, for no better and no worse
            after = (generator.random() < 0.5) if noisy and changes else said
            rows.append(
                (truth, (said, said != (generator.random() < 0.05)), (after, after != (generator.random() < 0.05)))
            )
        groups = None if world % 3 else [f"s{place // 3}" for place in range(size)]
        found.append(held_out(rows, groups=groups))
    return found


def accepted(number: int, *, seed: int) -> int:
    """How many of them are supported."""
    return sum(prove(BOOLEAN, each, replicates=200).verdict is Verdict.SUPPORTED for each in worlds(number, seed=seed))


def test_what_cannot_get_better_is_hardly_ever_accepted() -> None:
    """40 worlds, always the same ones; more than 2 happen once in 140 times at a rate of 1 %."""
    assert accepted(40, seed=11) <= 2


@pytest.mark.soak
def test_what_cannot_get_better_is_accepted_in_one_of_a_hundred_at_most() -> None:
    """5,000 worlds: 50 are 1 %."""
    assert accepted(5000, seed=12) <= 50
