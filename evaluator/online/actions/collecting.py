"""Which results call for an action: read once in order of arrival, each by the version of the rule that made it.

A delivery is queued before the cursor moves; whatever is cut off is read again, and queues the same deliveries.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from evaluator.metrics.registry import RULE_KIND, all_documents
from evaluator.online.actions.condition import Condition, compile_condition
from evaluator.online.actions.messages import result_delivery
from evaluator.online.emitting.arrivals import Arrivals, ArrivedPage
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Action
from storage.definitions import Definitions
from storage.deliveries import Deliveries, Delivery
from storage.errors import NotFound
from storage.model import Evaluation, Purpose
from storage.queue import Queue
from storage.results import ResultFilter, Results

CURSOR = "actions"
PAGE = 500
MAX_VERSIONS = 10_000
"""Versions of rules kept in memory; they never change."""


class Collector:
    """Queues what is due, page by page.

    Args:
        newest_ms: Server time of the newest result.
    """

    def __init__(
        self,
        *,
        definitions: Definitions,
        deliveries: Deliveries,
        results: Results,
        newest_ms: Callable[[], Awaitable[int]],
        queue: Queue,
        give_up_seconds: float,
        page: int = PAGE,
    ) -> None:
        self._definitions = definitions
        self._deliveries = deliveries
        self._queue = queue
        self._give_up_seconds = give_up_seconds
        self._arrivals = Arrivals(CURSOR, results=results, newest_ms=newest_ms, queue=queue, page=page)
        self._versions: dict[tuple[str, int], list[tuple[Action, Condition]]] = {}

    def forget(self) -> None:
        """Another process collects now."""
        self._arrivals.forget()

    async def step(self) -> tuple[int, bool]:
        """Take up a page; returns how many deliveries it made, and whether more is waiting."""
        news = await self._arrivals.news()
        if news is None:
            return 0, False
        rules = await self._acting()  # read after `news`: a rule that comes now made none of the results before it
        if rules:
            where = ResultFilter(rules=rules, purposes=(Purpose.ONLINE,), include_superseded=True)
            page = await self._arrivals.page(where, news)
        else:
            page = ArrivedPage(results=[], behind=False, upto=news)
        due = await self._due(page.results, now_ms=news.inserted_us // 1000)
        await self._deliveries.queue(due)
        await self._arrivals.done(page)
        return len(due), page.behind

    async def _acting(self) -> tuple[str, ...]:
        """Rules that have actions.  What a deleted one made calls for nothing any more."""
        documents = await all_documents(self._definitions, RULE_KIND)
        return tuple(document.name for document in documents if document.body.get("actions"))

    async def _due(self, results: list[Evaluation], *, now_ms: int) -> list[Delivery]:
        found: dict[uuid.UUID, Delivery] = {}
        again: set[uuid.UUID] = set()
        for result in results:
            for action, condition in await self._actions_of(result.rule, result.rule_version):
                if action.metric in ("", result.metric) and condition(result) is True:
                    delivery = result_delivery(result, action, now_ms=now_ms, give_up_seconds=self._give_up_seconds)
                    found.setdefault(delivery.delivery_id, delivery)
                    if result.attempt > 1:
                        again.add(delivery.delivery_id)
        for told in await self._deliveries.known(again):  # by an earlier attempt
            del found[told]
        return [*found.values()]

    async def _actions_of(self, rule: str, version: int) -> list[tuple[Action, Condition]]:
        key = rule, version
        if key not in self._versions:
            if len(self._versions) >= MAX_VERSIONS:
                self._versions.clear()
            self._versions[key] = await self._read(rule, version)
        return self._versions[key]

    async def _read(self, rule: str, version: int) -> list[tuple[Action, Condition]]:
        try:
            document = await self._definitions.get(RULE_KIND, rule, version=version)
        except NotFound:  # written by a process that is ahead of this store, or by hand
            return []
        actions = RuleDefinition.from_document(document).actions
        return [(action, compile_condition(action.when)) for action in actions]
