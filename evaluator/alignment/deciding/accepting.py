"""An alignment is put into force: a fork of a built-in metric, a version of a custom one; or it is put aside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from evaluator.alignment.deciding.choices import Choice, chosen, rebased
from evaluator.alignment.deciding.decisions import Decision, DecisionKind, Decisions
from evaluator.alignment.deciding.repointing import Repointing
from evaluator.alignment.model import Verdict
from evaluator.alignment.running.outcome import AlignmentOutcome
from evaluator.errors import (
    AlignmentNotEnded,
    AlignmentNotFound,
    AlreadyAccepted,
    AlreadyDiscarded,
    BaseMoved,
    InvalidDefinition,
    MetricNotFound,
    NoGuidelines,
    NotSupported,
    RegressionBroken,
)
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline
from evaluator.metrics.naming import BUILTIN, named
from evaluator.metrics.record import MetricRecord
from evaluator.metrics.registry import KIND, Acceptance, Metrics, made_by
from storage.alignments import Alignments, AlignmentStanding, AlignmentState, FlipKind
from storage.errors import NameTaken, NotFound, VersionMoved
from storage.model import TargetRef
from storage.rechecking import Rechecks

log = logging.getLogger(__name__)

FORK_SUFFIX = "_aligned"
MAX_SLUG = 64
MAX_REASON = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What guidelines are worth on a base; `broken`: rows that were right, and are wrong with them."""

    verdict: Verdict
    summary: str = ""
    broken: tuple[TargetRef, ...] = ()


