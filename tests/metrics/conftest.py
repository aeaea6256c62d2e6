"""A scripted judge and what a metric is concluded with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from evaluator.judges.choose import Judges
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import ScriptedJudge


@pytest.fixture
async def judge() -> AsyncIterator[ScriptedJudge]:
    """A judge server on loopback."""
    async with ScriptedJudge() as serving:
        yield serving


@pytest.fixture
async def judges(judge: ScriptedJudge) -> AsyncIterator[Judges]:
    """Pointed at the server, with short pauses."""
    retries = Retries(max_tries=2, first_pause=0.01, longest_pause=0.1, call=1.0, whole=5.0)
    async with Judges(model="openai/scripted", base_url=judge.base_url, retries=retries) as open_judges:
        yield open_judges
