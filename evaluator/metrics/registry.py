"""The metrics that can be asked for: built-in ones, and custom ones kept as documents of kind `metric`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from evaluator.errors import InvalidDefinition, MetricInUse, MetricNotFound
from evaluator.metrics.check import check, settled
from evaluator.metrics.composite.check_composite import check_requirements
from evaluator.metrics.definition import SLUG, MetricDefinition
from evaluator.metrics.directory import Directory
from evaluator.metrics.doubts import doubts
from evaluator.metrics.guideline import authored
from evaluator.metrics.naming import BUILTIN
from evaluator.metrics.record import MetricRecord
from evaluator.metrics.sql.check_sql import check_on_server
from evaluator.metrics.uses import broken, uses
from storage.definitions import Definitions
from storage.errors import NameTaken, NotFound, VersionMoved
from storage.expressions import SpanExpressions
from storage.model import Document

log = logging.getLogger(__name__)

KIND = "metric"
RULE_KIND = "rule"
REQUEST_ID = "request_id"
"""Key in a document's body: the request that made this version, so that its repetition is recognised."""

ACCEPTANCE = "acceptance"
"""Key in a metric's body: of a version that an alignment made, who accepted it, why, and on what evidence."""

FRESH_SECONDS = 1.0
"""So long a reader goes without asking the store again; what this process writes is seen at once."""

MAX_OLD_VERSIONS = 10_000
"""Versions kept in memory; they never change."""

