"""What runs leave in the store."""

from __future__ import annotations

from run_parts import RunParts, working
from storing import a_chat, store

from evaluator.runs.definition import Chosen, RunRequest, Where
from evaluator.scoring.request import MetricRef
from storage.clickhouse.erase import ClickHouseErasure
from storage.erasure import Root
from storage.model import Level, TargetRef
from storage.runs import RunState, RunTally

LENGTH = (MetricRef(name="response_length"),)


async def test_what_is_erased_stands_in_no_run_any_more(parts: RunParts) -> None:
    """Neither as a target that was chosen, nor as the place where a run was interrupted."""
    gone, stays = a_chat(attributes={"session.id": "of ulla"}), a_chat()
    await store(parts.database, gone, stays)
    created = await parts.catalogue.create(
        RunRequest(selection=Chosen(targets=(gone.ref, stays.ref, gone.trace)), metrics=LENGTH)
    )
    other = ("span", "0")
    places: list[tuple[str | int, ...]] = [
        other,
        (1, gone.trace_id, gone.span_id, 5),
        ("trace", gone.trace_id),
        ("span", gone.ref.key),
        (1, "of ulla", "", 7),
        ("session", "of ulla"),
    ]
    for place in places:
        await parts.runs.progress(created.run.run_id, total=3, tally=RunTally(), checkpoint=place)
    erasure = ClickHouseErasure(parts.database, key=b"k" * 32, embedded=False)
    await erasure.erase(Root(kind="session", id="of ulla"), author="somebody")
    for table in ("runs", "run_events", "decisions"):
        rows = await parts.database.query(
            f"SELECT count() AS n FROM {table} WHERE multiSearchAny(toJSONString(tuple(*)), {{words:Array(String)}})",
            {"words": [gone.trace_id, gone.span_id, "of ulla"]},
        )
        assert (table, rows) == (table, [{"n": 0}])
    assert (await parts.runs.get(created.run.run_id)).checkpoint == other
    async with working(parts):
        standing = await parts.ended(created.run.run_id)
    assert standing.tally.decisions == {"scored": 1}


async def test_the_first_final_state_of_a_run_stands(parts: RunParts) -> None:
    """A worker that comes late cannot reopen a run; `run_state` says the same as the service."""
    await store(parts.database, a_chat())
    created = await parts.catalogue.create(RunRequest(selection=Where(level=Level.SPAN), metrics=LENGTH))
    run_id = created.run.run_id
    tally = RunTally(decisions={"scored": 1}, judge_calls=2, input_tokens=30, cost_usd=0.25)
    await parts.runs.enter(run_id, RunState.RUNNING, total=1, tally=RunTally())
    await parts.runs.enter(run_id, RunState.PARTIAL, total=1, tally=tally, detail="so it was")
    await parts.runs.enter(run_id, RunState.RUNNING, total=1, tally=tally)
    await parts.runs.enter(run_id, RunState.SUCCEEDED, total=1, tally=tally)
    standing = await parts.runs.get(run_id)
    assert (standing.state, standing.detail, standing.tally) == (RunState.PARTIAL, "so it was", tally)
    [row] = await parts.database.query("SELECT State, IsFinal, Done, Total, Result FROM run_state")
    assert row == {"State": "PARTIAL", "IsFinal": 1, "Done": 1, "Total": 1, "Result": "so it was"}
    assert await parts.runs.unfinished(range(16)) == []


async def test_a_run_over_sessions_filters_by_the_trace_that_started_first(parts: RunParts) -> None:
    """As rules over sessions do."""
    second = 10**9
    start = 1_795_000_000 * second
    first = a_chat(service="shop", start_ns=start, attributes={"session.id": "wanted"})
    later = a_chat(service="other", start_ns=start + second, attributes={"session.id": "wanted"})
    other = a_chat(service="other", start_ns=start, attributes={"session.id": "unwanted"})
    another = a_chat(service="shop", start_ns=start + second, attributes={"session.id": "unwanted"})
    await store(parts.database, first, later, other, another)
    where = Where(level=Level.SESSION, filter="service = 'shop'")
    plan = where.selected(arrived_ms=2**42)
    pages = parts.catalogue.pages
    found: list[TargetRef] = []
    async for rows, _ in pages.selected(plan, (plan.since_ns, "", "")):
        found += [row.ref for row in await pages.passing(plan, rows)]
    assert found == [TargetRef(level=Level.SESSION, session_id="wanted")]
    assert await parts.runs.count(plan) == {"": 2}
