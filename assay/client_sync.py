"""The client that blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar, cast, overload
from uuid import UUID

import grpc

from assay import client_alerts as alerts
from assay import client_calls as calls
from assay import client_runs as runs
from assay.authoring import ScorerFunction, code_definition, judge_definition
from assay.client_agreement import AgreementClient
from assay.client_alerts import Alert, AlertTurn, SentMessage
from assay.client_aligning import AligningClient
from assay.client_calls import CHANNEL_OPTIONS, DEFAULT_ADDRESS, DEFAULT_TIMEOUT_SECONDS, EVERYTHING, Order, stubs
from assay.client_evaluate import Asking, Data, Defines, Scorer, evaluate
from assay.client_feedback import FeedbackClient
from assay.client_funnels import RuleFunnel, rule_funnel
from assay.client_model import Ended, Result, Trial, Watched, call_failed
from assay.client_previews import RulePreview, preview_rule
from assay.client_queues import QueueClient
from assay.client_rechecks import RecheckClient
from assay.client_runs import Run
from assay.evaluated import Evaluated
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.online.alerts.definition import AlertDefinition
from evaluator.online.explaining.explanation import Explanation
from evaluator.online.explaining.stages import StageReport
from evaluator.online.rules.applied import Applied, StatedRule
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.runs.definition import Selection
from evaluator.scoring.request import MetricRef, Target
from storage.deliveries import DeliveryState
from storage.model import Level, TargetRef
from storage.results import ResultFilter
from storage.runs import RunState

R = TypeVar("R")


class Client(FeedbackClient, AligningClient, AgreementClient, QueueClient, RecheckClient):
    """Blocks until the answer is there.  A context manager; usable by several threads at once."""

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stubs = stubs(self._channel)
        self._timeout_seconds = timeout_seconds

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that still run are cancelled."""
        self._channel.close()

    @overload
    def evaluate(
        self,
        targets: Sequence[Target],
        metrics: Sequence[str | MetricRef],
        *,
        wait_seconds: float | None = None,
        reuse: bool = False,
        request_id: str = "",
        start_time: datetime | None = None,
    ) -> list[Result]: ...

    @overload
    def evaluate(
        self,
        *,
        data: Data,
        scorers: Iterable[Scorer],
        level: Level | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        reuse: bool = False,
    ) -> Evaluated: ...

    def evaluate(
        self,
        targets: Sequence[Target] = (),
        metrics: Sequence[str | MetricRef] = (),
        *,
        data: Data = None,
        scorers: Iterable[Scorer] = (),
        level: Level | None = None,
        wait_seconds: float | None = None,
        reuse: bool = False,
        request_id: str = "",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> list[Result] | Evaluated:
        """Score targets × metrics and wait: one result per pair, targets first (t1m1, t1m2, t2m1, …).

        What is not ready after `wait_seconds` (None = 60 s, or the client's time-out less 500 ms) comes back with
        status `computing`; ask `get_result` for it.  `start_time` says roughly when the targets started, which makes
        the look-up cheap.  The same `request_id` (a UUID) again gives the same results.

        With `data` and `scorers`: score all of the data, however long it takes.  Data is rows (`inputs`, `outputs`,
        `expectations`, `context`: not stored), a data frame of such, targets, a filter as in rules (what started in
        [`start_time`, `end_time`)), or a `Where`; scorers are names, definitions, or `@metric` functions, which are
        saved first where they differ from what is there.
        """
        if data is not None:
            return self._drive(
                evaluate(data, scorers, level=level, start_time=start_time, end_time=end_time, reuse=reuse)
            )
        return self._do(
            calls.evaluate(
                targets, metrics, wait_seconds=wait_seconds, reuse=reuse, request_id=request_id, start_time=start_time
            )
        )

    def get_result(self, result_id: str | UUID) -> Result:
        """The newest attempt of one result."""
        return self._do(calls.get_result(result_id))

    def list_results(self, where: ResultFilter = EVERYTHING, *, order: Order = "newest") -> Iterator[Result]:
        """Results, page after page.  `worst` goes by the direction of the one metric that `where` names."""
        return self._pages(calls.list_results(where, order))

    def watch_results(self, where: ResultFilter = EVERYTHING, *, cursor: str = "") -> Generator[Watched, None, None]:
        """Results as they are stored, from now or from a cursor; ends when the iterator is closed."""
        return self._stream(calls.watch_results(where, cursor))

    def test_rule(
        self, name: str, *, target: TargetRef | None = None, timeout_seconds: float = 60.0
    ) -> Generator[StageReport, None, None]:
        """Push a synthetic target (or follow a stored one) through every stage of a rule; the first that is not passed
        is the last."""
        return self._stream(calls.test_rule(name, target, timeout_seconds))

    def explain(self, rule: str, target: TargetRef) -> list[Explanation]:
        """Why a target was or was not scored, per metric: by a rule, or by all of its level (`rule` '')."""
        return self._do(calls.explain(rule, target))

    def mark_complete(self, target: TargetRef) -> Ended:
        """Say that a trace or session has ended: rules score it now; what arrives later makes it new."""
        return self._do(calls.mark_complete(target))

    def create_metric(self, definition: MetricDefinition | Defines, *, request_id: str = "") -> MetricRecord:
        """Make a custom metric, of a definition or of a function with `@metric`."""
        definition = definition.definition if isinstance(definition, Defines) else definition
        return self._do(calls.create_metric(definition, request_id))

    def get_metric(self, name: str, version: int | None = None) -> MetricRecord:
        """One version of a metric, or the active one, by slug or display name."""
        return self._do(calls.get_metric(name, version))

    def list_metrics(self) -> Iterator[MetricRecord]:
        """The active version of every metric, by name."""
        return self._pages(calls.list_metrics())

    def list_metric_versions(self, name: str) -> Iterator[MetricRecord]:
        """Every version of a metric, newest first."""
        return self._pages(calls.list_metric_versions(name))

    def update_metric(
        self, definition: MetricDefinition, *, base_version: int, fields: Iterable[str] = (), request_id: str = ""
    ) -> MetricRecord:
        """Make the next version of a metric; `fields` names what changes (empty = all)."""
        return self._do(calls.update_metric(definition, base_version, fields, request_id))

    def delete_metric(self, name: str, *, base_version: int | None = None, request_id: str = "") -> None:
        """Delete a custom metric; its results stay."""
        return self._do(calls.delete_metric(name, base_version, request_id))

    def create_code_metric(
        self, name: str, function: ScorerFunction | str, *, request_id: str = "", **fields: Any
    ) -> MetricRecord:
        """Make a code metric of a function or of its source; composite with `required_metrics`.

        `fields` are those of `assay.authoring.code_definition`: level, span_kinds, output_type, required_metrics, ….

        Raises:
            NotPortable: The function cannot be sent as source.
        """
        return self.create_metric(code_definition(name, function, **fields), request_id=request_id)

    def create_judge_metric(self, name: str, prompt: str, *, request_id: str = "", **fields: Any) -> MetricRecord:
        """Make a judge metric; `fields` are those of `assay.authoring.judge_definition`: level, output_type, …."""
        return self.create_metric(judge_definition(name, prompt, **fields), request_id=request_id)

    def restore_metric(
        self, name: str, version: int, *, base_version: int | None = None, request_id: str = ""
    ) -> MetricRecord:
        """Make the content of an old version the next version of a metric."""
        return self._do(calls.restore_metric(name, version, base_version, request_id))

    def test_metric(
        self,
        metric: str | MetricDefinition | Defines,
        target: Target,
        *,
        repeats: int = 1,
        wait_seconds: float | None = None,
    ) -> Trial:
        """Apply a metric, saved or not, to one target as often as asked; nothing of it is stored."""
        metric = metric.definition if isinstance(metric, Defines) else metric
        return self._do(calls.test_metric(metric, target, repeats=repeats, wait_seconds=wait_seconds))

    def apply(
        self,
        metrics: Iterable[MetricDefinition | Defines] = (),
        rules: Iterable[RuleDefinition | StatedRule] = (),
        *,
        validate_only: bool = False,
    ) -> list[Applied]:
        """Make metrics and rules be as stated: all of them are checked, then what differs is written."""
        stated = [
            rule if isinstance(rule, StatedRule) else StatedRule(definition=rule, enabled=rule.enabled)
            for rule in rules
        ]
        definitions = [each.definition if isinstance(each, Defines) else each for each in metrics]
        return self._do(calls.apply(definitions, stated, validate_only=validate_only))

    def create_run(
        self,
        selection: Selection,
        metrics: Sequence[str | MetricRef] = (),
        *,
        name: str = "",
        reuse: bool = False,
        validate_only: bool = False,
        request_id: str = "",
    ) -> Run:
        """Evaluate a selection in the background; with `validate_only` only its estimate comes back."""
        refs = [MetricRef(name=metric) if isinstance(metric, str) else metric for metric in metrics]
        return self._do(
            runs.create_run(selection, refs, name=name, reuse=reuse, validate_only=validate_only, request_id=request_id)
        )

    def get_run(self, run_id: str) -> Run:
        """A run and where it stands."""
        return self._do(runs.get_run(run_id))

    def list_runs(self, states: Sequence[RunState] = ()) -> Iterator[Run]:
        """Runs, newest first; of these states, unless none is named."""
        return self._pages(runs.list_runs(states))

    def cancel_run(self, run_id: str) -> Run:
        """Stop a run; what is recorded stays."""
        return self._do(runs.cancel_run(run_id))

    def watch_run(self, run_id: str) -> Generator[Run, None, None]:
        """A run whenever it has changed, until it has ended."""
        return self._stream(runs.watch_run(run_id))

    def create_rule(self, rule: RuleDefinition, *, request_id: str = "") -> RuleRecord:
        """Make a rule."""
        return self._do(calls.create_rule(rule, request_id))

    def get_rule(self, name: str) -> RuleRecord:
        """One rule."""
        return self._do(calls.get_rule(name))

    def list_rules(self) -> Iterator[RuleRecord]:
        """Every rule, by name."""
        return self._pages(calls.list_rules())

    def update_rule(
        self, rule: RuleDefinition, *, base_version: int, fields: Iterable[str] = (), request_id: str = ""
    ) -> RuleRecord:
        """Edit a rule; `fields` names what changes (empty = all)."""
        return self._do(calls.update_rule(rule, base_version, fields, request_id))

    def delete_rule(self, name: str, *, base_version: int | None = None, request_id: str = "") -> None:
        """Delete a rule; its results stay."""
        return self._do(calls.delete_rule(name, base_version, request_id))

    def enable_rule(self, name: str) -> RuleRecord:
        """Let a rule score from now on."""
        return self._do(calls.enable_rule(name))

    def preview_rule(self, rule: RuleDefinition, *, samples: int = 10, scored: int = 3) -> RulePreview:
        """What a rule would do on a day like the last one; scores the first `scored` of its targets, which costs."""
        return self._do(preview_rule(rule, samples, scored))

    def rule_funnel(self, name: str, *, since: datetime | None = None, until: datetime | None = None) -> RuleFunnel:
        """What became of a rule's targets that completed in a span of time (aware; the last 24 hours)."""
        return self._do(rule_funnel(name, since, until))

    def disable_rule(self, name: str) -> RuleRecord:
        """Stop a rule."""
        return self._do(calls.disable_rule(name))

    def create_alert(self, alert: AlertDefinition, *, request_id: str = "") -> Alert:
        """Watch something over many results."""
        return self._do(alerts.create_alert(alert, request_id))

    def get_alert(self, name: str) -> Alert:
        """An alert and how it stands."""
        return self._do(alerts.get_alert(name))

    def list_alerts(self) -> Iterator[Alert]:
        """Every alert and how it stands, by name."""
        return self._pages(alerts.list_alerts())

    def update_alert(self, alert: AlertDefinition, *, base_version: int, request_id: str = "") -> Alert:
        """Edit an alert, as a whole; one that fires is over."""
        return self._do(alerts.update_alert(alert, base_version, request_id))

    def delete_alert(self, name: str, *, base_version: int | None = None, request_id: str = "") -> None:
        """Delete an alert; its history stays."""
        return self._do(alerts.delete_alert(name, base_version, request_id))

    def alert_history(self, name: str) -> Iterator[AlertTurn]:
        """How an alert turned, newest first."""
        return self._pages(alerts.alert_history(name))

    def list_deliveries(
        self, *, rule: str = "", alert: str = "", states: Sequence[DeliveryState] = ()
    ) -> Iterator[SentMessage]:
        """What the actions of one rule or one alert send, newest first; of these states, unless none is named."""
        return self._pages(alerts.list_deliveries(rule, alert, states))

    def retry_delivery(self, delivery_id: str | UUID) -> SentMessage:
        """Have one message sent again, with the same id, whatever came of it."""
        return self._do(alerts.retry_delivery(delivery_id))

    def _do(self, call: calls.Call[R]) -> R:
        try:
            return call.read(
                getattr(self._stubs[call.service], call.method)(
                    call.request, timeout=call.timeout_seconds or self._timeout_seconds
                )
            )
        except grpc.RpcError as error:
            raise call_failed(error) from error

    def _drive(self, asking: Asking) -> Evaluated:
        answer: Any = None
        try:
            while True:
                step = asking.send(answer)
                if isinstance(step, runs.Last):
                    for message in self._stream(step.call):
                        answer = message
                elif isinstance(step, calls.Listing):
                    answer = list(self._pages(step))
                else:
                    answer = self._do(step)
        except StopIteration as finished:
            return cast(Evaluated, finished.value)

    def _pages(self, listing: calls.Listing[R]) -> Iterator[R]:
        while True:
            page = self._do(calls.page(listing))
            yield from (listing.read(item) for item in getattr(page, listing.items))
            if not page.next_page_token:
                return
            listing.request.page_token = page.next_page_token

    def _stream(self, call: calls.Call[R]) -> Generator[R, None, None]:
        messages = getattr(self._stubs[call.service], call.method)(call.request)
        try:
            for message in messages:
                yield call.read(message)
        except grpc.RpcError as error:
            raise call_failed(error) from error
        finally:
            messages.cancel()
