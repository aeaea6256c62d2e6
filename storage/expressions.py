"""Expressions over spans, computed in the store: the vocabulary of `sql` metrics, and the port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from storage.model import TargetRef
from storage.telemetry import TargetRecord

Value: TypeAlias = str | bool | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanExpression:
    """A compiled expression over the columns of view `spans`.

    Attributes:
        sql: ClickHouse SQL, of an allow-list, with every literal bound.
        parameters: What is bound, by name (`e0`, `e1`, …).
        aggregate: Over the spans of a trace or session; else over one span.
    """

    sql: str
    parameters: Mapping[str, object]
    aggregate: bool


class SpanExpressions(Protocol):
    """Computes expressions with the rights of a user that reads view `spans` and nothing else."""

    async def type_of(self, expression: SpanExpression) -> str:
        """ClickHouse's name of the type, without Nullable and LowCardinality; `Nothing` = it is always NULL.

        Raises:
            Rejected: The server does not accept the expression; says why.
        """

    async def values_between(self, expression: SpanExpression, *, since_ns: int, until_ns: int) -> bytes:
        """The value, as Nullable(Float64), on every span that starts in [since, until): Native blocks with columns
        `trace_id`, `span_id`, `value`.  Each span stands once.

        Raises:
            Rejected: As `values`.
        """

    async def values(self, expression: SpanExpression, records: Sequence[TargetRecord]) -> Mapping[TargetRef, Value]:
        """The value on each target that is still stored; all targets are of one level.  Each span counts once.

        Raises:
            Rejected: The expression fails on a value, or takes too long or too much memory.
        """
