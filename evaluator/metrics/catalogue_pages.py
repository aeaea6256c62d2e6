"""docs/metrics/: a page for each built-in metric and an index, made from the catalogue's data files.

`python -m evaluator.metrics.catalogue_pages` writes them; a test makes them again and compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from evaluator.metrics import packs
from evaluator.metrics.catalogue import builtin_metrics, groups, variants, written_aliases
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.functions.shipped import FUNCTIONS
from evaluator.metrics.judging import template
from storage.model import Level, MetricKind, OutputType

FOLDER: Final = Path(__file__).parents[2] / "docs" / "metrics"
_MADE: Final = (
    "<!-- Made by `python -m evaluator.metrics.catalogue_pages`; edit the catalogue's YAML files instead. -->"
)
_OWN: Final = Path(__file__).parent / "catalogue" / "own.md"
_MAX_CELL: Final = 160
_ANSWERS: Final[Mapping[OutputType, str]] = {
    OutputType.BOOLEAN: "true (1) or false (0)",
    OutputType.PERCENTAGE: "0.0 to 1.0",
    OutputType.COUNT: "a whole number",
    OutputType.NUMBER: "a number",
    OutputType.CATEGORICAL: "a label",
}
_DIRECTION: Final = {True: "higher is better", False: "lower is better", None: "neither is better"}


def pages() -> Mapping[str, str]:
    """File name -> text of every page."""
    metrics = {metric.name: metric for metric in builtin_metrics()}
    made = {f"{name}.md": _page(metric) for name, metric in metrics.items() if name not in variants()}
    return {"README.md": _index(metrics), **made}


def write(folder: Path = FOLDER) -> None:
    """Write every page, and remove those of metrics that are no more."""
    made = pages()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (path for path in folder.glob("*.md") if path.name not in made):
        stale.unlink()
    for name, text in made.items():
        folder.joinpath(name).write_text(text, encoding="utf-8")


def _index(metrics: Mapping[str, MetricDefinition]) -> str:
    lines = [
        _MADE,
        "",
        "# Built-in metrics",
        "",
        f"{len(metrics)} metrics ship; `assay metric list` shows them. Each has a pack of obvious cases: targets of",
        "which the right result is plain. [How to write your own](#your-own) is below.",
    ]
    for heading, names in groups().items():
        lines += [
            "",
            f"## {heading}",
            "",
            "| metric | kind | levels | answers | what it measures |",
            "|---|---|---|---|---|",
        ]
        lines += [_index_row(metrics[name]) for name in names]
    lines += ["", "## Other names", "", "A name of another product finds the metric that means the same.", ""]
    lines += ["| name | metric |", "|---|---|"]
    lines += [f"| `{name}` | {_link(slug)} |" for name, slug in sorted(written_aliases().items(), key=_caseless)]
    lines += ["", "## Your own", "", _OWN.read_text(encoding="utf-8").rstrip("\n")]
    return "\n".join(lines) + "\n"


def _index_row(metric: MetricDefinition) -> str:
    also = _variants_of(metric.name)
    name = f"[`{metric.name}`]({metric.name}.md)" + "".join(f", `{each}`" for each in also)
    measured = metric.description.split(". ")[0].rstrip(".")
    return f"| {name} | {metric.kind} | {_levels(metric)} | {metric.output_type} | {_cell(measured, 400)} |"


def _page(metric: MetricDefinition) -> str:
    lines = [_MADE, "", f"# {metric.display_name}", "", metric.description, "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in _facts(metric) if value]
    lines += _arguments(metric)
    if metric.prompt:
        lines += ["", "## Prompt", "", "```text", metric.prompt.rstrip("\n"), "```"]
    lines += _cases(metric)
    return "\n".join(lines) + "\n"


def _facts(metric: MetricDefinition) -> Iterator[tuple[str, str]]:
    yield "name", f"`{metric.name}`"
    yield "kind", f"{metric.kind}" + (", no model is asked" if metric.kind is MetricKind.CODE else "")
    yield "levels", _levels(metric)
    if Level.SPAN in metric.levels:
        yield "kinds of span", _code(metric.span_kinds) or "every kind"
    yield "output type", f"{metric.output_type}: {_answers(metric)}; {_DIRECTION[metric.higher_is_better]}"
    yield "passes from", "" if metric.threshold is None else f"{metric.threshold:g}"
    yield "unit", f"`{metric.unit}`" if metric.unit else ""
    needs, reads = _inputs(metric)
    yield "needs", _code(needs)
    yield "reads where there", _code(reads)
    yield "also called", _code(name for name, slug in sorted(written_aliases().items()) if slug == metric.name)
    yield "variants", _code(_variants_of(metric.name))
    yield "from", metric.reference


def _inputs(metric: MetricDefinition) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Inputs that must be there, and those that may be."""
    if metric.function:
        function = FUNCTIONS[metric.function]
        return function.inputs, function.reads
    slots = [part for part in template.parse(metric.prompt, metric.arguments).parts if isinstance(part, template.Slot)]
    needs = dict.fromkeys(slot.name for slot in slots if not slot.optional)
    return tuple(needs), tuple(dict.fromkeys(slot.name for slot in slots if slot.name not in needs))


def _answers(metric: MetricDefinition) -> str:
    if metric.labels:
        return ", ".join(name if value is None else f"{name} ({value:g})" for name, value in metric.labels.items())
    return _ANSWERS[metric.output_type]


def _arguments(metric: MetricDefinition) -> list[str]:
    if metric.function:
        taken = {name: each.description for name, each in FUNCTIONS[metric.function].parameters.items()}
    else:
        taken = dict.fromkeys(metric.arguments, "Text, or a list of texts.")
    if not taken:
        return []
    rows = [f"| `{name}` | {text} |" for name, text in taken.items()]
    named = next(iter(taken))
    body = f"function: {metric.function}" if metric.function else "prompt: …  # as below"
    example = [
        "A metric of your own gives them:", "", "```yaml", f"name: my_{metric.name}", f"kind: {metric.kind}",
        f"levels: [{metric.levels[0]}]", f"output_type: {metric.output_type}", body,
        f"arguments: {{{named}: …}}", "```",
    ]  # fmt: skip
    return ["", "## Arguments", "", "| argument | what it is |", "|---|---|", *rows, "", *example]


def _cases(metric: MetricDefinition) -> list[str]:
    pack = packs.load(metric.name)
    lines = ["", "## Obvious cases", "", "| case | must be |", "|---|---|"]
    return lines + [f"| {_cell(case.name)} | {_cell(_expected(case))} |" for case in pack.cases]


def _expected(case: packs.Case) -> str:
    match case.expected:
        case None:
            return f"not applicable: {case.abstains}"
        case bool():
            return str(case.expected).lower()
        case float():
            return f"{case.expected:g}"
        case label:
            return label


def _levels(metric: MetricDefinition) -> str:
    return ", ".join(metric.levels)


def _variants_of(name: str) -> list[str]:
    return sorted(variant for variant, base in variants().items() if base == name)


def _link(slug: str) -> str:
    return f"[`{slug}`]({variants().get(slug, slug)}.md)"


def _caseless(item: tuple[str, str]) -> str:
    return item[0].casefold()


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str, longest: int = _MAX_CELL) -> str:
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"


if __name__ == "__main__":
    write()
