"""What rules want of what is ready: one query for many of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from storage.clickhouse.client import Database, statement
from storage.clickhouse.telemetry import log_window, settled_anchors
from storage.model import Anchor, Level, TargetRef, is_id
from storage.queue import Candidate, Candidates, Ready
from storage.telemetry import TargetRecord

T = TypeVar("T")
MAX_FILTERS = 64
"""Filters in one statement: each is text that the server reads anew."""
APART_NS = 3_600_000_000_000
"""Traces that start this far apart are looked for in windows of their own: spans are sorted by the time they start."""
GROUPS = "/*groups*/"
"""Where the SQL of `Groups` goes in a statement."""
MAX_ALIKE = 500
"""Filters of one shape in an array: ClickHouse refuses form values over 128 KiB."""
_PARAMETER = re.compile(r"\{(\w+):([^}]*)\}")
_ALIKE = ("String", "Int64", "Float64")
_EXPERIMENT = "(SpanAttributes['assay.experiment.id'] != '' OR ResourceAttributes['assay.experiment.id'] != '')"
_SCOPES = "arrayMap(x -> x IN ('', ServiceName, ResourceAttributes['assay.project']), {scopes:Array(String)})"


@dataclass(frozen=True, slots=True)
class Groups:
    """What is wanted, each distinct wish once.

    Attributes:
        members: Places in the sequence that was asked about, by group.
        sql: An array of the numbers of the groups that want a row.
    """

    members: Sequence[Sequence[int]]
    sql: str
    parameters: Mapping[str, object]


async def candidates(database: Database, ready: Sequence[Ready], wanted: Sequence[Candidates]) -> list[Candidate]:
    """`storage.queue.Queue.candidates`, for spans and traces."""
    if not ready or not wanted:
        return []
    if wanted[0].level is Level.TRACE and all(map(by_hash_alone, wanted)):
        buckets = [each.bucket for each in ready if each.bucket is not None]
        if len(buckets) == len(ready):
            return await _settled(database, sampled(ready, buckets, wanted))
    by_id = {each.record.ref.trace_id: each for each in ready}
    found: dict[str, list[dict[str, Any]]] = {}
    for groups in grouped(wanted):
        for part in _near(ready):
            for row in await _rows(database, wanted[0].level, part, groups):
                members = [place for number in row["wanted"] for place in groups.members[number - 1]]
                key = f"{row['trace_id']}:{row.get('span_id', '')}"
                found.setdefault(key, []).append(row | {"wanted": members})
    merged = [
        rows[0] | {"wanted": tuple(sorted(place for row in rows for place in row["wanted"]))} for rows in found.values()
    ]
    if wanted[0].level is Level.TRACE:
        passed = {row["trace_id"]: row["wanted"] for row in merged}
        kept = [(each, passed[key]) for each in ready if (key := each.record.ref.trace_id) in passed]
        return await _settled(database, [Candidate(record=each.record, of=each, wanted=wish) for each, wish in kept])
    merged.sort(key=lambda row: (row["watermark_ms"], row["trace_id"], row["span_id"]))
    return [_span(row, by_id[row["trace_id"]]) for row in merged if is_id(row["span_id"], 16)]


def by_hash_alone(wanted: Candidates) -> bool:
    """Whether nothing of a target but its id has to be read."""
    return wanted.filter_sql == "1" and not wanted.scope and wanted.experiment_ppm in (None, wanted.sample_ppm)


def sampled(ready: Sequence[Ready], buckets: Sequence[int], wanted: Sequence[Candidates]) -> list[Candidate]:
    """Where nothing but the hash decides, the query that found them has said it all."""
    chosen = [
        (each, tuple(place for place, wish in enumerate(wanted) if bucket < wish.sample_ppm))
        for each, bucket in zip(ready, buckets, strict=True)
    ]
    return [Candidate(record=each.record, of=each, wanted=places) for each, places in chosen if places]


async def _settled(database: Database, found: Sequence[Candidate]) -> list[Candidate]:
    """Traces, where their earlier results stand: only what arrived in parts can have any."""
    again = [each.record for each in found if each.record.target_time_ns < each.record.watermark_ms * 1_000_000]
    anchors = await settled_anchors(database, [record.ref.trace_id for record in again])
    return [
        replace(each, record=replace(each.record, anchor=anchor))
        if (anchor := anchors.get(each.record.ref.trace_id)) is not None
        else each
        for each in found
    ]


def grouped(wanted: Sequence[Candidates], *, key: str = "TraceId") -> Iterator[Groups]:
    """What is wanted, in as few statements as possible; `key` = the column whose hash decides."""
    members: dict[tuple[object, ...], list[int]] = {}
    for place, each in enumerate(wanted):
        experiment_ppm = each.sample_ppm if each.experiment_ppm is None else each.experiment_ppm
        values = tuple(sorted((name, repr(value)) for name, value in each.filter_parameters.items()))
        members.setdefault((each.filter_sql, values, each.scope, each.sample_ppm, experiment_ppm), []).append(place)
    by_filter: dict[tuple[object, ...], list[list[int]]] = {}
    for wish, places in members.items():
        by_filter.setdefault(wish[:2], []).append(places)
    shapes: dict[object, list[list[list[int]]]] = {}
    for (sql, *_), found in by_filter.items():
        shapes.setdefault(sql, []).append(found)
    texts = [
        part
        for filters in shapes.values()
        for part in (_cut(filters, MAX_ALIKE) if _takes_arrays(wanted[filters[0][0][0]]) else _cut(filters, 1))
    ]
    for part in _cut(texts, MAX_FILTERS):
        yield _groups(wanted, part, key)


def _cut(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _takes_arrays(wanted: Candidates) -> bool:
    """Whether many filters that differ in their literals only can be one piece of text, over arrays of these."""
    return "SELECT" not in wanted.filter_sql and all(
        at[2] in _ALIKE for at in _PARAMETER.finditer(wanted.filter_sql) if at[1] in wanted.filter_parameters
    )


def _groups(wanted: Sequence[Candidates], texts: Sequence[Sequence[list[list[int]]]], key: str) -> Groups:
    """Every text is one filter, or several of one shape; their numbers follow each other."""
    filters = [found for text in texts for found in text]
    groups = [(number, places) for number, found in enumerate(filters, start=1) for places in found]
    firsts = [wanted[places[0]] for _, places in groups]
    parameters: dict[str, object] = {
        "ppm": [each.sample_ppm for each in firsts],
        "experiment_ppm": [each.sample_ppm if each.experiment_ppm is None else each.experiment_ppm for each in firsts],
        "most_ppm": max(max(each.sample_ppm, each.experiment_ppm or 0) for each in firsts),
        "scopes": [each.scope for each in firsts],
        "filters": [number for number, _ in groups],
    }
    passed: list[str] = []
    for number, text in enumerate(texts):  # each has its own parameters, and they have the same names
        alike = [wanted[found[0][0]] for found in text]
        read = {at[1] for at in _PARAMETER.finditer(alike[0].filter_sql)}
        names = sorted(read & alike[0].filter_parameters.keys())  # a part of a filter may come with values of the whole
        if len(alike) > 1:
            parameters |= {f"{name}_{number}": [each.filter_parameters[name] for each in alike] for name in names}
        else:
            parameters |= {f"{name}_{number}": alike[0].filter_parameters[name] for name in names}
        passed.append(_passed(alike[0], number, several=len(alike) > 1))
    sql = _groups_sql(firsts, f"arrayConcat({', '.join(passed)})", key)
    return Groups(members=[places for _, places in groups], sql=sql, parameters=parameters)


def _passed(wanted: Candidates, number: int, *, several: bool) -> str:
    """An array of what a filter says, or several of one shape.  Each parameter of its own has the number; the page's,
    which it may read, are everybody's."""
    own = wanted.filter_parameters
    if not several:
        numbered = _PARAMETER.sub(
            lambda at: f"{{{at[1]}_{number}:{at[2]}}}" if at[1] in own else at[0], wanted.filter_sql
        )
        return f"[toUInt8({numbered})]"
    types = {at[1]: at[2] for at in _PARAMETER.finditer(wanted.filter_sql) if at[1] in own}
    arrays = ", ".join(f"{{{name}_{number}:Array({kind})}}" for name, kind in types.items())
    condition = _PARAMETER.sub(lambda at: at[1] if at[1] in own else at[0], wanted.filter_sql)
    return f"arrayMap(({', '.join(types)}) -> toUInt8({condition}), {arrays})"


