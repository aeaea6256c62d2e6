"""Filters that somebody wrote in order to do harm, and any filter at all: nothing but allow-listed names comes out."""

from __future__ import annotations

import random
import re

import pytest

from evaluator.errors import InvalidFilter
from evaluator.expressions.columns import columns_of
from evaluator.expressions.text import MAX_CHARACTERS
from evaluator.online.rules.filters import CompiledFilter, compile_filter
from storage.model import Level

INJECTION = "x' OR 1=1) UNION ALL SELECT password FROM system.users --"
NAMES = """
otel_traces traces_rollup evaluations_current SpanAttributes ResourceAttributes Environment TraceId SpanId SessionId
Timestamp IngestedAt MetricName Level SourceClass Status MetricVersion Rank Value Label Labels Text Explanation Start
End Spans Roots Services ServiceNames ErrorSpans LlmSpansReported InputTokensReported OutputTokensReported
CostUsdReported UserId Root LocalRoot trace_ids session_ids first_ns last_ns
"""
"""What the SQL of a filter may read, beside the columns of its level: tables, their columns, the page's parameters."""
WORDS = """
SELECT FROM WHERE GROUP BY HAVING AND OR NOT IN AS LIKE ILIKE NULL String Array Int64 Int8 Float64 DateTime64 UTC k v r
x row key said tag sum min max length groupUniqArrayArray groupArray arrayMap arrayFirst arrayFilter arrayFlatten
arrayConcat arrayStringConcat argMax argMin tuple tupleElement transform toString toJSONString toFloat64OrNull
toDateTime64 toUInt8 fromUnixTimestamp64Nano dateDiff concat nullIf ifNull isNull multiIf if empty notEmpty hasAny
startsWith endsWith lowerUTF8 upperUTF8 lengthUTF8 mapContains mapKeys mapValues mapFilter JSONType JSONExtract
JSONExtractString JSONExtractRaw firstNonDefault splitByChar trimBoth
"""
"""Words of ours: keywords, types, functions that neither throw on a value nor read anything else, and variables."""
_LITERAL, _WORD, _BOUND = re.compile(r"'(?:[^'\\]|\\.)*'"), re.compile(r"[A-Za-z_]\w*"), re.compile(r"[fr]?\d+|f\d+")


def words_of(compiled: CompiledFilter) -> set[str]:
    """Every name in the SQL of a filter, of its parts and of what it shows."""
    texts = [compiled.sql, compiled.before_sql]
    texts += [text for clause in compiled.clauses for text in (clause.sql, *clause.reads.values())]
    return {word for text in texts for word in _WORD.findall(_LITERAL.sub("", text)) if not _BOUND.fullmatch(word)}


def allowed(level: Level) -> set[str]:
    """Names that may stand in the SQL of a filter of a level."""
    columns = {word for column in columns_of(level).values() for word in _WORD.findall(_LITERAL.sub("", column.sql))}
    return {*NAMES.split(), *WORDS.split(), *columns}


@pytest.mark.parametrize(
    "form",
    [
        "name = '{}'",
        "name LIKE '{}'",
        "name IN ('a', '{}')",
        "attributes['{}'] = 'x'",
        "attributes.`{}` = 'x'",
        "attributes.\"{}\" = 'x'",
        "resource.a.`{}`.b = 1",
        "metadata['{}'] IS NULL",
        "metadata.`{}` > 1",
        "tags['{}'] = 'x'",
        "tags.`{}` = 'x'",
        "tags = '{}'",
        "has(tags, '{}')",
        "'{}' IN tags",
        "metric.`{}`.value > 0.5",
        "metric.\"{}\".label = 'x'",
        "metric.toxicity.label = '{}'",
        "startsWith(metric.toxicity.explanation, '{}')",
        "trace.name = '{}'",
        "trace.environment IN ('{}')",
    ],
)
@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(
    "text", [INJECTION, "{trace_ids:Array(String)}", "/*groups*/", "ключ🌍\u202e", "a\x00b", "back`tick"]
)
def test_what_looks_like_sql_is_only_text_in_every_form(form: str, level: Level, text: str) -> None:
    """It is bound, whatever it stands for; or refused."""
    mark = form[form.index("{}") - 1]
    quoted = text.replace("\\", "\\\\").replace("'", "\\'") if mark == "'" else text.replace(mark, 2 * mark)
    try:
        compiled = compile_filter(form.format(quoted), level)
    except InvalidFilter:
        return
    values = compiled.parameters.values()
    bound = [str(item) for value in values for item in (value if isinstance(value, list) else [value])]
    assert any(text in value for value in bound), bound
    for part in ("password", "system", "groups", "🌍", "\x00"):
        assert part not in compiled.sql
    assert words_of(compiled) <= allowed(level)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "name = '" + "x" * 1_000_000 + "'",
        "(" * 500_000,
        "[" * 4000,
        "{" * 4000,
        "metadata" + ".a" * 2000 + " = 1",
        "metadata" + ".`" * 1000,
        "NOT " * 1000 + "true",
        "-" * 4000 + "1 > 0",
        "has(" * 900,
        "metric." * 500 + "value > 1",
        "trace.status = 'OK' AND " * 160,
        "\u0000" * 4000,
        "\ud800" * 100,
        "'" * 4001,
        "`" * 4001,
        " \t\n" * 1000 + ";",
        "e\u0301" * 2000,
    ],
    ids=lambda text: f"{text[:12]!r}*{len(text)}",
)
@pytest.mark.parametrize("level", [Level.SPAN, Level.SESSION])
def test_what_is_too_long_too_deep_or_no_text_at_all_is_refused(text: str, level: Level) -> None:
    """With a place inside of it; the process does not care."""
    with pytest.raises(InvalidFilter) as refused:
        compile_filter(text, level)
    assert 0 <= refused.value.position <= len(text)


