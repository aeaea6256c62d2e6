"""The one error table: what each refusal is on the wire.

One question decides: is a retry worth it?  Only then the answer carries `google.rpc.RetryInfo`.  What is not in the
table is a bug: it is answered with an id that is in the log, and nothing else.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from evaluator import errors as evaluator_errors
from evaluator.alignment.model import BudgetExhausted, ModelUnavailable
from storage import errors as storage_errors

log = logging.getLogger(__name__)

DOMAIN = "assay"
DETAILS_KEY = "grpc-status-details-bin"
OURS = "/evaluator.v1."
MAX_TEXT_BYTES = 1000
"""Of a message that echoes user input: status and details are headers, of which a client takes 8 KiB by default."""


MAX_DETAILS_BYTES = 4000


class InvalidRequest(ValueError):
    """A field of a request is not acceptable.  `field` is its path, `targets[3].span.trace_id` for example."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = message


class InvalidPageToken(InvalidRequest):
    """A page token or cursor was not made here, or belongs to another query."""


class ServerStopping(Exception):
    """The server is stopping; another one, or the same after its restart, will go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an error is on the wire.  `retry_seconds` is set where a retry is worth it."""

    code: StatusCode
    reason: str
    retry_seconds: float | None = None


TABLE: Mapping[type[BaseException], Meaning] = {
    InvalidRequest: Meaning(code=StatusCode.INVALID_ARGUMENT, reason="INVALID_REQUEST"),
    InvalidPageToken: Meaning(code=StatusCode.INVALID_ARGUMENT, reason="INVALID_PAGE_TOKEN"),
    ServerStopping: Meaning(code=StatusCode.UNAVAILABLE, reason="SERVER_STOPPING", retry_seconds=1.0),
    evaluator_errors.EvaluatorError: Meaning(code=StatusCode.INTERNAL, reason="INTERNAL"),
    evaluator_errors.InvalidDefinition: Meaning(code=StatusCode.INVALID_ARGUMENT, reason="INVALID_DEFINITION"),
    evaluator_errors.InvalidDefinitions: Meaning(code=StatusCode.INVALID_ARGUMENT, reason="INVALID_DEFINITIONS"),
    evaluator_errors.InvalidFilter: Meaning(code=StatusCode.INVALID_ARGUMENT, reason="INVALID_FILTER"),
    evaluator_errors.MetricNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="METRIC_NOT_FOUND"),
    evaluator_errors.RuleNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="RULE_NOT_FOUND"),
    evaluator_errors.AlertNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="ALERT_NOT_FOUND"),
    evaluator_errors.DeliveryNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="DELIVERY_NOT_FOUND"),
    evaluator_errors.TargetNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="TARGET_NOT_FOUND"),
    evaluator_errors.ResultNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="RESULT_NOT_FOUND"),
    evaluator_errors.InvalidFeedback: Meaning(code=StatusCode.INVALID_ARGUMENT, reason="INVALID_FEEDBACK"),
    evaluator_errors.FeedbackNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="FEEDBACK_NOT_FOUND"),
    evaluator_errors.BulkNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="BULK_NOT_FOUND"),
    evaluator_errors.RunNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="RUN_NOT_FOUND"),
    evaluator_errors.LevelMismatch: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="LEVEL_MISMATCH"),
    evaluator_errors.RequiredMetricMissing: Meaning(
        code=StatusCode.FAILED_PRECONDITION, reason="REQUIRED_METRIC_MISSING"
    ),
    evaluator_errors.MetricInUse: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="METRIC_IN_USE"),
    evaluator_errors.TooManyTargets: Meaning(code=StatusCode.RESOURCE_EXHAUSTED, reason="TOO_MANY_TARGETS"),
    evaluator_errors.BudgetSpent: Meaning(code=StatusCode.RESOURCE_EXHAUSTED, reason="BUDGET_SPENT", retry_seconds=1.0),
    evaluator_errors.AlignmentNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="ALIGNMENT_NOT_FOUND"),
    evaluator_errors.AlignmentNotEnded: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="ALIGNMENT_NOT_ENDED"),
    evaluator_errors.SourceNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="SOURCE_NOT_FOUND"),
    evaluator_errors.NoResolvedAnnotations: Meaning(
        code=StatusCode.FAILED_PRECONDITION, reason="NO_RESOLVED_ANNOTATIONS"
    ),
    evaluator_errors.NotAJudge: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="NOT_A_JUDGE"),
    evaluator_errors.IncompatibleOutputType: Meaning(
        code=StatusCode.FAILED_PRECONDITION, reason="INCOMPATIBLE_OUTPUT_TYPE"
    ),
    evaluator_errors.AlreadyAccepted: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="ALREADY_ACCEPTED"),
    evaluator_errors.AlreadyDiscarded: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="ALREADY_DISCARDED"),
    evaluator_errors.NoGuidelines: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="NO_GUIDELINES"),
    evaluator_errors.NotSupported: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="NOT_SUPPORTED"),
    evaluator_errors.RegressionBroken: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="REGRESSION_BROKEN"),
    evaluator_errors.BaseMoved: Meaning(code=StatusCode.ABORTED, reason="BASE_MOVED"),
    evaluator_errors.QueueNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="QUEUE_NOT_FOUND"),
    evaluator_errors.QueueEmpty: Meaning(code=StatusCode.NOT_FOUND, reason="QUEUE_EMPTY"),
    evaluator_errors.ItemNotFound: Meaning(code=StatusCode.NOT_FOUND, reason="ITEM_NOT_FOUND"),
    evaluator_errors.ReservationLost: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="RESERVATION_LOST"),
    evaluator_errors.AlreadyReviewed: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="ALREADY_REVIEWED"),
    BudgetExhausted: Meaning(code=StatusCode.RESOURCE_EXHAUSTED, reason="BUDGET_EXHAUSTED", retry_seconds=60.0),
    ModelUnavailable: Meaning(code=StatusCode.UNAVAILABLE, reason="MODEL_UNAVAILABLE", retry_seconds=5.0),
    storage_errors.StorageError: Meaning(code=StatusCode.INTERNAL, reason="INTERNAL"),
    storage_errors.Unavailable: Meaning(code=StatusCode.UNAVAILABLE, reason="STORAGE_UNAVAILABLE", retry_seconds=1.0),
    storage_errors.DiskLow: Meaning(code=StatusCode.UNAVAILABLE, reason="DISK_LOW", retry_seconds=30.0),
    storage_errors.Rejected: Meaning(code=StatusCode.INTERNAL, reason="INTERNAL"),
    storage_errors.QueryRefused: Meaning(code=StatusCode.INVALID_ARGUMENT, reason="QUERY_REFUSED"),
    storage_errors.SchemaError: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="SCHEMA_MISMATCH"),
    storage_errors.DataDirectoryInUse: Meaning(code=StatusCode.FAILED_PRECONDITION, reason="DATA_DIRECTORY_IN_USE"),
    storage_errors.EngineFailed: Meaning(code=StatusCode.UNAVAILABLE, reason="ENGINE_FAILED", retry_seconds=5.0),
    storage_errors.NotFound: Meaning(code=StatusCode.NOT_FOUND, reason="NOT_FOUND"),
    storage_errors.NameTaken: Meaning(code=StatusCode.ALREADY_EXISTS, reason="NAME_TAKEN"),
    storage_errors.VersionMoved: Meaning(code=StatusCode.ABORTED, reason="VERSION_MOVED"),
}
"""Every class of both `errors` modules stands here itself; subclasses made elsewhere mean what their parent means."""

