"""`Rules.TestRule`: stages of a self-test on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import cast

from evaluator.online.explaining.self_test import SelfTest
from evaluator.online.explaining.stages import Stage, StageReport
from evaluator.server import convert_targets
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import rules_pb2 as pb

TIMEOUT_SECONDS = 60.0
LONGEST_SECONDS = 3600.0
STAGE_TO_PROTO: Mapping[Stage, pb.RuleStage] = {
    stage: cast(pb.RuleStage, pb.RuleStage.Value(f"RULE_STAGE_{stage.upper()}")) for stage in Stage
}


class RuleTests:
    """`evaluator.server.ports.TestsRules`."""

    def __init__(self, self_test: SelfTest) -> None:
        self._self_test = self_test

    async def test(self, request: pb.TestRuleRequest) -> AsyncIterator[pb.TestRuleResponse]:
        """See the proto."""
        seconds = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else TIMEOUT_SECONDS
        if not 1.0 <= seconds <= LONGEST_SECONDS:
            raise InvalidRequest("timeout", f"must be in [1 s, {LONGEST_SECONDS:g} s], got {seconds:g} s")
        target = convert_targets.target_ref(request.target, "target") if request.HasField("target") else None
        async for report in self._self_test.test(request.name, target=target, timeout_seconds=seconds):
            yield _to_proto(report)


def _to_proto(report: StageReport) -> pb.TestRuleResponse:
    message = pb.TestRuleResponse(
        stage=STAGE_TO_PROTO[report.stage],
        passed=report.passed,
        detail=report.detail,
        target=convert_targets.target_ref_to_proto(report.target) if report.target else None,
    )
    message.elapsed.FromNanoseconds(int(report.seconds * 1e9))
    return message
