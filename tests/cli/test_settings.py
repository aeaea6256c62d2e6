"""Settings: where they come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.settings import InvalidSetting, Settings, load


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("grpc =", "{file} is not TOML: Invalid value (at end of document)"),
        ("grpc = 'nowhere'", "ASSAY_GRPC must be host:port (port 0 = any free one), got 'nowhere'"),
        (
            "otlp_grpc = '127.0.0.1:99999'",
            "ASSAY_OTLP_GRPC must be host:port (port 0 = any free one), got '127.0.0.1:99999'",
        ),
        ("min_free_disk_mb = 'much'", "ASSAY_MIN_FREE_DISK_MB must be a whole number, got 'much'"),
        ("min_free_disk_mb = -1", "ASSAY_MIN_FREE_DISK_MB must be 0 or more, got -1"),
        ("trace_idle_seconds = 'long'", "ASSAY_TRACE_IDLE_SECONDS must be a number, got 'long'"),
        ("trace_idle_seconds = 0", "ASSAY_TRACE_IDLE_SECONDS must be above 0 and finite, got 0.0"),
        ("trace_idle_seconds = nan", "ASSAY_TRACE_IDLE_SECONDS must be above 0 and finite, got nan"),
        ("trace_idle_seconds = inf", "ASSAY_TRACE_IDLE_SECONDS must be above 0 and finite, got inf"),
        (
            "retention_days = 'soon'",
            "ASSAY_RETENTION_DAYS: 'soon' is no number of days from 0 (for ever) to 10000",
        ),
        ("log_level = 'loud'", "ASSAY_LOG_LEVEL must be debug, info, warning or error, got 'loud'"),
        ("insecure = 'perhaps'", "ASSAY_INSECURE must be true or false, got 'perhaps'"),
        ("database = 'a-b'", "ASSAY_DATABASE must be letters, digits and _, got 'a-b'"),
        (
            "clickhouse_url = 'user:secret@localhost'",
            "ASSAY_CLICKHOUSE_URL must be http(s)://user:password@host:port/database",
        ),
        (
            "clickhouse_http = '0.0.0.0:8123'",
            "ASSAY_CLICKHOUSE_HTTP=0.0.0.0:8123 is not on loopback, and the embedded ClickHouse listens nowhere else: "
            "use 127.0.0.1, or run a server of your own and set ASSAY_CLICKHOUSE_URL",
        ),
    ],
)
def test_a_bad_setting_is_named_with_what_to_write(tmp_path: Path, written: str, sentence: str) -> None:
    """The name is the one of the environment variable, which the documentation uses."""
    file = tmp_path / "assay.toml"
    file.write_text(written)
    with pytest.raises(InvalidSetting) as refused:
        load(environment={}, file=file)
    assert str(refused.value) == sentence.format(file=file)


@pytest.mark.parametrize("name", ["otlp_grpc", "otlp_http", "grpc"])
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "example.org"])
def test_a_listener_beyond_this_machine_needs_the_switch(name: str, host: str) -> None:
    """There are no keys yet, so nobody is let in by accident."""
    with pytest.raises(InvalidSetting) as refused:
        load({name: f"{host}:1"}, environment={})
    assert str(refused.value) == (
        f"ASSAY_{name.upper()}={host}:1 would let everybody in who can reach this machine, and there are no keys yet: "
        "use 127.0.0.1, or add --insecure on a network that you trust"
    )
    assert getattr(load({name: f"{host}:1", "insecure": True}, environment={}), name) == f"{host}:1"


def test_an_unknown_setting_in_the_file_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    """A typing error must not be a silent default."""
    file = tmp_path / "assay.toml"
    file.write_text("grcp = '127.0.0.1:0'")
    with pytest.raises(InvalidSetting, match=r"has unknown settings \['grcp'\]; known are \[.*'grpc'.*\]"):
        load(environment={}, file=file)


def test_flags_override_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    """What is nearer to the command counts; the rest keeps its default."""
    file = tmp_path / "assay.toml"
    file.write_text("database = 'of_file'\nlog_level = 'debug'\nmin_free_disk_mb = 7\ntrace_idle_seconds = 3")
    environment = {"ASSAY_DATABASE": "of_environment", "ASSAY_LOG_LEVEL": "error", "ASSAY_INSECURE": "yes"}
    flags = {"database": "of_flag", "grpc": None}
    assert load(flags, environment=environment, file=file) == Settings(
        database="of_flag", log_level="error", min_free_disk_mb=7, trace_idle_seconds=3.0, insecure=True
    )


def test_a_setting_that_is_set_to_nothing_keeps_its_default() -> None:
    """`ASSAY_GRPC= assay up` is how shells unset a variable for one command."""
    assert load(environment={"ASSAY_GRPC": ""}, file=Path("there-is-no-such-file")) == Settings()
