"""Who is asked in a run, and the book of their answers: no question is paid for twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from evaluator.alignment.model import BudgetExhausted, ModelUnavailable, Row
from evaluator.alignment.optimizing.reading import SCHEMA
from evaluator.alignment.running.outcome import from_text, to_text
from evaluator.alignment.running.spending import Till
from evaluator.alignment.running.stored import snapshot_material
from evaluator.judges.metering import OverBudget
from evaluator.judges.port import AsksJudges, BadAnswer, InputTooLong, JudgeError, Question
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline
from evaluator.metrics.judging.answers import Flights
from evaluator.metrics.judging.judge_metric import Judged, JudgedWith, Redact, judge_metric
from evaluator.metrics.material import Material
from evaluator.scoring.recorder import Recorder
from storage.alignments import CallKind, StoredCall
from storage.model import Abstention, Failure, Outcome

IN_FLIGHT = 16
"""Questions of one run under way; the provider's own limits come on top."""
MOST_IN_A_ROW = 5
"""Questions that nobody answered, one after the other: the model is away."""
MAX_ROWS_BEGUN = 256
"""Of one prediction that wait for a place: their prompts are not made before."""
_AWAY = frozenset(
    {
        "JUDGE_UNAVAILABLE",
        "JUDGE_RATE_LIMITED",
        "JUDGE_TIMEOUT",
        "JUDGE_REFUSED",
        "NO_JUDGE_CONFIGURED",
        "PRICE_UNKNOWN",
    }
)


class KeepsCalls(Protocol):
    """Where answers are stored (`storage.alignments.Alignments`)."""

    async def keep_calls(self, run_id: str, calls: Sequence[StoredCall]) -> None:
        """Keep answers; the same again do no harm."""


class Book:
    """Answers of a run and of those that it retries.  `run` must be running.

    Args:
        kept: What they paid for before.
    """

    def __init__(self, answers: KeepsCalls, run_id: str, *, kept: Mapping[bytes, StoredCall], till: Till) -> None:
        self._kept = dict(kept)
        self._flights: Flights[StoredCall | None] = Flights()
        self._recorder: Recorder[StoredCall] = Recorder(partial(answers.keep_calls, run_id))
        self.till = till

    async def run(self) -> None:
        """Store answers until cancelled."""
        await self._recorder.run()

    async def answered(self, key: bytes, ask: Callable[[], Awaitable[StoredCall | None]]) -> StoredCall | None:
        """The answer to a question, stored before it is given; None where there is none to keep.

        Raises:
            Unavailable: It could not be stored.
        """
        if (found := self._kept.get(key)) is not None:
            self.till.spent.remembered += 1
            return found
        answer, shared = await self._flights.once(key, partial(self._asked, key, ask), deadline=None)
        self.till.spent.remembered += shared
        return answer

    async def _asked(self, key: bytes, ask: Callable[[], Awaitable[StoredCall | None]]) -> StoredCall | None:
        answer = await ask()
        if answer is not None:
            self._kept[key] = answer
            await self._recorder.record(answer)
        return answer


