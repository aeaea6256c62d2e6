"""The page about review queues: every block of it is run, in order, against one running installation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blocks import ROOT, Reader, blocks_of
from running_installation import installation, judged_by, scripted_judge

PAGE = ROOT / "docs" / "review.md"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader at an empty installation."""
    folder = tmp_path_factory.mktemp("review")
    with scripted_judge() as judge, installation(folder, judged_by(judge)) as place:
        yield Reader(installation=place, folder=folder)


def test_the_page_about_reviewing_does_what_it_says(reader: Reader) -> None:
    """From an empty queue to the verdicts in SQL."""
    blocks = blocks_of(PAGE)
    for block in blocks:
        assert not block.not_run
        reader.read(block)
    assert {block.language for block in blocks} == {"console", "python", "sql"}
