"""Own metrics of a real installation: Prometheus text over HTTP, OTLP to a server, and neither where nobody asks."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from running_installation import (
    Installation,
    assay,
    command_environment,
    installation,
    judged_by,
    scripted_judge,
    wait_until,
)
from sent_spans import chat_spans

from assay.settings import load

EXPORTER = {
    "assay_exporter_requests": "counter",
    "assay_exporter_items": "counter",
    "assay_exporter_body_size_bytes": "counter",
    "assay_exporter_rejected": "counter",
    "assay_exporter_refused": "counter",
    "assay_exporter_queue_size_bytes": "gauge",
    "assay_exporter_insert_duration_seconds": "histogram",
}
EVALUATOR = {
    "assay_rule_decisions": "counter",
    "assay_rule_lag_seconds": "histogram",
    "assay_conclusions": "counter",
    "assay_judge_request_duration_seconds": "histogram",
    "assay_judge_tokens": "counter",
    "assay_judge_cost": "counter",
    "assay_judge_cache_hits": "counter",
    "assay_judge_cache_misses": "counter",
    "assay_lanes_busy": "gauge",
    "assay_lanes_waiting": "gauge",
    "assay_polls": "counter",
    "assay_poll_time_seconds": "counter",
    "assay_write_back_results": "counter",
    "assay_write_back_missing": "counter",
    "assay_write_back_lag_seconds": "gauge",
}
SOMETIMES = {"assay_rule_queue_size": "gauge", "assay_rule_queue_age_seconds": "gauge"}
"""There while something is being scored."""
Readings = dict[str, dict[tuple[tuple[str, str], ...], float]]


class Collector(ThreadingHTTPServer):
    """Takes OTLP/HTTP metrics and keeps the names that came, per service."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.names: dict[str, set[str]] = {}


