"""The one error table."""

from __future__ import annotations

import inspect
import logging

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from evaluator import errors as evaluator_errors
from evaluator.alignment.model import BudgetExhausted
from evaluator.errors import BudgetSpent, InvalidDefinition, InvalidFilter, MetricNotFound
from evaluator.server.errors import TABLE, InvalidRequest, to_status
from storage import errors as storage_errors
from storage.errors import DiskLow, Rejected, Unavailable, VersionMoved


def status(code: StatusCode, message: str, *details: Message) -> Status:
    """A whole status, to compare with."""
    whole = Status(code=code.value[0], message=message)
    for detail in details:
        whole.details.add().Pack(detail)
    return whole


def classes(module: object) -> set[type[BaseException]]:
    """Every exception class that a module defines."""
    return {
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, BaseException) and member.__module__ == getattr(module, "__name__", "")
    }


def test_every_error_of_both_modules_stands_in_the_table() -> None:
    """A new error class is not forgotten here."""
    known = classes(evaluator_errors) | classes(storage_errors)
    assert len(known) > 15
    assert known - set(TABLE) == set()


def test_only_errors_that_are_worth_a_retry_invite_one() -> None:
    """Whoever gets RetryInfo may repeat the very same call: what is away comes back; a budget begins anew each day."""
    inviting = {kind for kind, meaning in TABLE.items() if meaning.retry_seconds is not None}
    away = {kind for kind, meaning in TABLE.items() if meaning.code is StatusCode.UNAVAILABLE}
    assert inviting == away | {BudgetSpent, BudgetExhausted}


def test_a_simple_refusal_has_its_reason() -> None:
    """ErrorInfo with reason and domain, nothing else."""
    assert to_status(MetricNotFound("there is no metric 'x'")) == status(
        StatusCode.NOT_FOUND, "there is no metric 'x'", ErrorInfo(reason="METRIC_NOT_FOUND", domain="assay")
    )


def test_a_refused_field_is_named() -> None:
    """BadRequest says which field, for requests and for definitions."""
    violation = BadRequest.FieldViolation(field="wait", description="must be positive")
    assert to_status(InvalidRequest("wait", "must be positive")) == status(
        StatusCode.INVALID_ARGUMENT,
        "wait: must be positive",
        ErrorInfo(reason="INVALID_REQUEST", domain="assay"),
        BadRequest(field_violations=[violation]),
    )
    violation = BadRequest.FieldViolation(field="metric.prompt", description="is required")
    assert to_status(InvalidDefinition("metric.prompt", "is required")) == status(
        StatusCode.INVALID_ARGUMENT,
        "metric.prompt: is required",
        ErrorInfo(reason="INVALID_DEFINITION", domain="assay"),
        BadRequest(field_violations=[violation]),
    )


def test_a_bad_filter_is_shown_with_its_position() -> None:
    """For people in the violation, for programs in the metadata."""
    violation = BadRequest.FieldViolation(field="rule.filter", description="at character 7: no such column")
    assert to_status(InvalidFilter("no such column", position=7)) == status(
        StatusCode.INVALID_ARGUMENT,
        "rule.filter: no such column",
        ErrorInfo(reason="INVALID_FILTER", domain="assay", metadata={"position": "7"}),
        BadRequest(field_violations=[violation]),
    )


def test_a_moved_version_tells_the_current_one() -> None:
    """The caller reads again and repeats the edit; the same call again would not help, so no RetryInfo."""
    assert to_status(VersionMoved("moved", current_version=4)) == status(
        StatusCode.ABORTED,
        "moved",
        ErrorInfo(reason="VERSION_MOVED", domain="assay", metadata={"current_version": "4"}),
    )


@pytest.mark.parametrize(
    ("error", "reason", "seconds"),
    [
        (Unavailable("away"), "STORAGE_UNAVAILABLE", 1),
        (Unavailable("away", retry_seconds=7.0), "STORAGE_UNAVAILABLE", 7),
        (DiskLow("away"), "DISK_LOW", 30),
    ],
)
def test_an_absent_store_says_when_to_come_again(error: Unavailable, reason: str, seconds: int) -> None:
    """The store's own delay counts where it is longer."""
    assert to_status(error) == status(
        StatusCode.UNAVAILABLE,
        "away",
        ErrorInfo(reason=reason, domain="assay"),
        RetryInfo(retry_delay=Duration(seconds=seconds)),
    )


@pytest.mark.parametrize("bug", [ZeroDivisionError("secret"), ValueError("secret"), Rejected("secret")])
def test_a_bug_shows_an_id_that_is_in_the_log_and_nothing_else(
    bug: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """No text of ours, no stack trace, reaches the caller; the log has both."""
    with caplog.at_level(logging.ERROR, logger="evaluator.server.errors"):
        answered = to_status(bug)
    (record,) = caplog.records
    error_id = vars(record)["error_id"]
    assert answered == status(
        StatusCode.INTERNAL,
        f"internal error; the server's log has it under {error_id}",
        ErrorInfo(reason="INTERNAL", domain="assay", metadata={"error_id": error_id}),
    )
    assert record.exc_info is not None
    assert record.exc_info[1] is bug


def test_a_megabyte_of_somebodys_text_does_not_burst_the_headers() -> None:
    """Status and details travel as headers, of which a client takes 8 KiB; emoji are the worst case."""
    answered = to_status(InvalidDefinition("metric.name", "got " + "🦊" * 1_000_000))
    percent_encoded = 3 * len(answered.message.encode())
    assert percent_encoded + answered.ByteSize() * 4 // 3 < 8 * 1024
