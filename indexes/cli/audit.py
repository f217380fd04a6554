"""`clearance audit`: whether the record is whole, the record for other tools, and its end."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexes import settings as configuration
from indexes.cli.common import Json, command_line_actor, open_catalog, print_result
from indexes.cli.terminal import printable
from indexes.errors import BadInput
from indexes.version import installed_version

if TYPE_CHECKING:
    from indexes.catalog.audit.chain import Head
    from indexes.catalog.audit.verify import ChainReport

app = typer.Typer(help="Who asked and changed what.", no_args_is_help=True)

Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")
]

PublicKeys = Annotated[
    list[str] | None,
    typer.Option("--public-key", metavar="HEX", help="Of another home that seals, too."),
]


@app.command("verify")
def verify(
    against: Annotated[
        Path | None, typer.Option(help="Heads that were written before: nothing since is missing.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="Write the heads of all chains there, to keep elsewhere.")
    ] = None,
    public_key: PublicKeys = None,
    as_json: Json = False,
) -> None:
    """Whether nothing was changed, left out or cut off. Ends with 1 if anything was."""
    from indexes.catalog.audit.books import heads_as_json
    from indexes.catalog.audit.seals import load_key

    settings = configuration.load()
    known = _read_heads(against) if against else {}
    with open_catalog(settings) as catalog, closing(catalog.open_trail()) as trail:
        own = load_key(settings.home)
        books = catalog.books(trail)
        trusted = [own.public, *map(public_key_of, public_key or ())]
        reports = books.verify(trusted, known)
    if heads is not None:
        heads.write_text(json.dumps(heads_as_json(reports), indent=1) + "\n", encoding="utf-8")
    lines = [line for report in reports for line in _describe(report)]
    print_result([_as_json(report) for report in reports], lines, as_json)
    if any(report.problems for report in reports):
        raise typer.Exit(1)


@app.command("export")
def export(since: Since = None) -> None:
    """Every record as an OCSF event, one JSON object a line, the oldest of each chain first."""
    from indexes.catalog.audit.ocsf import events_of

    version = installed_version()
    with open_catalog() as catalog, closing(catalog.open_trail()) as trail:
        for record in catalog.books(trail).records(since and since.replace(tzinfo=UTC)):
            for event in events_of(record.body, record.place, version):
                line = json.dumps(event, ensure_ascii=False)
                typer.echo(line.encode("utf-8", "backslashreplace").decode())


@app.command("prune")
def prune(
    before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Default: CLEARANCE_AUDIT_DAYS ago."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove what is older, and what documents said before they were changed then.

    A signature stays for what was removed, so that the record still verifies.
    """
    from indexes.catalog.audit.seals import load_key

    settings = configuration.load()
    until = _end_of_keeping(before, settings.audit_days)
    with open_catalog(settings) as catalog, closing(catalog.open_trail()) as trail:
        key = load_key(settings.home)
        pruned = catalog.books(trail).prune(until, key, by=command_line_actor())
    told = f"Removed {pruned.records} records, {pruned.revisions} revisions of documents and"
    told += f" {pruned.opinions} opinions on answers"
    print_result(asdict(pruned), [f"{told} from before {until:%Y-%m-%d}."], as_json)


@app.command("key")
def show_key() -> None:
    """The public key that vouches for seals of this home, for whoever verifies elsewhere."""
    from indexes.catalog.audit.seals import load_key

    typer.echo(load_key(configuration.load().home).public.hex())


def _end_of_keeping(before: datetime | None, days: int) -> datetime:
    """Raises BadInput."""
    now = datetime.now(UTC)
    if before is None and days == 0:
        raise BadInput(
            "CLEARANCE_AUDIT_DAYS is 0: everything is kept.", remedy="Name a day with --before."
        )
    until = now - timedelta(days=days) if before is None else before.replace(tzinfo=UTC)
    if until > now:
        raise BadInput(f"{until:%Y-%m-%d} has not come yet.", remedy="Name an earlier day.")
    return until


def public_key_of(given: str) -> bytes:
    """Raises BadInput."""
    try:
        read = bytes.fromhex(given)
    except ValueError:
        read = b""
    if len(read) != 32:
        raise BadInput(
            f"{given[:80]!a} is no public key.", remedy="`clearance audit key` prints it."
        )
    return read


def _read_heads(place: Path) -> "Mapping[tuple[str, int], Head]":
    """Raises BadInput."""
    from indexes.catalog.audit.books import heads_of

    try:
        return heads_of(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{place} holds no heads.", remedy="Write them with `clearance audit verify --heads`."
        ) from error


def _describe(report: "ChainReport") -> Sequence[str]:
    pruned = f", {report.pruned} pruned before" if report.pruned else ""
    head = f"{report.book} {report.chain} ({report.name or 'not there'})"
    state = "whole" if not report.problems else "NOT WHOLE"
    lines = [f"{head}: {state}, {report.records} records{pruned}, {report.seals} seals"]
    return [printable(line) for line in (*lines, *(f"  {each}" for each in report.problems))]


def _as_json(report: "ChainReport") -> dict[str, Any]:
    told = asdict(report)
    return told | {"head": {"number": report.head.number, "hash": report.head.hash.hex()}}
