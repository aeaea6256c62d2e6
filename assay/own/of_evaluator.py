"""What an evaluator tells of itself: the funnel of its rules, its judges, its lanes and its write-back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation

from evaluator.metrics.conclude import Conclusion
from evaluator.metrics.judging.answers import KeptAnswers
from evaluator.online.polling.worker import OnlineWorker
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.model import Abstention, Failure, Outcome, Score, Status
from storage.queue import Decision
from storage.writeback import WriteBackBatch

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

RULE, METRIC, DECISION, STATUS = "assay.rule", "assay.metric", "assay.decision", "assay.status"
PROVIDER, MODEL, ERROR, TOKENS = "gen_ai.provider.name", "gen_ai.request.model", "error.type", "gen_ai.token.type"
FINAL = frozenset({"scored", "failed", "not_applicable", "not_computed"})
"""Decisions with a result."""


def tell_worker(meter: Meter, worker: OnlineWorker, kept: KeptAnswers | None) -> None:
    """Register what is known anyway."""
    load = worker.load
    told, shown = meter.create_observable_counter, meter.create_observable_gauge
    shown("assay.lanes.busy", [_number(lambda: load().busy_lanes)], "{lane}", "Chunks of targets that are scored now")
    shown("assay.lanes.waiting", [_number(lambda: load().waiting_chunks)], "{chunk}", "Chunks that wait for a lane")
    told("assay.polls", [_number(lambda: load().polls)], "{poll}", "Looks for what became ready")
    told("assay.poll.time", [_number(lambda: load().poll_seconds)], "s", "Time that they took together")
    if kept is not None:
        told("assay.judge.cache.hits", [_number(lambda: kept.count["hit"])], "{answer}", "Answers that were kept")
        told("assay.judge.cache.misses", [_number(lambda: kept.count["missed"])], "{answer}", "Answers that were not")


def _number(read: Callable[[], float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(read())]


def _status(outcome: Outcome) -> Status:
    match outcome:
        case Abstention(status=status):
            return status
        case Failure():
            return Status.FAILED
        case Score():
            return Status.SUCCESS


class Tally:
    """Sums by attributes, read when somebody asks: a tenth of what an instrument of the SDK costs at each addition."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._sums: dict[tuple[str, ...], float] = {}

    def add(self, amount: float, *values: str) -> None:
        """Add to the sum of these values of the attributes."""
        self._sums[values] = self._sums.get(values, 0) + amount

    def observe(self, _: CallbackOptions) -> Iterable[Observation]:
        """For an observable counter."""
        sums = self._sums.copy()  # in one step: asked from another thread
        return [Observation(amount, dict(zip(self._names, key, strict=True))) for key, amount in sums.items()]


class MeasuredQueue(ClickHouseQueue):
    """Counts decisions as they are written to the ledger, and what is begun and not decided."""

    def __init__(self, database: Database, meter: Meter) -> None:
        super().__init__(database)
        self._open: dict[tuple[str, str, str, int], float] = {}
        self._decisions = Tally((RULE, METRIC, DECISION))
        meter.create_observable_counter(
            "assay.rule.decisions",
            [self._decisions.observe],
            "{decision}",
            "Rows of the ledger: the funnel behind the sample and the filter",
        )
        self._lag = meter.create_histogram(
            "assay.rule.lag", "s", "From the newest arrival of a target, its time of quiet included, to its result"
        )
        meter.create_observable_gauge(
            "assay.rule.queue.size", [self._sizes], "{target}", "Begun by this process and not decided, per metric"
        )
        meter.create_observable_gauge("assay.rule.queue.age", [self._ages], "s", "How long the oldest of them is begun")

    async def record(self, decisions: Sequence[Decision]) -> None:
        """See the port."""
        await super().record(decisions)
        now = time.time()
        for each in decisions:
            if each.rule.startswith("run:"):
                continue
            self._decisions.add(1, each.rule, each.metric, each.decision)
            key = (each.rule, each.metric, each.target.key, each.watermark_ms)
            if each.decision == "started":
                self._open[key] = now
                continue
            self._open.pop(key, None)
            if each.decision in FINAL:
                attributes = {RULE: each.rule, METRIC: each.metric, DECISION: each.decision}
                self._lag.record(max(0.0, now - each.watermark_ms / 1000), attributes)

    def _sizes(self, _: CallbackOptions) -> Iterable[Observation]:
        sizes: dict[str, int] = {}
        for rule, *_rest in self._open.copy():
            sizes[rule] = sizes.get(rule, 0) + 1
        return [Observation(size, {RULE: rule}) for rule, size in sizes.items()]

    def _ages(self, _: CallbackOptions) -> Iterable[Observation]:
        oldest: dict[str, float] = {}
        for (rule, *_rest), since in self._open.copy().items():
            oldest[rule] = min(since, oldest.get(rule, since))
        return [Observation(max(0.0, time.time() - since), {RULE: rule}) for rule, since in oldest.items()]


