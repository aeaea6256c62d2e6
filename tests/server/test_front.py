"""The server as a stranger meets it: by reflection, with raw messages, at its edges."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from running_front import Front, a_span, an_evaluation, running_front

from evaluator.errors import TooManyTargets
from evaluator.server.errors import DETAILS_KEY
from evaluator.server.serve import SERVICES, CannotListen
from storage.clickhouse.client import Database


@pytest.fixture
async def front(database: Database) -> AsyncIterator[Front]:
    """A running server."""
    async with running_front(database) as running:
        yield running


class Stranger:
    """Knows nothing but the address: everything else comes by reflection."""

    def __init__(self, address: str, *, max_bytes: int = 64 * 1024 * 1024) -> None:
        options = (("grpc.max_send_message_length", max_bytes),)
        self._channel = grpc.insecure_channel(address, options=options)
        self._database = ProtoReflectionDescriptorDatabase(self._channel)
        self._pool = DescriptorPool(self._database)

    def services(self) -> set[str]:
        """What there is."""
        return set(self._database.get_services())

    def call(self, service: str, method: str, request: dict[str, Any], *, timeout: float = 20.0) -> dict[str, Any]:
        """One call, JSON in, JSON out."""
        described = self._pool.FindServiceByName(service).methods_by_name[method]
        answer = GetMessageClass(described.output_type)
        stub = self._channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        message = json_format.ParseDict(request, GetMessageClass(described.input_type)(), descriptor_pool=self._pool)
        return json_format.MessageToDict(stub(message, timeout=timeout))

    def refused(self, service: str, method: str, request: dict[str, Any]) -> tuple[grpc.StatusCode, str]:
        """Code and reason of a call that must be refused."""
        with pytest.raises(grpc.RpcError) as refused:
            self.call(service, method, request)
        error: Any = refused.value
        status, info = Status(), ErrorInfo()
        status.ParseFromString(dict(error.trailing_metadata()).get(DETAILS_KEY, b""))
        for detail in status.details:
            detail.Unpack(info)
        return error.code(), info.reason

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


@pytest.fixture
async def stranger(front: Front) -> AsyncIterator[Stranger]:
    """A reflection client."""
    client = Stranger(front.address)
    yield client
    client.close()


async def test_a_stranger_finds_every_service(stranger: Stranger) -> None:
    """Ours, health, and reflection itself."""
    assert await asyncio.to_thread(stranger.services) == {
        "evaluator.v1.Alerts",
        "evaluator.v1.Alignments",
        "evaluator.v1.Definitions",
        "evaluator.v1.Deliveries",
        "evaluator.v1.Evaluator",
        "evaluator.v1.Feedback",
        "evaluator.v1.Metrics",
        "evaluator.v1.Rules",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_a_stranger_gets_a_score_without_our_code(front: Front, stranger: Stranger) -> None:
    """The README's call with a reflection client."""
    target = a_span()
    evaluation = an_evaluation(target)
    front.scoring.prepared = [evaluation]
    span = {"traceId": target.trace_id, "spanId": target.span_id}
    request = {"targets": [{"span": span}], "metrics": [{"name": "correctness"}], "wait": "5s"}
    answered = await asyncio.to_thread(stranger.call, "evaluator.v1.Evaluator", "Evaluate", request)
    assert answered == {
        "results": [
            {
                "resultId": str(evaluation.evaluation_id),
                "target": {"span": span},
                "metric": "correctness",
                "metricVersion": 1,
                "metricDigest": "d" * 32,
                "kind": "METRIC_KIND_JUDGE",
                "outputType": "OUTPUT_TYPE_PERCENTAGE",
                "status": "RESULT_STATUS_SUCCESS",
                "value": 0.5,
                "explanation": "half",
                "judgeModel": "openai/gpt-5-mini",
                "usage": {
                    "inputTokens": "120",
                    "outputTokens": "30",
                    "costUsd": 0.0004,
                    "latency": "0.900s",
                    "attempts": 1,
                },
                "watermarkTime": "2026-11-12T00:00:01Z",
                "evaluateTime": "2026-11-12T00:00:02Z",
                "attempt": 1,
                "purpose": "PURPOSE_ONDEMAND",
            }
        ]
    }


