"""How far people agree with each other and a judge with them, recomputed from raw rows by other means."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import grpc
import pytest
from agreement_parts import NOON, Spoken, a_world, retract, speak, verdict
from feedback_parts import a_metric, feedback_parts
from storing import SentSpan, a_result

from evaluator.errors import InvalidFeedback, MetricNotFound
from evaluator.feedback.agreed import Agreement
from evaluator.feedback.agreement import AgreementQuery, measure_agreement
from evaluator.metrics.definition import MetricDefinition
from evaluator.server.agreement import AgreementCalls
from evaluator.server.feedback import FeedbackServicer
from evaluator.v1 import feedback_pb2 as pb
from evaluator.v1.feedback_pb2_grpc import FeedbackStub, add_FeedbackServicer_to_server
from storage.agreement import LabelFilter
from storage.clickhouse.agreement import ClickHouseLabels
from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.feedback import ResolutionStatus
from storage.model import Failure, OutputType, Score, TargetRef

EVERYTHING = ("class", "level", "annotator", "version", "service", "queue")


async def agreed(database: Database, metric: MetricDefinition, **query: Any) -> Agreement:
    """As the service measures it."""
    parts = feedback_parts(database)
    return await measure_agreement(
        parts.metrics, ClickHouseLabels(database), AgreementQuery(metric=metric.name, **query)
    )


def value(found: Agreement, who: str, group: str, statistic: str) -> float | None:
    """One of its numbers."""
    groups = found.judge_human if who == "judge" else found.human_human
    [one] = [each for each in groups if each.group == group]
    return one.statistics[statistic].value


async def raw_words(database: Database, metric: str) -> dict[str, dict[str, tuple[int, int]]]:
    """By target and annotator: what each said last and what the judge had said, from the table alone."""
    rows = await database.query(
        "SELECT concat(toString(Level), TraceId, SpanId, SessionId) AS target, toString(Annotator) AS annotator, "
        "argMax((toUInt8(ExpectedValue), toUInt8(JudgeValue)), CreatedAt) AS said FROM feedback "
        "WHERE MetricName = {metric:String} AND FeedbackId NOT IN "
        "(SELECT FeedbackId FROM feedback WHERE Status = 'retracted') GROUP BY target, annotator",
        {"metric": metric},
    )
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for row in rows:
        found[row["target"]][row["annotator"]] = tuple(row["said"])
    return found


def kappa_by_hand(pairs: list[tuple[int, int]]) -> float:
    """Cohen's, in whole counts."""
    n, table = len(pairs), Counter(pairs)
    chance = sum(sum(x == c for x, _ in pairs) * sum(y == c for _, y in pairs) for c in (0, 1)) / n**2
    return ((table[0, 0] + table[1, 1]) / n - chance) / (1 - chance)


def alpha_by_hand(units: list[list[int]]) -> float:
    """Krippendorff's, from coincidences."""
    coincidences: Counter[tuple[int, int]] = Counter()
    for unit in units:
        for one, other in combinations(unit, 2):
            for pair in ((one, other), (other, one)):
                coincidences[pair] += 1 / (len(unit) - 1)  # type: ignore[assignment]
    total = sum(coincidences.values())
    ones = coincidences[1, 1] + coincidences[1, 0]
    return 1 - (total - 1) * (coincidences[0, 1] + coincidences[1, 0]) / (2 * ones * (total - ones))


