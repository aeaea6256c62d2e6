"""A sender whose clock is wrong must not hold up the others: every day of a request is a part of the table."""

from __future__ import annotations

import pytest
from otlp_building import span, traces

from storage.otlp.encode import Encoder
from storage.otlp.reference import DAY_NS, MAX_DAYS, span_rows, translate_traces


@pytest.mark.parametrize("more", [0, 1, 100])
def test_spans_of_more_days_than_a_request_may_hold_are_refused_and_counted(more: int) -> None:
    """The first days stay; both translators say the same."""
    body = traces(*[span(start_time_unix_nano=day * DAY_NS) for day in range(MAX_DAYS + more)])
    slow, fast = translate_traces(body), Encoder().encode_traces(body)
    assert (slow.rows, slow.rejected, bool(slow.reason)) == (MAX_DAYS, more, more > 0)
    assert fast == slow
    assert [row.timestamp // DAY_NS for row in span_rows(body)[0]] == list(range(MAX_DAYS))
