"""A review queue: which metric people give their verdict on, how many of them, and what fills it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import SLUG
from storage.model import Document, Level
from storage.reviewing import Progress

QUEUE_KIND = "queue"
MAX_QUORUM = 20
RESERVATION_SECONDS = 900.0
MAX_RESERVATION_SECONDS = 7 * 86_400.0
MAX_INSTRUCTIONS = 10_000
MAX_SEED = 200
LIMIT = 1000
MAX_LIMIT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSource:
    """What a queue selects by itself.  What is set has to hold together.

    Attributes:
        filter: Boolean SQL over targets, as rules have it; '' = all.
        score_condition: Condition over the current result of the metric, as actions of rules have it.
        versions: Two versions of the metric that conclude differently on the same target.
        uncertain: The least certain results first.
        random: So many drawn by a hash of `seed` and the target; 0 = as many as `limit`, the newest first.
        seed: The same one draws the same; '' = the queue's name.
        start, end: When targets started, and results were stored; None = the last seven days, and now.
        limit: At most so many that are new; where the queue follows, so many that wait.

    Raises:
        InvalidDefinition: A field is not acceptable; says which and why.
    """

    filter: str = ""
    score_condition: str = ""
    versions: tuple[int, ...] = ()
    uncertain: bool = False
    random: int = 0
    seed: str = ""
    start: datetime | None = None
    end: datetime | None = None
    limit: int = LIMIT

    def __post_init__(self) -> None:
        if self.versions and (len(set(self.versions)) != 2 or len(self.versions) != 2 or min(self.versions) < 1):
            raise InvalidDefinition("queue.source.disagreeing_versions", "must be two versions of the metric")
        if self.random and self.uncertain:
            raise InvalidDefinition("queue.source.random", "is another order than `uncertain`: choose one")
        if not 0 <= self.random <= MAX_LIMIT:
            raise InvalidDefinition("queue.source.random", f"must be in [0, {MAX_LIMIT:,}], got {self.random}")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidDefinition("queue.source.limit", f"must be in [1, {MAX_LIMIT:,}], got {self.limit}")
        if self.seed and not self.random:
            raise InvalidDefinition("queue.source.seed", "belongs to `random`, which is not set")
        if len(self.seed) > MAX_SEED:
            raise InvalidDefinition("queue.source.seed", f"may have {MAX_SEED} characters, got {len(self.seed)}")
        if self.start and self.end and self.start >= self.end:
            raise InvalidDefinition("queue.source.end_time", "must be after start_time")

    @property
    def reads_results(self) -> bool:
        """Whether only targets with a result of the metric can be meant."""
        return bool(self.score_condition or self.versions or self.uncertain)

    @property
    def most(self) -> int:
        """Targets at most."""
        return min(self.random, self.limit) if self.random else self.limit

    def to_body(self) -> dict[str, object]:
        """As stored."""
        return {
            "filter": self.filter,
            "score_condition": self.score_condition,
            "disagreeing_versions": list(self.versions),
            "uncertain": self.uncertain,
            "random": self.random,
            "seed": self.seed,
            "start_time": self.start.isoformat() if self.start else "",
            "end_time": self.end.isoformat() if self.end else "",
            "limit": self.limit,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> QueueSource:
        """Inverse of `to_body`; absent fields have their defaults."""
        return cls(
            filter=str(body.get("filter", "")),
            score_condition=str(body.get("score_condition", "")),
            versions=tuple(int(each) for each in body.get("disagreeing_versions", ())),
            uncertain=bool(body.get("uncertain", False)),
            random=int(body.get("random", 0)),
            seed=str(body.get("seed", "")),
            start=_time(body.get("start_time")),
            end=_time(body.get("end_time")),
            limit=int(body.get("limit", LIMIT)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQueue:
    """One version of a review queue.

    Attributes:
        name: Slug `[a-z0-9_]+`.
        metric: Whose verdicts people give; as kept, a slug.
        quorum: Reviewers wanted for each item, 1 to 20.
        blind: Whether reviewers see neither the judge's verdict nor each other's.
        reservation_seconds: How long a reservation holds, 1 second to 7 days.
        instructions: What reviewers are asked to mind.
        source: What fills it; None = it is filled by name, and by actions of rules.
        follow: Whether what the source selects is added from now on.

    Raises:
        InvalidDefinition: A field is not acceptable; says which and why.
    """

    name: str
    version: int = 1
    metric: str
    level: Level
    quorum: int = 1
    blind: bool = False
    reservation_seconds: float = RESERVATION_SECONDS
    instructions: str = ""
    source: QueueSource | None = None
    follow: bool = False

    def __post_init__(self) -> None:
        if not SLUG.fullmatch(self.name):
            raise InvalidDefinition("queue.name", f"must be 1 to 64 of a-z, 0-9 and _, got {self.name!r}"[:300])
        if not self.metric:
            raise InvalidDefinition("queue.metric", "name the metric whose verdicts people give")
        if not 1 <= self.quorum <= MAX_QUORUM:
            raise InvalidDefinition("queue.quorum", f"must be in [1, {MAX_QUORUM}], got {self.quorum}")
        seconds = self.reservation_seconds
        if not isfinite(seconds) or not 1.0 <= seconds <= MAX_RESERVATION_SECONDS:
            raise InvalidDefinition("queue.reservation", f"must be 1 second to 7 days, got {seconds:g} seconds")
        if len(self.instructions) > MAX_INSTRUCTIONS:
            raise InvalidDefinition("queue.instructions", f"may have {MAX_INSTRUCTIONS} characters")
        if self.follow and self.source is None:
            raise InvalidDefinition("queue.follow", "needs a source that says what is added")
        if self.follow and self.source and (self.source.random or self.source.end):
            raise InvalidDefinition("queue.follow", "goes on for ever: a draw at random, or an end, is for one filling")

    def to_body(self) -> dict[str, object]:
        """As stored in `control_docs`."""
        return {
            "metric": self.metric,
            "level": str(self.level),
            "quorum": self.quorum,
            "blind": self.blind,
            "reservation_seconds": self.reservation_seconds,
            "instructions": self.instructions,
            "source": self.source.to_body() if self.source else None,
            "follow": self.follow,
        }

    @classmethod
    def from_document(cls, document: Document) -> ReviewQueue:
        """A stored version; absent fields have their defaults."""
        body: Mapping[str, Any] = document.body
        source = body.get("source")
        return cls(
            name=document.name,
            version=document.version,
            metric=str(body["metric"]),
            level=Level(str(body["level"])),
            quorum=int(body.get("quorum", 1)),
            blind=bool(body.get("blind", False)),
            reservation_seconds=float(body.get("reservation_seconds", RESERVATION_SECONDS)),
            instructions=str(body.get("instructions", "")),
            source=QueueSource.from_body(source) if source else None,
            follow=bool(body.get("follow", False)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """A queue, how far it is, and when it was made."""

    definition: ReviewQueue
    progress: Progress = field(default_factory=Progress)
    created: datetime | None = None


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What became of a filling: items that are new, and targets that were in the queue already."""

    added: int = 0
    present: int = 0
