"""`clearance rebuild` and `clearance generations`: other vectors for the same documents."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexes import settings as configuration
from indexes.catalog.generations import GenerationFacts
from indexes.cli.common import Json, command_line_actor, open_catalog, print_result
from indexes.cli.terminal import INTERRUPTED, graceful, printable, show_progress
from indexes.job_kinds import REBUILD, RebuildRequest
from indexes.settings import Settings

if TYPE_CHECKING:
    from indexes.catalog import Catalog
    from indexes.embedder import LoadEmbedder

generations = typer.Typer(
    help="Builds of the vectors, one for each embedding model.", no_args_is_help=True
)

_NEXT = {
    "waiting": "a running service takes it up",
    "abandoned": "nobody builds it; go on: clearance rebuild --model {model}; or drop it",
}


def rebuild_command(
    model: Annotated[
        str | None, typer.Option(help="Re-embed with this model, then switch to it.")
    ] = None,
    least_overlap: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Of the best hits, the share that must stay; default: the setting."
        ),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Switch, however much less the new vectors find.")
    ] = False,
) -> None:
    """Build the derived indexes anew from the catalog. Questions go on being answered meanwhile."""
    from indexes.derived.rebuild import rebuild
    from indexes.embedder import embedder_loader

    settings = configuration.load()
    load = embedder_loader(settings)
    with open_catalog(settings) as catalog:
        if model is None:
            rebuild(catalog, None, load, by=command_line_actor())
            typer.echo("Every running service builds its indexes anew; the next start does too.")
            return
        request = RebuildRequest(model=model, least_overlap=least_overlap, anyway=anyway)
        _build_here(catalog, request, load, settings, "Embedding")


@generations.command("list")
def list_generations(as_json: Json = False) -> None:
    """Every build of the vectors: its model, its state, how complete it is, what it takes."""
    with open_catalog() as catalog:
        found = catalog.generations.facts()
    facts = [{**asdict(each), "complete": each.complete} for each in found]
    lines = [_line(each) for each in found] or ["There is no generation yet."]
    print_result(facts, lines, as_json)


@generations.command("cancel")
def cancel_generation(number: int, as_json: Json = False) -> None:
    """Let the building of a generation end. What it has stays until it is dropped."""
    with open_catalog() as catalog:
        generation = catalog.generations.find(number)
        job = catalog.generations.cancel(generation, by=command_line_actor())
    told = [f"The job {job} ends. To free what it has made: clearance generations drop {number}"]
    print_result({"generation": number, "job": job}, told, as_json)


@generations.command("rollback")
def roll_back_generation(as_json: Json = False) -> None:
    """Search again with the generation that was searched before, if it has all that was written
    since.
    """
    from indexes.derived.rebuild import find_rollback
    from indexes.embedder import embedder_loader

    settings = configuration.load()
    load = embedder_loader(settings)
    with open_catalog(settings) as catalog:
        former = find_rollback(catalog, load)
        request = RebuildRequest(model=former.model, fingerprint=former.fingerprint, anyway=True)
        _build_here(catalog, request, load, settings, "Switching", as_json=as_json)


@generations.command("drop")
def drop_generation(number: int, as_json: Json = False) -> None:
    """Forget a generation, and free its vectors. The one that is searched cannot be dropped."""
    with open_catalog() as catalog:
        generation = catalog.generations.find(number)
        catalog.generations.drop(generation, by=command_line_actor())
    told = printable(f"Generation {number} ({generation.model}) and its vectors are gone.")
    print_result({"generation": number, "model": generation.model}, [told], as_json)


def _build_here(
    catalog: "Catalog",
    request: RebuildRequest,
    load: "LoadEmbedder",
    settings: Settings,
    doing: str,
    *,
    as_json: bool = False,
) -> None:
    """Does the rebuild as a job of this process; another one takes it up if this one ends."""
    from indexes.derived.rebuild import perform_rebuild
    from indexes.jobs import Attempt, do_here

    results: list[Mapping[str, Any]] = []

    def handle(attempt: Attempt) -> Mapping[str, Any]:
        def show(done: int, total: int) -> None:
            shown.update(done, total)
            attempt.report(done, total)

        result = perform_rebuild(
            catalog,
            request,
            load,
            show,
            by=command_line_actor(),
            job=attempt.job_id,
            least_overlap=settings.rebuild_least_overlap,
        )
        results.append(result)
        return result

    try:
        with graceful(), show_progress(sys.stderr, doing) as shown:
            do_here(catalog.jobs, REBUILD, request.payload(), handle, by=command_line_actor())
    except KeyboardInterrupt:
        told = (
            "Interrupted. What is embedded is kept; a running service goes on with it, or the same"
        )
        typer.echo(f"{told} command. To end it: clearance generations cancel", err=True)
        raise typer.Exit(INTERRUPTED) from None
    (result,) = results
    model = result["model"]
    lines = [*result.get("lines", ()), f"Searches now use {model}."]
    lines += [f"Set CLEARANCE_EMBEDDING_MODEL={model} for restarts."]
    print_result(result, [printable(line) for line in lines], as_json)


def _line(each: GenerationFacts) -> str:
    made = f"{each.created_at:%Y-%m-%d %H:%M}"
    size = f"{each.vectors:,} vectors, {each.bytes / 1e6:,.1f} MB"
    share = "complete" if each.complete else f"{each.documents} of {each.of_documents} documents"
    following = _NEXT.get(each.standing, "").format(model=each.model)
    told = f"{each.id:>4}  {each.standing:<9}  {each.model}  made {made}  {size}  {share}"
    return printable(f"{told}  ({following})" if following else told)
