"""A real installation with redaction: what clients send is searched for in every column and in every file."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from redacting import a_log_everywhere, a_trace_everywhere, standard
from running_installation import PATIENCE_SECONDS, Installation, installation, wait_until
from sent_spans import receiver, send

from assay.doctor import Check, examine
from assay.doctor_redaction import RedactionFinding, examine_redaction
from assay.roles.exporter import serve_exporter
from assay.settings import Settings
from exporter.intake import Signal
from exporter.redaction import Redaction
from storage.clickhouse.client import Database
from storage.redaction.rules import InvalidRules

SECRETS = {
    "email": "whoever-it-is@example.com",
    "phone": "+12025550143",
    "card": "4111 1111 1111 1111",
    "iban": "GB29 NWBK 6016 1331 9268 19",
    "us_ssn": "219-09-9999",
    "ip": "203.0.113.77",
    "secret": "AKIAIOSFODNN7EXAMPLE",
}


TRACE_ID = bytes(range(16))


def a_trace_of_now(secret: str, trace_id: bytes) -> ExportTraceServiceRequest:
    """A span with the secret in every place."""
    message = a_trace_everywhere(secret)
    span = message.resource_spans[0].scope_spans[0].spans[0]
    span.trace_id, span.start_time_unix_nano = trace_id, time.time_ns()
    span.end_time_unix_nano = span.start_time_unix_nano + 1
    return message


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with the standard rules."""
    with installation(tmp_path_factory.mktemp("redaction"), {"ASSAY_REDACTION": "standard"}) as running:
        yield running


@pytest.fixture(scope="module")
def sent(place: Installation) -> None:
    """Every secret in every place, as traces and as logs; each request twice."""
    with receiver(place.endpoints["otlp_grpc"]) as stub:
        for secret in SECRETS.values():
            message = a_trace_of_now(secret, TRACE_ID)
            for _ in range(2):
                stub.Export(message, timeout=PATIENCE_SECONDS)
    with grpc.insecure_channel(place.endpoints["otlp_grpc"]) as channel:
        logs = LogsServiceStub(channel)  # type: ignore[no-untyped-call]
        for secret in SECRETS.values():
            logs.Export(a_log_everywhere(secret), timeout=PATIENCE_SECONDS)


@pytest.mark.usefixtures("sent")
def test_no_secret_is_in_any_column_of_any_table(place: Installation) -> None:
    """Every row of every table with its text, derived columns and rollups included."""
    tables = [row["name"] for row in place.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )]  # fmt: skip
    rows = {table: place.query(f"SELECT * FROM {table}") for table in tables}
    said = repr(rows)
    ours = [row for row in rows["otel_traces"] if row["TraceId"] == TRACE_ID.hex()]
    assert (len(ours), len(rows["otel_logs"])) == (len(SECRETS), 3 * len(SECRETS))
    assert [name for name, secret in SECRETS.items() if secret in said] == []


@pytest.mark.usefixtures("sent")
def test_no_secret_is_in_any_file_of_the_data_directory(place: Installation) -> None:
    """Neither in ClickHouse's parts (read as it compressed them, and unpacked by it above) nor in any log."""
    everything = {path: path.read_bytes() for path in place.data_dir.rglob("*") if path.is_file()}
    everything[Path("up.log")] = place.log.encode()
    assert len(everything) > 100
    found = [(name, path) for path, content in everything.items() for name, secret in SECRETS.items()
             if secret.encode() in content]  # fmt: skip
    assert found == []


@pytest.mark.usefixtures("sent")
def test_what_each_rule_changed_is_a_sum_in_sql(place: Installation) -> None:
    """The sentence of the documentation."""
    page = (Path(__file__).parents[2] / "docs" / "redaction.md").read_text(encoding="utf-8")
    (statement,) = [block for block in page.split("```")[1::2] if block.startswith("sql\n")]
    statement = statement.removeprefix("sql\n").strip().rstrip(";")
    ours = statement.replace("WHERE ", f"WHERE TraceId = '{TRACE_ID.hex()}' AND ")
    rows = place.query(ours, user="analyst_url")
    assert {row["rule"]: row["values"] for row in rows} == dict.fromkeys(SECRETS, 11 + 27 - 6)


