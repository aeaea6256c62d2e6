"""Results on the wire: a real exporter process's server, applications with the OpenTelemetry SDK, OTLP endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from aiohttp import web
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from storing import until

from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.registry import Metrics
from evaluator.online.external.targets import Targets
from evaluator.online.external.worker import ExternalWorker, HearsPeople, Round
from evaluator.online.leases import LeaseKeeper
from exporter.server import Endpoints, ExporterSettings, serve
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.external import ClickHouseResultEvents, ClickHouseWaitingResults
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseSink, ClickHouseTelemetry
from storage.model import Evaluation
from storage.results import ResultFilter

EVENT = "gen_ai.evaluation.result"


@dataclass(frozen=True, kw_only=True)
class External:
    """A worker that a test steps, and what it works with."""

    database: Database
    worker: ExternalWorker
    metrics: Metrics
    leases: LeaseKeeper

    async def round(self) -> Round:
        """A look that sees everything told so far: what comes within the millisecond of a look is left to the next."""
        (clock,) = await self.database.query("SELECT toUnixTimestamp64Milli(now64(3)) AS now_ms")
        queue = ClickHouseQueue(self.database)

        async def passed() -> bool:
            return await queue.safe_until_ms() > int(clock["now_ms"])

        await until(passed)
        return await self.worker.round()

    async def results(self) -> list[Evaluation]:
        """Everything that is stored, oldest first."""
        found = await ClickHouseResults(self.database).newest(
            ResultFilter(include_superseded=True), before=None, limit=10_000
        )
        return found[::-1]

    async def current(self) -> list[Evaluation]:
        """What counts."""
        return await ClickHouseResults(self.database).newest(ResultFilter(), before=None, limit=10_000)


async def external(
    database: Database,
    *,
    wait_seconds: float = 600.0,
    memory_seconds: float = 60.0,
    page: int = 500,
    pause_seconds: float = 0.0,
    people: HearsPeople | None = None,
) -> External:
    """One that holds the lease and has looked at nothing yet."""
    metrics = Metrics(ClickHouseDefinitions(database), builtin=builtin_metrics(), aliases=aliases(), fresh_seconds=0.0)
    events = ClickHouseResultEvents(database)
    leases = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=600)
    await leases.renew()
    worker = ExternalWorker(
        events=events,
        waiting=ClickHouseWaitingResults(database),
        targets=Targets(events, ClickHouseTelemetry(database)),
        metrics=metrics,
        results=ClickHouseResults(database),
        queue=ClickHouseQueue(database),
        leases=leases,
        people=people,
        pause_seconds=pause_seconds,
        wait_seconds=wait_seconds,
        memory_seconds=memory_seconds,
        sweep_seconds=0.0,
        page=page,
    )
    return External(database=database, worker=worker, metrics=metrics, leases=leases)


@asynccontextmanager
async def receiver(database: Database) -> AsyncIterator[Endpoints]:
    """Our own exporter over this database."""
    stopping = asyncio.Event()
    ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
    settings = ExporterSettings(grpc="127.0.0.1:0", http="127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(ClickHouseSink(database), settings, stop=stopping, on_ready=ready.set_result))
        try:
            yield await ready
        finally:
            stopping.set()


@dataclass
class App:
    """An instrumented application: the SDK's tracer and logger, each with its OTLP exporter.  Blocks: use threads."""

    endpoints: Endpoints

    def __post_init__(self) -> None:
        resource = Resource({"service.name": "sdk-app"})
        url = f"http://127.0.0.1:{self.endpoints.http_port}/v1/"
        self.tracing, self.logging = TracerProvider(resource=resource), LoggerProvider(resource=resource)
        self.tracing.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=url + "traces", timeout=60)))
        self.logging.add_log_record_processor(
            SimpleLogRecordProcessor(OTLPLogExporter(endpoint=url + "logs", timeout=60))
        )
        self.tracer, self.logger = self.tracing.get_tracer("app"), self.logging.get_logger("app.evals")

    def said(self, attributes: Mapping[str, object], about: SpanContext | None = None) -> None:
        """Emit the event: in the context of a span, or in that which is current."""
        context = set_span_in_context(NonRecordingSpan(about)) if about else None
        self.logger.emit(
            event_name=EVENT,
            severity_number=SeverityNumber.INFO,
            context=context,
            attributes=dict(attributes),  # type: ignore[arg-type]
        )

    def close(self) -> None:
        """Send what is left."""
        self.tracing.shutdown()
        self.logging.shutdown()  # type: ignore[no-untyped-call]


def context(trace_id: str, span_id: str) -> SpanContext:
    """Of a span that ended long ago."""
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1))


@dataclass
class Endpoint:
    """An OTLP endpoint of somebody else.

    Attributes:
        answers: HTTP status of the next requests; 200 when there are none left.
        refuses: Names of metrics: a request with a record of one of these is refused with 400.
    """

    url: str = ""
    requests: list[ExportLogsServiceRequest] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    refuses: Sequence[str] = ()

    @property
    def records(self) -> list[LogRecord]:
        """Everything that was taken."""
        return [
            record
            for request in self.requests
            for group in request.resource_logs
            for scoped in group.scope_logs
            for record in scoped.log_records
        ]

    async def taken(self, http: web.Request) -> web.Response:
        """One HTTP request."""
        request = ExportLogsServiceRequest.FromString(await http.read())
        if self.answers and (status := self.answers.pop(0)) != 200:
            return web.Response(status=status)
        if any(attributes(each).get("gen_ai.evaluation.name") in self.refuses for each in _records(request)):
            return web.Response(status=400)
        self.requests.append(request)
        self.headers.append(dict(http.headers))
        return web.Response(body=ExportLogsServiceResponse().SerializeToString(), content_type="application/x-protobuf")

    async def called(self, body: bytes, call: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        """One gRPC call."""
        self.requests.append(ExportLogsServiceRequest.FromString(body))
        self.headers.append({str(key): str(value) for key, value in call.invocation_metadata() or ()})
        return ExportLogsServiceResponse().SerializeToString()


def _records(request: ExportLogsServiceRequest) -> list[LogRecord]:
    return Endpoint(requests=[request]).records


def attributes(record: LogRecord) -> dict[str, object]:
    """By name."""
    return {item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in record.attributes}


@asynccontextmanager
async def endpoint(scheme: str = "http") -> AsyncIterator[Endpoint]:
    """Somebody else's endpoint, on a free port."""
    made = Endpoint()
    if scheme == "http":
        app = web.Application()
        app.router.add_post("/v1/logs", made.taken)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield made
        finally:
            await runner.cleanup()
        return
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(made.called)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("opentelemetry.proto.collector.logs.v1.LogsService", {"Export": method})]
    )
    made.url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield made
    finally:
        await server.stop(None)
