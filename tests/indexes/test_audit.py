"""The audit record: what was changed and asked, in chains that show when anything is not as it was."""

import ast
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from indexes.catalog.audit.books import Books, heads_as_json, heads_of
from indexes.catalog.audit.chain import CHANGES, Entry
from indexes.catalog.audit.ocsf import events_of
from indexes.catalog.audit.seals import SealingKey, load_key
from indexes.catalog.audit.trail import Trail
from indexes.catalog.schema import audit_chains, audit_records, audit_seals
from indexes.errors import AlreadyExists, BadConfiguration, CatalogUnavailable
from indexes.model import Actor
from tests.databases import only_sqlite
from tests.world import TESTER, World

ROOT = Path(__file__).parents[2]
ADA = Actor("user:ada")


@pytest.fixture
def trail(world: World) -> Iterator[Trail]:
    with closing(world.catalog.open_trail()) as opened:
        yield opened


@pytest.fixture
def books(world: World, trail: Trail) -> Books:
    return world.catalog.books(trail)


@pytest.fixture
def key(world: World) -> SealingKey:
    return load_key(world.home)


def changes(books: Books) -> list[dict[str, Any]]:
    return [change for record in books.changes() for change in record.body["changes"]]


def problems(books: Books, key: SealingKey, **given: Any) -> list[str]:
    return [each for report in books.verify([key.public], **given) for each in report.problems]


def asked(number: int) -> Entry:
    return Entry(body={"kind": "asked", "who": "user:ada", "n": number}, subject=f"answer{number}")


# --- what was changed ---------------------------------------------------------------------------


def test_a_change_is_recorded_with_who_made_it_and_what_was_before(world: World, books: Books):
    world.catalog.people.add_user("ada", by=ADA)
    world.catalog.people.add_group("hr", by=ADA)
    world.catalog.people.add_member("hr", "user:ada", by=ADA)
    document = world.put("a.txt", "text", "group:hr")
    world.relabel("a.txt", "user:ada", deny=["group:hr"])
    told = changes(books)
    assert [(each["what"], each["subject"]) for each in told[-5:]] == [
        ("user.added", "user:ada"),
        ("group.added", "group:hr"),
        ("group.member_added", "group:hr"),
        ("document.stored", document),
        ("document.relabelled", document),
    ]
    assert told[-1]["before"] == {"allow": ["group:hr"], "deny": []}
    assert told[-1]["after"] == {"allow": ["user:ada"], "deny": ["group:hr"]}
    assert {record.body["by"] for record in books.changes()} >= {"user:ada", TESTER.name}


def test_what_was_not_done_is_not_recorded(world: World, books: Books):
    world.catalog.people.add_user("ada", by=ADA)
    before = len(changes(books))
    with pytest.raises(AlreadyExists):
        world.catalog.people.add_user("ada", by=ADA)
    assert len(changes(books)) == before


def test_no_text_of_a_document_is_recorded(world: World, books: Books):
    world.catalog.people.add_user("ada", by=ADA)
    world.put("a.txt", "heliotrope is the secret", "user:ada", title="heliotrope")
    world.put("a.txt", "marmalade is the secret", "user:ada", title="marmalade")
    world.catalog.documents.delete("a.txt", by=TESTER)
    record = json.dumps([record.body for record in books.records()])
    assert "heliotrope" not in record
    assert "marmalade" not in record


def test_recording_sets_nothing_in_motion(
    world: World, trail: Trail, books: Books, key: SealingKey
):
    with world.catalog.reading() as state:
        before = state.mark
    trail.record(asked(1))
    trail.seal(key)
    books.seal_changes(key)
    with world.catalog.reading() as state:
        assert state.mark == before


