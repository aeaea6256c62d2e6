"""What the front asks of the parts behind it, where no other module says so."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Protocol

from evaluator.scoring.request import Pending
from evaluator.v1 import evaluator_pb2, rules_pb2


class Computing(Protocol):
    """Knows what is being computed, so that a caller who stopped waiting can ask again."""

    def pending(self, evaluation_id: uuid.UUID) -> Pending | None:
        """The pair that this result will conclude; None where it is not being computed here.

        A result is stored before it stops being pending: who asks here first and then the store misses none.
        """

    def in_progress(self) -> list[Pending]:
        """What calls have asked for and is not final, queued or computing."""


class PreviewsRules(Protocol):
    """Says what a rule would do."""

    async def preview(self, request: rules_pb2.PreviewRuleRequest) -> rules_pb2.PreviewRuleResponse:
        """`PreviewRule`; see the proto, here and below."""


class CountsFunnels(Protocol):
    """Says what became of the targets of a rule."""

    async def funnel(self, request: rules_pb2.GetRuleFunnelRequest) -> rules_pb2.RuleFunnel:
        """`GetRuleFunnel`."""


class TestsRules(Protocol):
    """Pushes a synthetic target through a rule."""

    def test(self, request: rules_pb2.TestRuleRequest) -> AsyncIterator[rules_pb2.TestRuleResponse]:
        """`TestRule`."""


class MarksComplete(Protocol):
    """Takes explicit ends of traces and sessions."""

    async def mark_complete(self, request: evaluator_pb2.MarkCompleteRequest) -> evaluator_pb2.MarkCompleteResponse:
        """`MarkComplete`."""
