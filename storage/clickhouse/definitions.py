"""Versioned documents with unique names: the port `Definitions`.

ClickHouse has no unique constraint.  A document is inserted under a fresh token (nobody sees it), then one conditional
UPDATE of one row claims `<kind>/<name>@<version>` for the token, if nobody has it.  The claim is permanent; reading it
back tells who won.  A crash between the two steps leaves an invisible document and no claim.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from storage.clickhouse.client import Database
from storage.errors import NameTaken, NotFound, VersionMoved
from storage.model import Document

_COLUMNS = ("Kind", "Name", "Version", "Token", "Doc", "Deleted", "Author")


class ClickHouseDefinitions:
    """`storage.definitions.Definitions` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, kind: str, name: str, body: Mapping[str, object], *, author: str = "", above: int = 0
    ) -> Document:
        """Make the first version, or the next one after a deletion; see the port."""
        history = await self.versions(kind, name)
        if history and not history[0].deleted:
            raise NameTaken(f"there is a {kind} {name!r} already (version {history[0].version})")
        newest = history[0].version if history else 0
        version = max(newest, above) + 1
        for skipped in range(
            newest + 1, version
        ):  # versions are claimed without gaps; whoever claims it, it is skipped
            await self._claim(kind, name, skipped, {}, author=author, deleted=True)
        if not await self._claim(kind, name, version, body, author=author):
            raise NameTaken(f"there is a {kind} {name!r} already: somebody else made it just now")
        return await self.get(kind, name, version=version)

    async def replace(
        self, kind: str, name: str, base_version: int, body: Mapping[str, object], *, author: str = ""
    ) -> Document:
        """Make the next version; see the port."""
        await self._advance(kind, name, base_version, body, author=author, deleted=False)
        return await self.get(kind, name, version=base_version + 1)

    async def delete(self, kind: str, name: str, base_version: int, *, author: str = "") -> None:
        """Mark as deleted; see the port."""
        current = await self.get(kind, name)
        await self._advance(kind, name, base_version, current.body, author=author, deleted=True)

    async def _advance(
        self, kind: str, name: str, base_version: int, body: Mapping[str, object], *, author: str, deleted: bool
    ) -> None:
        current = await self.get(kind, name)
        if current.version != base_version or not await self._claim(
            kind, name, base_version + 1, body, author=author, deleted=deleted
        ):
            newest = (await self.versions(kind, name))[0].version
            raise VersionMoved(
                f"{kind} {name!r} is at version {newest}, not {base_version}: read it again and repeat the edit",
                current_version=newest,
            )

    async def _claim(
        self, kind: str, name: str, version: int, body: Mapping[str, object], *, author: str, deleted: bool = False
    ) -> bool:
        token = uuid.uuid4().hex
        text = json.dumps(dict(body), ensure_ascii=False, sort_keys=True)
        row = (kind, name, version, token, text, int(deleted), author)
        await self._database.insert_rows("control_docs", _COLUMNS, [row])
        claim = {"kind": kind, "name": name, "version": version, "token": token}
        await self._database.run("control_claim", claim)
        return bool((await self._database.rows("control_won", claim))[0]["won"])

    async def get(self, kind: str, name: str, *, version: int | None = None) -> Document:
        """The current document or one version; see the port."""
        rows = await self._database.rows(
            "control_get", {"kind": kind, "name": name, "version": version or 0, "max_rows": 1}
        )
        if not rows or (version is None and rows[0]["deleted"]):
            raise NotFound(f"there is no {kind} {name!r}" + (f" version {version}" if version else ""))
        return _document(kind, rows[0])

    async def live(self, kind: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        """Live documents by name; see the port."""
        rows = await self._database.rows("control_list", {"kind": kind, "after": after, "max_rows": limit})
        return [_document(kind, row) for row in rows]

    async def versions(self, kind: str, name: str) -> list[Document]:
        """Every version, newest first; see the port."""
        rows = await self._database.rows(
            "control_get", {"kind": kind, "name": name, "version": 0, "max_rows": 1_000_000}
        )
        return [_document(kind, row) for row in rows]


def _document(kind: str, row: Mapping[str, Any]) -> Document:
    return Document(
        kind=kind,
        name=row["name"],
        version=row["version"],
        body=json.loads(row["doc"]),
        author=row["author"],
        deleted=bool(row["deleted"]),
        created=datetime.fromtimestamp(row["created_ms"] / 1000, UTC),
    )
