"""Opaque page tokens and cursors: versioned, checked, and bound to the query that they belong to.

A token is not a secret: whoever forges one reads another place of a list that they may read anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import uuid

from google.protobuf.message import Message

from evaluator.server.errors import InvalidPageToken, InvalidRequest
from storage.results import ResultCursor

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000

_VERSION = b"\x01"
_DIGEST_BYTES = 8


def page_size(asked: int) -> int:
    """Items on a page, 1 to 1000; 0 means 100.

    Raises:
        InvalidRequest: It is negative or above 1000.
    """
    if not 0 <= asked <= MAX_PAGE_SIZE:
        raise InvalidRequest("page_size", f"must be 1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}; got {asked}")
    return asked or DEFAULT_PAGE_SIZE


def query_of(request: Message) -> bytes:
    """Identity of the query that a list request asks: everything in it but the page."""
    query = type(request)()
    query.CopyFrom(request)
    for place in ("page_size", "page_token", "cursor"):
        if place in query.DESCRIPTOR.fields_by_name:
            query.ClearField(place)
    body = query.DESCRIPTOR.full_name.encode() + b"\0" + query.SerializeToString(deterministic=True)
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()


def to_token(query: bytes, place: list[str | int]) -> str:
    """A token for `place` in the answer to `query`."""
    body = _VERSION + query + json.dumps(place, separators=(",", ":"), ensure_ascii=False).encode()
    check = hashlib.blake2b(body, digest_size=4).digest()
    return base64.urlsafe_b64encode(check + body).decode().rstrip("=")


def from_token(query: bytes, token: str, *, field: str = "page_token") -> list[str | int]:
    """The place in a token.

    Raises:
        InvalidPageToken: It was not made here, is damaged, or belongs to another query.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPageToken(field, "was not made by this service") from None
    check, version, body = raw[:4], raw[4:5], raw[5:]
    if version != _VERSION or check != hashlib.blake2b(raw[4:], digest_size=4).digest():
        raise InvalidPageToken(field, "was not made by this service, or by another version of it: start again")
    if body[:_DIGEST_BYTES] != query:
        raise InvalidPageToken(field, "belongs to another query: keep all other fields as they were")
    place = json.loads(body[_DIGEST_BYTES:])
    if not isinstance(place, list):
        raise InvalidPageToken(field, "was not made by this service")
    return place


def result_token(query: bytes, cursor: ResultCursor) -> str:
    """A token for a place among results."""
    return to_token(query, [cursor.inserted_us, str(cursor.evaluation_id), cursor.attempt])


def result_cursor(query: bytes, token: str, *, field: str = "page_token") -> ResultCursor:
    """The place among results in a token.

    Raises:
        InvalidPageToken: As `from_token`.
    """
    match from_token(query, token, field=field):
        case [int(inserted_us), str(evaluation_id), int(attempt)]:
            return ResultCursor(inserted_us=inserted_us, evaluation_id=uuid_of(evaluation_id, field), attempt=attempt)
        case _:
            raise InvalidPageToken(field, "was not made by this service")


def name_after(query: bytes, token: str) -> str:
    """The name after which a page begins; '' = at the beginning.

    Raises:
        InvalidPageToken: As `from_token`.
    """
    if not token:
        return ""
    match from_token(query, token):
        case [str(name)]:
            return name
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")


def version_below(query: bytes, token: str) -> int | None:
    """The version below which a page begins; None = at the beginning.

    Raises:
        InvalidPageToken: As `from_token`.
    """
    if not token:
        return None
    match from_token(query, token):
        case [int(version)]:
            return version
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")


def uuid_of(text: str, field: str = "page_token") -> uuid.UUID:
    """An id in a token.

    Raises:
        InvalidPageToken: It is none.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidPageToken(field, "was not made by this service") from None
