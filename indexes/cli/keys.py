"""API keys from the command line."""

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from indexes.catalog.keys import KeyInfo
from indexes.cli.common import Json, command_line_actor, open_catalog, print_result
from indexes.errors import BadInput
from indexes.scopes import ASK, SCOPES

keys = typer.Typer(help="API keys.", no_args_is_help=True)

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@keys.command("issue")
def issue(
    user: str,
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(sorted(SCOPES))}; default: {ASK}. May be repeated."),
    ] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Expires after so many; default: never.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key for a user. It is shown now and never again. No scope gives a right to read."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with open_catalog() as catalog:
        key = catalog.keys.issue(
            user, scopes=scope or [ASK], label=label, expires_at=expires_at, by=command_line_actor()
        )
    print_result(asdict(key), [key.secret], as_json)


@keys.command("rotate")
def rotate(
    key_id: str,
    overlap: Annotated[
        str, typer.Option(help="How long the old one still holds, such as 7d, 12h, 30m or 0s.")
    ] = "7d",
    as_json: Json = False,
) -> None:
    """Make a key that takes the place of another: the same user, label and scopes."""
    with open_catalog() as catalog:
        key = catalog.keys.rotate(key_id, overlap=_duration(overlap), by=command_line_actor())
    print_result(asdict(key), [key.secret], as_json)


@keys.command("revoke")
def revoke(key_id: str) -> None:
    """From the next request on the key is refused."""
    with open_catalog() as catalog:
        catalog.keys.revoke(key_id, by=command_line_actor())


@keys.command("list")
def list_keys(user: str | None = None, as_json: Json = False) -> None:
    """Keys without their secrets: for whom, what they may do, until when, and when last used."""
    with open_catalog() as catalog:
        found = catalog.keys.list(user)
    now = datetime.now(UTC)
    print_result([asdict(key) for key in found], [_describe(key, now) for key in found], as_json)


def _describe(key: KeyInfo, now: datetime) -> str:
    told = [key.id, key.user, key.state(now), ",".join(key.scopes)]
    told += [f"until {key.expires_at:%Y-%m-%d %H:%M}"] if key.expires_at else []
    told += [f"used {key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "not used yet"]
    told += [f"replaced by {key.replaced_by}"] if key.replaced_by else []
    return "  ".join([*told, key.label]).rstrip()


def _duration(given: str) -> timedelta:
    """Raises BadInput."""
    match = _DURATION.fullmatch(given)
    if match is None:
        raise BadInput(f"{given[:40]!a} is no duration.", remedy="Write 7d, 12h, 30m or 0s.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
