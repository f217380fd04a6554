"""Folders in, documents with readers and vectors in a real catalog out."""

import concurrent.futures
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from indexes.errors import SourceBroken, StorageFull
from indexes.ingest_lock import ingest_lock
from indexes.model import Readers
from ingest.elements import Parsed
from ingest.report import FileProgress
from ingest.testing import SpyEmbedder
from tests.world import TESTER, building_job

HR = Readers(allow=frozenset({"group:hr"}))
NOBODY = Readers(allow=frozenset())


def statuses(report):
    return {file["path"]: file["status"] for file in report["files"]}


def line(report, path):
    return next(file for file in report["files"] if file["path"] == path)


def failing(pool, *names):
    """Parsers to which the named files look damaged."""

    def submit(document, cutting):
        if document.name not in names:
            return pool.submit(document, cutting)
        document.close()
        future: concurrent.futures.Future[Parsed] = concurrent.futures.Future()
        future.set_exception(SourceBroken("Its end is missing.", remedy="Get another copy."))
        return future

    return SimpleNamespace(submit=submit, prepare=pool.prepare)


def watching(pool, note):
    """Parsers that call `note` before every file."""

    def submit(document, cutting):
        note(document)
        return pool.submit(document, cutting)

    return SimpleNamespace(submit=submit, prepare=pool.prepare)


def test_parsers_begin_to_start_before_the_model_is_loaded_if_there_is_a_file_to_read(world):
    begun, pool, load = [], world.pool, world.load

    def note_and_load(*model):
        begun.append("model")
        return load(*model)

    world.pool = SimpleNamespace(submit=pool.submit, prepare=lambda: begun.append("parsers"))
    world.load = note_and_load
    world.write("a.txt")
    world.ingest(allow=("group:hr",))
    assert begun == ["parsers", "model"]
    world.ingest(allow=("group:hr",))
    assert begun == ["parsers", "model"]


def test_every_file_becomes_a_document_with_its_readers_and_a_vector_for_every_chunk(world):
    world.rule("group:hr")
    world.write("a.txt", "The canteen opens at noon.\n\nIt closes at two.")
    world.write("b.md", "# Pay\n\nSalaries rise in May.\n\n## When\n\nOn the first working day.")
    world.write(
        "c.html",
        "<html><title>Leave</title><body><h1>Leave</h1><p>Thirty days a year.</p></body></html>",
    )
    world.write("d.txt", "食堂中午开门。")
    report = world.ingest()
    assert report["code"] == 0
    assert statuses(report) == {
        f"docs/{name}": "new" for name in ("a.txt", "b.md", "c.html", "d.txt")
    }
    stored = world.stored()
    assert {d.readers for d in stored.values()} == {HR}
    assert all(d.chunks > 0 for d in stored.values())
    assert world.rows("SELECT count(*) FROM chunks") == [(report["chunks"],)]
    sizes = world.rows("SELECT document_id, length(vectors) / 4 / 64 FROM vectors ORDER BY 1")
    assert sizes == world.rows("SELECT document_id, count(*) FROM chunks GROUP BY 1 ORDER BY 1")


def test_each_chunk_has_the_vector_of_its_own_text(world):
    for number in range(30):
        world.write(f"{number}.txt", f"word{number} " * (number + 1))
    world.ingest(allow=("group:hr",))
    embedder = SpyEmbedder()
    wanted = "SELECT embedded, vectors FROM chunks JOIN vectors USING (document_id) GROUP BY document_id HAVING count(*) = 1"
    rows = world.rows(wanted)
    assert len(rows) > 5
    for text, blob in rows:
        assert np.array_equal(np.frombuffer(blob, "<f4"), embedder.query(text))


def test_a_second_run_changes_nothing_and_loads_no_model(world):
    world.write("a.txt")
    world.ingest(allow=("group:hr",))
    before = world.everything()
    report = world.ingest(allow=("group:hr",))
    assert statuses(report) == {"docs/a.txt": "unchanged"}
    assert world.models_loaded == []
    assert world.everything() == before


def test_a_changed_file_replaces_its_document(world):
    world.write("a.txt", "Noon.")
    world.ingest(allow=("group:hr",))
    world.write("a.txt", "One o'clock.")
    assert statuses(world.ingest(allow=("group:hr",))) == {"docs/a.txt": "changed"}
    assert world.text("a.txt") == "One o'clock."
    assert world.rows("SELECT count(*) FROM documents") == [(1,)]


