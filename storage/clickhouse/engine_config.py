"""Configuration of the embedded ClickHouse: users, limits, bounded system logs.  Files only their owner can read."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from xml.sax.saxutils import escape

SERVICE_USER = "assay"
ANALYST_USER = "analyst"
EXPRESSION_USER = "expressions"
"""Computes `sql` metrics: whatever slipped past the list of what they may say sees one view."""
MIN_FREE_BYTES = 64 << 20
"""ClickHouse refuses an INSERT (retryably) below this.  Nearer to the end it acknowledges parts that it could not
write: it checks for 1 MB when it begins, and what fails for lack of space after that leaves an empty file and no error.
"""
SYSTEM_LOG_DAYS = 3
ANSWER_IN_MEMORY_BYTES = 64 << 20
"""Clients ask with wait_end_of_query, for which ClickHouse holds answers back in a file unless this lets memory do;
with a full disk it says 200 and sends an empty answer."""
SYSTEM_LOGS = ("query_log", "part_log", "asynchronous_metric_log", "error_log")
"""Kept for an operator, for SYSTEM_LOG_DAYS; ClickHouse's other logs (trace, text, metric …) are not switched on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Generated passwords of the embedded server's users."""

    service: str
    analyst: str
    expressions: str


def load_or_create_credentials(data_dir: Path) -> Credentials:
    """Read `credentials.json` of the data directory; made on the first start, so that clients keep working."""
    path = data_dir / "credentials.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    credentials = Credentials(
        **{each.name: known.get(each.name) or secrets.token_hex(16) for each in fields(Credentials)}
    )
    if asdict(credentials) != known:  # the first start, or the first of a program that knows more users
        write_private(path, json.dumps(asdict(credentials)))
    return credentials


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, mode 0600."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(text)
        os.replace(fresh, path)
    except OSError:  # the disk is full, for example: the old file stays
        fresh.unlink()
        raise


def write(run_dir: Path, *, store: Path, host: str, http_port: int, credentials: Credentials, database: str) -> None:
    """Write `config.xml` and `users.xml` into `run_dir`, where LocalServer looks for them."""
    write_private(run_dir / "config.xml", _config(run_dir, store, host, http_port))
    write_private(run_dir / "users.xml", _users(credentials, database))


def _config(run_dir: Path, store: Path, host: str, http_port: int) -> str:
    logs = "".join(
        f"<{name}><database>system</database><table>{name}</table><flush_interval_milliseconds>7500</flush_interval_milliseconds>"
        f"<engine>ENGINE = MergeTree PARTITION BY event_date ORDER BY event_time "
        f"TTL event_date + INTERVAL {SYSTEM_LOG_DAYS} DAY DELETE SETTINGS ttl_only_drop_parts = 1</engine></{name}>"
        for name in SYSTEM_LOGS
    )
    return f"""<clickhouse>
  <path>{escape(str(store))}/</path>
  <listen_host>{escape(host)}</listen_host>
  <http_port>{http_port}</http_port>
  <timezone>UTC</timezone>
  <log-level>error</log-level>
  <logger><level>error</level><errorlog_level>error</errorlog_level>
    <log>{escape(str(run_dir))}/server.log</log><errorlog>{escape(str(run_dir))}/server.err.log</errorlog>
    <size>50M</size><count>2</count></logger>
  <users_config>users.xml</users_config>
  <mark_cache_size>268435456</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  {logs}
</clickhouse>
"""


def _users(credentials: Credentials, database: str) -> str:
    # The engine's own session logs in as `default` with an empty password from 127.0.0.1; that cannot be switched off,
    # so `default` may do nothing but start the listener and sleep, from loopback.
    return f"""<clickhouse>
  <profiles>
    <default/>
    <engine>
      <max_memory_usage>100000000</max_memory_usage>
      <max_concurrent_queries_for_user>3</max_concurrent_queries_for_user>
    </engine>
    <service>
      <session_timezone>UTC</session_timezone>
      <http_response_buffer_size>{ANSWER_IN_MEMORY_BYTES}</http_response_buffer_size>
      <max_partitions_per_insert_block>0</max_partitions_per_insert_block>
      <min_free_disk_bytes_to_perform_insert>{MIN_FREE_BYTES}</min_free_disk_bytes_to_perform_insert>
    </service>
    <analyst>
      <readonly>1</readonly>
      <session_timezone>UTC</session_timezone>
      <http_response_buffer_size>{ANSWER_IN_MEMORY_BYTES}</http_response_buffer_size>
      <max_execution_time>60</max_execution_time>
      <max_memory_usage>4000000000</max_memory_usage>
      <max_result_rows>1000000</max_result_rows>
      <result_overflow_mode>break</result_overflow_mode>
      <max_concurrent_queries_for_user>8</max_concurrent_queries_for_user>
    </analyst>
    <expressions>
      <readonly>1</readonly>
      <session_timezone>UTC</session_timezone>
      <http_response_buffer_size>{ANSWER_IN_MEMORY_BYTES}</http_response_buffer_size>
      <max_execution_time>60</max_execution_time>
      <max_memory_usage>2000000000</max_memory_usage>
      <max_result_rows>1000000</max_result_rows>
      <max_concurrent_queries_for_user>8</max_concurrent_queries_for_user>
    </expressions>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password><networks><ip>127.0.0.1</ip></networks><profile>engine</profile><quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query><query>GRANT SELECT ON system.numbers</query></grants>
    </default>
    <{SERVICE_USER}>
      <password>{credentials.service}</password><networks><ip>127.0.0.1</ip></networks>
      <profile>service</profile><quota>default</quota><access_management>1</access_management>
    </{SERVICE_USER}>
    <{ANALYST_USER}>
      <password>{credentials.analyst}</password><networks><ip>127.0.0.1</ip></networks>
      <profile>analyst</profile><quota>default</quota><grants><query>GRANT SELECT ON {database}.*</query></grants>
    </{ANALYST_USER}>
    <{EXPRESSION_USER}>
      <password>{credentials.expressions}</password><networks><ip>127.0.0.1</ip></networks>
      <profile>expressions</profile><quota>default</quota>
      <grants><query>GRANT SELECT ON {database}.spans</query></grants>
    </{EXPRESSION_USER}>
  </users>
</clickhouse>
"""
