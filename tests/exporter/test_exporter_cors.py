"""Web pages as senders: none unless the operator names their origin."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from exporter_requests import new_trace_id, traces
from running_receiver import PROTOBUF, receiving
from sinks import MemorySink

from exporter.server import ExporterSettings

PAGE = "https://app.example.com"
ASKED = "content-type,content-encoding,traceparent,X-Team,cookie2"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ASKED}


def granted(headers: Mapping[str, str]) -> dict[str, str]:
    """What a browser looks at."""
    return {name: value for name, value in headers.items() if name.startswith("Access-Control-") or name == "Vary"}


async def test_without_origins_there_is_no_cors_header_and_no_preflight() -> None:
    """A page of any site could otherwise write telemetry from its visitors' machines."""
    async with receiving(MemorySink()) as receiver:
        async with receiver.session.options("/v1/traces", headers=PREFLIGHT) as asked:
            pass
        headers = {"Origin": PAGE, "Content-Type": PROTOBUF}
        async with receiver.session.post("/v1/traces", data=traces(new_trace_id()), headers=headers) as sent:
            pass
    assert (asked.status, granted(asked.headers)) == (405, {})
    assert (sent.status, granted(sent.headers)) == (200, {})


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
async def test_a_named_origin_may_send_what_browser_sdks_send(path: str) -> None:
    """The headers that it may not send are left out, so that the browser refuses; beacons come with credentials."""
    async with (
        receiving(MemorySink(), ExporterSettings(cors_origins=("https://other.example", PAGE))) as receiver,
        receiver.session.options(path, headers=PREFLIGHT) as asked,
    ):
        assert (asked.status, granted(asked.headers)) == (
            204,
            {
                "Access-Control-Allow-Origin": PAGE,
                "Access-Control-Allow-Credentials": "true",
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": "content-type, content-encoding, traceparent, x-team",
                "Access-Control-Expose-Headers": "Retry-After",
                "Access-Control-Max-Age": "7200",
                "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            },
        )


@pytest.mark.parametrize(
    ("origins", "origin", "expected"),
    [
        ((PAGE,), PAGE, {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Credentials": "true"}),
        ((PAGE,), "https://app.example.com.evil.org", {}),
        ((PAGE,), "null", {}),
        ((PAGE,), "", {}),
        (("*",), "https://anybody.example", {"Access-Control-Allow-Origin": "*"}),
        (("*",), "", {}),
    ],
)
async def test_every_answer_says_who_may_read_it_and_caches_are_told(
    origins: tuple[str, ...], origin: str, expected: dict[str, str]
) -> None:
    """Refusals too, or the page would not see why; for `*` no credentials."""
    headers = {"Content-Type": PROTOBUF} | ({"Origin": origin} if origin else {})
    expected = {"Vary": "Origin"} | expected | ({"Access-Control-Expose-Headers": "Retry-After"} if expected else {})
    found = []
    async with receiving(MemorySink(), ExporterSettings(cors_origins=origins)) as receiver:
        for path, body in (("/v1/traces", traces(new_trace_id())), ("/v1/traces", b"\xff"), ("/v1/nothing", b"")):
            async with receiver.session.post(path, data=body, headers=headers) as answer:
                found.append((answer.status, granted(answer.headers)))
    assert found == [(200, expected), (400, expected), (404, expected)]
