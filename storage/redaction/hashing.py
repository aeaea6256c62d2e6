"""The key of hashes: made once per installation, kept in a file of its own."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_BYTES = 32
LETTERS = 16
"""Of a hash; four bits each.  Letters only, so that no hash looks like a number of anything."""
_AS_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")


class UnusableKey(ValueError):
    """The file of the key holds something else; the message says what to do."""


def hashed(key: bytes, value: bytes) -> bytes:
    """HMAC-SHA-256 of a value, the first 64 bits, as 16 letters from a to p."""
    digest = hmac.digest(key, value, hashlib.sha256)
    return digest.hex().encode()[:LETTERS].translate(_AS_LETTERS)


def kept_key(file: Path) -> bytes:
    """The key in `file` (hex, mode 0600), made there if there is none yet.  Processes that start at once get one key.

    Raises:
        UnusableKey: The file holds no such key.
        OSError: It cannot be read or made.
    """
    if not file.exists():
        fresh = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
                opened.write(secrets.token_hex(KEY_BYTES))
                opened.flush()
                os.fsync(opened.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first: its key counts
                os.link(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise UnusableKey(
            f"{file} must hold {2 * KEY_BYTES} hex digits, the key of redaction's hashes. Put the old key back, or "
            "remove the file: then a new key is made, and what was hashed before has other hashes from now on"
        )
    return key
