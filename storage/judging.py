"""What judges were asked and answered.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from storage.model import JudgeAnswer, JudgeTrace, StoredSpan


class JudgeTraces(Protocol):
    """Exchanges with judges, as OTel traces, apart from everybody's telemetry."""

    async def append(self, traces: Sequence[JudgeTrace]) -> None:
        """Store exchanges.  The same ones again, in the same order, do no harm."""

    async def get(self, trace_id: str) -> list[StoredSpan]:
        """The spans of one exchange by start; none where it is unknown, erased or too old."""


class JudgeAnswers(Protocol):
    """Answers of judges by the digest of the question; each is forgotten after 30 days, and with what it was about."""

    async def find(self, keys: Collection[bytes]) -> Mapping[bytes, JudgeAnswer]:
        """Those that are there."""

    async def keep(self, answers: Sequence[JudgeAnswer]) -> None:
        """Store answers; of two to one question any serves."""
