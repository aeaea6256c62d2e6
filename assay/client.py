"""Python clients of the evaluator: `Client` blocks, `AsyncClient` does not; both have the same nouns.

Every method raises `CallFailed` where the service refuses or cannot be reached.
"""

from assay.client_async import AsyncClient
from assay.client_model import CallFailed, FieldViolation, Result, Watched
from assay.client_sync import Client
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.online.explanation import Decision, Explanation
from evaluator.online.record import RuleRecord
from evaluator.online.rules import RuleDefinition
from evaluator.scoring.request import InlineTarget, MetricRef
from storage.model import Level, MetricKind, OutputType, Status, TargetRef
from storage.ports import ResultFilter

__all__ = [
    "AsyncClient",
    "CallFailed",
    "Client",
    "Decision",
    "Explanation",
    "FieldViolation",
    "InlineTarget",
    "Level",
    "MetricDefinition",
    "MetricKind",
    "MetricRecord",
    "MetricRef",
    "OutputType",
    "Result",
    "ResultFilter",
    "RuleDefinition",
    "RuleRecord",
    "Status",
    "TargetRef",
    "Watched",
]
