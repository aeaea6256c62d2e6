"""Budgets as conditional UPDATEs of one row, which the server serialises: the port `Budgets`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace

from storage.budgets import BudgetDay, Draw, Drawn, Standing, Unit
from storage.clickhouse.client import Database
from storage.errors import Unavailable


class ClickHouseBudgets:
    """`storage.budgets.Budgets` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now_ms(self) -> int:
        """See the port, here and below."""
        [row] = await self._database.rows("budget_clock")
        return int(row["now_ms"])

    async def draw(self, budget: BudgetDay, draw: Draw) -> Drawn:
        """An UPDATE, and its proof read back; the row is made when it is missed."""
        place = {"scope": budget.scope, "day": budget.day, "unit": str(budget.unit)}
        for _ in range(3):  # at most: no row yet, and a token that is gone
            await self._database.run("budget_draw", place | asdict(draw))
            rows = await self._database.rows("budget_drawn", place | {"old": draw.old, "new": draw.new})
            if not rows:
                await self._database.run("budget_open", place)
                continue
            row = rows[0]
            if row["landed"]:
                return Drawn(amount=row["drawn"], others=max(0.0, row["others"]), spent=row["spent"])
            if row["lost"]:  # the row was made anew under us, from a backup for example
                draw = replace(draw, old="")
        raise Unavailable(f"no draw from the budget of {budget.scope} took place")

    async def standing(self, scopes: Collection[str]) -> list[Standing]:
        rows = await self._database.rows("budget_standing", {"scopes": sorted(scopes)})
        return [
            Standing(
                of=BudgetDay(scope=row["scope"], day=row["day"], unit=Unit(row["unit"])),
                spent=row["spent"],
                drawn=row["drawn"],
                limit=row["daily_limit"],
            )
            for row in rows
        ]
