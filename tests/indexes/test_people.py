"""People and groups are entities: whatever becomes of a name, nobody gains by it, and no rule is
misread.
"""

import logging
import tempfile
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from indexes.catalog import Catalog, names
from indexes.catalog.database import Database
from indexes.catalog.mentions import Mentions
from indexes.confusables import shapes, skeleton
from indexes.errors import (
    AlreadyExists,
    BadInput,
    BadPrincipal,
    NotAuthenticated,
    NotFound,
    StillDenied,
    UnknownPrincipal,
)
from indexes.model import Principal, Readers
from indexes.principals import check_principal
from tests.databases import examples, only_sqlite
from tests.quick import QUICK
from tests.world import TESTER, World


def paths(world: World, user: str, *token: str) -> frozenset[str]:
    return world.catalog.documents.paths(Principal(name=f"user:{user}", groups=frozenset(token)))


def readers(allow: set[str], deny: set[str] | None = None) -> Readers:
    return Readers(allow=frozenset(allow), deny=frozenset(deny or ()))


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "user:a\u200bb", "user:a\u00adb", "user:a\ufe0fb", "user:a\u115fb", "user:a\u3164b", "user:a\u034fb",
        "user:a\u2800b", "user:a\ue000", "user:a\u0378", "user:\u0301a", "user:a  b", "user:a\u00a0b", "group:ＨＲ",
        "user:ﬁn", "user:x²", "user:аda", "user:ΑBC", "group:public", "group:Ｐublic", "group:рubliс", "user:Public",
    ],
)  # fmt: skip
def test_a_name_that_could_be_taken_for_another_or_cannot_be_typed_again_is_refused(name):
    with pytest.raises(BadPrincipal) as caught:
        check_principal(name)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "name",
    [
        "user:José", "user:น้ำ", "group:人事", "user:Анна Петрова", "group:ΑΒΓ", "user:田中hr", "group:R&D (EMEA)",
        "user:x@y.example", "user:محمد", "user:שרה", "user:김민수", "user:अनिल", "user:O'Neil",
    ],
)  # fmt: skip
def test_names_of_all_the_world_are_accepted_as_they_are(name):
    assert check_principal(name) == name


def test_the_skeleton_is_that_of_the_standard():
    assert skeleton("аса") == skeleton("aca")
    assert skeleton("كتاب") == skeleton("کتاب")
    assert skeleton("rn") == skeleton("m")
    assert skeleton("ada") != skeleton("eve")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("eve", "Eve"),
        ("bill", "biII"),
        ("aca", "аса"),
        ("bob", "b0b"),
        ("tom", "torn"),
        ("ss", "ß"),
    ],
)
def test_no_two_names_of_one_kind_may_be_taken_for_each_other(world, first, second):
    world.catalog.people.add_user(first, by=TESTER)
    with pytest.raises(AlreadyExists, match="could be taken for"):
        world.catalog.people.add_user(second, by=TESTER)
    world.catalog.people.add_group(second, by=TESTER)  # of the other kind: rules say the kind
    assert shapes(first) & shapes(second)


@pytest.mark.parametrize(
    ("first", "second"), [("ali", "all"), ("ann", "anne"), ("hr1", "hr2"), ("max", "mas")]
)
def test_names_that_are_only_spelt_alike_are_different_people(world, first, second):
    world.catalog.people.add_user(first, by=TESTER)
    world.catalog.people.add_user(second, by=TESTER)


# --- unknown names ------------------------------------------------------------------------------


def test_a_deny_of_somebody_unknown_is_refused_with_the_nearest_name_and_changes_nothing(world):
    world.people(eve=[])
    world.put("a", "x", "user:eve")
    for name in ("user:Eve", "user:evee", "group:eve"):
        with pytest.raises(UnknownPrincipal, match="user:eve meant"):
            world.relabel("a", "public", deny=[name])
        with pytest.raises(UnknownPrincipal):
            world.catalog.models.set("m", readers({"public"}, {name}), by=TESTER)
    assert paths(world, "eve") == {"a"}
    assert world.catalog.models.list() == {}


def test_a_name_with_look_alike_letters_is_told_in_letters_that_tell(world):
    world.people(aca=[])
    with pytest.raises(UnknownPrincipal, match=r"\\u0430\\u0441\\u0430.* Is user:aca meant\?"):
        world.catalog.people.check_rule(readers(set(), {"user:аса"}), refuse=False)


