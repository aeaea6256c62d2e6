"""The built-in metrics: data files that come with the package, in `catalogue/`."""

from __future__ import annotations

from importlib import resources

import yaml

from evaluator.errors import InvalidDefinition
from evaluator.metrics.check import check
from evaluator.metrics.definition import MetricDefinition


def builtin_metrics() -> tuple[MetricDefinition, ...]:
    """Every built-in metric, by name.

    Raises:
        InvalidDefinition: A file is not acceptable (a broken installation).
    """
    files = resources.files("evaluator.metrics").joinpath("catalogue").iterdir()
    loaded = (load(file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".yaml"))
    return tuple(sorted(loaded, key=lambda definition: definition.name))


def load(text: str) -> MetricDefinition:
    """One built-in metric from the text of its file, checked.

    Raises:
        InvalidDefinition: It is not YAML, not a mapping, or not an acceptable definition.
    """
    try:
        body = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidDefinition("metric", f"is not YAML: {error}") from error
    if not isinstance(body, dict):
        raise InvalidDefinition("metric", f"must be a mapping, got {type(body).__name__}")
    definition = MetricDefinition.from_body(body, builtin=True)
    check(definition)
    return definition
