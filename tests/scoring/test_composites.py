"""Composites: what they require is computed first, once and only where due; nothing else decides about them."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from composite_parts import SESSION, SPAN, TRACE, Parts, a_trace, asked, composing, leaf, mean_of, session_of
from storing import a_result, store, until

from evaluator.errors import RequiredMetricMissing
from evaluator.scoring.request import Pending
from storage.clickhouse.client import Database
from storage.model import (
    Abstention,
    Evaluation,
    Failure,
    Level,
    MetricKind,
    Purpose,
    Score,
    Status,
)

BROKEN = Failure(code="JUDGE_TIMEOUT", message="no answer in time", retryable=True)
LACKING = Abstention(reason="no context")


@pytest.fixture
async def parts(database: Database) -> AsyncIterator[Parts]:
    """On the module's database, with the metrics of these tests."""
    async with composing(database) as ready:
        await ready.make(
            leaf("graded", span_kinds=("llm",)),
            leaf("found", span_kinds=("retriever",)),
            leaf("spoken", levels=(Level.TRACE, Level.SESSION)),
            leaf("seen", kind=MetricKind.HUMAN, levels=(Level.SPAN, Level.TRACE)),
            leaf("told", kind=MetricKind.EXTERNAL, levels=TRACE),
            mean_of("trace_grade", "graded"),
            mean_of("session_grade", "trace_grade", levels=SESSION),
            mean_of("session_spans", "graded@span", levels=SESSION),
            mean_of("span_grade", "graded", levels=SPAN, span_kinds=("llm",)),
            mean_of("approved", "told@trace", levels=SESSION, wait_seconds=0.0),
            mean_of("waits", "told@trace", levels=SESSION),
        )
        yield ready


async def test_what_is_required_is_computed_first_where_due_and_nowhere_else(parts: Parts) -> None:
    """Two of four spans are model calls: two judgements, their mean, and no result on any other span."""
    root, one, tool, two = a_trace("llm", "tool", "llm")
    await store(parts.database, root, one, tool, two)
    parts.leaves.outcomes["graded", one.ref.key] = Score(value=0.5)
    (answer,) = await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    assert isinstance(answer, Evaluation)
    assert answer.outcome == Score(value=0.75, explanation="of 2 results")
    assert parts.leaves.count == Counter(
        {("graded", one.ref.key): 1, ("graded", two.ref.key): 1, ("trace_grade", root.trace_id): 1}
    )
    kept = await parts.stored(root.ref, one.ref, tool.ref, two.ref, root.trace)
    assert {(each.metric, each.target) for each in kept} == {
        ("graded", one.ref), ("graded", two.ref), ("trace_grade", root.trace),
    }  # fmt: skip
    assert len(answer.inputs_digest) == 16


async def test_what_somebody_computed_before_is_not_bought_again(parts: Parts) -> None:
    """An earlier call's results of the same version and watermark count; so do those of another composite."""
    root, one, two = a_trace("llm", "llm")
    await store(parts.database, root, one, two)
    await parts.engine.evaluate(asked(one.ref, metrics=("graded",)))
    await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    await parts.engine.evaluate(asked(one.ref, metrics=("span_grade",)))
    assert parts.leaves.count["graded", one.ref.key] == 1
    assert parts.leaves.count["graded", two.ref.key] == 1


async def test_calls_at_the_same_time_buy_what_they_share_once(parts: Parts) -> None:
    """Eight callers want composites of one span; its judgement is under way once."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    parts.leaves.hold.clear()
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(parts.engine.evaluate(asked(target, metrics=(name,))))
            for target, name in ((root.trace, "trace_grade"), (one.ref, "span_grade")) * 4
        ]
        await until(lambda: _counted(parts, ("graded", one.ref.key)))
        parts.leaves.hold.set()
    assert {call.result()[0].outcome for call in calls} == {Score(value=1.0, explanation="of 1 results")}  # type: ignore[union-attr]
    assert parts.leaves.count["graded", one.ref.key] == 1


async def _counted(parts: Parts, key: tuple[str, str]) -> bool:
    return bool(parts.leaves.count[key])


async def test_a_metric_asked_for_beside_its_composite_is_paid_once(parts: Parts) -> None:
    """In either order of the call."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    both = replace(asked(one.ref, metrics=("span_grade", "graded")))
    answers = await parts.engine.evaluate(both)
    assert [each.outcome for each in answers if isinstance(each, Evaluation)] == [
        Score(value=1.0, explanation="of 1 results"),
        Score(value=1.0),
    ]
    assert parts.leaves.count["graded", one.ref.key] == 1


