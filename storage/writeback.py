"""Results onto spans.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBackBatch:
    """What one batch of write-back did: `staged` results, of which `missing` spans were not found."""

    staged: int
    missing: int


class WriteBack(Protocol):
    """Projects current results onto the spans.  One process at a time (lease `writeback`)."""

    async def resume(self) -> int:
        """Finish batches that a dead process left behind; returns how many."""

    async def project(self, *, since_ms: int, lag_seconds: int, limit: int) -> WriteBackBatch:
        """Stage results inserted since then (less the lag) that were not staged yet, update their spans, verify."""

    async def newest_ms(self) -> int:
        """Server time of the newest result, milliseconds; 0 when there is none."""

    async def settled_ms(self) -> int:
        """Server time before which no result can still become visible, or in part only, milliseconds."""