_BUG = Meaning(code=StatusCode.INTERNAL, reason="INTERNAL")


def to_status(error: BaseException) -> Status:
    """`google.rpc.Status` of an error.  A bug is written to the log under an id, and the status names only that."""
    meaning = next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), _BUG)
    if meaning.code is StatusCode.INTERNAL:
        return _internal(error)
    text = _clip(str(error))
    status = Status(code=meaning.code.value[0], message=text)
    _add(status, ErrorInfo(reason=meaning.reason, domain=DOMAIN, metadata=_metadata(error)))
    if isinstance(error, (InvalidRequest, evaluator_errors.InvalidDefinition, evaluator_errors.InvalidFeedback)):
        violation = BadRequest.FieldViolation(field=_clip(error.field), description=_described(error))
        _add(status, BadRequest(field_violations=[violation]))
    if isinstance(error, evaluator_errors.InvalidDefinitions):
        _add(status, _bad_request(error))
    if meaning.retry_seconds is not None:
        seconds = meaning.retry_seconds
        if isinstance(error, (storage_errors.Unavailable, evaluator_errors.BudgetSpent)):
            seconds = error.retry_seconds
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(round(max(seconds, meaning.retry_seconds) * 1000))
        _add(status, retry)
    return status


def _bad_request(error: evaluator_errors.InvalidDefinitions) -> BadRequest:
    """As many of the violations as a trailer holds."""
    bad = BadRequest()
    for each in error.violations:
        bad.field_violations.add(field=_clip(each.field), description=_clip(each.message))
        if bad.ByteSize() > MAX_DETAILS_BYTES:
            del bad.field_violations[-1]
            break
    return bad


