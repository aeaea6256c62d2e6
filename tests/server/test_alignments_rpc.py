"""`evaluator.v1.Alignments` over gRPC: sources, estimate, start, watch, cancel, history, and what is refused."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from align_models import plain_models, plain_rows
from align_run_parts import PRICE, Align, align, named, reviewed, working
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from running_front import PreparedExplaining, PreparedScoring, run_catalogue
from storing import SentSpan, a_result

from evaluator.judges.scripted import ScriptedJudge
from evaluator.online.rules.catalogue import Rules
from evaluator.server.errors import DETAILS_KEY
from evaluator.server.serve import Parts, serving
from evaluator.v1 import alignment_pb2 as pb
from evaluator.v1.alignment_pb2_grpc import AlignmentsStub
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.runs import ClickHouseRuns
from storage.model import Purpose, Score, TargetRef
from storage.runs import Run, RunKind, RunState, RunTally

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running service and what stands behind it."""

    parts: Align
    models: ScriptedJudge
    stub: Any


@asynccontextmanager
async def served(database: Database) -> AsyncIterator[Served]:
    """On a free port; nobody works on runs yet."""
    async with ScriptedJudge() as models, align(database, models.base_url, price=PRICE) as parts:
        models.always(plain_models())
        scoring = PreparedScoring()
        behind = Parts(
            scoring=scoring,
            computing=scoring,
            results=ClickHouseResults(database),
            explaining=PreparedExplaining(),
            metrics=parts.metrics,
            rules=Rules(ClickHouseDefinitions(database), parts.metrics),
            runs=run_catalogue(database, parts.metrics),
            alignments=parts.parts.catalogue,
        )
        async with (
            serving("127.0.0.1:0", behind, grace_seconds=0.1) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            yield Served(parts=parts, models=models, stub=AlignmentsStub(channel))  # type: ignore[no-untyped-call]


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """Code and reason of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    status = Status.FromString(dict(raised.value.trailing_metadata())[DETAILS_KEY])
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return raised.value.code(), info.reason


async def evaluated(served: Served, metric: str, targets: list[TargetRef], **source: Any) -> None:
    """Results that say `true`, of one source."""
    results = [
        a_result(
            SentSpan(trace_id=target.trace_id),
            Score(value=1.0, label="true"),
            target=target,
            metric=metric,
            evaluated=NOON,
            **source,
        )
        for target in targets
    ]
    await ClickHouseResults(served.parts.database).append(results)


async def a_run(served: Served, state: RunState, kind: RunKind = RunKind.BATCH) -> str:
    """One that ended, or did not."""
    runs, run_id = ClickHouseRuns(served.parts.database), str(uuid.uuid4())
    await runs.create(Run(run_id=run_id, kind=kind, subject="last week", selection={}, metrics=("m@1",)))
    await runs.enter(run_id, state, total=1, tally=RunTally())
    return run_id


async def test_sources_are_completed_evaluations_with_resolved_feedback(database: Database) -> None:
    """Runs that ended, a rule's day and a day on demand, with how much of them is resolved and how much differs."""
    async with served(database) as front:
        definition = (await front.parts.metrics.create(named())).definition
        targets = await reviewed(front.parts, definition, plain_rows(4))
        batch = await a_run(front, RunState.SUCCEEDED)
        partial = await a_run(front, RunState.PARTIAL, RunKind.RECOMPUTE)
        for run_id in (batch, await a_run(front, RunState.RUNNING), await a_run(front, RunState.CANCELLED)):
            await evaluated(front, definition.name, targets, run=run_id, purpose=Purpose.BACKFILL)
        await evaluated(front, definition.name, targets[:1], run=partial, purpose=Purpose.RECOMPUTE)
        await evaluated(front, definition.name, targets[1:3], rule="quality_of_replies")
        await evaluated(front, definition.name, [*targets[3:], SentSpan().trace], purpose=Purpose.ONDEMAND)
        answer = await front.stub.ListSources(pb.ListSourcesRequest(metric=definition.name))
        assert {
            source.source_id: (source.kind, source.name, source.resolved, source.disagreements)
            for source in answer.sources
        } == {
            batch: ("batch", "last week", 4, 2),
            partial: ("recompute", "last week", 1, 1),
            "rule:quality_of_replies@2026-11-20": ("rule_day", "quality_of_replies", 2, 1),
            "ondemand@2026-11-20": ("ondemand_day", "", 1, 0),
        }
        times = [source.create_time.ToMicroseconds() for source in answer.sources]
        assert times == sorted(times, reverse=True)
        pages, token = [], ""
        for _ in range(4):
            page = await front.stub.ListSources(
                pb.ListSourcesRequest(metric=definition.name, page_size=1, page_token=token)
            )
            pages += page.sources
            token = page.next_page_token
        assert (pages, token) == (list(answer.sources), "")


async def test_an_estimate_says_rows_calls_money_and_power_and_asks_nobody(database: Database) -> None:
    """For the sources that are named; what is unknown or weak is said."""
    async with served(database) as front:
        definition = (await front.parts.metrics.create(named())).definition
        recorded = {place: Score(value=1.0, label="true") for place in range(20)}
        targets = await reviewed(front.parts, definition, plain_rows(20), recorded=recorded)
        await evaluated(front, definition.name, targets[:16], purpose=Purpose.ONDEMAND)
        asked = pb.StartAlignmentRequest(metric=definition.name, source_ids=["ondemand@2026-11-20"])
        estimate = await front.stub.EstimateAlignment(pb.EstimateAlignmentRequest(alignment=asked))
        assert (estimate.counts.annotations, estimate.counts.disagreements) == (16, 10)
        assert estimate.judge_calls > 16 * 8
        assert estimate.reflection_calls > 0
        assert estimate.cost_usd == pytest.approx((estimate.input_tokens + 2 * estimate.output_tokens) / 1e6, rel=0.01)
        assert sorted(estimate.power) == [10, 15, 20, 30]
        assert estimate.power[10] < estimate.power[30]
        assert not front.models.requests


async def test_a_run_is_started_once_watched_to_its_end_and_listed(database: Database) -> None:
    """Pending, running through its phases, aligned; the same request is the same run."""
    async with served(database) as front:
        definition = (await front.parts.metrics.create(named())).definition
        await reviewed(front.parts, definition, plain_rows(6))
        request = pb.StartAlignmentRequest(
            metric=definition.name, request_id=str(uuid.uuid4()), author="ann", delta_threshold=0.5, seed=3
        )
        started = await front.stub.StartAlignment(request)
        assert (started.status, started.metric.version) == (pb.ALIGNMENT_STATUS_PENDING, 1)
        assert await front.stub.StartAlignment(request) == started
        async with working(front.parts):
            seen = [
                change.alignment
                async for change in front.stub.WatchAlignment(
                    pb.WatchAlignmentRequest(alignment_id=started.alignment_id)
                )
            ]
        ended = await front.stub.GetAlignment(pb.GetAlignmentRequest(alignment_id=started.alignment_id))
        assert seen[-1] == ended
        assert ended.status == pb.ALIGNMENT_STATUS_ALIGNED
        assert ended.verdict == pb.ALIGNMENT_VERDICT_INCONCLUSIVE
        assert [line.text in ended.guidelines_text for line in ended.guidelines] == [True]
        assert (ended.counts.annotations, ended.counts.disagreements_rerun) == (6, 3)
        assert ended.usage.judge_calls + ended.usage.reflection_calls == len(front.models.requests)
        assert (ended.request.delta_threshold, ended.request.seed, ended.request.author) == (0.5, 3, "ann")
        listed = await front.stub.ListAlignments(pb.ListAlignmentsRequest(metric=definition.name))
        assert list(listed.alignments) == [ended]
        cancelled = await front.stub.CancelAlignment(pb.CancelAlignmentRequest(alignment_id=started.alignment_id))
        assert cancelled == ended


async def test_what_cannot_be_aligned_is_refused_with_a_reason(database: Database) -> None:
    """Each in the words of the proto."""
    async with served(database) as front:
        definition = (await front.parts.metrics.create(named())).definition
        stub, start = front.stub, pb.StartAlignmentRequest
        nobody = str(uuid.uuid4())
        calls = {
            "METRIC_NOT_FOUND": stub.StartAlignment(start(metric="no such metric")),
            "NO_RESOLVED_ANNOTATIONS": stub.StartAlignment(start(metric=definition.name)),
            "SOURCE_NOT_FOUND": stub.StartAlignment(start(metric=definition.name, source_ids=[nobody])),
            "NOT_A_JUDGE": stub.StartAlignment(start(metric="valid_json")),
            "ALIGNMENT_NOT_FOUND": stub.GetAlignment(pb.GetAlignmentRequest(alignment_id=nobody)),
            "INVALID_REQUEST": stub.GetAlignment(pb.GetAlignmentRequest(alignment_id="7")),
            "INVALID_DEFINITION": stub.StartAlignment(start(metric=definition.name, source_ids=["rule:x@2026-13-01"])),
            "INVALID_PAGE_TOKEN": stub.ListAlignments(pb.ListAlignmentsRequest(page_token="x")),
        }
        assert {reason: (await refused(call))[1] for reason, call in calls.items()} == {
            reason: reason for reason in calls
        }
