"""`assay demo`: what a newcomer sees first."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_installation import MARK, Said, assay, marked


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo runs."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def as_json(folder: Path) -> Said:
    """One demo with --json."""
    return assay("demo", "--json", "--data-dir", str(folder / "json"), cwd=folder, **{MARK: "demo"})


@pytest.fixture(scope="module")
def in_words(folder: Path) -> Said:
    """One demo for people."""
    return assay("demo", "--data-dir", str(folder / "words"), cwd=folder, **{MARK: "demo"})


def test_the_demos_json_holds_together(as_json: Said) -> None:
    """Scores are there, the worst answer is the wrong one, and SQL says the same as gRPC."""
    assert as_json.code == 0, as_json.err
    said = as_json.json
    assert set(said) >= {"endpoints", "judge", "results", "asked", "by_service", "worst", "seconds"}
    assert set(said["endpoints"]) == {"otlp_grpc", "otlp_http", "grpc", "clickhouse_http", "database"}
    assert said["judge"] == "openai/scripted"
    bot = next(row for row in said["by_service"] if row["service"] == "geography-bot")
    assert (bot["scored"], bot["correctness"]) == (4, 0.75)  # three right answers, one wrong on purpose
    assert {row["service"] for row in said["by_service"]} == {"demo-app", "geography-bot"}  # captures, and the app
    assert sum(row["scored"] for row in said["by_service"]) <= said["results"]
    assert [(row["span"], row["verdict"], "Italy" in row["answer"]) for row in said["worst"]] == [
        ("chat table-1", "incorrect", True)
    ]
    assert (said["asked"]["metric"], said["asked"]["value"], said["asked"]["label"]) == (
        "correctness",
        0.0,
        "incorrect",
    )


def test_the_demo_says_in_about_thirty_lines_what_it_did_and_what_comes_next(in_words: Said) -> None:
    """SQL beside its answer; then how to keep it running, point an app at it, query it, and use a real judge."""
    assert in_words.code == 0, in_words.err
    lines = [line for line in in_words.out.splitlines() if line.strip()]
    assert 25 <= len(lines) <= 50
    for words in (
        "SCRIPTED", "SELECT ServiceName AS service", "geography-bot", "keep it running", "assay up",
        "OTEL_EXPORTER_OTLP_ENDPOINT=", "assay sql", "analyst_url", "ASSAY_JUDGE_MODEL=",
    ):  # fmt: skip
        assert words in in_words.out, words
    assert "Traceback" not in in_words.err


def test_the_demo_leaves_its_data_and_no_process(as_json: Said, folder: Path) -> None:
    """`assay up` on the same directory goes on from there."""
    assert as_json.code == 0
    assert marked("demo") == set()
    assert (folder / "json" / "clickhouse").is_dir()
    assert not (folder / "json" / "endpoints.json").exists()