UNRECORDED = {
    "migrate.py:migrate": "moves no data that anybody put in",
    "__init__.py:_secret": "made once, by nobody",
    "documents.py:add_vectors": "derived from text that is recorded",
    "generations.py:begin": "nothing uses it before it is activated, and that is recorded",
    "generations.py:lay_aside": "nothing uses it before it is activated, and that is recorded",
    "generations.py:announce": "nothing uses it before it is activated, and that is recorded",
    "generations.py:keep_centroids": "learnt from vectors, once",
    "keys.py:write_uses": "when keys were used last; each use is a record of its own",
    "jobs.py:claim": "a worker's turn",
    "jobs.py:_update": "how far a worker is; what it changes is recorded where it does",
    "sources.py:note": "why a file is not stored; no rule and no text changes",
    "sources.py:clear": "why a file was not stored; no rule and no text changes",
    "database.py:together": "what is done inside it records itself",
    "originals.py:expect": "a file that is no document's yet; that of a document is recorded",
    "originals.py:settle": "files that are no document's any more",
    "overrides.py:note_rules": "what a run found; what follows from it for readers is recorded",
    "uploads.py:keep_blob": "bytes of no document; the upload that uses them is recorded",
    "uploads.py:purge": "bytes that nobody waits for, and keys of requests",
    "upload_work.py:discard": "bytes of no document; that they were asked for is recorded",
    "upload_work.py:finish": "a worker's turn",
    "trail.py:_begin": "the record itself",
    "trail.py:beside": "the record itself",
    "books.py:prune": "recorded in the other book",
}
"""Functions that write to the catalog and record nothing, each with the reason."""


def test_every_write_is_recorded_or_says_why_not():
    catalog = ROOT / "indexes" / "catalog"
    found = {
        f"{path.name}:{function.name}": ast.unparse(function)
        for path in sorted(catalog.rglob("*.py"))
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef) and ".writing(" in ast.unparse(function)
    }
    recording = ("record_change(", "record_relabelled(", "delete_document(", "_put_into_sets(")
    by_others = ("put_into_set(", "delete_documents_of_file(", "add_job(", "cancel_job(", "_retry(")
    silent = {
        name
        for name, source in found.items()
        if not any(call in source for call in (*recording, *by_others)) and name not in UNRECORDED
    }
    assert not silent
    assert not {name for name in UNRECORDED if name not in found}


# --- what was asked -----------------------------------------------------------------------------


