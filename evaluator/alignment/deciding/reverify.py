"""What guidelines are worth as a person has toggled or edited them, or on a base that has moved.

Answers that the run has are remembered, so only prompts that nobody has asked yet are paid for.  Of a sealed split the
sealed rows are asked: lines of the run were made without them.  Everything else is asked about rows that the lines were
made of, or that a person had seen: in-sample, said so, and no proof by itself.  It is supported only where the run is,
on its own held-out rows, and the gain less the run's optimism (Efron 1983; Harrell 1996) is still one that matters.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from evaluator.alignment.deciding.accepting import Verified
from evaluator.alignment.deciding.choices import Choice, chosen, rebased
from evaluator.alignment.model import BudgetExhausted, Line, ModelUnavailable, Optimized, Row, RowResult, Split, Verdict
from evaluator.alignment.optimizing.design import REPEATS
from evaluator.alignment.proof.evidence import Turned, turned
from evaluator.alignment.proof.proof import Proof
from evaluator.alignment.proof.proving import LEAST_GAIN, prove
from evaluator.alignment.running.aligning import Aligning, prompt_tokens
from evaluator.alignment.running.calls import Book, RunJudge
from evaluator.alignment.running.definition import AlignmentPlan, Caps
from evaluator.alignment.running.loading import Loaded
from evaluator.alignment.running.outcome import AlignmentOutcome
from evaluator.alignment.running.sources import choose
from evaluator.alignment.running.spending import Till
from evaluator.errors import AlignmentNotEnded, AlignmentNotFound
from evaluator.judges.metering import Meter
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline, Origin
from evaluator.metrics.material import Material
from evaluator.metrics.registry import Metrics
from storage.alignments import Alignments, AlignmentStanding
from storage.errors import NotFound

SEALED = "sealed"
IN_SAMPLE = "in-sample: rows that the lines were made of, or that were seen when they were chosen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverified:
    """What guidelines are worth.

    Attributes:
        definition: What they are put on.
        guidelines: All that the judge is given.
        in_sample: The rows were not held out from them.
        notes: What is special about it, for people.
    """

    standing: AlignmentStanding
    outcome: AlignmentOutcome
    definition: MetricDefinition
    guidelines: tuple[Guideline, ...]
    proof: Proof
    results: tuple[RowResult, ...]
    in_sample: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverifier:
    """Verifies again; `evaluator.alignment.deciding.accepting.Verifies`.

    Attributes:
        aligning: What the run was worked on with.
        meter: The installation's budget, which pays; None = nobody counts.
    """

    aligning: Aligning
    metrics: Metrics
    meter: Callable[[], Meter | None] | None = None

    async def reverify(self, run_id: str, choices: Sequence[Choice] = (), *, rebase: bool = False) -> Reverified:
        """What the lines of a run are worth as chosen here; with `rebase`, on the version that is active now.

        Raises:
            AlignmentNotFound, AlignmentNotEnded: As their names say.
            InvalidDefinition: A choice is not acceptable; names the field.
            BudgetExhausted, ModelUnavailable: What was answered is remembered.
        """
        standing = await ended(self.aligning.alignments, run_id)
        outcome = AlignmentOutcome.from_body(standing.outcome)
        base = started_from = await self.metrics.get(standing.run.metric, standing.run.version)
        guidelines = chosen(outcome.lines, choices, alignment_id=run_id)
        if rebase:
            base = await self.metrics.get(standing.run.metric)
            guidelines = rebased(guidelines, started_from, base)
        return await self._verified(standing, base, guidelines)

    async def verify(self, run_id: str, base: MetricDefinition, guidelines: Sequence[Guideline]) -> Verified:
        """What guidelines are worth on a base; errors as of `reverify`."""
        found = await self._verified(await ended(self.aligning.alignments, run_id), base, tuple(guidelines))
        delta = AlignmentPlan.of(found.standing.run).delta_of(base)
        broken = [each.row.target for each in found.results if turned(base, each, delta=delta) is Turned.BROKEN]
        return Verified(verdict=found.proof.verdict, summary=found.proof.sentence, broken=tuple(broken))

    async def _verified(
        self, standing: AlignmentStanding, base: MetricDefinition, guidelines: tuple[Guideline, ...]
    ) -> Reverified:
        run, plan = standing.run, AlignmentPlan.of(standing.run)
        outcome = AlignmentOutcome.from_body(standing.outcome)
        by_hand = _by_hand(outcome.lines, guidelines, base)
        sealed = outcome.design.startswith(SEALED) and not by_hand
        splits = {row.row_id: Split(row.split) for row in await self.aligning.alignments.rows(run.run_id)}
        used = {row_id for row_id, split in splits.items() if split is not Split.EXCLUDED}
        wanted = {row_id for row_id in used if not sealed or splits[row_id] is Split.HELD_OUT}
        loaded = await self._loaded(standing, base)
        rows = [row for row in loaded.rows if row.row_id in wanted]
        results = await self._asked(standing, base, guidelines, rows, loaded.materials)
        judged_by = plan.judged(base)
        found = await asyncio.to_thread(  # resampling takes a while
            prove,
            judged_by,
            Optimized(
                lines=tuple(Line(guideline=each) for each in guidelines),
                rows=results,
                design=outcome.design if sealed else IN_SAMPLE,
            ),
            prompt_tokens_before=await self._prompt_tokens(judged_by, rows, loaded),
            prompt_tokens_after=await self._prompt_tokens(replace(judged_by, guidelines=guidelines), rows, loaded),
            delta=plan.delta,
            seed=plan.seed,
        )
        return Reverified(
            standing=standing,
            outcome=outcome,
            definition=base,
            guidelines=guidelines,
            proof=weighed(found, outcome, by_hand=bool(by_hand), in_sample=not sealed),
            results=results,
            in_sample=not sealed,
            notes=_notes(
                by_hand, sealed=sealed, moved=base.version != run.version, rows=len(rows), gone=len(wanted) - len(rows)
            ),
        )

    async def _loaded(self, standing: AlignmentStanding, base: MetricDefinition) -> Loaded:
        plan = AlignmentPlan.of(standing.run)
        delta = plan.delta_of(base)
        sources = await choose(self.aligning.alignments, base, standing.run.source_ids, delta)
        return await self.aligning.loader.load(base, sources, delta=delta, max_rows=plan.caps.max_rows, seed=plan.seed)

    async def _asked(
        self,
        standing: AlignmentStanding,
        base: MetricDefinition,
        guidelines: Sequence[Guideline],
        rows: Sequence[Row],
        materials: Mapping[str, Material],
    ) -> tuple[RowResult, ...]:
        """Every answer of the metric as it is and with the lines; remembered ones cost nothing."""
        run, plan = standing.run, AlignmentPlan.of(standing.run)
        kept = await self.aligning.alignments.calls((run.run_id, *run.lineage))
        book = Book(
            self.aligning.alignments,
            run.run_id,
            kept=kept,
            till=Till(caps=Caps(), outer=None if self.meter is None else self.meter()),
        )
        judge = RunJudge(plan.judged(base), using=self.aligning.using, book=book, materials=materials)
        async with _running(book):
            before = [await judge.predict(base.guidelines, rows, repeat=repeat) for repeat in range(REPEATS)]
            after = [await judge.predict(guidelines, rows, repeat=repeat) for repeat in range(REPEATS)]
        return tuple(
            RowResult(row=row, split=Split.HELD_OUT, before=first, after=then)
            for row, first, then in zip(rows, zip(*before, strict=True), zip(*after, strict=True), strict=True)
        )

    async def _prompt_tokens(self, definition: MetricDefinition, rows: Sequence[Row], loaded: Loaded) -> float | None:
        return await prompt_tokens(definition, rows, loaded.materials, using=self.aligning.using)


async def ended(alignments: Alignments, run_id: str) -> AlignmentStanding:
    """A run that has ended.

    Raises:
        AlignmentNotFound, AlignmentNotEnded: As their names say.
    """
    try:
        standing = await alignments.get(run_id)
    except NotFound:
        raise AlignmentNotFound(f"no alignment {run_id!r}") from None
    if not standing.state.is_final:
        raise AlignmentNotEnded(f"alignment {run_id} is {standing.state.lower()}: wait for its end, or cancel it")
    return standing


def weighed(found: Proof, outcome: AlignmentOutcome, *, by_hand: bool, in_sample: bool) -> Proof:
    """A proof on rows that were seen, for what it is worth."""
    run_supported = outcome.verdict is Verdict.SUPPORTED
    verdict, said = found.verdict, found.sentence
    if in_sample:
        said = f"In-sample, on {found.rows} rows that were seen: {_gain(found)}"
    if verdict is not Verdict.SUPPORTED:
        return replace(found, sentence=said, optimism=None)
    optimism = max(0.0, _optimism(outcome)) if in_sample else 0.0
    left = (found.difference.value or 0.0) - optimism
    if by_hand:
        verdict, why = Verdict.INCONCLUSIVE, "lines that people wrote or switched on were never held out"
    elif not run_supported:
        verdict, why = Verdict.INCONCLUSIVE, "the run itself was not supported on rows it had not seen"
    elif left < LEAST_GAIN:
        verdict, why = Verdict.INCONCLUSIVE, f"less the run's optimism of {100 * optimism:.0f} points nothing is left"
    else:
        why = "the run is supported on rows it had not seen"
        if optimism:
            why += f", and less its optimism of {100 * optimism:.0f} points a gain of {100 * left:.0f} is left"
    return replace(found, verdict=verdict, sentence=f"{said.rstrip('.')}; {why}.", optimism=None)


def _gain(found: Proof) -> str:
    difference = found.difference
    if difference.value is None:
        return "no gain can be told."
    text = f"{100 * difference.value:+.0f} points"
    if difference.lower is not None and difference.upper is not None:
        text += f" [{100 * difference.lower:.0f}, {100 * difference.upper:.0f}]"
    return f"{text}, {found.fixed} rows fixed and {found.broken} broken."


def _optimism(outcome: AlignmentOutcome) -> float:
    known = Proof.from_body(outcome.proof).optimism if outcome.proof else None
    return known or 0.0


def _by_hand(lines: Sequence[Line], guidelines: Sequence[Guideline], base: MetricDefinition) -> tuple[Guideline, ...]:
    """Lines that no held-out row speaks for: edited, added, or switched on although they needed a decision."""
    held_out = {line.guideline.guideline_id: line.guideline.text for line in lines if not line.needs_decision}
    held_out |= {each.guideline_id: each.text for each in base.guidelines}
    return tuple(each for each in guidelines if held_out.get(each.guideline_id) != each.text)


def _notes(by_hand: Sequence[Guideline], *, sealed: bool, moved: bool, rows: int, gone: int) -> tuple[str, ...]:
    found = []
    if gone:
        found.append(f"{gone} rows of the run are left out: what people said about them was taken back or has changed")
    if moved:
        found.append("verified on the version that is active now, and not on the one that the run started from")
    if by_hand:
        people = sum(each.origin is Origin.HUMAN for each in by_hand)
        found.append(
            f"{len(by_hand)} lines were never held out ({people} of them written by people): they are checked on all "
            f"{rows} rows, with sight of them, which is in-sample and proves nothing by itself"
        )
    elif sealed:
        found.append(f"asked about the {rows} sealed rows; the lines were toggled after a report had shown them")
    else:
        found.append(f"asked about all {rows} rows that the lines were made of: in-sample")
    return tuple(found)


@asynccontextmanager
async def _running(book: Book) -> AsyncIterator[None]:
    """Stores answers as they come."""
    ended: BudgetExhausted | ModelUnavailable | None = None
    async with asyncio.TaskGroup() as group:
        task = group.create_task(book.run())
        try:
            yield
        except (BudgetExhausted, ModelUnavailable) as error:  # leaving with it, the group would wrap it
            ended = error
        finally:
            task.cancel()
    if ended is not None:
        raise ended
