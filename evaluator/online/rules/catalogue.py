"""The rules there are: documents of kind `rule`."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime

from evaluator.errors import InvalidDefinition, InvalidFilter, RuleNotFound
from evaluator.metrics.directory import Directory
from evaluator.metrics.naming import BUILTIN
from evaluator.metrics.registry import REQUEST_ID, RULE_KIND, Metrics, all_documents, made_by
from evaluator.metrics.uses import FILTER_METRICS
from evaluator.online.actions.check import NOTHING_OFFERED, OfferedActions
from evaluator.online.budgets.pricing import KnowsPrices, check_prices
from evaluator.online.rules.checking import computed, with_known_filter
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord
from storage.definitions import Definitions
from storage.errors import NameTaken, NotFound, VersionMoved
from storage.model import Document

log = logging.getLogger(__name__)

_SWITCH_ATTEMPTS = 5
"""Enabling and disabling go with any edit, so they are repeated when an edit comes between."""


class Rules:
    """Keeps rules.  Metrics are stored by slug, whatever name the caller used.

    Every method may raise `storage.errors.Unavailable`.
    """

    def __init__(
        self,
        definitions: Definitions,
        metrics: Metrics,
        *,
        actions: OfferedActions = NOTHING_OFFERED,
        prices: KnowsPrices | None = None,
    ) -> None:
        self._definitions = definitions
        self._metrics = metrics
        self._actions = actions
        self._prices = prices
        self._standing: list[RuleRecord] = []
        self._unreadable: set[tuple[str, int]] = set()

    async def get(self, name: str) -> RuleRecord:
        """A rule.

        Raises:
            RuleNotFound: There is none of this name.
        """
        return _record(await self._document(name))

    async def live(self, *, after: str = "", limit: int = 1000) -> list[RuleRecord]:
        """Rules in order of their names, those after `after`."""
        return [_record(document) for document in await self._definitions.live(RULE_KIND, after=after, limit=limit)]

    async def enabled(self) -> list[RuleDefinition]:
        """Every rule that scores, by name."""
        return [record.definition for record in await self.standing()]

    async def standing(self) -> list[RuleRecord]:
        """Every rule that scores, by name, and since when this version of it holds."""
        documents = await all_documents(self._definitions, RULE_KIND)
        known = {(record.definition.name, record.definition.version): record for record in self._standing}
        found = [known.get((each.name, each.version)) or self._readable(each) for each in documents]
        self._standing = [record for record in found if record is not None and record.definition.enabled]
        return self._standing

    async def history(self, name: str) -> list[RuleRecord]:
        """Every version of a rule, newest first; a deletion is a version that is not enabled."""
        records: list[RuleRecord] = []
        for document in await self._definitions.versions(RULE_KIND, name):
            record = _record(document)
            rule = record.definition
            definition = replace(rule, enabled=rule.enabled and not document.deleted)
            records.append(replace(record, definition=definition, deleted=document.deleted))
        return records

    async def create(self, rule: RuleDefinition, *, request_id: str = "") -> RuleRecord:
        """Make a rule; an enabled one scores from now on.

        The same `request_id` again returns what the first call made.

        Raises:
            InvalidFilter: The filter does not compile.
            MetricNotFound: A metric is unknown.
            LevelMismatch: A metric does not work at the rule's level.
            InvalidDefinition: Others send the results of a metric.
            NameTaken: There is a rule of this name.
        """
        checked = await self.checked(rule)
        body = _body(replace(checked, enable_time=_now() if checked.enabled else None), request_id)
        try:
            return _record(await self._definitions.create(RULE_KIND, rule.name, body))
        except NameTaken:
            made = await made_by(self._definitions, RULE_KIND, rule.name, request_id)
            if made is None:
                raise
            return _record(made)

    async def update(self, rule: RuleDefinition, *, base_version: int, request_id: str = "") -> RuleRecord:
        """Edit a rule; whether and since when it is enabled stays.  Idempotent as `create`.

        Raises:
            InvalidFilter, MetricNotFound, LevelMismatch, InvalidDefinition: As `create`.
            RuleNotFound: There is none of this name.
            VersionMoved: `base_version` is not the newest.
        """
        current = (await self.get(rule.name)).definition
        checked = await self.checked(replace(rule, enabled=current.enabled, enable_time=current.enable_time))
        try:
            return await self._replace(checked, base_version, request_id)
        except VersionMoved:
            made = await made_by(self._definitions, RULE_KIND, rule.name, request_id)
            if made is None:
                raise
            return _record(made)

    async def enable(self, name: str) -> RuleRecord:
        """Let a rule score from now on; an enabled one is returned unchanged.

        Raises:
            RuleNotFound: There is none of this name.
        """
        return await self._switch(name, on=True)

    async def disable(self, name: str) -> RuleRecord:
        """Stop a rule; a disabled one is returned unchanged.

        Raises:
            RuleNotFound: There is none of this name.
        """
        return await self._switch(name, on=False)

    async def delete(self, name: str, *, base_version: int | None = None, request_id: str = "") -> None:
        """Delete a rule.  With a `request_id`, one that is deleted already is no error.

        Raises:
            RuleNotFound: There is none of this name.
            VersionMoved: `base_version` is not the newest.
        """
        try:
            document = await self._document(name)
            await self._definitions.delete(RULE_KIND, name, base_version or document.version)
        except (RuleNotFound, NotFound):
            if request_id and await self._definitions.versions(RULE_KIND, name):
                return
            raise RuleNotFound(f"there is no rule {name!r}") from None

    async def checked(self, rule: RuleDefinition, known: Directory | None = None) -> RuleDefinition:
        """The rule with the names under which its metrics are kept; `known` = metrics that are about to be there.

        Raises:
            InvalidFilter, MetricNotFound, LevelMismatch, InvalidDefinition: As `create`.
        """
        from evaluator.online.rules.filters import compile_filter  # brings sqlglot, which a start need not wait for

        compiled = compile_filter(rule.filter, rule.level)
        directory = known or await self._metrics.directory(fresh=True)
        metrics = await computed(rule, directory)
        kept = {name: metric.name for name, metric in zip(rule.metrics, metrics, strict=True)}
        slugs = tuple(f"{BUILTIN if name.startswith(BUILTIN) else ''}{slug}" for name, slug in kept.items())
        if len(set(slugs)) != len(slugs):
            raise InvalidDefinition("rule.metrics", "names a metric twice")
        if self._prices is not None:
            await check_prices(rule.budget, metrics, directory, self._prices)
        named = await with_known_filter(rule, compiled, metrics, directory)
        actions = self._actions.checked(rule.actions, metrics=kept)
        actions = await self._actions.with_queues(actions, metrics=list(kept.values()), level=rule.level)
        return replace(named, metrics=slugs, actions=actions)

    def _readable(self, document: Document) -> RuleRecord | None:
        """One that a newer program wrote must not end all the others."""
        try:
            return _record(document)
        except InvalidDefinition as error:
            if (version := (document.name, document.version)) not in self._unreadable:
                self._unreadable.add(version)
                log.error("rule_unreadable", extra={"rule": version[0], "version": version[1], "why": str(error)})
            return None

    async def _switch(self, name: str, *, on: bool) -> RuleRecord:
        for attempt in range(1, _SWITCH_ATTEMPTS + 1):
            record = await self.get(name)
            rule = record.definition
            if rule.enabled is on:
                return record
            changed = replace(rule, enabled=on, enable_time=_now() if on else rule.enable_time)
            try:
                return await self._replace(changed, rule.version, "")
            except VersionMoved:
                if attempt == _SWITCH_ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _replace(self, rule: RuleDefinition, base_version: int, request_id: str) -> RuleRecord:
        try:
            return _record(await self._definitions.replace(RULE_KIND, rule.name, base_version, _body(rule, request_id)))
        except NotFound:
            raise RuleNotFound(f"there is no rule {rule.name!r}") from None

    async def _document(self, name: str) -> Document:
        try:
            return await self._definitions.get(RULE_KIND, name)
        except NotFound:
            raise RuleNotFound(f"there is no rule {name!r}") from None


def _record(document: Document) -> RuleRecord:
    return RuleRecord(definition=RuleDefinition.from_document(document), create_time=document.created)


def _body(rule: RuleDefinition, request_id: str) -> dict[str, object]:
    read = _filter_metrics(rule)
    body = rule.to_body() | ({FILTER_METRICS: read} if read else {})
    return body | ({REQUEST_ID: request_id} if request_id else {})


def _filter_metrics(rule: RuleDefinition) -> list[str]:
    """Metrics whose results the filter reads; nobody who switches a rule off is asked whether it still compiles."""
    from evaluator.online.rules.filters import compile_filter

    try:
        return list(compile_filter(rule.filter, rule.level).metrics)
    except InvalidFilter:
        return []


def _now() -> datetime:
    return datetime.now(UTC)
