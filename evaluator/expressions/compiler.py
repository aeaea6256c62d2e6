"""An expression over spans written anew as ClickHouse SQL, node by node; what it does not know is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.parsers.clickhouse import ClickHouseParser

from evaluator.errors import InvalidFilter
from evaluator.expressions.columns import ATTRIBUTE_MAPS, Type, columns_of
from evaluator.expressions.functions import AGGREGATES, INSTEAD, PARAMETRIC, SCALARS, TIMES
from evaluator.expressions.text import MAX_DEPTH, parsed, refusal, suggestion
from storage.expressions import SpanExpression
from storage.model import Level

_SIGNS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.And: "AND", exp.Or: "OR",
}  # fmt: skip
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div)
_CALLS = (exp.Anonymous, exp.AnonymousAggFunc, exp.CombinedAggFunc, exp.ParameterizedAgg, exp.CombinedParameterizedAgg)
_SHAPES: Mapping[type[exp.Expr], frozenset[str]] = {
    **dict.fromkeys(_SIGNS, frozenset({"this", "expression", "typed", "safe"})),
    **dict.fromkeys(_CALLS, frozenset({"this", "expressions", "params"})),
    **dict.fromkeys((exp.Paren, exp.Not, exp.Boolean, exp.Neg), frozenset({"this"})),
    **dict.fromkeys((exp.Like, exp.ILike), frozenset({"this", "expression", "negate"})),
    **dict.fromkeys((exp.In, exp.Bracket), frozenset({"this", "expressions"})),
    exp.Is: frozenset({"this", "expression"}),
    exp.Null: frozenset(),
    exp.If: frozenset({"this", "true", "false"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Column: frozenset({"this", "table"}),
    exp.Literal: frozenset({"this", "is_string"}),
}
"""Every kind of node that an expression may have, and the parts that it may have."""
_EVENT_NAMES = "events.name"
_RESULTS = "evaluationattributes"
_FUNCTIONS = {name.lower(): name for name in (*SCALARS, *TIMES)}
_AGGREGATES = {name.lower(): name for name in AGGREGATES} | {f"{name.lower()}if": f"{name}If" for name in AGGREGATES}


class PlainCalls(ClickHouseParser):
    """ClickHouse's grammar, in which every function is its name and its arguments as written."""

    FUNCTIONS: ClassVar[Any] = {}
    FUNCTION_PARSERS: ClassVar[Any] = {}
    NO_PAREN_FUNCTIONS: ClassVar[Any] = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[Any] = {"CASE": ClickHouseParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}


def compile_expression(text: str, level: Level) -> SpanExpression:
    """Compile an expression over the columns of view `spans`.

    At level span one over the columns of a span; at the others one of aggregates over the spans of a target.  A missing
    or empty attribute is NULL.

    Raises:
        InvalidFilter: With the position (characters from 0) of what is not accepted.
    """
    if not text.strip():
        raise InvalidFilter("write one expression over the columns of a span, Duration / 1e9 for example", position=0)
    tree = parsed(text, what="expression", parser=PlainCalls)
    compiler = ExpressionCompiler(aggregates=level is not Level.SPAN)
    sql = compiler.written(tree, 0)
    if compiler.aggregates and not compiler.has_aggregate:
        raise InvalidFilter(
            f"a {level} has many spans: write an aggregate over them, sum(InputTokens) for example", position=0
        )
    return SpanExpression(sql=sql, parameters=compiler.parameters, aggregate=compiler.aggregates)


