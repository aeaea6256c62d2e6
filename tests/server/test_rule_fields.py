"""Every field of a rule: on the wire, in a document, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from assay import documents
from evaluator.errors import InvalidDefinition
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Action, ActionKind, Budget, Late, Retries, When
from evaluator.online.rules.record import RuleRecord
from evaluator.server import convert_definitions as convert
from evaluator.v1 import rules_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from storage.model import Level

PLAIN = RuleDefinition(name="plain", level=Level.TRACE, metrics=("quality",))
EVERYTHING = RuleDefinition(
    name="everything",
    level=Level.SPAN,
    metrics=("quality", "builtin/toxicity"),
    sample_rate=0.25,
    source_rates={"production": 0.1, "experiment": 1.0},
    filter="trace.status = 'OK' AND metric.toxicity.value > 0.5",
    scope="checkout",
    when=When.INGEST,
    late=Late.IGNORE,
    lookback_seconds=0.0,
    session_idle_seconds=90.5,
    retries=Retries(attempts=3, backoff_seconds=1.25, max_age_seconds=7200.0),
    budget=Budget(calls=1000, tokens=2_000_000, usd=12.5),
    actions=(
        Action(
            name="alarm", kind=ActionKind.WEBHOOK, when="value < 0.5", metric="quality", target="https://x.example/"
        ),
        Action(name="told", kind=ActionKind.EVENT),
    ),
    description="höflich, 'quoted'",
    enabled=False,
)


@pytest.mark.parametrize("rule", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_a_rule_goes_over_the_wire_and_into_the_store_and_comes_back(rule: RuleDefinition) -> None:
    """Nothing is lost, and nothing is added."""
    assert convert.rule(convert.rule_to_proto(RuleRecord(definition=rule))) == rule
    assert RuleDefinition.from_body(rule.name, rule.to_body()) == rule


def test_what_a_message_does_not_say_is_as_it_would_be_anyway() -> None:
    """A client that knows only the first fields makes the same rule as ever."""
    assert convert.rule(pb.Rule(name="plain", level=vocabulary_pb2.LEVEL_TRACE, metrics=["quality"])) == PLAIN
    sparse = pb.Rule(
        name="plain", level=vocabulary_pb2.LEVEL_TRACE, metrics=["quality"], retries=pb.RuleRetries(attempts=2)
    )
    assert convert.rule(sparse).retries == Retries(attempts=2)


@pytest.mark.parametrize("rule", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_a_rule_is_written_as_a_document_and_read_again(rule: RuleDefinition, tmp_path: Path) -> None:
    """`assay export` and `assay apply`; when it was enabled is no part of it."""
    enabled = RuleDefinition.from_body(
        rule.name,
        rule.to_body() | {"enabled": rule.enabled, "enable_time": datetime(2026, 1, 1, tzinfo=UTC).isoformat()},
    )
    file = tmp_path / "rule.yaml"
    file.write_text(documents.dumped([documents.rule_body(enabled)]), encoding="utf-8")
    (read,) = documents.read([file]).rules
    assert (read.definition, read.enabled) == (rule, rule.enabled)


def test_a_document_says_only_what_is_not_so_anyway() -> None:
    """People read these files."""
    assert documents.rule_body(PLAIN) == {
        "kind": "rule", "name": "plain", "level": "trace", "metrics": ["quality"], "sample_rate": 1.0, "enabled": True,
    }  # fmt: skip
    body = documents.rule_body(EVERYTHING)
    assert (body["retries"], body["lookback_seconds"], body["actions"][1]) == (
        {"attempts": 3, "backoff_seconds": 1.25, "max_age_seconds": 7200.0}, 0.0, {"name": "told", "kind": "event"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("source_rates", {"staging": 0.5}, "rule.source_rates"),
        ("source_rates", {"production": 1.5}, "rule.source_rates.production"),
        ("source_rates", ["production"], "rule.source_rates"),
        ("when", "ingest", "rule.when"),
        ("when", "later", "rule.when"),
        ("late", True, "rule.late"),
        ("lookback_seconds", 86_401, "rule.lookback_seconds"),
        ("lookback_seconds", float("nan"), "rule.lookback_seconds"),
        ("lookback_seconds", "1h", "rule.lookback_seconds"),
        ("session_idle_seconds", 0.5, "rule.session_idle_seconds"),
        ("retries", {"attempts": 11}, "rule.retries.attempts"),
        ("retries", {"attempts": 1.5}, "rule.retries.attempts"),
        ("retries", {"attempts": True}, "rule.retries.attempts"),
        ("retries", {"backoff_seconds": float("inf")}, "rule.retries.backoff_seconds"),
        ("retries", {"tries": 2}, "rule.retries"),
        ("retries", 3, "rule.retries"),
        ("budget", {"usd": -1}, "rule.budget.usd"),
        ("budget", {"calls": 0.5}, "rule.budget.calls"),
        ("budget", [], "rule.budget"),
        ("actions", {"name": "a", "kind": "event"}, "rule.actions"),
        ("actions", [{"name": "a"}], "rule.actions.kind"),
        ("actions", [{"name": "a", "kind": ["event"]}], "rule.actions.kind"),
        ("actions", [{"name": 5, "kind": "event"}], "rule.actions.name"),
        ("actions", [{"kind": "event"}], "rule.actions.name"),
        ("actions", [{"name": "a", "kind": "event"}, {"name": "a", "kind": "event"}], "rule.actions"),
        ("actions", [{"name": "a", "kind": "event", "url": "x"}], "rule.actions"),
    ],
)
def test_a_field_that_is_not_acceptable_is_refused_with_its_place(field: str, value: Any, place: str) -> None:
    """The caller learns which."""
    with pytest.raises(InvalidDefinition) as refused:
        RuleDefinition.from_body("r", PLAIN.to_body() | {field: value})
    assert refused.value.field == place


def test_an_edit_of_some_fields_leaves_the_others() -> None:
    """Maps, messages and lists are replaced, not mixed."""
    current = convert.rule_to_proto(RuleRecord(definition=EVERYTHING))
    edit = pb.Rule(source_rates={"experiment": 0.5}, budget=pb.RuleBudget(calls=5), actions=[])
    masked = convert.masked(current, edit, FieldMask(paths=["source_rates", "budget", "actions"]))
    read = convert.rule(masked)
    assert (dict(read.source_rates), read.budget, read.actions, read.retries, read.filter) == (
        {"experiment": 0.5}, Budget(calls=5), (), EVERYTHING.retries, EVERYTHING.filter,
    )  # fmt: skip
