"""Documents that a retriever or reranker returned, in any vendor's vocabulary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from storage.dialects.objects import is_object_repr
from storage.dialects.values import as_number, decode

MAX_DOCUMENTS: Final = 10_000
_MAX_DEPTH: Final = 6
_LISTS: Final = (
    "documents", "docs", "outputs", "output", "results", "matches", "retrieved_documents", "retrieved_contexts",
    "contexts", "chunks", "nodes", "source_nodes", "passages", "hits", "items", "points", "retrievalResults",
    "data", "value", "content",
)  # fmt: skip
_TEXTS: Final = (
    "content",
    "page_content",
    "pageContent",
    "text",
    "document",
    "chunk",
    "passage",
    "snippet",
    "body",
    "node",
    "payload",
)
_IDS: Final = ("id", "document_id", "doc_id", "id_", "node_id", "chunk_id", "_id")
_SCORES: Final = ("score", "relevance_score", "relevanceScore", "similarity", "similarity_score", "@search.score")
_METADATA: Final = ("metadata", "meta", "extra_info", "cmetadata")
_NODE: Final = re.compile(r"\bid_?=['\"]?([\w.:/-]+).*?\bscore=(-?[\d.]+(?:e-?\d+)?)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document, as far as it was sent."""

    content: str = ""
    id: str = ""
    score: float | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)


def documents_in(value: object, depth: int = 0) -> list[Document]:
    """Documents of a decoded value, order kept; empty when it holds none."""
    if isinstance(value, str):
        value = decode(value)
    if depth > _MAX_DEPTH:
        return []
    if isinstance(value, list):
        if value and all(isinstance(item, list) for item in value):
            return documents_in(value[0], depth + 1)
        read = [document for item in value[:MAX_DOCUMENTS] if (document := _document(item)) is not None]
        return read if len(read) == len(value[:MAX_DOCUMENTS]) else []
    if isinstance(value, dict):
        for key in _LISTS:
            inner = value.get(key)
            if isinstance(inner, (list, dict)) and (found := documents_in(inner, depth + 1)):
                return found
    return []


def _document(item: object) -> Document | None:
    if isinstance(item, str) and item[:1] == "{":
        item = decode(item)
    if isinstance(item, str):
        if not is_object_repr(item):
            return Document(content=item) if item else None
        shown = _NODE.search(item[:2000])
        return Document(id=shown.group(1), score=_score(shown.group(2))) if shown else None
    if not isinstance(item, dict):
        return None
    outer, item = item, _opened(item)
    content = _text(item)
    identity = _first(item, outer, _IDS)
    score = _score(_first(item, outer, _SCORES))
    metadata = _first(item, outer, _METADATA)
    if isinstance(metadata, str):
        metadata = decode(metadata)
    metadata = metadata if isinstance(metadata, dict) else {}
    if score is None:
        score = _score(metadata.get("score", metadata.get("relevance_score")))
    identity = identity if isinstance(identity, str) else str(identity) if isinstance(identity, int) else ""
    if not content and not identity:
        return None
    return Document(content=content, id=identity, score=score, metadata=dict(metadata))


def _opened(item: Mapping[str, object]) -> Mapping[str, object]:
    for wrapper in ("document", "kwargs", "node", "payload"):
        inner = item.get(wrapper)
        if isinstance(inner, dict) and not isinstance(item.get("content"), str):
            return inner
    return item


def _text(item: Mapping[str, object]) -> str:
    for key in _TEXTS:
        found = item.get(key)
        if isinstance(found, dict):
            found = found.get("text", found.get("content"))
        elif isinstance(found, list):  # parts, as of a message
            texts = (part.get("text") for part in found if isinstance(part, dict))
            found = "\n".join(text for text in texts if isinstance(text, str))
        if isinstance(found, str) and found:
            return found
    return ""


def _first(item: Mapping[str, object], outer: Mapping[str, object], keys: tuple[str, ...]) -> object:
    for holder in (item, outer):
        for key in keys:
            if (found := holder.get(key)) not in (None, "", []):
                return found
    return None


def _score(value: object) -> float | None:
    number = as_number(value)
    return None if number is None else float(number)
