"""`assay demo`: the whole path, real, on this machine, in about thirty lines.

Starts everything, sends captures of real instrumentations and a small application's spans over real OTLP, lets a rule
score them, asks for one score over gRPC, and reads the scores back in SQL.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from rich.table import Table

from assay.cli.console import CommandFailed, console
from assay.client import Client, Level, Result, ResultFilter, RuleDefinition, TargetRef
from assay.settings import Settings
from assay.up import ProcessTree
from evaluator.judges.scripted import ScriptedJudge
from storage.clickhouse.client import Database

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
RULE = "demo"
WAIT_SECONDS = 60.0
SCRIPTED_MODEL = "openai/scripted"

BY_SERVICE = """\
SELECT ServiceName AS service, count() AS scored,
       round(avg(toFloat64(SpanAttributes['gen_ai.evaluation.correctness.score.value'])), 2) AS correctness,
       round(avg(toFloat64(SpanAttributes['gen_ai.evaluation.response_length.score.value']))) AS characters
FROM spans
WHERE SpanAttributes['gen_ai.evaluation.correctness.score.value'] IS NOT NULL
GROUP BY service ORDER BY correctness, service"""

WORST = """\
SELECT SpanName AS span, SpanAttributes['gen_ai.evaluation.correctness.score.label'] AS verdict,
       substring(SpanAttributes['gen_ai.output.messages'], 1, 120) AS answer
FROM spans
WHERE ServiceName = 'geography-bot' AND EvaluationAttributes['gen_ai.evaluation.correctness.score.value'] = '0'
LIMIT 3"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Who judges: a model that is configured, or our scripted server."""

    model: str
    base_url: str = ""
    api_key: str = ""
    scripted: bool = False


