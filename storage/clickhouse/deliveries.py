"""What actions send out: the port `Deliveries`."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from storage.clickhouse.client import Database, statement
from storage.deliveries import Delivery, DeliveryCursor, DeliverySource, DeliveryState, Lane, Pending
from storage.errors import NotFound
from storage.model import storable

_COLUMNS = (
    "DeliveryId", "Source", "Owner", "Action", "Kind", "EvaluationId", "TraceId", "SessionId", "Body", "State",
    "Attempts", "NextAttemptAt", "GiveUpAt", "LastError", "CreatedAt", "Version",
)  # fmt: skip
_FREE = "concat(toString(Source), '/', Owner, '/', Action) NOT IN {held:Array(String)}"
_PENDING = (
    f"SELECT count() AS n, countIf({_FREE}) AS free, toUnixTimestamp64Milli(now64(3)) AS now_ms, "
    f"toUnixTimestamp64Milli(min(GiveUpAt)) AS give_up_ms, toUnixTimestamp64Milli(minIf(NextAttemptAt, {_FREE})) AS "
    "next_ms FROM action_deliveries FINAL "
    "WHERE GiveUpAt >= fromUnixTimestamp64Milli({since_ms:Int64}) AND State = 'pending'"
)
_OF_ONE = (
    "WHERE Source = {source:String} AND Owner = {owner:String} "
    "AND (empty({states:Array(String)}) OR toString(State) IN {states:Array(String)}) "
    "AND (NOT {placed:Bool} OR (toUnixTimestamp64Micro(CreatedAt), toString(DeliveryId)) < "
    "({before_us:Int64}, {before_id:String})) "
    "ORDER BY created_us DESC, delivery_id DESC LIMIT {max_rows:UInt32}"
)
MAX_ERROR_CHARACTERS = 500
MAX_IDS = 1000
"""Ids in one parameter: ClickHouse refuses form values over 128 KiB."""


class ClickHouseDeliveries:
    """`storage.deliveries.Deliveries` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def queue(self, deliveries: Sequence[Delivery]) -> None:
        """See the port."""
        await self.record(deliveries)

    async def known(self, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """See the port."""
        found: set[uuid.UUID] = set()
        wanted = sorted(map(str, ids))
        for start in range(0, len(wanted), MAX_IDS):
            rows = await self._database.query(
                "SELECT DISTINCT toString(DeliveryId) AS id FROM action_deliveries "
                "WHERE DeliveryId IN (SELECT toUUIDOrZero(arrayJoin({ids:Array(String)})))",
                {"ids": wanted[start : start + MAX_IDS]},
            )
            found |= {uuid.UUID(row["id"]) for row in rows}
        return found

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """See the port."""
        if not deliveries:
            return
        ids = ",".join(f"{each.delivery_id}.{each.version}.{each.state}" for each in deliveries)
        token = hashlib.blake2b(ids.encode(), digest_size=16).hexdigest()
        await self._database.insert_rows(
            "action_deliveries", _COLUMNS, [_to_row(each) for each in deliveries], token=token
        )

    async def due(
        self, *, since_ms: int, until_ms: int, held: Collection[Lane], per_lane: int, limit: int
    ) -> list[Delivery]:
        """See the port."""
        return await self._found(
            statement("deliveries_due"),
            {
                "since_ms": since_ms,
                "until_ms": until_ms,
                "held": sorted(lane.key for lane in held),
                "per_lane": per_lane,
                "max_rows": limit,
            },
        )

    async def pending(self, *, since_ms: int, held: Collection[Lane]) -> Pending:
        """See the port."""
        held_keys = sorted(lane.key for lane in held)
        [row] = await self._database.query(_PENDING, {"since_ms": since_ms, "held": held_keys})
        return Pending(
            now_ms=row["now_ms"],
            give_up_ms=row["give_up_ms"] if row["n"] else None,
            next_ms=row["next_ms"] if row["free"] else None,
        )

    async def expire(self, lane: Lane, *, until_ms: int, error: str) -> None:
        """See the port."""
        parts = {"source": str(lane.source), "owner": lane.owner, "action": lane.action}
        await self._database.run("deliveries_expire", parts | {"until_ms": until_ms, "error": storable(error)})

    async def get(self, delivery_id: uuid.UUID) -> Delivery:
        """See the port."""
        found = await self._found("WHERE DeliveryId = {id:UUID}", {"id": str(delivery_id)})
        if not found:
            raise NotFound(f"there is no delivery {delivery_id}")
        return found[0]

    async def newest(
        self,
        source: DeliverySource,
        owner: str,
        *,
        states: Collection[DeliveryState] = (),
        before: DeliveryCursor | None,
        limit: int,
    ) -> list[Delivery]:
        """See the port."""
        parameters = {
            "source": str(source),
            "owner": owner,
            "states": sorted(map(str, states)),
            "placed": before is not None,
            "before_us": before.created_us if before else 0,
            "before_id": str(before.delivery_id) if before else "",
            "max_rows": limit,
        }
        return await self._found(_OF_ONE, parameters)

    async def _found(self, where: str, parameters: Mapping[str, object]) -> list[Delivery]:
        rows = await self._database.query(statement("deliveries").replace("/*where*/", where), parameters)
        return [_from_row(row) for row in rows]


def _to_row(delivery: Delivery) -> tuple[object, ...]:
    lane = delivery.lane
    return (
        delivery.delivery_id,
        str(lane.source),
        lane.owner,
        lane.action,
        delivery.kind,
        delivery.evaluation_id,
        delivery.trace_id,
        delivery.session_id,
        storable(delivery.body),
        str(delivery.state),
        delivery.attempts,
        delivery.next_attempt_ms,
        delivery.give_up_ms,
        storable(delivery.last_error)[:MAX_ERROR_CHARACTERS],
        delivery.created_us,
        delivery.version,
    )


def _from_row(row: Mapping[str, Any]) -> Delivery:
    kept = {**row}
    lane = Lane(source=DeliverySource(kept.pop("source")), owner=str(kept.pop("owner")), action=str(kept.pop("action")))
    return Delivery(
        lane=lane,
        delivery_id=uuid.UUID(kept.pop("delivery_id")),
        evaluation_id=uuid.UUID(kept.pop("evaluation_id")),
        state=DeliveryState(kept.pop("state")),
        **kept,
    )
