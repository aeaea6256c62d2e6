"""What a scorer sees of its target, what it may return, and how it fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from steps import call, material_of, nested, scorer, session_of, span, trace_of

from evaluator.errors import InvalidDefinition
from evaluator.metrics.check import check
from evaluator.metrics.code.code_metric import code_metric, digest_of_code
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.sandbox.limits import Limits
from evaluator.sandbox.sandbox import Sandbox
from storage.dialects.message import Message
from storage.model import Abstention, Failure, OutputType, Score

EVERY_PLANE = "".join(chr(plane * 0x10000 + 0x1234) for plane in range(17)) + "\x00\x7f\u202e\ud800é"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Workers with short limits."""
    async with Sandbox(limits=Limits(seconds=2.0)) as opened:
        yield opened


async def seen(sandbox: Sandbox, material: Material, expression: str, **fields: object) -> Any:
    """What an expression over `step_object` gives in the sandbox, as JSON would show it."""
    source = (
        f"import json\ndef scorer_fn(*, step_object):\n    step = step_object\n    return json.dumps({expression})\n"
    )
    found = await code_metric(scorer(source, OutputType.TEXT, **fields), material, sandbox=sandbox)
    assert isinstance(found, Score), found
    return json.loads(found.text)


CONTENT = "[step.input.content, step.output.content]"


@pytest.mark.parametrize(
    ("kind", "expression", "expected"),
    [
        ("llm", CONTENT, ["What is my number?", "It is 123-45-6789."]),
        ("retriever", CONTENT, ["number", "one\n\ntwo"]),
        ("tool", CONTENT, ['{"user": 7}', '{"number": "123-45-6789"}']),
        ("agent", CONTENT, ["Ask the agent.", "The agent answers."]),
        ("embedding", "[step.input.content, step.input.texts, step.output.captured]", ["a\nb", ["a", "b"], False]),
        ("llm", "[[m.role, m.content] for m in step.input.messages]", [["user", "What is my number?"]]),
        ("retriever", "[[d.content, d.score] for d in step.output.documents]", [["one", 0.5], ["two", None]]),
        ("tool", "[step.tool_name, step.input.arguments, step.output.result]",
         ["look_up", {"user": 7}, {"number": "123-45-6789"}]),
        ("llm", "[step.type, step.name, step.id, step.status, step.error, step.duration_seconds, step.model]",
         ["llm", "step 1", "0000000000000001", "unset", None, 0.5, None]),
        ("llm", "[step.start_time.isoformat(), (step.end_time - step.start_time).total_seconds()]",
         ["2023-11-14T22:13:21+00:00", 0.5]),
    ],
)  # fmt: skip
async def test_each_kind_of_span_shows_what_went_in_and_came_out(
    sandbox: Sandbox, kind: str, expression: str, expected: object
) -> None:
    """`content` is text for every kind; what else there is depends on it."""
    assert await seen(sandbox, material_of(span(1, kind)), expression) == expected


async def test_facts_of_a_span_are_as_they_were_sent(sandbox: Sandbox) -> None:
    """What was not sent is None, never 0 or ''."""
    record = span(
        1, usage={"input_tokens": 3, "output_tokens": 4}, cost_usd=0.5, tags=("a", "b"), metadata={"k": {"n": [1]}},
        span_metadata={"own": True}, response_model="m-1", user_id="u", session_id="s", status="error",
        error_message="broken", output_tool_calls=(call("look_up", {"x": 1}),),
    )  # fmt: skip
    expression = (
        "[step.input_tokens, step.output_tokens, step.total_tokens, step.cost_usd, step.tags, step.metadata,"
        " step.model, step.user_id, step.session_id, step.status, step.error,"
        " [[c.name, c.arguments] for c in step.output.tool_calls]]"
    )
    assert await seen(sandbox, material_of(record), expression) == [
        3, 4, 7, 0.5, ["a", "b"], {"k": {"n": [1]}, "own": True}, "m-1", "u", "s", "error", "broken",
        [["look_up", {"x": 1}]],
    ]  # fmt: skip
    unsent = "[step.input_tokens, step.total_tokens, step.cost_usd, step.model, step.tool_name, step.expected]"
    assert await seen(sandbox, material_of(span(1)), unsent) == [None] * 6