def test_an_allowed_name_that_nobody_declared_is_told_and_refused_on_demand(world):
    world.people(ada=["finance"])
    (unknown,) = world.catalog.people.check_rule(
        readers({"group:finace", "group:finance", "public"}), refuse=False
    )
    assert str(unknown) == "group:finace is not declared. Is group:finance meant?"
    with pytest.raises(UnknownPrincipal):
        world.catalog.people.check_rule(readers({"group:finace"}), refuse=True)


def test_a_name_in_a_stored_rule_means_nobody_until_it_is_declared_and_the_number_is_told_then(
    world,
):
    world.people(ada=[])
    world.put("a", "x", "group:finance")
    world.catalog.models.set("m", readers({"group:finance"}), by=TESTER)
    assert paths(world, "ada", "group:finance") == frozenset()
    assert world.catalog.people.add_group("finance", by=TESTER) == Mentions(documents=1, models=1)
    world.catalog.people.add_member("finance", "user:ada", by=TESTER)
    assert paths(world, "ada") == {"a"}


def test_a_name_close_by_that_is_declared_later_does_not_take_what_a_rule_misspelt(world):
    world.people(ada=[])
    world.put("a", "x", "group:finace")
    assert not world.catalog.people.add_group("finance", by=TESTER)
    world.catalog.people.add_member("finance", "user:ada", by=TESTER)
    assert paths(world, "ada") == frozenset()


@pytest.mark.parametrize("member", ["user:Ada", "group:ada", "user:adaa"])
def test_members_and_keys_of_unknown_names_are_refused_with_the_nearest(world, member):
    world.people(ada=["hr"])
    with pytest.raises(NotFound) as caught:
        world.catalog.people.add_member("hr", member, by=TESTER)
    assert "user:ada" in (caught.value.remedy or "")
    with pytest.raises(NotFound):
        world.catalog.keys.issue("adaa", by=TESTER)


# --- groups of an identity provider -------------------------------------------------------------


def test_only_groups_declared_as_external_count_from_a_token(world):
    world.people(ada=[], bob=["local"])
    world.put("named", "x", "group:named")
    world.put("local", "x", "group:local")
    world.put("idp", "x", "group:idp")
    world.put("not idp", "x", "public", deny=["group:local"])
    world.catalog.people.add_group("idp", external=True, by=TESTER)
    assert paths(world, "ada", "group:named", "group:local", "group:idp") == {"idp", "not idp"}
    world.relabel("not idp", "public", deny=["group:idp"])
    assert paths(world, "ada", "group:idp") == {"idp"}


def test_an_external_group_may_not_leave_a_deny_behind_when_it_gets_another_name(world):
    world.people(ada=[])
    world.catalog.people.add_group("idp", external=True, by=TESTER)
    world.catalog.people.add_group("outer", by=TESTER)
    world.catalog.people.add_member("outer", "group:idp", by=TESTER)
    world.put("a", "x", "public", deny=["group:outer"])
    with pytest.raises(StillDenied, match="1 document"):
        world.catalog.people.rename_group("idp", "staff", by=TESTER)
    assert paths(world, "ada", "group:idp") == frozenset()
    world.catalog.people.rename_group("idp", "staff", lift_denies=True, by=TESTER)
    assert paths(world, "ada", "group:staff") == frozenset()
    assert paths(world, "ada", "group:idp") == {"a"}  # no token is matched by a former name


# --- renaming -----------------------------------------------------------------------------------


def test_a_renamed_person_keeps_rights_denies_groups_and_keys(world):
    world.people(eve=["hr"])
    world.put("hers", "x", "user:eve")
    world.put("hr", "x", "group:hr")
    world.put("never", "x", "public", deny=["user:eve"])
    key = world.catalog.keys.issue("eve", by=TESTER)
    world.catalog.people.rename_user("eve", "eva", by=TESTER)
    assert world.catalog.keys.authenticate(key.secret).name == "user:eva"
    assert paths(world, "eva") == {"hers", "hr"}
    assert paths(world, "eve") == frozenset()  # nobody signs in by a former name
    stored = world.catalog.documents.stored("")
    assert stored["never"].readers == readers({"public"}, {"user:eva"})


