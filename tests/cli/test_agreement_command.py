"""`assay agreement` and alerts on it, as people and scripts use them."""

from __future__ import annotations

import asyncio
import random

import pytest
from agreement_parts import a_world, speak
from running_installation import Installation

from storage.clickhouse.client import Database

METRIC = "input_sexism"
"""A boolean of the catalogue that no other test labels."""


@pytest.fixture(scope="module")
def labelled(running: Installation) -> Installation:
    """Forty targets that people have labelled."""

    async def work() -> None:
        async with Database(running.endpoints["clickhouse_url"]) as database:
            await speak(database, METRIC, a_world(random.Random(21), 40))

    asyncio.run(work())
    return running


def test_agreement_is_told_in_tables_that_fit(labelled: Installation) -> None:
    """Both halves, the counts, and what to label next."""
    said = labelled.run("agreement", METRIC, "--by", "class", "--by", "annotator", COLUMNS="80")
    assert said.code == 0, said.err
    for part in (
        f"{METRIC} version 1: the judge against people", "Cohen's kappa", "expected ↓ concluded →", "class=true",
        "People against each other", "Krippendorff's alpha", "pair=ann,bob", "40  resolved targets with a verdict",
        "→ label about ",
    ):  # fmt: skip
        assert part in said.out
    assert max(map(len, said.out.splitlines())) <= 200


def test_agreement_as_json_is_one_value(labelled: Installation) -> None:
    """What is not defined is null with a note."""
    found = labelled.run("agreement", METRIC, "--by", "class", "--json").json
    assert (found["metric"], found["version"], found["counts"]["judge_human"]) == (METRIC, 1, 40)
    assert [each["group"] for each in found["judge_human"]] == ["all", "class=false", "class=true"]
    kappa = found["judge_human"][0]["statistics"]["cohen_kappa"]
    assert kappa["lower"] < kappa["value"] < kappa["upper"]
    nobody = labelled.run("agreement", METRIC, "--queue", "nobodys", "--json").json
    assert nobody["judge_human"][0]["statistics"]["cohen_kappa"] == {
        "value": None, "lower": None, "upper": None, "count": 0, "note": "no rows",
    }  # fmt: skip
    assert labelled.run("agreement", METRIC, "--queue", "nobodys").out.count("no such targets yet") == 2


def test_agreement_of_what_is_not_there_is_refused(labelled: Installation) -> None:
    """In a sentence."""
    said = labelled.run("agreement", "nobody_made_it")
    assert (said.code, "nobody_made_it" in said.err) == (1, True)


def test_an_alert_on_agreement_can_be_made(labelled: Installation) -> None:
    """It was refused while nobody could measure it."""
    made = labelled.run(
        "alert", "create", "apart", "--kind", "agreement", "--metric", METRIC, "--threshold", "0.99",
        "--window", "2592000", "--json",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert made.json[0]["kind"] == "agreement"
    refused = labelled.run("alert", "create", "other", "--kind", "agreement", "--threshold", "0.5")
    assert (refused.code, "alert.window_seconds" in refused.err) == (2, True)
