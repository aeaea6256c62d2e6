"""Reports over the wire."""

from __future__ import annotations

from dataclasses import replace

from report_parts import report

from evaluator.alignment.reporting.markdown import to_markdown
from evaluator.alignment.reporting.page import to_html
from evaluator.server import convert_reports as convert
from evaluator.v1 import alignment_pb2 as pb
from evaluator.v1.vocabulary_pb2 import MetricRef


def test_a_report_comes_back_as_it_was_sent() -> None:
    """The whole value; what the run says of itself is taken from the run."""
    sent = report()
    run = pb.Alignment(
        alignment_id=sent.alignment_id,
        metric=MetricRef(name="tone", version=1),
        status=pb.ALIGNMENT_STATUS_ALIGNED,
        request=pb.StartAlignmentRequest(source_ids=sent.sources),
        counts=pb.AlignmentCounts(
            annotations=96, disagreements=34, disagreements_rerun=32, skipped_agreeing=48, conflicts=3, stale=5,
            excluded=dict(sent.counts.excluded), sampled=80,
        ),
        usage=pb.AlignmentUsage(
            judge_calls=812, reflection_calls=31, remembered=120, input_tokens=312_000, output_tokens=21_000,
            cost_usd=0.41,
        ),
    )  # fmt: skip
    assert sent.created is not None
    run.create_time.FromDatetime(sent.created)
    message = convert.report_to_proto(sent, run)
    read = convert.report(pb.AlignmentReport.FromString(message.SerializeToString()))
    assert read == sent
    assert (message.html, message.markdown) == (to_html(sent), to_markdown(sent))


def test_what_is_not_known_is_no_zero() -> None:
    """Prices, p and intervals that are not there stay away."""
    sent = replace(report(text="x"), p_value=None, delta=None)
    message = convert.report_to_proto(sent, pb.Alignment(status=pb.ALIGNMENT_STATUS_ALIGNED))
    assert not message.HasField("cost_per_1000_after")
    assert not message.HasField("p_value")
    assert not message.HasField("delta_threshold")
    assert not message.optimism.HasField("lower")
    assert not message.flips[1].HasField("before")
