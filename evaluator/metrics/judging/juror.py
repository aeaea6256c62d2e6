"""One vote: the question to one model, its answer made short enough, read, sent back once if need be, and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from evaluator.judges import fence
from evaluator.judges.metering import Meter
from evaluator.judges.port import (
    Answer,
    AsksJudges,
    BadAnswer,
    Call,
    InputTooLong,
    JudgeError,
    JudgeTimeout,
    Media,
    MediaNotTaken,
    Question,
)
from evaluator.judges.sizes import tokens_of
from evaluator.metrics.definition import TooLong
from evaluator.metrics.judging.answers import Flights, KeptAnswers
from evaluator.metrics.judging.cutting import ANSWER_TOKENS, LEAST_CHARACTERS, cut, limit_in, mark
from evaluator.metrics.judging.exchange import Said
from evaluator.metrics.judging.jury import Seat
from evaluator.metrics.judging.prepared import SYSTEM, Prepared
from evaluator.metrics.judging.verdict import score_of
from storage.model import Abstention, Failure, JudgeAnswer, Outcome, Score, TargetRef, Usage

MAX_ASKS = 4
"""Of one question that is too long, each time shorter."""
SHRINK = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What came of one question.

    Attributes:
        model: The model that answered; the one that was asked, where none did.
        cut: Characters that each input lost.
        keep: The answer, where it may be given again.
    """

    outcome: Outcome
    model: str
    usage: Usage = field(default_factory=Usage)
    said: Said = field(default_factory=Said)
    cut: Mapping[str, int] = field(default_factory=dict)
    probability: float | None = None
    keep: JudgeAnswer | None = None

    @property
    def cached(self) -> bool:
        """Nothing was paid for it."""
        return self.said.cached


class AskedWith(Protocol):
    """What a juror works with (`evaluator.metrics.conclude.Instruments`)."""

    @property
    def judges(self) -> AsksJudges:
        """Asks models."""

    @property
    def secret(self) -> bytes:
        """The installation's."""

    @property
    def kept(self) -> KeptAnswers | None:
        """Answers that were given before; None = every question is asked."""

    @property
    def flights(self) -> Flights[Vote]:
        """Questions under way."""

    @property
    def windows(self) -> dict[str, int]:
        """Context windows that refusals have told, in tokens, by model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What all jurors are asked: a metric on one target's inputs, after redaction.

    Attributes:
        digest: Of the metric's inputs on this target.
        background: It can wait: every other question goes first.
        meter: The budgets that pay; None = nobody counts.
    """

    metric: Prepared
    ref: TargetRef
    inputs: Mapping[str, str]
    media: tuple[Media, ...] = ()
    digest: bytes
    background: bool = False
    meter: Meter | None = None

    def key(self, judge: str, repeat: int) -> bytes:
        """32 bytes: equal for equal questions, whatever target they are about."""
        seen = [(each.media_type, each.url, each.data) for each in self.media]
        media = hashlib.blake2b(repr(seen).encode(), digest_size=16).digest() if seen else b""
        return hashlib.blake2b(
            self.metric.form + self.digest + media + f"{repeat} {judge}".encode(), digest_size=32
        ).digest()


async def vote(case: Case, seat: Seat, using: AskedWith, deadline: float | None) -> Vote:
    """Ask, or take the answer that an equal question had; whatever goes wrong is in the outcome.

    Raises:
        OverBudget: The answer would have to be paid for, and nothing is left.
    """
    key = case.key(using.judges.identity_of(seat.model), seat.repeat)

    async def answered() -> Vote:
        if using.kept is not None and (found := await using.kept.find(key)) is not None:
            again = _again(case, seat, key, found, using)
            if again is not None:
                return again
        return await _Question(case, seat, key, using, deadline).vote()

    if using.kept is None:
        return await answered()
    try:
        # Who has less time than another must not fail for both.
        patience = b"" if deadline is None else str(deadline).encode()
        cast, shared = await using.flights.once(key + patience, answered, deadline=deadline)
    except TimeoutError:
        error = JudgeTimeout("the deadline passed while an equal question was under way")
        return Vote(outcome=_failure(error), model=using.judges.model_for(seat.model))
    if not shared:
        return cast
    return replace(cast, usage=Usage(), keep=None, said=replace(cast.said, calls=(), cached=True))


