"""Every function that ships, by the name that definitions use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from evaluator.metrics.functions.function import CodeFunction
from evaluator.metrics.functions.language import LANGUAGE
from evaluator.metrics.functions.measured import MEASURED
from evaluator.metrics.functions.overlap import OVERLAP
from evaluator.metrics.functions.structure import STRUCTURE
from evaluator.metrics.functions.texts import TEXTS
from evaluator.metrics.functions.tool_calls import TOOL_CALLS

FUNCTIONS: Mapping[str, CodeFunction] = MappingProxyType(
    {**TEXTS, **STRUCTURE, **OVERLAP, **MEASURED, **LANGUAGE, **TOOL_CALLS}
)