async def test_the_numbers_are_those_of_the_raw_rows(database: Database) -> None:
    """One of the words is taken back, one annotator changes her mind, one target is not resolved."""
    metric = await a_metric(feedback_parts(database))
    generator = random.Random(8)
    world = a_world(generator, 90)
    world[0] = replace(world[0], said=[("ann", verdict(True)), ("bob", verdict(True)), ("ann", verdict(False))])
    world[1] = replace(world[1], status=ResolutionStatus.DISPUTED, resolved=None)
    rows = await speak(database, metric.name, world)
    taken_back = next(row for each in rows for row in each if row.annotator == "cyd")
    await retract(database, taken_back)
    found = await agreed(database, metric, by=EVERYTHING)

    raw = await raw_words(database, metric.name)
    resolved = await database.query(
        "SELECT concat(toString(Level), TraceId, SpanId, SessionId) AS target, toUInt8(ExpectedValue) AS expected "
        "FROM resolutions FINAL WHERE MetricName = {metric:String} AND Status = 'resolved'",
        {"metric": metric.name},
    )
    judge = [(row["expected"], next(iter(raw[row["target"]].values()))[1]) for row in resolved]
    assert len(judge) == found.counts["judge_human"] == 89
    assert value(found, "judge", "all", "cohen_kappa") == pytest.approx(kappa_by_hand(judge))
    assert value(found, "judge", "all", "agreement") == pytest.approx(sum(a == b for a, b in judge) / 89)
    flagged = [b for a, b in judge if a == 0]
    assert value(found, "judge", "all", "recall") == pytest.approx(flagged.count(0) / len(flagged))
    assert value(found, "judge", "class=false", "agreement") == pytest.approx(flagged.count(0) / len(flagged))
    confusion = {(cell.expected, cell.concluded): cell.count for cell in found.judge_human[0].confusion}
    names = ("false", "true")
    assert confusion == {(names[a], names[b]): n for (a, b), n in Counter(judge).items()}

    units = [[word for word, _ in said.values()] for said in raw.values() if len(said) >= 2]
    assert len(units) == found.counts["human_human"]
    assert value(found, "people", "all", "krippendorff_alpha") == pytest.approx(alpha_by_hand(units))
    for one, other in (("ann", "bob"), ("ann", "cyd"), ("bob", "cyd")):
        shared = [(said[one][0], said[other][0]) for said in raw.values() if one in said and other in said]
        assert value(found, "people", f"pair={one},{other}", "cohen_kappa") == pytest.approx(kappa_by_hand(shared))
    theirs = next(each for each in found.judge_human if each.group == "annotator=bob").statistics["agreement"]
    judged_of_resolved = {row["target"] for row in resolved}
    own = [said["bob"] for target, said in raw.items() if "bob" in said and target in judged_of_resolved]
    assert (theirs.count, theirs.value) == (len(own), pytest.approx(sum(a == b for a, b in own) / len(own)))


async def test_groups_are_told_by_what_was_asked_for(database: Database) -> None:
    """Sizes of groups of one dimension add up to all rows; a dimension that nobody has is empty."""
    metric = await a_metric(feedback_parts(database))
    world = a_world(random.Random(9), 40)
    await speak(database, metric.name, world)
    found = await agreed(database, metric, by=("level", "service", "class", "planet"))
    sizes = {each.group: each.statistics["agreement"].count for each in found.judge_human}
    expected = Counter(f"level={each.level}" for each in world) + Counter(f"service={each.service}" for each in world)
    expected += Counter(f"class={each.resolved.label}" for each in world if each.resolved)
    assert sizes == {"all": 40, **expected}


async def test_what_is_left_out_is_counted_with_its_reason(database: Database) -> None:
    """Nothing disappears without a word."""
    metric = await a_metric(feedback_parts(database))
    one = [("ann", verdict(True))]
    world = [
        Spoken(said=one, judged=verdict(True), resolved=verdict(True)),
        Spoken(said=one, judged=None, resolved=verdict(True)),
        Spoken(said=one, judged=verdict(True), resolved=None, status=ResolutionStatus.DISPUTED),
        Spoken(said=one, judged=verdict(True), resolved=None, status=ResolutionStatus.IN_REVIEW),
        Spoken(said=one, judged=verdict(True), resolved=verdict(True), status=ResolutionStatus.NEEDS_RECONFIRM),
        Spoken(
            said=[*one, ("bob", verdict(False))], judged=verdict(True), resolved=None, status=ResolutionStatus.EXCLUDED
        ),
        Spoken(said=[*one, ("bob", verdict(False))], judged=verdict(True), resolved=verdict(True), version=7),
    ]
    await speak(database, metric.name, world)
    found = await agreed(database, metric)
    assert found.counts == {
        "judge_human": 1, "human_human": 1, "disputed": 1, "excluded": 1, "in_review": 1, "needs_reconfirm": 1,
        "no_verdict_of_this_version": 2, "one_annotator": 5,
    }  # fmt: skip
    kappa = found.judge_human[0].statistics["cohen_kappa"]
    assert (kappa.value, kappa.note) == (None, "only one class occurs")
    assert found.advice[0] == "label some more, mostly of class false: only one class occurs"


