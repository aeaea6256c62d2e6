"""What the clients offer about alignments: `Client` blocks, `AsyncClient` does not; the nouns are the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from assay import client_alignments as calls
from assay.client_alignments import (
    DEFAULTS,
    Accepted,
    Alignment,
    AlignmentEstimate,
    AlignmentOptions,
    AlignmentReport,
    AlignmentSource,
)
from assay.client_calls import Call, Listing
from evaluator.alignment.deciding.choices import Choice

R = TypeVar("R")


class AligningClient:
    """The part of `Client` about alignments."""

    if TYPE_CHECKING:  # what `Client` brings

        def _do(self, call: Call[R]) -> R: ...

        def _pages(self, listing: Listing[R]) -> Iterator[R]: ...

        def _stream(self, call: Call[R]) -> Generator[R, None, None]: ...

    def list_alignment_sources(self, metric: str, *, delta_threshold: float | None = None) -> Iterator[AlignmentSource]:
        """Completed evaluations that a metric can be aligned from, newest first."""
        return self._pages(calls.list_alignment_sources(metric, delta_threshold))

    def estimate_alignment(
        self, metric: str, *, sources: Sequence[str] = (), options: AlignmentOptions = DEFAULTS
    ) -> AlignmentEstimate:
        """What `start_alignment` would take."""
        return self._do(calls.estimate_alignment(metric, sources, options))

    def start_alignment(
        self,
        metric: str,
        *,
        sources: Sequence[str] = (),
        options: AlignmentOptions = DEFAULTS,
        author: str = "",
        request_id: str = "",
    ) -> Alignment:
        """Queue a run; `sources` are ids of `list_alignment_sources`, none = all resolved feedback."""
        return self._do(calls.start_alignment(metric, sources, options, author=author, request_id=request_id))

    def get_alignment(self, alignment_id: str) -> Alignment:
        """A run and where it stands."""
        return self._do(calls.get_alignment(alignment_id))

    def list_alignments(self, metric: str = "") -> Iterator[Alignment]:
        """Runs on a metric ('' = all), newest first."""
        return self._pages(calls.list_alignments(metric))

    def watch_alignment(self, alignment_id: str) -> Generator[Alignment, None, None]:
        """A run whenever it has changed, until it has ended."""
        return self._stream(calls.watch_alignment(alignment_id))

    def cancel_alignment(self, alignment_id: str) -> Alignment:
        """Stop a run; one that has ended stays as it is."""
        return self._do(calls.cancel_alignment(alignment_id))

    def retry_alignment(
        self, alignment_id: str, *, changes: AlignmentOptions = DEFAULTS, request_id: str = ""
    ) -> Alignment:
        """Run again what failed or was cancelled; what was paid for is not paid for again."""
        return self._do(calls.retry_alignment(alignment_id, changes, request_id))

    def alignment_report(self, alignment_id: str) -> AlignmentReport:
        """What a person should see before accepting."""
        return self._do(calls.alignment_report(alignment_id))

    def reverify_alignment(
        self, alignment_id: str, choices: Iterable[Choice] = (), *, rebase: bool = False
    ) -> AlignmentReport:
        """What the guidelines as toggled or edited would be worth; with `rebase`, on the version that is active now."""
        return self._do(calls.reverify_alignment(alignment_id, choices, rebase))

    def accept_alignment(
        self,
        alignment_id: str,
        *,
        author: str,
        choices: Iterable[Choice] = (),
        name: str = "",
        override: bool = False,
        reason: str = "",
        repoint_rules: Iterable[str] = (),
        rebase: bool = False,
    ) -> Accepted:
        """Put guidelines into force: a fork of a built-in metric (`name`), a version of a custom one.

        Without proof it needs `override` and a `reason`.  `repoint_rules` names rules that use the built-in metric and
        are to use the fork; `*` = all of them.  With `rebase` they are verified on the version that is active now.
        """
        return self._do(
            calls.accept_alignment(
                alignment_id,
                choices,
                name=name,
                override=override,
                reason=reason,
                repoint_rules=repoint_rules,
                rebase=rebase,
                author=author,
            )
        )

    def discard_alignment(self, alignment_id: str, *, reason: str = "", author: str = "") -> Alignment:
        """Put a result aside; it stays readable."""
        return self._do(calls.discard_alignment(alignment_id, reason=reason, author=author))


class AsyncAligningClient:
    """The part of `AsyncClient` about alignments."""

    if TYPE_CHECKING:  # what `AsyncClient` brings

        async def _do(self, call: Call[R]) -> R: ...

        def _pages(self, listing: Listing[R]) -> AsyncIterator[R]: ...

        def _stream(self, call: Call[R]) -> AsyncGenerator[R, None]: ...

    def list_alignment_sources(
        self, metric: str, *, delta_threshold: float | None = None
    ) -> AsyncIterator[AlignmentSource]:
        """Completed evaluations that a metric can be aligned from, newest first."""
        return self._pages(calls.list_alignment_sources(metric, delta_threshold))

    async def estimate_alignment(
        self, metric: str, *, sources: Sequence[str] = (), options: AlignmentOptions = DEFAULTS
    ) -> AlignmentEstimate:
        """What `start_alignment` would take."""
        return await self._do(calls.estimate_alignment(metric, sources, options))

    async def start_alignment(
        self,
        metric: str,
        *,
        sources: Sequence[str] = (),
        options: AlignmentOptions = DEFAULTS,
        author: str = "",
        request_id: str = "",
    ) -> Alignment:
        """Queue a run; `sources` are ids of `list_alignment_sources`, none = all resolved feedback."""
        return await self._do(calls.start_alignment(metric, sources, options, author=author, request_id=request_id))

    async def get_alignment(self, alignment_id: str) -> Alignment:
        """A run and where it stands."""
        return await self._do(calls.get_alignment(alignment_id))

    def list_alignments(self, metric: str = "") -> AsyncIterator[Alignment]:
        """Runs on a metric ('' = all), newest first."""
        return self._pages(calls.list_alignments(metric))

    def watch_alignment(self, alignment_id: str) -> AsyncGenerator[Alignment, None]:
        """A run whenever it has changed, until it has ended."""
        return self._stream(calls.watch_alignment(alignment_id))

    async def cancel_alignment(self, alignment_id: str) -> Alignment:
        """Stop a run; one that has ended stays as it is."""
        return await self._do(calls.cancel_alignment(alignment_id))

    async def retry_alignment(
        self, alignment_id: str, *, changes: AlignmentOptions = DEFAULTS, request_id: str = ""
    ) -> Alignment:
        """Run again what failed or was cancelled; what was paid for is not paid for again."""
        return await self._do(calls.retry_alignment(alignment_id, changes, request_id))

    async def alignment_report(self, alignment_id: str) -> AlignmentReport:
        """What a person should see before accepting."""
        return await self._do(calls.alignment_report(alignment_id))

    async def reverify_alignment(
        self, alignment_id: str, choices: Iterable[Choice] = (), *, rebase: bool = False
    ) -> AlignmentReport:
        """What the guidelines as toggled or edited would be worth; with `rebase`, on the version that is active now."""
        return await self._do(calls.reverify_alignment(alignment_id, choices, rebase))

    async def accept_alignment(
        self,
        alignment_id: str,
        *,
        author: str,
        choices: Iterable[Choice] = (),
        name: str = "",
        override: bool = False,
        reason: str = "",
        repoint_rules: Iterable[str] = (),
        rebase: bool = False,
    ) -> Accepted:
        """Put guidelines into force: a fork of a built-in metric (`name`), a version of a custom one.

        Without proof it needs `override` and a `reason`.  `repoint_rules` names rules that use the built-in metric and
        are to use the fork; `*` = all of them.  With `rebase` they are verified on the version that is active now.
        """
        return await self._do(
            calls.accept_alignment(
                alignment_id,
                choices,
                name=name,
                override=override,
                reason=reason,
                repoint_rules=repoint_rules,
                rebase=rebase,
                author=author,
            )
        )

    async def discard_alignment(self, alignment_id: str, *, reason: str = "", author: str = "") -> Alignment:
        """Put a result aside; it stays readable."""
        return await self._do(calls.discard_alignment(alignment_id, reason=reason, author=author))
