"""The page about feedback: every block of it is run, in order, against one running installation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blocks import ROOT, Reader, blocks_of
from running_installation import installation, judged_by, scripted_judge

from storage.feedback import ResolutionStatus

PAGE = ROOT / "docs" / "feedback.md"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader at an empty installation."""
    folder = tmp_path_factory.mktemp("feedback")
    with scripted_judge() as judge, installation(folder, judged_by(judge)) as place:
        yield Reader(installation=place, folder=folder)


def test_the_page_about_feedback_does_what_it_says(reader: Reader) -> None:
    """From the first correction to the file."""
    blocks = blocks_of(PAGE)
    for block in blocks:
        assert not block.not_run
        reader.read(block)
    assert {block.language for block in blocks} == {"console", "python", "sql"}


def test_every_state_is_on_the_page() -> None:
    """In the words of SQL and the wire."""
    text = PAGE.read_text(encoding="utf-8")
    assert [state for state in ResolutionStatus if f"| `{state}` |" not in text] == []
