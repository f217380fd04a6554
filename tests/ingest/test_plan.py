"""What a run decides to do: values in, values out, no file and no catalog."""

from pathlib import Path

from indexes.errors import NoReaders, SourceRefused, SourceUnavailable
from indexes.model import Readers, StoredDocument
from ingest.access import NOBODY
from ingest.judged_files import SourceFile
from ingest.plan import Plan, make_plan
from ingest.roots import Root
from ingest.sources import Scan

ROOT = Root(place=Path("/srv/docs"), is_folder=True)
HR = Readers(allow=frozenset({"group:hr"}))
BOTH = Readers(allow=frozenset({"group:hr", "group:finance"}))
FINANCE = Readers(allow=frozenset({"group:finance"}))


def source(name: str, readers: Readers | None = HR, problem=None) -> SourceFile:
    file = ROOT.place / name
    return SourceFile(
        file=file, uri=file.as_uri(), path=f"docs/{name}", readers=readers, problem=problem
    )


def stored(name: str, readers: Readers = HR, content_hash: str = "old") -> StoredDocument:
    uri = (ROOT.place / name).as_uri()
    return StoredDocument(uri=uri, content_hash=content_hash, readers=readers, title=name, chunks=1)


def planned(sources, documents=(), *, prune=False, roots=(ROOT,), blind=(), unreadable=()) -> Plan:
    found = Scan(
        roots=tuple(roots), sources=tuple(sources), blind=tuple(blind), unreadable=tuple(unreadable)
    )
    return make_plan(found, {d.uri: d for d in documents}, prune=prune)


def relabels(plan: Plan) -> dict[str, Readers]:
    return {relabel.uri.rsplit("/", 1)[1]: relabel.readers for relabel in plan.relabel}


def test_a_file_is_new_changed_or_unchanged_by_its_hash():
    fresh = planned([source("a.txt")]).tasks[0]
    known = planned([source("a.txt")], [stored("a.txt")]).tasks[0]
    assert fresh.verdict("any") == "new"
    assert known.verdict("other") == "changed"
    assert known.verdict("old") == "unchanged"


def test_other_readers_alone_are_a_relabel_and_go_before_everything_that_must_be_read():
    plan = planned([source("a.txt"), source("b.txt", FINANCE)], [stored("b.txt", HR)])
    assert [task.source.path for task in plan.tasks] == ["docs/b.txt", "docs/a.txt"]
    assert plan.tasks[0].verdict("old") == "relabelled"


def test_whoever_loses_access_loses_it_before_any_file_is_read():
    assert relabels(planned([source("a.txt", HR)], [stored("a.txt", BOTH)])) == {"a.txt": HR}


def test_a_wider_rule_waits_until_it_is_known_that_the_stored_text_is_the_files_text():
    assert relabels(planned([source("a.txt", BOTH)], [stored("a.txt", HR)])) == {}


def test_a_wholly_different_rule_leaves_the_old_text_to_nobody_until_the_file_was_read():
    assert relabels(planned([source("a.txt", FINANCE)], [stored("a.txt", HR)])) == {"a.txt": NOBODY}


def test_a_document_whose_file_lost_its_rule_is_for_nobody_and_refused():
    plan = planned([source("a.txt", None, NoReaders())], [stored("a.txt")])
    assert relabels(plan) == {"a.txt": NOBODY}
    assert plan.tasks == ()
    assert [(refusal.source.path, refusal.stored) for refusal in plan.refused] == [
        ("docs/a.txt", True)
    ]


def test_a_file_that_cannot_be_read_still_gets_its_narrower_readers():
    plan = planned([source("a.txt", HR, SourceRefused())], [stored("a.txt", BOTH)])
    assert relabels(plan) == {"a.txt": HR}
    assert plan.tasks == ()
    assert len(plan.refused) == 1


def test_a_refused_file_that_is_not_stored_relabels_nothing():
    plan = planned([source("a.txt", None, NoReaders())])
    assert plan.relabel == ()
    assert not plan.refused[0].stored


def test_documents_without_files_are_gone_and_removed_only_when_asked_for():
    assert not planned([], [stored("a.txt")]).prune
    gone = planned([], [stored("a b.txt")], prune=True).gone
    assert [(g.uri, g.path) for g in gone] == [("file:///srv/docs/a%20b.txt", "docs/a b.txt")]


def test_a_refused_file_is_there_and_therefore_never_gone():
    assert planned([source("a.txt", HR, SourceRefused())], [stored("a.txt")], prune=True).gone == ()


def test_nothing_outside_the_given_paths_is_gone():
    file = Root(place=Path("/srv/docs/a.txt"), is_folder=False)
    beside = [stored("b.txt"), stored("a.txt.old"), stored("../other/c.txt")]
    assert planned([source("a.txt")], beside, prune=True, roots=[file]).gone == ()


def test_nothing_is_gone_below_a_folder_that_could_not_be_listed():
    folder = source("locked", None, SourceUnavailable())
    plan = planned(
        [],
        [stored("locked/a.txt"), stored("locked2/b.txt")],
        prune=True,
        blind=[folder.uri + "/"],
        unreadable=[folder],
    )
    assert [g.path for g in plan.gone] == ["docs/locked2/b.txt"]
    assert [refusal.source.path for refusal in plan.refused] == ["docs/locked"]


def test_carrying_out_the_same_plan_twice_changes_nothing_the_second_time():
    # readers changed altogether, and the new content could not be read
    after_failure = stored("a.txt", NOBODY)
    assert relabels(planned([source("a.txt", FINANCE)], [after_failure])) == {}
