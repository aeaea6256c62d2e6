"""The key of hashes: one per installation, whoever comes first."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from storage.redaction.hashing import UnusableKey, hashed, kept_key


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """Readable by its owner only; a restart finds the same."""
    file = tmp_path / "redaction.key"
    key = kept_key(file)
    assert (len(key), kept_key(file), file.stat().st_mode & 0o777) == (32, key, 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["redaction.key"]


def test_processes_that_start_at_once_agree_on_a_key(tmp_path: Path) -> None:
    """Several exporters share a data directory."""
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(kept_key(tmp_path / "key"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (16, 1)


@pytest.mark.parametrize("content", ["", "abc", "not hex" * 10, "00" * 31])
def test_a_damaged_key_is_refused_rather_than_replaced(tmp_path: Path, content: str) -> None:
    """With a new one, today's hashes would not be yesterday's any more."""
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(UnusableKey, match="must hold 64 hex digits"):
        kept_key(file)
    assert file.read_text() == content


def test_a_hash_is_hmac_sha256() -> None:
    """RFC 4231, test case 1: HMAC-SHA-256 = b0344c61d8db3853…, and a digit d stands as the d-th letter from a."""
    assert (
        hashed(b"\x0b" * 20, b"Hi There")
        == "b0344c61d8db3853".translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop")).encode()
    )
