"""How long things are kept: what an operator may write, and what it means for every table.

Nothing is deleted unless somebody asks.  Age counts from arrival on the server's clock, never from the sender's: a span
from 1970 lives as long as any other, and one from the year 2200 does not stay for ever (docs/adr/0013).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_DAYS = 10_000
"""ClickHouse's TTL is a 32-bit time that ends in 2106: a date behind it would wrap round and delete at once."""
TELEMETRY = ("otel_traces", "otel_logs")
"""What a plain number of days is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainedTable:
    """One table with an age.

    Attributes:
        arrival: Column of server time; a row's age is counted from it.
        follows: The table by whose name its days are set; itself, or the one whose rows it repeats.
        own_days: It never keeps longer than this; None = as long as asked.
        whole_parts: Only whole parts are dropped, which costs nothing; else single rows are merged away.
    """

    name: str
    arrival: str
    follows: str
    own_days: int | None = None
    whole_parts: bool = True

    def days(self, asked: Mapping[str, int]) -> int | None:
        """Days to keep, 0 = for ever, None = nobody asked: it stays as it is."""
        days = asked.get(self.follows)
        if days is None or self.own_days is None:
            return days
        return min(days or self.own_days, self.own_days)


TABLES = (
    RetainedTable(name="otel_traces", arrival="IngestedAt", follows="otel_traces"),
    RetainedTable(name="otel_logs", arrival="IngestedAt", follows="otel_logs"),
    RetainedTable(name="trace_events", arrival="IngestedAt", follows="otel_traces", own_days=30),
    # Rows of many ages share a part here, and a trace must not be listed for long when its spans are gone.
    RetainedTable(name="traces_rollup", arrival="LastIngested", follows="otel_traces", whole_parts=False),
    RetainedTable(name="session_traces", arrival="FirstIngested", follows="otel_traces", whole_parts=False),
    # They quote telemetry, so they never outlive it.
    RetainedTable(name="judge_traces", arrival="IngestedAt", follows="otel_traces", own_days=30),
    RetainedTable(name="judge_cache", arrival="CreatedAt", follows="otel_traces", own_days=30, whole_parts=False),
    RetainedTable(name="evaluations", arrival="InsertedAt", follows="evaluations"),
    RetainedTable(name="evaluations_current", arrival="InsertedAt", follows="evaluations"),
    RetainedTable(name="action_deliveries", arrival="CreatedAt", follows="evaluations"),
)
NAMES = tuple(table.name for table in TABLES if table.name == table.follows)
"""Tables that an operator may name."""


def parse_retention(text: str) -> Mapping[str, int]:
    """Days by table, out of `30`, `otel_traces=30,evaluations=400`, or `30,otel_logs=7`; 0 = for ever.

    A plain number is for spans and logs.  A name wins over it.  What is not named is not in the answer: such a table
    stays as it is.

    Raises:
        ValueError: Says what is wrong with it.
    """
    plain: list[int] = []
    named: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, separator, days = (part.strip() for part in item.rpartition("="))
        if separator and name not in NAMES:
            raise ValueError(f"there is no table {name!r} to keep; there are {', '.join(NAMES)}")
        if not (days.isascii() and days.isdigit()) or int(days) > MAX_DAYS:
            raise ValueError(f"{days!r} is no number of days from 0 (for ever) to {MAX_DAYS}")
        if name in named or (plain and not separator):
            raise ValueError(f"{name or 'the plain number'} is there twice")
        if separator:
            named[name] = int(days)
        else:
            plain.append(int(days))
    return {table: days for days in plain for table in TELEMETRY} | named
