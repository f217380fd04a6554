"""`clearance backup`, `restore`, `upgrade` and `compact`: a home as a whole. No title and no text is
shown.
"""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexes import settings as configuration
from indexes.cli.common import Json, command_line_actor, open_catalog, print_result, warn
from indexes.cli.terminal import printable
from indexes.errors import BadConfiguration
from indexes.settings import Settings

if TYPE_CHECKING:
    from indexes.home.restore import RestoreReport

app = typer.Typer()


@app.command("backup")
def backup_command(
    file: Path,
    replace: Annotated[bool, typer.Option("--replace", help="Even if it is there.")] = False,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Leave out the key that seals the audit record.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write all that cannot be made again into one file, while the service and ingestion run.

    It is as secret as the documents. Models and indexes are not in it.
    """
    from indexes.home.backup import back_up

    settings = configuration.load()
    with open_catalog(settings) as catalog, closing(catalog.open_trail()) as trail:
        report = back_up(
            settings.home,
            catalog,
            trail,
            file.absolute(),
            replace=replace,
            with_key=not without_key,
        )
    for name in report.missing:
        warn(f"{name} is gone or is not as it was: the backup lacks it.")
    told = f"{report.documents} documents, {report.originals} originals, {report.uploads} uploads"
    needed = ", ".join(report.models) or "none yet"
    lines = [f"{report.file}: {report.bytes:,} bytes, {told}.", f"Embedding models: {needed}."]
    print_result(asdict(report), lines, as_json)
    if report.missing:
        raise typer.Exit(1)


@app.command("restore")
def restore_command(
    file: Path,
    replace: Annotated[
        bool, typer.Option("--replace", help="Even if the home holds something: it is set aside.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup back. Nobody may use the home meanwhile.

    Nothing is changed before all of the backup is found whole; then everything at once.
    """
    from indexes.home.restore import restore

    settings = configuration.load()
    if not settings.on_server:
        _check_in_home(settings)
    report = restore(settings, file.absolute(), replace=replace, by=command_line_actor())
    for told in _warnings(report):
        warn(told)
    lines = [f"{report.documents} documents, as they were at {report.made_at}."]
    lines += [f"Embedding models that it needs: {', '.join(report.models) or 'none yet'}."]
    if report.replaced:
        lines.append(f"What was there before is in {report.replaced} in the home.")
        lines.append("To remove it: clearance compact.")
    print_result(asdict(report), [printable(line) for line in lines], as_json)


@app.command("upgrade")
def upgrade_command(
    check: Annotated[
        bool, typer.Option("--check", help="Try it on a copy, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the catalog to the schema of this version, as every command does when it opens it."""
    if not check:
        with open_catalog() as catalog:
            after = catalog.schema()
        print_result({"after": after}, [f"The schema is {after}."], as_json)
        return
    before, after, problems = _try_upgrade(configuration.load())
    said = {"before": before, "after": after, "sound": not problems, "problems": problems}
    sound = f"Schema {before} became {after} in a copy, and all is well."
    print_result(said, problems or [sound], as_json)
    if problems:
        raise typer.Exit(1)


@app.command("compact")
def compact_command(as_json: Json = False) -> None:
    """Give back the room of what was removed: no byte of it stays in the home.

    Not while documents are ingested. The next start builds the indexes anew.
    """
    from indexes.home.compaction import compact

    settings = configuration.load()
    with open_catalog(settings) as catalog:
        report = compact(settings, catalog, by=command_line_actor())
    lines = [f"The home took {report.bytes_before:,} bytes and takes {report.bytes_after:,}."]
    lines += [f"Removed {name}." for name in report.removed]
    print_result(asdict(report), lines, as_json)


def _try_upgrade(settings: Settings) -> tuple[str, str, list[str]]:
    """The schema before and after, and what does not hold then. Raises CorpusError."""
    from indexes.catalog import Catalog
    from indexes.catalog.copying import copy_file, read_schema

    _check_in_home(settings)
    with tempfile.TemporaryDirectory(prefix="upgrade-", dir=settings.home) as folder:
        copy = Path(folder) / "catalog.sqlite"
        copy_file(settings.home / "catalog.sqlite", copy)
        before = read_schema(copy)
        with closing(Catalog.open(f"sqlite:///{copy}")) as catalog:
            problems = catalog.damage(whole=True)
            with catalog.reading() as state:
                problems += state.problems(whole=True)
            return before, catalog.schema(), problems


def _check_in_home(settings: Settings) -> None:
    """Raises BadConfiguration."""
    if settings.database_url not in (None, Settings(home=settings.home).catalog_url):
        raise BadConfiguration(
            "The catalog is not a file in the home.",
            remedy="Make a backup, and try a copy of the database.",
        )


def _warnings(report: "RestoreReport") -> Sequence[str]:
    told = [
        f"Readers, groups, people and keys are as they were at {report.made_at}: what was taken away"
        " since holds again.",
        "What was removed or erased since is there again, and what was recorded since is not.",
    ]
    if report.valid_again is None:
        told.append("Keys that were revoked since are valid again: clearance keys list.")
    if report.valid_again:
        keys = ", ".join(report.valid_again)
        told.append(f"Keys that are valid again: {keys}; take one back: clearance keys revoke KEY.")
    if not report.has_key:
        told.append("The key that seals the audit record was not in it; a new one is made.")
    told += [f"{name} was not in it." for name in report.missing]
    return told
