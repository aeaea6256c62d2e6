"""A judge and a reflection model that ship: what they say is plain, and how often they are asked is counted.

The judge says `true` of everything, until a guideline tells it what `LINE` says: then it reads.  The reflection model
has one line to offer.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence

from aiohttp import web

from evaluator.alignment.model import Row
from evaluator.judges import fence
from evaluator.judges.scripted import Asked, Behaviour, ScriptedJudge, completion
from storage.model import Level, Score, TargetRef

LINE = "A reply that is rude to the customer is not good."


def is_reflection(asked: Asked) -> bool:
    """Whether the reflection model is asked."""
    return str(asked.body["model"]) == "sim-reflect"


def plain_models(*, judge: Behaviour | None = None, reflection: Behaviour | None = None, line: str = LINE) -> Behaviour:
    """Both models as a behaviour of the scripted server; either can be another one."""

    async def answer(server: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if is_reflection(asked):
            if reflection is not None:
                return await reflection(server, request, asked)
            lines = [{"guideline_text": line, "source_row_ids": [0], "criterion": "tone", "direction": "worse"}]
            return completion(asked, {"guidelines": lines})
        if judge is not None:
            return await judge(server, request, asked)
        rude = "rude" in fence.contents(asked.prompt).get("output", "")
        return completion(asked, {"rationale": "as told", "verdict": not (line in asked.prompt and rude)})

    return answer


def plain_rows(n: int, *, wrong: int | None = None, first: int = 0) -> list[Row]:
    """Cases of which the first `wrong` (a half, unless said) are rude, so that the judge is wrong about them."""
    rude = n // 2 if wrong is None else wrong
    return [_row(first + number, rude=number < rude) for number in range(n)]


def _row(number: int, *, rude: bool) -> Row:
    word = hashlib.blake2b(str(number).encode(), digest_size=6).hexdigest()
    return Row(
        row_id=f"case {number}",
        target=TargetRef(level=Level.TRACE, trace_id=f"{number + 1:032x}"),
        group=f"case {number}",
        expected=Score(value=float(not rude), label=str(not rude).lower()),
        feedback_ids=(),
        rationales=(f"Being rude to the customer is not good, as in {word}.",) if rude else (),
        inputs={"input": f"case {word} asks", "output": f"a {'rude' if rude else 'kind'} reply to {word}"},
    )


def asked_twice(server: ScriptedJudge) -> Counter[str]:
    """Questions that arrived more than once, by their text."""
    texts = Counter(json.dumps(asked.body["messages"], sort_keys=True) for asked in server.requests)
    return Counter({text: number for text, number in texts.items() if number > 1})


def judged(server: ScriptedJudge) -> Sequence[Asked]:
    """Questions to the judge."""
    return [asked for asked in server.requests if not is_reflection(asked)]


def reflected(server: ScriptedJudge) -> Sequence[Asked]:
    """Questions to the reflection model."""
    return [asked for asked in server.requests if is_reflection(asked)]
