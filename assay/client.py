"""Python clients of the evaluator: `Client` blocks, `AsyncClient` does not; both have the same nouns.

Every method raises `CallFailed` where the service refuses or cannot be reached.
"""

from assay.authoring import Authored, NotPortable
from assay.client_alignments import (
    Accepted,
    Alignment,
    AlignmentEstimate,
    AlignmentOptions,
    AlignmentReport,
    AlignmentSource,
)
from assay.client_async import AsyncClient
from assay.client_feedback_model import Feedback, FeedbackHistory, Imported, NewFeedback, Submitted
from assay.client_funnels import MetricFunnel, RuleFunnel
from assay.client_model import CallFailed, Ended, FieldViolation, Result, Spread, Trial, Watched
from assay.client_previews import RulePreview
from assay.client_runs import Estimate, Run
from assay.client_sync import Client
from assay.evaluated import Evaluated, MetricSummary, Scored
from evaluator.alignment.deciding.choices import Choice
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.online.explaining.explanation import Decision, Explanation, FalseClause
from evaluator.online.rules.applied import Action, Applied, Change, StatedRule
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.runs.definition import Chosen, FailuresOf, Recompute, Where
from evaluator.scoring.request import InlineTarget, MetricRef
from storage.alignments import AlignmentState
from storage.feedback import FeedbackStatus, Resolution, ResolutionStatus
from storage.model import Level, MetricKind, OutputType, Status, TargetRef
from storage.results import ResultFilter
from storage.runs import RunState

__all__ = [
    "Accepted",
    "Action",
    "Alignment",
    "AlignmentEstimate",
    "AlignmentOptions",
    "AlignmentReport",
    "AlignmentSource",
    "AlignmentState",
    "Applied",
    "AsyncClient",
    "Authored",
    "CallFailed",
    "Change",
    "Choice",
    "Chosen",
    "Client",
    "Decision",
    "Ended",
    "Estimate",
    "Evaluated",
    "Explanation",
    "FailuresOf",
    "FalseClause",
    "Feedback",
    "FeedbackHistory",
    "FeedbackStatus",
    "FieldViolation",
    "Imported",
    "InlineTarget",
    "Level",
    "MetricDefinition",
    "MetricFunnel",
    "MetricKind",
    "MetricRecord",
    "MetricRef",
    "MetricSummary",
    "NewFeedback",
    "NotPortable",
    "OutputType",
    "Recompute",
    "Resolution",
    "ResolutionStatus",
    "Result",
    "ResultFilter",
    "RuleDefinition",
    "RuleFunnel",
    "RulePreview",
    "RuleRecord",
    "Run",
    "RunState",
    "Scored",
    "Spread",
    "StatedRule",
    "Status",
    "Submitted",
    "TargetRef",
    "Trial",
    "Watched",
    "Where",
]