@dataclass(slots=True, kw_only=True)
class ExpressionCompiler:
    """One expression.  `aggregates`: columns stand inside aggregates only; else there are none."""

    aggregates: bool
    has_aggregate: bool = False
    parameters: dict[str, object] = field(default_factory=dict)
    _inside: bool = False

    def written(self, node: exp.Expr, depth: int) -> str:
        """A node as SQL."""
        self._check_shape(node, depth)
        below = depth + 1
        if (sign := _SIGNS.get(type(node))) is not None:
            if isinstance(node, (exp.And, exp.Or)):
                return "(" + f" {sign} ".join(self.written(part, below) for part in node.flatten(unnest=False)) + ")"
            numeric = isinstance(node, _ARITHMETIC) or _is_number(node.this) or _is_number(node.expression)
            left, right = (self._operand(part, below, numeric) for part in (node.this, node.expression))
            return f"({left} {sign} {right})"
        match node:
            case exp.Paren():
                return self.written(node.this, below)
            case exp.Not() | exp.Neg():
                return f"({'NOT' if isinstance(node, exp.Not) else '-'} {self.written(node.this, below)})"
            case exp.Literal():
                return self._literal(node)
            case exp.Boolean():
                return "true" if node.this else "false"
            case exp.Null():
                return "NULL"
            case exp.Column():
                return self._column(node)
            case exp.Bracket():
                return self._attribute(node)
            case exp.Is():
                return self._is_null(node, below)
            case exp.In():
                return self._in(node, below)
            case exp.Like() | exp.ILike():
                word = ("NOT " if node.args.get("negate") else "") + type(node).__name__.upper()
                return f"({self.written(node.this, below)} {word} {self._text(node.expression)})"
            case exp.Between():
                ends = node.args["low"], node.args["high"]
                subject = self._operand(node.this, below, all(map(_is_number, ends)))
                low, high = (self.written(end, below) for end in ends)
                return f"({subject} BETWEEN {low} AND {high})"
            case exp.If():
                parts = (node.this, node.args["true"], node.args.get("false"))
                return f"if({', '.join('NULL' if part is None else self.written(part, below) for part in parts)})"
            case exp.Case():
                return self._case(node, below)
        return self._call(node, below)

    def _operand(self, node: exp.Expr, depth: int, numeric: bool) -> str:
        """A node as SQL; an attribute beside numbers is read as one, and is NULL where it is none."""
        written = self.written(node, depth)
        return f"toFloat64OrNull({written})" if numeric and isinstance(node.unnest(), exp.Bracket) else written

    def _case(self, node: exp.Case, depth: int) -> str:
        subject = f" {self.written(node.this, depth)}" if node.this is not None else ""
        whens = "".join(
            f" WHEN {self.written(each.this, depth)} THEN {self.written(each.args['true'], depth)}"
            for each in node.args["ifs"]
        )
        default = node.args.get("default")
        return f"(CASE{subject}{whens} ELSE {'NULL' if default is None else self.written(default, depth)} END)"

    def _call(self, node: exp.Expr, depth: int) -> str:
        name = str(node.this)
        lowered = name.lower()
        if (aggregate := _AGGREGATES.get(lowered)) is not None:
            return self._aggregate(node, aggregate, depth)
        function = _FUNCTIONS.get(lowered)
        if lowered == "has" or (function is not None and self._of_events(node)):
            return self._events(node, lowered)
        if function is None:
            known = (*SCALARS, *TIMES, *(AGGREGATES if self.aggregates else ()))
            hint = f": {INSTEAD[lowered]}" if lowered in INSTEAD else suggestion(name, known)
            raise refusal(node, f"function {name[:100]!r} is not allowed{hint}")
        if node.args.get("params"):
            raise refusal(node, f"{function} takes one pair of parentheses")
        written = [self.written(each, depth) for each in node.expressions]
        if function in TIMES and written != ["`Timestamp`"]:
            raise refusal(node, f"write {function}(Timestamp)")
        return f"{function}({', '.join(written)})"

    def _aggregate(self, node: exp.Expr, name: str, depth: int) -> str:
        if not self.aggregates:
            raise refusal(
                node, f"{name} is over many spans, and this metric is about one: leave it out, or choose level trace"
            )
        if self._inside:
            raise refusal(node, f"{name} stands inside another aggregate")
        self.has_aggregate = True
        arguments, constant = node.expressions, ""
        if node.args.get("params") is not None:
            if name.removesuffix("If") not in PARAMETRIC or len(arguments) != 1:
                raise refusal(node, f"{name} takes one pair of parentheses")
            constant, arguments = f"({self._share(arguments[0])})", node.args["params"]
        elif name.removesuffix("If") in PARAMETRIC:
            raise refusal(node, f"write {name}(0.9)(…)")
        self._inside = True
        written = [self.written(each, depth) for each in arguments]
        self._inside = False
        if name.endswith("If") and written:
            written[-1] = f"ifNull({written[-1]}, 0) != 0"  # else 1 and NULL are no conditions to ClickHouse
        return f"{name}{constant}({', '.join(written)})"

    @staticmethod
    def _share(node: exp.Expr) -> str:
        """The parameter of a quantile: ClickHouse takes none from outside, so a number is written, by us."""
        if isinstance(node, exp.Literal) and not node.is_string and 0.0 <= (share := float(node.this)) <= 1.0:
            return repr(share)
        raise refusal(node, "write a number from 0 to 1, quantileExact(0.9)(Duration) for example")

    def _column(self, node: exp.Column) -> str:
        name = node.name
        if node.this.args.get("quoted"):
            raise refusal(node, "write columns unquoted, text in 'single quotes', attributes as attributes['a.b']")
        if f"{node.table}.{name}".lower() == _EVENT_NAMES:
            raise refusal(node, "write has(Events.Name, 'exception') or length(Events.Name)")
        found = None if node.table else columns_of(Level.SPAN).get(name.lower())
        if found is None:
            raise self._unknown_column(node, f"{node.table}.{name}" if node.table else name)
        self._check_place(node, name)
        return found.sql

    def _unknown_column(self, node: exp.Column, name: str) -> InvalidFilter:
        if name.lower() in ATTRIBUTE_MAPS:
            return refusal(node, f"name one attribute: {name}['a.b']")
        if name.lower() == _RESULTS:
            return refusal(node, "results of other metrics are read by composite metrics, which wait for them")
        known = {column.name for column in columns_of(Level.SPAN).values()} | {"attributes", "resource"}
        return refusal(
            node, f"there is no column {name[:100]!r}{suggestion(name, columns_of(Level.SPAN), shown=known)}"
        )

    def _check_place(self, node: exp.Expr, name: str) -> None:
        if self.aggregates and not self._inside:
            raise refusal(node, f"{name} differs between the spans: put it into an aggregate, max({name}) for example")

    def _attribute(self, node: exp.Bracket) -> str:
        """The raw map: it is read alone, and nobody's results are in it."""
        source = node.this
        plain = isinstance(source, exp.Column) and not source.table and not source.this.args.get("quoted")
        sql = ATTRIBUTE_MAPS.get(source.name.lower()) if plain else None
        keys = node.expressions
        if sql is None or len(keys) != 1 or not isinstance(keys[0], exp.Literal) or not keys[0].is_string:
            raise refusal(node, "only attributes['…'] and resource['…'] have keys, one text in 'single quotes'")
        self._check_place(node, f"{source.name}['{keys[0].this[:50]}']")
        raw = "`RawSpanAttributes`" if sql == "`SpanAttributes`" else sql
        return f"nullIf({raw}[{self._bound('String', keys[0].this)}], '')"

    @staticmethod
    def _of_events(node: exp.Expr) -> bool:
        first = node.expressions[0] if node.expressions else None
        return isinstance(first, exp.Column) and f"{first.table}.{first.name}".lower() == _EVENT_NAMES

    def _events(self, node: exp.Expr, function: str) -> str:
        if not self._of_events(node) or function not in ("has", "length", "empty", "notempty"):
            raise refusal(node, "write has(Events.Name, 'exception') or length(Events.Name)")
        self._check_place(node, "Events.Name")
        if function == "has" and len(node.expressions) == 2:
            return f"has(`Events.Name`, {self._text(node.expressions[1])})"
        if function == "has" or len(node.expressions) != 1:
            raise refusal(node, "write has(Events.Name, 'exception') or length(Events.Name)")
        return f"{_FUNCTIONS[function]}(`Events.Name`)"

    def _is_null(self, node: exp.Is, depth: int) -> str:
        if not isinstance(node.expression, exp.Null):
            raise refusal(node.expression, "IS is for NULL only")
        return f"isNull({self.written(node.this, depth)})"

    def _in(self, node: exp.In, depth: int) -> str:
        items = node.expressions
        if not items or not all(isinstance(item, exp.Literal) for item in items):
            raise refusal(node, "IN takes a list of literals in parentheses")
        subject = self._operand(node.this, depth, all(map(_is_number, items)))
        return f"({subject} IN ({', '.join(self._literal(item) for item in items)}))"

    def _text(self, node: exp.Expr) -> str:
        if not (isinstance(node, exp.Literal) and node.is_string):
            raise refusal(node, "a text in 'single quotes' is needed here")
        if (len(node.this) - len(node.this.rstrip("\\"))) % 2 and isinstance(node.parent, (exp.Like, exp.ILike)):
            raise refusal(node, "a pattern cannot end in a single backslash")
        return self._bound("String", node.this)

    def _literal(self, node: exp.Literal) -> str:
        if node.is_string:
            return self._bound("String", node.this)
        try:
            whole = int(node.this)
        except ValueError:
            number = float(node.this)
        else:
            if whole < 2**63:
                return self._bound("Int64", whole)
            number = float(whole) if whole < 2**1000 else math.inf
        if not math.isfinite(number):
            raise refusal(node, "this number is too large")
        return self._bound("Float64", number)

    def _bound(self, kind: str, value: object) -> str:
        name = f"e{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def _check_shape(self, node: exp.Expr, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise refusal(node, f"nested more than {MAX_DEPTH} deep")
        parts = _SHAPES.get(type(node))
        if parts is not None and not any(value and name not in parts for name, value in node.args.items()):
            return
        if isinstance(node, (exp.Query, exp.DML, exp.DDL, exp.Drop, exp.Command)) or node.find(exp.Query):
            raise refusal(node, "sub-queries and statements are not allowed: write one expression")
        match node:
            case exp.Mod():
                raise refusal(node, f"% is not allowed: {INSTEAD['modulo']}")
            case exp.IntDiv():
                raise refusal(node, f"DIV is not allowed: {INSTEAD['intdiv']}")
            case exp.Cast():
                raise refusal(node, f"casts are not allowed: {INSTEAD['cast']}")
            case exp.DPipe() | exp.Concat():
                raise refusal(node, "write concat(a, b)")
            case exp.Distinct():
                raise refusal(node, "write uniqExact(…)")
            case exp.Star():
                raise refusal(node, "write count() without a star, and columns by name")
            case exp.Placeholder() | exp.Parameter():
                raise refusal(node, "there are no parameters: write the value itself")
            case exp.Lambda():
                raise refusal(node, "lambdas are not allowed")
            case exp.In():
                raise refusal(node, "IN takes a list of literals in parentheses")
        raise refusal(node, f"not allowed in an expression ({type(node).__name__.lower()})")


def _is_number(node: exp.Expr) -> bool:
    """Whether a node is certainly a number."""
    match node.unnest():
        case exp.Literal(is_string=is_string):
            return not is_string
        case exp.Column() as column:
            found = columns_of(Level.SPAN).get(column.name.lower())
            return found is not None and found.type is Type.NUMBER
        case inner:
            return isinstance(inner, (exp.Neg, *_ARITHMETIC))
