"""Runs: proto <-> domain."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from evaluator.runs.backfill import OfRule
from evaluator.runs.definition import Chosen, FailuresOf, Recompute, RunRequest, Selection, Where, pinned
from evaluator.server import convert_targets
from evaluator.server.convert import metric_refs, request_id
from evaluator.server.enums import LEVEL_FROM_PROTO, LEVEL_TO_PROTO
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import evaluator_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from storage.runs import Only, RunFailures, RunStanding, RunState

STATE_TO_PROTO: Mapping[RunState, Any] = {state: pb.RunState.Value(f"RUN_STATE_{state}") for state in RunState}
ONLY_TO_PROTO: Mapping[Only | None, Any] = {
    None: pb.BACKFILL_ONLY_UNSPECIFIED,
    **{only: pb.BackfillOnly.Value(f"BACKFILL_ONLY_{only.upper()}") for only in Only},
}
ONLY_FROM_PROTO: Mapping[int, Only | None] = {number: only for only, number in ONLY_TO_PROTO.items()}
STATE_FROM_PROTO: Mapping[int, RunState] = {number: state for state, number in STATE_TO_PROTO.items()}


def run_id(text: str, field: str = "run_id") -> str:
    """A run's id in its usual spelling.

    Raises:
        InvalidRequest: It is not a UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidRequest(field, f"must be a UUID, got {text!r}") from None


def run_request(message: pb.CreateRunRequest) -> RunRequest:
    """What `CreateRun` asks.

    Raises:
        InvalidRequest, InvalidDefinition: A field is missing or not acceptable.
    """
    return RunRequest(
        selection=_selection(message.selection),
        metrics=metric_refs(message.metrics),
        name=message.name,
        reuse=message.reuse,
        request_id=request_id(message.request_id),
    )


def _selection(message: pb.RunSelection) -> Selection:
    match message.WhichOneof("selection"):
        case "where":
            return _where(message.where, "selection.where")
        case "recompute":
            return Recompute(where=_where(message.recompute, "selection.recompute"))
        case "failures_of":
            return FailuresOf(run_id=run_id(message.failures_of, "selection.failures_of"))
        case "of_rule":
            return _of_rule(message.of_rule)
        case "targets":
            refs = enumerate(message.targets.targets)
            return Chosen(
                targets=tuple(
                    convert_targets.target_ref(ref, f"selection.targets.targets[{number}]") for number, ref in refs
                )
            )
        case _:
            raise InvalidRequest("selection", "set one of where, targets, failures_of, recompute, of_rule")


def _of_rule(message: pb.RuleRange) -> OfRule:
    field = "selection.of_rule"
    if message.only not in ONLY_FROM_PROTO:
        raise InvalidRequest(f"{field}.only", f"must be a known value, got the enum number {message.only}")
    return OfRule(
        rule=message.rule,
        since=_time(message, "start_time", field),
        until=_time(message, "end_time", field),
        filter=message.filter,
        only=ONLY_FROM_PROTO[message.only],
        recompute=message.recompute,
    )


def _where(message: pb.TargetQuery, field: str) -> Where:
    if message.level not in LEVEL_FROM_PROTO:
        raise InvalidRequest(f"{field}.level", "must be span, trace or session")
    return Where(
        level=LEVEL_FROM_PROTO[message.level],
        filter=message.filter,
        since=_time(message, "start_time", field),
        until=_time(message, "end_time", field),
        sample_rate=message.sample_rate if message.HasField("sample_rate") else 1.0,
        limit=message.limit,
    )


def _time(message: pb.TargetQuery | pb.RuleRange, name: str, field: str) -> datetime | None:
    if not message.HasField(name):
        return None
    time: Timestamp = getattr(message, name)
    try:
        return time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"{field}.{name}", str(error)) from None


def run_states(numbers: Sequence[int]) -> tuple[RunState, ...]:
    """States by number.

    Raises:
        InvalidRequest: One is not known.
    """
    for number in numbers:
        if number not in STATE_FROM_PROTO:
            raise InvalidRequest("states", f"must hold known values, got the enum number {number}")
    return tuple(STATE_FROM_PROTO[number] for number in numbers)


def run_to_proto(standing: RunStanding, failures: Sequence[RunFailures] = ()) -> pb.Run:
    """A run and where it stands."""
    run, tally = standing.run, standing.tally
    message = pb.Run(
        run_id=run.run_id,
        name=run.subject,
        selection=selection_to_proto(run.selection),
        metrics=[vocabulary_pb2.MetricRef(name=ref.name, version=ref.version) for ref in map(pinned, run.metrics)],
        state=STATE_TO_PROTO[standing.state],
        detail=standing.detail,
        estimate=_estimate_to_proto(run.estimate),
        progress=pb.RunProgress(
            done=tally.done,
            total=standing.total,
            decisions=dict(tally.decisions),
            judge_calls=tally.judge_calls,
            input_tokens=tally.input_tokens,
            output_tokens=tally.output_tokens,
            cost_usd=tally.cost_usd,
            unpriced_results=tally.unpriced,
        ),
        failures=[
            pb.RunFailures(metric=each.metric, code=each.code, count=each.count, message=each.message)
            for each in failures
        ],
        cancel_requested=standing.cancel_requested,
        retry_of=run.retry_of,
    )
    if run.created is not None:
        message.create_time.FromDatetime(run.created)
    if standing.updated is not None:
        message.update_time.FromDatetime(standing.updated)
    return message


def selection_to_proto(body: Mapping[str, Any]) -> pb.RunSelection:
    """A selection as it is stored; chosen targets stand in the ledger, and are not repeated."""
    if "failures_of" in body:
        return pb.RunSelection(failures_of=body["failures_of"])
    if "of_rule" in body:
        return pb.RunSelection(of_rule=of_rule_to_proto(OfRule.from_body(body["of_rule"])))
    if "where" in body:
        return pb.RunSelection(where=where_to_proto(Where.from_body(body["where"])))
    if "recompute" in body:
        return pb.RunSelection(recompute=where_to_proto(Where.from_body(body["recompute"])))
    return pb.RunSelection(targets=pb.TargetList())


def of_rule_to_proto(asked: OfRule) -> pb.RuleRange:
    """A backfill."""
    message = pb.RuleRange(
        rule=asked.rule, filter=asked.filter, only=ONLY_TO_PROTO[asked.only], recompute=asked.recompute
    )
    if asked.since is not None:
        message.start_time.FromDatetime(asked.since)
    if asked.until is not None:
        message.end_time.FromDatetime(asked.until)
    return message


def where_to_proto(where: Where) -> pb.TargetQuery:
    """A query for targets."""
    message = pb.TargetQuery(
        level=LEVEL_TO_PROTO[where.level], filter=where.filter, sample_rate=where.sample_rate, limit=where.limit
    )
    if where.since is not None:
        message.start_time.FromDatetime(where.since)
    if where.until is not None:
        message.end_time.FromDatetime(where.until)
    return message


def _estimate_to_proto(body: Mapping[str, Any]) -> pb.RunEstimate:
    numbers = {name: value for name, value in body.items() if name != "unknown" and value is not None}
    return pb.RunEstimate(**numbers, unknown_metrics=body.get("unknown", ()))
