"""Code metrics: functions that ship, plugins of the operator, and users' own source in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from evaluator.metrics.code.plugin import PREFIX, Plugins
from evaluator.metrics.code.scorer import apply_scorer, digest_of_step, spellings_of
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.functions.shipped import FUNCTIONS as FUNCTIONS
from evaluator.metrics.judging.judge_metric import digest_of, visible
from evaluator.metrics.material import Material
from evaluator.sandbox.sandbox import Sandbox
from storage.model import Failure, Outcome

NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


async def code_metric(
    definition: MetricDefinition,
    material: Material,
    *,
    sandbox: Sandbox | None = None,
    plugins: Plugins | None = None,
    names: Mapping[str, str] = NO_NAMES,
) -> Outcome:
    """What a code metric, or a composite with code, concludes on one target.

    Args:
        sandbox: Runs `source`; without one, such a metric fails with SCORER_UNAVAILABLE.
        plugins: Runs `function: plugin:NAME`; likewise.
        names: What `GalileoMetrics` has, each with the slug it stands for.
    """
    if definition.function.startswith(PREFIX):
        if plugins is None:
            return Failure(code="SCORER_UNAVAILABLE", message="plugins do not run here")
        return await plugins.apply(definition, material, spellings_of(definition, material, names, names))
    if definition.function:
        return FUNCTIONS[definition.function].apply(material, definition.arguments)
    if sandbox is None:
        return Failure(code="SCORER_UNAVAILABLE", message="users' code does not run here")
    return await apply_scorer(definition, material, sandbox=sandbox, names=names)


def digest_of_code(definition: MetricDefinition, material: Material) -> bytes:
    """BLAKE2b-128 of what a code metric reads of a target: equal ones get equal results."""
    function = FUNCTIONS.get(definition.function)
    if function is None:
        return digest_of_step(material, definition.source)
    read, _ = visible((*function.inputs, *function.reads), material.inputs, None)
    return digest_of(read | ({"": function.facts(material)} if function.facts is not None else {}))
