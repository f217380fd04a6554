"""`clearance models`: which language models there are, and who may use which, effective at the next request."""

import asyncio
import json
from contextlib import aclosing
from typing import Annotated, Any

import typer

from indexes import settings as configuration
from indexes.cli.administration import Json, checked_rule, opened
from indexes.errors import GeneratorError
from indexes.model import Readers

app = typer.Typer(help="Who may use which language model.", no_args_is_help=True)

Allow = Annotated[list[str] | None, typer.Option(help="Who may use it: user:NAME, group:NAME, public.")]
Deny = Annotated[list[str] | None, typer.Option(help="Who may not, whatever else allows them.")]
EVERYBODY = "everybody who may ask"


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """Every model that is served or has a rule, and who may use it."""
    served = _served()
    with opened() as catalog:
        rules = catalog.models.list()
    names = dict.fromkeys([*(served or ()), *rules])
    found = [_entry(name, rules.get(name), served) for name in names]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for entry in found:
        typer.echo(f"{entry['name']}  {_who(rules.get(entry['name']))}{_now(entry['served'])}")
    if served is None:
        typer.echo("No model server answers now; models without a rule are not listed.", err=True)


@app.command("allow")
def allow(name: str, allow: Allow = None, deny: Deny = None) -> None:
    """Only these may use the model; to all others it does not exist. Without --allow: nobody."""
    from service.llm.rights import refuse_quotes

    refuse_quotes(name)
    readers = Readers(allow=frozenset(allow or ()), deny=frozenset(deny or ()))
    with opened() as catalog:
        checked_rule(catalog, readers)
        catalog.models.set(name, readers)
    typer.echo(f"{name}: {_who(readers)}")
    served = _served()
    if served is not None and name not in served:
        typer.echo(f"warning: no model of that name is served now. Served are: {', '.join(served)}", err=True)


@app.command("clear")
def clear(name: str) -> None:
    """Take the rule away: everybody who may ask may use the model."""
    with opened() as catalog:
        catalog.models.clear(name)
    typer.echo(f"{name}: {EVERYBODY}")


def _served() -> list[str] | None:
    """The names that the configured servers offer now, the default first; None: no server answers."""
    from service.llm.vllm import VllmModel

    settings = configuration.load()
    if settings.llm_url is None:
        return None

    async def asked() -> list[str]:
        async with aclosing(VllmModel(settings)) as model:
            return [each.name for each in await model.offered()]

    try:
        return asyncio.run(asked())
    except GeneratorError:
        return None


def _entry(name: str, readers: Readers | None, served: list[str] | None) -> dict[str, Any]:
    lists = None if readers is None else {"allow": sorted(readers.allow), "deny": sorted(readers.deny)}
    return {"name": name, "served": None if served is None else name in served, "readers": lists}


def _who(readers: Readers | None) -> str:
    if readers is None:
        return EVERYBODY
    denied = [f"not {name}" for name in sorted(readers.deny)]
    return ", ".join([*sorted(readers.allow), *denied]) if readers.allow else "nobody"


def _now(served: bool | None) -> str:
    return "  (not served now)" if served is False else ""
