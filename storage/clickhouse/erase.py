"""Erases one trace, session or user from every table, and from disk: the port `Erasure`.

1. Plan: ids of everything that belongs to it, in the table `erasing`, so that a crash loses nothing.
2. Telemetry first, so that nothing new is scored; then, when scoring that was under way is over, what was made of it.
3. Verify, again and again, until every table answers zero.
4. Remove the replaced parts from disk, record the proof, forget the plan.

Every step may be repeated.  Ids stand in no statement: ClickHouse keeps statements.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from storage.clickhouse import erasable
from storage.clickhouse.client import Database, statement
from storage.clickhouse.erasable import ERASED
from storage.clickhouse.old_parts import OldParts
from storage.erasure import Erased, Found, Root

ROUNDS = 5
"""So often is deleted and verified; a sender that repeats a trace without a pause is faster than that."""
SCORING_SECONDS = 180.0
"""So long is waited for a rule's scoring that is under way: what it reads is gone, what it writes comes later."""
WRITERS_SECONDS = 60.0
POLL_SECONDS = 0.2
_DRY_RUN = "-dry-run"
_INTO_PLAN = "INSERT INTO erasing (Request, Kind, Id)"
_SYSTEM_LOGS = ("query_log", "error_log")
"""They quote statements, and with them whatever somebody has searched for."""


