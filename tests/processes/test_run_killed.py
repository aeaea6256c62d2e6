"""A run while its evaluator is killed."""

from __future__ import annotations

import random
from pathlib import Path

from running_installation import installation, judged_by, scripted_judge, wait_until
from sent_spans import chat_spans, ids_of, send

from assay.client import CallFailed, Client, Level
from evaluator.runs.definition import Where
from evaluator.runs.worker import Pace
from storage.runs import RunState

TARGETS = 80
SCORED = "SELECT count() AS rows, uniqExact(SpanId) AS spans FROM evaluations WHERE RunId != '' AND Status = 'success'"


def test_a_run_whose_evaluator_is_killed_ends_with_every_result_and_pays_for_none_of_them_twice(
    tmp_path: Path,
) -> None:
    """kill -9 in the middle: the next process goes on at the checkpoint, and buys only what was under way."""
    numbers = random.Random(11)
    with scripted_judge(latency_seconds=0.2) as judge, installation(tmp_path, judged_by(judge)) as place:
        requests = [chat_spans(numbers, 1, question=f"question {number}") for number in range(TARGETS)]
        for request in requests:
            send(place.endpoints["otlp_grpc"], request)
        sent = {each for request in requests for each in ids_of(request)}
        with Client(place.endpoints["grpc"]) as client:
            run_id = client.create_run(Where(level=Level.SPAN), ["correctness"]).run_id
        wait_until("the run to be in its middle", lambda: place.query(SCORED)[0]["rows"] >= 30)
        pid = place.kill("evaluator")
        place.wait_replaced("evaluator", pid)
        wait_until("the run to end", lambda: _state(place.endpoints["grpc"], run_id).is_final)
        with Client(place.endpoints["grpc"]) as client:
            run = client.get_run(run_id)
        assert (run.state, run.done, dict(run.decisions)) == (RunState.SUCCEEDED, TARGETS, {"scored": TARGETS})
        assert place.query(SCORED) == [{"rows": len(sent), "spans": len(sent)}]
        pace = Pace()
        assert len(sent) <= len(judge.requests) <= len(sent) + pace.lanes * pace.judged_targets
        assert run.judge_calls == len(sent)


def _state(address: str, run_id: str) -> RunState:
    with Client(address) as client:
        try:
            return client.get_run(run_id).state
        except CallFailed as error:  # the new process is not there yet
            if error.code != "UNAVAILABLE":
                raise
            return RunState.PENDING
