"""Signatures of webhooks.  Source: Standard Webhooks, specification 1.0 (symmetric signatures, `v1`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """Keys that sign, `whsec_…`; several with blanks between while one is replaced: each signs.

    Raises:
        ValueError: One of them is none; never says what it is.
    """

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self._keys:
            raise ValueError("must be whsec_ and base64 of 24 to 64 bytes")

    @property
    def _keys(self) -> tuple[bytes, ...]:
        return tuple(map(_key, self.text.split()))

    def headers(self, message_id: str, *, timestamp: int, body: bytes) -> Mapping[str, str]:
        """What goes with a message; `timestamp` in seconds since the epoch, of this attempt."""
        signed = f"{message_id}.{timestamp}.".encode() + body
        signatures = (
            "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in self._keys
        )
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        }


def secret_text(key: bytes) -> str:
    """A key as it is written down."""
    return PREFIX + base64.b64encode(key).decode()


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise ValueError("must be whsec_ and base64 of 24 to 64 bytes")
    return key
