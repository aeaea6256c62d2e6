"""What is known of one target, for those who ask why it was, or was not, scored.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storage.model import TargetRef
from storage.queue import Candidates, Decision
from storage.telemetry import TargetRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """The newest decision about one revision of a target.

    Attributes:
        alive: The worker that wrote it lives.
        decided: When, on the server's clock.
    """

    decision: Decision
    alive: bool
    decided: datetime


class Inquiries(Protocol):
    """Look-ups about one target."""

    async def ledger(self, target: TargetRef, *, rule: str = "") -> list[LedgerEntry]:
        """The newest decision of every rule (of one, if named), metric and revision, newest revision first; those of
        runs are left out."""

    async def met(self, record: TargetRecord, wished: Sequence[Candidates]) -> frozenset[int]:
        """Which of these select one target, by their places; all of them are of its level."""

    async def values(
        self, record: TargetRecord, expressions: Mapping[str, str], parameters: Mapping[str, object]
    ) -> Mapping[str, str]:
        """What SQL expressions over the columns of filters are for one target, as text; empty where it is gone."""
