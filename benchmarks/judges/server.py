"""The judge of these benchmarks, in a process of its own: the scripted one that ships; it fills any schema.

    python -m benchmarks.judges.server LATENCY_MS SHARE_429 SHARE_500

Prints its base URL; then, for each line that it reads, how many requests and faults there were since the last one.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from evaluator.judges.scripted import Asked, ScriptedJudge, completion
from evaluator.judges.scripted_faults import rate_limited, status

FILLING = "scripted " * 60
"""About 300 tokens with the rest, for the longest text of an answer."""


class ByTheSchema:
    """Answers with whatever a peer's schema asks for; fails by chance, with a seed."""

    def __init__(self, limited: float, failing: float) -> None:
        self.requests = self.faults = 0
        self._limited, self._failing = limited, failing
        self._random = random.Random(1)

    async def __call__(self, judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        """Answer one request."""
        self.requests += 1
        drawn = self._random.random()
        if drawn < self._limited + self._failing:
            self.faults += 1
            return await (rate_limited() if drawn < self._limited else status(500))(judge, request, asked)
        return completion(asked, filled(asked.schema or {}))


def filled(schema: Mapping[str, Any]) -> Any:
    """A value of a schema: the first label, true, 1, and words for texts."""
    if labels := schema.get("enum"):
        return labels[0]
    match schema.get("type"):
        case "object":
            return {name: filled(each) for name, each in schema.get("properties", {}).items()}
        case "boolean":
            return True
        case "integer" | "number":
            return 1
        case _:
            return FILLING


async def serve(latency_ms: float, limited: float, failing: float) -> None:
    """Until standard input ends."""
    behaviour = ByTheSchema(limited, failing)
    async with ScriptedJudge(latency_seconds=latency_ms / 1000.0) as judge:
        judge.always(behaviour)
        print(judge.base_url, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps({"requests": behaviour.requests, "faults": behaviour.faults}), flush=True)
            behaviour.requests = behaviour.faults = 0


if __name__ == "__main__":
    asyncio.run(serve(*(float(word) for word in sys.argv[1:])))
