"""`clearance access explain` says what the gates decide, by which rule and on which way, and what
would change it.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from indexes.catalog.explaining import MAX_WAYS
from indexes.cli.administration import app
from indexes.errors import BadInput, NotFound
from indexes.model import Principal
from tests.world import TESTER, World


def explained(world, user="eve", document="pay", *token):
    return world.catalog.explain(user, document, token)


def test_an_allow_is_told_with_all_shortest_ways(world):
    world.people(eve=["a", "b"])
    people = world.catalog.people
    people.add_group("top", by=TESTER)
    for group in ("a", "b"):
        people.add_member("top", f"group:{group}", by=TESTER)
    people.add_member("a", "group:top", by=TESTER)  # a cycle
    world.put("pay", "x", "group:top", "group:other")
    told = explained(world)
    assert told.may_read
    (top,) = [entry for entry in told.rules if entry.applies]
    assert top.ways == (("user:eve", "group:a", "group:top"), ("user:eve", "group:b", "group:top"))
    assert "user:eve is in group:a is in group:top" in "\n".join(told.lines())
    assert any("clearance groups leave group:top group:a" in step for step in told.would_change)


def test_the_deny_that_decides_is_told_before_every_allow(world):
    world.people(eve=["contractors"])
    world.put("pay", "x", "public", deny=["group:contractors"])
    told = explained(world)
    assert not told.may_read
    assert "denies group:contractors" in told.because[0]
    assert any(
        "clearance groups leave group:contractors user:eve" in step for step in told.would_change
    )
    world.catalog.people.remove_member("contractors", "user:eve", by=TESTER)
    assert explained(world).may_read


def test_names_that_mean_nobody_are_told_with_what_may_be_meant(world):
    world.people(eve=["finance"], bob=[])
    world.put("pay", "x", "group:finace", "user:bob")
    world.catalog.people.remove_user("bob", by=TESTER)
    told = explained(world)
    assert [(entry.name, entry.state, entry.nearest) for entry in told.rules] == [
        ("group:finace", "named", "group:finance"),
        ("user:bob", "removed", None),
    ]
    assert (
        "Correct group:finace to group:finance in the rule, if that is meant." in told.would_change
    )


def test_a_disabled_user_reads_nothing_and_is_told_how_to_change_that(world):
    world.people(eve=[])
    world.put("pay", "x", "public")
    world.catalog.people.disable_user("eve", by=TESTER)
    told = explained(world)
    assert (told.may_read, told.because) == (False, ("user:eve is disabled.",))
    assert told.would_change == ("Enable the user: clearance users enable user:eve.",)


def test_groups_of_a_token_count_if_they_are_external_and_are_told_if_they_are_not(world):
    world.people(eve=[])
    world.catalog.people.add_group("idp", external=True, by=TESTER)
    world.catalog.people.add_group("local", by=TESTER)
    world.put("pay", "x", "group:idp")
    assert not explained(world).may_read
    told = explained(world, "eve", "pay", "idp", "local", "stranger")
    assert told.may_read
    assert told.rules[0].ways == (("the token of user:eve", "group:idp"),)
    assert [note.split(":", 2)[1].split()[0] for note in told.notes] == ["local", "stranger"]


def test_a_document_is_named_by_id_address_or_path_and_two_of_one_path_by_id(world):
    world.people(eve=[])
    first = world.put("file:///a/pay.md", "x", "public", path="pay.md")
    assert {
        explained(world, "eve", name).document for name in (first, "file:///a/pay.md", "pay.md")
    } == {first}
    world.put("file:///b/pay.md", "x", "public", path="pay.md")
    with pytest.raises(BadInput) as caught:
        explained(world, "eve", "pay.md")
    assert first in (caught.value.remedy or "")
    for user, document in (("eve", "none"), ("mallory", first)):
        with pytest.raises(NotFound):
            explained(world, user, document)


def test_many_ways_are_cut_and_cost_no_more_than_what_is_told(world):
    world.people(eve=[])
    people = world.catalog.people
    before = ["user:eve"]
    for level in range(6):
        now = [f"g{level}x{number}" for number in range(5)]
        for group in now:
            people.add_group(group, by=TESTER)
            for member in before:
                people.add_member(group, member, by=TESTER)
        before = [f"group:{group}" for group in now]
    world.put("pay", "x", before[0])
    assert len(explained(world).rules[0].ways) == MAX_WAYS


NAMES = ["user:ann", "user:ben", "group:one", "group:two", "group:ext"]
some = st.sets(st.sampled_from(NAMES), max_size=3)


@given(
    edges=st.sets(
        st.tuples(st.sampled_from(["one", "two", "ext"]), st.sampled_from(NAMES)), max_size=6
    ),
    allow=st.sets(st.sampled_from([*NAMES, "public", "group:unknown"]), max_size=3),
    deny=some,
    token=st.sets(st.sampled_from(["group:ext", "group:one", "group:unknown"]), max_size=2),
    disabled=st.booleans(),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_explained_is_what_the_gate_decides_and_its_reasons_add_up(
    tmp_path_factory, edges, allow, deny, token, disabled
):
    world = World(tmp_path_factory.mktemp("home"))
    people = world.catalog.people
    for name in NAMES:
        kind, _, rest = name.partition(":")
        people.add_user(rest, by=TESTER) if kind == "user" else people.add_group(
            rest, external=rest == "ext", by=TESTER
        )
    for group, member in sorted(edges):
        people.add_member(group, member, by=TESTER)
    if disabled:
        people.disable_user("ann", by=TESTER)
    world.put("pay", "x", *allow, deny=deny)
    told = world.catalog.explain("ann", "pay", token)
    readable = world.catalog.documents.paths(Principal(name="user:ann", groups=frozenset(token)))
    assert told.may_read == (readable == {"pay"})
    applying = {entry.effect for entry in told.rules if entry.applies}
    assert told.may_read == (applying == {"allow"} and not disabled)
    assert told.because
    assert told.would_change
    world.close()


def test_the_command_tells_it_in_words_and_in_json(world, monkeypatch):
    world.people(eve=["hr"])
    world.put("pay", "x", "group:hr")
    monkeypatch.setenv("CLEARANCE_HOME", str(world.home))
    if world.settings.database_url:
        monkeypatch.setenv("CLEARANCE_DATABASE_URL", world.settings.database_url)
    words = CliRunner().invoke(app, ["access", "explain", "eve", "pay"])
    assert words.exit_code == 0, words.output
    assert "user:eve may read pay" in words.output
    told = json.loads(CliRunner().invoke(app, ["access", "explain", "eve", "pay", "--json"]).output)
    assert told["may_read"] is True
    assert told["rules"][0]["ways"] == [["user:eve", "group:hr"]]
