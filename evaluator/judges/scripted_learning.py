"""A scripted judge that can be taught, with its reflection model: `judge.always(learning)`.

Its rule, deterministic, beside that of `scripted`:
1. A guideline says what follows from words: `An answer that says "capital of" should be false.`  Where the fenced
   `output` has the quoted words, the verdict is the best one (true) or the worst one (false); of several such lines the
   last counts.
2. Asked to reflect, it makes such a line of every explanation that has words in double quotes and says `should be true`
   or `should be false`.  Others teach it nothing.
"""

from __future__ import annotations

import re

from aiohttp import web

from evaluator.judges import fence
from evaluator.judges.scripted import Asked, ScriptedJudge, by_rule, completion, verdict_of

_LESSON = re.compile(r'"(?P<words>[^"\n]{2,80})"')
_VERDICT = re.compile(r"should be (?P<verdict>true|false)", re.IGNORECASE)
_LINE = re.compile(r"^\d+\. (?P<text>.+)$", re.MULTILINE)
_CASE = re.compile(r"^Case (?P<number>\d+):", re.MULTILINE)
_EXPLANATION = re.compile(r'<data-[0-9a-f]+ name="explanation">\n(?P<text>.*?)\n</data-', re.DOTALL)


async def learning(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
    """The rule above; what no guideline speaks about is judged by `by_rule`."""
    if "guidelines" in ((asked.schema or {}).get("properties") or {}):
        return completion(asked, {"guidelines": _reflected(asked.prompt)})
    output = fence.contents(asked.prompt).get("output", "").lower()
    for line in reversed(_LINE.findall(asked.prompt)):
        words, verdict = _LESSON.search(line), _VERDICT.search(line)
        if words and verdict and words["words"].lower() in output:
            share = float(verdict["verdict"].lower() == "true")
            rationale = f"scripted verdict: the output says {words['words']!r}, and a guideline speaks of that"
            return completion(asked, {"rationale": rationale, "verdict": verdict_of(asked.schema, share)})
    return await by_rule(judge, request, asked)


def _reflected(material: str) -> list[dict[str, object]]:
    """A line for every lesson, with the cases that teach it."""
    sources: dict[str, list[int]] = {}
    starts = list(_CASE.finditer(material))
    for place, start in enumerate(starts):
        end = starts[place + 1].start() if place + 1 < len(starts) else len(material)
        for explanation in _EXPLANATION.findall(material, start.end(), end):
            words, verdict = _LESSON.search(explanation), _VERDICT.search(explanation)
            if words and verdict:
                text = f'An answer that says "{words["words"].lower()}" should be {verdict["verdict"].lower()}.'
                sources.setdefault(text, []).append(int(start["number"]))
    return [
        {
            "guideline_text": text,
            "source_row_ids": numbers,
            "criterion": "words of the answer",
            "direction": "better" if text.endswith("true.") else "worse",
        }
        for text, numbers in sources.items()
    ]
