"""Names, numbers and ids of a span: models, tokens, cost, session, tags, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from evaluator.targets.record import MODEL_KINDS
from storage.dialects.lookup import Lookup
from storage.dialects.message import first_of
from storage.dialects.table import Table
from storage.dialects.values import as_count, as_number, decode, decode_json, is_filler, walk

_DATED: Final = re.compile(r"\d{4}-?\d{2}-?\d{2}\b|-\d{4}$|-\d{3}$")
"""Ending of a snapshot: the name under which models answer, where an alias was asked for."""
_ASKED: Final = re.compile(r"(?:[a-z]{2,6}\.)?[a-z0-9]+\.[\w.-]+-v\d+(?::|%3A)\d+")
"""An id of Bedrock: what was asked for, as nothing there says which model answered."""
_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NOBODY: Final = frozenset({"unknown", "Unknown", "UNKNOWN", "N/A", "n/a", "none", "not_set"})
"""What senders write for a user or a session that they do not know."""
_PARAM_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "temperature": ("temperature",),
    "max_tokens": (
        "max_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "maxTokens",
        "maxOutputTokens",
        "max_new_tokens",
    ),
    "top_p": ("top_p", "topP"),
    "top_k": ("top_k", "topK"),
    "frequency_penalty": ("frequency_penalty", "frequencyPenalty"),
    "presence_penalty": ("presence_penalty", "presencePenalty"),
    "seed": ("seed",),
}


class Facts:
    """Reads the facts of one span.  `kind` is the span's."""

    def __init__(self, table: Table, lookup: Lookup, kind: str) -> None:
        self._table = table
        self._lookup = lookup
        self._kind = kind

    def text(self, field: str) -> str | None:
        """First text of a field that was not withheld."""
        text = self._lookup.first_text(field, self._kind, self._table.words["withheld_prefixes"])
        if text not in _NOBODY or field not in ("user_id", "session_id"):
            return text
        told = (found.value for found in self._lookup.find(field, self._kind))
        return next((value for value in told if isinstance(value, str) and value not in _NOBODY), None)

    def models(self) -> tuple[str | None, str | None]:
        """Model that was asked for, and model that answered."""
        request = self.text("request_model")
        response = self._response_model(request)
        if self._kind not in MODEL_KINDS:
            return request, response
        if self._kind != "llm":  # there are no aliases of embedding and reranking models
            return request or response or self.text("model"), response
        if request and response is None and (asked := self._alias_of(request)):
            return asked, request
        named = self.text("model")
        if request is None and named is not None and _ASKED.fullmatch(named):
            return named, response
        if named is None or named in (request, response) or _same(named, request):
            return request, response
        if request is None and response is None:
            return (None, named) if _DATED.search(named) else (named, None)
        return (request, named) if response is None else (request or named, response)

    def _alias_of(self, snapshot: str) -> str | None:
        """The name that another copy of the request asked for, where the snapshot that answered stands as its model."""
        if not _DATED.search(snapshot):
            return None
        names = (found.value for found in self._lookup.find("request_model", self._kind))
        return next((name for name in names if isinstance(name, str) and snapshot.startswith(f"{name}-")), None)

    def _response_model(self, request: str | None) -> str | None:
        for found in self._lookup.find("response_model", self._kind):
            value = found.value
            if not isinstance(value, str) or is_filler(value):
                continue
            if found.row.echo and value == request and self._kind == "llm" and self._echoes():
                continue
            return value
        return None

    def _echoes(self) -> bool:
        """Whether a response model that equals the request's was only copied from it."""
        if not self._lookup.attribute("gen_ai.response.id") and not any(
            True for _ in self._lookup.find("response_id", self._kind)
        ):
            return True
        return any(found.text in found.row.values for found in self._lookup.find("echoes_request_model", self._kind))

    def provider(self) -> str | None:
        """Vendor of the model, lower case; frameworks that name themselves there are passed over."""
        for found in self._lookup.find("provider", self._kind):
            value = found.value
            if not isinstance(value, str) or is_filler(value) or len(value) > 100:
                continue
            name = value.strip().lower()
            if found.row.until:
                name = name.partition(found.row.until)[0] if found.row.until in name or found.row.until == "." else ""
            vendor, _, api = name.partition(".")
            name = vendor if api in self._table.words["api_names"] else name
            if name and name not in self._table.words["not_providers"]:
                return name
        return None

    def params(self) -> dict[str, object]:
        """Request parameters by their usual names."""
        read: dict[str, object] = {}
        for name, values in self._lookup.find_named("params", self._kind):
            for found in values:
                value = decode_json(found.text) if found.text else found.value
                if _is_param(name, value):
                    read[name] = value
                    break
        for found in self._lookup.find("params_blobs", self._kind):
            blob = {found.row.name: decode_json(found.text)} if found.row.name else found.value
            if not isinstance(blob, dict):
                continue
            for name, aliases in _PARAM_ALIASES.items():
                if name in read:
                    continue
                value = first_of(blob, aliases)
                if value is not None and _is_param(name, value):
                    read[name] = as_number(value)
        return read

    def usage(self) -> dict[str, int]:
        """Token counts as sent.  Input includes cached tokens, also where the sender left them out."""
        read = dict(self._counts("usage"))
        for found in self._lookup.find("usage_blobs", self._kind):
            if not isinstance(found.value, dict):
                continue
            for name, paths in self._table.aliases["usage_names"].items():
                if name not in read:
                    count = next(
                        (count for path in paths if (count := as_count(walk(found.value, path))) is not None), None
                    )
                    if count is not None:
                        read[name] = count
        cached = read.get("cache_read_input_tokens", 0)
        if cached > read.get("input_tokens", cached):
            read["input_tokens"] += cached
        return read

    def aggregated_usage(self) -> dict[str, int]:
        """Sums that were sent as sums."""
        return dict(self._counts("usage_aggregate"))

    def _counts(self, field: str) -> Iterator[tuple[str, int]]:
        for name, values in self._lookup.find_named(field, self._kind):
            for found in values:
                if (count := as_count(found.value)) is not None:
                    yield name, count
                    break

    def cost_usd(self) -> float | None:
        """Cost as sent; 0 stands for a price that the sender did not know."""
        for found in self._lookup.find("cost_usd", self._kind):
            cost = as_number(found.value)
            if cost is not None and cost > 0:
                return float(cost)
        return None

    def session_generated(self, session_id: str | None) -> bool:
        """Whether the emitter made the session id up, because nobody had set one."""
        scopes = self._table.words["generated_sessions"]
        return bool(session_id) and self._lookup.span.scope_name in scopes and bool(_UUID7.fullmatch(session_id or ""))

    def tags(self) -> tuple[str, ...]:
        """Tags that people set."""
        framework, internal = self._table.words["not_tags"], self._table.words["framework_tags"]
        for found in self._lookup.find("tags", self._kind):
            value = found.value
            listed = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
            if not isinstance(listed, list):
                continue
            kept = [
                tag for tag in listed
                if isinstance(tag, str) and tag and tag not in framework and not tag.startswith(internal)
            ]  # fmt: skip
            if kept:
                return tuple(dict.fromkeys(kept))
        return ()

    def metadata(self, field: str = "metadata") -> dict[str, object]:
        """Metadata that people set; what frameworks add for themselves is left out."""
        read: dict[str, object] = {}
        for found in self._lookup.find(field, self._kind):
            if not isinstance(found.value, dict):
                continue
            for name, value in found.value.items():
                if name in read or self._is_internal(name):
                    continue
                decoded = decode(value) if isinstance(value, str) else value
                if decoded not in (None, "", [], {}) and not (isinstance(decoded, str) and is_filler(decoded)):
                    read[name] = decoded
        return read

    def _is_internal(self, name: str) -> bool:
        return name in self._table.internal_names or name.startswith(self._table.internal_beginnings)

    def agent_name(self) -> str | None:
        """Name of the agent that the span belongs to or is."""
        if named := self.text("agent_name"):
            return named
        name = self._lookup.span.name
        return name.removeprefix("invoke_agent ").strip() or None if name.startswith("invoke_agent ") else None

    def finish_reasons(self) -> tuple[str, ...]:
        """Why the model stopped, in the sender's words."""
        for found in self._lookup.find("finish_reasons", self._kind):
            value = found.value
            if isinstance(value, str):
                return (value,)
            if isinstance(value, list) and (read := tuple(item for item in value if isinstance(item, str))):
                return read
        return ()

    def status(self) -> str:
        """`error`, `ok` or `unset`."""
        code = self._lookup.span.status_code.lower()
        if code == "error" or any(found.text in found.row.values for found in self._lookup.find("failed", self._kind)):
            return "error"
        return "ok" if code == "ok" else "unset"

    def error_message(self) -> str | None:
        """What went wrong, in the sender's words; a message that says nothing only when there is no other."""
        first = None
        for found in self._lookup.find("error_message", self._kind):
            text = found.text
            if text and text not in self._table.words["not_errors"]:
                return text
            first = first or text or None
        return first

    def says_why(self, error: str) -> bool:
        """Whether an error message tells more than that something failed."""
        return error not in self._table.words["not_errors"] and not any(
            word in error for word in self._table.words["withheld_errors"]
        )


def _same(named: str, request: str | None) -> bool:
    """Whether two names differ only in a router's prefix (`openai/gpt-4o`)."""
    return request is not None and (named.endswith(f"/{request}") or request.endswith(f"/{named}"))


def _is_param(name: str, value: object) -> bool:
    if name == "stop":
        return isinstance(value, (list, str)) and bool(value)
    number = as_number(value)
    return number is not None and not (name == "max_tokens" and number <= 0)