async def test_inline_results_have_no_id_and_stored_ones_beside_them_do(front: Front, stranger: Stranger) -> None:
    """An id that nothing can be asked by would be a trap."""
    stored, inline = an_evaluation(a_span()), an_evaluation(a_span())
    front.scoring.prepared = [stored, inline]
    ids = {"traceId": inline.target.trace_id, "spanId": inline.target.span_id}
    target = {"traceId": stored.target.trace_id, "spanId": stored.target.span_id}
    request = {
        "targets": [{"span": target}, {"inline": {"span": ids}}],
        "metrics": [{"name": "correctness"}],
    }
    answered = await asyncio.to_thread(stranger.call, "evaluator.v1.Evaluator", "Evaluate", request)
    assert [result.get("resultId") for result in answered["results"]] == [str(stored.evaluation_id), None]


async def test_broken_inline_content_is_the_callers_fault_and_a_bug_is_ours(front: Front, stranger: Stranger) -> None:
    """The engine says ValueError of inline content; of stored content that could only be a bug."""
    front.scoring.prepared = ValueError("does not hold the span it names")
    ids = {"traceId": "a" * 32, "spanId": "b" * 16}
    for target, refusal in (
        ({"inline": {"span": ids}}, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")),
        ({"span": ids}, (grpc.StatusCode.INTERNAL, "INTERNAL")),
    ):
        request = {"targets": [target], "metrics": [{"name": "correctness"}]}
        assert await asyncio.to_thread(stranger.refused, "evaluator.v1.Evaluator", "Evaluate", request) == refusal


async def test_the_deadline_of_the_call_bounds_the_wait(front: Front, stranger: Stranger) -> None:
    """gRPC's own deadline is read, less half a second."""
    front.scoring.prepared = []
    request = {"targets": [{"trace": {"traceId": "a" * 32}}], "metrics": [{"name": "correctness"}]}
    await asyncio.to_thread(lambda: stranger.call("evaluator.v1.Evaluator", "Evaluate", request, timeout=9.0))
    (asked,) = front.scoring.asked
    assert 5.0 < asked.wait_seconds < 8.6  # the wire rounds a deadline up by some milliseconds


@pytest.mark.parametrize(
    ("service", "method", "request_", "refusal"),
    [
        ("Evaluator", "GetResult", {"resultId": str(uuid.UUID(int=9))}, ("NOT_FOUND", "RESULT_NOT_FOUND")),
        ("Evaluator", "ListResults", {"pageToken": "junk"}, ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")),
        ("Evaluator", "ListResults", {"pageSize": 1001}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ("Evaluator", "Explain", {"rule": "r"}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ("Evaluator", "Explain", {"target": {"trace": {}}}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ("Metrics", "GetMetric", {}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ("Metrics", "GetMetric", {"name": "correctness", "version": -1}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ("Metrics", "GetMetric", {"name": "correctness", "version": 99}, ("NOT_FOUND", "METRIC_NOT_FOUND")),
        ("Metrics", "CreateMetric", {}, ("INVALID_ARGUMENT", "INVALID_DEFINITION")),
        ("Metrics", "UpdateMetric", {"metric": {"name": "x"}}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ("Metrics", "ListMetricVersions", {"name": "unknown"}, ("NOT_FOUND", "METRIC_NOT_FOUND")),
        ("Metrics", "DeleteMetric", {"name": "correctness"}, ("INVALID_ARGUMENT", "INVALID_DEFINITION")),
        ("Rules", "GetRule", {"name": "unknown"}, ("NOT_FOUND", "RULE_NOT_FOUND")),
        ("Rules", "EnableRule", {"name": "r", "requestId": "1"}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
    ],
)
async def test_bad_input_is_refused_with_a_reason(
    stranger: Stranger, service: str, method: str, request_: dict[str, Any], refusal: tuple[str, str]
) -> None:
    """Junk is the caller's to mend, and the reason says how."""
    code, reason = await asyncio.to_thread(stranger.refused, f"evaluator.v1.{service}", method, request_)
    assert (code.name, reason) == refusal


async def test_too_many_pairs_are_refused(front: Front, stranger: Stranger) -> None:
    """The engine's bound, on the wire."""
    front.scoring.prepared = TooManyTargets("1001 pairs; at most 1000")
    request = {"targets": [{"trace": {"traceId": "a" * 32}}], "metrics": [{"name": "correctness"}]}
    refusal = await asyncio.to_thread(stranger.refused, "evaluator.v1.Evaluator", "Evaluate", request)
    assert refusal == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_TARGETS")


async def test_a_message_over_16_mib_is_refused_and_the_server_lives(stranger: Stranger) -> None:
    """gRPC refuses it before it is read into memory."""
    request = {"rule": "r" * (16 * 1024 * 1024 + 1)}
    code, _ = await asyncio.to_thread(stranger.refused, "evaluator.v1.Evaluator", "Explain", request)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    answered = await asyncio.to_thread(stranger.call, "evaluator.v1.Rules", "ListRules", {})
    assert answered == {}


async def test_a_name_of_a_megabyte_comes_back_as_a_readable_refusal(stranger: Stranger) -> None:
    """An error must fit into headers, whatever it echoes."""
    request = {"metric": {"name": "é" * 1_000_000, "kind": 1, "levels": [1], "outputType": 1, "prompt": "{{output}}"}}
    code, reason = await asyncio.to_thread(stranger.refused, "evaluator.v1.Metrics", "CreateMetric", request)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_DEFINITION")


async def test_pages_follow_each_other_and_belong_to_one_query(front: Front, stranger: Stranger) -> None:
    """Every result once, newest first; the token of one filter is refused by another."""
    target = a_span()
    stored = [an_evaluation(target) for _ in range(5)]
    await front.results.append(stored)
    span = {"traceId": target.trace_id, "spanId": target.span_id}
    request: dict[str, Any] = {"filter": {"targets": [{"span": span}], "includeSuperseded": True}, "pageSize": 2}
    pages = []
    while True:
        page = await asyncio.to_thread(stranger.call, "evaluator.v1.Evaluator", "ListResults", request)
        pages.append([result["resultId"] for result in page["results"]])
        if "nextPageToken" not in page:
            break
        request["pageToken"] = page["nextPageToken"]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {each for page in pages for each in page} == {str(each.evaluation_id) for each in stored}
    request["filter"] = {}
    refusal = await asyncio.to_thread(stranger.refused, "evaluator.v1.Evaluator", "ListResults", request)
    assert refusal == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")


async def test_health_is_serving_per_service_until_the_server_stops(database: Database) -> None:
    """A load balancer sees the end before the calls do."""
    async with AsyncExitStack() as server, AsyncExitStack() as connection:
        front = await server.enter_async_context(running_front(database, grace_seconds=0.1))
        channel = await connection.enter_async_context(grpc.aio.insecure_channel(front.address))
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", *SERVICES):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="evaluator.v1.Evaluator"))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await server.aclose()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_port_in_use_is_a_clear_error(database: Database) -> None:
    """Two servers on one port would share the calls without a word."""
    async with running_front(database) as front:
        with pytest.raises(CannotListen, match=f"cannot listen on {front.address}: Address already in use"):
            async with running_front(database, address=front.address):
                pass


async def test_an_address_that_is_not_ours_is_a_clear_error(database: Database) -> None:
    """The system's reason is in the message."""
    with pytest.raises(CannotListen, match=r"cannot listen on 192\.0\.2\.1:0: Cannot assign requested address"):
        async with running_front(database, address="192.0.2.1:0"):
            pass


async def test_a_stopped_server_frees_its_port(database: Database) -> None:
    """A restart on the same port works at once."""
    async with running_front(database) as front:
        address = front.address
    async with running_front(database, address=address) as again:
        assert again.address == address
    with socket.socket() as probe:
        host, _, port = address.rpartition(":")
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, int(port)))
