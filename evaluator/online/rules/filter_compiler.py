"""Writes a parsed filter anew as ClickHouse SQL, node by node; what it does not know is refused where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlglot import exp

from evaluator.errors import InvalidFilter
from evaluator.expressions.columns import ATTRIBUTE_MAPS, Column, Type
from evaluator.expressions.text import MAX_DEPTH, refusal, suggestion

FUNCTIONS = ("lower", "upper", "length", "startsWith", "endsWith")

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

_SHAPES: Mapping[type[exp.Expr], frozenset[str]] = {
    **dict.fromkeys((exp.Paren, exp.Not, exp.Boolean, exp.Neg), frozenset({"this"})),
    **dict.fromkeys((exp.And, exp.Or, exp.Is, *_COMPARISONS, *_TEXT_CONDITIONS), frozenset({"this", "expression"})),
    **dict.fromkeys(_ARITHMETIC, frozenset({"this", "expression", "typed", "safe"})),
    **dict.fromkeys(_TEXT_FUNCTIONS, frozenset({"this", "binary"})),
    **dict.fromkeys((exp.Like, exp.ILike), frozenset({"this", "expression", "negate"})),
    **dict.fromkeys((exp.In, exp.Bracket), frozenset({"this", "expressions"})),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Literal: frozenset({"this", "is_string"}),
}
"""Every kind of node that a filter may have, and the parts that it may have: a new option of the parser is refused."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL.  `nullable`: it reads a number from an attribute that may not be one."""

    text: str
    type: Type
    nullable: bool = False


