"""The metrics that can be asked for: built-in ones, and custom ones kept as documents of kind `metric`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evaluator.errors import InvalidDefinition, MetricInUse, MetricNotFound
from evaluator.metrics.check import check
from evaluator.metrics.definition import SLUG, MetricDefinition
from evaluator.metrics.record import MetricRecord
from storage.errors import NameTaken, NotFound, VersionMoved
from storage.model import Document
from storage.ports import Definitions

KIND = "metric"
RULE_KIND = "rule"
REQUEST_ID = "request_id"
"""Key in a document's body: the request that made this version, so that its repetition is recognised."""

_BATCH = 1000


class Metrics:
    """Resolves names (slug first, then display name) and keeps custom metrics.

    Every method may raise `storage.errors.Unavailable`.
    """

    def __init__(self, definitions: Definitions, *, builtin: Iterable[MetricDefinition]) -> None:
        self._definitions = definitions
        self._builtin: Mapping[str, MetricDefinition] = {metric.name: metric for metric in builtin}

    async def get(self, name: str, version: int | None = None) -> MetricDefinition:
        """One version of a metric, or the active one.

        Raises:
            MetricNotFound: No metric has this slug or display name, or not this version.
        """
        return (await self.record(name, version)).definition

    async def record(self, name: str, version: int | None = None) -> MetricRecord:
        """As `get`, with the time at which the version was made."""
        found = await self._by_slug(name, version)
        if found is None and (slug := await self._slug_of_display_name(name)) is not None:
            found = await self._by_slug(slug, version)
        if found is None:
            raise MetricNotFound(f"there is no metric {name!r}" + (f" version {version}" if version else ""))
        return found

    async def live(self, *, after: str = "", limit: int = _BATCH) -> list[MetricRecord]:
        """Active versions in order of their slugs, those after `after`."""
        records = [_record(document) for document in await self._definitions.live(KIND, after=after, limit=limit)]
        records += [MetricRecord(definition=metric) for name, metric in self._builtin.items() if name > after]
        return sorted(records, key=lambda record: record.definition.name)[:limit]

    async def versions(self, name: str) -> list[MetricRecord]:
        """Every version, newest first; also of a deleted metric.

        Raises:
            MetricNotFound: No metric ever had this name.
        """
        if name in self._builtin:
            return [MetricRecord(definition=self._builtin[name])]
        if documents := await self._definitions.versions(KIND, name):
            return [_record(document) for document in documents if not document.deleted]
        if (slug := await self._slug_of_display_name(name)) is None:
            raise MetricNotFound(f"there is no metric {name!r}")
        return await self.versions(slug)

    async def create(self, definition: MetricDefinition, *, request_id: str = "") -> MetricRecord:
        """Make version 1 of a custom metric, or the next version after a deletion.

        The same `request_id` again returns what the first call made.

        Raises:
            InvalidDefinition: The definition is not acceptable.
            NameTaken: Another metric has this slug or display name.
        """
        check(definition)
        try:
            await self._check_names(definition, new=True)
            document = await self._definitions.create(KIND, definition.name, _body(definition, request_id))
        except NameTaken:
            made = await made_by(self._definitions, KIND, definition.name, request_id)
            if made is None:
                raise
            document = made
        return _record(document)

    async def update(self, definition: MetricDefinition, *, base_version: int, request_id: str = "") -> MetricRecord:
        """Make version `base_version` + 1.  The same `request_id` again returns what the first call made.

        Raises:
            InvalidDefinition: The definition is not acceptable, or the metric is built in.
            MetricNotFound: No live custom metric has this slug.
            NameTaken: Another metric has the new display name.
            VersionMoved: `base_version` is not the newest.
        """
        self._refuse_builtin(definition.name)
        check(definition)
        await self._check_names(definition, new=False)
        body = _body(definition, request_id)
        try:
            document = await self._definitions.replace(KIND, definition.name, base_version, body)
        except NotFound:
            raise MetricNotFound(f"there is no metric {definition.name!r}") from None
        except VersionMoved:
            made = await made_by(self._definitions, KIND, definition.name, request_id)
            if made is None:
                raise
            document = made
        return _record(document)

    async def delete(self, name: str, *, base_version: int | None = None, request_id: str = "") -> None:
        """Delete a custom metric.  With a `request_id`, one that is deleted already is no error.

        Raises:
            InvalidDefinition: The metric is built in.
            MetricNotFound: No live metric has this name.
            MetricInUse: A rule or another metric names it.
            VersionMoved: `base_version` is not the newest.
        """
        try:
            current = await self.get(name)
        except MetricNotFound:
            if request_id and await self._definitions.versions(KIND, name):
                return
            raise
        self._refuse_builtin(current.name)
        if users := await self._users_of(current):
            raise MetricInUse(f"metric {current.name!r} is named by {', '.join(users)}: change or delete these first")
        try:
            await self._definitions.delete(KIND, current.name, base_version or current.version)
        except NotFound:
            raise MetricNotFound(f"there is no metric {name!r}") from None

    async def _by_slug(self, slug: str, version: int | None) -> MetricRecord | None:
        if (builtin := self._builtin.get(slug)) is not None:
            return MetricRecord(definition=builtin) if version in (None, builtin.version) else None
        if not SLUG.fullmatch(slug):
            return None
        try:
            document = await self._definitions.get(KIND, slug, version=version)
        except NotFound:
            return None
        return None if document.deleted else _record(document)

    async def _slug_of_display_name(self, name: str) -> str | None:
        definitions = (record.definition for record in await self._all())
        return next((metric.name for metric in definitions if name and metric.display_name == name), None)

    async def _all(self) -> list[MetricRecord]:
        records = [MetricRecord(definition=metric) for metric in self._builtin.values()]
        return records + [_record(document) for document in await all_documents(self._definitions, KIND)]

    def _refuse_builtin(self, slug: str) -> None:
        if slug in self._builtin:
            raise InvalidDefinition("metric.name", f"{slug!r} is built in and cannot change; make a metric of your own")

    async def _check_names(self, definition: MetricDefinition, *, new: bool) -> None:
        for other in (record.definition for record in await self._all()):
            if other.name == definition.name and not new:
                continue
            taken = {other.name, other.display_name} - {""}
            if clash := taken & {definition.name, definition.display_name}:
                raise NameTaken(f"{min(clash)!r} is the name of metric {other.name!r}; choose another one")

    async def _users_of(self, metric: MetricDefinition) -> list[str]:
        names = {metric.name, metric.display_name} - {""}
        rules = await all_documents(self._definitions, RULE_KIND)
        users = [f"rule {rule.name!r}" for rule in rules if names & set(_strings(rule.body.get("metrics")))]
        others = [record.definition for record in await self._all()]
        return users + [f"metric {other.name!r}" for other in others if names & set(other.required_metrics)]


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


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []


def _body(definition: MetricDefinition, request_id: str) -> dict[str, object]:
    body = definition.to_body() | {"digest": definition.digest}
    return body | {REQUEST_ID: request_id} if request_id else body


def _record(document: Document) -> MetricRecord:
    body = {key: value for key, value in document.body.items() if key != REQUEST_ID}
    definition = MetricDefinition.from_body(body, version=document.version)
    return MetricRecord(definition=definition, create_time=document.created)