async def test_a_blind_review_is_compared_with_what_stands_in_the_results(database: Database) -> None:
    """They saw no verdict; the results have one of each version, and a failure is none."""
    parts = feedback_parts(database)
    metric = await a_metric(parts)
    spans = [SentSpan() for _ in range(3)]
    blind = [
        Spoken(said=[("ann", verdict(True))], judged=None, resolved=verdict(True), trace_id=span.trace_id)
        for span in spans
    ]
    await speak(database, metric.name, blind)
    of = {"metric": metric.name, "output_type": OutputType.BOOLEAN}
    await ClickHouseResults(database).append(
        [
            a_result(spans[0], verdict(True), target=spans[0].trace, **of),
            a_result(spans[1], verdict(False), target=spans[1].trace, **of),
            a_result(spans[1], verdict(True), target=spans[1].trace, metric_version=2, **of),
            a_result(spans[2], Failure(code="TIMEOUT", message="10 s"), target=spans[2].trace, **of),
        ]
    )
    found = await agreed(database, metric, by=("version",))
    assert found.counts == {
        "judge_human": 2, "human_human": 0, "no_verdict_of_this_version": 1, "one_annotator": 3,
    }  # fmt: skip
    assert value(found, "judge", "all", "agreement") == 0.5
    assert (value(found, "judge", "version=1", "agreement"), value(found, "judge", "version=2", "agreement")) == (
        0.5,
        1.0,
    )


async def test_only_labels_of_a_queue_and_of_a_time_are_counted(database: Database) -> None:
    """From the start on, before the end."""
    metric = await a_metric(feedback_parts(database))
    world = [
        Spoken(
            said=[("ann", verdict(True))], judged=verdict(True), resolved=verdict(True), queue=queue,
            at=NOON + timedelta(hours=hour),
        )
        for queue in ("", "weekly") for hour in range(4)
    ]  # fmt: skip
    await speak(database, metric.name, world)
    counted = [
        (await agreed(database, metric, **query)).counts["judge_human"]
        for query in (
            {}, {"queue": "weekly"}, {"start": NOON + timedelta(hours=1), "end": NOON + timedelta(hours=3)},
            {"queue": "weekly", "start": NOON + timedelta(hours=3)}, {"queue": "other"},
        )
    ]  # fmt: skip
    assert counted == [8, 4, 4, 1, 0]


