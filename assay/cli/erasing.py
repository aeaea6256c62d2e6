"""`assay erase`: forget one trace, session or user, with proof."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import endpoints
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import ClickHouseUrl, DataDir, app, settings

if TYPE_CHECKING:
    from storage.erasure import Erased, Found, Root, RootKind

QUERY_SECONDS = 3600.0
"""A count over a large table takes its time."""

erase = typer.Typer(no_args_is_help=True, help="Erase one trace, session or user everywhere, with proof.")
app.add_typer(erase, name="erase", rich_help_panel="Run")

Id = Annotated[str, typer.Argument(help="Its id, as it is stored.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be erased.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@erase.command("trace")
def erase_trace(
    id: Id,
    dry_run: DryRun = False,
    yes: Yes = False,
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    as_json: Json = False,
) -> None:
    """Erase a trace: spans, logs, results about it and about the session that it was part of."""
    _erase("trace", id.lower(), dry_run, yes, {"data_dir": data_dir, "clickhouse_url": clickhouse_url}, as_json)


@erase.command("session")
def erase_session(
    id: Id,
    dry_run: DryRun = False,
    yes: Yes = False,
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    as_json: Json = False,
) -> None:
    """Erase a session: every trace of which any span or log names it."""
    _erase("session", id, dry_run, yes, {"data_dir": data_dir, "clickhouse_url": clickhouse_url}, as_json)


@erase.command("user")
def erase_user(
    id: Id,
    dry_run: DryRun = False,
    yes: Yes = False,
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    as_json: Json = False,
) -> None:
    """Erase a user: every trace of which any span or log names them; sessions shared with others lose these traces."""
    _erase("user", id, dry_run, yes, {"data_dir": data_dir, "clickhouse_url": clickhouse_url}, as_json)


def _erase(kind: RootKind, id: str, dry_run: bool, yes: bool, flags: Mapping[str, Any], as_json: bool) -> None:
    from storage.erasure import Root

    if not id.strip():
        raise CommandFailed(f"the id of the {kind} is empty", exit_code=USAGE)
    root = Root(kind=kind, id=id)
    if dry_run:
        _show_found(root, asyncio.run(_find(root, flags)), as_json)
        return
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise CommandFailed(
                "nobody can be asked here", "look first with --dry-run, then add --yes", exit_code=USAGE
            )
        found = asyncio.run(_find(root, flags))
        _show_found(root, found, as_json)
        typer.confirm("Erase it for good?", abort=True)
    _show_erased(root, asyncio.run(_carry_out(root, flags)), as_json)


async def _find(root: Root, flags: Mapping[str, Any]) -> Found:
    async with _erasure(flags) as erasure:
        found: Found = await erasure.find(root)
    if found.nothing:
        raise _unknown(root)
    return found


async def _carry_out(root: Root, flags: Mapping[str, Any]) -> Erased:
    async with _erasure(flags) as erasure:
        erased: Erased = await erasure.erase(root, author=getpass.getuser())
    if erased.found.nothing:
        raise _unknown(root)
    return erased


def _erasure(flags: Mapping[str, Any]) -> Any:
    from contextlib import asynccontextmanager

    from assay.roles.kept import installation_secret
    from storage.clickhouse.client import Database
    from storage.clickhouse.erase import ClickHouseErasure
    from storage.clickhouse.schema import check_schema

    chosen = settings(**flags)
    found = endpoints(chosen)

    @asynccontextmanager
    async def opened() -> Any:
        url, name = found["clickhouse_url"], found["database"]
        async with Database(url, database=name, timeout_seconds=QUERY_SECONDS) as database:
            await check_schema(database)
            yield ClickHouseErasure(
                database,
                key=installation_secret(chosen.data_dir),
                embedded=bool(found["analyst_url"]),
                progress=lambda sentence: print(f"  {sentence}", file=sys.stderr, flush=True),
            )

    return opened()


def _unknown(root: Root) -> CommandFailed:
    return CommandFailed(
        f"nothing is stored of {root.kind} {root.id}",
        "ids are compared as they are stored, upper and lower case too: copy it from `assay sql`",
    )


def _show_found(root: Root, found: Found, as_json: bool) -> None:
    shown = {"kind": root.kind, "id": root.id, **asdict(found)}
    tables = "\n".join(f"  {table:<22} {rows:>10}" for table, rows in found.rows.items())
    Printer(as_json).value(
        shown, f"{root.kind} {root.id}: {found.traces} traces, {found.sessions} sessions lose traces\n{tables}"
    )


def _show_erased(root: Root, erased: Erased, as_json: bool) -> None:
    shown = {"kind": root.kind, "id": root.id, "complete": erased.complete, **asdict(erased)}
    text = (
        f"erased {root.kind} {root.id}: {erased.found.traces} traces, {sum(erased.found.rows.values())} rows of "
        f"{len(erased.found.rows)} tables; no table and no part on disk holds any of it"
    )
    if erased.arrived:
        text += f"\n{erased.arrived} more traces arrived meanwhile; they are new data: run it again to erase them, too"
    Printer(as_json).value(shown, text if erased.complete else f"{root.kind} {root.id} is not erased completely")
    if not erased.complete:
        if as_json:
            raise SystemExit(1)
        raise CommandFailed(_remains(erased), "run the same command again; it goes on where it was")


def _remains(erased: Erased) -> str:
    remains = [f"{count} rows of {table} that arrived while it ran" for table, count in erased.left.items()]
    if erased.scoring:
        remains.append(f"{erased.scoring} results that are still being computed")
    if erased.old_parts:
        remains.append(f"{erased.old_parts} replaced parts on disk, which the server has not removed yet")
    if erased.detached_parts:
        remains.append(
            f"{erased.detached_parts} detached parts, into which nobody can look (system.detached_parts; "
            "ALTER TABLE … DROP DETACHED PART)"
        )
    return "there remain " + ", ".join(remains)
