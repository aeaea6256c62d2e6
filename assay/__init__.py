"""Assay: command line, Python client, and the only place where the parts are wired together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """`from assay import Client` without paying for gRPC where a command does not need it."""
    if name in __all__:
        from assay import client

        return getattr(client, name)
    raise AttributeError(f"module 'assay' has no attribute {name!r}")
