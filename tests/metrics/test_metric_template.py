"""Templates: what they may say, and what they put into a prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evaluator.errors import InvalidDefinition
from evaluator.metrics.check import check
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging import template
from evaluator.metrics.judging.template import Slot
from storage.model import Level, MetricKind, OutputType

NONCE = "0123456789abcdef"


def test_a_template_is_text_and_slots() -> None:
    """Spaces inside the braces do not matter; a question mark makes an input optional."""
    parsed = template.parse('Q: {{input}} {"a": {"b": 1} } C: {{ context? }}')
    assert parsed.parts == (
        "Q: ",
        Slot(name="input", optional=False),
        ' {"a": {"b": 1} } C: ',
        Slot(name="context", optional=True),
    )
    assert parsed.names == ("context", "input")


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("Judge {{output", "unbalanced braces '{{' at character 6"),
        ("Judge output}}", "unbalanced braces '}}' at character 12"),
        ("Judge {{}}", "unbalanced braces '{{' at character 6"),
        ("Judge {{out put}}", "unbalanced braces '{{' at character 6"),
        ("Judge {{output}} {{{{", "unbalanced braces '{{' at character 17"),
        ("Judge {{ouput}}", "unknown input 'ouput' at character 8; did you mean 'output'?"),
        ("{{output.__class__}}", "unknown input 'output.__class__' at character 2"),
        ("x" * (1 << 20), "is 1048576 characters long; at most 65536"),
    ],
)
def test_a_bad_template_is_refused_with_the_place(prompt: str, reason: str) -> None:
    """Characters are counted from 0."""
    with pytest.raises(InvalidDefinition) as raised:
        template.parse(prompt)
    assert raised.value.field == "metric.prompt"
    assert raised.value.reason.startswith(reason)


def test_only_what_is_needed_can_be_missing() -> None:
    """Absent and blank are the same: nothing was captured."""
    parsed = template.parse("{{output}} {{input}} {{context?}}")
    assert parsed.first_missing({"input": "i", "output": "o"}) is None
    assert parsed.first_missing({"output": "o"}) == "input"
    assert parsed.first_missing({"input": "i", "output": " \n"}) == "output"


def test_inputs_are_fenced_and_never_read_as_template() -> None:
    """Braces in content stay what they are."""
    parsed = template.parse("Judge {{output}} with {{context?}} and {{tools?}}.")
    assert parsed.render({"output": "{{input}}", "context": "c", "input": "secret"}, nonce=NONCE) == (
        f'Judge <data-{NONCE} name="output">\n{{{{input}}}}\n</data-{NONCE}> '
        f'with <data-{NONCE} name="context">\nc\n</data-{NONCE}> and (not available).'
    )


def test_arguments_stand_in_the_prompt_as_the_authors_own_text() -> None:
    """Texts as they are, lists as lines, the rest as JSON; what they say is no template."""
    parsed = template.parse(
        "{{rules}} {{n}} {{ on? }} {{note?}} {{output}}",
        {"rules": ["a {{output}}", 2], "n": 1.5, "on": True, "note": " "},
    )
    assert parsed.parts == ("- a {{output}}\n- 2 1.5 true (not available) ", Slot(name="output", optional=False))
    assert (parsed.names, parsed.named, parsed.lacking) == (("output",), {"rules", "n", "on", "note"}, ())


def test_an_argument_that_is_blank_is_missing_like_an_input() -> None:
    """Whoever uses such a metric brings it; until then there is nothing to judge by."""
    parsed = template.parse("{{guidelines}} {{output}}", {"guidelines": ""})
    assert parsed.first_missing({"output": "o"}) == "guidelines"


def test_an_unknown_name_is_told_from_arguments_too() -> None:
    """The nearest name may be one of the definition's own."""
    with pytest.raises(InvalidDefinition) as raised:
        template.parse("{{output}} {{guideline}}", {"guidelines": "g"})
    assert raised.value.reason.startswith("unknown input 'guideline' at character 13; did you mean 'guidelines'?")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"arguments": {"rules": "r"}}, "metric.arguments.rules"),
        ({"arguments": {"input": "r"}, "prompt": "{{output}} {{input}}"}, "metric.arguments.input"),
        ({"arguments": {"a-b": "r"}}, "metric.arguments"),
        ({"arguments": {"rules": "x" * 65_537}, "prompt": "{{rules}} {{output}}"}, "metric.arguments"),
        ({"arguments": {"rules": "r"}, "prompt": "{{rules}}"}, "metric.prompt"),
        ({"parameters": {"logprobs": 1}}, "metric.parameters.logprobs"),
        ({"parameters": {"seed": True}}, "metric.parameters.seed"),
        ({"output_type": OutputType.MULTILABEL}, "metric.labels"),
    ],
)
def test_what_a_judge_could_not_be_asked_is_refused(fields: dict[str, Any], field: str) -> None:
    """An argument that is not named, that hides an input, that is too long; a prompt about no target."""
    definition = MetricDefinition(
        name="m", kind=MetricKind.JUDGE, levels=(Level.SPAN,), output_type=OutputType.BOOLEAN, prompt="{{output}}"
    )
    with pytest.raises(InvalidDefinition) as raised:
        check(replace(definition, **fields))
    assert raised.value.field == field
