"""Functions that an expression over spans may call: none reads elsewhere, throws on a value, sleeps or is random."""

from __future__ import annotations

SCALARS = (
    "if", "multiIf", "coalesce", "ifNull", "nullIf", "isNull", "isNotNull", "greatest", "least", "xor",
    "length", "lengthUTF8", "lower", "lowerUTF8", "upper", "upperUTF8", "empty", "notEmpty", "trimBoth", "trimLeft",
    "trimRight", "concat", "substring", "substringUTF8", "left", "right", "startsWith", "endsWith", "position",
    "positionUTF8", "positionCaseInsensitive", "positionCaseInsensitiveUTF8", "countSubstrings",
    "countSubstringsCaseInsensitive", "match", "extract", "countMatches", "hasToken", "hasTokenCaseInsensitive",
    "editDistance", "editDistanceUTF8", "ngramDistance", "ngramDistanceUTF8",
    "isValidJSON", "JSONHas", "JSONLength", "JSONExtractString", "JSONExtractFloat", "JSONExtractInt",
    "JSONExtractUInt", "JSONExtractBool",
    "toString", "toFloat64OrNull", "toFloat64OrZero", "toInt64OrNull", "toInt64OrZero",
    "toUInt64OrNull", "toUInt64OrZero",
    "abs", "sign", "round", "floor", "ceil", "trunc", "sqrt", "cbrt", "exp", "exp2", "exp10", "log", "log2", "log10",
    "log1p", "pow", "sin", "cos", "tanh", "isFinite", "isNaN", "isInfinite", "moduloOrNull", "intDivOrNull",
    "divideOrNull",
)  # fmt: skip
"""Of one span's columns."""

TIMES = ("toUnixTimestamp", "toHour", "toMinute", "toDayOfWeek", "toDayOfMonth", "toMonth", "toYear")
"""Of `Timestamp`, in UTC; of a text that is no time they would fail the query."""

AGGREGATES = (
    "count", "sum", "avg", "min", "max", "uniqExact", "argMin", "argMax", "medianExact", "stddevPop", "stddevSamp",
    "varPop", "varSamp", "corr", "quantileExact",
)  # fmt: skip
"""Over the spans of a trace or session; each also with `If`, its last argument then being a condition."""

PARAMETRIC = frozenset({"quantileExact"})
"""Aggregates with a number in a pair of parentheses of its own: `quantileExact(0.9)(Duration)`."""

INSTEAD = {
    "now": "an answer may not depend on when it is asked",
    "today": "an answer may not depend on when it is asked",
    "rand": "an answer may not be random",
    "any": "which value it takes is chance; argMin(value, Timestamp) takes the first",
    "anylast": "which value it takes is chance; argMax(value, Timestamp) takes the last",
    "first_value": "which value it takes is chance; argMin(value, Timestamp) takes the first",
    "last_value": "which value it takes is chance; argMax(value, Timestamp) takes the last",
    "quantile": "it takes a sample by chance; write quantileExact(0.9)(Duration)",
    "median": "it takes a sample by chance; write medianExact(Duration)",
    "uniq": "it is about right only; write uniqExact(…)",
    "countdistinct": "write uniqExact(…)",
    "cast": "write toFloat64OrNull(…), toInt64OrNull(…) or toString(…)",
    "modulo": "it fails the query where it divides by 0; write moduloOrNull(a, b)",
    "intdiv": "it fails the query where it divides by 0; write intDivOrNull(a, b)",
    "tofloat64": "it fails the query on a text that is no number; write toFloat64OrNull(…)",
    "toint64": "it fails the query on a text that is no number; write toInt64OrNull(…)",
    "touint64": "it fails the query on a text that is no number; write toUInt64OrNull(…)",
}  # fmt: skip
"""What people write that is not allowed, in lower case, and why or what instead."""
