"""One running installation, with scored telemetry in it, for every test of the command line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_installation import Installation, installation, judged_by, scripted_judge, wait_until
from sent_spans import chat_spans, ids_of, send


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """`assay up` with a scripted judge.  Tests make metrics and rules of their own, and leave others' alone."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds the processes of an installation in /proc, which this system does not have")
    folder = tmp_path_factory.mktemp("cli")
    with scripted_judge() as judge, installation(folder, judged_by(judge)) as place:
        yield place


@pytest.fixture(scope="session")
def trace(running: Installation) -> tuple[str, list[str]]:
    """A stored trace of two model calls that answer rightly: its id, and the ids of its spans, the root first."""
    request = chat_spans(
        random.Random("cli"), 2, service="cli", question="What is the capital of France?", answer="It is Paris."
    )
    send(running.endpoints["otlp_grpc"], request)
    ids = ids_of(request)
    count = f"SELECT count() AS n FROM otel_traces WHERE TraceId = '{ids[0][0]}'"
    wait_until("the trace to be stored", lambda: running.query(count) == [{"n": 2}])
    return ids[0][0], [span_id for _, span_id in ids]
