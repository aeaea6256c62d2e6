"""The judges of an installation: aliases, endpoints, which adapter takes a model, limits of each, and prices."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self, TypeVar
from urllib.request import getproxies

import aiohttp

from evaluator.judges.charging import Charge, PriceOf
from evaluator.judges.endpoints import GATEWAY, MAX_IN_FLIGHT, SMALL, Endpoint
from evaluator.judges.gate import Gate
from evaluator.judges.litellm_adapter import LiteLlm
from evaluator.judges.metering import Meter
from evaluator.judges.openai_wire import OPENAI_URL, OpenAiWire
from evaluator.judges.plain import holds_no_object
from evaluator.judges.port import (
    Answer,
    BadAnswer,
    Call,
    JudgeError,
    JudgeRefused,
    JudgeTimeout,
    MediaNotTaken,
    NoJudgeConfigured,
    Question,
)
from evaluator.judges.prices import Prices
from evaluator.judges.retrying import Attempt, Retries
from evaluator.judges.sizes import expected_usage
from storage.model import Usage

CONNECT_SECONDS = 10.0
E = TypeVar("E", bound=JudgeError)


def speaks_openai_wire(model: str, base_url: str) -> bool:
    """Whether the thin adapter takes it: `openai/NAME`, or a bare NAME where a base URL is set.  Else litellm does."""
    return model.startswith("openai/") or (bool(base_url) and "/" not in model)


class _Provider:
    """One endpoint that is asked: its adapter, its limits, what the settings say of it."""

    def __init__(self, adapter: OpenAiWire | LiteLlm, gate: Gate, endpoint: Endpoint | None, retries: Retries) -> None:
        self.adapter = adapter
        self.gate = gate
        self.endpoint = endpoint
        self.retries = retries


class Judges:
    """Every question of the process goes through here.  Use as `async with Judges(...) as judges:`.

    Each provider, and each named endpoint, has places, pace and breaker of its own: a slow one starves no other.

    Args:
        model: litellm name or `gateway:/NAME` that answers where a metric names none; '' = such questions fail with
            NO_JUDGE_CONFIGURED.
        small_model: The same for metrics that ask for `@small`; '' = `model`.
        base_url: Endpoint for every model that is no named endpoint, up to and without `/chat/completions`; '' = each
            provider's own.
        api_key: Key of that endpoint, or without one of `model`'s provider; it is never sent to another provider.
        endpoints: The named ones.
        max_in_flight: Calls under way at once at each provider whose endpoint does not say; more wait, and their time
            limits begin when their turn comes.
    """

    def __init__(
        self,
        *,
        model: str = "",
        small_model: str = "",
        base_url: str = "",
        api_key: str = "",
        endpoints: Iterable[Endpoint] = (),
        max_in_flight: int = MAX_IN_FLIGHT,
        retries: Retries | None = None,
    ) -> None:
        self._model = model
        self._small_model = small_model
        self._base_url = base_url
        self._api_key = api_key
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._max_in_flight = max_in_flight
        self._retries = retries or Retries()
        self._session: aiohttp.ClientSession | None = None
        self._providers: dict[str, _Provider] = {}
        self._prices: Prices | None = None
        self._reading_prices = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the slots limit
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),  # the retries limit the rest
            cookie_jar=aiohttp.DummyCookieJar(),
            # HTTPS_PROXY, as litellm; asked once, for aiohttp spends a thread on each call
            trust_env=bool(getproxies()),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for provider in self._providers.values():
            if isinstance(provider.adapter, LiteLlm):
                await provider.adapter.close()
        if self._session is not None:
            await self._session.close()

    async def warm_up(self) -> None:
        """Import what the installation's model needs, so that the first question does not wait for it."""
        if model := self.model_for(""):
            adapter = self._provider(model)[0].adapter
            if isinstance(adapter, LiteLlm):
                await adapter.load()

    def model_for(self, model: str) -> str:
        """The model that would answer: the given one, else the installation's; '' = none is configured."""
        if model == SMALL:
            return self._small_model or self._model
        return model or self._model

    def identity_of(self, model: str) -> str:
        """Model and endpoint: what is behind a name may have changed since an answer was kept."""
        model = self.model_for(model)
        endpoint = self._endpoints.get(model.removeprefix(GATEWAY)) if model.startswith(GATEWAY) else None
        return f"{model} {self._base_url}" if endpoint is None else f"{endpoint.model} {endpoint.base_url}"

    async def window_of(self, model: str) -> int | None:
        """Tokens that the model reads at most, as its endpoint says, else litellm's map; None where nobody knows."""
        endpoint, name = self._resolved(self.model_for(model))
        if endpoint is not None and endpoint.context_tokens is not None:
            return endpoint.context_tokens
        return (await self._known()).window(name)

    async def cost_of(
        self, model: str, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0
    ) -> float | None:
        """USD of a call with so many tokens, by its endpoint's price, else litellm's map; None where nobody knows."""
        return (await self._price_of(self.model_for(model)))[0](input_tokens, output_tokens, cached_tokens)

    def away_seconds(self, model: str) -> float | None:
        """Seconds for which the model's endpoint is left alone since it cannot be reached; None = it is there."""
        return self._provider(self.model_for(model))[0].gate.breaker.away_seconds

    async def ask(self, question: Question, *, deadline: float | None = None) -> Answer:
        """Ask, when there is a free slot, with retries; adds the cost where the model's price is known.

        Raises:
            JudgeError: With the usage and the calls of all tries.
            OverBudget: The question's meter does not pay for it.
        """
        model = self.model_for(question.model)
        provider, name = self._provider(model)
        if question.media:
            await self._check_media(question, provider.endpoint, name)
        if isinstance(provider.adapter, LiteLlm) and not provider.adapter.is_loaded:
            await self._load(provider.adapter, deadline)
        attempt = Attempt(
            provider.adapter,
            question if question.model == name else replace(question, model=name),
            gate=provider.gate,
            retries=provider.retries,
            deadline=deadline,
            charge=None if question.meter is None else await self._charge(question.meter, question),
        )
        try:
            answer = await attempt.answer()
        except JudgeError as error:
            error.calls, error.usage = await self._priced(model, error.calls, error.usage)
            raise
        calls, usage = await self._priced(model, answer.calls, answer.usage)
        return answer if usage is answer.usage else replace(answer, calls=calls, usage=usage)

    async def repair(
        self, question: Question, answer: Answer, complaint: str, *, deadline: float | None = None
    ) -> Answer:
        """Send `answer` back with what is wrong with it, once; see the port.

        Raises:
            BadAnswer: It was cut at the model's token limit, so that another would be, too: nothing is sent.
            JudgeError: With usage and calls of both.
        """
        if answer.cut:
            raise BadAnswer(
                f"{complaint} (cut at the model's token limit: raise `max_tokens` in the metric's parameters)",
                usage=answer.usage,
                calls=answer.calls,
            )
        if holds_no_object(answer.text):  # no model that takes the mode can answer so
            provider, name = self._provider(self.model_for(question.model))
            provider.adapter.modes.doubt(name, answer.mode)
        again = replace(question, earlier=(*question.earlier, (answer.text, complaint)))
        try:
            second = await self.ask(again, deadline=deadline)
        except JudgeError as error:
            error.calls, error.usage = (*answer.calls, *error.calls), answer.usage + error.usage
            raise
        return replace(second, calls=(*answer.calls, *second.calls), usage=answer.usage + second.usage)

    async def _load(self, adapter: LiteLlm, deadline: float | None) -> None:
        """Before the attempt: the seconds of an import are not taken from its limits."""
        try:
            async with asyncio.timeout_at(deadline):
                await adapter.load()
        except TimeoutError:
            raise JudgeTimeout("the deadline passed while litellm was being imported") from None

    async def _check_media(self, question: Question, endpoint: Endpoint | None, name: str) -> None:
        for media in question.media:
            taken = endpoint.takes(media.media_type) if endpoint is not None else None
            if taken is None:
                taken = (await self._known()).takes(name, media.media_type)
            if not taken:
                raise MediaNotTaken(
                    f"{name} is not known to take {media.media_type}; if it does, say so: "
                    f'media = ["{media.media_type}"] in its table [judges.NAME]'
                )

    def _resolved(self, model: str) -> tuple[Endpoint | None, str]:
        """The named endpoint, if it is one, and litellm's name of the model.

        Raises:
            NoJudgeConfigured: No model is configured, or no endpoint of that name.
        """
        if not model:
            raise NoJudgeConfigured(
                "no judge model: set ASSAY_JUDGE_MODEL (for example openai/gpt-4o-mini) and the provider's key, "
                "or `model` in the metric"
            )
        if not model.startswith(GATEWAY):
            return None, model
        endpoint = self._endpoints.get(model.removeprefix(GATEWAY))
        if endpoint is None:
            known = ", ".join(sorted(self._endpoints)) or "none"
            raise NoJudgeConfigured(f"{model}: the settings have no table [judges.NAME] of that name; known: {known}")
        return endpoint, endpoint.model

    def _provider(self, model: str) -> tuple[_Provider, str]:
        endpoint, name = self._resolved(model)
        key = model if endpoint is not None or "/" not in model else model.partition("/")[0]
        if endpoint is None and "/" not in model and self._base_url:
            key = ""  # bare names are all of that endpoint
        found = self._providers.get(key)
        if found is None:
            adapter = self._named(endpoint) if endpoint is not None else self._make(name)
            gate, retries = Gate(in_flight=self._max_in_flight), self._retries
            if endpoint is not None:
                per_minute = endpoint.requests_per_minute
                gate = Gate(in_flight=endpoint.in_flight, most=per_minute and per_minute / 60.0)
                retries = replace(retries, call=endpoint.call_seconds or retries.call)
            found = self._providers[key] = _Provider(adapter, gate, endpoint, retries)
        return found, name

    def _named(self, endpoint: Endpoint) -> OpenAiWire | LiteLlm:
        model, key = endpoint.model, endpoint.read_key()
        return self._adapter(model, endpoint.base_url, key, provider=endpoint.name)

    def _make(self, model: str) -> OpenAiWire | LiteLlm:
        provider = model.partition("/")[0] if "/" in model else ""
        own = self._base_url or provider == (self._model.partition("/")[0] if "/" in self._model else "")
        return self._adapter(model, self._base_url, self._api_key if own else "", provider=provider or "openai")

    def _adapter(self, model: str, base_url: str, api_key: str, *, provider: str) -> OpenAiWire | LiteLlm:
        if not speaks_openai_wire(model, base_url):
            return LiteLlm(base_url=base_url, api_key=api_key, provider=provider)
        if self._session is None:
            raise RuntimeError("Judges is used outside of `async with`")
        if not base_url:
            api_key = api_key or os.environ.get("OPENAI_API_KEY", "")
            if not api_key:
                raise JudgeRefused(f"no key for {model}: set OPENAI_API_KEY or ASSAY_JUDGE_API_KEY")
        return OpenAiWire(base_url=base_url or OPENAI_URL, api_key=api_key, session=self._session, provider=provider)

    async def _price_of(self, model: str) -> tuple[PriceOf, bool]:
        """What calls of a model cost, and whether the settings say so."""
        endpoint, name = self._resolved(model)
        if endpoint is not None and endpoint.price is not None:
            return endpoint.price.cost_usd, True
        return partial((await self._known()).cost_usd, name), False

    async def _charge(self, meter: Meter, question: Question) -> Charge:
        price, own = await self._price_of(self.model_for(question.model))
        return Charge(meter=meter, expected=expected_usage(question), price=price, own_price=own)

    async def _priced(self, model: str, calls: tuple[Call, ...], usage: Usage) -> tuple[tuple[Call, ...], Usage]:
        """Calls and their sum with costs, where known and where tokens were spent.  The endpoint's price is first."""
        endpoint, _ = self._resolved(model)
        own = endpoint is not None and endpoint.price is not None
        priced: list[Call] = []
        total: float | None = None
        for call in calls:
            used = call.usage
            if (used.input_tokens or used.output_tokens) and (own or used.cost_usd is None):
                cost = await self.cost_of(
                    model,
                    input_tokens=used.input_tokens,
                    output_tokens=used.output_tokens,
                    cached_tokens=call.cached_tokens,
                )
                call = replace(call, usage=replace(used, cost_usd=cost)) if cost != used.cost_usd else call
            if call.usage.cost_usd is not None:
                total = (total or 0.0) + call.usage.cost_usd
            priced.append(call)
        return tuple(priced), usage if total == usage.cost_usd else replace(usage, cost_usd=total)

    async def _known(self) -> Prices:
        if self._prices is None:
            async with self._reading_prices:
                if self._prices is None:
                    self._prices = await asyncio.to_thread(Prices.bundled)
        return self._prices
