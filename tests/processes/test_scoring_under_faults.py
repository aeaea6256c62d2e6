"""A rule at work while its evaluator is killed, or its judge is away."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from running_installation import Installation, installation, judged_by, scripted_judge, wait_until
from sent_spans import chat_spans, ids_of, send

from assay.client import Client, Level, RuleDefinition
from evaluator.judges.scripted import ScriptedJudge
from evaluator.judges.scripted_faults import hang, status

CURRENT = """\
SELECT TraceId, SpanId, MetricName, toString(Status) AS status, Value AS value, toString(ErrorCode) AS code
FROM evaluations_current FINAL WHERE Level = 'span' ORDER BY TraceId, SpanId, MetricName"""
PREFIX = "gen_ai.evaluation.correctness"
JUDGED = "correctness"
METRICS = (JUDGED, "response_length")


@contextmanager
def _judged(folder: Path, *, latency_seconds: float = 0.0) -> Iterator[tuple[Installation, ScriptedJudge]]:
    with scripted_judge(latency_seconds=latency_seconds) as judge, installation(folder, judged_by(judge)) as place:
        with Client(place.endpoints["grpc"]) as client:
            client.create_rule(RuleDefinition(name="all", level=Level.SPAN, metrics=METRICS, filter="kind = 'llm'"))
        yield place, judge


def _asked(judge: ScriptedJudge, count: int) -> bool:
    return len(judge.requests) >= count


def _send_traces(place: Installation, *, seed: int, traces: int, spans: int) -> set[tuple[str, str]]:
    numbers = random.Random(seed)
    requests = [chat_spans(numbers, spans) for _ in range(traces)]
    for request in requests:
        send(place.endpoints["otlp_grpc"], request)
    return {each for request in requests for each in ids_of(request)}


def _results(place: Installation) -> list[tuple[tuple[str, str], str]]:
    return [((row["TraceId"], row["SpanId"]), row["MetricName"]) for row in place.query(CURRENT)]


def _kill_while_scoring(folder: Path, *, kills: int, seed: int) -> None:
    """Exactly one current result per span and metric; asked again is only what was asked and not stored at a kill."""
    numbers = random.Random(seed)
    with _judged(folder, latency_seconds=0.5) as (place, judge):
        sent = _send_traces(place, seed=seed, traces=12, spans=5)
        lost = 0
        for _ in range(kills):
            wanted = len(judge.requests) + numbers.randrange(1, 20)
            wait_until("the rule to score", partial(_asked, judge, wanted))
            pid = place.kill("evaluator")
            stored = sum(metric == JUDGED for _, metric in _results(place))
            lost += len(judge.requests) - stored  # in this order: what is stored or asked meanwhile only widens it
            place.wait_replaced("evaluator", pid)
        every = sorted((each, metric) for each in sent for metric in METRICS)
        wait_until("every span to have its results", lambda: _results(place) == every or None)
        statuses = place.query(
            "SELECT toString(Status) AS status, count() AS n FROM evaluations_current FINAL GROUP BY 1"
        )
        assert statuses == [{"status": "success", "n": len(every)}]
        assert len(sent) <= len(judge.requests) <= len(sent) + lost


def test_an_evaluator_killed_while_a_rule_scores_leaves_nothing_undone_and_nothing_double(tmp_path: Path) -> None:
    """The work of a dead worker is taken over when its lease has run out; what was stored is not asked again."""
    _kill_while_scoring(tmp_path, kills=1, seed=5)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_an_evaluator_killed_again_and_again_still_ends_with_every_result(tmp_path: Path, seed: int) -> None:
    """The long version.  Two kills, since work that killed three workers is set aside as poisoned."""
    _kill_while_scoring(tmp_path, kills=2, seed=seed)


@pytest.mark.parametrize(
    ("role", "seconds"),
    [
        ("clickhouse", 2.0),
        pytest.param("clickhouse", 15.0, marks=pytest.mark.soak),  # as an INSERT that takes so long
        pytest.param("evaluator", 25.0, marks=pytest.mark.soak),  # longer than its lease
    ],
)
def test_a_process_that_stands_still_while_a_rule_scores_loses_and_doubles_nothing(
    tmp_path: Path, role: str, seconds: float
) -> None:
    """It goes on where it was: one result per span and metric, and none of them failed."""
    with _judged(tmp_path, latency_seconds=0.2) as (place, judge):
        sent = _send_traces(place, seed=9, traces=12, spans=5)
        wait_until("the rule to score", partial(_asked, judge, 5))
        with place.frozen(role):
            since = time.monotonic()
            wait_until("the time to pass", lambda: time.monotonic() - since >= seconds)
        every = sorted((each, metric) for each in sent for metric in METRICS)
        wait_until("every span to have its results", lambda: _results(place) == every or None)
        statuses = place.query(
            "SELECT toString(Status) AS status, count() AS n FROM evaluations_current FINAL GROUP BY 1"
        )
        assert statuses == [{"status": "success", "n": len(every)}]


def test_a_judge_that_is_down_shows_as_failed_on_the_span_and_never_as_a_zero(tmp_path: Path) -> None:
    """The analyst sees why there is no score; the code metric beside it is not affected."""
    with _judged(tmp_path) as (place, judge):
        judge.always(status(400, "this endpoint is not well"))
        sent = _send_traces(place, seed=6, traces=1, spans=3)
        rows = wait_until("the failures to be on the spans", lambda: _written_back(place, len(sent)))
        assert {(row["TraceId"], row["SpanId"]) for row in rows} == sent
        assert [row["attributes"] for row in rows] == [
            {
                f"{PREFIX}.status": "failed",
                f"{PREFIX}.error.type": "JUDGE_REFUSED",
                "gen_ai.evaluation.response_length.score.value": "8",
            }
        ] * len(sent)
        average = f"SELECT avg(toFloat64(SpanAttributes['{PREFIX}.score.value'])) AS mean FROM spans"
        assert place.query(average, user="analyst_url") == [{"mean": None}]


def _written_back(place: Installation, count: int) -> list[dict[str, object]] | None:
    length = "EvaluationAttributes['gen_ai.evaluation.response_length.score.value']"
    sql = f"""SELECT TraceId, SpanId, EvaluationAttributes AS attributes FROM spans
              WHERE EvaluationAttributes['{PREFIX}.status'] IS NOT NULL AND {length} IS NOT NULL"""
    rows = place.query(sql, user="analyst_url")
    return rows if len(rows) == count else None


def test_a_judge_that_hangs_does_not_hold_up_what_comes_in(tmp_path: Path) -> None:
    """Acknowledging depends on ClickHouse only; and a stop does not wait for the judge for ever."""
    with _judged(tmp_path) as (place, judge):
        judge.always(hang())
        _send_traces(place, seed=7, traces=10, spans=10)
        wait_until("the judge to hang on many", lambda: judge.in_flight >= 32)
        started = time.monotonic()
        _send_traces(place, seed=8, traces=20, spans=10)
        assert time.monotonic() - started < 20 * 4.0  # a request waits at most 4 s for ClickHouse, and it is well
        assert judge.in_flight >= 32
        assert place.query("SELECT count() AS n FROM otel_traces") == [{"n": 300}]
        assert place.stop() == 0
        assert place.left() == set()
    assert json.loads(place.first_line)["pids"]
