"""Little disk, and none: telemetry is refused so that clients keep it, what was acknowledged stays, nothing crashes."""

from __future__ import annotations

import random
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status
from running_installation import Installation, installation, wait_until
from sent_spans import Load, chat_spans, receiver, stored_ids

NEVER_ENOUGH_MB = str(1 << 40)


def _fill(path: Path) -> None:
    """Write until nothing more fits, not even a byte."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


@pytest.fixture
def on_a_small_disk(tmp_path: Path) -> Iterator[Installation]:
    """An installation, not started yet, whose data directory is a disk of 256 MB, without a limit of our own."""
    disk = tmp_path / "data"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        with installation(tmp_path, {"ASSAY_MIN_FREE_DISK_MB": "0"}, started=False) as place:
            yield place
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_below_the_limit_telemetry_is_refused_retryably_with_the_reason_and_queries_still_work(tmp_path: Path) -> None:
    """Refused before the disk is full: clients keep what they have, analysts keep working, doctor says why."""
    request = chat_spans(random.Random(1), 1)
    with installation(tmp_path, {"ASSAY_MIN_FREE_DISK_MB": NEVER_ENOUGH_MB}) as place:
        found = place.endpoints
        with receiver(found["otlp_grpc"]) as stub, pytest.raises(grpc.RpcError) as refused:
            stub.Export(request, timeout=30)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "bytes of disk left" in (refused.value.details() or "")
        post = urllib.request.Request(
            f"http://{found['otlp_http']}/v1/traces",
            data=request.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
        )
        with pytest.raises(urllib.error.HTTPError) as http_refused, urllib.request.urlopen(post, timeout=30):
            pass
        assert http_refused.value.code == 503
        assert int(http_refused.value.headers["Retry-After"]) > 0
        assert "bytes of disk left" in Status.FromString(http_refused.value.read()).message
        assert place.query("SELECT count() AS n FROM spans", user="analyst_url") == [{"n": 0}]
        doctor = place.run("doctor", "--json", ASSAY_MIN_FREE_DISK_MB=NEVER_ENOUGH_MB)
        states = {row["check"]: row["state"] for row in doctor.json}
        assert (doctor.code, states["ClickHouse"], states["disk"], states["evaluator"]) == (1, "ok", "failed", "ok")


def test_a_full_disk_loses_nothing_that_was_acknowledged_and_ingest_goes_on_when_there_is_room(
    on_a_small_disk: Installation,
) -> None:
    """ClickHouse acknowledges parts that it could not write when the space goes between its check and its write."""
    place, ballast = on_a_small_disk, on_a_small_disk.data_dir / "ballast"
    load = Load(address=place.start()["otlp_grpc"], seed=3)
    with load.running():
        load.wait_for_more(500)
        _fill(ballast)
        load.wait_for_refusal()
        exporter = place.kill("exporter")  # its successor's pid may not fit on the disk
        wait_until("the exporter to be started again", lambda: "restarting" in place.log)
        _fill(ballast)
        load.wait_for_refusal(load.clients)
        assert place.query("SELECT count() > 500 AS many FROM spans", user="analyst_url") == [{"many": 1}]
        ballast.unlink()
        load.wait_for_more(500)
        place.wait_replaced("exporter", exporter)
    assert load.broken == []
    assert load.acknowledged - stored_ids(place) == set()
    assert place.stop() == 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_a_disk_that_fills_and_empties_again_and_again_loses_nothing(on_a_small_disk: Installation, seed: int) -> None:
    """The long version: the space goes at any point of a commit."""
    place, ballast = on_a_small_disk, on_a_small_disk.data_dir / "ballast"
    load = Load(address=place.start()["otlp_grpc"], seed=seed, clients=6, spans=40)
    numbers = random.Random(seed)
    with load.running():
        for _ in range(20):
            load.wait_for_more(numbers.randrange(1, 500))
            _fill(ballast)
            load.wait_for_refusal()
            ballast.unlink()
    assert load.broken == []
    assert load.acknowledged - stored_ids(place) == set()
