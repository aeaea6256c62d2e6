"""The Grafana dashboard: every query of it is run as the plugin would send it, on results of a real worker."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from blocks import ROOT
from online_parts import a_rule, at_work, online
from storing import a_chat, a_result, store

from evaluator.online.rules.policy import Budget
from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.model import Failure, Usage

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/assay.json").read_text(encoding="utf-8"))
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}


def sent(sql: str, *, rules: list[str]) -> str:
    """The query with the plugin's macros and the dashboard's variable replaced, as its documentation says."""
    now = int(time.time())
    first, last = f"toDateTime({now - 86_400})", f"toDateTime({now + 60})"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"(\1 >= {first} AND \1 <= {last})", sql)
    sql = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)", sql)
    sql = sql.replace("$__fromTime", first).replace("$__toTime", last)
    sql = sql.replace("${rule:singlequote}", ", ".join(f"'{rule}'" for rule in rules))
    assert "$" not in sql, sql
    return sql


@pytest.fixture
async def worked(fresh_database: Database) -> Database:
    """A rule that scored two spans, a judge that cost something, and one that failed."""
    async with online(fresh_database) as parts:
        await parts.rules.create(a_rule("busy", budget=Budget(calls=5)), request_id=None)
        chats = [a_chat(), a_chat()]
        await store(fresh_database, *chats)
        async with at_work(parts):
            await parts.until_results(2)
            await parts.until_looked("busy")
    judged = a_result(chats[0], usage=Usage(cost_usd=0.25, attempts=1), judge_model="openai/x")
    failed = a_result(chats[1], Failure(code="JUDGE_TIMEOUT", message="late"))
    await ClickHouseResults(fresh_database).append([judged, failed])
    return fresh_database


async def test_every_panel_shows_what_happened(worked: Database) -> None:
    """Rows, and in them the numbers of this installation."""
    said = {}
    for title, panel in PANELS.items():
        [target] = panel["targets"]
        said[title] = await worked.query(sent(target["rawSql"], rules=["busy"]))
    assert {title for title, rows in said.items() if not rows} == set()
    assert sum(row["scored"] for row in said["Funnel"]) == 2
    [row] = said["Funnel by rule and metric"]
    assert (row["rule"], row["complete"], row["scored"], row["open"]) == ("busy", 2, 2, 0)
    assert said["Open"] == [{"open": 0}]
    assert [row["p50"] >= 0 for row in said["From completion to result"]] == [True] * len(
        said["From completion to result"]
    )
    assert {row["metric"] for row in said["Scores"]} == {"quality v1", "response_length v1"}
    assert [(row["reason"], row["failures"]) for row in said["Failures by reason"]] == [("quality: JUDGE_TIMEOUT", 1)]
    assert {row["model"]: row["usd"] for row in said["Cost per day"]} == {"openai/x": 0.25, "": 0.0}
    assert sum(row["spans"] for row in said["Ingest"]) == 2
    assert [(row["Scope"], row["Unit"], row["DailyLimit"]) for row in said["Budgets today (UTC)"]] == [
        ("rule:busy", "calls", 5)
    ]
    [variable] = [each for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    assert await worked.query(variable["query"]) == [{"RuleId": "busy"}]


def test_panels_ask_the_plugin_and_do_not_overlap() -> None:
    """One query each, of the ClickHouse data source that the reader chooses; a grid of 24 columns."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        [target] = panel["targets"]
        chosen = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
        assert (panel["datasource"], target["datasource"], target["editorType"]) == (chosen, chosen, "sql")
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
