"""Rules under load while parts of the installation die or stand still, held against a recomputation over stored spans.

The recomputation knows nothing of queues, cursors or ledgers: it reads every stored span, and says which results there
must be.  A run is reproduced by its seed; moments of the faults are drawn from it.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from running_installation import Installation, installation, judged_by, scripted_judge, wait_until
from sent_spans import Load, chat_spans, send

from assay.client import Client, Level, MetricDefinition, MetricKind, OutputType, RuleDefinition, TargetRef

SETTLED_SECONDS = 300.0
"""Leases of the dead run out after 20 s, and a busy machine is slow."""
RATE = 0.5
SPAN_METRICS = ("correctness", "response_length", "said_much")
Result: TypeAlias = tuple[str, str, str, int]
"""Metric, trace id, span id ('' for a trace), revision in milliseconds."""
Fault: TypeAlias = Callable[[Installation, random.Random], None]

STORED = """\
SELECT TraceId, SpanId, toUnixTimestamp64Milli(min(IngestedAt)) AS arrived,
       cityHash64(TraceId, 'assay') % 1000000 AS bucket
FROM otel_traces GROUP BY TraceId, SpanId"""
CURRENT = """\
SELECT MetricName, TraceId, SpanId, toUnixTimestamp64Milli(Watermark) AS revision, toString(Status) AS status
FROM evaluations_current FINAL"""


@contextmanager
def ruled(folder: Path) -> Iterator[Installation]:
    """An installation whose rules use every kind of metric: half of the spans, and all traces."""
    with scripted_judge(latency_seconds=0.01) as judge, installation(folder, judged_by(judge)) as place:
        with Client(place.endpoints["grpc"]) as client:
            client.create_metric(
                MetricDefinition(
                    name="said_much",
                    kind=MetricKind.SQL,
                    levels=(Level.SPAN,),
                    output_type=OutputType.BOOLEAN,
                    expression="ifNull(length(attributes['output.value']) > 9, false)",
                )
            )
            client.create_rule(
                RuleDefinition(
                    name="spans", level=Level.SPAN, metrics=SPAN_METRICS, sample_rate=RATE, filter="kind = 'llm'"
                )
            )
            client.create_rule(RuleDefinition(name="traces", level=Level.TRACE, metrics=("response_length",)))
        yield place


def expected(place: Installation) -> set[Result]:
    """What must have been scored of the spans that are stored, each at its newest revision."""
    spans = place.query(STORED)
    newest: dict[str, int] = {}
    for span in spans:
        newest[span["TraceId"]] = max(newest.get(span["TraceId"], 0), span["arrived"])
    of_traces = {("response_length", trace_id, "", revision) for trace_id, revision in newest.items()}
    return of_traces | {
        (metric, span["TraceId"], span["SpanId"], span["arrived"])
        for span in spans
        if span["bucket"] < RATE * 1_000_000
        for metric in SPAN_METRICS
    }


def found(place: Installation) -> Counter[Result]:
    """The current results, each as often as it stands there."""
    return Counter(
        (row["MetricName"], row["TraceId"], row["SpanId"], row["revision"])
        for row in place.query(CURRENT)
        if row["status"] == "success"
    )


def settled(place: Installation) -> bool:
    """Whether everything that must be there is there, once, and nothing else."""
    there = found(place)
    return set(there) == expected(place) and set(there.values()) == {1}


def kill(role: str, place: Installation, numbers: random.Random) -> None:
    """kill -9, and the replacement is awaited."""
    pid = place.kill(role)
    place.wait_replaced(role, pid)


def stand_still(role: str, longest: float, place: Installation, numbers: random.Random) -> None:
    """Neither answers nor dies; its connections stay open."""
    until = time.monotonic() + numbers.uniform(1.0, longest)
    with place.frozen(role):
        wait_until("the time to pass", lambda: time.monotonic() > until)


FAULTS: dict[str, Fault] = {
    "evaluator dies": partial(kill, "evaluator"),
    "exporter dies": partial(kill, "exporter"),
    "ClickHouse dies": partial(kill, "clickhouse"),
    "ClickHouse stands still": partial(stand_still, "clickhouse", 10.0),
    "evaluator stands still": partial(stand_still, "evaluator", 30.0),
}


def _late_halves(place: Installation, numbers: random.Random, traces: int) -> Callable[[], None]:
    """Traces of which the second half is sent later: each is scored, and then scored again."""
    requests = [chat_spans(numbers, 4, service="late") for _ in range(traces)]
    halves = []
    for request in requests:
        late = type(request)()
        late.CopyFrom(request)
        del request.resource_spans[0].scope_spans[0].spans[2:]
        del late.resource_spans[0].scope_spans[0].spans[:2]
        halves.append(late)
        send(place.endpoints["otlp_grpc"], request)

    def rest() -> None:
        for late in halves:
            send(place.endpoints["otlp_grpc"], late)

    return rest


def _explained(place: Installation, count: int, numbers: random.Random) -> None:
    """`Explain` of some spans says what the recomputation says."""
    wanted = {(trace_id, span_id) for _, trace_id, span_id, _ in expected(place) if span_id}
    stored = sorted((row["TraceId"], row["SpanId"]) for row in place.query(STORED))
    with Client(place.endpoints["grpc"]) as client:
        for trace_id, span_id in numbers.sample(stored, min(count, len(stored))):
            target = TargetRef(level=Level.SPAN, trace_id=trace_id, span_id=span_id)
            said = {str(each.decision) for each in client.explain("spans", target)}
            assert said == ({"scored"} if (trace_id, span_id) in wanted else {"sampled_out"}), (trace_id, span_id)


def _through(folder: Path, *, faults: list[str], seed: int) -> None:
    numbers = random.Random(seed)
    with ruled(folder) as place:
        rest = _late_halves(place, numbers, 5)
        load = Load(address=place.endpoints["otlp_grpc"], seed=seed, clients=1, spans=4)
        with load.running():
            for fault in faults:
                load.wait_for_more(4 * numbers.randrange(5, 25))
                FAULTS[fault](place, numbers)
            load.wait_for_more(4)
            rest()
        assert load.broken == []
        wait_until("exactly one current result for everything", lambda: settled(place) or None, seconds=SETTLED_SECONDS)
        assert load.acknowledged <= {(row["TraceId"], row["SpanId"]) for row in place.query(STORED)}
        _explained(place, 20, numbers)


def test_what_is_scored_is_what_a_recomputation_says_after_every_part_died(tmp_path: Path) -> None:
    """Evaluator, exporter and ClickHouse are killed under load, and late spans make new revisions."""
    _through(tmp_path, faults=["evaluator dies", "exporter dies", "ClickHouse dies"], seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_the_same_over_many_faults_in_any_order(tmp_path: Path, seed: int) -> None:
    """The long form: twelve faults, pauses among them."""
    numbers = random.Random(f"faults {seed}")
    _through(tmp_path, faults=numbers.choices(sorted(FAULTS), k=12), seed=seed)


@pytest.mark.soak
def test_an_evaluator_that_stood_still_for_a_minute_brings_no_old_result_back(tmp_path: Path) -> None:
    """Its leases ran out, and what it had read was old when it woke."""
    with ruled(tmp_path) as place:
        numbers = random.Random(9)
        for _ in range(10):
            send(place.endpoints["otlp_grpc"], chat_spans(numbers, 4))
        wait_until("some results", lambda: found(place) or None)
        with place.frozen("evaluator"):
            for _ in range(10):
                send(place.endpoints["otlp_grpc"], chat_spans(numbers, 4))
            until = time.monotonic() + 60
            wait_until("the minute to pass", lambda: time.monotonic() > until)
        wait_until("everything to be scored", lambda: settled(place) or None, seconds=SETTLED_SECONDS)
