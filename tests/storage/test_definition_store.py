"""Definitions: unique names, gapless versions, exactly one winner, whoever writes at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.errors import NameTaken, NotFound, Rejected, VersionMoved
from storage.model import Document

WRITERS = 8
HOSTILE = {"text": "quotes ' \" ` \\ and {braces} and \n\t\0 and 日本語 🦊", "deep": [{"a": [1, 2.5, None, True]}]}


@pytest.fixture
async def writers(database_url: str) -> AsyncIterator[list[ClickHouseDefinitions]]:
    """Eight stores, each with a connection of its own, as eight processes have."""
    async with AsyncExitStack() as stack:
        yield [ClickHouseDefinitions(await stack.enter_async_context(Database(database_url))) for _ in range(WRITERS)]


@pytest.fixture
def definitions(database: Database) -> ClickHouseDefinitions:
    """One store."""
    return ClickHouseDefinitions(database)


def a_name() -> str:
    """A fresh one."""
    return f"n_{uuid.uuid4().hex[:10]}"


async def won(attempt: asyncio.Task[Document]) -> bool:
    """Whether a writer won; what a loser gets is one of two errors, nothing else."""
    try:
        await attempt
    except (NameTaken, VersionMoved):
        return False
    return True


async def test_a_document_comes_back_as_it_was_sent(definitions: ClickHouseDefinitions) -> None:
    """Quotes, NUL, braces, nesting, any script."""
    name = a_name()
    made = await definitions.create("metric", name, HOSTILE, author="Zoë")
    assert made.created is not None
    assert made == Document(kind="metric", name=name, version=1, body=HOSTILE, author="Zoë", created=made.created)
    assert await definitions.get("metric", name) == made
    assert await definitions.get("metric", name, version=1) == made


async def test_eight_writers_of_one_name_have_one_winner(writers: list[ClickHouseDefinitions]) -> None:
    """The name stands once, with the winner's document."""
    for _ in range(3):
        name = a_name()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(won(asyncio.create_task(each.create("rule", name, {"by": place}))))
                for place, each in enumerate(writers)
            ]
        winners = [place for place, task in enumerate(tasks) if task.result()]
        assert len(winners) == 1
        assert [doc.body for doc in await writers[0].versions("rule", name)] == [{"by": winners[0]}]


async def test_eight_editors_of_one_version_have_one_winner_and_lose_nothing(
    writers: list[ClickHouseDefinitions],
) -> None:
    """Each reads, edits and repeats until it won: 8 increments are 8, in 9 versions without a gap."""
    name = a_name()
    await writers[0].create("metric", name, {"count": 0})

    async def increment(store: ClickHouseDefinitions) -> int:
        lost = 0
        while True:
            current = await store.get("metric", name)
            try:
                await store.replace("metric", name, current.version, {"count": int(str(current.body["count"])) + 1})
            except VersionMoved:
                lost += 1
            else:
                return lost

    async with asyncio.TaskGroup() as group:
        lost = [group.create_task(increment(store)) for store in writers]
    history = await writers[0].versions("metric", name)
    assert [(doc.version, doc.body["count"]) for doc in history] == [(n + 1, n) for n in range(WRITERS, -1, -1)]
    assert sum(task.result() for task in lost) > 0, "nobody ever met anybody: this proved nothing"


async def test_an_edit_of_an_old_version_is_refused_with_the_new_one(definitions: ClickHouseDefinitions) -> None:
    """The caller reads again and repeats the edit."""
    name = a_name()
    await definitions.create("rule", name, {"v": 1})
    await definitions.replace("rule", name, 1, {"v": 2})
    with pytest.raises(VersionMoved) as moved:
        await definitions.replace("rule", name, 1, {"v": "lost"})
    assert moved.value.current_version == 2
    with pytest.raises(VersionMoved):
        await definitions.replace("rule", name, 3, {"v": "from the future"})
    assert (await definitions.get("rule", name)).body == {"v": 2}


async def test_what_is_deleted_is_gone_and_its_history_stays(definitions: ClickHouseDefinitions) -> None:
    """Deleting is a version too; the name may be used again and goes on counting."""
    name = a_name()
    first = await definitions.create("metric", name, {"v": 1})
    await definitions.delete("metric", name, 1)
    with pytest.raises(NotFound):
        await definitions.get("metric", name)
    with pytest.raises(NotFound):
        await definitions.replace("metric", name, 2, {"v": "into the void"})
    with pytest.raises(NotFound):
        await definitions.delete("metric", name, 2)
    assert name not in {doc.name for doc in await definitions.live("metric")}
    assert await definitions.get("metric", name, version=1) == first
    again = await definitions.create("metric", name, {"v": 3})
    history = await definitions.versions("metric", name)
    deletion = replace(first, version=2, deleted=True, created=history[1].created)
    assert history == [again, deletion, first]
    assert (again.version, (await definitions.get("metric", name)).body) == (3, {"v": 3})


async def test_live_documents_page_by_name(fresh_database: Database) -> None:
    """Kinds do not mix, pages neither overlap nor leave anything out."""
    definitions = ClickHouseDefinitions(fresh_database)
    names = [f"m{number}" for number in range(7)]
    for name in reversed(names):
        await definitions.create("metric", name, {})
    await definitions.create("rule", "m3a", {})
    await definitions.delete("metric", "m2", 1)
    names.remove("m2")
    paged: list[str] = []
    while page := await definitions.live("metric", after=paged[-1] if paged else "", limit=2):
        paged += [doc.name for doc in page]
    assert paged == names


async def test_an_unknown_name_is_not_found(definitions: ClickHouseDefinitions) -> None:
    """And has no versions."""
    with pytest.raises(NotFound, match="there is no metric 'nobody'"):
        await definitions.get("metric", "nobody")
    assert await definitions.versions("metric", "nobody") == []


async def test_an_unknown_kind_is_refused(definitions: ClickHouseDefinitions) -> None:
    """A constraint of the table: a misspelt kind must not make a drawer that nobody opens."""
    with pytest.raises(Rejected, match="known_kind"):
        await definitions.create("metrics", a_name(), {})


async def test_a_writer_that_dies_before_its_claim_leaves_nothing(
    database: Database, definitions: ClickHouseDefinitions
) -> None:
    """A document without a claim is invisible, and does not take the name."""
    name = a_name()
    row = ("metric", name, 1, uuid.uuid4().hex, "{}")
    await database.insert_rows("control_docs", ("Kind", "Name", "Version", "Token", "Doc"), [row])
    with pytest.raises(NotFound):
        await definitions.get("metric", name)
    assert (await definitions.create("metric", name, {"v": 1})).body == {"v": 1}
