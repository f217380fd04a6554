"""What the derived indexes hold is compared with the catalog, and every way of not holding it is
noticed.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, text, update
from typer.testing import CliRunner

from indexes.catalog.schema import chunks, document_texts, documents, reader_sets, vectors
from indexes.cli.administration import app
from indexes.derived.indexes import DerivedIndexes
from indexes.derived.keywords.index import KeywordIndex
from indexes.derived.vectors.faiss_store import FaissStore
from indexes.derived.verify import VerificationReport, find_misplaced, verify, verify_catalog
from tests.databases import only_sqlite
from tests.world import TESTER, World


@pytest.fixture
def staff(world: World) -> World:
    world.people(ada=["hr"], bob=["eng"])
    world.put("salaries", ["Salaries rise in May", "by three percent"], "group:hr")
    world.put("rises", "rises " * 40 + "and falls", "group:hr")
    world.put("pumps", "Part AB-12/4 replaces pump E1027", "group:eng")
    world.put("empty", [], "group:eng")
    return world


def report(world: World, *, whole: bool = True) -> VerificationReport:
    with world.searcher.corpus.everything() as (state, derived):
        return verify(state, derived, whole=whole)


def test_indexes_that_followed_are_found_sound(staff: World) -> None:
    staff.relabel("pumps", "group:hr")
    staff.catalog.documents.delete("rises", by=TESTER)
    staff.put("salaries", ["Salaries fall in June"], "group:hr")
    for whole in (False, True):
        found = report(staff, whole=whole)
        assert found.differences == ()
        assert (found.documents, found.passages, found.whole) == (3, 2, whole)


def test_what_is_held_does_not_depend_on_how_it_came_there(staff: World) -> None:
    texts = [f"salary {n} of {n % 7} pumps pumps" for n in range(300)]
    rows = np.arange(1, 301)
    at_once, bit_by_bit = KeywordIndex(), KeywordIndex()
    at_once.add(rows, 1, texts)
    for n in reversed(range(300)):
        bit_by_bit.add(rows[n : n + 1], 1 + n % 2, texts[n : n + 1])
    bit_by_bit.move(rows[1::2], 1)
    bit_by_bit.remove(rows[5:9])
    assert bit_by_bit.contents(1).digest() != at_once.contents(1).digest()
    bit_by_bit.add(rows[5:9], 1, texts[5:9])
    one, other = bit_by_bit.contents(1), at_once.contents(1)
    assert one.digest() == other.digest()
    assert np.array_equal(one.lengths, other.lengths)
    assert one.consistent
    assert other.consistent


Damage = Callable[[DerivedIndexes], object]


def _set_of(derived: DerivedIndexes, row: int) -> int:
    return int(derived.vectors.reader_sets_of(np.array([row]))[0])


def _words_rewritten(derived: DerivedIndexes) -> None:
    reader_set = _set_of(derived, 1)
    derived.keywords.remove([1])
    derived.keywords.add([1], reader_set, ["Salaries rise in June"])


def _vector_rewritten(derived: DerivedIndexes) -> None:
    reader_set = _set_of(derived, 1)
    vector = derived.vectors.contents(reader_set).vectors[:1]
    derived.vectors.remove(np.array([1]))
    derived.vectors.add(np.array([1]), reader_set, -vector)


def _vector_without_its_code(derived: DerivedIndexes) -> None:
    assert isinstance(derived.vectors, FaissStore)
    stored = derived.vectors._stored
    stored._vectors.others[stored._slot.values[1]] *= -1


def _size_miscounted(derived: DerivedIndexes) -> None:
    assert isinstance(derived.vectors, FaissStore)
    derived.vectors._stored._size.values[1] += 1


def _document_forgotten(derived: DerivedIndexes) -> None:
    derived.placements.remove(derived.placements.all()[0])


def _token_exchanged(derived: DerivedIndexes) -> None:
    derived.placements._lanes[derived.placements.all()[0].reader_set][0] += np.uint64(1)


QUICK: dict[str, Damage] = {
    "words under another set": lambda derived: derived.keywords.move([1], 7),
    "words missing": lambda derived: derived.keywords.remove([1]),
    "words of a row that is not there": lambda derived: derived.keywords.add([99], 1, ["ghost"]),
    "a vector under another set": lambda derived: derived.vectors.move(np.array([1]), 7),
    "a vector missing": lambda derived: derived.vectors.remove(np.array([1])),
    "a vector without its code": _vector_without_its_code,
    "a list whose size is miscounted": _size_miscounted,
    "a document forgotten": _document_forgotten,
    "a view's id that counts something else": _token_exchanged,
}
WHOLE: dict[str, Damage] = {
    "words of another text": _words_rewritten,
    "another vector": _vector_rewritten,
}


@pytest.mark.parametrize("damage", [*QUICK, *WHOLE])
def test_every_way_of_holding_something_else_is_noticed(staff: World, damage: str) -> None:
    with staff.searcher.corpus.everything() as (_, derived):
        {**QUICK, **WHOLE}[damage](derived)
    assert report(staff, whole=True).differences
    assert bool(report(staff, whole=False).differences) == (damage in QUICK)


UNSOUND = {
    "no text": delete(document_texts).where(document_texts.c.document_id == 1),
    "a chunk missing": delete(chunks).where(chunks.c.row == 1),
    "another text": update(document_texts)
    .values(text="something else")
    .where(document_texts.c.document_id == 1),
    "no vectors": delete(vectors).where(vectors.c.document_id == 1),
    "too few vectors": update(vectors)
    .values(vectors=b"\0" * 256)
    .where(vectors.c.document_id == 1),
    "vectors of no length": update(vectors)
    .values(vectors=b"\0" * 512)
    .where(vectors.c.document_id == 1),
    "a document gone": delete(documents).where(documents.c.id == 1),
    "readers gone": delete(reader_sets).where(reader_sets.c.id == 1),
    "chunks out of order": update(chunks).values(row=1 - chunks.c.row).where(chunks.c.row == 2),
}


@only_sqlite
@pytest.mark.parametrize("fault", UNSOUND)
def test_what_cannot_be_in_a_catalog_is_noticed(staff: World, fault: str) -> None:
    with staff.catalog.reading() as state:
        assert verify_catalog(state, whole=True) == ()
    with staff.catalog._database.engine.connect() as connection:
        connection.execute(text("PRAGMA foreign_keys=OFF"))  # it has no effect inside a transaction
        connection.rollback()
        connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        connection.execute(UNSOUND[fault])
        connection.commit()
        connection.connection.driver_connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]
    with staff.catalog.reading() as state:
        assert verify_catalog(state, whole=True)


@only_sqlite
def test_the_command_tells_what_differs_and_what_to_do(
    staff: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(staff.home))
    monkeypatch.chdir(staff.home)

    def verified(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["verify", *options])
        return done.exit_code, done.stdout

    staff.searcher.corpus.maintenance.save()
    assert verified() == (0, "All is well: 4 documents, 4 passages, 2 reader sets.\n")
    with staff.searcher.corpus.everything() as (_, derived):
        _words_rewritten(derived)
    staff.searcher.corpus.maintenance.save()
    assert verified("--quick")[0] == 0
    code, told = verified()
    assert code == 1
    assert "keywords: reader set 1: The words are not those of the texts." in told
    assert "clearance rebuild" in told
    listed = json.loads(verified("--json")[1])
    assert listed["sound"] is False
    assert [each["where"] for each in listed["differences"]] == ["keywords"]


@only_sqlite
def test_a_home_without_documents_has_nothing_to_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["verify"]).exit_code == 0


def test_the_quickest_look_sees_what_stands_elsewhere_and_nothing_in_what_is_right(
    staff: World,
) -> None:
    with staff.searcher.corpus.everything() as (state, derived):
        assert [*find_misplaced(state, derived)] == []
        placed = derived.placements.all()[0]
        backwards = replace(placed, rows=placed.rows[::-1].copy())  # no order is meant
        derived.placements.remove(placed)
        derived.placements.add(backwards)
        assert [*find_misplaced(state, derived)] == []
        derived.vectors.move(placed.rows[:1], 7)
        assert [what.split()[1] for what in find_misplaced(state, derived)] == ["vectors"]
        derived.vectors.move(placed.rows[:1], placed.reader_set)
        derived.keywords.add([10_000], placed.reader_set, ["ghost"])
        assert [what.split()[1] for what in find_misplaced(state, derived)] == ["keywords"]
        derived.placements.remove(backwards)
        derived.placements.add(replace(placed, rows=placed.rows + 1))
        assert "Documents have other passages." in find_misplaced(state, derived)