async def test_an_empty_due_set_does_not_gate(parts: Parts) -> None:
    """A trace without model calls: the composite runs, and a roll-up of nothing is no 0."""
    root, tool = a_trace("tool")
    await store(parts.database, root, tool)
    (answer,) = await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    assert isinstance(answer, Evaluation)
    assert answer.outcome == Abstention(reason="nothing to roll up")


async def test_one_error_lists_every_required_metric_without_success(parts: Parts) -> None:
    """Failed or not applicable: each with status, target, reason and result; unlisted metrics do not matter."""
    root, one, two, three = a_trace("llm", "llm", "llm")
    await store(parts.database, root, one, two, three)
    parts.leaves.outcomes |= {
        ("graded", one.ref.key): BROKEN,
        ("graded", two.ref.key): LACKING,
        ("found", root.ref.key): BROKEN,
    }
    (answer,) = await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    ids = {each.target: each.evaluation_id for each in await parts.stored(one.ref, two.ref, metric="graded")}
    assert isinstance(answer, Evaluation)
    assert answer.outcome == Failure(
        code="REQUIRED_METRIC_FAILED",
        message="required metrics without success: "
        f"graded failed on span {one.ref.key} (JUDGE_TIMEOUT; result {ids[one.ref]}); "
        f"graded not_applicable on span {two.ref.key} (no context; result {ids[two.ref]})",
    )
    assert parts.leaves.count["trace_grade", root.trace_id] == 0


async def test_a_failed_composite_recovers_when_its_child_is_run_again(parts: Parts) -> None:
    """The child alone, then the composite: another attempt succeeds, and it is what counts."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    parts.leaves.outcomes["graded", one.ref.key] = BROKEN
    (failed,) = await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    parts.leaves.outcomes["graded", one.ref.key] = Score(value=0.25)
    await parts.engine.evaluate(asked(one.ref, metrics=("graded",)))
    await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    current = await parts.current(root.trace, "trace_grade")
    assert isinstance(failed, Evaluation)
    assert failed.status is Status.FAILED
    assert current.outcome == Score(value=0.25, explanation="of 1 results")
    assert current.inputs_digest != failed.inputs_digest
    assert parts.leaves.count["graded", one.ref.key] == 2


async def test_a_composite_is_reused_until_what_it_read_is_judged_again(parts: Parts) -> None:
    """`reuse` returns the stored result; another judgement of a span makes it stale."""
    root, one, two = a_trace("llm", "llm")
    await store(parts.database, root, one, two)
    request = asked(root.trace, metrics=("trace_grade",), reuse=True)
    (first,) = await parts.engine.evaluate(request)
    (again,) = await parts.engine.evaluate(replace(request, origin=uuid.uuid4().hex))
    assert isinstance(first, Evaluation)
    assert isinstance(again, Evaluation)
    assert again.evaluation_id == first.evaluation_id
    parts.leaves.outcomes["graded", one.ref.key] = Score(value=0.0)
    await parts.engine.evaluate(asked(one.ref, metrics=("graded",)))
    (fresh,) = await parts.engine.evaluate(replace(request, origin=uuid.uuid4().hex))
    assert isinstance(fresh, Evaluation)
    assert fresh.outcome == Score(value=0.5, explanation="of 2 results")
    assert (await parts.current(root.trace, "trace_grade")).evaluation_id == fresh.evaluation_id


async def test_work_that_is_repeated_is_a_further_attempt_of_the_same_result(parts: Parts) -> None:
    """A rule's id for a target never changes: other inputs make attempt 2, equal ones nothing."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    request = asked(root.trace, metrics=("trace_grade",), rule="r", purpose=Purpose.ONLINE, origin="r")
    (first,) = await parts.engine.evaluate(request)
    (same,) = await parts.engine.evaluate(request)
    parts.leaves.outcomes["graded", one.ref.key] = Score(value=0.0)
    await parts.engine.evaluate(asked(one.ref, metrics=("graded",)))
    (second,) = await parts.engine.evaluate(request)
    assert isinstance(first, Evaluation)
    assert isinstance(same, Evaluation)
    assert isinstance(second, Evaluation)
    assert (second.evaluation_id, first.attempt, same.attempt, second.attempt) == (first.evaluation_id, 1, 1, 2)
    assert (await parts.current(root.trace, "trace_grade")).attempt == 2
    assert (await parts.results.get(first.evaluation_id)).outcome == second.outcome


