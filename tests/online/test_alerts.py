"""Alerts: what they measure, how they turn, whom they tell."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from action_parts import LOOPBACK, a_rule_with, hook, of
from storing import SentSpan, a_result

from evaluator.errors import InvalidDefinition
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.registry import Metrics
from evaluator.online.actions.check import OfferedActions
from evaluator.online.alerts.catalogue import AlertCatalogue
from evaluator.online.alerts.definition import AlertDefinition, AlertKind
from evaluator.online.alerts.measuring import Measured, measured, windows
from evaluator.online.alerts.turning import turns
from evaluator.online.alerts.worker import AlertWorker
from evaluator.online.leases import LeaseKeeper
from storage.alerts import AlertEvent, AlertState
from storage.clickhouse.alerts import ClickHouseAlerts
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.deliveries import ClickHouseDeliveries
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.deliveries import DeliverySource
from storage.model import Failure, Score
from storage.queue import Decision

OK, PENDING, FIRING, RESOLVED = AlertState
SECOND, HOUR = 1_000_000, 3_600_000_000
NOON = 1_794_484_800 * SECOND
"""12 November 2026, 12:00 UTC."""


def drift(**other: object) -> AlertDefinition:
    """Of one metric, with windows of an hour."""
    fields: dict[str, object] = {"name": "drift", "kind": AlertKind.DRIFT, "metric": "m"}
    return AlertDefinition(**fields | other)  # type: ignore[arg-type]


def shares(**other: object) -> AlertDefinition:
    """More than a tenth of twenty."""
    fields: dict[str, object] = {
        "name": "errors", "kind": AlertKind.ERROR_SHARE, "threshold": 0.1, "min_samples": 20, "actions": (),
    }  # fmt: skip
    return AlertDefinition(**fields | other)  # type: ignore[arg-type]


def seen(holds: bool | None, over: bool | None = None) -> Measured:
    """A look."""
    return Measured(value=0.5, bound=0.1, samples=30, holds=holds, over=over, reason="so it is")


def follow(alert: AlertDefinition, looks: Sequence[tuple[int, Measured | None]]) -> list[tuple[int, AlertState, int]]:
    """How an alert turns over looks at seconds: (second, state, second since)."""
    standing: AlertEvent | None = None
    found: list[tuple[int, AlertState, int]] = []
    for second, look in looks:
        for event in turns(alert, standing, look, now_us=NOON + second * SECOND):
            found.append((second, event.state, (event.since_us - NOON) // SECOND))
            standing = event
    return found


YES, NO, BETWEEN, UNKNOWN = seen(True, False), seen(False, True), seen(False, False), seen(None)


def test_an_alert_fires_when_its_condition_has_held_and_is_over_well_below() -> None:
    """Between both bounds it stays as it is; what is unknown neither begins nor ends an alarm."""
    alert = shares(for_seconds=30)
    looks = [(0, NO), (10, UNKNOWN), (20, YES), (40, YES), (50, YES), (60, BETWEEN), (70, UNKNOWN), (80, NO), (90, NO)]
    assert follow(alert, looks) == [(20, PENDING, 20), (50, FIRING, 20), (80, RESOLVED, 20)]


def test_a_condition_that_does_not_last_alarms_nobody() -> None:
    """Back to ok; the next time counts from its own beginning."""
    looks = [(0, YES), (20, BETWEEN), (40, YES), (60, UNKNOWN), (80, YES), (110, YES)]
    assert follow(shares(for_seconds=30), looks) == [
        (0, PENDING, 0), (20, OK, 0), (40, PENDING, 40), (60, OK, 40), (80, PENDING, 80), (110, FIRING, 80),
    ]  # fmt: skip


def test_without_a_time_to_hold_it_fires_at_once() -> None:
    """Pending is written down all the same: it names the episode, should the process die in between."""
    assert follow(shares(), [(0, YES), (10, YES), (20, NO), (30, YES)]) == [
        (0, PENDING, 0), (0, FIRING, 0), (20, RESOLVED, 0), (30, PENDING, 30), (30, FIRING, 30),
    ]  # fmt: skip


def test_an_alert_that_is_edited_or_switched_off_fires_no_more() -> None:
    """And begins anew with what it is now."""
    assert follow(shares(), [(0, YES), (10, None), (20, None), (30, YES)]) == [
        (0, PENDING, 0), (0, FIRING, 0), (10, RESOLVED, 0), (30, PENDING, 30), (30, FIRING, 30),
    ]  # fmt: skip
    [*_, fired] = turns(shares(), None, YES, now_us=NOON)
    [ended] = turns(shares(version=2), fired, YES, now_us=NOON + SECOND)
    assert (ended.state, ended.reason, ended.version) == (RESOLVED, "it was edited", 2)
    assert turns(shares(), fired, NO, now_us=NOON - SECOND) == []  # a clock that went back


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"threshold": 1.0}, "alert.threshold"),
        ({"threshold": float("nan")}, "alert.threshold"),
        ({"clear": 0.2}, "alert.clear"),
        ({"window_seconds": 59}, "alert.window_seconds"),
        ({"window_seconds": 60.5}, "alert.window_seconds"),
        ({"min_samples": 9}, "alert.min_samples"),
        ({"for_seconds": -1}, "alert.for_seconds"),
        ({"name": "A b"}, "alert.name"),
        ({"kind": AlertKind.DRIFT}, "alert.metric"),
        ({"kind": AlertKind.DRIFT, "metric": "m", "clear": 0.1}, "alert.clear"),
        ({"kind": AlertKind.DRIFT, "metric": "m", "false_alarms": 0.0}, "alert.false_alarms"),
        ({"kind": AlertKind.QUEUE_AGE, "threshold": 0}, "alert.threshold"),
        ({"kind": AlertKind.QUEUE_AGE, "metric": "m"}, "alert.metric"),
        ({"kind": AlertKind.AGREEMENT, "window_seconds": 86_400}, "alert.metric"),
        ({"kind": AlertKind.AGREEMENT, "metric": "m"}, "alert.window_seconds"),
        ({"kind": AlertKind.AGREEMENT, "metric": "m", "window_seconds": 86_400, "rule": "r"}, "alert.rule"),
        ({"kind": AlertKind.AGREEMENT, "metric": "m", "window_seconds": 86_400, "threshold": 0}, "alert.threshold"),
        ({"kind": AlertKind.AGREEMENT, "metric": "m", "window_seconds": 86_400, "clear": 0.05}, "alert.clear"),
        ({"actions": (hook("http://x", when="value < 1"),)}, "alert.actions[0].when"),
        ({"actions": (hook("http://x"), hook("http://x"))}, "alert.actions"),
    ],
)
def test_an_alert_that_is_none_is_refused(other: dict[str, object], field: str) -> None:
    """With its field."""
    with pytest.raises(InvalidDefinition) as refused:
        shares(**other)
    assert refused.value.field == field


def test_the_reference_stays_while_it_fires_until_the_change_is_what_is_usual() -> None:
    """Windows do not overlap, and begin at multiples of their length."""
    alert = drift(reference_windows=3)
    now = NOON + HOUR // 2
    assert windows(alert, standing=None, now_us=now) == ((NOON - HOUR, NOON), (NOON - 4 * HOUR, NOON - HOUR))
    [*_, fired] = turns(alert, None, YES, now_us=now)
    for later, reference_end in ((0, -1), (1, -1), (2, -1), (3, 2), (4, 3)):
        window, reference = windows(alert, standing=fired, now_us=now + later * HOUR)
        assert window == (NOON + (later - 1) * HOUR, NOON + later * HOUR)
        assert reference == (NOON + (reference_end - 3) * HOUR, NOON + reference_end * HOUR)


async def put(
    database: Database, metric: str, values: Sequence[float], *, at_us: int, version: int = 1, per_trace: int = 1
) -> None:
    """Results that were stored at a time; so many of each value, on one trace."""
    await put_all(database, {metric: values}, at_us=at_us, version=version, per_trace=per_trace)


async def put_all(
    database: Database, series: Mapping[str, Sequence[float]], *, at_us: int, version: int = 1, per_trace: int = 1
) -> None:
    """Several metrics' in one INSERT."""
    columns = (
        "EvaluationId", "Level", "TraceId", "SpanId", "TargetTime", "MetricName", "MetricVersion", "Kind", "Purpose",
        "Status", "OutputType", "Value", "RuleId", "InsertedAt",
    )  # fmt: skip
    rows = [
        (
            uuid.uuid4(), "span", trace, uuid.uuid4().hex[:16], at_us * 1000, metric, version, "judge", "online",
            "success", "number", value, "r", at_us,
        )
        for metric, values in series.items()
        for value in values
        for trace in [uuid.uuid4().hex]
        for _ in range(per_trace)
    ]  # fmt: skip
    await database.insert_rows("evaluations", columns, rows)