LEAVES = (
    "name = 'x'", "duration_ms > 5", "environment IN ('a', 'b')", "kind = 'llm'", "trace.status = 'OK'",
    "trace.spans + 1 > 2", "trace.status_message LIKE '%x%'", "trace.start_time > '2026-01-01'", "metadata.a.b = 'x'",
    "metadata['x'] IS NOT NULL", "metadata.environment = 'p'", "tags = 'x'", "tags IS NULL", "tags NOT IN ('a', 'b')",
    "tags.x != 'y'", "attributes.gen_ai.request.model ILIKE 'gpt%'", "resource.`a b` BETWEEN 1 AND 2",
    "metric.toxicity.value * 2 >= 0.5", "metric.`Is it?`.label IN ('a', 'b')", "metric.x.status = 'failed'",
    "metric.x.explanation IS NULL", "lower(metric.x.label) = 'a'", "length(name) < 3", "endsWith(name, 'z')", "true",
    "session_id = user_id", "start_time <= '2026-01-01T00:00:00Z'",
)  # fmt: skip


def a_filter(random_: random.Random, depth: int = 0) -> str:
    """Some filter."""
    if depth > 4 or random_.random() < 0.3:
        leaf = random_.choice(LEAVES)
        return leaf.upper() if random_.random() < 0.1 and "'" not in leaf and "`" not in leaf else leaf
    match random_.randrange(4):
        case 0:
            return f"NOT ({a_filter(random_, depth + 1)})"
        case 1:
            return f"({a_filter(random_, depth + 1)})"
        case _:
            word = random_.choice((" AND ", " OR ", " and\n"))
            return word.join(a_filter(random_, depth + 1) for _ in range(random_.randint(2, 3)))


@pytest.mark.parametrize("level", list(Level))
def test_any_filter_names_only_what_is_on_the_list_and_its_clauses_are_the_whole(level: Level) -> None:
    """300 filters of every shape: names, bound literals, and conditions that put together are the filter again."""
    random_ = random.Random(f"filters of {level}")
    for _ in range(300):
        text = a_filter(random_)
        if len(text) > MAX_CHARACTERS:
            continue
        compiled = compile_filter(text, level)
        assert words_of(compiled) <= allowed(level), text
        assert set(re.findall(r"\{(f\d+):", compiled.sql)) == set(compiled.parameters), text
        sqls = [clause.sql for clause in compiled.clauses]
        assert compiled.sql == (sqls[0] if len(sqls) == 1 else f"({' AND '.join(sqls)})"), text
        alone = [compile_filter(clause.text, level) for clause in compiled.clauses]
        assert [set(each.metrics) for each in alone] == [set(clause.metrics) for clause in compiled.clauses], text
        assert [list(each.clauses[0].reads) for each in alone if len(each.clauses) == 1] == [
            list(clause.reads) for clause, each in zip(compiled.clauses, alone, strict=True) if len(each.clauses) == 1
        ], text
        for mention in compiled.mentions:
            assert text[mention.start : mention.end].strip('`"') == mention.name, text