_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Who put the result of an alignment into force; `evidence` is JSON."""

    author: str
    evidence: Mapping[str, object]


class Metrics:
    """Resolves names and keeps custom metrics.

    A name is a slug, else a display name, else something that has a slug, else an alias; `builtin/NAME` is what ships,
    also where a custom metric has taken the name.  Reading is cheap: the active versions are read from the store once
    in `fresh_seconds`, and again before anything is said not to exist.

    Every method may raise `storage.errors.Unavailable`.
    """

    def __init__(
        self,
        definitions: Definitions,
        *,
        builtin: Iterable[MetricDefinition],
        aliases: Mapping[str, str] | None = None,
        expressions: SpanExpressions | None = None,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._definitions = definitions
        self._expressions = expressions
        self._directory = Directory(
            builtin={metric.name: metric for metric in builtin}, custom={}, aliases=aliases or {}
        )
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._read_at: float | None = None
        self._writes = 0
        self._reading = asyncio.Lock()
        self._old: dict[tuple[str, int], MetricRecord] = {}

    async def get(self, name: str, version: int | None = None) -> MetricDefinition:
        """One version of a metric, or the active one.

        Raises:
            MetricNotFound: No metric has this name, or not this version.
        """
        return (await self.record(name, version)).definition

    async def record(self, name: str, version: int | None = None) -> MetricRecord:
        """As `get`, with what else is known of the version."""
        found = (await self.directory()).find(name) or (await self.directory(fresh=True)).find(name)
        if version is not None and not (found is not None and found.definition.version == version):
            found = await self._version(found.key if found else name, version)
        if found is None:
            raise MetricNotFound(f"there is no metric {name[:200]!r}" + (f" version {version}" if version else ""))
        return found

    async def live(self, *, after: str = "", limit: int = _BATCH) -> list[MetricRecord]:
        """Active versions, and built-in ones that are shadowed, in order of their keys, those after `after`."""
        records = (await self.directory(fresh=True)).all()
        return [record for record in records if record.key > after][:limit]

    async def versions(self, name: str) -> list[MetricRecord]:
        """Every version, newest first; also of a deleted metric, and that of a built-in one below its shadow's.

        Raises:
            MetricNotFound: No metric ever had this name.
        """
        directory = await self.directory(fresh=True)
        found = directory.find(name)
        slug = found.definition.name if found else name
        builtin = directory.builtin.get(slug)
        shipped = [MetricRecord(definition=builtin, shadowed=slug in directory.custom)] if builtin else []
        if name.startswith(BUILTIN) and shipped:
            return shipped
        documents = await self._definitions.versions(KIND, slug) if SLUG.fullmatch(slug) else []
        records = [_record(document) for document in documents if not document.deleted]
        if not records and not shipped:
            raise MetricNotFound(f"there is no metric {name[:200]!r}")
        return records + shipped

    async def create(
        self, definition: MetricDefinition, *, request_id: str = "", acceptance: Acceptance | None = None
    ) -> MetricRecord:
        """Make version 1 of a custom metric, or the next version after a deletion, or after the built-in's it shadows.

        The same `request_id` again returns what the first call made.

        Raises:
            InvalidDefinition: The definition is not acceptable.
            NameTaken: Another metric has this name.
            RequiredMetricMissing, LevelMismatch: What it requires is not there, or not at its levels.
        """
        directory = await self.directory(fresh=True)
        definition = directory.numbered(settled(definition))
        await self.check(definition)
        try:
            directory.check_names(definition)
            await check_requirements(definition, directory.having(definition))
            return await self.keep(definition, base_version=None, request_id=request_id, acceptance=acceptance)
        except NameTaken:
            made = await made_by(self._definitions, KIND, definition.name, request_id)
            if made is None:
                raise
            return _record(made)

    async def update(
        self,
        definition: MetricDefinition,
        *,
        base_version: int,
        request_id: str = "",
        acceptance: Acceptance | None = None,
    ) -> MetricRecord:
        """Make version `base_version` + 1.  The same `request_id` again returns what the first call made.

        A guideline whose text differs from that of its id before is a person's from then on, unless an alignment makes
        the version.

        Raises:
            InvalidDefinition: The definition is not acceptable, or the metric is built in.
            MetricNotFound: No live custom metric has this slug.
            MetricInUse: A rule or another metric relies on a display name or a level that would go.
            NameTaken: Another metric has the new display name.
            RequiredMetricMissing, LevelMismatch: As `create`.
            VersionMoved: `base_version` is not the newest.
        """
        directory = await self.directory(fresh=True)
        if not definition.alignment_id and (current := directory.custom.get(definition.name)) is not None:
            lines = authored(current.definition.guidelines, definition.guidelines)
            definition = replace(definition, guidelines=lines)
        return await self._update(definition, directory, base_version, request_id, acceptance)

    async def _update(
        self,
        definition: MetricDefinition,
        directory: Directory,
        base_version: int,
        request_id: str,
        acceptance: Acceptance | None = None,
    ) -> MetricRecord:
        _refuse_builtin(directory, definition.name)
        definition = directory.numbered(settled(definition))
        await self.check(definition)
        directory.check_names(definition)
        after = directory.having(definition)
        await check_requirements(definition, after)
        await self._refuse_breaking(directory, after, definition.name)
        try:
            return await self.keep(definition, base_version=base_version, request_id=request_id, acceptance=acceptance)
        except NotFound:
            raise MetricNotFound(f"there is no metric {definition.name!r}") from None
        except VersionMoved:
            made = await made_by(self._definitions, KIND, definition.name, request_id)
            if made is None:
                raise
            return _record(made)

    async def restore(
        self, name: str, version: int, *, base_version: int | None = None, request_id: str = ""
    ) -> MetricRecord:
        """Make the content of an old version the next version; a deleted metric is there again.

        Raises:
            MetricNotFound: There is no such metric or version.
            InvalidDefinition, MetricInUse, NameTaken, RequiredMetricMissing, LevelMismatch, VersionMoved: As `update`.
        """
        old = replace((await self.record(name, version)).definition, builtin=False, alignment_id="")
        if (made := await made_by(self._definitions, KIND, old.name, request_id)) is not None:
            return _record(made)
        directory = await self.directory(fresh=True)
        current = directory.custom.get(old.name)
        if current is None and old.name not in directory.builtin:
            return await self.create(old, request_id=request_id)
        _refuse_builtin(directory, old.name)
        newest = current.definition.version if current else 0
        return await self._update(old, directory, base_version or newest, request_id)

    async def delete(self, name: str, *, base_version: int | None = None, request_id: str = "") -> None:
        """Delete a custom metric.  With a `request_id`, one that is deleted already is no error.

        Raises:
            InvalidDefinition: The metric is built in.
            MetricNotFound: No live metric has this name.
            MetricInUse: A rule or another metric names it, and no built-in one takes over.
            VersionMoved: `base_version` is not the newest.
        """
        directory = await self.directory(fresh=True)
        found = directory.find(name)
        if (found is None or found.definition.builtin) and request_id and await self._was_there(name):
            return
        if found is None:
            raise MetricNotFound(f"there is no metric {name[:200]!r}")
        current = found.definition
        if current.builtin:
            _refuse_builtin(directory.lacking(current.name), current.name)
        await self._refuse_breaking(directory, directory.lacking(current.name), current.name)
        try:
            await self._definitions.delete(KIND, current.name, base_version or current.version)
        except NotFound:
            raise MetricNotFound(f"there is no metric {name!r}") from None
        self._forget()

    async def checked(self, definition: MetricDefinition) -> MetricDefinition:
        """A definition that need not be kept, as it would be kept.

        Raises:
            InvalidDefinition, RequiredMetricMissing, LevelMismatch: As `create`.
        """
        directory = await self.directory(fresh=True)
        definition = directory.numbered(settled(definition))
        await self.check(definition)
        await check_requirements(definition, directory.having(definition))
        return definition

    async def check(self, definition: MetricDefinition) -> None:
        """Accept or refuse a definition by itself; where the store computes it, the store is asked.

        Raises:
            InvalidDefinition: Names the field and what to write instead.
        """
        check(definition)
        await check_on_server(definition, self._expressions)

    async def keep(
        self,
        definition: MetricDefinition,
        *,
        base_version: int | None,
        request_id: str = "",
        acceptance: Acceptance | None = None,
    ) -> MetricRecord:
        """Write a version that was checked; `base_version` None = the first one, or the first after a deletion.

        Raises:
            storage.errors.NameTaken, NotFound, VersionMoved: As the port `Definitions`.
        """
        body, author = _body(definition, request_id), ""
        if acceptance is not None:
            body, author = {**body, ACCEPTANCE: dict(acceptance.evidence)}, acceptance.author
        if base_version is None:
            shadowed = self._directory.builtin.get(definition.name)
            above = shadowed.version if shadowed else 0
            document = await self._definitions.create(KIND, definition.name, body, above=above, author=author)
        else:
            document = await self._definitions.replace(KIND, definition.name, base_version, body, author=author)
        self._forget()
        return replace(_record(document), warnings=doubts(definition))

    async def broken_users(
        self, before: Directory, after: Directory, slug: str, *, apart_from_rules: Collection[str] = ()
    ) -> list[str]:
        """Rules and metrics that find the metric of this slug before, and not after; as `evaluator.metrics.uses`."""
        rules = await all_documents(self._definitions, RULE_KIND)
        mentions = uses(after, [rule for rule in rules if rule.name not in apart_from_rules], apart_from=(slug,))
        return broken(before, after, slug, mentions)

    async def directory(self, *, fresh: bool = False) -> Directory:
        """Every metric there is: as of at most `fresh_seconds` ago, or as of now."""
        asked_at = self._clock()
        if not fresh and self._is_fresh(asked_at):
            return self._directory
        async with self._reading:  # of many that wait here, one reads
            if self._read_at is None or (self._read_at <= asked_at if fresh else not self._is_fresh(asked_at)):
                started_at, writes = self._clock(), self._writes
                documents = await all_documents(self._definitions, KIND)
                records = {document.name: self._parsed(document) for document in documents}
                custom = {name: record for name, record in records.items() if record is not None}
                self._directory = replace(self._directory, custom=custom)
                self._read_at = started_at if writes == self._writes else None
            return self._directory

    def _is_fresh(self, now: float) -> bool:
        return self._read_at is not None and now - self._read_at < self._fresh_seconds

    def _forget(self) -> None:
        """Something was written: what was read before, or is being read, is old."""
        self._writes += 1
        self._read_at = None

    def _parsed(self, document: Document) -> MetricRecord | None:
        known = self._old.get((document.name, document.version))
        if known is not None:
            return known
        try:
            record = _record(document)
        except InvalidDefinition as error:  # one that a newer program wrote must not end all the others
            log.error(
                "metric_unreadable", extra={"metric": document.name, "version": document.version, "why": str(error)}
            )
            return None
        self._keep(record)
        shipped = self._directory.builtin.get(document.name)
        if shipped is not None and shipped.version >= document.version:  # a release raised it since
            advice = "results of the two share a version: delete your metric and make it again, it goes on above both"
            extra = {"metric": document.name, "version": document.version, "shipped": shipped.version}
            log.warning("shadow_below_builtin", extra=extra | {"advice": advice})
        return record

    def _keep(self, record: MetricRecord) -> None:
        if len(self._old) >= MAX_OLD_VERSIONS:
            self._old.clear()
        self._old[record.definition.name, record.definition.version] = record

    async def _version(self, key: str, version: int) -> MetricRecord | None:
        """A version that is not the active one, also of a deleted metric."""
        slug = key.removeprefix(BUILTIN)
        if (found := self._old.get((slug, version))) is not None and not key.startswith(BUILTIN):
            return found
        builtin = self._directory.builtin.get(slug)
        if builtin is not None and builtin.version == version:
            return MetricRecord(definition=builtin, shadowed=slug in self._directory.custom)
        if key.startswith(BUILTIN) or not SLUG.fullmatch(slug):
            return None
        try:
            document = await self._definitions.get(KIND, slug, version=version)
        except NotFound:
            return None
        if document.deleted:
            return None
        record = _record(document)
        self._keep(record)
        return record

    async def _refuse_breaking(self, before: Directory, after: Directory, slug: str) -> None:
        if users := await self.broken_users(before, after, slug):
            raise MetricInUse(
                f"metric {slug!r} is named by {', '.join(users)}, which would not find it any more, or not at "
                "their level, or could not compute it: change or delete these first"
            )

    async def _was_there(self, name: str) -> bool:
        return bool(SLUG.fullmatch(name) and await self._definitions.versions(KIND, name))


def _refuse_builtin(directory: Directory, slug: str) -> None:
    if slug in directory.builtin and slug not in directory.custom:
        raise InvalidDefinition(
            "metric.name",
            f"{slug!r} is built in and cannot change; create a metric of this name to take its place, or of another",
        )


async def all_documents(definitions: Definitions, kind: str) -> list[Document]:
    """Every live document of a kind, by name."""
    documents: list[Document] = []
    while batch := await definitions.live(kind, after=documents[-1].name if documents else "", limit=_BATCH):
        documents += batch
        if len(batch) < _BATCH:
            break
    return documents


async def made_by(definitions: Definitions, kind: str, name: str, request_id: str) -> Document | None:
    """The version that an earlier call with this request id made, if any."""
    versions = await definitions.versions(kind, name) if request_id else []
    return next((each for each in versions if not each.deleted and each.body.get(REQUEST_ID) == request_id), None)


def _body(definition: MetricDefinition, request_id: str) -> dict[str, object]:
    body = definition.to_body() | {"digest": definition.digest}
    return body | {REQUEST_ID: request_id} if request_id else body


def _record(document: Document) -> MetricRecord:
    body = {key: value for key, value in document.body.items() if key not in (REQUEST_ID, ACCEPTANCE)}
    definition = MetricDefinition.from_body(body, version=document.version)
    return MetricRecord(definition=definition, create_time=document.created)
