"""Coefficients of agreement, beside published tables, hand derivations and what other libraries say."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.statistics.estimate import Cell, Estimate
from evaluator.statistics.labels import LabelPairs, linear_kappa
from evaluator.statistics.labelsets import LabelSets
from evaluator.statistics.numbers import NumberPairs
from evaluator.statistics.resampling import estimates
from evaluator.statistics.sample import Sample
from evaluator.statistics.units import NumberUnits, Scale, Units

PEERS = json.loads(Path(__file__).with_name("peers.json").read_text())
"""What scikit-learn, statsmodels, krippendorff and scipy make of the same data (peers.py writes it)."""
COHEN_1960 = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
"""Cohen (1960), table 2, times 200: three kinds of diagnosis."""
FLEISS_1971 = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 00501 30012 51000 02040 10203
00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""
"""Fleiss (1971), table 1: of 30 patients how many of 6 psychiatrists gave each of 5 diagnoses."""
KRIPPENDORFF_2011 = ["1 1 1", "2 2 3 2", "3 3 3 3", "3 3 3 3", "2 2 2 2", "1 2 3 4", "4 4 4 4", "1 1 2 1", "2 2 2 2",
                     "5 5 5", "1 1"]  # fmt: skip
"""Krippendorff (2011), section D: what 4 observers said of 12 units, one of which has a single value."""


def point(sample: Sample, rows: int) -> dict[str, float]:
    """The statistics themselves."""
    return {name: float(each[0]) for name, each in sample.statistics(np.ones((1, rows))).items()}


def pairs(table: Sequence[Sequence[int]]) -> LabelPairs:
    """A table of confusions as pairs."""
    cells = [(i, j, n) for i, row in enumerate(table) for j, n in enumerate(row)]
    expected = [str(i) for i, _, n in cells for _ in range(n)]
    return LabelPairs(expected, [str(j) for _, j, n in cells for _ in range(n)])


def test_kappa_is_that_of_cohens_own_table() -> None:
    """140 of 200 agree; by chance (120 x 100 + 60 x 60 + 20 x 40) / 200^2 = 0.41 would; (0.70 - 0.41) / 0.59."""
    found = point(pairs(COHEN_1960), 200)
    assert found["agreement"] == pytest.approx(0.70)
    assert found["cohen_kappa"] == pytest.approx(0.29 / 0.59)


def test_fleiss_kappa_is_that_of_his_own_table() -> None:
    """He gives a mean agreement of 0.556, 0.220 by chance, and kappa 0.430."""
    rows = [[digit for digit, count in enumerate(row) for _ in range(int(count))] for row in FLEISS_1971.split()]
    found = point(Units(rows), 30)
    assert found["agreement"] == pytest.approx(0.556, abs=5e-4)
    assert found["fleiss_kappa"] == pytest.approx(0.430, abs=5e-4)


def test_alpha_is_that_of_krippendorffs_own_examples() -> None:
    """His values: nominal 0.743, ordinal 0.815, interval 0.849; two observers: binary 0.095, nominal 0.692."""
    said = [list(map(int, unit.split())) for unit in KRIPPENDORFF_2011]
    rows = len(said)
    assert point(Units(said), rows)["krippendorff_alpha"] == pytest.approx(0.743, abs=5e-4)
    assert point(Units(said, scale=Scale.ORDINAL), rows)["krippendorff_alpha"] == pytest.approx(0.815, abs=5e-4)
    assert point(NumberUnits(said), rows)["krippendorff_alpha"] == pytest.approx(0.849, abs=5e-4)
    for one, other, alpha in (("0100000010", "1110010000", 0.095), ("aabbdcccedda", "babbbccceddd", 0.692)):
        units = point(Units(list(zip(one, other, strict=True))), len(one))["krippendorff_alpha"]
        assert units == pytest.approx(alpha, abs=5e-4)
        assert point(LabelPairs(one, other), len(one))["krippendorff_alpha"] == pytest.approx(units)


def test_ac1_holds_where_kappa_falls_because_nearly_all_are_of_one_class() -> None:
    """Gwet's paradox table of 125: 118 agree on the one class, none on the other.

    Agreement 118 / 125 = 0.944.  Both name it in (123 + 120) / 250 = 0.972: chance 2 x 0.972 x 0.028 = 0.05443, and
    AC1 = (0.944 - 0.05443) / 0.94557 = 0.9408.  Kappa's chance is (123 x 120 + 2 x 5) / 125^2 = 0.94528.
    """
    found = point(pairs([[118, 5], [2, 0]]), 125)
    assert found["gwet_ac1"] == pytest.approx(0.9408, abs=5e-5)
    assert found["cohen_kappa"] == pytest.approx((0.944 - 0.94528) / (1 - 0.94528))
    of_raters = point(Units([["a", "a"]] * 118 + [["a", "b"]] * 7, classes=("a", "b")), 125)
    assert of_raters["gwet_ac1"] == pytest.approx(found["gwet_ac1"])


def test_concordance_by_hand() -> None:
    """Expected 1 2 3 4, concluded 2 2 4 6: means 2.5 and 3.5; variances (over n) 1.25 and 2.75; covariance 1.75.

    CCC = 2 x 1.75 / (1.25 + 2.75 + 1) = 0.7; MAE (1 + 0 + 1 + 2) / 4 = 1 = bias; Spearman: ranks 1 2 3 4 and
    1.5 1.5 3 4: covariance 4.5, spread sqrt(5 x 4.5), 0.9487.
    """
    found = point(NumberPairs([1, 2, 3, 4], [2, 2, 4, 6]), 4)
    assert found["ccc"] == pytest.approx(0.7)
    assert found["weighted_kappa"] == found["ccc"]
    assert (found["mae"], found["bias"], found["agreement"], found["within_1"]) == (1.0, 1.0, 0.25, 0.75)
    assert found["spearman"] == pytest.approx(4.5 / math.sqrt(5 * 4.5))


@pytest.mark.parametrize("case", PEERS["labels"])
def test_labels_are_as_scikit_learn_and_krippendorff_say(case: dict[str, Any]) -> None:
    """To the last digits."""
    found = point(LabelPairs(case["expected"], case["concluded"], flagged="a"), len(case["expected"]))
    names = ("agreement", "cohen_kappa", "macro_f1", "precision", "recall", "f1", "krippendorff_alpha")
    assert {name: found[name] for name in names} == pytest.approx({name: case[name] for name in names}, rel=1e-12)
    assert found["recall:a"] == found["recall"]


@pytest.mark.parametrize("case", PEERS["numbers"])
def test_numbers_are_as_scikit_learn_scipy_and_krippendorff_say(case: dict[str, Any]) -> None:
    """Quadratic kappa over the labels is Lin's concordance of the values."""
    found = point(NumberPairs(case["expected"], case["concluded"]), len(case["expected"]))
    names = ("weighted_kappa", "mae", "spearman", "krippendorff_alpha")
    assert {name: found[name] for name in names} == pytest.approx({name: case[name] for name in names}, rel=1e-12)
    assert linear_kappa(case["expected"], case["concluded"]) == pytest.approx(case["linear_kappa"], rel=1e-12)


