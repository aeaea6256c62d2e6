"""Keeps what was said to judges, and their answers, beside the results.  Trouble with it never fails a score."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from evaluator.metrics.judging.exchange import Exchange
from evaluator.scoring.recorder import Recorder
from storage.errors import StorageError
from storage.judging import JudgeAnswers, JudgeTraces
from storage.model import Evaluation, JudgeAnswer, JudgeTrace

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

    def keep(self, exchange: Exchange, evaluation: Evaluation) -> Sequence[asyncio.Future[None]]:
        """Begin to store it.  All of these are done when it is stored, or cannot be, which is counted and logged."""
        try:
            trace = exchange.trace(evaluation)
        except Exception as error:  # a bug's, too: the score does not depend on it
            self._lost(exchange, error)
            return ()
        parts = [self._traces.put(trace)]
        if self._answers is not None:
            parts += [self._answers.put(answer) for answer in exchange.answers]
        left = len(parts)

        def ended(_: asyncio.Future[None]) -> None:
            nonlocal left
            left -= 1
            if left:
                return
            errors = [error for part in parts if (error := part.exception()) is not None]
            if errors:
                self._lost(exchange, errors[0])
            else:
                self.count["kept"] += 1

        for part in parts:
            part.add_done_callback(ended)
        return parts

    def keep_answers(self, answers: Sequence[JudgeAnswer]) -> None:
        """Keep what was paid for although no result came of it: nobody shall pay for it again."""
        if self._answers is not None:
            for answer in answers:
                self._answers.put(answer).add_done_callback(_seen)

    def _lost(self, exchange: Exchange, error: BaseException) -> None:
        self.count["lost"] += 1
        extra = {"trace_id": exchange.trace_id, "reason": str(error)}
        log.warning("exchange_not_kept", extra=extra, exc_info=None if isinstance(error, StorageError) else error)


def _seen(kept: asyncio.Future[None]) -> None:
    if not kept.cancelled() and (error := kept.exception()) is not None:
        log.warning("answer_not_kept", extra={"reason": str(error)})
