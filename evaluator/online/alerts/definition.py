"""An alert: a number over many results that is watched, and when it is too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Any

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import SLUG
from evaluator.online.rules.policy import Action, ActionKind, action_of, body_of
from storage.model import Document

ALERT_KIND = "alert"
DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
YEAR_SECONDS = 365 * DAY_SECONDS


class AlertKind(StrEnum):
    """What is watched."""

    ERROR_SHARE = "error_share"
    """Failed results among those that a rule or metric concluded."""
    QUEUE_AGE = "queue_age"
    """For how long the oldest target that is to be scored has waited, in seconds."""
    DRIFT = "drift"
    """The change of a metric's mean from one window to those before it, beyond its noise."""
    AGREEMENT = "agreement"
    """Of a judge with people: its lead statistic, corrected for chance, beyond its noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDefinition:
    """One version of an alert.

    Attributes:
        rule: Only results of this rule; '' = of every rule (queue age: of the rule that waits longest).
        metric: Only results of this metric; drift and agreement need one.
        threshold: It fires above: a share in [0.0, 1.0), seconds, or the least change of a mean that matters (drift: in
            the metric's own unit; 0 = any change beyond noise).  Agreement: it fires below, in (0.0, 1.0].
        clear: It is over at or below; None = 0.8 of `threshold`.  Drift: not used.  Agreement: over at or above, at
            least `threshold`, which it is unless said.
        window_seconds: Results of so long are looked at, 60 to a week (error share: up to now; drift: a whole window,
            which begins at a multiple of it).  Agreement: labels of so long, a day to a year.
        reference_windows: Drift: so many windows before that one are what it is compared with, 1 to 100.
        false_alarms: Drift: share of windows without any drift that may alarm, in (0, 0.1].
        min_samples: Fewer results (drift: traces or sessions, here and there; agreement: resolved targets) say nothing,
            10 to 1,000,000.
        for_seconds: So long the condition must hold before it fires, 0 to 86,400.
        actions: Whom it tells when it fires and when that is over: webhooks and events, without conditions.

    Raises:
        InvalidDefinition: A field is not acceptable; says which and why.
    """

    name: str
    version: int = 1
    kind: AlertKind
    rule: str = ""
    metric: str = ""
    threshold: float = 0.0
    clear: float | None = None
    window_seconds: int = 3600
    reference_windows: int = 7
    false_alarms: float = 0.001
    min_samples: int = 30
    for_seconds: float = 0.0
    actions: tuple[Action, ...] = ()
    description: str = ""
    enabled: bool = True

    def __post_init__(self) -> None:
        if not SLUG.fullmatch(self.name):
            raise InvalidDefinition("alert.name", f"must be 1 to 64 of a-z, 0-9 and _, got {self.name!r}")
        agreement = self.kind is AlertKind.AGREEMENT
        most = {AlertKind.ERROR_SHARE: 1.0, AlertKind.QUEUE_AGE: float(WEEK_SECONDS), AlertKind.AGREEMENT: 1.0}.get(
            self.kind, 1e300
        )
        _within("alert.threshold", self.threshold, 0, most)
        if self.kind is AlertKind.ERROR_SHARE and self.threshold == 1.0:
            raise InvalidDefinition("alert.threshold", "no share is above 1")
        if self.clear is not None:
            _within("alert.clear", self.clear, *((self.threshold, 1) if agreement else (0, self.threshold)))
        shortest, longest = (DAY_SECONDS, YEAR_SECONDS) if agreement else (60, WEEK_SECONDS)
        _whole("alert.window_seconds", self.window_seconds, shortest, longest)
        _whole("alert.reference_windows", self.reference_windows, 1, 100)
        _within("alert.false_alarms", self.false_alarms, 1e-9, 0.1)
        _whole("alert.min_samples", self.min_samples, 10, 1_000_000)
        _within("alert.for_seconds", self.for_seconds, 0, 86_400)
        self._check_kind()
        self._check_actions()

    def _check_kind(self) -> None:
        if self.kind is AlertKind.DRIFT and not self.metric:
            raise InvalidDefinition("alert.metric", "is required: drift is about the mean of one metric")
        if self.kind is AlertKind.AGREEMENT:
            if not self.metric:
                raise InvalidDefinition("alert.metric", "is required: agreement is of the judge of one metric")
            if self.rule:
                raise InvalidDefinition("alert.rule", "people label targets, not what a rule made of them: name none")
            if self.threshold == 0:
                raise InvalidDefinition(
                    "alert.threshold", "is required: the agreement below which it fires, such as 0.6"
                )
        if self.kind is AlertKind.DRIFT and self.clear is not None:
            raise InvalidDefinition("alert.clear", "drift is over when the window's mean is within noise again")
        if self.kind is AlertKind.QUEUE_AGE and self.metric:
            raise InvalidDefinition("alert.metric", "a queue is a rule's: name the rule")
        if self.kind is AlertKind.QUEUE_AGE and self.threshold == 0:
            raise InvalidDefinition("alert.threshold", "is required: seconds")

    def _check_actions(self) -> None:
        if len({action.name for action in self.actions}) != len(self.actions):
            raise InvalidDefinition("alert.actions", "names an action twice")
        for number, action in enumerate(self.actions):
            if action.kind not in (ActionKind.WEBHOOK, ActionKind.EVENT):
                raise InvalidDefinition(f"alert.actions[{number}].kind", "an alert tells a webhook or an event")
            if action.when or action.metric:
                raise InvalidDefinition(
                    f"alert.actions[{number}].when", "an alert's action has no condition of its own"
                )

    @property
    def cleared_at(self) -> float:
        """At or below this it is over; agreement: at or above."""
        if self.clear is not None:
            return self.clear
        return self.threshold if self.kind is AlertKind.AGREEMENT else 0.8 * self.threshold

    def to_body(self) -> dict[str, object]:
        """As stored in `control_docs`."""
        body = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("name", "version")}
        return body | {"kind": str(self.kind), "actions": [body_of(action) for action in self.actions]}

    @classmethod
    def from_document(cls, document: Document) -> AlertDefinition:
        """A stored version."""
        return cls.from_body(document.name, document.body, version=document.version)

    @classmethod
    def from_body(cls, name: str, body: Mapping[str, Any], *, version: int = 1) -> AlertDefinition:
        """Inverse of `to_body`; absent fields have their defaults, unknown ones are passed over."""
        known = {each.name for each in fields(cls)} - {"name", "version"}
        given = {key: value for key, value in body.items() if key in known}
        kinds = {str(kind) for kind in AlertKind}
        if str(given.get("kind")) not in kinds:
            raise InvalidDefinition(
                "alert.kind", f"must be one of {', '.join(sorted(kinds))}, got {given.get('kind')!r}"
            )
        given["kind"] = AlertKind(str(given["kind"]))
        given["actions"] = tuple(action_of(action) for action in given.get("actions", ()))
        return cls(name=name, version=version, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """A version of an alert as it is kept."""

    definition: AlertDefinition
    create_time: datetime | None = None


def _within(field: str, number: object, least: float, most: float) -> None:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not isfinite(number):
        raise InvalidDefinition(field, f"must be a number, got {number!r}"[:300])
    if not least <= number <= most:
        raise InvalidDefinition(field, f"must be in [{least:g}, {most:g}], got {number!r}")


def _whole(field: str, number: object, least: int, most: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidDefinition(field, f"must be a whole number, got {number!r}"[:300])
    _within(field, number, least, most)
