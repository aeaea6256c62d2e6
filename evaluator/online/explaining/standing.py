"""How far a target is, as far as rules care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import When
from storage.model import Level
from storage.queue import Completion, Queue, SessionProgress, TraceProgress
from storage.telemetry import TargetRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStanding:
    """A stored target.  Times are milliseconds on the server's clock.

    Attributes:
        bucket: Where the hash of its trace (session) id falls, in [0, 999,999].
        of_trace: How far its trace is; None for sessions.
        of_session: How far it is as a session, by the quiet after which a rule takes it to be over.
    """

    record: TargetRecord
    bucket: int
    now_ms: int
    of_trace: TraceProgress | None = None
    of_session: Mapping[int, SessionProgress] = field(default_factory=dict)

    def ready_ms(self, rule: RuleDefinition) -> int:
        """When a rule's poll finds it, unless something arrives."""
        if self.of_trace is None:
            return self.of_session[quiet_ms(rule)].ready_ms
        return self.record.watermark_ms if rule.when is When.INGEST else self.of_trace.ready_ms

    def first_moved(self, rule: RuleDefinition, watermark_ms: int) -> str:
        """Of a session: that another trace is its first than was when something was decided; '' = it is not so."""
        session = self.of_session.get(quiet_ms(rule))
        was = session.first_at(watermark_ms) if session else ""
        if session is None or not was or was == session.started[0][0]:
            return ""
        first, arrived_ms = session.started[0]
        return (
            f" (the filter was decided again: trace {first} started before {was}, which was the session's first until "
            f"{clock(arrived_ms, self.now_ms)})"
        )

    def waits_for(self, rule: RuleDefinition, missing_parents: int) -> str:
        """What is missing until it is ready."""
        if self.of_trace is None:
            session = self.of_session[quiet_ms(rule)]
            unrooted = f"; of {session.unrooted} of its {session.traces} traces no root has come" * bool(
                session.unrooted
            )
            return f"the session to be quiet for {rule.session_idle_seconds:g} s{unrooted}"
        if self.of_trace.rooted:
            return f"more of its trace{_parents(missing_parents)}"
        return f"the root span of its trace to end{_parents(missing_parents)}"


async def standing_of(
    queue: Queue, record: TargetRecord, completion: Completion, quiet: frozenset[int]
) -> TargetStanding | None:
    """None where it went meanwhile.

    Args:
        quiet: Sessions: after how much quiet rules take them to be over, milliseconds.
    """
    ref = record.ref
    if ref.level is not Level.SESSION:
        progress = await queue.progress(ref.trace_id, completion)
        if progress is None:
            return None
        return TargetStanding(record=record, bucket=progress.bucket, now_ms=progress.now_ms, of_trace=progress)
    sessions: dict[int, SessionProgress] = {}
    for each in quiet:
        found = await queue.session_progress(ref.session_id, quiet_ms=each)
        if found is None:
            return None
        sessions[each] = found
    any_of_them = next(iter(sessions.values()))
    return TargetStanding(record=record, bucket=any_of_them.bucket, now_ms=any_of_them.now_ms, of_session=sessions)


def quiet_ms(rule: RuleDefinition) -> int:
    """After how much quiet a rule takes a session to be over."""
    return int(rule.session_idle_seconds * 1000)


def time_of(ms: int) -> datetime:
    """Milliseconds since the epoch as a time."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def clock(ms: int, now_ms: int) -> str:
    """A time as people read it; with its date where that is another."""
    time, now = time_of(ms), time_of(now_ms)
    return f"{time:%H:%M:%S} UTC" if time.date() == now.date() else f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _parents(missing: int) -> str:
    if not missing:
        return ""
    return f" ({missing} parent span{'s are' if missing > 1 else ' is'} missing)"
