"""The rows of a run: what people have resolved, with what a judge reads; and what cannot be used, with the reason."""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evaluator.alignment.model import Row, Split
from evaluator.alignment.running.outcome import Counts, to_text
from evaluator.alignment.running.sources import Chosen
from evaluator.alignment.running.stored import StoredMaterials
from evaluator.alignment.running.usable import at_odds, contradicted, fits, grouped, likeness, newest_of_each
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import disagrees, gap
from evaluator.metrics.judging import template
from evaluator.metrics.material import Material
from storage.alignments import AlignedRow, ResolvedTarget
from storage.feedback import FeedbackRow, Feedbacks, Resolution, ResolutionStatus
from storage.model import NO_ID, Score, TargetRef

CHUNK = 250
"""Targets that are read together."""
MAX_LEFT_OUT = 100_000
MAX_REASON = 64
FEW_ROWS = 5
PROVABLE_ROWS = 10
CONFLICT = "conflict"
LEFT_OUT = (ResolutionStatus.DISPUTED, ResolutionStatus.NEEDS_RECONFIRM, ResolutionStatus.EXCLUDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a run works on.

    Attributes:
        rows: In the order of their ids.
        materials: What a judge reads of rows whose snapshot does not hold all of it, by row id.
        left_out: What is not used, with its reason.
        counts: Without what asking the judge again shows.
    """

    rows: tuple[Row, ...]
    materials: Mapping[str, Material]
    left_out: tuple[AlignedRow, ...]
    counts: Counts
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """Reads feedback, and of targets what its snapshots lack."""

    feedbacks: Feedbacks
    materials: StoredMaterials

    async def load(
        self,
        definition: MetricDefinition,
        chosen: Chosen,
        *,
        delta: float,
        max_rows: int,
        seed: int,
        told: Callable[[int, int], None] = lambda done, total: None,
    ) -> Loaded:
        """The rows; `told` hears how many targets of how many were read."""
        wanted = sampled(definition, chosen.resolved, max_rows=max_rows, seed=seed, delta=delta)
        reading = _Reading(definition, chosen, delta, self)
        for start in range(0, len(wanted), CHUNK):
            await reading.read([each.target for each in wanted[start : start + CHUNK]])
            told(min(start + CHUNK, len(wanted)), len(wanted))
        await reading.read_unresolved()
        return await reading.loaded(of=len(chosen.resolved), drawn=len(wanted))


class _Reading:
    """One loading."""

    def __init__(self, definition: MetricDefinition, chosen: Chosen, delta: float, loader: Loader) -> None:
        self._definition = definition
        self._template = template.parse(definition.prompt, definition.arguments)
        self._chosen = chosen
        self._delta = delta
        self._loader = loader
        self._rows: list[Row] = []
        self._materials: dict[str, Material] = {}
        self._left_out: list[AlignedRow] = []
        self._excluded: Counter[str] = Counter()
        self._conflicts = self._stale = 0

    async def read(self, targets: Sequence[TargetRef]) -> None:
        """Targets with resolved feedback."""
        feedbacks, metric = self._loader.feedbacks, self._definition.name
        said = await feedbacks.on(metric, targets)
        resolutions = await feedbacks.resolutions(metric, targets)
        lacking: list[Row] = []
        for target in targets:
            resolution, words = resolutions.get(target), said.get(target, [])
            if resolution is None or resolution.status is not ResolutionStatus.RESOLVED:
                continue  # it was taken back since
            words = [row for row in words if _counts(row, resolution)]
            row = self._row(resolution, words)
            if row is None:
                continue
            if any(each.snapshot.has_media for each in words) or self._template.first_missing(row.inputs) is not None:
                lacking.append(row)
            else:
                self._rows.append(row)
        found = await self._loader.materials.of(self._definition, [row.target for row in lacking])
        for row in lacking:
            material = found[row.target]
            if isinstance(material, str):
                self._leave(row, material)
            else:
                names = self._template.names
                inputs = {name: material.inputs[name] for name in names if name in material.inputs}
                self._materials[row.row_id] = material
                self._rows.append(replace(row, inputs=inputs, span_kind=material.kind))

    async def read_unresolved(self) -> None:
        """Targets that people spoke about, and that are not resolved or may not be used."""
        feedbacks, metric = self._loader.feedbacks, self._definition.name
        for status in LEFT_OUT:
            found = await feedbacks.resolution_page(metric, status, after=(), limit=MAX_LEFT_OUT)
            if self._chosen.within is not None:
                found = [each for each in found if each.target in self._chosen.within]
            for start in range(0, len(found), CHUNK):
                chunk = found[start : start + CHUNK]
                said = await feedbacks.on(metric, [each.target for each in chunk])
                for resolution in chunk:
                    reason = self._reason(resolution)
                    self._list(
                        row_id_of(metric, resolution.target), resolution, said.get(resolution.target, []), reason
                    )

    def _reason(self, resolution: Resolution) -> str:
        if resolution.status is ResolutionStatus.DISPUTED:
            self._conflicts += 1
            return CONFLICT
        excluded = resolution.status is ResolutionStatus.EXCLUDED
        reason = _code(resolution.reason) if excluded else str(resolution.status)
        self._excluded[reason] += 1
        return reason

    async def loaded(self, *, of: int, drawn: int) -> Loaded:
        """What was read, with what is alike in one group and what is at odds left out."""
        likenesses: list[str] = []
        for number, row in enumerate(self._rows):
            likenesses.append(row.row_id if row.row_id in self._materials else likeness(row))
            if number % 100 == 99:
                await asyncio.sleep(0)  # inputs may be long
        odd = at_odds(self._definition, self._rows, likenesses, self._delta)
        pairs = [(row, like) for row, like in zip(self._rows, likenesses, strict=True) if row.row_id not in odd]
        for row in self._rows:
            if row.row_id in odd:
                self._conflicts += 1
                self._list_row(row, f"{CONFLICT}: the same input has another label elsewhere")
        rows = grouped([row for row, _ in pairs], [like for _, like in pairs])
        counts = Counts(
            annotations=of,
            disagreements=sum(self._differs(row) for row in rows),
            conflicts=self._conflicts,
            stale=self._stale,
            excluded=dict(sorted(self._excluded.items())),
            sampled=drawn if drawn < of else 0,
        )
        return Loaded(
            rows=tuple(sorted(rows, key=lambda row: row.row_id)),
            materials=self._materials,
            left_out=tuple(self._left_out),
            counts=counts,
            warnings=_warnings(len(rows), counts),
        )

    # -----------------------------------------------------------------------------------------------------------------

    def _row(self, resolution: Resolution, said: Sequence[FeedbackRow]) -> Row | None:
        """The row of a target; None where it cannot be one."""
        definition, target = self._definition, resolution.target
        row_id = row_id_of(definition.name, target)
        if not said or resolution.expected is None:
            self._excluded["taken_back"] += 1
            return None
        if not fits(definition, resolution.expected):
            self._excluded["schema_changed"] += 1
            self._list(row_id, resolution, said, "schema_changed")
            return None
        if contradicted(definition, resolution, said, self._delta):
            self._conflicts += 1
            self._list(row_id, resolution, said, CONFLICT)
            return None
        newest = newest_of_each(said)
        agreeing = [
            row for row in newest if not disagrees(gap(definition, resolution.expected, row.expected), self._delta)
        ]
        judged = next((row.judged for row in reversed(said) if row.judged is not None), None)
        shown = (agreeing or newest)[-1]
        version = max(row.metric_version for row in said)
        self._stale += version < definition.version
        names = self._template.names
        return Row(
            row_id=row_id,
            target=target,
            group=shown.group_key or row_id,
            expected=resolution.expected,
            feedback_ids=tuple(str(row.feedback_id) for row in said),
            annotators=tuple(dict.fromkeys(row.annotator for row in newest)),
            rationales=tuple(row.rationale.strip() for row in agreeing if row.rationale.strip()),
            recorded=judged or self._chosen.results.get(target),
            metric_version=version,
            inputs={name: shown.snapshot.inputs[name] for name in names if name in shown.snapshot.inputs},
            span_kind=shown.snapshot.span_kind,
            segment={**shown.snapshot.segment, "level": str(target.level)},
        )

    def _differs(self, row: Row) -> bool:
        return row.recorded is not None and disagrees(gap(self._definition, row.expected, row.recorded), self._delta)

    def _leave(self, row: Row, reason: str) -> None:
        self._excluded[reason] += 1
        self._list_row(row, reason)

    def _list_row(self, row: Row, reason: str) -> None:
        self._left_out += aligned_rows(row, split=Split.EXCLUDED, reason=reason)

    def _list(self, row_id: str, resolution: Resolution, said: Sequence[FeedbackRow], reason: str) -> None:
        self._left_out += [
            AlignedRow(
                feedback_id=row.feedback_id,
                row_id=row_id,
                target=resolution.target,
                split=str(Split.EXCLUDED),
                expected=to_text(row.expected if resolution.expected is None else resolution.expected),
                recorded=to_text(row.judged),
                reason=reason,
            )
            for row in said
            if row.feedback_id != NO_ID
        ]


def sampled(
    definition: MetricDefinition, resolved: Sequence[ResolvedTarget], *, max_rows: int, seed: int, delta: float
) -> list[ResolvedTarget]:
    """At most so many targets, of each stratum (what is expected × whether the judge had agreed) its share."""
    if len(resolved) <= max_rows:
        return list(resolved)
    strata: defaultdict[tuple[str, bool], list[ResolvedTarget]] = defaultdict(list)
    for each in resolved:
        distance = None if each.recorded is None else gap(definition, each.expected, each.recorded)
        strata[_stratum(each.expected), disagrees(distance, delta)].append(each)
    drawing = random.Random(seed)
    ordered: list[tuple[float, str, ResolvedTarget]] = []
    for members in strata.values():
        drawing.shuffle(members)
        share = drawing.random()  # where the first of a stratum stands, so that no stratum is always last
        ordered += [((place + share) / len(members), each.target.key, each) for place, each in enumerate(members)]
    ordered.sort(key=lambda entry: entry[:2])
    chosen = {each.target for _, _, each in ordered[:max_rows]}
    return [each for each in resolved if each.target in chosen]


def row_id_of(metric: str, target: TargetRef) -> str:
    """Stable over runs."""
    text = f"{metric}\x1f{target.level}\x1f{target.key}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def aligned_rows(row: Row, *, split: Split, reason: str = "") -> list[AlignedRow]:
    """One for each feedback of a row, without predictions."""
    return [
        AlignedRow(
            feedback_id=uuid.UUID(feedback_id),
            row_id=row.row_id,
            target=row.target,
            split=str(split),
            expected=to_text(row.expected),
            recorded=to_text(row.recorded),
            reason=reason,
        )
        for feedback_id in row.feedback_ids
    ]


def _counts(row: FeedbackRow, resolution: Resolution) -> bool:
    """What was said before the criteria changed does not."""
    if resolution.counts_from is None or row.created is None:
        return True
    return row.created >= resolution.counts_from


def _stratum(expected: Score) -> str:
    return expected.label or ",".join(sorted(expected.labels)) or f"{expected.value or 0.0:.1f}"


def _code(reason: str) -> str:
    """A reason as a key: what stands before its details."""
    words = reason.partition(":")[0].strip().lower().replace(" ", "_")
    return words[:MAX_REASON] or str(ResolutionStatus.EXCLUDED)


def _warnings(rows: int, counts: Counts) -> tuple[str, ...]:
    said = []
    if counts.sampled:
        said.append(
            f"{counts.sampled} of {counts.annotations} annotated targets were drawn, each label and each kind of "
            "disagreement by its share; raise caps.max_rows to use more"
        )
    if rows < FEW_ROWS:
        said.append(
            f"{rows} annotated target{'s' if rows != 1 else ''} can be used: guidelines are a draft, no improvement "
            f"can be proved with fewer than {PROVABLE_ROWS}, and accepting them needs the override"
        )
    elif rows < PROVABLE_ROWS:
        said.append(
            f"{rows} annotated targets can be used: figures are indicative, no improvement can be proved with fewer "
            f"than {PROVABLE_ROWS}, and accepting the guidelines needs the override"
        )
    if counts.conflicts:
        said.append(f"{counts.conflicts} targets with contradictory labels are not used; adjudicate them")
    return tuple(said)
