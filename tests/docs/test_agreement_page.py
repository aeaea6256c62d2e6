"""The SQL on the page of agreement gives the numbers that the service measures."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from agreement_parts import Spoken, a_world, speak
from blocks import ROOT, blocks_of
from feedback_parts import a_metric, feedback_parts

from evaluator.feedback.agreement import AgreementQuery, measure_agreement
from evaluator.statistics.estimate import Estimate
from storage.clickhouse.agreement import ClickHouseLabels
from storage.clickhouse.client import Database
from storage.model import OutputType, Score

LABELS, NUMBERS, PEOPLE = (each.body for each in blocks_of(ROOT / "docs" / "agreement.md") if each.language == "sql")


async def asked(database: Database, sql: str, metric: str) -> list[dict[str, Any]]:
    """A query of the page, of another metric."""
    for name in ("'helpful'", "'warmth'"):
        sql = sql.replace(name, f"'{metric}'")
    return await database.query(sql)


async def measured(database: Database, metric: str, *by: str) -> Mapping[str, Mapping[str, Estimate]]:
    """What the service says: the judge's statistics under `judge`, people's by group."""
    metrics = feedback_parts(database).metrics
    found = await measure_agreement(metrics, ClickHouseLabels(database), AgreementQuery(metric=metric, by=by))
    groups = {each.group: each.statistics for each in found.human_human}
    return {"judge": found.judge_human[0].statistics, **groups}


async def test_kappa_and_who_disagrees_with_whom_in_sql(database: Database) -> None:
    """To the last digits."""
    metric = await a_metric(feedback_parts(database))
    await speak(database, metric.name, a_world(random.Random(12), 70))
    found = await measured(database, metric.name, "annotator")
    [row] = await asked(database, LABELS, metric.name)
    judge = {name: found["judge"][name].value for name in ("agreement", "cohen_kappa")}
    assert {name: row[name] for name in judge} == pytest.approx(judge)
    assert row["n"] == 70
    pairs = {
        f"pair={row['annotator']},{row['other_annotator']}": (row["n"], pytest.approx(row["agreement"]))
        for row in await asked(database, PEOPLE, metric.name)
    }
    told = {name: each["agreement"] for name, each in found.items() if name.startswith("pair=")}
    assert {name: (each.count, each.value) for name, each in told.items()} == pairs


async def test_numbers_in_sql(database: Database) -> None:
    """Errors and concordance."""
    metric = await a_metric(feedback_parts(database), OutputType.PERCENTAGE)
    generator = random.Random(13)
    world = []
    for _ in range(50):
        right = round(generator.random(), 1)
        judged = min(1.0, max(0.0, round(right + generator.gauss(0.05, 0.15), 2)))
        world.append(
            Spoken(said=[("ann", Score(value=right))], judged=Score(value=judged), resolved=Score(value=right))
        )
    await speak(database, metric.name, world)
    [row] = await asked(database, NUMBERS, metric.name)
    judge = (await measured(database, metric.name))["judge"]
    names = ("mae", "bias", "ccc")
    assert {name: row[name] for name in names} == pytest.approx({name: judge[name].value for name in names})