async def test_a_word_from_before_the_criteria_changed_does_not_count(database: Database) -> None:
    """Bob spoke before; only Ann's counts."""
    parts = feedback_parts(database)
    metric = await a_metric(parts)
    said = [("bob", verdict(False)), ("ann", verdict(True))]
    [[bob, ann]] = await speak(database, metric.name, [Spoken(said=said, judged=verdict(True), resolved=verdict(True))])
    [standing] = (await parts.feedbacks.resolutions(metric.name, [bob.target])).values()
    await parts.feedbacks.resolve([replace(standing, counts_from=ann.created)])
    found = await agreed(database, metric)
    assert (found.counts["judge_human"], found.counts["human_human"], found.counts["one_annotator"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("output", "verdicts", "statistic", "expected"),
    [
        (OutputType.DISCRETE, [(1, 1), (5, 5), (3, 3), (2, 4)], "mae", 0.5),
        (OutputType.PERCENTAGE, [(0.9, 0.5), (0.1, 0.1)], "mae", 0.2),
        (OutputType.COUNT, [(4, 2), (1, 1)], "bias", -1.0),
        (OutputType.NUMBER, [(-1.5, 2.5), (0.0, 0.0)], "bias", 2.0),
    ],
)
async def test_numbers_are_compared_as_numbers(
    database: Database, output: OutputType, verdicts: list[tuple[float, float]], statistic: str, expected: float
) -> None:
    """Two people say the same; the judge does not."""
    metric = await a_metric(feedback_parts(database), output)
    world = [
        Spoken(
            said=[("ann", Score(value=float(right))), ("bob", Score(value=float(right)))],
            judged=Score(value=float(judged)), resolved=Score(value=float(right)),
        )
        for right, judged in verdicts
    ]  # fmt: skip
    await speak(database, metric.name, world)
    found = await agreed(database, metric)
    assert value(found, "judge", "all", statistic) == pytest.approx(expected)
    assert value(found, "people", "all", "krippendorff_alpha") == pytest.approx(1.0)
    assert value(found, "people", "all", "mae") == 0.0


async def test_labels_of_several_kinds_are_compared_as_sets(database: Database) -> None:
    """Order does not matter; two of three shared are two thirds."""
    metric = await a_metric(feedback_parts(database), OutputType.MULTILABEL)
    right, judged = Score(labels=("rude", "false"), value=2.0), Score(labels=("long", "false", "rude"), value=3.0)
    said = [("ann", right), ("bob", Score(labels=("false", "rude"), value=2.0))]
    await speak(database, metric.name, [Spoken(said=said, judged=judged, resolved=right)] * 2)
    found = await agreed(database, metric)
    assert value(found, "judge", "all", "jaccard") == pytest.approx(2 / 3)
    assert value(found, "people", "all", "agreement") == 1.0


async def test_a_metric_whose_output_is_text_has_no_agreement(database: Database) -> None:
    """Nor has one that is not there."""
    text = await a_metric(feedback_parts(database), OutputType.TEXT)
    with pytest.raises(InvalidFeedback, match="is text, which cannot be compared"):
        await agreed(database, text)
    with pytest.raises(MetricNotFound):
        await agreed(database, replace(text, name="nobody_made_it"))


async def test_a_metric_that_nobody_has_labelled_has_no_numbers_and_a_next_step(database: Database) -> None:
    """Zero rows are no error."""
    metric = await a_metric(feedback_parts(database))
    found = await agreed(database, metric, by=EVERYTHING)
    assert found.counts == {"judge_human": 0, "human_human": 0}
    assert {each.note for each in found.judge_human[0].statistics.values()} == {"no rows"}
    assert found.advice == ("nothing that a person has resolved was judged by this version: label some of its results",)


async def test_a_share_of_the_targets_is_always_the_same_share(database: Database) -> None:
    """So that two looks at a sample compare."""
    metric = await a_metric(feedback_parts(database))
    await speak(database, metric.name, a_world(random.Random(3), 200))
    labels, chosen = ClickHouseLabels(database), LabelFilter(metric=metric.name)
    assert await labels.count(chosen) == 200
    half, again = [[each.target for each in await labels.read(chosen, share=0.5)] for _ in range(2)]
    assert half == again
    assert 70 <= len(half) <= 130
    tenth: set[TargetRef] = {each.target for each in await labels.read(chosen, share=0.1)}
    assert tenth < set(half)


async def test_beyond_the_cap_a_sample_is_drawn_and_said(database: Database) -> None:
    """A quarter of a hundred."""
    parts = feedback_parts(database)
    metric = await a_metric(parts)
    await speak(database, metric.name, a_world(random.Random(6), 100))

    found = await measure_agreement(
        parts.metrics, ClickHouseLabels(database), AgreementQuery(metric=metric.name), max_targets=25
    )
    assert found.counts["sampled_from"] == 100
    assert 5 <= found.counts["judge_human"] <= 50
    assert found.advice[0] == f"{found.counts['judge_human']} of 100 targets were drawn, by a hash of their ids"


@pytest.mark.soak
async def test_fifty_thousand_labelled_targets_are_measured(database: Database) -> None:
    """All of them, from the store."""
    metric = await a_metric(feedback_parts(database))
    for part in range(10):
        await speak(database, metric.name, a_world(random.Random(part), 5000))
    found = await agreed(database, metric, by=("service", "level"))
    assert found.counts["judge_human"] == 50_000
    kappa = found.judge_human[0].statistics["cohen_kappa"]
    assert kappa.half_width is not None
    assert kappa.half_width < 0.02


async def test_the_service_answers_what_is_measured(database: Database) -> None:
    """Over the wire: absent where undefined, refused where it is malformed."""
    parts = feedback_parts(database)
    metric = await a_metric(parts)
    await speak(database, metric.name, a_world(random.Random(4), 30))
    server = grpc.aio.server()
    calls = AgreementCalls(metrics=parts.metrics, labels=ClickHouseLabels(database))
    servicer = FeedbackServicer(desk=parts.desk, metrics=parts.metrics, results=parts.results, agreement=calls)
    add_FeedbackServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = FeedbackStub(channel)  # type: ignore[no-untyped-call]
            answer = await stub.GetAgreement(pb.GetAgreementRequest(metric={"name": metric.name}, by=["class"]))
    finally:
        await server.stop(None)
    found = await agreed(database, metric, by=("class",))
    kappa, sent = found.judge_human[0].statistics["cohen_kappa"], answer.judge_human[0].statistics["cohen_kappa"]
    assert (sent.value, sent.lower, sent.upper, sent.count) == (kappa.value, kappa.lower, kappa.upper, 30)
    assert [each.group for each in answer.judge_human] == ["all", "class=false", "class=true"]
    assert dict(answer.counts) == found.counts
    assert list(answer.advice) == list(found.advice)