async def judged(database: Database, alert: AlertDefinition) -> Measured:
    """At noon."""
    return await measured(alert, ClickHouseAlerts(database), standing=None, now_us=NOON)


LATE, EARLY = NOON - HOUR // 2, NOON - 3 * HOUR


async def test_a_mean_that_moved_beyond_its_noise_is_drift_and_noise_is_not(fresh_database: Database) -> None:
    """Both ways; by less than what matters is none; few values say nothing, however far they are."""
    chance = random.Random(41)
    usual = [chance.gauss(0.7, 0.1) for _ in range(300)]
    for name, values in {
        "same": [chance.gauss(0.7, 0.1) for _ in range(60)],
        "lower": [chance.gauss(0.6, 0.1) for _ in range(60)],
        "higher": [chance.gauss(0.8, 0.1) for _ in range(60)],
        "few": [0.0] * 29,
    }.items():
        await put(fresh_database, name, usual, at_us=EARLY)
        await put(fresh_database, name, values, at_us=LATE)
    found = {name: await judged(fresh_database, drift(metric=name)) for name in ("same", "lower", "higher", "few")}
    assert {name: each.holds for name, each in found.items()} == {
        "same": False, "lower": True, "higher": True, "few": None,
    }  # fmt: skip
    assert {name: each.over for name, each in found.items()} == {
        "same": True, "lower": False, "higher": False, "few": None,
    }  # fmt: skip
    assert found["lower"].value == pytest.approx(-0.1, abs=0.04)
    assert "60 traces or sessions against 300 before" in found["lower"].reason
    assert (await judged(fresh_database, drift(metric="lower", threshold=0.2))).holds is False
    assert (await judged(fresh_database, drift(metric="nothing"))).holds is None


