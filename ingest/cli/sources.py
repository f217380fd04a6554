"""`clearance sources` and `clearance documents`: what an operator sees and decides.

No text of a document is shown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from indexes import settings as configuration
from indexes.catalog import Catalog
from indexes.catalog.listing import ListedDocument
from indexes.catalog.sources import NamedSource
from indexes.cli.common import (
    Allow,
    Deny,
    Json,
    command_line_actor,
    given_readers,
    open_catalog,
    print_result,
)
from indexes.cli.terminal import printable
from indexes.errors import BadInput
from indexes.losses import describe_loss, name_losses
from ingest.lock import ingest_lock

sources = typer.Typer(help="Folders whose documents are known under a name.", no_args_is_help=True)
documents = typer.Typer(help="What is stored, and what could not be.", no_args_is_help=True)


@contextmanager
def open_catalog_alone() -> Iterator[Catalog]:
    """The configured catalog while no ingest runs, since one would bring back what is removed."""
    settings = configuration.load()
    with open_catalog(settings) as catalog, ingest_lock(settings.home):
        yield catalog


@sources.command("add")
def add(
    name: str,
    folder: Path,
    allow: Allow = None,
    deny: Deny = None,
    as_json: Json = False,
) -> None:
    """Give a folder a name, and a rule for what no nearer rule names.

    Its documents come in with: clearance ingest FOLDER
    """
    with open_catalog_alone() as catalog:
        readers = given_readers(catalog, allow, deny)
        source = catalog.sources.add(name, _folder(folder), readers, by=command_line_actor())
        print_result(_source(source, catalog), [_line(_source(source, catalog))], as_json)


@sources.command("list")
def list_sources(as_json: Json = False) -> None:
    """Every source, where it was seen last, whether it is there now, and how many documents it has."""
    with open_catalog() as catalog:
        counts = catalog.sources.counts()
        found = [_source(source, catalog, counts) for source in catalog.sources.list()]
    print_result(found, [_line(source) for source in found], as_json)


@sources.command("show")
def show_source(name: str, as_json: Json = False) -> None:
    """One source, with its rule."""
    with open_catalog() as catalog:
        found = _source(catalog.sources.get(name), catalog)
    lists = {key: ", ".join(value) for key, value in found.items() if isinstance(value, list)}
    lines = [f"{key}: {value}" for key, value in {**found, **lists}.items()]
    print_result(found, lines, as_json)


@sources.command("rule")
def set_rule(name: str, allow: Allow = None, deny: Deny = None, as_json: Json = False) -> None:
    """Another rule in place of the source's own.

    Denies hold at once, the rest from the next ingest on.
    """
    with open_catalog_alone() as catalog:
        readers = given_readers(catalog, allow, deny)
        narrowed = catalog.sources.set_rule(name, readers, by=command_line_actor())
        found = _source(catalog.sources.get(name), catalog)
    told = [
        _line(found),
        f"{narrowed} documents have new denies. For the rest: clearance ingest {found['root']}",
    ]
    print_result({**found, "narrowed": narrowed}, told, as_json)


@sources.command("rename")
def rename(name: str, to: str) -> None:
    """Another name. Documents, their ids and the paths that readers see stay as they are."""
    with open_catalog() as catalog:
        catalog.sources.rename(name, to, by=command_line_actor())


@sources.command("move")
def move(name: str, folder: Path) -> None:
    """The same documents are in another folder now. Nothing is read again that did not change."""
    with open_catalog_alone() as catalog:
        catalog.sources.move(name, _folder(folder), by=command_line_actor())


@sources.command("remove")
def remove_source(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """The source and all its documents, at once. Its files stay."""
    with open_catalog_alone() as catalog:
        count = catalog.sources.counts().get(catalog.sources.get(name).id, 0)
        if count and not yes:
            typer.confirm(f"{count} documents of {name} are removed. Go on?", abort=True)
        removed = catalog.sources.remove(name, by=command_line_actor())
    print_result({"removed": removed}, [f"{removed} documents removed."], as_json)


@documents.command("list")
def list_documents(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    path: Annotated[str, typer.Option(help="Only where the path begins so.")] = "",
    state: Annotated[
        str | None, typer.Option(help="stored, stale, failed, refused or gone.")
    ] = None,
    reader: Annotated[
        str | None, typer.Option(metavar="PRINCIPAL", help="Only where a rule allows it by name.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Documents by path, with their readers and the last error of each."""
    with open_catalog() as catalog:
        name = catalog.sources.get(source).name if source else None
        found = catalog.listing.documents(
            source=name, path_prefix=path, state=state, reader=reader, limit=limit, offset=offset  # type: ignore[arg-type]
        )  # fmt: skip
    lines = [_document_line(one) for one in found]
    print_result([asdict(one) for one in found], lines, as_json)


@documents.command("show")
def show_document(document_id: str, as_json: Json = False) -> None:
    """One document by its id."""
    with open_catalog() as catalog:
        found = catalog.listing.get(document_id)
    plain = {key: value for key, value in asdict(found).items() if key != "losses"}
    lines = [printable(f"{key}: {value}") for key, value in plain.items()]
    lines += [printable(f"lacks: {describe_loss(loss)}") for loss in found.losses]
    print_result(asdict(found), lines, as_json)


@documents.command("remove")
def remove_documents(document_ids: Annotated[list[str], typer.Argument(metavar="ID…")]) -> None:
    """Documents by their ids. A file that is still there comes back with the next ingest."""
    with open_catalog_alone() as catalog:
        catalog.listing.remove(document_ids, by=command_line_actor())


def _folder(folder: Path) -> Path:
    """Where it is, links resolved. Raises BadInput."""
    from ingest.tree import Tree

    try:
        return Tree.open(folder).place
    except OSError as error:
        raise BadInput(
            f"{folder} is no folder that can be opened.", remedy="Name a folder that exists."
        ) from error


def _source(
    source: NamedSource, catalog: Catalog, counts: dict[int, int] | None = None
) -> dict[str, Any]:
    counts = catalog.sources.counts() if counts is None else counts
    return {
        "name": source.name,
        "root": str(source.root),
        "there": source.root.is_dir(),
        "shown_as": source.shown,
        "single_files": source.loose,
        "documents": counts.get(source.id, 0),
        "allow": sorted(source.readers.allow),
        "deny": sorted(source.readers.deny),
    }


def _line(source: dict[str, Any]) -> str:
    missing = "" if source["there"] else "  (not there)"
    return printable(
        f"{source['name']}  {source['root']}{missing}  {source['documents']} documents"
    )


def _document_line(one: ListedDocument) -> str:
    readers = ", ".join((*one.allow, *(f"not {name}" for name in one.deny))) or "nobody"
    problem = f"  {one.error}" if one.error else ""
    problem += f"  (lacks {name_losses(one.losses)})" if one.losses else ""
    return printable(
        f"{one.id or '-':<20}  {one.state:<8} {one.source or '-'}  {one.path}  [{readers}]{problem}"
    )
