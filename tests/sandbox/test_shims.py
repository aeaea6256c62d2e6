"""Modules that the sandbox lacks: every function against CPython's, in the sandbox."""

from __future__ import annotations

import ast
import enum
import importlib
import statistics
import string
from collections.abc import AsyncIterator

import pytest

from evaluator.sandbox.prelude import shims
from evaluator.sandbox.sandbox import Sandbox
from evaluator.sandbox.shims.names import SHIMS
from evaluator.sandbox.source import MODULES, compile_scorer


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Workers."""
    async with Sandbox() as opened:
        yield opened


async def there(sandbox: Sandbox, imports: str, expression: str) -> object:
    """What an expression gives in the sandbox."""
    scorer = compile_scorer(f"{imports}\ndef scorer_fn(*, step_object):\n    return {expression}\n")
    return await sandbox.run(f"{shims(scorer.shims)}{scorer.code}\nscorer_fn(step_object=None)", {}, owner="o")


def here(imports: str, expression: str) -> object:
    """What it gives in CPython."""
    names: dict[str, object] = {}
    exec(imports, names)  # the tests' own text
    return eval(expression, names)  # the same


DATA = ("[1, 2, 3, 4, 10]", "[2.5, 0.25, 7, 7, 1e-9]", "[0.1] * 10", "[3, 1]")
OF_DATA = ("mean", "fmean", "median", "median_low", "median_high", "median_grouped", "mode", "multimode", "variance",
           "pvariance", "stdev", "pstdev", "geometric_mean", "harmonic_mean", "quantiles")  # fmt: skip
CALLS = [
    *(f"statistics.{name}({data})" for name in OF_DATA for data in DATA),
    "statistics.fmean([1, 2, 3], [1, 1, 4])", "statistics.harmonic_mean([40, 60], weights=[5, 30])",
    "statistics.median_grouped([1, 2, 2, 3, 4], interval=2)", "statistics.mode(['b', 'a', 'a'])",
    "statistics.variance([1, 2, 4], 2)", "statistics.pstdev([1, 2, 4], mu=2)", "statistics.mean([1, 2, 3])",
    *(f"statistics.quantiles([5, 1, 9, 3, 3, 8], n={n}, method='{method}')"
      for n in (1, 2, 4, 10, 100) for method in ("exclusive", "inclusive")),
    "statistics.covariance([1, 2, 3, 4], [2, 1, 4, 9])", "statistics.correlation([1, 2, 3, 4], [2, 1, 4, 9])",
    "tuple(statistics.linear_regression([1, 2, 3, 4], [2, 1, 4, 9]))",
    "statistics.linear_regression([1, 2, 3], [2, 4, 6]).slope", "statistics.harmonic_mean([0, 1])",
]  # fmt: skip


async def test_statistics_gives_what_cpython_gives(sandbox: Sandbox) -> None:
    """Within rounding; whole numbers stay whole."""
    for call in CALLS:
        expected, found = here("import statistics", call), await there(sandbox, "import statistics", call)
        words = any(isinstance(each, str) for each in [expected, *_items(expected)])
        assert found == (expected if words else pytest.approx(expected, rel=1e-12)), call
        assert type(found) is type(expected), call


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


REFUSED = (
    ["mean([])", "median([])", "mode([])", "stdev([1])", "quantiles([1])", "quantiles([1, 2], n=0)", "fmean([1], [0])",
     "geometric_mean([-1, 2])", "harmonic_mean([-1])", "correlation([1, 1], [1, 2])", "linear_regression([1], [2])",
     "covariance([1, 2], [1])"]
)  # fmt: skip


async def test_statistics_refuses_what_cpython_refuses(sandbox: Sandbox) -> None:
    """With an error that `except statistics.StatisticsError` catches."""
    for call in REFUSED:
        await _both_refuse(sandbox, call)


async def _both_refuse(sandbox: Sandbox, call: str) -> None:
    with pytest.raises(statistics.StatisticsError):
        here("import statistics", f"statistics.{call}")
    source = (
        "import statistics\ndef scorer_fn(*, step_object):\n    try:\n"
        f"        statistics.{call}\n    except statistics.StatisticsError:\n        return 'refused'\n"
    )
    scorer = compile_scorer(source)
    code = f"{shims(scorer.shims)}{scorer.code}\nscorer_fn(step_object=None)"
    assert await sandbox.run(code, {}, owner="o") == "refused"


async def test_string_has_what_cpython_has(sandbox: Sandbox) -> None:
    """Every constant, and capwords."""
    for name in SHIMS["string"] - {"capwords"}:
        assert await there(sandbox, "import string", f"string.{name}") == getattr(string, name)
    for call in ("string.capwords('ab  cd ef')", "string.capwords('a-b c', '-')"):
        assert await there(sandbox, "import string", call) == here("import string", call)


ENUMS = """
import enum
from enum import Enum, IntEnum as Whole, StrEnum, auto

