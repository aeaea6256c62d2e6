"""Little disk, and none: telemetry is refused so that clients keep it, what was acknowledged stays, nothing crashes."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from running_installation import PATIENCE_SECONDS, Installation, installation, wait_until
from sent_spans import Load, receiver, stored_ids

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