class Taking(BaseHTTPRequestHandler):
    """One request."""

    server: Collector

    def do_POST(self) -> None:
        """Keep and answer."""
        request = ExportMetricsServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for each in request.resource_metrics:
            resource = {item.key: item.value.string_value for item in each.resource.attributes}
            names = self.server.names.setdefault(resource["service.name"], set())
            names |= {metric.name for scope in each.scope_metrics for metric in scope.metrics}
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """For the length of a block."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Of the module's installation."""
    with collecting() as server:
        yield server


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Installation]:
    """An installation that tells what it does, and a rule with one judge metric."""
    settings = {
        "ASSAY_PROMETHEUS": "127.0.0.1:0",
        "ASSAY_JUDGE_CACHE": "on",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{collector.server_port}/v1/metrics",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }
    with (
        scripted_judge() as judge,
        installation(tmp_path_factory.mktemp("told"), judged_by(judge) | settings) as place,
    ):
        assert place.run("rule", "create", "all", "--metric", "correctness", "--metric", "response_length").code == 0
        yield place


def addresses(place: Installation) -> list[str]:
    """Where the processes said that they are served."""
    lines = [json.loads(line) for line in place.log.splitlines() if '"metrics_served"' in line]
    return [line["address"] for line in lines]


def readings(address: str) -> tuple[dict[str, str], Readings]:
    """Names with their types, and values by labels, as Prometheus reads them."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    values: Readings = {}
    for sample in [sample for family in families for sample in family.samples]:
        values.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return {family.name: family.type for family in families if family.name.startswith("assay")}, values


def send(place: Installation) -> None:
    """A trace of two model calls, over HTTP."""
    body = chat_spans(random.Random(), 2).SerializeToString()
    url = f"http://{place.endpoints['otlp_http']}/v1/traces"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/x-protobuf"})
    with urllib.request.urlopen(request, timeout=60):
        pass


def test_prometheus_reads_what_both_processes_did(told: Installation) -> None:
    """Names are a promise to dashboards; the numbers are those of what was sent, refused and scored."""
    send(told)
    url = f"http://{told.endpoints['otlp_http']}/v1/traces"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(url, data=b"\xff", headers={"Content-Type": "text/plain"}))
    first, second = wait_until("both to be served", lambda: addresses(told)[:2] if len(addresses(told)) > 1 else None)

    def settled() -> tuple[dict[str, str], Readings] | None:
        for address in (first, second):
            names, values = readings(address)
            scored = [value for labels, value in values.get("assay_rule_decisions_total", {}).items()
                      if ("assay_decision", "scored") in labels]  # fmt: skip
            written = sum(values.get("assay_write_back_results_total", {}).values())
            if scored and written >= sum(scored) and not values.get("assay_rule_queue_size"):
                return names, values
        return None

    names, values = wait_until("results on their spans", settled)
    rows = told.query("SELECT MetricName AS m, count() AS n FROM evaluations WHERE RuleId = 'all' GROUP BY m")
    results = {row["m"]: row["n"] for row in rows}
    assert {name: kind for name, kind in names.items() if name not in SOMETIMES} == EVALUATOR
    service = ("service_name", "assay-evaluator")
    assert {
        dict(labels)["assay_metric"]: value
        for labels, value in values["assay_rule_decisions_total"].items()
        if ("assay_decision", "scored") in labels and service in labels
    } == results
    asked = values["assay_judge_request_duration_seconds_count"]
    assert asked == {
        (("gen_ai_provider_name", "openai"), ("gen_ai_request_model", "scripted"), service): results["correctness"]
    }
    tokens = {dict(labels)["gen_ai_token_type"]: value for labels, value in values["assay_judge_tokens_total"].items()}
    [kept] = told.query("SELECT sum(InputTokens) AS input, sum(OutputTokens) AS output FROM evaluations")
    assert tokens == kept

    exporters = [found for found in map(readings, (first, second)) if "assay_exporter_requests" in found[0]]
    [(names, values)] = exporters
    assert names == EXPORTER
    traces = (("assay_signal", "traces"), ("service_name", "assay-exporter"))
    [stored] = told.query("SELECT count() AS spans, uniqExact(RequestDigest) AS requests FROM otel_traces")
    assert values["assay_exporter_requests_total"][traces] == stored["requests"]
    assert values["assay_exporter_items_total"][traces] == stored["spans"]
    refused = {dict(labels)["error_type"]: value for labels, value in values["assay_exporter_refused_total"].items()}
    assert refused == {"UnsupportedMedia": 1}


def test_a_collector_gets_the_same_over_otlp(told: Installation, collector: Collector) -> None:
    """Where the standard variable says, from both processes, under OpenTelemetry's own spelling of the names."""
    send(told)
    wanted = {
        "assay-exporter": {"assay.exporter.requests", "assay.exporter.insert.duration", "assay.exporter.queue.size"},
        "assay-evaluator": {"assay.rule.decisions", "assay.rule.lag", "assay.judge.request.duration", "assay.polls"},
    }
    wait_until(
        f"{wanted} in {collector.names}",
        lambda: all(names <= collector.names.get(service, set()) for service, names in wanted.items()),
    )


def test_nothing_is_loaded_where_nobody_listens(tmp_path: Path) -> None:
    """Neither the exporter role nor the evaluator role imports the SDK of metrics: off means off."""
    script = (
        "import sys, assay.roles.exporter, assay.roles.evaluator\n"
        "from assay.own.metering import metering\nfrom assay.settings import Settings\n"
        "with metering(Settings(), 'evaluator') as meter: assert meter is None\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk.metrics', 'prometheus_client'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=command_environment(), capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_own_metrics_are_not_sent_to_our_own_receiver(fresh: Installation) -> None:
    """It takes no metrics; said once by each process, and nothing is tried again and again."""
    fresh.start()
    address = fresh.endpoints["otlp_http"]
    fresh.stop()
    fresh.settings = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://{address}/v1/metrics"}
    fresh.arguments = tuple(address if each == "127.0.0.1:0" and place == 3 else each
                            for place, each in enumerate(fresh.arguments))  # fmt: skip
    fresh.start()
    assert len(re.findall(r'"event": "own_metrics_not_sent"', fresh.log)) == 2


def test_the_address_is_checked_like_every_listener(tmp_path: Path) -> None:
    """Not beyond this machine without a word, and never half an address."""
    said = assay("doctor", cwd=tmp_path, ASSAY_PROMETHEUS="0.0.0.0:9464")
    assert (said.code, "ASSAY_PROMETHEUS=0.0.0.0:9464 would let everybody in" in said.err) == (2, True)
    assert load({"prometheus": "127.0.0.1:9464"}, environment={}, file=tmp_path / "none").prometheus.endswith("9464")
