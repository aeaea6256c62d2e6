"""`assay doctor` on an installation that is well, and on one that is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_installation import Installation, installation

from assay.doctor import Check, judge_keys
from assay.settings import Settings

CHECKS = ["ClickHouse", "clock", "schema", "disk", "OTLP/gRPC to row", "OTLP/HTTP to row", "evaluator", "duplicates",
          "external results", "retention", "erasures", "sql metrics"]  # fmt: skip


def test_an_installation_that_is_well_passes_every_check(running: Installation) -> None:
    """One synthetic trace goes the whole way, over both protocols."""
    said = running.run("doctor", "--json")
    assert said.code == 0, said.out
    assert [(row["check"], row["state"]) for row in said.json if row["check"] not in ("disk", "duplicates")] == [
        (name, "ok") for name in CHECKS if name not in ("disk", "duplicates")
    ]
    assert [row["check"] for row in said.json] == CHECKS
    for_people = running.run("doctor")
    assert for_people.code == 0
    assert [name for name in CHECKS if name not in for_people.out] == []


def test_dead_parts_are_named_with_what_to_do_and_the_rest_is_still_checked(tmp_path: Path) -> None:
    """The supervisor is frozen, so that nothing comes back while doctor looks."""
    with installation(tmp_path) as place, place.frozen("up"):
        place.kill("evaluator")
        said = place.run("doctor", "--json")
        assert said.code == 1
        assert _failed(said.json) == ["evaluator"]
        place.kill("exporter")
        said = place.run("doctor", "--json")
        assert said.code == 1
        assert _failed(said.json) == ["OTLP/gRPC to row", "OTLP/HTTP to row", "evaluator"]
        assert [row["next"] != "" for row in said.json if row["state"] == "failed"] == [True] * 3
        place.kill("clickhouse")
        said = place.run("doctor", "--json")
        assert said.code == 1
        assert [(row["check"], row["state"], row["next"] != "") for row in said.json] == [
            ("ClickHouse", "failed", True)
        ]
        for_people = place.run("doctor")
        assert for_people.code == 1
        assert for_people.err == "assay: something is wrong; see above\n"


async def test_a_key_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its endpoint and where it should be, before the first judge is asked."""
    monkeypatch.delenv("ASSAY_TEST_JUDGE_KEY", raising=False)
    settings = Settings(
        judges='{"local": {"model": "openai/x", "base_url": "http://a/v1", "key": "env:ASSAY_TEST_JUDGE_KEY"}}'
    )
    found = await judge_keys(settings)
    assert isinstance(found, Check)
    assert (found.state, found.found) == (
        "warning",
        "no key for gateway:/local: the environment variable ASSAY_TEST_JUDGE_KEY is not set",
    )
    monkeypatch.setenv("ASSAY_TEST_JUDGE_KEY", "k")
    assert await judge_keys(settings) == "local: keys can be read"


def _failed(rows: list[dict[str, str]]) -> list[str]:
    return [row["check"] for row in rows if row["state"] == "failed"]
