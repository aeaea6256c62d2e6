"""What an alert measures, and what that says: it holds, it is over, or there is too little to say.

Drift is judged once per window, on one value per trace or session, by two t-tests that must agree.  Welch's does not
assume that the noise is the same after a change; alone it alarms 45 times too often on a boolean that is true nine
times in ten, because a window without a single failure seems to have no noise.  Student's pools the noise, and alone
is wrong six times too often where failures are rare.  Together they keep to the share that was asked for (figures:
docs/alerts.md).
Windows do not overlap: a test that is repeated as results trickle in would alarm far more often than it says.

Source: Student (1908), "The probable error of a mean", Biometrika 6; Welch (1947), "The generalization of 'Student's'
problem when several different population variances are involved", Biometrika 34; Armitage, McPherson and Rowe (1969),
"Repeated significance tests on accumulating data", JRSS A 132.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evaluator.online.alerts.definition import AlertDefinition, AlertKind
from evaluator.statistics.estimate import Estimate
from storage.alerts import AlertEvent, Alerts, AlertState, MeanChange, Share

OVER_P = 0.05
"""A change whose chance is above this without drift is over: far above what it takes to fire, so it does not flap."""
SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One look.

    Attributes:
        value: What was measured; drift: the change of the mean.
        bound: What it is compared with; drift: how far it could have changed by chance (and by what does not matter).
        holds, over: Whether it is too much, and whether it is little enough to be over; None = too little is known.
    """

    value: float | None
    bound: float | None
    samples: int
    holds: bool | None
    over: bool | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """How far a judge agrees with people.

    Attributes:
        statistic: What was measured, such as `cohen_kappa`.
        targets: Resolved targets with a verdict.
    """

    statistic: str
    estimate: Estimate
    targets: int


class WatchesAgreement(Protocol):
    """Measures agreement; what people say is kept above this package."""

    async def agreement(self, metric: str, *, since_us: int, until_us: int) -> Agreed:
        """Of a metric's active version with the labels of a span of time.

        Raises:
            MetricNotFound, InvalidDefinition, Unavailable: As their names say.
        """


async def measured(
    alert: AlertDefinition,
    alerts: Alerts,
    *,
    standing: AlertEvent | None,
    now_us: int,
    agreement: WatchesAgreement | None = None,
) -> Measured:
    """Look once.  `standing` = how the alert stands."""
    match alert.kind:
        case AlertKind.ERROR_SHARE:
            since_us = now_us - alert.window_seconds * SECOND_US
            share = await alerts.error_share(rule=alert.rule, metric=alert.metric, since_us=since_us, until_us=now_us)
            return of_share(alert, share)
        case AlertKind.QUEUE_AGE:
            return of_queue(alert, await alerts.oldest_waiting_us(rule=alert.rule), now_us)
        case AlertKind.DRIFT:
            window, reference = windows(alert, standing=standing, now_us=now_us)
            change = await alerts.mean_change(
                rule=alert.rule,
                metric=alert.metric,
                reference_us=reference,
                window_us=window,
                confidence=1.0 - alert.false_alarms,
            )
            return of_change(alert, change)
        case AlertKind.AGREEMENT:
            if agreement is None:
                raise ValueError("nobody here can measure agreement")
            since_us = now_us - alert.window_seconds * SECOND_US
            return of_agreement(alert, await agreement.agreement(alert.metric, since_us=since_us, until_us=now_us))


def windows(
    alert: AlertDefinition, *, standing: AlertEvent | None, now_us: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The last whole window and what it is compared with, both [from, to) in microseconds.

    While it fires, the reference stays where it was, so that the new mean does not become the measure of itself; after
    as long as the reference is, what it has changed to is what is usual.
    """
    width = alert.window_seconds * SECOND_US
    start = now_us // width * width - width
    before = start
    if standing is not None and standing.state is AlertState.FIRING:
        fired = standing.since_us // width * width - width
        if start - fired < alert.reference_windows * width:
            before = min(start, fired)
    return (start, start + width), (before - alert.reference_windows * width, before)


def of_share(alert: AlertDefinition, share: Share) -> Measured:
    """Error share."""
    value = share.failed / share.concluded if share.concluded else None
    known = value is not None and share.concluded >= alert.min_samples
    return Measured(
        value=value,
        bound=alert.threshold,
        samples=share.concluded,
        holds=value > alert.threshold if known and value is not None else None,
        over=value <= alert.cleared_at if known and value is not None else None,
        reason=f"{share.failed} of {share.concluded} results failed in {alert.window_seconds} s"
        + ("" if known else f"; fewer than {alert.min_samples} say nothing"),
    )


def of_queue(alert: AlertDefinition, since_us: int | None, now_us: int) -> Measured:
    """Queue age."""
    age = 0.0 if since_us is None else max(0.0, (now_us - since_us) / SECOND_US)
    said = "nothing waits" if since_us is None else f"the oldest target has waited for {age:.1f} s"
    return Measured(
        value=age,
        bound=alert.threshold,
        samples=0 if since_us is None else 1,
        holds=age > alert.threshold,
        over=age <= alert.cleared_at,
        reason=said,
    )


def of_change(alert: AlertDefinition, change: MeanChange) -> Measured:
    """Drift: the whole confidence interval of the change lies beyond what does not matter."""
    counted = f"{change.samples} traces or sessions against {change.reference_samples} before"
    too_few = min(change.samples, change.reference_samples) < alert.min_samples
    if (
        too_few
        or change.mean is None
        or change.reference_mean is None
        or change.low is None
        or change.high is None
        or change.p_value is None
    ):
        return Measured(
            value=None,
            bound=None,
            samples=change.samples,
            holds=None,
            over=None,
            reason=f"{counted}: fewer than {alert.min_samples} say nothing",
        )
    moved = change.mean - change.reference_mean
    noise = (change.high - change.low) / 2
    small = alert.threshold > 0 and abs(moved) <= 0.8 * alert.threshold
    return Measured(
        value=moved,
        bound=noise + alert.threshold,
        samples=change.samples,
        holds=change.low > alert.threshold or change.high < -alert.threshold,
        over=small or change.p_value >= OVER_P,
        reason=(
            f"mean {change.mean:.4g}, before {change.reference_mean:.4g} (version {change.metric_version}; {counted}); "
            f"such a change by chance: p = {change.p_value:.2g}"
        ),
    )


def of_agreement(alert: AlertDefinition, agreed: Agreed) -> Measured:
    """Agreement: it is too little where the whole interval lies below the bound."""
    found = agreed.estimate
    known = agreed.targets >= alert.min_samples and found.value is not None and found.upper is not None
    said = f"{agreed.statistic} of {agreed.targets} targets"
    if found.value is not None:
        said += f" is {found.value:.2f}"
    if found.lower is not None and found.upper is not None:
        said += f" [{found.lower:.2f}, {found.upper:.2f}]"
    if agreed.targets < alert.min_samples:
        said += f"; fewer than {alert.min_samples} say nothing"
    elif not known:
        said += f": {found.note}"
    return Measured(
        value=found.value,
        bound=alert.threshold,
        samples=agreed.targets,
        holds=found.upper < alert.threshold if known and found.upper is not None else None,
        over=found.value >= alert.cleared_at if known and found.value is not None else None,
        reason=said,
    )