def test_rules_may_say_a_former_name_and_nothing_else_may(world):
    people = world.catalog.people
    world.people(eve=["hr"])
    people.rename_user("eve", "eva", by=TESTER)
    people.rename_group("hr", "people", by=TESTER)
    world.put("a", "x", "group:hr", deny=["user:eve"])
    assert world.catalog.documents.stored("")["a"].readers == readers(
        {"group:people"}, {"user:eva"}
    )
    assert people.meaning({"user:eve", "group:hr"}).readers(
        readers({"group:hr"}, {"user:eve"})
    ) == readers({"group:people"}, {"user:eva"})
    for refused in (
        lambda: world.catalog.keys.issue("eve", by=TESTER),
        lambda: people.add_member("people", "user:eve", by=TESTER),
        lambda: people.disable_user("eve", by=TESTER),
        lambda: people.remove_user("eve", by=TESTER),
    ):
        with pytest.raises(NotFound, match="is called user:eva now"):
            refused()


def test_a_former_name_is_not_given_to_anybody_else_until_it_is_forgotten(world):
    people = world.catalog.people
    world.people(eve=[], bob=[])
    people.rename_user("eve", "eva", by=TESTER)
    for take in (
        lambda: people.add_user("eve", by=TESTER),
        lambda: people.rename_user("bob", "eve", by=TESTER),
        lambda: people.add_user("Eve", by=TESTER),
    ):
        with pytest.raises(AlreadyExists):
            take()
    assert people.forget_name("user", "eve", by=TESTER) == "user:eva"
    with pytest.raises(NotFound):
        people.forget_name("user", "eve", by=TESTER)
    with pytest.raises(UnknownPrincipal, match="user:eva meant"):
        people.check_rule(readers(set(), {"user:eve"}), refuse=False)
    people.add_user("eve", by=TESTER)


def test_a_name_may_be_taken_back_and_may_change_its_case(world):
    people = world.catalog.people
    world.people(eve=[])
    people.rename_user("eve", "eva", by=TESTER)
    people.rename_user("eva", "eve", by=TESTER)
    people.rename_user("eve", "Eve", by=TESTER)
    (info,) = people.everybody("user")
    assert (info.name, info.former_names, info.taken_for) == (
        "user:Eve",
        ("user:eva", "user:eve"),
        (),
    )
    with pytest.raises(BadInput):
        people.rename_user("Eve", "Eve", by=TESTER)


def test_nobody_gains_by_a_rename_to_a_name_that_rules_said_before(world):
    world.people(eve=[])
    world.put("a", "x", "user:eva")
    assert world.catalog.people.rename_user("eve", "eva", by=TESTER) == Mentions(documents=1)
    assert paths(world, "eva") == frozenset()
    world.relabel("a", "user:eva")  # resolved anew
    assert paths(world, "eva") == {"a"}


# --- disabling and removing ---------------------------------------------------------------------


def test_disabling_holds_at_once_keeps_denies_and_is_undone_whole(world):
    people = world.catalog.people
    world.people(eve=["hr"])
    world.put("hr", "x", "group:hr")
    world.put("never", "x", "public", deny=["user:eve"])
    key = world.catalog.keys.issue("eve", by=TESTER)
    people.disable_user("eve", by=TESTER)
    people.disable_user("eve", by=TESTER)
    assert paths(world, "eve", "group:hr") == frozenset()
    with pytest.raises(NotAuthenticated):
        world.catalog.keys.authenticate(key.secret)
    with pytest.raises(AlreadyExists):
        people.add_user("eve", by=TESTER)
    world.relabel("never", "public", deny=["user:eve"])  # still somebody whom a rule may deny
    assert [(i.name, i.state) for i in people.everybody("user")] == [("user:eve", "disabled")]
    people.enable_user("eve", by=TESTER)
    assert paths(world, "eve") == {"hr"}
    assert world.catalog.keys.authenticate(key.secret).name == "user:eve"


def test_who_is_denied_is_removed_on_demand_only_with_the_number_told(world):
    people = world.catalog.people
    world.people(eve=[])
    for name in ("a", "b"):
        world.put(name, "x", "public", deny=["user:eve"])
    world.catalog.models.set("m", readers({"public"}, {"user:eve"}), by=TESTER)
    with pytest.raises(StillDenied, match="2 documents and 1 model deny user:eve") as caught:
        people.remove_user("eve", by=TESTER)
    assert "disable" in (caught.value.remedy or "")
    assert paths(world, "eve") == frozenset()
    people.remove_user("eve", lift_denies=True, by=TESTER)
    people.add_user("eve", by=TESTER)
    assert paths(world, "eve") == {"a", "b"}


