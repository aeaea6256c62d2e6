"""Built-in detectors: where in a text (UTF-8 bytes) something stands that may have to go.

A detector is a pattern that finds heads of bounded length, and a check of each.  Patterns run in RE2, whose time is
linear in the text whatever the text is.  `candidate` says of raw bytes (an attribute as it lies on the wire, JSON in
it or not) whether the detector could find anything in the text that is in them: it knows no boundaries, so that it may
be wrong in one direction only.

Sources: ISO/IEC 7812 and the issuers' ranges (cards), ISO 13616 (IBAN), SSA POMS RM 10201.035 (SSN), ITU-T E.164 and
NANPA (telephone), RFC 4193/6890 (addresses that are nobody's), the providers' own pages (keys and tokens).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from storage.redaction.pattern import Pattern, Span
from storage.redaction.secrets import SECRET_CANDIDATE, SECRET_PATTERN, whole_secret

Check: TypeAlias = Callable[[bytes, int, int], Span | None]
"""Text, start and end of what the pattern found -> what is to go; None = nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """What one kind of thing looks like.

    Attributes:
        pattern: Bytes that may be one.  Bounded, so that many finds in a text do not make it quadratic.
        check: Decides, and says where it really begins and ends.
        candidate: See the module.
        family: Detectors of a family are asked for together: `address`, `number`, `word`.
        step: Bytes after which to look again where the check refused: for numbers in groups, whose first group may
            belong to something else; 0 = behind what was found.
        canonical: What is hashed, so that two spellings of one thing have one hash.
    """

    pattern: Pattern
    check: Check
    candidate: bytes
    family: str = "number"
    step: int = 0
    canonical: Callable[[bytes], bytes] = bytes

    def find(self, text: bytes) -> Iterator[Span]:
        """Where it stands, in order and without overlaps."""
        at = 0
        while (found := self.pattern.span(text, at)) is not None:
            span = self.check(text, *found)
            if span is not None:
                yield span
            at = span[1] if span else found[0] + self.step if self.step else found[1]


def _before(text: bytes, start: int) -> bytes:
    return text[start - 1 : start] if start else b""


def _stands_alone(text: bytes, start: int, end: int, *, joined_by: bytes = b"._") -> bool:
    """Not a piece of a longer word or number."""
    before, after = _before(text, start), text[end : end + 1]
    if before in (b".", b"/") and not text[max(0, start - 2) : start - 1].isdigit():
        before = b""  # of a sentence, a key, a path: no number
    if before.isalnum() or (before and before in joined_by + b"_"):
        return False
    if after.isalnum() or after == b"_":
        return False
    return not (after and after in joined_by and text[end + 1 : end + 2].isdigit())


# -- e-mail ----------------------------------------------------------------------------------------------------------

_LETTER = rb"(?:[A-Za-z0-9]|[\xc3-\xdf][\x80-\xbf])"  # and Latin, Greek, Cyrillic, Hebrew, Arabic: two bytes of UTF-8
_EMAIL = (
    rb"(?:[A-Za-z0-9._%+'-]|[\xc3-\xdf][\x80-\xbf]){1,64}(?:@|%40|\\u0040|&#64;)"
    rb"(?:" + _LETTER + rb"(?:" + _LETTER + rb"|-){0,62}\.){1,8}[A-Za-z]{2,24}"
)
_FILE_ENDINGS = frozenset(b"png jpg jpeg gif webp svg css js json html xml yaml yml txt ts tsx".split())
"""`logo@2x.png`: none of these is a top-level domain."""


def _email(text: bytes, start: int, end: int) -> Span | None:
    found = text[start:end]
    start += len(found) - len(found.lstrip(b".%+'-"))
    local, _, domain = text[start:end].partition(b"@")
    if not local or local == b"git" or domain.rpartition(b".")[2].lower() in _FILE_ENDINGS:
        return None
    return start, end


# -- payment cards ---------------------------------------------------------------------------------------------------

