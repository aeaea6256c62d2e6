"""What each method of the client sends and how its answer is read: the same for both clients."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from assay import client_model as model
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.online.explaining.explanation import Explanation
from evaluator.online.explaining.stages import StageReport
from evaluator.online.rules.applied import Applied, StatedRule
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.scoring.request import MetricRef, Target
from evaluator.server import convert_definitions, convert_metrics, convert_targets
from evaluator.server.enums import KIND_TO_PROTO, LEVEL_TO_PROTO, PURPOSE_TO_PROTO, STATUS_TO_PROTO
from evaluator.v1 import definitions_pb2, evaluator_pb2, metrics_pb2, rules_pb2
from evaluator.v1.alerts_pb2_grpc import AlertsStub, DeliveriesStub
from evaluator.v1.alignment_pb2_grpc import AlignmentsStub
from evaluator.v1.definitions_pb2_grpc import DefinitionsStub
from evaluator.v1.evaluator_pb2_grpc import EvaluatorStub
from evaluator.v1.feedback_pb2_grpc import FeedbackStub
from evaluator.v1.metrics_pb2_grpc import MetricsStub
from evaluator.v1.rules_pb2_grpc import RulesStub
from storage.model import TargetRef
from storage.results import ResultFilter

R = TypeVar("R")
PAGE_SIZE = 1000
DEFAULT_ADDRESS = "127.0.0.1:4320"
DEFAULT_TIMEOUT_SECONDS = 70.0
"""Of one call: what `evaluate` waits at most by default, and some time for the answer."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
)
EVERYTHING = ResultFilter()
Order: TypeAlias = Literal["newest", "ascending", "descending", "worst"]
"""Of results: newest first, or by value; the worst by the direction of the one metric that the filter names."""
_ORDERS: Mapping[Order, evaluator_pb2.ResultOrder] = {
    "newest": evaluator_pb2.RESULT_ORDER_UNSPECIFIED,
    "ascending": evaluator_pb2.RESULT_ORDER_VALUE_ASCENDING,
    "descending": evaluator_pb2.RESULT_ORDER_VALUE_DESCENDING,
    "worst": evaluator_pb2.RESULT_ORDER_WORST,
}


