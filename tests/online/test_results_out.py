"""Our results on the wire: the convention's event, to whoever listens, each at least once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from external_parts import Endpoint, attributes, endpoint, external, receiver
from storing import SentSpan, a_result, located, store, until

from assay.settings import InvalidSetting, Settings
from evaluator.online.emitting.out_address import OutAddress
from evaluator.online.emitting.worker import EmittingWorker
from evaluator.online.leases import LeaseKeeper
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.model import Abstention, Evaluation, Failure, MetricKind, OutputType, Purpose, Score, TargetRef
from storage.model import Level as Of

EVALUATED = datetime(2026, 11, 12, 10, 30, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Emitting:
    """Where a worker's results go."""

    endpoint: Endpoint
    results: ClickHouseResults

    async def until_records(self, count: int) -> list[dict[str, object]]:
        """Wait until so many were taken; their attributes."""

        async def enough() -> bool:
            return len(self.endpoint.records) >= count

        await until(enough)
        return [attributes(record) for record in self.endpoint.records]


@asynccontextmanager
async def emitting(database: Database, to: Endpoint, *, headers: str = "", page: int = 200) -> AsyncIterator[Emitting]:
    """A worker at work; it has begun to look when the block begins."""
    leases, queue = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=600), ClickHouseQueue(database)
    await leases.renew()
    worker = EmittingWorker(
        address=OutAddress(url=to.url, headers=headers),
        version="9.9",
        results=ClickHouseResults(database),
        newest_ms=ClickHouseWriteBack(database).newest_ms,
        queue=queue,
        leases=leases,
        pause_seconds=0.02,
        page=page,
    )

    async def begun() -> bool:
        return await queue.cursor_ms("otlp_out") is not None

    async with asyncio.TaskGroup() as group:
        task = group.create_task(worker.run())
        try:
            await until(begun)
            yield Emitting(endpoint=to, results=ClickHouseResults(database))
        finally:
            task.cancel()
            await leases.release()


def a_score(span: SentSpan, name: str, **other: object) -> Evaluation:
    """A judge's, of a certain moment."""
    return replace(a_result(span, metric=name, evaluated=EVALUATED, started=EVALUATED), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["http", "grpc"])
