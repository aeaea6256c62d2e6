"""The judges of an installation: which adapter takes a model, how many calls at once, retries, and prices."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.request import getproxies

import aiohttp

from evaluator.judges.litellm_adapter import LiteLlm
from evaluator.judges.openai_wire import OPENAI_URL, OpenAiWire
from evaluator.judges.port import Answer, Judge, JudgeRefused, JudgeTimeout, NoJudgeConfigured, Question
from evaluator.judges.prices import Prices
from evaluator.judges.retrying import Retries, ask_with_retries

MAX_IN_FLIGHT = 64


def speaks_openai_wire(model: str, base_url: str) -> bool:
    """Whether the thin adapter takes it: `openai/NAME`, or a bare NAME where a base URL is set.  Else litellm does."""
    return model.startswith("openai/") or (bool(base_url) and "/" not in model)


class Judges:
    """Every question of the process goes through here.  Use as `async with Judges(...) as judges:`.

    Args:
        model: litellm name that answers where a metric names none; '' = such questions fail with NO_JUDGE_CONFIGURED.
        base_url: Endpoint for every model, up to and without `/chat/completions`; '' = each provider's own.
        api_key: Key of that endpoint, or without one of `model`'s provider; it is never sent to another provider.
        max_in_flight: Questions under way at once; more wait, and their time limits begin when their turn comes.
    """

    def __init__(
        self,
        *,
        model: str = "",
        base_url: str = "",
        api_key: str = "",
        max_in_flight: int = MAX_IN_FLIGHT,
        retries: Retries | None = None,
    ) -> None:
        self._model = model
        self._base_url = base_url
        self._api_key = api_key
        self._slots = asyncio.Semaphore(max_in_flight)
        self._retries = retries or Retries()
        self._session: aiohttp.ClientSession | None = None
        self._adapters: dict[str, OpenAiWire | LiteLlm] = {}
        self._prices: Prices | None = None
        self._reading_prices = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the slots limit
            timeout=aiohttp.ClientTimeout(total=None),  # the retries limit
            trust_env=bool(
                getproxies()
            ),  # HTTPS_PROXY, as litellm; asked once, for aiohttp spends a thread on each call
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for adapter in self._adapters.values():
            if isinstance(adapter, LiteLlm):
                await adapter.close()
        if self._session is not None:
            await self._session.close()

    async def warm_up(self) -> None:
        """Import what the installation's model needs, so that the first question does not wait for it."""
        adapter = self._adapter(self._model) if self._model else None
        if isinstance(adapter, LiteLlm):
            await adapter.load()

    def model_for(self, model: str) -> str:
        """The model that would answer: the given one, else the installation's; '' = none is configured."""
        return model or self._model

    async def ask(self, question: Question, *, deadline: float | None = None) -> Answer:
        """Ask, when there is a free slot, with retries; adds the cost where the model's price is known.

        Raises:
            JudgeError: With the usage of all tries.
        """
        model = self.model_for(question.model)
        if not model:
            raise NoJudgeConfigured(
                "no judge model: set ASSAY_JUDGE_MODEL (for example openai/gpt-4o-mini) and the provider's key, "
                "or `model` in the metric"
            )
        judge = self._adapter(model)
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise JudgeTimeout("the deadline passed while waiting for a free place at the judge") from None
        try:
            answer = await ask_with_retries(judge, replace(question, model=model), self._retries, deadline=deadline)
        finally:
            self._slots.release()
        return await self._priced(answer, model)

    def _adapter(self, model: str) -> Judge:
        provider = model.partition("/")[0] if "/" in model else ""
        found = self._adapters.get(provider)
        if found is None:
            found = self._adapters[provider] = self._make(model, provider)
        return found

    def _make(self, model: str, provider: str) -> OpenAiWire | LiteLlm:
        own = self._base_url or provider == (self._model.partition("/")[0] if "/" in self._model else "")
        api_key = self._api_key if own else ""
        if not speaks_openai_wire(model, self._base_url):
            return LiteLlm(base_url=self._base_url, api_key=api_key)
        if self._session is None:
            raise RuntimeError("Judges is used outside of `async with`")
        if not self._base_url:
            api_key = api_key or os.environ.get("OPENAI_API_KEY", "")
            if not api_key:
                raise JudgeRefused(f"no key for {model}: set OPENAI_API_KEY or ASSAY_JUDGE_API_KEY")
        return OpenAiWire(base_url=self._base_url or OPENAI_URL, api_key=api_key, session=self._session)

    async def _priced(self, answer: Answer, model: str) -> Answer:
        if answer.usage.cost_usd is not None:
            return answer
        prices = self._prices or await self._read_prices()
        used = answer.usage
        cost = prices.cost_usd(model, used.input_tokens, used.output_tokens, answer.cached_tokens)
        return replace(answer, usage=replace(used, cost_usd=cost))

    async def _read_prices(self) -> Prices:
        async with self._reading_prices:
            if self._prices is None:
                self._prices = await asyncio.to_thread(Prices.bundled)
        return self._prices