def test_a_manifest_names_title_collection_and_metadata(world, tmp_path):
    world.write("a.txt")
    manifest = tmp_path / "docs" / "list.jsonl"
    manifest.write_text(
        '{"file": "a.txt", "allow": ["group:hr"], "title": "Menu", "collection": "food", "metadata": {"y": 1}}'
    )
    assert statuses(world.ingest(manifest=manifest)) == {"docs/a.txt": "new"}
    assert world.rows("SELECT title, collection FROM documents") == [("Menu", "food")]


def test_a_file_that_fails_is_a_line_with_reason_and_remedy_and_the_others_go_on(world):
    world.write("a.txt")
    world.write("b.txt")
    world.write("broken.docx", "PK\x03\x04 cut off")
    world.write("empty.txt", "")
    report = world.ingest(allow=("group:hr",))
    assert report["code"] == 1
    assert statuses(report)["docs/a.txt"] == statuses(report)["docs/b.txt"] == "new"
    assert statuses(report)["docs/empty.txt"] == "failed"
    assert statuses(report)["docs/broken.docx"] in ("failed", "refused")
    assert all(line(report, f"docs/{name}")["reason"] for name in ("empty.txt", "broken.docx"))
    assert set(world.stored()) == {"a.txt", "b.txt"}


def test_no_rule_is_a_refusal_and_never_a_public_document(world):
    world.write("a.txt")
    report = world.ingest()
    assert report["code"] == 1
    assert statuses(report) == {"docs/a.txt": "refused"}
    assert "--allow" in line(report, "docs/a.txt")["remedy"]
    assert world.stored() == {}


# --- access -------------------------------------------------------------------------------------


def test_changed_readers_relabel_without_parsing_embedding_or_loading_anything(world):
    world.rule("group:hr")
    world.write("a.txt")
    world.ingest()
    before = world.everything()
    world.rule("group:finance", "user:ada")
    world.pool = watching(world.pool, lambda document: pytest.fail(f"{document.name} was parsed"))
    assert statuses(world.ingest()) == {"docs/a.txt": "relabelled"}
    assert world.stored()["a.txt"].readers == Readers(
        allow=frozenset({"group:finance", "user:ada"})
    )
    assert world.embedder.batches == []
    assert world.models_loaded == []
    assert world.everything() == before
    assert statuses(world.ingest()) == {"docs/a.txt": "unchanged"}


def test_narrower_readers_and_removals_hold_before_the_first_file_is_parsed(world):
    world.rule("group:hr", "group:finance")
    for name in ("narrowed.txt", "both.txt", "gone.txt"):
        world.write(name)
    world.ingest()
    world.rule("group:hr")
    world.write("both.txt", "New text, too.")
    (world.docs / "gone.txt").unlink()
    world.write("0.txt", "New file, first in order.")
    seen = []
    world.pool = watching(
        world.pool, lambda _: seen.append({n: d.readers for n, d in world.stored().items()})
    )
    world.ingest(prune=True)
    assert seen[0] == {"narrowed.txt": HR, "both.txt": HR}


def test_a_wider_rule_never_opens_the_text_that_was_there_before(world):
    world.rule("group:board")
    world.write("pay.txt", "The merger is secret.")
    world.ingest()
    world.rule("public")
    world.write("pay.txt", "Nothing to see.")
    seen = []
    world.pool = watching(world.pool, lambda _: seen.append(world.stored()["pay.txt"].readers))
    world.ingest()
    assert seen == [NOBODY]
    assert world.text("pay.txt") == "Nothing to see."
    assert world.stored()["pay.txt"].readers == Readers(allow=frozenset({"public"}))


def test_a_changed_file_that_cannot_be_read_leaves_the_old_text_to_those_whom_both_rules_allow(
    world,
):
    pool = world.pool
    world.rule("group:hr", "group:finance")
    world.write("a.txt", "Old text.")
    world.ingest()
    world.rule("group:hr", "public")
    world.write("a.txt", "New text.")
    world.pool = failing(pool, "a.txt")
    report = world.ingest()
    assert report["code"] == 1
    assert line(report, "docs/a.txt")["status"] == "failed"
    assert line(report, "docs/a.txt")["stale"]
    assert world.text("a.txt") == "Old text."
    assert world.stored()["a.txt"].readers == HR
    world.pool = pool
    assert statuses(world.ingest()) == {"docs/a.txt": "changed"}
    assert world.stored()["a.txt"].readers == Readers(allow=frozenset({"group:hr", "public"}))