async def test_a_result_goes_out_as_the_conventions_event(fresh_database: Database, scheme: str) -> None:
    """Golden: every attribute of a score, a failure and a session's labels, and the context that they stand in."""
    span = SentSpan()
    score = a_score(
        span, "quality", outcome=Score(value=0.75, label="good", explanation="clear"), rule="r1", run="run-1", attempt=2
    )
    failure = a_score(span, "groundedness", outcome=Failure(code="JUDGE_UNAVAILABLE", message="429"), target=span.trace)
    session = TargetRef(level=Of.SESSION, session_id="s-1")
    labels = a_score(
        span,
        "themes",
        outcome=Score(value=2.0, labels=("price", "größe")),
        target=session,
        output_type=OutputType.MULTILABEL,
        kind=MetricKind.CODE,
    )
    async with (
        endpoint(scheme) as somebody,
        emitting(fresh_database, somebody, headers="X-Api-Key=k%3D1,other=2") as out,
    ):
        await out.results.append([score, failure, labels])
        await out.until_records(3)
    records = {str(attributes(record)["gen_ai.evaluation.name"]): record for record in somebody.records}
    ours = {
        "assay.metric.version": 1,
        "assay.metric.digest": "0" * 32,
        "assay.scope": "shop",
        "assay.result.attempt": 1,
    }
    assert {name: attributes(record) for name, record in records.items()} == {
        "quality": {
            "gen_ai.evaluation.name": "quality",
            "gen_ai.evaluation.score.value": 0.75,
            "gen_ai.evaluation.score.label": "good",
            "gen_ai.evaluation.explanation": "clear",
            **ours,
            "assay.result.attempt": 2,
            "assay.result.id": str(score.evaluation_id),
            "assay.evaluator.id": "judge/quality",
            "assay.level": "span",
            "assay.target.id": f"{span.trace_id}:{span.span_id}",
            "assay.rule.id": "r1",
            "assay.run.id": "run-1",
        },
        "groundedness": {
            "gen_ai.evaluation.name": "groundedness",
            "error.type": "JUDGE_UNAVAILABLE",
            "gen_ai.evaluation.explanation": "429",
            **ours,
            "assay.result.id": str(failure.evaluation_id),
            "assay.evaluator.id": "judge/groundedness",
            "assay.level": "trace",
            "assay.target.id": span.trace_id,
        },
        "themes": {
            "gen_ai.evaluation.name": "themes",
            "gen_ai.evaluation.score.value": 2.0,
            "gen_ai.evaluation.score.label": '["price", "größe"]',
            **ours,
            "assay.result.id": str(labels.evaluation_id),
            "assay.evaluator.id": "code/themes",
            "assay.level": "session",
            "assay.target.id": "s-1",
            "session.id": "s-1",
        },
    }
    assert {
        (record.event_name, record.trace_id.hex(), record.span_id.hex(), record.time_unix_nano)
        for record in records.values()
    } == {("gen_ai.evaluation.result", span.trace_id, span.span_id, 1_794_479_400_123_456_000)}
    assert {name: record.severity_number for name, record in records.items()} == {
        "quality": 9,
        "groundedness": 13,
        "themes": 9,
    }
    group = somebody.requests[0].resource_logs[0]
    assert {item.key: item.value.string_value for item in group.resource.attributes} == {
        "service.name": "assay",
        "service.version": "9.9",
    }
    assert (group.scope_logs[0].scope.name, group.scope_logs[0].scope.version) == ("assay", "9.9")
    sent = {name.lower(): value for name, value in somebody.headers[0].items()}
    assert (sent["x-api-key"], sent["other"]) == ("k=1", "2")


async def test_only_what_we_concluded_on_real_traffic_goes_out(fresh_database: Database) -> None:
    """Not what others sent, nor experiments and alignments, nor abstentions."""
    span = SentSpan()
    async with endpoint() as somebody, emitting(fresh_database, somebody) as out:
        await out.results.append(
            [
                a_score(span, "theirs", kind=MetricKind.EXTERNAL),
                a_score(span, "person", kind=MetricKind.HUMAN),
                a_score(span, "tried", purpose=Purpose.EXPERIMENT, run="e"),
                a_score(span, "aligned", purpose=Purpose.ALIGNMENT, run="a"),
                a_score(span, "absent", outcome=Abstention(reason="no context")),
            ]
        )
        await out.results.append([a_score(span, "last")])
        assert [each["gen_ai.evaluation.name"] for each in await out.until_records(1)] == ["last"]


async def test_nothing_is_lost_while_the_endpoint_is_away(fresh_database: Database) -> None:
    """It refuses retryably, the worker dies, another goes on: every result is out, in order."""
    span = SentSpan()
    names = [f"m{number:02}" for number in range(20)]
    async with endpoint() as somebody:
        somebody.answers = [503, 429, 401, 404, 502]
        async with emitting(fresh_database, somebody, page=3) as out:
            for name in names[:7]:
                await out.results.append([a_score(span, name)])
            await out.until_records(5)
        somebody.answers = [500] * 3
        for name in names[7:]:
            await ClickHouseResults(fresh_database).append([a_score(span, name)])
        async with emitting(fresh_database, somebody, page=3) as out:

            async def all_there() -> bool:
                return {attributes(record)["gen_ai.evaluation.name"] for record in somebody.records} == set(names)

            await until(all_there)
    seen = [str(attributes(record)["gen_ai.evaluation.name"]) for record in somebody.records]
    assert list(dict.fromkeys(seen)) == names
    ids = [attributes(record)["assay.result.id"] for record in somebody.records]
    assert len(set(ids)) == 20


