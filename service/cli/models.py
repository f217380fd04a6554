"""`clearance models`: which language models there are, and who may use which, effective at the next
request.
"""

import asyncio
from typing import Any

import typer

from indexes import settings as configuration
from indexes.cli.common import (
    Allow,
    Deny,
    Json,
    command_line_actor,
    given_readers,
    open_catalog,
    print_result,
    warn,
)
from indexes.errors import GeneratorError
from indexes.model import Readers

app = typer.Typer(help="Who may use which language model.", no_args_is_help=True)

EVERYBODY = "everybody who may ask"


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """Every model that is served or has a rule, and who may use it."""
    served = _ask_served_names()
    with open_catalog() as catalog:
        rules = catalog.models.list()
    names = dict.fromkeys([*(served or ()), *rules])
    found = [_as_dict(name, rules.get(name), served) for name in names]
    gone = set() if served is None else set(names).difference(served)
    lines = [
        f"{name}  {_describe_readers(rules.get(name))}{'  (not served now)' if name in gone else ''}"
        for name in names
    ]
    print_result(found, lines, as_json)
    if served is None and not as_json:
        typer.echo("No model server answers now; models without a rule are not listed.", err=True)


@app.command("allow")
def allow_model(name: str, allow: Allow = None, deny: Deny = None) -> None:
    """Only these may use the model; to all others it does not exist. Without --allow: nobody."""
    from service.llm.rights import refuse_quotes

    refuse_quotes(name)
    with open_catalog() as catalog:
        readers = given_readers(catalog, allow, deny)
        catalog.models.set(name, readers, by=command_line_actor())
    typer.echo(f"{name}: {_describe_readers(readers)}")
    served = _ask_served_names()
    if served is not None and name not in served:
        warn(f"no model of that name is served now. Served are: {', '.join(served)}")


@app.command("clear")
def clear_rule(name: str) -> None:
    """Take the rule away: everybody who may ask may use the model."""
    with open_catalog() as catalog:
        catalog.models.clear(name, by=command_line_actor())
    typer.echo(f"{name}: {EVERYBODY}")


def _ask_served_names() -> list[str] | None:
    """The names that the configured servers offer now, the default first; None if no server answers."""
    try:
        return asyncio.run(_list_offered_names())
    except GeneratorError:
        return None


async def _list_offered_names() -> list[str] | None:
    from service.llm import open_model

    async with open_model(configuration.load()) as model:
        if model is None:
            return None
        return [each.name for each in await model.offered_models()]


def _as_dict(name: str, readers: Readers | None, served: list[str] | None) -> dict[str, Any]:
    lists = (
        None if readers is None else {"allow": sorted(readers.allow), "deny": sorted(readers.deny)}
    )
    return {"name": name, "served": None if served is None else name in served, "readers": lists}


def _describe_readers(readers: Readers | None) -> str:
    if readers is None:
        return EVERYBODY
    denied = [f"not {name}" for name in sorted(readers.deny)]
    return ", ".join([*sorted(readers.allow), *denied]) if readers.allow else "nobody"
