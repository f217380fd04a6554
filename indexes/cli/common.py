"""What all commands share: options, the opened catalog, and how results, warnings and errors are
told.
"""

import json
import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Annotated, Any

import typer

from indexes import settings as configuration
from indexes.catalog import Catalog
from indexes.cli.terminal import printable
from indexes.errors import BadInput, ClearanceError
from indexes.ingest_lock import ingest_lock
from indexes.model import Actor, Readers
from indexes.originals import OriginalFolder
from indexes.principals import check_rule
from indexes.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="PRINCIPAL", help="Who may: user:NAME, group:NAME or public."),
]
Deny = Annotated[
    list[str] | None,
    typer.Option("--deny", metavar="PRINCIPAL", help="Who may not, whatever allows them."),
]

TAKES_IDS = {"ignore_unknown_options": True}
"""Settings of a command that takes ids: one of 64 begins with a hyphen, and is no option."""


@contextmanager
def open_catalog(settings: Settings | None = None) -> Iterator[Catalog]:
    """The catalog of these settings, closed at the end. If None, the settings are loaded."""
    with closing(Catalog.open((settings or configuration.load()).catalog_url)) as catalog:
        yield catalog


@contextmanager
def open_catalog_alone() -> Iterator[Catalog]:
    """The configured catalog while no ingest runs, since one would bring back what is removed."""
    settings = configuration.load()
    with open_catalog(settings) as catalog, ingest_lock(settings.home):
        yield catalog


def remove_originals(catalog: Catalog) -> None:
    """Removes the files of documents that this command has removed. It holds the catalog alone.

    Raises CorpusError.
    """
    folder = OriginalFolder(configuration.load().home)
    folder.clean_up(catalog.originals, command_line_actor())


def given_readers(
    catalog: Catalog, allow: Sequence[str] | None, deny: Sequence[str] | None
) -> Readers:
    """The rule of `--allow` and `--deny`. Warns of names in it that nobody has declared.

    Raises BadPrincipal, and UnknownPrincipal if such a name is denied or the settings accept none.
    """
    readers = check_rule(allow or (), deny or ())
    refuse = configuration.load().unknown_principals == "refuse"
    for unknown in catalog.people.check_rule(readers, refuse=refuse):
        warn(f"{unknown} It means nobody until then.")
    return readers


def command_line_actor() -> Actor:
    """Who runs this command: `cli:` with the user of this process, by number if without a name."""
    number = os.getuid()
    with suppress(KeyError, ValueError):
        return Actor(f"cli:{pwd.getpwuid(number).pw_name}")
    return Actor(f"cli:{number}")


def print_result(value: Any, lines: Sequence[str], as_json: bool) -> None:
    """The value as JSON for programs, or the lines for people."""
    typer.echo(json.dumps(value, default=str, ensure_ascii=False) if as_json else "\n".join(lines))


def warn(text: str) -> None:
    """Tells people on stderr of something that did not stop the command."""
    typer.echo(printable(f"warning: {text}"), err=True)


def print_error(error: ClearanceError) -> None:
    """Tells people on stderr what went wrong, and below it what to do about it."""
    typer.echo(printable(f"error: {error}"), err=True)
    if error.remedy:
        typer.echo(printable(f"       {error.remedy}"), err=True)


def exit_code(error: ClearanceError) -> int:
    """2 for wrong use, 1 for everything else."""
    return 2 if isinstance(error, BadInput) else 1


@contextmanager
def exit_on_error(*, as_json: bool = False) -> Iterator[None]:
    """An error in the block is printed, for programs too if as_json, and ends the command with its
    exit code.
    """
    try:
        yield
    except ClearanceError as error:
        if as_json:
            reason = {"reason": str(error), "remedy": error.remedy}
            typer.echo(json.dumps({"succeeded": False, "error": reason}))
        print_error(error)
        raise typer.Exit(exit_code(error)) from error
