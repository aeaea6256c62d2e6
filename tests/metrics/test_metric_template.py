"""Templates: what they may say, and what they put into a prompt."""

from __future__ import annotations

import pytest

from evaluator.errors import InvalidDefinition
from evaluator.metrics import template
from evaluator.metrics.template import Slot

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