def test_a_group_is_not_removed_while_a_deny_hangs_on_it_even_through_another_group(world):
    people = world.catalog.people
    world.people(eve=["inner"])
    people.add_group("outer", by=TESTER)
    people.add_member("outer", "group:inner", by=TESTER)
    world.put("a", "x", "public", deny=["group:outer"])
    for group in ("inner", "outer"):
        with pytest.raises(StillDenied, match="1 document deny"):
            people.remove_group(group, by=TESTER)
    assert paths(world, "eve") == frozenset()
    assert people.remove_member("inner", "user:eve", by=TESTER) == Mentions(documents=1)
    people.remove_group("inner", lift_denies=True, by=TESTER)


def test_a_removed_document_denies_nobody_any_more(world):
    world.people(eve=[])
    world.put("a", "x", "public", deny=["user:eve"])
    world.catalog.documents.delete("a", by=TESTER)
    world.catalog.people.remove_user("eve", by=TESTER)


def test_a_person_made_anew_is_another_one_with_no_key_right_or_former_name_of_the_first(world):
    people = world.catalog.people
    world.people(eve=["hr"])
    people.rename_user("eve", "eva", by=TESTER)
    world.put("hers", "x", "user:eva", "group:hr")
    key = world.catalog.keys.issue("eva", by=TESTER)
    people.remove_user("eva", by=TESTER)
    people.add_user("eva", by=TESTER)
    people.add_user("eve", by=TESTER)
    assert paths(world, "eva") == paths(world, "eve") == frozenset()
    with pytest.raises(NotAuthenticated):
        world.catalog.keys.authenticate(key.secret)


def test_narrowing_goes_by_who_they_are_and_forgets_no_deny(world):
    people = world.catalog.people
    world.people(eve=[], ada=[], bob=[])
    world.put("a", "x", "user:ada", "user:bob", "group:later", deny=["user:eve"])
    people.rename_user("ada", "eda", by=TESTER)
    people.remove_user("eve", lift_denies=True, by=TESTER)
    people.add_user("eve", by=TESTER)
    world.catalog.documents.narrow(
        "a", readers({"user:ada", "user:eve", "group:later"}, {"user:bob"}), by=TESTER
    )
    stored = world.catalog.documents.stored("")["a"].readers
    assert stored.allow == {"user:eda", "group:later"}
    assert {name.split("#")[0] for name in stored.deny} == {"user:eve", "user:bob"}
    assert paths(world, "eda") == {"a"}
    with pytest.raises(UnknownPrincipal):
        world.catalog.documents.narrow("a", readers({"user:ada"}, {"user:mallory"}), by=TESTER)
    assert not world.catalog.documents.narrow("none", readers(set()), by=TESTER)


# --- catalogs of before -------------------------------------------------------------------------


@only_sqlite
def test_a_catalog_of_before_keeps_who_may_read_and_tells_names_that_are_taken_for_each_other(
    tmp_path, caplog
):
    database = Database(f"sqlite:///{tmp_path}/catalog.sqlite")
    config = Config()
    config.set_main_option("script_location", str(Path(names.__file__).parent / "migrations"))
    with database.writing(TESTER) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for number, name, known in (
            (1, "user:eve", 1), (2, "user:Eve", 1), (3, "group:ＨＲ", 1), (4, "group:later", 0), (5, "user:old#ab", 0),
        ):  # fmt: skip
            insert = "INSERT INTO principals (id, name, known) VALUES (:id, :name, :known)"
            connection.execute(text(insert), {"id": number, "name": name, "known": known})
        connection.execute(text("INSERT INTO memberships (member_id, group_id) VALUES (1, 3)"))
    database.close()
    with caplog.at_level(logging.WARNING):
        catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.sqlite")
    assert "taken for each other" in caplog.text
    people = catalog.people
    assert [(i.name, i.taken_for) for i in people.everybody("user")] == [
        ("user:Eve", ("user:eve",)),
        ("user:eve", ("user:Eve",)),
    ]
    with pytest.raises(AlreadyExists):
        people.add_user("EVE", by=TESTER)
    people.rename_group("ＨＲ", "hr", by=TESTER)  # what would be refused now can be mended
    assert people.groups() == {"group:hr": ("user:eve",)}
    people.rename_user("Eve", "evelyn", by=TESTER)
    people.add_group("later", by=TESTER)
    people.add_user("newest", by=TESTER)  # its id was never used before
    catalog.close()


