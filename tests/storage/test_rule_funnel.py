"""Views `rule_funnel` and `rule_lag` against a slow recomputation over the stored rows."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from storing import new_span_id, new_trace_id

from evaluator.online.rules.definition import RuleDefinition
from storage.clickhouse.client import Database
from storage.clickhouse.funnels import ClickHouseFunnels
from storage.clickhouse.migrate import shipped
from storage.clickhouse.queue import ClickHouseLeases
from storage.funnels import Funnel
from storage.model import Level

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NEVER_MS = 10**14
COUNTS = (
    "SampledOut", "FilteredOut", "Queued", "Waiting", "Retrying", "Started", "Scored", "NotApplicable", "NotComputed",
    "Failed", "DependencyFailed", "OverBudget", "TooLate", "Cancelled", "Poisoned",
)  # fmt: skip
ENDED = ("Scored", "NotApplicable", "NotComputed", "Failed", "DependencyFailed")
NOW = "toUnixTimestamp64Milli(now64(3)) AS now_ms"
"""What is decided and not complete again yet stands in the hour of the question, whichever that is."""
OPEN = ("Queued", "Waiting", "Retrying", "Started")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A stored span, or a log record (without a span id)."""

    trace_id: str
    span_id: str
    root: bool
    service: str
    arrived_ms: int
    session: str = ""
    experiment: bool = False
    ends: bool = False


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a rule, and when it was made."""

    rule: RuleDefinition
    made_ms: int
    deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the ledger."""

    rule: str
    metric: str
    level: Level
    target: str
    seen_ms: int
    decision: str
    at_ms: int
    worker: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything that is stored."""

    now_ms: int
    rows: list[Row] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    ledger: list[Entry] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)

    async def store(self, database: Database) -> None:
        """Write it, by INSERTs of its own clock."""
        spans = [
            (
                1_000_000 * (row.arrived_ms - 500), row.trace_id, row.span_id, "" if row.root else "f" * 16, "answer",
                row.service, _attributes(row), row.arrived_ms,
            )
            for row in self.rows if row.span_id
        ]  # fmt: skip
        names = "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "ServiceName", "SpanAttributes"
        await database.insert_rows("otel_traces", (*names, "IngestedAt"), spans)
        logs = [
            (1_000_000 * row.arrived_ms, row.trace_id, "", row.service, row.arrived_ms)
            for row in self.rows
            if not row.span_id
        ]
        await database.insert_rows("otel_logs", ("Timestamp", "TraceId", "SpanId", "ServiceName", "IngestedAt"), logs)
        for each in self.versions:
            token, rule = uuid.uuid4().hex, each.rule
            await database.insert_rows(
                "control_docs",
                ("Kind", "Name", "Version", "Token", "Doc", "Deleted", "CreatedAt"),
                [("rule", rule.name, rule.version, token, json.dumps(rule.to_body()), each.deleted, each.made_ms)],
            )
            claim = {"kind": "rule", "name": rule.name, "version": rule.version, "token": token}
            await database.run("control_claim", claim)
        entries = [
            (
                each.rule, 1, each.metric, str(each.level), each.target, each.seen_ms, each.decision, each.reason, 1, 0,
                each.worker, each.at_ms * 1000,
            )
            for each in self.ledger
        ]  # fmt: skip
        columns = "RuleId", "RuleVersion", "MetricName", "Level", "TargetId", "Watermark", "Decision", "Reason"
        await database.insert_rows("decisions", (*columns, "Attempt", "NextAttemptAt", "Worker", "DecidedAt"), entries)
        await database.insert_rows(
            "cursors", ("Name", "Shard", "Cursor"), [(name, 0, at) for name, at in self.cursors.items()]
        )


def _attributes(row: Row) -> dict[str, str]:
    found = {"session.id": row.session} if row.session else {}
    found |= {"assay.experiment.id": "x"} if row.experiment else {}
    return found | ({"assay.trace.end": "true"} if row.ends else {})


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the oracle knows of one target: its ids, whether an experiment sent it, and how its unit arrived."""

    key: str
    unit: str
    experiment: bool
    quiet_ms: int
    arrivals_ms: tuple[int, ...]
    ends_ms: tuple[int, ...]

    def ready_ms(self, seen_ms: int) -> int:
        """When it was complete, with nothing after that arrival."""
        return min([end for end in self.ends_ms if end >= seen_ms] + [seen_ms + self.quiet_ms])

    @property
    def last_ms(self) -> int:
        return max(self.arrivals_ms)


