"""What the scan finds, refuses and leaves out."""

import os
from pathlib import Path

import pytest

from indexes.errors import BadInput, NoReaders, SourceRefused, SourceUnavailable
from indexes.model import Readers
from indexes.settings import Settings
from ingest.access import Entry, Rules
from ingest.sources import Scan, check_unchanged, content_hash, find_roots, scan

HR = Readers(allow=frozenset({"group:hr"}))


def found(*paths: Path, rules: Rules | None = None, max_bytes: int = 1_000_000, **more) -> Scan:
    return scan(find_roots(paths), rules or Rules(HR), max_bytes=max_bytes, **more)


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def paths(scan: Scan) -> list[str]:
    return [source.path for source in scan.sources]


@pytest.fixture
def docs(tmp_path):
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def test_files_are_found_in_order_under_the_name_of_the_given_folder(docs):
    write(docs, "b/2.txt", "b/1.txt", "a.txt", "c.md")
    result = found(docs)
    assert paths(result) == ["docs/a.txt", "docs/b/1.txt", "docs/b/2.txt", "docs/c.md"]
    assert result.sources[0].uri == (docs / "a.txt").as_uri()
    assert all(source.readers == HR and source.problem is None for source in result.sources)


def test_a_single_file_is_named_by_itself_and_ruled_by_its_own_folder(docs):
    write(docs, "a.txt")
    (docs / ".access.yaml").write_text("allow: [group:hr]\n")
    result = found(docs / "a.txt", rules=Rules())
    assert paths(result) == ["a.txt"]
    assert result.sources[0].readers == HR


def test_hidden_files_rules_and_droppings_are_left_out(docs):
    write(
        docs, ".hidden.txt", ".git/config.txt", "~$letter.docx", "notes.txt~", "#a.txt#", "x.swp", "Thumbs.db", "a.txt"
    )
    write(docs, "__MACOSX/a.txt")
    (docs / ".access.yaml").write_text("allow: [group:hr]\n")
    assert paths(found(docs)) == ["docs/a.txt"]


def test_an_unknown_kind_of_file_is_refused_and_not_left_out(docs):
    write(docs, "film.mkv", "README")
    problems = [source.problem for source in found(docs).sources]
    assert all(isinstance(problem, SourceRefused) for problem in problems)
    assert ".mkv" in str(problems[1])
    assert problems[1] is not None
    assert problems[1].remedy


def test_links_are_refused_so_that_no_folder_can_lend_the_text_of_another(docs, tmp_path):
    write(tmp_path, "secret/pay.txt")
    (docs / "pay.txt").symlink_to(tmp_path / "secret" / "pay.txt")
    (docs / "folder").symlink_to(tmp_path / "secret")
    (docs / "loop").symlink_to(docs)
    result = found(docs)
    assert paths(result) == ["docs/folder", "docs/loop", "docs/pay.txt"]
    assert all("symbolic link" in str(source.problem) for source in result.sources)


def test_a_given_path_may_be_a_link_and_then_means_its_target(docs, tmp_path):
    write(docs, "a.txt")
    (tmp_path / "alias").symlink_to(docs)
    assert found(tmp_path / "alias").sources == found(docs).sources


def test_overlapping_paths_are_scanned_once(docs):
    write(docs, "sub/a.txt")
    assert paths(found(docs / "sub", docs, docs, docs / "sub" / "a.txt")) == ["docs/sub/a.txt"]


def test_pipes_and_large_files_are_refused_without_being_opened(docs):
    os.mkfifo(docs / "pipe.txt")
    write(docs, "large.txt")
    os.truncate(docs / "large.txt", 2_000_000)
    large, pipe = found(docs).sources
    assert "2,000,000 bytes" in str(large.problem)
    assert "not a regular file" in str(pipe.problem)


def test_a_path_that_is_not_there_is_wrong_use(tmp_path):
    with pytest.raises(BadInput, match="cannot be found"):
        find_roots([tmp_path / "none"])


def test_an_empty_folder_gives_nothing(docs):
    assert found(docs).sources == ()