def _groups_sql(firsts: Sequence[Candidates], passed: str, key: str) -> str:
    """Maps of attributes are the greater part of a row: they are read where somebody asks for them."""
    ppm = "{ppm:Array(UInt32)}"
    if any(each.experiment_ppm not in (None, each.sample_ppm) for each in firsts):
        ppm = f"if({_EXPERIMENT}, {{experiment_ppm:Array(UInt32)}}, {ppm})"
    scoped = _SCOPES if any(each.scope for each in firsts) else "arrayMap(x -> 1, {scopes:Array(String)})"
    return (
        f"arrayFilter((i, ppm, scoped, filter) -> cityHash64({key}, 'assay') % 1000000 < ppm AND scoped AND "
        f"({passed})[filter], arrayEnumerate({{ppm:Array(UInt32)}}), {ppm}, {scoped}, {{filters:Array(UInt16)}})"
    )


def _near(ready: Sequence[Ready]) -> Iterator[Sequence[Ready]]:
    """Traces in runs that start near each other: one sender's wrong clock must not widen the window of all others."""
    ordered = sorted(ready, key=lambda each: each.record.first_ns)
    run: list[Ready] = []
    last_ns = 0
    for each in ordered:
        if run and each.record.first_ns - last_ns > APART_NS:
            yield run
            run, last_ns = [], 0
        run.append(each)
        last_ns = max(last_ns, each.record.last_ns)
    yield run


