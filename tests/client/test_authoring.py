"""Functions as metrics: what travels, and what is refused with a way out."""

from __future__ import annotations

import functools
import json
import math as numbers
import os
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

import pytest

import assay
from assay import GalileoMetrics, LlmSpan, Session, Trace, metric
from assay.authoring import Authored, NotPortable, code_definition, judge_definition, source_of
from assay.metric_names import GalileoMetrics as Names
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.check import check
from evaluator.metrics.code.step import EXPORTS
from evaluator.sandbox.source import compile_scorer
from storage.model import Level, MetricKind, OutputType

LIMIT = 3


@metric(name="Short Enough", required_metrics=[GalileoMetrics.correctness, "tone@span"], threshold=0.5)
def short_enough(*, step_object: LlmSpan, **kwargs: object) -> float:
    """Whether the answer is short, where it is correct."""
    if step_object.metrics[GalileoMetrics.correctness] < numbers.floor(1.5):
        return 0.0
    return float(len(json.dumps(step_object.output.content)) < 100)


def counts_down(*, step_object: Trace, left: int = 2) -> int:
    return 0 if left == 0 else 1 + counts_down(step_object=step_object, left=left - 1)


def with_a_constant(*, step_object: LlmSpan) -> bool:
    return len(step_object.output.content) > LIMIT


def with_another_module(*, step_object: LlmSpan) -> bool:
    return os.path.exists(step_object.output.content)


def with_a_type(*, step_object: Session, since: datetime | None = None) -> bool:
    return all(isinstance(trace, Trace) for trace in step_object.traces)


async def asynchronous(*, step_object: LlmSpan) -> bool:
    return True


@functools.cache
def cached(*, step_object: LlmSpan) -> bool:
    return True


class Holder:
    """Something with methods."""

    def method(self, *, step_object: LlmSpan) -> bool:
        return True

    @staticmethod
    def static(*, step_object: LlmSpan) -> bool:
        return True


def closing_over(limit: int) -> Callable[..., bool]:
    """A closure."""

    def scorer(*, step_object: LlmSpan) -> bool:
        return len(step_object.output.content) > limit

    return scorer


def test_a_decorated_function_is_a_metric_and_still_a_function() -> None:
    """Everything that can be known from the function is; what it imports travels with it."""
    assert isinstance(short_enough, Authored)
    made = short_enough.definition
    assert (made.name, made.display_name, made.kind, made.levels, made.span_kinds, made.output_type) == (
        "short_enough", "Short Enough", MetricKind.COMPOSITE, (Level.SPAN,), ("llm",), OutputType.NUMBER,
    )  # fmt: skip
    assert (made.required_metrics, made.threshold, made.description) == (
        ("correctness", "tone@span"), 0.5, "Whether the answer is short, where it is correct.",
    )  # fmt: skip
    assert made.source == (
        "from assay import GalileoMetrics\n"
        "from assay import LlmSpan\n"
        "import json\n"
        "import math as numbers\n"
        "\n"
        "def scorer_fn(*, step_object: LlmSpan, **kwargs: object) -> float:\n"
        '    """Whether the answer is short, where it is correct."""\n'
        "    if step_object.metrics[GalileoMetrics.correctness] < numbers.floor(1.5):\n"
        "        return 0.0\n"
        "    return float(len(json.dumps(step_object.output.content)) < 100)\n"
    )

    class Step:
        """A step of one's own."""

        metrics: ClassVar = {"correctness": 0.0}

    assert short_enough(step_object=Step()) == 0.0


@pytest.mark.parametrize("scorer", [short_enough, counts_down, with_a_type])
def test_what_is_sent_is_what_the_sandbox_takes(scorer: Callable[..., object]) -> None:
    """Imports of types, of modules under other names, and a function that calls itself."""
    compile_scorer(source_of(scorer), exports=EXPORTS)