async def test_spans_of_a_trace_are_flat_and_their_children_are_the_tree(sandbox: Sandbox) -> None:
    """In start order; the children of a trace are its roots."""
    material = material_of(nested())
    assert await seen(sandbox, material, "[[s.type, s.id[-1]] for s in step.spans]") == [
        ["agent", "1"], ["llm", "2"], ["retriever", "3"], ["embedding", "4"], ["tool", "5"], ["llm", "6"],
    ]  # fmt: skip
    tree = "[[c.id[-1] for c in s.children] for s in step.spans]"
    assert await seen(sandbox, material, tree) == [["2", "3", "5"], [], ["4"], [], ["6"], []]
    assert await seen(sandbox, material, "[s.id[-1] for s in step.children]") == ["1"]
    trace = nested()
    below = material_of(trace.spans[0], trace=trace)
    assert await seen(sandbox, below, "[[c.id[-1], len(c.children)] for c in step.children]") == [
        ["2", 0], ["3", 1], ["5", 1],
    ]  # fmt: skip
    assert await seen(
        sandbox, material_of(session_of(nested(1), nested(2))), "[len(t.spans) for t in step.traces]"
    ) == [
        6,
        6,
    ]


async def test_repeated_calls_are_left_out_and_what_is_below_them_stays(sandbox: Sandbox) -> None:
    """An outer span of the same call is no second call."""
    outer = span(2, "llm", parent=1, duplicate_of=f"{3:016x}")
    trace = trace_of(span(1, "agent"), outer, span(3, "llm", parent=2), span(4, "tool", parent=2))
    assert await seen(sandbox, material_of(trace), "[s.id[-1] for s in step.spans]") == ["1", "3", "4"]
    assert await seen(sandbox, material_of(trace), "[[c.id[-1] for c in s.children] for s in step.spans]") == [
        ["3", "4"], [], [],
    ]  # fmt: skip


async def test_a_chain_of_ten_thousand_spans_is_read(sandbox: Sandbox) -> None:
    """Every span below the one before: flat, and down the tree."""
    trace = trace_of(*(span(number, "other", parent=number - 1) for number in range(1, 10_001)))
    source = (
        "def scorer_fn(*, step_object):\n    step, depth = step_object.children[0], 1\n    while step.children:\n"
        "        step, depth = step.children[0], depth + 1\n"
        "    return [depth, len(step_object.spans)] == [10000, 10000]\n"
    )
    found = await code_metric(scorer(source, OutputType.BOOLEAN), material_of(trace), sandbox=sandbox)
    assert found == Score(value=1.0, label="true")


async def test_types_are_real_whether_they_are_imported_or_not(sandbox: Sandbox) -> None:
    """`isinstance` tells kinds, spans and levels apart."""
    for kind, name in {"llm": "LlmSpan", "retriever": "RetrieverSpan", "tool": "ToolSpan", "agent": "AgentSpan",
                       "chain": "ChainSpan", "reranker": "RerankerSpan", "other": "OtherSpan"}.items():  # fmt: skip
        ask = f"[isinstance(step, {name}), isinstance(step, Span), isinstance(step, Trace), type(step).__name__]"
        assert await seen(sandbox, material_of(span(1, kind)), ask) == [True, True, False, name]
    ask = "[isinstance(step, Trace), isinstance(step, Span), isinstance(step, Step)]"
    assert await seen(sandbox, material_of(nested()), ask) == [True, False, True]
    source = (
        "def scorer_fn(*, step_object):\n    from galileo import (\n        Session as S,\n        Trace,\n    )\n"
        "    import assay\n    return isinstance(step_object, S) and not isinstance(step_object, assay.Trace)\n"
    )
    found = await code_metric(scorer(source, OutputType.BOOLEAN), material_of(session_of(nested())), sandbox=sandbox)
    assert found == Score(value=1.0, label="true")


RESULTS = {
    "correctness": 0.5, "output_pii": Score(value=1.0, label="true"), "steps": 3.0,
    "stars": Score(value=2.0, label="2"),
    "tone": Score(value=None, label="kind"), "topics": Score(value=2.0, labels=("a", "b")), "note": Score(text="so"),
}  # fmt: skip


