"""Named endpoints: where a model is, which key it takes, its limits and its price.  `gateway:/NAME` resolves to one.

A key is a reference (`env:VARIABLE` or `file:PATH`) that is read when the endpoint is first asked; no setting holds it.
"""

from __future__ import annotations

import fnmatch
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from evaluator.judges.port import JudgeRefused

GATEWAY = "gateway:/"
SMALL = "@small"
MAX_IN_FLIGHT = 64
PER_MILLION = 1_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_KEY = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")


class InvalidEndpoint(ValueError):
    """A field of `[judges.NAME]` is not acceptable; names it and says what to write.  Never repeats a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens.  `cached` is for input that the provider reads from its cache; None = as `input`."""

    input: float
    output: float
    cached: float | None = None

    def cost_usd(self, input_tokens: int, output_tokens: int, cached_tokens: int) -> float:
        """Of one call, in USD."""
        cached = min(cached_tokens, input_tokens)
        rate = self.input if self.cached is None else self.cached
        return ((input_tokens - cached) * self.input + cached * rate + output_tokens * self.output) / PER_MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One table `[judges.NAME]` of the settings.

    Attributes:
        name: What `gateway:/NAME` says.
        model: litellm name; `openai/NAME` for whatever speaks OpenAI's wire at `base_url`.
        base_url: Up to and without `/chat/completions`; '' = the provider's own.
        key: Where its key is: `env:VARIABLE` or `file:PATH`; '' = the provider's own variable.
        in_flight: Calls under way at once; more wait.
        requests_per_minute: None = as many as the provider takes; 429 slows us down in any case.
        call_seconds: Longest wait for one answer.
        context_tokens: What the model reads at most; None = as litellm's map says.
        media: Media types that it takes, `image/*` for example; None = as litellm's map says.
        price: None = as litellm's map says.

    Raises:
        InvalidEndpoint: A value is not acceptable.
    """

    name: str
    model: str
    base_url: str = ""
    key: str = field(default="", repr=False)  # should somebody write the key itself here
    in_flight: int = MAX_IN_FLIGHT
    requests_per_minute: float | None = None
    call_seconds: float | None = None
    context_tokens: int | None = None
    media: tuple[str, ...] | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidEndpoint(f"[judges.{self.name}]: a name is 1 to 64 of a-z, 0-9, _, - and .")
        if not self.model or self.model.startswith((GATEWAY, "@")):
            raise self._wrong("model", "must be litellm's name of a model, such as openai/gpt-4o-mini")
        if self.base_url and not _is_url(self.base_url):
            raise self._wrong("base_url", "must be http(s)://host:port/path, without a password")
        if self.key and not _KEY.fullmatch(self.key):
            raise self._wrong("key", "must be env:VARIABLE or file:PATH, never the key itself")
        for name in ("in_flight", "requests_per_minute", "call_seconds", "context_tokens"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise self._wrong(name, f"must be above 0, got {value!r}")

    def takes(self, media_type: str) -> bool | None:
        """Whether it takes media of this type; None = the settings do not say."""
        if self.media is None:
            return None
        return any(fnmatch.fnmatch(media_type.lower(), pattern.lower()) for pattern in self.media)

    def read_key(self) -> str:
        """The key itself; '' where none is referred to.

        Raises:
            JudgeRefused: The variable is not set, or the file cannot be read; names which.
        """
        kind, _, place = self.key.partition(":")
        if kind == "env":
            if found := os.environ.get(place, ""):
                return found
            raise JudgeRefused(f"no key for gateway:/{self.name}: the environment variable {place} is not set")
        if kind == "file":
            try:
                return Path(place).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise JudgeRefused(
                    f"no key for gateway:/{self.name}: {place} cannot be read ({type(error).__name__})"
                ) from None
        return ""

    def _wrong(self, name: str, what: str) -> InvalidEndpoint:
        return InvalidEndpoint(f"[judges.{self.name}] {name} {what}")


def endpoints_of(text: str) -> tuple[Endpoint, ...]:
    """Endpoints from the JSON of a table `{name: {model, base_url, …}}`; '' = none.

    Raises:
        InvalidEndpoint: Names the endpoint and the field.
    """
    try:
        table = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidEndpoint(f"not JSON: {type(error).__name__}") from None  # the text may hold a key
    if not isinstance(table, dict):
        raise InvalidEndpoint('must be {"name": {"model": …, "base_url": …}}')
    return tuple(_endpoint(name, body) for name, body in table.items())


def _endpoint(name: str, body: object) -> Endpoint:
    if not isinstance(body, dict):
        raise InvalidEndpoint(f"[judges.{name}] must be a table")
    known = {each.name: str(each.type) for each in fields(Endpoint) if each.name != "name"}
    if unknown := set(body) - set(known):
        raise InvalidEndpoint(f"[judges.{name}] has unknown fields {sorted(unknown)}; known are {sorted(known)}")
    if "model" not in body:
        raise InvalidEndpoint(f"[judges.{name}] model is required: litellm's name, such as openai/gpt-4o-mini")
    values = {key: _value(f"[judges.{name}] {key}", known[key], value) for key, value in body.items()}
    return Endpoint(name=name, **values)  # type: ignore[arg-type]  # _value gives each field its type


def _value(where: str, kind: str, value: object) -> object:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "str" and isinstance(value, str):
        return value
    if kind.startswith("int") and number and value == int(value):  # type: ignore[call-overload]
        return int(value)  # type: ignore[call-overload]
    if kind.startswith("float") and number:
        return float(value)  # type: ignore[arg-type]
    if kind.startswith("tuple") and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if kind.startswith("Price"):
        return _price(where, value)
    raise InvalidEndpoint(f"{where} is of the wrong type: {_SAID[kind.partition('[')[0].partition(' ')[0]]} is wanted")


_SAID = {"str": "text", "int": "a whole number", "float": "a number", "tuple": "a list of texts"}


def _price(where: str, value: object) -> Price:
    if not isinstance(value, Mapping) or not {"input", "output"} <= set(value) <= {"input", "output", "cached"}:
        raise InvalidEndpoint(f"{where} must be {{ input = USD, output = USD, cached = USD }} per million tokens")
    for amount in value.values():
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 <= amount < math.inf:
            raise InvalidEndpoint(f"{where}: USD per million tokens must be numbers from 0 up")
    return Price(**{str(name): float(amount) for name, amount in value.items()})


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False
