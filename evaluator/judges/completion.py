"""Reads a chat completion, as the OpenAI wire and litellm write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluator.judges import plain
from evaluator.judges.port import BadAnswer, Mode
from storage.model import Usage

CUT = "length"
FILTERED = "content_filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a completion says.  `tokens`: the log-probability of each token of `text`; empty = none were sent."""

    text: str
    model: str
    usage: Usage
    cached_tokens: int
    cut: bool
    tokens: tuple[tuple[str, float], ...] = ()


def read(body: Any, model: str, mode: Mode) -> Completion:
    """Read one.

    Raises:
        BadAnswer: The model declined, or was cut before it said anything; with the usage.
        LookupError, TypeError, ValueError, AttributeError: It is no chat completion.
    """
    usage, cached = _usage(body.get("usage") or {})
    choice = body["choices"][0]
    message = choice["message"]
    finish = choice.get("finish_reason")
    text = _arguments(message) if mode is Mode.TOOL else None
    tokens: tuple[tuple[str, float], ...] = ()
    if text is None:
        text = _content(message.get("content"))
        tokens = _tokens(choice.get("logprobs"))
    if not text and finish == CUT:
        raise BadAnswer(
            "the judge reached its token limit before it answered: raise `max_tokens` in the metric's parameters",
            usage=usage,
        )
    if finish == FILTERED:
        raise BadAnswer("the provider's content filter withheld the answer", usage=usage)
    if message.get("refusal") or text is None:
        raise BadAnswer(
            f"the judge declined to answer: {plain.raw(str(message.get('refusal') or message))}", usage=usage
        )
    return Completion(
        text=text,
        model=str(body.get("model") or model),
        usage=usage,
        cached_tokens=cached,
        cut=finish == CUT,
        tokens=tokens,
    )


def _usage(usage: Mapping[str, Any]) -> tuple[Usage, int]:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    return (
        Usage(
            input_tokens=max(0, int(usage.get("prompt_tokens") or 0)),
            output_tokens=max(0, int(usage.get("completion_tokens") or 0)),
        ),
        max(0, int(cached or 0)),
    )


def _arguments(message: Mapping[str, Any]) -> str | None:
    """Arguments of the tool call; of several all, so that more than one verdict is seen.  None = no tool was called."""
    calls = message.get("tool_calls") or ()
    return "\n".join(str(call["function"]["arguments"]) for call in calls) if calls else None


def _content(content: object) -> str | None:
    """Text of a message; some endpoints write it in parts."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping)) or None
    return content if isinstance(content, str) else None


def _tokens(logprobs: Any) -> tuple[tuple[str, float], ...]:
    listed = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return tuple((str(item["token"]), float(item["logprob"])) for item in listed or ())
