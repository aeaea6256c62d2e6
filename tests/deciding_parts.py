"""Decisions about alignments in this process: real stores, a scripted judge; only what a run has found is prepared."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from scoring_parts import Scoring, scoring

from assay.roles.aligning import AlignmentParts
from assay.roles.deciding import DecisionParts
from evaluator.alignment.deciding.accepting import AcceptRequest
from evaluator.alignment.model import Line, Verdict
from evaluator.alignment.running.definition import AlignmentPlan, Caps
from evaluator.alignment.running.outcome import AlignmentOutcome
from evaluator.judges import fence
from evaluator.judges.scripted import Asked, Behaviour, ScriptedJudge, completion
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline, Origin
from evaluator.online.leases import LeaseKeeper
from evaluator.online.rules.catalogue import Rules
from storage.alignments import AlignmentRun, AlignmentStanding, AlignmentState
from storage.clickhouse.alignments import ClickHouseAlignments
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.clickhouse.queue import ClickHouseLeases
from storage.clickhouse.rechecking import ClickHouseRechecks
from storage.feedback import FeedbackRow, Resolution, ResolutionMethod, ResolutionStatus, Snapshot
from storage.model import Level, MetricKind, OutputType, Score, TargetRef

AMOUNTS = Line(
    guideline=Guideline(
        text="An answer that names no amount is wrong.",
        guideline_id="g1",
        feedback_ids=("f1", "f2"),
        support=7,
        origin=Origin.RUN,
    ),
    fixed=5,
)
TONE = Line(
    guideline=Guideline(
        text="A greeting is fine.", guideline_id="g2", feedback_ids=("f3",), support=2, origin=Origin.RUN
    )
)
OPEN = Line(
    guideline=Guideline(text="A greeting is wrong.", guideline_id="g3", feedback_ids=("f4",), origin=Origin.RUN),
    needs_decision="contradicts g2",
)
TRUE = Score(value=1.0, label="true")
FALSE = Score(value=0.0, label="false")


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """What a test holds of an evaluator."""

    database: Database
    scoring: Scoring
    rules: Rules
    parts: DecisionParts
    alignments: ClickHouseAlignments
    feedbacks: ClickHouseFeedbacks
    rechecks: ClickHouseRechecks
    leases: LeaseKeeper

    async def a_judge(self, **other: Any) -> MetricDefinition:
        """Version 1 of a metric of the test's own."""
        return (await self.scoring.metrics.create(a_judge(**other))).definition

    async def a_run(
        self,
        metric: MetricDefinition,
        *lines: Line,
        verdict: Verdict | None = Verdict.SUPPORTED,
        state: AlignmentState = AlignmentState.ALIGNED,
    ) -> str:
        """A run on a metric that has ended, and has found these lines; its id."""
        run_id = str(uuid.uuid4())
        plan = AlignmentPlan(reflection_model="", judge_model="", caps=Caps(), seed=1)
        run = AlignmentRun(
            run_id=run_id, metric=metric.name, version=metric.version, config=plan.to_body(), lineage=(run_id,)
        )
        await self.alignments.create(run)
        outcome = AlignmentOutcome(lines=lines, verdict=verdict, summary="κ 0.21 → 0.74")
        await self.alignments.enter(AlignmentStanding(run=run, state=state, outcome=outcome.to_body()))
        return run_id

    async def said(
        self,
        metric: MetricDefinition,
        *rows: tuple[str, Score, Score | None],
        annotator: str = "ann",
        version: int | None = None,
    ) -> list[TargetRef]:
        """Resolved feedback on traces of its own: output of the target, what is expected, what the judge had said."""
        targets = [TargetRef(level=Level.TRACE, trace_id=uuid.uuid4().hex) for _ in rows]
        await self.feedbacks.add(
            [
                FeedbackRow(
                    feedback_id=uuid.uuid4(),
                    target=target,
                    metric=metric.name,
                    metric_version=metric.version if version is None else version,
                    annotator=annotator,
                    expected=expected,
                    rationale="because it says so",
                    judged=judged,
                    snapshot=Snapshot(inputs={"input": "a question", "output": output}),
                    group_key=target.key,
                )
                for target, (output, expected, judged) in zip(targets, rows, strict=True)
            ]
        )
        await self.feedbacks.resolve(
            [
                Resolution(
                    target=target,
                    metric=metric.name,
                    metric_version=metric.version if version is None else version,
                    status=ResolutionStatus.RESOLVED,
                    expected=expected,
                    method=ResolutionMethod.SELF,
                    resolver=annotator,
                )
                for target, (_, expected, _) in zip(targets, rows, strict=True)
            ]
        )
        return targets

    async def versions(self, name: str) -> list[int]:
        """Numbers of every version of a custom metric, newest first."""
        return [each.definition.version for each in await self.scoring.metrics.versions(name)]


@asynccontextmanager
async def deciding(database: Database) -> AsyncIterator[Deciding]:
    """All parts of one evaluator; nobody works yet."""
    async with scoring(database) as parts:
        yield deciding_with(parts)


def deciding_with(parts: Scoring) -> Deciding:
    """Over parts that score."""
    database = parts.database
    rules = Rules(ClickHouseDefinitions(database), parts.metrics)
    leases = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=30.0, renew_seconds=0.1)
    aligning = AlignmentParts.of(
        database, metrics=parts.metrics, judges=parts.judges, instruments=parts.using, leases=leases
    )
    return Deciding(
        database=database,
        scoring=parts,
        rules=rules,
        parts=DecisionParts.of(
            database,
            metrics=parts.metrics,
            rules=rules,
            instruments=parts.using,
            leases=leases,
            verifies=aligning.reverifier,
            poll_seconds=0.1,
            rest_seconds=0.1,
        ),
        alignments=ClickHouseAlignments(database),
        feedbacks=ClickHouseFeedbacks(database),
        rechecks=ClickHouseRechecks(database),
        leases=leases,
    )


def a_judge(**other: Any) -> MetricDefinition:
    """A judge of traces that answers true or false."""
    fields: dict[str, Any] = {
        "name": f"judge_{uuid.uuid4().hex[:10]}",
        "kind": MetricKind.JUDGE,
        "levels": (Level.SPAN, Level.TRACE),
        "output_type": OutputType.BOOLEAN,
        "prompt": "Is it right?\n{{output}}",
    }
    return MetricDefinition(**fields | other)


def accepting(run_id: str, **other: Any) -> AcceptRequest:
    """Ann accepts."""
    return replace(AcceptRequest(run_id=run_id, author="ann"), **other)


def told(verdicts: Mapping[str, object], *, unless: Mapping[str, Mapping[str, object]] | None = None) -> Behaviour:
    """A judge that answers by the fenced output.

    Args:
        verdicts: By output.
        unless: By a line of the prompt: other verdicts where it is there.
    """

    async def answer(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        output = fence.contents(asked.prompt)["output"]
        known = dict(verdicts)
        for line, others in (unless or {}).items():
            if line in asked.prompt:
                known |= others
        return completion(asked, {"rationale": f"about {output}", "verdict": known[output]})

    return answer


def asked_about(judge: ScriptedJudge) -> list[str]:
    """The outputs that the judge was asked about, sorted."""
    return sorted(fence.contents(each.prompt)["output"] for each in judge.requests)


def lines_of(guidelines: Sequence[Guideline]) -> list[tuple[str, str, str]]:
    """Text, origin and run of each line."""
    return [(each.text, str(each.origin), each.alignment_id) for each in guidelines]


def sql_json(text: str) -> Any:
    """A document as SQL shows it."""
    return json.loads(text)


Until = Callable[[], bool]
