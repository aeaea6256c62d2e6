"""A result as the log record of OpenTelemetry's conventions: the event `gen_ai.evaluation.result`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from evaluator.online import event_names as names
from storage.model import Evaluation, Failure, Level, Score

MAX_LABEL_CHARACTERS = 512
MAX_EXPLANATION_CHARACTERS = 16_384
"""The whole of it is in the table `evaluations`."""
MAX_RECORD_BYTES = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def record_of(evaluation: Evaluation) -> LogRecord:
    """The event of a score or a failure, in the context of the judged span: of traces and sessions that of their root.

    Attributes of ours are those under `assay.`; the same `assay.result.id` and `assay.result.attempt` again is the same
    result.
    """
    outcome, anchor, target = evaluation.outcome, evaluation.anchor, evaluation.target
    failed = isinstance(outcome, Failure)
    record = LogRecord(
        event_name=names.EVENT,
        time_unix_nano=(evaluation.evaluated - _EPOCH) // timedelta(microseconds=1) * 1000,
        observed_time_unix_nano=(evaluation.inserted_us or 0) * 1000,
        severity_number=SeverityNumber.SEVERITY_NUMBER_WARN if failed else SeverityNumber.SEVERITY_NUMBER_INFO,
        severity_text="WARN" if failed else "INFO",
        trace_id=bytes.fromhex(anchor.trace_id if anchor else target.trace_id),
        span_id=bytes.fromhex(anchor.span_id if anchor else target.span_id),
    )
    texts = {names.NAME: evaluation.metric}
    match outcome:
        case Score():
            if outcome.value is not None:
                record.attributes.add(key=names.VALUE).value.double_value = outcome.value
            texts[names.LABEL] = _label(outcome)
            texts[names.EXPLANATION] = _cut(outcome.explanation, MAX_EXPLANATION_CHARACTERS)
        case Failure():
            texts[names.ERROR] = outcome.code
            texts[names.EXPLANATION] = _cut(outcome.message, MAX_EXPLANATION_CHARACTERS)
    texts |= {
        names.RESULT_ID: str(evaluation.evaluation_id),
        names.EVALUATOR: f"{evaluation.kind}/{evaluation.metric}",
        names.METRIC_DIGEST: evaluation.metric_digest,
        names.LEVEL: str(target.level),
        names.TARGET: target.key,
        names.SCOPE: anchor.service_name if anchor else "",
        names.RULE: evaluation.rule,
        names.RUN: evaluation.run,
    }
    if target.level is Level.SESSION:
        texts[names.SESSION_ID] = target.session_id
    record.attributes.extend(_text(key, text) for key, text in texts.items() if text)
    for key, number in ((names.METRIC_VERSION, evaluation.metric_version), (names.ATTEMPT, evaluation.attempt)):
        record.attributes.add(key=key).value.int_value = number
    return record


def requests_of(evaluations: Iterable[Evaluation]) -> list[Sequence[LogRecord]]:
    """Records in groups of about a megabyte: receivers commonly take four in one request."""
    groups: list[list[LogRecord]] = []
    room = 0
    for record in map(record_of, evaluations):
        size = record.ByteSize()
        if size > room:
            groups.append([])
            room = MAX_RECORD_BYTES
        groups[-1].append(record)
        room -= size
    return list(groups)


def request_of(records: Sequence[LogRecord], *, version: str) -> ExportLogsServiceRequest:
    """One request of the program `assay`."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend([_text(names.SERVICE, "assay"), _text("service.version", version)])
    scoped = group.scope_logs.add()
    scoped.scope.name, scoped.scope.version = "assay", version
    scoped.log_records.extend(records)
    return request


def _label(score: Score) -> str:
    """As on spans: several labels as a JSON list, a text by its beginning."""
    if score.labels:
        return json.dumps(list(score.labels), ensure_ascii=False)
    return score.label or _cut(score.text, MAX_LABEL_CHARACTERS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(key: str, text: str) -> KeyValue:
    item = KeyValue(key=key)
    item.value.string_value = text.encode("utf-8", "replace").decode()
    return item
