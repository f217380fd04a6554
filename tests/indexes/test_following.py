"""The indexes follow the catalog to the end or are thrown away; and a view follows nothing but what
belongs to it.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event, Thread, get_ident
from typing import Any

import pytest
from sqlalchemy import Connection

from indexes.catalog import changes as change_log
from indexes.catalog.index_input import Mark
from indexes.catalog.reading import ReadState
from indexes.derived import held_indexes, persistence
from indexes.derived.corpus import Corpus
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.locks import ReadWriteLock
from indexes.derived.placements import Placements
from indexes.derived.rebuild import rebuild
from indexes.derived.vectors import vector_stores
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.errors import IndexNotReady, TooOld
from indexes.model import Principal
from indexes.search.searcher import Searcher
from indexes.testing import HashingEmbedder
from tests.databases import only_sqlite, sqlite
from tests.world import MODES, TESTER, World, as_bytes, building_job

ADA, BOB = Principal(name="user:ada"), Principal(name="user:bob")


@pytest.fixture
def staff(world: World) -> World:
    world.people(ada=["hr"], bob=["eng"])
    world.put("pay", ["Salaries rise in May", "by three percent"], "group:hr")
    world.put("pumps", "Part AB-12/4 replaces pump E1027", "group:eng")
    world.put("menu", "The canteen serves soup on Monday", "public")
    assert_right(world)
    return world


def answers(searcher: Searcher) -> list[bytes]:
    questions = ("salaries rise", "pump E1027", "soup on Monday", "canary")
    asked = [(q, who, mode) for q in questions for who in (ADA, BOB) for mode in MODES]
    return [as_bytes(searcher.search(q, who, 10, mode=mode)) for q, who, mode in asked]


def canaries(world: World, user: str) -> list[str]:
    return world.titles(user, "canary", k=50, mode="keyword")


def assert_right(world: World, searcher: Searcher | None = None) -> None:
    """Everybody is told what somebody is told who builds everything from the catalog now."""
    fresh = Corpus(world.catalog, None, vector_stores(world.settings))
    reference = Searcher(world.catalog, world.embedder, world.settings)
    reference.corpus = fresh
    assert answers(searcher or world.searcher) == answers(reference)


# --- batches of changes between two searches ----------------------------------------------------


def test_documents_whose_rows_are_out_of_order_move_to_one_reader_set_at_once(staff: World) -> None:
    staff.put("a", "canary one", "group:hr")
    staff.put("b", "canary two", "group:hr")
    assert len(canaries(staff, "ada")) == 2
    staff.put("a", "canary three", "group:hr")  # its rows come after those of b now
    staff.relabel("a", "group:eng")
    staff.relabel("b", "group:eng")
    assert sorted(staff.titles("bob", "canary", mode="keyword")) == ["a", "b"]
    assert staff.titles("ada", "canary", mode="keyword") == []
    assert_right(staff)
    assert staff.searcher.status().discarded == 0


def test_a_document_that_wanders_through_reader_sets_is_in_the_last_one_only(staff: World) -> None:
    for readers in (
        ["group:eng"],
        ["group:hr", "group:eng"],
        ["public"],
        ["group:hr"],
        ["group:eng"],
    ):
        staff.relabel("pay", *readers)
        staff.search("bob", "salaries")  # follows for one side only
    assert_right(staff)
    staff.put("pay", "canary now", "group:hr")
    staff.relabel("pay", "group:eng")
    staff.catalog.documents.delete("pay", by=TESTER)
    staff.put("pay", "canary again", "group:hr")
    assert canaries(staff, "ada") == ["pay"]
    assert_right(staff)


# --- one view follows nothing but its own -------------------------------------------------------


@contextmanager
def documents_followed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Ids of the documents that are brought in line inside."""
    followed: list[int] = []
    honest = DerivedIndexes.compute_changes

    def noted(self: DerivedIndexes, state: ReadState, ids: Any, generation: Any) -> Any:
        followed.extend(ids)
        return honest(self, state, ids, generation)

    with monkeypatch.context() as patch:
        patch.setattr(DerivedIndexes, "compute_changes", noted)
        yield followed


