"""How a run in the sandbox can end without an answer."""

from __future__ import annotations


class SandboxError(Exception):
    """Root of this module.  `code` is UPPER_SNAKE, as in `storage.model.Failure`."""

    code = "SCORER_ERROR"


class Raised(SandboxError):
    """The code raised.  `lines` are those of its traceback, outermost first, from 1; the message is `Type: text`."""

    def __init__(self, message: str, lines: tuple[int, ...]) -> None:
        super().__init__(message)
        self.lines = lines


class TookTooLong(SandboxError):
    """The time limit came first."""

    code = "SCORER_TIMEOUT"


class TookTooMuchMemory(SandboxError):
    """The memory limit came first."""

    code = "SCORER_MEMORY"


class WorkerDied(SandboxError):
    """The worker process ended twice in this run: the code does what the interpreter does not survive."""

    code = "SCORER_CRASHED"


class SourceRefused(SandboxError):
    """The source cannot run in the sandbox.  `line` counts from 1; 0 = the source as a whole."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line
