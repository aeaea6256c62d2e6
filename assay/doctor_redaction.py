"""What `assay doctor` says about redaction: whether it is at work, and what came past it."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import NamedTuple

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from storage.clickhouse.client import Database

ATTRIBUTE = "assay.doctor.redaction"
ARRIVAL_SECONDS = 10.0
SAME_EVERYWHERE = (
    "give the receiver and this command the same ASSAY_REDACTION (in assay.toml, for example), and restart `assay up`"
)


class RedactionFinding(NamedTuple):
    """`next_step` is '' where all is well, `failed` where something is stored that should not be."""

    failed: bool
    found: str
    next_step: str = ""


async def examine_redaction(database: Database, setting: str, *, otlp_http: str, service: str) -> RedactionFinding:
    """Send something to be hidden, look at what is stored of it, and count what never saw the receiver.

    Raises:
        StorageError: ClickHouse does not answer.
    """
    from storage.redaction.load import rules_in  # where it is off, nothing of it is loaded
    from storage.redaction.rules import InvalidRules
    from storage.redaction.trial import trial, without_hashes

    try:
        rules = rules_in(setting)
    except InvalidRules as error:
        return RedactionFinding(True, str(error), "correct the file; a receiver does not start with it")
    sent, expected = trial(rules)
    if sent == expected:
        said = f"{len(rules)} rules, none of which can be tried out"
    else:
        mark = secrets.token_hex(8)
        await asyncio.to_thread(_send, f"http://{otlp_http}/v1/traces", service, mark, sent)
        stored = await _stored(database, service, mark)
        if stored is None:
            return RedactionFinding(True, "the span that was to try it did not arrive", "see the checks above")
        if without_hashes(stored) != expected:
            found = "the receiver stored what these rules hide" if stored == sent else "the receiver has other rules"
            return RedactionFinding(True, found, SAME_EVERYWHERE)
        said = f"{len(rules)} rules at work"
    past = [f"{row['rows']} {row['what']}" for row in await database.rows("rows_past_us") if row["rows"]]
    if past:
        found = f"{said}, but {' and '.join(past)} of the last hour came past the receiver, as they were"
        return RedactionFinding(
            False, found, "let that writer send OTLP to `assay exporter`, or redact before it writes"
        )
    return RedactionFinding(False, f"{said}; nothing came past the receiver in the last hour")


def _send(endpoint: str, service: str, mark: str, text: str) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    with provider.get_tracer(service).start_as_current_span("doctor") as span:
        span.set_attributes({"assay.doctor": mark, ATTRIBUTE: text})
    provider.shutdown()


async def _stored(database: Database, service: str, mark: str) -> str | None:
    limit = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < limit:
        rows = await database.query(
            "SELECT SpanAttributes[{attribute:String}] AS text FROM otel_traces WHERE ServiceName = {service:String} "
            "AND Timestamp > now() - toIntervalMinute(5) AND SpanAttributes['assay.doctor'] = {mark:String}",
            {"attribute": ATTRIBUTE, "service": service, "mark": mark},
        )
        if rows:
            return str(rows[0]["text"])
        await asyncio.sleep(0.05)
    return None
