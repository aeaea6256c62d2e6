"""How the votes of a jury become one outcome.  A vote that is missing is stated; too few, or a tie, are a failure."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evaluator.metrics.definition import Jury, MetricDefinition, Vote
from evaluator.metrics.judging.verdict import several
from storage.model import Abstention, Failure, Outcome, OutputType, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One place in a jury.

    Attributes:
        model: As the definition names it; '' = the installation's.
        repeat: Which of the answers of this model, from 0.
    """

    model: str = ""
    repeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """What came from one seat."""

    seat: Seat
    model: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One outcome of all ballots, and what is known of how it came about (`Conclusion.metadata`)."""

    outcome: Outcome
    metadata: Mapping[str, str]


def seats(definition: MetricDefinition, *, repeat: int = 0) -> list[Seat]:
    """Who is asked: each model of the jury `repeats` times, or the metric's model once.

    Args:
        repeat: Which repetition of the whole question this is: its answers are others than those of the one before.
    """
    jury = definition.jury or Jury()
    models = jury.models or (definition.model,)
    first = repeat * jury.repeats
    return [Seat(model=model, repeat=first + each) for model in models for each in range(jury.repeats)]


def count(definition: MetricDefinition, ballots: Sequence[Ballot]) -> Count:
    """The outcome of a jury.

    A model for which the target does not apply (too long, media not taken) has no vote.  Where nobody has one, and all
    for that reason, nor has the jury: it abstains.  With votes from fewer than half of the seats it fails.
    """
    jury = definition.jury or Jury()
    listed = definition.output_type is OutputType.MULTILABEL
    voted = [(ballot, ballot.outcome) for ballot in ballots if isinstance(ballot.outcome, Score)]
    metadata = {
        "votes": str(len(voted)),
        "missing_votes": str(len(ballots) - len(voted)),
        "jury": json.dumps([_said(ballot, listed=listed) for ballot in ballots], ensure_ascii=False),
    }
    if not voted and all(isinstance(ballot.outcome, Abstention) for ballot in ballots):
        return Count(outcome=ballots[0].outcome, metadata=metadata)
    if 2 * len(voted) < len(ballots):
        return Count(outcome=_too_few(ballots, len(voted)), metadata=metadata)
    scores = [score for _, score in voted]
    if jury.vote is Vote.MAJORITY:
        outcome, spread = _majority(definition, scores)
    else:
        outcome, spread = _statistic(jury.vote, definition, scores)
    if isinstance(outcome, Score):
        outcome = _explained(outcome, voted)
    return Count(outcome=outcome, metadata=metadata | spread)


def _majority(definition: MetricDefinition, scores: Sequence[Score]) -> tuple[Outcome, dict[str, str]]:
    if definition.output_type is OutputType.MULTILABEL:
        times = Counter(label for score in scores for label in score.labels)
        chosen = [label for label in definition.labels if 2 * times[label] > len(scores)]
        won = several(definition.labels, chosen, "")
        return won, _share(sum(score.labels == won.labels for score in scores), len(scores))
    first, *others = Counter(_verdict(score) for score in scores).most_common()
    spread = _share(first[1], len(scores))
    if others and others[0][1] == first[1]:
        tied = [verdict for verdict, votes in (first, *others) if votes == first[1]]
        message = f"{first[1]} votes each for {tied}; a jury with an odd number of seats ties less often"
        return Failure(code="JURY_TIED", message=message), spread
    return next(score for score in scores if _verdict(score) == first[0]), spread


def _statistic(vote: Vote, definition: MetricDefinition, scores: Sequence[Score]) -> tuple[Score, dict[str, str]]:
    values = [score.value for score in scores if score.value is not None]  # `check` wants a value of every label
    whole = definition.output_type not in (OutputType.PERCENTAGE, OutputType.NUMBER) or bool(definition.labels)
    match vote:
        case Vote.MEAN:
            value = statistics.fmean(values)
        case Vote.MEDIAN:
            value = statistics.median_low(values) if whole else statistics.median(values)
        case Vote.MIN:
            value = min(values)
        case _:
            value = max(values)
    label = "" if vote is Vote.MEAN else next((score.label for score in scores if score.value == value), "")
    return Score(value=value, label=label), {"standard_deviation": f"{statistics.pstdev(values):.6g}"}


def _explained(won: Score, voted: Sequence[tuple[Ballot, Score]]) -> Score:
    """With the rationale of the first whose vote is the outcome, else of the one whose value is nearest."""

    def distance(each: tuple[Ballot, Score]) -> tuple[bool, float]:
        return _verdict(each[1]) != _verdict(won), abs((each[1].value or 0.0) - (won.value or 0.0))

    ballot, score = min(voted, key=distance)
    same = sum(_verdict(each) == _verdict(won) for _, each in voted)
    agreeing = f"one of {same} of {len(voted)} votes for it" if same else f"the nearest of {len(voted)} votes"
    return replace(won, explanation=f"[{_name(ballot)}, {agreeing}] {score.explanation}")


def _name(ballot: Ballot) -> str:
    return f"{ballot.model} #{ballot.seat.repeat}" if ballot.seat.repeat else ballot.model


def _verdict(score: Score) -> str | tuple[str, ...] | float | None:
    return score.label or score.labels or score.value


def _share(votes: int, of: int) -> dict[str, str]:
    return {"winner_share": f"{votes / of:.6g}"}


def _too_few(ballots: Sequence[Ballot], votes: int) -> Failure:
    reasons = Counter(
        f"{ballot.model}: {_reason(ballot.outcome)}" for ballot in ballots if not isinstance(ballot.outcome, Score)
    )
    missing = "; ".join(f"{reason}{f' ({times} times)' if times > 1 else ''}" for reason, times in reasons.items())
    return Failure(
        code="JURY_INCOMPLETE",
        message=f"{votes} of {len(ballots)} votes came, and half are needed: {missing}",
        retryable=any(isinstance(ballot.outcome, Failure) and ballot.outcome.retryable for ballot in ballots),
    )


def _said(ballot: Ballot, *, listed: bool) -> dict[str, object]:
    """One ballot, for people and SQL."""
    who: dict[str, object] = {"model": ballot.model, "repeat": ballot.seat.repeat}
    if isinstance(ballot.outcome, Score):
        return who | {"verdict": list(ballot.outcome.labels) if listed else _verdict(ballot.outcome)}
    return who | {"missing": _reason(ballot.outcome)}


def _reason(outcome: Outcome) -> str:
    match outcome:
        case Failure():
            return outcome.code
        case Abstention():
            return outcome.reason
        case Score():
            return ""
