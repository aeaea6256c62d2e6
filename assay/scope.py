"""Which application the standing scorers of `assay.scorers` are about: what MLflow calls an experiment."""

from __future__ import annotations

from contextvars import ContextVar

_SCOPE: ContextVar[str] = ContextVar("assay_scope", default="")


def set_experiment(name: str) -> None:
    """Let scorers that are started from here on score only the application of this name: its `service.name`, or its
    resource attribute `assay.project`; '' = all.

    It holds for this thread and the tasks that are started from it.
    """
    _SCOPE.set(name)


def current_scope() -> str:
    """The name of the application; '' = all."""
    return _SCOPE.get()
