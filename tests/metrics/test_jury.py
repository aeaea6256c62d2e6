"""Juries: several answers to one question, and what becomes of votes that are missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from materials import material

from evaluator.errors import InvalidDefinition
from evaluator.judges.choose import Judges
from evaluator.judges.scripted import Asked, Behaviour, ScriptedJudge, completion
from evaluator.judges.scripted_faults import status, verdict
from evaluator.metrics.check import check
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import Jury, MetricDefinition, Vote
from evaluator.metrics.judging.jury import Ballot, Count, Seat, count
from storage.model import Abstention, Failure, Level, MetricKind, Outcome, OutputType, Score

TONE = MetricDefinition(
    name="tone",
    kind=MetricKind.JUDGE,
    levels=(Level.SPAN,),
    output_type=OutputType.CATEGORICAL,
    prompt="Judge {{output}}",
    labels={"kind": 1.0, "rude": 0.0},
    jury=Jury(repeats=3),
)
MEAN = Jury(repeats=3, vote=Vote.MEAN)
SHARE = replace(TONE, output_type=OutputType.PERCENTAGE, labels={}, jury=MEAN)
TIMEOUT = Failure(code="JUDGE_TIMEOUT", message="slow", retryable=True)
REFUSED = Failure(code="JUDGE_REFUSED", message="no")


def counted(definition: MetricDefinition, vote: Vote, outcomes: Sequence[Outcome]) -> Count:
    """The outcome of these votes, each of a model of its own: a, b, c, …"""
    ballots = [
        Ballot(seat=Seat(model=name), model=name, outcome=outcome)
        for name, outcome in zip("abcdefghi", outcomes, strict=False)
    ]
    return count(replace(definition, jury=Jury(repeats=len(outcomes), vote=vote)), ballots)


def values(*numbers: float) -> list[Score]:
    """Votes with numbers."""
    return [Score(value=number, explanation=f"because {number:g}") for number in numbers]


def labels(*names: str) -> list[Score]:
    """Votes of TONE."""
    return [Score(value=TONE.labels[name], label=name, explanation=f"it is {name}") for name in names]


async def concluded(definition: MetricDefinition, judges: Judges) -> Conclusion:
    """On one target."""
    return await conclude(definition, material({"output": "Go away."}), using=Instruments(judges=judges, secret=b"s"))


# ---------------------------------------------------------------------------------------------------------------------
# Counting
# ---------------------------------------------------------------------------------------------------------------------


def test_the_label_that_most_votes_gave_wins_and_its_first_rationale_is_shown() -> None:
    """Whose it is, and how many agreed, stands before it."""
    found = counted(TONE, Vote.MAJORITY, labels("kind", "rude", "rude"))
    assert found.outcome == Score(value=0.0, label="rude", explanation="[b, one of 2 of 3 votes for it] it is rude")
    assert dict(found.metadata) == {
        "votes": "3",
        "missing_votes": "0",
        "jury": json.dumps(
            [
                {"model": "a", "repeat": 0, "verdict": "kind"},
                {"model": "b", "repeat": 0, "verdict": "rude"},
                {"model": "c", "repeat": 0, "verdict": "rude"},
            ]
        ),
        "winner_share": "0.666667",
    }


@pytest.mark.parametrize(
    ("vote", "value", "spread", "whose"),
    [
        # 0.1, 0.2, 0.6: mean 0.3; deviations -0.2, -0.1, 0.3; variance (0.04 + 0.01 + 0.09) / 3; root 0.216025
        (Vote.MEAN, 0.3, "0.216025", "[b, the nearest of 3 votes] because 0.2"),
        (Vote.MEDIAN, 0.2, "0.216025", "[b, one of 1 of 3 votes for it] because 0.2"),
        (Vote.MIN, 0.1, "0.216025", "[a, one of 1 of 3 votes for it] because 0.1"),
        (Vote.MAX, 0.6, "0.216025", "[c, one of 1 of 3 votes for it] because 0.6"),
    ],
)
def test_values_become_their_statistic_with_their_spread(vote: Vote, value: float, spread: str, whose: str) -> None:
    """The standard deviation of the votes themselves; the rationale is that of the nearest vote."""
    found = counted(SHARE, vote, values(0.1, 0.2, 0.6))
    assert isinstance(found.outcome, Score)
    assert (found.outcome.value, found.outcome.explanation) == (pytest.approx(value), whose)
    assert found.metadata["standard_deviation"] == spread


def test_the_median_of_an_even_number_is_between_shares_and_the_lower_of_whole_numbers() -> None:
    """A count of 2.5 would be no count, and half a label no label."""
    scale = replace(TONE, output_type=OutputType.DISCRETE, labels={"one": 1.0, "two": 2.0})
    shares, whole = values(0.2, 0.4), values(2.0, 3.0)
    graded = [Score(value=1.0, label="one"), Score(value=2.0, label="two")]
    found = [
        counted(SHARE, Vote.MEDIAN, shares).outcome,
        counted(replace(SHARE, output_type=OutputType.COUNT), Vote.MEDIAN, whole).outcome,
        counted(scale, Vote.MEDIAN, graded).outcome,
    ]
    assert [(each.value, each.label) for each in found if isinstance(each, Score)] == [
        (pytest.approx(0.3), ""),
        (2.0, ""),
        (1.0, "one"),
    ]


def test_each_label_of_several_needs_more_than_half_of_the_votes() -> None:
    """The set that comes out need be nobody's own."""
    several = replace(TONE, output_type=OutputType.MULTILABEL, labels={"x": None, "y": None, "z": None})
    votes = [
        Score(value=2.0, labels=("x", "y"), explanation="xy"),
        Score(value=2.0, labels=("x", "z"), explanation="xz"),
        Score(value=2.0, labels=("y", "z"), explanation="yz"),
        Score(value=1.0, labels=("x",), explanation="x"),
    ]
    found = counted(several, Vote.MAJORITY, votes)
    assert found.outcome == Score(value=1.0, labels=("x",), explanation="[d, one of 1 of 4 votes for it] x")
    assert found.metadata["winner_share"] == "0.25"
    nothing = counted(several, Vote.MAJORITY, [*votes[:2], *(replace(each, labels=()) for each in votes[2:])])
    assert isinstance(nothing.outcome, Score)
    assert (nothing.outcome.labels, nothing.outcome.value) == ((), 0.0)


