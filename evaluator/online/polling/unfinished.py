"""Work that no poll finds: of dead workers, failed and due for another attempt, or waiting for a result that came."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from evaluator.online.polling.awaiting import Awaiting
from evaluator.online.polling.beginning import Beginning
from evaluator.online.polling.lanes import Lanes
from evaluator.online.polling.resuming import Resumed, taken_over, tried_again
from evaluator.online.polling.waking import Waking
from evaluator.online.polling.work import Chunk, Pace
from evaluator.online.rules.definition import RuleDefinition
from storage.queue import Queue
from storage.telemetry import TargetRecord, Telemetry

TAKE_OVER_SECONDS = 30.0
"""How often it is looked for work that a dead worker left behind; and at once when leases were taken."""


class Unfinished:
    """Finds it, and begins it again.  Every method raises as `Beginning.begin`, and `Unavailable`."""

    def __init__(
        self,
        *,
        queue: Queue,
        telemetry: Telemetry,
        waking: Waking,
        awaiting: Awaiting,
        beginning: Beginning,
        lanes: Lanes,
        pace: Pace,
    ) -> None:
        self._queue = queue
        self._telemetry = telemetry
        self._waking = waking
        self._awaiting = awaiting
        self._beginning = beginning
        self._lanes = lanes
        self._pace = pace
        self._took_over_at = 0.0
        self._tried_again_at = 0.0

    async def take_up(self, rules: Mapping[str, RuleDefinition], *, at_once: bool) -> None:
        """Everything that is due; of dead workers now and then, or `at_once`."""
        now = time.monotonic()
        if (at_once or now - self._took_over_at > TAKE_OVER_SECONDS) and await self._take_over(rules):
            self._took_over_at = now
        await self._wake(rules)
        if now - self._tried_again_at >= self._pace.waiting_seconds and await self._try_again(rules):
            self._tried_again_at = now

    async def _take_over(self, rules: Mapping[str, RuleDefinition]) -> bool:
        """Work that a dead worker started: again, unless its rule is gone or it killed workers too often.

        Returns whether that was all of it.
        """
        abandoned = await self._queue.abandoned(limit=self._pace.page_traces)
        located = await self._telemetry.locate([left.target for left in abandoned]) if abandoned else {}
        await self._resume(taken_over(abandoned, rules, located))
        return len(abandoned) < self._pace.page_traces

    async def _try_again(self, rules: Mapping[str, RuleDefinition]) -> bool:
        """Failed attempts that are followed by another, and whose time has come.  Returns whether that was all."""
        full = [name for name in rules if not self._lanes.has_room(name)]
        due = await self._queue.retries_due(limit=self._pace.page_traces, except_rules=full)
        located = await self._telemetry.locate([failure.target for failure in due]) if due else {}
        await self._resume(tried_again(due, rules, located, chunk_targets=self._pace.chunk_targets))
        return len(due) < self._pace.page_traces

    async def _resume(self, resumed: Resumed) -> None:
        await self._queue.record(resumed.closed)
        await self._beginning.begin(resumed.again)

    async def _wake(self, rules: Mapping[str, RuleDefinition]) -> None:
        """What waits for results that came, or are late; composites also where what they read changed."""
        woken = await self._waking.woken(rules, limit=self._pace.page_traces)
        located = await self._telemetry.locate([each.target for each in woken]) if woken else {}
        due: dict[tuple[str, str, int, bool], list[TargetRecord]] = {}
        for each in woken:
            record = located.get(each.target)
            if record is not None and record.watermark_ms == each.watermark_ms:  # a poll finds a newer revision itself
                waited = each.decision == "waiting"
                due.setdefault((each.rule, each.metric, each.attempt, waited), []).append(record)
        chunks: dict[bool, list[Chunk]] = {True: [], False: []}
        for (name, metric, attempt, waited), records in due.items():
            chunks[waited] += [
                Chunk(rule=rules[name], metrics=(metric,), records=part, attempt=attempt)
                for part in self._parts(records)
            ]
        overdue = {each.target for each in woken if each.next_attempt_ms}
        admitted = await self._awaiting.woken(chunks[True], overdue)
        await self._queue.record(admitted.decisions)
        await self._beginning.begin([*chunks[False], *admitted.chunks])
        self._waking.settle()

    def _parts(self, records: Sequence[TargetRecord]) -> Iterator[tuple[TargetRecord, ...]]:
        for start in range(0, len(records), self._pace.chunk_targets):
            yield tuple(records[start : start + self._pace.chunk_targets])
