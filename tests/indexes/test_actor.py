"""Who acts is a name in one of three forms, and no change of a catalog is made without one."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from indexes.catalog import Catalog
from indexes.catalog.database import actor_of
from indexes.catalog.schema import principals
from indexes.cli.administration import app
from indexes.cli.common import command_line_actor
from indexes.derived.rebuild import rebuild
from indexes.model import Actor, Principal
from indexes.testing import HashingEmbedder
from tests.world import TESTER, World
from tests.writes import watched_writes

ROOT = Path(__file__).resolve().parents[2]
EVE = Actor("user:eve")


@pytest.mark.parametrize(
    "name", ["user:ada", "user:王芳", "cli:root", "cli:1000", "system:rebuild"]
)
def test_people_the_command_line_and_the_service_itself_can_act(name: str) -> None:
    assert Actor(name).name == name


@pytest.mark.parametrize(
    "name", ["", "root", "user:", "cli: ", "group:hr", "public", "cli:a\nb", "user:" + "x" * 300]
)
def test_what_names_no_actor_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names no actor"):
        Actor(name)


def test_a_caller_acts_under_its_own_name_and_a_command_under_that_of_its_process() -> None:
    assert Actor.of(Principal(name="user:ada")) == Actor("user:ada")
    assert command_line_actor().name.startswith("cli:")


# --- the rule -----------------------------------------------------------------------------------


def writing_methods(part: type) -> Iterator[tuple[str, inspect.Signature]]:
    """The public methods that begin a transaction that writes, themselves or through another."""
    bodies = {
        name: inspect.getsource(method)
        for name, method in inspect.getmembers(part, inspect.isfunction)
    }
    writing = {name for name, body in bodies.items() if ".writing(" in body}
    while more := {
        name
        for name, body in bodies.items()
        if name not in writing and writing & set(re.findall(r"self\.(\w+)\(", body))
    }:
        writing |= more
    for name in sorted(writing):
        if not name.startswith("_"):
            yield f"{part.__name__}.{name}", inspect.signature(getattr(part, name))


def test_every_method_that_writes_takes_who_acts(world: World) -> None:
    parts = {type(part) for part in vars(world.catalog).values()} - {type(world.catalog._database)}
    found = dict(method for part in parts for method in writing_methods(part))
    assert len(found) > 40
    assert {"Documents.put", "People.add_user", "Keys.issue", "Failures.note_gone"} <= set(found)
    for name, signature in found.items():
        by = signature.parameters.get("by")
        assert by is not None, name
        assert by.kind is by.KEYWORD_ONLY, name
        assert by.annotation is Actor, name


def test_nobody_acts_by_default() -> None:
    for package in ("indexes", "ingest", "service"):
        for file in (ROOT / package).rglob("*.py"):
            optional = re.search(r"\bby: Actor\b[^,)\n]*=", file.read_text(encoding="utf-8"))
            assert optional is None, file


# --- who it is ----------------------------------------------------------------------------------


def test_whoever_acts_is_known_to_everything_in_the_transaction(world: World) -> None:
    database = world.catalog._database
    with database.writing(EVE) as connection:
        assert actor_of(connection) == EVE
    with database.writing(TESTER) as connection:  # the same connection to the database
        assert actor_of(connection) == TESTER
    with database.reading() as connection, pytest.raises(LookupError):
        actor_of(connection)


def test_a_change_in_whose_transaction_nobody_acts_would_be_seen(world: World) -> None:
    with (
        watched_writes(),
        world.catalog._database.reading() as connection,
        pytest.raises(LookupError),
    ):
        connection.execute(update(principals).values(known=0))


def test_a_new_catalog_is_made_by_the_service_itself(tmp_path: Path) -> None:
    with watched_writes() as seen:
        Catalog.open(f"sqlite:///{tmp_path}/catalog.sqlite").close()
    assert seen.pop("installation") == {"system:maintenance"}
    assert set().union(*seen.values()) == {"system:migration"}


def test_what_a_command_changes_is_changed_by_who_runs_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(world.home))
    if world.settings.database_url:
        monkeypatch.setenv("CLEARANCE_DATABASE_URL", world.settings.database_url)
    with watched_writes() as seen:
        for words in (
            "users add eve",
            "users rename eve eva",
            "users forget-name eve",
            "users disable eva",
            "users enable eva",
            "groups add hr",
            "groups join hr user:eva",
            "groups leave hr user:eva",
            "keys issue eva",
            "rebuild",
            "users remove eva",
            "groups remove hr",
        ):
            done = CliRunner().invoke(app, words.split(), catch_exceptions=False)
            assert done.exit_code == 0, words
    assert {"principals", "memberships", "api_keys", "changes"} <= set(seen)
    assert set().union(*seen.values()) == {command_line_actor().name}


def test_a_rebuild_is_done_by_who_asked_for_it(world: World) -> None:
    world.put("a", "Salaries rise in May.", "public")
    with watched_writes() as seen:
        rebuild(
            world.catalog, "other", lambda name, *_: HashingEmbedder(name=name), by=EVE, grace_s=0
        )
    assert {"generations", "vectors"} <= set(seen)
    assert set().union(*seen.values()) == {"user:eve"}
