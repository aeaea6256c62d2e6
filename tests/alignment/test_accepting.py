"""Putting an alignment into force, once, with proof or with a reason; and putting it aside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from deciding_parts import AMOUNTS, FALSE, OPEN, TONE, TRUE, Deciding, accepting, deciding, lines_of
from online_parts import a_rule

from evaluator.alignment.deciding.accepting import AcceptRequest
from evaluator.alignment.deciding.choices import Choice
from evaluator.alignment.model import Verdict
from evaluator.errors import (
    AlignmentNotEnded,
    AlignmentNotFound,
    AlreadyAccepted,
    AlreadyDiscarded,
    BaseMoved,
    InvalidDefinition,
    NoGuidelines,
    NotSupported,
    RegressionBroken,
    RuleNotFound,
)
from evaluator.metrics.catalogue import builtin_metrics
from storage.alignments import AlignedRow, AlignmentState, FlipKind
from storage.clickhouse.client import Database
from storage.errors import NameTaken
from storage.model import NO_ID
from storage.rechecking import RecheckedRow, RowVerdict

BUILTIN = "correctness"


@pytest.fixture
async def here(database: Database) -> AsyncIterator[Deciding]:
    """One evaluator."""
    async with deciding(database) as parts:
        yield parts


async def test_a_built_in_metric_is_forked_and_stays_as_it_is_byte_by_byte(here: Deciding) -> None:
    """The fork has its prompt and the guidelines, names the run, and has a name of its own."""
    shipped = next(each for each in builtin_metrics() if each.name == "output_tone")
    before = (shipped.digest, json.dumps(shipped.to_body()))
    run_id = await here.a_run(shipped, AMOUNTS, TONE, OPEN)
    made = await here.parts.acceptances.accept(accepting(run_id))
    fork, base = made.record.definition, await here.scoring.metrics.get("output_tone")
    assert (base.digest, json.dumps(base.to_body()), base.builtin, base.version) == (*before, True, shipped.version)
    assert fork == replace(
        shipped,
        name="output_tone_aligned",
        version=1,
        display_name="",
        builtin=False,
        alignment_id=run_id,
        guidelines=tuple(replace(each.guideline, alignment_id=run_id) for each in (AMOUNTS, TONE)),
    )


async def test_a_custom_metric_gets_its_next_version(here: Deciding) -> None:
    """Version 1 stays readable; the run has the version that it made."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    made = await here.parts.acceptances.accept(accepting(run_id))
    assert made.record.definition == replace(
        judge, version=2, alignment_id=run_id, guidelines=(replace(AMOUNTS.guideline, alignment_id=run_id),)
    )
    assert await here.scoring.metrics.get(judge.name, 1) == judge
    decision = (await here.alignments.get(run_id)).decision or {}
    assert (decision["decision"], decision["metric"], decision["version"]) == ("accepted", judge.name, 2)


async def test_accepting_twice_makes_one_version(here: Deciding) -> None:
    """The second call returns what the first one made, also after an edit and a deletion."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    first = await here.parts.acceptances.accept(accepting(run_id))
    await here.scoring.metrics.update(replace(judge, description="edited"), base_version=2)
    again = await here.parts.acceptances.accept(accepting(run_id, author="bob", choices=(Choice(text="Mine."),)))
    assert again.record.definition == first.record.definition
    assert again.decision.author == "ann"
    assert await here.versions(judge.name) == [3, 2, 1]
    await here.scoring.metrics.delete(judge.name)
    assert (await here.parts.acceptances.accept(accepting(run_id))).record.definition == first.record.definition


async def test_two_evaluators_that_accept_at_once_make_one_version(here: Deciding, database: Database) -> None:
    """Whoever is first decides how; both answer with the same version."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS, TONE)
    async with deciding(database) as there:
        both = await asyncio.gather(
            here.parts.acceptances.accept(accepting(run_id)),
            there.parts.acceptances.accept(accepting(run_id, author="bob", override=True, reason="b")),
        )
    assert both[0].record.definition == both[1].record.definition
    assert both[0].decision.author == both[1].decision.author
    assert await here.versions(judge.name) == [2, 1]


async def test_two_who_fork_under_different_names_make_one_fork(here: Deciding, database: Database) -> None:
    """The run is claimed before anything is made of it."""
    shipped = await here.scoring.metrics.get("answer_relevance")
    run_id = await here.a_run(shipped, AMOUNTS)
    async with deciding(database) as there:
        made = await asyncio.gather(
            *(
                each.parts.acceptances.accept(accepting(run_id, name=name))
                for each, name in ((here, "one_name"), (there, "other_name"))
            )
        )
    names = {each.record.definition.name for each in made}
    there_are = {
        name for name in ("one_name", "other_name") if (await here.scoring.metrics.directory(fresh=True)).find(name)
    }
    assert len(names) == 1
    assert there_are == names


