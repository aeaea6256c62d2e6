"""Items of review queues are erased with their targets."""

from __future__ import annotations

from review_parts import a_queue, chats, reviews

from assay.client import AsyncClient
from storage.clickhouse.client import Database
from storage.clickhouse.erase import ClickHouseErasure
from storage.erasure import Root
from storage.model import Level, TargetRef


async def test_an_erased_trace_and_an_erased_session_leave_no_item(fresh_database: Database) -> None:
    """Others stay, with what was said about them."""
    async with reviews(fresh_database) as shop, AsyncClient(shop.address) as client:
        spans_metric = await shop.judge("of_spans")
        sessions_metric = await shop.judge("of_sessions", levels=(Level.SESSION,))
        gone, stays = await chats(fresh_database, 2)
        [talk] = await chats(fresh_database, 1, attributes={"session.id": "secret session"})
        await client.create_queue(a_queue("spans", spans_metric.name))
        await client.create_queue(a_queue("sessions", sessions_metric.name, level=Level.SESSION))
        await client.fill_queue("spans", targets=[gone.ref, stays.ref, talk.ref])
        await client.fill_queue("sessions", targets=[TargetRef(level=Level.SESSION, session_id="secret session")])
        item = await client.claim_next("spans", "ann")
        await client.complete_item("spans", item.item_id, annotator="ann", expected=True, explanation="so it is")
        erasure = ClickHouseErasure(fresh_database, key=b"k" * 32, embedded=False)
        await erasure.erase(Root(kind="trace", id=gone.trace_id), author="somebody")
        await erasure.erase(Root(kind="session", id="secret session"), author="somebody")
        rows = await fresh_database.query(
            "SELECT TraceId AS t, SessionId AS s FROM review_items", settings={"apply_deleted_mask": 0}
        )
        assert rows == [{"t": stays.trace_id, "s": ""}]
        assert (await client.get_queue("spans")).progress.items == 1
