"""A backfill on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from assay.client_runs import create_run
from evaluator.runs.backfill import OfRule
from evaluator.server.convert_runs import run_request, selection_to_proto
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import evaluator_pb2 as pb
from storage.runs import Only

WHOLE = OfRule(
    rule="polite",
    since=datetime(2026, 11, 1, tzinfo=UTC),
    until=datetime(2026, 11, 2, tzinfo=UTC),
    filter="service = 'shop'",
    only=Only.OVER_BUDGET,
)


@pytest.mark.parametrize("asked", [WHOLE, OfRule(rule="polite"), OfRule(rule="polite", recompute=True)])
def test_a_backfill_arrives_as_it_was_asked_for_and_is_shown_so(asked: OfRule) -> None:
    """From the client to the catalogue, and from the store back to whoever reads the run."""
    message = create_run(asked, []).request
    assert isinstance(message, pb.CreateRunRequest)
    assert run_request(message).selection == asked
    assert selection_to_proto({"of_rule": asked.to_body()}) == message.selection
    assert OfRule.from_body(asked.to_body()) == asked


@pytest.mark.parametrize("only", list(Only))
def test_every_choice_has_a_name_on_the_wire(only: Only) -> None:
    """Of the enum, each another one."""
    message = create_run(OfRule(rule="polite", only=only), []).request
    assert pb.BackfillOnly.Name(message.selection.of_rule.only) == f"BACKFILL_ONLY_{only.upper()}"


def test_a_choice_that_is_not_known_is_refused() -> None:
    """A newer client may know more."""
    selection = pb.RunSelection(of_rule=pb.RuleRange(rule="polite", only=99))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match=r"selection\.of_rule\.only"):
        run_request(pb.CreateRunRequest(selection=selection))
