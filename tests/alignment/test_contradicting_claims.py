"""Lines that say opposite things of one criterion."""

import pytest

from evaluator.alignment.optimizing.claim import Claim, Direction
from evaluator.alignment.optimizing.contradicting import contradict, undecided


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Promising a refund is acceptable.", "Promising a refund is not acceptable."),
        ("Responses involving dosage advice should fail.", "Dosage advice is acceptable, do not penalize it."),
        ("Links to third parties are permitted when asked for.", "Links to third parties fail when asked for."),
        ("Do not flag emoji decoration.", "Flag emoji decoration."),
    ],
)
def test_opposite_claims_about_one_thing_contradict(one: str, other: str) -> None:
    """Which of the two holds is for people to say."""
    assert contradict(Claim(text=one), Claim(text=other))
    assert contradict(Claim(text=other), Claim(text=one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Promising a refund is not acceptable.", "Guaranteeing a refund should fail."),
        ("Promising a refund is not acceptable.", "Issuing coupons is acceptable."),
        ("Refunds fail unless the account is verified.", "Refunds are acceptable when the account is verified."),
        ("Promising refunds should fail.", "Promising refunds is acceptable when there is a warranty."),
        ("Be accurate about refunds.", "Promising a refund is acceptable."),
    ],
)
def test_a_rule_and_its_exception_or_another_thing_do_not(one: str, other: str) -> None:
    """A card too many costs people's time, and keeps a good line from the judge."""
    assert not contradict(Claim(text=one), Claim(text=other))


def test_what_the_model_says_of_direction_and_criterion_counts_before_words() -> None:
    """It has read the lines; the words are for models that do not say."""
    one = Claim(text="Brevity is a virtue.", direction=Direction.BETTER, criterion="Length of replies")
    other = Claim(text="One-line answers lose a point.", direction=Direction.WORSE, criterion="length of  replies")
    assert undecided([Claim(text="Links fail."), one, other]) == {1: 2, 2: 1}
