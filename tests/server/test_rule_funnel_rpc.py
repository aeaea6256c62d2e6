"""`GetRuleFunnel`, the client's call and the commands that show it, of a rule that a real worker has worked for."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from online_parts import Online, a_rule, at_work, online
from rich.console import Console
from running_front import PreparedExplaining, PreparedScoring, run_catalogue
from running_installation import ASSAY, PATIENCE_SECONDS, assay, command_environment
from storing import SentSpan, a_chat, store, until

from assay.cli import watching
from assay.client import AsyncClient, CallFailed, MetricFunnel, RuleFunnel
from evaluator.online.funnels import FunnelCounter
from evaluator.online.rules.policy import Budget
from evaluator.server.funnels import RuleFunnels
from evaluator.server.serve import Parts, serving
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.clickhouse.funnels import ClickHouseFunnels
from storage.clickhouse.results import ClickHouseResults

NOTHING = MetricFunnel(
    metric="response_length", waiting=0, running=0, succeeded=0, not_applicable=0, not_computed=0, failed=0,
    over_budget=0, dependency=0, set_aside=0, cancelled=0, too_late=0, oldest_waiting_seconds=None,
    lag_median_seconds=None, lag_p99_seconds=None,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that counts funnels."""

    address: str
    client: AsyncClient
    parts: Online


@asynccontextmanager
async def served(database: Database) -> AsyncIterator[Served]:
    """On a free port of the loopback."""
    async with online(database) as parts:
        scoring, metrics = PreparedScoring(), parts.scoring.metrics
        counter = FunnelCounter(
            rules=parts.rules, funnels=ClickHouseFunnels(database), budgets=ClickHouseBudgets(database)
        )
        behind = Parts(
            scoring=scoring,
            computing=scoring,
            results=ClickHouseResults(database),
            explaining=PreparedExplaining(),
            metrics=metrics,
            rules=parts.rules,
            runs=run_catalogue(database, metrics),
            funnels=RuleFunnels(counter),
        )
        async with serving("127.0.0.1:0", behind) as port, AsyncClient(f"127.0.0.1:{port}") as client:
            yield Served(address=f"127.0.0.1:{port}", client=client, parts=parts)


@pytest.fixture
async def service(fresh_database: Database) -> AsyncIterator[Served]:
    """A server on an empty database, and a rule that has scored three chats of five spans."""
    async with served(fresh_database) as running:
        rule = a_rule("chats", metrics=("response_length",), filter="kind = 'llm'", budget=Budget(calls=7))
        await running.parts.rules.create(rule, request_id=None)
        chats = [a_chat(answer=f"{number}") for number in range(3)]
        ago_ms = int(datetime.now(UTC).timestamp() * 1000) - 60_000
        await store(fresh_database, *chats, SentSpan(), SentSpan(), ingested_ms=ago_ms)
        async with at_work(running.parts):
            await running.parts.until_results(3)
            await running.parts.until_looked("chats")
        yield running


async def test_the_funnel_of_a_rule_is_what_its_worker_did(service: Served, fresh_database: Database) -> None:
    """Three of five spans are model calls, and each has its result; what came after the worker went waits, and ages."""
    found = await service.client.rule_funnel("chats")
    [metric] = found.metrics
    assert metric.lag_median_seconds is not None
    assert metric.lag_p99_seconds is not None
    assert 0 <= metric.lag_median_seconds <= metric.lag_p99_seconds
    lags = {name: getattr(metric, name) for name in ("lag_median_seconds", "lag_p99_seconds")}
    assert found == RuleFunnel(
        name="chats",
        since=found.since,
        until=found.since + timedelta(hours=24),
        complete=5,
        sampled_out=0,
        filtered_out=2,
        metrics=(replace(NOTHING, succeeded=3, **lags),),
        spent=Budget(),
        budget=Budget(calls=7),
    )
    await store(fresh_database, a_chat())

    async def complete() -> MetricFunnel | None:
        [metric] = (await service.client.rule_funnel("chats")).metrics
        return metric if metric.waiting else None

    metric = await until(complete)
    assert (metric.waiting, metric.succeeded) == (1, 3)
    assert metric.oldest_waiting_seconds is not None
    assert metric.oldest_waiting_seconds > 0

    now = datetime.now(UTC)
    empty = await service.client.rule_funnel("chats", since=now - timedelta(hours=5), until=now - timedelta(hours=4))
    assert (empty.complete, empty.until - empty.since, empty.metrics) == (0, timedelta(hours=1), (NOTHING,))
    with pytest.raises(CallFailed) as refused:
        await service.client.rule_funnel("chats", since=now, until=now - timedelta(hours=1))
    assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT.name, "INVALID_REQUEST")
    with pytest.raises(CallFailed) as unknown:
        await service.client.rule_funnel("nobody")
    assert unknown.value.reason == "RULE_NOT_FOUND"


