"""What the scan finds, refuses and leaves out."""

import os
from pathlib import Path

import pytest

from indexes.errors import BadInput, NoReaders, SourceRefused, SourceUnavailable
from indexes.model import Readers
from indexes.settings import Settings
from ingest.access import AccessRules, ManifestEntry
from ingest.judged_files import SourceFile, content_hash, make_private_copy, open_judged_file
from ingest.roots import find_roots
from ingest.sources import Scan, scan

HR = Readers(allow=frozenset({"group:hr"}))


def found(
    *paths: Path, rules: AccessRules | None = None, max_bytes: int = 1_000_000, **more
) -> Scan:
    return scan(find_roots(paths), rules or AccessRules(HR), max_bytes=max_bytes, **more)


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
    result = found(docs / "a.txt", rules=AccessRules())
    assert paths(result) == ["a.txt"]
    assert result.sources[0].readers == HR


def test_hidden_files_rules_and_droppings_are_left_out(docs):
    write(
        docs,
        ".hidden.txt",
        ".git/config.txt",
        "~$letter.docx",
        "notes.txt~",
        "#a.txt#",
        "x.swp",
        "Thumbs.db",
        "a.txt",
    )
    write(docs, "__MACOSX/a.txt")
    (docs / ".access.yaml").write_text("allow: [group:hr]\n")
    assert paths(found(docs)) == ["docs/a.txt"]


def test_a_film_is_refused_and_not_left_out_and_a_file_without_an_ending_is_judged_later(docs):
    write(docs, "film.mkv", "README")
    readme, film = [source.problem for source in found(docs).sources]
    assert readme is None
    assert isinstance(film, SourceRefused)
    assert ".mkv" in str(film)
    assert film.remedy


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
    (source,) = found(docs, rules=AccessRules()).sources
    assert source.readers is None
    assert isinstance(source.problem, NoReaders)


def test_a_manifest_gives_title_collection_and_metadata(docs):
    write(docs, "a.txt")
    entry = ManifestEntry(readers=HR, title="A", collection="laws", metadata={"year": 2025})
    (source,) = found(
        docs, rules=AccessRules(None, {docs / "a.txt": entry}), collection="rest"
    ).sources
    assert (source.title, source.collection, source.metadata) == ("A", "laws", {"year": 2025})


def test_a_file_that_only_the_manifest_knows_is_a_line(docs, tmp_path):
    write(docs, "pay.txt")
    entries = {
        docs / "pay.txxt": ManifestEntry(readers=HR),
        tmp_path / "elsewhere.txt": ManifestEntry(readers=HR),
    }
    result = found(docs, rules=AccessRules(HR, entries))
    assert paths(result) == ["docs/pay.txt"]
    assert [(line.path, type(line.problem)) for line in result.unreadable] == [
        ("docs/pay.txxt", SourceUnavailable)
    ]


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
    listed = os.listdir

    def listdir(folder):
        if Path(f"/proc/self/fd/{folder}").readlink().name == "locked":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "listdir", listdir)
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


def hashed(source: SourceFile, **settings) -> str:
    with open_judged_file(source) as file:
        return content_hash(file, source, Settings(**settings))


def test_the_hash_follows_the_bytes_and_whatever_shapes_the_document(docs):
    write(docs, "a.txt")
    (source,) = found(docs).sources
    (titled,) = found(
        docs, rules=AccessRules(HR, {docs / "a.txt": ManifestEntry(title="T")})
    ).sources
    (shared,) = found(docs, rules=AccessRules(Readers(allow=frozenset({"public"})))).sources
    usual = hashed(source)
    assert hashed(source) == usual
    assert hashed(shared) == usual
    assert hashed(titled) != usual
    assert hashed(source, chunk_tokens=128) != usual
    assert hashed(source, embedding_model="another") == usual
    (docs / "a.txt").write_text("other")
    (source,) = found(docs).sources
    assert hashed(source) != usual


def test_a_copy_has_the_bytes_and_the_hash_of_what_was_judged(docs, tmp_path):
    for size in (0, 10, 9_000_000):
        (docs / "a.txt").write_bytes(os.urandom(size))
        (source,) = found(docs).sources
        settings = Settings(home=tmp_path / "home")
        with open_judged_file(source) as file:
            copy, digest = make_private_copy(file, source, settings)
            assert digest == content_hash(file, source, settings)
        with copy, copy.in_memory() as sealed:
            assert os.pread(sealed, size + 1, 0) == (docs / "a.txt").read_bytes()
        assert not (tmp_path / "home" / "tmp").exists() or not list(
            (tmp_path / "home" / "tmp").iterdir()
        )


@pytest.mark.parametrize("size", [10, 9_000_000])
def test_the_copy_that_a_parser_gets_is_sealed(docs, tmp_path, size):
    (docs / "a.txt").write_bytes(bytes(size))
    (source,) = found(docs).sources
    with open_judged_file(source) as file:
        copy, _ = make_private_copy(file, source, Settings(home=tmp_path))
    with copy, copy.in_memory() as sealed, pytest.raises(PermissionError):
        os.pwrite(sealed, b"other", 0)


