"""What the exporter itself refuses.  `exporter/receiver/status.py` maps every error to a status, once."""

from __future__ import annotations

from storage.errors import Unavailable


class ExporterError(Exception):
    """Root of this module."""


class PortInUse(ExporterError):
    """An address cannot be bound; the message names it and what to do."""


class Overloaded(Unavailable):
    """More telemetry is waiting for ClickHouse than the limit; a retry after `retry_seconds` may succeed."""


class BodyTooSlow(Unavailable):
    """A body that did not arrive in time; its sender may be behind a line that is better the next time."""


class BodyTooLarge(ExporterError):
    """A body is larger than the limit, as sent or decompressed."""


class UnsupportedMedia(ExporterError):
    """A content type or content encoding that OTLP/HTTP does not have."""


class BodyBroken(ExporterError):
    """A body that ends before its end, or is not framed as HTTP frames it."""


class BadCompression(ExporterError):
    """A body is not what its content encoding says."""
