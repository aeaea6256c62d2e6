"""One action's deliveries on their way: a few at a time, and none while its receiver does not answer."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from evaluator.online.actions.senders import Sends
from evaluator.online.emitting.otlp_out import NotTaken
from evaluator.online.rules.policy import Action
from storage.deliveries import Deliveries, Delivery, DeliveryState, Lane

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How deliveries go out.

    Attributes:
        look_seconds: Between looks for what is new.
        search_seconds: At the latest then a look that also finds what another process wants sent again.
        at_once: Messages of one action under way at the same moment, while they are taken.
        page: Messages of one action that are held at a time.
        record_seconds: What came of them is recorded so often; after a kill -9 what was sent since goes out again.
        first_pause_seconds, longest_pause_seconds: Before an attempt is repeated; doubles, with a fifth of chance.
        give_up_seconds: After so long a message is not tried again.
        dead_after: Refusals one after another until a receiver counts as dead, and is asked one message at a time.
        longest_rest_seconds: Longest pause of a dead receiver.
    """

    look_seconds: float = 1.0
    search_seconds: float = 30.0
    at_once: int = 4
    page: int = 100
    record_seconds: float = 1.0
    first_pause_seconds: float = 5.0
    longest_pause_seconds: float = 3600.0
    give_up_seconds: float = 86_400.0
    dead_after: int = 5
    longest_rest_seconds: float = 300.0

    def pause_ms(self, attempts: int) -> int:
        """Before the next attempt, after so many."""
        pause = min(self.first_pause_seconds * 2.0 ** min(attempts - 1, 30), self.longest_pause_seconds)
        return round(1000 * pause * random.uniform(0.8, 1.2))


class KnowsActions(Protocol):
    """Knows what rules and alerts say now."""

    async def action(self, lane: Lane) -> Action | None:
        """The action of a lane; None where its owner is gone, or has no such action any more."""


@dataclass(slots=True)
class LaneState:
    """How a receiver has behaved."""

    refusals: int = 0
    rests_until: float = 0.0
    rest_seconds: float = 0.0
    error: str = ""
    at_work: bool = False

    @property
    def held(self) -> bool:
        """Whether nothing is to be taken up now."""
        return self.at_work or time.monotonic() < self.rests_until


class LaneRunner:
    """Sends a page of one lane.

    Args:
        now_ms: The store's clock, about.
    """

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        actions: KnowsActions,
        senders: Mapping[str, Sends],
        pace: Pace,
        now_ms: Callable[[], int],
    ) -> None:
        self._deliveries = deliveries
        self._actions = actions
        self._senders = senders
        self._pace = pace
        self._now_ms = now_ms

    async def run(self, lane: Lane, page: list[Delivery], state: LaneState) -> None:
        """Send a page; what was not reached stays as it is.  What came of the others is recorded, also at a stop."""
        done: list[Delivery] = []
        try:
            action = await self._actions.action(lane)
            if action is None:
                done += [_next(each, state=DeliveryState.CANCELLED) for each in page]
                return
            waiting = deque(page)
            dead = state.refusals >= self._pace.dead_after
            async with asyncio.TaskGroup() as tasks:
                for _ in range(1 if dead else min(self._pace.at_once, len(page))):
                    tasks.create_task(self._send_all(waiting, action, state, done))
        finally:
            await asyncio.shield(self._record(done))

    async def _record(self, done: list[Delivery]) -> None:
        batch = done[:]
        done.clear()
        await self._deliveries.record(batch)

    async def _send_all(self, waiting: deque[Delivery], action: Action, state: LaneState, done: list[Delivery]) -> None:
        recorded_at = time.monotonic()
        while waiting and time.monotonic() >= state.rests_until:
            delivery = waiting.popleft()
            try:
                await self._senders[action.kind].send(delivery, action.target)
            except NotTaken as error:
                done.append(self._refused(delivery, error))
                self._remember(delivery.lane, state, error)
            else:
                done.append(_next(delivery, state=DeliveryState.DELIVERED, attempts=delivery.attempts + 1))
                state.refusals, state.rest_seconds, state.error = 0, 0.0, ""
            if time.monotonic() - recorded_at >= self._pace.record_seconds:
                recorded_at = time.monotonic()
                await self._record(done)

    def _refused(self, delivery: Delivery, error: NotTaken) -> Delivery:
        now_ms, attempts = self._now_ms(), delivery.attempts + 1
        if error.final or now_ms >= delivery.give_up_ms:
            log.error("delivery_given_up", extra={**_said(delivery), "reason": str(error), "attempts": attempts})
            return _next(delivery, state=DeliveryState.GAVE_UP, attempts=attempts, last_error=str(error))
        pause_ms = max(self._pace.pause_ms(attempts), round(error.retry_seconds * 1000))
        due_ms = min(now_ms + pause_ms, max(delivery.give_up_ms, now_ms + 1))  # the last attempt is at the end
        return _next(delivery, attempts=attempts, last_error=str(error), next_attempt_ms=due_ms)

    def _remember(self, lane: Lane, state: LaneState, error: NotTaken) -> None:
        state.refusals += 1
        state.error = str(error)
        if state.refusals < self._pace.dead_after:
            return
        if state.refusals == self._pace.dead_after:
            log.warning("receiver_dead", extra={"lane": lane.key, "reason": str(error)})
        longest = self._pace.longest_rest_seconds
        state.rest_seconds = min(max(self._pace.first_pause_seconds, state.rest_seconds * 2), longest)
        state.rests_until = time.monotonic() + max(state.rest_seconds, min(error.retry_seconds, longest))


def _next(delivery: Delivery, **changed: object) -> Delivery:
    return replace(delivery, version=delivery.version + 1, **changed)  # type: ignore[arg-type]  # fields by name


def _said(delivery: Delivery) -> dict[str, str]:
    return {"delivery": str(delivery.delivery_id), "lane": delivery.lane.key}