@pytest.mark.parametrize("case", PEERS["units"])
def test_several_raters_are_as_statsmodels_and_krippendorff_say(case: dict[str, Any]) -> None:
    """With values missing here and there."""
    complete = case["complete"]
    assert point(Units(complete), len(complete))["fleiss_kappa"] == pytest.approx(case["fleiss_kappa"], rel=1e-12)
    said = [[value for value in row if value is not None] for row in case["missing"]]
    said = [row for row in said if len(row) >= 2]
    samples: dict[str, Sample] = {
        "nominal": Units(said), "ordinal": Units(said, scale=Scale.ORDINAL), "interval": NumberUnits(said),
    }  # fmt: skip
    found = {level: point(each, len(said))["krippendorff_alpha"] for level, each in samples.items()}
    assert found == pytest.approx({level: case[level] for level in found}, rel=1e-12)


def test_sets_of_labels_share_what_both_name() -> None:
    """{a,b} and {a}: 1 of 2; {} and {}: all of nothing; {b} and none at all: nothing.

    F1 of a: 2 x 1 / (1 + 1); of b: 0 / (2 + 0); their mean is 0.5.
    """
    found = point(LabelSets([{"a", "b"}, set(), {"b"}], [{"a"}, set(), None]), 3)
    assert found == pytest.approx({"agreement": 1 / 3, "jaccard": 0.5, "macro_f1": 0.5})


