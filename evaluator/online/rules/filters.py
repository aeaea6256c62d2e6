"""A rule's filter: parsed, allow-listed, and written anew as ClickHouse SQL.

Nothing of the user's text reaches the SQL: columns come from `evaluator.expressions.columns`, literals are bound
parameters, and what is not on the list is refused with the place where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluator.errors import InvalidFilter
from evaluator.expressions.columns import columns_of
from evaluator.expressions.text import parsed
from evaluator.online.rules.filter_compiler import FilterCompiler
from storage.model import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFilter:
    """A condition over the columns of its level: 1 or 0, never NULL, with its literals as `{f0:String}` and so on."""

    sql: str
    parameters: Mapping[str, object]


def compile_filter(text: str, level: Level) -> CompiledFilter:
    """Compile a filter for spans (over `otel_traces`) or traces (over view `traces` with the columns of the root span).

    A missing attribute is the empty text; compared with a number, an attribute that is none satisfies neither the
    comparison nor its negation.  Empty text lets everything through.

    Raises:
        InvalidFilter: With the position (characters from 0) of what is not accepted.
    """
    if level is Level.SESSION:
        raise InvalidFilter("session rules are not offered yet", position=0)
    if not text.strip():
        return CompiledFilter(sql="1", parameters={})
    compiler = FilterCompiler(names=columns_of(level))
    condition = compiler.condition(parsed(text, what="condition"), 0)
    sql = f"ifNull({condition.text}, 0)" if condition.nullable else condition.text
    return CompiledFilter(sql=sql, parameters=compiler.parameters)
