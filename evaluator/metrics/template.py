"""Prompt templates: text with `{{name}}` (must be there) and `{{name?}}` (may be missing): named inputs of a target.

Only what a template names is sent.  What is put in is fenced: it is data, whatever it says.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from evaluator.errors import InvalidDefinition
from evaluator.judges.fence import fenced
from evaluator.targets.inputs import INPUT_NAMES

MAX_CHARACTERS = 64 * 1024
NOT_AVAILABLE = "(not available)"
_MARK = re.compile(r"\{\{|\}\}")
_SLOT = re.compile(r"\{\{\s*(?P<name>[A-Za-z0-9_.]+)\s*(?P<optional>\??)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one input."""

    name: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed prompt: text and slots in order."""

    parts: tuple[str | Slot, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs it reads, sorted, each once."""
        return tuple(sorted({part.name for part in self.parts if isinstance(part, Slot)}))

    def first_missing(self, inputs: Mapping[str, str]) -> str | None:
        """The first input that it needs and the target lacks."""
        needed = (part.name for part in self.parts if isinstance(part, Slot) and not part.optional)
        return next((name for name in needed if is_missing(inputs, name)), None)

    def render(self, inputs: Mapping[str, str], *, nonce: str) -> str:
        """The prompt with every input fenced by `nonce`.  Required inputs must be there."""
        return "".join(part if isinstance(part, str) else _filled(part, inputs, nonce) for part in self.parts)


def parse(prompt: str) -> Template:
    """Read a template.

    Raises:
        InvalidDefinition: Of `metric.prompt`: too long, an unknown name, or braces that do not match; says at which
            character, counted from 0.
    """
    if len(prompt) > MAX_CHARACTERS:
        raise InvalidDefinition(
            "metric.prompt", f"is {len(prompt)} characters long; at most {MAX_CHARACTERS} are allowed"
        )
    parts: list[str | Slot] = []
    at = 0
    while (mark := _MARK.search(prompt, at)) is not None:
        slot = _SLOT.match(prompt, mark.start())
        if slot is None:
            raise InvalidDefinition(
                "metric.prompt",
                f"unbalanced braces {mark.group()!r} at character {mark.start()}: write {{{{name}}}} or {{{{name?}}}}, "
                "and put a space between braces that are meant as text",
            )
        _check_name(slot["name"], slot.start("name"))
        parts += [prompt[at : slot.start()], Slot(name=slot["name"], optional=bool(slot["optional"]))]
        at = slot.end()
    parts.append(prompt[at:])
    return Template(tuple(part for part in parts if part))


def is_missing(inputs: Mapping[str, str], name: str) -> bool:
    """Whether a target lacks an input: it is absent, or blank (content capture is off in most instrumentations)."""
    return not inputs.get(name, "").strip()


def _check_name(name: str, position: int) -> None:
    if name in INPUT_NAMES:
        return
    near = difflib.get_close_matches(name, INPUT_NAMES, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else "."
    raise InvalidDefinition(
        "metric.prompt", f"unknown input {name!r} at character {position}{meant} Known are {', '.join(INPUT_NAMES)}"
    )


def _filled(slot: Slot, inputs: Mapping[str, str], nonce: str) -> str:
    return NOT_AVAILABLE if is_missing(inputs, slot.name) else fenced(slot.name, inputs[slot.name], nonce)
