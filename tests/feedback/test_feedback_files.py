"""Feedback in files comes back as it was written, and what is wrong in one is said by line."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from feedback_parts import EXPECTED

from assay.client_feedback_model import Feedback, NewFeedback
from assay.feedback_files import FileFormat, Unreadable, format_of, read, write
from evaluator.feedback.verdicts import Stated
from storage.feedback import FeedbackStatus
from storage.model import Level, OutputType, Score, TargetRef

TRACE, SPAN = "ab" * 16, "cd" * 8
TARGETS = [
    TargetRef(level=Level.SPAN, trace_id=TRACE, span_id=SPAN),
    TargetRef(level=Level.TRACE, trace_id=TRACE),
    TargetRef(level=Level.SESSION, session_id="=1+1 session"),
]
HOSTILE = [
    "=cmd|' /C calc'!A0",
    "'quoted",
    "+1",
    "-2.5",
    "@x",
    'a,b;"c"\r\nd',
    "\ttab",
    "日本語 🦊\u2028",
    "\\",
    "x\0y",
]


def _feedback(target: TargetRef, text: str, expected: Score, **other: Any) -> Feedback:
    fields: dict[str, Any] = {
        "feedback_id": str(uuid.uuid4()),
        "target": target,
        "metric": "m",
        "metric_version": 2,
        "expected": expected,
        "explanation": text,
        "annotator": text.strip(),
        "judged": Score(value=0.5, explanation=text * 1000),
        "created": datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC),
    }
    return Feedback(**fields | other)


@pytest.mark.parametrize("file_format", list(FileFormat))
def test_what_is_written_is_read_back(file_format: FileFormat):
    """Every output type and level, and texts that spreadsheets and parsers take for something else."""
    sent = [
        _feedback(TARGETS[number % 3], text, EXPECTED[output][1])
        for number, (text, output) in enumerate((text, output) for text in [*HOSTILE, "plain"] for output in OutputType)
    ]
    lines = list(read("".join(write(sent, file_format)), file_format))
    assert [line.error for line in lines] == [""] * len(sent)
    for each, line in zip(sent, lines, strict=True):
        entry = line.entry
        assert entry is not None
        assert (entry.target, entry.metric, entry.version, entry.feedback_id, entry.created) == (
            each.target,
            each.metric,
            each.metric_version,
            each.feedback_id,
            each.created,
        )
        assert (entry.explanation, entry.annotator) == (each.explanation, each.annotator)
        assert isinstance(entry.expected, (str, Stated))


def test_no_cell_of_a_spreadsheet_is_a_formula():
    """Texts of annotators, judges and applications stand in it."""
    sent = [_feedback(TARGETS[2], text, Score(text=text)) for text in HOSTILE]
    rows = list(csv.reader(io.StringIO("".join(write(sent, FileFormat.CSV)), newline="")))
    cells = [cell for row in rows[1:] for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert sorted(set(cells)) == ["+1", "-2.5"]  # numbers


def test_what_was_taken_back_is_passed_over():
    """It stands in an export, and is no feedback any more."""
    gone = _feedback(TARGETS[0], "x", Score(value=1.0), status=FeedbackStatus.RETRACTED)
    for file_format in FileFormat:
        [line] = read("".join(write([gone], file_format)), file_format)
        assert (line.entry, line.error) == (None, "")


def test_a_file_of_results_and_verdicts_is_enough():
    """As people make it of a list of results: an id and what it should have been."""
    result_id = str(uuid.uuid4())
    [line] = read(f"\ufeffresult_id,expected,other\r\n{result_id},0.6,x\r\n", FileFormat.CSV)
    assert line.entry == NewFeedback(expected="0.6", result_id=result_id)
    [line] = read(f'{{"result_id": "{result_id}", "expected": ["a", "b"]}}\n\n', FileFormat.JSONL)
    assert line.entry == NewFeedback(expected=["a", "b"], result_id=result_id)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "no JSON object"),
        ('{"expected": tru}', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"expected": true}', "name a result_id"),
        (f'{{"trace_id": "{TRACE}", "expected": true}}', "metric is required"),
        (f'{{"trace_id": "{TRACE}", "metric": "m"}}', "expected is required"),
        (f'{{"trace_id": "{TRACE}", "metric": "m", "expected": {{"v": 1}}}}', "expected must be"),
        (f'{{"trace_id": "{TRACE}", "metric": "m", "expected": {{"value": "1"}}}}', "value that is a number"),
        (f'{{"trace_id": "{TRACE}", "metric": "m", "expected": {{"labels": "a"}}}}', "labels"),
        ('{"trace_id": "xyz", "metric": "m", "expected": 1}', "trace_id must be 32"),
        ('{"result_id": "xyz", "expected": 1}', "result_id must be a UUID"),
        ('{"result_id": 5, "expected": 1}', "result_id must be a text"),
        (f'{{"trace_id": "{TRACE}", "metric": "m", "expected": 1, "metric_version": "x"}}', "whole number"),
        (f'{{"trace_id": "{TRACE}", "metric": "m", "expected": 1, "create_time": "noon"}}', "create_time"),
    ],
)
def test_a_bad_line_says_what_to_change(line: str, said: str):
    """By its number in an editor; the lines around it are read."""
    good = f'{{"trace_id": "{TRACE}", "metric": "m", "expected": 1}}'
    lines = list(read(f"{good}\n\n{line}\n{good}", FileFormat.JSONL))
    assert [each.number for each in lines if each.error] == [3]
    assert said in lines[1].error
    assert [each.number for each in lines if each.entry] == [1, 4]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("trace_id,metric\n", "`expected`"),
        ("trace_id,metric,expectd\n", "did you mean it with 'expectd'"),
        ("metric,expected\n", "`result_id`"),
        ("trace_id,metric,expected,explanaton\n", "did you mean 'explanation'"),
    ],
)
def test_a_header_that_names_too_little_says_what_to_name(text: str, said: str):
    """Before any line is read."""
    with pytest.raises(Unreadable, match=said):
        list(read(text, FileFormat.CSV))


def test_rows_that_do_not_fit_their_header_are_named():
    """A comma that should have been quoted."""
    [line] = read(f"trace_id,metric,expected\n{TRACE},m,true,because, so\n", FileFormat.CSV)
    assert "quote texts that hold commas" in line.error


def test_the_end_of_a_name_says_how_it_is_written():
    """Or somebody has to."""
    assert [format_of(name) for name in ("a.csv", "b.JSONL", "c.ndjson")] == [
        FileFormat.CSV,
        FileFormat.JSONL,
        FileFormat.JSONL,
    ]
    with pytest.raises(Unreadable, match="--format"):
        format_of("-")
