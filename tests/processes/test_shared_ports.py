"""Ports that several exporters share: real before the first listens, ours alone, free afterwards."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from assay.child import StartFailed
from assay.settings import Settings
from assay.shared_ports import shared_ports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several exporters need Linux")


def _settings(folder: Path, *, host: str = "127.0.0.1", grpc: int = 0, exporters: int = 2) -> Settings:
    return Settings(data_dir=folder, otlp_grpc=f"{host}:{grpc}", otlp_http=f"{host}:0", exporters=exporters)


def _listen(address: str, *, shared: bool) -> socket.socket:
    host, _, port = address.rpartition(":")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    listener.bind((host.strip("[]"), int(port)))
    listener.listen()
    return listener


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_children_that_share_may_listen_and_nobody_who_does_not(tmp_path: Path, host: str) -> None:
    """The keeper itself takes no connection: each goes to one that listens."""
    with shared_ports(_settings(tmp_path, host=host)) as kept:
        assert kept.otlp_grpc != kept.otlp_http
        assert not kept.otlp_grpc.endswith(":0")
        place = kept.otlp_grpc.replace("localhost", "127.0.0.1")
        with pytest.raises(OSError, match="Address already in use"):
            _listen(place, shared=False)
        with _listen(place, shared=True), _listen(place, shared=True):
            socket.create_connection((place.rpartition(":")[0].strip("[]"), int(place.rpartition(":")[2]))).close()
    _listen(place, shared=False).close()


def _refused(folder: Path, address: str) -> None:
    refusal = rf"cannot listen for OTLP/gRPC on {address} \(Address already in use\).*set ASSAY_OTLP_GRPC to another"
    settings = _settings(folder, grpc=int(address.rpartition(":")[2]))
    with pytest.raises(StartFailed, match=refusal), shared_ports(settings):
        pass


def test_a_port_where_a_program_listens_is_refused(tmp_path: Path) -> None:
    """As without sharing."""
    with _listen("127.0.0.1:0", shared=False) as other:
        _refused(tmp_path, f"127.0.0.1:{other.getsockname()[1]}")


def test_a_port_that_another_installation_shares_is_refused_whether_its_exporters_run_or_not(tmp_path: Path) -> None:
    """In the moment when none of them listens, its keeper does not let go."""
    with shared_ports(_settings(tmp_path)) as kept:
        _refused(tmp_path, kept.otlp_grpc)
        with _listen(kept.otlp_grpc, shared=True):
            _refused(tmp_path, kept.otlp_grpc)


def test_one_exporter_keeps_nothing(tmp_path: Path) -> None:
    """It binds its ports itself, without sharing."""
    settings = _settings(tmp_path, exporters=1)
    with shared_ports(settings) as kept:
        assert kept is settings
