"""What the pages about definitions and the client show, run as it stands there."""

from __future__ import annotations

import asyncio
import re
import runpy
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from blocks import ROOT
from evaluating_parts import Service, evaluating

from assay import documents
from evaluator.expressions.functions import AGGREGATES, SCALARS, TIMES
from storage.clickhouse.client import Database


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Service]:
    """A running evaluator."""
    async with evaluating(database) as running:
        yield running


def examples(page: str, language: str) -> list[str]:
    """The blocks of a page in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found


async def test_the_file_on_the_page_of_metrics_as_code_can_be_applied(service: Service, tmp_path: Path) -> None:
    """A judge, a composite, a roll-up and a rule, in this order; what is exported is what was applied."""
    (text,) = examples("docs/metrics-as-code.md", "yaml")
    file = tmp_path / "tone.yaml"
    file.write_text(text, encoding="utf-8")
    stated = documents.read([file])
    applied = await service.client.apply(stated.metrics, stated.rules)
    assert [(each.kind, each.name, str(each.action), each.warnings) for each in applied] == [
        ("metric", "tone", "created", ()),
        ("metric", "kind_and_correct", "created", ()),
        ("metric", "share_of_warm_answers", "created", ()),
        ("rule", "tone_of_a_tenth", "created", ()),
    ]
    again = await service.client.apply(stated.metrics, stated.rules)
    assert {str(each.action) for each in again} == {"unchanged"}


async def test_the_file_on_the_page_of_sql_metrics_can_be_applied(service: Service, tmp_path: Path) -> None:
    """One about spans, one about traces and sessions."""
    (text,) = examples("docs/sql-metrics.md", "yaml")
    file = tmp_path / "sql.yaml"
    file.write_text(text, encoding="utf-8")
    stated = documents.read([file])
    applied = await service.client.apply(stated.metrics, stated.rules)
    assert [(each.name, str(each.action)) for each in applied] == [
        ("slow_answer", "created"), ("tokens_used", "created"),
    ]  # fmt: skip


def test_the_page_of_sql_metrics_names_every_function() -> None:
    """No more and no fewer than the compiler takes."""
    section = (ROOT / "docs/sql-metrics.md").read_text(encoding="utf-8").partition("| | functions |")[2]
    rows = section.partition("\n\n")[0].splitlines()[2:]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[2])}
    assert named == {*SCALARS, *TIMES, *AGGREGATES}


async def test_every_example_of_the_client_runs(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each as a script of its own, against a real service."""
    monkeypatch.setenv("ASSAY_GRPC", service.address)
    written = examples("docs/client.md", "python")
    assert len(written) == 3
    for number, text in enumerate(written):
        script = tmp_path / f"example_{number}.py"
        script.write_text(text.replace("127.0.0.1:4320", service.address), encoding="utf-8")
        await asyncio.to_thread(runpy.run_path, str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert "Paris 1.0\nRome 0.0\n" in said
    assert "correct_and_short" in said
    rule = (await service.client.get_rule("geography_bot_tool_call_correctness")).definition
    assert (rule.sample_rate, rule.enabled, rule.scope, rule.filter) == (
        0.3, False, "geography-bot", "status = 'OK'",
    )  # fmt: skip
