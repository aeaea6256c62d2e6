"""The one way to ClickHouse: a client per process, statements from files, typed parameters, errors of our own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import aiohttp
import clickhouse_connect
from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.external import ExternalData

from storage.clickhouse.engine_config import ANSWER_IN_MEMORY_BYTES
from storage.errors import QueryRefused, Rejected, SchemaError, StorageError, Unavailable

MINIMUM_VERSION = (26, 8)

# What an operator, time or less load repairs (ClickHouse error codes): unknown table or column, no rights,
# authentication after a restart, timeouts, memory, too many parts or queries, read-only or full disk, network, unknown
# outcome, shutdown.
RETRYABLE_CODES = frozenset(
    {16, 60, 81, 159, 164, 202, 203, 209, 210, 216, 236, 241, 242, 243, 252, 285, 319, 394, 415, 425, 439, 473, 497,
     516, 519, 999, 1001}
)  # fmt: skip
OPERATOR_CODES = frozenset({16, 60, 81, 497, 516})
"""Those of them that time alone does not cure: something is missing, or not allowed (docs/clickhouse.md: grants)."""
_CODE = re.compile(r"[Cc]ode: (\d+)")
_PREAMBLE = re.compile(
    r"^Received ClickHouse exception.*?server response: |Code: \d+\. |DB::Exception: "
    r"| \(version [^)]*\)| \(for url [^)]*\)"
)
_COMMENT = re.compile(r"^[ \t]*--[^\n]*\n?|[ \t]+--[^\n]*$", re.MULTILINE)
_SECRETS = re.compile(r"(?<=password=)[^&\s]+|(?<=://)[^/\s]+(?=@)")

SESSION_SETTINGS = {"session_timezone": "UTC", "http_response_buffer_size": ANSWER_IN_MEMORY_BYTES}


@cache
def statement(name: str) -> str:
    """The text of `queries/NAME.sql` without its comments.

    The driver reads a statement that has a semicolon anywhere, also in a comment, character by character with each
    query: 3 ms of the event loop for the longest.
    """
    text = resources.files("storage.clickhouse.queries").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return _COMMENT.sub("", text).strip()


class Database:
    """One ClickHouse database.  Use as an async context manager; safe for concurrent use.

    Args:
        url: `http(s)://user:password@host:port/database`.

    Raises:
        SchemaError: At entry, when the server is older than MINIMUM_VERSION.
        Unavailable: The server cannot be reached, or refuses for a reason that may pass.
    """

    def __init__(self, url: str, *, database: str | None = None, timeout_seconds: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SchemaError(
                f"not a ClickHouse address: {redact(url)}; expected http(s)://user:password@host:port/database"
            )
        self.name = database or parts.path.strip("/") or "assay"
        self._address: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or (8443 if parts.scheme == "https" else 8123),
            "interface": parts.scheme,
            "username": unquote(parts.username or "default"),
            "password": unquote(parts.password or ""),
        }
        self._timeout_seconds = timeout_seconds
        self._client: AsyncClient | None = None
        self._types: dict[tuple[str, tuple[str, ...]], Sequence[ClickHouseType]] = {}

    async def __aenter__(self) -> Database:
        await self.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Open the client and check the server's version; the database itself may not exist yet."""
        try:
            self._client = await clickhouse_connect.get_async_client(
                **self._address,
                database="default",  # the own one may not exist before `migrate`
                autogenerate_session_id=False,
                query_retries=0,  # retries are decided where the meaning is known
                connect_timeout=5,
                send_receive_timeout=self._timeout_seconds,
                settings=SESSION_SETTINGS,
                connector_limit_per_host=64,
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise_own(error)
        check_version(str(self._client.server_version))
        self._client.database = self.name

    async def close(self) -> None:
        """Close connections.  Safe to call twice."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    @property
    def client(self) -> AsyncClient:
        """The open client."""
        if self._client is None:
            raise Unavailable("not connected to ClickHouse yet")
        return self._client

    async def rows(
        self, name: str, parameters: Mapping[str, object] | None = None, *, settings: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of the query `queries/NAME.sql`, as dicts by column name."""
        return await self.query(statement(name), parameters, settings=settings)

    async def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, settings: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a query whose text is ours."""
        try:
            result = await self.client.query(sql, parameters=dict(parameters or {}), settings=dict(settings or {}))
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise_own(error)
        return list(result.named_results())

    async def run(
        self, name: str, parameters: Mapping[str, object] | None = None, *, settings: Mapping[str, object] | None = None
    ) -> None:
        """Execute the write `queries/NAME.sql`."""
        await self.execute(statement(name), parameters, settings=settings)

    async def execute(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        in_database: bool = True,
        beside: tuple[str, str, bytes] | None = None,
    ) -> None:
        """Execute a statement that returns nothing.

        Args:
            in_database: Off only while the database does not exist.
            beside: A table that lives as long as the statement: name, columns with their types, rows as Native blocks.
        """
        external = None
        if beside is not None:
            name, structure, blocks = beside
            external = ExternalData(file_name=name, data=blocks, fmt="Native", structure=structure)
        try:
            await self.client.command(
                sql,
                parameters=dict(parameters or {}),
                settings=dict(settings or {}),
                use_database=in_database,
                external_data=external,
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise_own(error)

    async def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, token: str = ""
    ) -> None:
        """Insert rows; the same token with the same rows is stored once (within the table's window)."""
        settings = {"insert_deduplication_token": token} if token else {}
        key = table, tuple(columns)
        try:
            context = await self.client.create_insert_context(
                table,
                column_names=columns,
                database=self.name,
                column_types=self._types.get(key),  # else each INSERT would ask for them first
                settings=settings,
                data=rows,
            )
            self._types[key] = context.column_types
            await self.client.data_insert(context)
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise_own(error)

    async def insert_native(
        self, table: str, blocks: Sequence[bytes], *, settings: Mapping[str, object], columns: Sequence[str] = ()
    ) -> None:
        """Insert ready Native blocks, sent one after the other, never joined.

        Without the names of `columns` ClickHouse passes over those that it computes itself, whatever a block holds.
        """
        try:
            await self.client.raw_insert(
                f"{self.name}.{table}",
                column_names=columns or None,
                insert_block=_pieces(blocks),
                fmt="Native",
                settings=dict(settings),
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise_own(error)

    async def native(self, sql: str, parameters: Mapping[str, object] | None = None) -> bytes:
        """What a query whose text is ours answers, as Native blocks."""
        try:
            return await self.client.raw_query(sql, parameters=dict(parameters or {}), fmt="Native")
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise_own(error)

    async def text(self, sql: str, *, output_format: str) -> bytes:
        """A user's own SQL in a ClickHouse output format.

        Raises:
            QueryRefused: Syntax, rights or limits; the message is ClickHouse's.
        """
        try:
            return await self.client.raw_query(sql, fmt=output_format)
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            if code_of(error) is None:
                raise_own(error)
            raise QueryRefused(tidy(str(error))) from None


async def _pieces(blocks: Sequence[bytes]) -> AsyncIterator[bytes]:
    # The driver does not send such a body a second time by itself: what is used up would be an empty INSERT.
    for block in blocks:
        yield block


def check_version(version: str) -> None:
    """Refuse servers without patch format v2: their UPDATE can lose rows (ClickHouse #117844)."""
    if tuple(int(part) for part in version.split(".")[:2]) < MINIMUM_VERSION:
        wanted = ".".join(str(part) for part in MINIMUM_VERSION)
        raise SchemaError(
            f"ClickHouse {version} is too old: Assay needs {wanted} or newer, because older lightweight UPDATEs can "
            "lose rows. Upgrade the server, or unset ASSAY_CLICKHOUSE_URL to use the embedded one"
        )


def code_of(error: BaseException) -> int | None:
    """ClickHouse's error code, also of an error of ours that it caused; None when the server did not answer."""
    if isinstance(error, StorageError) and error.__cause__ is not None:
        return code_of(error.__cause__)
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _CODE.search(str(error))
    return int(found[1]) if found else None


def raise_own(error: BaseException) -> NoReturn:
    """Translate a driver's error: is a retry worth it?"""
    code = code_of(error)
    if code in OPERATOR_CODES:
        raise Unavailable(f"ClickHouse refuses until an operator repairs it: {tidy(str(error))}") from error
    if code is None or code in RETRYABLE_CODES:
        raise Unavailable(f"ClickHouse is not available: {tidy(str(error) or type(error).__name__)}") from error
    raise Rejected(tidy(str(error))) from error


def tidy(text: str) -> str:
    """One line of a driver's message, without its preamble and secrets, at most 500 characters."""
    return redact(_PREAMBLE.sub("", " ".join(text.split())))[:500]


def redact(text: str) -> str:
    """Remove passwords from addresses and parameters."""
    return _SECRETS.sub("***", text)