def test_records_of_many_threads_stand_in_one_chain(trail: Trail, books: Books, key: SealingKey):
    def ask(first: int) -> None:
        for number in range(first, first + 20):
            trail.record(asked(number))

    threads = [threading.Thread(target=ask, args=(100 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [record.body["n"] for record in books.records() if record.body["kind"] == "asked"]
    assert sorted(told) == sorted(100 * n + k for n in range(8) for k in range(20))
    assert not problems(books, key)


def test_each_process_has_a_chain_of_its_own(world: World, trail: Trail, books: Books, key):
    trail.record(asked(1))
    with closing(world.catalog.open_trail()) as other:
        other.record(asked(2))
    trail.record(asked(3))
    of_questions = [r for r in books.verify([key.public]) if r.name != "changes"]
    assert [report.records for report in of_questions] == [2, 1]
    assert not problems(books, key)


def test_what_could_not_be_recorded_is_an_error_and_later_records_go_on(
    world: World, trail: Trail, books: Books, key: SealingKey, monkeypatch: pytest.MonkeyPatch
):
    trail.record(asked(1))
    with monkeypatch.context() as broken:
        broken.setattr("indexes.catalog.audit.trail.extend", _raise)
        with pytest.raises(OSError, match="broken"):
            trail.record(asked(2))
    trail.record(asked(3))
    told = [record.body["n"] for record in books.records() if record.body["kind"] == "asked"]
    assert told == [1, 3]
    assert not problems(books, key)


@only_sqlite
def test_a_record_that_was_put_back_from_yesterday_is_gone_on_with(
    world: World, trail: Trail, books: Books, key: SealingKey, tmp_path: Path
):
    trail.record(asked(1))
    trail.sync()
    empty = World(tmp_path / "other")
    empty.catalog.open_trail().close()
    (empty.home / "audit.sqlite").replace(world.home / "audit.sqlite")
    with pytest.raises(CatalogUnavailable):
        trail.record(asked(2))
    trail.record(asked(3))
    told = [record.body["n"] for record in books.records() if record.body["kind"] == "asked"]
    assert told == [3]
    assert not problems(books, key)
    empty.close()


def test_an_answer_is_found_by_its_id(trail: Trail, books: Books):
    trail.record(asked(1), asked(2))
    assert [body["n"] for body in books.about("answer2")] == [2]
    assert books.about("answer3") == []


# --- whether it is whole ------------------------------------------------------------------------


def recorded(world: World, trail: Trail, key: SealingKey) -> None:
    world.catalog.people.add_user("ada", by=ADA)
    for number in range(5):
        trail.record(asked(number))
    trail.seal(key)
    world.catalog.books(trail).seal_changes(key)


def chain_of_questions(trail: Trail) -> int:
    with trail.database.reading() as connection:
        newest = select(audit_chains.c.id).order_by(audit_chains.c.id.desc())
        return int(connection.execute(newest.limit(1)).scalar_one())


def test_a_record_that_was_changed_shows(world: World, trail: Trail, books: Books, key):
    recorded(world, trail, key)
    chain = chain_of_questions(trail)
    third = (audit_records.c.chain_id == chain) & (audit_records.c.number == 3)
    with trail.database.appending() as connection:
        connection.execute(update(audit_records).where(third).values(body='{"kind":"asked"}'))
    assert problems(books, key) == ["record 3 was changed"]


def test_a_record_that_was_rewritten_with_all_after_it_shows(world: World, trail, books, key):
    """Hashes can be made by anybody; seals cannot."""
    recorded(world, trail, key)
    chain = chain_of_questions(trail)
    with trail.database.appending() as connection:
        connection.execute(delete(audit_records).where(audit_records.c.chain_id == chain))
        from indexes.catalog.audit.chain import NOTHING, Head, extend

        extend(connection, Head(chain, 0, NOTHING), [asked(n) for n in (7, 1, 2, 3, 4)])
    assert "record 5 is not the one that was sealed" in problems(books, key)


def test_a_record_that_was_left_out_shows(world: World, trail: Trail, books: Books, key):
    recorded(world, trail, key)
    chain = chain_of_questions(trail)
    second = (audit_records.c.chain_id == chain) & (audit_records.c.number == 2)
    with trail.database.appending() as connection:
        connection.execute(delete(audit_records).where(second))
    assert "records 2 to 2 are missing" in problems(books, key)


def test_an_end_that_was_cut_off_shows(world: World, trail: Trail, books: Books, key):
    recorded(world, trail, key)
    chain = chain_of_questions(trail)
    last = (audit_records.c.chain_id == chain) & (audit_records.c.number > 3)
    with trail.database.appending() as connection:
        connection.execute(delete(audit_records).where(last))
    assert problems(books, key) == ["it ends with record 3, and there was a record 5"]


def test_an_end_that_was_cut_off_with_its_seals_shows_against_heads_kept_elsewhere(
    world: World, trail: Trail, books: Books, key: SealingKey
):
    recorded(world, trail, key)
    told = json.loads(json.dumps(heads_as_json(books.verify([key.public]))))
    chain = chain_of_questions(trail)
    with trail.database.appending() as connection:
        for table in (audit_seals, audit_records):
            cut = (table.c.chain_id == chain) & (table.c.number > 3)
            connection.execute(delete(table).where(cut))
    assert not problems(books, key)
    found = problems(books, key, known_heads=heads_of(told))
    assert found == ["it ends with record 3, and there was a record 5"]


@only_sqlite
def test_a_chain_that_was_removed_shows(world: World, trail: Trail, books: Books, key):
    recorded(world, trail, key)
    with closing(world.catalog.open_trail()) as other:
        other.record(asked(9))
    with trail.database.appending() as connection:
        for table in (audit_seals, audit_records):
            connection.execute(delete(table).where(table.c.chain_id == 1))
        connection.execute(delete(audit_chains).where(audit_chains.c.id == 1))
    assert problems(books, key) == ["the whole chain is missing"]


def test_a_seal_of_another_key_shows(world: World, trail: Trail, books: Books, key, tmp_path):
    recorded(world, trail, key)
    (tmp_path / "other").mkdir()
    stranger = load_key(tmp_path / "other")
    trail.record(asked(8))
    trail.seal(stranger)
    assert any(stranger.id in each for each in problems(books, key))
    both = [each for r in books.verify([key.public, stranger.public]) for each in r.problems]
    assert not both


def test_pruning_leaves_a_record_that_verifies(world: World, trail: Trail, books: Books, key):
    recorded(world, trail, key)
    cut = datetime.now(UTC)
    trail.record(asked(9))
    pruned = books.prune(cut, key, by=ADA)
    assert pruned.records >= 6
    assert not problems(books, key)
    left = [record.body for record in books.records()]
    assert [body["n"] for body in left if body["kind"] == "asked"] == [9]
    assert [c["what"] for b in left for c in b.get("changes", ())] == ["audit.pruned"]
    trail.record(asked(10))
    world.catalog.people.add_user("bob", by=ADA)
    assert not problems(books, key)


def test_what_was_removed_without_a_signature_shows_after_pruning_too(world, trail, books, key):
    recorded(world, trail, key)
    books.prune(datetime.now(UTC), key, by=ADA)
    for number in (20, 21):
        trail.record(asked(number))
    chain = chain_of_questions(trail)
    with trail.database.appending() as connection:
        first = select(audit_records.c.number).where(audit_records.c.chain_id == chain)
        number = connection.scalar(first.order_by(audit_records.c.number).limit(1))
        gone = (audit_records.c.chain_id == chain) & (audit_records.c.number == number)
        connection.execute(delete(audit_records).where(gone))
    assert any("missing" in each for each in problems(books, key))


def test_everything_pruned_leaves_the_head(world: World, trail: Trail, books: Books, key):
    recorded(world, trail, key)
    books.prune(datetime.now(UTC) + timedelta(seconds=1), key, by=ADA)
    with closing(world.catalog.open_trail()) as other:
        other.record(asked(30))
    trail.record(asked(31))
    assert not problems(books, key)


# --- the key ------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_its_owners_alone(tmp_path: Path):
    made = load_key(tmp_path)
    assert load_key(tmp_path).public == made.public
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_cannot_be_read_is_no_reason_to_make_another(tmp_path: Path):
    (tmp_path / "audit.key").write_text("nonsense", encoding="ascii")
    with pytest.raises(BadConfiguration, match="no readable key"):
        load_key(tmp_path)


# --- for other tools ----------------------------------------------------------------------------


def test_events_have_what_ocsf_requires(world: World, trail: Trail, books: Books, key):
    recorded(world, trail, key)
    world.put("a.txt", "text", "user:ada")
    events = [
        event for record in books.records() for event in events_of(record.body, record.place, "1.0")
    ]
    assert len({event["metadata"]["uid"] for event in events}) == len(events)
    for event in events:
        assert event["type_uid"] == 100 * event["class_uid"] + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        assert event["time"] > 1_700_000_000_000
        assert event["severity_id"]
    assert {event["class_uid"] for event in events} >= {3001, 6005}


def _raise(*_: Any) -> None:
    raise OSError("broken")


def test_the_chain_of_changes_is_made_with_the_catalog(world: World):
    with world.catalog._database.reading() as connection:
        assert connection.scalar(text("SELECT name FROM audit_chains WHERE id = 1")) == "changes"
        assert connection.scalar(select(audit_chains.c.id)) == CHANGES
