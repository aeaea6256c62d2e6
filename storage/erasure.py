"""What an erasure is about, and what it says when it is done: the vocabulary of `assay erase`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, get_args

RootKind: TypeAlias = Literal["trace", "session", "user"]
ROOT_KINDS: tuple[RootKind, ...] = get_args(RootKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What somebody wants erased: one trace, one session with all its traces, or all traces of one user."""

    kind: RootKind
    id: str

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError(f"a {self.kind} has an id that is not empty")

    def digest(self, key: bytes) -> str:
        """32 hex digits that say nothing about the id to whom the key is not known."""
        return hashlib.blake2b(f"{self.kind}\0{self.id}".encode(), digest_size=16, key=key).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is stored of a root: traces that go, sessions that lose a trace or all, and rows by table.

    `resumed` says that an erasure of it was begun before and did not end.
    """

    traces: int = 0
    sessions: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    resumed: bool = False

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to erase."""
        return not self.rows and not self.resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """The outcome of an erasure.

    Attributes:
        found: What there was when it began.
        left: Rows by table that are still there: they came while it ran, faster than it could follow.
        scoring: Decisions of rules whose scoring was still under way when waiting for it was given up.
        old_parts: Replaced parts that are still on disk.
        detached_parts: Parts that somebody, or a repair, has set aside: nobody can look into them.
        arrived: Traces of the same session or user that arrived meanwhile: new data, which is not touched.
    """

    found: Found
    left: Mapping[str, int] = field(default_factory=dict)
    scoring: int = 0
    old_parts: int = 0
    detached_parts: int = 0
    arrived: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing of it is in any table or part any more, and nothing of it can come out of scoring."""
        return not (self.left or self.scoring or self.old_parts or self.detached_parts)


class Erasure(Protocol):
    """Forgets one trace, session or user in every table, and on disk.

    What arrives while it runs, or later, under other trace ids is new data, and is left alone.
    """

    async def find(self, root: Root) -> Found:
        """What would be erased; changes nothing."""

    async def erase(self, root: Root, *, author: str = "") -> Erased:
        """Erase, verify, and record the proof without the id; asked again after a crash, it goes on.

        Args:
            author: Who asks; stands in the record.
        """

    async def unfinished(self) -> int:
        """Erasures that were begun and did not end."""

    async def late(self) -> Mapping[str, int]:
        """Traces of which spans, logs or results arrived in the last day although they had been erased, by what."""
