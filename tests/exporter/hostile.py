"""Raw connections for tests of what no well-behaved client does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

PATIENCE_SECONDS = 60.0
"""What a busy machine is given."""
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(190)
"""How TLS begins."""
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Connection:
    """One TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Write, and wait until it is on its way."""
        self.writer.write(data)
        await self.writer.drain()

    async def until_closed(self) -> bytes:
        """Everything until the other side closes the connection, cleanly or not."""
        found = bytearray()
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                while chunk := await self.reader.read(65536):
                    found += chunk
        return bytes(found)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One HTTP/1.1 answer: status, headers in lower case, body."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection to a port of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def post(body: bytes, *headers: str, path: str = "/v1/traces", length: int | None = None) -> bytes:
    """An HTTP/1.1 request; `length` is what it says about its body (default: the truth)."""
    said = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/x-protobuf", *headers]
    if not any(header.lower().startswith("transfer-encoding") for header in headers):
        said.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*said, "", ""]).encode() + body
