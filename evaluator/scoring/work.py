"""What is being computed: each thing once, for as long as somebody counts on it."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from evaluator.scoring.pairs import Pair, Shared, pending_of
from evaluator.scoring.request import Pending
from storage.errors import StorageError
from storage.model import Evaluation, Purpose, Status

T = TypeVar("T")
Final: TypeAlias = Evaluation | Pending | StorageError
"""What becomes of a pair: `Pending` where a result of others is missing, and the call has no patience."""
Task: TypeAlias = "asyncio.Task[Final]"


class Work:
    """Tasks of all calls, by the id of the result that they compute.  What is in flight at its end is cancelled."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[Any]] = set()
        self._computing: dict[uuid.UUID, tuple[Pair, Task]] = {}
        self._shared: dict[Shared, Task] = {}
        self._queued: set[uuid.UUID] = set()
        self._awaited: Counter[Task] = Counter()
        """How many calls count on a task; a call that answered `Pending` does so for ever."""

    async def __aenter__(self) -> Work:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._running:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something until it ends, or all of this does."""
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def compute(self, pair: Pair, how: Callable[[], Coroutine[Any, Any, Final]]) -> Task:
        """Start one pair; a repeated request joins what its first call still computes."""
        same = self.joinable(pair.evaluation_id)
        if same is not None:
            return same
        task = self.start(how())
        self._computing[pair.evaluation_id] = pair, task
        if pair.shared is not None:
            self._shared[pair.shared] = task
        task.add_done_callback(lambda _: self._forget(pair, task))
        return task

    def joinable(self, evaluation_id: uuid.UUID) -> Task | None:
        """What computes this id; not what is being cancelled because its caller hung up (who may ask again at once)."""
        found = self._computing.get(evaluation_id)
        return found[1] if found and not found[1].cancelling() else None

    def alike(self, pair: Pair) -> Task | None:
        """What computes the same metric version on the same state of the target, whoever asked for it."""
        found = self._shared.get(pair.shared) if pair.shared is not None else None
        return found if found is not None and not found.cancelling() else None

    async def wait(self, tasks: Collection[Task], *, timeout: float | None = None) -> None:
        """Wait for one call's tasks; when the call is cancelled, so is what no other call counts on."""
        if not tasks:
            return
        self._awaited.update(tasks)
        try:
            await asyncio.wait(tasks, timeout=timeout)
        except asyncio.CancelledError:  # the caller went away: nobody pays for what nobody reads
            self.give_up(tasks)
            raise

    def give_up(self, tasks: Collection[Task]) -> None:
        """One call counts on these no more."""
        self._awaited.subtract(tasks)
        for task in tasks:
            if self._awaited[task] <= 0:
                task.cancel()

    @contextmanager
    def queued(self, pair: Pair) -> Iterator[None]:
        """While a composite waits for what it requires."""
        self._queued.add(pair.evaluation_id)
        try:
            yield
        finally:
            self._queued.discard(pair.evaluation_id)

    def pending(self, evaluation_id: uuid.UUID) -> Pending | None:
        """What is being computed under this id, if anything."""
        found = self._computing.get(evaluation_id)
        return self.state(found[0]) if found else None

    def in_progress(self) -> list[Pending]:
        """What calls have asked for and is not final; what rules and runs ask for stands in their ledger."""
        pairs = [pair for pair, _ in self._computing.values()]
        return [self.state(pair) for pair in pairs if pair.stores and pair.request.purpose is Purpose.ONDEMAND]

    def state(self, pair: Pair) -> Pending:
        """A pair that is not final."""
        queued = pair.evaluation_id in self._queued
        return replace(pending_of(pair), status=Status.QUEUED if queued else Status.COMPUTING)

    def _forget(self, pair: Pair, task: Task) -> None:
        self._awaited.pop(task, None)
        if (found := self._computing.get(pair.evaluation_id)) and found[1] is task:
            del self._computing[pair.evaluation_id]
        if pair.shared is not None and self._shared.get(pair.shared) is task:
            del self._shared[pair.shared]