# --- any order of all of it ---------------------------------------------------------------------

USERS, GROUPS = ["ann", "ben", "cid"], ["one", "two"]
NAMES = [*(f"user:{name}" for name in USERS), *(f"group:{name}" for name in GROUPS)]
DOCUMENTS = [f"doc{number}" for number in range(4)]
some_name = st.sampled_from(NAMES)
some_names = st.sets(some_name, max_size=2)


class AnyOrderOfPeople(RuleBasedStateMachine):
    """People as numbers that are never used twice; rules are kept as numbers, names only lead to
    them.
    """

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=QUICK)
        self.world = World(Path(self.folder.name))
        self.people = self.world.catalog.people
        self.count = 0
        self.named: dict[str, int] = {}  # present name of each declared one
        self.former: dict[str, int] = {}
        self.pending: dict[str, int] = {}  # names that rules said before anybody declared them
        self.disabled: set[int] = set()
        self.edges: set[tuple[int, int]] = set()  # (member, group)
        self.acl: dict[str, tuple[frozenset[int], frozenset[int]]] = {}
        self.keys: dict[int, str] = {}
        # requests that were let in once and are answered later
        self.open: dict[int, Principal] = {}

    def fresh(self) -> int:
        self.count += 1
        return self.count

    def meant(self, name: str) -> int | None:
        return 0 if name == "public" else self.named.get(name, self.former.get(name))

    def above(self, who: int) -> set[int]:
        mine, before = {who}, set[int]()
        while mine != before:
            before = set(mine)
            mine |= {group for member, group in self.edges if member in mine}
        return mine

    def visible(self, who: int) -> set[str]:
        if who in self.disabled:
            return set()
        mine = self.above(who) | {0}
        return {
            document
            for document, (allow, deny) in self.acl.items()
            if allow & mine and not deny & mine
        }

    def everything(self) -> dict[int, set[str]]:
        users = {who for name, who in self.named.items() if name.startswith("user:")}
        return {who: self.visible(who) for who in users}

    def denies(self, ids: set[int]) -> int:
        return sum(1 for _, deny in self.acl.values() if deny & ids)

    @rule(name=some_name)
    def declare(self, name: str) -> None:
        kind, _, rest = name.partition(":")
        add = self.people.add_user if kind == "user" else self.people.add_group
        if self.meant(name) is not None:
            with pytest.raises(AlreadyExists):
                add(rest, by=TESTER)
            return
        who = self.pending.pop(name, None) or self.fresh()
        told = add(rest, by=TESTER)
        assert told.documents == sum(1 for allow, deny in self.acl.values() if who in allow | deny)
        self.named[name] = who

    @rule(old=some_name, new=some_name)
    def rename(self, old: str, new: str) -> None:
        kind = old.partition(":")[0]
        if not new.startswith(kind) or old == new:
            return
        change = self.people.rename_user if kind == "user" else self.people.rename_group
        before = self.everything()
        who = self.named.get(old)
        if who is None:
            with pytest.raises(NotFound):
                change(old, new, by=TESTER)
            return
        if self.meant(new) not in (None, who):
            with pytest.raises(AlreadyExists):
                change(old, new, by=TESTER)
            return
        change(old, new, by=TESTER)
        self.pending.pop(new, None)
        self.former.pop(new, None)
        del self.named[old]
        self.named[new], self.former[old] = who, who
        assert self.everything() == before

    @rule(name=some_name)
    def forget(self, name: str) -> None:
        before = self.everything()
        if name in self.former:
            self.people.forget_name(name.partition(":")[0], name, by=TESTER)
            del self.former[name]
        assert self.everything() == before

    @rule(user=st.sampled_from(USERS), able=st.booleans())
    def switch(self, user: str, able: bool) -> None:
        who = self.named.get(f"user:{user}")
        if who is not None:
            (self.people.enable_user if able else self.people.disable_user)(user, by=TESTER)
            (self.disabled.discard if able else self.disabled.add)(who)

    @rule(name=some_name, lift=st.booleans())
    def remove(self, name: str, lift: bool) -> None:
        kind, _, rest = name.partition(":")
        end = self.people.remove_user if kind == "user" else self.people.remove_group
        who = self.named.get(name)
        if who is None:
            with pytest.raises(NotFound):
                end(rest, by=TESTER)
            return
        before = self.everything()
        if not lift and self.denies(self.above(who) if kind == "group" else {who}):
            with pytest.raises(StillDenied):
                end(rest, by=TESTER)
            assert self.everything() == before
            return
        end(rest, lift_denies=lift, by=TESTER)
        del self.named[name]
        self.former = {former: whose for former, whose in self.former.items() if whose != who}
        self.edges = {edge for edge in self.edges if who not in edge}
        self.keys.pop(who, None)
        if not lift:
            after = self.everything()
            assert all(after[one] <= before[one] for one in after), "somebody gained by a removal"

    @rule(group=st.sampled_from(GROUPS), member=some_name, inside=st.booleans())
    def move(self, group: str, member: str, inside: bool) -> None:
        ids = self.named.get(member), self.named.get(f"group:{group}")
        if ids[0] is None or ids[1] is None:
            with pytest.raises(NotFound):
                self.people.add_member(group, member, by=TESTER)
        elif inside:
            self.people.add_member(group, member, by=TESTER)
            self.edges.add((ids[0], ids[1]))
        elif (ids[0], ids[1]) in self.edges:
            self.people.remove_member(group, member, by=TESTER)
            self.edges.discard((ids[0], ids[1]))

    @rule(
        document=st.sampled_from(DOCUMENTS), allow=some_names, public=st.booleans(), deny=some_names
    )
    def write(self, document: str, allow: set[str], public: bool, deny: set[str]) -> None:
        said = allow | ({"public"} if public else set())
        if any(self.meant(name) is None for name in deny):
            with pytest.raises(UnknownPrincipal):
                self.world.put(document, "x", *said, deny=deny)
            return
        self.world.put(document, "x", *said, deny=deny)
        for name in said:
            if self.meant(name) is None and name not in self.pending:
                self.pending[name] = self.fresh()
        allowed = {
            self.pending[name] if (who := self.meant(name)) is None else who for name in said
        }
        self.acl[document] = (
            frozenset(allowed),
            frozenset(who for name in deny if (who := self.meant(name))),
        )

    @rule(document=st.sampled_from(DOCUMENTS), allow=some_names, deny=some_names)
    def narrow(self, document: str, allow: set[str], deny: set[str]) -> None:
        if document not in self.acl or any(self.meant(name) is None for name in deny):
            return
        before = self.everything()
        self.world.catalog.documents.narrow(document, readers(allow, deny), by=TESTER)
        allowed, denied = self.acl[document]
        meant = {
            self.pending.setdefault(n, self.fresh()) if (w := self.meant(n)) is None else w
            for n in allow
        }
        self.acl[document] = (
            allowed & meant,
            denied | {who for name in deny if (who := self.meant(name))},
        )
        after = self.everything()
        assert all(after[one] <= before[one] for one in after)

    @rule(user=st.sampled_from(USERS))
    def issue(self, user: str) -> None:
        who = self.named.get(f"user:{user}")
        if who is not None:
            self.keys[who] = self.world.catalog.keys.issue(user, by=TESTER).secret
            if who not in self.disabled:
                self.open[who] = self.world.catalog.keys.authenticate(self.keys[who])

    @invariant()
    def everybody_reads_what_they_should(self) -> None:
        if not hasattr(self, "world"):
            return
        for name in NAMES[: len(USERS)]:
            who = self.named.get(name)
            expected = self.visible(who) if who is not None else set()
            assert self.world.catalog.documents.paths(Principal(name=name)) == expected
        for who, asker in self.open.items():
            assert self.reads(asker) == (self.visible(who) if who in self.named.values() else set())
        for who, secret in self.keys.items():
            if who in self.disabled:
                with pytest.raises(NotAuthenticated):
                    self.world.catalog.keys.authenticate(secret)
            else:
                assert self.named[self.world.catalog.keys.authenticate(secret).name] == who

    def reads(self, asker: Principal) -> frozenset[str]:
        try:
            return self.world.catalog.documents.paths(asker)
        except NotAuthenticated:
            return frozenset()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            self.folder.cleanup()


TestAnyOrderOfPeople = AnyOrderOfPeople.TestCase
TestAnyOrderOfPeople.settings = settings(
    max_examples=examples(25), stateful_step_count=30, deadline=None
)
