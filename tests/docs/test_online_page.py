"""The page about online evaluation: every block of it is run, in order, against one running installation."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from blocks import ROOT, Block, Reader, blocks_of
from running_installation import installation, judged_by, scripted_judge

from storage.clickhouse.migrate import shipped

PAGE = ROOT / "docs" / "online.md"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader at an empty installation."""
    folder = tmp_path_factory.mktemp("online")
    with scripted_judge() as judge, installation(folder, judged_by(judge)) as place:
        yield Reader(installation=place, folder=folder)


def test_every_number_of_the_page_can_be_asked_for(reader: Reader) -> None:
    """With the analyst's rights, after a rule has worked; answers that are printed come, the others are accepted."""
    blocks = blocks_of(PAGE)
    for block in blocks:
        assert not block.not_run
        if block.language == "sql":  # one statement each, as a client sends it
            for statement in filter(str.strip, block.body.split(";")):
                reader.read(Block(language="sql", body=statement, line=block.line, shown=block.shown))
        else:
            reader.read(block)
    assert {block.language for block in blocks} == {"console", "sql"}


def test_every_column_of_the_funnel_is_explained() -> None:
    """No number without a word about where it comes from."""
    section = PAGE.read_text(encoding="utf-8").split("## The funnel")[1].split("\n## ")[0]
    rows = "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    [view] = [each.statement for each in shipped() if each.name == "rule_funnel"]
    counts = set(re.findall(r"sum\(t\.\w+\) AS (\w+)", view))
    assert set(re.findall(r"`(\w+)`", rows)) == counts


def test_every_metric_of_our_own_is_on_the_page() -> None:
    """And none that does not exist."""
    section = PAGE.read_text(encoding="utf-8").split("## Own metrics")[1]
    named = re.findall(r"^\| `(assay\.[a-z._]+)` \|", section, re.MULTILINE)
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "assay" / "own").glob("of_*.py"))
    made = re.findall(r"(?:create_\w+|told|shown)\(\s*\"(assay\.[a-z._]+)\"", sources)
    assert sorted(named) == sorted(made)
