"""What one evaluation takes, before and after: tokens by the length of texts, prices by what models cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Protocol

from evaluator.alignment.model import RowResult
from evaluator.alignment.reporting.building import with_lines
from evaluator.alignment.reporting.report import Running
from evaluator.judges.fence import fenced
from evaluator.judges.sizes import EXPECTED_ANSWER_TOKENS, tokens_of
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline
from evaluator.metrics.judging.prepared import SYSTEM, prepared
from evaluator.metrics.judging.template import NOT_AVAILABLE, Slot, is_missing
from storage.alignments import CallKind, StoredCall

EVALUATIONS = 1000
_NONCE = "0" * 16


class KnowsPrices(Protocol):
    """What calls cost (`evaluator.judges.choose.Judges`)."""

    async def cost_of(
        self, model: str, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0
    ) -> float | None:
        """USD of a call with so many tokens; None where nobody knows."""


async def running(
    definition: MetricDefinition,
    after: Sequence[Guideline],
    results: Iterable[RowResult],
    calls: Iterable[StoredCall],
    *,
    prices: KnowsPrices,
) -> Running:
    """What one evaluation of the run's rows takes without and with the guidelines.

    Input tokens are estimated from the length of what is sent (retries aside); output tokens are those that the run's
    judge calls had, else what such an answer usually has.
    """
    inputs = [each.row.inputs for each in results]
    if not inputs:
        return Running()
    written = [each.output_tokens / each.calls for each in calls if each.kind is CallKind.JUDGE and each.calls]
    answer = round(fmean(written)) if written else EXPECTED_ANSWER_TOKENS
    before = _tokens(definition, inputs)
    later = _tokens(with_lines(definition, after), inputs)
    return Running(
        tokens_before=before,
        tokens_after=later,
        usd_before=await _usd(definition, before, answer, prices),
        usd_after=await _usd(definition, later, answer, prices),
    )


def _tokens(definition: MetricDefinition, inputs: Sequence[Mapping[str, str]]) -> float:
    """Input tokens of one evaluation: every answer of a jury is asked for with all of it."""
    template = prepared(definition).template
    fixed = tokens_of(SYSTEM) + sum(tokens_of(part) for part in template.parts if isinstance(part, str))
    slots = [part for part in template.parts if isinstance(part, Slot)]
    rows = [sum(tokens_of(_sent(slot, each)) for slot in slots) for each in inputs]
    return (fixed + fmean(rows)) * len(_asked(definition))


def _sent(slot: Slot, inputs: Mapping[str, str]) -> str:
    return NOT_AVAILABLE if is_missing(inputs, slot.name) else fenced(slot.name, inputs[slot.name], _NONCE)


def _asked(definition: MetricDefinition) -> tuple[str, ...]:
    """The model of every answer that one evaluation asks for."""
    jury = definition.jury
    if jury is None:
        return (definition.model,)
    return (jury.models or (definition.model,)) * jury.repeats


async def _usd(definition: MetricDefinition, tokens: float, answer: int, prices: KnowsPrices) -> float | None:
    asked = _asked(definition)
    total = 0.0
    for model in asked:
        cost = await prices.cost_of(model, input_tokens=round(tokens / len(asked)), output_tokens=answer)
        if cost is None:
            return None
        total += cost
    return total * EVALUATIONS
