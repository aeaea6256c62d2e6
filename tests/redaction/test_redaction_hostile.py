"""Texts made to be slow: time grows with the length of a text, and no faster."""

from __future__ import annotations

import json
import time

import pytest
from redacting import KEY, masked, standard

from storage.redaction.requests import Redactor
from storage.redaction.rules import Action, Rule

SECONDS_PER_MIB = 40.0
"""CPU.  The slowest of these take 1 to 4 on a quiet machine; what is quadratic takes hundreds."""
PIECES = [
    "a", "1", "1 ", "4111 1111 1111 1111 ", "1234 5678 9012 345", "4111", "GB29 ", "GB29NWBK",
    "GB29 NWBK 6016 1331 9268 1",
    "a@", "a@b.", "a.", "+1", "+1 ", "(", "0171 123456 ", "123-45-6789 ", "123-45-", "1.1.1.1 ", "1.",
    "2001:", "2001:db8:",
    "eyJaaaaaaaaaaaa-", "eyJaaaaaaaaaaaaa.", "sk-", "sk-aaaaaaaaaaaaaaaaa-", "sk-a1aaaaaaaaaaaaaaa ", "bearer ",
    "bearer aaaaaaaaaaaaaaaaaa ", "://a:", "://a:b@", "password=", "password: ", "password",
    '"password":', '{"password":',
    "[", '"', '\\"', "\\", '"\\', '"a\\u0040', "cookie: a", "-----BEGIN PRIVATE KEY-----", "xoxb-1", "hf_", "AKIA",
    "id=4111111111111111 ", "api_key='", 'secret":"', "%40", "?sig=", "'password': '", "SG.aaaaaaaaaaaaaaaa.", "é@",
    "\0", '"\\"\\\\\\"', "\\u0070",
]  # fmt: skip


@pytest.mark.parametrize("size", [1 << 14, pytest.param(1 << 20, marks=pytest.mark.soak)])
@pytest.mark.parametrize("shape", ["{}", '{{"a": "{}"}}', '"{}'])
def test_no_text_stalls_the_receiver(shape: str, size: int) -> None:
    """Repeats of whatever a detector begins with, plain, in JSON, and in a string that never ends."""
    redactor = standard()
    slow = {}
    for piece in PIECES:
        text = shape.format(piece * (size // len(piece)))
        start = time.process_time()
        redactor.text(text)
        took = (time.process_time() - start) * (1 << 20) / len(text)
        if took > SECONDS_PER_MIB:
            slow[piece] = took
    assert slow == {}


def test_json_in_json_in_json_is_looked_into_to_its_end() -> None:
    """Each level doubles the escapes, so a text of any length has few levels."""
    text = "someone@example.com"
    for _ in range(14):
        text = json.dumps({"m": text})
    said = masked(standard(), text)
    for _ in range(14):
        said = json.loads(said)["m"]
    assert said.startswith("[email:")


def test_an_expression_that_reads_to_the_end_for_each_find_takes_the_whole_text() -> None:
    """Nothing that it looks for is stored, and nobody waits for minutes."""
    redactor = Redactor([Rule(name="own", pattern="a.*z|a", action=Action.MASK)], KEY)
    start = time.process_time()
    said = masked(redactor, "a" * (1 << 20))
    assert (said, time.process_time() - start < 20) == ("[own]", True)
    assert masked(redactor, "bab") == "b[own]b"


def test_brackets_without_end_are_no_recursion() -> None:
    """A value by key that is half a megabyte of brackets."""
    half = 1 << 18
    said = masked(standard(), '{"password": ' + "[" * half + "]" * half + ', "a": 1}')
    assert said == '{"password": "[credentials]", "a": 1}'
