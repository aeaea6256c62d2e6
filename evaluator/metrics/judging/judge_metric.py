"""Judge metrics: redact, render, ask one judge or a jury, read.  Whatever goes wrong at a judge is a `Failure`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from evaluator.judges.metering import Meter, OverBudget
from evaluator.judges.port import Question
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging import template
from evaluator.metrics.judging.exchange import Exchange
from evaluator.metrics.judging.juror import AskedWith, Case, Vote, foreseen, vote
from evaluator.metrics.judging.jury import Ballot, Seat, count, seats
from evaluator.metrics.judging.media import attachments, sendable
from evaluator.metrics.judging.prepared import Preparations
from evaluator.metrics.material import Material
from storage.model import Abstention, Outcome, Usage

Redact = Callable[[str], tuple[str, Counter[str]]]
"""A text as a judge may see it, and what was hidden: rule -> values."""


class JudgedWith(AskedWith, Protocol):
    """What judge metrics are applied with (`evaluator.metrics.conclude.Instruments`)."""

    @property
    def redact(self) -> Redact | None:
        """What no judge may see; None = nothing is hidden."""

    @property
    def prepared(self) -> Preparations:
        """Definitions, made ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a judge metric concluded; fields as in `evaluator.metrics.conclude.Conclusion`."""

    outcome: Outcome
    digest: bytes
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    exchange: Exchange | None = None


async def judge_metric(
    definition: MetricDefinition,
    material: Material,
    *,
    using: JudgedWith,
    repeat: int = 0,
    deadline: float | None = None,
    background: bool = False,
    meter: Meter | None = None,
) -> Judged:
    """Ask; a target that lacks what the template needs is not sent anywhere.

    Args:
        repeat: Which repetition of the same question this is, from 0: each gets an answer of its own.
        background: It can wait: every other question goes first.
        meter: The budgets that pay for it; None = nobody counts.

    Raises:
        OverBudget: The budgets do not cover it.
    """
    metric = using.prepared.of(definition)
    inputs, hidden = visible(metric.template.names, material.inputs, using.redact)
    digest = digest_of(inputs)
    missing = metric.template.first_missing(inputs)
    if missing is not None:
        return Judged(outcome=Abstention(reason=f"no {missing}"), digest=digest)
    found = attachments(material.record, metric.template.names)
    media = sendable(found)
    if media is None:
        return Judged(outcome=Abstention(reason="media not captured"), digest=digest)
    case = Case(
        metric=metric, ref=material.ref, inputs=inputs, media=media, digest=digest, background=background, meter=meter
    )
    places = seats(definition, repeat=repeat)
    began_ns = time.time_ns()
    votes = await _votes(case, places, using, deadline)
    metadata = _metadata(inputs, hidden, votes)
    if media:
        metadata["media"] = json.dumps([each.media_type for each in media])
    outcome, told = _outcome(definition, places, votes)
    return Judged(
        outcome=outcome,
        digest=digest,
        usage=_spent(votes),
        model=", ".join(dict.fromkeys(each.model for each in votes)),
        metadata={**metadata, **told},
        exchange=Exchange(
            start_ns=began_ns,
            said=tuple(each.said for each in votes),
            answers=tuple(each.keep for each in votes if each.keep is not None),
        ),
    )


def _outcome(
    definition: MetricDefinition, places: Sequence[Seat], votes: Sequence[Vote]
) -> tuple[Outcome, Mapping[str, str]]:
    """What the votes come to, and what is told of how they were counted."""
    if definition.jury is None:
        return votes[0].outcome, {}
    ballots = [
        Ballot(seat=seat, model=each.model, outcome=each.outcome) for seat, each in zip(places, votes, strict=True)
    ]
    counted = count(definition, ballots)
    return counted.outcome, counted.metadata


async def questions(definition: MetricDefinition, material: Material, *, using: JudgedWith) -> list[Question]:
    """What judges would be asked, one of each seat, as far as is known before the first answer; nobody is asked.

    None where the target lacks what the template needs.
    """
    metric = using.prepared.of(definition)
    inputs, _ = visible(metric.template.names, material.inputs, using.redact)
    if metric.template.first_missing(inputs) is not None:
        return []
    media = sendable(attachments(material.record, metric.template.names))
    if media is None:
        return []
    case = Case(metric=metric, ref=material.ref, inputs=inputs, media=media, digest=digest_of(inputs))
    return [await foreseen(case, seat, using) for seat in seats(definition)]


async def _votes(case: Case, places: Sequence[Seat], using: JudgedWith, deadline: float | None) -> list[Vote]:
    """One from each seat.

    Raises:
        OverBudget: Nothing is left for one of them; with the answers that were paid for.
    """
    if len(places) == 1:
        return [await vote(case, places[0], using, deadline)]

    async def cast(seat: Seat) -> Vote | OverBudget:
        try:
            return await vote(case, seat, using, deadline)
        except OverBudget as error:  # raised here, it would end calls that are under way and are paid for
            return error

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(cast(seat)) for seat in places]
    votes: list[Vote] = []
    over: OverBudget | None = None
    for each in (task.result() for task in asked):
        if isinstance(each, OverBudget):
            over = each
        else:
            votes.append(each)
    if over is not None:
        over.answers = tuple(each.keep for each in votes if each.keep is not None)
        raise over
    return votes


def visible(
    names: Iterable[str], inputs: Mapping[str, str], redact: Redact | None
) -> tuple[dict[str, str], Counter[str]]:
    """Those inputs that a template names and a target has, as a judge may see them; and what was hidden."""
    hidden: Counter[str] = Counter()
    seen: dict[str, str] = {}
    for name in names:
        if template.is_missing(inputs, name):
            continue
        text = inputs[name]
        if redact is not None:
            text, found = redact(text)
            hidden += found
        seen[name] = text
    return seen, hidden


def digest_of(inputs: Mapping[str, str]) -> bytes:
    """BLAKE2b-128 of inputs by name."""
    return hashlib.blake2b(json.dumps(list(inputs.items())).encode(), digest_size=16).digest()


def _metadata(inputs: Mapping[str, str], hidden: Mapping[str, int], votes: Sequence[Vote]) -> dict[str, str]:
    found = {"input_characters": json.dumps({name: len(text) for name, text in inputs.items()})}
    if hidden:
        found["redacted"] = json.dumps(dict(sorted(hidden.items())))
    cut = next((each.cut for each in votes if each.cut), None)
    if cut is not None:
        found["cut"] = json.dumps(dict(cut))
    if all(each.cached for each in votes):
        found["cached"] = "true"
    if len(votes) == 1 and votes[0].probability is not None:
        found["probability"] = f"{votes[0].probability:.6g}"
    return found


def _spent(votes: Sequence[Vote]) -> Usage:
    """The sum; votes are asked side by side, so the time is that of the slowest."""
    if len(votes) == 1:
        return votes[0].usage
    total = sum((each.usage for each in votes), start=Usage())
    return replace(total, latency_ms=max(each.usage.latency_ms for each in votes))
