"""Where a front listens, and how long a connection may do nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """One address.

    Attributes:
        address: `host:port`; port 0 = any free one.
        shared: Other processes of ours listen at the same port (SO_REUSEPORT); else that is refused.
        idle_seconds: A connection without a call is closed after so long; so is one that does not get its headers out.
    """

    address: str
    shared: bool = False
    idle_seconds: float = 60.0

    @property
    def host(self) -> str:
        """The host, without the brackets of an IPv6 address."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.address.rpartition(":")[2])
