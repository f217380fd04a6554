import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from sqlalchemy import bindparam, select

from indexes.catalog import reading
from indexes.catalog.filters import Filters
from indexes.catalog.prepared import Prepared
from indexes.catalog.schema import chunks, documents
from indexes.derived import checkpoint
from indexes.derived.rebuild import rebuild
from indexes.errors import BadFilter, BadInput, ModelMismatch, NotFound
from indexes.model import Principal
from indexes.search.searcher import Searcher
from indexes.testing import HashingEmbedder
from tests.world import TESTER, World, as_bytes

ADA, BOB = Principal(name="user:ada"), Principal(name="user:bob")


@pytest.fixture
def staff(world: World) -> World:
    world.people(ada=["hr"], bob=["eng"])
    world.put("salaries", ["Salaries rise in May", "by three percent"], "group:hr")
    world.put(
        "pumps",
        "Part AB-12/4 replaces pump E1027",
        "group:eng",
        collection="manuals",
        metadata={"year": 2024},
    )
    world.put("menu", "The canteen serves soup on Monday", "public", language="en")
    return world


# --- two gates ----------------------------------------------------------------------------------


def test_a_derived_index_that_holds_hidden_rows_under_a_wrong_set_leaks_nothing(
    staff: World,
) -> None:
    derived = staff.searcher.corpus.held.current
    mine = staff.search("bob", "soup").hits
    staff.searcher.status()  # everything has been followed now
    for placed in derived.placements.all():  # everything is put into every list that bob may read
        derived.vectors.move(placed.rows, 2)
        derived.keywords.move(placed.rows, 2)
    for mode in ("dense", "keyword", "hybrid"):
        titles = [hit.title for hit in staff.search("bob", "Salaries rise in May", mode=mode).hits]
        assert "salaries" not in titles
    assert {hit.title for hit in mine} <= {"menu", "pumps"}


