"""Cross-origin requests: web pages of the origins that the operator names may send telemetry; without any, none may."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aiohttp import web

_HEADERS = frozenset(
    {"authorization", "baggage", "content-encoding", "content-type", "traceparent", "tracestate", "user-agent"}
)
"""What browser SDKs send besides the headers that every page may send; and any `x-…`."""
MAX_AGE_SECONDS = 7200
"""How long a browser need not ask again; Chromium's own limit."""
EVERY_ORIGIN = "*"


class Cors:
    """Answers for a set of origins (`https://host[:port]`, or `*` for every one); an empty set grants nothing."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def __bool__(self) -> bool:
        return bool(self._origins)

    def granted(self, request: web.BaseRequest) -> Mapping[str, str]:
        """Headers of an answer to this request."""
        if not self._origins:
            return {}
        headers = {"Vary": "Origin"}  # else a cache gives one origin's answer to another
        origin = request.headers.get("Origin", "")
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"  # navigator.sendBeacon always sends them
        elif origin and EVERY_ORIGIN in self._origins:
            headers["Access-Control-Allow-Origin"] = EVERY_ORIGIN
        else:
            return headers
        headers["Access-Control-Expose-Headers"] = "Retry-After"
        return headers

    def preflight(self, request: web.BaseRequest) -> web.Response:
        """The answer to OPTIONS: which headers may be sent."""
        headers = dict(self.granted(request))
        headers["Vary"] = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        if "Access-Control-Allow-Origin" in headers:
            asked = request.headers.get("Access-Control-Request-Headers", "").lower().split(",")
            allowed = [name for name in map(str.strip, asked) if name in _HEADERS or name.startswith("x-")]
            headers["Access-Control-Allow-Methods"] = "POST"
            headers["Access-Control-Allow-Headers"] = ", ".join(allowed)
            headers["Access-Control-Max-Age"] = str(MAX_AGE_SECONDS)
        return web.Response(status=204, headers=headers)
