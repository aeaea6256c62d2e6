"""Runs in workers of the interpreter's pool: the only module that speaks to pydantic-monty.

Importing it costs a tenth of a second of CPU, so that is left to the first run.
"""

from __future__ import annotations

from typing import NoReturn

import pydantic_monty as monty

from evaluator.sandbox.absent import Absent
from evaluator.sandbox.errors import Raised, SandboxError, TookTooLong, TookTooMuchMemory, WorkerDied
from evaluator.sandbox.limits import Limits
from evaluator.sandbox.run import Run

MAX_MESSAGE = 2_000
"""Characters of an exception's text that are kept."""
_MAX_SUSPENSIONS = 100
_GRACE_SECONDS = 1.0


def answer(run: Run, pool: monty.Monty) -> object:
    """The value of a run's last expression; blocks until there is one.

    Raises:
        SandboxError: As `Sandbox.run`.
    """
    limits = run.limits
    session = pool.checkout(
        limits={
            "max_feed_duration_secs": limits.clock_seconds,
            "max_memory": limits.memory_bytes,
            "max_recursion_depth": limits.depth,
            "max_suspensions": _MAX_SUSPENSIONS,
        },
        # Nobody waits for a sleeping scorer, and one that draws lots draws the same ones every time.
        os_policy={"sleep": "zero", "random_start": {"seed": 0}},
    )
    try:
        with session, run.having(session.worker_pid):
            inputs = {name: _as_seen(value) for name, value in run.inputs.items()}
            return session.feed_run(run.code, inputs=inputs, print_callback=_unheard)
    except monty.MontyCrashedError as error:
        if run.too_long:
            raise TookTooLong(f"took more than {limits.seconds:g} s of CPU") from None
        if error.timed_out or "exceeded" in str(error):
            raise TookTooLong(_too_long(limits)) from None
        raise WorkerDied(f"the sandbox's worker ended: {str(error)[:MAX_MESSAGE]}") from None
    except (monty.MontyRuntimeError, monty.MontySyntaxError) as error:
        raise _ended(error, limits) from None
    except monty.MontyError as error:  # a value that cannot cross
        raise Raised(str(error)[:MAX_MESSAGE], ()) from None


def start(workers: int) -> monty.Monty:
    """A pool with one worker, and as many more as are needed at the same time."""
    pool = monty.Monty(min_processes=1, max_processes=workers, feed_duration_limit_grace=_GRACE_SECONDS)
    return pool.__enter__()


class _Seen(monty.ClassInstance):
    """An `Absent` inside the sandbox.  An error that is no AttributeError goes past `hasattr` and defaults."""

    def lookup_lazy_attrs(self, name: str) -> NoReturn:
        absent: Absent = self.value
        absent.read = True
        raise ValueError(str(absent))

    def call_method(self, name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> NoReturn:
        self.lookup_lazy_attrs(name)


def _as_seen(value: object) -> object:
    return _Seen(value, eager_attrs=("captured",)) if isinstance(value, Absent) else value


def _unheard(_stream: str, _text: str) -> None:
    """What scorers print goes nowhere."""


def _ended(error: monty.MontyRuntimeError | monty.MontySyntaxError, limits: Limits) -> SandboxError:
    message = error.display("type-msg")
    if message.startswith("TimeoutError: feed time limit exceeded"):
        return TookTooLong(_too_long(limits))
    if message.startswith(("MemoryError: memory limit exceeded", "MemoryError: the worker exceeded")):
        megabytes = limits.memory_bytes // 2**20
        return TookTooMuchMemory(f"took more than {megabytes} MB, what it reads of the target included")
    lines = tuple(frame.line for frame in error.traceback())
    return Raised(message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} … (cut)", lines)


def _too_long(limits: Limits) -> str:
    return f"ran for more than {limits.clock_seconds:g} s"
