"""The context of a model call: what was retrieved for it, else what its prompt says was."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from evaluator.targets import rendering
from evaluator.targets.record import Brought, SpanRecord, TraceRecord

_VARIABLES: Final = (
    "context",
    "context_str",
    "contexts",
    "documents",
    "docs",
    "retrieved_context",
    "knowledge",
    "sources",
    "passages",
)
RUNS: Final = frozenset({"agent", "chain"})
"""Kinds of spans that hold a run: what is below them is theirs."""
_TAGS: Final = tuple(
    (re.compile(f"<{tag}>", re.IGNORECASE | re.ASCII), re.compile(f"</{tag}>", re.IGNORECASE | re.ASCII))
    for tag in ("context", "documents", "sources", "passages")
)
_HEADING: Final = re.compile(
    r"[ \t#*]*(?:retrieved |relevant )?context(?: information)?(?: is below)?[ \t*]*[:.][ \t*]*(.*)", re.IGNORECASE
)
_NEXT_HEADING: Final = re.compile(
    r"[ \t#*]*(?:given the context|(?:user )?question|query|answer|task|instructions?|user)\b[ \t*]*:?", re.IGNORECASE
)
_RULER: Final = re.compile(r"[ \t]*-{3,}[ \t]*")
_MAX_HEADING_CHARACTERS: Final = 200
_MAX_PROMPT_CHARACTERS: Final = 1_000_000


def context_of_span(record: SpanRecord, trace: TraceRecord | None) -> str:
    """Context of one span; '' when there is none.

    Model call: what retrievers and tools of its trace returned before it started, else the context inside its prompt.
    Agent or chain: what those below it returned.  Retriever or reranker: its own documents.
    """
    match record.kind:
        case "retriever" | "reranker":
            return rendering.documents(record.documents)
        case "llm":
            before = [each for each in trace.brought if each.end_ns <= record.start_ns] if trace else []
            return _joined(before) or context_in_prompt(record)
        case kind if kind in RUNS and trace:
            below = ids_below(record.span_id, trace)
            return _joined(each for each in trace.brought if each.span_id in below)
        case _:
            return ""


def context_of_trace(trace: TraceRecord) -> str:
    """What retrievers and tools of a trace returned, else the context inside the prompt of a model call."""
    if brought := _joined(trace.brought):
        return brought
    prompts = (context_in_prompt(span) for span in trace.spans if span.kind == "llm" and span.duplicate_of is None)
    return next(filter(None, prompts), "")


def context_in_prompt(record: SpanRecord) -> str:
    """The part of a prompt that says it is the context; '' when none does."""
    for name in _VARIABLES:
        if isinstance(value := record.prompt_variables.get(name), str) and value:
            return value
    prompts = [
        record.system_prompt or "",
        *(message.content for message in record.input_messages if message.role == "user"),
    ]
    for prompt in reversed(prompts):
        if found := _marked(prompt[:_MAX_PROMPT_CHARACTERS]) or _headed(prompt[:_MAX_PROMPT_CHARACTERS]):
            return found
    return ""


def _marked(prompt: str) -> str:
    """What stands between `<context>` and `</context>`, or tags like these."""
    found: list[str] = []
    for opening, closing in _TAGS:
        start = opening.search(prompt)
        while start is not None:
            end = closing.search(prompt, start.end())
            if end is None:
                break
            found.append(prompt[start.end() : end.start()].strip())
            start = opening.search(prompt, end.end())
    return "\n\n".join(filter(None, found))


def _headed(prompt: str) -> str:
    """What stands below a line `Context:`, up to the next heading."""
    if "context" not in prompt.lower():
        return ""
    kept: list[str] | None = None
    for line in prompt.splitlines():
        if kept is None:
            heading = _HEADING.fullmatch(line) if "context" in line[:_MAX_HEADING_CHARACTERS].lower() else None
            kept = [heading.group(1)] if heading else None
        elif _RULER.fullmatch(line[:_MAX_HEADING_CHARACTERS]):
            if any(kept):
                break
        elif _NEXT_HEADING.match(line[:_MAX_HEADING_CHARACTERS]):
            break
        else:
            kept.append(line)
    return "\n".join(kept or ()).strip()


def _joined(brought: Iterable[Brought]) -> str:
    return "\n\n".join(dict.fromkeys(text for each in brought for text in each.texts))


def ids_below(span_id: str, trace: TraceRecord) -> set[str]:
    """Ids of the spans below one, at any depth."""
    wanted: set[str] = set()
    waiting = [span_id]
    while waiting:
        for child in trace.children.get(waiting.pop(), ()):
            if child not in wanted:
                wanted.add(child)
                waiting.append(child)
    return wanted
