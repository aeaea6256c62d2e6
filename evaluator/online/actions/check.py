"""Whether actions can be done here, asked before their rule or alert is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Protocol

from evaluator.errors import InvalidDefinition
from evaluator.online.actions.hosts import WebhookHosts
from evaluator.online.rules.policy import Action, ActionKind
from storage.model import Level

MAX_ACTIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedQueue:
    """A review queue, as far as actions need it: which results it takes."""

    metric: str
    level: Level


class KnowsQueues(Protocol):
    """Knows the review queues (`evaluator.reviewing.acting.QueuesOnOffer`)."""

    async def queue(self, name: str) -> OfferedQueue | None:
        """One; None where there is none of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedActions:
    """What this installation can do.

    Attributes:
        hosts: Where webhooks may go.
        events: Whether there is an endpoint for events.
        queues: The review queues; None = there are none here.
    """

    hosts: WebhookHosts = field(default_factory=WebhookHosts)
    events: bool = False
    queues: KnowsQueues | None = None

    def checked(
        self, actions: Sequence[Action], *, metrics: Mapping[str, str], place: str = "rule.actions"
    ) -> tuple[Action, ...]:
        """The actions with the names under which their metrics are kept; `metrics` = name as written -> name as kept.

        Raises:
            InvalidFilter: A condition is none; with its position.
            InvalidDefinition: Anything else.
        """
        if len(actions) > MAX_ACTIONS:
            raise InvalidDefinition(place, f"has {len(actions)} actions; at most {MAX_ACTIONS} are allowed")
        known = {**{kept: kept for kept in metrics.values()}, **metrics}
        for number, action in enumerate(actions):
            at = f"{place}[{number}]"
            self._check_target(action, f"{at}.target")
            if action.metric and action.metric not in known:
                near = get_close_matches(action.metric, known, n=1)
                hint = (
                    f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(metrics)}" if metrics else ""
                )
                raise InvalidDefinition(f"{at}.metric", f"{action.metric!r} is not scored here{hint}")
            if action.when.strip():
                from evaluator.online.actions.condition import (
                    compile_condition,  # sqlglot, which a start need not wait for
                )

                compile_condition(action.when, field=f"{at}.when")
        return tuple(replace(action, metric=known.get(action.metric, "")) for action in actions)

    async def with_queues(
        self, actions: Sequence[Action], *, metrics: Sequence[str], level: Level, place: str = "rule.actions"
    ) -> tuple[Action, ...]:
        """Checked actions of a rule; those with queues are about the metric of their queue.

        Args:
            metrics: What the rule computes, as kept.

        Raises:
            InvalidDefinition: There is no such queue, or none of the rule's results belongs there.
            storage.errors.Unavailable: The store is away.
        """
        return tuple(
            [
                await self._with_queue(action, metrics, level, f"{place}[{number}]")
                if action.kind is ActionKind.QUEUE
                else action
                for number, action in enumerate(actions)
            ]
        )

    async def _with_queue(self, action: Action, metrics: Sequence[str], level: Level, at: str) -> Action:
        queue = await self.queues.queue(action.target) if self.queues is not None else None
        if queue is None:
            raise InvalidDefinition(f"{at}.target", f"there is no review queue {action.target!r}: create it first")
        if queue.level is not level:
            raise InvalidDefinition(
                f"{at}.target", f"queue {action.target} is about a {queue.level}, and the rule about a {level}"
            )
        if queue.metric not in metrics or action.metric not in ("", queue.metric):
            raise InvalidDefinition(
                f"{at}.metric", f"queue {action.target} takes results of {queue.metric}, which is not scored here"
            )
        return replace(action, metric=queue.metric)

    def _check_target(self, action: Action, field: str) -> None:
        match action.kind:
            case ActionKind.WEBHOOK:
                if refusal := self.hosts.refusal(action.target):
                    raise InvalidDefinition(field, refusal)
            case ActionKind.EVENT:
                if action.target:
                    raise InvalidDefinition(field, "events go to the endpoint of ASSAY_OTLP_OUT: leave it empty")
                if not self.events:
                    raise InvalidDefinition(
                        field.removesuffix("target") + "kind",
                        "event needs an endpoint: set ASSAY_OTLP_OUT to the OTLP address that takes them",
                    )
            case ActionKind.QUEUE:
                if not field.startswith("rule."):
                    raise InvalidDefinition(
                        field.removesuffix("target") + "kind", "queue is for rules: an alert is about many results"
                    )
                if not action.target:
                    raise InvalidDefinition(field, "name the review queue")
            case ActionKind.DATASET:
                offered = f"{ActionKind.WEBHOOK}, {ActionKind.EVENT} and {ActionKind.QUEUE}"
                raise InvalidDefinition(
                    field.removesuffix("target") + "kind", f"{action.kind} is not offered yet; there are {offered}"
                )


NOTHING_OFFERED = OfferedActions()