def stubs(channel: Any) -> dict[str, Any]:
    """The generated stub of each service, over a channel of either kind."""
    return {
        "Alerts": AlertsStub(channel),  # type: ignore[no-untyped-call]
        "Alignments": AlignmentsStub(channel),  # type: ignore[no-untyped-call]
        "Deliveries": DeliveriesStub(channel),  # type: ignore[no-untyped-call]
        "Definitions": DefinitionsStub(channel),  # type: ignore[no-untyped-call]
        "Evaluator": EvaluatorStub(channel),  # type: ignore[no-untyped-call]  # generated
        "Feedback": FeedbackStub(channel),  # type: ignore[no-untyped-call]
        "Metrics": MetricsStub(channel),  # type: ignore[no-untyped-call]
        "Rules": RulesStub(channel),  # type: ignore[no-untyped-call]
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[R]):
    """One request: `service` and `method`, what is sent, and how the answer is read."""

    service: str
    method: str
    request: Message
    read: Callable[[Any], R]
    timeout_seconds: float | None = None
    """None = that of the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[R]):
    """A list that comes in pages: `items` is the field of the response that holds them."""

    service: str
    method: str
    request: Any
    items: str
    read: Callable[[Any], R]


def page(listing: Listing[Any]) -> Call[Any]:
    """The page of a list that its request asks for next."""
    return Call(service=listing.service, method=listing.method, request=listing.request, read=_as_it_is)


def _as_it_is(response: Any) -> Any:
    return response


def evaluate(
    targets: Sequence[Target],
    metrics: Sequence[str | MetricRef],
    *,
    wait_seconds: float | None,
    reuse: bool,
    request_id: str,
    start_time: datetime | None,
) -> Call[list[model.Result]]:
    """`Evaluator.Evaluate`."""
    refs = [MetricRef(name=metric) if isinstance(metric, str) else metric for metric in metrics]
    request = evaluator_pb2.EvaluateRequest(
        targets=[convert_targets.target_to_proto(target) for target in targets],
        metrics=[metrics_pb2.MetricRef(name=ref.name, version=ref.version or 0) for ref in refs],
        reuse=reuse,
        request_id=request_id,
    )
    if wait_seconds is not None:
        request.wait.FromNanoseconds(round(wait_seconds * 1e9))
    if start_time is not None:
        for target in request.targets:
            target.approximate_start_time.FromDatetime(start_time)
    return Call(service="Evaluator", method="Evaluate", request=request, read=_results)


def _results(response: evaluator_pb2.EvaluateResponse) -> list[model.Result]:
    return [model.result(message) for message in response.results]


def get_result(result_id: str | uuid.UUID) -> Call[model.Result]:
    """`Evaluator.GetResult`."""
    request = evaluator_pb2.GetResultRequest(result_id=str(result_id))
    return Call(service="Evaluator", method="GetResult", request=request, read=model.result)


def list_results(where: ResultFilter, order: Order = "newest") -> Listing[model.Result]:
    """`Evaluator.ListResults`."""
    request = evaluator_pb2.ListResultsRequest(filter=_filter(where), page_size=PAGE_SIZE, order=_ORDERS[order])
    return Listing(service="Evaluator", method="ListResults", request=request, items="results", read=model.result)


def watch_results(where: ResultFilter, cursor: str) -> Call[model.Watched]:
    """`Evaluator.WatchResults`."""
    request = evaluator_pb2.WatchResultsRequest(filter=_filter(where), cursor=cursor)
    return Call(service="Evaluator", method="WatchResults", request=request, read=model.watched)


def _filter(where: ResultFilter) -> evaluator_pb2.ResultFilter:
    message = evaluator_pb2.ResultFilter(
        targets=[convert_targets.target_ref_to_proto(ref) for ref in where.targets],
        metrics=where.metrics,
        levels=[LEVEL_TO_PROTO[level] for level in where.levels],
        statuses=[STATUS_TO_PROTO[status] for status in where.statuses],
        rule=where.rule,
        run=where.run,
        include_superseded=where.include_superseded,
        minimum_value=where.minimum,
        maximum_value=where.maximum,
        labels=where.labels,
        purposes=[PURPOSE_TO_PROTO[purpose] for purpose in where.purposes],
        kinds=[KIND_TO_PROTO[kind] for kind in where.kinds],
    )
    if where.since is not None:
        message.start_time.FromDatetime(where.since)
    if where.until is not None:
        message.end_time.FromDatetime(where.until)
    return message


def explain(rule: str, target: TargetRef) -> Call[list[Explanation]]:
    """`Evaluator.Explain`."""
    request = evaluator_pb2.ExplainRequest(rule=rule, target=convert_targets.target_ref_to_proto(target))
    return Call(service="Evaluator", method="Explain", request=request, read=_explanations)


def _explanations(response: evaluator_pb2.ExplainResponse) -> list[Explanation]:
    return [model.explanation(message) for message in response.explanations]


def mark_complete(target: TargetRef) -> Call[model.Ended]:
    """`Evaluator.MarkComplete`."""
    request = evaluator_pb2.MarkCompleteRequest(target=convert_targets.target_ref_to_proto(target))
    return Call(service="Evaluator", method="MarkComplete", request=request, read=model.ended)


def test_rule(name: str, target: TargetRef | None, timeout_seconds: float) -> Call[StageReport]:
    """`Rules.TestRule`."""
    request = rules_pb2.TestRuleRequest(
        name=name, target=convert_targets.target_ref_to_proto(target) if target else None
    )
    request.timeout.FromNanoseconds(int(timeout_seconds * 1e9))
    return Call(service="Rules", method="TestRule", request=request, read=model.stage)


def create_metric(definition: MetricDefinition, request_id: str) -> Call[MetricRecord]:
    """`Metrics.CreateMetric`."""
    metric = convert_metrics.metric_to_proto(MetricRecord(definition=definition))
    request = metrics_pb2.CreateMetricRequest(metric=metric, request_id=request_id)
    return Call(service="Metrics", method="CreateMetric", request=request, read=model.metric)


def get_metric(name: str, version: int | None) -> Call[MetricRecord]:
    """`Metrics.GetMetric`."""
    request = metrics_pb2.GetMetricRequest(name=name, version=version or 0)
    return Call(service="Metrics", method="GetMetric", request=request, read=model.metric)


def list_metrics() -> Listing[MetricRecord]:
    """`Metrics.ListMetrics`."""
    request = metrics_pb2.ListMetricsRequest(page_size=PAGE_SIZE)
    return Listing(service="Metrics", method="ListMetrics", request=request, items="metrics", read=model.metric)


def list_metric_versions(name: str) -> Listing[MetricRecord]:
    """`Metrics.ListMetricVersions`."""
    request = metrics_pb2.ListMetricVersionsRequest(name=name, page_size=PAGE_SIZE)
    return Listing(service="Metrics", method="ListMetricVersions", request=request, items="metrics", read=model.metric)


def update_metric(
    definition: MetricDefinition, base_version: int, fields: Iterable[str], request_id: str
) -> Call[MetricRecord]:
    """`Metrics.UpdateMetric`."""
    request = metrics_pb2.UpdateMetricRequest(
        metric=convert_metrics.metric_to_proto(MetricRecord(definition=definition)),
        update_mask=FieldMask(paths=[_MASK_OF.get(field, field) for field in fields]),
        base_version=base_version,
        request_id=request_id,
    )
    return Call(service="Metrics", method="UpdateMetric", request=request, read=model.metric)


_MASK_OF = {"wait_seconds": "wait", "higher_is_better": "direction"}
"""Fields whose names differ on the wire."""


def restore_metric(name: str, version: int, base_version: int | None, request_id: str) -> Call[MetricRecord]:
    """`Metrics.RestoreMetricVersion`."""
    request = metrics_pb2.RestoreMetricVersionRequest(
        name=name, version=version, base_version=base_version or 0, request_id=request_id
    )
    return Call(service="Metrics", method="RestoreMetricVersion", request=request, read=model.metric)


def test_metric(
    metric: str | MetricDefinition, target: Target, *, repeats: int, wait_seconds: float | None
) -> Call[model.Trial]:
    """`Metrics.TestMetric`."""
    request = metrics_pb2.TestMetricRequest(target=convert_targets.target_to_proto(target), repeats=repeats)
    if isinstance(metric, str):
        request.name = metric
    else:
        request.metric.CopyFrom(convert_metrics.metric_to_proto(MetricRecord(definition=metric)))
    if wait_seconds is not None:
        request.wait.FromNanoseconds(round(wait_seconds * 1e9))
    return Call(service="Metrics", method="TestMetric", request=request, read=model.trial)


def apply(
    metrics: Sequence[MetricDefinition], rules: Sequence[StatedRule], *, validate_only: bool
) -> Call[list[Applied]]:
    """`Definitions.ApplyDefinitions`."""
    request = definitions_pb2.ApplyDefinitionsRequest(
        metrics=[convert_metrics.metric_to_proto(MetricRecord(definition=metric)) for metric in metrics],
        rules=[_stated(rule) for rule in rules],
        validate_only=validate_only,
    )
    return Call(service="Definitions", method="ApplyDefinitions", request=request, read=_all_applied)


def _stated(rule: StatedRule) -> rules_pb2.Rule:
    message = convert_definitions.rule_to_proto(RuleRecord(definition=rule.definition))
    if rule.enabled is None:
        message.ClearField("enabled")
    else:
        message.enabled = rule.enabled
    return message


def _all_applied(response: definitions_pb2.ApplyDefinitionsResponse) -> list[Applied]:
    return [model.applied(message) for message in response.applied]


def delete_metric(name: str, base_version: int | None, request_id: str) -> Call[None]:
    """`Metrics.DeleteMetric`."""
    request = metrics_pb2.DeleteMetricRequest(name=name, base_version=base_version or 0, request_id=request_id)
    return Call(service="Metrics", method="DeleteMetric", request=request, read=_nothing)


def create_rule(rule: RuleDefinition, request_id: str) -> Call[RuleRecord]:
    """`Rules.CreateRule`."""
    message = convert_definitions.rule_to_proto(RuleRecord(definition=rule))
    request = rules_pb2.CreateRuleRequest(rule=message, request_id=request_id)
    return Call(service="Rules", method="CreateRule", request=request, read=model.rule)


def get_rule(name: str) -> Call[RuleRecord]:
    """`Rules.GetRule`."""
    return Call(service="Rules", method="GetRule", request=rules_pb2.GetRuleRequest(name=name), read=model.rule)


def list_rules() -> Listing[RuleRecord]:
    """`Rules.ListRules`."""
    request = rules_pb2.ListRulesRequest(page_size=PAGE_SIZE)
    return Listing(service="Rules", method="ListRules", request=request, items="rules", read=model.rule)


def update_rule(rule: RuleDefinition, base_version: int, fields: Iterable[str], request_id: str) -> Call[RuleRecord]:
    """`Rules.UpdateRule`."""
    request = rules_pb2.UpdateRuleRequest(
        rule=convert_definitions.rule_to_proto(RuleRecord(definition=rule)),
        update_mask=FieldMask(paths=fields),
        base_version=base_version,
        request_id=request_id,
    )
    return Call(service="Rules", method="UpdateRule", request=request, read=model.rule)


def delete_rule(name: str, base_version: int | None, request_id: str) -> Call[None]:
    """`Rules.DeleteRule`."""
    request = rules_pb2.DeleteRuleRequest(name=name, base_version=base_version or 0, request_id=request_id)
    return Call(service="Rules", method="DeleteRule", request=request, read=_nothing)


def enable_rule(name: str) -> Call[RuleRecord]:
    """`Rules.EnableRule`."""
    return Call(service="Rules", method="EnableRule", request=rules_pb2.EnableRuleRequest(name=name), read=model.rule)


def disable_rule(name: str) -> Call[RuleRecord]:
    """`Rules.DisableRule`."""
    request = rules_pb2.DisableRuleRequest(name=name)
    return Call(service="Rules", method="DisableRule", request=request, read=model.rule)


def _nothing(response: object) -> None:
    return None