async def test_results_have_the_type_of_their_metric(sandbox: Sandbox) -> None:
    """Float, bool, int, text, list; by slug, display name or enum."""
    record = span(1)
    material = material_of(record, [(record, RESULTS)])  # type: ignore[list-item]
    required = (*RESULTS, "absent_here")
    names = ["Correctness", "output_pii", "steps", "stars", "tone", "topics", "note"]
    shown = await seen(sandbox, material, f"[step.metrics[n] for n in {names}]", required_metrics=required)
    assert shown == [0.5, True, 3, 2, "kind", ["a", "b"], "so"]
    assert [type(each) for each in shown] == [float, bool, int, int, str, list, str]
    asked = (
        "[sorted(step.metrics), step.metrics.get('absent_here'), step.metrics.get('absent_here', 7),"
        " 'absent_here' in step.metrics, 'Correctness' in step.metrics, 'undeclared' in step.metrics,"
        " dict(step.metrics.items())['note'], GalileoMetrics.correctness in step.metrics]"
    )
    assert await seen(sandbox, material, asked, required_metrics=required) == [
        sorted(RESULTS), None, 7, False, True, False, "so", True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return step_object.metrics['nothing']", "'nothing' is not in required_metrics; declared: correctness, tone"),
        ("return step_object.metrics.get('nothing')",
         "'nothing' is not in required_metrics; declared: correctness, tone"),
        ("return step_object.metrics['tone']", "'tone' has no result on this LlmSpan; ask `in` or `.get` first"),
        ("return step_object.children[0].metrics['correctness']",
         "'correctness' has no result on this child: a span sees no results but its own; ask `in` or `.get` first"),
    ],
)  # fmt: skip
async def test_a_result_that_is_not_there_is_an_error_that_says_why(sandbox: Sandbox, body: str, message: str) -> None:
    """Undeclared, not due, or of another span: three different things."""
    record, child = span(1), span(2, parent=1)
    given = [(record, {"correctness": 0.5}), (child, {"correctness": 0.9})]
    material = material_of(record, given, trace=trace_of(record, child))  # type: ignore[arg-type]
    found = await code_metric(scorer(body, required_metrics=("correctness", "tone@span")), material, sandbox=sandbox)
    assert found == Failure(code="SCORER_ERROR", message=f"line 2: KeyError: {message}")


NO_CONTENT: dict[str, object] = {"output_messages": (), "output_text": None, "input_messages": ()}


@pytest.mark.parametrize(
    "body",
    [
        "return len(step_object.output.content)",
        "try:\n    return len(step_object.output.content)\nexcept Exception:\n    return 0",
        "return len(getattr(step_object.output, 'content', ''))",
        "return 1 if hasattr(step_object.output, 'content') else 0",
        "return len(step_object.output.tool_calls)",
    ],
)
async def test_content_that_was_not_captured_is_never_an_empty_text(sandbox: Sandbox, body: str) -> None:
    """Whatever the scorer makes of the error: no number comes of what nobody recorded."""
    material = material_of(span(1, **NO_CONTENT))
    found = await code_metric(scorer(body, OutputType.COUNT), material, sandbox=sandbox)
    assert found == Abstention(reason="no output")


async def test_an_empty_answer_was_captured_and_a_scorer_may_ask_first(sandbox: Sandbox) -> None:
    """A model that only calls tools said nothing, and that is known."""
    said = span(1, output_text=None, output_messages=(Message(role="assistant", tool_calls=(call("f", {}),)),))
    assert await seen(sandbox, material_of(said), "[step.output.captured, step.output.content]") == [True, ""]
    trace = trace_of(span(1), span(2, **NO_CONTENT))
    ask = "[s.output.content if s.output.captured else None for s in step.spans]"
    assert await seen(sandbox, material_of(trace), ask) == ["It is 123-45-6789.", None]
    body = "return len(step_object.input.content)"
    found = await code_metric(scorer(body, OutputType.COUNT), material_of(span(1, **NO_CONTENT)), sandbox=sandbox)
    assert found == Abstention(reason="no input")


TONES = {"kind": 1.0, "rude": 0.0, "odd": None}


