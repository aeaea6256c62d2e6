"""What `step_object` is made of.  This text runs in the sandbox, before the scorer; for plugins it runs here.

Written in the Python that the sandbox knows: no inheritance, no properties, no `len()` of objects.
"""

from __future__ import annotations

from typing import Any


class LlmSpan:
    """A model call."""


class RetrieverSpan:
    """A retrieval."""


class ToolSpan:
    """A tool at work."""


class AgentSpan:
    """An agent's run."""


class ChainSpan:
    """A step of a workflow."""


class EmbeddingSpan:
    """An embedding."""


class RerankerSpan:
    """A reranking."""


class GuardrailSpan:
    """A guardrail's check."""


class EvaluatorSpan:
    """An evaluation that the application made itself."""


class OtherSpan:
    """Anything else."""


class Trace:
    """One trace."""


class Session:
    """The traces of one session."""


class Content:
    """What went in or came out."""

    captured = True
    content = ""

    def __str__(self) -> str:
        return self.content


class Message:
    """One message of a conversation."""


class ToolCall:
    """A call that a model asked for."""


class Document:
    """What a retriever found."""


class Metrics:
    """Results of the required metrics on one step, by enum, slug or display name."""

    def __init__(self, values: dict[str, object] | None, step: object, spellings: dict[str, str]) -> None:
        self._values = {} if values is None else values
        self._where = "child: a span sees no results but its own" if values is None else type(step).__name__
        self._spellings = spellings

    def _slug(self, name: str) -> str:
        slug = self._spellings.get(name)
        if slug is None:
            slug = name.strip().lower().replace(" ", "_").replace("-", "_")
            if slug not in self._spellings:
                declared = ", ".join(sorted(set(self._spellings.values()))) or "none"
                raise KeyError(f"{name!r} is not in required_metrics; declared: {declared}")
            slug = self._spellings[slug]
        return slug

    def __getitem__(self, name: str) -> object:
        slug = self._slug(name)
        if slug not in self._values:
            raise KeyError(f"{slug!r} has no result on this {self._where}; ask `in` or `.get` first")
        return self._values[slug]

    def get(self, name: str, default: object = None) -> object:
        """The result, or `default` where the metric has none on this step.  An undeclared name raises, too."""
        return self._values.get(self._slug(name), default)

    def __contains__(self, name: str) -> bool:
        return self._spellings.get(name, name) in self._values

    def __iter__(self) -> Any:
        return iter(list(self._values))

    def keys(self) -> list[str]:
        """Slugs of the metrics that have a result here."""
        return list(self._values)

    def values(self) -> list[object]:
        """Their values."""
        return list(self._values.values())

    def items(self) -> list[tuple[str, object]]:
        """Slugs and values."""
        return list(self._values.items())


WorkflowSpan = ChainSpan
_CLASSES = {
    "llm": LlmSpan,
    "retriever": RetrieverSpan,
    "tool": ToolSpan,
    "agent": AgentSpan,
    "chain": ChainSpan,
    "embedding": EmbeddingSpan,
    "reranker": RerankerSpan,
    "guardrail": GuardrailSpan,
    "evaluator": EvaluatorSpan,
    "other": OtherSpan,
    "trace": Trace,
    "session": Session,
    "content": Content,
    "message": Message,
    "tool_call": ToolCall,
    "document": Document,
}
Span = (LlmSpan, RetrieverSpan, ToolSpan, AgentSpan, ChainSpan, EmbeddingSpan, RerankerSpan, GuardrailSpan,
        EvaluatorSpan, OtherSpan)  # fmt: skip
Step = (*Span, Trace, Session)


def made(shape: Any, spellings: Any, absent: Any) -> Any:
    """The object of a shape (`evaluator.metrics.code.step`): a tuple of what it is and its attributes; else itself."""
    what, held = shape
    if what == "list":
        return [made(each, spellings, absent) for each in held]
    if what == "absent":
        return absent[held]
    if what == "tree":
        spans = [made(each, spellings, absent) for each in held[0]]
        _linked(spans, held[1])
        return spans[0]
    step: Any = _CLASSES[what]()
    for name, value in held.items():
        if isinstance(value, tuple):
            if name == "metrics":
                value = Metrics(value[1], step, spellings)
            elif name == "tree":
                _linked(step.spans, value[1])
                value = [step.spans[at] for at in value[0]]
                name = "children"
            else:
                value = made(value, spellings, absent)
        setattr(step, name, value)
    return step


def _linked(spans: Any, tree: Any) -> None:
    """Children of each span, as indices, become the spans themselves."""
    for span, below in zip(spans, tree):  # noqa: B905
        span.children = [spans[at] for at in below]


def answer(value: Any) -> Any:
    """What a scorer returned, or what is wrong with it: objects and texts without end do not leave the sandbox."""
    if value is None or isinstance(value, (bool, int, float)):
        return ("value", value)
    if isinstance(value, str):
        return ("value", value) if len(value) <= 100000 else ("wrong", f"a text of {len(value)} characters")
    if isinstance(value, (list, tuple, set, frozenset)):
        items = list(value)
        if len(items) > 1000:
            return ("wrong", f"{len(items)} items")
        found = [answer(each) for each in items]
        wrong = [each[1] for each in found if each[0] == "wrong"]
        if wrong:
            return ("wrong", wrong[0])
        return ("several", [isinstance(value, tuple), found])
    if isinstance(value, dict):
        found = answer(list(value.values()))
        if found[0] == "wrong":
            return found
        return ("mapping", [[str(key)[:100] for key in value], found[1][1]])
    return ("wrong", f"a {type(value).__name__}")
