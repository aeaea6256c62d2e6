"""Any provider, through `litellm.acompletion`.  The only module that imports litellm, and only when it is first needed:
the import takes seconds and 150 MB.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import time
from typing import Any

from evaluator.judges import plain
from evaluator.judges.openai_wire import response_format
from evaluator.judges.port import (
    Answer,
    BadAnswer,
    InputTooLong,
    JudgeError,
    JudgeRefused,
    JudgeTimeout,
    JudgeUnavailable,
    Question,
    SchemaRefused,
)
from evaluator.judges.status import error_of_status
from storage.model import Usage

LOCAL_COPIES = ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS")
"""Without these litellm fetches files from the network, at its import and at the first call of some providers."""

STATUS_OF_UNSTATED = 500
"""Status of a litellm error that carries none: broken connections."""


class LiteLlm:
    """Models by litellm's names.  Our own retries, not litellm's.

    Args:
        base_url: Passed on as `api_base`; '' = the provider's own.
        api_key: '' = litellm looks for the provider's own variable, such as `ANTHROPIC_API_KEY`.
    """

    def __init__(self, *, base_url: str = "", api_key: str = "") -> None:
        self._endpoint = {key: value for key, value in (("api_base", base_url), ("api_key", api_key)) if value}
        self._litellm: Any = None
        self._importing = asyncio.Lock()
        self._without_schema: set[str] = set()

    async def ask(self, question: Question) -> Answer:
        """As the port says; a model that refuses the schema is asked a second time, in words."""
        if question.model not in self._without_schema:
            try:
                return await self._complete(question, with_schema=True)
            except SchemaRefused:
                self._without_schema.add(question.model)
        return await self._complete(question, with_schema=False)

    async def close(self) -> None:
        """Close litellm's connections, if it was ever used."""
        if self._litellm is not None:
            await self._litellm.close_litellm_async_clients()

    async def _complete(self, question: Question, *, with_schema: bool) -> Answer:
        litellm = await self.load()
        extra = {"response_format": response_format(question.schema)} if with_schema else {}
        began = time.monotonic()
        try:
            completion = await litellm.acompletion(
                model=question.model,
                messages=plain.messages(question, with_schema=with_schema),
                num_retries=0,
                max_retries=0,
                **question.parameters,
                **extra,
                **self._endpoint,
            )
        except Exception as error:  # litellm raises what its providers' SDKs raise, without a common root
            raise _error(error, with_schema=with_schema) from error
        return _answer(completion, question.model, latency_ms=round((time.monotonic() - began) * 1000))

    async def load(self) -> Any:
        """Import litellm, in a thread; done before the first question, its time is not taken from that one's limits."""
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


def _error(error: Exception, *, with_schema: bool) -> JudgeError:
    """What one of litellm's errors means, by its class where that says more than its status."""
    name, message = type(error).__name__, str(error)
    if isinstance(error, TimeoutError) or name in ("Timeout", "APITimeoutError"):
        return JudgeTimeout(message)
    if name == "ContextWindowExceededError":
        return InputTooLong(message)
    if name == "ContentPolicyViolationError":
        return BadAnswer(f"the provider declined to answer: {message}")
    if name == "UnsupportedParamsError":
        return (SchemaRefused if with_schema and "response_format" in message else JudgeRefused)(message)
    if name == "APIConnectionError":
        return JudgeUnavailable(message)
    status = getattr(error, "status_code", None)
    headers = getattr(error, "litellm_response_headers", None) or {}  # those of its `response` are made up
    return error_of_status(
        status if isinstance(status, int) else STATUS_OF_UNSTATED,
        f"{name}: {message}",
        with_schema=with_schema,
        retry_after=str(headers.get("retry-after") or ""),
    )


def _answer(completion: Any, model: str, *, latency_ms: int) -> Answer:
    usage = getattr(completion, "usage", None)
    cost = (getattr(completion, "_hidden_params", None) or {}).get("response_cost")
    spent = Usage(
        input_tokens=getattr(usage, "prompt_tokens", 0) or 0,
        output_tokens=getattr(usage, "completion_tokens", 0) or 0,
        cost_usd=float(cost) if cost else None,  # 0.0 is what it says where it knows no price
        latency_ms=latency_ms,
    )
    if not completion.choices:
        raise BadAnswer("the provider answered without a choice", usage=spent)
    choice = completion.choices[0]
    text = choice.message.content
    if not isinstance(text, str):
        raise BadAnswer(f"the judge declined to answer: {plain.raw(str(choice.message))}", usage=spent)
    details = getattr(usage, "prompt_tokens_details", None)
    return Answer(
        text=text,
        model=str(getattr(completion, "model", None) or model),
        usage=spent,
        cached_tokens=getattr(details, "cached_tokens", 0) or 0,
        cut=choice.finish_reason == "length",
    )