async def test_a_late_span_makes_a_composite_stale(parts: Parts) -> None:
    """A newer watermark is another result; only the late span is judged."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    request = asked(root.trace, metrics=("trace_grade",), reuse=True)
    (first,) = await parts.engine.evaluate(request)
    late = replace(one, span_id="00000000000000aa")
    await store(parts.database, late)
    parts.leaves.outcomes["graded", late.ref.key] = Score(value=0.0)
    (second,) = await parts.engine.evaluate(replace(request, origin=uuid.uuid4().hex))
    assert isinstance(first, Evaluation)
    assert isinstance(second, Evaluation)
    assert second.watermark_ms > first.watermark_ms
    assert second.outcome == Score(value=0.5, explanation="of 2 results")
    assert parts.leaves.count["graded", one.ref.key] == 1


async def test_a_composite_of_composites_sees_the_session(parts: Parts) -> None:
    """Means of traces, and the mean of all spans; what is below is computed once for both."""
    name = f"session-{uuid.uuid4().hex}"
    first, second = a_trace("llm", session=name), a_trace("llm", "llm", "llm", session=name)
    await store(parts.database, *first, *second)
    parts.leaves.outcomes["graded", first[1].ref.key] = Score(value=0.0)
    answers = await parts.engine.evaluate(asked(session_of(name), metrics=("session_grade", "session_spans")))
    assert [each.outcome for each in answers if isinstance(each, Evaluation)] == [
        Score(value=0.5, explanation="of 2 results"),
        Score(value=0.75, explanation="of 4 results"),
    ]
    assert {parts.leaves.count["graded", span.ref.key] for span in (*first[1:], *second[1:])} == {1}
    parts.leaves.outcomes["graded", second[1].ref.key] = Score(value=0.25)
    await parts.engine.evaluate(asked(second[1].ref, metrics=("graded",)))
    (fresh,) = await parts.engine.evaluate(asked(session_of(name), metrics=("session_grade",), reuse=True))
    assert isinstance(fresh, Evaluation)
    assert fresh.outcome == Score(value=0.375, explanation="of 2 results")
    assert parts.leaves.count["trace_grade", first[0].trace_id] == 1, "the trace that did not change is not run again"


async def test_a_composite_is_queued_until_everything_required_is_final(parts: Parts) -> None:
    """`Evaluate` waits as long as it may, then says `queued`; the result is stored under the id it named."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    parts.leaves.hold.clear()
    (pending,) = await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",), wait_seconds=0.1))
    assert isinstance(pending, Pending)
    assert pending.status is Status.QUEUED
    await until(lambda: _counted(parts, ("graded", one.ref.key)))
    assert parts.engine.pending(pending.evaluation_id) == pending
    parts.leaves.hold.set()
    found = await until(lambda: parts.results.existing([pending.evaluation_id]))
    assert found[pending.evaluation_id].outcome == Score(value=1.0, explanation="of 1 results")


async def test_a_result_of_others_is_waited_for(parts: Parts) -> None:
    """Queued; when somebody's program has sent its result, the composite reads it, whatever its version."""
    name = f"session-{uuid.uuid4().hex}"
    (root,) = a_trace(session=name)
    await store(parts.database, root)
    (pending,) = await parts.engine.evaluate(asked(session_of(name), metrics=("waits",), wait_seconds=0.0))
    assert isinstance(pending, Pending)
    assert pending.status is Status.QUEUED
    sent = a_result(
        root, Score(value=0.5), target=root.trace, metric="told", metric_version=7, kind=MetricKind.EXTERNAL
    )
    await parts.results.append([sent])
    found = await until(lambda: parts.results.existing([pending.evaluation_id]))
    assert found[pending.evaluation_id].outcome == Score(value=0.5, explanation="of 1 results")


