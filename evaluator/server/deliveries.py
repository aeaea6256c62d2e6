"""`evaluator.v1.Deliveries`: parse, call, render."""

from __future__ import annotations

import uuid
from typing import Any

from evaluator.online.actions.catalogue import DeliveryCatalogue
from evaluator.server import convert_alerts as convert
from evaluator.server import pages
from evaluator.server.convert import request_id
from evaluator.server.errors import InvalidPageToken, InvalidRequest
from evaluator.v1 import alerts_pb2 as pb
from evaluator.v1 import alerts_pb2_grpc
from storage.deliveries import DeliveryCursor, DeliverySource


class DeliveriesServicer(alerts_pb2_grpc.DeliveriesServicer):
    """What actions send out."""

    def __init__(self, deliveries: DeliveryCatalogue) -> None:
        self._deliveries = deliveries

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Any) -> pb.ListDeliveriesResponse:
        """See the proto, here and below."""
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        if bool(request.rule) == bool(request.alert):
            raise InvalidRequest("rule", "name a rule or an alert, one of them")
        for number, state in enumerate(request.states):
            if state not in convert.DELIVERY_STATE_FROM_PROTO:
                raise InvalidRequest(f"states[{number}]", f"must be a known state, got the enum number {state}")
        found = await self._deliveries.newest(
            DeliverySource.RULE if request.rule else DeliverySource.ALERT,
            request.rule or request.alert,
            states=[convert.DELIVERY_STATE_FROM_PROTO[state] for state in request.states],
            before=_cursor(query, request.page_token),
            limit=limit + 1,
        )
        page = found[:limit]
        place: list[str | int] = [page[-1].created_us, str(page[-1].delivery_id)] if page else []
        return pb.ListDeliveriesResponse(
            deliveries=[convert.delivery_to_proto(each) for each in page],
            next_page_token=pages.to_token(query, place) if len(found) > limit else "",
        )

    async def RetryDelivery(self, request: pb.RetryDeliveryRequest, context: Any) -> pb.Delivery:
        request_id(request.request_id)
        try:
            wanted = uuid.UUID(request.delivery_id)
        except ValueError:
            raise InvalidRequest("delivery_id", f"must be a UUID, got {request.delivery_id!r}") from None
        return convert.delivery_to_proto(await self._deliveries.again(wanted))


def _cursor(query: bytes, token: str) -> DeliveryCursor | None:
    if not token:
        return None
    match pages.from_token(query, token):
        case [int(created_us), str(delivery_id)]:
            return DeliveryCursor(created_us=created_us, delivery_id=pages.uuid_of(delivery_id))
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")
