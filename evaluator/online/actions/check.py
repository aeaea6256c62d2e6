"""Whether actions can be done here, asked before their rule or alert is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from evaluator.errors import InvalidDefinition
from evaluator.online.actions.hosts import WebhookHosts
from evaluator.online.rules.policy import Action, ActionKind

MAX_ACTIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedActions:
    """What this installation can do.

    Attributes:
        hosts: Where webhooks may go.
        events: Whether there is an endpoint for events.
    """

    hosts: WebhookHosts = field(default_factory=WebhookHosts)
    events: bool = False

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
            case ActionKind.DATASET | ActionKind.QUEUE:
                raise InvalidDefinition(
                    field.removesuffix("target") + "kind",
                    f"{action.kind} is not offered yet; there are {ActionKind.WEBHOOK} and {ActionKind.EVENT}",
                )


NOTHING_OFFERED = OfferedActions()
