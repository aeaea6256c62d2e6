"""The encoder against the reference on damaged requests: the same block, or the same error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from otlp_wire_building import outcome

from storage.otlp.encode import Encoder
from storage.otlp.reference import Translated, translate_logs, translate_traces

FIXTURES = Path(__file__).parents[1] / "fixtures" / "otlp"
LARGEST = 6000
"""Damage should hit structure, not the inside of long texts."""
STRUCTURE = (0x00, 0x01, 0x05, 0x08, 0x0A, 0x0B, 0x0C, 0x10, 0x12, 0x18, 0x21, 0x2A, 0x32, 0x3A, 0x4A, 0x5A, 0x6A, 0x7A)
EDGES = (0x7F, 0x80, 0x81, 0xFE, 0xFF)


def requests(*, logs: bool) -> list[bytes]:
    """Captured requests that are small enough."""
    bodies = [path.read_bytes() for path in sorted(FIXTURES.glob("*/*.pb")) if path.name.endswith(".logs.pb") == logs]
    return [body for body in bodies if len(body) <= LARGEST]


def damaged(body: bytes, dice: random.Random) -> bytes:
    """One to four edits: a byte changed, dropped or put in, a piece doubled or moved, the end cut off."""
    raw = bytearray(body)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(raw) + 1)
        byte = dice.choice((dice.choice(STRUCTURE), dice.choice(EDGES), dice.randrange(256)))
        match dice.randrange(12):
            case 0:
                raw.insert(at, byte)
            case 1:
                del raw[at : at + dice.randrange(1, 4)]
            case 2:
                raw[at:at] = raw[at : at + dice.randrange(1, 40)]
            case 3 if dice.random() < 0.1:
                del raw[at:]
            case 4 if at < len(raw):
                raw[at] = (raw[at] + dice.choice((-1, 1))) % 256
            case _:
                raw[at : at + 1] = bytes((byte,))
    return bytes(raw)


def differences(mutants: int, seed: int) -> tuple[list[str], int]:
    """Mutants (hex) with different outcomes, and how many the reference accepted."""
    dice = random.Random(seed)
    encoder = Encoder(remembered_pairs=2000)
    sides = (
        (requests(logs=False), encoder.encode_traces, translate_traces),
        (requests(logs=True), encoder.encode_logs, translate_logs),
    )
    different, accepted = [], 0
    for number in range(mutants):
        bodies, fast, reference = sides[number % 4 == 0]
        body = damaged(dice.choice(bodies), dice)
        expected = outcome(reference, body)
        accepted += isinstance(expected, Translated)
        if outcome(fast, body) != expected:
            different.append(body.hex())
    return different, accepted


def test_damaged_requests_have_the_same_outcome() -> None:
    """About ten seconds, with a fixed seed; many mutants must survive, or only refusals would be compared."""
    different, accepted = differences(30_000, seed=20261121)
    assert different == []
    assert accepted > 8_000


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_many_more_damaged_requests_have_the_same_outcome(seed: int) -> None:
    """The long run."""
    assert differences(60_000, seed)[0] == []