async def test_values_that_never_differ_are_judged_too(fresh_database: Database) -> None:
    """No noise at all: the same is no drift, another is."""
    for name, value in (("steady", 1.0), ("jumped", 0.0)):
        await put(fresh_database, name, [1.0] * 50, at_us=EARLY)
        await put(fresh_database, name, [value] * 50, at_us=LATE)
    found = [(await judged(fresh_database, drift(metric=name))).holds for name in ("steady", "jumped")]
    assert found == [False, True]


async def test_another_version_of_a_metric_is_no_drift(fresh_database: Database) -> None:
    """It is another scale, and has no past yet."""
    await put(fresh_database, "m", [0.2] * 100, at_us=EARLY)
    await put(fresh_database, "m", [0.2] * 50, at_us=LATE)
    await put(fresh_database, "m", [0.9, 0.8] * 30, at_us=LATE, version=2)
    assert (await judged(fresh_database, drift())).holds is None


async def test_spans_of_one_trace_are_one_value(fresh_database: Database) -> None:
    """Ten that say the same are no ten witnesses: what is noise over traces stays noise."""
    chance = random.Random(7)
    await put(fresh_database, "m", [chance.gauss(0.5, 0.3) for _ in range(60)], at_us=EARLY, per_trace=20)
    await put(fresh_database, "m", [chance.gauss(0.58, 0.3) for _ in range(40)], at_us=LATE, per_trace=20)
    found = await judged(fresh_database, drift())
    assert (found.samples, found.holds) == (40, False)


async def test_false_alarms_are_as_rare_as_asked(fresh_database: Database) -> None:
    """Sixty metrics that do not drift, skewed ones among them, each allowed one false alarm in twenty."""
    chance = random.Random(5)

    def value(kind: int) -> float:
        return (chance.gauss(0.7, 0.1), float(chance.random() < 0.9), chance.random() ** 3)[kind]

    names = [f"m{number:02}" for number in range(60)]
    for at_us, count in ((EARLY, 200), (LATE, 50)):
        series = {name: [value(number % 3) for _ in range(count)] for number, name in enumerate(names)}
        await put_all(fresh_database, series, at_us=at_us)
    alarms = [(await judged(fresh_database, drift(metric=name, false_alarms=0.05))).holds for name in names]
    assert None not in alarms
    assert sum(map(bool, alarms)) <= 9  # 3 are expected, more than 9 come once in a thousand; the seed is fixed


async def catalogue(database: Database) -> AlertCatalogue:
    """Where webhooks may go to this machine."""
    definitions = ClickHouseDefinitions(database)
    metrics = Metrics(definitions, builtin=builtin_metrics(), aliases=aliases())
    return AlertCatalogue(definitions, metrics, ClickHouseAlerts(database), actions=OfferedActions(hosts=LOOPBACK))


class Woken:
    """Counts."""

    times = 0

    def wake(self) -> None:
        """Once more."""
        self.times += 1


async def a_worker(database: Database, woken: Woken) -> AlertWorker:
    """One that a test steps."""
    leases = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=600)
    await leases.renew()
    return AlertWorker(
        definitions=ClickHouseDefinitions(database),
        alerts=ClickHouseAlerts(database),
        deliveries=ClickHouseDeliveries(database),
        leases=leases,
        wake=woken.wake,
    )


