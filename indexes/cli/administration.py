"""Administration from the command line: users, groups, keys, rebuild."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from indexes import settings as configuration
from indexes.catalog.mentions import Mentions
from indexes.catalog.people import PrincipalInfo
from indexes.cli import audit, home
from indexes.cli.common import Json, command_line_actor, open_catalog, print_result, warn
from indexes.cli.doctor.command import doctor
from indexes.cli.documents import documents
from indexes.cli.generations import generations, rebuild_command
from indexes.cli.jobs import jobs
from indexes.cli.keys import keys
from indexes.errors import BadInput
from indexes.scopes import OF_PEOPLE

if TYPE_CHECKING:
    from indexes.catalog import Catalog
    from indexes.derived.verify import Difference, VerificationReport

app = typer.Typer()
users = typer.Typer(help="People who may ask.", no_args_is_help=True)
groups = typer.Typer(help="Groups of people, and of groups.", no_args_is_help=True)
access = typer.Typer(help="Who may read what, and why.", no_args_is_help=True)
app.add_typer(access, name="access")
app.add_typer(users, name="users")
app.add_typer(groups, name="groups")
app.add_typer(keys, name="keys")
app.add_typer(documents, name="documents")
app.add_typer(jobs, name="jobs")
app.add_typer(audit.app, name="audit")
app.add_typer(generations, name="generations")
app.command("rebuild")(rebuild_command)
app.add_typer(home.app)
app.command("doctor")(doctor)

Lift = Annotated[
    bool, typer.Option("--lift-denies", help="Even if rules deny it: they deny nobody then.")
]


@users.command("add")
def add_user(name: str) -> None:
    """Let a person ask. A new user reads what is public, and what rules name already."""
    with open_catalog() as catalog:
        _warn_of_rules_in_force(name, catalog.people.add_user(name, by=command_line_actor()))


@users.command("rename")
def rename_user(old: str, new: str) -> None:
    """Another name for the same person, with the same keys and rights.

    Rule files may go on saying the old one.
    """
    with open_catalog() as catalog:
        _warn_of_rules_left(new, catalog.people.rename_user(old, new, by=command_line_actor()))


@users.command("disable")
def disable_user(name: str) -> None:
    """Take all access away at once: the keys are refused from the next request on.

    Rules that deny the user stay.
    """
    with open_catalog() as catalog:
        catalog.people.disable_user(name, by=command_line_actor())


@users.command("enable")
def enable_user(name: str) -> None:
    """What held for a disabled user before holds again, keys included."""
    with open_catalog() as catalog:
        catalog.people.enable_user(name, by=command_line_actor())
        valid = [key for key in catalog.keys.list(name) if key.revoked_at is None]
    if valid:
        told = f"{len(valid)} keys of {name} are valid again"
        warn(f"{told}; take one back: clearance keys revoke KEY.")


@users.command("remove")
def remove_user(name: str, lift_denies: Lift = False) -> None:
    """From the next request on, the user's keys are refused.

    A later user of that name is another one.
    """
    with open_catalog() as catalog:
        catalog.people.remove_user(name, lift_denies=lift_denies, by=command_line_actor())


@users.command("forget-name")
def forget_user_name(former: str) -> None:
    """Give a former name free: rule files that say it mean nobody from then on."""
    with open_catalog() as catalog:
        owner = catalog.people.forget_name("user", former, by=command_line_actor())
    typer.echo(f"{former} no longer stands for {owner} in rule files.")


@users.command("hand-over")
def hand_user_over(
    name: str,
    external_id: Annotated[
        str | None, typer.Option(help="The directory's own id for this user.")
    ] = None,
) -> None:
    """Hand a user over to the directory, with all rights: from then on it sees and changes the user."""
    with open_catalog() as catalog:
        typer.echo(catalog.directory.hand_over("user", name, external_id, by=command_line_actor()))


@users.command("take-back")
def take_user_back(name: str) -> None:
    """Take a user back from the directory, as it is: it does not see the user any more."""
    with open_catalog() as catalog:
        catalog.directory.take_back("user", name, by=command_line_actor())


@users.command("list")
def list_users(as_json: Json = False) -> None:
    """Everybody who may ask."""
    with open_catalog() as catalog:
        found = catalog.people.everybody("user")
    lines = [_describe_principal(info) for info in found]
    print_result([asdict(info) for info in found], lines, as_json)
    _warn_of_lookalikes(found)


@users.command("link")
def link_user(
    name: str,
    provider: Annotated[str, typer.Option(help="An identity provider, as the settings call it.")],
    subject: Annotated[str, typer.Option(help="Whom it means, as tokens say in `sub`.")],
) -> None:
    """Say whom an identity provider means by a subject. The user then signs in there."""
    with open_catalog() as catalog:
        issuer = _issuer_of(provider)
        catalog.subjects.link(name, provider, issuer, subject, by=command_line_actor())


@users.command("unlink")
def unlink_user(
    name: str,
    provider: Annotated[str | None, typer.Option(help="Only from this one; default: all.")] = None,
) -> None:
    """No identity provider means this user any more, from the next request on."""
    with open_catalog() as catalog:
        ended = catalog.subjects.unlink(name, provider, by=command_line_actor())
    typer.echo(f"{ended} links of {name} ended.")
    if ended:
        told = f"Denies of groups at the provider do not hold for {name} any more"
        warn(f"{told}, if it comes with a key. To take all access away: clearance users disable.")


@users.command("links")
def list_links(as_json: Json = False) -> None:
    """Whom identity providers mean, those of removed users included: they let nobody in."""
    with open_catalog() as catalog:
        found = catalog.subjects.list()
    lines = [f"{link.user}  {link.provider}  {link.issuer}  {link.subject}" for link in found]
    print_result([asdict(link) for link in found], lines, as_json)


@users.command("scopes")
def scopes_of_user(
    name: str,
    grant: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(sorted(OF_PEOPLE))}.")
    ] = None,
    revoke: Annotated[list[str] | None, typer.Option(help="Take one of them back.")] = None,
    as_json: Json = False,
) -> None:
    """What a person may do who signs in without a key, besides asking. Keys have scopes of their
    own.
    """
    with open_catalog() as catalog:
        for scope in grant or ():
            catalog.subjects.grant(name, scope, by=command_line_actor())
        for scope in revoke or ():
            catalog.subjects.withdraw(name, scope, by=command_line_actor())
        held = catalog.subjects.scopes(name)
    print_result(held, held if held else ["none but to ask"], as_json)


@groups.command("add")
def add_group(
    name: str,
    external: Annotated[
        bool,
        typer.Option(
            "--external",
            help="Tokens of an identity provider say who is in it; named PROVIDER/GROUP.",
        ),
    ] = False,
) -> None:
    """Make a group. Members get what its name is allowed to read."""
    with open_catalog() as catalog:
        _warn_of_rules_in_force(
            name, catalog.people.add_group(name, external=external, by=command_line_actor())
        )


@groups.command("rename")
def rename_group(old: str, new: str, lift_denies: Lift = False) -> None:
    """Another name for the same group. Rule files may go on saying the old one; tokens may not."""
    with open_catalog() as catalog:
        _warn_of_rules_left(
            new,
            catalog.people.rename_group(old, new, lift_denies=lift_denies, by=command_line_actor()),
        )


@groups.command("remove")
def remove_group(name: str, lift_denies: Lift = False) -> None:
    """From the next request on, nobody reads anything through the group."""
    with open_catalog() as catalog:
        catalog.people.remove_group(name, lift_denies=lift_denies, by=command_line_actor())


@groups.command("forget-name")
def forget_group_name(former: str) -> None:
    """Give a former name free: rule files that say it mean nobody from then on."""
    with open_catalog() as catalog:
        owner = catalog.people.forget_name("group", former, by=command_line_actor())
    typer.echo(f"{former} no longer stands for {owner} in rule files.")


@groups.command("hand-over")
def hand_group_over(name: str) -> None:
    """Hand a group over to the directory, with all rights. Its members must be the directory's."""
    with open_catalog() as catalog:
        typer.echo(catalog.directory.hand_over("group", name, by=command_line_actor()))


