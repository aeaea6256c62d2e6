"""The client that blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TypeVar
from uuid import UUID

import grpc

from assay import client_calls as calls
from assay.client_calls import CHANNEL_OPTIONS, DEFAULT_ADDRESS, DEFAULT_TIMEOUT_SECONDS, EVERYTHING, stubs
from assay.client_model import Result, Watched, call_failed
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.online.explanation import Explanation
from evaluator.online.record import RuleRecord
from evaluator.online.rules import RuleDefinition
from evaluator.scoring.request import MetricRef, Target
from storage.model import TargetRef
from storage.ports import ResultFilter

R = TypeVar("R")


class Client:
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

    def evaluate(
        self,
        targets: Sequence[Target],
        metrics: Sequence[str | MetricRef],
        *,
        wait_seconds: float | None = None,
        reuse: bool = False,
        request_id: str = "",
        start_time: datetime | None = None,
    ) -> list[Result]:
        """Score targets × metrics and wait: one result per pair, targets first (t1m1, t1m2, t2m1, …).

        What is not ready after `wait_seconds` (None = 60 s, or the client's time-out less 500 ms) comes back with
        status `computing`; ask `get_result` for it.  `start_time` says roughly when the targets started, which makes
        the look-up cheap.  The same `request_id` (a UUID) again gives the same results.
        """
        return self._do(
            calls.evaluate(
                targets, metrics, wait_seconds=wait_seconds, reuse=reuse, request_id=request_id, start_time=start_time
            )
        )

    def get_result(self, result_id: str | UUID) -> Result:
        """The newest attempt of one result."""
        return self._do(calls.get_result(result_id))

    def list_results(self, where: ResultFilter = EVERYTHING) -> Iterator[Result]:
        """Results, newest first, page after page."""
        return self._pages(calls.list_results(where))

    def watch_results(self, where: ResultFilter = EVERYTHING, *, cursor: str = "") -> Generator[Watched, None, None]:
        """Results as they are stored, from now or from a cursor; ends when the iterator is closed."""
        return self._stream(calls.watch_results(where, cursor))

    def explain(self, rule: str, target: TargetRef) -> list[Explanation]:
        """Why a target was or was not scored by a rule, per metric."""
        return self._do(calls.explain(rule, target))

    def create_metric(self, definition: MetricDefinition, *, request_id: str = "") -> MetricRecord:
        """Make a custom metric."""
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

    def disable_rule(self, name: str) -> RuleRecord:
        """Stop a rule."""
        return self._do(calls.disable_rule(name))

    def _do(self, call: calls.Call[R]) -> R:
        try:
            return call.read(
                getattr(self._stubs[call.service], call.method)(call.request, timeout=self._timeout_seconds)
            )
        except grpc.RpcError as error:
            raise call_failed(error) from error

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
