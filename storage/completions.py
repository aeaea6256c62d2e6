"""Explicit ends of traces and sessions.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from storage.model import TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An end that nothing arrived after.

    Attributes:
        at_ms: When it was said, milliseconds on the store's clock.
        stored: Something of the target is stored; else the end has no effect on what is still to come.
    """

    at_ms: int
    stored: bool


class Completions(Protocol):
    """Takes what senders and people say of traces and sessions: nothing more is to come."""

    async def end(self, target: TargetRef) -> Ended:
        """Say that a trace or session has ended; one that has, and of which nothing came since, stays as it is."""