async def test_a_metric_that_was_edited_meanwhile_is_not_overwritten(here: Deciding) -> None:
    """The answer says what to do; nothing is decided yet."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    await here.scoring.metrics.update(replace(judge, prompt="Is it quite right?\n{{output}}"), base_version=1)
    with pytest.raises(BaseMoved, match=r"is at version 2, and the run started from 1.*--rebase"):
        await here.parts.acceptances.accept(accepting(run_id))
    assert await here.versions(judge.name) == [2, 1]
    assert await here.parts.acceptances.decisions.of(run_id) is None


async def test_guidelines_are_put_on_a_base_that_has_moved_where_somebody_says_so(here: Deciding) -> None:
    """What was added by hand meanwhile stays; without verified rows it takes an override."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    await here.scoring.metrics.update(
        replace(judge, prompt="Is it quite right?\n{{output}}", guidelines=(TONE.guideline,)), base_version=1
    )
    with pytest.raises(NotSupported):
        await here.parts.acceptances.accept(accepting(run_id, rebase=True))
    made = await here.parts.acceptances.accept(accepting(run_id, rebase=True, override=True, reason="read them all"))
    definition = made.record.definition
    assert (definition.version, definition.prompt) == (3, "Is it quite right?\n{{output}}")
    assert [each.text for each in definition.guidelines] == [AMOUNTS.guideline.text, TONE.guideline.text]
    assert (made.decision.rebased, made.decision.base_version) == (True, 2)


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.HARMFUL, Verdict.NO_CHANGE, None])
async def test_without_proof_accepting_takes_an_override_and_a_reason(here: Deciding, verdict: Verdict | None) -> None:
    """Both stand in the run and in the version's own document, with who and when, for SQL."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS, verdict=verdict)
    with pytest.raises(NotSupported, match=r"not supported.*override and a reason"):
        await here.parts.acceptances.accept(accepting(run_id))
    with pytest.raises(InvalidDefinition) as refused:
        AcceptRequest(run_id=run_id, author="ann", override=True, reason=" ")
    assert refused.value.field == "reason"
    await here.parts.acceptances.accept(accepting(run_id, override=True, reason="ship it: issue 12"))
    said = "JSONExtractString(%s, 'reason') AS reason, JSONExtractBool(%s, 'override') AS override"
    of_version = await here.database.query(
        "SELECT Author, JSONExtractRaw(Doc, 'acceptance') AS a, "
        + said.replace("%s", "a")
        + ", JSONExtractString(a, 'verdict') AS verdict, CreatedAt > now64(3) - INTERVAL 1 HOUR AS dated "
        "FROM metric_versions WHERE MetricName = {name:String} AND MetricVersion = 2",
        {"name": judge.name},
    )
    of_run = await here.database.query(
        f"SELECT JSONExtractString(Resolution, 'author') AS author, {said.replace('%s', 'Resolution')} "
        "FROM run_state WHERE RunId = {id:String}",
        {"id": run_id},
    )
    [version], [run] = of_version, of_run
    expected = ("ann", "ship it: issue 12", True, str(verdict or Verdict.INCONCLUSIVE), True)
    assert (
        version["Author"],
        version["reason"],
        bool(version["override"]),
        version["verdict"],
        bool(version["dated"]),
    ) == expected
    assert (run["author"], run["reason"], bool(run["override"])) == expected[:3]


async def test_lines_are_toggled_edited_and_added(here: Deciding) -> None:
    """An edited line is a person's, and still names the run and the feedback that it comes from."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS, TONE, OPEN)
    choices = (
        Choice(guideline_id="g1", text="An answer without an amount is wrong."),
        Choice(guideline_id="g2", include=False),
        Choice(guideline_id="g3"),
        Choice(text="Refusals are fine."),
    )
    with pytest.raises(NotSupported):
        await here.parts.acceptances.accept(accepting(run_id, choices=choices))
    made = await here.parts.acceptances.accept(accepting(run_id, choices=choices, override=True, reason="wording"))
    guidelines = made.record.definition.guidelines
    assert lines_of(guidelines) == [
        ("An answer without an amount is wrong.", "human", run_id),
        ("A greeting is wrong.", "run", run_id),
        ("Refusals are fine.", "human", ""),
    ]
    assert [each.feedback_ids for each in guidelines] == [("f1", "f2"), ("f4",), ()]


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (Choice(guideline_id="g9"), "choices[0].guideline_id"),
        (Choice(include=False, text="no"), "choices[0].text"),
        (Choice(guideline_id="g1", text="{{output}}"), "metric.guidelines[0]"),
    ],
)
async def test_a_choice_that_cannot_be_is_refused_with_its_field(here: Deciding, choice: Choice, field: str) -> None:
    """And nothing is decided."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    with pytest.raises(InvalidDefinition) as refused:
        await here.parts.acceptances.accept(accepting(run_id, choices=(choice,), override=True, reason="r"))
    assert refused.value.field == field
    assert await here.parts.acceptances.decisions.of(run_id) is None


async def test_what_would_change_nothing_is_not_accepted(here: Deciding) -> None:
    """A run without lines, and one whose lines are all left out, even with an override."""
    judge = await here.a_judge()
    empty = await here.a_run(judge, verdict=Verdict.NO_CHANGE)
    left_out = await here.a_run(judge, AMOUNTS)
    for request in (
        accepting(empty, override=True, reason="r"),
        accepting(left_out, choices=(Choice(guideline_id="g1", include=False),), override=True, reason="r"),
    ):
        with pytest.raises(NoGuidelines):
            await here.parts.acceptances.accept(request)
    assert await here.versions(judge.name) == [1]


async def test_a_name_that_is_taken_is_refused_with_another_one(here: Deciding) -> None:
    """Also the default name, which an earlier fork has; and the name of the built-in itself."""
    shipped = await here.scoring.metrics.get(BUILTIN)
    first = await here.a_run(shipped, AMOUNTS)
    await here.parts.acceptances.accept(accepting(first))
    second = await here.a_run(shipped, TONE)
    for name in ("", f"{BUILTIN}_aligned", "Correctness aligned"):
        with pytest.raises(NameTaken, match=f"such as '{BUILTIN}_aligned_2'"):
            await here.parts.acceptances.accept(accepting(second, name=name))
    with pytest.raises(NameTaken, match=f"such as '{BUILTIN}_2'"):
        await here.parts.acceptances.accept(accepting(second, name=BUILTIN))
    made = await here.parts.acceptances.accept(accepting(second, name=f"{BUILTIN}_aligned_2"))
    assert made.record.definition.name == f"{BUILTIN}_aligned_2"


async def test_rules_of_a_built_in_are_listed_and_repointed_on_wish(here: Deciding) -> None:
    """Named ones only; they stay enabled since when they were, so nothing is scored again."""
    shipped = await here.scoring.metrics.get("completeness")
    for name, metrics in (
        ("r_one", ("completeness",)),
        ("r_two", ("builtin/completeness", "response_length")),
        ("r_three", ("response_length",)),
    ):
        await here.rules.create(a_rule(name, level=shipped.levels[0], metrics=metrics))
    before = (await here.rules.get("r_two")).definition
    run_id = await here.a_run(shipped, AMOUNTS)
    with pytest.raises(RuleNotFound, match="no rule 'r_three' computes 'completeness'; these do: r_one, r_two"):
        await here.parts.acceptances.accept(accepting(run_id, repoint=("r_three",)))
    made = await here.parts.acceptances.accept(accepting(run_id, repoint=("r_two",)))
    assert (made.rules_repointed, made.rules_left) == (("r_two",), ("r_one",))
    after = (await here.rules.get("r_two")).definition
    assert after == replace(before, version=2, metrics=("completeness_aligned", "response_length"))
    again = await here.parts.acceptances.accept(accepting(run_id, repoint=("*",)))
    assert (again.rules_repointed, again.rules_left) == (("r_one",), ())
    assert (await here.rules.get("r_two")).definition.version == 2


async def test_what_was_put_right_once_must_not_be_broken_without_a_reason(here: Deciding) -> None:
    """A row that an earlier version has solved, and that these guidelines break."""
    judge = await here.a_judge()
    solved, other = await here.said(judge, ("a", TRUE, FALSE), ("b", TRUE, TRUE))
    await here.rechecks.keep(
        judge.name, [RecheckedRow(target=solved, version=1, verdict=RowVerdict.SOLVED, expected=TRUE, concluded=TRUE)]
    )
    run_id = await here.a_run(judge, AMOUNTS)
    await here.alignments.keep_rows(
        run_id,
        [
            AlignedRow(feedback_id=NO_ID, row_id=target.key, target=target, split="held_out", flip=FlipKind.BROKEN)
            for target in (solved,)
        ],
    )
    with pytest.raises(RegressionBroken, match=f"1 rows .*{solved.key}"):
        await here.parts.acceptances.accept(accepting(run_id))
    made = await here.parts.acceptances.accept(accepting(run_id, override=True, reason="that one is odd"))
    assert (made.regressions, made.decision.regressions) == ((solved,), 1)
    assert other not in made.regressions


async def test_a_run_is_put_aside_once_and_stays_readable(here: Deciding) -> None:
    """It is still aligned, with all that it has found; whoever wants it after all is told who decided."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    first = await here.parts.acceptances.discard(run_id, author="ann", reason="too strict")
    again = await here.parts.acceptances.discard(run_id, author="bob")
    assert first.decision == again.decision == {"decision": "discarded", "author": "ann", "reason": "too strict"}
    assert (again.state, again.outcome["summary"]) == (AlignmentState.ALIGNED, "κ 0.21 → 0.74")
    with pytest.raises(AlreadyDiscarded, match=r"ann put this alignment aside \(too strict\)"):
        await here.parts.acceptances.accept(accepting(run_id))
    assert await here.versions(judge.name) == [1]


