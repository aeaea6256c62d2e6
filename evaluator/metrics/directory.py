"""All metrics of one moment, and the names by which they are reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from evaluator.errors import MetricNotFound
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import BUILTIN, slug_of
from evaluator.metrics.record import MetricRecord
from storage.errors import NameTaken


@dataclass(frozen=True, kw_only=True)
class Directory:
    """Built-in metrics, the custom ones over them, and other names of either.

    Attributes:
        builtin: By slug.
        custom: The active version of each, by slug; one that has a built-in's slug shadows it.
        aliases: Other names -> slugs, for whoever comes from another product.
    """

    builtin: Mapping[str, MetricDefinition]
    custom: Mapping[str, MetricRecord]
    aliases: Mapping[str, str]

    async def get(self, name: str, version: int | None = None) -> MetricDefinition:
        """The active version, as `evaluator.metrics.registry.Metrics` answers; no other is known here.

        Raises:
            MetricNotFound: There is none.
        """
        found = self.find(name)
        if found is None or version not in (None, found.definition.version):
            raise MetricNotFound(f"there is no metric {name!r}" + (f" version {version}" if version else ""))
        return found.definition

    def find(self, name: str) -> MetricRecord | None:
        """The active version by slug, else display name, else the slug of what was written, else alias.

        `builtin/NAME` finds only what ships.
        """
        if name.startswith(BUILTIN):
            return self._builtin(name.removeprefix(BUILTIN))
        return next((record for slug in self._slugs(name) if (record := self._active(slug)) is not None), None)

    def all(self) -> list[MetricRecord]:
        """Every metric, built-in ones that are shadowed included, in order of their keys."""
        builtin = [MetricRecord(definition=each, shadowed=slug in self.custom) for slug, each in self.builtin.items()]
        return sorted([*builtin, *self.custom.values()], key=lambda record: record.key)

    def numbered(self, definition: MetricDefinition) -> MetricDefinition:
        """A definition with the version that it would get: above its own newest, and that of what it shadows."""
        current, shipped = self.custom.get(definition.name), self.builtin.get(definition.name)
        newest = current.definition.version if current else shipped.version if shipped else 0
        return replace(definition, version=newest + 1)

    def having(self, *definitions: MetricDefinition) -> Directory:
        """The same with these in place of those of their slugs."""
        records = {each.name: MetricRecord(definition=each) for each in definitions}
        return replace(self, custom={**self.custom, **records})

    def lacking(self, slug: str) -> Directory:
        """The same without a custom metric."""
        return replace(self, custom={name: record for name, record in self.custom.items() if name != slug})

    def check_names(self, definition: MetricDefinition) -> None:
        """Refuse a definition that goes by a name of another metric.

        Raises:
            NameTaken: Says which name, and whose it is.
        """
        wanted = _names_of(definition)
        for other in (record.definition for record in self.all()):
            if other.name != definition.name and (clash := wanted.keys() & _names_of(other).keys()):
                raise NameTaken(f"{wanted[min(clash)]!r} is a name of metric {other.name!r}; choose another one")

    def _active(self, slug: str) -> MetricRecord | None:
        if (record := self.custom.get(slug)) is not None:
            return record
        definition = self.builtin.get(slug)
        return MetricRecord(definition=definition) if definition is not None else None

    def _builtin(self, name: str) -> MetricRecord | None:
        for slug in self._slugs(name):
            if (definition := self.builtin.get(slug)) is not None:
                return MetricRecord(definition=definition, shadowed=slug in self.custom)
        return None

    def _slugs(self, name: str) -> Iterable[str]:
        yield name
        yield self._by_display_name.get(name, "")
        slug = slug_of(name)
        yield slug
        yield self._by_display_name.get(slug, "")
        yield self.aliases.get(name) or self.aliases.get(slug, "")

    @cached_property
    def _by_display_name(self) -> Mapping[str, str]:
        """Display names, and the slugs of those."""
        every = [*self.builtin.values(), *(record.definition for record in self.custom.values())]
        shown = [(each.display_name, each.name) for each in every if each.display_name]
        return {slug_of(display): name for display, name in shown} | dict(shown)


def _names_of(definition: MetricDefinition) -> dict[str, str]:
    """What each slug that leads to a metric was made of."""
    shown = definition.display_name
    return {definition.name: definition.name} | ({slug_of(shown) or shown: shown} if shown else {})
