"""What can go wrong at a judge, as behaviours of the scripted one: `judge.then(rate_limited("1"), hang())`."""

from __future__ import annotations

import asyncio

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


def without_schema_support() -> Behaviour:
    """An endpoint that does not know `response_format`: 400 with it, by rule in words without it."""

    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if "response_format" in asked.body:
            return web.json_response(
                {"error": {"message": "response_format of type json_schema is not supported"}}, status=400
            )
        return await by_rule(judge, request, asked)

    return behave
