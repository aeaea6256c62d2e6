"""Statements whose target is not there yet.

Most wait for a few seconds (a log record is sent before the span around it), in memory; the cursor stays before them.
What waits longer goes into the store, and is looked at when something of what it is about arrives: neither a restart
nor the number of those that wait matters then.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass

from evaluator.online.external.events import Statement
from storage.external import RefusedResult, WaitingResult, WaitingResults
from storage.model import Level, storable

WAIT_SECONDS = 86_400.0
"""So long a statement waits for its target, from its own arrival on."""
MEMORY_SECONDS = 60.0
"""So long of that in memory."""
MAX_WAITING = 20_000
MAX_WAITING_CHARACTERS = 64 << 20
"""In memory; more goes into the store at once."""
MAX_PAUSE_SECONDS = 30.0
"""Between looks for one target."""
SWEEP_SECONDS = 60.0
"""Between looks for those that waited long enough."""
LATE_MS = 3 * 86_400_000
"""How far the first of these looks goes back; older rows are gone."""
MAX_ID = 256
"""Characters of an id that are kept of what was refused."""


@dataclass(frozen=True, slots=True)
class _Turn:
    look_at: float
    pause: float


class Waiting:
    """Who waits.  Of one process at a time: the one that looks at arrivals."""

    def __init__(
        self,
        store: WaitingResults,
        *,
        wait_seconds: float = WAIT_SECONDS,
        memory_seconds: float = MEMORY_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
        pause_seconds: float = 1.0,
        page: int = 500,
    ) -> None:
        self._store = store
        self._wait_ms = int(wait_seconds * 1000)
        self._memory_ms = int(memory_seconds * 1000)
        self._sweep_seconds = sweep_seconds
        self._pause_seconds = pause_seconds
        self._page = page
        self._held: dict[Statement, _Turn] = {}
        self._kinds: set[str] | None = None
        """Kinds of subjects that something in the store may wait for; None = not known yet."""
        self._swept_ms = 0
        self._swept_at = -sweep_seconds

    def __len__(self) -> int:
        """How many wait in memory."""
        return len(self._held)

    def forget(self) -> None:
        """Another process looks now."""
        self._held, self._kinds, self._swept_ms, self._swept_at = {}, None, 0, -self._sweep_seconds

    def first_ms(self) -> int | None:
        """Arrival of the earliest that waits in memory; a worker that starts again has to find it again."""
        return min((said.ingested_ms for said in self._held), default=None)

    def due(self) -> list[Statement]:
        """Whose turn it is, of those in memory."""
        now = time.monotonic()
        return [said for said, turn in self._held.items() if turn.look_at <= now]

    async def touched(self, *, since_ms: int, until_ms: int) -> AsyncIterator[list[Statement]]:
        """Those in the store about which something arrived in (since, until]."""
        if self._kinds is None:
            self._kinds = await self._store.kinds()
        after_key = ""
        while self._kinds:
            found = await self._store.touched(
                since_ms=since_ms,
                until_ms=until_ms,
                responses="response" in self._kinds,
                after_key=after_key,
                limit=self._page,
            )
            if found:
                yield [from_body(each.body) for each in found]
            if len(found) < self._page:
                return
            after_key = found[-1].key

    async def over(self, *, until_ms: int) -> AsyncIterator[list[Statement]]:
        """Those in the store that waited long enough, now and then."""
        if time.monotonic() - self._swept_at < self._sweep_seconds:
            return
        after_ms, end_ms = self._swept_ms or until_ms - LATE_MS, until_ms - self._wait_ms
        while found := await self._store.expired(after_ms=after_ms, until_ms=end_ms, limit=self._page):
            yield [from_body(each.body) for each in found]
        self._swept_ms, self._swept_at = end_ms, time.monotonic()
        self._kinds = None  # they may have been the last

    async def settle(self, said: Sequence[Statement]) -> None:
        """These, from the store, wait no more."""
        await self._store.settle([_waiting(each) for each in said])

    async def hold(self, looked: Collection[Statement], missing: Sequence[Statement], until_ms: int) -> list[Statement]:
        """Of those that were looked at in this round some miss their target still; returns whose time is over.

        What goes into the store was looked for a moment ago: whatever arrives later is found by its arrival.
        """
        now, gone = time.monotonic(), set(looked)
        held = {said: turn for said, turn in self._held.items() if said not in gone}
        characters = sum(said.characters for said in held)
        late, old = list[Statement](), list[Statement]()
        for said in dict.fromkeys(missing):
            age_ms = until_ms - said.ingested_ms
            if age_ms >= self._wait_ms:
                late.append(said)
            elif age_ms >= self._memory_ms or len(held) >= MAX_WAITING or characters >= MAX_WAITING_CHARACTERS:
                old.append(said)
            else:
                before = self._held.get(said)
                pause = min(2 * before.pause if before else self._pause_seconds, MAX_PAUSE_SECONDS)
                held[said] = _Turn(now + pause, pause)
                characters += said.characters
        await self._store.put([_waiting(each) for each in old])
        if old:
            known = self._kinds if self._kinds is not None else await self._store.kinds()
            self._kinds = known | {subject.partition(":")[0] for each in old for subject in subjects(each)}
        self._held = held
        return late


def subjects(said: Statement) -> tuple[str, ...]:
    """What may bring the target of a statement."""
    found = []
    if said.response_id:
        found.append(f"response:{storable(said.response_id)}")
    if (trace := said.trace()) is not None:
        found.append(f"trace:{trace.trace_id}")
    if said.session() is not None:
        found.append(f"session:{storable(said.session_id)}")
    return tuple(found)


def refused(said: Statement, reason: str) -> RefusedResult:
    """As it is remembered."""
    return RefusedResult(
        key=_key(_body(said)),
        reason=reason,
        name=said.name,
        trace_id=said.trace_id[:MAX_ID],
        span_id=said.span_id[:MAX_ID],
        session_id=said.session_id,
        service=said.service,
        arrived_ms=said.ingested_ms,
    )


def from_body(body: str) -> Statement:
    """A statement as it was stored."""
    fields = json.loads(body)
    return Statement(**{**fields, "level": Level(fields["level"]) if fields["level"] else None})


def _body(said: Statement) -> str:
    return json.dumps(asdict(said), separators=(",", ":"))


def _key(body: str) -> str:
    return hashlib.blake2b(body.encode(), digest_size=16).hexdigest()


def _waiting(said: Statement) -> WaitingResult:
    body = _body(said)
    return WaitingResult(
        key=_key(body),
        subjects=subjects(said),
        arrived_ms=said.ingested_ms,
        trace_id=said.trace_id,
        session_id=said.session_id,
        body=body,
    )
