"""One run from its first row to its proof.  Whatever ends it early leaves what was paid for in the book."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from evaluator.alignment.model import Judge, Optimized, Optimizer, Row
from evaluator.alignment.optimizing.dvg import DistillVerifyGate
from evaluator.alignment.proof.evidence import turned
from evaluator.alignment.proof.proof import Proof
from evaluator.alignment.proof.proving import prove
from evaluator.alignment.running.calls import Book, RunJudge, RunReflector
from evaluator.alignment.running.definition import AlignmentPlan
from evaluator.alignment.running.loading import Loaded, Loader, aligned_rows
from evaluator.alignment.running.outcome import AlignmentOutcome, Counts, Source, to_text
from evaluator.alignment.running.sources import choose
from evaluator.alignment.running.stored import snapshot_material
from evaluator.alignment.running.telling import Telling
from evaluator.errors import NoResolvedAnnotations
from evaluator.judges.port import AsksJudges
from evaluator.judges.sizes import expected_usage
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import disagrees, gap
from evaluator.metrics.guideline import Guideline
from evaluator.metrics.judging.judge_metric import JudgedWith, questions
from evaluator.metrics.material import Material
from storage.alignments import AlignedRow, AlignmentPhase, AlignmentRun, Alignments, FlipKind

REPEATS = 2
"""Fresh answers of the judge as it is, to each row."""
MEASURED_ROWS = 20
"""Of which the prompt is made to see how long it is."""
SLICE = 64
"""Rows that are asked together before progress is told."""


class MakesOptimizers(Protocol):
    """Where optimizers come from (`DistillVerifyGate`)."""

    def __call__(self, *, max_calls: int | None) -> Optimizer:
        """One for a run that may ask the judge so often; None = as often as need be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a run found: the outcome, and what became of its rows."""

    outcome: AlignmentOutcome
    rows: Sequence[AlignedRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligning:
    """What runs are worked on with; one of the process."""

    alignments: Alignments
    loader: Loader
    using: JudgedWith
    optimizer: MakesOptimizers = DistillVerifyGate

    async def align(
        self,
        run: AlignmentRun,
        definition: MetricDefinition,
        *,
        book: Book,
        telling: Telling,
    ) -> Found:
        """Load, ask again, distill, prove.

        Raises:
            NoResolvedAnnotations: Nothing can be used.
            SourceNotFound: A source has no resolved feedback any more.
            BudgetExhausted, ModelUnavailable, ReflectionUnparseable: As their names say.
        """
        work = _Work(self, run, definition, book, telling)
        return await work.done()


class _Work:
    """One run at work."""

    def __init__(
        self, parts: Aligning, run: AlignmentRun, definition: MetricDefinition, book: Book, telling: Telling
    ) -> None:
        self._parts = parts
        self._run = run
        self._plan = AlignmentPlan.of(run)
        self._definition = self._plan.judged(definition)
        self._delta = self._plan.delta_of(definition)
        self._book = book
        self._telling = telling
        self._sources: tuple[Source, ...] = ()

    async def done(self) -> Found:
        loaded = await self._load()
        judge = RunJudge(self._definition, using=self._parts.using, book=self._book, materials=loaded.materials)
        counts = await self._ask_again(judge, loaded)
        self._telling.enter(AlignmentPhase.DISTILLING_GUIDELINES)
        judges: AsksJudges = self._parts.using.judges
        optimized = await self._parts.optimizer(max_calls=self._plan.caps.max_calls or None).optimize(
            self._definition,
            loaded.rows,
            delta=self._delta,
            judge=judge,
            reflector=RunReflector(
                self._plan.reflection_model,
                judges=judges,
                book=self._book,
                rows=loaded.rows,
                redact=self._parts.using.redact,
            ),
            steps=self._telling,
            seed=self._plan.seed,
        )
        self._telling.finalizing()
        proof = await self._prove(optimized, loaded)
        return Found(
            outcome=self._outcome(optimized, proof, loaded, counts),
            rows=[*_rows(optimized, self._definition, self._delta), *loaded.left_out],
        )

    async def _load(self) -> Loaded:
        self._telling.enter(AlignmentPhase.LOADING_ANNOTATIONS)
        chosen = await choose(self._parts.alignments, self._definition, self._run.source_ids, self._delta)
        self._sources = chosen.sources
        loaded = await self._parts.loader.load(
            self._definition,
            chosen,
            delta=self._delta,
            max_rows=self._plan.caps.max_rows,
            seed=self._plan.seed,
            told=self._telling.report,
        )
        await self._note(loaded.counts)
        if not loaded.rows:
            raise NoResolvedAnnotations(nothing_usable(self._definition, loaded.counts))
        return loaded

    async def _ask_again(self, judge: Judge, loaded: Loaded) -> Counts:
        """What the judge says now, without which nobody knows what guidelines change."""
        rows, told = loaded.rows, 0
        self._telling.enter(AlignmentPhase.BUILDING_DISAGREEMENT_TRACES, REPEATS * len(rows))
        wrong: set[str] = set()
        for repeat in range(REPEATS):
            for start in range(0, len(rows), SLICE):
                part = rows[start : start + SLICE]
                for row, outcome in zip(
                    part, await judge.predict(self._definition.guidelines, part, repeat=repeat), strict=True
                ):
                    if disagrees(gap(self._definition, row.expected, outcome), self._delta):
                        wrong.add(row.row_id)
                told += len(part)
                self._telling.report(told, REPEATS * len(rows))
        counts = replace(loaded.counts, disagreements_rerun=len(wrong), skipped_agreeing=len(loaded.rows) - len(wrong))
        await self._note(counts)
        return counts

    async def _prove(self, optimized: Optimized, loaded: Loaded) -> Proof:
        before = await self._prompt_tokens(self._definition.guidelines, loaded)
        after = await self._prompt_tokens(optimized.guidelines, loaded)
        return await asyncio.to_thread(  # resampling takes a while
            prove,
            self._definition,
            optimized,
            prompt_tokens_before=before,
            prompt_tokens_after=after,
            delta=self._delta,
            seed=self._plan.seed,
        )

    async def _prompt_tokens(self, guidelines: Sequence[Guideline], loaded: Loaded) -> float | None:
        definition = replace(self._definition, guidelines=tuple(guidelines))
        return await prompt_tokens(definition, loaded.rows, loaded.materials, using=self._parts.using)

    async def _note(self, counts: Counts) -> None:
        notes = {"counts": counts.to_body(), "sources": [source.to_body() for source in self._sources]}
        await self._parts.alignments.note(self._run.run_id, notes)

    def _outcome(self, optimized: Optimized, proof: Proof, loaded: Loaded, counts: Counts) -> AlignmentOutcome:
        judges = self._parts.using.judges
        judge_model = judges.model_for(self._definition.model)
        parts = [self._definition.digest, self._plan.reflection_model, judge_model, self._plan.seed, self._delta]
        rows = [[row.row_id, to_text(row.expected), sorted(row.inputs.items())] for row in loaded.rows]
        fingerprint = hashlib.blake2b(json.dumps([*parts, rows]).encode(), digest_size=16).hexdigest()
        exhausted = ("the caps ended it early: what is here was found until then",) if optimized.exhausted else ()
        return AlignmentOutcome(
            lines=optimized.lines,
            verdict=proof.verdict,
            summary=proof.sentence,
            proof=proof.to_body(),
            design=optimized.design,
            in_sample_before=optimized.in_sample_before,
            in_sample_after=optimized.in_sample_after,
            candidates=optimized.candidates,
            exhausted=optimized.exhausted,
            warnings=tuple(dict.fromkeys((*loaded.warnings, *exhausted, *optimized.warnings, *proof.warnings))),
            counts=counts,
            sources=self._sources,
            fingerprint=fingerprint,
            reflection_model=self._plan.reflection_model,
            judge_model=judge_model,
        )


async def prompt_tokens(
    definition: MetricDefinition, rows: Sequence[Row], materials: Mapping[str, Material], *, using: JudgedWith
) -> float | None:
    """About how many tokens a question of the metric has, on average over some of the rows; None = nobody is asked."""
    sizes: list[float] = []
    for row in rows[:: max(1, len(rows) // MEASURED_ROWS)][:MEASURED_ROWS]:
        material = materials.get(row.row_id) or snapshot_material(row.target, row.span_kind, row.inputs)
        asked = await questions(definition, material, using=using)
        sizes += [expected_usage(question).input_tokens for question in asked[:1]]
    return sum(sizes) / len(sizes) if sizes else None


def nothing_usable(definition: MetricDefinition, counts: Counts) -> str:
    """Why there is nothing to work on, and what to do."""
    if not counts.annotations and not counts.conflicts and not counts.excluded:
        return f"nobody has said what is right for {definition.name!r}: give feedback on its results first"
    reasons = [f"{number} {reason}" for reason, number in counts.excluded.items()]
    if counts.conflicts:
        reasons.append(f"{counts.conflicts} contradictory (adjudicate them)")
    return f"none of the feedback on {definition.name!r} can be used: {', '.join(reasons)}"


def _rows(optimized: Optimized, definition: MetricDefinition, delta: float) -> list[AlignedRow]:
    return [
        replace(
            row,
            fold=result.fold,
            before=tuple(to_text(each) for each in result.before),
            after=tuple(to_text(each) for each in result.after),
            flip=FlipKind(turned(definition, result, delta=delta)),
        )
        for result in optimized.rows
        for row in aligned_rows(result.row, split=result.split, reason=result.reason)
    ]
