"""Where results go, as it is set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SCHEMES = ("http", "https", "grpc", "grpcs")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutAddress:
    """Where results go.  `http(s)://host[:port][/path]` or `grpc(s)://host[:port]`, and headers to send along.

    Raises:
        ValueError: It is none; says what to write.
    """

    url: str
    headers: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise ValueError("must be http(s)://host:port, grpc://host:port or grpcs://host:port")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("takes no user, password, query or fragment; keys go into the headers")
        if parts.scheme.startswith("grpc") and parts.path.strip("/"):
            raise ValueError("takes no path with gRPC")
        _ = parts.port, self.pairs  # both raise where they are malformed

    @property
    def pairs(self) -> Mapping[str, str]:
        """Headers by name; written `name=value,name=value`, percent-encoded, as `OTEL_EXPORTER_OTLP_HEADERS` is."""
        found: dict[str, str] = {}
        for item in filter(None, (item.strip() for item in self.headers.split(","))):
            name, equals, value = item.partition("=")
            name, value = name.strip().lower(), unquote(value.strip())
            if not (name and equals and name.isascii() and value.isascii() and (name + value).isprintable()):
                raise ValueError("headers must be name=value,name=value")
            found[name] = value
        return found
