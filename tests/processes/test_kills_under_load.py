"""kill -9 while clients send: what was acknowledged is there afterwards, and the service comes back by itself."""

from __future__ import annotations

import random
import urllib.request
from collections.abc import Iterator

import pytest
from running_installation import Installation, installation, wait_until
from sent_spans import Load, stored_ids

# Spans that are stored twice, and traces of which a view counted more spans than there are.
DOUBLED = """
SELECT 'span' AS what, SpanId AS id, count() AS counted, 1 AS stored
FROM otel_traces GROUP BY TraceId, SpanId HAVING counted > 1
UNION ALL
SELECT view, TraceId, counted, stored
FROM (
    SELECT 'rollup' AS view, TraceId, sum(Spans) AS counted FROM traces_rollup GROUP BY TraceId
    UNION ALL SELECT 'journal', TraceId, sum(Spans) FROM trace_events GROUP BY TraceId
) AS v INNER JOIN (SELECT TraceId, count() AS stored FROM otel_traces GROUP BY TraceId) AS s USING TraceId
WHERE counted > stored"""
PORTS = ("otlp_grpc", "otlp_http", "grpc", "clickhouse_http", "clickhouse_url", "analyst_url")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One `assay up` whose parts are killed.  Every test waits until they are back."""
    with installation(tmp_path_factory.mktemp("killed")) as place:
        yield place


def _kill_repeatedly(place: Installation, roles: list[str], load: Load) -> None:
    """Kill the roles one after the other while the load runs; each time wait until telemetry is taken again."""
    numbers = random.Random(load.seed)
    before = place.endpoints
    with load.running():
        for role in roles:
            load.wait_for_more(numbers.randrange(1, 400))  # not always at the same point of a commit
            pid = place.kill(role)
            place.wait_replaced(role, pid)
            load.wait_for_more(200)
    after = place.endpoints
    assert {name: after[name] for name in PORTS} == {name: before[name] for name in PORTS}
    assert load.broken == []
    assert load.acknowledged - stored_ids(place) == set()
    assert place.query(DOUBLED) == []


@pytest.mark.parametrize("role", ["exporter", "evaluator", "clickhouse"])
def test_what_was_acknowledged_survives_kill_9_under_load_and_is_there_once(killed: Installation, role: str) -> None:
    """No acknowledgement comes before the rows are in ClickHouse; clients send the rest again, byte for byte."""
    load = Load(address=killed.endpoints["otlp_grpc"], seed=20 + len(role))
    _kill_repeatedly(killed, [role, role], load)
    if role == "evaluator":  # ingest does not know it
        assert load.refused == []


@pytest.mark.soak
@pytest.mark.parametrize("role", ["exporter", "clickhouse"])
def test_what_was_acknowledged_survives_twenty_kills_and_is_there_once(killed: Installation, role: str) -> None:
    """The long version, with more clients and larger requests."""
    seed = 40 + len(role)  # ids of their own: the spans of all tests are in one table
    load = Load(address=killed.endpoints["otlp_grpc"], seed=seed, clients=8, spans=50)
    _kill_repeatedly(killed, [role] * 20, load)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_survives_many_kills_of_everything(killed: Installation, seed: int) -> None:
    """The long version: 30 kills in a random order, under a heavier load."""
    numbers = random.Random(seed)
    roles = [numbers.choice(["exporter", "evaluator", "clickhouse"]) for _ in range(30)]
    _kill_repeatedly(killed, roles, Load(address=killed.endpoints["otlp_grpc"], seed=seed, clients=8, spans=50))


def test_while_clickhouse_is_down_clients_get_retryable_errors_that_say_so(killed: Installation) -> None:
    """The supervisor is frozen meanwhile, so that nothing comes back before it was looked at."""
    load = Load(address=killed.endpoints["otlp_grpc"], seed=4)
    with load.running(), killed.frozen("up"):
        load.wait_for_more(1)
        killed.kill("clickhouse")
        load.wait_for_refusal(load.clients)
    assert load.broken == []
    assert {text.partition(":")[0] for _, text in load.refused} == {"ClickHouse is not available"}
    assert {code.name for code, _ in load.refused} == {"UNAVAILABLE"}
    wait_until("telemetry to be taken again", lambda: _takes_telemetry(killed))
    assert load.acknowledged - stored_ids(killed) == set()


def _takes_telemetry(place: Installation) -> bool:
    load = Load(address=place.endpoints["otlp_grpc"], seed=random.randrange(1 << 30), clients=1)
    with load.running():
        load.wait_for_more(1)
    return True


def test_a_clickhouse_whose_listener_was_stopped_is_started_again(killed: Installation) -> None:
    """Whoever is on the machine may do that: the engine's own user has no password."""
    pid = killed.pid_of("clickhouse")
    address = killed.endpoints["clickhouse_http"]
    stop = urllib.request.Request(f"http://{address}/?user=default", data=b"SYSTEM STOP LISTEN HTTP")
    with urllib.request.urlopen(stop, timeout=30) as answer:
        assert answer.status == 200
    killed.wait_replaced("clickhouse", pid)
    assert killed.query("SELECT 1 AS one") == [{"one": 1}]
