"""Compares normalised records with the ground truth of the captures: `python -m tests.dialects.conformance [--json]`.

Right: as the ground truth says.  Wrong: something else.  Missing: absent though it was sent.  Invented: there though
the emitter did not send it.  Exit code 0 when all that is not right is on the list of allowances, else 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from evaluator.targets.normalise import normalise_span, normalise_trace
from evaluator.targets.record import SpanRecord, TraceRecord
from storage.model import StoredLog, StoredSpan
from storage.otlp.stored import stored_logs, stored_spans

FIXTURES = Path(__file__).parent.parent / "fixtures" / "otlp"

Verdict = Literal["right", "wrong", "missing", "invented"]
VERDICTS: tuple[Verdict, ...] = ("right", "wrong", "missing", "invented")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One asserted field of one span or trace."""

    family: str
    where: str
    field: str
    verdict: Verdict
    expected: object = None
    got: object = None

    @property
    def place(self) -> str:
        """`family/scenario target field`, by which an allowance names it."""
        return f"{self.where} {self.field}"

    @property
    def key(self) -> tuple[str, str]:
        """Place and verdict, for which an allowance is given."""
        return self.place, self.verdict


def allowances() -> dict[tuple[str, str], str]:
    """(place, verdict) -> why a record may differ from the ground truth there."""
    listed = yaml.safe_load(Path(__file__).with_name("allowances.yaml").read_text("utf-8"))
    return {(entry["place"], entry["verdict"]): entry["reason"] for entry in listed}


def findings(families: Sequence[str] = (), fixtures: Path = FIXTURES) -> Iterator[Finding]:
    """Every asserted field of every capture (or of some families)."""
    for path in sorted(fixtures.glob("*/*.expected.yaml")):
        family, scenario = path.parent.name, path.name.removesuffix(".expected.yaml")
        if families and family not in families:
            continue
        truth = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
        spans, logs = capture(path.parent, scenario)
        for field, verdict, target, expected, got in _compared(truth, spans, logs):
            where = f"{family}/{scenario} {target}"
            yield Finding(family=family, where=where, field=field, verdict=verdict, expected=expected, got=got)


def capture(folder: Path, scenario: str) -> tuple[list[StoredSpan], list[StoredLog]]:
    """Spans and logs of one capture."""
    logs = folder / f"{scenario}.logs.pb"
    return stored_spans((folder / f"{scenario}.pb").read_bytes()), stored_logs(
        logs.read_bytes()
    ) if logs.exists() else []


Compared = tuple[str, Verdict, str, object, object]


def _compared(truth: Mapping[str, Any], spans: list[StoredSpan], logs: list[StoredLog]) -> Iterator[Compared]:
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    traces = {
        trace["trace_id"]: normalise_trace([span for span in spans if span.trace_id == trace["trace_id"]], logs)
        for trace in truth["traces"]
    }
    for trace in truth["traces"]:
        record = traces[trace["trace_id"]]
        for field, verdict, expected, got in _of_trace(trace, record):
            yield f"trace.{field}", verdict, trace["trace_id"], expected, got
    entries = {entry["span_id"]: entry for entry in truth["spans"]}
    for entry in truth["spans"]:
        span = by_id[entry["trace_id"], entry["span_id"]]
        alone = normalise_span(span, logs)
        for field, verdict, expected, got in _of_span(entry["expected"], alone):
            yield field, verdict, f"{entry['name']}[{entry['span_id']}]", expected, got
        for field, verdict, expected, got in _of_pair(entry, entries, traces[entry["trace_id"]]):
            yield field, verdict, f"{entry['name']}[{entry['span_id']}]", expected, got


FieldCompared = tuple[str, Verdict, object, object]


def _of_trace(truth: Mapping[str, Any], record: TraceRecord) -> Iterator[FieldCompared]:
    for field in ("n_spans", "llm_calls", "root_span"):
        got = len(record.spans) if field == "n_spans" else getattr(record, field)
        yield field, "right" if got == truth[field] else "wrong", truth[field], got
    total = {name: record.usage_total.get(name) for name in truth["usage_total"]}
    yield "usage_total", "right" if total == truth["usage_total"] else "wrong", truth["usage_total"], total
    for field in ("session_id", "user_id", "tags", "metadata"):
        expected, got = truth[field], getattr(record, field)
        if expected is None and field == "metadata":
            continue  # null says that the script set none; frameworks and applications may
        yield field, _verdict(expected is None, bool(got), _same_set(expected, got)), expected, got


def _verdict(not_sent: bool, there: bool, same: bool) -> Verdict:
    if not_sent:
        return "invented" if there else "right"
    return "missing" if not there else "right" if same else "wrong"


