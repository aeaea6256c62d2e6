"""People's verdicts against new versions of a judge: solved, kept, broken, set aside; once, and resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from deciding_parts import AMOUNTS, FALSE, TRUE, Deciding, accepting, asked_about, deciding, told
from feedback_parts import a_judgement, a_target, feedback_parts, words
from storing import until

from evaluator.judges.scripted_faults import hang
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline
from evaluator.online.budgets.purses import Purses
from evaluator.online.rules.policy import Budget
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.feedback import Resolution, ResolutionStatus
from storage.model import OutputType, TargetRef
from storage.rechecking import Recheck, RecheckState

LINE = Guideline(text="An answer that names no amount is wrong.")


@pytest.fixture
async def here(database: Database) -> AsyncIterator[Deciding]:
    """One evaluator."""
    async with deciding(database) as parts:
        yield parts


async def next_version(here: Deciding, metric: MetricDefinition, **changes: object) -> MetricDefinition:
    """Made by hand."""
    edited = replace(metric, **changes)  # type: ignore[arg-type]
    return (await here.scoring.metrics.update(edited, base_version=metric.version)).definition


async def verdicts(here: Deciding, metric: MetricDefinition) -> dict[TargetRef, tuple[str, str]]:
    """What a version does with each row, and its rationale."""
    rows = await here.rechecks.rows(metric.name, metric.version)
    return {target: (str(row.verdict), row.explanation) for target, row in rows.items()}


async def status_of(here: Deciding, metric: MetricDefinition, target: TargetRef) -> Resolution:
    """Where a target stands."""
    return (await here.feedbacks.resolutions(metric.name, [target]))[target]


async def test_a_new_version_is_checked_against_what_people_said_and_later_ones_must_pass(here: Deciding) -> None:
    """Solved rows are regression rows for good; the view says of every later version whether it passes."""
    judge = await here.a_judge()
    a, b, c, d = await here.said(judge, ("a", TRUE, FALSE), ("b", TRUE, TRUE), ("c", FALSE, TRUE), ("d", TRUE, TRUE))
    here.scoring.judge.always(
        told({"a": False, "b": True, "c": True, "d": True}, unless={LINE.text: {"a": True, "d": False}})
    )
    second = await next_version(here, judge, guidelines=(LINE,))
    checked = await here.parts.rechecker.check(second)
    assert (checked.state, checked.counts) == (
        RecheckState.DONE,
        {"kept": 1, "regressed": 1, "solved": 1, "still_wrong": 1},
    )
    assert await verdicts(here, second) == {
        a: ("solved", "about a"),
        b: ("kept", "about b"),
        c: ("still_wrong", "about c"),
        d: ("regressed", "about d"),
    }
    third = await next_version(here, second, guidelines=())
    await here.parts.rechecker.check(third)
    rows = await here.database.query(
        "SELECT TraceId, MetricVersion AS version, toString(Verdict) AS verdict, Passes AS passes, SolvedIn AS since "
        "FROM regression_rows WHERE MetricName = {m:String} ORDER BY TraceId, version",
        {"m": judge.name},
    )
    expected = {a.trace_id: [(2, "solved", 1, 2), (3, "regressed", 0, 2)], d.trace_id: [(3, "solved", 1, 3)]}
    found: dict[str, list[tuple[object, ...]]] = {}
    for row in rows:
        found.setdefault(row["TraceId"], []).append((row["version"], row["verdict"], int(row["passes"]), row["since"]))
    assert found == expected
    assert {each.name for each in await here.parts.rechecker.due()} & {judge.name} == set()


async def test_what_a_version_said_when_people_spoke_about_it_is_not_asked_again(here: Deciding) -> None:
    """The first version is a base line that costs nothing; a verdict that turns is asked for twice."""
    judge = await here.a_judge()
    await here.said(judge, ("a", TRUE, FALSE), ("b", TRUE, TRUE))
    first = await here.parts.rechecker.check(judge)
    assert (first.counts, asked_about(here.scoring.judge)) == ({"kept": 1, "still_wrong": 1}, [])
    here.scoring.judge.always(told({"a": True, "b": True}))
    second = await here.parts.rechecker.check(await next_version(here, judge, guidelines=(LINE,)))
    assert (second.counts, asked_about(here.scoring.judge)) == ({"kept": 1, "solved": 1}, ["a", "a", "b"])


async def test_a_judge_that_contradicts_itself_neither_solves_nor_breaks_a_row(here: Deciding) -> None:
    """The second answer counts where it is not as the first."""
    judge = await here.a_judge()
    await here.said(judge, ("a", TRUE, TRUE))
    here.scoring.judge.then(told({"a": False}), told({"a": True}))
    checked = await here.parts.rechecker.check(await next_version(here, judge, guidelines=(LINE,)))
    assert checked.counts == {"kept": 1}


async def test_answers_of_the_run_that_made_a_version_are_not_paid_for_again(here: Deciding) -> None:
    """Also those of a check that was interrupted: what was asked is remembered row by row."""
    judge = await here.a_judge()
    await here.said(judge, *((name, TRUE, FALSE) for name in "abc"))
    second = await next_version(here, judge, guidelines=(LINE,))
    here.scoring.judge.always(told(dict.fromkeys("abc", True)))
    here.scoring.judge.then(hang())
    task = asyncio.create_task(here.parts.rechecker.check(second))
    await until(lambda: answered(here, second, 2))
    task.cancel()
    await asyncio.wait([task])
    checked = await here.parts.rechecker.check(second)
    assert (checked.state, checked.counts) == (RecheckState.DONE, {"solved": 3})
    assert len(here.scoring.judge.requests) == 7  # three and their repetition, and the one that hung


async def answered(here: Deciding, metric: MetricDefinition, count: int) -> bool:
    """Whether so many answers of a check are stored."""
    return len(await here.alignments.calls([f"recheck:{metric.name}@{metric.version}"])) >= count


async def test_a_check_waits_for_the_budget_and_goes_on_where_it_stood(here: Deciding, database: Database) -> None:
    """Over budget is a state that says so, and no verdict on any row."""
    judge = await here.a_judge()
    await here.said(judge, *((name, TRUE, TRUE) for name in "abcd"))
    second = await next_version(here, judge, guidelines=(LINE,))
    here.scoring.judge.always(told(dict.fromkeys("abcd", True)))
    async with Purses(ClickHouseBudgets(database), installation=Budget(calls=2)) as purses:
        poor = replace(here.parts.rechecker, meter=purses.installation)
        checked = await poor.check(second)
    assert (checked.state, "budget" in checked.reason) == (RecheckState.OVER_BUDGET, True)
    assert second.name in {each.name for each in await here.parts.rechecker.due()}
    checked = await here.parts.rechecker.check(second)
    assert (checked.state, checked.counts) == (RecheckState.DONE, {"kept": 4})
    assert asked_about(here.scoring.judge) == ["a", "b", "c", "d"]


async def test_an_edit_of_the_criteria_has_to_be_confirmed_and_guidelines_have_not(
    here: Deciding, database: Database
) -> None:
    """White space is no edit; new feedback on the new version confirms, and only what was said since counts."""
    people = feedback_parts(database)
    judge = await here.a_judge()
    target, span = await a_target(database)
    await a_judgement(people, target, span, judge, FALSE)
    await people.desk.submit(words(target, judge, "true"))
    spaced = await next_version(here, judge, guidelines=(LINE,), prompt="Is it  right?\n\n{{output}}")
    here.scoring.judge.always(told({"Paris.": True}))
    assert (await here.parts.rechecker.check(spaced)).counts == {"solved": 1}
    edited = await next_version(here, spaced, prompt="Is it polite?\n{{output}}")
    assert (await here.parts.rechecker.check(edited)).counts == {"needs_reconfirm": 1}
    resolution = await status_of(here, judge, target)
    assert (resolution.status, resolution.reason) == (
        ResolutionStatus.NEEDS_RECONFIRM,
        "the criteria changed in version 3",
    )
    await people.desk.submit(words(target, judge, "false", annotator="bob"))
    resolution = await status_of(here, judge, target)
    assert (resolution.status, resolution.expected, resolution.resolver) == (ResolutionStatus.RESOLVED, FALSE, "bob")
    fourth = await next_version(here, edited, guidelines=())
    assert (await here.parts.rechecker.check(fourth)).counts.keys() <= {"kept", "still_wrong", "regressed", "solved"}


async def test_verdicts_of_another_form_are_excluded_with_the_reason(here: Deciding) -> None:
    """Nobody is asked about them, and whoever speaks again is heard."""
    judge = await here.a_judge()
    [target] = await here.said(judge, ("a", TRUE, FALSE))
    scaled = await next_version(here, judge, output_type=OutputType.PERCENTAGE)
    checked = await here.parts.rechecker.check(scaled)
    resolution = await status_of(here, judge, target)
    assert (checked.state, checked.counts, asked_about(here.scoring.judge)) == (RecheckState.DONE, {"excluded": 1}, [])
    assert (resolution.status, resolution.reason) == (
        ResolutionStatus.EXCLUDED,
        "schema_changed: the output type was boolean, and is percentage",
    )


async def test_targets_whose_annotators_contradict_each_other_are_not_checked(
    here: Deciding, database: Database
) -> None:
    """Nobody knows yet what is right."""
    people = feedback_parts(database)
    judge = await here.a_judge()
    target, span = await a_target(database)
    await a_judgement(people, target, span, judge, FALSE)
    await people.desk.submit(words(target, judge, "true"))
    await people.desk.submit(words(target, judge, "false", annotator="bob"))
    assert (await status_of(here, judge, target)).status is ResolutionStatus.DISPUTED
    checked = await here.parts.rechecker.check(await next_version(here, judge, guidelines=(LINE,)))
    assert (checked.state, checked.counts) == (RecheckState.DONE, {})


async def test_what_people_said_about_a_built_in_goes_with_its_fork(here: Deciding) -> None:
    """Copied once, whole; the fork is checked against it, and the built-in metric keeps its own."""
    shipped = await here.scoring.metrics.get("bias")
    [target] = await here.said(shipped, ("a", TRUE, FALSE))
    before = await here.feedbacks.resolved(shipped.name)
    run_id = await here.a_run(shipped, AMOUNTS)
    fork = (await here.parts.acceptances.accept(accepting(run_id))).record.definition
    here.scoring.judge.always(told({"a": True}))
    for _ in range(2):
        assert (await here.parts.rechecker.check(fork)).counts == {"solved": 1}
    [(resolution, [said])] = await here.feedbacks.resolved(fork.name)
    [(_, [original])] = before
    assert (resolution.target, resolution.expected, resolution.metric_version) == (target, TRUE, 0)
    assert replace(
        said, feedback_id=original.feedback_id, metric=shipped.name, metric_version=shipped.version, updated=None
    ) == replace(original, updated=None)
    assert await here.feedbacks.resolved(shipped.name) == before


async def test_the_worker_checks_what_is_new_by_itself(here: Deciding) -> None:
    """One process that owns the work does; a second one stands by."""
    judge = await here.a_judge()
    await here.said(judge, ("a", TRUE, FALSE))
    here.scoring.judge.always(told({"a": True}))
    second = await next_version(here, judge, guidelines=(LINE,))
    await here.leases.renew()

    async def done() -> Recheck | None:
        found = await here.rechecks.get(second.name, second.version)
        return found if found is not None and found.state is RecheckState.DONE else None

    working = asyncio.create_task(here.parts.worker.run())
    try:
        assert (await until(done)).counts == {"solved": 1}
    finally:
        working.cancel()
        await asyncio.wait([working])
        await here.leases.release()
