"""Enums: proto <-> domain.  The names say the same on both sides: a member that the proto lacks fails at import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from evaluator.metrics.definition import Statistic, TooLong, Vote
from evaluator.online.explaining.explanation import Decision
from evaluator.online.rules.applied import Action
from evaluator.online.rules.policy import ActionKind, Late, When
from evaluator.v1 import alignment_pb2, definitions_pb2
from evaluator.v1 import evaluator_pb2 as results
from evaluator.v1 import metrics_pb2 as metrics
from evaluator.v1 import rules_pb2 as rules
from storage.model import Level, MetricKind, OutputType, Purpose, Status
from storage.rechecking import RowVerdict

LEVEL_TO_PROTO: Mapping[Level, metrics.Level] = {
    level: cast(metrics.Level, metrics.Level.Value(f"LEVEL_{level.upper()}")) for level in Level
}
LEVEL_FROM_PROTO: Mapping[int, Level] = {number: level for level, number in LEVEL_TO_PROTO.items()}

KIND_TO_PROTO: Mapping[MetricKind, metrics.MetricKind] = {
    kind: cast(metrics.MetricKind, metrics.MetricKind.Value(f"METRIC_KIND_{kind.upper()}")) for kind in MetricKind
}
KIND_FROM_PROTO: Mapping[int, MetricKind] = {number: kind for kind, number in KIND_TO_PROTO.items()}

OUTPUT_TYPE_TO_PROTO: Mapping[OutputType, metrics.OutputType] = {
    output: cast(metrics.OutputType, metrics.OutputType.Value(f"OUTPUT_TYPE_{output.upper()}")) for output in OutputType
}
OUTPUT_TYPE_FROM_PROTO: Mapping[int, OutputType] = {number: kind for kind, number in OUTPUT_TYPE_TO_PROTO.items()}

STATUS_TO_PROTO: Mapping[Status, results.ResultStatus] = {
    status: cast(results.ResultStatus, results.ResultStatus.Value(f"RESULT_STATUS_{status.upper()}"))
    for status in Status
}
STATUS_FROM_PROTO: Mapping[int, Status] = {number: status for status, number in STATUS_TO_PROTO.items()}

PURPOSE_TO_PROTO: Mapping[Purpose, results.Purpose] = {
    purpose: cast(results.Purpose, results.Purpose.Value(f"PURPOSE_{purpose.upper()}")) for purpose in Purpose
}
PURPOSE_FROM_PROTO: Mapping[int, Purpose] = {number: purpose for purpose, number in PURPOSE_TO_PROTO.items()}

DECISION_TO_PROTO: Mapping[Decision, results.Decision] = {
    decision: cast(results.Decision, results.Decision.Value(f"DECISION_{decision.upper()}")) for decision in Decision
}
DECISION_FROM_PROTO: Mapping[int, Decision] = {number: decision for decision, number in DECISION_TO_PROTO.items()}

VOTE_TO_PROTO: Mapping[Vote, metrics.Vote] = {
    vote: cast(metrics.Vote, metrics.Vote.Value(f"VOTE_{vote.upper()}")) for vote in Vote
}
VOTE_FROM_PROTO: Mapping[int, Vote] = {number: vote for vote, number in VOTE_TO_PROTO.items()}

TOO_LONG_TO_PROTO: Mapping[TooLong, metrics.TooLong] = {
    what: cast(metrics.TooLong, metrics.TooLong.Value(f"TOO_LONG_{what.upper()}")) for what in TooLong
}
TOO_LONG_FROM_PROTO: Mapping[int, TooLong] = {number: what for what, number in TOO_LONG_TO_PROTO.items()}

STATISTIC_TO_PROTO: Mapping[Statistic, metrics.Statistic] = {
    statistic: cast(metrics.Statistic, metrics.Statistic.Value(f"STATISTIC_{statistic.upper()}"))
    for statistic in Statistic
}
STATISTIC_FROM_PROTO: Mapping[int, Statistic] = {number: kind for kind, number in STATISTIC_TO_PROTO.items()}

DIRECTION_TO_PROTO: Mapping[bool | None, metrics.Direction] = {
    True: metrics.DIRECTION_HIGHER,
    False: metrics.DIRECTION_LOWER,
    None: metrics.DIRECTION_NEITHER,
}
"""By `higher_is_better`."""
DIRECTION_FROM_PROTO: Mapping[int, bool | None] = {number: better for better, number in DIRECTION_TO_PROTO.items()}

WHEN_TO_PROTO: Mapping[When, rules.When] = {
    when: cast(rules.When, rules.When.Value(f"WHEN_{when.upper()}")) for when in When
}
WHEN_FROM_PROTO: Mapping[int, When] = {number: when for when, number in WHEN_TO_PROTO.items()}

LATE_TO_PROTO: Mapping[Late, rules.Late] = {
    late: cast(rules.Late, rules.Late.Value(f"LATE_{late.upper()}")) for late in Late
}
LATE_FROM_PROTO: Mapping[int, Late] = {number: late for late, number in LATE_TO_PROTO.items()}

ACTION_KIND_TO_PROTO: Mapping[ActionKind, rules.ActionKind] = {
    kind: cast(rules.ActionKind, rules.ActionKind.Value(f"ACTION_KIND_{kind.upper()}")) for kind in ActionKind
}
ACTION_KIND_FROM_PROTO: Mapping[int, ActionKind] = {number: kind for kind, number in ACTION_KIND_TO_PROTO.items()}

ACTION_TO_PROTO: Mapping[Action, definitions_pb2.ApplyAction] = {
    action: cast(definitions_pb2.ApplyAction, definitions_pb2.ApplyAction.Value(f"APPLY_ACTION_{action.upper()}"))
    for action in Action
}
ACTION_FROM_PROTO: Mapping[int, Action] = {number: action for action, number in ACTION_TO_PROTO.items()}
ROW_VERDICT_TO_PROTO: Mapping[RowVerdict, alignment_pb2.RowVerdict] = {
    verdict: cast(alignment_pb2.RowVerdict, alignment_pb2.RowVerdict.Value(f"ROW_VERDICT_{verdict.upper()}"))
    for verdict in RowVerdict
}