@pytest.mark.parametrize(
    ("output_type", "returned", "expected", "fields"),
    [
        (OutputType.PERCENTAGE, "1", Score(value=1.0), {}),
        (OutputType.PERCENTAGE, "(0.5, 'why')", Score(value=0.5, explanation="why"), {}),
        (OutputType.PERCENTAGE, "{'value': 0.5, 'explanation': 'why'}", Score(value=0.5, explanation="why"), {}),
        (OutputType.PERCENTAGE, "{'value': 0.5, 'label': 'half'}", Score(value=0.5, label="half"), {}),
        (OutputType.PERCENTAGE, "(1, 'x' * 20_000)", Score(value=1.0, explanation="x" * 10_000 + " … (cut)"), {}),
        (OutputType.BOOLEAN, "False, ''", Score(value=0.0, label="false"), {}),
        (OutputType.COUNT, "3.0", Score(value=3.0), {}),
        (OutputType.DISCRETE, "4", Score(value=4.0), {"minimum": 1, "maximum": 5}),
        (OutputType.DISCRETE, "2", Score(value=2.0, label="two"), {"labels": {"one": 1.0, "two": 2.0}}),
        (OutputType.NUMBER, "-2.5", Score(value=-2.5), {}),
        (OutputType.TEXT, "'said'", Score(text="said"), {}),
        (OutputType.CATEGORICAL, "'kind'", Score(value=1.0, label="kind"), {"labels": TONES}),
        (OutputType.CATEGORICAL, "{'label': 'odd', 'explanation': 'e'}", Score(label="odd", explanation="e"),
         {"labels": TONES}),
        (OutputType.MULTILABEL, "{'rude', 'odd'}", Score(value=1.0, labels=("rude", "odd")), {"labels": TONES}),
        (OutputType.MULTILABEL, "('kind', 'odd')", Score(value=2.0, labels=("kind", "odd")), {"labels": TONES}),
        (OutputType.MULTILABEL, "(['kind'], 'why')", Score(value=1.0, labels=("kind",), explanation="why"),
         {"labels": TONES}),
        (OutputType.MULTILABEL, "[]", Score(value=0.0), {"labels": TONES}),
    ],
)  # fmt: skip
async def test_what_is_returned_becomes_the_metrics_output_type(
    sandbox: Sandbox, output_type: OutputType, returned: str, expected: Score, fields: dict[str, object]
) -> None:
    """A value alone, with an explanation, or as a dict."""
    definition = scorer(f"return {returned}", output_type, **fields)
    check(replace(definition, name="mine"))
    assert await code_metric(definition, material_of(span(1)), sandbox=sandbox) == expected


