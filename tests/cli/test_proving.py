"""`assay metric prove`: the real command against a judge on loopback, without a service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from running_installation import judged_by, scripted_judge

from evaluator.judges import fence
from evaluator.judges.scripted import Asked, ScriptedJudge, completion
from evaluator.metrics import packs

PACK = packs.load("refusal")
BY_INPUTS = {json.dumps(sorted(case.inputs.items())): case for case in PACK.cases}


@pytest.fixture
def judge() -> Iterator[ScriptedJudge]:
    """A judge that knows the pack."""
    with scripted_judge() as server:
        server.always(_knows)
        yield server


async def _knows(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
    case = BY_INPUTS[json.dumps(sorted(fence.contents(asked.prompt).items()))]
    return completion(asked, {"rationale": "it is plain", "verdict": case.expected})


async def _contrary(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
    case = BY_INPUTS[json.dumps(sorted(fence.contents(asked.prompt).items()))]
    return completion(asked, {"rationale": "it is not", "verdict": not case.expected})


def prove(judge: ScriptedJudge, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    command = [sys.executable, "-m", "assay", "metric", "prove", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | judged_by(judge), timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_a_judge_that_knows_every_case_agrees_with_the_whole_pack(judge: ScriptedJudge) -> None:
    """Each case is asked once, and the rows say what was concluded."""
    code, out, _ = prove(judge, "refusal", "--at-least", "1", "--json")
    found: dict[str, Any] = json.loads(out)
    assert (code, found["agreeing"]) == (0, len(PACK.cases))
    assert [row["case"] for row in found["cases"]] == [case.name for case in PACK.cases]
    assert all(row["agrees"] for row in found["cases"])
    assert len(judge.requests) == len([case for case in PACK.cases if not case.abstains])


def test_a_judge_that_is_wrong_is_shown_case_by_case_and_fails_the_bound(judge: ScriptedJudge) -> None:
    """What it concluded stands beside what was expected; exit code 1."""
    judge.always(_contrary)
    code, out, errors = prove(judge, "refusal", "--at-least", "0.9")
    judged = [case for case in PACK.cases if not case.abstains]
    assert code == 1
    assert f"{len(PACK.cases) - len(judged)} of {len(PACK.cases)} agree" in out
    assert all(case.name in out for case in judged)
    assert "90% were asked for" in errors


def test_a_metric_without_a_pack_is_a_usage_error(judge: ScriptedJudge) -> None:
    """Nothing is asked."""
    code, _, errors = prove(judge, "no_such_metric")
    assert (code, judge.requests) == (2, type(judge.requests)())
    assert "no_such_metric" in errors
    assert "assay metric list" in errors