def _traces(rows: Iterable[Row]) -> dict[str, list[Row]]:
    by_trace: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_trace[row.trace_id].append(row)
    return {key: found for key, found in by_trace.items() if any(row.span_id for row in found)}


def _quiet_ms(rows: list[Row]) -> int:
    if not any(row.root and row.span_id for row in rows):
        return 30_000
    several = len({row.service for row in rows if row.span_id}) > 1 or any(not row.span_id for row in rows)
    return 6_000 if several else 1_000


def targets_of(rows: list[Row], rule: RuleDefinition) -> list[Target]:
    """Every stored target of a rule's level."""
    found: list[Target] = []
    sessions: dict[str, list[Row]] = defaultdict(list)
    for trace_id, of_trace in _traces(rows).items():
        for session in {row.session for row in of_trace if row.session}:
            sessions[session] += of_trace
        spans = [row for row in of_trace if row.span_id]
        shared: dict[str, Any] = {
            "unit": trace_id,
            "quiet_ms": 0 if rule.when == "ingest" else _quiet_ms(of_trace),
            "arrivals_ms": tuple(sorted({row.arrived_ms for row in of_trace})),
            "ends_ms": tuple(row.arrived_ms for row in of_trace if row.ends),
        }
        if rule.level is Level.TRACE:
            root = min((not row.root, row.arrived_ms, row.span_id, row.experiment) for row in spans)
            found.append(Target(key=trace_id, experiment=root[3], **shared))
        elif rule.level is Level.SPAN:
            sent = {row.span_id: row.experiment for row in spans}
            found += [Target(key=f"{trace_id}:{key}", experiment=of, **shared) for key, of in sent.items()]
    if rule.level is Level.SESSION:
        idle_ms = int(rule.session_idle_seconds * 1000)
        for session, of_session in sessions.items():
            arrivals = tuple(sorted({row.arrived_ms for row in of_session}))
            found.append(
                Target(key=session, unit=session, experiment=False, quiet_ms=idle_ms, arrivals_ms=arrivals, ends_ms=())
            )
    return found


def in_force(versions: list[Version], ready_ms: int, metric: str) -> RuleDefinition | None:
    """The version that is about what completed then; None = none."""
    off_ms, was_on, chosen = 0, False, None
    for place, each in enumerate(versions):
        is_on = each.rule.enabled and not each.deleted
        until_ms = versions[place + 1].made_ms if place + 1 < len(versions) else NEVER_MS
        if was_on and not is_on:
            off_ms = each.made_ms
        since_ms = each.made_ms if was_on else max(off_ms, each.made_ms - int(each.rule.lookback_seconds * 1000))
        if is_on and metric in each.rule.metrics and since_ms <= ready_ms < until_ms:
            chosen = each.rule
        was_on = is_on
    return chosen


def _named(entry: Entry) -> str:
    if entry.decision == "started" and entry.worker != "alive":
        return "Waiting"
    if entry.decision == "failed" and entry.reason.startswith("REQUIRED_METRIC_FAILED: "):
        return "DependencyFailed"
    return "".join(word.capitalize() for word in entry.decision.split("_"))


def _newest(ledger: list[Entry]) -> dict[tuple[str, str, str], Entry]:
    newest: dict[tuple[str, str, str], Entry] = {}
    revisions = {
        (each.rule, each.metric, each.target, each.seen_ms): each for each in sorted(ledger, key=lambda one: one.at_ms)
    }
    for each in sorted(revisions.values(), key=lambda one: (one.decision != "too_late", one.seen_ms)):
        newest[each.rule, each.metric, each.target] = each
    return newest