async def test_what_is_in_force_cannot_be_put_aside(here: Deciding) -> None:
    """The run stays aligned and accepted."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    await here.parts.acceptances.accept(accepting(run_id))
    with pytest.raises(AlreadyAccepted, match="accepted by ann"):
        await here.parts.acceptances.discard(run_id, author="bob")
    standing = await here.alignments.get(run_id)
    assert (standing.state, (standing.decision or {})["decision"]) == (AlignmentState.ALIGNED, "accepted")


async def test_of_one_who_accepts_and_one_who_discards_at_once_one_decides(here: Deciding, database: Database) -> None:
    """There is a version exactly where the run says that it was accepted."""
    for _ in range(4):
        judge = await here.a_judge()
        run_id = await here.a_run(judge, AMOUNTS)
        async with deciding(database) as there:
            done = await asyncio.gather(
                here.parts.acceptances.accept(accepting(run_id)),
                there.parts.acceptances.discard(run_id, author="bob"),
                return_exceptions=True,
            )
        [refused] = [each for each in done if isinstance(each, Exception)]
        accepted = isinstance(refused, AlreadyAccepted)
        assert accepted or isinstance(refused, AlreadyDiscarded), refused
        assert await here.versions(judge.name) == ([2, 1] if accepted else [1])
        decision = (await here.alignments.get(run_id)).decision or {}
        assert decision["decision"] == ("accepted" if accepted else "discarded")


@pytest.mark.parametrize("state", [AlignmentState.RUNNING, AlignmentState.ERROR, AlignmentState.CANCELLED])
async def test_a_run_that_has_not_aligned_is_neither_accepted_nor_put_aside(
    here: Deciding, state: AlignmentState
) -> None:
    """There is nothing to decide about."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS, state=state)
    with pytest.raises(AlignmentNotEnded, match=state.lower()):
        await here.parts.acceptances.accept(accepting(run_id))
    with pytest.raises(AlignmentNotEnded):
        await here.parts.acceptances.discard(run_id)
    with pytest.raises(AlignmentNotFound):
        await here.parts.acceptances.accept(accepting("0b6f3a52-8b8e-4d5c-9a51-3e8d0f1b2c3d"))


