"""Writes a parsed filter anew as ClickHouse SQL, node by node; what it does not know is refused where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlglot import exp

from evaluator.errors import InvalidFilter
from evaluator.expressions.columns import Type
from evaluator.expressions.text import MAX_DEPTH, refusal, suggestion
from evaluator.online.rules.filter_names import Names
from evaluator.online.rules.filter_sql import Parameters, Sql, as_number, comparable, condition

FUNCTIONS = ("lower", "upper", "length", "startsWith", "endsWith", "has")

_COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_ARITHMETIC: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_TEXT_FUNCTIONS: Mapping[type[exp.Expr], tuple[str, Type]] = {
    exp.Lower: ("lowerUTF8", Type.TEXT),
    exp.Upper: ("upperUTF8", Type.TEXT),
    exp.Length: ("lengthUTF8", Type.NUMBER),
}
_TEXT_CONDITIONS: Mapping[type[exp.Expr], str] = {exp.StartsWith: "startsWith", exp.EndsWith: "endsWith"}

_IN_TAKES = "IN takes a list of literals in parentheses"
_TAGS_TAKE = "write has(tags, 'x'), tags = 'x' or tags IN ('x', 'y')"

_SHAPES: Mapping[type[exp.Expr], frozenset[str]] = {
    **dict.fromkeys((exp.Paren, exp.Not, exp.Boolean, exp.Neg), frozenset({"this"})),
    **dict.fromkeys(
        (exp.And, exp.Or, exp.Is, exp.Dot, exp.ArrayContains, *_COMPARISONS, *_TEXT_CONDITIONS),
        frozenset({"this", "expression"}),
    ),
    **dict.fromkeys(_ARITHMETIC, frozenset({"this", "expression", "typed", "safe"})),
    **dict.fromkeys(_TEXT_FUNCTIONS, frozenset({"this", "binary"})),
    **dict.fromkeys((exp.Like, exp.ILike), frozenset({"this", "expression", "negate"})),
    exp.In: frozenset({"this", "expressions", "field"}),
    exp.Bracket: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Literal: frozenset({"this", "is_string"}),
}
"""Every kind of node that a filter may have, and the parts that it may have: a new option of the parser is refused."""


@dataclass(slots=True, kw_only=True)
class FilterCompiler:
    """One filter.  Every method takes a node of the parsed filter and its depth, and refuses what it does not know."""

    names: Names
    parameters: Parameters

    def condition(self, node: exp.Expr, depth: int) -> Sql:
        """A node that must be true or false."""
        self._check_shape(node, depth)
        match node:
            case exp.Paren():
                return self.condition(node.this, depth + 1)
            case exp.And() | exp.Or():
                parts = [self.condition(part, depth + 1) for part in node.flatten(unnest=False)]
                word = " AND " if isinstance(node, exp.And) else " OR "
                return condition("(" + word.join(part.text for part in parts) + ")", *parts)
            case exp.Not():
                part = self.condition(node.this, depth + 1)
                return condition(f"(NOT {part.text})", part)
            case exp.Boolean():
                return condition("1" if node.this else "0")
            case exp.In():
                return self._in(node, depth)
            case exp.Like() | exp.ILike():
                return self._like(node, depth)
            case exp.Is():
                return self._is_null(node, depth)
            case exp.ArrayContains():
                return self._tagged(node.this, [node.expression])
            case exp.Between():
                low = self._compare(node.this, ">=", node.args["low"], depth)
                high = self._compare(node.this, "<=", node.args["high"], depth)
                return condition(f"({low.text} AND {high.text})", low, high)
        if (sign := _COMPARISONS.get(type(node))) is not None:
            return self._compare(node.this, sign, node.expression, depth)
        if (function := _TEXT_CONDITIONS.get(type(node))) is not None:
            left, right = self._text(node.this, depth + 1), self._text(node.expression, depth + 1)
            return condition(f"{function}({left.text}, {right.text})", left, right)
        found = self._value(node, depth)
        raise refusal(node, f"a condition is needed here, this is {found.type}: compare it with something")

    def _compare(self, left: exp.Expr, sign: str, right: exp.Expr, depth: int) -> Sql:
        if isinstance(left, (exp.Literal, exp.Neg)) and not isinstance(right, (exp.Literal, exp.Neg)):
            left, right = right, left
            sign = sign.translate(str.maketrans("<>", "><"))
        if sign in ("=", "!=") and self.names.tags(left) is not None:
            found = self._tagged(left, [right])
            return found if sign == "=" else condition(f"(NOT {found.text})")
        subject = self._value(left, depth + 1)
        other = self._operand(right, subject, depth + 1)
        if Type.ATTRIBUTE in (subject.type, other.type) and Type.NUMBER in (subject.type, other.type):
            subject, other = as_number(subject), as_number(other)
        if comparable(subject.type) != comparable(other.type):
            raise refusal(right, f"{subject.type} cannot be compared with {other.type}")
        return condition(f"({subject.text} {sign} {other.text})", subject, other)

    def _operand(self, node: exp.Expr, subject: Sql, depth: int) -> Sql:
        """The right side of a comparison; literals take the form that the left side needs."""
        if isinstance(node, exp.Boolean) and subject.type is Type.ATTRIBUTE:
            return self.parameters.text(str(bool(node.this)).lower())
        if isinstance(node, exp.Literal) and node.is_string:
            if subject.type is Type.TIME:
                return self._time(node)
            if subject.values:
                return self.parameters.text(_spelling(node, subject))
        return self._value(node, depth)

    def _in(self, node: exp.In, depth: int) -> Sql:
        if (within := node.args.get("field")) is not None:
            if self.names.tags(within) is None:
                raise refusal(within, _IN_TAKES)
            return self._tagged(within, [node.this])
        items = node.expressions
        if not items:
            raise refusal(node, _IN_TAKES)
        for item in items:
            if not isinstance(item, (exp.Literal, exp.Neg)):
                raise refusal(item, _IN_TAKES)
        if self.names.tags(node.this) is not None:
            return self._tagged(node.this, items)
        if all(isinstance(item, exp.Literal) and item.is_string for item in items):
            subject = self._value(node.this, depth + 1)
            if comparable(subject.type) is Type.TEXT:
                values = [_spelling(item, subject) if subject.values else item.this for item in items]
                listed = self.parameters.bound("Array(String)", values, Type.TEXT)
                return condition(f"({subject.text} IN {listed.text})", subject)
        parts = [self._compare(node.this, "=", item, depth) for item in items]
        return condition("(" + " OR ".join(part.text for part in parts) + ")", *parts)

    def _tagged(self, tags: exp.Expr, wanted: Sequence[exp.Expr]) -> Sql:
        """One of the tags is one of some texts."""
        array = self.names.tags(tags)
        if array is None:
            raise refusal(tags, _TAGS_TAKE)
        for each in wanted:
            if not (isinstance(each, exp.Literal) and each.is_string):
                raise refusal(each, _TAGS_TAKE)
        values = self.parameters.bound("Array(String)", [each.this for each in wanted], Type.TEXT)
        return condition(f"hasAny({array}, {values.text})")

    def _like(self, node: exp.Like | exp.ILike, depth: int) -> Sql:
        pattern = node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise refusal(pattern, "LIKE takes a pattern in 'single quotes'")
        if (len(pattern.this) - len(pattern.this.rstrip("\\"))) % 2:
            raise refusal(pattern, "a pattern cannot end in a single backslash")
        word = ("NOT " if node.args.get("negate") else "") + ("LIKE" if isinstance(node, exp.Like) else "ILIKE")
        subject = self._text(node.this, depth + 1)
        return condition(f"({subject.text} {word} {self.parameters.text(pattern.this).text})", subject)

    def _is_null(self, node: exp.Is, depth: int) -> Sql:
        if not isinstance(node.expression, exp.Null):
            raise refusal(node.expression, "IS is for NULL only")
        if self.names.tags(node.this) is not None:
            return condition(f"empty({self.names.tags(node.this)})")
        subject = self._value(node.this, depth + 1)
        if not subject.missing and subject.type is Type.TEXT:
            return condition(f"({subject.text} = '')", subject)
        if not subject.missing:
            raise refusal(node.this, f"{subject.type} is never NULL here")
        return condition(subject.missing)

    def _text(self, node: exp.Expr, depth: int) -> Sql:
        found = self._value(node, depth)
        if comparable(found.type) is not Type.TEXT:
            raise refusal(node, f"text is needed here, this is {found.type}")
        return found

    def _value(self, node: exp.Expr, depth: int) -> Sql:
        self._check_shape(node, depth)
        if self.names.tags(node) is not None:
            raise refusal(node, _TAGS_TAKE)
        if (named := self.names.value(node)) is not None:
            return named
        match node:
            case exp.Paren():
                return self._value(node.this, depth + 1)
            case exp.Literal() if node.is_string:
                return self.parameters.text(node.this)
            case exp.Literal():
                return self._number(node, node.this)
            case exp.Neg(this=exp.Literal(is_string=False) as literal):
                return self._number(literal, f"-{literal.this}")
        if (function := _TEXT_FUNCTIONS.get(type(node))) is not None:
            text = self._text(node.this, depth + 1)
            return Sql(f"{function[0]}({text.text})", function[1], text.nullable)
        if (sign := _ARITHMETIC.get(type(node))) is not None:
            left, right = (as_number(self._value(part, depth + 1)) for part in (node.this, node.expression))
            if not left.type is right.type is Type.NUMBER:
                raise refusal(node, "arithmetic is for numbers")
            return Sql(f"({left.text} {sign} {right.text})", Type.NUMBER, left.nullable or right.nullable)
        raise _unknown(node)

    def _number(self, node: exp.Literal, text: str) -> Sql:
        try:
            whole = int(text)
        except ValueError:
            number = float(text)
        else:
            if -(2**63) <= whole < 2**63:
                return self.parameters.bound("Int64", whole, Type.NUMBER)
            number = float(whole)
        if not math.isfinite(number):
            raise refusal(node, "this number is too large")
        return self.parameters.bound("Float64", number, Type.NUMBER)

    def _time(self, node: exp.Literal) -> Sql:
        try:
            time = datetime.fromisoformat(node.this)
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            raise refusal(node, "a time is written like '2026-01-31T12:00:00Z'") from None
        if not 1970 <= time.year < 2262:
            raise refusal(node, "times are between 1970 and 2261")
        return self.parameters.bound("DateTime64(9, 'UTC')", time.strftime("%Y-%m-%d %H:%M:%S.%f"), Type.TIME)

    def _check_shape(self, node: exp.Expr, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise refusal(node, f"nested more than {MAX_DEPTH} deep")
        parts = _SHAPES.get(type(node))
        if parts is None or any(value and name not in parts for name, value in node.args.items()):
            raise _unknown(node)


def _spelling(node: exp.Literal, subject: Sql) -> str:
    """A value of those that there are, in whatever case it was written."""
    found = {value.lower(): value for value in subject.values}.get(node.this.lower())
    if found is None:
        raise refusal(node, f"{subject.name} is never {node.this!r}{suggestion(node.this, subject.values)}")
    return found


def _unknown(node: exp.Expr) -> InvalidFilter:
    if isinstance(node, (exp.Query, exp.DML, exp.DDL)) or node.find(exp.Query):
        return refusal(node, "sub-queries and statements are not allowed: write one condition")
    if isinstance(node, exp.In):
        return refusal(node, _IN_TAKES)
    if isinstance(node, exp.Null):
        return refusal(node, "NULL equals nothing: write IS NULL or IS NOT NULL")
    if isinstance(node, exp.Func):
        name = str(node.this) if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        return refusal(node, f"function {name!r} is not allowed{suggestion(name, FUNCTIONS)}")
    return refusal(node, f"not allowed in a filter ({type(node).__name__.lower()})")
