"""The exporter as one process: both fronts over one intake; stop means drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.commit import CommitLimits, Committer
from exporter.counting import Counts
from exporter.disk import DiskGuard, DiskLimits
from exporter.intake import Intake, Signal
from exporter.receiver.admission import Admission, AdmissionLimits
from exporter.receiver.cors import Cors
from exporter.receiver.grpc import GrpcFront
from exporter.receiver.http import HttpFront
from exporter.receiver.listen import Listen
from exporter.redaction import Redaction
from storage.telemetry import TelemetrySink

log = logging.getLogger(__name__)

QUEUE_BYTES = 96 << 20
"""Above what `AdmissionLimits` lets in: the rest is left by callers that went away, and is stored all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSettings:
    """Where to listen, and limits.

    Attributes:
        grpc: `host:port` of OTLP/gRPC; port 0 = any free one.
        http: `host:port` of OTLP/HTTP; likewise.
        shared_ports: Other processes of ours listen at the same ports.
        idle_seconds: Connections without a call are closed after so long.
        cors_origins: Web pages that may send over HTTP, `https://host[:port]` each, or `*`.
        max_body_bytes: Largest request, as sent or decompressed.
        admission: What all bodies under way may hold, and how long they may take.
        drain_seconds: What calls under way get to end at a stop, and after them what is still queued.
        commit: Bounds of each table's committer.
        disk: When to refuse because the disk is nearly full.
    """

    grpc: str = "127.0.0.1:4317"
    http: str = "127.0.0.1:4318"
    shared_ports: bool = False
    idle_seconds: float = 60.0
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 64 << 20
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    drain_seconds: float = 10.0
    commit: CommitLimits = field(default_factory=lambda: CommitLimits(queue_bytes=QUEUE_BYTES))
    disk: DiskLimits = field(default_factory=DiskLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Bound ports."""

    grpc_port: int
    http_port: int


async def serve(
    sink: TelemetrySink,
    settings: ExporterSettings,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[Endpoints], None],
    redaction: Redaction | None = None,
    counts: Counts | None = None,
) -> None:
    """Serve until `stop`, then refuse what is new, answer what is under way, and return.

    `on_ready` is called once, when both fronts listen; `redaction` sees every request before it is translated;
    `counts` is kept up to date.

    Raises:
        PortInUse: An address cannot be bound; nothing is left listening.
    """
    committers = {
        Signal.TRACES: Committer(sink, "otel_traces", settings.commit),
        Signal.LOGS: Committer(sink, "otel_logs", settings.commit),
    }
    guard = DiskGuard(sink, settings.disk)
    await guard.look()
    counts = counts or Counts()
    counts.held_bytes = lambda: sum(committer.held_bytes for committer in committers.values())
    intake = Intake(guard, committers, redact=redaction, counts=counts)
    admission = Admission(settings.admission, counts.held_bytes)
    grpc_front = GrpcFront(
        intake, admission, listen=_listen(settings, settings.grpc), max_body_bytes=settings.max_body_bytes
    )
    http_front = HttpFront(
        intake,
        admission,
        listen=_listen(settings, settings.http),
        max_body_bytes=settings.max_body_bytes,
        cors=Cors(settings.cors_origins),
    )
    fronts_stopped = asyncio.Event()
    try:
        endpoints = Endpoints(
            grpc_port=await grpc_front.start(),
            http_port=await http_front.start(grace_seconds=settings.drain_seconds),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(guard.run(fronts_stopped))
            for committer in committers.values():
                tasks.create_task(committer.run(fronts_stopped, drain_seconds=settings.drain_seconds))
            if redaction is not None:
                tasks.create_task(redaction.report(fronts_stopped))
            log.info("exporter_ready", extra={"grpc_port": endpoints.grpc_port, "http_port": endpoints.http_port})
            on_ready(endpoints)
            await stop.wait()
            log.info("exporter_stopping", extra={"drain_seconds": settings.drain_seconds})
            await _stop(grpc_front, http_front, grace_seconds=settings.drain_seconds)
            fronts_stopped.set()
    finally:
        await _stop(grpc_front, http_front, grace_seconds=0.0)
    log.info("exporter_stopped")


async def _stop(grpc_front: GrpcFront, http_front: HttpFront, *, grace_seconds: float) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grpc_front.stop(grace_seconds=grace_seconds))
        tasks.create_task(http_front.stop())


def _listen(settings: ExporterSettings, address: str) -> Listen:
    return Listen(address=address, shared=settings.shared_ports, idle_seconds=settings.idle_seconds)
