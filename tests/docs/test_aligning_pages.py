"""The page about alignment and its example, run against one running installation whose judge can be taught."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from blocks import ROOT, Block, Reader, blocks_of
from running_installation import PATIENCE_SECONDS, command_environment, installation, judged_by, scripted_judge

from evaluator.judges.scripted_learning import learning

PAGE = ROOT / "docs" / "alignment.md"
NOT_RUN = {"many-labels": "needs more labels than a page gives"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader at an empty installation."""
    folder = tmp_path_factory.mktemp("aligning")
    with scripted_judge() as judge:
        judge.always(learning)
        with installation(folder, judged_by(judge)) as place:
            yield Reader(installation=place, folder=folder)


def test_three_corrections_teach_a_judge(reader: Reader) -> None:
    """The example from its first line to its last, on the traffic of the example application."""
    place = reader.installation
    environment = command_environment(
        ASSAY_DATA_DIR=str(place.data_dir),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{place.endpoints['otlp_http']}",
        PYTHONPATH=str(ROOT),
    )

    def run(script: Path, text: str = "") -> str:
        done = subprocess.run(
            [sys.executable, str(script)],
            env=environment, input=text, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = run(ROOT / "examples" / "align" / "three_corrections.py", run(ROOT / "examples" / "app.py")).splitlines()
    assert said[0] == "1. 4 answers judged: true, true, true, false"
    assert said[1] == "2. three of them corrected, each with the reason"
    assert said[2].startswith("3. Aligned: 3 disagreements, ")
    assert said[-3].startswith("4. the report's verdict is inconclusive: ")
    assert said[-2] == "5. plain_answer version 2 is in force"
    assert said[-1] == "6. judged again: false, false, false, false"


def test_every_block_of_the_page_can_be_run(reader: Reader) -> None:
    """In order; answers that are printed come."""
    for block in blocks_of(PAGE):
        if block.not_run:
            assert block.not_run in NOT_RUN
        elif block.language == "sql":  # one statement each, as a client sends it
            for statement in filter(str.strip, block.body.split(";")):
                reader.read(Block(language="sql", body=statement, line=block.line, shown=block.shown))
        else:
            reader.read(block)
