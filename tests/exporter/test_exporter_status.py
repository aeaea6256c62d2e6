"""The one error table: complete, and only what may pass invites a retry."""

from __future__ import annotations

import inspect

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

import exporter.errors
import storage.errors
import storage.otlp.errors
from exporter.errors import BadCompression, BodyBroken, BodyTooLarge, BodyTooSlow, Overloaded, UnsupportedMedia
from exporter.receiver.status import ANSWERS, Answer, answer_to, status_of
from storage.errors import DiskLow, Rejected, Unavailable
from storage.otlp.errors import Malformed, TooLarge

Code = grpc.StatusCode
EXPECTED = {
    Unavailable: Answer(Code.UNAVAILABLE, 503),
    DiskLow: Answer(Code.UNAVAILABLE, 503),
    Overloaded: Answer(Code.RESOURCE_EXHAUSTED, 429),
    Rejected: Answer(Code.INVALID_ARGUMENT, 400),
    Malformed: Answer(Code.INVALID_ARGUMENT, 400),
    BodyTooSlow: Answer(Code.UNAVAILABLE, 503),
    BodyBroken: Answer(Code.INVALID_ARGUMENT, 400),
    BadCompression: Answer(Code.INVALID_ARGUMENT, 400),
    TooLarge: Answer(Code.RESOURCE_EXHAUSTED, 413),
    BodyTooLarge: Answer(Code.RESOURCE_EXHAUSTED, 413),
    UnsupportedMedia: Answer(Code.INVALID_ARGUMENT, 415),
}


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_each_error_has_its_answer_and_only_passing_trouble_has_retry_info(kind: type[Exception]) -> None:
    """A client drops data on the wrong answer, or sends the same bad request for ever."""
    error = kind("why")
    status = status_of(error)
    retry = [detail.Is(RetryInfo.DESCRIPTOR) for detail in status.details]
    expected = EXPECTED[kind]
    passing = issubclass(kind, Unavailable)
    assert (answer_to(error), status.code, status.message, retry) == (
        (expected, expected.grpc.value[0], "why", [True] if passing else [])
    )  # fmt: skip


def test_the_delay_of_an_error_reaches_retry_info() -> None:
    """In seconds, with fractions."""
    info = RetryInfo()
    status_of(Unavailable("x", retry_seconds=2.5)).details[0].Unpack(info)
    assert info.retry_delay.ToTimedelta().total_seconds() == 2.5


def test_the_table_knows_every_error_of_the_exporter_and_the_translator() -> None:
    """An error without an answer would become a bug report instead of a status."""
    start_up = {exporter.errors.ExporterError, exporter.errors.PortInUse}
    own = {
        kind
        for module in (exporter.errors, storage.otlp.errors)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception)
    } - start_up
    assert own | {Rejected} == set(ANSWERS)
