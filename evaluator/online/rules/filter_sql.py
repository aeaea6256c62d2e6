"""Pieces of a filter as SQL, and how they are put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluator.expressions.columns import Type


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL.

    Attributes:
        nullable: It may be NULL: a number of an attribute that is none, a result that is not there.
        missing: SQL of whether it is not there; '' = it always is.
        name: Of a column or attribute, as it was written.
        values: All that it can be, where these are few.
    """

    text: str
    type: Type
    nullable: bool = False
    missing: str = ""
    name: str = ""
    values: tuple[str, ...] = ()


@dataclass(slots=True)
class Parameters:
    """Literals, bound as `f0`, `f1`, …: nothing that a user wrote stands in the SQL itself."""

    values: dict[str, object] = field(default_factory=dict)

    def bound(self, kind: str, value: object, type_: Type) -> Sql:
        """A literal of a ClickHouse type."""
        name = f"f{len(self.values)}"
        self.values[name] = value
        return Sql(f"{{{name}:{kind}}}", type_)

    def text(self, value: str) -> Sql:
        """A text."""
        return self.bound("String", value, Type.TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One of the conditions that must all hold, for people who ask which did not.

    Attributes:
        text: As it was written.
        sql: 1 or 0, over the same columns and parameters as the whole filter.
        reads: What it looks at, as it was written -> SQL of its value (text, number, time; may be NULL).
        metrics: Names of the metrics whose results it reads.
    """

    text: str
    sql: str
    reads: Mapping[str, str]
    metrics: tuple[str, ...] = ()


def condition(text: str, *parts: Sql) -> Sql:
    """A condition made of others."""
    return Sql(text, Type.CONDITION, any(part.nullable for part in parts))


def whole(found: Sql) -> str:
    """A condition that is 1 or 0, never NULL."""
    return f"ifNull({found.text}, 0)" if found.nullable else found.text


def as_number(value: Sql) -> Sql:
    """An attribute read as a number."""
    return Sql(f"toFloat64OrNull({value.text})", Type.NUMBER, True) if value.type is Type.ATTRIBUTE else value


def comparable(found: Type) -> Type:
    """What a type is compared as."""
    return Type.TEXT if found is Type.ATTRIBUTE else found
