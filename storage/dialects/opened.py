"""Takes the wrappers off a message: the object that holds its content, and whose message it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from storage.dialects.message import ROLES, SPOKEN_ROLES

CONTENT_KEYS: Final = ("content", "parts", "blocks", "items", "text", "message", "body")
"""Keys under which a message holds what it says, most telling first."""
_WRAPPERS: Final = ("message", "kwargs", "data", "delta")
_SPOKEN_KEYS: Final = ("content", "contents", "parts", "blocks")


def opened(item: Mapping[str, object], stranger: str) -> tuple[Mapping[str, object], str]:
    """The object that holds the content, and its role ('' when it is no message); `stranger` for a role unheard of."""
    if isinstance(role := item.get("role"), str) and role in ROLES and ("parts" in item or "content" in item):
        return item, ROLES[role]
    inner = item.get("message") if len(item) == 1 else None  # OpenInference
    if isinstance(inner, dict) and isinstance(role := inner.get("role"), str) and role in ROLES and "content" in inner:
        return inner, ROLES[role]
    outer = item
    for wrapper in _WRAPPERS:
        inner = item.get(wrapper)
        if isinstance(inner, dict) and "content" not in item and "parts" not in item and "role" not in item:
            item = inner
            break
    role = _spelled(item, outer)
    return item, _known(role, item, outer, stranger) if isinstance(role, str) else ""


def _spelled(item: Mapping[str, object], outer: Mapping[str, object]) -> object:
    """The role in the sender's words: said, of an event's name, of a class, of a type; else of what is around it."""
    role = (
        item.get("role")
        or item.get("author")
        or outer.get("event.name")
        or item.get("event.name")
        or item.get("source")
    )
    if isinstance(role, dict):
        role = role.get("role") or role.get("value")
    if not role and outer is not item and isinstance(path := outer.get("id"), list) and path:
        role = path[-1]
    if not role:
        kinds = (item.get("type"), outer.get("type"), item.get("kind"))
        role = next((kind for kind in kinds if isinstance(kind, str) and kind.lower() in ROLES), None)
    if not role and item.get("kind") in ("request", "response"):
        role = "user" if item["kind"] == "request" else "assistant"
    if not role and outer is not item and "finish_reason" in outer:
        role = "assistant"
    return role


def _known(role: str, item: Mapping[str, object], outer: Mapping[str, object], stranger: str) -> str:
    said = item.get("role")
    if role == said:
        role = SPOKEN_ROLES.get(role.lower(), role)
    known = ROLES.get(role.lower()) or ROLES.get(role.rpartition(".")[2].lower(), "")
    if known == "assistant" and outer.get("event.name") == "gen_ai.choice" and isinstance(said, str):
        return ROLES.get(said.lower(), known)
    if not known and isinstance(said, str) and any(key in item for key in _SPOKEN_KEYS):
        return stranger
    if not known and role == item.get("source") and str(item.get("type")).endswith("Message"):
        return "assistant"  # AutoGen names the agent that speaks
    return known
