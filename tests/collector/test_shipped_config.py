"""otel-collector.yaml is valid for the Collector that is built, as it is shipped and with its comments uncommented."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from collector_process import refusal, shipped, with_both_ways, with_the_other_way

pytestmark = pytest.mark.collector


def test_the_shipped_file_needs_no_environment_to_be_valid(collector: Path, tmp_path: Path) -> None:
    """Every variable of the shipped part has a default."""
    assert refusal(collector, shipped(), tmp_path) == ""


@pytest.mark.parametrize("config", [with_both_ways(), yaml.safe_dump(with_the_other_way())])
def test_the_commented_way_is_valid_once_uncommented(collector: Path, tmp_path: Path, config: str) -> None:
    """The commented part is configuration and not prose; it asks for the address of ClickHouse only."""
    assert refusal(collector, config, tmp_path, COLLECTOR_CLICKHOUSE_URL="http://u:p@127.0.0.1:8123") == ""


def test_a_misspelt_setting_is_refused(collector: Path, tmp_path: Path) -> None:
    """The two tests above can fail."""
    assert "send_batch_sise" in refusal(collector, shipped().replace("send_batch_size", "send_batch_sise"), tmp_path)
