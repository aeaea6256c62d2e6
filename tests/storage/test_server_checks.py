"""What a server must be, and what sessions with it are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.clickhouse.client import Database, check_version
from storage.errors import QueryRefused, Rejected, SchemaError, Unavailable


@pytest.mark.parametrize("version", ["26.7.2.5", "25.8.1", "9.9"])
def test_an_old_server_is_refused_with_what_to_do(version: str) -> None:
    """Its lightweight UPDATEs can lose rows, so there is no way round."""
    with pytest.raises(SchemaError) as refused:
        check_version(version)
    assert str(refused.value) == (
        f"ClickHouse {version} is too old: Assay needs 26.8 or newer, because older lightweight UPDATEs can lose rows. "
        "Upgrade the server, or unset ASSAY_CLICKHOUSE_URL to use the embedded one"
    )


@pytest.mark.parametrize("version", ["26.8.1.1", "26.9.2.1", "26.10.1", "27.1.1.1"])
def test_newer_servers_are_accepted(version: str) -> None:
    """Numbers are compared, not text: 26.10 comes after 26.9."""
    check_version(version)


async def test_sessions_run_in_utc(database: Database) -> None:
    """Whatever the machine's zone is: text becomes the same time in every process."""
    rows = await database.query(
        "SELECT timezone() AS zone, serverTimezone() AS server, "
        "toUnixTimestamp(toDateTime('2026-07-01 12:00:00')) AS noon"
    )
    noon = int(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp())
    assert rows == [{"zone": "UTC", "server": "UTC", "noon": noon}]


async def test_a_server_that_is_not_there_is_unavailable_without_its_password() -> None:
    """A retry may help, and the message may be logged."""
    with pytest.raises(Unavailable) as away:
        await Database("http://somebody:hunter2-secret@127.0.0.1:9/assay").connect()
    assert "hunter2-secret" not in str(away.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8123", "tcp://127.0.0.1:9000", "http://"])
def test_what_is_no_http_address_is_refused(url: str) -> None:
    """The native port is the usual mistake."""
    with pytest.raises(SchemaError, match=r"expected http\(s\)://user:password@host:port/database"):
        Database(url)


async def test_refused_sql_of_a_user_carries_clickhouses_reason(database: Database) -> None:
    """`assay sql` shows it."""
    with pytest.raises(QueryRefused, match="UNKNOWN_IDENTIFIER"):
        await database.text("SELECT no_such_column FROM spans", output_format="JSONEachRow")


async def test_a_refused_write_is_no_outage(database: Database) -> None:
    """NaN breaks a constraint: sending it again can never help."""
    with pytest.raises(Rejected, match="value_is_finite"):
        await database.insert_rows("evaluations", ("MetricName", "Value", "Status"), [("m", float("nan"), "success")])
    with pytest.raises(Rejected, match="only_success_has_a_value"):
        await database.insert_rows("evaluations", ("MetricName", "Value", "Status"), [("m", 0.0, "failed")])