def test_a_file_without_a_rule_has_no_readers_and_the_reason(docs):
    write(docs, "a.txt")
    (source,) = found(docs, rules=Rules()).sources
    assert source.readers is None
    assert isinstance(source.problem, NoReaders)


def test_a_manifest_gives_title_collection_and_metadata(docs):
    write(docs, "a.txt")
    entry = Entry(readers=HR, title="A", collection="laws", metadata={"year": 2025})
    (source,) = found(docs, rules=Rules(None, {docs / "a.txt": entry}), collection="rest").sources
    assert (source.title, source.collection, source.metadata) == ("A", "laws", {"year": 2025})


def test_a_file_that_only_the_manifest_knows_is_a_line(docs, tmp_path):
    write(docs, "pay.txt")
    entries = {docs / "pay.txxt": Entry(readers=HR), tmp_path / "elsewhere.txt": Entry(readers=HR)}
    result = found(docs, rules=Rules(HR, entries))
    assert paths(result) == ["docs/pay.txt"]
    assert [(line.path, type(line.problem)) for line in result.unreadable] == [("docs/pay.txxt", SourceUnavailable)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_a_line_and_blinds_the_scan_below_it(docs):
    write(docs, "locked/a.txt", "b.txt")
    (docs / "locked").chmod(0)
    try:
        result = found(docs)
    finally:
        (docs / "locked").chmod(0o700)
    assert paths(result) == ["docs/b.txt"]
    assert [line.path for line in result.unreadable] == ["docs/locked/"]
    assert result.blind == ((docs / "locked").as_uri() + "/",)


def test_a_listing_that_fails_is_a_line_and_blinds_the_scan_below_it(docs, monkeypatch):
    write(docs, "locked/a.txt", "b.txt")
    listed = os.scandir

    def scandir(place):
        if Path(place).name == "locked":
            raise PermissionError(13, "Permission denied")
        return listed(place)

    monkeypatch.setattr(os, "scandir", scandir)
    result = found(docs)
    assert paths(result) == ["docs/b.txt"]
    assert isinstance(result.unreadable[0].problem, SourceUnavailable)
    assert result.blind == ((docs / "locked").as_uri() + "/",)


def test_a_name_that_is_no_text_is_shown_with_marks_in_the_place_of_its_bytes(docs):
    Path(os.fsdecode(os.fsencode(docs) + b"/\xff\xfe.txt")).write_text("x")
    (source,) = found(docs).sources
    assert source.path == "docs/\ufffd\ufffd.txt"
    assert source.uri.endswith("/%FF%FE.txt")
    source.path.encode()


def test_the_hash_follows_the_bytes_and_whatever_shapes_the_document(docs):
    write(docs, "a.txt")
    (source,) = found(docs).sources
    (titled,) = found(docs, rules=Rules(HR, {docs / "a.txt": Entry(title="T")})).sources
    (shared,) = found(docs, rules=Rules(Readers(allow=frozenset({"public"})))).sources
    usual = content_hash(source, Settings())
    assert content_hash(source, Settings()) == usual
    assert content_hash(shared, Settings()) == usual
    assert content_hash(titled, Settings()) != usual
    assert content_hash(source, Settings(chunk_tokens=128)) != usual
    assert content_hash(source, Settings(embedding_model="another")) == usual
    (docs / "a.txt").write_text("other")
    assert content_hash(source, Settings()) != usual


def test_a_file_that_was_touched_or_replaced_since_the_scan_is_noticed(docs):
    write(docs, "a.txt", "b.txt")
    source, _ = found(docs).sources
    check_unchanged(source)
    (docs / "b.txt").replace(docs / "a.txt")
    with pytest.raises(SourceUnavailable, match="changed"):
        check_unchanged(source)


def test_a_file_that_vanished_or_became_a_link_cannot_be_hashed(docs):
    write(docs, "a.txt", "b.txt")
    source, _ = found(docs).sources
    (docs / "a.txt").unlink()
    with pytest.raises(SourceUnavailable):
        content_hash(source, Settings())
    (docs / "a.txt").symlink_to(docs / "b.txt")
    with pytest.raises(SourceUnavailable):
        content_hash(source, Settings())
