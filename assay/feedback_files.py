"""Feedback in files: CSV for spreadsheets, JSONL for programs.  What is written is read back as it was."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from assay.client_feedback_model import Expected, Feedback, NewFeedback
from evaluator.feedback.verdicts import Stated, as_text
from storage.feedback import FeedbackStatus
from storage.model import Level, Score, TargetRef

READ = (
    "feedback_id", "result_id", "trace_id", "span_id", "session_id", "metric", "metric_version", "expected",
    "explanation", "annotator", "create_time", "status",
)  # fmt: skip
"""Columns that an import reads; of `status` only `retracted` says something: such a line is passed over."""
TOLD = (
    "level", "judged", "judge_explanation", "judge_model", "queue", "earlier_revision", "retract_time", "retractor",
    "retract_reason",
)  # fmt: skip
"""Columns that an export writes besides, for people."""
_FREE = frozenset(
    {"explanation", "annotator", "judge_explanation", "retractor", "retract_reason", "session_id", "expected", "judged"}
)
_NUMBER = re.compile(r"[+-][0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
MAX_FIELD = 2**24


class FileFormat(StrEnum):
    """How feedback stands in a file."""

    CSV = "csv"
    JSONL = "jsonl"


class Unreadable(ValueError):
    """A file as a whole cannot be read; says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a file: feedback, or what is wrong with it; neither = it was taken back, and is passed over."""

    number: int
    entry: NewFeedback | None = None
    error: str = ""


def format_of(name: str) -> FileFormat:
    """By the end of a file's name.

    Raises:
        Unreadable: It says nothing.
    """
    ending = name.rpartition(".")[2].lower()
    known = {"csv": FileFormat.CSV, "jsonl": FileFormat.JSONL, "ndjson": FileFormat.JSONL}
    if ending not in known:
        raise Unreadable(f"{name!r} ends neither in .csv nor in .jsonl; say which it is with --format")
    return known[ending]


def read(text: str, file_format: FileFormat) -> Iterator[Line]:
    """The lines of a file, as numbered in an editor.

    Raises:
        Unreadable: A CSV without a header that names what is needed.
    """
    text = text.removeprefix("\ufeff")
    return _read_csv(text) if file_format is FileFormat.CSV else _read_jsonl(text)


def write(entries: Iterable[Feedback], file_format: FileFormat) -> Iterator[str]:
    """Lines of a file, with their ends; CSV begins with the header."""
    if file_format is FileFormat.JSONL:
        for each in entries:
            yield json.dumps(as_row(each), ensure_ascii=False) + "\n"
        return
    names = (*READ, *TOLD)
    yield _csv_line(names)
    for each in entries:
        row = {**as_row(each), "expected": as_text(each.expected), "judged": as_text(each.judged)}
        yield _csv_line([_cell(name, row[name]) for name in names])


def as_row(each: Feedback) -> dict[str, Any]:
    """Feedback as JSON."""
    return {
        "feedback_id": each.feedback_id,
        "result_id": each.result_id,
        "level": str(each.target.level),
        "trace_id": each.target.trace_id,
        "span_id": each.target.span_id,
        "session_id": each.target.session_id,
        "metric": each.metric,
        "metric_version": each.metric_version,
        "expected": verdict_row(each.expected),
        "explanation": each.explanation,
        "annotator": each.annotator,
        "status": str(each.status),
        "create_time": each.created.isoformat() if each.created else "",
        "judged": verdict_row(each.judged),
        "judge_explanation": each.judged.explanation if each.judged else "",
        "judge_model": each.judge_model,
        "queue": each.queue,
        "earlier_revision": each.earlier_revision,
        "retract_time": each.retracted.isoformat() if each.retracted else "",
        "retractor": each.retractor,
        "retract_reason": each.retract_reason,
    }


def verdict_row(score: Score | None) -> dict[str, Any] | None:
    """A verdict as JSON: what it has."""
    if score is None:
        return None
    row = {"value": score.value, "label": score.label, "labels": list(score.labels), "text": score.text}
    return {name: part for name, part in row.items() if part not in (None, "", [])}


def _read_csv(text: str) -> Iterator[Line]:
    csv.field_size_limit(MAX_FIELD)  # an explanation of a judge may be longer than what the module allows
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip().lower() for name in next(reader)]
    except StopIteration:
        raise Unreadable("the file is empty; its first line names the columns") from None
    except csv.Error as error:
        raise Unreadable(f"it is no CSV: {error}") from None
    _check_header(header)
    return _csv_lines(reader, header)


def _csv_lines(reader: Any, header: list[str]) -> Iterator[Line]:
    number = reader.line_num + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(number=number, error=f"it is no CSV from here on: {error}")
            return
        if any(cells):
            if len(cells) > len(header):
                said = f"{len(cells)} cells where the header names {len(header)}; quote texts that hold commas"
                yield Line(number=number, error=said)
            else:
                row = {name: _text(name, cell) for name, cell in zip(header, cells, strict=False)}
                yield _line(number, row)
        number = reader.line_num + 1


def _check_header(header: list[str]) -> None:
    about = {"result_id", "trace_id", "session_id"} & set(header)
    if "expected" not in header or not about:
        for name in header:
            near = get_close_matches(name, READ, n=1, cutoff=0.75)
            if near and name not in (*READ, *TOLD):
                raise Unreadable(f"the header has no column {near[0]!r}; did you mean it with {name!r}?")
        raise Unreadable(
            "the header must name `expected`, and `result_id`, or `trace_id` (and `span_id`) or `session_id` with "
            f"`metric`; it names {', '.join(header)[:200]}"
        )
    for name in header:
        near = get_close_matches(name, READ, n=1, cutoff=0.85)
        if near and name not in (*READ, *TOLD) and near[0] not in header:
            raise Unreadable(f"there is no column {name!r}; did you mean {near[0]!r}?")


def _read_jsonl(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Line(number=number, error=f"it is no JSON: {error}")
            continue
        if not isinstance(row, dict):
            yield Line(number=number, error='it is no JSON object, such as {"result_id": "…", "expected": true}')
            continue
        yield _line(number, row)


def _line(number: int, row: Mapping[str, Any]) -> Line:
    if row.get("status") == FeedbackStatus.RETRACTED:
        return Line(number=number)
    try:
        return Line(number=number, entry=_entry(row))
    except ValueError as error:
        return Line(number=number, error=str(error))


def _entry(row: Mapping[str, Any]) -> NewFeedback:
    texts = {name: _as_text(row, name) for name in READ if name not in ("expected", "metric_version", "explanation")}
    target = _target(texts)
    if target is None and not texts["result_id"]:
        raise ValueError("name a result_id, or a trace_id (and span_id) or session_id with a metric")
    if target is not None and not texts["metric"]:
        raise ValueError("metric is required where a target is named")
    version = row.get("metric_version") or 0
    try:
        version = int(version)
    except (TypeError, ValueError):
        raise ValueError(f"metric_version must be a whole number, got {version!r}") from None
    return NewFeedback(
        expected=_expected(row.get("expected")),
        target=target,
        metric=texts["metric"],
        version=version,
        result_id=_id(texts["result_id"], "result_id"),
        explanation=_as_text(row, "explanation", strip=False),
        annotator=texts["annotator"],
        feedback_id=_id(texts["feedback_id"], "feedback_id"),
        created=_moment(texts["create_time"]),
    )


def _as_text(row: Mapping[str, Any], name: str, *, strip: bool = True) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {json.dumps(value, default=str)[:100]}")
    return value.strip() if strip and name != "session_id" else value


def _target(texts: Mapping[str, str]) -> TargetRef | None:
    if texts["session_id"] and not texts["trace_id"]:
        return TargetRef(level=Level.SESSION, session_id=texts["session_id"])
    if not texts["trace_id"]:
        return None
    level = Level.SPAN if texts["span_id"] else Level.TRACE
    return TargetRef(level=level, trace_id=texts["trace_id"].lower(), span_id=texts["span_id"].lower())


def _expected(value: object) -> Expected:
    match value:
        case None | "":
            raise ValueError("expected is required: what the metric should have concluded")
        case bool() | int() | float() | str():
            return value
        case list() if all(isinstance(each, str) for each in value):
            return value
        case dict() if set(value) <= {"value", "label", "labels", "text"}:
            return _stated(value)
        case _:
            raise ValueError(
                'expected must be a number, true, false, a label, a list of labels, or {"value": …, "label": …}'
            )


def _stated(parts: Mapping[str, Any]) -> Stated:
    value, labels = parts.get("value"), parts.get("labels") or []
    texts = [parts.get("label") or "", parts.get("text") or ""]
    numeric = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    if not numeric or not all(isinstance(each, str) for each in [*texts, *labels]):
        raise ValueError("expected has a value that is a number, and labels and texts that are texts")
    if not isinstance(labels, list):
        raise ValueError("expected.labels must be a list")
    return Stated(value=None if value is None else float(value), label=texts[0], labels=tuple(labels), text=texts[1])


def _id(text: str, name: str) -> str:
    try:
        return str(uuid.UUID(text)) if text else ""
    except ValueError:
        raise ValueError(f"{name} must be a UUID, got {text[:100]!r}") from None


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"create_time must be a time such as 2026-11-22T10:00:00Z, got {text[:100]!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cell(name: str, value: object) -> str:
    """A value in a cell.  A spreadsheet takes a text for a formula by its first character, so that is quoted."""
    text = "" if value is None else str(value)
    return f"'{text}" if name in _FREE and text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _text(name: str, cell: str) -> str:
    return cell[1:] if name in _FREE and cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_MINIMAL).writerow(cells)
    return line.getvalue()
