"""A document whose file is gone stays until it is pruned, but for no more people than the rule that
is in force where the file was.
"""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from indexes.model import Readers
from ingest.access import NOBODY
from tests.world import TESTER

HR = Readers(allow=frozenset({"group:hr"}))
BOTH = Readers(allow=frozenset({"group:hr", "group:eng"}))


@pytest.fixture
def lost(world):
    """A world with the stored document `in/here/a.txt`, for both groups, and without its file."""
    world.rule("group:hr", "group:eng")
    world.write("in/here/a.txt")
    world.write("b.txt", "Menu of the week.")
    world.ingest()
    (world.docs / "in/here/a.txt").unlink()
    return world


def readers(world, name="in/here/a.txt"):
    return world.stored()[name].readers


def test_a_narrower_rule_reaches_a_document_without_its_file(lost):
    lost.rule("group:hr", folder="in")
    report = lost.ingest()
    assert (report["missing"], report["code"]) == (1, 0)
    assert readers(lost) == HR
    assert readers(lost, "b.txt") == BOTH


def test_nothing_is_written_while_the_rule_is_as_it_was(lost):
    before = lost.everything()
    assert lost.ingest()["missing"] == 1
    assert readers(lost) == BOTH
    assert lost.everything() == before


def test_the_rule_of_the_nearest_folder_that_is_there_holds(lost):
    shutil.rmtree(lost.docs / "in")
    lost.rule("group:hr")
    lost.ingest()
    assert readers(lost) == HR


def test_no_rule_gives_a_document_without_its_file_to_more_people(lost):
    lost.rule("group:hr")
    lost.ingest()
    lost.rule("group:hr", "group:eng", "public")
    lost.ingest()
    assert readers(lost) == HR


def test_the_command_line_and_a_manifest_speak_for_a_file_that_is_gone(lost, tmp_path):
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"file": "docs/in/here/a.txt", "allow": ["group:hr"]}\n')
    lost.ingest(manifest=manifest)
    assert readers(lost) == HR
    lost.ingest(allow=("group:eng",))
    assert readers(lost) == NOBODY


@pytest.mark.parametrize("rule", ["allow: [", None, "allow: []", "allow: [group:hr]\nallow: []"])
def test_without_a_rule_that_can_be_used_nobody_reads_it(lost, rule):
    (lost.docs / ".access.yaml").unlink()
    if rule:
        (lost.docs / "in/.access.yaml").write_text(rule)
    lost.ingest()
    assert readers(lost) == NOBODY


def test_a_folder_that_is_not_mounted_is_told_and_opens_when_it_is_back(lost, tmp_path):
    away = tmp_path / "away"
    lost.docs.rename(away)
    lost.docs.mkdir()
    for _ in range(2):  # told by the run that closes them, and by no later one
        previewed = lost.ingest(dry_run=True)
        report = lost.ingest()
        told = [one for one in report["files"] if one["status"] == "refused"]
        assert [one for one in previewed["files"] if one["status"] == "refused"] == told
        assert report["missing"] == 2
        assert readers(lost) == readers(lost, "b.txt") == NOBODY
        assert report["code"] == len(told)
    assert told == []
    lost.docs.rmdir()
    away.rename(lost.docs)
    assert lost.ingest()["totals"]["relabelled"] == 1
    assert readers(lost, "b.txt") == BOTH


def test_the_line_of_a_folder_that_is_not_mounted_says_what_to_do(lost, tmp_path):
    lost.docs.rename(tmp_path / "away")
    lost.docs.mkdir()
    (told,) = lost.ingest()["files"]
    assert told["path"] == "docs/"
    assert told["reason"].startswith("2 of 2 documents have no file")
    assert "mounted" in told["remedy"]


def test_what_looks_like_a_rule_closes_its_folder_for_documents_without_files_too(lost):
    (lost.docs / "in/access.yml").write_text("allow: [group:hr]")
    lost.ingest()
    assert readers(lost) == NOBODY


def test_a_link_in_place_of_the_folder_brings_no_rule(lost, tmp_path):
    shutil.rmtree(lost.docs / "in")
    (tmp_path / "in/here").mkdir(parents=True)
    (tmp_path / "in/.access.yaml").write_text("allow: [group:hr, group:eng]")
    (lost.docs / "in").symlink_to(tmp_path / "in")
    lost.rule("group:hr")
    lost.ingest()
    assert readers(lost) == HR


def test_who_is_denied_is_denied_a_document_without_its_file(lost):
    with lost.catalog() as catalog:
        catalog.people.add_user("eve", by=TESTER)
    lost.write(".access.yaml", '{"allow": ["group:hr", "group:eng"], "deny": ["user:eve"]}')
    lost.ingest()
    assert readers(lost) == Readers(allow=BOTH.allow, deny=frozenset({"user:eve"}))


def test_a_deny_of_somebody_unknown_leaves_it_to_nobody(lost):
    lost.write(".access.yaml", '{"allow": ["group:hr", "group:eng"], "deny": ["user:eve"]}')
    lost.ingest()
    assert readers(lost) == NOBODY


def test_prune_that_is_held_back_narrows_what_it_does_not_remove(lost):
    lost.rule("group:hr")
    (lost.docs / "b.txt").unlink()
    assert lost.ingest(prune=True)["code"] == 1
    assert {document.readers for document in lost.stored().values()} == {HR}


def test_a_document_of_an_archive_that_is_gone_follows_the_rule_of_its_folder(world):
    world.rule("group:hr", "group:eng")
    with zipfile.ZipFile(world.docs / "in.zip", "w") as archive:
        archive.writestr("a.txt", "Apples.")
    world.ingest()
    (world.docs / "in.zip").unlink()
    world.rule("group:hr")
    world.ingest()
    assert {document.readers for document in world.stored().values()} == {HR}


def test_a_file_that_only_moved_gets_the_readers_of_its_new_place(lost):
    lost.rule("group:hr", folder="in")
    lost.rule("group:eng", folder="out")
    lost.write("out/a.txt")
    assert lost.ingest()["totals"]["moved"] == 1
    assert readers(lost, "out/a.txt") == Readers(allow=frozenset({"group:eng"}))


def test_a_file_that_comes_back_has_the_readers_of_its_rule_again(lost):
    lost.rule("group:hr")
    lost.ingest()
    lost.rule("group:hr", "group:eng")
    lost.write("in/here/a.txt")
    assert lost.ingest()["totals"]["relabelled"] == 2
    assert readers(lost) == BOTH
    assert not lost.embedder.texts


def test_below_a_folder_that_cannot_be_listed_nothing_is_missing_and_nothing_changes(
    lost, monkeypatch
):
    real = os.listdir

    def listdir(folder):
        if "here" in Path(f"/proc/self/fd/{folder}").readlink().parts:
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr("os.listdir", listdir)
    lost.rule("group:hr")
    assert lost.ingest()["missing"] == 0
    assert readers(lost) == BOTH
