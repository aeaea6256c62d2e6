"""Python clients of the evaluator: `Client` blocks, `AsyncClient` does not; both have the same nouns.

Every method raises `CallFailed` where the service refuses or cannot be reached.
"""

from assay.authoring import Authored, NotPortable
from assay.client_async import AsyncClient
from assay.client_model import CallFailed, FieldViolation, Result, Spread, Trial, Watched
from assay.client_runs import Estimate, Run
from assay.client_sync import Client
from assay.evaluated import Evaluated, MetricSummary, Scored
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.online.explaining.explanation import Decision, Explanation
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
    "Estimate",
    "Evaluated",
    "Explanation",
    "FailuresOf",
    "FieldViolation",
    "InlineTarget",
    "Level",
    "MetricDefinition",
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