@groups.command("take-back")
def take_group_back(name: str) -> None:
    """Take a group back from the directory, as it is: it does not see the group any more."""
    with open_catalog() as catalog:
        catalog.directory.take_back("group", name, by=command_line_actor())


@groups.command("join")
def join(group: str, member: str) -> None:
    """Put user:NAME or group:NAME into a group."""
    with open_catalog() as catalog:
        catalog.people.add_member(group, member, by=command_line_actor())


@groups.command("leave")
def leave(group: str, member: str) -> None:
    """Take user:NAME or group:NAME out of a group, effective at the next request."""
    with open_catalog() as catalog:
        denied = catalog.people.remove_member(group, member, by=command_line_actor())
    if denied:
        told = f"{denied} deny {group} or a group that it is in"
        warn(f"{told}; {member} is not denied through it any more.")


@groups.command("list")
def list_groups(as_json: Json = False) -> None:
    """Groups with their direct members."""
    with open_catalog() as catalog:
        members, found = catalog.people.groups(), catalog.people.everybody("group")
    named = [(info, members.get(info.name, ())) for info in found]
    lines = [
        f"{_describe_principal(info)}: {', '.join(those) or '(empty)'}" for info, those in named
    ]
    print_result([asdict(info) | {"members": those} for info, those in named], lines, as_json)
    _warn_of_lookalikes(found)


