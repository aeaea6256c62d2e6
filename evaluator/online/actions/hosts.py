"""Which hosts webhooks may go to: those that the operator names, and none by default.

Rules are written by people who need not be trusted with the network of this machine: without a list, a webhook would
let them reach what only this machine reaches (server-side request forgery).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_HOST = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,62})\.)*[a-z0-9_]([a-z0-9_-]{0,62})")
MAX_URL_CHARACTERS = 2000
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    host: str
    port: int | None
    wild: bool

    def covers(self, host: str, port: int) -> bool:
        return self.port in (None, port) and (host.endswith(f".{self.host}") if self.wild else host == self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookHosts:
    """`host`, `host:port`, an IP address, or `*.example.com`, with commas between; '' = nowhere.

    A host that is named itself may be on a private network, as an address or by what its name resolves to; what a star
    stands for must resolve to public addresses.  Link-local addresses (cloud metadata) are never reached.

    Raises:
        ValueError: The list is none; says what to write.
    """

    text: str = ""

    def __post_init__(self) -> None:
        _ = self._entries

    @property
    def _entries(self) -> Sequence[_Entry]:
        return tuple(_entry(item.strip().lower()) for item in self.text.split(",") if item.strip())

    def refusal(self, url: str) -> str:
        """Why a URL may not be called; '' = it may."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError as error:
            return f"is no URL: {error}"
        if parts.scheme not in _PORTS or not host or len(url) > MAX_URL_CHARACTERS:
            return f"must be https://host[:port][/path] (or http://), at most {MAX_URL_CHARACTERS} characters"
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
            return "must be plain ASCII without blanks and backslashes: percent-encode what is not"
        if parts.username is not None or parts.password is not None or parts.fragment:
            return "takes no user, password or fragment: receivers know us by the signature"
        if self._entry_of(host, port or _PORTS[parts.scheme]) is None:
            where = f"{host}:{port}" if port else host
            return f"{where} is not among the hosts that webhooks may go to: add it to ASSAY_WEBHOOK_HOSTS" + (
                "" if self.text.strip() else f" (not set; ASSAY_WEBHOOK_HOSTS={where}, say)"
            )
        return ""

    def may_connect(self, host: str, port: int, address: str) -> bool:
        """Whether the address that a host resolves to may be reached."""
        entry = self._entry_of(host.rstrip(".").lower(), port)
        if entry is None:
            return False
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if found.is_link_local or found.is_multicast or found.is_unspecified:
            return False
        return found.is_global or not entry.wild

    def _entry_of(self, host: str, port: int) -> _Entry | None:
        covering = [entry for entry in self._entries if entry.covers(host, port)]
        return min(covering, key=lambda entry: entry.wild, default=None)


def _entry(text: str) -> _Entry:
    address, port = text, ""
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        wrong = "]" not in text or (bool(rest) and not rest.startswith(":"))
    else:
        if text.count(":") == 1:
            address, _, port = text.partition(":")
        wrong = text.endswith(":")
    try:
        address = str(ipaddress.ip_address(address))
    except ValueError:
        wrong = wrong or not _HOST.fullmatch(address) or address.replace(".", "").isdigit()
    if wrong or (port and not (port.isdecimal() and 0 < int(port) < 65_536)):
        raise ValueError(f"must be a list like hooks.example.com,*.example.org,10.0.0.5:8080; got {text!r}")
    return _Entry(host=address.removeprefix("*."), port=int(port) if port else None, wild=address.startswith("*."))
