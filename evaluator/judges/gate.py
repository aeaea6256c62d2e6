"""What stands before one endpoint: places, pace and breaker.  One endpoint's trouble is nobody else's."""

from __future__ import annotations

import time
from collections.abc import Callable

from evaluator.judges.breaker import Breaker
from evaluator.judges.endpoints import MAX_IN_FLIGHT
from evaluator.judges.pace import Pace
from evaluator.judges.port import JudgeError, JudgeRateLimited, JudgeTimeout, JudgeUnreachable
from evaluator.judges.slots import Slots


class Gate:
    """Limits of one endpoint.

    Args:
        in_flight: Calls under way at once.
        most: Requests per second; None = what the endpoint takes.
    """

    def __init__(
        self,
        *,
        in_flight: int = MAX_IN_FLIGHT,
        most: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slots = Slots(in_flight)
        self.pace = Pace(most=most, clock=clock)
        self.breaker = Breaker(clock=clock)

    def saw(self, error: JudgeError | None, *, probe: bool, turn: float) -> None:
        """What became of a question that went through at that turn of the pace; None = an answer."""
        match error:
            case JudgeUnreachable():
                self.breaker.unreachable(probe=probe)
            case JudgeRateLimited():
                self.breaker.reached()
                self.pace.limited(turn, error.retry_seconds)
            case JudgeTimeout():
                self.breaker.given_up(probe=probe)
            case _:
                self.breaker.reached()
                self.pace.answered(turn)
