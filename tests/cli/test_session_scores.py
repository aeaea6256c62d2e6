"""A session from the command line: through gRPC to a stored result, and back out of SQL."""

from __future__ import annotations

import random
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from running_installation import Installation, wait_until
from sent_spans import chat_spans, ids_of, send

SESSION = 'it\'s "one" session: 日本 \U0001f600'
METRIC = """\
name: session_characters
kind: code
levels: [session]
output_type: count
function: response_length
"""


def test_a_session_is_scored_listed_and_shown_where_sql_looks(running: Installation, tmp_path: Path) -> None:
    """Two traces of two services; its id has every kind of character that a shell or SQL could trip over."""
    first = _turn("France", "It is Paris.", "web")
    second = _turn("Italy", "It is Rome, of course.", "bot")
    for request in (first, second):
        send(running.endpoints["otlp_grpc"], request)
    path = tmp_path / "metric.yaml"
    path.write_text(METRIC)
    assert running.run("metric", "create", "--file", str(path)).code == 0
    target = f"session:{SESSION}"
    asked = running.run("score", "target", target, "--metric", "session_characters", "--json")
    assert asked.code == 0, asked.err
    [row] = asked.json
    scored = {name: row[name] for name in ("level", "session_id", "trace_id", "status", "value")}
    assert scored == {"level": "session", "session_id": SESSION, "trace_id": "", "status": "success", "value": 22.0}
    listed = running.run("score", "list", "--target", target, "--json")
    assert (listed.code, listed.json) == (0, [row])
    assert f"session:{SESSION}" in running.run("score", "list", "--target", target).out.replace("\n", "")
    key = "gen_ai.evaluation.session_characters.score.value"
    view = f"SELECT EvaluationAttributes['{key}'] AS value, Traces FROM sessions WHERE startsWith(SessionId, 'it''s')"
    assert running.query(view) == [{"value": "22", "Traces": 2}]
    on_span = f"EvaluationAttributes['{key.replace('.evaluation.', '.evaluation.session.')}']"
    root = ids_of(first)[0][1]
    written = f"SELECT {on_span} AS value FROM spans WHERE SpanId = '{root}' AND {on_span} != ''"
    wait_until("the result to be on the root of the first trace", lambda: running.query(written) == [{"value": "22"}])


def _turn(place: str, answer: str, service: str) -> ExportTraceServiceRequest:
    request = chat_spans(
        random.Random(place), 1, service=service, question=f"What is the capital of {place}?", answer=answer
    )
    [span] = request.resource_spans[0].scope_spans[0].spans
    span.attributes.add(key="session.id").value.string_value = SESSION
    return request
