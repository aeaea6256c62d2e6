"""What each detector finds, and what it leaves alone."""

from __future__ import annotations

import pytest
from redacting import detecting, masked

from storage.redaction.detectors import DETECTORS, is_card_number

FOUND = {
    # RFC 5321, 5322, 6531 (letters beyond ASCII), and what URLs and HTML make of an @
    "email": [
        "someone@example.com",
        "first.last+tag@mail.example.co.uk",
        "o'brien@example.ie",
        "x_y%z@sub-domain.example.org",
        "jürgen@münchen.example",
        "иван@пример.example",
        "user%40example.com",
        "user&#64;example.com",
    ],
    # E.164; numbers that NANPA, Ofcom, ARCEP and the Bundesnetzagentur keep for fiction, as people write them
    "phone": [
        "+12025550143",
        "+1 (202) 555-0143",
        "+1-202-555-0143",
        "202-555-0143",
        "202.555.0143",
        "(202) 555-0143",
        "1-202-555-0143",
        "+44 20 7946 0958",
        "020 7946 0958",
        "07700 900123",
        "+33 1 99 00 12 34",
        "01 99 00 12 34",
        "+49 30 23125 000",
        "030 23125000",
        "+81 3-1234-5678",
        "%2B12025550143",
    ],
    # The schemes' own numbers for tests (Stripe, Adyen and PayPal list them)
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4242424242424242",
        "5555555555554444",
        "5105 1051 0510 5100",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "30569309025904",
        "3056 930902 5904",
        "3530111333300000",
        "6200000000000005",
        "6759649826438453",
    ],
    # The examples of SWIFT's IBAN registry
    "iban": [
        "GB29NWBK60161331926819",
        "GB29 NWBK 6016 1331 9268 19",
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "FR1420041010050500013M02606",
        "NL91ABNA0417164300",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "CH93-0076-2011-6238-5295-7",
        "gb29 nwbk 6016 1331 9268 19",
    ],
    # Numbers that the SSA withdrew after they were printed in advertisements
    "us_ssn": ["078-05-1120", "219-09-9999"],
    # RFC 5737 and 3849 (documentation), and two that everybody knows
    "ip": ["203.0.113.7", "198.51.100.255", "8.8.8.8", "2001:db8::1", "2001:0db8:0000:0000:0000:ff00:0042:8329",
           "2606:4700:4700::1111"],
    # Made up in the shapes that the providers document; the AWS one is their own example
    "secret": [
        "sk-" + "aB3dE6gH9" * 5,
        "sk-proj-" + "aB3dE6gH9_" * 8,
        "sk-ant-api03-" + "aB3dE6gH9-" * 9 + "AA",
        "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "ghp" + "_" + "aB3dE6gH9" * 4,
        "github_pat" + "_" + "11ABCDEFG0" + "aB3dE6gH9" * 7,
        "glpat" + "-" + "aB3dE6gH9aB3dE6gH9aB",
        "xoxb" + "-123456789012-1234567890123-" + "aB3dE6gH9aB3dE6gH9aBcDeF",
        "AKIAIOSFODNN7EXAMPLE",
        "AIza" + "SyA" + "aB3dE6gH9" * 3 + "aB3dE",
        "hf" + "_" + "aBcDeFgHiJ" * 3 + "aBcD",
        "npm" + "_" + "aB3dE6gH9" * 4,
        "SG." + "aB3dE6gH9aB3dE6gH9aBcD" + "." + "aB3dE6gH9" * 4 + "aB3dE6g",
        "gsk" + "_" + "aB3dE6gH9" * 5,
        "lsv2_pt" + "_" + "0123456789abcdef" * 2 + "_0123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nx+y/z=\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOY\n-----END PGP PRIVATE KEY BLOCK-----",
    ],
}  # fmt: skip
LEFT = {
    "email": ["@someone", "a@b", "git@github.com:owner/name.git", "logo@2x.png", "app@3x.jpg", "@scope/package@1.2.3",
              "x @ y.com", "me at example dot com", "a@b.c"],
    "phone": [
        "2026-11-21 16:53:33",
        "2026-11-21T16:53:33+00:00",
        "1790000000000000000",
        "0.123456789012",
        "123456789",
        "1234567890",
        "0a1b2c3d-0123-4567-8901-0123456789ab",
        "tokens: 1024 2048 4096",
        "10-20-30",
        "+0100",
        "order 555-0143",
        "call_abc+12025550143x",
        "1e+12",
        "192.168.100.2000",
    ],
    "card": [
        "4111111111111112",  # Luhn
        "1234567812345670",  # nobody's prefix, though Luhn's
        "1790000000000000003",
        "0.4111111111111111",
        "41111111111111110000",
        "a4111111111111111",
        "4111111111111111b",
        "4111 1111 1111",
        "id: 4111111111111111",
        '"request_id": "4111111111111111"',
        "traceId=4111111111111111",
        "4111_1111_1111_1111",
    ],
    "iban": ["GB28NWBK60161331926819", "GB29NWBK6016133192681", "XX29NWBK60161331926819", "be71096123456769", "DE89",
             "AB12CD34EF56GH78IJ90", "xGB29NWBK60161331926819"],
    "us_ssn": ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "1123-45-6789",
               "123-45-67890", "123-45-6789-0", "078051120"],
    "ip": [
        "10.1.2.3", "127.0.0.1", "192.168.0.1", "172.16.5.4", "169.254.1.1", "0.0.0.0", "100.64.0.1", "255.255.255.255",
        "256.1.1.1", "1.2.3", "1.2.3.4.5", "v1.2.3.4", "version 1.2.3.4", "numpy==1.2.3.4", "package-1.2.3.4",
        "Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36", "01.02.03.04", "12:34:56", "2026:11:21 16:53:33",
        "std::dead::beef",
        "fe80::1", "::1", "abc::def",
    ],
    "secret": ["sk-learn-pipeline-classifier-of-texts", "the bearer of this letter", "bearer authentications",
               "eyJhbGciOiJIUzI1NiJ9", "risk-assessment-framework-2024", "https://example.com:8080/a@b", "ghp_short",
               "AKIA", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", "task-1234567890123456"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "found"), [(name, each) for name, all_of in FOUND.items() for each in all_of])
def test_what_a_detector_finds_goes_whole_and_nothing_beside_it(name: str, found: str) -> None:
    """Alone, in a sentence, in brackets, after an equals sign and at the end of one."""
    redactor = detecting(name)
    for text in ("{}", "it is {}, he said", "({})", "value={}", "It is {}.", "a\n{}\nb", "<{}>", "'{}'", "日本{}語"):
        assert masked(redactor, text.format(found)) == text.format(f"[{name}]")


@pytest.mark.parametrize(("name", "left"), [(name, each) for name, all_of in LEFT.items() for each in all_of])
def test_what_only_looks_alike_is_left_alone(name: str, left: str) -> None:
    """Not a byte is changed."""
    redactor = detecting(name)
    assert [masked(redactor, text) for text in (left, f"it is {left} here")] == [left, f"it is {left} here"]


def test_every_detector_has_a_corpus() -> None:
    """A new one comes with its own."""
    assert (set(FOUND), set(LEFT)) == (set(DETECTORS), set(DETECTORS))


@pytest.mark.parametrize("name", FOUND)
def test_the_candidate_of_a_detector_is_in_everything_that_it_finds(name: str) -> None:
    """What has no candidate is never looked at, so a candidate must not miss."""
    from storage.redaction.pattern import Pattern

    candidate = Pattern(DETECTORS[name].candidate)
    assert [found for found in FOUND[name] if not candidate.is_in(found.encode())] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abcdef0123456789abcdef", "Authorization: Bearer [secret]"),
        ("authorization=Basic dXNlcjpwYXNzd29yZA==", "authorization=Basic [secret]"),
        ("Cookie: session=abc; theme=dark\nHost: x", "Cookie: [secret]\nHost: x"),
        ("postgresql://user:hunter2@db.internal:5432/app", "postgresql://user:[secret]@db.internal:5432/app"),
        ("https://x.blob/y?sv=1&sig=aB3dE6gH9aB3dE6gH9%3D&se=2", "https://x.blob/y?sv=1&sig=[secret]&se=2"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg and then it was cut", "[secret]"),
    ],
)
def test_of_a_secret_after_a_word_only_the_secret_goes(text: str, expected: str) -> None:
    """So that it stays plain what kind of secret was there."""
    assert masked(detecting("secret"), text) == expected


def test_luhns_check_and_the_ranges_of_the_issuers_decide_what_a_card_number_is() -> None:
    """Of the ten possible last digits, Luhn's formula admits exactly one.

    4111 1111 1111 111x: from the right the doubled digits are 2 2 2 2 2 2 2 8, the others 1 x 7: 22 + 7 + x is a
    multiple of ten for x = 1.
    """
    assert [digit for digit in range(10) if is_card_number(b"411111111111111%d" % digit)] == [1]