class Color(Enum):
    \"\"\"Colors.\"\"\"

    RED = 1
    GREEN = "g"
    ALSO_RED = 1

@enum.unique
class Size(Whole):
    SMALL = auto()
    LARGE = auto()

class Tone(StrEnum):
    KIND = auto()
    RUDE = "very rude"

class Mixed(str, enum.Enum):
    A = "a"

Made = Enum("Made", "X Y")
"""


@pytest.mark.parametrize(
    "expression",
    [
        "[Color.RED.name, Color.RED.value, Color.GREEN.value, Color.ALSO_RED is Color.RED]",
        "[Color(1) is Color.RED, Color['GREEN'] is Color.GREEN, Color('g').name, [each.name for each in Color]]",
        "[Color.RED == 1, Color.RED == Color.RED, Color.RED != Color.GREEN, Color.RED in Color]",
        "[str(Color.RED), repr(Color.RED), f'{Color.RED}', str(Tone.RUDE), f'{Tone.KIND}', repr(Tone.KIND)]",
        "[Size.SMALL.value, Size.LARGE == 2, Size(2).name, {Size.SMALL: 'x'}[Size.SMALL]]",
        "[Tone.KIND == 'kind', Tone.RUDE.value, {'kind': 1}[Tone.KIND], Tone('very rude') is Tone.RUDE]",
        "[Mixed.A == 'a', Mixed.A.value, str(Mixed.A), Made.X.value, Made.Y.name, sorted(Color.__members__)]",
    ],
)
async def test_enum_gives_what_cpython_gives(sandbox: Sandbox, expression: str) -> None:
    """Members, values, lookups, `auto`, equality of `IntEnum` and `StrEnum`, how they print."""
    assert await there(sandbox, ENUMS, expression) == here(ENUMS, expression)


async def test_a_value_that_no_member_has_is_refused(sandbox: Sandbox) -> None:
    """With CPython's words."""
    with pytest.raises(ValueError, match="9 is not a valid Color"):
        here(ENUMS, "Color(9)")
    with pytest.raises(Exception, match="ValueError: 9 is not a valid Color"):
        await there(sandbox, ENUMS, "Color(9)")


async def test_every_module_that_may_be_imported_is_there(sandbox: Sandbox) -> None:
    """What is refused when a metric is saved, and what is not, agrees with the interpreter."""
    for module in sorted(MODULES):
        assert await there(sandbox, f"import {module}", "1") == 1


async def test_re_json_math_and_datetime_work(sandbox: Sandbox) -> None:
    """As a scorer uses them."""
    imports = "import re, json, math\nfrom datetime import datetime, timedelta, timezone"
    for expression in (
        r"re.findall(r'\b\d{3}-\d{2}-\d{4}\b', 'ssn 123-45-6789, 12-3')",
        "re.sub('a+', 'b', 'caat') + re.search('(?P<x>[a-z]+)', '1abc2').group('x')",
        """json.loads('{"a": [1, null, true, "é"]}')""",
        "json.dumps({'a': [1, None, True]}, sort_keys=True)",
        "[math.sqrt(2), math.log(10), math.floor(2.5), math.fsum([0.1] * 10), math.pi, math.isnan(math.nan)]",
        "(datetime(2026, 1, 2, tzinfo=timezone.utc) - timedelta(days=1)).isoformat()",
        "datetime.fromisoformat('2026-01-02T03:04:05+00:00').strftime('%Y/%m/%d %H:%M')",
    ):
        assert await there(sandbox, imports, expression) == here(imports, expression)


def test_a_rewritten_source_keeps_its_lines() -> None:
    """So that the line of an error is the author's."""
    scorer = compile_scorer(
        ENUMS + "from statistics import (\n    mean,\n    stdev,\n)\ndef scorer_fn(*, step_object): pass"
    )
    tree = ast.parse(scorer.code)
    lines = {node.name: node.lineno for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert lines == {"scorer_fn": ENUMS.count("\n") + 5}
    assert scorer.shims == {"enum", "statistics"}


def test_the_names_offered_are_those_of_the_modules() -> None:
    """Of CPython's and of ours."""
    for module, names in SHIMS.items():
        ours = importlib.import_module(f"evaluator.sandbox.shims.{module}")
        theirs = {"statistics": statistics, "string": string, "enum": enum}[module]
        assert [name for name in names if not hasattr(theirs, name) or not hasattr(ours, name)] == []
