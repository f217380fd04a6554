"""P2: what was acknowledged holds for every request that starts after it, in every process, also
during a rebuild.
"""

import multiprocessing
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indexes.catalog import Catalog
from indexes.errors import AlreadyExists, NotFound, StillDenied, UnknownPrincipal
from indexes.model import Principal, Readers
from tests.databases import examples
from tests.quick import QUICK
from tests.world import TESTER, World, document

USERS = ["ada", "bob"]
GROUPS = ["hr", "eng", "all"]
URIS = [f"doc{n}" for n in range(5)]

users = st.sampled_from(USERS)
groups = st.sampled_from(GROUPS)
uris = st.sampled_from(URIS)
names = st.sampled_from([*(f"user:{u}" for u in USERS), *(f"group:{g}" for g in GROUPS), "public"])
allowed = st.sets(names, max_size=3)
denied = st.sets(names.filter(lambda n: n != "public"), max_size=1)


class Model:
    """Who may see what, in ten lines. A principal that was removed and made again is another one."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self.members: set[tuple[str, str]] = set()  # (group, member), by present identity
        self.life: dict[str, int] = {}  # how often a name was removed
        self.users: set[str] = set()

    def identity(self, name: str) -> str:
        return f"{name}/{self.life.get(name, 0)}"

    def visible(self, user: str) -> set[str]:
        if user not in self.users:
            return set()
        mine = {self.identity(f"user:{user}"), self.identity("public")}
        before: set[str] = set()
        while mine != before:
            before = mine
            mine = mine | {group for group, member in self.members if member in mine}
        return {
            uri for uri, (allow, deny) in self.documents.items() if allow & mine and not deny & mine
        }


class AnyOrderOfEvents(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=QUICK)
        self.world = World(Path(self.folder.name))
        # other connections, as in another process
        self.elsewhere = Catalog.open(self.world.settings.catalog_url)
        self.model = Model()
        self.version = 0
        for user in USERS:
            self.world.catalog.people.add_user(user, by=TESTER)
            self.model.users.add(user)
        for group in GROUPS:
            self.world.catalog.people.add_group(group, by=TESTER)

    def readers(self, allow: set[str], deny: set[str]) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(map(self.model.identity, allow)), frozenset(map(self.model.identity, deny))

    @rule(uri=uris, allow=allowed, deny=denied, chunks=st.integers(1, 3))
    def put(self, uri: str, allow: set[str], deny: set[str], chunks: int) -> None:
        self.version += 1
        parts = [f"text of {uri} version {self.version} part {n}" for n in range(chunks)]
        if self.denies_a_stranger(deny):
            return
        doc = document(uri, parts, allow, deny)
        vectors = self.world.embedder.passages(parts)
        self.elsewhere.documents.put(
            doc, {g.id: vectors for g in self.elsewhere.generations.writable()}, by=TESTER
        )
        self.model.documents[uri] = self.readers(allow, deny)

    @rule(uri=uris, allow=allowed, deny=denied)
    def relabel(self, uri: str, allow: set[str], deny: set[str]) -> None:
        readers = Readers(allow=frozenset(allow), deny=frozenset(deny))
        if uri in self.model.documents and self.denies_a_stranger(deny):
            with pytest.raises(UnknownPrincipal):
                self.elsewhere.documents.relabel(uri, readers, by=TESTER)
            return
        assert self.elsewhere.documents.relabel(uri, readers, by=TESTER) == (
            uri in self.model.documents
        )
        if uri in self.model.documents:
            self.model.documents[uri] = self.readers(allow, deny)

    def denies_a_stranger(self, deny: set[str]) -> bool:
        return any(
            name.startswith("user:") and name.removeprefix("user:") not in self.model.users
            for name in deny
        )

    @rule(uri=uris)
    def delete(self, uri: str) -> None:
        assert self.elsewhere.documents.delete(uri, by=TESTER) == (
            self.model.documents.pop(uri, None) is not None
        )

    @rule(group=groups, member=names.filter(lambda n: n != "public"))
    def join(self, group: str, member: str) -> None:
        try:
            self.elsewhere.people.add_member(group, member, by=TESTER)
        except NotFound:
            assert member.removeprefix("user:") not in self.model.users
            return
        self.model.members.add((self.model.identity(f"group:{group}"), self.model.identity(member)))

    @rule(group=groups, member=names.filter(lambda n: n != "public"))
    def leave(self, group: str, member: str) -> None:
        edge = (self.model.identity(f"group:{group}"), self.model.identity(member))
        if edge in self.model.members:
            self.elsewhere.people.remove_member(group, member, by=TESTER)
            self.model.members.discard(edge)

    @rule(user=users)
    def remove_user(self, user: str) -> None:
        if user in self.model.users:
            if self.is_denied(f"user:{user}"):
                with pytest.raises(StillDenied):
                    self.elsewhere.people.remove_user(user, by=TESTER)
            self.elsewhere.people.remove_user(user, lift_denies=True, by=TESTER)
            self.forget(f"user:{user}")
            self.model.users.discard(user)

    @rule(user=users)
    def add_user(self, user: str) -> None:
        if user in self.model.users:
            with pytest.raises(AlreadyExists):
                self.elsewhere.people.add_user(user, by=TESTER)
        else:
            self.elsewhere.people.add_user(user, by=TESTER)
            self.model.users.add(user)

    @rule(group=groups)
    def remake_group(self, group: str) -> None:
        if self.is_denied(f"group:{group}"):
            with pytest.raises(StillDenied):
                self.elsewhere.people.remove_group(group, by=TESTER)
        self.elsewhere.people.remove_group(group, lift_denies=True, by=TESTER)
        self.elsewhere.people.add_group(group, by=TESTER)
        self.forget(f"group:{group}")

    def is_denied(self, name: str) -> bool:
        return any(self.model.identity(name) in deny for _, deny in self.model.documents.values())

    def forget(self, name: str) -> None:
        old = self.model.identity(name)
        self.model.members = {edge for edge in self.model.members if old not in edge}
        self.model.life[name] = self.model.life.get(name, 0) + 1

    @rule()
    def rebuild(self) -> None:
        self.world.searcher.corpus.maintenance.rebuild()

    @rule(checkpoint=st.booleans())
    def restart(self, checkpoint: bool) -> None:
        if checkpoint:
            self.world.searcher.corpus.maintenance.save()
        self.world.searcher = self.world.new_searcher()

    @invariant()
    def everybody_finds_exactly_what_they_may_read(self) -> None:
        if not hasattr(self, "world"):
            return
        for user in [*USERS, "stranger"]:
            expected = self.model.visible(user)
            found = self.world.search(user, "text of version part", k=100, mode="dense")
            assert {hit.title for hit in found.hits} == expected
            keyword = self.world.search(
                user, f"text {URIS[self.version % 5]}", k=100, mode="keyword"
            )
            assert {hit.title for hit in keyword.hits} <= expected
            behind_gate_two_alone = self.world.catalog.documents.paths(
                Principal(name=f"user:{user}")
            )
            assert behind_gate_two_alone == expected

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.elsewhere.close()
            self.world.close()
            self.folder.cleanup()


TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(
    max_examples=examples(80), stateful_step_count=50, deadline=None
)
TestAnyOrderOfEvents = pytest.mark.slow(pytest.mark.timeout(1200)(TestAnyOrderOfEvents))


def _writer(url: str, pipe: Connection) -> None:
    """Another process: relabels as told, and says so when it is acknowledged."""
    catalog = Catalog.open(url)
    for allow in iter(pipe.recv, None):
        catalog.documents.relabel("secret", Readers(allow=frozenset(allow)), by=TESTER)
        pipe.send("acknowledged")
    catalog.close()


def test_a_revocation_in_another_process_holds_for_the_next_search(world: World) -> None:
    world.people(ada=["hr"])
    world.put("secret", "the canary sings", "group:hr")
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_writer, args=(world.settings.catalog_url, theirs))
    process.start()
    for allow in [["group:hr"], []] * 50:
        mine.send(allow)
        assert mine.recv() == "acknowledged"
        assert world.titles("ada", "canary") == (["secret"] if allow else [])
    mine.send(None)
    process.join(30)


def test_a_removed_user_reads_nothing_and_a_new_one_of_that_name_inherits_nothing(
    world: World,
) -> None:
    world.people(ada=[])
    world.put("diary", "the canary sings", "user:ada")
    assert world.titles("ada", "canary") == ["diary"]
    world.catalog.people.remove_user("ada", by=TESTER)
    assert world.titles("ada", "canary") == []
    world.catalog.people.add_user("ada", by=TESTER)
    assert world.titles("ada", "canary") == []


def test_a_search_during_a_rebuild_follows_every_revocation(world: World) -> None:
    from threading import Event, Thread

    world.people(ada=["hr"])
    for n in range(200):
        world.put(f"doc{n}", f"filler number {n}", "public")
    world.put("secret", "the canary sings", "group:hr")
    stop = Event()

    def rebuild() -> None:
        while not stop.is_set():
            world.searcher.corpus.maintenance.rebuild()

    thread = Thread(target=rebuild)
    thread.start()
    try:
        for n in range(60):
            allow = ["group:hr"] if n % 2 else []
            world.relabel("secret", *allow)
            assert ("secret" in world.titles("ada", "canary")) == bool(allow)
    finally:
        stop.set()
        thread.join()
