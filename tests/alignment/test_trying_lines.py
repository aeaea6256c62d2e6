"""Sets of lines, tried on rows through the judge path; a scripted judge that obeys one line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from optimizing_parts import row

from benchmarks.align_parts import Asked, Quiet, asked, metric
from evaluator.alignment.model import Row
from evaluator.alignment.optimizing.claim import Claim
from evaluator.alignment.optimizing.dvg import DistillVerifyGate
from evaluator.alignment.optimizing.trying import Trial
from evaluator.judges import fence
from evaluator.judges.scripted import Asked as Arrived
from evaluator.judges.scripted import ScriptedJudge, completion
from evaluator.metrics.definition import MetricDefinition
from storage.model import OutputType, Score

SHOUTING = "Replies that shout are rude."
LABELLED = replace(metric(), output_type=OutputType.MULTILABEL, labels={"rude": None, "short": None})


async def _obeys(judge: ScriptedJudge, request: web.Request, asked: Arrived) -> web.StreamResponse:
    """`short` always; `rude` where a reply shouts, once a line says so.  As a reflection model it writes that line."""
    schema = asked.schema or {}
    if "guidelines" in schema.get("properties", {}):
        return completion(asked, {"guidelines": [{"guideline_text": SHOUTING, "source_row_ids": [0, 1]}]})
    told, shouts = SHOUTING in asked.prompt, "!" in fence.contents(asked.prompt)["output"]
    verdict = ["short", "rude"] if told and shouts else ["short"]
    if schema["properties"]["verdict"]["type"] == "boolean":
        return completion(asked, {"rationale": "", "verdict": not (told or shouts)})
    return completion(asked, {"rationale": "", "verdict": verdict})


@asynccontextmanager
async def scripted(definition: MetricDefinition, rows: list[Row]) -> AsyncIterator[Asked]:
    """The judge path, with that judge at its end."""
    async with ScriptedJudge() as judge, asked(judge.base_url, definition, rows) as models:
        judge.always(_obeys)
        yield models


def _multilabel(number: int) -> Row:
    shouts = number % 2 == 0
    found = row(number, text=f"Reply {number}{'!' if shouts else '.'}")
    expected = Score(value=2.0, labels=("rude", "short")) if shouts else Score(value=1.0, labels=("short",))
    return replace(found, expected=expected, inputs={"input": "A question.", **found.inputs})


async def test_several_labels_are_aligned_by_the_share_that_is_shared() -> None:
    """Half of the rows lack one of two labels: 0.75 before, all right after, on rows that are held out in turn."""
    rows = [_multilabel(number) for number in range(16)]
    async with scripted(LABELLED, rows) as models:
        found = await DistillVerifyGate().optimize(
            LABELLED, rows, delta=None, judge=models.judge, reflector=models.reflector, steps=Quiet(), seed=1
        )
    assert (found.design, found.in_sample_before, found.in_sample_after) == ("cross-fit, 4 folds", 0.75, 1.0)
    [line] = found.lines
    assert (line.guideline.text, line.fixed, line.broken, line.needs_decision) == (SHOUTING, 8, 0, "")
    assert line.guideline.support == len(line.guideline.feedback_ids) > 0
    assert all(result.after == (result.after[0],) * 2 for result in found.rows)
    assert [result.after[0].labels for result in found.rows if isinstance(result.after[0], Score)] == [
        result.row.expected.labels for result in found.rows
    ]


@pytest.mark.parametrize(("expected", "judges_nothing"), [((True, False), True), ((False, False), False)])
async def test_lines_that_give_one_verdict_to_everything_judge_nothing(
    expected: tuple[bool, bool], judges_nothing: bool
) -> None:
    """In whatever words it comes: where people expect several verdicts, one for all is no criterion."""
    rows = [
        replace(found, inputs={"input": "A question.", **found.inputs})
        for found in (row(k, text=f"Reply {k}{'!' if k % 2 else '.'}", expected=expected[k % 2]) for k in range(6))
    ]
    async with scripted(metric(), rows) as models:
        trial = Trial(metric(), models.judge, None)
        nothing, all_false = await trial.of((), rows), await trial.of([Claim(text=SHOUTING)], rows)
    assert not trial.says_one_thing(rows, nothing)
    assert trial.says_one_thing(rows, all_false) is judges_nothing
    assert json.dumps(nothing.score) == json.dumps(1.0 if expected == (True, False) else 0.5)
