"""Python clients of the evaluator: `Client` blocks, `AsyncClient` does not; both have the same nouns.

Every method raises `CallFailed` where the service refuses or cannot be reached.
"""

from assay.authoring import Authored, NotPortable
from assay.client_async import AsyncClient
from assay.client_funnels import MetricFunnel, RuleFunnel
from assay.client_model import CallFailed, Ended, FieldViolation, Result, Spread, Trial, Watched
from assay.client_previews import RulePreview
from assay.client_runs import Estimate, Run
from assay.client_sync import Client
from assay.evaluated import Evaluated, MetricSummary, Scored
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.online.explaining.explanation import Decision, Explanation, FalseClause
from evaluator.online.rules.apply import Action, Applied, Change, StatedRule
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.runs.definition import Chosen, FailuresOf, Recompute, Where
from evaluator.scoring.request import InlineTarget, MetricRef
from storage.model import Level, MetricKind, OutputType, Status, TargetRef
from storage.results import ResultFilter
from storage.runs import RunState

__all__ = [
    "Action",
    "Applied",
    "AsyncClient",
    "Authored",
    "CallFailed",
    "Change",
    "Chosen",
    "Client",
    "Decision",
    "Ended",
    "Estimate",
    "Evaluated",
    "Explanation",
    "FailuresOf",
    "FalseClause",
    "FieldViolation",
    "InlineTarget",
    "Level",
    "MetricDefinition",
    "MetricFunnel",
    "MetricKind",
    "MetricRecord",
    "MetricRef",
    "MetricSummary",
    "NotPortable",
    "OutputType",
    "Recompute",
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
    "TargetRef",
    "Trial",
    "Watched",
    "Where",
]
