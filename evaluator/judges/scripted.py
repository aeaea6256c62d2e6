"""A judge server that ships: speaks the OpenAI wire on loopback and answers by rule, without a model.

The demo uses it where no model is configured, the tests use it for everything.  Its rule, deterministic:
1. The fenced `input` asks one of `KNOWN`: the best verdict if the fenced `output` names the answer, else the worst.
2. Anything else: a verdict drawn by a digest of what is fenced.
Its rationale always begins with "scripted verdict".
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

from aiohttp import web

from evaluator.judges import fence

KNOWN: Mapping[str, str] = {
    "capital of france": "paris",
    "capital of germany": "berlin",
    "capital of italy": "rome",
    "capital of japan": "tokyo",
    "capital of spain": "madrid",
    "2 + 2": "4",
    "2+2": "4",
    "romeo and juliet": "shakespeare",
}
KEPT_REQUESTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it arrived.  `headers` have lower-case names."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def prompt(self) -> str:
        """The user's first message: what was asked before anything was sent back."""
        content = next(message["content"] for message in self.body["messages"] if message["role"] == "user")
        if isinstance(content, str):
            return content
        return "".join(part.get("text", "") for part in content)

    @property
    def tool(self) -> Mapping[str, Any] | None:
        """The function that must be called; None = none."""
        choice = self.body.get("tool_choice")
        name = (choice.get("function") or {}).get("name") if isinstance(choice, dict) else None
        functions = (tool["function"] for tool in self.body.get("tools") or ())
        return next((function for function in functions if function["name"] == name), None)

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON schema of `response_format`, or of the function that must be called; None = answer as you like."""
        wanted = self.body.get("response_format") or {}
        found = (wanted.get("json_schema") or {}).get("schema") or (self.tool or {}).get("parameters")
        return found if isinstance(found, dict) else None


Behaviour: TypeAlias = Callable[["ScriptedJudge", web.Request, Asked], Awaitable[web.StreamResponse]]


class ScriptedJudge:
    """`async with ScriptedJudge() as judge:` serves at `judge.base_url` until the block ends.

    Args:
        port: 0 = any free one.
        latency_seconds: How long every answer takes.

    Attributes:
        requests: What arrived, oldest first; the newest 10,000.
        asked: Set when something arrived.
        hung_up: Set when a caller closed its connection before the answer.
        in_flight, most_in_flight: Requests that are being answered, now and at most.
    """

    def __init__(self, *, port: int = 0, latency_seconds: float = 0.0) -> None:
        self.requests: deque[Asked] = deque(maxlen=KEPT_REQUESTS)
        self.hung_up = asyncio.Event()
        self.asked = asyncio.Event()
        self.in_flight = self.most_in_flight = 0
        self._port = port
        self._latency_seconds = latency_seconds
        self._next: deque[Behaviour] = deque()
        self._always: Behaviour = by_rule
        self._runner: web.AppRunner | None = None

    def then(self, *behaviours: Behaviour) -> None:
        """Queue behaviours, one for each coming request; see `scripted_faults`."""
        self._next.extend(behaviours)

    def always(self, behaviour: Behaviour) -> None:
        """What to do with requests that nothing is queued for (`by_rule` unless said)."""
        self._always = behaviour

    @property
    def base_url(self) -> str:
        """For `ASSAY_JUDGE_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(body=await request.json(), headers={k.lower(): v for k, v in request.headers.items()})
        self.requests.append(asked)
        self.asked.set()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        behaviour = self._next.popleft() if self._next else self._always
        try:
            await asyncio.sleep(self._latency_seconds)
            return await behaviour(self, request, asked)
        except asyncio.CancelledError:
            self.hung_up.set()
            raise
        finally:
            self.in_flight -= 1


async def by_rule(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
    """The rule above."""
    rationale, share = ruling(fence.contents(asked.prompt))
    return completion(asked, {"rationale": rationale, "verdict": verdict_of(asked.schema, share)})


def ruling(content: Mapping[str, str]) -> tuple[str, float]:
    """Rationale, and how good the content is in [0.0, 1.0], by the rule above."""
    question, answer = content.get("input", "").lower(), content.get("output", "").lower()
    for asked, wanted in KNOWN.items():
        if asked in question:
            right = wanted in answer
            return f"scripted verdict: the output {'names' if right else 'does not name'} {wanted!r}", float(right)
    digest = hashlib.blake2b(json.dumps(dict(content), sort_keys=True).encode(), digest_size=2).digest()
    return "scripted verdict: drawn by a digest of the content", int.from_bytes(digest, "big") / 0xFFFF


def verdict_of(schema: Mapping[str, Any] | None, share: float) -> object:
    """A verdict of the type that the schema offers: a label from the last (0.0) to the first (1.0), so many of the
    labels that may be several, a text; else a number."""
    wanted = ((schema or {}).get("properties") or {}).get("verdict") or {}
    if labels := wanted.get("enum"):
        return labels[round((1.0 - share) * (len(labels) - 1))]
    offered = (wanted.get("items") or {}).get("enum") or ()
    verdicts: dict[str, object] = {
        "boolean": share >= 0.5,
        "integer": round(share * 10),
        "array": list(offered[: round(share * len(offered))]),
        "string": f"scripted text, {share:.2f}",
    }
    return verdicts.get(wanted.get("type", ""), round(share, 2))


def completion(asked: Asked, message: object, *, finish_reason: str = "stop", sure: float = 0.9) -> web.Response:
    """A chat completion whose content is `message`, as JSON unless it is text already.

    An object goes into the call of the tool, where one must be called.

    Args:
        sure: Probability of each word of the verdict, where log-probabilities are asked for; all others have 1.
    """
    content = message if isinstance(message, str) else json.dumps(message)
    read, written = len(json.dumps(asked.body["messages"])) // 4, len(content) // 4
    said: dict[str, Any] = {"role": "assistant", "content": content}
    if asked.tool is not None and not isinstance(message, str):
        call = {"name": asked.tool["name"], "arguments": content}
        said |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
    choice: dict[str, Any] = {"index": 0, "message": said, "finish_reason": finish_reason}
    if asked.body.get("logprobs") is True and said["content"] is not None:
        choice["logprobs"] = {"content": _tokens(content, message, sure)}
    return web.json_response(
        {
            "id": "scripted",
            "object": "chat.completion",
            "created": 0,
            "model": asked.body.get("model", "scripted"),
            "choices": [choice],
            "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
        }
    )


def _tokens(content: str, message: object, sure: float) -> list[dict[str, Any]]:
    """Words and signs; those after the key of the verdict are less than certain if they are words."""
    decided = content.rfind('"verdict"') + len('"verdict"') if isinstance(message, dict) else len(content)
    tokens = []
    for found in re.finditer(r"\w+|\W", content):
        unsure = found.start() >= decided and found[0].isalnum()
        tokens.append(
            {
                "token": found[0],
                "bytes": list(found[0].encode()),
                "logprob": math.log(sure) if unsure else 0.0,
                "top_logprobs": [],
            }
        )
    return tokens
