"""`assay up` from its first line to the end of its last process."""

from __future__ import annotations

import json
import random
import signal
import stat
from pathlib import Path

import pytest
from running_installation import Installation, wait_until, without_passwords
from sent_spans import chat_spans, ids_of, send, stored_ids


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_up_prints_one_json_line_and_writes_the_same_to_endpoints_json(shared: Installation) -> None:
    """Scripts read either; the keys are fixed."""
    said = json.loads(shared.first_line)
    assert shared.endpoints == said
    ports = {name: said[name] for name in ("otlp_grpc", "otlp_http", "grpc", "clickhouse_http")}
    assert all(address.startswith("127.0.0.1:") and int(address[10:]) > 0 for address in ports.values())
    assert len(set(ports.values())) == 4
    pids = said["pids"]
    assert said | {"clickhouse_url": without_passwords(said["clickhouse_url"])} | {
        "analyst_url": without_passwords(said["analyst_url"])
    } == ports | {
        "clickhouse_url": f"http://***@{said['clickhouse_http']}/assay",
        "analyst_url": f"http://***@{said['clickhouse_http']}/assay",
        "database": "assay",
        "pids": {
            "up": pids["up"],
            "exporters": [pids["exporters"][0]],
            "evaluator": pids["evaluator"],
            "clickhouse": pids["clickhouse"],
        },
    }
    assert {pids["up"], *pids["exporters"], pids["evaluator"], pids["clickhouse"]} == shared.left()


@pytest.mark.parametrize(
    "name", ["endpoints.json", "credentials.json", "secret", "engine/config.xml", "engine/users.xml"]
)
def test_what_holds_a_secret_is_readable_by_its_owner_only(shared: Installation, name: str) -> None:
    """Passwords and the fence's secret are nobody else's business."""
    assert _mode(shared.data_dir / name) == 0o600


def test_no_password_is_on_a_command_line_or_in_the_log(shared: Installation) -> None:
    """Other users of the machine can read command lines."""
    passwords = json.loads((shared.data_dir / "credentials.json").read_text()).values()
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in shared.left()]
    assert len(lines) == 4
    assert [word for word in passwords if word in "".join(lines) + shared.log] == []


def test_sigterm_and_ctrl_c_end_every_process_and_what_was_acknowledged_survives_them(fresh: Installation) -> None:
    """A supervisor's way and a terminal's way mean the same."""
    sent = chat_spans(random.Random(15), 3)
    send(fresh.start()["otlp_grpc"], sent)
    assert (fresh.stop(signal.SIGTERM), fresh.left(), _announced(fresh)) == (0, set(), False)
    fresh.start()
    assert stored_ids(fresh) == set(ids_of(sent))
    assert (fresh.ctrl_c(), fresh.left(), _announced(fresh)) == (0, set(), False)
    assert "Traceback" not in fresh.log


def _announced(place: Installation) -> bool:
    return (place.data_dir / "endpoints.json").exists()


def test_kill_9_of_up_ends_every_process_and_the_directory_can_be_used_at_once(fresh: Installation) -> None:
    """Children see the end of their pipe to the parent; a start meanwhile waits for the server that is about to end."""
    sent = chat_spans(random.Random(9), 3)
    send(fresh.start()["otlp_grpc"], sent)
    before = fresh.left()
    assert len(before) == 4
    fresh.kill("up")
    fresh.ended()
    fresh.start()
    assert stored_ids(fresh) == set(ids_of(sent))
    wait_until("the children of the killed one to end", lambda: not before & fresh.left())


def test_a_stop_during_the_start_leaves_no_process(fresh: Installation) -> None:
    """SIGTERM may come before anything is ready."""
    process = fresh.launch()
    wait_until("the engine to be started", (fresh.data_dir / "engine" / "lock").exists)
    process.send_signal(signal.SIGTERM)
    assert fresh.ended() == 0
    assert fresh.left() == set()
