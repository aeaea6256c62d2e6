"""Follows one target through every stage of a rule, and says where it stopped and what to do.

A synthetic target comes as a sender's would, is in the sample, says itself that it has ended, and is removed in the
end.  It enters as an INSERT: the receiver is not tested (`assay doctor` does that).  Other rules may score it, too,
while it is there.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from evaluator.errors import RuleNotFound, TargetNotFound
from evaluator.online.explaining.explain import Explainer
from evaluator.online.explaining.explanation import Decision, Explanation
from evaluator.online.explaining.stages import Stage, StageReport
from evaluator.online.polling.work import wanted
from evaluator.online.rules.definition import RuleDefinition
from storage.model import Level, StoredSpan, TargetRef
from storage.results import ResultFilter
from storage.self_test import MARK, SelfTests

POLL_SECONDS = 0.2
SERVICE = "assay-self-test"


_STOPS: Mapping[Decision, tuple[Stage, str]] = {
    Decision.OUT_OF_SCOPE: (Stage.FILTER, "edit the rule's scope, or test with a target of that application"),
    Decision.FILTERED_OUT: (Stage.FILTER, "edit the filter, or test with a target that it is about (--target)"),
    Decision.SAMPLED_OUT: (Stage.SAMPLE, "raise the rate, or test with another target"),
    Decision.BEFORE_LOOKBACK: (Stage.COMPLETE, "a backfill scores it: assay run create"),
    Decision.EARLIER_VERSION: (Stage.COMPLETE, "a backfill scores it: assay run create"),
    Decision.DISABLED: (Stage.RULE, "assay rule enable"),
    Decision.OVER_BUDGET: (Stage.CLAIMED, "raise the budget, or wait for the next UTC day"),
    Decision.CANCELLED: (Stage.CLAIMED, "see the reason"),
    Decision.SET_ASIDE: (Stage.SCORED, "the evaluator's log has what it died of"),
    Decision.FAILED: (Stage.SCORED, "the reason names what to set; assay doctor checks the judge"),
    Decision.DEPENDENCY_FAILED: (Stage.SCORED, "explain the metric that it requires"),
}
"""Where a target stops at a decision, and what to do."""
_PENDING: Mapping[Decision, tuple[Stage, str]] = {
    Decision.WAITING: (Stage.COMPLETE, "give it more time (--timeout)"),
    Decision.QUEUED: (Stage.CLAIMED, "no evaluator takes it: assay doctor"),
    Decision.RUNNING: (Stage.SCORED, "the judge is slow: give it more time (--timeout)"),
}
"""For what it still waits."""


class SelfTest:
    """Tests rules."""

    def __init__(self, explainer: Explainer, synthetic: SelfTests) -> None:
        self._explainer = explainer
        self._synthetic = synthetic

    async def test(self, name: str, *, target: TargetRef | None, timeout_seconds: float) -> AsyncIterator[StageReport]:
        """Each stage as it is passed; the first that is not is the last.

        Raises:
            RuleNotFound, LevelMismatch: As `Explainer.explain`.
            storage.errors.Unavailable: ClickHouse is away.
        """
        history = await self._explainer.rules.history(name)
        if not history or history[0].deleted:
            raise RuleNotFound(f"there is no rule {name!r}")
        rule = history[0].definition
        clock = _Clock(time.monotonic() + timeout_seconds)
        if not rule.enabled:
            yield clock.report(Stage.RULE, "the rule is disabled → assay rule enable", passed=False)
            return
        yield clock.report(Stage.RULE, f"enabled, version {rule.version}, about {rule.level}s")
        async with self._target(rule, target) as followed:
            if followed is None:
                yield clock.report(Stage.SAMPLE, "the rate takes nothing → raise the rate", passed=False)
                return
            async for report in self._follow(rule, followed, clock):
                yield report

    @asynccontextmanager
    async def _target(self, rule: RuleDefinition, given: TargetRef | None) -> AsyncIterator[TargetRef | None]:
        if given is not None:
            yield given
            return
        ppm = wanted(rule).sample_ppm
        session_id = await self._synthetic.sampled_id(ppm, session=True) if rule.level is Level.SESSION else ""
        sampled = 1_000_000 if session_id else ppm
        trace_id = await self._synthetic.sampled_id(sampled)
        if not trace_id or (rule.level is Level.SESSION and not session_id):
            yield None
            return
        kinds = [metric.span_kinds for metric in [await self._explainer.metrics.get(name) for name in rule.metrics]]
        span = a_span(rule, trace_id, session_id, kind=next((each[0] for each in kinds if each), "llm"))
        try:
            await self._synthetic.push(span)
            yield _ref(rule.level, span, session_id)
        finally:
            await self._synthetic.remove(trace_id, session_id=session_id)

    async def _follow(self, rule: RuleDefinition, target: TargetRef, clock: _Clock) -> AsyncIterator[StageReport]:
        passed: list[Stage] = [Stage.RULE]
        while True:
            found, trouble = await self._explained(rule.name, target)
            at, detail, over = _standing(found, trouble)
            for stage in list(Stage):
                if stage not in passed and _before(stage, at):
                    passed.append(stage)
                    yield clock.report(stage, _said(stage, found), target=target)
            if over or (at is not Stage.READABLE and clock.late()):
                yield clock.report(at, detail, passed=False, target=target)
                return
            if at is Stage.READABLE:
                yield await self._readable(rule.name, target, found, clock)
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _explained(self, rule: str, target: TargetRef) -> tuple[list[Explanation], str]:
        try:
            return await self._explainer.explain(rule, target), ""
        except TargetNotFound as error:  # it may become visible in a moment
            return [], str(error)

    async def _readable(self, rule: str, target: TargetRef, found: Sequence[Explanation], clock: _Clock) -> StageReport:
        ids = {each.evaluation_id for each in found if each.evaluation_id is not None}
        where = ResultFilter(targets=(target,), rule=rule, include_superseded=True)
        results = [
            each
            for each in await self._explainer.results.newest(where, before=None, limit=1000)
            if each.evaluation_id in ids
        ]
        missing = results
        while missing:
            missing = [each for each in missing if not await self._synthetic.shown(each)]
            if missing and clock.late():
                names = ", ".join(sorted(each.metric for each in missing))
                why = f"{names} is in `evaluations`, not on the span yet → assay doctor: is there a writer?"
                return clock.report(Stage.READABLE, why, passed=False, target=target)
            if missing:
                await asyncio.sleep(POLL_SECONDS)
        names = ", ".join(sorted(each.metric for each in results)) or "no metric applies: nothing"
        return clock.report(Stage.READABLE, f"{names} in the view `spans`", target=target)


class _Clock:
    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._at = time.monotonic()

    def late(self) -> bool:
        return time.monotonic() > self._limit

    def report(self, stage: Stage, detail: str, *, passed: bool = True, target: TargetRef | None = None) -> StageReport:
        before, self._at = self._at, time.monotonic()
        return StageReport(stage=stage, passed=passed, detail=detail, seconds=self._at - before, target=target)


def _standing(found: Sequence[Explanation], trouble: str) -> tuple[Stage, str, bool]:
    """The stage that is not passed yet, why, and whether it never will be.  READABLE = everything was scored."""
    if not found:
        return Stage.STORED, f"{trouble} → is ClickHouse behind? assay doctor", False
    for each in found:
        if each.decision in _STOPS and each.next_attempt is None:
            stage, step = _STOPS[each.decision]
            return stage, f"{each.metric}: {each.reason} → {step}", True
    waits = [(list(Stage).index(_PENDING[each.decision][0]), each) for each in found if each.decision in _PENDING]
    waits += [(list(Stage).index(Stage.SCORED), each) for each in found if each.decision is Decision.FAILED]
    if not waits:
        return Stage.READABLE, "", False
    place, first = min(waits, key=lambda wait: wait[0])
    step = _PENDING.get(first.decision, (Stage.SCORED, "give it more time (--timeout)"))[1]
    return list(Stage)[place], f"{first.metric}: {first.reason} → {step}", False


def _before(stage: Stage, at: Stage) -> bool:
    stages = list(Stage)
    return stages.index(stage) < stages.index(at)


def _said(stage: Stage, found: Sequence[Explanation]) -> str:
    match stage:
        case Stage.STORED:
            return "stored, and found by its id"
        case Stage.SCORED:
            return "; ".join(f"{each.metric} {each.reason}" for each in found)
        case Stage.CLAIMED:
            return "an evaluator took it"
        case Stage.COMPLETE:
            return "complete"
        case Stage.SAMPLE:
            return "in the sample"
        case _:
            return "in scope, and the filter is true for it"


def a_span(rule: RuleDefinition, trace_id: str, session_id: str, *, kind: str) -> StoredSpan:
    """A call that is not real, in the scope of a rule."""
    attributes = {
        MARK: "true",
        "openinference.span.kind": kind.upper(),
        "gen_ai.operation.name": "chat" if kind == "llm" else "",
        "gen_ai.input.messages": _messages("user", "What is the capital of France?"),
        "gen_ai.output.messages": _messages("assistant", "Paris."),
        "input.value": "What is the capital of France?",
        "output.value": "Paris.",
        "assay.trace.end": "true",
    }
    if session_id:
        attributes |= {"session.id": session_id, "assay.session.end": "true"}
    return StoredSpan(
        trace_id=trace_id,
        span_id=secrets.token_hex(7) + "01",
        name="assay self-test",
        kind="Internal",
        service_name=rule.scope or SERVICE,
        start_ns=time.time_ns(),
        duration_ns=1_000_000,
        status_code="Unset",
        attributes={key: value for key, value in attributes.items() if value},
        resource_attributes={"service.name": rule.scope or SERVICE},
    )


def _messages(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _ref(level: Level, span: StoredSpan, session_id: str) -> TargetRef:
    match level:
        case Level.SPAN:
            return TargetRef(level=level, trace_id=span.trace_id, span_id=span.span_id)
        case Level.TRACE:
            return TargetRef(level=level, trace_id=span.trace_id)
        case Level.SESSION:
            return TargetRef(level=level, session_id=session_id)
