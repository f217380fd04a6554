"""`clearance templates`: what the model is told; saved as versions, activated and rolled back
without a restart.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexes.catalog.template_choice import BY_NAME, TemplateText
from indexes.catalog.templates import Activation, split_label
from indexes.cli.common import (
    Allow,
    Deny,
    Json,
    command_line_actor,
    given_readers,
    open_catalog,
    print_result,
)
from indexes.errors import BadInput
from indexes.model import Readers

if TYPE_CHECKING:
    from service.templates.template import Template

app = typer.Typer(help="What the model is told.", no_args_is_help=True)

Audience = Annotated[
    str,
    typer.Option("--for", help="user:NAME, group:NAME, default, or name: who asks for it by name."),
]


@app.command("list")
def list_templates(as_json: Json = False) -> None:
    """Every template with its readers, and what is active for whom."""
    from service.templates.template import BUILT_IN

    with open_catalog() as catalog:
        infos, active = catalog.templates.list(), catalog.templates.activations()
    built_in = [template.label for template in BUILT_IN]
    shown = [
        f"{i.name}  {i.style}  {i.language}  {i.versions} versions  {_describe_readers(i.readers)}"
        for i in infos
    ]
    shown += [f"active for {_describe_activation(each)}" for each in active] + [
        f"{label}  built in" for label in built_in
    ]
    found = {
        "templates": [
            asdict(info) | {"readers": _readers_as_lists(info.readers)} for info in infos
        ],
        "active": [asdict(each) for each in active],
        "built_in": built_in,
    }
    print_result(found, shown, as_json)


@app.command("show")
def show_template(name: str) -> None:
    """A template as a file that can be changed and saved again.

    NAME: the newest version; NAME@VERSION: that one.
    """
    from service.templates.drafts import format_as_yaml
    from service.templates.template import BUILT_IN

    plain, version = split_label(name) if "@" in name else (name, None)
    for built_in in BUILT_IN:
        if built_in.name == plain and version in (None, built_in.version):
            typer.echo(_format_built_in(built_in))
            return
    with open_catalog() as catalog:
        versions, active = catalog.templates.versions(plain), catalog.templates.activations(plain)
    found = next((each for each in reversed(versions) if version in (None, each.version)), None)
    if found is None:
        raise BadInput(f"{plain} has versions 1 to {len(versions)}.")
    about = [f"{found.label}, saved {found.saved_at:%Y-%m-%d %H:%M} by {found.saved_by}"]
    about += [f"active for {_describe_activation(each)}" for each in active]
    typer.echo(format_as_yaml(found.style, found.language, found.text, "\n# ".join(about)))


def _format_built_in(template: "Template") -> str:
    """As a file that can be changed and saved."""
    from service.templates.drafts import format_as_yaml

    text = TemplateText(
        variables=_find_variables(template.system, template.user),
        system=template.system,
        user=template.user,
        no_answer=template.no_answer,
        stop=template.stop,
    )
    about = f"{template.label}, built in"
    return format_as_yaml(template.style, template.language, text, about)


@app.command("save")
def save_template(
    file: Path,
    name: Annotated[str | None, typer.Option(help="Default: the file's name.")] = None,
    style: Annotated[
        str | None, typer.Option(help="chat or completion; default: as in the file.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="en or zh; default: as in the file.")] = None,
    allow: Allow = None,
    deny: Deny = None,
) -> None:
    """Check a template and save it as a new version. Nobody gets it before it is activated."""
    from service.templates.drafts import read_draft, refuse_built_in_name

    draft = read_draft(file, style=style, language=language)
    plain = name or file.stem
    refuse_built_in_name(plain)
    with open_catalog() as catalog:
        readers = given_readers(catalog, allow, deny) if allow or deny else None
        saved = catalog.templates.save(
            plain, draft.style, draft.language, draft.build_text(), readers, by=command_line_actor()
        )
    typer.echo(
        f"{saved.label} is saved. Use it: clearance templates activate {saved.label} --for default"
    )


@app.command("readers")
def set_readers(name: str, allow: Allow = None, deny: Deny = None) -> None:
    """Change who may use a template, effective at the next request. Without --allow: nobody."""
    with open_catalog() as catalog:
        to = given_readers(catalog, allow, deny)
        catalog.templates.relabel(name, to, by=command_line_actor())


@app.command("activate")
def activate_version(
    version: Annotated[str, typer.Argument(metavar="NAME@VERSION")],
    audience: Audience = BY_NAME,
    candidate: Annotated[str | None, typer.Option(help="NAME@VERSION for a share of them.")] = None,
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Which part of the users gets the candidate.")
    ] = 0.0,
) -> None:
    """From the next request on, in every process, these people get this version."""
    name, number = split_label(version)
    with open_catalog() as catalog:
        catalog.templates.activate(
            name,
            number,
            audience=audience,
            candidate=candidate,
            share=share,
            by=command_line_actor(),
        )


@app.command("rollback")
def roll_back(name: str, audience: Audience = BY_NAME) -> None:
    """What was active before holds again, from the next request on."""
    with open_catalog() as catalog:
        before = catalog.templates.rollback(name, audience=audience, by=command_line_actor())
    typer.echo(
        f"Active again for {_describe_activation(before)}"
        if before
        else "What comes built in holds again."
    )


def _find_variables(system: str, user: str) -> tuple[str, ...]:
    from service.templates.language import VARIABLES, check_part

    return tuple(
        sorted(check_part("user", user, VARIABLES) | check_part("system", system, VARIABLES))
    )


def _describe_activation(each: Activation) -> str:
    tried = f", {each.share:.0%} get {each.candidate}" if each.candidate else ""
    who = "whoever asks for it by name" if each.audience == BY_NAME else each.audience
    return (
        f"{who}: {each.version}{tried} (by {each.activated_by}, {each.activated_at:%Y-%m-%d %H:%M})"
    )


def _describe_readers(readers: Readers) -> str:
    denied = [f"not {name}" for name in sorted(readers.deny)]
    return ", ".join([*sorted(readers.allow), *denied]) or "(nobody)"


def _readers_as_lists(readers: Readers) -> dict[str, list[str]]:
    return {"allow": sorted(readers.allow), "deny": sorted(readers.deny)}
