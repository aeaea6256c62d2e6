"""Any provider, through `litellm.acompletion`.  The only module that imports litellm, and only when it is first needed:
the import takes seconds and 150 MB.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import re
from dataclasses import replace
from functools import partial
from typing import Any

from evaluator.judges import completion, wording
from evaluator.judges.completion import Completion
from evaluator.judges.modes import Modes
from evaluator.judges.port import (
    Answer,
    BadAnswer,
    Call,
    InputTooLong,
    JudgeError,
    JudgeTimeout,
    JudgeUnavailable,
    JudgeUnreachable,
    Mode,
    Question,
)
from evaluator.judges.recording import Record
from evaluator.judges.status import Asked, error_of_status

LOCAL_COPIES = ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS")
"""Without these litellm fetches files from the network, at its import and at the first call of some providers."""

OURS = {
    "num_retries": 0,
    "max_retries": 0,
    "_skip_mcp_handler": True,  # with tools litellm would import its proxy's MCP server, whose packages are not there
}

STATUS_OF_UNSTATED = 500
"""Status of a litellm error that carries none: broken connections."""


_NO_CONNECTION = re.compile(r"cannot connect|connect call failed|connection (error|refused)|name resolution", re.I)


class LiteLlm:
    """Models by litellm's names.  Our own retries, not litellm's.

    Args:
        base_url: Passed on as `api_base`; '' = the provider's own.
        api_key: '' = litellm looks for the provider's own variable, such as `ANTHROPIC_API_KEY`.
        provider: What the records of calls name it.
    """

    def __init__(self, *, base_url: str = "", api_key: str = "", provider: str) -> None:
        self._endpoint = {key: value for key, value in (("api_base", base_url), ("api_key", api_key)) if value}
        self._litellm: Any = None
        self._importing = asyncio.Lock()
        self._provider = provider
        self.modes = Modes()

    async def ask(self, question: Question, calls: list[Call]) -> Answer:
        """As the port says; a model that refuses a way of holding it to the schema is asked in the next one."""
        logprobs = question.parameters.get("logprobs") is True
        return await self.modes.ask(question.model, partial(self._complete, question, calls), logprobs=logprobs)

    async def close(self) -> None:
        """Close litellm's connections, if it was ever used."""
        if self._litellm is not None:
            await self._litellm.close_litellm_async_clients()

    async def _complete(self, question: Question, calls: list[Call], mode: Mode, logprobs: bool) -> Answer:
        litellm = await self.load()
        body: dict[str, Any] = {"model": question.model, "messages": wording.messages(question, mode)}
        body.update(question.parameters)
        if not logprobs:
            body.pop("logprobs", None)
        body.update(wording.held_to(question.schema, mode))
        asked = Asked(mode=mode, logprobs=logprobs, media=bool(question.media))
        record = Record(model=question.model, provider=self._provider, address="", mode=mode, request=body)
        try:
            try:
                found = await litellm.acompletion(**body, **OURS, **self._endpoint)
            except Exception as error:  # litellm raises what its providers' SDKs raise, without a common root
                raise _error(error, asked, record) from error
            return record.read(_read(found, question.model, mode, record), calls)
        except JudgeError as error:
            record.failed(error, calls)
            raise
        except BaseException:  # cancelled: its time was up
            record.failed(JudgeTimeout("no answer in time"), calls)
            raise

    @property
    def is_loaded(self) -> bool:
        """Whether litellm is imported."""
        return self._litellm is not None

    async def load(self) -> Any:
        """Import litellm, in a thread, once."""
        async with self._importing:
            if self._litellm is None:
                self._litellm = await asyncio.to_thread(_import_quietly)
        return self._litellm


def _import_quietly() -> Any:
    for copy in LOCAL_COPIES:
        os.environ.setdefault(copy, "True")
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # it logs prompts, and every failure that we report as data
    return litellm


def _error(error: Exception, asked: Asked, record: Record) -> JudgeError:
    """What one of litellm's errors means, by its class where that says more than its status."""
    name, message = type(error).__name__, str(error)
    if isinstance(error, TimeoutError) or name in ("Timeout", "APITimeoutError"):
        return JudgeTimeout(message)
    if name == "APIConnectionError":  # also its word for whatever it did not expect
        return (JudgeUnreachable if _NO_CONNECTION.search(message) else JudgeUnavailable)(message)
    if name == "UnsupportedParamsError":  # refused by litellm itself
        return error_of_status(400, f"{name}: {message}", asked=asked)
    status = getattr(error, "status_code", None)
    record.came(message, status if isinstance(status, int) else 0)
    if name == "ContextWindowExceededError":
        return InputTooLong(message)
    if name == "ContentPolicyViolationError":
        return BadAnswer(f"the provider declined to answer: {message}")
    headers = getattr(error, "litellm_response_headers", None) or {}  # those of its `response` are made up
    return error_of_status(
        status if isinstance(status, int) else STATUS_OF_UNSTATED,
        f"{name}: {message}",
        asked=asked,
        retry_after=str(headers.get("retry-after") or ""),
    )


def _read(found: Any, model: str, mode: Mode, record: Record) -> Completion:
    written = found.model_dump_json()
    body = json.loads(written)
    record.came(written, 200)
    if not body.get("choices"):
        raise BadAnswer("the provider answered without a choice")
    said = completion.read(body, model, mode)
    cost = (getattr(found, "_hidden_params", None) or {}).get("response_cost")
    # 0.0 is what litellm says where it knows no price
    return replace(said, usage=replace(said.usage, cost_usd=float(cost))) if cost else said