def exchange_for_another_file(docs):
    (docs / "b.txt").replace(docs / "a.txt")


def exchange_for_a_link(docs):
    (docs / "a.txt").rename(docs / "c.txt")
    (docs / "a.txt").symlink_to(docs / "c.txt")


def exchange_for_a_pipe(docs):
    (docs / "a.txt").unlink()
    os.mkfifo(docs / "a.txt")


EXCHANGES = [
    exchange_for_another_file,
    exchange_for_a_link,
    exchange_for_a_pipe,
    lambda docs: (docs / "a.txt").unlink(),
    lambda docs: (docs / "a.txt").write_text("other"),
]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_file_that_is_not_the_one_that_was_judged_is_not_read(docs, exchange):
    write(docs, "a.txt", "b.txt")
    source, _ = found(docs).sources
    hashed(source)
    exchange(docs)
    with pytest.raises(SourceUnavailable):
        hashed(source)


def test_a_file_that_is_written_to_while_it_is_read_is_not_taken(docs):
    write(docs, "a.txt")
    (source,) = found(docs).sources
    with pytest.raises(SourceUnavailable, match="changed"), open_judged_file(source):
        (docs / "a.txt").write_text("other")


def test_a_folder_that_became_a_link_or_another_folder_is_not_gone_through(docs, tmp_path):
    write(docs, "open/a.txt", "open/b.txt")
    write(tmp_path, "secret/a.txt")
    first, second = found(docs).sources
    (docs / "open").rename(tmp_path / "aside")
    (docs / "open").symlink_to(tmp_path / "aside")
    with pytest.raises(SourceUnavailable, match="link"):
        hashed(first)
    (docs / "open").unlink()
    (tmp_path / "secret").rename(docs / "open")
    for source in (first, second):
        with pytest.raises(SourceUnavailable):
            hashed(source)


def test_a_file_under_another_rule_than_the_one_that_was_judged_is_not_read(docs):
    write(docs, "pay/a.txt")
    (docs / ".access.yaml").write_text("allow: [public]\n")
    (source,) = found(docs, rules=AccessRules()).sources
    hashed(source)
    (docs / "pay" / ".access.yaml").write_text("allow: [group:hr]\n")
    with pytest.raises(SourceUnavailable, match="rule"):
        hashed(source)
    (docs / "pay" / ".access.yaml").unlink()
    hashed(source)
    (docs / "pay" / ".access.yml").write_text("allow: [group:hr]\n")
    with pytest.raises(SourceUnavailable, match="rule"):
        hashed(source)


@pytest.mark.parametrize("way", ["exchanged", "moved", "linked"])
def test_a_folder_that_is_held_open_is_left_when_its_name_leads_elsewhere(docs, tmp_path, way):
    write(docs, "open/a.txt", "open/b.txt", "other/a.txt")
    first, second, _ = found(docs).sources
    hashed(first)  # which holds the folder
    aside = tmp_path / "aside"
    (docs / "open").rename(aside)
    if way == "exchanged":
        (docs / "other").rename(docs / "open")
        write(docs, "open/b.txt")
    if way == "linked":
        (docs / "open").symlink_to(aside)
    with pytest.raises(SourceUnavailable):
        hashed(second)


def test_files_of_one_folder_share_the_way_to_it_and_it_is_let_go_with_the_run(docs):
    write(docs, "in/here/a.txt", "in/here/b.txt", "in/there/c.txt")
    before = list_descriptors()
    a, b, c = found(docs).sources
    assert [count_folders_opened(source) for source in (a, b, c, b, a)] == [2, 0, 1, 1, 0]
    (docs / "in" / "here").chmod(0o700)  # other rights: they are tried
    assert [count_folders_opened(source) for source in (a, b)] == [1, 0]
    del a, b, c
    assert list_descriptors() == before


def list_descriptors() -> list[str]:
    return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())


def count_folders_opened(source: SourceFile) -> int:
    opened = []
    real = os.open

    def spy(name, flags, *more, **named):
        opened.append(bool(flags & os.O_DIRECTORY))
        return real(name, flags, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", spy)
        hashed(source)
    return sum(opened)


def test_folders_too_deep_to_hold_open_are_a_line(docs):
    deep = docs
    for _ in range(205):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "a.txt").write_text("x")
    write(docs, "b.txt")
    result = found(docs)
    assert paths(result) == ["docs/b.txt"]
    assert "folders deep" in str(result.unreadable[0].problem)


def test_the_root_stays_the_folder_that_was_named_when_the_run_began(docs, tmp_path):
    write(docs, "a.txt")
    roots = find_roots([docs])
    docs.rename(tmp_path / "elsewhere")
    write(docs, "b.txt")
    (source,) = scan(roots, AccessRules(HR), max_bytes=1_000).sources
    assert source.path == "docs/a.txt"
    with open_judged_file(source) as file:
        assert file.read() == b"a.txt"
