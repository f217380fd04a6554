"""`clearance users` and `clearance groups`: what is said when, and what is refused."""

import json

import pytest
from typer.testing import CliRunner

from indexes.cli.administration import app
from indexes.errors import AlreadyExists, BadInput, StillDenied
from tests.world import TESTER


@pytest.fixture
def run(world, monkeypatch):
    monkeypatch.setenv("CLEARANCE_HOME", str(world.home))
    if world.settings.database_url:
        monkeypatch.setenv("CLEARANCE_DATABASE_URL", world.settings.database_url)

    def invoke(*words):
        done = CliRunner().invoke(app, list(words))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return invoke


def test_people_are_renamed_disabled_enabled_and_listed_with_former_names(run):
    run("users", "add", "eve")
    run("keys", "issue", "eve")
    run("users", "rename", "eve", "eva")
    run("users", "disable", "eva")
    run("groups", "add", "idp", "--external")
    assert run("users", "list").stdout == "user:eva  (disabled; formerly user:eve)\n"
    assert "1 keys of eva are valid again" in run("users", "enable", "eva").stderr
    (listed,) = json.loads(run("groups", "list", "--json").stdout)
    assert (listed["name"], listed["external"], listed["members"]) == ("group:idp", True, [])
    assert "user:eva" in run("users", "forget-name", "eve").stdout


def test_what_a_name_sets_in_force_and_what_a_deny_keeps_is_told_with_its_number(run, world):
    world.put("a", "x", "user:eve", "group:hr")
    assert "1 document named eve already" in run("users", "add", "eve").stderr
    run("groups", "add", "hr")
    run("groups", "join", "hr", "user:eve")
    world.relabel("a", "public", deny=["group:hr"])
    with pytest.raises(StillDenied, match="1 document"):
        run("groups", "remove", "hr")
    assert "1 document deny" in run("groups", "leave", "hr", "user:eve").stderr
    run("groups", "remove", "hr", "--lift-denies")
    with pytest.raises(AlreadyExists, match="could be taken for user:eve"):
        run("users", "add", "Eve")


def test_an_id_that_begins_with_a_hyphen_is_no_option(run, world):
    world.put("menu", "The canteen opens at noon.", "public")
    with world.catalog._database.writing(TESTER) as connection:
        connection.exec_driver_sql("UPDATE documents SET public_id = '-abc'")
    assert "id: -abc" in run("documents", "show", "-abc").stdout
    assert run("documents", "remove", "-abc", "--").exit_code == 0
    assert json.loads(run("documents", "list", "--json").stdout) == []


def test_what_is_handed_over_to_the_directory_is_listed_and_can_be_taken_back(run, world):
    world.people(ann=["team"])
    with pytest.raises(BadInput, match="user:ann"):
        run("groups", "hand-over", "team")
    ann = run("users", "hand-over", "ann", "--external-id", "0001").stdout.strip()
    team = run("groups", "hand-over", "team").stdout.strip()
    with world.catalog.directory.reading() as state:
        assert state.get("user", ann).external_id == "0001"
        assert [link.id for link in state.get("group", team).members] == [ann]
    assert run("users", "list").stdout == "user:ann  (kept by the directory)\n"
    with pytest.raises(BadInput, match="The directory keeps group:team"):
        run("groups", "leave", "team", "user:ann")
    run("groups", "take-back", "team")
    run("users", "take-back", "ann")
    run("groups", "leave", "team", "user:ann")
    assert run("users", "list").stdout == "user:ann\n"
