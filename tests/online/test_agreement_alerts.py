"""Alerts on the agreement of a judge with people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from agreement_parts import Spoken, speak, verdict
from feedback_parts import a_metric, feedback_parts

from evaluator.errors import InvalidDefinition
from evaluator.feedback.watching import AgreementWatch
from evaluator.online.actions.check import NOTHING_OFFERED
from evaluator.online.alerts.catalogue import AlertCatalogue
from evaluator.online.alerts.definition import AlertDefinition, AlertKind
from evaluator.online.alerts.measuring import Agreed, Measured, of_agreement
from evaluator.online.alerts.worker import AlertWorker
from evaluator.online.leases import LeaseKeeper
from evaluator.statistics.estimate import Estimate
from storage.alerts import AlertState
from storage.clickhouse.agreement import ClickHouseLabels
from storage.clickhouse.alerts import ClickHouseAlerts
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.deliveries import ClickHouseDeliveries
from storage.clickhouse.queue import ClickHouseLeases
from storage.model import OutputType

MONTH = 30 * 86_400


def watching(metric: str = "m", **other: object) -> AlertDefinition:
    """Kappa below 0.6 in a month."""
    fields: dict[str, object] = {
        "name": "apart", "kind": AlertKind.AGREEMENT, "metric": metric, "threshold": 0.6, "window_seconds": MONTH,
        "min_samples": 20,
    }  # fmt: skip
    return AlertDefinition(**fields | other)  # type: ignore[arg-type]


def look(alert: AlertDefinition, targets: int, *ends: float | None, note: str = "") -> Measured:
    """At an estimate: value, lower, upper."""
    value, lower, upper = ends
    found = Estimate(value=value, lower=lower, upper=upper, count=targets, note=note)
    return of_agreement(alert, Agreed(statistic="cohen_kappa", estimate=found, targets=targets))


@pytest.mark.parametrize(
    ("targets", "ends", "holds", "over"),
    [
        (50, (0.3, 0.1, 0.5), True, False),
        (50, (0.5, 0.3, 0.7), False, False),  # below, but within its noise
        (50, (0.4, 0.2, 0.6), False, False),  # the bound itself is not below
        (50, (0.6, 0.4, 0.8), False, True),
        (19, (0.3, 0.1, 0.5), None, None),
        (50, (1.0, None, None), None, None),
        (50, (None, None, None), None, None),
    ],
)
def test_it_holds_where_the_whole_interval_is_below_the_bound(
    targets: int, ends: tuple[float | None, ...], holds: bool | None, over: bool | None
) -> None:
    """And is over where the value is back at the bound; few labels say nothing either way."""
    seen = look(watching(), targets, *ends)
    assert (seen.holds, seen.over, seen.bound, seen.samples) == (holds, over, 0.6, targets)


def test_it_is_over_at_its_own_bound_where_one_is_given() -> None:
    """Which is above the one it fires at, so that it does not flap."""
    alert = watching(clear=0.7)
    assert (look(alert, 50, 0.65, 0.5, 0.8).over, look(alert, 50, 0.7, 0.5, 0.9).over) == (False, True)


def test_its_reason_tells_the_numbers() -> None:
    """What was measured, of how many, and why it may say nothing."""
    assert look(watching(), 50, 0.3, 0.1, 0.5).reason == "cohen_kappa of 50 targets is 0.30 [0.10, 0.50]"
    assert look(watching(), 5, 0.3, 0.1, 0.5).reason.endswith("; fewer than 20 say nothing")
    undefined = look(watching(), 50, None, None, None, note="only one class occurs")
    assert undefined.reason == "cohen_kappa of 50 targets: only one class occurs"


async def a_worker(database: Database, agreement: AgreementWatch | None) -> AlertWorker:
    """One that a test steps; it measures at every look."""
    leases = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=600)
    await leases.renew()
    return AlertWorker(
        definitions=ClickHouseDefinitions(database),
        alerts=ClickHouseAlerts(database),
        deliveries=ClickHouseDeliveries(database),
        leases=leases,
        wake=lambda: None,
        agreement=agreement,
        agreement_seconds=1e-6,
    )


async def test_a_judge_that_people_contradict_fires_and_is_over_when_they_agree_again(fresh_database: Database) -> None:
    """From labels to turns, with what people said lately."""
    parts = feedback_parts(fresh_database)
    metric = await a_metric(parts)
    alerts = ClickHouseAlerts(fresh_database)
    catalogue = AlertCatalogue(ClickHouseDefinitions(fresh_database), parts.metrics, alerts, actions=NOTHING_OFFERED)
    await catalogue.create(watching(metric.name))
    worker = await a_worker(fresh_database, AgreementWatch(parts.metrics, ClickHouseLabels(fresh_database)))
    assert await worker.round() == []

    def spoken(number: int, *, right: bool) -> list[Spoken]:
        now = datetime.now(UTC)
        found = []
        for place in range(number):
            truth = verdict(place % 2 == 0)
            judged = truth if right or place % 4 < 2 else verdict(place % 2 != 0)
            found.append(Spoken(said=[("ann", truth)], judged=judged, resolved=truth, at=now))
        return found

    await speak(fresh_database, metric.name, spoken(16, right=False))
    assert await worker.round() == []  # it is right in half of them, but they are only 16
    await speak(fresh_database, metric.name, spoken(44, right=False))
    assert [event.state for event in await worker.round()] == [AlertState.PENDING, AlertState.FIRING]
    standing = (await alerts.standing(["apart"]))["apart"]
    assert (standing.value, standing.bound, standing.samples) == (pytest.approx(0.0), 0.6, 60)
    assert await worker.round() == []
    await speak(fresh_database, metric.name, spoken(240, right=True))
    [over] = await worker.round()
    assert (over.state, over.value) == (AlertState.RESOLVED, pytest.approx(0.8))


async def test_where_nobody_measures_agreement_other_alerts_go_on(fresh_database: Database) -> None:
    """It is put off, and begins nothing."""
    parts = feedback_parts(fresh_database)
    metric = await a_metric(parts)
    definitions, alerts = ClickHouseDefinitions(fresh_database), ClickHouseAlerts(fresh_database)
    catalogue = AlertCatalogue(definitions, parts.metrics, alerts)
    await catalogue.create(watching(metric.name))
    await catalogue.create(AlertDefinition(name="behind", kind=AlertKind.QUEUE_AGE, threshold=600.0))
    assert await (await a_worker(fresh_database, None)).round() == []
    assert await alerts.standing(["apart", "behind"]) == {}


async def test_an_alert_on_text_is_refused(database: Database) -> None:
    """It cannot be compared."""
    parts = feedback_parts(database)
    metric = await a_metric(parts, OutputType.TEXT)
    catalogue = AlertCatalogue(ClickHouseDefinitions(database), parts.metrics, ClickHouseAlerts(database))
    with pytest.raises(InvalidDefinition, match="is text, which cannot be compared"):
        await catalogue.create(watching(metric.name))
