"""Which files are kept for which documents: none that a document needs is missing, and after a
clean-up none is left that nobody needs.
"""

import random
from pathlib import Path

import pytest

from indexes.errors import NotFound
from indexes.model import Principal
from indexes.originals import OriginalFolder, sha256_of
from tests.world import TESTER, World

CONTENTS = {sha256_of([text]): text for text in (b"one", b"two", b"three")}
ADA, BOB = Principal(name="user:ada"), Principal(name="user:bob")


@pytest.fixture
def folder(world: World) -> OriginalFolder:
    return OriginalFolder(world.home)


def keep(world: World, folder: OriginalFolder, sha256: str) -> str:
    folder.keep(sha256, [CONTENTS[sha256]], world.catalog.originals, TESTER)
    return sha256


def files(world: World) -> set[str]:
    found = (world.home / "originals").rglob("*")
    return {path.name for path in found if path.is_file()}


def needed(world: World) -> set[str]:
    stored = world.catalog.documents.stored("").values()
    return {each.original for each in stored if each.original is not None}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_in_whatever_order_exactly_the_needed_files_are_left(
    world: World, folder: OriginalFolder, seed: int
):
    chance = random.Random(seed)
    uris, hashes = ["a.txt", "b.txt", "c.txt"], sorted(CONTENTS)
    for _ in range(25):
        uri, sha256 = chance.choice(uris), chance.choice(hashes)
        what = chance.choice(["put", "put", "put without", "delete", "kept for nobody", "clean"])
        if what == "put":
            world.put(uri, "text", "public", original=keep(world, folder, sha256))
        elif what == "put without":
            world.put(uri, "text", "public")
        elif what == "delete":
            world.catalog.documents.delete(uri, by=TESTER)
        elif what == "kept for nobody":
            keep(world, folder, sha256)
        else:
            folder.clean_up(world.catalog.originals, TESTER)
            assert files(world) == needed(world)
        assert needed(world) <= files(world)
    folder.clean_up(world.catalog.originals, TESTER)
    assert files(world) == needed(world)
    assert folder.clean_up(world.catalog.originals, TESTER) == 0


def test_only_a_reader_is_told_of_the_file(world: World, folder: OriginalFolder):
    world.people(ada=["hr"], bob=[])
    sha256 = keep(world, folder, next(iter(CONTENTS)))
    name = world.put("a.txt", "text", "group:hr", original=sha256, media_type="application/pdf")
    with world.catalog.reading() as state:
        found = state.original(name, ADA)
        assert (found.sha256, found.path, found.media_type) == (sha256, "a.txt", "application/pdf")
        for asker, document in ((BOB, name), (ADA, "zzzzzzzzzzzzzzzzzzzz"), (BOB, "a.txt")):
            with pytest.raises(NotFound):
                state.original(document, asker)


def test_to_begin_to_keep_a_file_changes_the_view_of_its_readers_alone(
    world: World, folder: OriginalFolder
):
    world.people(ada=["hr"], bob=[])
    world.put("a.txt", "text", "group:hr")
    before = world.searcher.view_id(ADA), world.searcher.view_id(BOB)
    stored = world.catalog.documents.stored("")["a.txt"]
    sha256 = keep(world, folder, next(iter(CONTENTS)))
    world.catalog.originals.change("a.txt", stored.content_hash, sha256, by=TESTER)
    assert world.searcher.view_id(ADA) != before[0]
    assert world.searcher.view_id(BOB) == before[1]
    assert needed(world) == {sha256}


def test_a_document_that_says_something_else_by_now_takes_no_file(
    world: World, folder: OriginalFolder
):
    world.put("a.txt", "text", "public")
    sha256 = keep(world, folder, next(iter(CONTENTS)))
    world.catalog.originals.change("a.txt", "1" * 64, sha256, by=TESTER)
    assert needed(world) == set()
    assert folder.clean_up(world.catalog.originals, TESTER) == 1


def test_bytes_of_another_hash_are_not_kept(world: World, folder: OriginalFolder):
    with pytest.raises(ValueError, match="another hash"):
        folder.keep("0" * 64, [b"something else"], world.catalog.originals, TESTER)
    assert files(world) == set()


def test_a_clean_up_of_nothing_makes_no_folder(tmp_path: Path, world: World):
    OriginalFolder(tmp_path).clean_up(world.catalog.originals, TESTER)
    assert not (tmp_path / "originals").exists()
