"""Ports that several exporter processes listen at: chosen and kept by their parent, refused to everybody else.

With SO_REUSEPORT the kernel deals new connections out to all who listen.  It would also let in another installation of
the same user, in silence.  So the parent binds each port alone first, and opens it for sharing only then: nobody can
come between, and the port stays its own while a child is started again.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace

from assay.child import StartFailed
from assay.settings import Settings


@contextlib.contextmanager
def shared_ports(settings: Settings) -> Iterator[Settings]:
    """Keep the exporters' ports for the length of a block; yields the settings with the real ports.

    One exporter needs nothing of this: its settings are yielded as they are.

    Raises:
        StartFailed: A port is in use, or this system does not deal connections out.
    """
    if settings.exporters == 1:
        yield settings
        return
    if sys.platform != "linux":  # elsewhere SO_REUSEPORT is missing, or the last process gets every connection
        raise StartFailed(
            f"ASSAY_EXPORTERS={settings.exporters} needs Linux, where the kernel deals connections out to processes "
            "that share a port: use 1 here, or a load balancer in front of several `assay exporter`"
        )
    with contextlib.ExitStack() as kept:
        yield replace(
            settings,
            otlp_grpc=_keep(kept, "OTLP/gRPC", settings.otlp_grpc, "ASSAY_OTLP_GRPC"),
            otlp_http=_keep(kept, "OTLP/HTTP", settings.otlp_http, "ASSAY_OTLP_HTTP"),
        )


def _keep(kept: contextlib.ExitStack, protocol: str, address: str, variable: str) -> str:
    host, _, port = address.rpartition(":")
    number = int(port)
    try:
        for family, kind, _, _, place in socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM):
            keeper = kept.enter_context(socket.socket(family, kind))
            if family == socket.AF_INET6:
                keeper.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that ended a moment ago
            keeper.bind((place[0], number, *place[2:]))
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # refuses another keeper
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # lets our children in
            number = keeper.getsockname()[1]
    except OSError as error:
        raise StartFailed(
            f"cannot listen for {protocol} on {address} ({error.strerror}): the port is in use or not ours. Stop what "
            f"listens there, or set {variable} to another address (port 0 = any free one)"
        ) from error
    return f"{host}:{number}"
