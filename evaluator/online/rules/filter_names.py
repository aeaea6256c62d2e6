"""What a filter may name: columns, attributes, metadata, tags, the trace, and results of metrics.  SQL comes only from
here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from evaluator.expressions.columns import ATTRIBUTE_MAPS, Column, Type, columns_of
from evaluator.expressions.text import refusal, suggestion
from evaluator.online.rules import filter_attributes as attributes
from evaluator.online.rules.filter_of_trace import of_trace, of_trace_itself, trace_columns
from evaluator.online.rules.filter_results import RESULT_FIELDS, result_sql
from evaluator.online.rules.filter_sql import Parameters, Sql
from storage.model import Level

METADATA, TAGS, TRACE, METRIC, SPAN = "metadata", "tags", "trace", "metric", "span"
_MAPS: Mapping[str, str] = {**ATTRIBUTE_MAPS, "tag": "", METADATA: "", TAGS: ""}


@dataclass(frozen=True, slots=True)
class Mention:
    """A metric in the text of a filter: its name, and where that stands, [start, end)."""

    name: str
    start: int
    end: int


@dataclass(slots=True, kw_only=True)
class Names:
    """Names of one filter.

    Attributes:
        reads: What was looked up, as it was written -> SQL.
        mentions: Metrics whose results were.
        reads_trace: Whether a span cannot be judged by itself.
    """

    level: Level
    parameters: Parameters
    reads: dict[str, str] = field(default_factory=dict)
    mentions: list[Mention] = field(default_factory=list)
    reads_trace: bool = False

    def value(self, node: exp.Expr) -> Sql | None:
        """A column, a path or a key in brackets as SQL; None for anything else.

        Raises:
            InvalidFilter: There is nothing of this name.
        """
        if isinstance(node, exp.Bracket):
            found = self._key(node)
        elif (parts := _parts(node)) is None:
            return None
        elif len(parts) == 1:
            found = self._column(node, parts[0])
        else:
            found = self._path(node, parts)
        name = found.name
        self.reads.setdefault(name, found.text)
        return found

    def tags(self, node: exp.Expr) -> str | None:
        """SQL of the array of tags, where a node names it."""
        if not isinstance(node, exp.Column) or node.table or node.this.args.get("quoted") or node.name.lower() != TAGS:
            return None
        self.reads.setdefault(TAGS, f"arrayStringConcat({attributes.TAGS}, ', ')")
        return attributes.TAGS

    def _column(self, node: exp.Expr, part: exp.Identifier) -> Sql:
        if part.args.get("quoted"):
            raise refusal(
                node, "write columns alone and unquoted, text in 'single quotes', attributes as attributes['a.b']"
            )
        name = part.name
        found = columns_of(self.level).get(name.lower())
        if found is None:
            raise refusal(node, _how_to_name(name) or f"unknown name {name!r}{self._nearest(name)}")
        return _of_column(found, name)

    def _path(self, node: exp.Expr, parts: list[exp.Identifier]) -> Sql:
        """`attributes.a.b`, `metadata.x`, `trace.status`, `metric.toxicity.value`."""
        root = parts[0].name.lower()
        if parts[0].args.get("quoted"):
            raise refusal(node, "only what follows the first dot may be quoted")
        if root in _MAPS:
            return self._attribute(root, ".".join(part.name for part in parts[1:]), shown=_shown(parts))
        if root == METRIC:
            return self._result(node, parts)
        if root == TRACE and len(parts) == 2:
            return self._of_trace(parts)
        if root == SPAN and len(parts) == 2 and self.level is Level.SPAN:
            return self._column(parts[1], parts[1])
        roots = ("attributes", "resource", METADATA, TAGS, TRACE, METRIC)
        raise refusal(node, f"{parts[0].name!r} has no parts{suggestion(parts[0].name, roots)}")

    def _key(self, node: exp.Bracket) -> Sql:
        source, keys = node.this, node.expressions
        if not isinstance(source, exp.Column) or source.table or source.this.args.get("quoted"):
            raise refusal(node, "only attributes['…'], resource['…'], metadata['…'] and tags['…'] have keys")
        root = source.name.lower()
        if root not in _MAPS:
            known = ("attributes", "resource", METADATA, TAGS)
            raise refusal(node, f"{source.name!r} has no keys{suggestion(source.name, known)}")
        if len(keys) != 1 or not isinstance(keys[0], exp.Literal) or not keys[0].is_string:
            raise refusal(node, "an attribute's key is one text in 'single quotes'")
        return self._attribute(root, keys[0].this, shown=f"{source.name}['{keys[0].this}']")

    def _attribute(self, root: str, key: str, *, shown: str) -> Sql:
        bound = self.parameters.text(key).text
        if (of := ATTRIBUTE_MAPS.get(root)) is not None:
            missing = f"(NOT mapContains({of}, {bound}))"
            return Sql(f"{of}[{bound}]", Type.ATTRIBUTE, missing=missing, name=shown)
        text = attributes.metadata(key, bound) if root == METADATA else attributes.tag(key, bound)
        return Sql(text, Type.ATTRIBUTE, missing=f"({text} = '')", name=shown)

    def _of_trace(self, parts: list[exp.Identifier]) -> Sql:
        name = parts[1].name.lower()
        column = trace_columns().get(name)
        if column is None:
            raise refusal(parts[1], f"a trace has no {parts[1].name!r}{suggestion(name, trace_columns())}")
        shown = _shown(parts)
        if self.level is not Level.SPAN:
            return _of_column(column, shown, sql=of_trace_itself(column))
        self.reads_trace = True
        return _of_column(column, shown, sql=of_trace(column))

    def _result(self, node: exp.Expr, parts: list[exp.Identifier]) -> Sql:
        metric, what = parts[1], parts[2].name.lower() if len(parts) == 3 else ""
        if len(parts) != 3:
            raise refusal(node, f"write metric.NAME.value, or one of {', '.join(RESULT_FIELDS)} instead of value")
        if what not in RESULT_FIELDS:
            raise refusal(parts[2], f"a result has no {parts[2].name!r}{suggestion(what, RESULT_FIELDS)}")
        start, end = metric.meta["start"], metric.meta["end"] + 1
        self.mentions.append(Mention(metric.name, start, end))
        bound = self.parameters.text(metric.name.removeprefix("builtin/")).text
        return result_sql(bound, what, self.level, shown=_shown(parts))

    def _nearest(self, name: str) -> str:
        columns = columns_of(self.level).values()
        every = {spelled for column in columns for spelled in (column.name, *column.aliases)}
        friendly = {(*column.aliases, column.name)[0] for column in columns}
        roots = {"attributes", "resource", METADATA, TAGS}
        return suggestion(name, every | roots, shown=friendly | roots)


def _parts(node: exp.Expr) -> list[exp.Identifier] | None:
    """Parts of `a`, `a.b`, `a.b.c`, …, of whatever length."""
    if isinstance(node, exp.Dot):
        above = _parts(node.this)
        return [*above, node.expression] if above and isinstance(node.expression, exp.Identifier) else None
    if not isinstance(node, exp.Column) or not isinstance(node.this, exp.Identifier):
        return None
    return [part for key in ("catalog", "db", "table", "this") if (part := node.args.get(key)) is not None]


def _shown(parts: list[exp.Identifier]) -> str:
    return ".".join(f"`{part.name}`" if part.args.get("quoted") else part.name for part in parts)


def _of_column(column: Column, name: str, *, sql: str = "") -> Sql:
    text = sql or column.sql
    missing = f"({text} = '')" if column.type is Type.TEXT else ""
    return Sql(text, column.type, missing=missing, name=name, values=column.values)


def _how_to_name(name: str) -> str:
    """How to write what has parts, where only its first word stands there."""
    match name.lower():
        case root if root in ATTRIBUTE_MAPS:
            return f"name one attribute: {name}['a.b']"
        case "metadata":
            return "name one entry: metadata.environment"
        case "metric":
            return "name a metric and what of its result: metric.toxicity.value"
        case "trace":
            return "name something of the trace: trace.status"
    return ""
