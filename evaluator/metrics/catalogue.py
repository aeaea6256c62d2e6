"""The built-in metrics: data files that come with the package, in `catalogue/`.

A new one is a definition there, a pack of obvious cases in `packs/`, a place in `groups.yaml`, and its page, which
`python -m evaluator.metrics.catalogue_pages` makes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

import yaml

from evaluator.errors import InvalidDefinition
from evaluator.metrics.check import check
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import slug_of

_LISTS: Final = frozenset({"aliases.yaml", "groups.yaml", "variants.yaml"})
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where PyYAML was built with it: the catalogue is read at every start, and takes ten times as long without."""


@functools.cache
def builtin_metrics() -> tuple[MetricDefinition, ...]:
    """Every built-in metric, by name.

    Raises:
        InvalidDefinition: A file is not acceptable (a broken installation).
    """
    bodies = [_body(file.read_text(encoding="utf-8")) for file in _files(folder())]
    by_name = {body.get("name"): body for body in bodies}
    bodies += [_variant(name, changes, by_name) for name, changes in _list("variants.yaml").items()]
    return tuple(sorted(map(_checked, bodies), key=lambda definition: definition.name))


@functools.cache
def aliases() -> Mapping[str, str]:
    """Slugs of built-in metrics by their other names: as other products write them, and the slugs of that."""
    return MappingProxyType({slug_of(name): slug for name, slug in written_aliases().items()} | written_aliases())


def written_aliases() -> dict[str, str]:
    """Slugs of built-in metrics by their other names, as other products write them."""
    return {name: str(slug) for name, slug in _list("aliases.yaml").items()}


@functools.cache
def variants() -> Mapping[str, str]:
    """Slugs of built-in metrics that are variants of another one -> its slug."""
    listed = _list("variants.yaml")
    return MappingProxyType({name: str(changes["of"]) for name, changes in listed.items() if isinstance(changes, dict)})


def groups() -> Mapping[str, list[str]]:
    """Headings of the page of all metrics, in order, each with its metrics (variants aside)."""
    listed = _list("groups.yaml")
    return {heading: [str(name) for name in names] for heading, names in listed.items() if isinstance(names, list)}


def folder() -> Traversable:
    """Where the data files are."""
    return resources.files("evaluator.metrics").joinpath("catalogue")


def load(text: str) -> MetricDefinition:
    """One built-in metric from the text of its file, checked.

    Raises:
        InvalidDefinition: It is not YAML, not a mapping, or not an acceptable definition.
    """
    return _checked(_body(text))


def _list(file: str) -> dict[str, object]:
    return _body(folder().joinpath(file).read_text(encoding="utf-8"))


def _files(where: Traversable) -> Iterator[Traversable]:
    return (file for file in where.iterdir() if file.name.endswith(".yaml") and file.name not in _LISTS)


def _body(text: str) -> dict[str, object]:
    try:
        body = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise InvalidDefinition("metric", f"is not YAML: {error}") from error
    if not isinstance(body, dict):
        raise InvalidDefinition("metric", f"must be a mapping, got {type(body).__name__}")
    return body


def _variant(name: str, changes: object, by_name: Mapping[object, dict[str, object]]) -> dict[str, object]:
    if not isinstance(changes, dict) or (base := by_name.get(changes.get("of"))) is None:
        raise InvalidDefinition("metric", f"variant {name!r} must name the built-in metric that it is a variant `of`")
    return base | {key: value for key, value in changes.items() if key != "of"} | {"name": name}


def _checked(body: dict[str, object]) -> MetricDefinition:
    definition = MetricDefinition.from_body(body, builtin=True)
    check(definition)
    return definition