class RunJudge:
    """`evaluator.alignment.model.Judge`: the metric of a run, asked as scoring asks it.

    Args:
        definition: The metric, with the model that the run asks.
        materials: What it reads of rows whose inputs alone do not do, by row id.
        told: Hears of every row that is concluded.
    """

    def __init__(
        self,
        definition: MetricDefinition,
        *,
        using: JudgedWith,
        book: Book,
        materials: Mapping[str, Material],
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self._definition = definition
        self._using = using
        self._book = book
        self._materials = materials
        self._places = asyncio.Semaphore(in_flight)
        self._variants: dict[tuple[str, ...], MetricDefinition] = {}
        self._unanswered = 0

    async def predict(self, guidelines: Sequence[Guideline], rows: Sequence[Row], *, repeat: int = 0) -> list[Outcome]:
        """What it concludes, in order; a row that it cannot judge is a `Failure`, and asked again next time.

        Raises:
            BudgetExhausted, ModelUnavailable: As their names say; what was under way is waited for, and kept.
        """
        variant = self._variant(guidelines)
        found: list[Outcome | None] = [None] * len(rows)
        ended: list[Exception] = []

        async def conclude(number: int, row: Row) -> None:
            if ended:
                return
            async with self._places:
                if ended:
                    return
                try:
                    found[number] = await self._one(variant, row, repeat)
                except (BudgetExhausted, ModelUnavailable) as error:
                    ended.append(error)

        for start in range(0, len(rows), MAX_ROWS_BEGUN):
            async with asyncio.TaskGroup() as group:
                for number, row in enumerate(rows[start : start + MAX_ROWS_BEGUN], start=start):
                    group.create_task(conclude(number, row))
            if ended:
                raise ended[0]
        concluded = [each for each in found if each is not None]
        if concluded and (away := _away(concluded)):
            raise ModelUnavailable(away)
        return concluded

    def _variant(self, guidelines: Sequence[Guideline]) -> MetricDefinition:
        """One object for each set of lines: what is prepared of a definition is kept by it."""
        lines = tuple(each.text for each in guidelines)
        known = self._variants.get(lines)
        if known is None:
            known = self._variants[lines] = replace(self._definition, guidelines=tuple(guidelines))
        return known

    async def _one(self, variant: MetricDefinition, row: Row, repeat: int) -> Outcome:
        model = self._using.judges.identity_of(variant.model)
        inputs = [[name, row.inputs[name]] for name in sorted(row.inputs)]
        key = _key("judge", variant.digest, model, row.row_id, inputs, repeat)
        failed: list[Failure] = []

        async def ask() -> StoredCall | None:
            judged = await self._ask(variant, row, repeat)
            if isinstance(judged.outcome, Failure) and (judged.outcome.retryable or judged.outcome.code in _AWAY):
                failed.append(judged.outcome)
                return None
            return _judge_call(key, row, judged)

        answer = await self._book.answered(key, ask)
        if answer is None:
            return self._unanswered_one(failed[0] if failed else _SHARED)
        outcome = from_text(answer.response)
        if outcome is None:
            raise AssertionError("a stored answer is an outcome")
        self._unanswered = 0
        return outcome

    async def _ask(self, variant: MetricDefinition, row: Row, repeat: int) -> Judged:
        material = self._materials.get(row.row_id) or snapshot_material(row.target, row.span_kind, row.inputs)
        try:
            return await judge_metric(
                variant,
                material,
                using=self._using,
                repeat=repeat,
                background=True,
                meter=self._book.till.meter(CallKind.JUDGE),
            )
        except OverBudget as error:
            raise BudgetExhausted(error.reason) from error

    def _unanswered_one(self, failure: Failure) -> Outcome:
        if failure.code in _AWAY:
            self._unanswered += 1
            if self._unanswered >= MOST_IN_A_ROW:
                raise ModelUnavailable(f"the judge: {failure.message}")
        return failure


class RunReflector:
    """`evaluator.alignment.model.Reflector`: one of the installation's models, asked for a text.

    Args:
        rows: Whose targets its questions may show.
        redact: What no judge may see, this model may not see either; None = nothing is hidden.
    """

    def __init__(
        self, model: str, *, judges: AsksJudges, book: Book, rows: Sequence[Row], redact: Redact | None = None
    ) -> None:
        self._redact = redact
        self._model = model
        self._judges = judges
        self._book = book
        self._trace_ids = tuple(sorted({row.target.trace_id for row in rows} - {""}))
        self._session_ids = tuple(sorted({row.target.session_id for row in rows} - {""}))

    async def reflect(self, instructions: str, material: str, *, attempt: int = 0) -> str:
        """Its answer; '' where it declines to give one.

        Raises:
            BudgetExhausted, ModelUnavailable: As their names say.
        """
        key = _key("reflection", self._judges.identity_of(self._model), instructions, material, attempt)
        answer = await self._book.answered(key, partial(self._ask, key, instructions, material))
        return "" if answer is None else answer.response

    async def _ask(self, key: bytes, instructions: str, material: str) -> StoredCall | None:
        question = Question(
            system=instructions,
            user=material if self._redact is None else self._redact(material)[0],
            schema=SCHEMA,
            model=self._model,
            background=True,
            meter=self._book.till.meter(CallKind.REFLECTION),
        )
        try:
            answer = await self._judges.ask(question)
        except OverBudget as error:
            raise BudgetExhausted(error.reason) from error
        except (BadAnswer, InputTooLong):
            return None
        except JudgeError as error:
            raise ModelUnavailable(f"the reflection model: {error}") from error
        return StoredCall(
            key=key,
            kind=CallKind.REFLECTION,
            response=answer.text,
            trace_ids=self._trace_ids,
            session_ids=self._session_ids,
            calls=answer.usage.attempts,
            input_tokens=answer.usage.input_tokens,
            output_tokens=answer.usage.output_tokens,
            cost_usd=answer.usage.cost_usd or 0.0,
        )


_SHARED = Failure(code="JUDGE_UNAVAILABLE", message="an equal question was not answered", retryable=True)


def _judge_call(key: bytes, row: Row, judged: Judged) -> StoredCall:
    return StoredCall(
        key=key,
        kind=CallKind.JUDGE,
        response=to_text(judged.outcome),
        trace_ids=(row.target.trace_id,) if row.target.trace_id else (),
        session_ids=(row.target.session_id,) if row.target.session_id else (),
        calls=judged.usage.attempts,
        input_tokens=judged.usage.input_tokens,
        output_tokens=judged.usage.output_tokens,
        cost_usd=judged.usage.cost_usd or 0.0,
    )


def _away(concluded: Sequence[Outcome]) -> str:
    """What the judge said, where it could not be reached for any of them."""
    failures = [each for each in concluded if isinstance(each, Failure) and each.code in _AWAY]
    if len(failures) < len([each for each in concluded if not isinstance(each, Abstention)]) or not failures:
        return ""
    return f"the judge: {failures[0].message}"


def _key(*parts: object) -> bytes:
    """32 bytes, the same for equal questions."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=32).digest()
