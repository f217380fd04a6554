"""Rules mean whom their writer meant, anew at every run; a name that nobody declared is told or
refused.
"""

import json

import pytest

from indexes.model import Principal, Readers
from tests.world import TESTER


@pytest.fixture
def people(world):
    with world.catalog() as catalog:
        for user in ("eve", "ada"):
            catalog.people.add_user(user, by=TESTER)
        catalog.people.add_group("finance", by=TESTER)
        catalog.people.add_member("finance", "user:ada", by=TESTER)
        yield catalog.people


def line(report, name):
    (found,) = [file for file in report["files"] if file["path"].endswith(name)]
    return found


def readable(world, user):
    with world.catalog() as catalog:
        return {
            path.rpartition("/")[2]
            for path in catalog.documents.paths(Principal(name=f"user:{user}"))
        }


def rule(world, allow, deny=()):
    world.write(".access.yaml", json.dumps({"allow": list(allow), "deny": list(deny)}))


def test_a_deny_of_somebody_unknown_takes_the_document_from_everybody_until_it_is_mended(
    world, people
):
    rule(world, ["public"])
    world.write("a.txt")
    assert world.ingest()["code"] == 0
    rule(world, ["public"], ["user:Eve"])
    report = world.ingest()
    assert report["code"] == 1
    refused = line(report, "a.txt")
    assert refused["status"] == "refused"
    assert "user:Eve is not declared. Is user:eve meant?" in refused["reason"]
    assert refused["remedy"]
    assert report["unknown_principals"] == [
        {"name": "user:Eve", "nearest": "user:eve", "files": 1, "refused": True}
    ]
    assert readable(world, "ada") == readable(world, "eve") == set()
    rule(world, ["public"], ["user:eve"])
    assert line(world.ingest(), "a.txt")["status"] == "relabelled"
    assert (readable(world, "ada"), readable(world, "eve")) == ({"a.txt"}, set())


def test_a_new_file_whose_rule_denies_somebody_unknown_is_not_stored(world, people):
    world.write("a.txt")
    report = world.ingest(allow=("public",), deny=("user:Eve",))
    assert (report["code"], world.stored()) == (1, {})


def test_an_allowed_name_that_nobody_declared_is_told_once_with_its_files_and_means_nobody(
    world, people
):
    world.write("a.txt")
    world.write("b.txt", "Another text.")
    report = world.ingest(allow=("group:finace",))
    assert report["code"] == 0
    assert report["totals"]["new"] == 2
    assert report["unknown_principals"] == [
        {"name": "group:finace", "nearest": "group:finance", "files": 2, "refused": False}
    ]
    assert readable(world, "ada") == set()
    people.add_group("finace-team", by=TESTER)
    assert readable(world, "ada") == set()
    assert line(world.ingest(allow=("group:finance",)), "a.txt")["reason"] == (
        "readers changed: + group:finance, - group:finace"
    )
    assert readable(world, "ada") == {"a.txt", "b.txt"}


def test_unknown_names_are_refused_altogether_where_the_operator_says_so(world, people):
    world.write("a.txt")
    assert world.ingest(allow=("public",))["code"] == 0
    world.settings = world.settings.model_copy(update={"unknown_principals": "refuse"})
    report = world.ingest(allow=("public", "group:finace"))
    assert report["code"] == 1
    assert "allows somebody unknown" in line(report, "a.txt")["reason"]
    assert readable(world, "ada") == set()


def test_a_dry_run_tells_unknown_names_even_before_there_is_a_catalog(world):
    world.write("a.txt")
    report = world.ingest(allow=("group:finance",), deny=("user:eve",), dry_run=True)
    assert {each["name"] for each in report["unknown_principals"]} == {"group:finance", "user:eve"}
    assert line(report, "a.txt")["status"] == "refused"


def test_a_rule_may_say_a_former_name_and_nothing_changes_by_it(world, people):
    rule(world, ["user:ada", "public"], ["user:eve"])
    world.write("a.txt")
    world.ingest()
    people.rename_user("eve", "eva", by=TESTER)
    people.rename_user("ada", "eda", by=TESTER)
    report = world.ingest()
    assert (report["code"], line(report, "a.txt")["status"], report["unknown_principals"]) == (
        0,
        "unchanged",
        [],
    )
    assert readable(world, "eva") == set()
    assert next(iter(world.stored().values())).readers == Readers(
        allow=frozenset({"user:eda", "public"}), deny=frozenset({"user:eva"})
    )


def test_a_former_name_that_was_forgotten_closes_what_denied_it_and_its_next_owner_is_told(
    world, people
):
    rule(world, ["public"], ["user:eve"])
    world.write("a.txt")
    world.ingest()
    people.rename_user("eve", "eva", by=TESTER)
    people.forget_name("user", "eve", by=TESTER)
    assert line(world.ingest(), "a.txt")["status"] == "refused"
    assert readable(world, "eva") == readable(world, "ada") == set()
    people.add_user("eve", by=TESTER)
    report = world.ingest()
    assert (
        line(report, "a.txt")["reason"]
        == "readers changed: + public, + deny user:eve, - deny user:eva"
    )
    assert (readable(world, "eve"), readable(world, "eva")) == (set(), {"a.txt"})


def test_a_person_made_anew_reads_by_the_name_in_a_file_only_after_a_run_that_tells_it(
    world, people
):
    rule(world, ["user:eve"])
    world.write("a.txt")
    world.ingest()
    people.remove_user("eve", by=TESTER)
    people.add_user("eve", by=TESTER)
    assert readable(world, "eve") == set()
    assert (
        line(world.ingest(), "a.txt")["reason"]
        == "readers changed: + user:eve, - user:eve (removed)"
    )
    assert readable(world, "eve") == {"a.txt"}


def test_a_changed_file_whose_rule_changed_too_tells_both(world, people):
    rule(world, ["user:eve"])
    world.write("a.txt")
    world.ingest()
    rule(world, ["user:eve", "group:finance"])
    world.write("a.txt", "Other words.")
    changed = line(world.ingest(), "a.txt")
    assert changed["status"] == "changed"
    assert "readers changed: + group:finance" in changed["warnings"]


def test_a_document_for_nobody_is_stored_and_read_by_nobody(world, people):
    rule(world, [])
    world.write("a.txt")
    assert line(world.ingest(), "a.txt")["status"] == "new"
    assert readable(world, "ada") == readable(world, "eve") == set()
    assert line(world.ingest(), "a.txt")["status"] == "unchanged"


def test_somebody_removed_between_reading_the_rules_and_writing_leaves_nothing_open(
    world, people, monkeypatch
):
    rule(world, ["public"])
    world.write("a.txt")
    world.ingest()
    rule(world, ["public"], ["user:eve"])
    make_plan = __import__("ingest.plan", fromlist=["make_plan"]).make_plan

    def late(*given, **more):
        made = make_plan(*given, **more)
        people.remove_user("eve", by=TESTER)
        return made

    monkeypatch.setattr("ingest.requests.make_plan", late)
    report = world.ingest()
    assert line(report, "a.txt")["status"] == "failed"
    assert readable(world, "ada") == set()
