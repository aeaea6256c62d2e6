"""Tables fit the terminal."""

from __future__ import annotations

import pytest

from assay.cli.console import Printer
from assay.cli.scores import print_results
from assay.client import Level, Result, Status, TargetRef
from evaluator.metrics.catalogue import builtin_metrics


def test_every_built_in_metric_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Nearly eighty of them with their descriptions: what is too long is cut, and nothing is folded."""
    rows = [{"name": metric.name, "about": metric.description * 3} for metric in builtin_metrics()]
    Printer().table(rows, {"name": "metric", "about": "what it measures"}, empty="none", cut="about")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["metric", *(metric.name for metric in builtin_metrics())]
    assert all(len(line) <= 200 for line in lines)
    assert all(line.rstrip().endswith("…") for line in lines[1:])


def test_a_column_that_would_say_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Rather than a letter on each of many lines."""
    Printer().table(
        [{"name": "n" * 190, "about": "x"}], {"name": "metric", "about": "about"}, empty="none", cut="about"
    )
    assert capsys.readouterr().out.split() == ["metric", "n" * 190]


def test_a_text_and_several_labels_are_shown_as_what_was_concluded(capsys: pytest.CaptureFixture[str]) -> None:
    """Not every score is a number or one label."""
    target = TargetRef(level=Level.SESSION, session_id="s")
    one = Result(result_id="", target=target, metric="summary", metric_version=1, status=Status.SUCCESS, text="brief")
    several = Result(
        result_id="", target=target, metric="topics", metric_version=1, status=Status.SUCCESS, labels=("law", "tax")
    )
    print_results([one, several], as_json=False)
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert said[1:] == [["session:s", "summary", "success", "–", "brief"],
                        ["session:s", "topics", "success", "–", "law,", "tax"]]  # fmt: skip
