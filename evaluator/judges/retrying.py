"""One attempt: a bounded number of tries, with jitter between them, before a deadline.

Only what a retry can help is retried (429, 5xx, timeout, connection); every other error ends the attempt at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from evaluator.judges.port import Answer, Judge, JudgeError, JudgeTimeout, Question
from storage.model import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Limits of one attempt, in seconds unless said.

    Attributes:
        max_tries: Calls at most; 8 lose 3 of a million questions where one call in five fails.
        first_pause: Greatest pause after the first try; doubles with each further one.
        longest_pause: Greatest pause of all, and the longest Retry-After that is waited for.
        call: Longest wait for one answer.
        whole: Longest time for the attempt, pauses included.
    """

    max_tries: int = 8
    first_pause: float = 0.25
    longest_pause: float = 30.0
    call: float = 60.0
    whole: float = 180.0


async def ask_with_retries(
    judge: Judge,
    question: Question,
    retries: Retries,
    *,
    deadline: float | None = None,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Answer:
    """Ask until an answer comes, a retry cannot help, or the limits are reached; then the last error is raised.

    A pause is drawn from [0, limit] (full jitter).  Retry-After is waited for in full, plus jitter; where it is longer
    than `longest_pause`, or than what is left, the attempt ends instead of asking too early.

    Args:
        deadline: Seconds of the event loop's clock; None = only `retries.whole` counts.
        uniform: Source of the jitter.

    Raises:
        JudgeError: With the usage of all tries; the message says how many there were.
    """
    now = asyncio.get_running_loop().time
    end = now() + retries.whole
    end = end if deadline is None else min(end, deadline)
    began, tries, spent = time.monotonic(), 0, Usage()
    while True:
        tries += 1
        try:
            answer = await _once(judge, question, seconds=min(retries.call, end - now()))
        except JudgeError as error:
            spent += error.usage
            limit = min(retries.longest_pause, retries.first_pause * 2.0 ** (tries - 1))
            pause = uniform(0.0, limit) + (error.retry_seconds or 0.0)
            if (
                not error.retryable
                or tries >= retries.max_tries
                or (error.retry_seconds or 0.0) > retries.longest_pause
                or now() + pause >= end
            ):
                raise _ended(error, spent, tries, began) from error
        else:
            spent += answer.usage
            return replace(answer, usage=replace(spent, attempts=tries, latency_ms=_since(began)))
        await asyncio.sleep(pause)


async def _once(judge: Judge, question: Question, *, seconds: float) -> Answer:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await judge.ask(question)
    except TimeoutError:
        raise JudgeTimeout(f"no answer within {max(0.0, seconds):.3g} s") from None


def _ended(error: JudgeError, spent: Usage, tries: int, began: float) -> JudgeError:
    note = f" (after {tries} tries)" if tries > 1 else ""
    if error.retry_seconds:
        note += f" (asked to wait {error.retry_seconds:g} s)"
    usage = replace(spent, attempts=tries, latency_ms=_since(began))
    return type(error)(f"{error}{note}", retry_seconds=error.retry_seconds, usage=usage)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
