"""The thin adapter: one POST to `/chat/completions` of an endpoint that speaks the OpenAI wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

import aiohttp

from evaluator.judges import completion, plain, wording
from evaluator.judges.completion import Completion
from evaluator.judges.modes import Modes
from evaluator.judges.port import (
    Answer,
    BadAnswer,
    Call,
    JudgeError,
    JudgeRefused,
    JudgeTimeout,
    JudgeUnavailable,
    JudgeUnreachable,
    Mode,
    Question,
)
from evaluator.judges.recording import Record
from evaluator.judges.status import Asked, error_of_status

OPENAI_URL = "https://api.openai.com/v1"
MAX_ANSWER_BYTES = 4 << 20


class OpenAiWire:
    """One endpoint.

    Args:
        base_url: Up to and without `/chat/completions`.
        api_key: Sent as a bearer token; '' = none.
        session: Shared by all; owned and closed by whoever made it.
        provider: What the records of calls name it.
    """

    def __init__(self, *, base_url: str, api_key: str, session: aiohttp.ClientSession, provider: str) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._address = urlsplit(base_url).netloc.rpartition("@")[2]
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._session = session
        self._provider = provider
        self.modes = Modes()

    async def ask(self, question: Question, calls: list[Call]) -> Answer:
        """As the port says; an endpoint that refuses a way of holding it to the schema is asked in the next one."""
        logprobs = question.parameters.get("logprobs") is True
        return await self.modes.ask(question.model, partial(self._post, question, calls), logprobs=logprobs)

    async def _post(self, question: Question, calls: list[Call], mode: Mode, logprobs: bool) -> Answer:
        model = question.model.removeprefix("openai/")
        body: dict[str, object] = {"model": model, "messages": wording.messages(question, mode)}
        body.update(question.parameters)
        if not logprobs:
            body.pop("logprobs", None)
        body.update(wording.held_to(question.schema, mode))
        asked = Asked(mode=mode, logprobs=logprobs, media=bool(question.media))
        record = Record(model=model, provider=self._provider, address=self._address, mode=mode, request=body)
        try:
            content, response = await self._exchange(body)
            record.came(content.decode(errors="replace"), response.status)
            if response.status != 200:
                retry_after = response.headers.get("Retry-After", "")
                raise error_of_status(response.status, _message(content), asked=asked, retry_after=retry_after)
            return record.read(_read(content, model, mode, asked), calls)
        except JudgeError as error:
            record.failed(error, calls)
            raise
        except BaseException:  # cancelled: its time was up
            record.failed(JudgeTimeout("no answer in time"), calls)
            raise

    async def _exchange(self, body: Mapping[str, object]) -> tuple[bytes, aiohttp.ClientResponse]:
        try:
            async with self._session.post(
                self._url, data=json.dumps(body).encode(), headers=self._headers, allow_redirects=False
            ) as response:
                return await _bounded(response), response
        except aiohttp.InvalidURL:
            raise JudgeRefused("ASSAY_JUDGE_BASE_URL is not a URL") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise JudgeUnreachable(f"{type(error).__name__}: {error}") from error
        except aiohttp.ClientError as error:
            raise JudgeUnavailable(f"{type(error).__name__}: {error}") from error


def _read(content: bytes, model: str, mode: Mode, asked: Asked) -> Completion:
    """Read a body of status 200.

    Raises:
        BadAnswer: It is no chat completion, or one without an answer.
        JudgeError: It is an error all the same, as some gateways send it.
    """
    try:
        body = json.loads(content)
        if "choices" not in body and isinstance(error := body.get("error"), dict):
            code = error.get("code")
            raise error_of_status(code if isinstance(code, int) else 502, _message(content), asked=asked)
        return completion.read(body, model, mode)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise BadAnswer(f"not a chat completion: {plain.raw(content[:2000].decode(errors='replace'))}") from None


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
