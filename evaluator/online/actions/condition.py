"""When an action is due: a condition over one result, in the manner of SQL.

It is parsed as filters are, and held to a list; what is not on it is refused where it stands.  As in SQL, what is
compared with nothing is neither true nor false: a failed result has no value, so `value < 0.5` and `NOT value < 0.5`
both leave it out.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

from sqlglot import exp

from evaluator.errors import InvalidFilter
from evaluator.expressions.text import MAX_DEPTH, parsed, refusal, suggestion
from storage.model import Abstention, Evaluation, Failure, Level, MetricKind, Score, Status

Truth: TypeAlias = bool | None
Condition: TypeAlias = Callable[[Evaluation], Truth]
_Fact: TypeAlias = float | bool | tuple[str, ...] | None
"""A number, yes or no, or the texts of which any may be meant; None = there is none."""

STATUSES = tuple(map(str, (Status.SUCCESS, Status.FAILED, Status.NOT_APPLICABLE, Status.NOT_COMPUTED)))


@dataclass(frozen=True, slots=True)
class _Column:
    """A name of a result: what may be compared with it, how it is read, and its values where there are few."""

    kind: str
    read: Callable[[Evaluation], _Fact]
    values: Sequence[str] = ()


def _value(result: Evaluation) -> _Fact:
    return result.outcome.value if isinstance(result.outcome, Score) else None


def _label(result: Evaluation) -> _Fact:
    if not isinstance(result.outcome, Score):
        return None
    return result.outcome.labels or ((result.outcome.label,) if result.outcome.label else None)


def _text(result: Evaluation) -> _Fact:
    return (result.outcome.text,) if isinstance(result.outcome, Score) and result.outcome.text else None


def _explanation(result: Evaluation) -> _Fact:
    match result.outcome:
        case Score(explanation=text) | Abstention(reason=text) | Failure(message=text):
            return (text,) if text else None


def _error(result: Evaluation) -> _Fact:
    return (result.outcome.code,) if isinstance(result.outcome, Failure) else None


def _passed(result: Evaluation) -> _Fact:
    return {"true": True, "false": False}.get(result.metadata.get("passed", ""))


COLUMNS: Mapping[str, _Column] = {
    "value": _Column("a number", _value),
    "label": _Column("text", _label),
    "text": _Column("text", _text),
    "explanation": _Column("text", _explanation),
    "error": _Column("text", _error),
    "status": _Column("text", lambda result: (str(result.status),), STATUSES),
    "passed": _Column("true or false", _passed),
    "metric": _Column("text", lambda result: (result.metric,)),
    "kind": _Column("text", lambda result: (str(result.kind),), tuple(map(str, MetricKind))),
    "level": _Column("text", lambda result: (str(result.target.level),), tuple(map(str, Level))),
}
_ORDER: Mapping[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.LT: operator.lt, exp.LTE: operator.le, exp.GT: operator.gt, exp.GTE: operator.ge,
}  # fmt: skip
_MIRRORED: Mapping[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE, exp.EQ: exp.EQ, exp.NEQ: exp.NEQ,
}  # fmt: skip
_SHAPES: Mapping[type[exp.Expr], frozenset[str]] = {
    **dict.fromkeys((exp.Paren, exp.Not, exp.Boolean, exp.Neg), frozenset({"this"})),
    **dict.fromkeys((exp.And, exp.Or, exp.Is, *_MIRRORED), frozenset({"this", "expression"})),
    exp.In: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Column: frozenset({"this"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Null: frozenset(),
}


def compile_condition(text: str, *, field: str = "rule.actions.when") -> Condition:
    """A condition; '' is true of every result.

    Raises:
        InvalidFilter: With the position (characters from 0) of what is not accepted.
    """
    if not text.strip():
        return lambda result: True
    try:
        return _condition(parsed(text, what="condition"), 0)
    except InvalidFilter as error:
        raise InvalidFilter(error.reason, position=error.position, field=field) from None


def _condition(node: exp.Expr, depth: int) -> Condition:
    _check_shape(node, depth)
    match node:
        case exp.Paren():
            return _condition(node.this, depth + 1)
        case exp.And():
            return _all([_condition(part, depth + 1) for part in node.flatten(unnest=False)])
        case exp.Or():
            parts = [_negated(_condition(part, depth + 1)) for part in node.flatten(unnest=False)]
            return _negated(_all(parts))
        case exp.Not():
            return _negated(_condition(node.this, depth + 1))
        case exp.Boolean():
            constant = bool(node.this)
            return lambda result: constant
        case exp.Column():
            return _compared(node, exp.EQ, exp.Boolean(this=True))
        case exp.Is():
            return _is(node)
        case exp.In():
            return _in(node)
        case exp.Between():
            ends = ((exp.GTE, node.args["low"]), (exp.LTE, node.args["high"]))
            return _all([_compared(node.this, sign, end) for sign, end in ends])
    if type(node) not in _MIRRORED:
        raise refusal(node, f"a condition is needed here, not {_said(node)}")
    if isinstance(node.expression, exp.Column) and not isinstance(node.this, exp.Column):
        return _compared(node.expression, _MIRRORED[type(node)], node.this)
    return _compared(node.this, type(node), node.expression)


def _all(parts: Sequence[Condition]) -> Condition:
    def every(result: Evaluation) -> Truth:
        found = [part(result) for part in parts]
        return False if False in found else None if None in found else True

    return every


def _negated(part: Condition) -> Condition:
    def opposite(result: Evaluation) -> Truth:
        found = part(result)
        return None if found is None else not found

    return opposite


def _compared(subject: exp.Expr, sign: type[exp.Expr], other: exp.Expr) -> Condition:
    column = _column(subject)
    wanted = _literal(other, column)
    read = column.read
    if sign in (exp.EQ, exp.NEQ):
        equal = _equals(read, (wanted,))
        return equal if sign is exp.EQ else _negated(equal)
    if column.kind != "a number":
        raise refusal(other, f"{_name(subject)} is {column.kind}: compare it by = or !=")
    compare = _ORDER[sign]

    def ordered(result: Evaluation) -> Truth:
        found = read(result)
        return None if found is None else compare(found, wanted)

    return ordered


def _equals(read: Callable[[Evaluation], _Fact], wanted: Sequence[str | float | bool]) -> Condition:
    """Whether what is there is one of those wanted; of several labels, whether any is."""

    def equal(result: Evaluation) -> Truth:
        found = read(result)
        if found is None:
            return None
        return any(each in wanted for each in (found if isinstance(found, tuple) else (found,)))

    return equal


def _in(node: exp.In) -> Condition:
    column = _column(node.this)
    if not node.expressions:
        raise refusal(node, "IN takes a list of literals in parentheses")
    return _equals(column.read, tuple(_literal(item, column) for item in node.expressions))


def _is(node: exp.Is) -> Condition:
    read = _column(node.this).read
    match node.expression:
        case exp.Null():
            return lambda result: read(result) is None
        case exp.Boolean():
            return _compared(node.this, exp.EQ, node.expression)
    raise refusal(node.expression, "IS is for NULL, TRUE and FALSE")


def _column(node: exp.Expr) -> _Column:
    while isinstance(node, exp.Paren):
        node = node.this
    if not isinstance(node, exp.Column) or node.table or node.this.args.get("quoted"):
        raise refusal(node, f"compare one of {', '.join(COLUMNS)} with a literal; text stands in 'single quotes'")
    found = COLUMNS.get(node.name.lower())
    if found is None:
        raise refusal(node, f"unknown name {node.name!r}{suggestion(node.name, COLUMNS)}")
    return found


def _name(node: exp.Expr) -> str:
    return str(node.unnest().name).lower()


def _literal(node: exp.Expr, column: _Column) -> str | float | bool:
    """The value that is compared with a column, of its kind."""
    sign = 1.0
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        node, sign = node.this, -1.0
    if isinstance(node, exp.Null):
        raise refusal(node, "NULL equals nothing: write IS NULL or IS NOT NULL")
    kind = {True: "text", False: "a number"}[bool(node.is_string)] if isinstance(node, exp.Literal) else ""
    kind = "true or false" if isinstance(node, exp.Boolean) else kind
    if not kind:
        raise refusal(node, "a literal is needed here: a number, 'text', true or false")
    if kind != column.kind:
        raise refusal(node, f"{column.kind} is needed here, this is {kind}")
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if kind == "a number":
        if not isfinite(number := sign * float(node.this)):
            raise refusal(node, "this number is too large")
        return number
    text = str(node.this)
    if not column.values:
        return text
    if text.lower() not in column.values:
        raise refusal(node, f"it is never {text!r}{suggestion(text, column.values)}")
    return text.lower()


def _check_shape(node: exp.Expr, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise refusal(node, f"nested more than {MAX_DEPTH} deep")
    parts = _SHAPES.get(type(node))
    if parts is None or any(value and name not in parts for name, value in node.args.items()):
        raise refusal(node, f"{_said(node)} is not allowed in the condition of an action")


def _said(node: exp.Expr) -> str:
    return f"{type(node).__name__.lower()}" if not isinstance(node, exp.Literal) else "a literal"