def test_a_document_that_lost_its_rule_is_for_nobody_and_said_so(world):
    world.rule("group:hr")
    world.write("a.txt")
    world.ingest()
    (world.docs / ".access.yaml").unlink()
    report = world.ingest()
    assert statuses(report) == {"docs/a.txt": "refused"}
    assert line(report, "docs/a.txt")["stale"]
    assert world.stored()["a.txt"].readers == NOBODY
    world.rule("group:hr")
    assert statuses(world.ingest()) == {"docs/a.txt": "relabelled"}


def test_a_broken_rule_takes_its_documents_from_everybody_and_touches_no_other_folder(world):
    world.rule("public")
    world.write("open.txt")
    world.rule("group:hr", folder="pay")
    world.write("pay/a.txt")
    world.ingest()
    world.write("pay/.access.yaml", "alow: [group:hr]\n")
    report = world.ingest()
    assert statuses(report) == {"docs/open.txt": "unchanged", "docs/pay/a.txt": "refused"}
    assert "pay/.access.yaml" in line(report, "docs/pay/a.txt")["reason"]
    assert world.stored()["pay/a.txt"].readers == NOBODY


# --- removal and trial --------------------------------------------------------------------------


def test_documents_of_missing_files_go_only_with_prune_and_only_below_the_given_path(world):
    world.write("a/1.txt")
    world.write("a/2.txt")
    world.write("b/3.txt")
    world.ingest(allow=("group:hr",))
    for name in ("a/1.txt", "b/3.txt"):
        (world.docs / name).unlink()
    world.ingest(allow=("group:hr",))
    assert set(world.stored()) == {"a/1.txt", "a/2.txt", "b/3.txt"}
    report = world.ingest(
        paths=(world.docs / "a",), allow=("group:hr",), prune=True, prune_anyway=True
    )
    assert statuses(report) == {"docs/a/1.txt": "removed", "docs/a/2.txt": "unchanged"}
    assert report["code"] == 0
    assert set(world.stored()) == {"a/2.txt", "b/3.txt"}


def test_a_dry_run_tells_everything_and_writes_nothing(world):
    world.write("a.txt")
    world.write("film.mkv")
    report = world.ingest(allow=("group:hr",), dry_run=True)
    assert statuses(report) == {"docs/a.txt": "new", "docs/film.mkv": "refused"}
    assert not world.settings.home.exists()

    (world.docs / "film.mkv").unlink()
    world.write("b.txt")
    world.write("c.txt")
    world.ingest(allow=("group:hr",))
    before = world.everything(), world.stored()
    world.write("a.txt", "Other text.")
    (world.docs / "b.txt").unlink()
    report = world.ingest(allow=("group:finance",), prune=True, dry_run=True)
    assert statuses(report) == {
        "docs/a.txt": "changed",
        "docs/b.txt": "removed",
        "docs/c.txt": "relabelled",
    }
    assert (world.everything(), world.stored()) == before


def test_an_empty_folder_is_said_and_is_no_failure(world):
    report = world.ingest(allow=("group:hr",))
    assert report["code"] == 0
    assert report["files"] == []


# --- several at once, interruptions -------------------------------------------------------------


def test_a_second_run_is_refused_at_once_and_told_who_is_working(world):
    world.write("a.txt")
    with ingest_lock(world.settings.home):
        report = world.ingest(allow=("group:hr",))
    assert report["code"] == 1
    assert str(os.getpid()) in report["error"]["reason"]
    assert world.ingest(allow=("group:hr",))["code"] == 0


def test_an_interrupted_run_keeps_whole_documents_and_the_next_goes_on(world, monkeypatch):
    for number in range(20):
        world.write(f"{number}.txt", f"Text {number}.")
    happened = FileProgress.show_outcome
    before = set(threading.enumerate())

    seen = []

    def interrupt(self, outcome):
        happened(self, outcome)
        seen.append(outcome)
        if len(seen) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(FileProgress, "show_outcome", interrupt)
    first = world.ingest(allow=("group:hr",))
    monkeypatch.undo()
    assert first["code"] == 130
    assert first["interrupted"]
    kept = set(world.stored())
    assert 8 <= len(kept) < 20
    second = world.ingest(allow=("group:hr",))
    assert second["totals"]["unchanged"] == len(kept)
    assert len(world.stored()) == 20
    assert set(threading.enumerate()) <= before