async def test_the_commands_show_a_funnel(service: Served, tmp_path: Path) -> None:
    """Once as a table with the budget under it; line after line as JSON, and live on a terminal, until Ctrl-C."""
    said = await asyncio.to_thread(assay, "rule", "funnel", "chats", cwd=tmp_path, ASSAY_GRPC=service.address)
    heading, row, spent = said.out.splitlines()
    assert heading.split()[:2] == ["rule", "metric"]
    assert row.split()[:9] == ["chats", "response_length", "5", "3", "0", "0", "0", "0", "2"]
    assert spent == "spent today (UTC): 0 of 7 calls"
    process = await asyncio.create_subprocess_exec(
        ASSAY, "rule", "watch", "chats", "--json", "--every", "0.2",
        cwd=tmp_path, env=command_environment(ASSAY_GRPC=service.address), stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [json.loads(await process.stdout.readline()) for _ in range(2)]
    assert [(line["complete"], line["metrics"][0]["succeeded"]) for line in lines] == [(5, 3), (5, 3)]
    process.send_signal(signal.SIGINT)
    _, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    seen = await asyncio.to_thread(_on_a_terminal, service.address, tmp_path)
    assert "response_length" in seen
    assert seen.rstrip().endswith("\x1b[?1049l")  # the screen that was there before is shown again


def _on_a_terminal(address: str, folder: Path) -> str:
    """What `assay rule watch` draws on a terminal until it was interrupted."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = command_environment(ASSAY_GRPC=address, TERM="xterm")
    process = subprocess.Popen(
        [ASSAY, "rule", "watch", "--every", "0.2"], cwd=folder, env=environment,
        stdin=inside, stdout=inside, stderr=inside, start_new_session=True,
    )  # fmt: skip
    os.close(inside)
    seen, interrupted = b"", False
    try:
        while part := _read(terminal):
            seen += part
            if not interrupted and b"Ctrl-C" in seen:
                process.send_signal(signal.SIGINT)
                interrupted = True
    finally:
        os.close(terminal)
    assert process.wait(PATIENCE_SECONDS) == 0, seen
    return seen.decode(errors="replace")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody has the other end open any more
        return b""


@pytest.mark.parametrize(("width", "last"), [(40, "scored"), (80, "sampled out"), (160, "stopped")])
def test_a_narrow_terminal_shows_fewer_columns(width: int, last: str) -> None:
    """Never a broken line, and never a number that is cut."""
    now = datetime.now(UTC)
    metric = replace(NOTHING, metric="faithful", succeeded=1000, oldest_waiting_seconds=61.0, lag_median_seconds=7300.0)
    found = RuleFunnel(
        name="a_rule", since=now, until=now, complete=20_000, sampled_out=19_000, filtered_out=0, metrics=(metric,),
        spent=Budget(), budget=None,
    )  # fmt: skip
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(watching._table([found, found], width))
    heading, *rows = console.export_text().splitlines()
    assert heading.rstrip().endswith(last)
    assert [row.split()[:4] for row in rows] == [["a_rule", "faithful", "20000", "1000"]] * 2
    assert max(map(len, (heading.rstrip(), *rows))) <= width
