"""The alerts there are: documents of kind `alert`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evaluator.errors import AlertNotFound, InvalidDefinition, RuleNotFound
from evaluator.metrics.agreeing import comparable
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.registry import REQUEST_ID, RULE_KIND, Metrics, made_by
from evaluator.online.actions.check import NOTHING_OFFERED, OfferedActions
from evaluator.online.alerts.definition import ALERT_KIND, AlertDefinition, AlertKind, AlertRecord
from storage.alerts import AlertEvent, Alerts
from storage.definitions import Definitions
from storage.errors import NameTaken, NotFound, VersionMoved
from storage.model import Document, OutputType


class AlertCatalogue:
    """Keeps alerts.  Metrics are stored by slug, whatever name the caller used.

    Every method may raise `storage.errors.Unavailable`.
    """

    def __init__(
        self, definitions: Definitions, metrics: Metrics, alerts: Alerts, *, actions: OfferedActions = NOTHING_OFFERED
    ) -> None:
        self._definitions = definitions
        self._metrics = metrics
        self._alerts = alerts
        self._actions = actions

    async def get(self, name: str) -> AlertRecord:
        """An alert.

        Raises:
            AlertNotFound: There is none of this name.
        """
        return _record(await self._document(name))

    async def live(self, *, after: str = "", limit: int = 1000) -> list[AlertRecord]:
        """Alerts in order of their names, those after `after`."""
        return [_record(document) for document in await self._definitions.live(ALERT_KIND, after=after, limit=limit)]

    async def standing(self, names: Sequence[str]) -> dict[str, AlertEvent]:
        """The newest turn of each of these that ever turned."""
        return await self._alerts.standing(names)

    async def history(self, name: str, *, before_us: int | None, limit: int) -> Sequence[AlertEvent]:
        """Turns of an alert, newest first; also of one that was deleted.

        Raises:
            AlertNotFound: There never was one of this name.
        """
        found = await self._alerts.history(name, before_us=before_us, limit=limit)
        if not found and not await self._definitions.versions(ALERT_KIND, name):
            raise AlertNotFound(f"there is no alert {name!r}")
        return found

    async def create(self, alert: AlertDefinition, *, request_id: str = "") -> AlertRecord:
        """Make an alert.  The same `request_id` again returns what the first call made.

        Raises:
            InvalidDefinition: An action is not offered, or the metric has no mean.
            MetricNotFound, RuleNotFound: What it watches is unknown.
            NameTaken: There is an alert of this name.
        """
        body = _body(await self._checked(alert), request_id)
        try:
            return _record(await self._definitions.create(ALERT_KIND, alert.name, body))
        except NameTaken:
            made = await made_by(self._definitions, ALERT_KIND, alert.name, request_id)
            if made is None:
                raise
            return _record(made)

    async def update(self, alert: AlertDefinition, *, base_version: int, request_id: str = "") -> AlertRecord:
        """Edit an alert: one that fires is over, and begins anew.  Idempotent as `create`.

        Raises:
            InvalidDefinition, MetricNotFound, RuleNotFound: As `create`.
            AlertNotFound: There is none of this name.
            VersionMoved: `base_version` is not the newest.
        """
        body = _body(await self._checked(alert), request_id)
        try:
            return _record(await self._definitions.replace(ALERT_KIND, alert.name, base_version, body))
        except NotFound:
            raise AlertNotFound(f"there is no alert {alert.name!r}") from None
        except VersionMoved:
            made = await made_by(self._definitions, ALERT_KIND, alert.name, request_id)
            if made is None:
                raise
            return _record(made)

    async def delete(self, name: str, *, base_version: int | None = None, request_id: str = "") -> None:
        """Delete an alert; its history stays.  With a `request_id`, one that is deleted already is no error.

        Raises:
            AlertNotFound: There is none of this name.
            VersionMoved: `base_version` is not the newest.
        """
        try:
            document = await self._document(name)
            await self._definitions.delete(ALERT_KIND, name, base_version or document.version)
        except (AlertNotFound, NotFound):
            if request_id and await self._definitions.versions(ALERT_KIND, name):
                return
            raise AlertNotFound(f"there is no alert {name!r}") from None

    async def _checked(self, alert: AlertDefinition) -> AlertDefinition:
        if alert.rule:
            try:
                await self._definitions.get(RULE_KIND, alert.rule)
            except NotFound:
                raise RuleNotFound(f"there is no rule {alert.rule!r}") from None
        actions = self._actions.checked(alert.actions, metrics={}, place="alert.actions")
        if not alert.metric:
            return replace(alert, actions=actions)
        metric = await self._metrics.get(alert.metric)
        if alert.kind is AlertKind.DRIFT and not _has_mean(metric):
            raise InvalidDefinition("alert.metric", f"{metric.name!r} has no numbers, so it has no mean")
        if alert.kind is AlertKind.AGREEMENT and not comparable(metric):
            raise InvalidDefinition("alert.metric", f"the output of {metric.name!r} is text, which cannot be compared")
        return replace(alert, actions=actions, metric=metric.name)

    async def _document(self, name: str) -> Document:
        try:
            return await self._definitions.get(ALERT_KIND, name)
        except NotFound:
            raise AlertNotFound(f"there is no alert {name!r}") from None


def _has_mean(metric: MetricDefinition) -> bool:
    if metric.output_type is OutputType.CATEGORICAL:
        return any(value is not None for value in metric.labels.values())
    return metric.output_type is not OutputType.TEXT


def _record(document: Document) -> AlertRecord:
    return AlertRecord(definition=AlertDefinition.from_document(document), create_time=document.created)


def _body(alert: AlertDefinition, request_id: str) -> dict[str, object]:
    return alert.to_body() | ({REQUEST_ID: request_id} if request_id else {})
