"""What `assay up` refuses: a sentence that says what to do, an exit code, and nothing left running."""

from __future__ import annotations

import re
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
        ("--otlp-grpc", "ASSAY_OTLP_GRPC"),
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
    ("written", "sentence"),
    [
        ("grpc = 127.0.0.1", r"assay\.toml is not TOML: .* \(at line 1, column \d+\)"),
        ('grcp = "127.0.0.1:0"', r"assay\.toml has unknown settings \['grcp'\]; known are \[.*'grpc'.*\]"),
        ("min_free_disk_mb = 'much'", r"ASSAY_MIN_FREE_DISK_MB must be a whole number, got 'much'"),
        ("min_free_disk_mb = -1", r"ASSAY_MIN_FREE_DISK_MB must be 0 or more, got -1"),
        ("trace_idle_seconds = 0", r"ASSAY_TRACE_IDLE_SECONDS must be above 0 and finite, got 0\.0"),
        ("trace_idle_seconds = nan", r"ASSAY_TRACE_IDLE_SECONDS must be above 0 and finite, got nan"),
        ("trace_idle_seconds = inf", r"ASSAY_TRACE_IDLE_SECONDS must be above 0 and finite, got inf"),
        ("log_level = 'loud'", r"ASSAY_LOG_LEVEL must be debug, info, warning or error, got 'loud'"),
        ("insecure = 'perhaps'", r"ASSAY_INSECURE must be true or false, got 'perhaps'"),
        ("database = 'a-b'", r"ASSAY_DATABASE must be letters, digits and _, got 'a-b'"),
        ("clickhouse_url = 'localhost:8123'", r"ASSAY_CLICKHOUSE_URL must be http\(s\)://.*"),
    ],
)
def test_a_bad_setting_is_a_usage_error_that_names_it(tmp_path: Path, written: str, sentence: str) -> None:
    """Exit code 2, before anything is started."""
    (tmp_path / "assay.toml").write_text(written)
    refused = _up(tmp_path)
    assert refused.code == 2
    assert refused.out == ""
    assert re.fullmatch(f"assay: {sentence}\n", refused.err), refused.err
    assert not (tmp_path / ".assay").exists()


@pytest.mark.parametrize("flag", ["--otlp-grpc", "--otlp-http", "--grpc", "--clickhouse-http"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "nowhere", "127.0.0.1:99999"])
def test_an_address_that_is_not_acceptable_is_a_usage_error(tmp_path: Path, flag: str, address: str) -> None:
    """Nobody is let in from outside unless it is asked for."""
    refused = _up(tmp_path, flag, address, "--json")
    assert refused.code == 2
    assert f"ASSAY_{flag[2:].replace('-', '_').upper()}" in refused.json["error"]
    assert address in refused.json["error"]
    assert not (tmp_path / ".assay").exists()


def test_a_flag_overrides_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    """Seen by which of three bad values is complained about."""
    (tmp_path / "assay.toml").write_text('grpc = "from-file"')
    assert "'from-file'" in _plain_up(tmp_path).err
    assert "'from-environment'" in _plain_up(tmp_path, ASSAY_GRPC="from-environment").err
    assert "'from-flag'" in _plain_up(tmp_path, "--grpc", "from-flag", ASSAY_GRPC="from-environment").err


def _plain_up(folder: Path, *arguments: str, **settings: str) -> Said:
    return assay("up", *arguments, cwd=folder, **settings)


def test_listening_beyond_the_machine_works_when_it_is_asked_for(tmp_path: Path) -> None:
    """--insecure is the switch that the refusal names."""
    from running_installation import installation

    with installation(tmp_path, started=False) as place:
        place.arguments = (*FREE_PORTS, "--otlp-http", "0.0.0.0:0", "--insecure")
        assert place.start()["otlp_http"].startswith("0.0.0.0:")
