"""Review items: the port `ReviewItems`.  Places are taken by conditional UPDATEs, which the server serialises."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from storage.clickhouse.client import Database, statement
from storage.clickhouse.queue import ClickHouseLeases
from storage.clickhouse.runs import EVERYTHING, FILTER, condition, parameters_of
from storage.errors import Unavailable
from storage.model import Level, TargetRef, storable
from storage.reviewing import Drawn, Item, Progress
from storage.runs import Selected, SelectedTarget

LEASE = "review"
LEASE_SECONDS = 30.0
"""Of one INSERT; far more than it takes, and so long all wait for one whose process died."""
TURN_SECONDS = 60.0
LOOK_SECONDS = 0.05
MAX_IDS = 1000
"""Ids in one parameter: ClickHouse refuses form values over 128 KiB."""
FIRST_PLACE = -(2**63)
_COLUMNS = (
    "Queue", "ItemId", "MetricName", "Level", "TraceId", "SpanId", "SessionId", "EvaluationId", "Source", "Rank",
)  # fmt: skip
_TARGETS = {Level.SPAN: "run_spans", Level.TRACE: "run_traces", Level.SESSION: "run_sessions"}


class ClickHouseReviewItems:
    """`storage.reviewing.ReviewItems` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leases = ClickHouseLeases(database)
        self._filling = asyncio.Lock()

    async def add(self, items: Sequence[Item]) -> int:
        """See the port, here and below."""
        if not items:
            return 0
        queue = items[0].queue
        async with self._turn():
            known = await self.present(queue, [each.item_id for each in items])
            new = {each.item_id: each for each in reversed(items) if each.item_id not in known}
            rows = [_to_row(each) for each in sorted(new.values(), key=lambda each: each.rank)]
            if rows:
                await self._database.insert_rows("review_items", _COLUMNS, rows)
            return len(rows)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One filling at a time: of this process by the lock, of all by the lease."""
        owner = f"filling-{secrets.token_hex(6)}"
        async with self._filling:
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    while not await self._leases.take(LEASE, owner, ttl_seconds=LEASE_SECONDS):  # noqa: ASYNC110
                        await asyncio.sleep(LOOK_SECONDS)  # another process's lease tells nobody when it ends
            except TimeoutError:
                raise Unavailable("another filling of review queues takes its time") from None
            try:
                yield
            finally:
                await asyncio.shield(self._leases.release(owner))

    async def present(self, queue: str, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        found: set[uuid.UUID] = set()
        for part in _parts(ids):
            rows = await self._database.rows("review_present", {"queue": queue, "items": part})
            found |= {uuid.UUID(row["item_id"]) for row in rows}
        return found

    async def get(self, queue: str, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Item]:
        found: dict[uuid.UUID, Item] = {}
        for part in _parts(ids):
            for item in await self._items(queue, items=part, limit=EVERYTHING):
                found[item.item_id] = item
        return found

    async def free(self, queue: str, annotator: str, *, metric: str, quorum: int, limit: int) -> list[Item]:
        return await self._items(queue, me=annotator, metric=metric, quorum=quorum, limit=limit)

    async def _items(
        self, queue: str, *, items: Sequence[str] = (), me: str = "", metric: str = "", quorum: int = 0, limit: int
    ) -> list[Item]:
        parameters = {"queue": queue, "items": list(items), "me": me, "metric": metric, "quorum": quorum}
        rows = await self._database.rows("review_items", parameters | {"max_rows": limit})
        return [_from_row(row) for row in rows]

    async def claim(
        self, queue: str, items: Collection[uuid.UUID], annotator: str, *, quorum: int, ttl_seconds: float
    ) -> dict[uuid.UUID, datetime]:
        found: dict[uuid.UUID, datetime] = {}
        for place in _places(queue, items, annotator):
            await self._database.run("review_claim", place | {"quorum": quorum, "ttl_ms": round(ttl_seconds * 1000)})
            for row in await self._database.rows("review_claimed", place):
                found[uuid.UUID(row["item_id"])] = _time(row["until_ms"])
        return found

    async def complete(self, queue: str, items: Collection[uuid.UUID], annotator: str) -> None:
        for place in _places(queue, items, annotator):
            await self._database.run("review_complete", place)

    async def release(self, queue: str, item: uuid.UUID, annotator: str, *, skip: bool) -> None:
        for place in _places(queue, [item], annotator):
            await self._database.run("review_release", place | {"pass": skip})

    async def reopen(self, queue: str, items: Collection[uuid.UUID], annotator: str) -> None:
        for place in _places(queue, items, annotator):
            await self._database.run("review_reopen", place)

    async def drop(self, queue: str, item: uuid.UUID) -> None:
        await self._database.run("review_drop", {"queue": queue, "items": [str(item)]})

    async def clear(self, queue: str) -> None:
        await self._database.run("review_drop", {"queue": queue, "items": []})

    async def progress(self, queues: Mapping[str, int]) -> dict[str, Progress]:
        names = sorted(queues)
        found = dict.fromkeys(names, Progress())
        parameters = {"names": names, "quorums": [queues[name] for name in names]}
        for row in await self._database.rows("review_progress", parameters) if names else ():
            verdicts = dict(sorted(Counter(row.pop("verdicts")).items()))
            queue = row.pop("queue")
            found[queue] = Progress(**row, verdicts=verdicts)
        return found

    async def draw(
        self, selected: Selected, *, seed: str | None, after: Sequence[str | int], limit: int
    ) -> list[Drawn]:
        place, first, second = after or (FIRST_PLACE, "", "")
        targets = statement(_TARGETS[selected.level]).replace(FILTER, condition(selected))
        first_trace = "''"
        if selected.level is Level.SESSION:
            first_trace = "first_trace_id"
            targets = f"SELECT session_id AS trace_id, '' AS span_id, start_ns, first_trace_id FROM ({targets})"
        sql = statement("review_draw").replace("/*targets*/", targets).replace("/*first_trace*/", first_trace)
        window = {
            "after_ns": selected.since_ns,
            "until_ns": selected.until_ns,
            "after_id": "",
            "after_span_id": "",
            "max_rows": EVERYTHING,
        }
        wanted = {
            "seeded": seed is not None,
            "seed": seed or "",
            "place": place,
            "place_id": first,
            "place_span_id": second,
            "page_rows": limit,
        }
        rows = await self._database.query(sql, parameters_of(selected) | window | wanted)
        return [_drawn(selected.level, row) for row in rows]


def _drawn(level: Level, row: Mapping[str, Any]) -> Drawn:
    first = row["trace_id"]
    ids = {"session_id": first} if level is Level.SESSION else {"trace_id": first, "span_id": row["span_id"]}
    return Drawn(
        target=SelectedTarget(
            ref=TargetRef(level=level, **ids), start_ns=row["start_ns"], first_trace_id=row["first_trace"]
        ),
        place=(row["place"], first, row["span_id"]),
    )


def _places(queue: str, items: Collection[uuid.UUID], annotator: str) -> Iterator[dict[str, object]]:
    return ({"queue": queue, "items": part, "me": annotator} for part in _parts(items))


def _parts(ids: Collection[uuid.UUID]) -> list[list[str]]:
    texts = sorted(map(str, ids))
    return [texts[start : start + MAX_IDS] for start in range(0, len(texts), MAX_IDS)]


def _to_row(item: Item) -> tuple[object, ...]:
    ref = item.target
    return (
        item.queue,
        item.item_id,
        item.metric,
        str(ref.level),
        ref.trace_id,
        ref.span_id,
        ref.session_id,
        item.result_id,
        storable(item.source),
        item.rank,
    )


def _from_row(row: Mapping[str, Any]) -> Item:
    return Item(
        queue=row["queue"],
        metric=row["metric"],
        target=TargetRef(
            level=Level(row["level"]), trace_id=row["trace_id"], span_id=row["span_id"], session_id=row["session_id"]
        ),
        result_id=uuid.UUID(row["result_id"]),
        source=row["source"],
        rank=row["rank"],
        claims={annotator: _time(until_ms) for annotator, until_ms in row["claims"].items()},
        skipped=tuple(row["skipped"]),
        done=tuple(row["done"]),
        created=_time(row["created_ms"]),
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
