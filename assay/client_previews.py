"""What `PreviewRule` answers, for callers."""

from __future__ import annotations

from dataclasses import dataclass

from assay import client_model as model
from assay.client_calls import Call
from assay.client_model import Result
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.server import convert_definitions, convert_targets
from evaluator.v1 import rules_pb2
from storage.model import TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePreview:
    """What a rule would do on a day like the last one.

    Attributes:
        targets: Of its level and scope that completed in the last 24 hours.
        matches: Those of them that pass the filter.
        sampled: Those of them that the sample rates take.
        exact: All of them were looked at; else a share, and the numbers are worked out from that.
        calls_per_day, tokens_per_day: Of judges, required metrics included.
        usd_per_day: None where a model has no known price, which `unpriced_models` then names.
        samples: Some of what would be scored, newest first.
        results: Of the first of them, one for each metric; they are not kept.
    """

    targets: int
    matches: int
    sampled: int
    exact: bool
    calls_per_day: float
    tokens_per_day: float
    usd_per_day: float | None
    unpriced_models: tuple[str, ...]
    samples: tuple[TargetRef, ...]
    results: tuple[Result, ...]


def preview_rule(rule: RuleDefinition, samples: int, scored: int) -> Call[RulePreview]:
    """`Rules.PreviewRule`."""
    message = convert_definitions.rule_to_proto(RuleRecord(definition=rule))
    request = rules_pb2.PreviewRuleRequest(rule=message, samples=samples, scored=scored)
    return Call(service="Rules", method="PreviewRule", request=request, read=_preview)


def _preview(message: rules_pb2.PreviewRuleResponse) -> RulePreview:
    return RulePreview(
        targets=message.targets,
        matches=message.matches,
        sampled=message.sampled,
        exact=message.exact,
        calls_per_day=message.calls_per_day,
        tokens_per_day=message.tokens_per_day,
        usd_per_day=message.usd_per_day if message.HasField("usd_per_day") else None,
        unpriced_models=tuple(message.unpriced_models),
        samples=tuple(convert_targets.target_ref(each, "samples") for each in message.samples),
        results=tuple(model.result(each) for each in message.results),
    )
