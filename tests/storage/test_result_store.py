"""Results: appended, found again whole, in an order that neither skips nor repeats."""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from storing import SentSpan, a_result, until

from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.errors import NotFound
from storage.model import (
    Abstention,
    Evaluation,
    Failure,
    Level,
    MetricKind,
    Outcome,
    OutputType,
    Purpose,
    Score,
    Status,
    TargetRef,
    Usage,
)
from storage.results import FIRST_ID, ResultCursor, ResultFilter

HOSTILE = 'it\'s "quoted" `so` \\ {curly} [\n\r\t\0] --; DROP TABLE evaluations /* 日本語 🦊 é \u2028'
HUGE = "long " * 200_000
OUTCOMES: list[tuple[OutputType, Outcome]] = [
    (OutputType.BOOLEAN, Score(value=1.0, label="true", explanation="yes")),
    (OutputType.BOOLEAN, Score(value=0.0, label="false")),
    (OutputType.CATEGORICAL, Score(label=HOSTILE, explanation=HOSTILE)),
    (OutputType.CATEGORICAL, Score(value=0.25, label="partly")),
    (OutputType.PERCENTAGE, Score(value=0.1 + 0.2, explanation=HUGE)),
    (OutputType.COUNT, Score(value=2.0**53)),
    (OutputType.DISCRETE, Score(value=-3.0)),
    (OutputType.MULTILABEL, Score(labels=("b", "a", HOSTILE))),
    (OutputType.TEXT, Score(text=HOSTILE + HUGE)),
    (OutputType.NUMBER, Score(value=5e-324)),
    (OutputType.NUMBER, Score(value=-1.7976931348623157e308)),
    (OutputType.PERCENTAGE, Abstention(reason=f"no output {HOSTILE}")),
    (OutputType.PERCENTAGE, Abstention(reason="cancelled", status=Status.NOT_COMPUTED)),
    (OutputType.PERCENTAGE, Failure(code="JUDGE_UNAVAILABLE", message=HOSTILE, retryable=True)),
    (OutputType.BOOLEAN, Failure(code="LABEL_NOT_OFFERED", message="")),
]
RANDOM = random.Random(20261121)


@pytest.fixture
def results(database: Database) -> ClickHouseResults:
    """The module's store."""
    return ClickHouseResults(database)


def only(found: Evaluation) -> Evaluation:
    """Without what the server adds."""
    assert found.inserted_us is not None
    return replace(found, inserted_us=None)


def ids(found: list[Evaluation]) -> list[uuid.UUID]:
    """Of results, in order."""
    return [each.evaluation_id for each in found]


@pytest.mark.parametrize(("output_type", "outcome"), OUTCOMES, ids=lambda value: type(value).__name__)
async def test_every_outcome_comes_back_whole(
    results: ClickHouseResults, output_type: OutputType, outcome: Outcome
) -> None:
    """Every field, to the bit, whatever it holds."""
    sent = a_result(
        SentSpan(service=HOSTILE, name=HOSTILE, start_ns=1_790_000_000_123_456_789),
        outcome,
        output_type=output_type,
        metric_version=7,
        metric_digest="d" * 32,
        kind=MetricKind.CODE,
        purpose=Purpose.BACKFILL,
        rule="r",
        rule_version=3,
        watermark_ms=1_790_000_000_789,
        input_digest=bytes(range(16)),
        judge_model=f"openai/{HOSTILE}",
        usage=Usage(input_tokens=5, output_tokens=7, cost_usd=0.1, latency_ms=1234, attempts=2),
    )
    await results.append([sent])
    assert only(await results.get(sent.evaluation_id)) == sent


@pytest.mark.parametrize("usage", [Usage(), Usage(input_tokens=3), Usage(input_tokens=3, cost_usd=0.0)])
async def test_a_cost_that_is_unknown_does_not_come_back_as_nothing(results: ClickHouseResults, usage: Usage) -> None:
    """A free model costs 0.0; a model without a price costs nobody knows what."""
    sent = a_result(SentSpan(), usage=usage)
    await results.append([sent])
    assert (await results.get(sent.evaluation_id)).usage == usage


