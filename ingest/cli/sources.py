"""`clearance sources`: folders that are known by a name, and their rules."""

from pathlib import Path
from typing import Annotated, Any

import typer

from indexes.catalog import Catalog
from indexes.catalog.sources import NamedSource
from indexes.cli.common import (
    Allow,
    Deny,
    Json,
    command_line_actor,
    given_readers,
    open_catalog,
    open_catalog_alone,
    print_result,
    remove_originals,
)
from indexes.cli.terminal import printable
from indexes.errors import BadInput

sources = typer.Typer(help="Folders whose documents are known under a name.", no_args_is_help=True)


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


@sources.command("writers")
def set_writers(name: str, allow: Allow = None, deny: Deny = None, as_json: Json = False) -> None:
    """Say who may upload, replace and delete there over HTTP, from the next request on.

    Without --allow: nobody. Their keys need the scope `ingest`, too. What they upload is for those
    whom the source's rule allows, or for fewer.
    """
    with open_catalog() as catalog:
        writers = given_readers(catalog, allow, deny)
        catalog.sources.set_writers(name, writers, by=command_line_actor())
        found = _source(catalog.sources.get(name), catalog)
    told = [f"{_line(found)}  writers: {', '.join(found['writers']) or 'nobody'}"]
    print_result(found, told, as_json)


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
        remove_originals(catalog)
    print_result({"removed": removed}, [f"{removed} documents removed."], as_json)


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
        "writers": sorted(source.writers.allow),
        "writers_deny": sorted(source.writers.deny),
    }


def _line(source: dict[str, Any]) -> str:
    missing = "" if source["there"] else "  (not there)"
    return printable(
        f"{source['name']}  {source['root']}{missing}  {source['documents']} documents"
    )
