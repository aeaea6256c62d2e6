"""What the front asks of the parts behind it, where no other module says so."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection
from typing import Protocol

from evaluator.scoring.request import Pending
from evaluator.v1 import alignment_pb2, evaluator_pb2, feedback_pb2, rules_pb2
from storage.feedback import FeedbackRow


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


class ReportsAlignments(Protocol):
    """Says what an alignment found."""

    async def report(self, request: alignment_pb2.GetAlignmentReportRequest) -> alignment_pb2.AlignmentReport:
        """`GetAlignmentReport`."""

    async def reverify(self, request: alignment_pb2.ReverifyAlignmentRequest) -> alignment_pb2.AlignmentReport:
        """`ReverifyAlignment`."""


class DecidesAlignments(Protocol):
    """Puts what an alignment found into force, or aside; and what follows."""

    async def accept(self, request: alignment_pb2.AcceptAlignmentRequest) -> alignment_pb2.AcceptAlignmentResponse:
        """`AcceptAlignment`."""

    async def discard(self, request: alignment_pb2.DiscardAlignmentRequest) -> alignment_pb2.Alignment:
        """`DiscardAlignment`."""

    async def corrected_mean(self, request: alignment_pb2.GetCorrectedMeanRequest) -> alignment_pb2.CorrectedMean:
        """`GetCorrectedMean`."""

    async def recheck(self, request: alignment_pb2.GetRecheckRequest) -> alignment_pb2.Recheck:
        """`GetRecheck`."""


class ReviewsQueues(Protocol):
    """Review queues; see `feedback.proto`."""

    async def create_queue(self, request: feedback_pb2.CreateQueueRequest) -> feedback_pb2.Queue:
        """`CreateQueue`."""

    async def get_queue(self, request: feedback_pb2.GetQueueRequest) -> feedback_pb2.Queue:
        """`GetQueue`."""

    async def list_queues(self, request: feedback_pb2.ListQueuesRequest) -> feedback_pb2.ListQueuesResponse:
        """`ListQueues`."""

    async def delete_queue(self, request: feedback_pb2.DeleteQueueRequest) -> None:
        """`DeleteQueue`."""

    async def fill_queue(self, request: feedback_pb2.FillQueueRequest) -> feedback_pb2.FillQueueResponse:
        """`FillQueue`."""

    async def claim_next(self, request: feedback_pb2.ClaimNextRequest) -> feedback_pb2.ReviewItem:
        """`ClaimNext`."""

    async def complete_item(self, request: feedback_pb2.CompleteItemRequest) -> feedback_pb2.CompleteItemResponse:
        """`CompleteItem`."""

    async def skip_item(self, request: feedback_pb2.SkipItemRequest) -> None:
        """`SkipItem`."""

    async def complete_items(self, request: feedback_pb2.CompleteItemsRequest) -> feedback_pb2.CompleteItemsResponse:
        """`CompleteItems`."""

    async def undo_bulk(self, request: feedback_pb2.UndoBulkRequest) -> feedback_pb2.UndoBulkResponse:
        """`UndoBulk`, also of an import: where something of it was given in a queue, its items stand there again."""

    async def reopen(self, retracted: Collection[FeedbackRow]) -> None:
        """Feedback was taken back by itself: where it was given in a queue, its item stands there again."""


class MeasuresAgreement(Protocol):
    """Says how far people and judges agree."""

    async def agreement(self, request: feedback_pb2.GetAgreementRequest) -> feedback_pb2.Agreement:
        """`GetAgreement`."""