async def test_times_come_back_to_the_microsecond(results: ClickHouseResults) -> None:
    """Five hundred random ones, starts to the millisecond."""
    sent = []
    for _ in range(500):
        time = datetime.fromtimestamp(RANDOM.randrange(1_700_000_000, 1_900_000_000), UTC)
        evaluated = time + timedelta(microseconds=RANDOM.randrange(1_000_000))
        started = time + timedelta(milliseconds=RANDOM.randrange(1000))
        sent.append(a_result(SentSpan(), evaluated=evaluated, started=started))
    await results.append(sent)
    found = await results.existing(ids(sent))
    assert [(found[each.evaluation_id].evaluated, found[each.evaluation_id].started) for each in sent] == [
        (each.evaluated, each.started) for each in sent
    ]


async def test_half_a_surrogate_pair_of_a_judge_is_stored_as_a_question_mark(results: ClickHouseResults) -> None:
    r"""JSON may spell `\ud800`, UTF-8 cannot: one such answer must not stop what is stored with it."""
    half = a_result(SentSpan(), Score(label="a\ud800b", explanation="\udfff", labels=("\ud800",)))
    whole = a_result(SentSpan())
    await results.append([half, whole])
    found = await results.existing(ids([half, whole]))
    assert found[half.evaluation_id].outcome == Score(label="a?b", explanation="?", labels=("?",))
    assert only(found[whole.evaluation_id]) == whole


