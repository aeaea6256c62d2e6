"""Keeps what was said to judges, and their answers, beside the results.  Trouble with it never fails a score."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from evaluator.metrics.exchange import Exchange
from evaluator.scoring.recorder import Recorder
from storage.errors import StorageError
from storage.model import Evaluation, JudgeAnswer, JudgeTrace
from storage.ports import JudgeAnswers, JudgeTraces

log = logging.getLogger(__name__)


class Exchanges:
    """Stores exchanges in groups.  `run` must be running.

    Args:
        answers: Where answers are kept for equal questions; None = they are not.

    Attributes:
        count: `kept`, and `lost` where the store did not take one.
    """

    def __init__(self, traces: JudgeTraces, answers: JudgeAnswers | None) -> None:
        self._traces: Recorder[JudgeTrace] = Recorder(traces.append)
        self._answers: Recorder[JudgeAnswer] | None = None if answers is None else Recorder(answers.keep)
        self.count: Counter[str] = Counter()

    async def run(self) -> None:
        """Commit groups until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._traces.run())
            if self._answers is not None:
                group.create_task(self._answers.run())

    async def keep(self, exchange: Exchange, evaluation: Evaluation) -> None:
        """Return when it is stored, or cannot be, which is counted and logged."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._traces.record(exchange.trace(evaluation)))
                if self._answers is not None:
                    for answer in exchange.answers:
                        group.create_task(self._answers.record(answer))
        except* StorageError as errors:
            self.count["lost"] += 1
            reason = str(errors.exceptions[0])
            log.warning("exchange_not_kept", extra={"trace_id": exchange.trace_id, "reason": reason})
        else:
            self.count["kept"] += 1
