"""Versioned documents: metrics and rules.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from storage.model import Document


class Definitions(Protocol):
    """Versioned documents with unique names.  A name or version is claimed by compare-and-set, exactly once."""

    async def create(
        self, kind: str, name: str, body: Mapping[str, object], *, author: str = "", above: int = 0
    ) -> Document:
        """Make version 1 (or the next version after a deletion), or `above` + 1 where that is more.

        Raises:
            NameTaken: There is a live document of this name.
        """

    async def replace(
        self, kind: str, name: str, base_version: int, body: Mapping[str, object], *, author: str = ""
    ) -> Document:
        """Make version base_version + 1.

        Raises:
            NotFound: No live document of this name.
            VersionMoved: Its version is no longer base_version.
        """

    async def delete(self, kind: str, name: str, base_version: int, *, author: str = "") -> None:
        """Mark as deleted; versions stay readable.  Raises as `replace` does."""

    async def get(self, kind: str, name: str, *, version: int | None = None) -> Document:
        """The current document, or one version of it (deleted or not).

        Raises:
            NotFound: There is none.
        """

    async def live(self, kind: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        """Live documents in order of their names, those after `after`."""

    async def versions(self, kind: str, name: str) -> list[Document]:
        """Every version, newest first; empty where the name is unknown."""
