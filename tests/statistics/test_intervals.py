"""Intervals: whole groups are resampled, the same seed gives the same ends, and they hold what they promise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluator.statistics.comparing import wilson
from evaluator.statistics.labels import LabelPairs
from evaluator.statistics.numbers import NumberPairs
from evaluator.statistics.resampling import compared, estimates
from evaluator.statistics.sample import Means

PEERS = json.loads(Path(__file__).with_name("peers.json").read_text())


def a_judge(generator: np.random.Generator, rows: int, *, right: float = 0.8, share: float = 0.5) -> LabelPairs:
    """Of so many rows, `share` of them true, it gets that part right."""
    truth = generator.random(rows) < share
    said = np.where(generator.random(rows) < right, truth, ~truth)
    return LabelPairs([str(each) for each in truth], [str(each) for each in said])


@pytest.mark.parametrize(("rows", "half"), [(30, 0.28), (50, 0.22), (100, 0.15), (200, 0.11)])
def test_the_interval_of_kappa_is_as_wide_as_the_design_says(rows: int, half: float) -> None:
    """At kappa 0.6 and classes in balance; a mean over worlds (ALIGNMENT, section 5)."""
    generator = np.random.default_rng(rows)
    found = [estimates(a_judge(generator, rows), range(rows), replicates=1000)["cohen_kappa"] for _ in range(25)]
    assert np.mean([each.half_width for each in found]) == pytest.approx(half, abs=0.02)


def test_the_interval_of_kappa_holds_the_true_value_nearly_always() -> None:
    """It is 0.6: of 200 intervals at 60 rows, 95 % should hold it (178 or more do by chance but once in 10,000)."""
    generator = np.random.default_rng(3)
    found = [estimates(a_judge(generator, 60), range(60), replicates=1000)["cohen_kappa"] for _ in range(200)]
    assert sum(each.lower <= 0.6 <= each.upper for each in found if each.lower is not None and each.upper) >= 178


def test_rows_of_one_group_count_together() -> None:
    """Forty rows that are ten sessions of four equal ones are worth ten: their interval is that of ten rows."""
    generator = np.random.default_rng(5)
    truth = list(generator.random(10))
    said = [each + float(generator.normal(0, 0.2)) for each in truth]
    ten = estimates(NumberPairs(truth, said), range(10))["mae"]
    forty = estimates(NumberPairs(truth * 4, said * 4), [*range(10)] * 4)["mae"]
    loose = estimates(NumberPairs(truth * 4, said * 4), range(40))["mae"]
    assert (forty.value, forty.lower, forty.upper) == pytest.approx((ten.value, ten.lower, ten.upper))
    assert forty.half_width is not None
    assert loose.half_width is not None
    assert loose.half_width < 0.7 * forty.half_width


def test_a_difference_is_resampled_in_pairs() -> None:
    """A judge that is 0.1 nearer on every single row is so in every resample, however the rows vary."""
    generator = np.random.default_rng(7)
    truth = list(generator.random(50))
    before = NumberPairs(truth, [each + 0.3 for each in truth])
    after = NumberPairs(truth, [each + 0.2 for each in truth])
    found = compared(before, after, range(50))["mae"]
    assert (found.difference.value, found.difference.lower, found.difference.upper) == pytest.approx((-0.1,) * 3)


def test_the_same_seed_gives_the_same_interval() -> None:
    """And order of groups' names does not matter."""
    pairs = a_judge(np.random.default_rng(9), 40)
    one, same, other = (estimates(pairs, range(40), seed=seed)["cohen_kappa"] for seed in (1, 1, 2))
    assert one == same
    assert (one.value, one.lower) != (other.value, other.lower)


@pytest.mark.parametrize(("hits", "rows", "lower", "upper"), PEERS["wilson"])
def test_wilsons_interval_is_as_statsmodels_says(hits: int, rows: int, lower: float, upper: float) -> None:
    """Also where all or none hit, where a bootstrap has none."""
    found = wilson(hits, rows)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=1e-9)


@pytest.mark.parametrize(
    ("hits", "rows", "lower", "upper"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_newcombes_table(hits: int, rows: int, lower: float, upper: float) -> None:
    """Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3."""
    found = wilson(hits, rows)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=5e-5)


def test_agreement_of_all_rows_still_has_an_interval() -> None:
    """Ten of ten: between 72 % and 100 % (Wilson); kappa has none, and says so."""
    found = estimates(LabelPairs("aaaaabbbbb", "aaaaabbbbb"), range(10))
    assert (found["agreement"].lower, found["agreement"].upper) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert (found["cohen_kappa"].value, found["cohen_kappa"].lower) == (1.0, None)
    assert found["cohen_kappa"].note == "every resample says the same, so there is no interval"


def test_one_group_has_a_value_and_no_interval() -> None:
    """Nothing can be resampled."""
    found = estimates(Means(mean=[0.2, 0.4]), ["s", "s"])["mean"]
    assert (found.value, found.lower, found.note) == (pytest.approx(0.3), None, "too few groups for an interval")


def test_many_rows_are_counted_in_a_few_draws_with_nearly_the_same_interval() -> None:
    """20,000 rows: their spread over 200 draws is within a fifth of what theory says (0.4 x 1.96 / sqrt(n))."""
    values = list(np.tile([0.1, 0.9], 10_000))
    found = estimates(Means(mean=values), range(20_000))["mean"]
    assert found.half_width == pytest.approx(1.96 * 0.4 / 20_000**0.5, rel=0.2)