@contextmanager
def judging(settings: Settings) -> Iterator[Judge]:
    """The configured judge; without one, a scripted server on loopback for as long as the block lasts."""
    if settings.judge_model:
        yield Judge(model=settings.judge_model, base_url=settings.judge_base_url, api_key=settings.judge_api_key)
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="scripted-judge")
    thread.start()
    server = ScriptedJudge()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield Judge(model=SCRIPTED_MODEL, base_url=server.base_url, api_key="scripted", scripted=True)
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def run_demo(settings: Settings, *, keep: bool, as_json: bool) -> None:
    """Run the demo; raises CommandFailed where something does not come out as it should."""
    if not (EXAMPLES / "captures").is_dir():
        raise CommandFailed(f"the examples are not at {EXAMPLES}", "run the demo from a clone of the repository")
    say = _Voice(quiet=as_json)
    started = time.monotonic()
    if not keep:  # it leaves nothing behind that listens, so any free ports will do
        settings = replace(
            settings,
            otlp_grpc="127.0.0.1:0",
            otlp_http="127.0.0.1:0",
            grpc="127.0.0.1:0",
            clickhouse_http="127.0.0.1:0",
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    log = settings.data_dir / "demo.log"
    with judging(settings) as judge, open(log, "w") as stderr:
        chosen = replace(settings, judge_model=judge.model, judge_base_url=judge.base_url, judge_api_key=judge.api_key)
        with ProcessTree(chosen, stderr=stderr) as tree:
            found = tree.endpoints()
            seconds = time.monotonic() - started
            say(f"1. Up in {seconds:.1f} s: ClickHouse, the OTLP receiver, the evaluator (log: {log}).")
            if judge.scripted:
                say("   Judge: SCRIPTED. No ASSAY_JUDGE_MODEL is set, so a small server on this machine answers by a")
                say("   fixed rule. The path is real, the verdicts are not. A real judge: see the end.")
            else:
                say(f"   Judge: {judge.model}.")
            outcome = _walk(found, chosen, say, ready_seconds=seconds)
            outcome["seconds"] = round(time.monotonic() - started, 1)
            if as_json:
                print(json.dumps(outcome, indent=2))
            _farewell(found, chosen, say, keep=keep)
            if keep:
                threading.Event().wait() if as_json else _stay(tree)


def _walk(found: dict[str, Any], settings: Settings, say: _Voice, *, ready_seconds: float) -> dict[str, Any]:
    """The path itself: rule, spans in, scores out."""
    began = datetime.now(UTC)
    with Client(found["grpc"]) as client:
        _make_rule(client)
        say(f"2. Rule {RULE!r}: every span of kind llm gets correctness (a judge) and response_length (code).")
        names = _send_captures(found)
        trace_ids = _run_app(found)
        families = sorted({name.partition("/")[0] for name in names})
        say(f"3. Sent over OTLP/gRPC and OTLP/HTTP: {len(names)} captures of real instrumentations")
        say(f"   ({', '.join(families)}),")
        say(f"   and {len(trace_ids)} traces of examples/app.py, which knows only the OpenTelemetry SDK.")
        results = _await_results(client, trace_ids, since=began)
        verdicts = [result for result in results if result.metric == "correctness" and result.value is not None]
        rest = [result for result in results if result.value is None]
        scores = len(results) - len(rest)
        say(f"4. The rule made {len(results)} results: {scores} scores ({len(verdicts)} by the judge),")
        say(f"   and {len(rest)} that could not be scored ({_reasons(rest)}): stored as that, never as 0.")
        first_score = min(result.insert_time for result in results if result.insert_time)
        asked = _ask(client, trace_ids[-1])
        say(f"5. Asked over gRPC: correctness of trace {trace_ids[-1][:8]}… = {asked.value} ({asked.label}).")
    rows = asyncio.run(_query(found, BY_SERVICE, wait_for=len(verdicts)))
    say("6. In SQL, where scores are span attributes:\n")
    say.sql(BY_SERVICE, rows)
    worst = asyncio.run(_query(found, WORST, wait_for=1))
    say.sql(WORST, worst)
    return {
        "endpoints": {key: found[key] for key in ("otlp_grpc", "otlp_http", "grpc", "clickhouse_http", "database")},
        "judge": settings.judge_model,
        "results": len(results),
        "first_score_seconds": round((first_score - began).total_seconds() + ready_seconds, 1),
        "asked": {"trace_id": trace_ids[-1], "metric": "correctness", "value": asked.value, "label": asked.label},
        "by_service": rows,
        "worst": worst,
    }


def _make_rule(client: Client) -> None:
    if RULE not in {record.definition.name for record in client.list_rules()}:
        client.create_rule(
            RuleDefinition(
                name=RULE, level=Level.SPAN, metrics=("correctness", "response_length"), filter="kind = 'llm'"
            )
        )


def _send_captures(found: dict[str, Any]) -> list[str]:
    """Every capture, alternately over gRPC and HTTP, with fresh ids and today's times."""
    replay = runpy.run_path(str(EXAMPLES / "replay.py"))
    names: list[str] = []
    with grpc.insecure_channel(found["otlp_grpc"]) as channel:
        for number, (name, requests) in enumerate(replay["renewed"]()):
            for request in requests:
                if number % 2:
                    replay["send_http"](f"http://{found['otlp_http']}", request)
                else:
                    replay["send_grpc"](channel, request)
            names.append(name)
    return names


def _run_app(found: dict[str, Any]) -> list[str]:
    """The example application as a process of its own, configured by the SDK's variable only."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "app.py")],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{found['otlp_http']}"},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise CommandFailed(f"examples/app.py failed: {done.stderr.strip()[-300:]}")
    return done.stdout.split()


def _await_results(client: Client, trace_ids: list[str], *, since: datetime) -> list[Result]:
    """Wait until the rule has scored the application's traces, and nothing new came for two rounds."""
    limit, seen, quiet = time.monotonic() + WAIT_SECONDS, 0, 0
    while time.monotonic() < limit:
        results = list(client.list_results(ResultFilter(rule=RULE, since=since)))
        scored = {result.target.trace_id for result in results}
        quiet = quiet + 1 if len(results) == seen and scored >= set(trace_ids) else 0
        if quiet >= 4:  # rules give a trace of several services six seconds
            return results
        seen = len(results)
        time.sleep(1.0)
    raise CommandFailed(
        f"the rule scored {seen} results within {WAIT_SECONDS:.0f} s, not those of the application", "see the log"
    )


def _ask(client: Client, trace_id: str) -> Result:
    result = client.evaluate([TargetRef(level=Level.TRACE, trace_id=trace_id)], ["correctness"])[0]
    if result.value is None:
        raise CommandFailed(f"the judge gave no verdict: {result.status} {result.error or result.explanation}")
    return result


def _reasons(results: list[Result]) -> str:
    reasons = {result.explanation or (result.error.code if result.error else str(result.status)) for result in results}
    return ", ".join(sorted(reasons)) or "none"


async def _query(found: dict[str, Any], sql: str, *, wait_for: int) -> list[dict[str, Any]]:
    """Rows of a query as the read-only analyst; write-back puts results onto spans within a second or two."""
    async with Database(found["analyst_url"] or found["clickhouse_url"], database=found["database"]) as database:
        limit = time.monotonic() + WAIT_SECONDS
        while True:
            rows = await database.query(sql)
            if sum(int(row.get("scored", 1)) for row in rows) >= wait_for:
                return rows
            if time.monotonic() > limit:
                raise CommandFailed("the scores did not appear on the spans", "see the log")
            await asyncio.sleep(0.3)


class _Voice:
    """Speaks to people, or not at all."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, line: str) -> None:
        if not self._quiet:
            print(line, flush=True)

    def sql(self, sql: str, rows: list[dict[str, Any]]) -> None:
        """A query with its answer."""
        if self._quiet:
            return
        print("\n".join(f"     {line}" for line in sql.splitlines()) + "\n", flush=True)
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for name in rows[0] if rows else ():
            table.add_column(name, overflow="ellipsis", no_wrap=True)
        for row in rows:
            table.add_row(*[str(value) for value in row.values()])
        with_indent = console()
        with with_indent.capture() as captured:
            with_indent.print(table)
        print("\n".join(f"     {line}" for line in captured.get().rstrip().splitlines()) + "\n", flush=True)


def _farewell(found: dict[str, Any], settings: Settings, say: _Voice, *, keep: bool) -> None:
    data = f" --data-dir {settings.data_dir}" if settings.data_dir != Settings().data_dir else ""
    say("Next:")
    if keep:
        say("  it stays up        until Ctrl-C")
    else:
        say(f"  keep it running    .venv/bin/assay up{data}            (this data is still there)")
    endpoint = found["otlp_http"] if keep else Settings().otlp_http
    say(f"  point an app at it OTEL_EXPORTER_OTLP_ENDPOINT=http://{endpoint}")
    say(f'  query it           .venv/bin/assay sql "SELECT …"{data}, or any ClickHouse client with the analyst\'s')
    say(f"                     address, `analyst_url` in {settings.data_dir}/endpoints.json while it is up")
    say("  use a real judge   ASSAY_JUDGE_MODEL=openai/gpt-4o-mini OPENAI_API_KEY=… .venv/bin/assay up")


def _stay(tree: ProcessTree) -> None:
    stop = threading.Event()
    try:
        tree.supervise(stop.wait)
    except KeyboardInterrupt:
        print("stopping")
