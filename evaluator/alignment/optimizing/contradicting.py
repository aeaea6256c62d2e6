"""Lines that say opposite things of one criterion: people have to decide, so the judge is given neither by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evaluator.alignment.optimizing.claim import Claim, Direction

OVERLAP = 0.7
"""Share of the shorter line's own words that also stand in the other: from here on they are about one thing."""

_WORSE = re.compile(
    r"\b(?:unacceptable|(?:should|must|shall|will) (?:always )?fail|fails?\b|forbidden|prohibited|violat\w+|wrong|"
    r"incorrect|penali[sz]ed?|flag(?:ged|s)?|must not|should not|may not|never)\b",
    re.IGNORECASE,
)
_BETTER = re.compile(
    r"\b(?:do(?:es)? not (?:penali[sz]e|flag|fail|count|matter|mark)|never (?:penali[sz]e|flag|fail)|"
    r"should not (?:be )?(?:penali[sz]ed|flagged|fail)|not (?:a problem|wrong|a violation)|"
    r"acceptable|allowed|permitted|fine|okay|ok|should pass|pass(?:es)?|correct)\b",
    re.IGNORECASE,
)
_NOT_ACCEPTABLE = re.compile(
    r"\b(?:not|never) (?:be |considered )?(?:acceptable|allowed|permitted|fine|ok|okay|correct|enough)\b", re.IGNORECASE
)
_EXCEPTION = re.compile(r"\b(?:unless|except|other than|apart from)\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|when|whenever|where|provided|given|as long as|only)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMON = frozenset(
    _WORD.findall(
        "the and for with that this these those any all are was were has have been not but its they them their "
        "there should must shall may can could would will never always response responses answer answers reply "
        "replies output outputs case cases involving involve involves contains containing contain mention mentions "
        "mentioning including include includes fail fails failed pass passes passed acceptable unacceptable allowed "
        "permitted fine okay correct wrong incorrect penalize penalise penalized penalised flag flagged flags does "
        "because when unless except what which who from into than then counts count considered treat treated mark "
        "marked"
    )
)


def undecided(claims: Sequence[Claim]) -> dict[int, int]:
    """Lines that another says the opposite of: their places, each with the place of the first such line."""
    found: dict[int, int] = {}
    for one in range(len(claims)):
        for other in range(one + 1, len(claims)):
            if contradict(claims[one], claims[other]):
                found.setdefault(one, other)
                found.setdefault(other, one)
    return found


def contradict(one: Claim, other: Claim) -> bool:
    """Whether they are about one criterion and pull in opposite directions.

    `Fails unless …` beside `passes when …` is no contradiction, nor is a rule beside its exception.
    """
    pulls = {direction_of(one), direction_of(other)}
    if pulls != {Direction.BETTER, Direction.WORSE}:
        return False
    if _condition(one.text) != _condition(other.text):
        return False
    if one.criterion and _same(one.criterion, other.criterion):
        return True
    return overlap(one.text, other.text) >= OVERLAP


def direction_of(claim: Claim) -> Direction:
    """As the model said, else by the words of the line."""
    if claim.direction is not Direction.NEITHER:
        return claim.direction
    lenient = bool(_BETTER.search(_NOT_ACCEPTABLE.sub(" ", claim.text)))
    if lenient:
        return Direction.BETTER
    return Direction.WORSE if _WORSE.search(claim.text) or _NOT_ACCEPTABLE.search(claim.text) else Direction.NEITHER


def overlap(one: str, other: str) -> float:
    """Share of the shorter text's own words (those that name a thing) that the other has; 0.0 where one has none."""
    words, others = own_words(one), own_words(other)
    smaller = min(len(words), len(others))
    return len(words & others) / smaller if smaller else 0.0


def own_words(text: str) -> frozenset[str]:
    """Words of three letters or more that say what a line is about."""
    return frozenset(_WORD.findall(text.lower())) - _COMMON


def _condition(text: str) -> str:
    return "unless" if _EXCEPTION.search(text) else "when" if _CONDITION.search(text) else ""


def _same(one: str, other: str) -> bool:
    return " ".join(one.lower().split()) == " ".join(other.lower().split())
