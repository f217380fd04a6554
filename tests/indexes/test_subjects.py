"""People of identity providers are known by issuer and subject, and by nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.catalog import Catalog
from indexes.errors import AlreadyExists, BadInput, NotAuthenticated, NotFound, NotPermitted
from indexes.model import Principal
from tests.world import TESTER, World

CORP, OTHER = "https://corp.test", "https://other.test"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.catalog.people.add_user("ada", by=TESTER)
    yield made
    made.close()


@pytest.fixture
def catalog(world: World) -> Catalog:
    return world.catalog


def test_a_subject_means_who_it_was_linked_to_under_any_name(catalog: Catalog) -> None:
    catalog.subjects.link("ada", "corp", CORP, "1", by=TESTER)
    found = catalog.subjects.find(CORP, "1")
    assert found is not None
    assert (found.name, found.key, found.scopes) == ("user:ada", None, frozenset({"ask"}))
    catalog.people.rename_user("ada", "ada king", by=TESTER)
    renamed = catalog.subjects.find(CORP, "1")
    assert renamed is not None
    assert (renamed.name, renamed.id) == ("user:ada king", found.id)
    for issuer, subject in ((CORP, "2"), (OTHER, "1"), (CORP, "ada"), (CORP, "1 ")):
        assert catalog.subjects.find(issuer, subject) is None


def test_a_subject_that_means_somebody_is_not_given_to_another(catalog: Catalog) -> None:
    catalog.people.add_user("bob", by=TESTER)
    catalog.subjects.link("ada", "corp", CORP, "1", by=TESTER)
    catalog.subjects.link("ada", "corp", CORP, "1", by=TESTER)
    with pytest.raises(AlreadyExists):
        catalog.subjects.link("bob", "corp", CORP, "1", by=TESTER)
    for wrong in ("", "x" * 256):
        with pytest.raises(BadInput):
            catalog.subjects.link("bob", "corp", CORP, wrong, by=TESTER)
    assert catalog.subjects.unlink("ada", by=TESTER) == 1
    catalog.subjects.link("bob", "corp", CORP, "1", by=TESTER)
    assert [link.user for link in catalog.subjects.list()] == ["user:bob"]


def test_a_provider_means_a_person_by_one_subject(catalog: Catalog) -> None:
    """Else a token of one would tell no groups of the other, and denies of these would not hold."""
    catalog.subjects.link("ada", "corp", CORP, "1", by=TESTER)
    with pytest.raises(AlreadyExists):
        catalog.subjects.link("ada", "corp", CORP, "2", by=TESTER)
    catalog.subjects.link("ada", "other", OTHER, "2", by=TESTER)
    assert catalog.subjects.unlink("ada", "corp", by=TESTER) == 1
    catalog.subjects.link("ada", "corp", CORP, "2", by=TESTER)
    assert {link.subject for link in catalog.subjects.list()} == {"2"}


def test_who_is_disabled_or_removed_is_refused_and_not_made_anew(catalog: Catalog) -> None:
    made = catalog.subjects.welcome(CORP, "1", "corp", by=TESTER)
    assert made.name == "user:corp/1"
    catalog.people.disable_user("corp/1", by=TESTER)
    with pytest.raises(NotAuthenticated):
        catalog.subjects.find(CORP, "1")
    with pytest.raises(NotAuthenticated):
        catalog.subjects.welcome(CORP, "1", "corp", by=TESTER)
    catalog.people.remove_user("corp/1", by=TESTER)
    with pytest.raises(NotAuthenticated):
        catalog.subjects.welcome(CORP, "1", "corp", by=TESTER)
    catalog.subjects.link("ada", "corp", CORP, "1", by=TESTER)
    again = catalog.subjects.welcome(CORP, "1", "corp", by=TESTER)
    assert again.name == "user:ada"


def test_who_comes_first_gets_no_name_that_a_rule_says(world: World) -> None:
    world.put("secret", "canary", "user:corp/ada", "user:corp/Bob")
    for subject in ("ada", "bob", "a#b", "auth0|1", " x ", "É" * 200, "\u0430da", "ada"):
        who = world.catalog.subjects.welcome(CORP, subject, "corp", by=TESTER)
        assert world.catalog.subjects.find(CORP, subject) == who
        assert world.searcher.search("canary", who, 5).hits == ()
    names = [name for name in world.catalog.people.users() if name != "user:ada"]
    assert len(set(names)) == 7
    assert all(name.startswith("user:corp/") for name in names)


def test_scopes_of_people_are_looked_up_where_they_act(catalog: Catalog) -> None:
    catalog.subjects.link("ada", "corp", CORP, "1", by=TESTER)
    catalog.subjects.grant("ada", "operate", by=TESTER)
    catalog.subjects.grant("ada", "operate", by=TESTER)
    ada = catalog.subjects.find(CORP, "1")
    assert ada is not None
    assert ada.scopes == {"ask", "operate"}
    with catalog.acting(ada, "operate"):
        assert catalog.subjects.scopes("ada") == ("operate",)
    with pytest.raises(NotPermitted), catalog.acting(ada, "people"):
        catalog.people.add_group("hr", by=TESTER)
    catalog.subjects.withdraw("ada", "operate", by=TESTER)
    with pytest.raises(NotPermitted), catalog.acting(ada, "operate"):
        catalog.people.add_group("hr", by=TESTER)
    with pytest.raises(NotFound):
        catalog.subjects.withdraw("ada", "operate", by=TESTER)
    for wrong in ("ask", "act-as", "all"):
        with pytest.raises(BadInput):
            catalog.subjects.grant("ada", wrong, by=TESTER)


def test_a_scope_of_a_person_is_none_of_the_persons_keys(catalog: Catalog) -> None:
    catalog.subjects.grant("ada", "operate", by=TESTER)
    key = catalog.keys.authenticate(catalog.keys.issue("ada", by=TESTER).secret)
    assert key.scopes == {"ask"}
    with pytest.raises(NotPermitted), catalog.acting(key, "operate"):
        catalog.people.add_group("hr", by=TESTER)
    with pytest.raises(NotAuthenticated), catalog.acting(Principal(name="user:ada"), "operate"):
        catalog.people.add_group("hr", by=TESTER)