class Verifies(Protocol):
    """`evaluator.alignment.deciding.reverify.Reverifier`."""

    async def verify(self, run_id: str, base: MetricDefinition, guidelines: Sequence[Guideline]) -> Verified:
        """What guidelines are worth on a base, from the run's answers as far as they go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptRequest:
    """A decision for the guidelines of a run; fields as in the proto `AcceptAlignmentRequest`."""

    run_id: str
    author: str
    choices: tuple[Choice, ...] = ()
    name: str = ""
    override: bool = False
    reason: str = ""
    repoint: tuple[str, ...] = ()
    rebase: bool = False

    def __post_init__(self) -> None:
        if not self.author.strip():
            raise InvalidDefinition("author", "say who accepts")
        if self.override and not self.reason.strip():
            raise InvalidDefinition("reason", "say why it is accepted without proof: an override is recorded with it")
        if len(self.reason) > MAX_REASON:
            raise InvalidDefinition("reason", f"may have {MAX_REASON} characters, got {len(self.reason)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What accepting did.

    Attributes:
        record: The version that was made.
        regressions: Rows that it gets wrong though an earlier one had put them right; known when it is made.
        rules_left: Rules that use the built-in metric and were not repointed.
    """

    decision: Decision
    record: MetricRecord
    regressions: tuple[TargetRef, ...] = ()
    rules_left: tuple[str, ...] = ()
    rules_repointed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptances:
    """Decisions about runs.  Every method may raise `storage.errors.Unavailable`.

    Attributes:
        verifies: Lines that are not the run's, or not on the version that it started from, are verified first.
        made: Called when a version was made.
    """

    alignments: Alignments
    metrics: Metrics
    decisions: Decisions
    rules: Repointing
    rechecks: Rechecks
    verifies: Verifies
    made: Callable[[], None] = lambda: None

    async def accept(self, request: AcceptRequest) -> Accepted:
        """Put guidelines into force.  A run that was accepted is returned with the version that it made.

        Raises:
            AlignmentNotFound, AlignmentNotEnded: As they say.
            AlreadyDiscarded: Somebody put it aside.
            InvalidDefinition: A choice, the name, or what would be made is not acceptable; says which field.
            NoGuidelines, NotSupported, RegressionBroken: As they say; the last two go with `override` and a reason.
            BaseMoved: The metric changed meanwhile.
            NameTaken: The fork's name is; suggests another one.
            RuleNotFound: A rule to be repointed computes something else.
        """
        standing = await self._ended(request.run_id)
        decision = await self.decisions.of(request.run_id)
        regressions: tuple[TargetRef, ...] = ()
        if decision is None:
            decided, regressions = await self._decided(standing, request)
            if decided.forks:
                await self.rules.chosen(decided.base, request.repoint, to=decided.metric)
            decision = await self.decisions.claim(request.run_id, decided)
        if decision.kind is DecisionKind.DISCARDED:
            raise AlreadyDiscarded(_discarded(decision))
        record = await self._made(request.run_id, decision)
        decision = replace(decision, version=record.definition.version)
        if standing.decision is None:
            await self.alignments.decide(request.run_id, decision.to_body())
            extra = {"run": request.run_id, "metric": decision.metric, "version": decision.version}
            log.info("alignment_accepted", extra=extra | {"author": decision.author, "override": decision.override})
            self.made()
        if not decision.forks:
            return Accepted(decision=decision, record=record, regressions=regressions)
        names = await self.rules.chosen(decision.base, request.repoint, to=decision.metric)
        repointed = await self.rules.repoint(names, metric=decision.base, to=decision.metric)
        left = await self.rules.using(decision.base)
        return Accepted(
            decision=decision,
            record=record,
            regressions=regressions,
            rules_left=tuple(left),
            rules_repointed=tuple(repointed),
        )

    async def discard(self, run_id: str, *, author: str = "", reason: str = "") -> AlignmentStanding:
        """Put a result aside; it stays readable.  One that was put aside is returned as it is.

        Raises:
            AlignmentNotFound, AlignmentNotEnded: As they say.
            AlreadyAccepted: Its guidelines are in force.
        """
        standing = await self._ended(run_id)
        wanted = Decision(kind=DecisionKind.DISCARDED, author=author, reason=reason[:MAX_REASON])
        decision = await self.decisions.of(run_id) or await self.decisions.claim(run_id, wanted)
        if decision.kind is DecisionKind.ACCEPTED:
            raise AlreadyAccepted(
                f"alignment {run_id} was accepted by {decision.author}: {decision.metric} is what it made; "
                "restore an earlier version of that metric instead"
            )
        if standing.decision is None:
            await self.alignments.decide(run_id, decision.to_body())
        return await self.standing(run_id)

    # -----------------------------------------------------------------------------------------------------------------

    async def standing(self, run_id: str) -> AlignmentStanding:
        """A run as it is; raises AlignmentNotFound."""
        try:
            return await self.alignments.get(run_id)
        except NotFound as error:
            raise AlignmentNotFound(str(error)) from error

    async def _ended(self, run_id: str) -> AlignmentStanding:
        standing = await self.standing(run_id)
        if standing.state is not AlignmentState.ALIGNED:
            raise AlignmentNotEnded(
                f"alignment {run_id} is {standing.state.lower()}: only one that has aligned is accepted or put aside"
            )
        return standing

    async def _decided(
        self, standing: AlignmentStanding, request: AcceptRequest
    ) -> tuple[Decision, tuple[TargetRef, ...]]:
        """The decision that is asked for, if it may be made; and the regression rows that it breaks."""
        run = standing.run
        base = await self._base(run.metric, run.version)
        now = base if base.builtin else await self._now(base, request)
        outcome = AlignmentOutcome.from_body(standing.outcome)
        guidelines = chosen(outcome.lines, request.choices, alignment_id=run.run_id)
        if now.version != base.version:
            guidelines = rebased(guidelines, base, now)
        if not guidelines or replace(now, guidelines=guidelines).digest == now.digest:
            raise NoGuidelines(
                f"alignment {run.run_id} would leave {now.name!r} as it is: include a line, or write one, to accept it"
            )
        as_found = [each.text for each in guidelines] == [each.text for each in outcome.guidelines]
        if as_found and now.version == base.version:
            verified = await self._as_found(run.run_id, outcome)
        else:
            verified = await self.verifies.verify(run.run_id, now, guidelines)
        regressions = await self._regressions(base, verified)
        if not request.override:
            _refuse_without_proof(run.run_id, verified, regressions)
        name, display_name = await self._name(base, request.name)
        decision = Decision(
            kind=DecisionKind.ACCEPTED,
            author=request.author,
            reason=request.reason,
            metric=name,
            display_name=display_name,
            base=base.name,
            base_version=now.version,
            verdict=str(verified.verdict),
            override=request.override,
            rebased=now.version != base.version,
            guidelines=guidelines,
            regressions=len(regressions),
        )
        return decision, tuple(regressions)

    async def _base(self, metric: str, version: int) -> MetricDefinition:
        try:
            return await self.metrics.get(metric, version)
        except MetricNotFound:
            raise BaseMoved(f"{metric!r} version {version} is not there any more; align what is") from None

    async def _now(self, base: MetricDefinition, request: AcceptRequest) -> MetricDefinition:
        """What a custom metric is now."""
        now = await self.metrics.get(base.name)
        if now.builtin:
            raise BaseMoved(f"{base.name!r} is the built-in metric again; align that")
        if now.version != base.version and not request.rebase:
            raise BaseMoved(
                f"{base.name!r} is at version {now.version}, and the run started from {base.version}: verify the "
                "guidelines on what it is now, from remembered answers (`assay align report --rebase`), and accept "
                "them with `rebase`"
            )
        return now

    async def _as_found(self, run_id: str, outcome: AlignmentOutcome) -> Verified:
        """Of the run's own lines on what it started from: what the run found."""
        rows = await self.alignments.rows(run_id)
        return Verified(
            verdict=outcome.verdict or Verdict.INCONCLUSIVE,
            summary=outcome.summary,
            broken=tuple(dict.fromkeys(row.target for row in rows if row.flip is FlipKind.BROKEN)),
        )

    async def _regressions(self, base: MetricDefinition, verified: Verified) -> list[TargetRef]:
        """Broken rows that an earlier version had put right."""
        solved = await self.rechecks.regression_targets(base.name) if verified.broken else {}
        return [target for target in verified.broken if target in solved]

    async def _name(self, base: MetricDefinition, wanted: str) -> tuple[str, str]:
        """Slug and display name of what is made."""
        if not base.builtin:
            if wanted and wanted != base.name:
                raise InvalidDefinition("name", f"{base.name!r} is yours: accepting makes its next version, no fork")
            return base.name, base.display_name
        slug, shown = named(wanted or base.name[: MAX_SLUG - len(FORK_SUFFIX)] + FORK_SUFFIX, "")
        directory = await self.metrics.directory(fresh=True)
        if slug == base.name or directory.find(slug) is not None:
            number = 2
            while directory.find(free := f"{slug[: MAX_SLUG - 4]}_{number}") is not None:
                number += 1
            raise NameTaken(f"there is a metric {slug!r} already; accept the fork under another name, such as {free!r}")
        return slug, shown

    async def _made(self, run_id: str, decision: Decision) -> MetricRecord:
        """The version, made now or before."""
        done = await made_by(self.decisions.definitions, KIND, decision.metric, run_id)
        if done is not None:
            return await self.metrics.record(decision.metric, done.version)
        base = await self.metrics.get(
            f"{BUILTIN}{decision.base}" if decision.forks else decision.base, decision.base_version
        )
        definition = replace(
            base,
            name=decision.metric,
            display_name=decision.display_name,
            guidelines=decision.guidelines,
            alignment_id=run_id,
            builtin=False,
        )
        evidence = decision.to_body() | {"alignment_id": run_id}
        acceptance = Acceptance(author=decision.author, evidence=evidence)
        try:
            if decision.forks:
                return await self.metrics.create(definition, request_id=run_id, acceptance=acceptance)
            return await self.metrics.update(
                definition, base_version=decision.base_version, request_id=run_id, acceptance=acceptance
            )
        except VersionMoved as error:
            await self.decisions.withdraw(run_id, decision)
            raise BaseMoved(f"{error}; verify the guidelines on what it is now, and accept with `rebase`") from error
        except (NameTaken, InvalidDefinition):
            await self.decisions.withdraw(run_id, decision)
            raise


def _refuse_without_proof(run_id: str, verified: Verified, regressions: Sequence[TargetRef]) -> None:
    if verified.verdict is not Verdict.SUPPORTED:
        why = f": {verified.summary}" if verified.summary else ""
        raise NotSupported(
            f"the verdict on alignment {run_id} is {verified.verdict}, not supported{why}; accept it all the same with "
            "override and a reason, which are recorded"
        )
    if regressions:
        shown = ", ".join(each.key for each in regressions[:3])
        more = f" and {len(regressions) - 3} more" if len(regressions) > 3 else ""
        raise RegressionBroken(
            f"{len(regressions)} rows that an earlier version had put right would be wrong again ({shown}{more}); "
            "leave out the line that breaks them, or accept with override and a reason, which are recorded"
        )


def _discarded(decision: Decision) -> str:
    why = f" ({decision.reason})" if decision.reason else ""
    return f"{decision.author} put this alignment aside{why}; start another one, its answers are remembered"
