"""Splits: what a part was learnt from never comes back in another."""

import random
from collections import Counter
from dataclasses import replace

from optimizing_parts import row

from evaluator.alignment.model import Row
from evaluator.alignment.optimizing.splitting import grouped, partition


def _drawn(rng: random.Random) -> list[Row]:
    """Rows in groups of all sizes, some with inputs that others have too."""
    groups, texts = rng.randint(1, 40), rng.randint(1, 60)
    return [
        row(
            number,
            group=f"session-{rng.randrange(groups)}",
            text=f"text {rng.randrange(texts)}",
            expected=rng.random() < 0.7,
        )
        for number in range(rng.randint(0, 80))
    ]


def _label(each: Row) -> str:
    return each.expected.label


def test_rows_of_one_group_or_with_one_text_never_lie_in_two_parts() -> None:
    """Otherwise a case that was learnt by heart would count as proof."""
    for seed in range(150):
        rng = random.Random(seed)
        drawn = _drawn(rng)
        shares = rng.choice([[1.0] * 4, [1.0] * 5, [0.5, 0.2, 0.3], [0.75, 0.25]])
        parts = partition(drawn, shares, stratum=_label, rng=random.Random(seed))
        assert Counter(each.row_id for part in parts for each in part) == Counter(each.row_id for each in drawn)
        for key in (lambda each: each.group, lambda each: each.inputs["output"]):
            places: dict[str, set[int]] = {}
            for place, part in enumerate(parts):
                for each in part:
                    places.setdefault(key(each), set()).add(place)
            assert all(len(found) == 1 for found in places.values()), (seed, places)


def test_parts_have_their_shares_of_the_whole_and_of_every_label() -> None:
    """A fold without the rare label can prove nothing about it."""
    rows = [row(number, expected=number % 10 != 0) for number in range(200)]
    parts = partition(rows, [0.5, 0.2, 0.3], stratum=_label, rng=random.Random(1))
    assert [Counter(map(_label, part)) for part in parts] == [
        Counter(true=90, false=10),
        Counter(true=36, false=4),
        Counter(true=54, false=6),
    ]


def test_the_same_seed_gives_the_same_parts_and_another_gives_others() -> None:
    """A run that is resumed goes on with the parts that it had."""
    rows = [row(number) for number in range(40)]

    def parts(seed: int) -> list[list[Row]]:
        return partition(rows, [1.0] * 4, stratum=_label, rng=random.Random(seed))

    assert parts(1) == parts(1)
    assert parts(1) != parts(2)


def test_sessions_that_share_a_text_are_one_group() -> None:
    """A text that stands in two sessions binds both of them together, spaces and case aside."""
    one, other, alone = row(0, group="a", text="Hello  World"), row(1, group="b", text="hello world"), row(2, group="c")
    assert grouped([one, other, alone, replace(alone, row_id="row-3")]) == [
        [one, other],
        [alone, replace(alone, row_id="row-3")],
    ]