def test_a_derived_index_with_stale_rows_leaks_nothing(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # never follows
    monkeypatch.setattr("indexes.derived.indexes.DerivedIndexes.apply", lambda self, changes: None)
    staff.relabel("salaries", "group:board")
    assert "salaries" not in staff.titles("ada", "Salaries rise in May")
    staff.catalog.documents.delete("menu", by=TESTER)
    assert "menu" not in staff.titles("ada", "canteen soup")


def test_without_the_second_gate_a_damaged_index_would_leak(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the two tests above can fail."""
    columns = list(reading._HITS.selected_columns)
    ungated = select(*columns).join(documents, documents.c.id == chunks.c.document_id)
    by_row = ungated.where(chunks.c.row.in_(bindparam("rows", expanding=True)))
    monkeypatch.setattr(reading, "_HITS_BY_ROW", Prepared(by_row))
    derived = staff.searcher.corpus.held.current
    staff.searcher.status()  # everything has been followed now
    for placed in derived.placements.all():
        derived.vectors.move(placed.rows, 2)
    assert "salaries" in staff.titles("bob", "Salaries rise in May", mode="dense")


def test_what_one_may_not_read_is_not_there(staff: World) -> None:
    secret = staff.search("ada", "salaries").hits[0]
    for principal in (BOB, Principal(name="user:nobody")):
        with pytest.raises(NotFound) as forbidden:
            staff.searcher.document(secret.document_id, principal)
        with pytest.raises(NotFound) as absent:
            staff.searcher.document("no-such-id", principal)
        assert str(forbidden.value) == str(absent.value)
        with pytest.raises(NotFound):
            staff.searcher.passage(secret.id, principal)
    assert staff.searcher.passage(secret.id, ADA).text == secret.text


def test_what_the_vectors_have_lost_is_not_ranked_by_its_words_alone(staff: World) -> None:
    staff.searcher.status()  # everything has been followed now
    derived = staff.searcher.corpus.held.current
    (hit,) = staff.search("ada", "canteen soup", k=1).hits
    derived.vectors.remove(np.array([hit.row]))
    assert "menu" not in staff.titles("ada", "canteen soup")
    assert staff.titles("ada", "canteen soup", mode="keyword") == ["menu"]


# --- views --------------------------------------------------------------------------------------


def test_the_view_id_changes_exactly_when_something_visible_changes(staff: World) -> None:
    before = staff.searcher.view_id(BOB)
    staff.put("secret", "hidden", "group:hr")
    staff.relabel("secret", "user:ada")
    staff.catalog.documents.delete("secret", by=TESTER)
    staff.catalog.people.add_group("new", by=TESTER)
    assert staff.searcher.view_id(BOB) == before
    staff.relabel("pumps", "user:bob")  # other readers, same text, still his to read
    assert staff.searcher.view_id(BOB) == before
    staff.put("pumps", "Other text", "user:bob")
    assert staff.searcher.view_id(BOB) != before


def test_callers_who_see_the_same_have_the_same_view_id(staff: World) -> None:
    staff.people(eve=["eng"])
    assert staff.searcher.view_id(Principal(name="user:eve")) == staff.searcher.view_id(BOB)
    assert staff.searcher.view_id(ADA) != staff.searcher.view_id(BOB)


def test_a_view_of_many_groups_and_reader_sets_resolves_quickly_enough_to_use(world: World) -> None:
    world.people(ada=[])
    for n in range(300):
        world.catalog.people.add_group(f"g{n}", by=TESTER)
        world.catalog.people.add_member(f"g{n}", "user:ada", by=TESTER)
        world.put(f"d{n}", f"text {n}", f"group:g{n}", f"group:other{n}")
    assert len(world.search("ada", "text", k=1000).hits) == 300


# --- modes, filters, thinning -------------------------------------------------------------------


def test_codes_and_rare_words_are_found(staff: World) -> None:
    for question in ("E1027", "ab-12/4", "AB-12/4 pump"):
        assert staff.titles("bob", question, mode="keyword")[0] == "pumps"
        assert staff.titles("bob", question)[0] == "pumps"


def test_a_filter_narrows_the_view_and_never_widens_it(staff: World) -> None:
    def found(user: str, **filters: Any) -> list[str]:
        return sorted(staff.titles(user, "part soup salaries", filters=Filters(**filters)))

    assert found("bob", collection="manuals") == ["pumps"]
    assert found("ada", collection="manuals") == []
    assert found("bob", metadata={"year": 2024}) == ["pumps"]
    assert found("bob", metadata={"year": 2023}) == []
    assert found("bob", metadata={"year": 2024, "month": 1}) == []
    assert found("bob", path_prefix="PU") == []
    assert found("bob", path_prefix="pu") == ["pumps"]
    assert found("bob", path_prefix="%") == []
    assert found("ada", language="en") == ["menu"]
    assert found("ada", media_types=("application/pdf",)) == []
    assert found("ada", modified_after=datetime(2020, 1, 1, tzinfo=UTC)) == []
    assert found("ada") == ["menu", "salaries", "salaries"]


def test_contradictory_filters_are_refused() -> None:
    with pytest.raises(BadFilter):
        Filters(
            modified_after=datetime(2021, 1, 1, tzinfo=UTC),
            modified_before=datetime(2020, 1, 1, tzinfo=UTC),
        )
    with pytest.raises(BadFilter):
        Filters(modified_after=datetime(2021, 1, 1))
    with pytest.raises(BadFilter):
        Filters(metadata={str(n): n for n in range(100)})


def test_one_document_does_not_crowd_out_the_others_and_copies_collapse(world: World) -> None:
    world.people(ada=[])
    world.put(
        "long",
        [f"alpha beta gamma number {n} of many different words {n * 7}" for n in range(30)],
        "public",
    )
    world.put(
        "copy one", "the quick brown fox jumps over the lazy dog near the river bank", "public"
    )
    world.put(
        "copy two", "The quick brown fox jumps over the lazy dog, near the river bank.", "public"
    )
    world.put(
        "price 10", "the price of the quick brown fox near the river bank is 10 euro", "public"
    )
    world.put(
        "price 20", "the price of the quick brown fox near the river bank is 20 euro", "public"
    )
    titles = world.titles("ada", "alpha beta gamma quick brown fox", k=7)
    assert titles.count("long") == world.settings.passages_per_document
    assert len([t for t in titles if t.startswith("copy")]) == 1
    assert {"price 10", "price 20"} <= set(titles)


def test_k_beyond_what_is_visible_gives_what_there_is(staff: World) -> None:
    assert len(staff.search("ada", "anything", k=10**6, mode="dense").hits) == 3


@pytest.mark.parametrize(
    "question", ["", " ", "\0", "🙂", "ไม่มีใครรู้", "a" * 100_000, "السلام عليكم", "\ud800"]
)
def test_strange_questions_are_only_questions(staff: World, question: str) -> None:
    assert staff.search("ada", question).hits is not None


# --- checkpoints and rebuilds -------------------------------------------------------------------


def test_a_restart_from_a_checkpoint_answers_the_same_and_follows_what_changed_since(
    staff: World,
) -> None:
    staff.searcher.corpus.maintenance.save()
    before = as_bytes(staff.search("ada", "salaries in May"))
    staff.searcher = staff.new_searcher()
    assert as_bytes(staff.search("ada", "salaries in May")) == before
    staff.searcher.corpus.maintenance.save()
    staff.relabel("salaries", "group:board")
    staff.catalog.documents.delete("menu", by=TESTER)
    staff.put("news", "Salaries fall", "group:hr")
    staff.searcher = staff.new_searcher()
    assert staff.titles("ada", "salaries in May soup") == ["news"]


def test_a_search_follows_the_catalog_once_however_fast_others_write(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time it has caught up, somebody has written again: it answers from the state that it
    caught up with.
    """
    corpus = staff.searcher.corpus
    follow, states = corpus._follow, []

    def followed_by_a_write(held: ExitStack, principal: Principal | None) -> Any:
        met = follow(held, principal)
        states.append(met)
        staff.put(f"memo {len(states)}", "Salaries rise in June", "group:hr")
        return met

    monkeypatch.setattr(corpus, "_follow", followed_by_a_write)
    staff.put("memo 0", "Salaries rise in April", "group:hr")
    assert len(states) == 0
    titles = staff.titles("ada", "Salaries rise")
    assert len(states) == 1
    assert "memo 0" in titles
    assert "memo 1" not in titles
    assert "memo 1" in staff.titles("ada", "Salaries rise")


def test_searches_of_one_state_run_side_by_side_after_one_of_them_has_followed(
    staff: World,
) -> None:
    staff.put("memo", "Salaries rise in April", "group:hr")
    corpus = staff.searcher.corpus
    inside = Barrier(2, timeout=10)

    def search() -> None:
        with corpus.latest(ADA):
            inside.wait()  # both hold the newest state at the same time, or the barrier breaks

    with ThreadPoolExecutor(2) as threads:
        for one in [threads.submit(search) for _ in range(2)]:
            one.result()


def test_a_checkpoint_of_another_installation_is_not_used(staff: World) -> None:
    staff.searcher.corpus.maintenance.save()
    with checkpoint.open_checkpoint(staff.home / "derived", {"installation": "other"}) as folder:
        assert folder is None


def test_a_failing_checkpoint_leaves_the_former_one(staff: World) -> None:
    staff.searcher.corpus.maintenance.save()
    home = staff.home / "derived"
    before = (home / "CURRENT").read_text()

    def fail(folder) -> None:
        (folder / "half").write_bytes(b"x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(home, {}, fail)
    assert (home / "CURRENT").read_text() == before
    assert [path.name for path in home.glob("checkpoint-*")] == [before]


def test_a_rebuild_with_another_model_switches_and_switches_back(staff: World) -> None:
    other = HashingEmbedder(48, name="other")
    by_name = {"other": other, "hashing": staff.embedder}
    searcher = Searcher(
        staff.catalog, staff.embedder, staff.settings, load_embedder=lambda name, *_: by_name[name]
    )
    before = as_bytes(searcher.search("salaries", ADA, 5))
    steps: list[tuple[int, int]] = []
    rebuild(
        staff.catalog,
        "other",
        lambda name, *_: by_name[name],
        lambda *step: steps.append(step),
        grace_s=0,
        by=TESTER,
    )
    assert steps[-1] == (3, 3)
    assert searcher.search("salaries", ADA, 5).hits[0].title == "salaries"
    assert searcher.corpus.generation().fingerprint == other.fingerprint
    with pytest.raises(ModelMismatch):
        staff.new_searcher()
    rebuild(staff.catalog, "hashing", lambda name, *_: by_name[name], grace_s=0, by=TESTER)
    assert as_bytes(searcher.search("salaries", ADA, 5)) == before


def test_a_rebuild_with_the_same_model_moves_to_what_runs_it_now(staff: World) -> None:
    """Another backend gives other vectors of the same model; a running process has to fetch it."""
    name = staff.embedder.name
    faster = HashingEmbedder(48, name=name)
    by_fingerprint = {e.fingerprint: e for e in (staff.embedder, faster)}

    def load(model: str, fingerprint: str | None = None) -> HashingEmbedder:
        return by_fingerprint.get(fingerprint or "", faster)

    searcher = Searcher(staff.catalog, staff.embedder, staff.settings, load_embedder=load)
    rebuild(staff.catalog, name, load, grace_s=0, by=TESTER)
    assert searcher.search("salaries", ADA, 5).hits[0].title == "salaries"
    assert searcher.corpus.generation().fingerprint == faster.fingerprint
    at = searcher.corpus.generation().id
    rebuild(staff.catalog, name, load, grace_s=0, by=TESTER)  # nothing is embedded again
    active = staff.catalog.generations.active()
    assert active is not None
    assert active.id == at


def test_writes_during_a_rebuild_are_in_the_new_generation(staff: World) -> None:
    other = HashingEmbedder(48, name="other")

    class Writing(HashingEmbedder):
        """Somebody stores and deletes documents while this one embeds."""

        def passages(self, texts):
            if not staff.titles("bob", "late arrival", mode="keyword"):
                both = {
                    g.id: (other if g.dimension == 48 else staff.embedder)
                    for g in staff.catalog.generations.writable()
                }
                from tests.world import document

                doc = document("late", "late arrival", ["public"])
                staff.catalog.documents.put(
                    doc, {i: e.passages(["late arrival"]) for i, e in both.items()}, by=TESTER
                )
                staff.catalog.documents.delete("menu", by=TESTER)
            return super().passages(texts)

    by_name = {"other": Writing(48, name="other")}
    searcher = Searcher(
        staff.catalog, staff.embedder, staff.settings, load_embedder=lambda name, *_: by_name[name]
    )
    rebuild(staff.catalog, "other", lambda name, *_: by_name[name], grace_s=0, by=TESTER)
    titles = [hit.title for hit in searcher.search("late arrival soup", BOB, 9, mode="dense").hits]
    assert "late" in titles
    assert "menu" not in titles


def test_passages_too_long_for_the_new_model_stop_the_rebuild_before_anything_is_lost(
    staff: World,
) -> None:
    with pytest.raises(BadInput) as caught:
        rebuild(
            staff.catalog,
            "small",
            lambda name, *_: HashingEmbedder(8, max_tokens=2, name=name),
            grace_s=0,
            by=TESTER,
        )
    assert "CLEARANCE_CHUNK_TOKENS" in (caught.value.remedy or "")
    assert staff.titles("ada", "salaries")[0] == "salaries"


def test_a_rebuild_asked_for_elsewhere_reaches_a_running_process(staff: World) -> None:
    before = staff.searcher.corpus.held.current
    with staff.searcher.background_work(every_s=0.05):
        rebuild(staff.catalog, None, lambda name, *_: staff.embedder, by=TESTER)
        for _ in range(200):
            if staff.searcher.corpus.held.current is not before:
                break
            time.sleep(0.05)
    assert staff.searcher.corpus.held.current is not before
    assert (staff.home / "derived" / "CURRENT").exists()


def test_the_memory_of_views_is_bounded_and_forgets_the_oldest(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexes.derived.view._CACHED_SETS", 3)
    for user in ("ada", "bob", "ada", "bob", "eve"):
        staff.search(user, "soup")
    views = staff.searcher.corpus._views
    assert views._sets == sum(len(known.reader_sets) for known in views._known.values()) <= 3
    assert staff.titles("ada", "salaries")[0] == "salaries"
