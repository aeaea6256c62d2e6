"""The gRPC server: services, health, reflection, the error table; started and stopped as a context manager."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from evaluator.alignment.running.catalogue import AlignmentCatalogue
from evaluator.feedback.desk import Desk
from evaluator.metrics.registry import Metrics
from evaluator.online.actions.catalogue import DeliveryCatalogue
from evaluator.online.alerts.catalogue import AlertCatalogue
from evaluator.online.explaining.explanation import Explaining
from evaluator.online.rules.apply import Definitions
from evaluator.online.rules.catalogue import Rules
from evaluator.runs.catalogue import RunCatalogue
from evaluator.scoring.request import Scoring
from evaluator.server.alerts import AlertsServicer
from evaluator.server.alignments import AlignmentsServicer
from evaluator.server.definitions import DefinitionsServicer
from evaluator.server.deliveries import DeliveriesServicer
from evaluator.server.errors import ErrorTable
from evaluator.server.evaluator import EvaluatorServicer
from evaluator.server.feedback import FeedbackServicer
from evaluator.server.metrics import MetricsServicer
from evaluator.server.ports import (
    Computing,
    CountsFunnels,
    DecidesAlignments,
    MarksComplete,
    MeasuresAgreement,
    PreviewsRules,
    ReportsAlignments,
    ReviewsQueues,
    TestsRules,
)
from evaluator.server.rules import RulesServicer
from evaluator.v1 import alerts_pb2, alignment_pb2, definitions_pb2, evaluator_pb2, feedback_pb2, metrics_pb2, rules_pb2
from evaluator.v1.alerts_pb2_grpc import add_AlertsServicer_to_server, add_DeliveriesServicer_to_server
from evaluator.v1.alignment_pb2_grpc import add_AlignmentsServicer_to_server
from evaluator.v1.definitions_pb2_grpc import add_DefinitionsServicer_to_server
from evaluator.v1.evaluator_pb2_grpc import add_EvaluatorServicer_to_server
from evaluator.v1.feedback_pb2_grpc import add_FeedbackServicer_to_server
from evaluator.v1.metrics_pb2_grpc import add_MetricsServicer_to_server
from evaluator.v1.rules_pb2_grpc import add_RulesServicer_to_server
from storage.results import Results

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
SERVICES = tuple(
    file.services_by_name[name].full_name
    for file, name in (
        (evaluator_pb2.DESCRIPTOR, "Evaluator"),
        (metrics_pb2.DESCRIPTOR, "Metrics"),
        (rules_pb2.DESCRIPTOR, "Rules"),
        (definitions_pb2.DESCRIPTOR, "Definitions"),
        (alerts_pb2.DESCRIPTOR, "Alerts"),
        (alerts_pb2.DESCRIPTOR, "Deliveries"),
        (feedback_pb2.DESCRIPTOR, "Feedback"),
        (alignment_pb2.DESCRIPTOR, "Alignments"),
    )
)
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # else a second server would share the port without a word
)


class CannotListen(OSError):
    """The address is in use, not ours, or malformed; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What stands behind the services."""

    scoring: Scoring
    computing: Computing
    results: Results
    explaining: Explaining
    metrics: Metrics
    rules: Rules
    runs: RunCatalogue
    previews: PreviewsRules | None = None
    funnels: CountsFunnels | None = None
    rule_tests: TestsRules | None = None
    completions: MarksComplete | None = None
    alerts: AlertCatalogue | None = None
    deliveries: DeliveryCatalogue | None = None
    desk: Desk | None = None
    alignments: AlignmentCatalogue | None = None
    alignment_reports: ReportsAlignments | None = None
    alignment_decisions: DecidesAlignments | None = None
    queues: ReviewsQueues | None = None
    agreement: MeasuresAgreement | None = None


@asynccontextmanager
async def serving(address: str, parts: Parts, *, grace_seconds: float = 10.0) -> AsyncIterator[int]:
    """Serve on `address` (`host:port`, port 0 = any free one); yields the bound port.

    On leaving, health says NOT_SERVING, watchers are sent away, new calls are refused and running ones may finish for
    at most `grace_seconds`.

    Raises:
        CannotListen: The address cannot be bound.
    """
    stopping = asyncio.Event()
    server = grpc.aio.server(interceptors=[ErrorTable()], options=_OPTIONS)
    _add_services(server, parts, stopping)
    checks = await _add_health_and_reflection(server)
    port = _bind(server, address)
    await server.start()
    try:
        yield port
    finally:
        stopping.set()
        await checks.enter_graceful_shutdown()
        await server.stop(grace_seconds)


def _add_services(server: grpc.aio.Server, parts: Parts, stopping: asyncio.Event) -> None:
    evaluator = EvaluatorServicer(
        scoring=parts.scoring,
        computing=parts.computing,
        results=parts.results,
        explaining=parts.explaining,
        runs=parts.runs,
        metrics=parts.metrics,
        completions=parts.completions,
        stopping=stopping,
    )
    add_EvaluatorServicer_to_server(evaluator, server)  # type: ignore[no-untyped-call]  # generated
    metrics = MetricsServicer(parts.metrics, parts.scoring)
    add_MetricsServicer_to_server(metrics, server)  # type: ignore[no-untyped-call]
    rules = RulesServicer(parts.rules, previews=parts.previews, funnels=parts.funnels, tests=parts.rule_tests)
    add_RulesServicer_to_server(rules, server)  # type: ignore[no-untyped-call]
    definitions = DefinitionsServicer(Definitions(parts.metrics, parts.rules))
    add_DefinitionsServicer_to_server(definitions, server)  # type: ignore[no-untyped-call]
    if parts.desk is not None:
        feedback = FeedbackServicer(
            desk=parts.desk,
            metrics=parts.metrics,
            results=parts.results,
            queues=parts.queues,
            agreement=parts.agreement,
        )
        add_FeedbackServicer_to_server(feedback, server)  # type: ignore[no-untyped-call]
    if parts.alignments is not None:
        alignments = AlignmentsServicer(
            parts.alignments,
            stopping=stopping,
            reports=parts.alignment_reports,
            decisions=parts.alignment_decisions,
        )
        add_AlignmentsServicer_to_server(alignments, server)  # type: ignore[no-untyped-call]
    if parts.alerts is not None:
        add_AlertsServicer_to_server(AlertsServicer(parts.alerts), server)  # type: ignore[no-untyped-call]
    if parts.deliveries is not None:
        add_DeliveriesServicer_to_server(DeliveriesServicer(parts.deliveries), server)  # type: ignore[no-untyped-call]


async def _add_health_and_reflection(server: grpc.aio.Server) -> Any:
    checks = health.aio.HealthServicer()  # type: ignore[attr-defined]  # untyped
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for service in ("", *SERVICES):
        await checks.set(service, health_pb2.HealthCheckResponse.SERVING)
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return checks


def _bind(server: grpc.aio.Server, address: str) -> int:
    try:
        port = int(server.add_insecure_port(address))
    except RuntimeError:
        port = 0
    if port == 0:
        raise CannotListen(
            f"cannot listen on {address}: {_reason(address)}. Stop what listens there, or set ASSAY_GRPC to another "
            "address (port 0 = any free one)"
        )
    return port


def _reason(address: str) -> str:
    """gRPC does not say why, so ask the system."""
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(place)
    except OSError as error:
        return str(error.strerror or error)
    return "gRPC refused the address"
