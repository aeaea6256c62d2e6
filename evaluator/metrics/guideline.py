"""Guidelines of a judge: lines that follow the prompt, each with where it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from evaluator.errors import InvalidDefinition

MAX_GUIDELINES = 12
MAX_CHARACTERS = 300
"""Of one guideline."""
HEADING = (
    "Guidelines that reviewers of earlier verdicts have agreed on; where they say otherwise than the text above, they "
    "count:"
)


class Origin(StrEnum):
    """Who wrote a guideline."""

    RUN = "run"
    """An alignment distilled it."""
    HUMAN = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guideline:
    """One line.

    Attributes:
        guideline_id: Unique within its metric; made of the text where it is not given.
        feedback_ids: Feedback that it was distilled from.
        support: Rows that bear it out.
        alignment_id: The alignment that brought it; '' = a person did.
    """

    text: str
    guideline_id: str = ""
    feedback_ids: tuple[str, ...] = ()
    support: int = 0
    origin: Origin = Origin.HUMAN
    alignment_id: str = ""

    def __post_init__(self) -> None:
        if not self.guideline_id:
            object.__setattr__(self, "guideline_id", id_of(self.text))

    def to_body(self) -> dict[str, object]:
        """As stored; what says nothing is left out."""
        body: dict[str, object] = {"id": self.guideline_id, "text": self.text, "origin": str(self.origin)}
        later = {
            "feedback_ids": list(self.feedback_ids),
            "support": self.support,
            "alignment_id": self.alignment_id,
        }
        return body | {key: value for key, value in later.items() if value}


def id_of(text: str) -> str:
    """Eight hex digits of a text, spaces and case aside."""
    return hashlib.blake2b(" ".join(text.lower().split()).encode(), digest_size=4).hexdigest()


def authored(before: Iterable[Guideline], after: Iterable[Guideline]) -> tuple[Guideline, ...]:
    """Lines as a person leaves them: one whose text was edited is theirs, and says no more what bears it out."""
    texts = {each.guideline_id: each.text for each in before}
    return tuple(
        replace(each, origin=Origin.HUMAN, support=0, alignment_id="")
        if texts.get(each.guideline_id, each.text) != each.text
        else each
        for each in after
    )


def section(guidelines: Iterable[Guideline]) -> str:
    """What a judge is given of them, below the prompt; '' of none."""
    lines = [f"{number}. {each.text}" for number, each in enumerate(guidelines, start=1)]
    return "\n".join([HEADING, *lines]) if lines else ""


def guidelines_of(value: object) -> tuple[Guideline, ...]:
    """Inverse of `to_body`, for a list; a text alone is a guideline that a person wrote.

    Raises:
        InvalidDefinition: It is not such a list, or one that no judge can be given; says what to write instead.
    """
    if not isinstance(value, (list, tuple)):
        raise InvalidDefinition("metric.guidelines", f"must be a list, got {value!r}")
    found = tuple(_guideline(f"metric.guidelines[{index}]", each) for index, each in enumerate(value))
    check_guidelines(found)
    return found


def check_guidelines(guidelines: tuple[Guideline, ...]) -> None:
    """Accept or refuse them.

    Raises:
        InvalidDefinition: Names the line, and what to write instead.
    """
    if len(guidelines) > MAX_GUIDELINES:
        raise InvalidDefinition("metric.guidelines", f"at most {MAX_GUIDELINES} are allowed, got {len(guidelines)}")
    seen: set[str] = set()
    for index, each in enumerate(guidelines):
        path = f"metric.guidelines[{index}]"
        if not each.text.strip():
            raise InvalidDefinition(path, "is blank; write a line, or leave it out")
        if len(each.text) > MAX_CHARACTERS:
            raise InvalidDefinition(path, f"is {len(each.text)} characters long; at most {MAX_CHARACTERS} are allowed")
        if "\n" in each.text or "{{" in each.text or "}}" in each.text:
            raise InvalidDefinition(path, "is one line without {{ and }}: it is read as it stands")
        if each.guideline_id in seen:
            raise InvalidDefinition(path, f"repeats {each.guideline_id!r}; leave one of them out")
        seen.add(each.guideline_id)


def _guideline(path: str, value: object) -> Guideline:
    if isinstance(value, str):
        return Guideline(text=value)
    if not isinstance(value, Mapping):
        raise InvalidDefinition(path, f"must be a text or a mapping, got {value!r}")
    if unknown := set(value) - {"id", "text", "origin", "feedback_ids", "support", "alignment_id"}:
        raise InvalidDefinition(f"{path}.{min(unknown)}", "unknown field")
    try:
        return Guideline(
            text=str(value.get("text", "")),
            guideline_id=str(value.get("id", "")),
            feedback_ids=tuple(str(each) for each in value.get("feedback_ids", ())),
            support=int(value.get("support", 0)),
            origin=Origin(value.get("origin", Origin.HUMAN)),
            alignment_id=str(value.get("alignment_id", "")),
        )
    except (TypeError, ValueError) as error:
        raise InvalidDefinition(path, str(error)) from None
