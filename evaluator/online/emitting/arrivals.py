"""Results in order of arrival, from a cursor that is saved: each is seen at least once, by one reader of the cursor."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from storage.model import Evaluation
from storage.queue import Queue
from storage.results import ResultCursor, ResultFilter, Results

SAVE_SECONDS = 60.0
"""So often the cursor is saved although nothing of interest came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedPage:
    """What came next.  `behind`: more is waiting.  `upto`: where to go on once this is done."""

    results: list[Evaluation]
    behind: bool
    upto: ResultCursor


class Arrivals:
    """Reads page by page; nothing is held but one page.

    Args:
        name: Of the saved cursor.
        newest_ms: Server time of the newest result: a cheap question that says whether there is anything to look for.
    """

    def __init__(
        self, name: str, *, results: Results, newest_ms: Callable[[], Awaitable[int]], queue: Queue, page: int
    ) -> None:
        self._name = name
        self._results = results
        self._newest_ms = newest_ms
        self._queue = queue
        self._page = page
        self._cursor: ResultCursor | None = None
        self._saved_at = time.monotonic()

    def forget(self) -> None:
        """Another process reads now, and saves how far it came."""
        self._cursor = None

    async def news(self) -> ResultCursor | None:
        """Before which nothing can appear any more, if anything came since the cursor; else None."""
        if self._cursor is None:
            self._cursor = await self._begin()
        if await self._newest_ms() < self._cursor.inserted_us // 1000:
            return None
        return await self._results.cursor_now()

    async def page(self, where: ResultFilter, news: ResultCursor) -> ArrivedPage:
        """The next page, the same one until it is `done`."""
        after = self._cursor or await self._begin()
        page = await self._results.arrived(where, after=after, limit=self._page)
        behind = len(page) == self._page
        if page:
            last = page[-1]
            after = ResultCursor(
                inserted_us=last.inserted_us or 0, evaluation_id=last.evaluation_id, attempt=last.attempt
            )
        upto = news if not behind and news.inserted_us > after.inserted_us else after
        return ArrivedPage(results=page, behind=behind, upto=upto)

    async def done(self, page: ArrivedPage) -> None:
        """Go on behind a page, in this process and, to the millisecond below, in the next: a few may come again."""
        self._cursor = page.upto
        if page.results or time.monotonic() - self._saved_at >= SAVE_SECONDS:
            await self._queue.move_cursor(self._name, page.upto.inserted_us // 1000)
            self._saved_at = time.monotonic()

    async def _begin(self) -> ResultCursor:
        """Where an earlier process stopped; the first one begins with what comes now."""
        saved_ms = await self._queue.cursor_ms(self._name)
        if saved_ms is None:
            now = await self._results.cursor_now()
            await self._queue.move_cursor(self._name, now.inserted_us // 1000)
            return now
        return ResultCursor(inserted_us=saved_ms * 1000)