async def test_token_counts_beyond_the_column_are_cut(results: ClickHouseResults) -> None:
    """An endpoint may report any number."""
    sent = a_result(SentSpan(), usage=Usage(input_tokens=2**40, output_tokens=1, cost_usd=1.0, latency_ms=2**33))
    await results.append([sent])
    largest = 2**32 - 1
    assert (await results.get(sent.evaluation_id)).usage == Usage(
        input_tokens=largest, output_tokens=1, cost_usd=1.0, latency_ms=largest
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_cannot_be_made(value: float) -> None:
    """A broken judge is a failure; NaN would poison every average."""
    with pytest.raises(ValueError, match="a score is finite"):
        Score(value=value)


async def test_an_unknown_id_is_not_found(results: ClickHouseResults) -> None:
    """And is missing among those that exist."""
    with pytest.raises(NotFound):
        await results.get(uuid.uuid4())
    assert await results.existing([uuid.uuid4()]) == {}
    assert await results.existing([]) == {}


async def test_more_ids_than_one_statement_takes_are_looked_up(results: ClickHouseResults) -> None:
    """ClickHouse refuses parameters over 128 KiB; 3600 ids have more."""
    sent = a_result(SentSpan())
    await results.append([sent])
    found = await results.existing([*(uuid.uuid4() for _ in range(3600)), sent.evaluation_id])
    assert ids(list(found.values())) == [sent.evaluation_id]


async def test_the_newest_attempt_of_a_result_is_the_result(results: ClickHouseResults) -> None:
    """Attempts are rows of one id."""
    first = a_result(SentSpan(), Failure(code="JUDGE_TIMEOUT", message="late"))
    second = replace(first, attempt=2, outcome=Score(value=1.0))
    await results.append([second])
    await results.append([first])
    assert only(await results.get(first.evaluation_id)) == second


async def test_the_same_result_again_does_no_harm(results: ClickHouseResults) -> None:
    """One row is listed, in one place, however often it was sent and whatever was sent with it."""
    metric = f"m_{uuid.uuid4().hex[:8]}"
    sent = [a_result(SentSpan(), metric=metric) for _ in range(3)]
    await results.append(sent[:1])
    await results.append(sent)
    await results.append(sent[:2])
    where = ResultFilter(metrics=(metric,))
    newest = await results.newest(where, before=None, limit=10)
    assert sorted(ids(newest)) == sorted(ids(sent))
    first = await results.newest(where, before=None, limit=2)
    assert first[-1].inserted_us is not None
    cursor = ResultCursor(inserted_us=first[-1].inserted_us, evaluation_id=first[-1].evaluation_id, attempt=1)
    assert ids(first + await results.newest(where, before=cursor, limit=10)) == ids(newest)


async def test_each_filter_restricts_by_its_own_field(fresh_database: Database) -> None:
    """One result differs in one field; the filter of that field finds it or leaves it out, alone."""
    results = ClickHouseResults(fresh_database)
    span = SentSpan()
    plain = a_result(span, metric="plain", rule="nightly")
    others: dict[str, Evaluation] = {
        "metric": a_result(span, metric="other", rule="nightly"),
        "level": a_result(span, metric="plain", rule="nightly", target=span.trace),
        "target": a_result(SentSpan(), metric="plain", rule="nightly"),
        "status": a_result(span, Failure(code="X", message=""), metric="plain", metric_version=2, rule="nightly"),
        "rule": a_result(span, metric="plain", metric_version=3, rule="hourly"),
    }
    everything = [plain, *others.values()]
    await results.append(everything)

    async def found(**fields: Any) -> set[str]:
        listed = await results.newest(ResultFilter(**fields), before=None, limit=100)
        names = {plain.evaluation_id: "plain"} | {each.evaluation_id: name for name, each in others.items()}
        return {names[each] for each in ids(listed)}

    every = {"plain", *others}
    assert await found() == every
    assert await found(metrics=("plain",)) == every - {"metric"}
    assert await found(metrics=("other", "nobody")) == {"metric"}
    assert await found(levels=(Level.TRACE,)) == {"level"}
    assert await found(levels=(Level.SPAN, Level.TRACE)) == every
    assert await found(targets=(span.ref,)) == every - {"level", "target"}
    assert await found(targets=(span.trace, others["target"].target)) == {"level", "target"}
    assert await found(statuses=(Status.FAILED,)) == {"status"}
    assert await found(statuses=(Status.SUCCESS, Status.NOT_APPLICABLE)) == every - {"status"}
    assert await found(rule="hourly") == {"rule"}
    assert await found(rule="nightly", metrics=("plain",), levels=(Level.SPAN,), targets=(span.ref,)) == {
        "plain",
        "status",
    }
    assert await found(run="no such run") == set()


async def test_results_of_experiments_are_listed_by_run_only(results: ClickHouseResults) -> None:
    """Trials must not mix with what the application's spans got."""
    metric = f"m_{uuid.uuid4().hex[:8]}"
    await results.append([a_result(SentSpan(), metric=metric, purpose=Purpose.EXPERIMENT)])
    assert await results.newest(ResultFilter(metrics=(metric,), include_superseded=True), before=None, limit=10) == []


async def test_a_window_of_insert_times_is_closed_at_its_start_and_open_at_its_end(results: ClickHouseResults) -> None:
    """To the microsecond, so that windows that follow each other neither overlap nor leave anything out."""
    sent = a_result(SentSpan(), metric=f"m_{uuid.uuid4().hex[:8]}")
    await results.append([sent])
    at_us = (await results.get(sent.evaluation_id)).inserted_us
    assert at_us is not None
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    tick = timedelta(microseconds=1)

    async def found(since: datetime | None, until: datetime | None) -> bool:
        where = ResultFilter(metrics=(sent.metric,), since=since, until=until)
        return bool(await results.newest(where, before=None, limit=10))

    assert [await found(at, None), await found(at + tick, None)] == [True, False]
    assert [await found(None, at), await found(None, at + tick)] == [False, True]


async def test_a_newer_result_supersedes_and_the_older_stays_readable(results: ClickHouseResults) -> None:
    """Per target, metric and version; another version, and a person's verdict, stand beside it."""
    span, metric = SentSpan(), f"m_{uuid.uuid4().hex[:8]}"
    old = a_result(span, Score(value=0.1), metric=metric, watermark_ms=1)
    new = a_result(span, Score(value=0.2), metric=metric, watermark_ms=2)
    second_version = a_result(span, Score(value=0.3), metric=metric, metric_version=2)
    person = a_result(span, Score(value=0.4), metric=metric, kind=MetricKind.HUMAN)
    failed = a_result(span, Failure(code="X", message=""), metric=metric, watermark_ms=9)
    for each in (new, old, second_version, person, failed):
        await results.append([each])
    where = ResultFilter(metrics=(metric,))
    assert set(ids(await results.newest(where, before=None, limit=10))) == set(ids([new, second_version, person]))
    everything = await results.newest(replace(where, include_superseded=True), before=None, limit=10)
    assert set(ids(everything)) == set(ids([old, new, second_version, person, failed]))


async def test_pages_have_no_gap_and_no_double_where_times_are_equal(results: ClickHouseResults) -> None:
    """Fifty results of one INSERT have one time; the id breaks the tie, in both directions."""
    metric = f"m_{uuid.uuid4().hex[:8]}"
    for size in (50, 3, 50):
        await results.append([a_result(SentSpan(), metric=metric) for _ in range(size)])
    where = ResultFilter(metrics=(metric,))
    newest = await results.newest(where, before=None, limit=1000)
    assert len({each.inserted_us for each in newest}) == 3
    down: list[Evaluation] = []
    while page := await results.newest(where, before=_cursor(down), limit=7):
        down += page
    assert down == newest
    up: list[Evaluation] = []
    while page := await results.arrived(where, after=_cursor(up) or ResultCursor(inserted_us=0), limit=7):
        up += page
    assert up == newest[::-1]


def _cursor(found: list[Evaluation]) -> ResultCursor | None:
    if not found:
        return None
    last = found[-1]
    assert last.inserted_us is not None
    return ResultCursor(inserted_us=last.inserted_us, evaluation_id=last.evaluation_id, attempt=last.attempt)


async def test_a_watch_from_now_sees_what_comes_and_nothing_that_was(results: ClickHouseResults) -> None:
    """The cursor is the server's clock, not this machine's."""
    metric = f"m_{uuid.uuid4().hex[:8]}"
    await results.append([a_result(SentSpan(), metric=metric)])
    where = ResultFilter(metrics=(metric,))

    async def behind() -> ResultCursor | None:
        cursor = await results.cursor_now()  # 10 ms of slack lie before it
        return None if await results.arrived(where, after=cursor, limit=10) else cursor

    cursor = await until(behind)
    later = a_result(SentSpan(), metric=metric)
    await results.append([later])
    assert ids(await results.arrived(where, after=cursor, limit=10)) == [later.evaluation_id]


async def test_a_watch_never_passes_an_insert_that_still_runs(database: Database, results: ClickHouseResults) -> None:
    """Its rows carry the time of its start: a reader that went on meanwhile would never see them."""
    metric = f"slow_{uuid.uuid4().hex[:8]}"
    where = ResultFilter(metrics=(metric, f"{metric}_quick"))
    start = await results.cursor_now()
    slow = asyncio.create_task(
        database.execute(
            "INSERT INTO evaluations (EvaluationId, MetricName, Level, TraceId, TargetTime, Kind, Purpose, Status, "
            "OutputType, Value) SELECT generateUUIDv4(), {metric:String}, 'trace', repeat('a', 32), now64(9), 'code', "
            "'online', 'success', 'number', sleepEachRow(0.1) FROM numbers(15) SETTINGS max_block_size = 1",
            {"metric": metric},
        )
    )
    await until(lambda: _running(database))
    quick = a_result(SentSpan(), metric=f"{metric}_quick")
    await results.append([quick])
    seen: list[Evaluation] = await results.arrived(where, after=start, limit=100)
    assert not slow.done()
    assert seen == [], "the quick one is later than the slow one's rows, so it has to wait for them"
    await slow

    async def caught_up() -> bool:
        seen.extend(await results.arrived(where, after=_cursor(seen) or start, limit=100))
        return len(seen) >= 16

    await until(caught_up)
    assert [each.metric for each in seen] == [metric] * 15 + [quick.metric]
    assert len(set(ids(seen))) == 16


async def _running(database: Database) -> bool:
    rows = await database.query(
        "SELECT count() AS n FROM system.processes "
        "WHERE query_kind = 'Insert' AND query LIKE '%sleepEachRow%' AND elapsed > 0.05"
    )
    return bool(rows[0]["n"])


async def test_a_stored_success_is_reused_for_the_same_digest_and_content_only(results: ClickHouseResults) -> None:
    """Another content, another definition or a failure is paid for again."""
    span = SentSpan()
    digest, content = "a" * 32, bytes(range(1, 17))
    success = a_result(span, metric_digest=digest, input_digest=content)
    failed = a_result(span, Failure(code="X", message=""), metric_digest="b" * 32, input_digest=content)
    await results.append([success, failed])
    found = await results.reusable(span.ref, digest, content)
    assert found is not None
    assert only(found) == success
    assert await results.reusable(span.ref, digest, bytes(16)) is None
    assert await results.reusable(span.ref, "b" * 32, content) is None
    assert await results.reusable(SentSpan().ref, digest, content) is None


def test_the_first_id_sorts_before_every_other() -> None:
    """A cursor with a time only starts at that time's first result."""
    assert all(str(FIRST_ID) < str(uuid.uuid4()) for _ in range(100))


async def test_results_of_sessions_are_found_by_their_id(results: ClickHouseResults) -> None:
    """They have no trace; filters over mixed targets still restrict each by its own ids."""
    session = TargetRef(level=Level.SESSION, session_id=f"s {HOSTILE}")
    span = SentSpan()
    sent = [a_result(span, target=session), a_result(span)]
    await results.append(sent)
    assert ids(await results.newest(ResultFilter(targets=(session,)), before=None, limit=9)) == ids(sent[:1])
    both = await results.newest(ResultFilter(targets=(session, span.ref)), before=None, limit=9)
    assert sorted(ids(both)) == sorted(ids(sent))
