"""What one version of a judge says of rows that people have decided, beside what the version before said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from evaluator.alignment.model import Row
from evaluator.alignment.running.calls import Book, RunJudge
from evaluator.alignment.running.loading import row_id_of
from evaluator.alignment.running.stored import StoredMaterials
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta, disagrees, gap
from evaluator.metrics.judging import template
from evaluator.metrics.judging.judge_metric import JudgedWith
from evaluator.metrics.material import Material
from storage.feedback import FeedbackRow, Resolution
from storage.model import Abstention, Failure, Outcome, Score, TargetRef
from storage.rechecking import RecheckedRow, RowVerdict

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A target that people have decided; `said` counts, oldest first."""

    resolution: Resolution
    expected: Score
    said: tuple[FeedbackRow, ...]

    @property
    def target(self) -> TargetRef:
        """What it is about."""
        return self.resolution.target

    @property
    def spoken(self) -> datetime:
        """When somebody spoke about it last."""
        return max((row.created for row in self.said if row.created is not None), default=_LONG_AGO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """One version.

    Attributes:
        called: The metric under whose name the run that made the version has asked.
        before: What the highest version before it said of each row.
    """

    definition: MetricDefinition
    called: str
    before: Mapping[TargetRef, RecheckedRow]
    materials: StoredMaterials
    using: JudgedWith
    book: Book

    async def rows(self, page: Sequence[Decided]) -> list[RecheckedRow]:
        """What becomes of rows.  Judges contradict themselves now and then: a verdict other than before is asked twice.

        Raises:
            BudgetExhausted, ModelUnavailable: As their names say; what was answered is remembered.
        """
        concluded: dict[TargetRef, Outcome] = {each.target: known for each in page if (known := self._known(each))}
        asked, unreadable = await self._readable([each for each in page if each.target not in concluded])
        concluded |= {target: Abstention(reason=why) for target, why in unreadable.items()}
        rows = {target: row for target, (row, _) in asked.items()}
        materials = {row.row_id: material for row, material in asked.values() if material is not None}
        judge = RunJudge(self.definition, using=self.using, book=self.book, materials=materials)
        concluded |= await self._answers(judge, rows, repeat=0)
        turned = {RowVerdict.SOLVED, RowVerdict.REGRESSED}
        again = {each.target for each in page if self._verdict(each, concluded[each.target]) in turned}
        second = await self._answers(judge, {target: row for target, row in rows.items() if target in again}, repeat=1)
        for each in page:
            if (other := second.get(each.target)) is not None and self._verdict(each, other) not in turned:
                concluded[each.target] = other
        return [self._row(each, concluded[each.target]) for each in page]

    def _known(self, decided: Decided) -> Score | None:
        """What this version said when people spoke about it."""
        version = self.definition.version
        said = (row.judged for row in reversed(decided.said) if row.metric_version == version)
        return next((judged for judged in said if judged is not None), None)

    async def _readable(
        self, page: Sequence[Decided]
    ) -> tuple[dict[TargetRef, tuple[Row, Material | None]], dict[TargetRef, str]]:
        """Rows that can be asked about, with what the snapshot lacks; and why others cannot."""
        names = template.parse(self.definition.prompt, self.definition.arguments)
        found: dict[TargetRef, tuple[Row, Material | None]] = {}
        lacking: list[Decided] = []
        for each in page:
            shown = each.said[-1].snapshot if each.said else None
            if shown is None or shown.has_media or names.first_missing(shown.inputs) is not None:
                lacking.append(each)
            else:
                inputs = {name: shown.inputs[name] for name in names.names if name in shown.inputs}
                found[each.target] = self._asked(each, inputs, shown.span_kind), None
        stored = await self.materials.of(self.definition, [each.target for each in lacking]) if lacking else {}
        unreadable: dict[TargetRef, str] = {}
        for each in lacking:
            material = stored[each.target]
            if isinstance(material, str):
                unreadable[each.target] = material
            else:
                inputs = {name: material.inputs[name] for name in names.names if name in material.inputs}
                found[each.target] = self._asked(each, inputs, material.kind), material
        return found, unreadable

    def _asked(self, decided: Decided, inputs: Mapping[str, str], span_kind: str) -> Row:
        return Row(
            row_id=row_id_of(self.called, decided.target),
            target=decided.target,
            group="",
            expected=decided.expected,
            feedback_ids=(),
            inputs=inputs,
            span_kind=span_kind,
        )

    async def _answers(
        self, judge: RunJudge, rows: Mapping[TargetRef, Row], *, repeat: int
    ) -> dict[TargetRef, Outcome]:
        outcomes = await judge.predict(self.definition.guidelines, list(rows.values()), repeat=repeat)
        return dict(zip(rows, outcomes, strict=True))

    def _row(self, decided: Decided, concluded: Outcome) -> RecheckedRow:
        return RecheckedRow(
            target=decided.target,
            version=self.definition.version,
            verdict=self._verdict(decided, concluded),
            expected=decided.expected,
            concluded=concluded if isinstance(concluded, Score) else None,
            explanation=_explanation(concluded),
        )

    def _verdict(self, decided: Decided, concluded: Outcome) -> RowVerdict:
        if not isinstance(concluded, Score):
            return RowVerdict.FAILED
        was_right = self._was_right(decided)
        if self._agrees(decided.expected, concluded):
            return RowVerdict.SOLVED if was_right is False else RowVerdict.KEPT
        return RowVerdict.REGRESSED if was_right else RowVerdict.STILL_WRONG

    def _was_right(self, decided: Decided) -> bool | None:
        """Whether the version before agreed with what people expect now; None = nobody knows."""
        before = self.before.get(decided.target)
        known = before.concluded if before is not None else None
        if known is None:
            version = self.definition.version
            said = (row.judged for row in reversed(decided.said) if row.metric_version != version)
            known = next((judged for judged in said if judged is not None), None)
        return None if known is None else self._agrees(decided.expected, known)

    def _agrees(self, expected: Score, concluded: Score) -> bool:
        distance = gap(self.definition, expected, concluded)
        return distance is not None and not disagrees(distance, default_delta(self.definition))


def _explanation(concluded: Outcome) -> str:
    match concluded:
        case Score(explanation=explanation):
            return explanation
        case Failure(code=code, message=message):
            return f"{code}: {message}"
        case Abstention(reason=reason):
            return reason
