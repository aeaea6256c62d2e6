"""Guidelines of a judge in files and by hand: what people see and edit of what an alignment left."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from running_front import Front, running_front
from typer.testing import CliRunner

from assay import documents
from assay.cli import applying, metrics
from assay.cli.main import app
from assay.client import Client
from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline, Origin
from storage.clickhouse.client import Database
from storage.model import Level, MetricKind, OutputType

COMMAND_MODULES = (applying, metrics)
"""Imported, they register their commands."""
RUN_ID = "0b6f3a52-8b8e-4d5c-9a51-3e8d0f1b2c3d"
DISTILLED = Guideline(
    text="Name every amount, with its currency.",
    guideline_id="g1",
    feedback_ids=("f1", "f2"),
    support=7,
    origin=Origin.RUN,
    alignment_id=RUN_ID,
)
WRITTEN = Guideline(text="A greeting is no answer.")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A server, a metric of the test's own that an alignment has made, and commands against it."""

    front: Front
    metric: MetricDefinition

    async def run(self, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
        assert (result.exit_code, result.exception) == (0, None), result.output
        return result.stdout

    async def guidelines(self) -> tuple[Guideline, ...]:
        """Those in force."""
        return (await self.front.metrics.get(self.metric.name)).guidelines


@pytest.fixture
async def place(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Version 1 is an alignment's."""
    async with running_front(database) as front:
        monkeypatch.setenv("ASSAY_GRPC", front.address)
        record = await front.metrics.create(aligned(f"tone_{uuid.uuid4().hex[:8]}"))
        yield Place(front=front, metric=record.definition)


def aligned(name: str) -> MetricDefinition:
    """A judge with one line of a run and one of a person."""
    return MetricDefinition(
        name=name,
        kind=MetricKind.JUDGE,
        levels=(Level.SPAN,),
        output_type=OutputType.BOOLEAN,
        prompt="Polite?\n{{output}}",
        guidelines=(DISTILLED, WRITTEN),
        alignment_id=RUN_ID,
    )


def test_guidelines_survive_a_file(tmp_path: Path) -> None:
    """A line that only a person wrote is a text; any other says where it comes from."""
    body = documents.metric_body(aligned("tone"))
    file = tmp_path / "tone.yaml"
    file.write_text(documents.dumped([body]))
    assert body["guidelines"] == [DISTILLED.to_body(), "A greeting is no answer."]
    assert documents.read([file]).metrics == (replace(aligned("tone"), alignment_id=""),)


async def test_showing_a_metric_shows_each_line_with_its_origin(place: Place) -> None:
    """Who asks why a judge says what it says finds the run and the feedback."""
    shown = yaml.safe_load(await place.run("metric", "show", place.metric.name))
    assert (shown["guidelines"], shown["alignment_id"]) == ([DISTILLED.to_body(), WRITTEN.text], RUN_ID)
    as_json = json.loads(await place.run("metric", "show", place.metric.name, "--json"))
    assert as_json["guidelines"] == [DISTILLED.to_body(), WRITTEN.to_body()]


async def test_what_was_exported_changes_nothing_when_it_is_applied(place: Place, tmp_path: Path) -> None:
    """Nobody can state which alignment made a version, so the lack of it is no difference."""
    file = tmp_path / "all.yaml"
    file.write_text(await place.run("export", place.metric.name))
    applied = json.loads(await place.run("apply", "-f", str(file), "--json"))
    assert [(each["action"], each["version"]) for each in applied] == [("unchanged", 1)]
    assert (await place.front.metrics.get(place.metric.name)).alignment_id == RUN_ID


async def test_a_line_that_is_edited_by_hand_is_a_persons(place: Place) -> None:
    """It keeps whose feedback it came from, claims no support any more, and the version is nobody's alignment."""

    def edit() -> Any:
        with Client(place.front.address) as client:
            read = client.get_metric(place.metric.name).definition
            edited = replace(read.guidelines[0], text="Name every amount.")
            return client.update_metric(replace(read, guidelines=(edited, *read.guidelines[1:])), base_version=1)

    made = (await asyncio.to_thread(edit)).definition
    theirs = replace(DISTILLED, text="Name every amount.", origin=Origin.HUMAN, support=0, alignment_id="")
    assert (made.version, made.alignment_id, made.guidelines) == (2, "", (theirs, WRITTEN))
    assert await place.guidelines() == (theirs, WRITTEN)


async def test_an_edit_of_something_else_leaves_the_lines_alone(place: Place) -> None:
    """With an update mask, nothing but what it names is touched."""

    def edit() -> Any:
        with Client(place.front.address) as client:
            read = client.get_metric(place.metric.name).definition
            return client.update_metric(replace(read, description="for people", alignment_id=""), base_version=1)

    assert (await asyncio.to_thread(edit)).definition.guidelines == (DISTILLED, WRITTEN)


async def test_a_version_that_is_restored_has_its_lines_again_as_they_were(place: Place) -> None:
    """Also where a line of the same id was edited in between; a person made this version."""
    edited = replace(place.metric, guidelines=(replace(DISTILLED, text="Other."),), alignment_id="")
    await place.front.metrics.update(edited, base_version=1)
    restored = (await place.front.metrics.restore(place.metric.name, 1)).definition
    assert (restored.guidelines, restored.alignment_id, restored.version) == ((DISTILLED, WRITTEN), "", 3)


async def test_a_metric_without_a_judge_takes_no_guidelines(place: Place) -> None:
    """Nobody would read them."""
    code = MetricDefinition(
        name="code_with_lines",
        kind=MetricKind.CODE,
        levels=(Level.SPAN,),
        output_type=OutputType.COUNT,
        function="response_length",
        guidelines=(WRITTEN,),
    )
    with pytest.raises(InvalidDefinition) as refused:
        await place.front.metrics.create(code)
    assert (refused.value.field, refused.value.reason) == ("metric.guidelines", "a code metric has no guidelines")