def test_a_tie_is_a_failure() -> None:
    """Nobody is right because their name comes first."""
    found = counted(TONE, Vote.MAJORITY, labels("kind", "rude"))
    assert found.outcome == Failure(
        code="JURY_TIED",
        message="1 votes each for ['kind', 'rude']; a jury with an odd number of seats ties less often",
    )
    assert found.metadata["winner_share"] == "0.5"


def test_a_missing_vote_is_stated_and_the_others_count() -> None:
    """Never dropped in silence."""
    found = counted(TONE, Vote.MAJORITY, [*labels("rude", "rude"), TIMEOUT])
    assert found.outcome == Score(value=0.0, label="rude", explanation="[a, one of 2 of 2 votes for it] it is rude")
    assert (found.metadata["votes"], found.metadata["missing_votes"]) == ("2", "1")
    assert json.loads(found.metadata["jury"])[2] == {"model": "c", "repeat": 0, "missing": "JUDGE_TIMEOUT"}


def test_with_half_of_the_votes_there_is_an_outcome_and_with_fewer_a_failure_that_lists_the_reasons() -> None:
    """It may be tried again where one of the missing votes may come then."""
    assert isinstance(counted(TONE, Vote.MAJORITY, [*labels("rude"), TIMEOUT]).outcome, Score)
    found = counted(TONE, Vote.MAJORITY, [*labels("rude"), TIMEOUT, REFUSED]).outcome
    assert found == Failure(
        code="JURY_INCOMPLETE",
        message="1 of 3 votes came, and half are needed: b: JUDGE_TIMEOUT; c: JUDGE_REFUSED",
        retryable=True,
    )
    refused = counted(TONE, Vote.MAJORITY, [REFUSED, REFUSED]).outcome
    assert isinstance(refused, Failure)
    assert (refused.code, refused.retryable) == ("JURY_INCOMPLETE", False)


def test_a_target_that_is_too_long_for_everybody_is_no_failure() -> None:
    """For some of them it is a missing vote."""
    long = Abstention(reason="too_long")
    assert counted(TONE, Vote.MAJORITY, [long, long]).outcome == long
    assert isinstance(counted(TONE, Vote.MAJORITY, [*labels("rude", "rude"), long]).outcome, Score)
    assert isinstance(counted(TONE, Vote.MAJORITY, [long, TIMEOUT]).outcome, Failure)


# ---------------------------------------------------------------------------------------------------------------------
# Asking
# ---------------------------------------------------------------------------------------------------------------------