class MeasuredWriteBack(ClickHouseWriteBack):
    """Counts what is put onto spans, and how far behind it is."""

    def __init__(self, database: Database, meter: Meter) -> None:
        super().__init__(database)
        self._newest_ms = self._projected_ms = 0
        self._results = meter.create_counter("assay.write_back.results", "{result}", "Results put onto their spans")
        self._missing = meter.create_counter("assay.write_back.missing", "{span}", "Spans that were not found for them")
        meter.create_observable_gauge(
            "assay.write_back.lag", [self._lag], "s", "From the newest result that is on its span to the newest of all"
        )

    async def newest_ms(self) -> int:
        """See the port."""
        self._newest_ms = await super().newest_ms()
        return self._newest_ms

    async def project(self, *, since_ms: int, lag_seconds: int, limit: int) -> WriteBackBatch:
        """See the port."""
        until_ms = self._newest_ms
        batch = await super().project(since_ms=since_ms, lag_seconds=lag_seconds, limit=limit)
        self._results.add(batch.staged)
        self._missing.add(batch.missing)
        if batch.staged < limit:
            self._projected_ms = until_ms
        return batch

    def _lag(self, _: CallbackOptions) -> Iterable[Observation]:
        if self._projected_ms:
            yield Observation(max(0, self._newest_ms - self._projected_ms) / 1000)


class JudgeTelemetry:
    """What metrics concluded, and what their judges took."""

    def __init__(self, meter: Meter) -> None:
        told = meter.create_observable_counter
        self._conclusions = Tally((METRIC, STATUS))
        told("assay.conclusions", [self._conclusions.observe], "{result}", "What metrics concluded for anybody")
        self._seconds = meter.create_histogram("assay.judge.request.duration", "s", "One request to a judge")
        self._tokens = Tally((PROVIDER, MODEL, TOKENS))
        told("assay.judge.tokens", [self._tokens.observe], "{token}", "What they read and wrote")
        self._cost = Tally((PROVIDER, MODEL))
        told("assay.judge.cost", [self._cost.observe], "{USD}", "What they cost, as far as prices are known")

    def concluded(self, metric: str, conclusion: Conclusion) -> None:
        """Take one."""
        self._conclusions.add(1, metric, str(_status(conclusion.outcome)))
        if conclusion.exchange is None:
            return
        for call in [call for said in conclusion.exchange.said for call in said.calls]:
            failed = {ERROR: call.error} if call.error else {}
            self._seconds.record(call.usage.latency_ms / 1000, {PROVIDER: call.provider, MODEL: call.model} | failed)
            self._tokens.add(call.usage.input_tokens, call.provider, call.model, "input")
            self._tokens.add(call.usage.output_tokens, call.provider, call.model, "output")
            self._cost.add(call.usage.cost_usd or 0.0, call.provider, call.model)