async def test_a_result_of_others_that_never_comes_is_not_computed(parts: Parts) -> None:
    """Its time runs from the newest arrival of the target."""
    name = f"session-{uuid.uuid4().hex}"
    (root,) = a_trace(session=name)
    await store(parts.database, root)
    (answer,) = await parts.engine.evaluate(asked(session_of(name), metrics=("approved",)))
    assert isinstance(answer, Evaluation)
    assert answer.outcome == Abstention(
        reason=f"no result came within 0 s for told@trace on trace {root.trace_id}", status=Status.NOT_COMPUTED
    )


async def test_a_cancelled_call_ends_what_its_composite_started(parts: Parts) -> None:
    """Nobody pays for what nobody reads: children too; what another call waits for goes on."""
    root, one, two = a_trace("llm", "llm")
    await store(parts.database, root, one, two)
    parts.leaves.hold.clear()
    other = asyncio.create_task(parts.engine.evaluate(asked(one.ref, metrics=("span_grade",))))
    await until(lambda: _counted(parts, ("graded", one.ref.key)))
    call = asyncio.create_task(parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",))))
    await until(lambda: _counted(parts, ("graded", two.ref.key)))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    parts.leaves.hold.set()
    (answer,) = await other
    assert isinstance(answer, Evaluation)
    assert answer.status is Status.SUCCESS
    assert await parts.stored(two.ref, root.trace) == []
    assert parts.leaves.count["graded", one.ref.key] == 1


async def test_experiments_share_nothing(parts: Parts) -> None:
    """Their results stay with their run: neither read by others, nor others' by them."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    for trial in range(2):
        request = asked(
            root.trace, metrics=("trace_grade",), purpose=Purpose.EXPERIMENT, origin="x", run="x", trial=trial
        )
        await parts.engine.evaluate(request)
    assert parts.leaves.count["graded", one.ref.key] == 3


async def test_a_circle_scores_nothing(parts: Parts) -> None:
    """Saving refuses it; one that came in another way is refused when it is asked for."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    circle = [mean_of("round_one", "round_two@trace", levels=TRACE), mean_of("round_two", "round_one@trace")]
    for each in circle:
        await parts.metrics.keep(each, base_version=None)
    with pytest.raises(RequiredMetricMissing, match="circle: round_"):
        await parts.engine.evaluate(asked(root.trace, metrics=("round_one",)))


async def test_a_person_and_a_program_are_told_apart(parts: Parts) -> None:
    """A human verdict on an automatic metric is not what a composite of that metric reads."""
    root, one = a_trace("llm")
    await store(parts.database, root, one)
    verdict = a_result(one, Score(value=0.0), metric="graded", kind=MetricKind.HUMAN)
    await parts.results.append([verdict])
    (answer,) = await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    assert isinstance(answer, Evaluation)
    assert answer.outcome == Score(value=1.0, explanation="of 1 results")


async def test_a_composite_about_one_kind_of_span_leaves_others_alone(parts: Parts) -> None:
    """No result, no child computed, nothing stored."""
    root, tool = a_trace("tool")
    await store(parts.database, root, tool)
    (answer,) = await parts.engine.evaluate(asked(tool.ref, metrics=("span_grade",)))
    assert isinstance(answer, Evaluation)
    assert answer.status is Status.NOT_APPLICABLE
    assert await parts.stored(tool.ref) == []


async def test_a_call_that_is_reported_twice_is_judged_once(parts: Parts) -> None:
    """A model call inside a span of the same call: one result is due, as `trace.spans` has it once."""
    root, outer = a_trace("llm")
    inner = replace(outer, span_id="00000000000000bb", parent=outer.span_id)
    await store(parts.database, root, outer, inner)
    (answer,) = await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    assert isinstance(answer, Evaluation)
    assert answer.outcome == Score(value=1.0, explanation="of 1 results")
    assert sum(parts.leaves.count["graded", span.ref.key] for span in (outer, inner)) == 1


async def test_memory_stays_flat_over_many_results(parts: Parts) -> None:
    """A thousand spans judged and rolled up, call after call: nothing of a call that ended is kept."""
    root, *spans = a_trace(*["llm"] * 100)
    await store(parts.database, root, *spans)
    for _ in range(10):
        await parts.engine.evaluate(asked(*(span.ref for span in spans), metrics=("graded",), store=False))
    await parts.engine.evaluate(asked(root.trace, metrics=("trace_grade",)))
    work = parts.engine._work
    assert (work._computing, work._shared, work._begun, dict(work._awaited)) == ({}, {}, set(), {})
    assert len(work._running) == 2, "the recorder and the poller of others' results"