def test_a_full_disk_stops_the_run_with_what_was_stored(world, monkeypatch):
    from indexes.catalog.documents import Documents

    put = Documents.put
    for number in range(5):
        world.write(f"{number}.txt", f"Text {number}.")

    def full(self, document, vectors, *, by):
        if len(world.stored()) == 2:
            raise StorageFull
        return put(self, document, vectors, by=by)

    monkeypatch.setattr(Documents, "put", full)
    report = world.ingest(allow=("group:hr",))
    assert report["code"] == 1
    assert "full" in report["error"]["reason"]
    monkeypatch.undo()
    assert world.ingest(allow=("group:hr",))["totals"]["new"] == 3


def test_an_embedder_that_fails_stops_the_run_with_a_reason(world):
    def broken(texts):
        raise RuntimeError("out of memory")

    world.write("a.txt")
    world.embedder.passages = broken
    report = world.ingest(allow=("group:hr",))
    assert report["code"] == 1
    assert "out of memory" in report["error"]["reason"]
    assert world.stored() == {}


def test_vectors_that_cannot_be_stored_fail_their_document_alone(world):
    passages = world.embedder.passages
    world.write("a.txt", "Good.")
    world.write("b.txt", "Bad.")
    world.embedder.passages = lambda texts: (
        passages(texts) * np.array([["Bad" not in t] for t in texts], np.float32)
    )
    report = world.ingest(allow=("group:hr",))
    assert statuses(report) == {"docs/a.txt": "new", "docs/b.txt": "failed"}


def test_a_file_that_changes_while_it_is_parsed_is_stored_as_it_was_judged(world):
    pool = world.pool
    world.write("a.txt", "Before.")
    world.pool = watching(pool, lambda _: world.write("a.txt", "After."))
    world.ingest(allow=("group:hr",))
    assert world.text("a.txt") == "Before."
    world.pool = pool
    assert statuses(world.ingest(allow=("group:hr",))) == {"docs/a.txt": "changed"}
    assert world.text("a.txt") == "After."


def test_a_name_that_is_no_text_is_a_line_like_any_other(world):
    Path(os.fsdecode(os.fsencode(world.docs) + b"/\xff.txt")).write_text("Old name.")
    world.write("a.txt")
    report = world.ingest(allow=("group:hr",))
    assert set(statuses(report)) == {"docs/a.txt", "docs/\ufffd.txt"}
    assert set(statuses(report).values()) == {"new"}


# --- embedding ----------------------------------------------------------------------------------


def test_chunks_of_many_documents_share_batches_longest_first(world):
    for number in range(40):
        world.write(f"{number}.txt", "word " * (1 + number))
    gate = threading.Event()
    passages = world.embedder.passages

    def wait_for_more(texts):
        gate.wait(0.5)  # the first window is what was ready first; meanwhile the rest is parsed
        return passages(texts)

    world.embedder.passages = wait_for_more
    world.ingest(allow=("group:hr",))
    assert len(world.embedder.texts) >= 40
    assert len(world.embedder.batches) < 20
    for batch in world.embedder.batches:
        assert [len(text) for text in batch] == sorted((len(text) for text in batch), reverse=True)


def test_a_slow_embedder_holds_parsing_back(world):
    for number in range(300):
        world.write(f"{number}.txt", f"Text {number}.")
    submitted: list[object] = []
    # windows of 16 chunks
    world.settings = world.settings.model_copy(update={"chunk_tokens": 2_048})
    world.pool = watching(world.pool, submitted.append)
    gate = threading.Event()
    ahead: list[int] = []
    passages = world.embedder.passages

    def slow(texts):
        if not ahead:
            gate.wait(2)
            ahead.append(len(submitted))
        return passages(texts)

    world.embedder.passages = slow
    assert world.ingest(allow=("group:hr",))["totals"]["new"] == 300
    assert ahead[0] < 100


