"""Equal questions are asked once: while one is under way the others wait for it, and its answer is kept for later."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from storage.errors import StorageError
from storage.judging import JudgeAnswers
from storage.model import JudgeAnswer

log = logging.getLogger(__name__)
T = TypeVar("T")
MAX_KEYS = 1000


class Flights(Generic[T]):
    """What is under way, by key."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, asyncio.Future[T]] = {}

    async def once(self, key: bytes, ask: Callable[[], Awaitable[T]], *, deadline: float | None) -> tuple[T, bool]:
        """What `ask` answers, and whether somebody else had asked it.  Whoever gives up leaves it to the next.

        Raises:
            TimeoutError: The deadline passed while another's question was under way.
        """
        while (found := self._under_way.get(key)) is not None:
            async with asyncio.timeout_at(deadline):
                await asyncio.wait([found])
            if not found.cancelled():
                return found.result(), True
        own = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await ask()
            own.set_result(answer)
        finally:
            del self._under_way[key]
            own.cancel()  # where there is no answer: those who wait ask for themselves
        return answer, False


class KeptAnswers:
    """Answers that were given before.  Look-ups that come while one runs are one query.

    Attributes:
        count: `hit`, `missed`, and `unreadable` where the store was away: then the judge is asked.
    """

    def __init__(self, store: JudgeAnswers) -> None:
        self._store = store
        self._wanted: dict[bytes, asyncio.Future[JudgeAnswer | None]] = {}
        self._reading = asyncio.Lock()
        self.count: Counter[str] = Counter()

    async def find(self, key: bytes) -> JudgeAnswer | None:
        """The answer to a question, if it was kept."""
        wanted = self._wanted.get(key)
        if wanted is None:
            wanted = self._wanted[key] = asyncio.get_running_loop().create_future()
        async with self._reading:
            if not wanted.done():
                await self._read()
        found = wanted.result()
        self.count["missed" if found is None else "hit"] += 1
        return found

    async def _read(self) -> None:
        group = dict(list(self._wanted.items())[:MAX_KEYS])
        try:
            found = await self._store.find(group)
        except StorageError as error:
            self.count["unreadable"] += len(group)
            log.warning("kept_answers_unreadable", extra={"reason": str(error)})
            found = {}
        for key, wanted in group.items():
            del self._wanted[key]
            wanted.set_result(found.get(key))
