"""SQL metrics for the engine: what is asked of one metric at the same moment is one query."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from evaluator.errors import InvalidDefinition
from evaluator.metrics.conclude import Conclusion, passed
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.sql.sql_metric import expression_of, outcome_of
from storage.errors import Rejected, StorageError
from storage.expressions import SpanExpressions, Value
from storage.model import Abstention, Failure, Outcome
from storage.telemetry import TargetRecord

MAX_TARGETS = 1000
"""In one query."""
NOT_STORED = "not stored: an sql metric reads the store, not spans that come with the request"
_Key: TypeAlias = tuple[str, int, str]
_Asked: TypeAlias = tuple[TargetRecord, "asyncio.Future[Value | Failure]"]


class Expressions:
    """Applies SQL metrics to located targets.

    Args:
        store: Computes; None = nothing does, and every SQL metric fails.
        start: Runs a coroutine beside the caller, until the engine ends.
    """

    def __init__(
        self, store: SpanExpressions | None, start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    ) -> None:
        self._store = store
        self._start = start
        self._waiting: defaultdict[_Key, list[_Asked]] = defaultdict(list)

    async def conclude(self, metric: MetricDefinition, record: TargetRecord, *, inline: bool) -> Conclusion:
        """What an SQL metric concludes on one target.

        Raises:
            storage.errors.StorageError: The store is away.
        """
        outcome: Outcome = Abstention(reason=NOT_STORED) if inline else await self._outcome(metric, record)
        verdict = passed(metric, outcome)
        conclusion = Conclusion(outcome=outcome)
        return conclusion if verdict is None else replace(conclusion, metadata={"passed": str(verdict).lower()})

    async def _outcome(self, metric: MetricDefinition, record: TargetRecord) -> Outcome:
        if self._store is None:
            return Failure(
                code="SQL_UNAVAILABLE", message="sql metrics do not run here: set ASSAY_EXPRESSIONS_URL", retryable=True
            )
        key = metric.name, metric.version, metric.digest
        answer: asyncio.Future[Value | Failure] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[key]
        waiting.append((record, answer))
        if len(waiting) == 1:  # by the time that this runs, everybody who is ready has asked
            self._start(self._ask(self._store, metric, key))
        found = await answer
        return found if isinstance(found, Failure) else outcome_of(metric, found)

    async def _ask(self, store: SpanExpressions, metric: MetricDefinition, key: _Key) -> None:
        asked = [each for each in self._waiting.pop(key) if not each[1].done()]
        for start in range(0, len(asked), MAX_TARGETS):
            await self._query(store, metric, asked[start : start + MAX_TARGETS])

    async def _query(self, store: SpanExpressions, metric: MetricDefinition, asked: Sequence[_Asked]) -> None:
        try:
            values = await store.values(expression_of(metric), [record for record, _ in asked])
        except InvalidDefinition as error:  # a list that became shorter since it was saved
            _answer(asked, Failure(code="SQL_INVALID", message=error.reason))
        except Rejected as error:
            _answer(asked, Failure(code="SQL_FAILED", message=str(error)))
        except StorageError as error:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
        except Exception as error:  # a bug: theirs who asked; raised here, it would end the engine
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
        except BaseException:
            for _, answer in asked:
                answer.cancel()
            raise
        else:
            for record, answer in asked:
                if not answer.done():
                    answer.set_result(values.get(record.ref, _GONE))


_GONE = Failure(code="SQL_TARGET_GONE", message="the target is not stored any more")


def _answer(asked: Sequence[_Asked], outcome: Failure) -> None:
    for _, answer in asked:
        if not answer.done():
            answer.set_result(outcome)