def test_a_generation_under_construction_gets_vectors_of_its_own_model(world):
    world.write("a.txt")
    world.ingest(allow=("group:hr",))
    with world.catalog() as catalog:
        other = SpyEmbedder("other")
        building = catalog.generations.begin(
            "other", other.fingerprint, other.dimension, by=TESTER, job=building_job(catalog)
        )
    world.write("b.txt")
    assert world.ingest(allow=("group:hr",))["totals"]["new"] == 1
    assert sorted(world.models_loaded) == ["multilingual-e5-small", "other"]
    (blob,) = world.rows("SELECT vectors FROM vectors WHERE generation_id = ?", building.id)
    (text,) = world.rows("SELECT embedded FROM chunks ORDER BY row DESC LIMIT 1")
    assert np.array_equal(np.frombuffer(blob[0], "<f4"), other.query(text[0]))


def test_an_abandoned_generation_costs_nothing_and_is_named_in_the_report(world):
    world.write("a.txt")
    world.ingest(allow=("group:hr",))
    with world.catalog() as catalog:
        other = SpyEmbedder("other")
        left = catalog.generations.begin("other", other.fingerprint, other.dimension, by=TESTER)
    world.write("b.txt")
    report = world.ingest(allow=("group:hr",))
    assert report["totals"]["new"] == 1
    assert report["abandoned_generations"] == [left.id]
    assert world.models_loaded.count("other") == 0
    assert world.rows("SELECT count(DISTINCT generation_id) FROM vectors") == [(1,)]


def test_a_generation_begun_while_a_document_is_embedded_gets_its_vectors_too(world):
    passages = world.embedder.passages
    world.write("a.txt")

    def begin_meanwhile(texts):
        with world.catalog() as catalog:
            other = SpyEmbedder("other")
            catalog.generations.begin(
                "other", other.fingerprint, other.dimension, by=TESTER, job=building_job(catalog)
            )
        return passages(texts)

    world.embedder.passages = begin_meanwhile
    assert world.ingest(allow=("group:hr",))["code"] == 0
    assert world.rows("SELECT count(DISTINCT generation_id) FROM vectors") == [(2,)]


def test_an_index_of_another_model_is_refused_with_a_remedy_before_anything_is_stored(world):
    world.write("a.txt")
    world.ingest(allow=("group:hr",))
    world.embedder = SpyEmbedder("other")
    world.write("b.txt")
    report = world.ingest(allow=("group:hr",))
    assert report["code"] == 1
    assert "rebuild" in report["error"]["remedy"]
    assert set(world.stored()) == {"a.txt"}


def test_files_too_large_together_are_on_their_way_one_by_one(world, monkeypatch):
    monkeypatch.setattr("ingest.stages.MAX_LOAD", 100)
    for number in range(4):
        world.write(f"{number}.txt", f"The canteen {number} opens at noon. " * 3)
    stored_before = []

    def note(document):
        stored_before.append(world.rows("SELECT count(*) FROM documents")[0][0])

    world.pool = watching(world.pool, note)
    assert world.ingest(allow=("group:hr",))["totals"]["new"] == 4
    assert stored_before == [0, 1, 2, 3]


def test_a_document_of_too_many_passages_is_a_line_and_is_not_embedded(world, monkeypatch):
    monkeypatch.setattr("ingest.steps.chunk.MAX_VECTOR_BYTES", 4 * 64)
    world.write("small.txt")
    world.write("large.txt", "\n\n".join(f"Line {n} of a long list of words." for n in range(40)))
    report = world.ingest(allow=("group:hr",))
    assert statuses(report) == {"docs/large.txt": "failed", "docs/small.txt": "new"}
    assert "passages" in line(report, "docs/large.txt")["reason"]
    assert len(world.embedder.texts) == 1


def test_a_file_above_the_limit_is_refused_with_the_setting_that_raises_it(world):
    world.settings = world.settings.model_copy(update={"max_file_mb": 1})
    world.write("small.txt")
    world.write("large.csv", "a,b\n" * 300_000)
    report = world.ingest(allow=("group:hr",))
    assert statuses(report) == {"docs/large.csv": "refused", "docs/small.txt": "new"}
    assert line(report, "docs/large.csv")["reason"].endswith("1,200,000 bytes.")
    assert "CLEARANCE_MAX_FILE_MB" in line(report, "docs/large.csv")["remedy"]
