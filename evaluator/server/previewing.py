"""`PreviewRule`: parse, call, render."""

from __future__ import annotations

from evaluator.online.rules.preview import MAX_SAMPLES, MAX_SCORED, Preview, Previews
from evaluator.server import convert, convert_definitions, convert_targets
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import rules_pb2 as pb

SAMPLES, SCORED = 10, 3
UNNAMED = "preview"
"""What a rule is called that has no name yet."""


class PreviewingFront:
    """`evaluator.server.ports.PreviewsRules`."""

    def __init__(self, previews: Previews) -> None:
        self._previews = previews

    async def preview(self, request: pb.PreviewRuleRequest) -> pb.PreviewRuleResponse:
        """See the proto.

        Raises:
            InvalidRequest: A number is out of its range.
        """
        samples = _within("samples", request.samples if request.HasField("samples") else SAMPLES, MAX_SAMPLES)
        scored = _within("scored", request.scored if request.HasField("scored") else min(SCORED, samples), MAX_SCORED)
        if scored > samples:
            raise InvalidRequest("scored", f"must be at most samples ({samples}), got {scored}")
        message = pb.Rule()
        message.CopyFrom(request.rule)
        message.name = message.name or UNNAMED
        rule = convert_definitions.rule(message)
        return _response(await self._previews.preview(rule, samples=samples, scored=scored))


def _within(field: str, number: int, most: int) -> int:
    if not 0 <= number <= most:
        raise InvalidRequest(field, f"must be 0 to {most}, got {number}")
    return number


def _response(preview: Preview) -> pb.PreviewRuleResponse:
    counted, per_day = preview.counted, preview.per_day
    message = pb.PreviewRuleResponse(
        targets=counted.targets,
        matches=counted.matches,
        sampled=counted.sampled,
        exact=counted.exact,
        calls_per_day=per_day.calls,
        tokens_per_day=per_day.input_tokens + per_day.output_tokens,
        usd_per_day=per_day.cost_usd,
        unpriced_models=sorted(per_day.unpriced),
        samples=[convert_targets.target_ref_to_proto(record.ref) for record in counted.records],
    )
    for answer in preview.results:
        result = convert.result_to_proto(answer)
        result.result_id = ""
        message.results.append(result)
    return message