def test_a_function_that_calls_itself_keeps_its_name() -> None:
    """It is called `scorer_fn`, and by the name that it uses."""
    assert source_of(counts_down).endswith("left=left - 1)\n\n\ncounts_down = scorer_fn\n")


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (lambda *, step_object: True, "a lambda has no source of its own; write it as a `def`"),
        (closing_over(3), "is a closure over limit, which would not travel; put the values into the function"),
        (with_a_constant, "uses LIMIT of its module, which would not travel with it: define it inside the function"),
        (with_another_module, "uses os of its module"),
        (Holder().method, "not a method; write `def` in a module"),
        (Holder.method, "Holder.method is a method; write it as a function of its own"),
        (Holder.static, "Holder.static is a method"),
        (asynchronous, "must be a plain `def`"),
        (cached, "a scorer is a plain function"),
        (len, "a scorer is a plain function"),
    ],
)
def test_what_cannot_travel_is_refused_with_what_to_do(scorer: Callable[..., object], message: str) -> None:
    """At home, not by a name error in the sandbox next week."""
    with pytest.raises(NotPortable) as refused:
        source_of(scorer)
    assert message in str(refused.value)


def test_a_function_without_a_file_is_refused() -> None:
    """What was typed into a prompt has no source."""
    names: dict[str, Callable[..., object]] = {}
    exec("def scorer_fn(*, step_object): return True", names)  # as a prompt does
    with pytest.raises(NotPortable, match="there is no source of scorer_fn"):
        source_of(names["scorer_fn"])


@pytest.mark.parametrize(
    ("annotation", "answer", "expected"),
    [
        ("LlmSpan", "float", ((Level.SPAN,), ("llm",), OutputType.NUMBER)),
        ("assay.RetrieverSpan", "int", ((Level.SPAN,), ("retriever",), OutputType.COUNT)),
        ("'Trace'", "bool", ((Level.TRACE,), (), OutputType.BOOLEAN)),
        ("Session", "str", ((Level.SESSION,), (), OutputType.TEXT)),
    ],
)
def test_level_kinds_and_type_follow_from_annotations(annotation: str, answer: str, expected: object) -> None:
    """Also where the source comes as text, indented as in a triple-quoted string."""
    made = code_definition("x", f"""
        def scorer_fn(*, step_object: {annotation}, **kwargs) -> {answer}:
            return 1
    """)  # fmt: skip
    assert (made.levels, made.span_kinds, made.output_type) == expected
    assert made.source.startswith("def scorer_fn(*, ")


def test_what_annotations_do_not_say_has_to_be_said() -> None:
    """And what is said goes before what is annotated."""
    with pytest.raises(NotPortable, match="say what 'x' scores"):
        code_definition("x", "def scorer_fn(*, step_object) -> bool: return True")
    with pytest.raises(NotPortable, match="say what 'x' gives"):
        code_definition("x", "def scorer_fn(*, step_object): return True", level="trace")
    made = code_definition("x", short_enough, level=["trace", "session"], output_type="percentage")
    assert (made.levels, made.span_kinds, made.output_type) == (
        (Level.TRACE, Level.SESSION), (), OutputType.PERCENTAGE,
    )  # fmt: skip


def test_a_judge_is_made_of_a_prompt() -> None:
    """With labels by value, or by name alone."""
    made = judge_definition("Tone of Voice", "Judge: {{output}}", output_type="categorical", labels=["kind", "rude"])
    check(made)
    assert (made.name, made.display_name, made.labels) == (
        "tone_of_voice",
        "Tone of Voice",
        {"kind": None, "rude": None},
    )


def test_the_enum_names_every_builtin_metric_and_nothing_else() -> None:
    """Editors complete it; each member resolves."""
    slugs = {each.name for each in builtin_metrics()}
    others = {name for name in aliases() if name.isidentifier() and name == name.lower()}
    assert {str(each) for each in Names} == {each.name for each in Names} == slugs | others


def test_what_authors_import_is_what_the_sandbox_offers() -> None:
    """The same import line works here and there."""
    from assay.steps import PREDEFINED

    assert {name for name in PREDEFINED if getattr(assay, name) is PREDEFINED[name]} == set(PREDEFINED)
    assert set(PREDEFINED) - EXPORTS == set()
