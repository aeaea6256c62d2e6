"""Prompt templates: text with `{{name}}` (must be there) and `{{name?}}` (may be missing): named inputs of a target,
and arguments of the definition.

Only what a template names is sent.  An input is fenced: it is data, whatever it says.  An argument is the author's own
text, as the rest of the prompt.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from evaluator.errors import InvalidDefinition
from evaluator.judges.fence import fenced
from evaluator.targets.inputs import INPUT_NAMES

MAX_CHARACTERS = 64 * 1024
"""Of a prompt, and of its arguments together."""
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
    """A parsed prompt: text and slots in order; arguments are text already.

    Attributes:
        lacking: Arguments that it needs and that are blank: whoever uses the metric has to bring them.
        named: Arguments that it names.
        names: Inputs that it reads, sorted, each once.
    """

    parts: tuple[str | Slot, ...]
    lacking: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = {part.name for part in self.parts if isinstance(part, Slot)}
        object.__setattr__(self, "names", tuple(sorted(names)))

    def first_missing(self, inputs: Mapping[str, str]) -> str | None:
        """The first argument or input that it needs and that is not there."""
        needed = (part.name for part in self.parts if isinstance(part, Slot) and not part.optional)
        missing = (name for name in needed if is_missing(inputs, name))
        return next(iter((*self.lacking, *missing)), None)

    def render(self, inputs: Mapping[str, str], *, nonce: str) -> str:
        """The prompt with every input fenced by `nonce`.  Required inputs must be there."""
        return "".join(part if isinstance(part, str) else _filled(part, inputs, nonce) for part in self.parts)

    def followed_by(self, text: str) -> Template:
        """With a paragraph below that is nobody's template; '' = as it is."""
        if not text:
            return self
        return Template((*self.parts, f"\n\n{text}"), lacking=self.lacking, named=self.named)


def parse(prompt: str, arguments: Mapping[str, object] | None = None) -> Template:
    """Read a template.

    Args:
        arguments: Values of the definition; texts as they are, lists as lines with dashes, anything else as JSON.

    Raises:
        InvalidDefinition: Of `metric.prompt`: too long, an unknown name, or braces that do not match; says at which
            character, counted from 0.
    """
    if len(prompt) > MAX_CHARACTERS:
        raise InvalidDefinition(
            "metric.prompt", f"is {len(prompt)} characters long; at most {MAX_CHARACTERS} are allowed"
        )
    own = arguments or {}
    parts: list[str | Slot] = []
    lacking: dict[str, None] = {}
    named: set[str] = set()
    at = 0
    while (mark := _MARK.search(prompt, at)) is not None:
        slot = _SLOT.match(prompt, mark.start())
        if slot is None:
            raise InvalidDefinition(
                "metric.prompt",
                f"unbalanced braces {mark.group()!r} at character {mark.start()}: write {{{{name}}}} or {{{{name?}}}}, "
                "and put a space between braces that are meant as text",
            )
        name, optional = slot["name"], bool(slot["optional"])
        parts.append(prompt[at : slot.start()])
        if name in own:
            named.add(name)
            text = argument_text(own[name])
            if not text and not optional:
                lacking[name] = None
            parts.append(text or NOT_AVAILABLE)
        else:
            _check_name(name, slot.start("name"), own)
            parts.append(Slot(name=name, optional=optional))
        at = slot.end()
    parts.append(prompt[at:])
    return Template(tuple(_merged(parts)), tuple(lacking), frozenset(named))


def argument_text(value: object) -> str:
    """An argument as it stands in a prompt; '' where it is blank."""
    match value:
        case None:
            return ""
        case str():
            return value if value.strip() else ""
        case list() | tuple():
            return "\n".join(f"- {argument_text(item)}" for item in value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def is_missing(inputs: Mapping[str, str], name: str) -> bool:
    """Whether a target lacks an input: it is absent, or blank (content capture is off in most instrumentations)."""
    return not inputs.get(name, "").strip()


def _merged(parts: Iterable[str | Slot]) -> list[str | Slot]:
    """Without empty texts, and neighbouring texts as one."""
    merged: list[str | Slot] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part:
            merged.append(part)
    return merged


def _check_name(name: str, position: int, arguments: Mapping[str, object]) -> None:
    if name in INPUT_NAMES:
        return
    known = (*INPUT_NAMES, *sorted(arguments))
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else "."
    raise InvalidDefinition(
        "metric.prompt", f"unknown input {name!r} at character {position}{meant} Known are {', '.join(known)}"
    )


def _filled(slot: Slot, inputs: Mapping[str, str], nonce: str) -> str:
    return NOT_AVAILABLE if is_missing(inputs, slot.name) else fenced(slot.name, inputs[slot.name], nonce)
