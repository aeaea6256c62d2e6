"""Writes `peers.json`: small data, and what other libraries make of it.  Not a test; run it where they are installed:

    uv run --no-project --with scikit-learn --with statsmodels --with krippendorff tests/statistics/peers.py

Versions that wrote the file stand in it.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path

import krippendorff
import numpy as np
from scipy import stats
from sklearn import metrics
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

LIBRARIES = ("scikit-learn", "statsmodels", "krippendorff", "scipy")


def labels(generator: random.Random, rows: int, classes: str) -> dict[str, object]:
    """Two raters on nominal labels."""
    one = [generator.choice(classes) for _ in range(rows)]
    other = [label if generator.random() < 0.7 else generator.choice(classes) for label in one]
    return {
        "expected": one,
        "concluded": other,
        "agreement": float(metrics.accuracy_score(one, other)),
        "cohen_kappa": float(metrics.cohen_kappa_score(one, other)),
        "macro_f1": float(metrics.f1_score(one, other, average="macro")),
        "precision": float(metrics.precision_score(one, other, labels=["a"], average="micro")),
        "recall": float(metrics.recall_score(one, other, labels=["a"], average="micro")),
        "f1": float(metrics.f1_score(one, other, labels=["a"], average="micro")),
        "krippendorff_alpha": float(
            krippendorff.alpha(
                [[ord(each) for each in one], [ord(each) for each in other]], level_of_measurement="nominal"
            )
        ),
    }


def numbers(generator: random.Random, rows: int) -> dict[str, object]:
    """Two raters on a scale of 1 to 5."""
    one = [generator.randint(1, 5) for _ in range(rows)]
    other = [min(5, max(1, value + generator.choice((-1, 0, 0, 0, 1, 2)))) for value in one]
    return {
        "expected": one,
        "concluded": other,
        "weighted_kappa": float(metrics.cohen_kappa_score(one, other, weights="quadratic")),
        "linear_kappa": float(metrics.cohen_kappa_score(one, other, weights="linear")),
        "mae": float(metrics.mean_absolute_error(one, other)),
        "spearman": float(stats.spearmanr(one, other).statistic),
        "krippendorff_alpha": float(krippendorff.alpha([one, other], level_of_measurement="interval")),
    }


def units(generator: random.Random, rows: int, raters: int) -> dict[str, object]:
    """Any number of raters on a scale of 1 to 4, some of whom passed units by."""
    table = [[generator.randint(1, 4)] * raters for _ in range(rows)]
    table = [[value if generator.random() < 0.6 else generator.randint(1, 4) for value in row] for row in table]
    missing = [[value if generator.random() < 0.8 else None for value in row] for row in table]
    data = np.array([[np.nan if value is None else float(value) for value in row] for row in missing]).T
    return {
        "complete": table,
        "fleiss_kappa": float(fleiss_kappa(aggregate_raters(np.array(table))[0])),
        "missing": missing,
        **{
            level: float(krippendorff.alpha(data, level_of_measurement=level))
            for level in ("nominal", "ordinal", "interval")
        },
    }


def main() -> None:
    """Write the file."""
    generator = random.Random(20261122)
    differences = [round(generator.gauss(0.3, 1.0), 2) for _ in range(12)]
    flips = stats.permutation_test(
        (np.array(differences),), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    found = {
        "versions": {name: version(name) for name in LIBRARIES},
        "labels": [labels(generator, rows, classes) for rows, classes in ((20, "ab"), (60, "abc"), (200, "abcde"))],
        "numbers": [numbers(generator, rows) for rows in (15, 60, 200)],
        "units": [units(generator, rows, raters) for rows, raters in ((12, 3), (40, 5))],
        "wilson": [
            [hits, rows, *map(float, proportion_confint(hits, rows, method="wilson"))]
            for hits, rows in ((0, 10), (3, 10), (10, 10), (81, 90))
        ],
        "mcnemar": [
            [fixed, broken, float(stats.binomtest(fixed, fixed + broken, alternative="greater").pvalue)]
            for fixed, broken in ((0, 3), (5, 0), (8, 2), (30, 12))
        ],
        "sign_flip": {"differences": differences, "p_value": float(flips.pvalue)},
    }
    Path(__file__).with_name("peers.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