async def foreseen(case: Case, seat: Seat, using: AskedWith) -> Question:
    """The question that `vote` would ask, without asking it."""
    return await _Question(case, seat, b"", using, None).foreseen()


def nonce_of(key: bytes, secret: bytes, inputs: Mapping[str, str]) -> str:
    """Nonce of the fences, 16 hex digits: the same for equal questions; only the owner of the secret can foretell it.

    One that stands in the inputs themselves is passed over.
    """
    secret = hashlib.blake2b(secret, digest_size=32).digest()
    while True:
        nonce = hashlib.blake2b(key, key=secret, digest_size=8).hexdigest()
        if not any(nonce in text for text in inputs.values()):
            return nonce
        key += b"\0"


class _Question:
    """A question that has to be asked."""

    def __init__(self, case: Case, seat: Seat, key: bytes, using: AskedWith, deadline: float | None) -> None:
        self._case = case
        self._seat = seat
        self._key = key
        self._using = using
        self._deadline = deadline
        self._model = using.judges.model_for(seat.model)
        self._asked: Question | None = None
        self._answer: Answer | None = None
        self._calls: tuple[Call, ...] = ()
        self._spent = Usage()
        self._cut: Mapping[str, int] = {}

    async def vote(self) -> Vote:
        """The outcome, and everything that was said on the way to it."""
        try:
            question, answer = await self._ask()
            score, answer = await self._read(question, answer)
        except JudgeError as error:
            self._count(error.calls, error.usage)
            return self._vote(_outcome(error))
        self._count(answer.calls, answer.usage)
        return self._vote(score, keep=self._kept(answer), probability=answer.verdict_probability)

    async def foreseen(self) -> Question:
        """What would be asked first."""
        return self._question(await self._room())

    def _vote(self, outcome: Outcome, *, keep: JudgeAnswer | None = None, probability: float | None = None) -> Vote:
        return Vote(
            outcome=outcome,
            model=self._answer.model if self._answer else self._model,
            usage=self._spent,
            said=Said(question=self._asked, calls=self._calls, answer=self._answer),
            cut=self._cut,
            probability=probability,
            keep=keep,
        )

    def _kept(self, answer: Answer) -> JudgeAnswer:
        response = json.dumps({"text": answer.text, "model": answer.model, "cut": dict(self._cut)})
        ref = self._case.ref
        return JudgeAnswer(key=self._key, trace_id=ref.trace_id, session_id=ref.session_id, response=response)

    def _count(self, calls: tuple[Call, ...], usage: Usage) -> None:
        self._calls += calls
        self._spent += usage

    async def _ask(self) -> tuple[Question, Answer]:
        """Ask; where the metric allows it, with shorter inputs until they fit."""
        judges, tokens = self._using.judges, await self._room()
        left = MAX_ASKS if self._case.metric.definition.too_long is TooLong.CUT else 1
        while True:
            left -= 1
            question = self._question(tokens)
            self._asked = question
            try:
                return question, await judges.ask(question, deadline=self._deadline)
            except InputTooLong as error:
                if not left:
                    raise
                self._count(error.calls, error.usage)
                tokens = self._shorter(question, tokens, str(error))

    async def _read(self, question: Question, answer: Answer) -> tuple[Score, Answer]:
        """The verdict; an answer that is none goes back to the judge, once."""
        self._answer = answer
        try:
            return score_of(self._case.metric.definition, answer.text), answer
        except BadAnswer as error:
            answer = await self._using.judges.repair(question, answer, str(error), deadline=self._deadline)
        self._answer = answer
        try:
            return score_of(self._case.metric.definition, answer.text), answer
        except BadAnswer as error:
            raise type(error)(str(error), usage=answer.usage, calls=answer.calls) from error

    async def _room(self) -> float | None:
        """Tokens that the prompt may have; None = nobody knows, so all of it is tried."""
        if self._case.metric.definition.too_long is TooLong.ABSTAIN:
            return None
        window = self._using.windows.get(self._model) or await self._using.judges.window_of(self._seat.model)
        return None if window is None else self._beside_answer(window)

    def _beside_answer(self, window: int) -> float:
        parameters = self._case.metric.definition.parameters
        asked = parameters.get("max_completion_tokens") or parameters.get("max_tokens") or ANSWER_TOKENS
        answer = asked if isinstance(asked, (int, float)) else ANSWER_TOKENS
        return max(window - answer, window * 0.5)

    def _shorter(self, question: Question, tokens: float | None, refusal: str) -> float:
        """Tokens for the next try, after what was refused."""
        tried = tokens_of(question.system) + tokens_of(question.user)
        limit = limit_in(refusal)
        if limit is None:
            return tried * SHRINK * SHRINK
        self._using.windows[self._model] = limit
        return min(self._beside_answer(limit), tried * (SHRINK if tokens is not None else 1.0))

    def _question(self, tokens: float | None) -> Question:
        case = self._case
        nonce = nonce_of(self._key, self._using.secret, case.inputs)
        system, user = f"{SYSTEM}\n\n{fence.rule(nonce)}", case.metric.template.render(case.inputs, nonce=nonce)
        if tokens is not None and (own := tokens_of(system)) + tokens_of(user) > tokens:
            user, self._cut = _shortened(case, nonce, tokens - own)
            system += f" Where a text was too long, its middle was left out: {mark(nonce, 5)} says how much."
        return Question(
            system=system,
            user=user,
            schema=case.metric.schema,
            model=self._seat.model,
            parameters=case.metric.definition.parameters,
            media=case.media,
            background=case.background,
            meter=case.meter,
        )


