"""Bodies with a size limit that holds while they are decompressed: 64 KB of gzip can hold 64 MB of zeros."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from exporter.errors import BadCompression, BodyTooLarge, UnsupportedMedia

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(chunks: AsyncIterator[bytes], encoding: str, *, max_bytes: int) -> bytes:
    """Collect a body and undo its content encoding (`gzip`, `deflate`, `identity` or '').

    Raises:
        UnsupportedMedia: Another encoding.
        BadCompression: The bytes are not what the encoding says, or end too early.
        BodyTooLarge: It is larger than `max_bytes`, before or after decompression.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return await _collect(chunks, max_bytes)
    if name not in _WINDOW:
        raise UnsupportedMedia(f"content encoding {encoding[:80]!r} is not supported: use gzip, deflate or identity")
    return await _inflate(chunks, name, max_bytes)


async def _collect(chunks: AsyncIterator[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


async def _inflate(chunks: AsyncIterator[bytes], name: str, max_bytes: int) -> bytes:
    body = bytearray()
    stream = zlib.decompressobj(_WINDOW[name])
    async for chunk in chunks:
        rest = chunk
        while rest:
            if stream.eof:  # several gzip members may follow each other (RFC 1952)
                stream = zlib.decompressobj(_WINDOW[name])
            try:
                body += stream.decompress(rest, max_bytes + 1 - len(body))
            except zlib.error as error:
                raise BadCompression(f"the body is not {name}: {error}") from error
            if len(body) > max_bytes:
                raise _too_large(max_bytes)
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
    if not stream.eof:
        raise BadCompression(f"the body ends in the middle of its {name} stream")
    return bytes(body)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {max_bytes} bytes; send smaller batches")
