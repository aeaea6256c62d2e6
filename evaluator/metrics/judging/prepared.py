"""What every question of a metric shares, made once for a definition and not once for a target."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import section
from evaluator.metrics.judging import template
from evaluator.metrics.judging.template import Template
from evaluator.metrics.judging.verdict import schema_of

SYSTEM = (
    "You evaluate one recorded output of an application, by the criteria of the user's message and nothing else. "
    "First write the rationale, then the verdict, in the form that is asked for."
)
REMEMBERED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A judge metric, ready to be asked.

    Attributes:
        form: Digest of everything in a question that does not depend on target, model and repetition.
    """

    definition: MetricDefinition
    template: Template
    schema: Mapping[str, object]
    form: bytes


class Preparations:
    """The last of them, by the identity of the definition; starts empty again when it is full."""

    def __init__(self) -> None:
        self._made: dict[int, Prepared] = {}

    def of(self, definition: MetricDefinition) -> Prepared:
        """The definition, prepared."""
        found = self._made.get(id(definition))
        if found is None:
            if len(self._made) >= REMEMBERED:
                self._made.clear()
            found = self._made[id(definition)] = prepared(definition)  # which holds the definition, so its id, too
        return found


def prepared(definition: MetricDefinition) -> Prepared:
    """One definition that `check` accepts."""
    schema = schema_of(definition)
    form = json.dumps([definition.digest, SYSTEM, schema])
    return Prepared(
        definition=definition,
        template=template.parse(definition.prompt, definition.arguments).followed_by(section(definition.guidelines)),
        schema=schema,
        form=hashlib.blake2b(form.encode(), digest_size=16).digest(),
    )