async def test_a_result_that_is_never_wanted_holds_up_no_other(
    fresh_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The endpoint answers 400 to one of eight; the log names that one."""
    span = SentSpan()
    results = [a_score(span, f"m{number}") for number in range(8)]
    async with endpoint() as somebody, emitting(fresh_database, somebody) as out:
        somebody.refuses = ("m5",)
        await out.results.append(results)
        found = {each["gen_ai.evaluation.name"] for each in await out.until_records(7)}
        await until(lambda: _logged(caplog))
    assert found == {f"m{number}" for number in range(8) if number != 5}
    assert await _logged(caplog) == [str(results[5].evaluation_id)]


async def _logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.__dict__["result"] for record in caplog.records if record.msg == "result_refused"]


async def test_an_endpoint_that_refuses_everything_loses_nothing(fresh_database: Database) -> None:
    """It answers 400 even to a request without records: that is its set-up, not our results."""
    span = SentSpan()
    async with endpoint() as somebody, emitting(fresh_database, somebody) as out:
        somebody.answers = [400] * 6
        await out.results.append([a_score(span, "kept"), a_score(span, "too")])
        found = [each["gen_ai.evaluation.name"] for each in await out.until_records(2)]
    assert sorted(map(str, found)) == ["kept", "too"]


async def test_our_own_receiver_as_endpoint_multiplies_nothing(fresh_database: Database) -> None:
    """What comes back is kept as a log, makes no result, and no target new."""
    span = SentSpan()
    await store(fresh_database, span)
    before = await located(fresh_database, span.trace)
    theirs = await external(fresh_database)
    await theirs.leases.release()

    async def came_back() -> int:
        rows = await fresh_database.query(
            "SELECT count() AS n FROM otel_logs WHERE EventName = 'gen_ai.evaluation.result'"
        )
        return int(rows[0]["n"])

    async with receiver(fresh_database) as ports:
        for url in (f"http://127.0.0.1:{ports.http_port}", f"grpc://127.0.0.1:{ports.grpc_port}"):
            async with emitting(fresh_database, Endpoint(url=url)) as out:
                had = await came_back()
                await out.results.append([a_score(span, "quality", outcome=Score(value=0.5), rule=url)])
                await until(_more_than(had, came_back))
                done = await theirs.worker.round()
                assert (done.stored, done.waiting) == (0, 0)
    assert [each.metric for each in await theirs.results()] == ["quality", "quality"]
    assert await located(fresh_database, span.trace) == before
    rows = await fresh_database.query(
        "SELECT DISTINCT LogAttributes['gen_ai.evaluation.score.value'] AS value, TraceId AS trace FROM otel_logs"
    )
    assert rows == [{"value": "0.5", "trace": span.trace_id}]


def _more_than(number: int, count: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[bool]]:
    async def more() -> bool:
        return await count() > number

    return more


@pytest.mark.parametrize(
    "url", ["localhost:4317", "ftp://x", "http://", "http://u:p@x", "grpc://x/path", "http://x:99999", "http://x?a=1"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """At the start, not at the first result."""
    with pytest.raises(ValueError):
        OutAddress(url=url)


def test_the_setting_is_checked_at_the_start() -> None:
    """Nothing of the headers is said: they hold keys."""
    with pytest.raises(InvalidSetting, match=r"^ASSAY_OTLP_OUT \(or ASSAY_OTLP_OUT_HEADERS\) must be http") as refused:
        Settings(otlp_out="collector:4317", otlp_out_headers="x-api-key=secret")
    assert "secret" not in str(refused.value)
    assert Settings().out_address is None
    assert "secret" not in repr(Settings(otlp_out="http://x", otlp_out_headers="x-api-key=secret"))


@pytest.mark.parametrize("headers", ["key", "=v", "a=b%0ac", "ä=b"])
def test_headers_that_are_none_are_refused(headers: str) -> None:
    """None of them can end a line and begin another."""
    with pytest.raises(ValueError, match="headers must be"):
        OutAddress(url="http://x", headers=headers)
