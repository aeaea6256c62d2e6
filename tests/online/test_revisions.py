"""What arrives late scores its target again, with everything above it, and never brings anything old back."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping

import pytest
from composite_parts import mean_of
from online_parts import Online, a_rule, at_work, online
from storing import SECOND_NS, SentSpan, a_chat, a_result, located, new_trace_id, store, store_log, until

from evaluator.online.explaining.explanation import Decision
from storage.clickhouse.client import Database
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.model import Evaluation, Level, MetricKind, Outcome, Score, TargetRef
from storage.results import ResultFilter


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


async def current(parts: Online) -> dict[tuple[TargetRef, str], Evaluation]:
    """What counts of machines, by target and metric."""
    found = await parts.scoring.results.newest(ResultFilter(), before=None, limit=100_000)
    return {(each.target, each.metric): each for each in found if each.kind is not MetricKind.HUMAN}


async def arrivals(database: Database) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """When something last came to each trace, and to each span: it itself, or a log."""
    rows = await database.query(
        "SELECT TraceId AS t, SpanId AS s, toUnixTimestamp64Milli(max(IngestedAt)) AS at FROM (SELECT TraceId, SpanId, "
        "IngestedAt FROM otel_traces UNION ALL SELECT TraceId, SpanId, IngestedAt FROM otel_logs) GROUP BY t, s"
    )
    traces: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        traces[row["t"]] = max(traces[row["t"]], row["at"])
    return dict(traces), {(row["t"], row["s"]): row["at"] for row in rows}


def answer_length(span: SentSpan) -> int:
    """Of what a model call answered."""
    return len(span.attributes["gen_ai.output.messages"].split('"content": "')[1].split('"')[0])


async def expected(
    parts: Online, calls: Mapping[TargetRef, list[SentSpan]]
) -> dict[tuple[TargetRef, str], tuple[int, Outcome]]:
    """A slow, obviously right recomputation over everything that is stored: revision and outcome of each target."""
    traces, spans = await arrivals(parts.database)
    found: dict[tuple[TargetRef, str], tuple[int, Outcome]] = {}
    for trace, sent in calls.items():
        lengths = [answer_length(span) for span in sent]
        mean = Score(value=sum(lengths) / len(lengths), explanation=f"of {len(lengths)} results")
        found[trace, "lengths"] = traces[trace.trace_id], mean
        for span in sent:
            length = Score(value=float(answer_length(span)))
            found[span.ref, "response_length"] = spans[span.trace_id, span.span_id], length
    return found


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 6))])
async def test_what_counts_is_what_a_recomputation_says(parts: Online, seed: int) -> None:
    """Spans, traces and a composite over them; spans in random order, children before roots, logs and late spans."""
    chance = random.Random(20261121 + seed)
    await parts.scoring.metrics.create(mean_of("lengths", "response_length@span", output_type="number"))
    await parts.rules.create(a_rule("spans", filter="kind = 'llm'"))
    await parts.rules.create(a_rule("traces", level=Level.TRACE, metrics=("lengths",)))
    roots = [SentSpan(trace_id=new_trace_id(), name="run", service="app") for _ in range(4)]
    to_come = [
        a_chat(
            f"Question {number}?",  # the same one within another would be one call that was reported twice
            f"{number:02} " + "x" * chance.randint(1, 40),
            trace_id=root.trace_id,
            parent=root.span_id,
            start_ns=root.start_ns + number * SECOND_NS,
        )
        for place, root in enumerate(roots)
        for number in range(4 * place, 4 * place + 4)
    ]
    chance.shuffle(to_come)
    calls: defaultdict[TargetRef, list[SentSpan]] = defaultdict(list)
    async with at_work(parts):
        for number in range(4):  # the first scoring and three more: the most that a target gets
            sent, to_come = to_come[: 1 + len(to_come) // 2], to_come[1 + len(to_come) // 2 :]
            if sent and number < 3:
                late_roots = [root for root in roots if number == 1 and any(root.trace == each.trace for each in sent)]
                await store(parts.database, *sent, *late_roots)
                for span in sent:
                    calls[span.trace].append(span)
            else:
                await store_log(parts.database, chance.choice(calls[chance.choice(list(calls))]))
            for rule in ("spans", "traces"):
                await parts.until_looked(rule)
            oracle = await expected(parts, calls)

            async def agrees(wanted: dict[tuple[TargetRef, str], tuple[int, Outcome]] = oracle) -> bool:
                counts = await current(parts)
                return {key: (each.watermark_ms, each.outcome) for key, each in counts.items()} == wanted

            await until(agrees)
    assert await parts.database.query("SELECT * FROM evaluations_stale") == []


async def test_after_three_times_a_late_arrival_leaves_a_stale_result(parts: Online) -> None:
    """Which stays current; the list, SQL and `explain` say what it is."""
    await parts.rules.create(a_rule("traces", level=Level.TRACE))
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts):
        for number in range(1, 5):
            await parts.until_results(number)
            await parts.until_looked("traces")
            assert await parts.database.query("SELECT Why FROM evaluations_stale") == []
            await store(parts.database, SentSpan(trace_id=root.trace_id, parent=root.span_id))
        await parts.until_decided("traces", "too_late", 1)
    results = await parts.results()
    assert len(results) == 4
    [counts] = (await current(parts)).values()
    assert counts.evaluation_id == results[-1].evaluation_id
    record = await located(parts.database, root.trace)
    assert counts.watermark_ms < record.watermark_ms
    rows = await parts.database.query(
        "SELECT Why AS why, toUnixTimestamp64Milli(StaleSince) AS s FROM evaluations_stale"
    )
    assert rows == [{"why": "target has a newer revision", "s": record.watermark_ms}]
    assert await parts.scoring.results.revised([root.trace]) == {root.trace: record.watermark_ms}
    (explained,) = await parts.explainer.explain("traces", root.trace)
    assert (explained.decision, explained.evaluation_id) == (Decision.LATE_IGNORED, counts.evaluation_id)


async def test_what_a_person_said_stays_when_a_machine_scores_again(parts: Online) -> None:
    """It stands on the span beside the newer automatic result, and is of an earlier revision."""
    await parts.rules.create(a_rule("traces", level=Level.TRACE))
    root = a_chat(answer="Paris.")
    await store(parts.database, root)
    key = "gen_ai.evaluation.trace"
    async with at_work(parts):
        (first,) = await parts.until_results(1)
        said = a_result(
            root,
            Score(value=0.25),
            target=root.trace,
            metric="response_length",
            kind=MetricKind.HUMAN,
            watermark_ms=first.watermark_ms,
            target_time_ns=first.target_time_ns,
        )
        await parts.scoring.results.append([said])
        late = a_chat(
            trace_id=root.trace_id, parent=root.span_id, answer="Paris, France.", start_ns=root.start_ns + SECOND_NS
        )
        await store(parts.database, late)
        await parts.until_results(3)
        await parts.until_looked("traces")
    write_back = ClickHouseWriteBack(parts.database)
    await write_back.project(since_ms=await write_back.newest_ms(), lag_seconds=60, limit=10_000)
    rows = await parts.database.query(
        "SELECT EvaluationAttributes AS shown FROM spans WHERE SpanId = {span:String}", {"span": root.span_id}
    )
    newest = (await current(parts))[root.trace, "response_length"]
    assert newest.watermark_ms > first.watermark_ms
    assert isinstance(newest.outcome, Score)
    assert rows == [
        {
            "shown": {
                f"{key}.response_length.score.value": f"{newest.outcome.value:g}",
                f"{key}.human.response_length.score.value": "0.25",
            }
        }
    ]
    stale = await parts.database.query("SELECT SourceClass AS source, Why AS why FROM evaluations_stale")
    assert stale == [{"source": "human", "why": "made on an earlier revision"}]
