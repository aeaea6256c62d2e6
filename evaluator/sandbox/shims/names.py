"""What each shim offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PREFIX: Final = "_assay_"
"""Before the name of a module: the global under which the sandbox keeps it."""
ENUM_CLASSES: Final = frozenset({"Enum", "IntEnum", "StrEnum"})
SHIMS: Final[Mapping[str, frozenset[str]]] = {
    "statistics": frozenset(
        {
            "StatisticsError", "correlation", "covariance", "fmean", "geometric_mean", "harmonic_mean",
            "linear_regression", "mean", "median", "median_grouped", "median_high", "median_low", "mode", "multimode",
            "pstdev", "pvariance", "quantiles", "stdev", "variance",
        }
    ),
    "string": frozenset(
        {
            "ascii_letters", "ascii_lowercase", "ascii_uppercase", "capwords", "digits", "hexdigits", "octdigits",
            "printable", "punctuation", "whitespace",
        }
    ),
    "enum": ENUM_CLASSES | {"auto", "unique"},
}  # fmt: skip