class ClickHouseErasure:
    """`storage.erasure.Erasure` over ClickHouse.

    Args:
        embedded: The server is ours, so its own log of statements is emptied, too.
        progress: Told in a sentence what is being waited for.
    """

    def __init__(
        self,
        database: Database,
        *,
        key: bytes,
        embedded: bool,
        progress: Callable[[str], None] = lambda sentence: None,
        scoring_seconds: float = SCORING_SECONDS,
    ) -> None:
        self._database = database
        self._key = key
        self._embedded = embedded
        self._progress = progress
        self._scoring_seconds = scoring_seconds
        self._parts = OldParts(database, progress)

    async def find(self, root: Root) -> Found:
        """What would be erased; see the port."""
        plan = _Plan(self._database, root, root.digest(self._key) + _DRY_RUN)
        try:
            await plan.make()
            found = await plan.found(await plan.rows())
        finally:
            await self._forget(plan)
        return found

    async def erase(self, root: Root, *, author: str = "") -> Erased:
        """Erase and prove it; see the port."""
        started_ms = int(time.time() * 1000)
        plan = _Plan(self._database, root, root.digest(self._key))
        resumed = await plan.exists()
        await self._writers_done()  # rows that are on their way belong to what was stored before
        await self._parts.unmask(ERASED)
        await plan.make()
        rows = await plan.rows()
        found = await plan.found(rows, resumed=resumed)
        if found.nothing:
            await self._forget(plan)
            return Erased(found=found)
        self._progress(f"{found.traces} traces, {sum(found.rows.values())} rows in {len(found.rows)} tables")
        await self._delete(plan, {table: count for table, count in rows.items() if ERASED[table].source})
        scoring = await self._scoring_done(plan)
        await self._delete(plan, {table: count for table, count in rows.items() if not ERASED[table].source})
        left = await self._until_gone(plan)
        old_parts = await self._parts.remove(ERASED)
        if self._embedded:
            await self._empty_system_logs()
        arrived = await plan.arrived()
        erased = Erased(
            found=found,
            left=left,
            scoring=scoring,
            old_parts=old_parts,
            detached_parts=await self._parts.detached(ERASED),
            arrived=arrived,
        )
        if erased.complete:
            await self._record(plan, found.rows, author, started_ms)
            await self._forget(plan)
        return erased

    async def unfinished(self) -> int:
        """Erasures that were begun and did not end; see the port."""
        rows = await self._database.query("SELECT uniqExact(Request) AS n FROM erasing")
        return int(rows[0]["n"])

    async def late(self) -> Mapping[str, int]:
        """What arrived under erased ids; see the port."""
        return {row["what"]: row["traces"] for row in await self._database.rows("erase_late")}

    async def _until_gone(self, plan: _Plan) -> dict[str, int]:
        """Verify and delete again, until statements that ran meanwhile are over and nothing of the plan is there."""
        left: dict[str, int] = {}
        for _ in range(ROUNDS):
            await self._writers_done()
            left = await plan.rows()
            if not left:
                break
            self._progress(f"{sum(left.values())} rows arrived meanwhile")
            await self._parts.unmask(left)
            await self._delete(plan, left)
        return left

    async def _delete(self, plan: _Plan, rows: Mapping[str, int]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for table, count in rows.items():
                    self._progress(f"{table}: {count} rows")
                    group.create_task(self._parts.mutate(table, plan.command(table), mark=plan.request))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed  # one reason is enough: asking again goes on with all of them

    async def _scoring_done(self, plan: _Plan) -> int:
        """Wait for scoring that rules have under way on it; returns how much was not over in time."""
        limit = time.monotonic() + self._scoring_seconds
        while under_way := await plan.under_way():
            if time.monotonic() > limit:
                return under_way
            self._progress(f"waiting for {under_way} results that are under way")
            await asyncio.sleep(5 * POLL_SECONDS)
        return 0

    async def _writers_done(self) -> None:
        """Wait for statements that write into our tables at this moment."""
        tables = {"tables": rf"\b({'|'.join(ERASED)})\b"}
        limit = time.monotonic() + WRITERS_SECONDS
        running = {row["query_id"] for row in await self._database.rows("erase_writers", tables)}
        while running and time.monotonic() < limit:
            await asyncio.sleep(POLL_SECONDS)
            running &= {row["query_id"] for row in await self._database.rows("erase_writers", tables)}

    async def _empty_system_logs(self) -> None:
        await self._database.execute("SYSTEM FLUSH LOGS")
        for log in _SYSTEM_LOGS:
            await self._database.execute(f"TRUNCATE TABLE IF EXISTS system.{log}")

    async def _record(self, plan: _Plan, rows: Mapping[str, int], author: str, started_ms: int) -> None:
        await self._database.run(
            "erase_record",
            {
                "kind": plan.root.kind,
                "target": plan.request,
                "tables": list(rows),
                "rows": list(rows.values()),
                "author": author,
                "started_ms": started_ms,
            },
        )

    async def _forget(self, plan: _Plan) -> None:
        for request in {plan.request, plan.root.digest(self._key) + _DRY_RUN}:  # one that was cut off may be there
            await self._database.execute(f"ALTER TABLE erasing DROP PARTITION '{request}'")
        await self._parts.remove(["erasing"])


class _Plan:
    """What belongs to one root, as rows of `erasing`; `request` is a digest."""

    def __init__(self, database: Database, root: Root, request: str) -> None:
        self._database = database
        self.root = root
        self.request = request

    async def exists(self) -> bool:
        """Whether an erasure was begun and did not end."""
        return bool(await self._count("root_" + self.root.kind))

    async def make(self) -> None:
        """Collect ids; again where it was begun."""
        kind, asked = self.root.kind, {"request": self.request, "kind": self.root.kind}
        roots = [(self.request, f"root_{kind}", self.root.id)]
        if kind == "trace":
            roots.append((self.request, "trace", self.root.id))
        await self._database.insert_rows("erasing", ("Request", "Kind", "Id"), roots)
        if kind != "trace":
            await self._database.execute(f"{_INTO_PLAN} {self._traces_of(kind)}", asked)
        for step in ("erase_sessions", "erase_neighbours"):
            await self._database.run(step, {"request": self.request})

    def _traces_of(self, kind: str) -> str:
        text = statement("erase_traces")
        for place, expression in {
            "column": {"session": "SessionId", "user": "UserId"}[kind],
            "root": f"{{root_{kind}}}",
            "named_by_span": erasable.names_root(kind, "SpanAttributes"),
            "named_by_resource": erasable.names_root(kind, "ResourceAttributes"),
            "named_by_log": erasable.names_root(kind, "LogAttributes"),
        }.items():
            text = text.replace(f"/*{place}*/", self._bound(expression))
        return text

    async def found(self, now: Mapping[str, int], *, resumed: bool = False) -> Found:
        """What there is; an erasure that goes on says what it found when it began."""
        rows = dict(now)
        for row in await self._database.query(
            "SELECT Id FROM erasing WHERE Request = {request:String} AND Kind = 'rows'", {"request": self.request}
        ):
            table, _, count = row["Id"].partition("=")
            rows[table] = max(rows.get(table, 0), int(count))
        if not resumed and rows:
            remembered = [(self.request, "rows", f"{table}={count}") for table, count in rows.items()]
            await self._database.insert_rows("erasing", ("Request", "Kind", "Id"), remembered)
        return Found(
            traces=await self._count("trace") if rows else 0,
            sessions=await self._count("session") if rows else 0,
            rows=rows,
            resumed=resumed,
        )

    async def rows(self) -> dict[str, int]:
        """Rows that are there, by table; tables without any are left out.  Rows that are only marked count, too."""
        found: dict[str, int] = {}
        for table, how in ERASED.items():
            condition = self._bound(f"({how.rows})" + (f" OR ({how.changed})" if how.changed else ""))
            count = await self._database.query(
                f"SELECT count() AS n FROM {table} WHERE {condition}", settings={"apply_deleted_mask": 0}
            )
            if count[0]["n"]:
                found[table] = int(count[0]["n"])
        return found

    def command(self, table: str) -> str:
        """What an ALTER of the table has to do."""
        how = ERASED[table]
        parts = [f"DELETE WHERE {self._bound(how.rows)}"] if how.rows != "0" else []
        if how.assignments:
            parts.append(f"UPDATE {self._bound(how.assignments)} WHERE {self._bound(how.changed)}")
        return ", ".join(parts)

    async def under_way(self) -> int:
        """Scoring by living workers."""
        rows = await self._database.query(
            "SELECT count() AS n FROM decisions FINAL WHERE Decision = 'started' AND Worker IN "
            "(SELECT Owner FROM shard_leases WHERE Name = 'score' AND ExpiresAt > now64(3)) "
            f"AND ({self._bound(ERASED['decisions'].rows)})"
        )
        return int(rows[0]["n"])

    async def arrived(self) -> int:
        """Traces of the same session or user that came after the plan was made."""
        if self.root.kind == "trace":
            return 0
        rows = await self._database.query(
            f"SELECT count() AS n FROM ({self._traces_of(self.root.kind)})",
            {"request": self.request, "kind": self.root.kind},
        )
        return int(rows[0]["n"])

    async def _count(self, kind: str) -> int:
        rows = await self._database.query(
            "SELECT uniqExact(Id) AS n FROM erasing WHERE Request = {request:String} AND Kind = {kind:String}",
            {"request": self.request, "kind": kind},
        )
        return int(rows[0]["n"])

    def _bound(self, text: str) -> str:
        """A condition with its places filled by sub-queries over the plan."""
        ids = f"FROM erasing WHERE Request = '{self.request}' AND Kind"
        places = {place: f"(SELECT Id {ids} = '{kind}')" for place, kind in erasable.PLANNED.items()}
        places |= {f"root_{kind}": f"(SELECT any(Id) {ids} = 'root_{kind}')" for kind in ("session", "user")}
        places |= {f"all_{kind}s": f"(SELECT groupArray(Id) {ids} = '{kind}')" for kind in ("trace", "session")}
        for place, query in places.items():
            text = text.replace(f"{{{place}}}", query)
        return text
