"""What follows from results: signed requests and events, each at least once, none held up by another."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_parts import (
    QUICK,
    SECRET,
    a_rule_with,
    acting,
    hook,
    ids_of,
    of,
    receiver,
    rules_of,
)
from external_parts import attributes, endpoint
from storing import SentSpan, until

from evaluator.errors import InvalidDefinition, InvalidFilter
from evaluator.online.actions.catalogue import DeliveryCatalogue
from evaluator.online.actions.hosts import WebhookHosts
from evaluator.online.actions.lanes import Pace
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Action, ActionKind
from storage.clickhouse.client import Database
from storage.deliveries import DeliveryState
from storage.model import Failure, Level, Purpose, Score

DELIVERED, GAVE_UP = DeliveryState.DELIVERED, DeliveryState.GAVE_UP
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
DEAD = "http://127.0.0.1:9/hook"
"""Nothing listens on the port `discard` of the loopback."""


async def test_a_result_that_matches_is_posted_once_and_signed(fresh_database: Database) -> None:
    """Golden: the message, its headers, and the row that says that it was delivered."""
    async with receiver() as somebody, acting(fresh_database, secret=f"{SECRET} {OTHER_SECRET}") as work:
        rule = await a_rule_with(fresh_database, hook(somebody.url, when="value < 0.5", metric="correctness"))
        span = SentSpan()
        score = Score(value=0.25, label="wrong", explanation="Berlin — it says")
        low = of(rule, span, outcome=score, metadata={"passed": "false"}, judge_model="openai/x")
        high, other = of(rule, outcome=Score(value=0.75)), of(rule, metric="response_length")
        failed = of(rule, outcome=Failure(code="JUDGE_UNAVAILABLE", message="429"))
        await work.results.append([low, high, other, failed])
        [delivery] = await work.until_state(DELIVERED)
        [message] = somebody.received
    told = json.loads(message.body)
    evaluated = low.evaluated.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "type": "rule.matched",
        "data": {
            "rule": {"name": "watch", "version": 1},
            "action": {"name": "tell", "when": "value < 0.5"},
            "metric": {"name": "correctness", "version": 1, "kind": "judge"},
            "target": {"level": "span", "trace_id": span.trace_id, "span_id": span.span_id, "session_id": ""},
            "anchor": {
                "trace_id": span.trace_id,
                "span_id": span.span_id,
                "service_name": "shop",
                "span_name": "answer",
            },
            "result": {
                "id": str(low.evaluation_id),
                "attempt": 1,
                "status": "success",
                "value": 0.25,
                "label": "wrong",
                "labels": None,
                "text": None,
                "passed": False,
                "explanation": "Berlin — it says",
                "judge_model": "openai/x",
                "evaluated_time": evaluated,
            },
        },
    }
    assert message.path == "/hook"
    assert (message.headers["content-type"], message.headers["user-agent"]) == ("application/json", "assay/9.9")
    assert message.signed_by(SECRET)
    assert message.signed_by(OTHER_SECRET)
    assert not message.signed_by("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx")
    assert not replace(message, body=message.body.replace(b"0.25", b"0.95")).signed_by(SECRET)
    assert (str(delivery.delivery_id), delivery.attempts, delivery.last_error) == (message.message_id, 1, "")
    rows = await fresh_database.query(
        "SELECT Owner, Action, toString(State) AS State, toString(EvaluationId) AS Id, TraceId "
        "FROM action_deliveries FINAL"
    )
    ids = {"Id": str(low.evaluation_id), "TraceId": span.trace_id}
    assert rows == [{"Owner": "watch", "Action": "tell", "State": "delivered", **ids}]


async def test_an_endpoint_that_answers_badly_gets_the_same_message_until_it_takes_it(
    fresh_database: Database,
) -> None:
    """Errors, a broken connection, a redirect (not followed), a hang: one id, the same bytes, a new signature."""
    answers: list[int | str] = [500, 503, 404, "close", 302, "hang", 429, 200]
    pace = replace(QUICK, dead_after=100)
    async with receiver() as somebody, acting(fresh_database, pace=pace, timeout_seconds=1.5) as work:
        somebody.answers = list(answers)
        rule = await a_rule_with(fresh_database, hook(somebody.url))
        await work.results.append([of(rule)])
        [delivery] = await work.until_state(DELIVERED)
    first = somebody.received[0]
    assert {(each.path, each.message_id, each.body) for each in somebody.received} == {
        ("/hook", first.message_id, first.body)
    }
    assert all(each.signed_by(SECRET) for each in somebody.received)
    assert delivery.attempts == len(somebody.received) >= len(answers)  # on a slow machine a time-out more
    assert delivery.last_error  # of the last attempt that was in vain


async def test_an_endpoint_that_is_gone_is_asked_no_more(fresh_database: Database) -> None:
    """410: final at once, with what it said; sending again by hand is one more attempt."""
    async with receiver() as somebody, acting(fresh_database) as work:
        somebody.answers = [410]
        rule = await a_rule_with(fresh_database, hook(somebody.url))
        await work.results.append([of(rule)])
        [delivery] = await work.until_state(GAVE_UP)
        assert (delivery.attempts, delivery.last_error) == (1, "HTTP 410")
        asked = await DeliveryCatalogue(deliveries=work.deliveries).again(delivery.delivery_id)
        assert asked.state is DeliveryState.PENDING
        [delivery] = await work.until_state(DELIVERED)
    assert delivery.attempts == 2
    assert len(set(ids_of(somebody.received))) == 1


async def test_a_dead_endpoint_is_given_up_in_time_and_that_is_recorded(fresh_database: Database) -> None:
    """Each message is tried once at least, and none without end."""
    pace = replace(QUICK, give_up_seconds=0.2, dead_after=1000)
    async with acting(fresh_database, pace=pace) as work:
        rule = await a_rule_with(fresh_database, hook(DEAD))
        await work.results.append([of(rule) for _ in range(5)])
        found = await work.until_state(*[GAVE_UP] * 5)
        assert all(each.attempts >= 1 and "Cannot connect" in each.last_error for each in found)
        pending = await work.deliveries.pending(since_ms=0, held=[])
        assert (pending.give_up_ms, pending.next_ms) == (None, None)


async def test_a_dead_and_a_slow_endpoint_hold_up_nobody_else(fresh_database: Database) -> None:
    """One refuses, one never answers: the third has its messages all the same, and the others keep theirs."""
    async with receiver() as quick, receiver() as slow, acting(fresh_database) as work:
        slow.always = "hang"
        rule = await a_rule_with(
            fresh_database, hook(slow.url, name="slow"), hook(DEAD, name="dead"), hook(quick.url, name="quick")
        )
        await work.results.append([of(rule) for _ in range(30)])
        await quick.until_received(30)
        assert len(set(ids_of(quick.received))) == 30

        async def recorded() -> bool:
            states = Counter((each.lane.action, str(each.state)) for each in await work.of_rule())
            return states == {("slow", "pending"): 30, ("dead", "pending"): 30, ("quick", "delivered"): 30}

        await until(recorded, seconds=120)
        assert len(slow.received) <= QUICK.at_once


async def test_what_a_dead_endpoint_missed_arrives_when_it_is_back(fresh_database: Database) -> None:
    """While it is dead it is asked now and then, not for every message; then everything goes out, once."""
    async with receiver() as somebody, acting(fresh_database) as work:
        somebody.always = 503
        rule = await a_rule_with(fresh_database, hook(somebody.url))
        await work.results.append([of(rule) for _ in range(40)])
        await somebody.until_received(12)
        somebody.always = 200
        await work.until_state(*[DELIVERED] * 40)
        taken = Counter(ids_of(somebody.received))
    assert len(taken) == 40
    assert sum(taken.values()) < 40 + 40  # not every one was refused before


async def test_nothing_is_lost_when_the_process_is_killed_between_result_and_delivery(
    fresh_database: Database, fresh_database_url: str
) -> None:
    """Kill -9 while a request is under way; the next process sends the same messages, with the same ids."""
    async with receiver() as somebody:
        somebody.always = "hang"
        rule = await a_rule_with(fresh_database, hook(somebody.url))
        async with acting(fresh_database):
            pass  # where the cursor begins
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).parents[1] / "acting_child.py"), fresh_database_url
        )
        async with acting(fresh_database) as idle:  # only its store is used: the child has not the lease yet
            await idle.leases.release()
            expected = [of(rule) for _ in range(6)]
            await idle.results.append(expected)
            try:
                await somebody.until_received(QUICK.at_once)
            finally:
                child.send_signal(signal.SIGKILL)
                await child.wait()
        before = set(ids_of(somebody.received))
        somebody.always = 200
        await fresh_database.execute("TRUNCATE TABLE shard_leases")  # else they would have to expire first
        await fresh_database.execute(
            "INSERT INTO shard_leases (Name, Shard, Owner, Epoch, ExpiresAt) VALUES ('maintenance', 0, '', 0, 0)"
        )
        async with acting(fresh_database) as work:
            found = await work.until_state(*[DELIVERED] * 6)
    assert {str(each.evaluation_id) for each in found} == {str(each.evaluation_id) for each in expected}
    assert before <= {str(each.delivery_id) for each in found}
    assert len(set(ids_of(somebody.received))) == 6


async def test_a_burst_goes_out_whole(fresh_database: Database) -> None:
    """The short form of 10,000."""
    await _burst(fresh_database, 300)


@pytest.mark.soak
async def test_ten_thousand_results_at_once_go_out_whole(fresh_database: Database) -> None:
    """Each once, although half of the first answers are errors."""
    await _burst(fresh_database, 10_000)


async def _burst(database: Database, count: int) -> None:
    pace = replace(QUICK, look_seconds=0.2, record_seconds=1.0, dead_after=1000)
    async with receiver() as somebody, acting(database, pace=pace) as work:
        somebody.answers = [500, 200] * (count // 20)
        rule = await a_rule_with(database, hook(somebody.url))
        for start in range(0, count, 1000):
            await work.results.append([of(rule) for _ in range(min(1000, count - start))])

        async def all_delivered() -> bool:
            [row] = await database.query("SELECT countIf(State = 'delivered') AS n FROM action_deliveries FINAL")
            return bool(row["n"] == count)

        await until(all_delivered, seconds=600)
        tried = Counter(ids_of(somebody.received))
        found = await work.of_rule()
    assert {str(each.delivery_id) for each in found} == set(tried)
    assert len(found) == count
    assert sum(tried.values()) == count + count // 20


async def test_only_live_results_call_for_actions_and_each_once(fresh_database: Database) -> None:
    """A backfill and a call do not; another attempt at one result does not again; a newer revision does."""
    async with receiver() as somebody, acting(fresh_database, page=2) as work:
        rule = await a_rule_with(fresh_database, hook(somebody.url))
        first = of(rule, metric="first", outcome=Failure(code="TIMEOUT", message="10 s"))
        await work.results.append([of(rule, metric="backfilled", purpose=Purpose.BACKFILL)])
        await work.results.append([of(rule, metric="asked", purpose=Purpose.ONDEMAND)])
        await work.results.append([replace(of(rule, metric="nobodys"), rule="", rule_version=0)])
        await work.results.append([first])
        await work.until_state(DELIVERED)
        await work.results.append([replace(first, attempt=2, outcome=Score(value=1.0))])
        await work.results.append([replace(first, evaluation_id=uuid.uuid4(), watermark_ms=first.watermark_ms + 1)])
        await work.results.append([of(rule, metric="last")])
        await work.until_state(*[DELIVERED] * 3)
    assert sorted(somebody.about()) == ["first", "first", "last"]


async def test_a_page_that_is_read_again_sends_nothing_again(fresh_database: Database) -> None:
    """A crash between deliveries and cursor: what was delivered stays delivered."""
    async with receiver() as somebody:
        async with acting(fresh_database) as work:
            rule = await a_rule_with(fresh_database, hook(somebody.url))
            cursor = await fresh_database.query("SELECT Cursor FROM cursors FINAL WHERE Name = 'actions'")
            await work.results.append([of(rule) for _ in range(3)])
            await work.until_state(*[DELIVERED] * 3)
        await fresh_database.insert_rows("cursors", ("Name", "Shard", "Cursor"), [("actions", 0, cursor[0]["Cursor"])])
        async with acting(fresh_database) as work:
            await work.results.append([of(rule)])
            await work.until_state(*[DELIVERED] * 4)
    assert len(somebody.received) == 4


async def test_a_corrected_address_is_used_for_what_waits_and_a_removed_action_cancels_it(
    fresh_database: Database,
) -> None:
    """The rule as it is now says where to; what happened is decided by the version that scored."""
    async with receiver() as somebody, acting(fresh_database) as work:
        rule = await a_rule_with(fresh_database, hook(DEAD, name="one"), hook(DEAD, name="two"))
        await work.results.append([of(rule)])
        await work.until_state(*[DeliveryState.PENDING] * 2)
        edited = replace(rule, actions=(hook(somebody.url, name="one", when="value < 0"),))
        await rules_of(fresh_database).update(edited, base_version=rule.version)
        found = await work.until_state(DELIVERED, DeliveryState.CANCELLED)
        assert {each.lane.action: each.state for each in found} == {"one": DELIVERED, "two": DeliveryState.CANCELLED}
        await rules_of(fresh_database).delete("watch")


async def test_a_host_that_is_no_longer_allowed_gets_nothing(fresh_database: Database) -> None:
    """The setting rules at every attempt, not only when the rule is saved; resolved names are looked at, too."""
    async with receiver() as somebody:
        rule = await a_rule_with(fresh_database, hook(somebody.url))
        async with acting(fresh_database, hosts=WebhookHosts()) as work:
            await work.results.append([of(rule)])

            async def refused() -> bool:
                return any("ASSAY_WEBHOOK_HOSTS" in each.last_error for each in await work.of_rule())

            await until(refused, seconds=60)
        assert somebody.received == []


async def test_an_event_tells_the_same_and_stands_in_no_trace(fresh_database: Database) -> None:
    """Else a trace whose event comes back to our own receiver would be scored again, for ever."""
    async with endpoint() as somebody, acting(fresh_database, events=somebody.url) as work:
        rule = await a_rule_with(fresh_database, Action(name="log", kind=ActionKind.EVENT, when="value < 0.5"))
        low = of(rule, outcome=Score(value=0.25, label="wrong"))
        await work.results.append([low, of(rule, outcome=Score(value=0.75))])
        [delivery] = await work.until_state(DELIVERED)
    [record] = somebody.records
    assert (record.event_name, record.trace_id, record.span_id) == ("assay.rule.matched", b"", b"")
    said: dict[str, Any] = attributes(record)
    evaluated = low.evaluated.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert said == {
        "assay.delivery.id": str(delivery.delivery_id),
        "assay.rule.name": "watch",
        "assay.rule.version": 1,
        "assay.action.name": "log",
        "assay.action.when": "value < 0.5",
        "assay.metric.name": "correctness",
        "assay.metric.version": 1,
        "assay.metric.kind": "judge",
        "assay.target.level": "span",
        "assay.target.trace_id": low.target.trace_id,
        "assay.target.span_id": low.target.span_id,
        "assay.target.session_id": "",
        "assay.anchor.trace_id": low.target.trace_id,
        "assay.anchor.span_id": low.target.span_id,
        "assay.anchor.service_name": "shop",
        "assay.anchor.span_name": "answer",
        "assay.result.id": str(low.evaluation_id),
        "assay.result.attempt": 1,
        "assay.result.status": "success",
        "assay.result.value": 0.25,
        "assay.result.label": "wrong",
        "assay.result.evaluated_time": evaluated,
    }


@pytest.mark.parametrize(
    ("action", "field", "reason"),
    [
        (hook("https://elsewhere.example/x"), "rule.actions[1].target", "is not among the hosts"),
        (hook("no url"), "rule.actions[1].target", "must be https://host"),
        (hook("http://127.0.0.1/", metric="corectness"), "rule.actions[1].metric", "did you mean 'correctness'?"),
        (Action(name="b", kind=ActionKind.DATASET, target="bad"), "rule.actions[1].kind", "dataset is not offered yet"),
        (Action(name="b", kind=ActionKind.QUEUE, target="bad"), "rule.actions[1].target", "no review queue 'bad'"),
        (Action(name="b", kind=ActionKind.QUEUE), "rule.actions[1].target", "name the review queue"),
        (Action(name="b", kind=ActionKind.EVENT), "rule.actions[1].kind", "set ASSAY_OTLP_OUT"),
        (Action(name="b", kind=ActionKind.EVENT, target="x"), "rule.actions[1].target", "leave it empty"),
    ],
)
async def test_an_action_that_cannot_be_done_here_is_refused_when_its_rule_is_saved(
    fresh_database: Database, action: Action, field: str, reason: str
) -> None:
    """With the field, and what to set."""
    rules = rules_of(fresh_database, events=False)
    good = hook("http://127.0.0.1:1/x", name="good")
    with pytest.raises(InvalidDefinition) as refused:
        await rules.create(of_two(good, action))
    assert refused.value.field == field
    assert reason in refused.value.reason


async def test_a_condition_that_is_none_is_refused_with_its_position(fresh_database: Database) -> None:
    """As a filter is."""
    with pytest.raises(InvalidFilter) as refused:
        await rules_of(fresh_database).create(of_two(hook("http://127.0.0.1/", when="value < 0.5 AND lable = 'x'")))
    assert (refused.value.field, refused.value.position) == ("rule.actions[0].when", 16)
    assert refused.value.reason == "unknown name 'lable'; did you mean 'label'?"


def of_two(*actions: Action) -> RuleDefinition:
    """A rule that nobody saved."""
    return RuleDefinition(name="two", level=Level.SPAN, metrics=("correctness",), actions=actions)


def test_the_pause_doubles_and_has_an_end() -> None:
    """With a fifth of chance, so that many do not come back together."""
    pace = Pace()
    for attempts, seconds in ((1, 5), (2, 10), (5, 80), (20, 3600), (10_000, 3600)):
        assert 800 * seconds <= pace.pause_ms(attempts) <= 1200 * seconds