def _shortened(case: Case, nonce: str, tokens: float) -> tuple[str, dict[str, int]]:
    """The prompt with shorter inputs.

    Raises:
        InputTooLong: Nothing worth judging would be left of them.
    """
    texts = {name: case.inputs[name] for name in case.metric.template.names if name in case.inputs}
    size = {name: tokens_of(text) for name, text in texts.items()}
    whole = case.metric.template.render(texts, nonce=nonce)
    room = tokens - (tokens_of(whole) - sum(size.values()))  # an input that stands twice counts twice there
    characters = int(room * sum(map(len, texts.values())) / max(1.0, sum(size.values())))
    if characters < LEAST_CHARACTERS:
        raise InputTooLong("the prompt alone fills the context window")
    shorter, lost = cut(texts, characters=characters, nonce=nonce)
    return case.metric.template.render(shorter, nonce=nonce), lost


def _again(case: Case, seat: Seat, key: bytes, found: JudgeAnswer, using: AskedWith) -> Vote | None:
    """The vote of a kept answer; None where it cannot be read any more, so the judge has to be asked."""
    try:
        kept = json.loads(found.response)
        text, model, lost = str(kept["text"]), str(kept["model"]), dict(kept["cut"])
        score = score_of(case.metric.definition, text)
    except (ValueError, KeyError, TypeError, BadAnswer):
        return None
    nonce = nonce_of(key, using.secret, case.inputs)
    question = Question(
        system=f"{SYSTEM}\n\n{fence.rule(nonce)}",
        user=case.metric.template.render(case.inputs, nonce=nonce),
        schema=case.metric.schema,
        model=seat.model,
    )
    answer = Answer(text=text, model=model, usage=Usage())
    return Vote(outcome=score, model=model, said=Said(question=question, answer=answer, cached=True), cut=lost)


def _outcome(error: JudgeError) -> Outcome:
    match error:
        case InputTooLong():
            return Abstention(reason="too_long")
        case MediaNotTaken():
            return Abstention(reason="unsupported media")
        case _:
            return _failure(error)


def _failure(error: JudgeError) -> Failure:
    return Failure(code=error.code, message=str(error), retryable=error.retryable)