def expected(history: History, buckets: Mapping[str, int]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Counts, lags and completions of what is open, per (rule, metric, hour): target by target."""
    newest = _newest(history.ledger)
    funnel: dict[tuple[str, str, int], dict[str, Any]] = {}
    rules: dict[str, list[Version]] = defaultdict(list)
    for each in history.versions:
        rules[each.rule.name].append(each)
    for name, versions in rules.items():
        for metric in {metric for each in versions for metric in each.rule.metrics}:
            for target in targets_of(history.rows, versions[-1].rule):
                entry = newest.get((name, metric, target.key))
                ready_ms = target.ready_ms(target.last_ms)
                rule = in_force(versions, ready_ms, metric) if ready_ms <= history.now_ms else None
                if entry is None and rule is None:
                    continue
                place = min(ready_ms, history.now_ms)
                found = funnel.setdefault(
                    (name, metric, place // HOUR_MS), dict.fromkeys(COUNTS, 0) | {"lags": [], "open": []}
                )
                what = _named(entry) if entry else _worked_out(rule, target, buckets, ready_ms, history.cursors)
                found[what] += 1
                if entry and what in ENDED:
                    found["lags"].append(max(0, entry.at_ms - _completed_ms(target, entry.seen_ms)))
                if what in OPEN:
                    found["open"].append(place)
    return funnel


def _completed_ms(target: Target, seen_ms: int) -> int:
    """When the revision with that arrival of a target was complete: of a span, when its trace was."""
    later = [arrival for arrival in target.arrivals_ms if arrival >= seen_ms]
    if ":" not in target.key:
        return target.ready_ms(seen_ms)
    for place, arrival in enumerate(later):
        if place + 1 == len(later) or later[place + 1] - arrival > target.quiet_ms:
            return target.ready_ms(arrival)
    return target.ready_ms(seen_ms)


def _worked_out(
    rule: RuleDefinition | None,
    target: Target,
    buckets: Mapping[str, int],
    ready_ms: int,
    cursors: Mapping[str, int],
) -> str:
    assert rule is not None
    rate = rule.source_rates.get("experiment" if target.experiment else "production", rule.sample_rate)
    if buckets[target.unit] >= round(rate * 1_000_000):
        return "SampledOut"
    return "FilteredOut" if ready_ms <= cursors.get(rule.name, 0) else "Queued"


def some_rows(dice: random.Random, now_ms: int) -> list[Row]:
    """Traces of every kind that came in the last forty minutes, and some that have not come to an end."""
    rows: list[Row] = []
    for number in range(120):
        trace_id, session = new_trace_id(), f"session {dice.randrange(25)}" if dice.random() < 0.6 else ""
        start_ms = now_ms - dice.randrange(4 * MINUTE_MS, 40 * MINUTE_MS)
        if number % 20 == 0:  # complete long after this test
            start_ms = now_ms + HOUR_MS
        services = dice.choice((["shop"], ["shop", "stock"]))
        rooted = dice.random() < 0.8
        for place in range(dice.randrange(1, 5)):
            span = Row(
                trace_id=trace_id,
                span_id=new_span_id(),
                root=rooted and place == 0,
                service=dice.choice(services),
                arrived_ms=start_ms + dice.choice((0, 0, 700, 3_000, 20_000, 90_000)),
                session=session if place == 0 else "",
                experiment=dice.random() < 0.3,
                ends=dice.random() < 0.1,
            )
            rows += [span, span] if dice.random() < 0.1 else [span]  # a sender that sends twice
        if dice.random() < 0.2:
            rows.append(replace(rows[-1], span_id="", session="", experiment=False, ends=False, root=False))
    return rows


def some_rules(now_ms: int) -> list[Version]:
    """Rules of every level; edited, disabled, enabled again and deleted in between."""

    def at(minutes_ago: float, name: str, version: int = 1, *, deleted: bool = False, **other: Any) -> Version:
        fields: dict[str, Any] = {"level": Level.TRACE, "metrics": ("length", "tone"), "lookback_seconds": 300.0}
        rule = RuleDefinition(name=name, version=version, **fields | other)
        return Version(rule=rule, made_ms=now_ms - int(minutes_ago * MINUTE_MS), deleted=deleted)

    return [
        at(45, "spans", level=Level.SPAN, sample_rate=0.5),
        at(45, "arriving", level=Level.SPAN, sample_rate=0.7, when="ingest", metrics=("length",)),
        at(45, "edited", sample_rate=1.0),
        at(30, "edited", 2, sample_rate=0.2),
        at(20, "edited", 3, sample_rate=0.2, enabled=False),
        at(18, "edited", 4, sample_rate=0.6, enabled=False),
        at(10, "edited", 5, sample_rate=0.6, lookback_seconds=3600.0),
        at(45, "sources", sample_rate=0.8, source_rates={"experiment": 0.1}),
        at(45, "span_sources", level=Level.SPAN, sample_rate=0.3, source_rates={"experiment": 0.9}),
        at(45, "sessions", level=Level.SESSION, sample_rate=0.6, session_idle_seconds=60.0, metrics=("tone",)),
        at(40, "gone"),
        at(25, "gone", 2, deleted=True),
        at(20, "young", metrics=("length",), lookback_seconds=0.0),
        at(12, "young", 2, metrics=("tone",)),
        at(45, "never_looked", sample_rate=0.5, metrics=("length",)),
        at(30, "never_on", enabled=False),
    ]


def some_decisions(dice: random.Random, history: History, buckets: Mapping[str, int]) -> list[Entry]:
    """Of most targets that somebody wants, one or more; also of what was decided before a later arrival."""
    ledger: list[Entry] = []
    said = ("scored", "scored", "failed", "not_applicable", "not_computed", "over_budget", "waiting", "retrying",
            "started", "cancelled", "poisoned", "too_late", "filtered_out")  # fmt: skip
    for name in {each.rule.name for each in history.versions}:
        versions = [each for each in history.versions if each.rule.name == name]
        for metric in {metric for each in versions for metric in each.rule.metrics}:
            for target in targets_of(history.rows, versions[-1].rule):
                rule = in_force(versions, target.ready_ms(target.last_ms), metric)
                if rule is None or buckets[target.unit] >= rule.sample_ppm or dice.random() < 0.3:
                    continue
                for seen_ms in sorted({dice.choice(target.arrivals_ms), target.last_ms})[dice.randrange(2) :]:
                    entry = Entry(
                        rule=name,
                        metric=metric,
                        level=versions[-1].rule.level,
                        target=target.key,
                        seen_ms=seen_ms,
                        decision=dice.choice(said),
                        at_ms=target.ready_ms(seen_ms) + dice.randrange(30_000),
                        worker=dice.choice(("alive", "dead")),
                        reason=dice.choice(("", "REQUIRED_METRIC_FAILED: x", "JUDGE_TIMEOUT: x")),
                    )
                    ledger += [entry, replace(entry, decision="started", at_ms=entry.at_ms - 1)]
    ledger += [replace(each, rule="run:1") for each in ledger[:20]]  # of a run, not of a rule
    return ledger


async def hashes(database: Database, rows: list[Row]) -> dict[str, int]:
    """Where ids fall, by the expression of the queries."""
    ids = sorted({row.trace_id for row in rows} | {row.session for row in rows if row.session})
    found = await database.query(
        "SELECT id, cityHash64(id, 'assay') % 1000000 AS bucket FROM (SELECT arrayJoin({ids:Array(String)}) AS id)",
        {"ids": ids},
    )
    return {row["id"]: row["bucket"] for row in found}


Told = tuple[History, dict[str, int]]


@pytest.fixture(scope="module")
def _told() -> list[Told]:
    return []


@pytest.fixture
async def told(database: Database, _told: list[Told]) -> Told:
    """A history that is stored, and its hashes; made once, and again after a test that emptied the database."""
    if not _told or not (await database.query("SELECT count() AS n FROM control_docs"))[0]["n"]:
        _told[:] = [await a_history(database)]
    return _told[0]


async def a_history(database: Database) -> Told:
    """One that is stored, and its hashes."""
    dice = random.Random(6)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    history = History(now_ms=now_ms, rows=some_rows(dice, now_ms), versions=some_rules(now_ms))
    buckets = await hashes(database, history.rows)
    history.ledger.extend(some_decisions(dice, history, buckets))
    for each in history.versions:
        if each.rule.name != "never_looked":
            history.cursors[each.rule.name] = now_ms - 8 * MINUTE_MS
    await ClickHouseLeases(database).take("score", "alive", ttl_seconds=3600)
    await history.store(database)
    return history, buckets


async def test_the_views_say_what_a_recomputation_over_every_target_says(database: Database, told: Told) -> None:
    """Every count of every rule, metric and hour; lags and ages of the same targets."""
    history, buckets = told
    rows = await database.query(f"SELECT *, {NOW}, intDiv(toUnixTimestamp(Hour), 3600) AS hour FROM rule_funnel")
    wanted = expected(replace(history, now_ms=rows[0]["now_ms"]), buckets)
    counted = {(row["RuleId"], row["MetricName"], row["hour"]): {name: row[name] for name in COUNTS} for row in rows}
    assert counted == {key: {name: found[name] for name in COUNTS} for key, found in wanted.items()}
    assert [row["Complete"] - sum(row[name] for name in COUNTS) for row in rows] == [0] * len(rows)
    seen = {name for found in counted.values() for name in COUNTS if found[name]}
    assert seen == set(COUNTS)  # or the comparison says nothing about what never happened


async def test_lag_and_age_are_those_of_the_targets(database: Database, told: Told) -> None:
    """Quantiles as ClickHouse defines them: the value at place floor(level * count)."""
    history, buckets = told
    rows = await database.query(
        f"SELECT *, {NOW}, intDiv(toUnixTimestamp(Hour), 3600) AS hour, toUnixTimestamp64Milli(OldestAt) AS oldest, "
        "dateDiff('second', OldestAt, now64(3)) - OldestSeconds AS apart FROM rule_lag"
    )
    wanted = expected(replace(history, now_ms=rows[0]["now_ms"]), buckets)
    assert max(abs(row["apart"]) for row in rows if row["Open"]) < 60  # the time of both is one question apart
    assert {(row["RuleId"], row["MetricName"], row["hour"]): _lag(row, history.now_ms) for row in rows} == {
        key: {
            "results": len(found["lags"]),
            "quantiles": [
                sorted(found["lags"])[int(level * len(found["lags"]))] / 1000 if found["lags"] else None
                for level in (0.5, 0.9, 0.99)
            ],
            "open": len(found["open"]),
            "oldest": min((each for each in found["open"] if each < history.now_ms), default=None),
        }
        for key, found in wanted.items()
    }


def _lag(row: Mapping[str, Any], began_ms: int) -> dict[str, Any]:
    return {
        "results": row["Results"],
        "quantiles": [row["P50"], row["P90"], row["P99"]],
        "open": row["Open"],
        "oldest": row["oldest"] if row["oldest"] is None or row["oldest"] < began_ms else None,
    }


async def test_a_span_of_time_is_read_as_the_view_of_the_last_days_is(database: Database, told: Told) -> None:
    """What the service is asked for: the same counts, cut at the two ends of the time of completion."""
    history, buckets = told
    funnels = ClickHouseFunnels(database)
    start, middle = (datetime.fromtimestamp((history.now_ms - each * MINUTE_MS) / 1000, UTC) for each in (60, 15))
    whole = await funnels.of_rule("spans", since=start)
    parts = [
        await funnels.of_rule("spans", since=start, until=middle),
        await funnels.of_rule("spans", since=middle),
    ]
    hours = [each for each in expected(history, buckets).items() if each[0][0] == "spans"]
    wanted = {
        metric: Counter({name: sum(found[name] for key, found in hours if key[1] == metric) for name in COUNTS})
        for metric in ("length", "tone")
    }
    assert {each.metric: Counter({name: getattr(each, _snake(name)) for name in COUNTS}) for each in whole} == wanted
    assert [each.complete for each in whole] == [sum(part[n].complete for part in parts) for n in range(2)]
    assert all(each.complete for part in parts for each in part)
    assert await funnels.of_rule("nobody", since=start) == []


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")


async def test_an_empty_installation_has_an_empty_funnel(fresh_database: Database) -> None:
    """No rule, no row; and a rule of which nothing has come yet has none either."""
    assert await fresh_database.query("SELECT * FROM rule_funnel") == []
    assert await fresh_database.query("SELECT * FROM rule_lag") == []
    assert await ClickHouseFunnels(fresh_database).of_rule("r", since=datetime.now(UTC)) == []


def test_both_views_of_targets_are_one_text() -> None:
    """But for the bounds: a view that names one with parameters could be read from its own database only."""
    texts = {each.name: each.statement.partition(" AS\nWITH\n")[2] for each in shipped()}
    bounds = {
        "{since:DateTime64(3)}": "(now64(3) - INTERVAL 48 HOUR)",
        "{until:DateTime64(3)}": "toDateTime64('2200-01-01 00:00:00', 3)",
    }
    text = texts["rule_targets_between"]
    for parameter, bound in bounds.items():
        text = text.replace(parameter, bound)
    assert text
    assert text == texts["rule_targets"]


def test_every_count_of_the_view_is_a_field_of_the_funnel() -> None:
    """No stage is left out on the way to the caller."""
    assert {_snake(name) for name in COUNTS} | {"metric", "complete", "oldest_seconds", "lag_seconds"} == set(
        Funnel.__slots__
    )
