"""Agreement of the tools that an agent called with those it was expected to call.

`expected` is JSON: a list of names, or of objects `{"name": …, "arguments": {…}}`, or an object that holds such a list
under `tool_calls` or `expected_tool_calls`.  Arguments that are not given may be any.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from evaluator.metrics.functions.function import Arguments, CodeFunction
from evaluator.metrics.material import Material
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.dialects.message import ToolCall
from storage.dialects.values import encode
from storage.model import Abstention, Outcome, OutputType, Score

MAX_CALLS = 2000
"""Expected and made calls are compared each with each."""
_LISTS = ("tool_calls", "expected_tool_calls")
_ANY = object()

Pairs = Sequence[Sequence[bool]]
"""Row per expected call, column per call that was made: whether the one is the other."""


def _agreement(measure: Callable[[int, int, int], float], *, ordered: bool = False) -> CodeFunction:
    def score(material: Material, arguments: Arguments) -> Outcome:
        wanted = expected_calls(material.inputs["expected"])
        if wanted is None:
            return Abstention(reason="no expected tool calls: `expected` must be a JSON list of names or of calls")
        made = calls_made(material)
        if max(len(wanted), len(made)) > MAX_CALLS:
            return Abstention(reason="too_long")
        pairs = [[_same(expected, call) for call in made] for expected in wanted]
        common = _in_order(pairs, len(made)) if ordered else _matched(pairs, len(made))
        said = (
            f"{common} of {len(wanted)} expected calls were made{' in order' if ordered else ''}, of {len(made)} in all"
        )
        return Score(value=measure(common, len(made), len(wanted)), explanation=said)

    return CodeFunction(inputs=("expected",), facts=_facts, output_type=OutputType.PERCENTAGE, score=score)


def precision(common: int, made: int, wanted: int) -> float:
    """Share of the calls made that were expected; of no calls, 1: none of them was wrong."""
    return common / made if made else 1.0


def recall(common: int, made: int, wanted: int) -> float:
    """Share of the expected calls that were made; 1 where none was expected."""
    return common / wanted if wanted else 1.0


def f1(common: int, made: int, wanted: int) -> float:
    """Harmonic mean of precision and recall; 1 where none was expected and none made."""
    return 2 * common / (made + wanted) if made + wanted else 1.0


def expected_calls(text: str) -> list[ToolCall] | None:
    """What `expected` names; None where it names no calls."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, Mapping):
        value = next((value[name] for name in _LISTS if name in value), None)
    if not isinstance(value, list):
        return None
    calls = [_expected(item) for item in value]
    return [call for call in calls if call is not None] if None not in calls else None


def _expected(item: object) -> ToolCall | None:
    match item:
        case str() if item:
            return ToolCall(name=item, arguments=_ANY)
        case {"name": str(name), "arguments": arguments} if name:
            return ToolCall(name=name, arguments=arguments)
        case {"name": str(name)} if name:
            return ToolCall(name=name, arguments=_ANY)
    return None


def calls_made(material: Material) -> list[ToolCall]:
    """Calls of a target in order: its tool spans, else what its models asked for."""
    match material.record:
        case SpanRecord() as span:
            return list(span.output_tool_calls)
        case TraceRecord() as trace:
            return list(_of_trace(trace))
        case SessionRecord() as session:
            return [call for trace in session.traces for call in _of_trace(trace)]


def _of_trace(trace: TraceRecord) -> Iterator[ToolCall]:
    spans = [span for span in trace.spans if span.duplicate_of is None]
    if ran := [span for span in spans if span.kind == "tool"]:
        yield from (ToolCall(name=span.tool_name or span.name, arguments=span.tool_arguments) for span in ran)
        return
    for span in spans:
        yield from span.output_tool_calls


def _same(expected: ToolCall, made: ToolCall) -> bool:
    if expected.name != made.name:
        return False
    if expected.arguments is _ANY:
        return True
    return (expected.arguments or {}) == (made.arguments or {})


def _matched(pairs: Pairs, made: int) -> int:
    """Most pairs with each call in one of them at most (Kuhn's algorithm, without recursion)."""
    holder: list[int | None] = [None] * made
    return sum(_find_place(row, pairs, holder) for row in range(len(pairs)))


def _find_place(row: int, pairs: Pairs, holder: list[int | None]) -> bool:
    came_from: dict[int, int] = {}
    waiting = [row]
    while waiting:
        at = waiting.pop()
        for column, fits in enumerate(pairs[at]):
            if not fits or column in came_from:
                continue
            came_from[column] = at
            if holder[column] is None:
                _reseat(column, row, came_from, holder)
                return True
            waiting.append(holder[column])  # type: ignore[arg-type]  # it is not None
    return False


def _reseat(column: int, row: int, came_from: Mapping[int, int], holder: list[int | None]) -> None:
    seats = {owner: place for place, owner in enumerate(holder) if owner is not None}
    while True:
        owner = came_from[column]
        before = seats.get(owner)
        holder[column] = owner
        if owner == row or before is None:
            return
        column = before


def _in_order(pairs: Pairs, made: int) -> int:
    """Length of the longest common subsequence."""
    lengths = [0] * (made + 1)
    for row in pairs:
        before = lengths
        lengths = [0]
        for column, fits in enumerate(row):
            lengths.append(before[column] + 1 if fits else max(before[column + 1], lengths[column]))
    return lengths[made]


def _facts(material: Material) -> str:
    return encode([[call.name, call.arguments] for call in calls_made(material)])


TOOL_CALLS: Mapping[str, CodeFunction] = {
    "tool_call_precision": _agreement(precision),
    "tool_call_recall": _agreement(recall),
    "tool_call_f1": _agreement(f1),
    "tool_call_order": _agreement(recall, ordered=True),
}
