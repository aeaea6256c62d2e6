"""Where our own metrics go: over OTLP, as Prometheus text, or nowhere, and then nothing of this is loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assay.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.metrics.export import MetricReader

log = logging.getLogger(__name__)

OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
OTLP_PROTOCOLS = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PORTS = 128
"""From the set port upwards: each process takes the first that is free."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""Bounds of every histogram."""
SCOPE = "assay"
LAST_WORDS_MS = 3_000
"""What a collector that is away may cost at a stop."""


@contextmanager
def metering(settings: Settings, role: str) -> Iterator[Meter | None]:
    """A meter for the length of a block, whose readings go where the settings say; None = nowhere.

    Args:
        role: `exporter` or `evaluator`; `service.name` is `assay-ROLE`.

    Raises:
        OSError: No port can be had for the Prometheus text.
    """
    endpoint = _endpoint(settings)
    if not endpoint and not settings.prometheus:
        yield None
        return
    from opentelemetry.sdk.metrics import Histogram, MeterProvider
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create(
        {
            "service.name": f"assay-{role}",
            "service.version": version("assay-eval"),
            "service.instance.id": str(os.getpid()),
        }
    )
    buckets = View(instrument_type=Histogram, aggregation=ExplicitBucketHistogramAggregation(SECONDS))
    with ExitStack() as stack:
        readers = _prometheus(settings, stack) if settings.prometheus else []
        readers += [_otlp()] if endpoint else []  # the last: it begins to collect before it is told of a provider
        provider = MeterProvider(readers, resource=resource, views=[buckets], shutdown_on_exit=False)
        try:
            yield provider.get_meter(SCOPE, version("assay-eval"))
        finally:
            provider.shutdown(timeout_millis=LAST_WORDS_MS)


def _endpoint(settings: Settings) -> str:
    """Where the standard variable says; never our own receiver, which takes no metrics."""
    endpoint = os.environ.get(OTLP_ENDPOINT, "").strip()
    where = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").netloc
    if endpoint and where.replace("localhost", "127.0.0.1") in (settings.otlp_grpc, settings.otlp_http):
        log.warning("own_metrics_not_sent", extra={"reason": f"{OTLP_ENDPOINT} is our own receiver, {where}"})
        return ""
    return endpoint


def _otlp() -> MetricReader:
    """Everything else about it is the exporter's own reading of the standard variables."""
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    protocol = next((found for name in OTLP_PROTOCOLS if (found := os.environ.get(name))), "http/protobuf")
    exporter: Any
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

        exporter = GrpcExporter()
    else:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

        exporter = HttpExporter()
    return PeriodicExportingMetricReader(exporter)


def _prometheus(settings: Settings, stack: ExitStack) -> list[MetricReader]:
    """A reader that an HTTP server of its own asks whenever it is asked."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    reader = PrometheusMetricReader(
        registry=registry, scope_info_enabled=False, resource_attribute_filter=lambda key: key == "service.name"
    )
    host, _, text = settings.prometheus.rpartition(":")
    first = int(text)
    for port in range(first, min(65_536, first + PORTS)) if first else (0,):
        try:
            server, thread = start_http_server(port, host.strip("[]"), registry)
        except OSError as error:
            refused = error
            continue
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        log.info("metrics_served", extra={"address": f"{host}:{server.server_port}"})
        return [reader]
    raise OSError(f"no port from {settings.prometheus} upwards can be listened on: {refused.strerror}")
