"""Work of rules that is to be looked at again: what it waits for came or is late, or what a composite read is not what
is there now.

The engine compares the results that a composite read with those that are there; nothing is computed where these are the
same.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from evaluator.errors import EvaluatorError
from evaluator.metrics.composite.requirements import BY_OTHERS, closure
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.polling.awaiting import filter_metrics
from evaluator.online.rules.definition import RuleDefinition
from evaluator.scoring.plan import KnowsMetrics
from storage.model import MetricKind, TargetRef
from storage.queue import Decision, Queue, Watched

LOOKBACK = timedelta(hours=1)
"""How far a worker that starts looks for results that came."""
_Key: TypeAlias = tuple[str, str]
"""Rule, and the composite as it names it."""


class Waking:
    """Finds them, each time something came."""

    def __init__(self, *, metrics: KnowsMetrics, queue: Queue, waiting_seconds: float) -> None:
        self._metrics = metrics
        self._queue = queue
        self._waiting_seconds = waiting_seconds
        self._looked_at = -waiting_seconds
        self._after_us: dict[_Key, int] = {}
        self._again: dict[_Key, set[TargetRef]] = {}
        """Targets under way while something came: they may have read what was there before."""
        self._seen: tuple[dict[_Key, int], dict[_Key, set[TargetRef]]] = {}, {}

    async def woken(self, rules: Mapping[str, RuleDefinition], *, limit: int) -> list[Decision]:
        """What is to be looked at again now; what a rule is busy with comes later.

        The same again until `settle` is called.

        Raises:
            StorageError: The store is away.
        """
        watched, waits, composites = await self._watched(rules.values())
        self._seen = {}, {}
        if not watched:
            return []
        found = await self._late(waits, limit) if waits else []
        until_us = await self._queue.results_until_us()
        first_us = until_us - LOOKBACK // timedelta(microseconds=1)
        came = await self._queue.arrived_metrics(
            {name for each in watched.values() for name in each.required},
            after_us=min(self._after_us.get(key, first_us) for key in watched),
            until_us=until_us,
        )
        after_us, busy = self._seen
        for key, each in watched.items():
            after_us[key] = until_us
            again = self._again.get(key, set())
            if came & each.required or again:
                decisions = await self._queue.woken(
                    each, after_us=self._after_us.get(key, first_us), until_us=until_us, again=again
                )
                busy[key] = {decision.target for decision in decisions if decision.decision == "started"}
                found += [
                    decision
                    for decision in decisions
                    if decision.decision == "waiting" or (decision.decision != "started" and key in composites)
                ]
        found.sort(key=lambda each: each.next_attempt_ms)  # what is late is known as such
        return list({(each.rule, each.metric, each.target): each for each in found}.values())

    def settle(self) -> None:
        """What was found is taken care of."""
        self._after_us, self._again = self._seen

    async def _late(self, rules: Collection[str], limit: int) -> list[Decision]:
        if time.monotonic() - self._looked_at < self._waiting_seconds:
            return []
        self._looked_at = time.monotonic()
        return await self._queue.waiting_due(rules, limit=limit)

    async def _watched(self, rules: Iterable[RuleDefinition]) -> tuple[dict[_Key, Watched], set[str], set[_Key]]:
        """What may wait: composites of rules, and metrics of rules whose filter reads results; the rules of which
        something may wait for what nobody sends; and which are composites."""
        watched: dict[_Key, Watched] = {}
        waits: set[str] = set()
        composites: set[_Key] = set()
        for rule in rules:
            read = filter_metrics(rule)
            if read:
                waits.add(rule.name)
            for name in rule.metrics:
                try:
                    metric = await self._metrics.get(name)
                    if metric.kind is not MetricKind.COMPOSITE and not read:  # waits for nothing: most rules
                        continue
                    required = await self._required(metric)
                except EvaluatorError:  # it was deleted under its rule, which says so when it selects
                    continue
                if metric.kind is MetricKind.COMPOSITE:
                    composites.add((rule.name, name))
                names = read | frozenset(each.name for each in required)
                watched[rule.name, name] = Watched(rule=rule.name, metric=name, level=rule.level, required=names)
                if any(each.kind in BY_OTHERS for each in required):
                    waits.add(rule.name)
        return watched, waits, composites

    async def _required(self, metric: MetricDefinition) -> Sequence[MetricDefinition]:
        needs = await closure(self._metrics, [metric])
        return [required.metric for requirements in needs.values() for required in requirements]
