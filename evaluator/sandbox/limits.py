"""What one run in the sandbox may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one run.

    Attributes:
        seconds: Of CPU of its worker.
        clock_seconds: Of the clock while the code runs: what starves on a busy machine ends, too.
        memory_bytes: Of the code's values, the target's content that it reads among them.
        depth: Calls inside calls.
    """

    seconds: float = 5.0
    clock_seconds: float = 60.0
    memory_bytes: int = 128 * 2**20
    depth: int = 500