@access.command("explain")
def explain_access(
    user: str,
    document: Annotated[str, typer.Argument(help="Its id, or its path or address as stored.")],
    group: Annotated[
        list[str] | None, typer.Option(help="A group that the user's token would bring.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Why somebody may or may not read a document: rules, groups and denies that decide, and what
    would change it.
    """
    with open_catalog() as catalog:
        told = catalog.explain(user, document, group or ())
    print_result(asdict(told), list(told.lines()), as_json)


@app.command("verify")
def verify_command(
    quick: Annotated[
        bool, typer.Option(help="Compare documents and counts only, no words or vectors.")
    ] = False,
    public_key: audit.PublicKeys = None,
    as_json: Json = False,
) -> None:
    """Compare the derived indexes, as the service would load them, with the catalog, and look into
    the catalog and the home: damage, strays, the audit record, who else could read it.

    Exit code 1 if something is not as it must be. May run beside the service.
    """
    from indexes.home.checks import check_home, check_permissions

    settings = configuration.load()
    findings = check_permissions(settings.home)
    with open_catalog(settings) as catalog:
        keys = [audit.public_key_of(each) for each in public_key or ()]
        findings += check_home(settings.home, catalog, whole=not quick, public_keys=keys)
        wrong = any(not each.harmless for each in findings)
        told = {"findings": [asdict(each) for each in findings]}
        lines = [str(each) for each in findings]
        damaged = any(each.where == "database" for each in findings)
        if damaged or catalog.generations.active() is None:
            nothing = {"sound": not wrong, "differences": [], **told}
            lines += [] if damaged else ["There is nothing to verify yet."]
            print_result(nothing, lines, as_json)
            found: Sequence[Difference] = ()
        else:
            report, found = _verify_indexes_and_catalog(catalog, whole=not quick)
            wrong = wrong or bool(found)
            differences = [asdict(each) for each in found]
            said = {**asdict(report), "sound": not wrong, "differences": differences, **told}
            if found or not wrong:
                lines += _describe_differences(report, found)
            print_result(said, lines, as_json)
    if wrong:
        raise typer.Exit(1)


def _verify_indexes_and_catalog(
    catalog: "Catalog", *, whole: bool
) -> "tuple[VerificationReport, list[Difference]]":
    """What was compared, and everything that differs."""
    from indexes.derived.checkpoint import IN_HOME
    from indexes.derived.corpus import Corpus
    from indexes.derived.vectors import vector_stores
    from indexes.derived.verify import verify, verify_catalog

    settings = configuration.load()
    corpus = Corpus(catalog, settings.home / IN_HOME, vector_stores(settings))
    with corpus.everything() as (state, derived):
        report = verify(state, derived, whole=whole)
        return report, [*report.differences, *verify_catalog(state, whole=whole)]


def _describe_differences(report: "VerificationReport", found: "Sequence[Difference]") -> list[str]:
    """For people, with what to do about them."""
    compared = f"{report.documents} documents, {report.passages} passages, {report.reader_sets} reader sets"
    lines = [str(each) for each in found] or [f"All is well: {compared}."]
    if any(each.where != "catalog" for each in found):
        lines.append("Run: clearance rebuild. Every running service then builds its indexes anew.")
    if any(each.where == "catalog" for each in found):
        lines.append(
            "Ingest the named documents again, or put back a copy of the catalog from before."
        )
    return lines


def _warn_of_rules_in_force(name: str, named: Mentions) -> None:
    if named:
        warn(f"{named} named {name} already; these rules hold for it from now on.")


def _warn_of_rules_left(new: str, left: Mentions) -> None:
    if left:
        told = f"{left} named {new} before anybody had that name."
        warn(f"{told} They mean nobody until their rules are read again.")


def _issuer_of(provider: str) -> str:
    """Raises BadInput."""
    there = configuration.load().identity_providers
    for each in there:
        if each.name == provider:
            return each.issuer
    names = ", ".join(each.name for each in there) or "none"
    raise BadInput(
        f"No identity provider is called {provider[:40]!a}.",
        remedy=f"In CLEARANCE_IDENTITY_PROVIDERS there are: {names}.",
    )


def _describe_principal(info: PrincipalInfo) -> str:
    told = ["disabled"] if info.state == "disabled" else []
    told += ["external"] if info.external else []
    told += ["kept by the directory"] if info.kept_by_directory else []
    told += [f"formerly {', '.join(info.former_names)}"] if info.former_names else []
    return f"{info.name}  ({'; '.join(told)})" if told else info.name


def _warn_of_lookalikes(found: Iterable[PrincipalInfo]) -> None:
    for info in found:
        if info.taken_for:
            others = ", ".join(map(ascii, info.taken_for))
            warn(f"{info.name!a} could be taken for {others}. Rename one of them.")
