"""What is doubtful about a definition though it is accepted."""

from __future__ import annotations

from evaluator.metrics.composite.reading import reads_of
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import BUILTIN, slug_of


def doubts(definition: MetricDefinition) -> tuple[str, ...]:
    """Sentences for the author: what is required and never read, or read where nothing is required."""
    if not definition.source:
        return ()
    reads = reads_of(definition.source, definition.levels[0])
    if reads is None or any(read.name is None for read in reads):
        return ()
    if not definition.required_metrics:
        names = dict.fromkeys(read.name for read in reads if read.name is not None)
        return tuple(f"the source reads metric {name!r}, which is not in required_metrics" for name in names)
    read_slugs = {slug_of(read.name.removeprefix(BUILTIN).partition("@")[0]) for read in reads if read.name is not None}
    return tuple(
        f"required metric {required!r} is never read by the source: it is computed and paid for all the same, and a "
        "target on which it does not succeed gets no result"
        for required in definition.required_metrics
        if slug_of(required.partition("@")[0].removeprefix(BUILTIN)) not in read_slugs
    )
