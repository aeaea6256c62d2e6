"""Work that was begun before: left by a worker that died, or failed and due for another attempt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from evaluator.online.polling.retrying import spent
from evaluator.online.polling.work import Chunk
from evaluator.online.rules.definition import RuleDefinition
from storage.model import TargetRef
from storage.queue import Decision, LedgerDecision
from storage.telemetry import TargetRecord

MAX_TRIES = 3
"""A target at which this many workers died is set aside."""
ALIKE_MS = 10_000
"""First attempts this near each other go on together, as of the earliest of them."""
Closed: TypeAlias = tuple[LedgerDecision, str]
"""A decision and its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What becomes of work that was begun before: decided as it is, or begun anew."""

    closed: Sequence[Decision]
    again: Sequence[Chunk]


def taken_over(
    abandoned: Sequence[Decision],
    rules: Mapping[str, RuleDefinition],
    located: Mapping[TargetRef, TargetRecord],
) -> Resumed:
    """Work that dead workers left: target by target, so that one at which workers die takes no other with it."""
    closed: list[Decision] = []
    again: list[Decision] = []
    for left in abandoned:
        if (why := _why_not_taken_over(left, rules, located.get(left.target))) is not None:
            closed.append(replace(left, decision=why[0], reason=why[1]))
        else:
            again.append(left)
    return Resumed(closed=closed, again=[replace(each, died=True) for each in _chunks(again, rules, located, 1)])


def tried_again(
    due: Sequence[Decision],
    rules: Mapping[str, RuleDefinition],
    located: Mapping[TargetRef, TargetRecord],
    *,
    chunk_targets: int,
) -> Resumed:
    """Failed attempts whose time for another has come; of a rule that is not enabled they are final now."""
    now_ms = time.time_ns() // 1_000_000
    closed: list[Decision] = []
    again: list[Decision] = []
    for failure in due:
        following = replace(failure, attempt=failure.attempt + 1)
        if (why := _why_not_again(failure, rules.get(failure.rule), located.get(failure.target), now_ms)) is not None:
            closed.append(replace(failure, decision=why[0], reason=why[1], next_attempt_ms=0))
        else:
            again.append(following)
    return Resumed(closed=closed, again=_chunks(again, rules, located, chunk_targets))


def _why_not_taken_over(
    left: Decision, rules: Mapping[str, RuleDefinition], record: TargetRecord | None
) -> Closed | None:
    if left.rule not in rules:
        return "cancelled", "the rule is not enabled any more"
    if (gone := _gone(left, record)) is not None:
        return gone
    if left.tries >= MAX_TRIES:
        return "poisoned", f"{left.tries} workers died at it"
    return None


def _why_not_again(
    failure: Decision, rule: RuleDefinition | None, record: TargetRecord | None, now_ms: int
) -> Closed | None:
    if (gone := _gone(failure, record)) is not None:
        return gone
    if rule is None:
        return "failed", f"{failure.reason}; the rule was not enabled when attempt {failure.attempt + 1} was due"
    why = spent(rule.retries, attempt=failure.attempt + 1, first_ms=failure.first_attempt_ms, now_ms=now_ms)
    return ("failed", f"{failure.reason}; {why}") if why else None


def _gone(left: Decision, record: TargetRecord | None) -> Closed | None:
    if record is None:
        return "cancelled", "the target is not stored any more"
    if record.watermark_ms != left.watermark_ms:  # the poll finds the newer revision by itself
        return "cancelled", "a newer revision of the target is scored"
    return None


def _chunks(
    begun: Iterable[Decision],
    rules: Mapping[str, RuleDefinition],
    located: Mapping[TargetRef, TargetRecord],
    chunk_targets: int,
) -> list[Chunk]:
    """Chunks of targets that are due for the same metrics, for the same attempt: a composite is scored together with
    what it requires."""
    together: dict[tuple[str, TargetRef, int, int, int], list[Decision]] = {}
    for each in begun:
        key = each.rule, each.target, each.attempt, each.tries, each.first_attempt_ms // ALIKE_MS
        together.setdefault(key, []).append(each)
    alike: dict[tuple[str, tuple[str, ...], int, int, int], list[list[Decision]]] = {}
    for (rule, _, attempt, tries, first), decisions in together.items():
        names = tuple(each.metric for each in decisions)
        alike.setdefault((rule, names, attempt, tries, first), []).append(decisions)
    return [
        Chunk(
            rule=rules[rule],
            metrics=names,
            records=tuple(located[decisions[0].target] for decisions in part),
            attempt=attempt,
            tries=tries,
            first_attempt_ms=min(each.first_attempt_ms for decisions in part for each in decisions),
        )
        for (rule, names, attempt, tries, _), parts in alike.items()
        for start in range(0, len(parts), chunk_targets)
        if (part := parts[start : start + chunk_targets])
    ]
