"""The thin adapter: one POST to `/chat/completions` of an endpoint that speaks the OpenAI wire."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import aiohttp

from evaluator.judges import plain
from evaluator.judges.port import Answer, BadAnswer, JudgeRefused, JudgeUnavailable, Question, SchemaRefused
from evaluator.judges.status import error_of_status
from storage.model import Usage

OPENAI_URL = "https://api.openai.com/v1"
MAX_ANSWER_BYTES = 4 << 20


class OpenAiWire:
    """One endpoint.  Models that refuse `response_format` are remembered and asked in words from then on.

    Args:
        base_url: Up to and without `/chat/completions`.
        api_key: Sent as a bearer token; '' = none.
        session: Shared by all; owned and closed by whoever made it.
    """

    def __init__(self, *, base_url: str, api_key: str, session: aiohttp.ClientSession) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._session = session
        self._without_schema: set[str] = set()

    async def ask(self, question: Question) -> Answer:
        """As the port says; an endpoint that refuses the schema is asked a second time, in words."""
        model = question.model.removeprefix("openai/")
        if model not in self._without_schema:
            try:
                return await self._post(question, model, with_schema=True)
            except SchemaRefused:
                self._without_schema.add(model)
        return await self._post(question, model, with_schema=False)

    async def _post(self, question: Question, model: str, *, with_schema: bool) -> Answer:
        body: dict[str, object] = {"model": model, "messages": plain.messages(question, with_schema=with_schema)}
        body.update(question.parameters)
        if with_schema:
            body["response_format"] = response_format(question.schema)
        began = time.monotonic()
        try:
            async with self._session.post(
                self._url, json=body, headers=self._headers, allow_redirects=False
            ) as response:
                content = await _bounded(response)
        except aiohttp.InvalidURL:
            raise JudgeRefused("ASSAY_JUDGE_BASE_URL is not a URL") from None
        except aiohttp.ClientError as error:
            raise JudgeUnavailable(f"{type(error).__name__}: {error}") from error
        if response.status != 200:
            raise error_of_status(
                response.status,
                _message(content),
                with_schema=with_schema,
                retry_after=response.headers.get("Retry-After", ""),
            )
        return answer_of(content, model, latency_ms=round((time.monotonic() - began) * 1000))


def response_format(schema: Mapping[str, object]) -> dict[str, object]:
    """Strict structured output, as the OpenAI wire asks for it."""
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": dict(schema)}}


def answer_of(content: bytes, model: str, *, latency_ms: int) -> Answer:
    """Read a chat completion.

    Raises:
        BadAnswer: It is not one.
    """
    try:
        completion = json.loads(content)
        choice = completion["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        usage = completion.get("usage") or {}
        tokens = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        answered_by = str(completion.get("model") or model)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise BadAnswer(f"not a chat completion: {plain.raw(content[:2000].decode(errors='replace'))}") from None
    spent = Usage(input_tokens=max(0, tokens[0]), output_tokens=max(0, tokens[1]), latency_ms=latency_ms)
    if refusal or not isinstance(text, str):
        raise BadAnswer(f"the judge declined to answer: {plain.raw(str(refusal or message))}", usage=spent)
    return Answer(
        text=text, model=answered_by, usage=spent, cached_tokens=cached, cut=choice.get("finish_reason") == "length"
    )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise BadAnswer(f"the judge's answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)


def _message(content: bytes) -> str:
    """What an error body says; the body itself where it is not the usual JSON."""
    text = content.decode(errors="replace")
    try:
        error = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
    if not isinstance(error, dict):
        return str(error)
    return " ".join(str(error[key]) for key in ("message", "code", "param") if error.get(key))
