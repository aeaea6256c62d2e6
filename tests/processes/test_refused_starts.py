"""What `assay up` refuses: a sentence that says what to do, an exit code, and nothing left running."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_installation import FREE_PORTS, Installation, Said, assay, marked


def _up(folder: Path, *arguments: str, mark: str = "", **settings: str) -> Said:
    return assay("up", *FREE_PORTS, *arguments, cwd=folder, TEST_INSTALLATION=mark or folder.name, **settings)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens at."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("same_ports", [False, True])
def test_a_second_up_on_a_directory_names_the_pid_and_leaves_the_first_alone(
    shared: Installation, tmp_path: Path, same_ports: bool
) -> None:
    """Two servers on one directory would destroy it.  The pid is said even where the ports clash as well."""
    before = shared.endpoints
    arguments = ["--clickhouse-http", before["clickhouse_http"]] if same_ports else []
    second = _up(tmp_path, "--data-dir", str(shared.data_dir), *arguments)
    pids = before["pids"]
    assert (second.code, second.out, second.err) == (
        1,
        "",
        f"assay: the data directory {shared.data_dir} is in use by pid {pids['clickhouse']} (started by pid "
        f"{pids['up']}); stop it, or choose another ASSAY_DATA_DIR\n",
    )
    assert shared.endpoints == before
    assert shared.left() == {pids["up"], *pids["exporters"], pids["evaluator"], pids["clickhouse"]}
    assert shared.query("SELECT 1 AS one") == [{"one": 1}]
    assert marked(tmp_path.name) == set()


@pytest.mark.parametrize(
    ("flag", "setting"),
    [
        ("--otlp-http", "ASSAY_OTLP_HTTP"),
        ("--grpc", "ASSAY_GRPC"),
        ("--clickhouse-http", "ASSAY_CLICKHOUSE_HTTP"),
    ],
)
def test_a_port_in_use_is_named_with_its_setting_and_nothing_stays(
    tmp_path: Path, taken_port: int, flag: str, setting: str
) -> None:
    """Half an installation would be worse than none."""
    refused = _up(tmp_path, flag, f"127.0.0.1:{taken_port}", "--json")
    assert refused.code == 1
    sentence = refused.json["error"]
    assert str(taken_port) in sentence
    assert setting in sentence
    assert "in use" in sentence
    assert marked(tmp_path.name) == set()
    assert not (tmp_path / ".assay" / "endpoints.json").exists()


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A path below a file cannot be made, not even by root."""
    (tmp_path / "file").write_text("")
    refused = _up(tmp_path, "--data-dir", str(tmp_path / "file" / "data"))
    assert (refused.code, refused.out, refused.err) == (
        1,
        "",
        f"assay: the data directory {tmp_path}/file/data cannot be written (Not a directory): choose another "
        "ASSAY_DATA_DIR\n",
    )
    assert marked(tmp_path.name) == set()


@pytest.mark.parametrize(
    ("arguments", "written", "names"),
    [
        ([], "grpc = 127.0.0.1", "assay.toml is not TOML"),
        ([], "grcp = '127.0.0.1:0'", "assay.toml has unknown settings ['grcp']"),
        (["--otlp-http", "0.0.0.0:0"], "", "ASSAY_OTLP_HTTP=0.0.0.0:0 would let everybody in"),
    ],
)
def test_settings_that_are_not_acceptable_are_a_usage_error_before_anything_starts(
    tmp_path: Path, arguments: list[str], written: str, names: str
) -> None:
    """Exit code 2; the other settings are checked by tests/cli/test_settings.py."""
    (tmp_path / "assay.toml").write_text(written)
    refused = _up(tmp_path, *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"assay: {names}")
    assert not (tmp_path / ".assay").exists()
