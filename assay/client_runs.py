"""Runs over the wire: what is sent, and how the answer is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.client_calls import PAGE_SIZE, Call, Listing
from evaluator.runs.backfill import OfRule
from evaluator.runs.definition import Chosen, FailuresOf, Recompute, Selection
from evaluator.scoring.request import MetricRef
from evaluator.server import convert_targets
from evaluator.server.convert_runs import STATE_FROM_PROTO, STATE_TO_PROTO, of_rule_to_proto, where_to_proto
from evaluator.v1 import evaluator_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from storage.runs import RunFailures, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will take; None = not known, which is never a 0."""

    targets: int
    pairs: int
    exact: bool
    judge_calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    unknown_metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finite set of evaluations, and where it stands.

    Attributes:
        run_id: '' where it was only validated.
        metrics: `name@version`.
        done, total: (target, metric) pairs that are settled, and that there are as far as is known.
        decisions: Settled pairs by what came of them.
        cost_usd: Of what has a known price, so far.
        failures: Why results failed; of `get_run` and the end of `watch_run`.
    """

    run_id: str
    name: str
    metrics: tuple[str, ...]
    state: RunState
    detail: str
    estimate: Estimate
    done: int
    total: int
    decisions: Mapping[str, int]
    judge_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced_results: int
    failures: tuple[RunFailures, ...]
    cancel_requested: bool
    retry_of: str
    create_time: datetime | None
    update_time: datetime | None


@dataclass(frozen=True, slots=True)
class Last:
    """The last message of a stream is the answer."""

    call: Call[Any]


def create_run(
    selection: Selection,
    metrics: Sequence[MetricRef],
    *,
    name: str = "",
    reuse: bool = False,
    validate_only: bool = False,
    request_id: str = "",
) -> Call[Run]:
    """`Evaluator.CreateRun`."""
    request = pb.CreateRunRequest(
        selection=_selection(selection),
        metrics=[vocabulary_pb2.MetricRef(name=ref.name, version=ref.version or 0) for ref in metrics],
        name=name,
        reuse=reuse,
        validate_only=validate_only,
        request_id=request_id,
    )
    return Call(service="Evaluator", method="CreateRun", request=request, read=run)


def get_run(run_id: str) -> Call[Run]:
    """`Evaluator.GetRun`."""
    return Call(service="Evaluator", method="GetRun", request=pb.GetRunRequest(run_id=run_id), read=run)


def list_runs(states: Sequence[RunState]) -> Listing[Run]:
    """`Evaluator.ListRuns`."""
    request = pb.ListRunsRequest(states=[STATE_TO_PROTO[state] for state in states], page_size=PAGE_SIZE)
    return Listing(service="Evaluator", method="ListRuns", request=request, items="runs", read=run)


def cancel_run(run_id: str) -> Call[Run]:
    """`Evaluator.CancelRun`."""
    return Call(service="Evaluator", method="CancelRun", request=pb.CancelRunRequest(run_id=run_id), read=run)


def watch_run(run_id: str) -> Call[Run]:
    """`Evaluator.WatchRun`."""
    return Call(service="Evaluator", method="WatchRun", request=pb.WatchRunRequest(run_id=run_id), read=_watched)


def _watched(message: pb.WatchRunResponse) -> Run:
    return run(message.run)


def _selection(selection: Selection) -> pb.RunSelection:
    match selection:
        case Chosen(targets=targets):
            refs = [convert_targets.target_ref_to_proto(ref) for ref in targets]
            return pb.RunSelection(targets=pb.TargetList(targets=refs))
        case FailuresOf(run_id=run_id):
            return pb.RunSelection(failures_of=run_id)
        case Recompute(where=where):
            return pb.RunSelection(recompute=where_to_proto(where))
        case OfRule() as asked:
            return pb.RunSelection(of_rule=of_rule_to_proto(asked))
        case where:
            return pb.RunSelection(where=where_to_proto(where))


def run(message: pb.Run) -> Run:
    """A run off the wire."""
    progress = message.progress
    return Run(
        run_id=message.run_id,
        name=message.name,
        metrics=tuple(f"{ref.name}@{ref.version}" for ref in message.metrics),
        state=STATE_FROM_PROTO[message.state],
        detail=message.detail,
        estimate=_estimate(message.estimate),
        done=progress.done,
        total=progress.total,
        decisions=dict(progress.decisions),
        judge_calls=progress.judge_calls,
        input_tokens=progress.input_tokens,
        output_tokens=progress.output_tokens,
        cost_usd=progress.cost_usd,
        unpriced_results=progress.unpriced_results,
        failures=tuple(
            RunFailures(metric=each.metric, code=each.code, count=each.count, message=each.message)
            for each in message.failures
        ),
        cancel_requested=message.cancel_requested,
        retry_of=message.retry_of,
        create_time=message.create_time.ToDatetime(tzinfo=UTC) if message.HasField("create_time") else None,
        update_time=message.update_time.ToDatetime(tzinfo=UTC) if message.HasField("update_time") else None,
    )


def _estimate(message: pb.RunEstimate) -> Estimate:
    def known(name: str) -> Any:
        return getattr(message, name) if message.HasField(name) else None

    return Estimate(
        targets=message.targets,
        pairs=message.pairs,
        exact=message.exact,
        judge_calls=known("judge_calls"),
        input_tokens=known("input_tokens"),
        output_tokens=known("output_tokens"),
        cost_usd=known("cost_usd"),
        unknown_metrics=tuple(message.unknown_metrics),
    )
