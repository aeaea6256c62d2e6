"""What `judge.align(…)` returns: an alignment that can be waited for, read, accepted and discarded.

Each method connects by itself to the service of `ASSAY_GRPC` (or of the data directory `ASSAY_DATA_DIR`).
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from assay.client_alignments import (
    DEFAULTS,
    Accepted,
    Alignment,
    AlignmentOptions,
    AlignmentReport,
    AlignmentSource,
)
from assay.client_runs import Run
from assay.client_sync import Client
from evaluator.alignment.deciding.choices import Choice

Source: TypeAlias = str | Run | AlignmentSource
"""A completed evaluation: its id, or what the client returned of it."""


class AlignmentFailed(Exception):
    """It did not align: it was cancelled, or failed for the reason that the message names."""


@contextmanager
def connected() -> Iterator[Client]:
    """A client of the service that the settings name."""
    from assay.cli.connection import address_of  # settings are read when they are needed

    with Client(address_of()) as client:
        yield client


def start(metric: str, sources: Source | Iterable[Source], options: AlignmentOptions) -> ScorerAlignment:
    """Queue an alignment.

    Raises:
        CallFailed: The service refuses it, or cannot be reached.
    """
    chosen = [sources] if isinstance(sources, (str, Run, AlignmentSource)) else sources
    with connected() as client:
        found = client.start_alignment(
            metric, sources=[_id(each) for each in chosen], options=options, author=getpass.getuser()
        )
    return ScorerAlignment(found)


def _id(source: Source) -> str:
    match source:
        case Run():
            return source.run_id
        case AlignmentSource():
            return source.source_id
        case _:
            return source


class ScorerAlignment:
    """An alignment of a registered scorer, as it was last heard of.

    Attributes:
        run: All of it.
    """

    def __init__(self, run: Alignment) -> None:
        self.run = run

    def __repr__(self) -> str:
        return f"<alignment {self.alignment_id} of {self.run.metric}: {self.status}>"

    @property
    def alignment_id(self) -> str:
        """For `assay align …`."""
        return self.run.alignment_id

    @property
    def status(self) -> str:
        """`Pending`, `Running`, `Aligned`, `Error` or `Cancelled`."""
        return self.run.status

    @property
    def guidelines(self) -> str:
        """What the judge would be given, in plain language; '' before it has aligned, and where nothing changes."""
        return self.run.guidelines_text

    @property
    def summary(self) -> str:
        """What the held-out rows say, in one sentence."""
        return self.run.summary

    def wait(self, *, on_change: Callable[[Alignment], None] | None = None) -> ScorerAlignment:
        """Wait until it has aligned; `on_change` hears of every step.

        Raises:
            AlignmentFailed: It ended otherwise.
            CallFailed: The service cannot be reached.
        """
        with connected() as client:
            for run in client.watch_alignment(self.alignment_id):
                self.run = run
                if on_change is not None:
                    on_change(run)
        if self.run.error is not None:
            raise AlignmentFailed(f"{self.run.error.code}: {self.run.error.message}")
        if self.status != "Aligned":
            raise AlignmentFailed(f"the alignment is {self.status.lower()}; .retry() goes on where it stopped")
        return self

    def report(self, choices: Sequence[Choice] = ()) -> AlignmentReport:
        """What to see before accepting; with `choices`, verified again as lines are toggled or edited."""
        with connected() as client:
            if choices:
                return client.reverify_alignment(self.alignment_id, choices)
            return client.alignment_report(self.alignment_id)

    def accept(
        self,
        *,
        name: str = "",
        choices: Sequence[Choice] = (),
        override: bool = False,
        reason: str = "",
        repoint_rules: Iterable[str] = (),
        rebase: bool = False,
    ) -> Accepted:
        """Put the guidelines into force; what is not supported needs `override` and a `reason`.

        Raises:
            CallFailed: It is refused: `NOT_SUPPORTED`, `BASE_MOVED`, `NAME_TAKEN`, ….
        """
        with connected() as client:
            done = client.accept_alignment(
                self.alignment_id,
                author=getpass.getuser(),
                choices=choices,
                name=name,
                override=override,
                reason=reason,
                repoint_rules=repoint_rules,
                rebase=rebase,
            )
        self.run = done.alignment
        return done

    def discard(self, *, reason: str = "") -> ScorerAlignment:
        """Put the result aside; it stays readable."""
        with connected() as client:
            self.run = client.discard_alignment(self.alignment_id, reason=reason, author=getpass.getuser())
        return self

    def cancel(self) -> ScorerAlignment:
        """Stop it; one that has ended stays as it is."""
        with connected() as client:
            self.run = client.cancel_alignment(self.alignment_id)
        return self

    def retry(self, changes: AlignmentOptions = DEFAULTS) -> ScorerAlignment:
        """A further alignment that goes on with the answers of this one."""
        with connected() as client:
            return ScorerAlignment(client.retry_alignment(self.alignment_id, changes=changes))
