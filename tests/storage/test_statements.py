"""The texts of our queries."""

from __future__ import annotations

from importlib import resources

import pytest

from storage.clickhouse.client import statement

NAMES = sorted(
    file.name.removesuffix(".sql")
    for file in resources.files("storage.clickhouse.queries").iterdir()
    if file.name.endswith(".sql")
)


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_is_its_file_without_comments(name: str) -> None:
    """Line for line; a literal that holds two dashes would be cut, so there is none, and no semicolon is left."""
    lines = resources.files("storage.clickhouse.queries").joinpath(f"{name}.sql").read_text().splitlines()
    code = [line.partition("--")[0] for line in lines]
    assert [line for line in code if line.count("'") % 2] == []
    assert statement(name).split() == " ".join(code).split()
    assert ";" not in statement(name)
