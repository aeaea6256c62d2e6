"""Which required metrics a source never reads: what saving warns about."""

from __future__ import annotations

import pytest
from steps import scorer

from evaluator.metrics.doubts import doubts

HEAD = "def scorer_fn(*, step_object, **kwargs):\n    "


@pytest.mark.parametrize(
    ("body", "unread"),
    [
        ("return step_object.metrics[GalileoMetrics.correctness]", ["Tone", "builtin/bias@span"]),
        ("return step_object.metrics['tone']", ["correctness", "builtin/bias@span"]),
        ("return step_object.metrics.get('Tone')", ["correctness", "builtin/bias@span"]),
        ("names = ['correctness', 'tone', 'bias']\n    return [step_object.metrics[name] for name in names]", []),
        ("return step_object.metrics[kwargs['x'] + 'y']", []),
        ("return sum(step_object.metrics.values())", []),
        ("return [step_object.metrics[name] for name in step_object.metrics]", []),
        ("return 1", ["correctness", "Tone", "builtin/bias@span"]),
        ("return (", []),
    ],
)
def test_a_required_metric_that_the_source_never_names_is_told(body: str, unread: list[str]) -> None:
    """It would be computed, paid for, and gate, for nothing; a source that cannot be seen through is not accused."""
    required = ("correctness", "Tone", "builtin/bias@span")
    told = doubts(scorer(HEAD + body + "\n", required_metrics=required))
    assert [name for name in required if any(f"required metric {name!r}" in each for each in told)] == unread
    assert len(told) == len(unread)


def test_a_metric_that_is_read_and_not_required_is_told() -> None:
    """Such a source can only fail when it runs."""
    told = doubts(scorer(HEAD + "return step_object.metrics['tone'] + step_object.metrics['tone']\n"))
    assert told == ("the source reads metric 'tone', which is not in required_metrics",)