def test_the_confusion_counts_every_pair() -> None:
    """In order of the classes."""
    cells = LabelPairs(["b", "a", "a"], ["a", "a", "c"], classes=("a", "b")).confusion()
    assert cells == (
        Cell(expected="a", concluded="a", count=1.0),
        Cell(expected="a", concluded="c", count=1.0),
        Cell(expected="b", concluded="a", count=1.0),
    )


@pytest.mark.parametrize(
    ("sample", "rows", "notes"),
    [
        (LabelPairs("aa", "aa"), 2, {"cohen_kappa": "only one class occurs", "gwet_ac1": "only one class occurs"}),
        (LabelPairs("aa", "aa", flagged="b"), 2, {"krippendorff_alpha": "only one class occurs"}),
        (LabelPairs("", ""), 0, {"cohen_kappa": "no rows", "agreement": "no rows", "macro_f1": "no rows"}),
        (
            NumberPairs([0.1, 0.1], [0.1, 0.1]),
            2,
            {"ccc": "the values do not vary", "spearman": "the values do not vary"},
        ),
        (NumberPairs([1.0, 2.0], [None, None]), 2, {"ccc": "no rows", "mae": "no rows"}),
        (NumberPairs([], []), 0, {"ccc": "no rows", "mae": "no rows", "spearman": "no rows"}),
        (NumberPairs([1e9 + 0.1] * 3, [1e9 + 0.1] * 3), 3, {"krippendorff_alpha": "the values do not vary"}),
        (
            Units(["aa", "aa"]),
            2,
            {"fleiss_kappa": "only one class occurs", "krippendorff_alpha": "only one class occurs"},
        ),
        (Units(["aab", "ab"]), 2, {"fleiss_kappa": "units have 2 to 3 raters; see krippendorff_alpha"}),
        (Units([]), 0, {"agreement": "no rows", "fleiss_kappa": "no rows", "krippendorff_alpha": "no rows"}),
        (NumberUnits([]), 0, {"agreement": "no rows", "krippendorff_alpha": "no rows"}),
        (NumberUnits([[3.0, 3.0], [3.0, 3.0]]), 2, {"krippendorff_alpha": "the values do not vary"}),
        (LabelSets([set()], [set()]), 1, {"macro_f1": "nobody names a label"}),
    ],
)
def test_what_is_not_defined_has_no_value_and_a_reason(sample: Sample, rows: int, notes: dict[str, str]) -> None:
    """Never a NaN, and never a 0 or 1 by convention."""
    found = estimates(sample, range(rows), replicates=50)
    assert {name: (found[name].value, found[name].note) for name in notes} == {
        name: (None, note) for name, note in notes.items()
    }
    numbers = [end for each in found.values() for end in (each.value, each.lower, each.upper) if end is not None]
    assert all(map(math.isfinite, numbers))


@pytest.mark.filterwarnings("error")
def test_astronomic_numbers_are_no_crash() -> None:
    """What cannot be squared has no coefficient; the mean error is told all the same."""
    found = estimates(NumberPairs([1e200, 2e200, 0.0], [1e200, 1e200, 0.0]), range(3), replicates=50)
    assert found["mae"].value == pytest.approx(1e200 / 3)
    assert (found["ccc"].value, found["agreement"].value) == (None, pytest.approx(2 / 3))


def test_an_estimate_survives_json() -> None:
    """Also one without a value."""
    for each in (Estimate(value=0.0, lower=-0.5, upper=0.5, count=3, note="few"), Estimate(note="no rows")):
        assert Estimate.from_body(json.loads(json.dumps(each.to_body()))) == each


def test_raters_of_different_length_are_refused() -> None:
    """A row that is missing must not shift the others."""
    with pytest.raises(ValueError, match="2 expected labels, 1 concluded"):
        LabelPairs(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="1 expected values, 2 concluded"):
        NumberPairs([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="two values or more"):
        Units([["a"]])