async def _rows(database: Database, level: Level, ready: Sequence[Ready], groups: Groups) -> list[dict[str, Any]]:
    name = "candidate_traces" if level is Level.TRACE else "candidate_spans"
    parameters: dict[str, object] = {
        "trace_ids": sorted(each.record.ref.trace_id for each in ready),
        "first_ns": min(each.record.first_ns for each in ready),
        "last_ns": max(each.record.last_ns for each in ready),
        **groups.parameters,
    }
    if level is Level.SPAN:
        parameters["log_trace_ids"] = sorted(each.record.ref.trace_id for each in ready if each.has_logs)
        parameters["first_s"] = log_window(min(each.record.first_ns for each in ready), 0)[0]
    return await database.query(statement(name).replace(GROUPS, groups.sql), parameters)


def _span(row: Mapping[str, Any], of: Ready) -> Candidate:
    ref = TargetRef(level=Level.SPAN, trace_id=row["trace_id"], span_id=row["span_id"])
    start_ns = row["start_ns"]
    record = TargetRecord(
        ref=ref,
        target_time_ns=start_ns,
        start_ns=start_ns,
        watermark_ms=row["watermark_ms"],
        anchor=Anchor(
            trace_id=ref.trace_id,
            span_id=ref.span_id,
            time_ns=start_ns,
            service_name=row["service_name"],
            span_name=row["span_name"],
        ),
        trace_ids=(ref.trace_id,),
        first_ns=of.record.first_ns,
        last_ns=of.record.last_ns,
        observation_kind=row["observation_kind"],
        traces=(of.record,),
    )
    return Candidate(record=record, of=of, wanted=row["wanted"])