@pytest.mark.parametrize(
    ("output_type", "returned", "message", "fields"),
    [
        (OutputType.PERCENTAGE, "float('nan')", "returned nan; a percentage metric takes a number from 0.0 to 1.0", {}),
        (OutputType.PERCENTAGE, "None", "returned None; a percentage metric takes a number from 0.0 to 1.0", {}),
        (OutputType.PERCENTAGE, "1.01", "returned 1.01; a percentage metric takes a number from 0.0 to 1.0", {}),
        (OutputType.PERCENTAGE, "True", "returned True; a percentage metric takes a number from 0.0 to 1.0", {}),
        (OutputType.PERCENTAGE, "'1'", "returned '1'; a percentage metric takes a number from 0.0 to 1.0", {}),
        (OutputType.BOOLEAN, "1", "returned 1; a boolean metric takes True or False", {}),
        (OutputType.COUNT, "-1", "returned -1; a count metric takes a whole number, 0 or more", {}),
        (OutputType.COUNT, "2.5", "returned 2.5; a count metric takes a whole number, 0 or more", {}),
        (OutputType.COUNT, "10 ** 5000",
         "returned a whole number of more than 20 digits; a count metric takes a whole number, 0 or more", {}),
        (OutputType.NUMBER, "float('inf')", "returned inf; a number metric takes a finite number from 0",
         {"minimum": 0.0}),
        (OutputType.DISCRETE, "6", "returned 6; a discrete metric takes a whole number from 1 up to 5",
         {"minimum": 1, "maximum": 5}),
        (OutputType.TEXT, "''", "returned ''; a text metric takes a text of 1 to 65,536 characters", {}),
        (OutputType.TEXT, "'x' * 70_000",
         "returned a text of 70,000 characters; a text metric takes a text of 1 to 65,536 characters", {}),
        (OutputType.CATEGORICAL, "'warm'", "returned the label 'warm'; offered are ['kind', 'odd', 'rude']",
         {"labels": TONES}),
        (OutputType.MULTILABEL, "['warm']", "returned the label 'warm'; offered are ['kind', 'odd', 'rude']",
         {"labels": TONES}),
        (OutputType.MULTILABEL, "'kind'",
         "returned 'kind'; a multilabel metric takes a list of ['kind', 'odd', 'rude']", {"labels": TONES}),
        (OutputType.PERCENTAGE, "{'score': 1}",
         "returned a dict with 'score'; it may have value, label and explanation",
         {}),
        (OutputType.PERCENTAGE, "{'value': 1, 'explanation': 5}",
         "returned 5 as explanation, which must be a text", {}),
    ],
)  # fmt: skip
async def test_what_the_metric_cannot_have_is_a_failure_that_says_what_it_takes(
    sandbox: Sandbox, output_type: OutputType, returned: str, message: str, fields: dict[str, object]
) -> None:
    """Never a 0, never rounded, never cut to fit."""
    found = await code_metric(
        scorer(f"return {returned}", output_type, **fields), material_of(span(1)), sandbox=sandbox
    )
    assert found == Failure(code="SCORER_BAD_RESULT", message=message)


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("while True: pass", "SCORER_TIMEOUT", "took more than 2 s of CPU"),
        ("x = 'a' * 10**10", "SCORER_MEMORY", "took more than 128 MB, what it reads of the target included"),
        ("def f(): return f()\nreturn f()", "SCORER_ERROR", "line 2: RecursionError: maximum recursion depth exceeded"),
        ("x = 1\nreturn x.nothing", "SCORER_ERROR", "line 3: AttributeError: 'int' object has no attribute 'nothing'"),
        ("raise ValueError('x' * 10**7)", "SCORER_ERROR", f"line 2: ValueError: {'x' * 1988} … (cut)"),
        ("return open('/etc/passwd').read()",
         "SCORER_ERROR", "line 2: PermissionError: Permission denied: '/etc/passwd'"),
        ("return 'x' * 10**7", "SCORER_BAD_RESULT", "returned a text of 10000000 characters; a scorer returns"),
        ("return step_object", "SCORER_BAD_RESULT", "returned a LlmSpan; a scorer returns"),
        ("return scorer_fn.__globals__",
         "SCORER_ERROR", "line 2: AttributeError: 'function' object has no attribute '__globals__'"),
        ("return step_object.__class__.__base__",
         "SCORER_ERROR", "line 2: AttributeError: type object 'LlmSpan' has no"),
        ("import os", "SCORER_ERROR", "line 2: module os is not available in the sandbox; it has base64,"),
        ("raise KeyboardInterrupt", "SCORER_ERROR", "line 2: KeyboardInterrupt"),
        ("return step_object.output.content.nope", "SCORER_ERROR", "line 2: AttributeError: 'str' object has no"),
    ],
)  # fmt: skip
async def test_a_runaway_or_hostile_scorer_ends_with_a_clear_failure(
    sandbox: Sandbox, source: str, code: str, said: str
) -> None:
    """With the author's own line, and the next target is scored as if nothing had been."""
    found = await code_metric(scorer(source), material_of(span(1)), sandbox=sandbox)
    assert isinstance(found, Failure)
    assert (found.code, found.retryable) == (code, False)
    assert found.message.startswith(said)
    assert await code_metric(scorer("return 1"), material_of(span(1)), sandbox=sandbox) == Score(value=1.0)


async def test_a_scorer_that_replaces_what_surrounds_it_only_fails_itself(sandbox: Sandbox) -> None:
    """What comes back is checked again on this side."""
    for trick in ("answer = _answer = lambda value: 5", "_answer = lambda value: ('value', [1])",
                  "tuple = list = dict = 5", "_answer = lambda value: ('several', 'x')",
                  "def _answer(value): return {1: {2: 3}}"):  # fmt: skip
        found = await code_metric(
            scorer(f"{trick}\ndef scorer_fn(*, step_object):\n    return [1]\n"), material_of(span(1)), sandbox=sandbox
        )
        assert isinstance(found, Failure)
        assert found.code in ("SCORER_BAD_RESULT", "SCORER_ERROR")


async def test_what_a_scorer_does_to_its_step_stays_with_it(sandbox: Sandbox) -> None:
    """The record, and the next scorer, see it as it was."""
    record = span(1, metadata={"k": [1]})
    material = material_of(record)
    body = "step_object.metadata['k'].append(2)\nstep_object.name = 'other'\nreturn len(step_object.metadata['k']) / 2"
    assert await code_metric(scorer(body), material, sandbox=sandbox) == Score(value=1.0)
    assert record.metadata == {"k": [1]}
    assert await seen(sandbox, material, "[step.name, step.metadata]") == ["step 1", {"k": [1]}]


async def test_text_of_every_plane_comes_through(sandbox: Sandbox) -> None:
    """What UTF-8 cannot hold is a question mark, and nothing fails."""
    record = span(1, output_text=EVERY_PLANE, name=EVERY_PLANE, metadata={EVERY_PLANE: EVERY_PLANE})
    clean = EVERY_PLANE.replace("\ud800", "?")
    shown = await seen(sandbox, material_of(record), "[step.output.content, step.name, step.metadata]")
    assert shown == [clean, clean, {clean: clean}]