async def test_too_many_failures_fire_tell_once_and_are_over_when_few_fail_again(fresh_database: Database) -> None:
    """From results to messages: not on few results, once when it fires, once when it is over."""
    rule = await a_rule_with(fresh_database)
    alert = shares(rule=rule.name, actions=(hook("http://127.0.0.1:1/x"),))
    await (await catalogue(fresh_database)).create(alert)
    results, woken = ClickHouseResults(fresh_database), Woken()
    worker, deliveries = await a_worker(fresh_database, woken), ClickHouseDeliveries(fresh_database)
    broken = Failure(code="TIMEOUT", message="10 s")
    assert await worker.round() == []
    await results.append([of(rule, outcome=broken) for _ in range(19)])  # each of them, but only 19
    await results.append([a_result(SentSpan(), broken) for _ in range(50)])  # not the rule's
    assert await worker.round() == []
    await results.append([of(rule, outcome=Score(value=1.0)) for _ in range(21)])
    assert [event.state for event in await worker.round()] == [PENDING, FIRING]
    assert await worker.round() == []
    again = await a_worker(fresh_database, Woken())  # another process goes on where this one was
    assert await again.round() == []
    await results.append([of(rule, outcome=Score(value=1.0)) for _ in range(200)])
    [over] = await again.round()
    assert (over.state, over.value, over.samples) == (RESOLVED, 19 / 240, 240)
    sent = await deliveries.newest(DeliverySource.ALERT, "errors", before=None, limit=10)
    assert ['"alert.resolved"' in sent[0].body, '"alert.firing"' in sent[1].body, len(sent)] == [True, True, 2]
    assert woken.times == 1
    history = await ClickHouseAlerts(fresh_database).history("errors", before_us=None, limit=10)
    assert [event.state for event in history] == [RESOLVED, FIRING, PENDING]
    assert len({event.since_us for event in history}) == 1
    assert history[1].reason == "19 of 40 results failed in 3600 s"


async def test_a_turn_that_was_cut_off_tells_the_same_message(fresh_database: Database) -> None:
    """Whom to tell was queued, the turn was not written down: the next look queues nothing new."""
    rule = await a_rule_with(fresh_database)
    await (await catalogue(fresh_database)).create(shares(rule=rule.name, actions=(hook("http://127.0.0.1:1/x"),)))
    await ClickHouseResults(fresh_database).append(
        [of(rule, outcome=Failure(code="TIMEOUT", message="10 s")) for _ in range(30)]
    )
    worker = await a_worker(fresh_database, Woken())
    assert [event.state for event in await worker.round()] == [PENDING, FIRING]
    await fresh_database.execute("ALTER TABLE alert_events DELETE WHERE State = 'firing' SETTINGS mutations_sync = 2")
    assert [event.state for event in await worker.round()] == [FIRING]
    deliveries = ClickHouseDeliveries(fresh_database)
    assert len(await deliveries.newest(DeliverySource.ALERT, "errors", before=None, limit=10)) == 1


async def test_a_queue_that_stands_still_fires(fresh_database: Database) -> None:
    """The oldest target that was begun and not concluded; what waits on purpose does not count, nor do runs."""
    alerts, queue = ClickHouseAlerts(fresh_database), ClickHouseQueue(fresh_database)
    alert = AlertDefinition(name="age", kind=AlertKind.QUEUE_AGE, threshold=60)
    now_us = await alerts.now_us()
    nothing = await measured(alert, alerts, standing=None, now_us=now_us)
    assert (nothing.value, nothing.holds, nothing.over) == (0.0, False, True)
    begun = Decision(
        rule="r", rule_version=1, metric="m", target=SentSpan().ref, watermark_ms=now_us // 1000 - 90_000,
        decision="started", worker="w",
    )  # fmt: skip
    waits = replace(
        begun, target=SentSpan().ref, watermark_ms=begun.watermark_ms - 900_000, decision="waiting",
        next_attempt_ms=now_us // 1000 + 3_600_000,
    )  # fmt: skip
    of_run = replace(begun, rule="run:1", watermark_ms=begun.watermark_ms - 900_000)
    await queue.record([begun, waits, of_run])
    found = await measured(alert, alerts, standing=None, now_us=now_us)
    assert (found.value, found.holds) == (pytest.approx(90, abs=1), True)
    other = await measured(replace(alert, rule="other"), alerts, standing=None, now_us=now_us)
    assert other.holds is False
    await queue.record([replace(begun, decision="scored")])
    assert (await measured(alert, alerts, standing=None, now_us=now_us)).over is True


async def test_one_alert_that_cannot_be_looked_at_holds_up_no_other(
    fresh_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A document of a newer program, say."""
    await ClickHouseDefinitions(fresh_database).create("alert", "aaa", {"kind": "from_the_future"})
    await (await catalogue(fresh_database)).create(shares(min_samples=10))
    broken = Failure(code="TIMEOUT", message="10 s")
    await ClickHouseResults(fresh_database).append([a_result(SentSpan(), broken) for _ in range(10)])
    worker = await a_worker(fresh_database, Woken())
    assert [event.state for event in await worker.round()] == [PENDING, FIRING]
    assert [record.__dict__["alert"] for record in caplog.records if record.msg == "alert_postponed"] == ["aaa"]
