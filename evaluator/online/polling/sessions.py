"""Sessions between a poll and the lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evaluator.online.polling.work import Chunk
from storage.model import Level
from storage.telemetry import Telemetry


async def with_traces(telemetry: Telemetry, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Chunks of sessions with everything that scoring reads of them; those of spans and traces as they are.

    A poll knows of a session that it is over and which trace is its first.  One of which something arrived since, or
    that was erased, is left out: it is not over any more, and will be found when it is.

    Raises:
        storage.errors.Unavailable: The store is away.
    """
    targets = {record.ref for chunk in chunks if chunk.rule.level is Level.SESSION for record in chunk.records}
    located = await telemetry.locate(list(targets)) if targets else {}
    whole: list[Chunk] = []
    for chunk in chunks:
        if chunk.rule.level is not Level.SESSION:
            whole.append(chunk)
            continue
        records = tuple(
            found
            for record in chunk.records
            if (found := located.get(record.ref)) is not None and found.watermark_ms == record.watermark_ms
        )
        if records:
            whole.append(replace(chunk, records=records))
    return whole
