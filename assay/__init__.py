"""Assay: command line, Python client, and the only place where the parts are wired together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.authoring import metric
    from assay.client import AsyncClient, Client
    from assay.metric_names import GalileoMetrics
    from assay.scope import set_experiment
    from assay.steps import (
        AgentSpan,
        Content,
        Document,
        LlmSpan,
        Message,
        RetrieverSpan,
        Session,
        Span,
        ToolCall,
        ToolSpan,
        Trace,
        WorkflowSpan,
    )

__all__ = [
    "AgentSpan",
    "AsyncClient",
    "Client",
    "Content",
    "Document",
    "GalileoMetrics",
    "LlmSpan",
    "Message",
    "RetrieverSpan",
    "Session",
    "Span",
    "ToolCall",
    "ToolSpan",
    "Trace",
    "WorkflowSpan",
    "metric",
    "set_experiment",
]

_MODULE_OF = {
    "AsyncClient": "assay.client",
    "Client": "assay.client",
    "GalileoMetrics": "assay.metric_names",
    "metric": "assay.authoring",
    "set_experiment": "assay.scope",
}


def __getattr__(name: str) -> Any:
    """`from assay import Client` without paying for gRPC where a command does not need it."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(_MODULE_OF.get(name, "assay.steps")), name)
    raise AttributeError(f"module 'assay' has no attribute {name!r}")
