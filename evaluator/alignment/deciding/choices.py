"""What a person makes of the guidelines that a run has found: toggled, edited, added; also on a base that has moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluator.alignment.model import Line
from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline, Origin, check_guidelines


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What becomes of one line.

    Attributes:
        guideline_id: '' = a line that a person adds.
        text: Another text; '' = as it is.
    """

    guideline_id: str = ""
    include: bool = True
    text: str = ""


def chosen(lines: Sequence[Line], choices: Sequence[Choice], *, alignment_id: str = "") -> tuple[Guideline, ...]:
    """The guidelines, in the order of the run's lines, added ones last; lines that no choice names stay as they are.

    A line whose text is another one is a person's from then on, and claims no support.

    Args:
        alignment_id: The run; its lines, also edited ones, will name it.

    Raises:
        InvalidDefinition: A choice names no line, or a line twice, or the result is none that a judge can be given.
    """
    known = {line.guideline.guideline_id for line in lines}
    by_id: dict[str, Choice] = {}
    added: list[Guideline] = []
    for number, choice in enumerate(choices):
        path = f"choices[{number}]"
        if not choice.guideline_id:
            if not choice.text.strip() or not choice.include:
                raise InvalidDefinition(f"{path}.text", "a line that is added has a text, and is included")
            added.append(Guideline(text=choice.text.strip()))
        elif choice.guideline_id not in known:
            raise InvalidDefinition(
                f"{path}.guideline_id",
                f"the run has no line {choice.guideline_id[:100]!r}; it has {', '.join(sorted(known)) or 'none'}",
            )
        elif choice.guideline_id in by_id:
            raise InvalidDefinition(f"{path}.guideline_id", f"names {choice.guideline_id!r} twice")
        else:
            by_id[choice.guideline_id] = choice
    kept = [_line(line, by_id.get(line.guideline.guideline_id), alignment_id) for line in lines]
    found = (*(each for each in kept if each is not None), *added)
    check_guidelines(found)
    return found


def rebased(guidelines: Sequence[Guideline], was: MetricDefinition, now: MetricDefinition) -> tuple[Guideline, ...]:
    """The same on a base that has moved: what people added to it or removed from it meanwhile is kept, or stays away.

    Raises:
        InvalidDefinition: Together they are more than a judge can be given.
    """
    before = {each.guideline_id for each in was.guidelines}
    there = {each.guideline_id: each for each in now.guidelines}
    found = [
        _newer(each, was, there) for each in guidelines if each.guideline_id in there or each.guideline_id not in before
    ]
    names = {each.guideline_id for each in found}
    found += [each for name, each in there.items() if name not in before and name not in names]
    check_guidelines(tuple(found))
    return tuple(found)


def _newer(line: Guideline, was: MetricDefinition, there: dict[str, Guideline]) -> Guideline:
    """An edit of a line that the run left alone counts; where both changed it, the run's text does."""
    old = next((each for each in was.guidelines if each.guideline_id == line.guideline_id), None)
    return there[line.guideline_id] if old is not None and old.text == line.text else line


def _line(line: Line, choice: Choice | None, alignment_id: str) -> Guideline | None:
    include = not line.needs_decision if choice is None else choice.include
    if not include:
        return None
    found = line.guideline
    if found.origin is Origin.RUN and not found.alignment_id:
        found = replace(found, alignment_id=alignment_id)
    text = choice.text.strip() if choice is not None else ""
    if text and text != found.text:
        found = replace(found, text=text, origin=Origin.HUMAN, support=0)
    return found
