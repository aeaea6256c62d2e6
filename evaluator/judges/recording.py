"""The record of a call while it is under way."""

from __future__ import annotations

import time
from collections.abc import Mapping

from evaluator.judges import probability
from evaluator.judges.completion import Completion
from evaluator.judges.port import Answer, Call, JudgeError, Mode
from storage.model import Usage


class Record:
    """A call while it is under way."""

    def __init__(self, *, model: str, provider: str, address: str, mode: Mode, request: Mapping[str, object]) -> None:
        self._began, self._start_time_ns = time.monotonic(), time.time_ns()
        self._model, self._provider, self._address, self._mode = model, provider, address, mode
        self._request = request
        self._response, self._status = "", 0

    def came(self, response: str, status: int) -> None:
        """The body of an answer, of whatever status."""
        self._response, self._status = response, status

    def read(self, found: Completion, calls: list[Call]) -> Answer:
        """The answer that it was; the call is recorded."""
        call = self._call(found.usage, cached_tokens=found.cached_tokens)
        calls.append(call)
        return Answer(
            text=found.text,
            model=found.model,
            usage=call.usage,
            cut=found.cut,
            mode=self._mode,
            verdict_probability=probability.of_verdict(found.text, found.tokens) if found.tokens else None,
        )

    def failed(self, error: JudgeError, calls: list[Call]) -> None:
        """It ended with an error."""
        calls.append(self._call(error.usage, error=error.code))

    def _call(self, usage: Usage, *, cached_tokens: int = 0, error: str = "") -> Call:
        return Call(
            model=self._model,
            provider=self._provider,
            address=self._address,
            mode=self._mode,
            request=self._request,
            response=self._response,
            status=self._status,
            error=error,
            start_time_ns=self._start_time_ns,
            cached_tokens=cached_tokens,
            usage=Usage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cost_usd=usage.cost_usd,
                latency_ms=round((time.monotonic() - self._began) * 1000),
                attempts=1,
            ),
        )
