"""What each model takes is found out once in the life of the process: schema, else tool call, else words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from evaluator.judges.plain import holds_no_object
from evaluator.judges.port import Answer, LogprobsRefused, Mode, SchemaRefused

PROBE_SECONDS = 1.0
"""How long others wait for the first question to a model: a refusal comes at once, an answer may take its time."""
LOWER: Final = {Mode.SCHEMA: Mode.TOOL, Mode.TOOL: Mode.WORDS}

Once = Callable[[Mode, bool], Awaitable[Answer]]
"""One request in a mode, with log-probabilities or without."""


class Modes:
    """Memory of one endpoint, by the model's name."""

    def __init__(self) -> None:
        self._modes: dict[str, Mode] = {}
        self._settled: set[str] = set()
        self._heeded: set[tuple[str, Mode]] = set()
        self._probes: dict[str, asyncio.Event] = {}
        self._without_logprobs: set[str] = set()

    async def ask(self, model: str, once: Once, *, logprobs: bool) -> Answer:
        """Ask in the best mode that the model is known to take, and lower it as long as it is refused."""
        if model in self._settled:
            return await self._lowering(model, once, logprobs=logprobs)
        probe = await self._turn(model)
        try:
            return await self._lowering(model, once, logprobs=logprobs)
        finally:
            if probe is not None:
                del self._probes[model]
                probe.set()

    def doubt(self, model: str, mode: Mode) -> None:
        """The model answered as if `mode` had not been asked for; one that has heeded it before is not doubted."""
        if (model, mode) not in self._heeded:
            self._lower(model, mode)

    def _lower(self, model: str, mode: Mode) -> None:
        if self._modes.get(model, Mode.SCHEMA) is mode and mode in LOWER:
            self._modes[model] = LOWER[mode]

    async def _lowering(self, model: str, once: Once, *, logprobs: bool) -> Answer:
        while True:
            mode = self._modes.get(model, Mode.SCHEMA)
            wanted = logprobs and model not in self._without_logprobs
            try:
                answer = await once(mode, wanted)
            except SchemaRefused:
                if mode not in LOWER:
                    raise
                self._lower(model, mode)
            except LogprobsRefused:
                if not wanted:
                    raise
                self._without_logprobs.add(model)
            else:
                self._settled.add(model)
                if not holds_no_object(answer.text):
                    self._heeded.add((model, mode))
                return answer

    async def _turn(self, model: str) -> asyncio.Event | None:
        """The probe that this question is; None = another has found out, or takes long."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                while model not in self._settled:
                    if (probe := self._probes.get(model)) is None:
                        mine = self._probes[model] = asyncio.Event()
                        return mine
                    await probe.wait()
        except TimeoutError:
            pass
        return None
