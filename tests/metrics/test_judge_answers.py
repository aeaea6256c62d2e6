"""Equal questions are asked once; whoever gives up takes nobody along."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

import pytest

from evaluator.metrics.judging.answers import Flights, KeptAnswers
from storage.errors import Unavailable
from storage.model import JudgeAnswer

KEY = b"k" * 32


class Asked:
    """A question whose answer is given by the test."""

    def __init__(self) -> None:
        self.times = 0
        self.begun = asyncio.Event()
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.times += 1
        self.begun.set()
        return await asyncio.shield(self.answer)


async def test_who_asks_the_same_meanwhile_gets_the_same_answer() -> None:
    """And is told that it was not theirs; afterwards the question is asked anew."""
    flights, asked = Flights[str](), Asked()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(flights.once(KEY, asked, deadline=None)) for _ in range(3)]
        await asked.begun.wait()
        asked.answer.set_result("yes")
    assert [task.result() for task in tasks] == [("yes", False), ("yes", True), ("yes", True)]
    assert (asked.times, await flights.once(KEY, asked, deadline=None), asked.times) == (1, ("yes", False), 1 + 1)


async def test_who_is_cancelled_leaves_the_question_to_the_next() -> None:
    """Nobody else's call ends with theirs."""
    flights, asked = Flights[str](), Asked()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(flights.once(KEY, asked, deadline=None))
        await asked.begun.wait()
        others = [group.create_task(flights.once(KEY, asked, deadline=None)) for _ in range(2)]
        asked.begun.clear()
        await asyncio.sleep(0)
        first.cancel()
        await asked.begun.wait()
        asked.answer.set_result("yes")
    assert first.cancelled()
    assert sorted(task.result() for task in others) == [("yes", False), ("yes", True)]
    assert asked.times == 2


async def test_an_error_of_one_is_nobody_elses() -> None:
    """Those who wait ask for themselves."""

    async def broken() -> str:
        raise ValueError("mine")

    flights, asked = Flights[str](), Asked()
    asked.answer.set_result("yes")
    with pytest.raises(ValueError, match="mine"):
        await flights.once(KEY, broken, deadline=None)
    assert await flights.once(KEY, asked, deadline=None) == ("yes", False)


async def test_who_waits_for_anothers_question_waits_no_longer_than_the_deadline() -> None:
    """The question itself goes on."""
    flights, asked = Flights[str](), Asked()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(flights.once(KEY, asked, deadline=None))
        await asked.begun.wait()
        with pytest.raises(TimeoutError):
            await flights.once(KEY, asked, deadline=asyncio.get_running_loop().time() - 1)
        asked.answer.set_result("yes")
    assert first.result() == ("yes", False)


class Shelf:
    """Answers in memory, which are handed out when the test says so."""

    def __init__(self, *keys: bytes) -> None:
        self.groups: list[set[bytes]] = []
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self._known = {key: JudgeAnswer(key=key, response="r") for key in keys}

    async def find(self, keys: Collection[bytes]) -> Mapping[bytes, JudgeAnswer]:
        self.groups.append(set(keys))
        self.asked.set()
        await self.open.wait()
        return {key: self._known[key] for key in keys if key in self._known}

    async def keep(self, answers: Sequence[JudgeAnswer]) -> None:
        raise AssertionError("nothing is kept here")


async def test_look_ups_that_come_while_one_runs_are_one_query() -> None:
    """One for the first, one for all that came meanwhile."""
    keys = [bytes([number]) * 32 for number in range(20)]
    shelf = Shelf(keys[0], keys[7])
    kept = KeptAnswers(shelf)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(kept.find(keys[0]))]
        await shelf.asked.wait()
        tasks += [group.create_task(kept.find(key)) for key in keys[1:]]
        await asyncio.sleep(0)
        shelf.open.set()
    assert [number for number, task in enumerate(tasks) if task.result() is not None] == [0, 7]
    assert shelf.groups == [{keys[0]}, set(keys[1:])]
    assert dict(kept.count) == {"hit": 2, "missed": 18}


async def test_a_look_up_that_is_cancelled_leaves_the_others_theirs() -> None:
    """The next one in line asks for all."""
    shelf = Shelf(KEY)
    kept = KeptAnswers(shelf)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(kept.find(KEY))
        await shelf.asked.wait()
        second = group.create_task(kept.find(KEY))
        await asyncio.sleep(0)
        first.cancel()
        shelf.open.set()
    found = second.result()
    assert first.cancelled()
    assert found is not None
    assert found.response == "r"


async def test_a_store_that_is_away_means_that_the_judge_is_asked() -> None:
    """It is counted, and nobody fails."""

    class Away(Shelf):
        async def find(self, keys: Collection[bytes]) -> Mapping[bytes, JudgeAnswer]:
            raise Unavailable("away")

    kept = KeptAnswers(Away())
    assert await kept.find(KEY) is None
    assert dict(kept.count) == {"unreadable": 1, "missed": 1}
