"""`clearance documents`: what is stored, for whom, and what could not be. No text is shown."""

from dataclasses import asdict
from typing import Annotated

import typer

from indexes.catalog.listing import ListedDocument
from indexes.cli.common import (
    TAKES_IDS,
    Json,
    command_line_actor,
    open_catalog,
    open_catalog_alone,
    print_result,
    remove_originals,
)
from indexes.cli.terminal import printable
from indexes.losses import describe_loss, name_losses

documents = typer.Typer(help="What is stored, and what could not be.", no_args_is_help=True)


@documents.command("list")
def list_documents(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    path: Annotated[str, typer.Option(help="Only those whose path begins so.")] = "",
    state: Annotated[
        str | None, typer.Option(help="stored, stale, failed, refused or gone.")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(metavar="PRINCIPAL", help="Only those that a rule opens to it by name."),
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


@documents.command("show", context_settings=TAKES_IDS)
def show_document(document_id: str, as_json: Json = False) -> None:
    """One document by its id."""
    with open_catalog() as catalog:
        found = catalog.listing.get(document_id)
    plain = {key: value for key, value in asdict(found).items() if key != "losses"}
    lines = [printable(f"{key}: {value}") for key, value in plain.items()]
    lines += [printable(f"lacks: {describe_loss(loss)}") for loss in found.losses]
    print_result(asdict(found), lines, as_json)


@documents.command("remove", context_settings=TAKES_IDS)
def remove_documents(
    document_ids: Annotated[list[str], typer.Argument(metavar="ID…")],
    erase: Annotated[
        bool,
        typer.Option("--erase", help="With all they ever said: answers cannot be shown again."),
    ] = False,
) -> None:
    """Documents by their ids. A file that is still there comes back with the next ingest."""
    with open_catalog_alone() as catalog:
        catalog.listing.remove(document_ids, erase=erase, by=command_line_actor())
        remove_originals(catalog)


def _document_line(one: ListedDocument) -> str:
    readers = ", ".join((*one.allow, *(f"not {name}" for name in one.deny))) or "nobody"
    problem = f"  {one.error}" if one.error else ""
    problem += f"  (lacks {name_losses(one.losses)})" if one.losses else ""
    return printable(
        f"{one.id or '-':<20}  {one.state:<8} {one.source or '-'}  {one.path}  [{readers}]{problem}"
    )
