"""`assay erase` and `assay show session` as people and scripts run them."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_installation import ASSAY, Installation, command_environment, installation, wait_until
from sent_spans import chat_spans, ids_of, send

from storage.clickhouse.client import Database
from storage.clickhouse.retention import Retained, apply_retention, retention_in_force
from storage.errors import SchemaError


def send_trace(place: Installation, seed: str, *, spans: int = 2, **named: str) -> list[tuple[str, str]]:
    """A stored trace whose root has these attributes (`__` is a dot); returns ids of its spans, the root first."""
    request = chat_spans(random.Random(seed), spans, service="erasing")
    root = request.resource_spans[0].scope_spans[0].spans[0]
    for key, text in named.items():
        root.attributes.add(key=key.replace("__", ".")).value.string_value = text
    send(place.endpoints["otlp_grpc"], request)
    return ids_of(request)


def spans_of(place: Installation, trace_id: str) -> int:
    """How many of a trace are stored."""
    rows = place.query(f"SELECT count() AS n FROM otel_traces WHERE TraceId = '{trace_id}'")
    return int(rows[0]["n"])


def test_a_session_is_shown_as_its_traces_in_order(running: Installation) -> None:
    """One JSON object a line; a limit says that it cut something off."""
    first = send_trace(running, "first", session__id="shown")
    second = send_trace(running, "second", session__id="shown")
    said = running.run("show", "session", "shown", "--json")
    assert said.code == 0
    (line,) = said.out.splitlines()
    record = json.loads(line)
    assert (record["session_id"], record["n_traces"]) == ("shown", 2)
    assert [trace["trace_id"] for trace in record["traces"]] == [first[0][0], second[0][0]]
    assert [span["span_id"] for span in record["traces"][1]["spans"]] == [second[0][1], second[1][1]]
    cut = json.loads(running.run("show", "session", "shown", "--limit", "1", "--json").out)
    assert (cut["n_traces"], cut["notes"]) == (1, ["the first 1 of 2 traces, by arrival: --limit, 100000 spans"])
    unknown = running.run("show", "session", "nobody's", "--json")
    assert (unknown.code, unknown.json["error"]) == (1, "session nobody's is not stored")


def test_a_user_is_looked_for_then_erased_and_then_unknown(running: Installation) -> None:
    """--dry-run changes nothing; without --yes nobody is asked where nobody can answer; the second time says so."""
    gone = send_trace(running, "ada", user__id="ada@example.org", session__id="ada's")
    stays = send_trace(running, "bob", user__id="bob@example.org")
    looked = running.run("erase", "user", "ada@example.org", "--dry-run", "--json")
    assert looked.code == 0
    expected = {"otel_traces": 2, "trace_events": 1, "traces_rollup": 1, "session_traces": 1}
    assert {key: looked.json[key] for key in ("kind", "id", "traces", "sessions", "rows", "resumed")} == {
        "kind": "user", "id": "ada@example.org", "traces": 1, "sessions": 1, "rows": expected, "resumed": False,
    }  # fmt: skip
    unasked = running.run("erase", "user", "ada@example.org", "--json")
    assert (unasked.code, unasked.json["next"]) == (2, "look first with --dry-run, then add --yes")
    assert spans_of(running, gone[0][0]) == 2
    erased = running.run("erase", "user", "ada@example.org", "--yes", "--json")
    assert erased.code == 0, erased.out + erased.err
    assert (erased.json["complete"], erased.json["found"]["rows"]) == (True, expected)
    assert (spans_of(running, gone[0][0]), spans_of(running, stays[0][0])) == (0, 2)
    again = running.run("erase", "user", "ada@example.org", "--yes", "--json")
    assert (again.code, again.json["error"]) == (1, "nothing is stored of user ada@example.org")
    for_people = running.run("erase", "trace", stays[0][0].upper(), "--yes")
    assert for_people.code == 0
    assert for_people.out.startswith(f"erased trace {stays[0][0]}: 1 traces, ")


@pytest.mark.parametrize("arguments", [["erase"], ["erase", "user"], ["erase", "user", " "], ["erase", "planet", "x"]])
def test_wrong_usage_of_erase_is_exit_code_2(running: Installation, arguments: list[str]) -> None:
    """Nothing is erased by accident."""
    assert running.run(*arguments).code == 2


@contextmanager
def _under_way(running: Installation, user: str) -> Iterator[subprocess.Popen[str]]:
    """`assay erase` that has begun to delete."""
    with subprocess.Popen(
        [ASSAY, "erase", "user", user, "--yes", "--data-dir", str(running.data_dir)],
        cwd=running.folder, env=command_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("  otel_traces: "):
                break
        yield process


def test_an_erasure_that_was_killed_is_named_by_doctor_and_completed_by_the_same_command(
    running: Installation,
) -> None:
    """kill -9 of the command, then of ClickHouse under it."""
    (trace_id, _), *_ = send_trace(running, "killed", spans=5, user__id="killed")
    with _under_way(running, "killed") as process:
        process.kill()
    (check,) = [row for row in running.run("doctor", "--json").json if row["check"] == "erasures"]
    assert (check["state"], check["found"]) == ("warning", "1 erasures have begun and not ended")
    with _under_way(running, "killed") as process:
        old = running.kill("clickhouse")
        running.wait_replaced("clickhouse", old)
        assert process.wait(120) in (0, 1)  # 0: the part that it was at had been deleted
    answers = "SELECT 1 AS one"
    wait_until("ClickHouse to answer", lambda: running.run("sql", answers).code == 0)
    erased = running.run("erase", "user", "killed", "--yes", "--json")
    assert erased.code == 0 or "nothing is stored" in erased.json["error"], erased.out
    assert spans_of(running, trace_id) == 0
    assert running.query("SELECT count() AS n FROM erasing") == [{"n": 0}]
    (record,) = running.query("SELECT Removed['otel_traces'] AS spans FROM erasures WHERE Kind = 'user' "
                              f"AND has(Traces, sipHash128('{trace_id}'))")  # fmt: skip
    assert record == {"spans": 5}


def test_doctor_and_migrate_speak_of_retention(running: Installation) -> None:
    """What is in force, and where it is not what the setting says; without one nothing is wrong (test_doctor)."""
    kept = running.run("migrate", "--json", ASSAY_RETENTION_DAYS="otel_logs=3650")
    assert kept.json == {"applied": [], "retention": [{"table": "otel_logs", "from_days": 0, "to_days": 3650}]}
    other = running.run("doctor", "--json", ASSAY_RETENTION_DAYS="otel_logs=30")
    (check,) = [row for row in other.json if row["check"] == "retention"]
    assert (check["state"], check["next"].partition(":")[0]) == ("warning", "otel_logs")
    assert "otel_logs 3650 days" in check["found"]
    assert "evaluations for ever" in check["found"]
    back = running.run("migrate", ASSAY_RETENTION_DAYS="otel_logs=0")
    assert back.out == "the schema was up to date\notel_logs is kept for ever (was 3650 days)\n"


async def test_a_user_who_may_not_change_a_ttl_is_told_which_grant_is_missing(running: Installation) -> None:
    """The analyst, who may only read; nothing is changed."""
    async with Database(running.endpoints["analyst_url"]) as analyst:
        with pytest.raises(SchemaError) as refused:
            await apply_retention(analyst, {"otel_logs": 30})
        assert Retained(table="otel_logs", days=0) in await retention_in_force(analyst)
    assert str(refused.value) == (
        "ASSAY_RETENTION_DAYS asks to keep otel_logs 30 days, and this user may not change its TTL: GRANT ALTER TABLE "
        "ON assay.* to it, or leave the setting empty and set the TTL yourself"
    )


def test_up_puts_the_setting_onto_the_tables_before_it_is_ready(tmp_path: Path) -> None:
    """Every start does; what was changed stands in the log."""
    with installation(tmp_path, {"ASSAY_RETENTION_DAYS": "otel_logs=30", "ASSAY_LOG_LEVEL": "info"}) as place:
        rows = place.query("SELECT engine_full FROM system.tables WHERE name = 'otel_logs' AND database = 'assay'")
        assert " TTL toDateTime(IngestedAt) + toIntervalDay(30) " in rows[0]["engine_full"]
        assert place.log.count("retention_changed") == 1
