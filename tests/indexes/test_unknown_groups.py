"""Groups at a provider that nobody told of: whatever denies one that somebody may be in, holds."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexes.errors import NotFound
from indexes.model import Principal, Readers
from tests.world import MODES, TESTER, World

WORD = "canary"
RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "open": (("public",), ()),
    "hers": (("user:ada",), ()),
    "denied directly": (("public",), ("group:corp/temps",)),
    "denied to her": (("user:ada",), ("group:corp/temps",)),
    "denied above": (("public",), ("group:visitors",)),
    "denied far above": (("public",), ("group:outside",)),
    "denied at another provider": (("public",), ("group:other/temps",)),
    "denied to a group of ours": (("public",), ("group:board",)),
    "of a group of the provider": (("group:corp/staff",), ()),
    "of a group above": (("group:visitors",), ()),
}
TOLD = {
    "open",
    "hers",
    "denied directly",
    "denied to her",
    "denied above",
    "denied far above",
    "denied at another provider",
    "denied to a group of ours",
    "of a group of the provider",
}
UNTOLD = {"open", "hers", "denied at another provider", "denied to a group of ours"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    people = made.catalog.people
    for user in ("ada", "bob"):
        people.add_user(user, by=TESTER)
    for group in ("corp/temps", "corp/staff", "other/temps"):
        people.add_group(group, external=True, by=TESTER)
    for group in ("visitors", "outside", "board", "corp/ours"):
        people.add_group(group, by=TESTER)
    people.add_member("visitors", "group:corp/temps", by=TESTER)
    people.add_member("outside", "group:visitors", by=TESTER)
    made.catalog.subjects.link("ada", "corp", "https://corp.test", "1", by=TESTER)
    for title, (allow, deny) in RULES.items():
        made.put(title, f"{WORD} {title}", *allow, deny=deny)
    yield made
    made.close()


def told(world: World) -> Principal:
    ada = world.catalog.keys.authenticate(world.catalog.keys.issue("ada", by=TESTER).secret)
    return replace(ada, key=None, groups=frozenset({"group:corp/staff"}), told_by="corp")


def untold(world: World) -> Principal:
    return replace(told(world), groups=frozenset(), told_by=None)


def titles(world: World, who: Principal) -> set[str]:
    found = [
        {hit.title for hit in world.searcher.search(WORD, who, 50, mode=mode).hits}
        for mode in MODES
    ]
    assert all(each == found[0] for each in found)
    return found[0]


def ways_to_read(world: World, title: str) -> dict[str, Callable[[Principal], object]]:
    everybody = Principal(name="user:ada", groups=frozenset({"group:corp/staff"}), told_by="corp")
    (hit,) = [hit for hit in world.searcher.search(WORD, everybody, 50).hits if hit.title == title]
    return {
        "document": lambda who: world.searcher.document(hit.document_id, who),
        "passage": lambda who: world.searcher.passage(hit.id, who),
    }


def test_what_a_token_tells_and_does_not_tell_decides(world: World) -> None:
    for _ in range(2):  # in turn, so that what is remembered of one cannot help the other
        assert titles(world, told(world)) == TOLD
        assert titles(world, untold(world)) == UNTOLD
    assert titles(world, replace(told(world), told_by="other")) == UNTOLD | {
        "of a group of the provider"
    }


def test_whoever_comes_without_a_token_has_told_nothing(world: World) -> None:
    """By key, asked for by a program, by name on the command line."""
    key = world.catalog.keys.authenticate(world.catalog.keys.issue("ada", by=TESTER).secret)
    bot = world.catalog.keys.issue("bob", scopes=["act-as"], by=TESTER)
    for who in (
        key,
        replace(key, key=bot.id, acted_by="user:bob"),
        Principal(name="user:ada"),
    ):
        assert titles(world, who) == UNTOLD


def test_of_whom_no_provider_knows_nothing_is_untold(world: World) -> None:
    assert "denied directly" in titles(world, Principal(name="user:bob"))
    who = Principal(name="user:ada")
    assert titles(world, who) == UNTOLD
    world.catalog.subjects.unlink("ada", by=TESTER)
    assert titles(world, who) == TOLD - {"of a group of the provider"}
    world.catalog.subjects.link("ada", "other", "https://other.test", "1", by=TESTER)
    assert titles(world, who) == TOLD - {
        "of a group of the provider",
        "denied at another provider",
    }
    world.catalog.subjects.link("ada", "corp", "https://corp.test", "1", by=TESTER)
    assert titles(world, who) == UNTOLD - {"denied at another provider"}


def test_both_gates_and_every_way_to_read_say_the_same(world: World) -> None:
    who = untold(world)
    assert len(world.catalog.documents.paths(who)) == len(UNTOLD)
    for title in TOLD:
        for read in ways_to_read(world, title).values():
            if title in UNTOLD:
                read(who)
            else:
                with pytest.raises(NotFound):
                    read(who)
    rows = [(hit.row, 1.0) for hit in world.searcher.search(WORD, told(world), 50).hits]
    with world.catalog.reading() as state:  # the second gate alone
        assert {hit.title for hit in state.read(rows, who)} == UNTOLD
        assert set(state.readable([row for row, _ in rows], who)) == {
            hit.row for hit in state.read(rows, who)
        }


def test_models_and_templates_follow_the_same_rule(world: World) -> None:
    rule = Readers(allow=frozenset({"public"}), deny=frozenset({"group:corp/temps"}))
    world.catalog.models.set("large", rule, by=TESTER)
    assert world.catalog.models.hidden_from(told(world)) == set()
    assert world.catalog.models.hidden_from(untold(world)) == {"large"}


def test_what_is_remembered_ends_with_what_it_was_made_from(world: World) -> None:
    who, people = untold(world), world.catalog.people
    assert titles(world, who) == UNTOLD
    world.put("late", f"{WORD} late", "public", deny=["group:corp/staff"])
    assert titles(world, who) == UNTOLD
    people.add_group("corp/new", external=True, by=TESTER)
    world.put("later", f"{WORD} later", "public", deny=["group:corp/new"])
    assert titles(world, who) == UNTOLD
    people.add_member("board", "group:corp/new", by=TESTER)
    assert titles(world, who) == UNTOLD - {"denied to a group of ours"}
    people.remove_member("board", "group:corp/new", by=TESTER)
    assert titles(world, who) == UNTOLD
    people.remove_group("corp/temps", lift_denies=True, by=TESTER)
    assert titles(world, who) == UNTOLD | {
        "denied directly",
        "denied to her",
        "denied above",
        "denied far above",
    }


def test_a_group_that_no_token_may_say_does_not_count(world: World) -> None:
    world.put("ours", f"{WORD} ours", "public", deny=["group:corp/ours"])
    assert "ours" in titles(world, untold(world))


@pytest.mark.parametrize("seed", range(6))
def test_any_rules_and_memberships_decide_as_said(world: World, seed: int) -> None:
    """Against a model of a few lines, after random changes, with one searcher that remembers."""
    rng, people = random.Random(seed), world.catalog.people
    groups = [
        f"group:{name}" for name in ("corp/temps", "corp/staff", "visitors", "outside", "board")
    ]
    names = [*groups, "public", "user:ada", "user:bob"]
    above = {("group:visitors", "group:corp/temps"), ("group:outside", "group:visitors")}
    rules = dict(RULES)
    for step in range(25):
        if rng.random() < 0.5:
            title = f"made {rng.randrange(6)}"
            rules[title] = tuple(rng.sample(names, 2)), tuple(rng.sample(groups, rng.randrange(2)))
            world.put(title, f"{WORD} {title} {step}", *rules[title][0], deny=rules[title][1])
        else:
            edge = (rng.choice(groups[2:]), rng.choice([*groups, "user:ada"]))
            change = people.remove_member if edge in above else people.add_member
            change(*edge, by=TESTER)
            above ^= {edge}
        for who in (told(world), untold(world)):
            assert titles(world, who) == model(who, rules, above)


def model(
    who: Principal,
    rules: dict[str, tuple[tuple[str, ...], tuple[str, ...]]],
    above: set[tuple[str, str]],
) -> set[str]:
    own = closure({"public", "user:ada", *who.groups}, above)
    possible = (
        closure({"group:corp/temps", "group:corp/staff"}, above) if who.told_by is None else set()
    )
    return {
        title
        for title, (allow, deny) in rules.items()
        if own & set(allow) and not (own | possible) & set(deny)
    }


def closure(names: set[str], above: set[tuple[str, str]]) -> set[str]:
    found = set(names)
    while more := {group for group, member in above if member in found} - found:
        found |= more
    return found


def test_an_operator_is_told_that_a_group_was_not_told(world: World) -> None:
    def verdict(title: str, *groups: str) -> tuple[bool, str]:
        told = world.catalog.explain("ada", title, groups)
        return told.may_read, "\n".join(told.lines())

    for title in RULES:
        assert verdict(title)[0] == (title in UNTOLD), title
        assert verdict(title, "corp/staff")[0] == (title in TOLD), title
    denied, why = verdict("denied far above")
    assert not denied
    assert "what a provider did not tell of user:ada is in group:outside" in why


def test_as_many_groups_as_are_accepted_are_all_looked_at(world: World) -> None:
    many = [f"group:corp/{number}" for number in range(9_998)]
    for wanted in ("group:corp/temps", "group:corp/staff"):
        who = replace(told(world), groups=frozenset([*many, wanted]))
        denied = wanted == "group:corp/temps"
        assert ("denied above" in titles(world, who)) == (not denied)
        assert ("of a group of the provider" in titles(world, who)) == (not denied)
