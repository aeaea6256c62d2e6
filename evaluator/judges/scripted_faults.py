"""What can go wrong at a judge, as behaviours of the scripted one: `judge.then(rate_limited("1"), hang())`."""

from __future__ import annotations

import asyncio
import json
import random
import time

from aiohttp import web

from evaluator.judges.scripted import Asked, Behaviour, ScriptedJudge, by_rule, completion


def verdict(value: object, rationale: str = "scripted verdict: as told") -> Behaviour:
    """A fixed verdict, whatever was offered: also for labels that were not, and wrong types."""
    return says({"rationale": rationale, "verdict": value})


def says(message: object, *, finish_reason: str = "stop") -> Behaviour:
    """A fixed message: text as it is (prose, broken JSON), anything else as JSON."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        return completion(asked, message, finish_reason=finish_reason)

    return behave


def status(code: int, message: str = "scripted fault", *, retry_after: str = "") -> Behaviour:
    """An error answer with the body that the OpenAI wire uses."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        headers = {"Retry-After": retry_after} if retry_after else {}
        return web.json_response({"error": {"message": message}}, status=code, headers=headers)

    return behave


def rate_limited(retry_after: str = "") -> Behaviour:
    """429."""
    return status(429, "slow down", retry_after=retry_after)


def hang() -> Behaviour:
    """No answer until the caller hangs up."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return behave


def close_connection() -> Behaviour:
    """The connection is cut before the first byte of an answer."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    return behave


def cut_in_the_body(content: bytes = b'{"choices": [') -> Behaviour:
    """Half an answer, then the connection is cut."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content) * 2)})
        await response.prepare(request)
        await response.write(content)
        if request.transport is not None:
            request.transport.close()
        return response

    return behave


def body(content: bytes) -> Behaviour:
    """200 with these bytes, whatever they are."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        return web.Response(body=content, content_type="application/json")

    return behave


def without_schema_support(*, tools: bool = True) -> Behaviour:
    """An endpoint that refuses `response_format` (400), and `tools` unless it knows them; the rest is done by rule."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if "response_format" in asked.body:
            return _refused("response_format of type json_schema is not supported")
        if not tools and "tools" in asked.body:
            return _refused('"tool_choice" is not supported by this model')
        return await by_rule(judge, request, asked)

    return behave


def ignores_schema(*, tools: bool = True, verdict: object = "good") -> Behaviour:
    """An endpoint that takes every field and heeds none: it answers in prose until a tool or the words ask for JSON.

    Args:
        tools: It does call tools.
        verdict: What it answers in words, fenced, after a word of prose, and with a comma too many.
    """

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if tools and asked.tool is not None:
            return await by_rule(judge, request, asked)
        if "JSON schema" in asked.body["messages"][0]["content"]:
            said = f'{{"rationale": "scripted verdict: in words", "verdict": {json.dumps(verdict)},}}'
            return completion(asked, f"Certainly!\n```json\n{said}\n```")
        return completion(asked, "I would say that it is good.")

    return behave


def without_logprobs() -> Behaviour:
    """An endpoint that refuses to tell log-probabilities."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if "logprobs" in asked.body:
            return _refused("logprobs are not available for this model")
        return await by_rule(judge, request, asked)

    return behave


def blind() -> Behaviour:
    """A model that takes text only."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if any(not isinstance(message["content"], str) for message in asked.body["messages"]):
            return _refused("this model does not support image input")
        return await by_rule(judge, request, asked)

    return behave


class Storm:
    """By chance, with a seed: 429 without Retry-After, 500, else by rule.

    Attributes:
        faults: How many requests met one so far.
    """

    def __init__(self, *, limited: float = 0.1, failing: float = 0.1, seed: int = 1) -> None:
        self.faults = 0
        self._limited, self._failing = limited, failing
        self._random = random.Random(seed)

    async def __call__(self, judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        """Answer one request."""
        drawn = self._random.random()
        if drawn < self._limited + self._failing:
            self.faults += 1
            return await (rate_limited() if drawn < self._limited else status(500))(judge, request, asked)
        return await by_rule(judge, request, asked)


class Limited:
    """An endpoint with a real limit: so many requests a second, the rest 429.

    Attributes:
        refused: How many were.
    """

    def __init__(self, *, per_second: float, burst: float = 5.0) -> None:
        self.refused = 0
        self._per_second, self._burst = per_second, burst
        self._tokens, self._at = burst, time.monotonic()

    async def __call__(self, judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        """Answer one request."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1.0:
            self.refused += 1
            return await rate_limited()(judge, request, asked)
        self._tokens -= 1.0
        return await by_rule(judge, request, asked)


def _refused(message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=400)
