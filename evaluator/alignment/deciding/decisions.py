"""What a person decided about an alignment: once, whoever else decides at the same moment.

The decision is a document under the run's id, claimed by compare-and-set before anything follows from it.  Whoever
finds one there carries it out, or finds it carried out: the first decision counts, and nothing is made twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from evaluator.metrics.guideline import Guideline, guidelines_of
from storage.definitions import Definitions
from storage.errors import NameTaken, NotFound, VersionMoved

KIND = "alignment"


class DecisionKind(StrEnum):
    """What was decided."""

    ACCEPTED = "accepted"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision, and all that carrying it out needs.

    Attributes:
        metric: Whose version is made: the metric aligned, or its fork.
        version: That accepting made; 0 before.
        base, base_version: What the guidelines are put on.
        verdict: What the held-out rows said of these guidelines.
        override: It was accepted without proof, or though rows broke; `reason` says why.
        guidelines: As they are put into force.
        regressions: How many rows an earlier version had put right, and this one gets wrong.
        rebased: The metric had changed since, and the guidelines were verified on what it is now.
        document: Version of the document that holds it; 0 = none does yet.
    """

    kind: DecisionKind
    author: str
    reason: str = ""
    metric: str = ""
    display_name: str = ""
    version: int = 0
    base: str = ""
    base_version: int = 0
    verdict: str = ""
    override: bool = False
    rebased: bool = False
    guidelines: tuple[Guideline, ...] = ()
    regressions: int = 0
    document: int = field(default=0, compare=False)
    decided: datetime | None = None

    @property
    def forks(self) -> bool:
        """Whether it makes another metric."""
        return self.metric != self.base

    def to_body(self) -> dict[str, object]:
        """As stored; what says nothing is left out."""
        body: dict[str, object] = {
            "decision": str(self.kind),
            "author": self.author,
            "reason": self.reason,
            "metric": self.metric,
            "display_name": self.display_name,
            "version": self.version,
            "base": self.base,
            "base_version": self.base_version,
            "verdict": self.verdict,
            "override": self.override,
            "rebased": self.rebased,
            "guidelines": [each.to_body() for each in self.guidelines],
            "regressions": self.regressions,
        }
        return {name: value for name, value in body.items() if value not in ("", 0, False, [])}

    @classmethod
    def from_body(cls, body: Mapping[str, Any], *, document: int = 0, decided: datetime | None = None) -> Decision:
        """Inverse of `to_body`."""
        known = {name: value for name, value in body.items() if name != "decision"}
        return cls(
            **{**known, "guidelines": guidelines_of(body.get("guidelines", []))},
            kind=DecisionKind(body["decision"]),
            document=document,
            decided=decided,
        )


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decisions in the store.  Every method may raise `storage.errors.Unavailable`."""

    definitions: Definitions

    async def of(self, run_id: str) -> Decision | None:
        """What was decided about a run; None = nothing yet."""
        try:
            document = await self.definitions.get(KIND, run_id)
        except NotFound:
            return None
        return Decision.from_body(document.body, document=document.version, decided=document.created)

    async def claim(self, run_id: str, decision: Decision) -> Decision:
        """Decide; returns what counts, which is another's decision where that was first."""
        try:
            document = await self.definitions.create(KIND, run_id, decision.to_body(), author=decision.author)
        except NameTaken:
            return await self.of(run_id) or await self.claim(run_id, decision)  # it was withdrawn in between
        return replace(decision, document=document.version, decided=document.created)

    async def withdraw(self, run_id: str, decision: Decision) -> None:
        """Take back what could not be carried out, so that somebody may decide again."""
        try:
            await self.definitions.delete(KIND, run_id, decision.document, author=decision.author)
        except (NotFound, VersionMoved):
            return  # somebody else who tried to carry it out has taken it back
