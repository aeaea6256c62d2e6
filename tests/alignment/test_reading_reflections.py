"""What reflection models answer, as it comes."""

import json

import pytest

from evaluator.alignment.optimizing.claim import Claim, Direction
from evaluator.alignment.optimizing.reading import MOST_READ, Unreadable, claims_of

SOURCES = (("row-0",), ("row-1",), ("row-2", "row-3"))
LINE = Claim(text="A fails.", row_ids=("row-0", "row-2", "row-3"), direction=Direction.WORSE, criterion="a")
ITEM = {"guideline_text": "A fails.", "source_row_ids": [0, 2], "criterion": "a", "direction": "worse"}


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"guidelines": [ITEM]}),
        "Here you are:\n```json\n" + json.dumps({"guidelines": [ITEM]}, indent=2) + "\n```\nGood luck [1]!",
        json.dumps([ITEM]),
        '{"guidelines": [' + json.dumps(ITEM) + ",],}",
        json.dumps({"guidelines": [{**ITEM, "source_row_ids": ["0", "2", 2, 99, -1, True, None, "x", 10**30]}]}),
        json.dumps({"guidelines": [{"note": "no text"}, ITEM, 7, None]}),
    ],
)
def test_json_is_read_in_every_form_that_can_be_read_in_one_way(answer: str) -> None:
    """Fences, words around it, lost commas and stray numbers say nothing else."""
    assert claims_of(answer, SOURCES) == [LINE]


def test_texts_alone_and_other_names_of_the_fields_are_read() -> None:
    """A line without sources is one all the same; it has no support to show."""
    answer = json.dumps({"guidelines": ["A fails.", {"guideline": "B passes.", "sources": [1], "direction": "up"}]})
    assert claims_of(answer, SOURCES) == [Claim(text="A fails."), Claim(text="B passes.", row_ids=("row-1",))]


def test_an_empty_list_is_an_answer() -> None:
    """There is nothing to add."""
    assert claims_of('{"guidelines": []}', SOURCES) == []


def test_a_flood_is_not_read_to_its_end() -> None:
    """An answer that never stops costs no more than one that does."""
    flood = json.dumps({"guidelines": [f"Line {number} fails." for number in range(10_000)]})
    assert len(claims_of(flood, SOURCES)) == MOST_READ


@pytest.mark.parametrize(
    "answer",
    ["", "I cannot help with that.", '{"guidelines": "none"}', '{"verdict": true}', "[1, 2]", "[" * 100_000,
     '{"guidelines": [{"guideline_text": ""}]}', '{"guidelines": [{"guideline_text": "A fails.'],
)  # fmt: skip
def test_anything_else_is_unreadable(answer: str) -> None:
    """It is sent back once, and never guessed at."""
    with pytest.raises(Unreadable):
        claims_of(answer, SOURCES)
