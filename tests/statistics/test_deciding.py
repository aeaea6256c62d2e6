"""Tests that decide, how many rows they take, and means that labels correct."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from evaluator.statistics.comparing import holm, mcnemar, sign_flip
from evaluator.statistics.estimate import Estimate
from evaluator.statistics.power import advice, more_rows, power, rows_for
from evaluator.statistics.ppi import powered_mean

PEERS = json.loads(Path(__file__).with_name("peers.json").read_text())


def test_mcnemar_by_hand() -> None:
    """Five fixed and none broken: one way of 2^5.  Four and one: that, and five more."""
    assert (mcnemar(5, 0), mcnemar(4, 1), mcnemar(0, 0), mcnemar(0, 5)) == (1 / 32, 6 / 32, 1.0, 1.0)


@pytest.mark.parametrize(("fixed", "broken", "p_value"), PEERS["mcnemar"])
def test_mcnemar_is_as_scipys_binomial_test_says(fixed: int, broken: int, p_value: float) -> None:
    """One-sided."""
    assert mcnemar(fixed, broken) == pytest.approx(p_value, rel=1e-12)


def test_sign_flips_of_ones_are_mcnemars() -> None:
    """The same test, so that groups can be used where rows are not independent."""
    for fixed, broken in ((5, 0), (8, 2), (30, 12), (0, 4)):
        assert sign_flip([1.0] * fixed + [-1.0] * broken + [0.0] * 9) == pytest.approx(mcnemar(fixed, broken))


def test_sign_flips_are_as_scipys_exact_permutation_says() -> None:
    """All 2^12 of them."""
    case = PEERS["sign_flip"]
    assert sign_flip(case["differences"]) == pytest.approx(case["p_value"], rel=1e-9)


def test_sign_flips_that_are_drawn_are_near_those_that_are_counted() -> None:
    """Forty differences have 2^40 sums; a test of normal approximation gives nearly the same."""
    generator = random.Random(4)
    moved = [generator.gauss(0.2, 1.0) for _ in range(40)]
    z = sum(moved) / sum(each * each for each in moved) ** 0.5
    tail = float(np.mean(np.random.default_rng(1).standard_normal(200_000) >= z))
    assert sign_flip(moved) == pytest.approx(tail, abs=0.015)
    assert sign_flip(moved) == sign_flip(moved)


def test_what_is_drawn_is_never_quite_sure() -> None:
    """Of 19,999 draws the smallest p is 1 in 20,000."""
    assert sign_flip([0.1 * each + 0.0137 * each**2 for each in range(1, 60)]) == pytest.approx(1 / 20_000)


def test_holm_by_hand() -> None:
    """Sorted 0.005 0.01 0.03 0.04, times 4 3 2 1, never falling: 0.02 0.03 0.06 0.06."""
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})


def test_power_by_hand() -> None:
    """Five rows, all of which turn right with chance 1: McNemar's p is 1 / 32, above 0.01 and below 0.05."""
    assert (power(5, 1.0, broken=0.0, alpha=0.05), power(5, 1.0, broken=0.0, alpha=0.01)) == (1.0, 0.0)
    assert power(7, 1.0, broken=0.0, alpha=0.01) == pytest.approx(1.0)


@pytest.mark.parametrize(("gain", "rows"), [(0.10, 120), (0.15, 70), (0.20, 47), (0.30, 28)])
def test_rows_are_those_of_the_designs_table(gain: float, rows: int) -> None:
    """ALIGNMENT, section 5: the table is that of alpha 0.05; the gate's own 0.01 takes half as many again."""
    assert rows_for(gain, alpha=0.05) == pytest.approx(rows, rel=0.04)
    assert power(rows, gain, alpha=0.05) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("gain", "rows"), [(0.10, 188), (0.15, 104), (0.20, 70), (0.30, 42)])
def test_rows_that_the_gate_takes(gain: float, rows: int) -> None:
    """At its own alpha."""
    assert rows_for(gain) == pytest.approx(rows, rel=0.03)


def test_ten_rows_have_no_power() -> None:
    """Not even for 20 points; nobody is told otherwise."""
    assert power(10, 0.2) < 0.01
    assert power(0, 0.2) == 0.0


