"""The README's tour, block by block, against one running installation with the scripted judge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from blocks import ROOT, Block, Reader, blocks_of
from running_installation import installation, judged_by, scripted_judge

README = ROOT / "README.md"
NOT_RUN = {
    "installs": "makes a virtual environment and installs, or runs all tests: CI does both from a fresh clone",
    "stays-up": "runs until Ctrl-C; the test has its own installation up already",
    "needs-a-key": "asks a provider on the internet, which costs money",
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader at an empty installation."""
    folder = tmp_path_factory.mktemp("readme")
    with scripted_judge() as judge, installation(folder, judged_by(judge)) as place:
        yield Reader(installation=place, folder=folder)


def test_the_tour_does_what_the_readme_says(reader: Reader) -> None:
    """Every block in order, and every answer that is printed there."""
    for block in blocks_of(README):
        if not block.not_run:
            reader.read(block)


def test_what_the_pages_for_analysts_and_for_grpc_show_can_be_run(reader: Reader) -> None:
    """Every SELECT with the analyst's rights, and every import; the answer does not matter."""
    pages = [block for name in ("clickhouse.md", "grpc.md") for block in blocks_of(ROOT / "docs" / name)]
    statements = [part for block in pages if block.language == "sql" for part in block.body.split(";")]
    selects = [part for part in statements if re.search(r"^SELECT", part, re.MULTILINE)]
    for select in selects:
        reader.read(Block(language="sql", body=select, line=0))
    imports = [block for block in pages if block.language == "python"]
    for block in imports:
        reader.read(block)
    assert (len(selects), len(imports)) == (5, 1)


def test_a_block_that_is_not_run_has_a_known_reason() -> None:
    """And every known reason is needed."""
    assert {block.not_run for block in blocks_of(README)} - {""} == set(NOT_RUN)


def test_a_block_with_another_answer_is_noticed(reader: Reader, tmp_path: Path) -> None:
    """The test of the tour can fail."""
    page = tmp_path / "page.md"
    page.write_text("```console\n$ export N=2; echo create $N\ncreate 3\n```\n")
    (block,) = blocks_of(page)
    with pytest.raises(AssertionError, match="line 1 says:\ncreate 2"):
        reader.read(block)
