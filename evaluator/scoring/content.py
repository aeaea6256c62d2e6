"""Content of targets out of the traces that were read for them; each thing is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluator.errors import TargetNotFound
from evaluator.targets.inputs import named_inputs
from evaluator.targets.normalise import normalise_session
from evaluator.targets.outline import ReadTrace
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord


class SpanContent:
    """One span of a trace."""

    def __init__(self, read: ReadTrace, span_id: str) -> None:
        self._read = read
        self._span_id = span_id
        self._inputs: Mapping[str, str] | None = None

    @property
    def record(self) -> SpanRecord:
        """The span, with what its trace knows of it.

        Raises:
            TargetNotFound: It is not in its trace.
        """
        span = self._read.record.span(self._span_id)
        if span is None:
            raise TargetNotFound(f"span {self._read.trace_id}:{self._span_id} is not stored any more")
        return span

    @property
    def light(self) -> SpanRecord:
        """The span: one is normalised with its trace."""
        return self.record

    @property
    def trace(self) -> TraceRecord:
        """Its trace."""
        return self._read.record

    @property
    def inputs(self) -> Mapping[str, str]:
        """Text by name; what the span lacks is absent."""
        if self._inputs is None:
            self._inputs = named_inputs(self.record, self.trace)
        return self._inputs


class TraceContent:
    """A whole trace."""

    trace = None

    def __init__(self, read: ReadTrace) -> None:
        self._read = read
        self._inputs: Mapping[str, str] | None = None

    @property
    def record(self) -> TraceRecord:
        """The trace."""
        return self._read.record

    @property
    def light(self) -> TraceRecord:
        """The trace, without what was said."""
        return self._read.light

    @property
    def inputs(self) -> Mapping[str, str]:
        """Text by name; what the trace lacks is absent."""
        if self._inputs is None:
            self._inputs = named_inputs(self.record)
        return self._inputs


class SessionContent:
    """A session, out of its traces in any order."""

    trace = None

    def __init__(self, session_id: str, read: Sequence[ReadTrace]) -> None:
        self._session_id = session_id
        self._read = read
        self._record: SessionRecord | None = None
        self._inputs: Mapping[str, str] | None = None

    @property
    def record(self) -> SessionRecord:
        """The session, its traces in start order."""
        if self._record is None:
            self._record = normalise_session(self._session_id, [each.record for each in self._read])
        return self._record

    @property
    def light(self) -> SessionRecord:
        """The session, without what was said."""
        return self._record or normalise_session(self._session_id, [each.light for each in self._read])

    @property
    def inputs(self) -> Mapping[str, str]:
        """Text by name; what the session lacks is absent."""
        if self._inputs is None:
            self._inputs = named_inputs(self.record)
        return self._inputs