def _same_set(expected: object, got: object) -> bool:
    if isinstance(expected, list) and isinstance(got, (list, tuple)):
        return sorted(expected) == sorted(got)
    return expected == got


_TWINS = frozenset({"duplicate_of_parent", "wraps_child_llm", "duplicate_of_child_or_parent", "completes_call_of"})
_NO_FIELDS = _TWINS | frozenset({
    "where", "not_emitted", "kind_accept", "call", "request_model_accept", "provider_raw", "input_messages_partial",
    "tool_arguments_note", "documents_note", "trace_tags", "tool_failed_but_status_not_error",
})  # fmt: skip


def _of_span(expected: Mapping[str, Any], record: SpanRecord) -> Iterator[FieldCompared]:
    shown = record.to_dict()
    for field, value in expected.items():
        if field in _NO_FIELDS:
            continue
        got = _got(field, shown)
        if got is None:
            yield field, "missing", value, None
        else:
            yield field, _judged(field, value, got, expected), value, got
    for field in expected.get("not_emitted", ()):
        got = _got(field, shown)
        yield field, "right" if got is None else "invented", None, got


def _of_pair(entry: Mapping[str, Any], entries: Mapping[str, Any], trace: TraceRecord) -> Iterator[FieldCompared]:
    """Spans that are one call with another: either of the two may be the one that counts."""
    record = trace.span(entry["span_id"])
    if record is None:
        yield "span", "missing", entry["span_id"], None
        return
    told = sorted(_TWINS & set(entry["expected"]))
    kin = [other for other in trace.spans if other.span_id != record.span_id and other.kind == record.kind]
    if told and kin:  # else the other half is in another trace, or is of no kind
        linked = record.duplicate_of is not None or any(other.duplicate_of == record.span_id for other in kin)
        yield "duplicate_of", "right" if linked else "missing", told[0], record.duplicate_of
    elif record.duplicate_of is not None and record.kind == "llm":
        partner = entries[record.duplicate_of]
        yield "duplicate_of", "right" if _TWINS & set(partner["expected"]) else "invented", None, record.duplicate_of


def _judged(field: str, value: Any, got: Any, truth: Mapping[str, Any]) -> Verdict:
    if _agrees(field, value, got, truth):
        return "right"
    if field in ("usage", "usage_aggregate", "params", "metadata"):
        return "missing" if all(got.get(name, wanted) == wanted for name, wanted in value.items()) else "wrong"
    if field == "input_messages" and any("media" in message for message in value):
        textual = [{name: part for name, part in message.items() if name != "media"} for message in value]
        sent = any("media" in message for message in got)
        return "missing" if not sent and _agrees(field, textual, got, truth) else "wrong"
    return "wrong"


def _got(field: str, shown: Mapping[str, Any]) -> Any:
    """The record's field that an asserted one is about."""
    name = {
        "input_text_contains": "input_text", "output_text_contains": "output_text", "tool_error_contains": "tool_error",
        "error_message_contains": "error_message", "cost_usd_approx": "cost_usd", "input_texts_contain": "input_texts",
        "output_results": "documents",
    }.get(field, field)  # fmt: skip
    if field == "output_texts":
        return shown.get("output_text")
    if field == "input_documents":
        return [document["content"] for document in shown.get("input_documents", [])] or None
    return shown.get(name)


def _agrees(field: str, expected: Any, got: Any, truth: Mapping[str, Any]) -> bool:
    match field:
        case "kind":
            return got == expected or got in truth.get("kind_accept", ())
        case "request_model":
            return got == expected or got in truth.get("request_model_accept", ())
        case "input_messages":
            return _messages_agree(expected, got, partial=bool(truth.get("input_messages_partial")))
        case "output_tool_calls":
            return len(expected) == len(got) and all(map(_call_agrees, expected, got))
        case "tool_arguments":
            lost = "tool_arguments_note" in truth and isinstance(expected, Mapping) and got in expected.values()
            return lost or _json_equal(expected, got)
        case "tool_result":
            return _json_equal(expected, got)
        case "documents":
            return len(expected) == len(got) and all(map(_document_agrees, expected, got))
        case "usage" | "usage_aggregate" | "params":
            return all(got.get(name) == value for name, value in expected.items())
        case "cost_usd_approx":
            return abs(float(got) - float(expected)) <= 1e-9 + 0.02 * float(expected)
        case "tags":
            return sorted(expected) == sorted(got)
        case "metadata":
            return all(got.get(name) == value for name, value in expected.items())
        case "output_texts":
            return all(text in got for text in expected)
        case "input_texts_contain":
            return all(any(text in whole for whole in got) for text in expected)
        case _ if field.endswith("_contains"):
            return expected in got
        case "input_text" | "output_text" | "system_prompt" | "query":
            return str(expected).strip() == str(got).strip()
        case _:
            return str(expected) == str(got) if isinstance(expected, str) else bool(expected == got)


