"""A rule's filter: parsed, allow-listed, and written anew as ClickHouse SQL.

Nothing of the user's text reaches the SQL: names come from tables of ours, literals are bound parameters, and what is
not on the list is refused with the place where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluator.errors import InvalidFilter
from evaluator.expressions.text import conjuncts, parsed
from evaluator.online.rules.filter_compiler import FilterCompiler
from evaluator.online.rules.filter_names import Mention, Names
from evaluator.online.rules.filter_sql import Clause, Parameters, whole
from storage.model import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFilter:
    """A condition over the columns of its level: 1 or 0, never NULL, with its literals as `{f0:String}` and so on.

    Attributes:
        sql: The whole of it.
        before_sql: That part of it which reads no results of metrics: what must hold before anything is waited for.
        clauses: The conditions that must all hold, in the order in which they were written.
        metrics: Whose results it reads, as they were named; each once.
        mentions: The same with their places in the text.
        reads_trace: Of a filter over spans: whether a span alone is not enough to decide.
    """

    sql: str
    parameters: Mapping[str, object]
    before_sql: str = "1"
    clauses: tuple[Clause, ...] = ()
    mentions: tuple[Mention, ...] = field(default=())
    reads_trace: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """See above."""
        return tuple(dict.fromkeys(mention.name for mention in self.mentions))


def compile_filter(text: str, level: Level) -> CompiledFilter:
    """Compile a filter for spans (over `otel_traces`), for traces (over view `traces` with the columns of the root
    span), or for sessions: over the same columns of the session's first trace, where `SessionId` is the session's.

    What reads results of metrics, or of a span's trace, also needs the page of targets that it runs over:
    `{trace_ids:Array(String)}` with `{first_ns:Int64}` and `{last_ns:Int64}` around the start times of their spans; for
    sessions `{session_ids:Array(String)}`.

    A missing attribute is the empty text; compared with a number, an attribute that is none satisfies neither the
    comparison nor its negation, and so does a result that is not there.  Empty text lets everything through.

    Raises:
        InvalidFilter: With the position (characters from 0) of what is not accepted.
    """
    if not text.strip():
        return CompiledFilter(sql="1", parameters={})
    tree = parsed(text, what="condition")
    parameters = Parameters()
    names = Names(level=level, parameters=parameters)
    compiler = FilterCompiler(names=names, parameters=parameters)
    clauses: list[Clause] = []
    parts = conjuncts(tree, text)
    for node, written in parts:
        names.reads, mentioned = {}, len(names.mentions)
        sql = whole(compiler.condition(node, 0 if len(parts) == 1 else 1))
        of = dict.fromkeys(mention.name for mention in names.mentions[mentioned:])
        clauses.append(Clause(text=written, sql=sql, reads=names.reads, metrics=tuple(of)))
    return CompiledFilter(
        sql=_all(clauses),
        parameters=parameters.values,
        before_sql=_all([clause for clause in clauses if not clause.metrics]),
        clauses=tuple(clauses),
        mentions=tuple(names.mentions),
        reads_trace=names.reads_trace,
    )


def compile_for_run(text: str, level: Level) -> CompiledFilter:
    """A filter over what is stored, for targets of a level; of sessions over the columns of their first trace.

    Raises:
        InvalidFilter: As `compile_filter`; and where a page of spans, or of first traces, is not enough to decide.
    """
    compiled = compile_filter(text, Level.SPAN if level is Level.SPAN else Level.TRACE)
    at = compiled.mentions[0].start if compiled.mentions else 0
    if level is Level.SPAN and (compiled.mentions or compiled.reads_trace):
        raise InvalidFilter("a run over spans reads neither their traces nor results of other metrics", position=at)
    if level is Level.SESSION and compiled.mentions:
        raise InvalidFilter("a run over sessions reads no results of other metrics", position=at)
    return compiled


def _all(clauses: list[Clause]) -> str:
    if len(clauses) == 1:
        return clauses[0].sql
    return "(" + " AND ".join(clause.sql for clause in clauses) + ")" if clauses else "1"