async def test_every_model_is_asked_as_often_as_it_should_be_and_all_at_once(
    judge: ScriptedJudge, judges: Judges
) -> None:
    """Nobody answers before everybody was asked; the usage is the sum of all, the time that of the slowest."""
    all_asked = asyncio.Event()

    async def when_all_are_asked(serving: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if len(serving.requests) == 4:
            all_asked.set()
        await all_asked.wait()
        label = "kind" if asked.body["model"] == "b" else "rude"
        return completion(asked, {"rationale": f"says {asked.body['model']}", "verdict": label})

    for model in ("openai/a", "openai/b"):  # the first question to a model also finds out what it takes
        await concluded(replace(TONE, jury=None, model=model), judges)
    judge.requests.clear()
    judge.always(when_all_are_asked)
    metric = replace(TONE, jury=Jury(models=("openai/a", "openai/b"), repeats=2, vote=Vote.MIN))
    found = await concluded(metric, judges)
    assert found.outcome == Score(value=0.0, label="rude", explanation="[a, one of 2 of 4 votes for it] says a")
    assert sorted(asked.body["model"] for asked in judge.requests) == ["a", "a", "b", "b"]
    assert (found.judge_model, found.usage.attempts) == ("a, b", 4)
    exchange = found.exchange
    assert exchange is not None
    calls = [call for said in exchange.said for call in said.calls]
    assert found.usage.input_tokens == sum(call.usage.input_tokens for call in calls) > 0
    assert found.usage.latency_ms < sum(call.usage.latency_ms for call in calls)


async def test_repeats_of_one_model_are_asked_anew(judge: ScriptedJudge, judges: Judges) -> None:
    """Three questions that differ in their fences only."""
    judge.then(verdict("rude", "one"), verdict("kind", "two"), verdict("rude", "three"))
    found = await concluded(TONE, judges)
    assert isinstance(found.outcome, Score)
    assert (found.outcome.label, found.judge_model) == ("rude", "scripted")
    assert len({asked.prompt for asked in judge.requests}) == 3


async def test_one_broken_model_does_not_take_the_others_along(judge: ScriptedJudge, judges: Judges) -> None:
    """Its tries are paid for all the same."""

    async def b_is_broken(serving: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        behave: Behaviour = status(401) if asked.body["model"] == "b" else verdict("rude")
        return await behave(serving, request, asked)

    judge.always(b_is_broken)
    found = await concluded(replace(TONE, jury=Jury(models=("openai/a", "openai/b", "openai/c"))), judges)
    assert isinstance(found.outcome, Score)
    assert found.metadata["missing_votes"] == "1"
    assert json.loads(found.metadata["jury"])[1] == {"model": "openai/b", "repeat": 0, "missing": "JUDGE_REFUSED"}
    assert (found.usage.attempts, found.judge_model) == (3, "a, openai/b, c")


# ---------------------------------------------------------------------------------------------------------------------
# What can be saved
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"jury": Jury(repeats=1)}, "metric.jury"),
        ({"jury": Jury(repeats=0)}, "metric.jury"),
        ({"jury": Jury(repeats=26)}, "metric.jury"),
        ({"jury": Jury(models=("a", "a"))}, "metric.jury.models"),
        ({"jury": Jury(models=("a", ""))}, "metric.jury.models"),
        ({"jury": Jury(models=("a", "http://x"))}, "metric.jury.models"),
        ({"jury": Jury(models=("a", "b")), "model": "c"}, "metric.model"),
        ({"jury": MEAN}, "metric.jury.vote"),
        ({"labels": {"a": 1.0, "b": None}, "jury": Jury(repeats=3, vote=Vote.MAX)}, "metric.jury.vote"),
        (
            {"output_type": OutputType.BOOLEAN, "labels": {}, "jury": Jury(repeats=3, vote=Vote.MEAN)},
            "metric.jury.vote",
        ),
        ({"output_type": OutputType.COUNT, "labels": {}, "jury": Jury(repeats=3, vote=Vote.MEAN)}, "metric.jury.vote"),
        ({"output_type": OutputType.PERCENTAGE, "labels": {}}, "metric.jury.vote"),
        ({"output_type": OutputType.TEXT, "labels": {}}, "metric.jury.vote"),
    ],
)
def test_a_jury_that_could_not_answer_in_the_output_type_is_refused(fields: dict[str, Any], field: str) -> None:
    """When it is saved, and with the votes that could."""
    with pytest.raises(InvalidDefinition) as raised:
        check(replace(TONE, **fields))
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("output_type", "vote"),
    [
        (OutputType.BOOLEAN, Vote.MAJORITY),
        (OutputType.BOOLEAN, Vote.MIN),
        (OutputType.PERCENTAGE, Vote.MEAN),
        (OutputType.NUMBER, Vote.MEDIAN),
        (OutputType.COUNT, Vote.MAJORITY),
    ],
)
def test_juries_for_the_other_types_pass(output_type: OutputType, vote: Vote) -> None:
    """The least of booleans is that all agree."""
    check(replace(TONE, output_type=output_type, labels={}, jury=Jury(models=("a", "b"), repeats=2, vote=vote)))
