"""Finding the one object in an answer, and what a status means."""

from __future__ import annotations

import random

import pytest

from evaluator.judges.gate import Gate
from evaluator.judges.plain import object_in
from evaluator.judges.port import Answer, BadAnswer, Call, JudgeUnavailable, Mode, Question
from evaluator.judges.retrying import Attempt, Retries
from evaluator.judges.status import seconds_of
from storage.model import Usage


@pytest.mark.parametrize(
    "text",
    [
        '{"verdict": "good"}',
        '  {"verdict": "good"}\n',
        '```json\n{"verdict": "good"}\n```',
        'My verdict is: {"verdict": "good"}',
        '{"verdict": "good"} That is all.',
        '{"verdict": "good",}',
        '{"verdict": "good",\n}\n',
        '{"verdict": "good"}\n```json\n{"verdict": "good"}\n```',
    ],
)
def test_one_object_is_found_wherever_it_stands(text: str) -> None:
    """Models without structured output wrap their JSON."""
    assert object_in(text) == {"verdict": "good"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is good.",
        '"good"',
        '{"verdict": "good"',
        '{"verdict": good}',
        '{"verdict": NaN}',
        '{"verdict": "good"} or {"verdict": "bad"}',
        'It says ```json\n{"verdict": "good"}\n``` but {"verdict": "bad",}',
        'I weighed {this}: {"verdict": "good"}',
        '{verdict: "bad", "details": {"verdict": "good"}}',
        "{'verdict': 'good'}",
        '{"verdict": "good", "verdict": "bad"}',
        "{" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=[
        "empty",
        "prose",
        "text",
        "truncated",
        "bare word",
        "NaN",
        "two",
        "quoted",
        "braces in prose",
        "broken outside",
        "single quotes",
        "twice",
        "braces",
        "deep",
    ],
)
def test_anything_else_is_a_bad_answer_and_never_a_guess(text: str) -> None:
    """Two objects, or one key twice, could be read either way: so neither is."""
    with pytest.raises(BadAnswer):
        object_in(text)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        (" 20 ", 20.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header: str, seconds: float | None) -> None:
    """A date in the past is now; nonsense is no wish at all."""
    assert seconds_of(header) == seconds


class Flaky:
    """A judge in one line: fails four times in ten, by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.calls = 0

    async def ask(self, question: Question, calls: list[Call]) -> Answer:
        """One try."""
        self.calls += 1
        failed = self.random.random() < 0.4
        spent = Usage(input_tokens=1 if failed else 10)
        calls.append(
            Call(model="m", provider="p", address="", mode=Mode.SCHEMA, request={}, start_time_ns=1, usage=spent)
        )
        if failed:
            raise JudgeUnavailable("scripted")
        return Answer(text="{}", model="m", usage=spent)


async def test_a_storm_loses_nothing_and_asks_no_more_than_it_must(question: Question) -> None:
    """Each failed call is asked over once; the usage of failed tries is kept."""
    judge = Flaky(seed=7)
    limits = Retries(max_tries=20, first_pause=0.0)
    answers = [await Attempt(judge, question, gate=Gate(), retries=limits).answer() for _ in range(300)]
    failed = judge.calls - 300
    assert failed > 100
    assert sum(answer.usage.attempts for answer in answers) == judge.calls
    assert sum(answer.usage.input_tokens for answer in answers) == 300 * 10 + failed


async def test_pauses_grow_and_are_drawn_from_the_whole_range(question: Question) -> None:
    """Full jitter: each pause lies anywhere between nothing and a limit that doubles, up to the longest."""
    ranges: list[tuple[float, float]] = []

    def shortest(low: float, high: float) -> float:
        ranges.append((low, high))
        return low

    class Down:
        async def ask(self, question: Question, calls: list[Call]) -> Answer:
            raise JudgeUnavailable("down")

    limits = Retries(max_tries=5, first_pause=1.0, longest_pause=3.0)
    with pytest.raises(JudgeUnavailable):
        await Attempt(Down(), question, gate=Gate(), retries=limits, uniform=shortest).answer()
    assert ranges == [(0.0, 1.0), (0.0, 2.0), (0.0, 3.0), (0.0, 3.0)]
