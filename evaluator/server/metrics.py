"""`evaluator.v1.Metrics`: parse, call, render."""

from __future__ import annotations

from typing import Any

from google.protobuf.empty_pb2 import Empty

from evaluator.metrics.doubts import doubts
from evaluator.metrics.registry import Metrics
from evaluator.scoring.request import InlineTarget, Scoring
from evaluator.server import convert_definitions as convert
from evaluator.server import convert_metrics, pages, trying
from evaluator.server.convert import request_id
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import metrics_pb2 as pb
from evaluator.v1 import metrics_pb2_grpc


class MetricsServicer(metrics_pb2_grpc.MetricsServicer):
    """Definitions of what is measured."""

    def __init__(self, metrics: Metrics, scoring: Scoring) -> None:
        self._metrics = metrics
        self._scoring = scoring

    async def CreateMetric(self, request: pb.CreateMetricRequest, context: Any) -> pb.Metric:
        """See the proto, here and below."""
        definition = convert_metrics.metric(request.metric)
        record = await self._metrics.create(definition, request_id=request_id(request.request_id))
        return convert_metrics.metric_to_proto(record)

    async def GetMetric(self, request: pb.GetMetricRequest, context: Any) -> pb.Metric:
        if request.version < 0:
            raise InvalidRequest("version", f"must not be negative, got {request.version}")
        return convert_metrics.metric_to_proto(
            await self._metrics.record(_named(request.name), request.version or None)
        )

    async def ListMetrics(self, request: pb.ListMetricsRequest, context: Any) -> pb.ListMetricsResponse:
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        records = await self._metrics.live(after=pages.name_after(query, request.page_token), limit=limit + 1)
        page = records[:limit]
        return pb.ListMetricsResponse(
            metrics=[convert_metrics.metric_to_proto(record) for record in page],
            next_page_token=pages.to_token(query, [page[-1].key]) if len(records) > limit else "",
        )

    async def ListMetricVersions(
        self, request: pb.ListMetricVersionsRequest, context: Any
    ) -> pb.ListMetricVersionsResponse:
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        below = pages.version_below(query, request.page_token)
        versions = await self._metrics.versions(_named(request.name))
        records = [record for record in versions if below is None or record.definition.version < below]
        page = records[:limit]
        return pb.ListMetricVersionsResponse(
            metrics=[convert_metrics.metric_to_proto(record) for record in page],
            next_page_token=pages.to_token(query, [page[-1].definition.version]) if len(records) > limit else "",
        )

    async def UpdateMetric(self, request: pb.UpdateMetricRequest, context: Any) -> pb.Metric:
        base_version = convert.base_version(request.base_version, required=True)
        edit = request.metric
        if request.update_mask.paths:
            current = await self._metrics.record(_named(edit.name, "metric.name"), base_version)
            edit = convert.masked(convert_metrics.metric_to_proto(current), edit, request.update_mask)
        record = await self._metrics.update(
            convert_metrics.metric(edit), base_version=base_version, request_id=request_id(request.request_id)
        )
        return convert_metrics.metric_to_proto(record)

    async def RestoreMetricVersion(self, request: pb.RestoreMetricVersionRequest, context: Any) -> pb.Metric:
        if request.version < 1:
            raise InvalidRequest("version", f"must be the version to restore, 1 or more; got {request.version}")
        base_version = convert.base_version(request.base_version, required=False)
        record = await self._metrics.restore(
            _named(request.name),
            request.version,
            base_version=base_version or None,
            request_id=request_id(request.request_id),
        )
        return convert_metrics.metric_to_proto(record)

    async def TestMetric(self, request: pb.TestMetricRequest, context: Any) -> pb.TestMetricResponse:
        asked = trying.asked(request, remaining_seconds=context.time_remaining())
        if request.name:
            metric = await self._metrics.get(request.name)
        else:
            metric = await self._metrics.checked(convert_metrics.metric(request.metric))
        try:
            answers = await trying.answers(self._scoring, metric, asked, repeats=request.repeats or 1)
        except ValueError as error:
            if not isinstance(asked.targets[0], InlineTarget):
                raise
            raise InvalidRequest("target", str(error)) from error
        return trying.response(answers, warnings=doubts(metric))

    async def DeleteMetric(self, request: pb.DeleteMetricRequest, context: Any) -> Empty:
        base_version = convert.base_version(request.base_version, required=False)
        await self._metrics.delete(
            _named(request.name), base_version=base_version or None, request_id=request_id(request.request_id)
        )
        return Empty()


def _named(name: str, field: str = "name") -> str:
    if not name:
        raise InvalidRequest(field, "is required")
    return name