def _messages_agree(expected: Sequence[Any], got: Sequence[Any], *, partial: bool) -> bool:
    if not partial and len(expected) != len(got):
        return False
    if partial:
        return all(any(_message_agrees(wanted, message) for message in got) for wanted in expected)
    return all(map(_message_agrees, expected, got))


def _message_agrees(expected: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    if expected["role"] != got["role"]:
        return False
    if "content" in expected and not _content_agrees(
        expected["content"], got["content"], tool=expected["role"] == "tool"
    ):
        return False
    if "content_contains" in expected and expected["content_contains"] not in got["content"]:
        return False
    calls, got_calls = expected.get("tool_calls", []), got.get("tool_calls", [])
    if len(calls) != len(got_calls) or not all(map(_call_agrees, calls, got_calls)):
        return False
    if "tool_call_id" in expected and expected["tool_call_id"] != got.get("tool_call_id"):
        return False
    return "media" not in expected or list(expected["media"]) == list(got.get("media", []))


def _content_agrees(expected: object, got: object, *, tool: bool) -> bool:
    return _json_equal(expected, got) if tool else (expected or "") == (got or "")


def _call_agrees(expected: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    return (
        expected["name"] == got["name"]
        and _json_equal(expected.get("arguments"), got.get("arguments"))
        and ("id" not in expected or expected["id"] == got.get("id"))
    )


def _document_agrees(expected: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    if expected.get("content") != got.get("content"):
        return False
    soft = all(name not in got or name not in expected or got[name] == expected[name] for name in ("id",))
    score = "score" not in got or "score" not in expected or abs(float(got["score"]) - float(expected["score"])) < 1e-6
    known = expected.get("metadata", {})
    metadata = all(known[name] == value for name, value in got.get("metadata", {}).items() if name in known)
    return soft and score and metadata


def _json_equal(expected: object, got: object) -> bool:
    return _as_json(expected) == _as_json(got)


def _as_json(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping) and value[0].get("type") == "text":
        return _as_json(value[0].get("text", value[0].get("content")))
    return value


def counted(found: Sequence[Finding]) -> dict[str, dict[str, dict[str, int]]]:
    """Family -> field -> verdict -> how often."""
    table: dict[str, dict[str, dict[str, int]]] = {}
    for finding in found:
        cell = table.setdefault(finding.family, {}).setdefault(finding.field, dict.fromkeys(VERDICTS, 0))
        cell[finding.verdict] += 1
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and what differs by allowance; exit 1 when anything differs without one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("families", nargs="*", help="only these families")
    parser.add_argument("--fixtures", type=Path, default=FIXTURES, help="captures with their ground truth")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--details", action="store_true", help="print expected and got also where a difference is allowed"
    )
    options = parser.parse_args(arguments)
    found = list(findings(options.families, options.fixtures))
    table = counted(found)
    reasons = allowances()
    if options.json:
        print(json.dumps(table, indent=1))
    else:
        _print(table, found, reasons, details=options.details)
    return int(any(finding.verdict != "right" and finding.key not in reasons for finding in found))


def _print(
    table: Mapping[str, Mapping[str, Mapping[str, int]]],
    found: Sequence[Finding],
    reasons: Mapping[tuple[str, str], str],
    *,
    details: bool,
) -> None:
    print(f"{'family':30} {'field':28} {'right':>6} {'wrong':>6} {'missing':>8} {'invented':>9}")
    for family, fields in table.items():
        for field, cell in sorted(fields.items()):
            print(
                f"{family:30} {field:28} {cell['right']:6} {cell['wrong']:6} {cell['missing']:8} {cell['invented']:9}"
            )
    total = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in VERDICTS}
    print(f"{'all':30} {'all':28} {total['right']:6} {total['wrong']:6} {total['missing']:8} {total['invented']:9}")
    for finding in found:
        if finding.verdict != "right":
            reason = reasons.get(finding.key)
            print(f"{finding.verdict:8} {finding.place}: " + (f"allowed, {reason}" if reason else "NOT ALLOWED"))
            if details or not reason:
                print(f"  expected {finding.expected!r}\n  got      {finding.got!r}")


if __name__ == "__main__":
    sys.exit(main())
