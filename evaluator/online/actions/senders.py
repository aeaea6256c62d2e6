"""The ways on which a message leaves: a signed HTTP request, or an OTel log event.

One question decides each refusal: may the same message be taken later?  What hangs, breaks off, redirects, or answers
with an error is tried again; only 410 says that nothing is wanted any more (Standard Webhooks).
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from evaluator.online.actions.hosts import WebhookHosts
from evaluator.online.actions.signature import WebhookSecrets
from evaluator.online.emitting.otlp_out import Delivers, NotTaken
from evaluator.online.emitting.result_event import request_of
from storage.deliveries import Delivery

TIMEOUT_SECONDS = 10.0
MAX_RETRY_AFTER_SECONDS = 3600.0
GONE = 410


class Sends(Protocol):
    """One way."""

    async def send(self, delivery: Delivery, target: str) -> None:
        """Hand over one message to where its action says now.

        Raises:
            NotTaken: It was not taken, or nobody knows.
        """


class Webhooks:
    """Signed HTTP requests.  Made by `webhooks`."""

    def __init__(self, session: aiohttp.ClientSession, hosts: WebhookHosts, secrets: WebhookSecrets) -> None:
        self._session = session
        self._hosts = hosts
        self._secrets = secrets

    async def send(self, delivery: Delivery, target: str) -> None:
        """See `Sends`."""
        if refusal := self._hosts.refusal(target):  # the setting may have changed since the rule was saved
            raise NotTaken(refusal)
        _check_literal(self._hosts, target)
        body = delivery.body.encode()
        signed = self._secrets.headers(str(delivery.delivery_id), timestamp=int(time.time()), body=body)
        headers = {"Content-Type": "application/json", **signed}
        try:
            async with self._session.post(target, data=body, headers=headers, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    return
                wait = answer.headers.get("Retry-After", "")
                seconds = float(wait) if wait.isascii() and wait.isdecimal() and len(wait) < 9 else 0.0
                raise NotTaken(
                    f"HTTP {answer.status}" + (": redirects are not followed" if 300 <= answer.status < 400 else ""),
                    final=answer.status == GONE,
                    retry_seconds=min(seconds, MAX_RETRY_AFTER_SECONDS),
                )
        except TimeoutError:
            raise NotTaken(f"no answer within {self._session.timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotTaken(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def webhooks(
    hosts: WebhookHosts, secrets: WebhookSecrets, *, version: str, timeout_seconds: float = TIMEOUT_SECONDS
) -> AsyncIterator[Webhooks]:
    """Connections for the length of a block.  No proxy of the environment, no cookies, no redirects."""
    connector = aiohttp.TCPConnector(limit=0, resolver=_AllowedAddresses(hosts))
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        headers={"User-Agent": f"assay/{version}"},
    ) as session:
        yield Webhooks(session, hosts, secrets)


class Events:
    """Log events to the endpoint of `ASSAY_OTLP_OUT`."""

    def __init__(self, endpoint: Delivers, *, version: str) -> None:
        self._endpoint = endpoint
        self._version = version

    async def send(self, delivery: Delivery, target: str) -> None:
        """See `Sends`; the target is always the configured endpoint."""
        if await self._endpoint.deliver(request_of([record_of(delivery)], version=self._version)):
            raise NotTaken("the endpoint refuses this record", final=True)


class NotConfigured:
    """A way that a setting would open."""

    def __init__(self, setting: str) -> None:
        self._setting = setting

    async def send(self, delivery: Delivery, target: str) -> None:
        """Refuses; the setting may come."""
        raise NotTaken(f"{self._setting} is not set")


def record_of(delivery: Delivery) -> LogRecord:
    """A message as a log event: its `type` is the name, its `data` the attributes, `assay.` before each.

    It stands in no trace: should it come back to our own receiver, a trace would count as changed and be scored again.
    """
    message: dict[str, Any] = json.loads(delivery.body)
    record = LogRecord(
        event_name=f"assay.{message['type']}",
        time_unix_nano=delivery.created_us * 1000,
        severity_number=SeverityNumber.SEVERITY_NUMBER_WARN,
        severity_text="WARN",
    )
    record.attributes.add(key="assay.delivery.id").value.string_value = str(delivery.delivery_id)
    for key, value in _flat("assay", message["data"]):
        attribute = record.attributes.add(key=key).value
        match value:
            case bool():
                attribute.bool_value = value
            case int():
                attribute.int_value = value
            case float():
                attribute.double_value = value
            case _:
                attribute.string_value = str(value)
    return record


def _flat(prefix: str, node: dict[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in node.items():
        name = f"{prefix}.{key}"
        if isinstance(value, dict):
            found += _flat(name, value)
        elif isinstance(value, list):
            found.append((name, json.dumps(value, ensure_ascii=False)))
        elif value is not None:
            found.append((name, value))
    return found


class _AllowedAddresses(AbstractResolver):
    """Resolves as the system does, and leaves out what may not be reached: a name may change where it points."""

    def __init__(self, hosts: WebhookHosts) -> None:
        self._hosts = hosts
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        allowed = [each for each in found if self._hosts.may_connect(host, port, each["host"])]
        if found and not allowed:
            raise OSError(f"{host} resolves to an address that webhooks may not reach")
        return allowed

    async def close(self) -> None:
        await self._system.close()


def _check_literal(hosts: WebhookHosts, url: str) -> None:
    """An address that is written as such is not resolved."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    literal = ":" in host or host.replace(".", "").isdigit()
    if literal and not hosts.may_connect(host, parts.port or (443 if parts.scheme == "https" else 80), host):
        raise NotTaken(f"{host} is an address that webhooks may not reach")
