"""Stores what many tasks conclude in few inserts; a task goes on when its row is committed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from storage.errors import Rejected, StorageError, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_ROWS = 1000
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0)


class Recorder(Generic[T]):
    """Group commit: a group is what arrived while the previous write ran.  `run` must be running.

    A write that fails because the store is away is repeated for a few seconds with the same rows; then its callers get
    the error.  One that is refused is repeated item by item, so that an item takes nobody else's with it.  `write` must
    be harmless to repeat.
    """

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: asyncio.Queue[tuple[T, asyncio.Future[None]]] = asyncio.Queue()

    async def record(self, item: T) -> None:
        """Return when the item is committed.

        Raises:
            StorageError: It could not be.
        """
        await self.put(item)

    def put(self, item: T) -> asyncio.Future[None]:
        """Done when the item is committed, or cannot be: then it holds the `StorageError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((item, done))
        return done

    async def run(self) -> None:
        """Commit groups until cancelled."""
        while True:
            group = [await self._waiting.get()]
            while len(group) < MAX_ROWS and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            await self._commit(group)

    async def _commit(self, group: Sequence[tuple[T, asyncio.Future[None]]]) -> None:
        try:
            await self._write_persistently([item for item, _ in group])
        except Unavailable as error:
            _fail(group, error)
        except Exception as error:
            if len(group) > 1:
                for one in group:
                    await self._commit([one])
            elif isinstance(error, StorageError):
                _fail(group, error)
            else:
                incident = secrets.token_hex(6)
                log.exception("not_recorded", extra={"incident": incident})
                _fail(group, Rejected(f"it could not be stored: a bug in Assay; incident {incident} in the log"))
        else:
            for _, done in group:
                if not done.done():  # its caller may have gone
                    done.set_result(None)

    async def _write_persistently(self, items: Sequence[T]) -> None:
        for pause in RETRY_SECONDS:
            try:
                await self._write(items)
            except Unavailable:
                await asyncio.sleep(pause)
            else:
                return
        await self._write(items)


def _fail(group: Sequence[tuple[T, asyncio.Future[None]]], error: StorageError) -> None:
    for _, done in group:
        if not done.done():
            done.set_exception(error)
