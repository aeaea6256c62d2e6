"""A value that is not there, and notices when somebody reads it all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn


@dataclass(slots=True, eq=False)
class Absent:
    """Stands for content that was not captured.

    Its only attribute is `captured`, False.  Whatever else is read of it raises and leaves `read` True, whatever the
    code makes of the exception; in the sandbox `read` and `name` are such attributes, too.
    """

    name: str
    read: bool = False
    captured: bool = False

    def __str__(self) -> str:
        return f"no {self.name}: it was not captured; ask `.captured` first"

    def __getattr__(self, name: str) -> NoReturn:
        self.read = True
        raise AttributeError(str(self))
