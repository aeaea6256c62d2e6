"""`evaluator.v1.Alerts`: parse, call, render."""

from __future__ import annotations

from typing import Any

from google.protobuf.empty_pb2 import Empty

from evaluator.online.alerts.catalogue import AlertCatalogue
from evaluator.online.alerts.definition import AlertRecord
from evaluator.server import convert_alerts as convert
from evaluator.server import pages
from evaluator.server.convert import request_id
from evaluator.server.convert_definitions import base_version
from evaluator.server.errors import InvalidPageToken, InvalidRequest
from evaluator.v1 import alerts_pb2 as pb
from evaluator.v1 import alerts_pb2_grpc


class AlertsServicer(alerts_pb2_grpc.AlertsServicer):
    """What is watched over many results."""

    def __init__(self, alerts: AlertCatalogue) -> None:
        self._alerts = alerts

    async def CreateAlert(self, request: pb.CreateAlertRequest, context: Any) -> pb.Alert:
        """See the proto, here and below."""
        alert = convert.alert(request.alert)
        record = await self._alerts.create(alert, request_id=request_id(request.request_id))
        return await self._told(record)

    async def GetAlert(self, request: pb.GetAlertRequest, context: Any) -> pb.Alert:
        return await self._told(await self._alerts.get(_named(request.name)))

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Any) -> pb.ListAlertsResponse:
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        records = await self._alerts.live(after=pages.name_after(query, request.page_token), limit=limit + 1)
        page = records[:limit]
        standing = await self._alerts.standing([record.definition.name for record in page])
        return pb.ListAlertsResponse(
            alerts=[convert.alert_to_proto(record, standing.get(record.definition.name)) for record in page],
            next_page_token=pages.to_token(query, [page[-1].definition.name]) if len(records) > limit else "",
        )

    async def UpdateAlert(self, request: pb.UpdateAlertRequest, context: Any) -> pb.Alert:
        version = base_version(request.base_version, required=True)
        _named(request.alert.name, "alert.name")
        record = await self._alerts.update(
            convert.alert(request.alert), base_version=version, request_id=request_id(request.request_id)
        )
        return await self._told(record)

    async def DeleteAlert(self, request: pb.DeleteAlertRequest, context: Any) -> Empty:
        version = base_version(request.base_version, required=False)
        await self._alerts.delete(
            _named(request.name), base_version=version or None, request_id=request_id(request.request_id)
        )
        return Empty()

    async def ListAlertEvents(self, request: pb.ListAlertEventsRequest, context: Any) -> pb.ListAlertEventsResponse:
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        before_us = _before(query, request.page_token)
        events = await self._alerts.history(_named(request.name), before_us=before_us, limit=limit + 1)
        page = events[:limit]
        return pb.ListAlertEventsResponse(
            events=[convert.event_to_proto(event) for event in page],
            next_page_token=pages.to_token(query, [page[-1].at_us]) if len(events) > limit else "",
        )

    async def _told(self, record: AlertRecord) -> pb.Alert:
        name = record.definition.name
        return convert.alert_to_proto(record, (await self._alerts.standing([name])).get(name))


def _before(query: bytes, token: str) -> int | None:
    if not token:
        return None
    match pages.from_token(query, token):
        case [int(at_us)]:
            return at_us
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")


def _named(name: str, field: str = "name") -> str:
    if not name:
        raise InvalidRequest(field, "is required")
    return name
