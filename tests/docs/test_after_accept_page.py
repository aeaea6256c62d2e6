"""The page about what follows an accepted alignment: every block is run, in order, at a judge that can be taught."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blocks import ROOT, Reader, blocks_of
from running_installation import PATIENCE_SECONDS, installation, judged_by, scripted_judge

from evaluator.judges.scripted_learning import learning
from storage.rechecking import RowVerdict

PAGE = ROOT / "docs" / "after-accept.md"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader at an empty installation."""
    folder = tmp_path_factory.mktemp("after")
    with scripted_judge() as judge:
        judge.always(learning)
        with installation(folder, judged_by(judge)) as place:
            yield Reader(installation=place, folder=folder, patience_seconds=4 * PATIENCE_SECONDS)


def test_the_page_about_what_follows_does_what_it_says(reader: Reader) -> None:
    """From an accepted alignment to means that labels correct."""
    blocks = blocks_of(PAGE)
    for block in blocks:
        assert not block.not_run
        reader.read(block)
    assert {block.language for block in blocks} == {"console", "sql"}


def test_every_verdict_on_a_row_is_on_the_page() -> None:
    """In the words of SQL."""
    text = PAGE.read_text(encoding="utf-8")
    assert [verdict for verdict in RowVerdict if f"| `{verdict}` |" not in text] == []
