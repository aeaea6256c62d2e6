"""Trusted metrics of the operator: functions that installed packages offer under the entry point group `assay.metrics`.

They run in this process, with everything that it may do.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from evaluator.metrics.code.scorer_result import RETURNS, BadResult, Several, score_from
from evaluator.metrics.code.step import whole_step
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.sandbox.absent import Absent
from storage.model import Abstention, Failure, Outcome

GROUP: Final = "assay.metrics"
PREFIX: Final = "plugin:"
MAX_SECONDS: Final = 30.0
_THREADS: Final = 8
_MAX_MESSAGE: Final = 2_000


def installed() -> Mapping[str, EntryPoint]:
    """What packages offer, by name; of two with one name the first that is found."""
    return {point.name: point for point in reversed(tuple(entry_points(group=GROUP)))}


class Plugins:
    """Functions of plugins, each loaded when it is first asked for.

    Args:
        seconds: One application may take.  A coroutine is cancelled; a plain function that takes longer is given up,
            and its thread stays until it returns: of one function at most eight run at the same time, and whoever
            comes then waits for one of them to end.
    """

    def __init__(self, *, seconds: float = MAX_SECONDS) -> None:
        self._seconds = seconds
        self._loaded: dict[str, Callable[..., Any]] = {}
        self._free: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_THREADS))

    async def apply(self, definition: MetricDefinition, material: Material, spellings: Mapping[str, str]) -> Outcome:
        """`function(step_object=…, **arguments)`, and what it returns as a scorer's result.

        Returns:
            As for scorers; failures are PLUGIN_MISSING, PLUGIN_ERROR, PLUGIN_TIMEOUT, SCORER_BAD_RESULT.
        """
        name = definition.function.removeprefix(PREFIX)
        try:
            function = self._load(name)
        except Exception as error:  # whatever a module does when it is imported
            return Failure(code="PLUGIN_MISSING", message=f"{name}: {_told(error)}")
        absent = {side: Absent(side) for side in ("input", "output")}
        outcome = await self._outcome(definition, function, whole_step(material, spellings, absent))
        return next((Abstention(reason=f"no {side}") for side, each in absent.items() if each.read), outcome)

    def _load(self, name: str) -> Callable[..., Any]:
        if name not in self._loaded:
            point = installed().get(name)
            if point is None:
                raise LookupError(f"no installed package offers it under {GROUP}")
            self._loaded[name] = point.load()
        return self._loaded[name]

    async def _outcome(self, definition: MetricDefinition, function: Callable[..., Any], step: object) -> Outcome:
        try:
            async with asyncio.timeout(self._seconds):
                if inspect.iscoroutinefunction(function):
                    returned = await function(step_object=step, **definition.arguments)
                else:
                    call = partial(function, step_object=step, **definition.arguments)
                    free = self._free[definition.function]
                    await free.acquire()
                    returned = await _in_thread(call, ended=free.release)
            return score_from(definition, _read(returned))
        except TimeoutError as error:
            if str(error):  # the plugin's own
                return Failure(code="PLUGIN_ERROR", message=_told(error))
            return Failure(code="PLUGIN_TIMEOUT", message=f"ran for more than {self._seconds:g} s")
        except BadResult as error:
            return Failure(code="SCORER_BAD_RESULT", message=str(error))
        except Exception as error:
            return Failure(code="PLUGIN_ERROR", message=_told(error))


async def _in_thread(call: Callable[[], object], *, ended: Callable[[], None]) -> object:
    """What a call returns; `ended` is called when its thread does, which may be long after it was given up.

    The thread is a daemon: one that never ends does not keep the process.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()

    def settle(value: object, error: BaseException | None) -> None:
        ended()
        if done.done():  # given up
            return
        if error is None:
            done.set_result(value)
        else:
            done.set_exception(error)

    def work() -> None:
        try:
            value, error = call(), None
        except Exception as raised:
            value, error = None, raised
        except BaseException as raised:  # SystemExit and the like end no more than this call
            value, error = None, RuntimeError(f"{type(raised).__name__}: {raised}")
        loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=work, name="plugin", daemon=True).start()
    return await done


def _told(error: BaseException) -> str:
    """The error, and the line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({trace.tb_frame.f_code.co_filename.rpartition('/')[2]}, line {trace.tb_lineno})" if trace else ""
    message = f"{type(error).__name__}: {error}"
    return f"{message[:_MAX_MESSAGE]}{where}"


def _read(returned: object) -> object:
    """As scorers' results come out of the sandbox."""
    match returned:
        case str() | bool() | int() | float() | None:
            return returned
        case list() | tuple() | set() | frozenset():
            return Several(tuple(_read(item) for item in returned), isinstance(returned, tuple))
        case dict():
            return {str(key): _read(value) for key, value in returned.items()}
    raise BadResult(f"returned a {type(returned).__name__}; {RETURNS}")
