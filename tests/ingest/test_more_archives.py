"""Archives in every state: rules inside them, what a narrower rule reaches, names that deceive."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from indexes.model import Readers
from tests.ingest.parsing import losses, parsed
from tests.ingest.test_archives import make_tar, make_zip

HR = Readers(allow=frozenset({"group:hr"}))
BOTH = ("group:hr", "group:eng")
RULED = {".access.yaml": "allow: [group:hr]", "pay.txt": "Salaries.", "b/one.txt": "Apples."}


def packed(make, tmp_path: Path, **files: str) -> bytes:
    made: Path = make(tmp_path / "packed", **files)
    return made.read_bytes()


@pytest.mark.parametrize("make", [make_zip, make_tar("gz")])
@pytest.mark.parametrize("name", ["a.dat", "a.docx"])
@pytest.mark.parametrize("rule", [".access.yaml", "x\\access.yml"])
def test_rules_in_an_archive_of_any_name_refuse_it(world, tmp_path, make, name, rule):
    files = {"x/pay.txt": "Salaries.", rule: "allow: [group:hr]"}
    (world.docs / name).write_bytes(packed(make, tmp_path, **files))
    (line,) = world.ingest(allow=("public",))["files"]
    assert line["status"] in ("refused", "failed")
    assert world.stored() == {}


@pytest.mark.parametrize("inner", [make_zip, make_tar(""), make_tar("xz")])
def test_rules_in_an_archive_in_an_archive_refuse_the_inner_one(world, tmp_path, inner):
    held = packed(inner, tmp_path, **RULED)
    with zipfile.ZipFile(world.docs / "a.zip", "w") as archive:
        archive.writestr("in.pack", held)
        archive.writestr("o.txt", "Pears.")
    report = world.ingest(allow=("public",))
    assert {f["path"]: f["status"] for f in report["files"]} == {
        "docs/a.zip/in.pack": "refused",
        "docs/a.zip/o.txt": "new",
    }


def test_rules_in_an_attached_archive_refuse_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "i.zip", "w") as archive:
        for name, text in RULED.items():
            archive.writestr(name, text)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.write(tmp_path / "i.zip", "in.zip")
        archive.writestr("o.txt", "Pears.")
    document = parsed(tmp_path / "a.zip", held.getvalue())
    assert [element.text for element in document.elements] == ["o.txt", "Pears."]
    assert losses(document) == ["1 file could not be read: in.zip."]
    assert "rule" in document.warnings[0]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def locked(data: bytes) -> bytes:
    made = bytearray(data)
    at = made.find(b"PK\x01\x02")
    while at >= 0:
        made[at + 8] |= 1
        at = made.find(b"PK\x01\x02", at + 1)
    return bytes(made)


STATES = {
    "cut": cut,
    "locked": locked,
    "empty": lambda data: b"",
    "text": lambda data: b"no archive",
    "no files": lambda data: b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("state", STATES)
def test_a_narrower_rule_reaches_the_members_of_an_archive_in_any_state(world, state):
    world.rule(*BOTH)
    make_zip(world.docs / "a.zip", **{"one.txt": "Apples.", "two.txt": "Pears."})
    world.ingest()
    world.rule("group:hr")
    (world.docs / "a.zip").write_bytes(STATES[state]((world.docs / "a.zip").read_bytes()))
    world.ingest()
    assert [d.readers for d in world.stored().values()] == [HR, HR]


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("how", ["renamed", "link"])
def test_members_of_an_archive_that_was_moved_or_exchanged_have_with_no_more_readers(
    world, how, prune
):
    world.rule(*BOTH)
    file = make_zip(world.docs / "a.zip", **{"one.txt": "Apples.", "two.txt": "Pears."})
    world.ingest()
    world.rule("group:hr")
    file.rename(world.docs / "b.zip")
    if how == "link":
        (world.docs / "b.zip").unlink()
        make_zip(world.docs.parent / "out.zip", **{"one.txt": "Secret."})
        file.symlink_to(world.docs.parent / "out.zip")
    world.ingest(prune=prune)
    assert {d.readers for d in world.stored().values()} <= {HR}
    assert not any("Secret" in str(row) for row in world.everything())


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_tar_cut_between_two_files_is_damaged_and_loses_no_document(world, length):
    file = make_tar("")(world.docs / "a.tar", **{f"{n}.txt": f"Apples {n}." for n in range(3)})
    world.ingest(allow=("group:hr",))
    file.write_bytes(file.read_bytes()[: length * 1024])
    report = world.ingest(allow=("group:hr",), prune=True)
    assert [f["status"] for f in report["files"]] == ["failed"]
    assert len(world.stored()) == 3


@pytest.mark.parametrize("length", [1024, 2048, 2500])
def test_a_tar_inside_a_file_that_was_cut_tells_so(tmp_path, length):
    file = make_tar("")(tmp_path / "b", **{f"{n}.txt": f"Apples {n}." for n in range(3)})
    document = parsed(tmp_path / "a.dat", file.read_bytes()[:length])
    assert "1 end of archives could not be read." in losses(document)


NAMES = [
    "a\nb.txt", "a\u202etxt.exe.txt", "caf\u00e9.txt", "cafe\u0301.txt", "a#2.txt", "a%2F..%2Fb.txt", "a!/b.txt",
    "x" * 300 + ".txt", " .txt", "a\\b.txt", "C:\\a.txt", "!/one.txt", "one.txt (2)", "ONE.txt", "a?b=c.txt",
    "\u0416.txt", "\udc80.txt", "a\x7f.txt", "a b/c d.txt",
]  # fmt: skip


def test_no_two_members_share_a_document_and_none_looks_like_another_file(world):
    with tarfile.open(world.docs / "a.tar", "w") as archive:
        for number, name in enumerate([*NAMES, "one.txt", "one.txt"]):
            entry = tarfile.TarInfo(name)
            data = f"Member {number} of the archive.".encode()
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    world.write("one.txt", "Outside of it.")
    report = world.ingest(allow=("group:hr",))
    assert [f for f in report["files"] if f["status"] != "new"] == []
    assert len(world.stored()) == len(NAMES) + 3
    texts = [row[0] for row in world.rows("SELECT text FROM document_texts")]
    assert len(set(texts)) == len(NAMES) + 3
    assert world.ingest(allow=("group:hr",), prune=True)["totals"]["unchanged"] == len(texts)


@pytest.mark.parametrize(
    ("raw", "shown"), [("文件", "gb18030"), ("Отчёт", "cp866"), ("Übersicht", "cp437")]
)
def test_names_in_old_archives_are_read_in_their_encoding(world, raw, shown):
    file = make_zip(world.docs / "a.zip", **{"AAAA.txt": "Apples."})
    name = raw.encode(shown)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("A" * len(name) + ".txt", "Apples.")
    file.write_bytes(data.getvalue().replace(b"A" * len(name), name, 2))
    assert world.ingest(allow=("group:hr",))["files"][0]["path"] == f"docs/a.zip/{raw}.txt"