def test_power_is_that_of_a_simulation() -> None:
    """2,000 worlds of 60 rows, 24 % fixed and 4 % broken."""
    draws = np.random.default_rng(2).multinomial(60, [0.24, 0.04, 0.72], size=2000)
    share = np.mean([mcnemar(int(fixed), int(broken)) < 0.01 for fixed, broken, _ in draws])
    assert power(60, 0.2) == pytest.approx(float(share), abs=0.035)


def test_advice_names_how_many_and_of_which_class() -> None:
    """An interval of 0.2 either way at 50 rows takes four times as many for 0.1: 150 more."""
    wide = Estimate(value=0.6, lower=0.4, upper=0.8, count=50)
    assert more_rows(wide, half_width=0.1) == 150
    said = "label about 150 more, mostly of class true, for an interval of ±0.1"
    assert advice(wide, {"true": 5, "false": 45}) == said
    assert advice(wide, {"true": 24, "false": 26}) == "label about 150 more, for an interval of ±0.1"
    assert advice(Estimate(value=0.6, lower=0.55, upper=0.65, count=900), {}) == ""
    assert more_rows(Estimate(note="no rows"), half_width=0.1) is None


def test_a_powered_mean_by_hand() -> None:
    """1,000 results of mean 0.7 and variance 0.21; of 4 labels the judge was 0.25 too high in the mean.

    People - judge: 0, -1, 0, 0: mean -0.25, variance 0.25; 0.7 - 0.25 = 0.45; variance 0.21 / 1000 + 0.25 / 4.
    """
    found = powered_mean(
        judged_mean=0.7, judged_variance=0.21, judged_count=1000, expected=[1, 0, 1, 0], concluded=[1, 1, 1, 0]
    )
    half = 1.959964 * (0.21 / 1000 + 0.25 / 4) ** 0.5
    assert found.corrected == Estimate(
        value=pytest.approx(0.45), lower=pytest.approx(0.45 - half), upper=pytest.approx(0.45 + half), count=4
    )
    assert found.labelled.value == 0.5
    assert found.judged.half_width == pytest.approx(1.959964 * (0.21 / 1000) ** 0.5)


def test_a_powered_mean_is_right_however_wrong_the_judge_is_and_narrower_than_labels_alone() -> None:
    """300 worlds: the judge says true 30 points too often; 95 % of the intervals hold the truth, which is 0.4."""
    generator = np.random.default_rng(6)
    held, narrower = 0, 0
    for _ in range(300):
        truth = (generator.random(2000) < 0.4).astype(float)
        judged = np.where((truth == 0) & (generator.random(2000) < 0.2), 1.0, truth)
        found = powered_mean(
            judged_mean=float(judged.mean()), judged_variance=float(judged.var(ddof=1)), judged_count=2000,
            expected=list(truth[:150]), concluded=list(judged[:150]),
        )  # fmt: skip
        assert found.corrected.lower is not None
        assert found.corrected.upper is not None
        held += found.corrected.lower <= 0.4 <= found.corrected.upper
        narrower += (found.corrected.half_width or 1.0) < (found.labelled.half_width or 0.0)
    assert held >= 268  # 95 % of 300 is 285; fewer than 268 happen by chance once in 100,000
    assert narrower >= 290


@pytest.mark.parametrize(
    ("judged", "count", "labels", "note"),
    [
        (None, 0, [], "the judge has no values"),
        (0.5, 10, [], "nobody has labelled any"),
        (0.5, 10, [1], "too few for an interval"),
    ],
)
def test_a_powered_mean_of_nothing_says_why(judged: float | None, count: int, labels: list[float], note: str) -> None:
    """Never a 0."""
    found = powered_mean(
        judged_mean=judged, judged_variance=0.25, judged_count=count, expected=labels, concluded=labels
    )
    assert found.corrected.note == note
    assert found.corrected.lower is None


def test_labels_of_one_group_vary_together_in_a_powered_mean() -> None:
    """Eight labels of two sessions are worth about two."""
    expected, concluded = [1.0] * 4 + [0.0] * 4, [0.0] * 8
    loose, held = (
        powered_mean(
            judged_mean=0.0,
            judged_variance=0.0,
            judged_count=100,
            expected=expected,
            concluded=concluded,
            groups=groups,
        ).corrected.half_width
        for groups in (None, list("aaaabbbb"))
    )
    assert loose is not None
    assert held is not None
    assert held > 2 * loose
