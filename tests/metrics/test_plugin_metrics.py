"""Trusted metrics of installed packages: a package with a dist-info folder on the path, as an installer leaves it."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from steps import material_of, nested, span

from evaluator.errors import InvalidDefinition
from evaluator.metrics.check import check
from evaluator.metrics.code.code_metric import code_metric
from evaluator.metrics.code.plugin import Plugins
from evaluator.metrics.definition import MetricDefinition
from storage.model import Abstention, Failure, Level, MetricKind, OutputType, Score

MODULE = '''
"""Metrics of our own."""
import asyncio
import sys
import threading

NEVER = threading.Event()


def words(*, step_object, least=1, **kwargs):
    """How many words the answer has; any library may be used here."""
    count = len(step_object.output.content.split())
    return {"value": count, "explanation": f"at least {least}"}


async def asked(*, step_object, **kwargs):
    """What another service says."""
    await asyncio.sleep(0)
    return 0.25 + step_object.metrics["correctness"] / 2


def spans(*, step_object, **kwargs):
    return len([span for span in step_object.spans if span.type == "llm"])


def hangs(*, step_object, **kwargs):
    NEVER.wait()


async def hangs_too(*, step_object, **kwargs):
    await asyncio.Event().wait()


def breaks(*, step_object, **kwargs):
    raise LookupError("nothing there")


def leaves(*, step_object, **kwargs):
    sys.exit(3)


def nan(*, step_object, **kwargs):
    return float("nan")


def thing(*, step_object, **kwargs):
    return object()
'''
POINTS = """[assay.metrics]
words = our_metrics:words
asked = our_metrics:asked
spans = our_metrics:spans
hangs = our_metrics:hangs
hangs_too = our_metrics:hangs_too
breaks = our_metrics:breaks
leaves = our_metrics:leaves
nan = our_metrics:nan
thing = our_metrics:thing
gone = our_metrics:gone
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path) -> Iterator[None]:
    """The package, importable; and gone afterwards."""
    (tmp_path / "our_metrics.py").write_text(MODULE)
    information = tmp_path / "our_metrics-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: our-metrics\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(POINTS)
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("our_metrics", None)
    importlib.invalidate_caches()


def metric(name: str, output_type: OutputType = OutputType.COUNT, **fields: object) -> MetricDefinition:
    """One that the package computes."""
    values = {"kind": MetricKind.CODE, "levels": (Level.SPAN,)} | fields
    return MetricDefinition(name="own", function=f"plugin:{name}", output_type=output_type, **values)  # type: ignore[arg-type]


async def test_a_function_of_an_installed_package_is_a_metric() -> None:
    """It gets the same `step_object` as a scorer, the definition's arguments, and answers in the same ways."""
    definition = metric("words", arguments={"least": 2})
    check(definition)
    found = await code_metric(definition, material_of(span(1)), plugins=Plugins())
    assert found == Score(value=3.0, explanation="at least 2")
    of_trace = metric("spans", levels=(Level.TRACE,))
    assert await code_metric(of_trace, material_of(nested()), plugins=Plugins()) == Score(value=2.0)


async def test_a_coroutine_is_awaited_and_may_read_required_results() -> None:
    """A composite can be a plugin, too."""
    record = span(1)
    definition = metric("asked", OutputType.PERCENTAGE, kind=MetricKind.COMPOSITE, required_metrics=("correctness",))
    check(definition)
    material = material_of(record, [(record, {"correctness": 1.0})])
    assert await code_metric(definition, material, plugins=Plugins()) == Score(value=0.75)


async def test_content_that_was_not_captured_is_an_abstention_there_too() -> None:
    """As in the sandbox."""
    silent = span(1, output_messages=(), output_text=None)
    assert await code_metric(metric("words"), material_of(silent), plugins=Plugins()) == Abstention(reason="no output")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("breaks", "PLUGIN_ERROR", "LookupError: nothing there (our_metrics.py, line 35)"),
        ("leaves", "PLUGIN_ERROR", "RuntimeError: SystemExit: 3"),
        ("hangs", "PLUGIN_TIMEOUT", "ran for more than 0.2 s"),
        ("hangs_too", "PLUGIN_TIMEOUT", "ran for more than 0.2 s"),
        ("nan", "SCORER_BAD_RESULT", "returned nan; a count metric takes a whole number, 0 or more"),
        ("thing", "SCORER_BAD_RESULT", "returned a object; a scorer returns"),
        ("gone", "PLUGIN_MISSING", "gone: AttributeError: module 'our_metrics' has no attribute 'gone'"),
        ("other", "PLUGIN_MISSING", "other: LookupError: no installed package offers it under assay.metrics"),
    ],
)
async def test_what_goes_wrong_in_a_plugin_is_that_metrics_failure(name: str, code: str, message: str) -> None:
    """The process, and the next target, do not notice."""
    plugins = Plugins(seconds=0.2)
    found = await code_metric(metric(name), material_of(span(1)), plugins=plugins)
    assert isinstance(found, Failure)
    assert (found.code, found.message[: len(message)]) == (code, message)
    assert await code_metric(metric("words"), material_of(span(1)), plugins=plugins) == Score(
        value=3.0, explanation="at least 1"
    )


def test_a_plugin_that_nobody_installed_is_refused_when_the_metric_is_saved() -> None:
    """With the names that are there."""
    with pytest.raises(InvalidDefinition) as found:
        check(metric("nothing"))
    assert found.value.field == "metric.function"
    assert "known are ['asked', 'breaks', 'gone'," in found.value.reason


async def test_without_plugins_such_a_metric_fails() -> None:
    """In a process that has none."""
    found = await code_metric(metric("words"), material_of(span(1)))
    assert found == Failure(code="SCORER_UNAVAILABLE", message="plugins do not run here")


async def test_a_plugin_that_hangs_holds_eight_threads_and_no_other_plugin() -> None:
    """Given up is not ended: a thread that is stuck keeps its place."""
    before, plugins = threading.active_count(), Plugins(seconds=0.2)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(code_metric(metric("hangs"), material_of(span(1)), plugins=plugins)) for _ in range(20)
        ]
    assert {task.result() for task in tasks} == {Failure(code="PLUGIN_TIMEOUT", message="ran for more than 0.2 s")}
    assert threading.active_count() - before == 8
    sys.modules["our_metrics"].NEVER.set()
    found = await code_metric(metric("words"), material_of(span(1)), plugins=Plugins())
    assert isinstance(found, Score)