_CARD = (  # as issuers print them, or digits alone
    rb"\b(?:\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}(?:[ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{14,19})\b"
)
_NAMED_ID = re.compile(rb"(?:\b|_)(?i:id)[\"']?\s{0,3}[:=]\s{0,3}[\"']?\Z|Id[\"']?\s{0,3}[:=]\s{0,3}[\"']?\Z")
_SCHEMES: tuple[tuple[int, int, range], ...] = (
    # first digits from, to, how many digits
    (4, 4, range(16, 20, 3)),  # Visa
    (51, 55, range(16, 17)),  # Mastercard
    (2221, 2720, range(16, 17)),
    (34, 34, range(15, 16)),  # American Express
    (37, 37, range(15, 16)),
    (6011, 6011, range(16, 20)),  # Discover
    (644, 659, range(16, 20)),
    (62, 62, range(16, 20)),  # UnionPay
    (3528, 3589, range(16, 20)),  # JCB
    (300, 305, range(14, 15)),  # Diners
    (36, 36, range(14, 15)),
    (38, 39, range(14, 15)),
    (5018, 5020, range(16, 20)),  # Maestro
    (5893, 5893, range(16, 20)),
    (6304, 6304, range(16, 20)),
    (6759, 6763, range(16, 20)),
)


def is_card_number(digits: bytes) -> bool:
    """Length and first digits are an issuer's, and the last digit is Luhn's."""
    if not any(
        len(digits) in sizes and first <= int(digits[: len(str(first))]) <= last for first, last, sizes in _SCHEMES
    ):
        return False
    doubled = digits[-2::-2].translate(_DOUBLED)
    return (sum(doubled) + sum(digits[-1::-2]) - 48 * len(digits)) % 10 == 0


_DOUBLED = bytes(48 + sum(divmod(2 * (byte - 48), 10)) if 48 <= byte < 58 else byte for byte in range(256))


def _card(text: bytes, start: int, end: int) -> Span | None:
    found = text[start:end]
    if found.isdigit() and _NAMED_ID.search(text, max(0, start - 16), start):
        return None
    digits = digits_of(found)
    return (start, end) if is_card_number(digits) and _stands_alone(text, start, end) else None


def digits_of(found: bytes) -> bytes:
    """The digits alone."""
    return found.translate(None, _NO_DIGITS)


_NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte < 58)

# -- IBAN ------------------------------------------------------------------------------------------------------------

_IBAN = rb"\b(?:[A-Z]{2}\d\d[ -]?(?:[A-Z0-9][ -]?){10,28}[A-Z0-9]|[a-z]{2}\d\d(?: [a-z0-9]{4}){2,7}(?: [a-z0-9]{1,3})?)"
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
        32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN_DIGITS = [str(int(chr(byte), 36)) if chr(byte).isalnum() else "" for byte in range(128)]


def _iban(text: bytes, start: int, end: int) -> Span | None:
    length = _IBAN_LENGTHS.get(text[start : start + 2].decode("latin-1").upper(), 99)
    found = text[start:end]
    letters = found.translate(None, b" -")[:length]
    if len(letters) < length or int("".join([_IBAN_DIGITS[byte] for byte in letters[4:] + letters[:4]])) % 97 != 1:
        return None
    while len(found.translate(None, b" -")) > length:  # the next word
        found = found[:-1]
    found = found.rstrip(b" -")
    return (start, start + len(found)) if _stands_alone(text, start, start + len(found)) else None


# -- US social security numbers --------------------------------------------------------------------------------------


def _ssn(text: bytes, start: int, end: int) -> Span | None:
    area, group, serial = text[start:end].split(b"-")
    if area in (b"000", b"666") or area >= b"900" or group == b"00" or serial == b"0000":
        return None
    return (start, end) if _stands_alone(text, start, end, joined_by=b".-/") else None


# -- telephone -------------------------------------------------------------------------------------------------------

_PHONE = (
    rb"(?:\+|%2[Bb])[1-9](?:[ .()/-]{0,2}\d){7,14}"  # E.164
    rb"|\b(?:1[ .-])?[2-9]\d\d[-.][2-9]\d\d[-. ]\d{4}\b"  # North America
    rb"|(?:\b1[ .-])?\([2-9]\d\d\) ?[2-9]\d\d[-. ]\d{4}\b"
    rb"|\b0[1-9]\d{1,3}[ -]\d{3,4}[ -]\d{3,4}\b|\b0[1-9]\d{3} \d{6}\b|\b0[1-9]\d{1,3}[ /-]\d{6,8}\b"  # trunk prefix 0
    rb"|\b0[1-9](?:[ .]\d\d){4}\b|\(0[1-9]\d{0,3}\) ?\d{3,4}[ -]?\d{3,5}\b"
)


