"""Bodies with a size limit that holds while they are decompressed: 64 KB of gzip can hold 64 MB of zeros."""

from __future__ import annotations

import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Protocol

from exporter.errors import BadCompression, BodyTooLarge, UnsupportedMedia
from exporter.receiver.admission import Held

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 20
"""What is decompressed before there is asked again whether there is room."""
_ZSTD_WINDOW_LOG = 23
"""8 MB, what RFC 8878 asks every decoder to support; the library would let a body ask for 128 MB."""


class _Stream(Protocol):
    """One member of a compressed body (gzip and zstd allow several)."""

    @property
    def eof(self) -> bool:
        """Whether it has ended; then `rest` is what follows."""

    @property
    def rest(self) -> bytes:
        """What was fed and not used yet."""

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What the chunk holds, in pieces of at most `PIECE_BYTES`."""


class _Zlib:
    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        while chunk and not self._stream.eof:
            yield self._stream.decompress(chunk, PIECE_BYTES)
            chunk = self._stream.unconsumed_tail


class _Zstd:
    def __init__(self) -> None:
        options = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_LOG}
        self._stream = zstd.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(chunk, PIECE_BYTES)
        while not self._stream.eof and not self._stream.needs_input:
            yield self._stream.decompress(b"", PIECE_BYTES)


_STREAMS: Mapping[str, Callable[[], _Stream]] = {
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "zstd": _Zstd,
}


async def read_body(chunks: AsyncIterator[bytes], encoding: str, *, max_bytes: int, held: Held) -> bytes:
    """Collect a body and undo its content encoding (`gzip`, `deflate`, `zstd`, `identity` or '').

    Reads no further while there is no room for `held` to grow.

    Raises:
        UnsupportedMedia: Another encoding.
        BadCompression: The bytes are not what the encoding says, or end too early.
        BodyTooLarge: It is larger than `max_bytes`, before or after decompression.
    """
    name = encoding.strip().lower()
    if name not in ("", "identity", *_STREAMS):
        raise UnsupportedMedia(
            f"content encoding {encoding[:80]!r} is not supported: use gzip, zstd, deflate or identity"
        )
    body: list[bytes] = []
    size = 0
    async for piece in chunks if name in ("", "identity") else _inflated(chunks, name):
        size += len(piece)
        if size > max_bytes:
            raise BodyTooLarge(f"the body is larger than {max_bytes} bytes; send smaller batches")
        await held.arrive(len(piece))
        body.append(piece)
    return b"".join(body)


async def _inflated(chunks: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    stream = _STREAMS[name]()
    async for chunk in chunks:
        while chunk:
            if stream.eof:  # several gzip members or zstd frames may follow each other (RFC 1952, RFC 8878)
                stream = _STREAMS[name]()
            try:
                for piece in stream.pieces(chunk):
                    yield piece
            except (zlib.error, zstd.ZstdError) as error:
                raise BadCompression(f"the body is not {name}: {error}") from error
            chunk = stream.rest if stream.eof else b""
    if not stream.eof:
        raise BadCompression(f"the body ends in the middle of its {name} stream")
