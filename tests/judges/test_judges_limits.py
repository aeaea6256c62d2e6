"""Places, pace and breaker: each endpoint has its own, and none loses, doubles or starves a question."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from evaluator.judges.breaker import Breaker
from evaluator.judges.choose import Judges
from evaluator.judges.endpoints import Endpoint
from evaluator.judges.pace import Pace
from evaluator.judges.port import Answer, JudgeRateLimited, JudgeUnavailable, Question
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import ScriptedJudge
from evaluator.judges.scripted_faults import Limited, Storm, hang, rate_limited
from evaluator.judges.slots import Slots


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def asked(judges: Judges, question: Question, count: int) -> list[Answer]:
    """The same question many times at once."""
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(judges.ask(question)) for _ in range(count)]
    return [task.result() for task in asking]


def free_port() -> int:
    """Where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_a_storm_loses_no_question_and_asks_no_more_than_it_must(question: Question) -> None:
    """One call in five fails (429 and 500, without Retry-After): 300 questions, each fault asked over exactly once."""
    storm = Storm(limited=0.1, failing=0.1, seed=3)
    retries = Retries(first_pause=0.02)
    async with (
        ScriptedJudge(latency_seconds=0.02) as judge,
        Judges(model="openai/scripted", base_url=judge.base_url, retries=retries) as judges,
    ):
        judge.always(storm)
        answers = await asked(judges, question, 300)
        assert (len(answers), len(judge.requests)) == (300, 300 + storm.faults)
    assert storm.faults > 40
    assert sum(answer.usage.attempts for answer in answers) == 300 + storm.faults


async def test_a_real_rate_limit_is_found_and_kept(question: Question) -> None:
    """40 requests a second are allowed: all is answered, near that rate, and few are refused on the way."""
    limited = Limited(per_second=40.0)
    async with ScriptedJudge() as judge, Judges(model="openai/scripted", base_url=judge.base_url) as judges:
        judge.always(limited)
        began = time.monotonic()
        assert len(await asked(judges, question, 120)) == 120
        seconds = time.monotonic() - began
    assert seconds < 60.0
    assert limited.refused < 100  # 64 of them are the first burst


async def test_a_slow_provider_starves_no_other(question: Question) -> None:
    """All places of one endpoint are taken by calls that hang; another answers at once."""
    async with ScriptedJudge() as slow, ScriptedJudge() as quick:
        slow.always(hang())
        endpoints = [
            Endpoint(name="slow", model="openai/a", base_url=slow.base_url, in_flight=2),
            Endpoint(name="quick", model="openai/b", base_url=quick.base_url),
        ]
        async with Judges(model="gateway:/quick", endpoints=endpoints) as judges, asyncio.TaskGroup() as group:
            slow_one = Question(system="s", user="u", schema=question.schema, model="gateway:/slow")
            hanging = [group.create_task(judges.ask(slow_one)) for _ in range(5)]
            await slow.asked.wait()
            async with asyncio.timeout(30):
                assert len(await asked(judges, question, 20)) == 20
            for task in hanging:
                task.cancel()
        assert (slow.most_in_flight <= 2, len(quick.requests)) == (True, 20)


async def test_a_wish_to_wait_holds_back_everybody_at_that_provider() -> None:
    """Retry-After of one question is heeded by those that were never refused; a wish beyond 30 s by nobody else."""
    clock = Clock()
    pace = Pace(clock=clock)
    pace.limited(clock(), 3600.0)
    async with asyncio.timeout(30):
        await pace.turn()
    pace.limited(clock(), 5.0)
    held = asyncio.ensure_future(pace.turn())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not held.done()
    held.cancel()


async def test_who_asks_again_comes_before_who_has_not_asked() -> None:
    """A question that was refused is the older one."""
    slots, order = Slots(1), []

    async def take(name: str, *, again: bool) -> None:
        await slots.acquire(again=again)
        order.append(name)
        slots.release()

    await slots.acquire(again=False)
    async with asyncio.TaskGroup() as group:
        for name, again in (("new 1", False), ("old", True), ("new 2", False)):
            group.create_task(take(name, again=again))
        await asyncio.sleep(0)
        slots.release()
    assert order == ["old", "new 1", "new 2"]


async def test_a_place_is_lost_by_no_cancellation() -> None:
    """Neither while it is waited for nor in the moment when it is handed over."""
    slots = Slots(1)
    await slots.acquire(again=False)
    waiting = asyncio.ensure_future(slots.acquire(again=False))
    handed = asyncio.ensure_future(slots.acquire(again=False))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    slots.release()
    handed.cancel()
    await asyncio.wait([waiting, handed])
    async with asyncio.timeout(30):
        await slots.acquire(again=False)


def test_the_pace_falls_to_what_was_answered_and_rises_until_the_next_429() -> None:
    """50 a second are answered; doubling a second later is too fast, so it falls and rises by a tenth a second."""
    clock = Clock()
    pace = Pace(most=90.0, clock=clock)
    assert pace.rate == 90.0
    for _ in range(25):
        pace.limited(clock())
        pace.answered(clock())
    assert pace.rate == 90.0  # half a second is not over
    clock.now += 0.5
    pace.limited(clock())
    assert pace.rate == 50.0
    clock.now += 2.0
    assert pace.rate == 90.0  # doubled twice, but for the set rate
    for _ in range(20):
        pace.limited(clock())
    assert pace.rate == 90.0
    clock.now += 0.5
    pace.limited(clock())
    assert pace.rate == 45.0  # half, although less was answered
    clock.now += 2.0
    assert pace.rate == pytest.approx(54.0)
    clock.now += 58.0
    assert pace.rate == 90.0  # forgotten