def test_doctor_sees_it_at_work_and_warns_of_what_came_past(place: Installation) -> None:
    """A row that another program wrote into ClickHouse was never looked at."""
    said = "8 rules at work; nothing came past the receiver in the last hour"
    assert _examined(place, "standard") == RedactionFinding(False, said)
    place.query("INSERT INTO otel_traces (Timestamp, TraceId, SpanId) VALUES (now64(9), 'a', 'b')")
    checks = asyncio.run(examine(Settings(redaction="standard"), place.endpoints))
    assert [check for check in checks if check.name == "redaction"] == [
        Check(
            name="redaction",
            state="warning",
            found="8 rules at work, but 1 spans of the last hour came past the receiver, as they were",
            next_step="let that writer send OTLP to `assay exporter`, or redact before it writes",
        )
    ]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("rules: [{name: mine, detectors: email, action: mask}]", "the receiver has other rules"),
        ("rules: [{name: mine, keys: favourite, action: mask}]", "the receiver stored what these rules hide"),
        ("rules: [", "{file} is not YAML"),
    ],
)
def test_doctor_notices_a_receiver_with_other_rules(
    place: Installation, tmp_path: Path, written: str, found: str
) -> None:
    """A file that was edited without a restart, for example."""
    file = tmp_path / "rules.yaml"
    file.write_text(written)
    finding = _examined(place, str(file))
    assert (finding.failed, found.format(file=file) in finding.found, finding.next_step != "") == (True, True, True)


def _examined(place: Installation, setting: str) -> RedactionFinding:
    async def work() -> RedactionFinding:
        async with Database(place.endpoints["clickhouse_url"]) as database:
            http = place.endpoints["otlp_http"]
            return await examine_redaction(database, setting, otlp_http=http, service="assay-doctor")

    return asyncio.run(work())


def test_a_restarted_exporter_hashes_as_before_and_knows_a_request_that_comes_again(place: Installation) -> None:
    """Joins hold, and a client's retry after a crash is not stored twice."""
    trace_id = os.urandom(16)
    message = a_trace_of_now("somebody-else@example.com", trace_id)
    wanted = f"SELECT SpanName FROM otel_traces WHERE TraceId = '{trace_id.hex()}'"
    send(place.endpoints["otlp_grpc"], message)
    before = place.query(wanted)
    place.wait_replaced("exporter", place.kill("exporter"))
    wait_until("the new exporter takes spans", lambda: _sends(place, message))
    assert place.query(wanted) == before
    message.resource_spans[0].scope_spans[0].spans[0].span_id = os.urandom(8)
    send(place.endpoints["otlp_grpc"], message)
    assert place.query(wanted) == before * 2


def _sends(place: Installation, message: ExportTraceServiceRequest) -> bool:
    try:
        send(place.endpoints["otlp_grpc"], message)
    except grpc.RpcError:
        return False
    return True


async def test_the_log_says_what_the_rules_did_when_the_exporter_stops(caplog: pytest.LogCaptureFixture) -> None:
    """A number per rule, and no value."""
    redaction, stop = Redaction(standard()), asyncio.Event()
    with caplog.at_level("INFO"):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(redaction.report(stop))
            redaction(Signal.TRACES, a_trace_everywhere(SECRETS["email"]).SerializeToString())
            redaction(Signal.LOGS, a_log_everywhere(SECRETS["card"]).SerializeToString())
            stop.set()
    assert [(record.getMessage(), record.__dict__["values_by_rule"]) for record in caplog.records] == [
        ("redacted", {"card": 42, "email": 38})
    ]


async def test_unusable_rules_end_the_start_before_anything_is_received(tmp_path: Path) -> None:
    """Nothing is taken without the rules that were asked for."""
    file = tmp_path / "rules.yaml"
    file.write_text("rules: [{name: a, detectors: mail, action: mask}]")
    with pytest.raises(InvalidRules, match="rule 'a': no detector is called"):
        await serve_exporter(Settings(redaction=str(file), data_dir=tmp_path), asyncio.Event(), lambda addresses: None)
