"""Sources and what is moved: documents, ids and citations stay; readers are those of the place
where a file is now.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from indexes.catalog.documents import Documents
from indexes.errors import AlreadyExists, BadInput
from indexes.model import Readers
from tests.ingest.test_pipeline import line, statuses, watching
from tests.world import TESTER

HR = Readers(allow=frozenset({"group:hr"}))
FINANCE = Readers(allow=frozenset({"group:finance"}))


def documents(world) -> dict[str, tuple[str, frozenset[str]]]:
    """Public id and allowed readers by path."""
    with world.catalog() as catalog:
        listed = catalog.listing.documents(limit=1000)
    return {one.path: (one.id, frozenset(one.allow)) for one in listed if one.id}


def passages(world) -> list[tuple[str, str]]:
    return list(world.rows("SELECT chunks.public_id, text FROM chunks ORDER BY row"))


def remount(world, name: str) -> None:
    world.docs = world.docs.rename(world.docs.parent / name)


def test_a_file_that_is_moved_keeps_id_and_passages_and_gets_the_readers_of_its_new_place(world):
    world.rule("group:hr", folder="hr")
    world.rule("group:finance", folder="finance")
    world.write("hr/a.txt", "Salaries rise in May.")
    world.write("hr/b.txt", "The canteen opens at noon.")
    world.ingest()
    (before, _), kept = documents(world)["docs/hr/a.txt"], passages(world)
    (world.docs / "hr" / "a.txt").rename(world.docs / "finance" / "a.txt")
    world.pool = watching(world.pool, lambda document: pytest.fail(f"{document.name} was parsed"))
    report = world.ingest()
    assert statuses(report) == {"docs/finance/a.txt": "moved", "docs/hr/b.txt": "unchanged"}
    assert documents(world)["docs/finance/a.txt"] == (before, FINANCE.allow)
    assert "docs/hr/a.txt" not in documents(world)
    assert passages(world) == kept
    assert statuses(world.ingest(prune=True)) == {
        "docs/finance/a.txt": "unchanged",
        "docs/hr/b.txt": "unchanged",
    }


def test_the_old_readers_are_gone_before_the_first_file_is_parsed(world):
    world.rule("group:hr", folder="hr")
    world.rule("group:finance", folder="finance")
    world.write("hr/a.txt", "Salaries rise in May.")
    world.ingest()
    (world.docs / "hr" / "a.txt").rename(world.docs / "finance" / "a.txt")
    world.write("finance/0.txt", "First in order.")
    seen = []
    world.pool = watching(world.pool, lambda _: seen.append(documents(world)))
    world.ingest()
    assert {path: allow for path, (_, allow) in seen[0].items()} == {
        "docs/finance/a.txt": FINANCE.allow
    }


def test_a_file_that_is_renamed_and_has_no_title_of_its_own_is_read_again_and_keeps_its_id(world):
    world.write("old name.txt", "x.")
    world.ingest(allow=("group:hr",))
    (before, _) = documents(world)["docs/old name.txt"]
    (world.docs / "old name.txt").rename(world.docs / "new name.txt")
    assert statuses(world.ingest(allow=("group:hr",))) == {"docs/new name.txt": "changed"}
    assert documents(world)["docs/new name.txt"][0] == before
    assert world.rows("SELECT title FROM documents") == [("new name",)]


def test_of_several_files_with_the_same_text_each_gets_one_document_and_its_own_readers(world):
    for name in ("a/1.txt", "a/2.txt"):
        world.write(name, "The same text.")
    world.rule("group:hr", folder="a")
    world.rule("group:finance", folder="b")
    world.ingest()
    ids = {path: document_id for path, (document_id, _) in documents(world).items()}
    (world.docs / "b").mkdir(exist_ok=True)
    (world.docs / "a" / "2.txt").rename(world.docs / "b" / "2.txt")
    (world.docs / "a" / "1.txt").rename(world.docs / "b" / "0.txt")
    world.write("b/9.txt", "The same text.")
    world.ingest()
    found = documents(world)
    assert found["docs/b/2.txt"][0] == ids["docs/a/2.txt"]
    assert found["docs/b/0.txt"][0] == ids["docs/a/1.txt"]
    assert {allow for _, allow in found.values()} == {FINANCE.allow}
    assert len(found) == 3


def test_a_copy_beside_the_file_is_another_document(world):
    world.write("a.txt")
    world.ingest(allow=("group:hr",))
    world.write("b.txt")
    assert statuses(world.ingest(allow=("group:hr",))) == {
        "docs/a.txt": "unchanged",
        "docs/b.txt": "new",
    }


def test_a_trial_tells_moves_and_writes_nothing(world):
    world.write("a/x.txt", "Text.")
    world.ingest(allow=("group:hr",))
    before = documents(world)
    (world.docs / "b").mkdir()
    (world.docs / "a" / "x.txt").rename(world.docs / "b" / "x.txt")
    assert statuses(world.ingest(allow=("group:hr",), prune=True, dry_run=True)) == {
        "docs/b/x.txt": "moved"
    }
    assert documents(world) == before


def test_a_run_that_ends_in_the_middle_of_moves_leaves_no_old_readers_on_what_has_moved(
    world, monkeypatch
):
    world.rule("group:hr", folder="hr")
    world.rule("group:finance", folder="finance")
    for number in range(6):
        world.write(f"hr/{number}.txt", f"Text {number}.")
    world.ingest()
    before = {path.rpartition("/")[2]: one for path, (one, _) in documents(world).items()}
    for number in range(6):
        (world.docs / "hr" / f"{number}.txt").rename(world.docs / "finance" / f"{number}.txt")
    move = Documents.move
    done: list[str] = []

    def interrupted(self, uri, to, *, by):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(uri)
        return move(self, uri, to, by=by)

    monkeypatch.setattr(Documents, "move", interrupted)
    assert world.ingest()["code"] == 130
    monkeypatch.undo()
    for path, (_, allow) in documents(world).items():
        assert allow == (HR if path.startswith("docs/hr/") else FINANCE).allow
    assert world.ingest()["totals"]["moved"] == 3
    found = documents(world)
    assert {path.rpartition("/")[2]: one for path, (one, _) in found.items()} == before
    assert {allow for _, allow in found.values()} == {FINANCE.allow}


# --- sources ------------------------------------------------------------------------------------


def test_a_folder_that_is_moved_is_the_same_source_and_its_narrower_rule_holds(world):
    world.rule("group:hr", "group:finance")
    world.write("a.txt")
    report = world.ingest()
    assert report["sources"] == [{"name": "docs", "root": str(world.docs)}]
    before = documents(world)
    remount(world, "elsewhere")
    world.rule("group:hr")
    with world.catalog() as catalog:
        catalog.sources.move("docs", world.docs, by=TESTER)
    assert statuses(world.ingest()) == {"docs/a.txt": "relabelled"}
    assert documents(world) == {"docs/a.txt": (before["docs/a.txt"][0], HR.allow)}


def test_another_mount_of_the_same_source_finds_its_documents_unchanged(world):
    world.write("a.txt")
    world.ingest(allow=("group:hr",))
    before = world.everything()
    remount(world, "container")
    assert statuses(world.ingest(allow=("group:hr",), source="docs")) == {"docs/a.txt": "unchanged"}
    assert world.everything() == before


def test_another_name_changes_nothing_that_a_reader_sees(world):
    world.write("a.txt")
    world.ingest(allow=("group:hr",))
    before = documents(world), world.everything()
    with world.catalog() as catalog:
        catalog.sources.rename("docs", "Personnel", by=TESTER)
    assert statuses(world.ingest(allow=("group:hr",))) == {"docs/a.txt": "unchanged"}
    assert (documents(world), world.everything()) == before


def test_the_rule_of_a_source_is_the_outermost_and_what_it_denies_is_always_denied(world, tmp_path):
    with world.catalog() as catalog:
        denied = Readers(allow=frozenset({"group:all"}), deny=frozenset({"user:eve"}))
        catalog.people.add_user("eve", by=TESTER)
        catalog.sources.add("hr", world.docs, denied, by=TESTER)
    world.write("a.txt")
    world.rule("public", folder="open")
    world.write("open/b.txt")
    world.write("c.txt")
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"file": "docs/c.txt", "allow": ["user:eve"]}')
    world.ingest(manifest=manifest)
    readers = {
        path: (set(d.readers.allow), set(d.readers.deny)) for path, d in world.stored().items()
    }
    eve = {"user:eve"}
    assert readers == {
        "a.txt": ({"group:all"}, eve),
        "open/b.txt": ({"public"}, eve),
        "c.txt": (eve, eve),
    }
    world.ingest(allow=("user:eve",))
    assert {frozenset(d.readers.deny) for d in world.stored().values()} == {frozenset(eve)}


def test_a_part_of_a_source_and_a_single_file_belong_to_it_with_all_its_rules(world):
    world.rule("group:hr")
    world.write("sub/a.txt")
    world.write("b.txt")
    world.ingest()
    before = world.everything()
    assert statuses(world.ingest(paths=(world.docs / "sub",))) == {"docs/sub/a.txt": "unchanged"}
    assert statuses(world.ingest(paths=(world.docs / "b.txt",))) == {"docs/b.txt": "unchanged"}
    assert world.everything() == before


def test_what_was_ingested_piece_by_piece_becomes_part_of_the_folder_around_it(world):
    world.write("sub/a.txt")
    world.write("b.txt")
    world.ingest(paths=(world.docs / "sub",), allow=("group:hr",))
    world.ingest(paths=(world.docs / "b.txt",), allow=("group:hr",))
    before = {one for one, _ in documents(world).values()}
    assert set(documents(world)) == {"sub/a.txt", "b.txt"}
    report = world.ingest(allow=("group:hr",))
    assert report["totals"]["unchanged"] == 2
    assert {one for one, _ in documents(world).values()} == before
    with world.catalog() as catalog:
        assert [source.name for source in catalog.sources.list()] == ["docs"]


def test_named_sources_never_overlap(world):
    (world.docs / "sub").mkdir()
    with world.catalog() as catalog:
        catalog.sources.add("sub", world.docs / "sub", by=TESTER)
        with pytest.raises(BadInput, match="below"):
            catalog.sources.add("all", world.docs, by=TESTER)
        with pytest.raises(AlreadyExists):
            catalog.sources.add("SUB", world.docs.parent, by=TESTER)
        with pytest.raises(BadInput, match="belongs"):
            catalog.sources.add("inner", world.docs / "sub" / "inner", by=TESTER)
    world.write("a.txt")
    assert world.ingest(allow=("group:hr",))["code"] == 2


def test_a_new_deny_of_a_source_holds_at_once_and_the_rest_of_its_rule_from_the_next_ingest_on(
    world,
):
    world.rule("group:finance", folder="own")
    world.write("a.txt", "Salaries rise in May.")
    world.write("own/b.txt", "The budget is large.")
    with world.catalog() as catalog:
        catalog.people.add_user("eve", by=TESTER)
        catalog.sources.add("all", world.docs, HR, by=TESTER)
    world.ingest()
    with world.catalog() as catalog:
        rule = Readers(allow=FINANCE.allow, deny=frozenset({"user:eve"}))
        assert catalog.sources.set_rule("all", rule, by=TESTER) == 2
        stored = {d.title: d.readers for d in catalog.documents.stored("source:").values()}
    assert stored == {
        "a": Readers(allow=HR.allow, deny=rule.deny),
        "b": Readers(allow=FINANCE.allow, deny=rule.deny),
    }
    assert statuses(world.ingest()) == {"docs/a.txt": "relabelled", "docs/own/b.txt": "unchanged"}
    with world.catalog() as catalog:
        assert {d.readers for d in catalog.documents.stored("source:").values()} == {rule}
        assert catalog.sources.set_rule("all", rule, by=TESTER) == 0


# --- pruning ------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 6])
def test_pruning_removes_nothing_where_a_folder_is_empty_or_much_of_it_is_gone(world, left):
    for number in range(10):
        world.write(f"{number}.txt", f"Text {number}.")
    world.ingest(allow=("group:hr",))
    for number in range(left, 10):
        (world.docs / f"{number}.txt").unlink()
    report = world.ingest(allow=("group:hr",), prune=True)
    assert report["code"] == 1
    assert f"{10 - left} of 10" in line(report, "docs/")["reason"]
    assert len(documents(world)) == 10
    assert (
        world.ingest(allow=("group:hr",), prune=True, prune_anyway=True)["totals"]["removed"]
        == 10 - left
    )
    assert len(documents(world)) == left


def test_pruning_less_than_a_third_needs_no_further_word(world):
    for number in range(10):
        world.write(f"{number}.txt", f"Text {number}.")
    world.ingest(allow=("group:hr",))
    for number in range(3):
        (world.docs / f"{number}.txt").unlink()
    report = world.ingest(allow=("group:hr",), prune=True)
    assert (report["code"], report["totals"]["removed"]) == (0, 3)


# --- what an operator sees ----------------------------------------------------------------------


def test_what_failed_and_what_is_gone_is_kept_until_it_is_mended(world):
    world.write("a.txt")
    world.write("b.txt", "Other text.")
    world.write("empty.txt", "")
    world.ingest(allow=("group:hr",))
    (world.docs / "a.txt").unlink()
    world.write("b.txt", "")
    world.ingest(allow=("group:hr",))
    with world.catalog() as catalog:
        found = {one.path: (one.state, bool(one.error)) for one in catalog.listing.documents()}
        assert found == {
            "docs/a.txt": ("gone", True),
            "docs/b.txt": ("stale", True),
            "docs/empty.txt": ("failed", True),
        }
        assert [one.path for one in catalog.listing.documents(state="gone")] == ["docs/a.txt"]
        assert [one.path for one in catalog.listing.documents(source="docs", reader="group:hr")] == [
            "docs/a.txt", "docs/b.txt",
        ]  # fmt: skip
        assert [one.path for one in catalog.listing.documents(path_prefix="docs/b", limit=5)] == [
            "docs/b.txt"
        ]
        assert [one.path for one in catalog.listing.documents(limit=1, offset=1)] == ["docs/b.txt"]
    world.write("a.txt")
    world.write("b.txt", "Other text.")
    world.write("empty.txt", "Text at last.")
    world.ingest(allow=("group:hr",))
    with world.catalog() as catalog:
        assert {one.state for one in catalog.listing.documents()} == {"stored"}


def clearance(world, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "CLEARANCE_HOME": str(world.settings.home)}
    command = [sys.executable, "-c", "from indexes.cli.main import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=Path.cwd(), check=False
    )


def test_the_commands_name_list_and_remove_sources_and_documents(world):
    assert (
        clearance(world, "sources", "add", "hr", str(world.docs), "--allow", "group:hr").returncode
        == 0
    )
    world.write("a.txt", "Secret words.")
    world.write("b.txt", "Other words.")
    world.ingest()
    shown = clearance(world, "sources", "list").stdout
    assert f"hr  {world.docs}  2 documents" in shown
    listed = clearance(world, "documents", "list", "--source", "hr")
    assert "docs/a.txt" in listed.stdout
    assert "Secret words" not in listed.stdout
    (one, _) = documents(world)["docs/a.txt"]
    assert "docs/a.txt" in clearance(world, "documents", "show", one).stdout
    assert clearance(world, "documents", "remove", one).returncode == 0
    assert set(documents(world)) == {"docs/b.txt"}
    told = json.loads(
        clearance(world, "sources", "rule", "hr", "--allow", "public", "--json").stdout
    )
    assert (told["allow"], told["deny"], told["narrowed"]) == (["public"], [], 0)
    assert clearance(world, "sources", "remove", "hr", "--yes").returncode == 0
    assert documents(world) == {}
    assert clearance(world, "sources", "list", "--json").stdout.strip() == "[]"