async def test_deep_content_comes_through(sandbox: Sandbox) -> None:
    """What lies deeper than 64 levels is JSON text."""
    deep: object = "end"
    for _ in range(500):
        deep = [deep]
    found = await seen(sandbox, material_of(span(1, "tool", tool_result=deep)), "step.output.result")
    for _ in range(64):
        (found,) = found
    assert isinstance(found, str)
    assert found.startswith("[[[[")


async def test_many_scorers_at_once_all_get_their_own_answer(sandbox: Sandbox) -> None:
    """More than there are workers."""
    definition = scorer("return int(step_object.id, 16) / 100")
    found = await asyncio.gather(
        *(code_metric(definition, material_of(span(number)), sandbox=sandbox) for number in range(1, 60))
    )
    assert found == [Score(value=number / 100) for number in range(1, 60)]


def test_only_what_a_source_reads_makes_its_digest() -> None:
    """So a result is reused where nothing that matters changed, and is not where a required result did."""
    definition = scorer("return len(step_object.output.content) * step_object.metrics['correctness']",
                        required_metrics=("correctness",))  # fmt: skip
    record = span(1)
    same = digest_of_code(definition, material_of(record, [(record, {"correctness": 0.5})]))
    renamed = span(1, tags=("new",), cost_usd=1.0)
    assert digest_of_code(definition, material_of(renamed, [(renamed, {"correctness": 0.5})])) == same
    assert digest_of_code(definition, material_of(record, [(record, {"correctness": 0.6})])) != same
    other = span(1, output_text="other")
    assert digest_of_code(definition, material_of(other, [(other, {"correctness": 0.5})])) != same


def refused(definition: MetricDefinition) -> InvalidDefinition:
    """Why it cannot be saved."""
    with pytest.raises(InvalidDefinition) as found:
        check(definition)
    return found.value


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def scorer_fn(*, step_object):\n    return (1\n", "line 2: is not Python: '(' was never closed"),
        ("x = 1", "defines no `def scorer_fn(*, step_object, **kwargs)`"),
        ("def scorer_fn(*, step):\n    pass", "line 1: scorer_fn must take the keyword step_object"),
        ("def scorer_fn(step_object, more):\n    pass",
         "line 1: scorer_fn is called with step_object alone; more needs a default"),
        ("async def scorer_fn(*, step_object):\n    pass", "line 1: scorer_fn must be a plain function, `def`"),
        ("def scorer_fn(*, step_object):\n    yield 1",
         "line 2: generators (`yield`) are not available in the sandbox"),
        ("class A(dict): pass\ndef scorer_fn(*, step_object): pass",
         "line 1: classes cannot inherit in the sandbox (enums can)"),
        ("from galileo import Nothing\ndef scorer_fn(*, step_object): pass",
         "line 1: galileo has no Nothing here; it has"),
        ("from statistics import kde\ndef scorer_fn(*, step_object): pass",
         "line 1: statistics has no kde here; it has"),
        ("import numpy\ndef scorer_fn(*, step_object): pass",
         "line 1: module numpy is not available in the sandbox; it has"),
        ("def scorer_fn(*, step_object): pass\n\x00", "is not Python: source code string cannot contain null bytes"),
        ("(" * 50_000, "line 1: is not Python: too many nested parentheses"),
        ("#" * 2**20, "has 1,048,576 characters; at most 100,000 are accepted"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_run_is_refused_when_it_is_saved(source: str, reason: str) -> None:
    """With the line, and what to write instead."""
    error = refused(replace(scorer("return 1"), source=source))
    assert error.field == "metric.source"
    assert error.reason.startswith(reason)


def test_a_code_metric_has_a_source_or_a_function() -> None:
    """One of them."""
    assert refused(replace(scorer("return 1"), source="")).field == "metric.source"
    both = replace(scorer("return 1", OutputType.COUNT), function="response_length")
    assert refused(both).field == "metric.source"
    assert refused(replace(scorer("return 1"), prompt="{{output}}")).field == "metric.prompt"


async def test_without_a_sandbox_users_code_is_a_failure() -> None:
    """In a process that has none."""
    assert await code_metric(scorer("return 1"), material_of(span(1))) == Failure(
        code="SCORER_UNAVAILABLE", message="users' code does not run here"
    )
