"""What people said about a user's traces goes with them, and so does what it quotes of them."""

from __future__ import annotations

from feedback_parts import a_metric, feedback_parts, words
from storing import a_chat, store

from evaluator.feedback.verdicts import Stated
from storage.clickhouse.client import Database
from storage.clickhouse.erase import ClickHouseErasure
from storage.erasure import Root
from storage.model import Level, OutputType, TargetRef

TABLES = ("feedback", "resolutions", "evaluations", "evaluations_current")


async def _mentions(database: Database, *texts: str) -> dict[str, int]:
    """Rows by table that hold one of the texts, also those that are only masked."""
    found = {}
    for table in TABLES:
        [row] = await database.query(
            f"SELECT count() AS n FROM {table} WHERE multiSearchAny(toJSONString(tuple(*)), {{texts:Array(String)}})",
            {"texts": list(texts)},
            settings={"apply_deleted_mask": 0},
        )
        found[table] = row["n"]
    return found


async def test_what_people_said_about_a_user_is_erased_and_about_others_it_stays(fresh_database: Database):
    """Feedback on the span, the trace and the session that both had a part in; its snapshot, verdict and history."""
    parts = feedback_parts(fresh_database)
    metric = await a_metric(parts, OutputType.TEXT)
    ulla = a_chat("what ulla asked", "what ulla heard", attributes={"user.id": "ulla", "session.id": "shared"})
    bob = a_chat("what bob asked", "what bob heard", attributes={"user.id": "bob", "session.id": "shared"})
    await store(fresh_database, ulla, bob)
    session = TargetRef(level=Level.SESSION, session_id="shared")
    targets = [ulla.ref, ulla.trace, session, bob.ref]
    said = [
        words(target, metric, stated=Stated(text=f"about {target.key}"), explanation=f"because of {target.key}")
        for target in targets
    ]
    rows = [(await parts.desk.submit(each)).row for each in said]
    await parts.desk.retract(rows[1].feedback_id, by="eve", reason="because of ulla")
    marks = ("ulla", ulla.trace_id, ulla.span_id, "about shared")
    before = await _mentions(fresh_database, *marks)
    assert (min(before.values()) > 0, before["feedback"]) == (True, 4)
    erasure = ClickHouseErasure(fresh_database, key=b"k", embedded=False)
    erased = await erasure.erase(Root(kind="user", id="ulla"))
    assert erased.complete
    assert set((await _mentions(fresh_database, *marks)).values()) == {0}
    assert await _mentions(fresh_database, bob.trace_id) == dict.fromkeys(TABLES, 1)
    assert list(await parts.feedbacks.on(metric.name, targets)) == [bob.ref]