def test_a_search_follows_nothing_that_its_caller_may_not_read(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        staff.put(f"hidden{number}", f"canary {number} of many", "group:hr")
    staff.relabel("pay", "user:ada")
    staff.catalog.documents.delete("hidden3", by=TESTER)
    staff.catalog.people.add_group("new", by=TESTER)
    with documents_followed(monkeypatch) as followed:
        assert canaries(staff, "bob") == canaries(staff, "bob")
        assert followed == []
        staff.put("open", "canary", "group:eng")
        assert "open" in canaries(staff, "bob")
        assert len(followed) == 1
        assert len(canaries(staff, "ada")) >= 19
        assert len(followed) == 1 + 21
        assert canaries(staff, "ada") == canaries(staff, "ada")
        assert len(followed) == 1 + 21
    assert_right(staff)


def test_what_a_view_costs_depends_on_no_hidden_change(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements are put to the catalog, and the same sums are made, whatever happened
    that is hidden.
    """
    counted: list[str] = []
    for owner, name in ((ReadState, "reader_sets"), (ReadState, "identities"), (ReadState, "sets_changed_since"),
                        (ReadState, "changed_in"), (DerivedIndexes, "digest"),
                        (DerivedIndexes, "last_change")):  # fmt: skip
        honest = getattr(owner, name)

        def counting(*given: Any, honest: Callable[..., Any] = honest, name: str = name) -> Any:
            counted.append(name)
            return honest(*given)

        monkeypatch.setattr(owner, name, counting)

    def cost() -> list[str]:
        counted.clear()
        staff.search("bob", "soup", mode="keyword")
        return list(counted)

    cost()
    usual = cost()
    # a reader set that was not there before
    staff.put("secret", "canary", "group:hr", "group:board")
    assert cost() == usual
    staff.catalog.people.add_user("eve", by=TESTER)
    staff.catalog.people.add_member("hr", "user:eve", by=TESTER)
    assert cost() == usual
    staff.searcher.corpus.follow()
    assert cost() == usual
    staff.put("news", "soup", "group:eng", "group:board")
    assert cost() != usual


def test_the_background_follows_everything_in_small_steps(staff: World) -> None:
    for number in range(30):
        staff.put(f"hidden{number}", f"canary {number} of many", "group:hr")
    steps: list[float] = []
    staff.searcher.corpus.follow(rest=steps.append)
    assert len(steps) >= 4
    with staff.catalog.reading() as state:
        derived = staff.searcher.corpus.held.current
        assert derived.followed == derived.newest == state.mark
        assert derived.reader_sets_behind(state, derived.newest) == []
    assert len(derived.placements) == 33
    assert_right(staff)


def test_a_document_is_followed_without_putting_a_statement_into_words_again(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Putting two of them into words took longer than working out a document of ten passages."""
    corpus = staff.searcher.corpus
    corpus.follow()
    staff.put("pay1", "canary again", "group:hr")
    with staff.catalog.reading() as state:
        ((_, document),) = state.changed_since(corpus.held.current.followed.number)

        def worded(*given: Any) -> None:
            raise AssertionError(f"put into words: {given[1]}")

        monkeypatch.setattr(Connection, "execute", worded)
        derived = corpus.held.current
        assert derived.compute_changes(state, [document], derived.generation).new


def test_searches_and_the_background_together_end_at_what_is_there(staff: World) -> None:
    """Two threads follow, one writes; whatever overtakes what, everybody is told what the catalog
    says.
    """
    stop, wrong = Event(), []

    def work(what: Callable[[], object]) -> None:
        while not stop.is_set():
            try:
                what()
            except Exception as error:
                wrong.append(error)
                return

    corpus = staff.searcher.corpus
    threads = [
        Thread(target=work, args=(each,))
        for each in (corpus.follow, lambda: staff.search("ada", "canary"))
    ]
    for thread in threads:
        thread.start()
    groups = ("group:hr", "group:eng", "public")
    for number in range(50):
        name, to = f"d{number % 7}", groups[number % 3]
        if number % 2 or number < 7:
            staff.put(name, f"canary {number}", to)
        else:
            staff.relabel(name, to)
        assert (name in canaries(staff, "bob")) == (to != "group:hr")
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not wrong
    assert_right(staff)
    assert staff.searcher.status().discarded == 0


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_later_state_seen_by_another_search_meanwhile_throws_nothing_away(
    staff: World, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """The state of one search is older than what another has seen since: no copy was put back, and
    what the first has to follow is still to be followed.
    """
    behind, me, calls = DerivedIndexes.reader_sets_behind, get_ident(), 0

    def overtaken(derived: DerivedIndexes, *given: Any) -> Any:
        nonlocal calls
        if get_ident() == me:
            calls += 1
            if calls == call:
                staff.put("pay", "canary of another state", "group:hr")
                with ThreadPoolExecutor(1) as other:
                    other.submit(staff.titles, "bob", "canary").result(20)
        return behind(derived, *given)

    staff.put("plan", "canary plan", "group:hr")
    monkeypatch.setattr(DerivedIndexes, "reader_sets_behind", overtaken)
    assert "plan" in canaries(staff, "ada")
    assert calls >= min(call, 3), "how often one search asks before it follows"
    assert staff.searcher.status().discarded == 0
    assert_right(staff)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("background", [False, True])
def test_indexes_thrown_away_while_a_search_follows_answer_nobody(
    staff: World, monkeypatch: pytest.MonkeyPatch, when: str, background: bool
) -> None:
    """What one thread throws away is not filled again by another that was about to change it."""
    held, compute = staff.searcher.corpus.held, DerivedIndexes.compute_changes
    for name in ("one", "two"):
        staff.put(name, f"canary {name}", "group:hr")
    assert sorted(canaries(staff, "ada")) == ["one", "two"]
    staff.put("three", "canary three", "group:hr")

    def meanwhile(derived: DerivedIndexes, *given: Any) -> Any:
        monkeypatch.undo()
        if when == "before":
            held.discard(derived, "Nobody trusts them")
        changes = compute(derived, *given)
        if when == "after":
            held.discard(derived, "Nobody trusts them")
        return changes

    monkeypatch.setattr(DerivedIndexes, "compute_changes", meanwhile)
    if background:
        staff.searcher.corpus.follow()
    assert sorted(canaries(staff, "ada")) == ["one", "three", "two"]
    assert staff.searcher.status().discarded == 1
    assert_right(staff)


def test_one_may_ask_whether_it_is_ready_without_anything_being_followed(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff.put("secret", "canary", "group:hr")
    monkeypatch.setattr(type(staff.catalog), "reading", None)
    assert staff.searcher.ready()


# --- whatever goes wrong in the middle ----------------------------------------------------------


INSIDE = [(FaissStore, "remove"), (FaissStore, "move"), (FaissStore, "add"),
          (KeywordIndex, "remove"), (KeywordIndex, "move"), (KeywordIndex, "add_blocks"),
          (DerivedIndexes, "_place"), (Placements, "add"), (Placements, "remove"),
          (Placements, "_update_lanes")]  # fmt: skip


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize(("owner", "name"), INSIDE)
def test_an_error_in_the_middle_of_following_ends_in_right_answers(
    staff: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: type,
    name: str,
    error: type,
) -> None:
    staff.put("pay", "Salaries fall", "group:hr")
    staff.relabel("pumps", "group:hr")
    staff.catalog.documents.delete("menu", by=TESTER)
    honest, calls = getattr(owner, name), [0]

    def failing(*given: Any) -> Any:
        result = honest(*given)
        calls[0] += 1
        if calls[0] == 1:
            raise error("injected")
        return result

    broken = staff.searcher.corpus.held.current
    monkeypatch.setattr(owner, name, failing)
    try:
        staff.search("ada", "salaries")
    except KeyboardInterrupt:
        assert error is KeyboardInterrupt
    assert calls[0] >= 1
    assert not broken.usable
    assert len(broken.placements) == 0
    assert error is KeyboardInterrupt or "injected" in caplog.text
    assert_right(staff)
    staff.searcher.corpus.maintenance.save()
    staff.searcher = staff.new_searcher()
    assert_right(staff)


def test_an_error_while_the_catalog_is_read_costs_nothing_but_that_search(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff.put("pay", "Salaries fall", "group:hr")
    before = staff.searcher.corpus.held.current
    with monkeypatch.context() as patch:
        patch.setattr(ReadState, "keyword_texts", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            staff.search("ada", "salaries")
    assert staff.searcher.corpus.held.current is before
    assert_right(staff)
    assert staff.searcher.status().discarded == 0


def test_indexes_that_cannot_be_built_are_said_to_be_not_ready_and_are_tried_again(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = staff.searcher.corpus
    corpus.held.discard(corpus.held.current, "A test")
    assert not staff.searcher.ready()
    with monkeypatch.context() as patch:
        patch.setattr(ReadState, "vectors", lambda *given: 1 / 0)
        for _ in range(2):
            with pytest.raises(IndexNotReady):
                staff.search("ada", "salaries")
    corpus.maintenance.save()
    assert not (staff.home / "derived" / "CURRENT").exists(), (
        "what is not usable is never a checkpoint"
    )
    assert_right(staff)
    assert staff.searcher.ready()
    assert staff.searcher.status().discarded == 1


def test_one_thread_builds_anew_and_the_others_wait_for_it(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, built, together = staff.searcher.corpus, [0], Barrier(4, timeout=10)
    honest = corpus.held.build

    def slowly(state: ReadState) -> DerivedIndexes:
        built[0] += 1
        Event().wait(0.2)
        return honest(state)

    monkeypatch.setattr(corpus.held, "build", slowly)
    corpus.held.discard(corpus.held.current, "A test")

    def search() -> list[str]:
        together.wait()
        return staff.titles("ada", "salaries rise", mode="keyword")

    with ThreadPoolExecutor(4) as threads:
        found = [each.result() for each in [threads.submit(search) for _ in range(4)]]
    assert found == [["pay"]] * 4
    assert built == [1]


def test_a_row_that_gate_two_stops_has_everything_built_anew_once(
    staff: World, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = staff.searcher.corpus
    staff.searcher.status()
    damaged = corpus.held.current
    for placed in damaged.placements.all():
        damaged.vectors.move(placed.rows, 2)
    with caplog.at_level(logging.ERROR):
        assert staff.titles("bob", "salaries rise", mode="dense") != []
    assert corpus.held.current is not damaged
    assert "built anew" in caplog.text
    assert_right(staff)
    status = staff.searcher.status()
    assert (status.discarded, status.alarms > 0) == (1, True)


@pytest.mark.parametrize("damage", ["word", "vector", "lost", "left over"])
def test_what_differs_from_the_catalog_is_found_in_the_background_and_at_start(
    staff: World, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    # all reader sets at once, however slow this is
    monkeypatch.setattr("indexes.derived.health._CHECKING_S", 10)

    def harm(derived: DerivedIndexes) -> None:
        placed = derived.placements.all()[0]
        if damage == "word":
            derived.keywords.move(placed.rows, 3)
        elif damage == "vector":
            derived.vectors.remove(placed.rows)
        elif damage == "lost":
            derived.placements.remove(placed)
        else:
            derived.keywords.add([10_000], 99, ["canary"])

    staff.searcher.status()
    corpus = staff.searcher.corpus
    damaged = corpus.held.current
    harm(damaged)
    corpus.maintenance.save()
    started = staff.new_searcher()
    assert_right(staff, started)
    corpus.maintenance.run()
    assert corpus.held.current is not damaged
    assert (corpus.held.discarded, staff.searcher.ready()) == (1, True)
    now = corpus.held.current
    corpus.maintenance.run()
    assert corpus.held.current is now
    assert_right(staff)


# --- a catalog put back from a copy -------------------------------------------------------------


def copy_of(world: World) -> Any:
    """The catalog as it is now, to be put back."""
    kept = sqlite.connect(":memory:")
    with sqlite.connect(world.home / "catalog.sqlite") as now:
        now.backup(kept)
    return kept


def put_back(world: World, kept: Any) -> None:
    with sqlite.connect(world.home / "catalog.sqlite") as now:
        kept.backup(now)


@only_sqlite
@pytest.mark.parametrize("writes", [0, 1, 3, 9])
@pytest.mark.parametrize("restart", [False, True])
def test_a_catalog_put_back_and_written_to_again_is_noticed(
    staff: World, writes: int, restart: bool
) -> None:
    kept = copy_of(staff)
    for number in range(3):
        staff.put(f"lost{number}", ["canary lost", "and more"], "group:hr")
    assert_right(staff)
    position = staff.search("ada", "canary").position
    staff.searcher.corpus.maintenance.save()
    put_back(staff, kept)
    for number in range(writes):  # the numbers of rows, documents and states are used again
        staff.put(f"other{number}", "canary other", "group:hr" if number % 2 else "group:eng")
    if restart:
        staff.searcher = staff.new_searcher()
    assert_right(staff)
    assert all("lost" not in title for title in canaries(staff, "ada"))
    with pytest.raises(TooOld):
        staff.searcher.search("canary", ADA, 5, at_least=position)
    staff.put("later", "canary later", "group:hr")
    assert_right(staff)


@only_sqlite
def test_numbers_of_reader_sets_that_are_used_again_give_nobody_anothers_view(staff: World) -> None:
    kept = copy_of(staff)
    staff.put("for bob", "canary one", "user:bob", "group:eng")
    assert staff.titles("bob", "canary", mode="keyword") == ["for bob"]
    put_back(staff, kept)
    staff.put("for ada", "canary two", "user:ada", "group:hr")
    assert staff.titles("bob", "canary", mode="keyword") == []
    assert staff.titles("ada", "canary", mode="keyword") == ["for ada"]
    assert staff.searcher.status().alarms == 0


@only_sqlite
def test_groups_of_another_history_with_the_same_numbers_are_nobodys(staff: World) -> None:
    """Only people change after the copy and after it was put back, so that no index has anything to
    follow.
    """
    people = staff.catalog.people
    staff.put("pay", "canary pay", "group:hr")
    assert_right(staff)
    kept = copy_of(staff)
    people.add_member("hr", "user:bob", by=TESTER)
    assert "pay" in staff.titles("bob", "canary", mode="keyword")
    put_back(staff, kept)
    # the state that this leads to has the number of the one that is lost
    people.remove_member("eng", "user:bob", by=TESTER)
    assert staff.titles("bob", "canary", mode="keyword") == []
    assert staff.searcher.status().alarms == 0, "only the second gate knew"
    assert_right(staff)


@only_sqlite
def test_a_view_remembered_before_following_failed_is_nobodys_in_another_history(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view is resolved first; then following fails, and the catalog is put back."""
    people = staff.catalog.people
    staff.put("pay", "canary pay", "group:hr")
    assert_right(staff)
    kept = copy_of(staff)
    staff.put("plan", "canary plan", "group:eng")
    people.add_member("hr", "user:bob", by=TESTER)

    def failing(*_: Any) -> Any:
        raise OSError("the disk is slow today")

    with monkeypatch.context() as patch:
        patch.setattr(DerivedIndexes, "compute_changes", failing)
        with pytest.raises(OSError, match="slow"):
            staff.titles("bob", "canary", mode="keyword")
    put_back(staff, kept)
    staff.put("plan", "canary other", "group:eng")
    people.remove_member("eng", "user:bob", by=TESTER)
    assert staff.titles("bob", "canary", mode="keyword") == []
    assert staff.searcher.status().alarms == 0, "only the second gate knew"
    assert_right(staff)


def test_what_is_older_than_the_log_remembers_is_built_anew(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "KEPT_STATES", 5)
    monkeypatch.setattr(change_log, "FORGOTTEN_TOGETHER", 1)
    staff.searcher.corpus.maintenance.save()
    old = staff.searcher.corpus.held.current
    for number in range(9):
        staff.put(f"d{number}", "canary", "group:hr", *(["public"] if number % 2 else []))
    assert_right(staff)
    assert staff.searcher.corpus.held.current is not old
    staff.searcher = staff.new_searcher()
    assert_right(staff)
    with staff.catalog._database.reading() as connection:
        for table in ("states", "document_changes"):
            assert connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one() <= 5


def test_a_state_is_named_by_its_number_and_its_token(staff: World) -> None:
    with staff.catalog.reading() as state:
        assert state.has(state.mark)
        assert not state.has(Mark(state.mark.number, bytes(16)))
        assert not state.has(Mark(state.mark.number + 1, state.mark.token))


# --- another model ------------------------------------------------------------------------------


@pytest.mark.parametrize("prepared", [False, True])
def test_a_switch_of_models_right_after_changes_finds_what_is_there(
    staff: World, prepared: bool
) -> None:
    other = HashingEmbedder(48, name="other")
    by_name = {"other": other, "hashing": staff.embedder}
    searcher = Searcher(
        staff.catalog, staff.embedder, staff.settings, load_embedder=lambda name, *_: by_name[name]
    )
    answers(searcher)
    generation = staff.catalog.generations.begin(
        "other", other.fingerprint, other.dimension, by=TESTER, job=building_job(staff.catalog)
    )

    def put(uri: str, text: str, *allow: str) -> None:
        from tests.world import document

        made = {
            g.id: (other if g.dimension == 48 else staff.embedder)
            for g in staff.catalog.generations.writable()
        }
        vectors = {i: embedder.passages([text]) for i, embedder in made.items()}
        staff.catalog.documents.put(document(uri, text, allow), vectors, by=TESTER)

    with staff.catalog.reading() as state:
        waiting = state.documents_without_vectors(generation, 100)
        texts = state.embedded_texts([i for i, _ in waiting])
    staff.catalog.documents.add_vectors(
        generation, {i: (t, other.passages(texts[i])) for i, t in waiting}, by=TESTER
    )
    staff.catalog.generations.announce(generation, by=TESTER)
    put("pumps", "pump E1027 before", "group:eng")
    if prepared:
        searcher.corpus.maintenance.run()
    put("pay", "Salaries fall", "group:hr")
    staff.catalog.documents.delete("menu", by=TESTER)
    staff.catalog.generations.activate(generation, by=TESTER)
    put("pumps", "pump E1027 after", "group:eng")  # has vectors of the new generation only
    for who in (BOB, ADA):
        found = searcher.search("pump salaries soup", who, 9, mode="dense")
        assert {hit.text for hit in found.hits} == {
            "pump E1027 after" if who == BOB else "Salaries fall"
        }
    assert searcher.corpus.generation().id == generation.id
    assert searcher.status().discarded == 0
    rebuild(staff.catalog, "hashing", lambda name, *_: by_name[name], grace_s=0, by=TESTER)
    assert_right(staff, searcher)


def test_while_another_model_is_loaded_searches_go_on_with_the_former(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = HashingEmbedder(48, name="other")
    by_name = {"other": other, "hashing": staff.embedder}
    searcher = Searcher(
        staff.catalog, staff.embedder, staff.settings, load_embedder=lambda name, *_: by_name[name]
    )
    answers(searcher)
    rebuild(staff.catalog, "other", lambda name, *_: by_name[name], grace_s=0, by=TESTER)
    loading, go_on, honest = Event(), Event(), searcher.corpus.switch.prepare

    def slowly(generation: Any) -> None:
        loading.set()
        assert go_on.wait(10)
        honest(generation)

    monkeypatch.setattr(searcher.corpus.switch, "prepare", slowly)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(searcher.search, "salaries", ADA, 5)
        assert loading.wait(10)
        assert searcher.search("salaries rise", ADA, 5).hits[0].title == "pay"
        assert searcher.corpus.generation().fingerprint == staff.embedder.fingerprint
        go_on.set()
        assert first.result(10).hits
    assert searcher.corpus.generation().fingerprint == other.fingerprint


# --- operators ----------------------------------------------------------------------------------


def test_a_rebuild_asked_for_while_nobody_runs_is_not_undone_by_the_checkpoint(
    staff: World,
) -> None:
    staff.searcher.corpus.maintenance.save()
    staff.catalog.generations.request_rebuild(by=TESTER)
    read: list[str] = []
    loaded = persistence.load_indexes

    def noting(*given: Any) -> Any:
        found = loaded(*given)
        read.append("nothing" if found is None else "checkpoint")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_indexes, "load_indexes", noting)
        staff.new_searcher()
        started = staff.new_searcher()
        started.corpus.maintenance.save()
        staff.new_searcher()
    assert read == ["nothing", "nothing", "checkpoint"]


def test_a_rebuild_that_fails_is_tried_again_and_the_old_indexes_serve_meanwhile(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = staff.searcher.corpus
    staff.catalog.generations.request_rebuild(by=TESTER)
    before = corpus.held.current
    with monkeypatch.context() as patch:
        patch.setattr(ReadState, "vectors", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            corpus.maintenance.run()
        assert staff.titles("ada", "salaries rise", mode="keyword") == ["pay"]
    corpus.maintenance.run()
    assert corpus.held.current is not before
    now = corpus.held.current
    corpus.maintenance.run()
    assert corpus.held.current is now
    assert_right(staff)


# --- the lock -----------------------------------------------------------------------------------


def test_a_patient_writer_lets_readers_go_first_and_is_not_starved() -> None:
    lock, written, read, leave = ReadWriteLock(), Event(), Event(), Event()

    def write() -> None:
        with lock.writing(patience_s=0.3):
            written.set()

    def read_meanwhile() -> None:
        with lock.reading():
            read.set()
            assert leave.wait(10)

    threads = [Thread(target=write), Thread(target=read_meanwhile)]
    with lock.reading():
        threads[0].start()
        assert not written.wait(0.05)
        threads[1].start()
        assert read.wait(0.2), "behind a writer that is not patient it would have to wait"
    assert not written.wait(0.05)
    leave.set()
    assert written.wait(10)
    for thread in threads:
        thread.join(10)
