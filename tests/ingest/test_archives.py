"""Archives are folders: what their files become, whose rules hold, and what is refused."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from indexes.formats import FOLDER_ENDINGS, FORMATS
from indexes.model import Readers
from ingest.access import AccessRules
from ingest.archives import MAX_MEMBERS
from ingest.judged_files import open_judged_file
from ingest.roots import find_roots
from ingest.sources import scan
from tests.ingest.conftest import IngestWorld

HR = Readers(allow=frozenset({"group:hr"}))


def make_zip(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def make_tar(mode: str) -> Callable[..., Path]:
    def make(path: Path, **files: str) -> Path:
        with tarfile.open(path, f"w:{mode}") as archive:  # type: ignore[call-overload]
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        return path

    return make


MAKERS = {
    "a.zip": make_zip,
    "a.tar": make_tar(""),
    "a.tar.gz": make_tar("gz"),
    "a.tgz": make_tar("gz"),
    "a.tar.bz2": make_tar("bz2"),
    "a.tbz": make_tar("bz2"),
    "a.tbz2": make_tar("bz2"),
    "a.tar.xz": make_tar("xz"),
    "a.txz": make_tar("xz"),
    "a.TAR.GZ": make_tar("gz"),
}


def test_every_ending_of_an_archive_in_the_table_of_formats_is_tried_here():
    assert {name.lower().removeprefix("a") for name in MAKERS} == set(FOLDER_ENDINGS)
    tars = [ending for ending in FORMATS["packed"].endings if ending.startswith(".t")]
    assert set(tars) < set(FOLDER_ENDINGS)


@pytest.mark.parametrize("name", MAKERS)
def test_each_file_in_an_archive_is_a_document_with_its_way_in_its_path(world, name):
    MAKERS[name](world.docs / name, **{"plans/one.txt": "Apples are red.", "two.txt": "Pears."})
    report = world.ingest(allow=("group:hr",))
    assert report["totals"]["new"] == 2
    assert world.text(f"{name}/plans/one.txt") == "Apples are red."
    assert world.text(f"{name}/two.txt") == "Pears."
    assert {d.readers for d in world.stored().values()} == {HR}
    assert world.ingest(allow=("group:hr",))["totals"]["unchanged"] == 2


def test_an_archive_that_was_named_alone_is_read_too(world):
    file = make_zip(world.docs / "a.zip", **{"one.txt": "Apples."})
    assert world.ingest(paths=(file,), allow=("group:hr",))["totals"]["new"] == 1
    assert world.ingest(paths=(file,), allow=("group:hr",))["totals"]["unchanged"] == 1


def test_a_changed_member_alone_is_read_again_and_a_lost_one_is_missing(world):
    make_zip(
        world.docs / "a.zip", **{"one.txt": "Apples.", "two.txt": "Pears.", "three.txt": "Figs."}
    )
    world.ingest(allow=("group:hr",))
    make_zip(world.docs / "a.zip", **{"one.txt": "Apples.", "two.txt": "Plums."})
    report = world.ingest(allow=("group:hr",))
    assert report["missing"] == 1
    assert (report["totals"]["unchanged"], report["totals"]["changed"]) == (1, 1)
    report = world.ingest(allow=("group:hr",), prune=True)
    assert report["totals"]["removed"] == 1
    assert "three.txt" not in str(sorted(world.stored()))


def test_a_narrower_rule_of_the_folder_holds_for_every_member(world):
    world.rule("group:hr", "group:eng")
    make_zip(world.docs / "a.zip", **{"one.txt": "Apples.", "two.txt": "Pears."})
    world.ingest()
    world.rule("group:hr")
    assert world.ingest()["totals"]["relabelled"] == 2
    assert {d.readers for d in world.stored().values()} == {HR}


@pytest.mark.parametrize("content", [b"no archive", b"PK\x03\x04 cut off"])
def test_an_archive_that_cannot_be_opened_any_more_keeps_its_members_for_fewer_readers(
    world, content
):
    world.rule("group:hr", "group:eng")
    make_zip(world.docs / "a.zip", **{"one.txt": "Apples."})
    world.ingest()
    (world.docs / "a.zip").write_bytes(content)
    world.rule("group:hr")
    report = world.ingest(prune=True)
    assert report["totals"]["removed"] == 0
    assert [(f["path"], f["status"]) for f in report["files"]] == [("docs/a.zip", "failed")]
    assert [d.readers for d in world.stored().values()] == [HR]


@pytest.mark.parametrize(
    "name", [".access.yaml", "pay/.access.yaml", "pay/.Access.yml", "access.yaml"]
)
def test_an_archive_with_a_rule_in_it_is_refused_whole(world, name):
    make_zip(world.docs / "a.zip", **{name: "allow: [group:hr]", "pay/one.txt": "Salaries."})
    report = world.ingest(allow=("public",))
    (line,) = report["files"]
    assert (line["path"], line["status"]) == ("docs/a.zip", "refused")
    assert "folder" in line["remedy"]
    assert world.stored() == {}


OLD_NAMES = {
    "Übersicht.txt": "cp437",
    "阀门说明.txt": "gb18030",
    "Обзор.txt": "cp866",
    "résumé.txt": "utf-8",
}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_names_in_old_archives_are_decoded_by_evidence(world, name):
    raw = name.encode(OLD_NAMES[name])
    stand_in = "x" * len(raw)
    file = make_zip(world.docs / "a.zip", **{stand_in: "Apples.", "pay/two.txt": "Pears."})
    file.write_bytes(file.read_bytes().replace(stand_in.encode(), raw))
    paths = {line["path"] for line in world.ingest(allow=("group:hr",))["files"]}
    assert paths == {f"docs/a.zip/{name}", "docs/a.zip/pay/two.txt"}


def test_names_in_old_tars_are_decoded_by_evidence(world):
    with tarfile.open(world.docs / "a.tar", "w", encoding="gb18030") as archive:
        entry = tarfile.TarInfo("阀门说明.txt")
        entry.size = 6
        archive.addfile(entry, io.BytesIO(b"apples"))
    (line,) = world.ingest(allow=("group:hr",))["files"]
    assert line["path"] == "docs/a.tar/阀门说明.txt"


def test_names_that_lead_out_of_the_archive_links_and_copies_are_told(world):
    with tarfile.open(world.docs / "a.tar", "w") as archive:
        for name in ("../../out.txt", "same.txt", "same.txt", "/rooted.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 6
            archive.addfile(entry, io.BytesIO(b"apples"))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    report = world.ingest(allow=("group:hr",))
    told = {file["path"]: file["status"] for file in report["files"]}
    assert told == {
        "docs/a.tar/out.txt": "refused",
        "docs/a.tar/same.txt": "new",
        "docs/a.tar/same.txt (2)": "new",
        "docs/a.tar/rooted.txt": "new",
        "docs/a.tar/link.txt": "refused",
    }


def test_a_member_with_a_password_is_refused_and_the_others_are_read(world):
    make_zip(world.docs / "a.zip", **{"one.txt": "Apples.", "two.txt": "Pears."})
    data = bytearray((world.docs / "a.zip").read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02"))  # of one.txt
    data[entry + 8] |= 1
    (world.docs / "a.zip").write_bytes(bytes(data))
    told = {
        f["path"]: (f["status"], f["reason"]) for f in world.ingest(allow=("group:hr",))["files"]
    }
    assert told["docs/a.zip/one.txt"][0] == "refused"
    assert "password" in told["docs/a.zip/one.txt"][1]
    assert told["docs/a.zip/two.txt"][0] == "new"


def test_a_member_that_unpacks_to_more_than_it_says_fails_alone(world):
    make_zip(world.docs / "a.zip", **{"one.txt": "x" * 100_000, "two.txt": "Pears."})
    data = bytearray((world.docs / "a.zip").read_bytes())
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark)
        data[at + place : at + place + 4] = (10).to_bytes(4, "little")
    (world.docs / "a.zip").write_bytes(bytes(data))
    told = {f["path"]: f["status"] for f in world.ingest(allow=("group:hr",))["files"]}
    assert told == {"docs/a.zip/one.txt": "failed", "docs/a.zip/two.txt": "new"}


def test_an_archive_of_too_many_files_or_too_many_bytes_is_refused(world, tmp_path):
    with zipfile.ZipFile(world.docs / "many.zip", "w") as archive:
        for number in range(MAX_MEMBERS + 1):
            archive.writestr(f"{number}.txt", "")
    make_zip(world.docs / "large.zip", **{f"{n}.txt": "x" * 90_000 for n in range(12)})
    make_tar("gz")(world.docs / "large.tgz", **{f"{n}.txt": "x" * 90_000 for n in range(12)})
    found = scan(find_roots([world.docs]), AccessRules(HR), max_bytes=100_000)
    assert {source.path: type(source.problem).__name__ for source in found.sources} == {
        "docs/large.tgz": "SourceRefused",
        "docs/large.zip": "SourceRefused",
        "docs/many.zip": "SourceRefused",
    }


def test_what_systems_leave_in_archives_is_passed_over(world):
    make_zip(
        world.docs / "a.zip", **{"__MACOSX/._one.txt": "x", "one.txt": "Apples.", ".x/a.txt": "y"}
    )
    assert [f["path"] for f in world.ingest(allow=("group:hr",))["files"]] == ["docs/a.zip/one.txt"]


def test_an_archive_that_was_exchanged_after_it_was_listed_is_not_read(world):
    file = make_zip(world.docs / "a.zip", **{"one.txt": "Apples."})
    (source,) = scan(find_roots([world.docs]), AccessRules(HR), max_bytes=1_000_000).sources
    with open_judged_file(source) as member:
        assert member.read() == b"Apples."
    make_zip(world.docs / "b.zip", **{"one.txt": "Secret."}).rename(file)
    with pytest.raises(Exception, match="changed"), open_judged_file(source):
        pass


def test_a_document_moved_into_an_archive_keeps_its_id(world: IngestWorld):
    world.write("one.txt", "Apples are red and round.")
    world.ingest(allow=("group:hr",))
    before = world.rows("SELECT public_id FROM documents")
    make_zip(world.docs / "a.zip", **{"one.txt": "Apples are red and round."})
    (world.docs / "one.txt").unlink()
    assert world.ingest(allow=("group:hr",))["totals"]["moved"] == 1
    assert world.rows("SELECT public_id FROM documents") == before


def test_an_archive_that_was_listed_is_read_whatever_was_opened_meanwhile(world, monkeypatch):
    monkeypatch.setattr("ingest.archives._BLOCK", 1_000)
    for name in ("a.tgz", "b.tgz"):
        files = {"one.txt": f"Apples of {name}.", "two.txt": "word " * 40_000}
        make_tar("gz")(world.docs / name, **files)
    report = world.ingest(allow=("group:hr",))
    assert {file["status"] for file in report["files"]} == {"new"}


def test_a_member_that_left_its_archive_is_for_no_more_people_than_the_archive(world):
    world.rule("group:hr", "group:eng")
    make_zip(world.docs / "a.zip", **{"one.txt": "Apples.", "two.txt": "Pears."})
    world.ingest()
    make_zip(world.docs / "a.zip", **{"one.txt": "Apples."})
    world.rule("group:hr")
    assert world.ingest()["missing"] == 1
    assert [d.readers for d in world.stored().values()] == [HR, HR]
