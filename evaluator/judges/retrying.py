"""One attempt: a bounded number of tries, with jitter between them, before a deadline.

Only what a retry can help is retried (429, 5xx, timeout, connection); every other error ends the attempt at once.
An endpoint that cannot be reached at all (see `breaker`): who has a deadline fails at once, for somebody waits; who has
none, as the work of rules and runs, waits for its return as long as `Retries.whole`, so that an outage of minutes does
not turn a queue into failures.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from evaluator.judges.charging import Charge
from evaluator.judges.gate import Gate
from evaluator.judges.port import (
    Answer,
    Call,
    Judge,
    JudgeError,
    JudgeTimeout,
    JudgeUnavailable,
    JudgeUnreachable,
    Question,
)
from storage.model import Usage

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Limits of one attempt, in seconds unless said.

    Attributes:
        max_tries: Calls at most; 8 lose 3 of a million questions where one call in five fails.
        first_pause: Greatest pause after the first try; doubles with each further one.
        longest_pause: Greatest pause of all, and the longest Retry-After that is waited for.
        call: Longest wait for one answer.
        whole: Longest time for the attempt from its first free place on, pauses included.
    """

    max_tries: int = 8
    first_pause: float = 0.25
    longest_pause: float = 30.0
    call: float = 60.0
    whole: float = 180.0


class Attempt:
    """One question on its way.  `await Attempt(...).answer()`, once.

    A pause is drawn from [0, limit] (full jitter).  Retry-After is waited for in full, plus jitter; where it is longer
    than `longest_pause`, or than what is left, the attempt ends instead of asking too early.

    Args:
        deadline: Seconds of the event loop's clock; None = only `retries.whole` counts.
        charge: Every try is paid for before it is made; None = nobody counts.
        uniform: Source of the jitter.
    """

    def __init__(
        self,
        judge: Judge,
        question: Question,
        *,
        gate: Gate,
        retries: Retries,
        deadline: float | None = None,
        charge: Charge | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._judge = judge
        self._question = question
        self._gate = gate
        self._retries = retries
        self._deadline = deadline
        self._charge = charge
        self._uniform = uniform
        self._now = asyncio.get_running_loop().time
        self._began = time.monotonic()
        self._end: float | None = None
        self._tries = 0
        self._calls: list[Call] = []

    async def answer(self) -> Answer:
        """Ask until an answer comes, a retry cannot help, or the limits are reached; then the last error is raised.

        Raises:
            JudgeError: With the usage and the calls of all tries; the message says how many there were.
            OverBudget: A try is not paid for; those before it were.
        """
        while True:
            try:
                answer = await (self._try() if self._charge is None else self._paid_try(self._charge))
            except JudgeError as error:
                pause = self._pause_after(error)
                if pause is None:
                    raise self._ended(error) from error
            else:
                return replace(answer, usage=self._spent(), calls=tuple(self._calls))
            await asyncio.sleep(pause)

    async def _try(self) -> Answer:
        gate = self._gate
        self._refuse_if_away()  # before the places, which may all be taken by questions that wait for its return
        if not gate.slots.taken():  # where nothing has to be waited for, no time limit is set up either: it costs
            place = gate.slots.acquire(again=self._end is not None, background=self._question.background)
            await self._in_time(place, "for a free place at the judge")
        try:
            if self._end is None:
                end = self._now() + self._retries.whole
                self._end = end if self._deadline is None else min(end, self._deadline)
            self._refuse_if_away()
            probe = False
            if gate.breaker.away_seconds is not None:
                probe = await self._in_time(gate.breaker.enter(), "for the judge to be reached again")
            seen: JudgeError | None = JudgeTimeout("cancelled")
            turn: float | None = None
            try:
                turn = gate.pace.free()
                if turn is None:
                    turn = await self._in_time(gate.pace.turn(), "for a turn at the judge's rate limit")
                self._tries += 1
                answer = await self._once()
                seen = None
            except JudgeError as error:
                seen = error
                raise
            finally:
                gate.saw(seen, probe=probe, turn=turn or 0.0)
        finally:
            gate.slots.release()
        return answer

    async def _paid_try(self, charge: Charge) -> Answer:
        self._refuse_if_away()
        made = len(self._calls)
        hold = await charge.hold()
        try:
            return await self._try()
        finally:
            charge.settle(hold, self._calls[made:])

    def _refuse_if_away(self) -> None:
        away = self._gate.breaker.away_seconds
        if away and self._deadline is not None:
            raise JudgeUnavailable("the judge cannot be reached; left alone for now", retry_seconds=away)

    async def _once(self) -> Answer:
        assert self._end is not None
        seconds = max(0.0, min(self._retries.call, self._end - self._now()))
        try:
            async with asyncio.timeout(seconds):
                return await self._judge.ask(self._question, self._calls)
        except TimeoutError:
            raise JudgeTimeout(f"no answer within {seconds:.3g} s") from None

    async def _in_time(self, waiting: Awaitable[T], what: str) -> T:
        try:
            async with asyncio.timeout_at(self._deadline if self._end is None else self._end):
                return await waiting
        except TimeoutError:
            if self._gate.breaker.away_seconds is not None:
                raise JudgeUnavailable("the judge cannot be reached") from None
            raise JudgeTimeout(f"the deadline passed while waiting {what}") from None

    def _pause_after(self, error: JudgeError) -> float | None:
        """Seconds until the next try; None = there is none."""
        asked = error.retry_seconds or 0.0
        if not error.retryable or self._end is None or asked > self._retries.longest_pause:
            return None
        away = self._gate.breaker.away_seconds is not None
        if away and self._deadline is not None:
            return None
        if self._tries >= self._retries.max_tries and not (away and isinstance(error, JudgeUnreachable)):
            return None
        limit = min(self._retries.longest_pause, self._retries.first_pause * 2.0 ** min(self._tries - 1, 30))
        pause = self._uniform(0.0, limit) + asked
        return None if self._now() + pause >= self._end else pause

    def _ended(self, error: JudgeError) -> JudgeError:
        note = f" (after {self._tries} tries)" if self._tries > 1 else ""
        if error.retry_seconds:
            note += f" (asked to wait {error.retry_seconds:g} s)"
        return type(error)(
            f"{error}{note}", retry_seconds=error.retry_seconds, usage=self._spent(), calls=tuple(self._calls)
        )

    def _spent(self) -> Usage:
        """Of all calls; the time is that of the whole attempt, waits included."""
        costs = [call.usage.cost_usd for call in self._calls if call.usage.cost_usd is not None]
        return Usage(
            input_tokens=sum(call.usage.input_tokens for call in self._calls),
            output_tokens=sum(call.usage.output_tokens for call in self._calls),
            cost_usd=sum(costs) if costs else None,
            latency_ms=round((time.monotonic() - self._began) * 1000),
            attempts=len(self._calls),
        )