def _internal(error: BaseException) -> Status:
    error_id = uuid.uuid4().hex
    log.error("internal_error", exc_info=error, extra={"error_id": error_id})
    status = Status(
        code=StatusCode.INTERNAL.value[0],
        message=f"internal error; the server's log has it under {error_id}",
    )
    _add(status, ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"error_id": error_id}))
    return status


def _metadata(error: BaseException) -> dict[str, str]:
    match error:
        case evaluator_errors.InvalidFilter(position=position):
            return {"position": str(position)}
        case storage_errors.VersionMoved(current_version=version):
            return {"current_version": str(version)}
        case _:
            return {}


def _described(
    error: InvalidRequest | evaluator_errors.InvalidDefinition | evaluator_errors.InvalidFeedback,
) -> str:
    if isinstance(error, evaluator_errors.InvalidFilter):
        return _clip(f"at character {error.position}: {error.reason}")
    return _clip(error.reason)


def _clip(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_TEXT_BYTES:
        return encoded.decode()
    return encoded[:MAX_TEXT_BYTES].decode("utf-8", "ignore") + "…"


def _add(status: Status, detail: Message) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)


async def _abort(context: Any, error: BaseException) -> NoReturn:
    status = to_status(error)
    code = next(code for code in StatusCode if code.value[0] == status.code)
    await context.abort(code, status.message, ((DETAILS_KEY, status.SerializeToString()),))
    raise AssertionError("abort raises")


class ErrorTable(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Answers what a servicer raises by the table, so that no servicer knows about status codes."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Wrap the handler of one call; see `grpc.aio.ServerInterceptor`."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(OURS):
            return handler  # health and reflection have manners of their own
        kind, wrap = _KINDS[handler.request_streaming, handler.response_streaming]
        return handler._replace(**{kind: wrap(getattr(handler, kind))})


def _single(behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def answer(request: Any, context: Any) -> Any:
        try:
            return await behaviour(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await _abort(context, error)

    return answer


def _streaming(behaviour: Callable[[Any, Any], AsyncIterator[Any]]) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def answer(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for message in behaviour(request, context):
                yield message
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await _abort(context, error)

    return answer


_KINDS: Mapping[tuple[bool, bool], tuple[str, Callable[[Any], Any]]] = {
    (False, False): ("unary_unary", _single),
    (False, True): ("unary_stream", _streaming),
    (True, False): ("stream_unary", _single),
    (True, True): ("stream_stream", _single),  # it writes its answers itself
}
"""By whether request and response are streams: where gRPC keeps the behaviour of a method, and how it is wrapped."""
