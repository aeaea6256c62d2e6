"""What the front asks of the parts behind it, where no other module says so."""

from __future__ import annotations

import uuid
from typing import Protocol

from evaluator.scoring.request import Pending


class Computing(Protocol):
    """Knows what is being computed, so that a caller who stopped waiting can ask again."""

    def pending(self, evaluation_id: uuid.UUID) -> Pending | None:
        """The pair that this result will conclude; None where it is not being computed here.

        A result is stored before it stops being pending: who asks here first and then the store misses none.
        """

    def in_progress(self) -> list[Pending]:
        """What calls have asked for and is not final, queued or computing."""
