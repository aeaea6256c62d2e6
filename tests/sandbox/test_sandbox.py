"""The pool of workers: limits, isolation, and who waits for whom."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from evaluator.sandbox.absent import Absent
from evaluator.sandbox.errors import Raised, TookTooLong, TookTooMuchMemory, WorkerDied
from evaluator.sandbox.limits import Limits
from evaluator.sandbox.sandbox import Sandbox

FOREVER = "while True: pass"


MUCH = TookTooMuchMemory("took more than 32 MB, what it reads of the target included")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Four workers, short limits."""
    async with Sandbox(limits=Limits(seconds=0.5, memory_bytes=32 * 2**20)) as opened:
        yield opened


def workers() -> list[int]:
    """Process ids of this process's workers that live."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split() if folder.name.isdigit() else []
            if fields and int(fields[1]) == os.getpid() and b"monty" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it ended a moment ago
            continue
    return found


def burned(worker: int) -> int:
    """Hundredths of a second of CPU that a worker has taken so far."""
    return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11])


async def until_at_work(worker: int) -> None:
    """Until a worker has burned 50 ms more than it had: it runs what it was given."""
    start = burned(worker)
    await until(lambda: burned(worker) >= start + 5)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - of the system, which sets no event
            await asyncio.sleep(0.005)


def environment(worker: int) -> bytes:
    """What a process was given to know of its surroundings."""
    return Path(f"/proc/{worker}/environ").read_bytes()


async def test_code_gets_its_inputs_and_gives_the_value_of_its_last_expression(sandbox: Sandbox) -> None:
    """Plain values cross both ways as they are."""
    value = {"a": [1, 2.5, None, True, "é😀中\x00"], "t": (1, "x")}
    assert await sandbox.run("given", {"given": value}, owner="o") == value


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (FOREVER, TookTooLong("took more than 0.5 s of CPU")),
        ("try:\n  while True: pass\nexcept BaseException: pass", TookTooLong("took more than 0.5 s of CPU")),
        ("def f():\n  while True:\n    try:\n      while True: pass\n    except BaseException: pass\nf()",
         TookTooLong("took more than 0.5 s of CPU")),
        ("x = 'a' * 10**10", MUCH),
        ("x = [[] for i in range(10**9)]",
         MUCH),
        ("x = 10 ** 10 ** 8", MUCH),
        ("def f(): return f()\nf()", Raised("RecursionError: maximum recursion depth exceeded", ())),
        ("open('/etc/passwd')", Raised("PermissionError: Permission denied: '/etc/passwd'", ())),
        ("import os\nos.listdir('/')", Raised("PermissionError: Permission denied: '/'", ())),
        ("import os\nos.environ", Raised("RuntimeError: 'os.environ' is not supported in this environment", ())),
        ("import os\nos.system('id')", Raised("AttributeError: module 'os' has no attribute 'system'", ())),
        ("import socket", Raised("ModuleNotFoundError: No module named 'socket'", ())),
        ("import subprocess", Raised("ModuleNotFoundError: No module named 'subprocess'", ())),
        ("__import__('os')", Raised("NameError: name '__import__' is not defined", ())),
        ("(lambda: 0).__globals__", Raised("AttributeError: 'function' object has no attribute '__globals__'", ())),
        ("().__class__.__base__", Raised("AttributeError: 'tuple' object has no attribute '__class__'", ())),
    ],
)  # fmt: skip
async def test_runaway_and_hostile_code_ends_with_a_clear_error(sandbox: Sandbox, code: str, error: Exception) -> None:
    """Loops, allocations, recursion, files, network, environment, and ways out of the interpreter."""
    with pytest.raises(type(error)) as found:
        await sandbox.run(code, {}, owner="o")
    assert str(found.value) == str(error)


async def test_an_exception_tells_its_line_and_a_bounded_message(sandbox: Sandbox) -> None:
    """Ten million characters do not reach a result."""
    with pytest.raises(Raised) as found:
        await sandbox.run("x = 1\ndef f():\n    raise ValueError('x' * 10**6)\nf()", {}, owner="o")
    assert found.value.lines == (4, 3)
    assert str(found.value) == f"{'ValueError: ' + 'x' * 1988} … (cut)"


async def test_what_code_changes_is_gone_with_it(sandbox: Sandbox) -> None:
    """Neither globals nor builtins nor inputs live on to the next run."""
    given = {"list": [1]}
    await sandbox.run("len = None\nleft = 1\ngiven['list'].append(2)", {"given": given}, owner="o")
    assert given == {"list": [1]}
    for _ in range(4):
        assert await sandbox.run("len([3])", {}, owner="o") == 1
    with pytest.raises(Raised, match="name 'left' is not defined"):
        await sandbox.run("left", {}, owner="o")


async def test_equal_code_gets_equal_lots_and_nobody_waits_for_a_sleeper(sandbox: Sandbox) -> None:
    """A scorer that draws at random gives the same result for the same target; sleeping takes no time."""
    code = "import random, time\ntime.sleep(1000)\nrandom.random()"
    assert await sandbox.run(code, {}, owner="o") == await sandbox.run(code, {}, owner="p")


async def test_reading_what_is_absent_is_noticed_whatever_becomes_of_the_error(sandbox: Sandbox) -> None:
    """Plain reads, `getattr` with a default, `hasattr`, calls, and errors that are caught."""
    for read in ("x.content", "getattr(x, 'content', '')", "hasattr(x, 'content')", "x.strip()"):
        absent = Absent("output")
        code = f"try:\n    found = {read}\nexcept Exception:\n    found = ''\nfound"
        assert await sandbox.run(code, {"x": absent}, owner="o") == ""
        assert absent.read
    asked = Absent("output")
    assert await sandbox.run("x.captured", {"x": asked}, owner="o") is False
    assert not asked.read


async def test_a_worker_that_dies_is_replaced_and_its_run_repeated() -> None:
    """Killed by the system while it works, say: the caller gets the answer all the same."""
    async with asyncio.timeout(60), Sandbox(workers=1, limits=Limits(seconds=30.0)) as sandbox:
        assert await sandbox.run("1", {}, owner="o") == 1
        (victim,) = workers()
        running = asyncio.ensure_future(sandbox.run("for i in range(5 * 10**6): pass\ni", {}, owner="o"))
        await until_at_work(victim)
        os.kill(victim, signal.SIGKILL)
        assert await running == 5 * 10**6 - 1
        assert victim not in workers()


async def test_code_that_kills_its_worker_every_time_is_told_so() -> None:
    """It is tried twice, not for ever."""
    async with asyncio.timeout(60), Sandbox(workers=1, limits=Limits(seconds=30.0)) as sandbox:
        running = asyncio.ensure_future(sandbox.run(FOREVER, {}, owner="o"))
        for _ in range(2):
            await until(workers)
            (victim,) = workers()
            await until_at_work(victim)
            os.kill(victim, signal.SIGKILL)
            await until(lambda dead=victim: dead not in workers())  # type: ignore[misc]
        with pytest.raises(WorkerDied, match="the sandbox's worker ended"):
            await running
        assert await sandbox.run("1", {}, owner="p") == 1


async def test_a_hanging_scorer_delays_nobody_else() -> None:
    """Two owners whose code hangs, many times each; others are answered at once, all the while."""
    async with Sandbox(limits=Limits(seconds=2.0)) as sandbox:
        await sandbox.run("1", {}, owner="warm")
        hanging = [asyncio.ensure_future(sandbox.run(FOREVER, {}, owner=f"stuck {n % 2}")) for n in range(1)]
        hanging += [asyncio.ensure_future(sandbox.run(FOREVER, {}, owner="stuck 0")) for _ in range(5)]
        answers = [await sandbox.run(str(n), {}, owner="sound") for n in range(50)]
        assert answers == list(range(50))
        assert not any(each.done() for each in hanging[:1])  # the first still hangs: nobody waited for it
        for each in hanging:
            each.cancel()
        await asyncio.wait(hanging)


async def test_an_owner_whose_code_hung_has_one_turn_at_a_time_until_it_answers() -> None:
    """So several such owners leave workers for the others."""
    async with Sandbox(limits=Limits(seconds=0.3)) as sandbox:
        with pytest.raises(TookTooLong):
            await sandbox.run(FOREVER, {}, owner="stuck")
        more = [asyncio.ensure_future(sandbox.run(FOREVER, {}, owner="stuck")) for _ in range(3)]
        done, _ = await asyncio.wait(more, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        await asyncio.wait(more)
        assert [type(each.exception()) for each in more] == [TookTooLong] * 3
        assert await asyncio.gather(*(sandbox.run("1", {}, owner="stuck") for _ in range(8))) == [1] * 8


async def test_a_caller_who_goes_away_ends_the_run_at_once() -> None:
    """The worker is killed, not left to burn until the limit."""
    async with asyncio.timeout(60), Sandbox(workers=1, limits=Limits(seconds=600.0)) as sandbox:
        assert await sandbox.run("1", {}, owner="o") == 1
        (worker,) = workers()
        running = asyncio.ensure_future(sandbox.run(FOREVER, {}, owner="o"))
        await until_at_work(worker)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await sandbox.run("2", {}, owner="o") == 2


async def test_a_run_that_starves_is_given_time_and_ends_by_the_clock_at_last() -> None:
    """On a stopped worker no CPU is taken: the first limit does not come, the second does."""
    async with asyncio.timeout(60), Sandbox(workers=1, limits=Limits(seconds=0.2, clock_seconds=1.0)) as sandbox:
        assert await sandbox.run("1", {}, owner="o") == 1
        (worker,) = workers()
        running = asyncio.ensure_future(sandbox.run(FOREVER, {}, owner="o"))
        await until_at_work(worker)
        os.kill(worker, signal.SIGSTOP)
        with pytest.raises(TookTooLong, match="ran for more than 1 s"):
            await running
        assert await sandbox.run("2", {}, owner="o") == 2


async def test_closing_ends_what_hangs() -> None:
    """A stop of the evaluator does not wait for a scorer, and leaves no process behind."""
    async with asyncio.timeout(60):
        async with Sandbox(workers=1, limits=Limits(seconds=600.0)) as sandbox:
            assert await sandbox.run("1", {}, owner="o") == 1
            (worker,) = workers()
            running = asyncio.ensure_future(sandbox.run(FOREVER, {}, owner="o"))
            await until_at_work(worker)
        with pytest.raises(WorkerDied):
            await running
        await until(lambda: not workers())


async def test_the_event_loop_turns_while_code_hangs(sandbox: Sandbox) -> None:
    """Everything else in the process goes on: hundreds of turns while one scorer runs into its limit."""
    running = asyncio.ensure_future(sandbox.run(FOREVER, {}, owner="o"))
    turns = 0
    while not running.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert isinstance(running.exception(), TookTooLong)
    assert turns > 50


async def test_a_pool_that_nobody_asks_starts_no_process() -> None:
    """Installations without code metrics pay nothing."""
    async with Sandbox():
        assert workers() == []


async def test_workers_have_no_environment_and_give_way_to_ingest(sandbox: Sandbox) -> None:
    """Keys of judges stand in the evaluator's environment; CPU is the exporter's first."""
    await sandbox.run("1", {}, owner="o")
    (worker,) = workers()
    assert environment(worker) == b""
    assert os.getpriority(os.PRIO_PROCESS, worker) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
