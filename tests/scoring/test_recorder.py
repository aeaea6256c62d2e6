"""Many conclusions, few inserts, and nobody's trouble is another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from evaluator.scoring.recorder import MAX_ROWS, Recorder
from storage.errors import Rejected, Unavailable


@asynccontextmanager
async def recording(recorder: Recorder[int]) -> AsyncIterator[None]:
    """The recorder at work."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(recorder.run())
        yield
        running.cancel()


async def test_what_arrives_during_a_write_is_written_together() -> None:
    """Each is told when its own write is done; no write is larger than the limit."""
    written: list[list[int]] = []
    first_began, release = asyncio.Event(), asyncio.Event()

    async def write(items: Sequence[int]) -> None:
        first_began.set()
        await release.wait()
        written.append(list(items))

    recorder = Recorder(write)
    async with recording(recorder), asyncio.TaskGroup() as group:
        group.create_task(recorder.record(0))
        await first_began.wait()
        for item in range(1, MAX_ROWS + 3):
            group.create_task(recorder.record(item))
        release.set()
    assert written == [[0], list(range(1, MAX_ROWS + 1)), [MAX_ROWS + 1, MAX_ROWS + 2]]


async def test_an_outage_is_waited_out_with_the_same_rows() -> None:
    """Twice away, then back: one `record`, one row, no error."""
    tried: list[list[int]] = []

    async def write(items: Sequence[int]) -> None:
        tried.append(list(items))
        if len(tried) < 3:
            raise Unavailable("away")

    recorder = Recorder(write)
    async with recording(recorder):
        await recorder.record(7)
    assert tried == [[7], [7], [7]]


async def test_an_item_that_is_refused_takes_no_other_with_it() -> None:
    """The group is repeated item by item; a bug in writing one is told to its caller, and the recorder goes on."""
    written: list[int] = []
    began, release = asyncio.Event(), asyncio.Event()

    async def write(items: Sequence[int]) -> None:
        began.set()
        await release.wait()
        if 13 in items:
            raise Rejected("no 13 here")
        if 14 in items:
            raise ZeroDivisionError("a bug")
        written.extend(items)

    recorder = Recorder(write)
    async with recording(recorder):
        tasks = [asyncio.create_task(recorder.record(item)) for item in (1,)]
        await began.wait()
        tasks += [asyncio.create_task(recorder.record(item)) for item in (12, 13, 14, 15)]
        await asyncio.sleep(0)
        release.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await recorder.record(16)
    assert written == [1, 12, 15, 16]
    assert [type(each) for each in ended] == [type(None), type(None), Rejected, Rejected, type(None)]
    assert str(ended[2]) == "no 13 here"
    assert "a bug in Assay; incident" in str(ended[3])


async def test_a_caller_that_goes_away_does_not_stop_the_recorder() -> None:
    """Its row is written all the same, and the next caller is served."""
    written: list[int] = []
    began, release = asyncio.Event(), asyncio.Event()

    async def write(items: Sequence[int]) -> None:
        began.set()
        await release.wait()
        written.extend(items)

    recorder = Recorder(write)
    async with recording(recorder):
        gone = asyncio.create_task(recorder.record(1))
        await began.wait()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        release.set()
        await recorder.record(2)
    assert written == [1, 2]
