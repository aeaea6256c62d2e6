"""What is being computed: each thing once, for as long as somebody counts on it."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from evaluator.scoring.pairs import Pair, Shared, pending_of
from evaluator.scoring.request import Pending, Unpaid
from storage.errors import StorageError
from storage.model import Evaluation, MetricKind, Purpose, Status

T = TypeVar("T")
GATHER_SECONDS = 1.0
"""So long after the store was read, at most, somebody looks for what he needs."""
Final: TypeAlias = Evaluation | Pending | Unpaid | StorageError
"""What becomes of a pair: `Pending` where a result of others is missing, and the call has no patience."""
Task: TypeAlias = "asyncio.Task[Final]"


class Work:
    """Tasks of all calls, by the id of the result that they compute.  What is in flight at its end is cancelled."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[Any]] = set()
        self._computing: dict[uuid.UUID, tuple[Pair, Task]] = {}
        self._shared: dict[Shared, Task] = {}
        self._gathering: list[dict[Shared, Evaluation]] = []
        self._begun: set[uuid.UUID] = set()
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

    def gather(self, until: asyncio.Task[Any]) -> Mapping[Shared, Evaluation]:
        """What ends from now on until a reading of the store is done, and a little later: it is neither read nor under
        way when somebody looks for it."""
        finished: dict[Shared, Evaluation] = {}
        self._gathering.append(finished)

        def stop() -> None:
            self._gathering = [each for each in self._gathering if each is not finished]

        until.add_done_callback(lambda _: asyncio.get_running_loop().call_later(GATHER_SECONDS, stop))
        return finished

    async def wait(self, tasks: Collection[Task], *, timeout: float | None = None) -> None:
        """Wait for one call's tasks; when the call is cancelled, so is what no other call counts on."""
        under_way = {task for task in tasks if not task.done()}
        if not under_way:
            return
        self._awaited.update(under_way)
        try:
            await asyncio.wait(under_way, timeout=timeout)
        except asyncio.CancelledError:  # the caller went away: nobody pays for what nobody reads
            self.give_up(under_way)
            raise

    def give_up(self, tasks: Collection[Task]) -> None:
        """One call counts on these no more."""
        under_way = {task for task in tasks if not task.done()}
        self._awaited.subtract(under_way)
        for task in under_way:
            if self._awaited[task] <= 0:
                task.cancel()

    def begin(self, pair: Pair) -> None:
        """What a composite requires is final."""
        self._begun.add(pair.evaluation_id)

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
        queued = pair.metric.kind is MetricKind.COMPOSITE and pair.evaluation_id not in self._begun
        return replace(pending_of(pair), status=Status.QUEUED if queued else Status.COMPUTING)

    def _forget(self, pair: Pair, task: Task) -> None:
        self._awaited.pop(task, None)
        if (found := self._computing.get(pair.evaluation_id)) and found[1] is task:
            del self._computing[pair.evaluation_id]
            self._begun.discard(pair.evaluation_id)
        if pair.shared is None:
            return
        if self._shared.get(pair.shared) is task:
            del self._shared[pair.shared]
        if self._gathering and not task.cancelled() and task.exception() is None:
            result = task.result()
            if isinstance(result, Evaluation):
                for finished in self._gathering:
                    finished[pair.shared] = result
