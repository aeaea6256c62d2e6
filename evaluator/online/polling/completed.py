"""When a trace was complete first, after something of it arrived."""

from __future__ import annotations

from collections.abc import Sequence

from storage.queue import Arrival, Completion


def completed_ms(arrivals: Sequence[Arrival], *, after_ms: int, completion: Completion, last_ms: int) -> int:
    """The first moment at or after `after_ms` at which a trace was complete, by the rules of `ready_traces`.

    Args:
        arrivals: What arrived from `after_ms` on at the latest, in order of time.
        last_ms: When the trace became complete last; nothing later is answered.
    """
    rooted = logs = False
    for place, arrival in enumerate(arrivals):
        rooted, logs = rooted or arrival.roots > 0, logs or arrival.logs > 0
        if arrival.at_ms < after_ms:
            continue
        grace_ms = completion.grace_many_ms if logs else completion.grace_one_ms
        quiet_ms = arrival.at_ms + (min(completion.idle_ms, grace_ms) if rooted else completion.idle_ms)
        following_ms = arrivals[place + 1].at_ms if place + 1 < len(arrivals) else None
        if following_ms is None or following_ms > quiet_ms:
            return min(quiet_ms, last_ms)
    return last_ms