_COMPACT = re.compile(rb"(?:\+|%2[Bb])\d{8,15}+(?!\d)")


def _phone(text: bytes, start: int, end: int) -> Span | None:
    found = text[start:end]
    if compact := _COMPACT.match(found):  # what follows after a space is something else
        found, end = compact.group(), start + compact.end()
    if not 8 <= len(digits_of(found.removeprefix(b"%2B").removeprefix(b"%2b"))) <= 15:
        return None
    before = _before(text, start)
    if before == b"+":
        return None
    return (start, end) if _stands_alone(text, start, end, joined_by=b".-/") else None


# -- addresses of the internet protocol ------------------------------------------------------------------------------

_IP = (
    rb"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b"
    rb"|\b[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}(?:[0-9A-Fa-f]{1,4}\b)?"  # 2000::/3: all that is given out
)
_VERSION = re.compile(rb"(?i:\bv|==|~=|>=|<=|\bversions?[\"']?[\s:=]{1,3}[\"']?v?)\Z")


def _ip(text: bytes, start: int, end: int) -> Span | None:
    found = text[start:end]
    if not (_is_public_v4(found) if b"." in found else _is_v6(found)):
        return None
    before = text[max(0, start - 16) : start]
    if _VERSION.search(before):
        return None
    if before[-1:] == b"/" and before[-2:-1].isalnum() and text[end : end + 1] != b":":
        return None  # a product in a user agent, Chrome/120.0.0.0
    return (start, end) if _stands_alone(text, start, end, joined_by=b".-") else None


def _is_public_v4(found: bytes) -> bool:
    """An address that is somebody's: not of this machine, this network, or no machine."""
    numbers = [int(part) for part in found.split(b".")]
    if max(numbers) > 255 or b"%d.%d.%d.%d" % tuple(numbers) != found:
        return False
    match numbers:
        case [0 | 10 | 127, *_] | [169, 254, *_] | [192, 168, *_]:
            return False
        case [first, second, *_]:
            return (
                first < 224 and not (first == 172 and 16 <= second < 32) and not (first == 100 and 64 <= second < 128)
            )
    return False


def _is_v6(found: bytes) -> bool:
    try:
        ipaddress.IPv6Address(found.decode("latin-1"))
    except ValueError:
        return False
    return True


DETECTORS: Mapping[str, Detector] = {
    "email": Detector(
        pattern=Pattern(_EMAIL),
        check=_email,
        candidate=rb"(?:@|%40|&#64;|\\u0040)[A-Za-z0-9\xc3-\xdf]",
        family="address",
        canonical=bytes.lower,
    ),
    "phone": Detector(
        pattern=Pattern(_PHONE),
        check=_phone,
        step=2,
        candidate=rb"(?:\+|%2[Bb])[1-9]|\d{3}\)? ?[-.]?[2-9]\d\d[-. ]\d{4}|0[1-9](?:[ /.()-]{0,2}\d){7}",
        canonical=digits_of,
    ),
    "card": Detector(
        pattern=Pattern(_CARD),
        check=_card,
        step=3,
        candidate=rb"\d{4}[ -]?\d{4}(?:[ -]?\d){6}|\x18[\x80-\xff]{5}|\x21[\x00-\xff]{7}[\x42\x43]",  # and as a number
        canonical=digits_of,
    ),
    "iban": Detector(
        pattern=Pattern(_IBAN),
        check=_iban,
        step=4,
        candidate=rb"[A-Z]{2}\d\d[ -]?(?:[A-Z0-9][ -]?){10}|[a-z]{2}\d\d [a-z0-9]{4} [a-z0-9]{4} ",
        canonical=lambda found: found.translate(None, b" -").upper(),
    ),
    "us_ssn": Detector(
        pattern=Pattern(rb"\b\d{3}-\d\d-\d{4}\b"), check=_ssn, candidate=rb"\d{3}-\d\d-\d{4}", canonical=digits_of
    ),
    "ip": Detector(
        pattern=Pattern(_IP),
        check=_ip,
        candidate=rb"\d\.\d{1,3}\.\d{1,3}\.\d|[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:",
        canonical=bytes.lower,
    ),
    "secret": Detector(pattern=Pattern(SECRET_PATTERN), check=whole_secret, candidate=SECRET_CANDIDATE, family="word"),
}
"""Name, as it stands in rules -> detector."""
