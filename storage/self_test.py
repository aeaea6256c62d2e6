"""A target that is not real: pushed through a rule to see whether it comes out as a result, and removed again."""

from __future__ import annotations

from typing import Protocol

from storage.model import Evaluation, StoredSpan

MARK = "assay.self_test"
"""Attribute of spans that are not real."""


class SelfTests(Protocol):
    """Synthetic telemetry.  Every method may raise `storage.errors.Unavailable`."""

    async def sampled_id(self, ppm: int, *, session: bool = False) -> str:
        """A fresh id of a trace (of a session) whose hash falls below so many millionths; '' = none does."""

    async def push(self, span: StoredSpan) -> None:
        """Store a span as a sender's would be."""

    async def shown(self, result: Evaluation) -> bool:
        """Whether a result can be read as attributes of the span at which it stands."""

    async def remove(self, trace_id: str, *, session_id: str = "") -> None:
        """Remove a synthetic trace, its session, and everything that was concluded of them."""
