"""A scripted judge, and judges that ask it without long pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from evaluator.judges.choose import Judges
from evaluator.judges.port import Question
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import ScriptedJudge

QUICK = Retries(max_tries=3, first_pause=0.01, longest_pause=1.0, call=5.0, whole=10.0)
SCHEMA = {
    "type": "object",
    "properties": {"rationale": {"type": "string"}, "verdict": {"type": "string", "enum": ["good", "bad"]}},
    "required": ["rationale", "verdict"],
    "additionalProperties": False,
}


@pytest.fixture
async def judge() -> AsyncIterator[ScriptedJudge]:
    """A judge server on loopback."""
    async with ScriptedJudge() as serving:
        yield serving


@pytest.fixture
async def judges(judge: ScriptedJudge) -> AsyncIterator[Judges]:
    """What the evaluator would be given, pointed at it."""
    async with Judges(model="openai/scripted", base_url=judge.base_url, api_key="key-1", retries=QUICK) as open_judges:
        yield open_judges


@pytest.fixture
def question() -> Question:
    """A question whose answer is one of two labels."""
    return Question(system="You judge.", user="Is it good?", schema=SCHEMA, parameters={"temperature": 0.5})