async def test_a_crash_between_the_decision_and_the_version_is_made_good_by_the_next_call(here: Deciding) -> None:
    """What was decided is carried out as it was decided, whoever calls."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    acceptances = here.parts.acceptances
    decided, _ = await acceptances._decided(await here.alignments.get(run_id), accepting(run_id))
    await acceptances.decisions.claim(run_id, decided)  # and here the process dies
    with pytest.raises(AlreadyAccepted):
        await acceptances.discard(run_id)
    made = await acceptances.accept(accepting(run_id, author="bob"))
    assert (made.record.definition.version, made.decision.author) == (2, "ann")


async def test_a_decision_that_cannot_be_carried_out_is_open_again(here: Deciding) -> None:
    """The metric moved between the decision and the version: the next one may decide otherwise."""
    judge = await here.a_judge()
    run_id = await here.a_run(judge, AMOUNTS)
    acceptances = here.parts.acceptances
    decided, _ = await acceptances._decided(await here.alignments.get(run_id), accepting(run_id))
    await acceptances.decisions.claim(run_id, decided)
    await here.scoring.metrics.update(replace(judge, description="edited"), base_version=1)
    with pytest.raises(BaseMoved):
        await acceptances.accept(accepting(run_id))
    assert (await acceptances.discard(run_id, author="bob")).decision == {"decision": "discarded", "author": "bob"}