@dataclass(slots=True, kw_only=True)
class FilterCompiler:
    """One filter.  Every method takes a node of the parsed filter and its depth, and refuses what it does not know."""

    names: Mapping[str, Column]
    parameters: dict[str, object] = field(default_factory=dict)

    def condition(self, node: exp.Expr, depth: int) -> Sql:
        """A node that must be true or false."""
        self._check_shape(node, depth)
        match node:
            case exp.Paren():
                return self.condition(node.this, depth + 1)
            case exp.And() | exp.Or():
                parts = [self.condition(part, depth + 1) for part in node.flatten(unnest=False)]
                word = " AND " if isinstance(node, exp.And) else " OR "
                return _condition("(" + word.join(part.text for part in parts) + ")", *parts)
            case exp.Not():
                part = self.condition(node.this, depth + 1)
                return _condition(f"(NOT {part.text})", part)
            case exp.Boolean():
                return _condition("1" if node.this else "0")
            case exp.In():
                return self._in(node, depth)
            case exp.Like() | exp.ILike():
                return self._like(node, depth)
            case exp.Is():
                return self._is_null(node, depth)
            case exp.Between():
                low = self._compare(node.this, ">=", node.args["low"], depth)
                high = self._compare(node.this, "<=", node.args["high"], depth)
                return _condition(f"({low.text} AND {high.text})", low, high)
        if (sign := _COMPARISONS.get(type(node))) is not None:
            return self._compare(node.this, sign, node.expression, depth)
        if (function := _TEXT_CONDITIONS.get(type(node))) is not None:
            left, right = self._text(node.this, depth + 1), self._text(node.expression, depth + 1)
            return _condition(f"{function}({left.text}, {right.text})", left, right)
        found = self._value(node, depth)
        raise refusal(node, f"a condition is needed here, this is {found.type}: compare it with something")

    def _compare(self, left: exp.Expr, sign: str, right: exp.Expr, depth: int) -> Sql:
        if isinstance(left, (exp.Literal, exp.Neg)) and not isinstance(right, (exp.Literal, exp.Neg)):
            left, right = right, left
            sign = sign.translate(str.maketrans("<>", "><"))
        subject = self._value(left, depth + 1)
        column = self._column(left) if isinstance(left, exp.Column) else None
        other = self._operand(right, subject, column, depth + 1)
        if Type.ATTRIBUTE in (subject.type, other.type) and Type.NUMBER in (subject.type, other.type):
            subject, other = _as_number(subject), _as_number(other)
        if _comparable(subject.type) != _comparable(other.type):
            raise refusal(right, f"{subject.type} cannot be compared with {other.type}")
        return _condition(f"({subject.text} {sign} {other.text})", subject, other)

    def _operand(self, node: exp.Expr, subject: Sql, column: Column | None, depth: int) -> Sql:
        """The right side of a comparison; literals take the form that the left side needs."""
        if isinstance(node, exp.Boolean) and subject.type is Type.ATTRIBUTE:
            return self._bound("String", str(bool(node.this)).lower(), Type.TEXT)
        if isinstance(node, exp.Literal) and node.is_string:
            if subject.type is Type.TIME:
                return self._time(node)
            if column is not None and column.values:
                return self._bound("String", self._spelling(node, column), Type.TEXT)
        return self._value(node, depth)

    def _spelling(self, node: exp.Literal, column: Column) -> str:
        found = {value.lower(): value for value in column.values}.get(node.this.lower())
        if found is None:
            raise refusal(node, f"{column.name} is never {node.this!r}{suggestion(node.this, column.values)}")
        return found

    def _in(self, node: exp.In, depth: int) -> Sql:
        items = node.expressions
        if not items:
            raise refusal(node, _IN_TAKES)
        for item in items:
            if not isinstance(item, (exp.Literal, exp.Neg)):
                raise refusal(item, _IN_TAKES)
        if all(isinstance(item, exp.Literal) and item.is_string for item in items):
            column = self._column(node.this) if isinstance(node.this, exp.Column) else None
            subject = self._value(node.this, depth + 1)
            if _comparable(subject.type) is Type.TEXT:
                spelled = column if column is not None and column.values else None
                values = [self._spelling(item, spelled) if spelled else item.this for item in items]
                return _condition(f"({subject.text} IN {self._bound('Array(String)', values, Type.TEXT).text})")
        parts = [self._compare(node.this, "=", item, depth) for item in items]
        return _condition("(" + " OR ".join(part.text for part in parts) + ")", *parts)

    def _like(self, node: exp.Like | exp.ILike, depth: int) -> Sql:
        pattern = node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise refusal(pattern, "LIKE takes a pattern in 'single quotes'")
        if (len(pattern.this) - len(pattern.this.rstrip("\\"))) % 2:
            raise refusal(pattern, "a pattern cannot end in a single backslash")
        word = ("NOT " if node.args.get("negate") else "") + ("LIKE" if isinstance(node, exp.Like) else "ILIKE")
        subject = self._text(node.this, depth + 1)
        return _condition(f"({subject.text} {word} {self._bound('String', pattern.this, Type.TEXT).text})")

    def _is_null(self, node: exp.Is, depth: int) -> Sql:
        if not isinstance(node.expression, exp.Null):
            raise refusal(node.expression, "IS is for NULL only")
        if isinstance(node.this, exp.Bracket):
            source, key = self._attribute_parts(node.this, depth + 1)
            return _condition(f"(NOT mapContains({source}, {key.text}))")
        subject = self._value(node.this, depth + 1)
        if subject.type is not Type.TEXT:
            raise refusal(node.this, f"{subject.type} is never NULL here")
        return _condition(f"({subject.text} = '')")

    def _text(self, node: exp.Expr, depth: int) -> Sql:
        found = self._value(node, depth)
        if _comparable(found.type) is not Type.TEXT:
            raise refusal(node, f"text is needed here, this is {found.type}")
        return found

    def _value(self, node: exp.Expr, depth: int) -> Sql:
        self._check_shape(node, depth)
        match node:
            case exp.Paren():
                return self._value(node.this, depth + 1)
            case exp.Column():
                column = self._column(node)
                return Sql(column.sql, column.type)
            case exp.Bracket():
                source, key = self._attribute_parts(node, depth)
                return Sql(f"{source}[{key.text}]", Type.ATTRIBUTE)
            case exp.Literal() if node.is_string:
                return self._bound("String", node.this, Type.TEXT)
            case exp.Literal():
                return self._number(node, node.this)
            case exp.Neg(this=exp.Literal(is_string=False) as literal):
                return self._number(literal, f"-{literal.this}")
        if (function := _TEXT_FUNCTIONS.get(type(node))) is not None:
            return Sql(f"{function[0]}({self._text(node.this, depth + 1).text})", function[1])
        if (sign := _ARITHMETIC.get(type(node))) is not None:
            left, right = (
                _as_number(self._value(node.this, depth + 1)),
                _as_number(self._value(node.expression, depth + 1)),
            )
            if not left.type is right.type is Type.NUMBER:
                raise refusal(node, "arithmetic is for numbers")
            return Sql(f"({left.text} {sign} {right.text})", Type.NUMBER, left.nullable or right.nullable)
        raise self._refuse_unknown(node)

    def _column(self, node: exp.Column) -> Column:
        name = node.name
        if node.table or node.this.args.get("quoted"):
            raise refusal(
                node, "write columns alone and unquoted, text in 'single quotes', attributes as attributes['a.b']"
            )
        found = self.names.get(name.lower())
        if found is None and name.lower() in ATTRIBUTE_MAPS:
            raise refusal(node, f"name one attribute: {name}['a.b']")
        if found is None:
            raise refusal(node, f"unknown name {name!r}{self._nearest(name)}")
        return found

    def _nearest(self, name: str) -> str:
        columns = self.names.values()
        every = {spelled for column in columns for spelled in (column.name, *column.aliases)}
        friendly = {(*column.aliases, column.name)[0] for column in columns} | {"attributes", "resource"}
        return suggestion(name, every | friendly, shown=friendly)

    def _attribute_parts(self, node: exp.Bracket, depth: int) -> tuple[str, Sql]:
        self._check_shape(node, depth)
        source = node.this
        if not isinstance(source, exp.Column) or source.table or source.this.args.get("quoted"):
            raise refusal(node, "only attributes['…'] and resource['…'] have keys")
        sql = ATTRIBUTE_MAPS.get(source.name.lower())
        if sql is None:
            raise refusal(node, f"{source.name!r} has no keys{suggestion(source.name, ('attributes', 'resource'))}")
        keys = node.expressions
        if len(keys) != 1 or not isinstance(keys[0], exp.Literal) or not keys[0].is_string:
            raise refusal(node, "an attribute's key is one text in 'single quotes'")
        return sql, self._bound("String", keys[0].this, Type.TEXT)

    def _number(self, node: exp.Literal, text: str) -> Sql:
        try:
            whole = int(text)
        except ValueError:
            number = float(text)
        else:
            if -(2**63) <= whole < 2**63:
                return self._bound("Int64", whole, Type.NUMBER)
            number = float(whole)
        if not math.isfinite(number):
            raise refusal(node, "this number is too large")
        return self._bound("Float64", number, Type.NUMBER)

    def _time(self, node: exp.Literal) -> Sql:
        try:
            time = datetime.fromisoformat(node.this)
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            raise refusal(node, "a time is written like '2026-01-31T12:00:00Z'") from None
        if not 1970 <= time.year < 2262:
            raise refusal(node, "times are between 1970 and 2261")
        return self._bound("DateTime64(9, 'UTC')", time.strftime("%Y-%m-%d %H:%M:%S.%f"), Type.TIME)

    def _bound(self, kind: str, value: object, type_: Type) -> Sql:
        name = f"f{len(self.parameters)}"
        self.parameters[name] = value
        return Sql(f"{{{name}:{kind}}}", type_)

    def _check_shape(self, node: exp.Expr, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise refusal(node, f"nested more than {MAX_DEPTH} deep")
        parts = _SHAPES.get(type(node))
        if parts is None or any(value and name not in parts for name, value in node.args.items()):
            raise self._refuse_unknown(node)

    def _refuse_unknown(self, node: exp.Expr) -> InvalidFilter:
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


def _condition(text: str, *parts: Sql) -> Sql:
    return Sql(text, Type.CONDITION, any(part.nullable for part in parts))


def _as_number(value: Sql) -> Sql:
    return Sql(f"toFloat64OrNull({value.text})", Type.NUMBER, True) if value.type is Type.ATTRIBUTE else value


def _comparable(found: Type) -> Type:
    return Type.TEXT if found is Type.ATTRIBUTE else found
