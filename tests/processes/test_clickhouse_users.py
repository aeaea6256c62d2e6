"""Who may do what in the embedded ClickHouse, asked over its own HTTP interface."""

from __future__ import annotations

import asyncio
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storage.clickhouse.client import Database
from storage.clickhouse.engine_config import load_or_create_credentials, write_private
from storage.clickhouse.migrate import migrate
from storage.clickhouse.server import EmbeddedServer, running

DENIED = 497
READ_ONLY = 164


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with Assay's tables."""
    with running(tmp_path_factory.mktemp("clickhouse")) as started:

        async def prepare() -> None:
            async with Database(started.url()) as database:
                await migrate(database)

        asyncio.run(prepare())
        yield started


def _ask(server: EmbeddedServer, user: str, sql: str) -> str | int:
    """The answer, or ClickHouse's error code."""
    password = "" if user == "default" else urlsplit(server.url(user)).password
    headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password or ""}
    request = urllib.request.Request(server.base_url, data=sql.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return int(re.findall(r"Code: (\d+)", error.read().decode())[0])


@pytest.mark.parametrize("user", ["analyst", "expressions", "default"])
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO assay.cursors (Name) VALUES ('x')",
        "CREATE TABLE assay.x (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a Int8)",
        "CREATE USER x",
        "GRANT SELECT ON *.* TO analyst",
        "DROP TABLE assay.otel_traces",
        "ALTER TABLE assay.otel_traces DELETE WHERE 1",
        "TRUNCATE TABLE assay.evaluations",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM executable('x.sh', 'TSV', 'a String')",
        "SELECT * FROM system.users",
        "SELECT * FROM system.processes",
        "SHOW CREATE USER assay",
        "KILL QUERY WHERE 1",
        "SYSTEM SHUTDOWN",
        "BACKUP DATABASE assay TO File('/tmp/x')",
    ],
)
def test_nobody_but_the_service_may_write_reach_out_or_look_at_users(
    server: EmbeddedServer, user: str, sql: str
) -> None:
    """Neither the analyst, whose password is handed around, nor who computes SQL metrics, nor the engine's own user,
    who has no password."""
    assert _ask(server, user, sql) == DENIED


@pytest.mark.parametrize("sql", ["SET max_memory_usage = 0", "SELECT 1 SETTINGS max_execution_time = 0"])
def test_the_analyst_cannot_lift_the_limits(server: EmbeddedServer, sql: str) -> None:
    """They are there so that a query cannot take the machine."""
    assert _ask(server, "analyst", sql) == READ_ONLY


def test_the_analyst_has_limits_and_reads_only_the_database(server: EmbeddedServer) -> None:
    """Memory, time, rows and concurrency."""
    names = ("readonly", "max_execution_time", "max_memory_usage", "max_result_rows", "max_concurrent_queries_for_user")
    settings = ", ".join(f"getSetting('{name}')" for name in names)
    assert _ask(server, "analyst", f"SELECT {settings}") == "1\t60\t4000000000\t1000000\t8\n"
    assert _ask(server, "analyst", "SHOW GRANTS") == "GRANT SELECT ON assay.* TO analyst\n"
    assert _ask(server, "analyst", "SELECT count() FROM assay.spans") == "0\n"


def test_the_user_of_sql_metrics_reads_the_view_of_spans_only(server: EmbeddedServer) -> None:
    """The view runs with the rights of who made it; this user has none on the tables behind it."""
    assert _ask(server, "expressions", "SHOW GRANTS") == "GRANT SELECT ON assay.spans TO expressions\n"
    assert _ask(server, "expressions", "SELECT count() FROM assay.spans") == "0\n"
    assert _ask(server, "expressions", "SELECT count() FROM assay.otel_traces") == DENIED
    assert _ask(server, "expressions", "SELECT name FROM system.tables WHERE database = 'assay'") == "spans\n"
    assert _ask(server, "expressions", "SELECT 1 SETTINGS max_execution_time = 0") == READ_ONLY


def test_the_engines_own_user_may_start_the_listener_and_sleep(server: EmbeddedServer) -> None:
    """It has no password and cannot be switched off, so this must stay all that it may."""
    assert _ask(server, "default", "SHOW GRANTS") == (
        "GRANT SYSTEM LISTEN ON *.* TO default\nGRANT SELECT ON system.numbers TO default\n"
    )
    assert _ask(server, "default", "SELECT count() FROM assay.spans") == DENIED


@pytest.mark.parametrize("user", ["assay", "analyst", "expressions"])
def test_a_wrong_password_is_refused(server: EmbeddedServer, user: str) -> None:
    """Being on the machine is not enough."""
    request = urllib.request.Request(
        server.base_url, data=b"SELECT 1", headers={"X-ClickHouse-User": user, "X-ClickHouse-Key": "guess"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=60):
        pass
    assert refused.value.code == 403


@pytest.mark.parametrize("user", ["assay", "analyst", "expressions", "default"])
def test_server_and_sessions_run_in_utc(server: EmbeddedServer, user: str) -> None:
    """Whatever the machine's own time zone is."""
    assert _ask(server, user, "SELECT serverTimezone(), timezone()") == "UTC\tUTC\n"


def test_clickhouse_answers_on_loopback_only(server: EmbeddedServer) -> None:
    """Seen in the kernel's table of listening sockets, which names every address of the process."""
    port = int(server.base_url.rpartition(":")[2])
    inodes = {
        link.partition("[")[2].rstrip("]")
        for link in _links(Path(f"/proc/{server.pid}/fd"))
        if link.startswith("socket:")
    }
    listening = {
        (fields[1].partition(":")[0], int(fields[1].partition(":")[2], 16))
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and fields[9] in inodes
    }
    assert listening == {(f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}", port)}


def _links(folder: Path) -> list[str]:
    found = []
    for path in folder.iterdir():
        try:
            found.append(str(path.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


def test_an_older_installation_gets_the_user_it_lacks_and_keeps_its_passwords(tmp_path: Path) -> None:
    """Clients hold them."""
    write_private(tmp_path / "credentials.json", '{"service": "a", "analyst": "b"}')
    made = load_or_create_credentials(tmp_path)
    assert (made.service, made.analyst, len(made.expressions)) == ("a", "b", 32)
    assert load_or_create_credentials(tmp_path) == made
