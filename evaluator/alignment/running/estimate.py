"""What a run would take, said before it starts; nobody is asked anything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from evaluator.alignment.model import Row
from evaluator.alignment.optimizing.design import ROUNDS, Design, Holding, design_for, expected_calls
from evaluator.alignment.running.aligning import MEASURED_ROWS, REPEATS, nothing_usable, prompt_tokens
from evaluator.alignment.running.definition import AlignmentPlan
from evaluator.alignment.running.loading import Loaded, Loader
from evaluator.alignment.running.outcome import Counts
from evaluator.alignment.running.sources import choose
from evaluator.errors import NoResolvedAnnotations
from evaluator.judges.sizes import EXPECTED_ANSWER_TOKENS, tokens_of
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.judge_metric import JudgedWith
from evaluator.statistics.power import power
from storage.alignments import Alignments

GAINS = (10, 15, 20, 30)
"""Points of agreement."""
BATCH = 6
"""Disagreements that reflection reads together, with a few rows where the judge is right."""
ROWS_SHOWN = 9
INSTRUCTIONS_TOKENS = 800
REFLECTED_TOKENS = 500


class KnowsPrices(Protocol):
    """What calls cost (`evaluator.judges.choose.Judges`)."""

    async def cost_of(
        self, model: str, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0
    ) -> float | None:
        """USD; None where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentEstimate:
    """Before a run starts.

    Attributes:
        judge_calls, reflection_calls: At most, about: what was asked before by a run that is retried costs nothing.
        cost_usd: None where a price is not known.
        power: Chance that a gain of so many points of agreement would be proved.
    """

    counts: Counts
    judge_calls: int
    reflection_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    power: Mapping[int, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """Works out estimates from the rows that a run would use."""

    alignments: Alignments
    loader: Loader
    using: JudgedWith
    prices: KnowsPrices

    async def estimate(
        self, definition: MetricDefinition, plan: AlignmentPlan, source_ids: Sequence[str]
    ) -> AlignmentEstimate:
        """The estimate of one run.

        Raises:
            NoResolvedAnnotations: Nothing can be used.
            SourceNotFound: A source has no resolved feedback.
        """
        definition, delta = plan.judged(definition), plan.delta_of(definition)
        chosen = await choose(self.alignments, definition, source_ids, delta)
        loaded = await self.loader.load(definition, chosen, delta=delta, max_rows=plan.caps.max_rows, seed=plan.seed)
        if not loaded.rows:
            raise NoResolvedAnnotations(nothing_usable(definition, loaded.counts))
        rows, max_calls = len(loaded.rows), plan.caps.max_calls
        design = design_for(rows, len({row.group for row in loaded.rows}), max_calls=max_calls or None)
        judge_calls = expected_calls(rows, design)
        wrong = loaded.counts.disagreements
        reflection_calls = fits_of(design) * ROUNDS * (math.ceil(wrong / BATCH / ROUNDS) + 1)
        if not wrong:  # as far as is recorded
            judge_calls, reflection_calls = REPEATS * rows, 0
        return await self._priced(definition, plan, loaded, judge_calls, reflection_calls, design)

    async def _priced(
        self,
        definition: MetricDefinition,
        plan: AlignmentPlan,
        loaded: Loaded,
        judge_calls: int,
        reflection_calls: int,
        design: Design,
    ) -> AlignmentEstimate:
        prompt = await prompt_tokens(definition, loaded.rows, loaded.materials, using=self.using) or 0.0
        material = round(INSTRUCTIONS_TOKENS + ROWS_SHOWN * _row_tokens(loaded.rows))
        votes = len(definition.jury.models or ("",)) * definition.jury.repeats if definition.jury else 1
        judge_calls *= votes
        judged = await self.prices.cost_of(
            plan.judge_model, input_tokens=round(prompt), output_tokens=EXPECTED_ANSWER_TOKENS
        )
        reflected = await self.prices.cost_of(
            plan.reflection_model, input_tokens=material, output_tokens=REFLECTED_TOKENS
        )
        known = judged is not None and (reflected is not None or not reflection_calls)
        cost = judge_calls * (judged or 0.0) + reflection_calls * (reflected or 0.0) if known else None
        counts = replace(
            loaded.counts, disagreements_rerun=0, skipped_agreeing=len(loaded.rows) - loaded.counts.disagreements
        )
        return AlignmentEstimate(
            counts=counts,
            judge_calls=judge_calls,
            reflection_calls=reflection_calls,
            input_tokens=round(judge_calls * prompt + reflection_calls * material),
            output_tokens=judge_calls * EXPECTED_ANSWER_TOKENS + reflection_calls * REFLECTED_TOKENS,
            cost_usd=cost,
            power={points: power(_proved(len(loaded.rows), design), points / 100) for points in GAINS},
            warnings=(*loaded.warnings, *_warnings(plan, loaded, judge_calls, reflection_calls, cost)),
        )


def fits_of(design: Design) -> int:
    """How often guidelines are distilled: once for the result, and once for each part that is held out in turn."""
    return 1 + design.folds


def _proved(rows: int, design: Design) -> int:
    """Rows that are held out."""
    match design.holding:
        case Holding.NONE:
            return 0
        case Holding.SEALED:
            return round(rows * 0.3)
        case Holding.CROSS_FIT:
            return rows


def _row_tokens(rows: Sequence[Row]) -> float:
    """Of a row as reflection reads it: its inputs, and why."""
    shown = rows[:: max(1, len(rows) // MEASURED_ROWS)][:MEASURED_ROWS]
    texts = [[*row.inputs.values(), *row.rationales] for row in shown]
    return sum(tokens_of(text) for each in texts for text in each) / len(shown)


def _warnings(
    plan: AlignmentPlan, loaded: Loaded, judge_calls: int, reflection_calls: int, cost: float | None
) -> list[str]:
    said = []
    if not loaded.counts.disagreements:
        said.append("nothing that is recorded differs from what people expect: the run may find nothing to change")
    if not any(row.rationales for row in loaded.rows):
        said.append("nobody wrote why: guidelines are distilled from explanations, labels alone say little")
    if plan.caps.max_calls and judge_calls + reflection_calls > plan.caps.max_calls:
        said.append(
            f"about {judge_calls + reflection_calls} calls are expected, and {plan.caps.max_calls} are allowed: the "
            "run may end early, with what it has found until then"
        )
    if cost is None:
        said.append("the price of a model is not known: state it in [judges.NAME] to see what a run costs")
    elif plan.caps.max_cost_usd and cost > plan.caps.max_cost_usd:
        said.append(
            f"about {cost:.2f} USD are expected, and {plan.caps.max_cost_usd:.2f} are allowed: the run may end early, "
            "with what it has found until then"
        )
    return said