def test_a_few_refusals_slow_nobody_down() -> None:
    """One in ten says nothing about the rate: each is asked over, that is all."""
    clock = Clock()
    pace = Pace(clock=clock)
    for number in range(1000):
        clock.now += 0.005
        pace.limited(clock()) if number % 10 == 0 else pace.answered(clock())
    assert pace.rate is None


def test_a_flood_of_refusals_is_stemmed_at_once_and_the_rate_doubles_from_there() -> None:
    """Two answers and ten refusals: four a second, eight a second later."""
    clock = Clock()
    pace, sent = Pace(clock=clock), clock() - 0.1
    pace.limited(clock())
    pace.answered(clock())
    pace.answered(clock())
    for _ in range(9):
        assert pace.rate is None
        pace.limited(clock())
    assert pace.rate == 4.0
    clock.now += 1.0
    for _ in range(50):
        pace.limited(sent)
    assert pace.rate == 8.0  # they had been sent before


async def test_turns_come_at_the_set_rate_and_in_order() -> None:
    """100 a second: 20 turns take about 0.2 s, less a tenth of a second's worth that may go at once."""
    pace, order = Pace(most=100.0), []

    async def take(number: int) -> None:
        await pace.turn()
        order.append(number)

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(take(number))
    assert time.monotonic() - began >= 0.08
    assert order == list(range(20))


async def test_after_five_broken_connections_one_question_tries_for_all() -> None:
    """Open, half open, open for longer, closed."""
    clock = Clock()
    breaker = Breaker(clock=clock)
    for _ in range(4):
        breaker.unreachable(probe=await breaker.enter())
    assert breaker.away_seconds is None
    breaker.unreachable(probe=await breaker.enter())
    assert breaker.away_seconds == 1.0
    clock.now += 1.0
    assert await breaker.enter() is True
    other = asyncio.ensure_future(breaker.enter())
    await asyncio.sleep(0)
    breaker.unreachable(probe=True)
    assert (breaker.away_seconds, other.done()) == (2.0, False)
    clock.now += 2.0
    other.cancel()
    assert await breaker.enter() is True
    breaker.given_up(probe=True)  # its caller hung up: the next one tries
    assert await breaker.enter() is True
    breaker.reached()
    assert (breaker.away_seconds, await breaker.enter()) == (None, False)


async def test_somebody_who_waits_is_told_at_once_that_the_judge_is_away(question: Question) -> None:
    """A question with a deadline does not knock at a door that is known to be shut."""
    base_url, retries = f"http://127.0.0.1:{free_port()}/v1", Retries(first_pause=0.001)
    async with Judges(model="openai/x", base_url=base_url, retries=retries) as judges:
        deadline = asyncio.get_running_loop().time() + 30.0
        with pytest.raises(JudgeUnavailable) as opening:
            await judges.ask(question, deadline=deadline)
        with pytest.raises(JudgeUnavailable, match="left alone") as refused:
            await judges.ask(question, deadline=deadline)
    assert (len(opening.value.calls), len(refused.value.calls)) == (5, 0)
    assert (refused.value.code, refused.value.retryable) == ("JUDGE_UNAVAILABLE", True)


async def test_work_without_a_deadline_waits_out_an_outage(question: Question) -> None:
    """A rule's questions do not become failures because the judge restarts."""
    port, retries = free_port(), Retries(max_tries=5, first_pause=0.01)
    async with (
        Judges(model="openai/x", base_url=f"http://127.0.0.1:{port}/v1", retries=retries) as judges,
        asyncio.TaskGroup() as group,
    ):
        asking = [group.create_task(judges.ask(question)) for _ in range(8)]
        while (judges.away_seconds("") or 0.0) <= 1.0:  # noqa: ASYNC110  # until who tried for all found nobody
            await asyncio.sleep(0.001)
        async with ScriptedJudge(port=port) as judge:
            await asyncio.wait(asking)
            assert len(judge.requests) == 8


async def test_who_waits_for_the_judges_return_keeps_nobody_from_being_told(question: Question) -> None:
    """The only place is taken by a rule's question; a caller is refused at once all the same."""
    base_url, retries = f"http://127.0.0.1:{free_port()}/v1", Retries(first_pause=0.001)
    async with Judges(model="openai/x", base_url=base_url, retries=retries, max_in_flight=1) as judges:
        waiting = asyncio.ensure_future(judges.ask(question))
        while judges.away_seconds("") is None:  # noqa: ASYNC110  # until it has found nobody
            await asyncio.sleep(0.001)
        with pytest.raises(JudgeUnavailable, match="left alone"):
            await judges.ask(question, deadline=asyncio.get_running_loop().time() + 30.0)
        assert not waiting.done()
        waiting.cancel()


async def test_a_rate_limit_beyond_what_is_waited_for_fails_that_question_only(
    judge: ScriptedJudge, judges: Judges, question: Question
) -> None:
    """An hour's Retry-After ends the attempt; the next question is asked."""
    judge.then(rate_limited("3600"))
    with pytest.raises(JudgeRateLimited):
        await judges.ask(question)
    async with asyncio.timeout(30):
        assert (await judges.ask(question)).usage.attempts == 1
