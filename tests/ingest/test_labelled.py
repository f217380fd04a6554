"""A labelled set becomes documents with its own readers, chunked and stored as files are."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from indexes import embedder
from indexes.errors import BadInput
from indexes.model import Principal
from ingest import pipeline, set_documents
from ingest.cli.ingest import app, ingest_labelled
from ingest.testing import SpyEmbedder

CORPUS = [
    {
        "_id": "pay",
        "title": "Pay",
        "text": "Salaries rise in March.\n\nBy three per cent.",
        "lang": "en",
    },
    {"_id": "menu", "title": "", "text": "周五有鱼。", "lang": "zh"},
]
ACCESS = [
    {"doc_id": "pay", "groups": ["hr", "user:bob"]},
    {"doc_id": "menu", "groups": ["all-staff"]},
]
PEOPLE = [
    {"user_id": "ada", "dept": "hr", "groups": ["hr", "all-staff", "user:ada"]},
    {"user_id": "bob", "groups": ["all-staff"]},
    {"user_id": "eve", "groups": []},
]


class SetWorld:
    """A labelled set on disk and what ingesting it leads to."""

    def __init__(self, world: Any, folder: Path) -> None:
        self.world, self.folder = world, folder
        folder.mkdir()
        self.write("corpus", CORPUS)
        self.write("acl", ACCESS, zipped=True)
        self.write("users", PEOPLE)

    def write(self, name: str, rows: list[Any], *, zipped: bool = False) -> None:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        path = self.folder / f"{name}.jsonl{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(lines) if zipped else lines)

    def ingest(self, **given: Any) -> dict[str, Any]:
        self.world.embedder.batches.clear()
        found = set_documents.read_set(self.folder, **given)
        code = ingest_labelled(found, self.world.settings, as_json=True, load=self.world.load)
        report: dict[str, Any] = json.loads(self.world._capsys.readouterr().out)
        return {**report, "code": code}

    def readable(self, user: str) -> frozenset[str]:
        with self.world.catalog() as catalog:
            return frozenset(catalog.documents.paths(Principal(name=f"user:{user}")))


@pytest.fixture
def given(world, tmp_path) -> SetWorld:
    return SetWorld(world, tmp_path / "kitchen")


def test_each_row_becomes_a_document_that_the_people_of_the_set_may_read_as_it_says(given):
    report = given.ingest()
    assert (report["code"], report["totals"]["new"], report["chunks"]) == (0, 2, 2)
    assert {user: given.readable(user) for user in ("ada", "bob", "eve")} == {
        "ada": {"pay", "menu"},
        "bob": {"pay", "menu"},
        "eve": frozenset(),
    }
    rows = given.world.rows(
        "SELECT uri, path, title, language, text FROM documents JOIN document_texts ON id = document_id"
    )
    assert rows == [
        ("set:kitchen/pay", "pay", "Pay", "en", "Salaries rise in March.\n\nBy three per cent."),
        ("set:kitchen/menu", "menu", "menu", "zh", "周五有鱼。"),
    ]


def test_a_second_run_embeds_nothing_and_a_changed_row_alone_is_done_again(given):
    given.ingest()
    assert given.ingest()["totals"]["unchanged"] == 2
    assert given.world.embedder.texts == []
    given.write("corpus", [CORPUS[0], {**CORPUS[1], "text": "周五没有鱼。"}])
    report = given.ingest()
    assert (report["totals"]["changed"], report["totals"]["unchanged"]) == (1, 1)
    assert len(given.world.embedder.texts) == 1


def test_a_run_that_was_stopped_goes_on_where_it_was(given, monkeypatch):
    # one document at a time
    monkeypatch.setattr(pipeline, "WINDOW_TOKENS", given.world.settings.chunk_tokens)
    rows = [{"_id": f"r{n}", "text": f"Row {n} of the kitchen."} for n in range(6)]
    given.write("corpus", rows)
    given.write("acl", [{"doc_id": row["_id"], "groups": ["hr"]} for row in rows], zipped=True)
    passages = given.world.embedder.passages

    def until_the_third(texts):
        if "Row 3" in texts[0]:
            raise KeyboardInterrupt
        return passages(texts)

    given.world.embedder.passages = until_the_third
    report = given.ingest()
    assert (report["code"], report["interrupted"], report["totals"]["new"]) == (130, True, 3)
    given.world.embedder.passages = passages
    report = given.ingest()
    assert (report["code"], report["totals"]["new"], report["totals"]["unchanged"]) == (0, 3, 3)


def test_other_readers_hold_without_embedding_again(given):
    given.ingest()
    given.write("acl", [{"doc_id": "pay", "groups": ["hr"]}, ACCESS[1]], zipped=True)
    assert given.ingest()["totals"]["relabelled"] == 1
    assert given.world.embedder.texts == []
    assert given.readable("bob") == {"menu"}


def test_a_document_that_the_overlay_does_not_name_is_refused_and_closed_to_those_who_could_read_it(
    given,
):
    given.ingest()
    given.write("acl", [ACCESS[1]], zipped=True)
    report = given.ingest()
    assert (report["code"], report["totals"]["refused"]) == (1, 1)
    assert "acl.jsonl" in report["files"][1]["reason"]
    assert given.readable("ada") == {"menu"}


def test_a_set_without_an_overlay_needs_allow_and_one_with_it_refuses_it(given):
    with pytest.raises(BadInput, match="says itself"):
        given.ingest(allow=["public"])
    (given.folder / "acl.jsonl.gz").unlink()
    with pytest.raises(BadInput, match="Nothing says who may read") as refused:
        given.ingest()
    assert "--allow" in str(refused.value.remedy)
    assert given.ingest(allow=["group:hr"])["totals"]["new"] == 2
    assert (given.readable("ada"), given.readable("bob")) == ({"pay", "menu"}, frozenset())


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        (
            "corpus",
            [CORPUS[0], {"_id": "x"}, {"_id": 3, "text": "?"}],
            r"line 2: text.*line 3: _id",
        ),
        ("corpus", [CORPUS[0], CORPUS[0]], "line 2: 'pay' was there before"),
        ("corpus", [], "no documents"),
        ("users", [{"user_id": "ada", "groups": ["user:bob"]}], "the rights of another user"),
        ("users", [{"user_id": "a#b", "groups": []}], "#"),
        ("acl", [{"doc_id": "pay", "groups": ["a\nb"]}], "pay: "),
        ("acl", [{"doc_id": "pay", "groups": ["hr"], "deny": ["user:bob"]}], "deny"),
    ],
)
def test_a_malformed_set_is_refused_whole_with_the_place(given, name, rows, said):
    (given.folder / "acl.jsonl.gz").unlink()
    given.write("acl", ACCESS)
    given.write(name, rows)
    with pytest.raises(BadInput, match=said):
        given.ingest()
    assert not given.world.settings.home.exists()


def test_a_row_without_text_is_a_line_of_the_report(given):
    given.write("corpus", [CORPUS[0], {**CORPUS[1], "text": " \x00"}])
    report = given.ingest()
    assert (report["code"], report["totals"]["new"], report["totals"]["failed"]) == (1, 1, 1)


def test_people_are_added_and_never_taken_out_of_a_group(given):
    given.ingest()
    given.write("users", [{"user_id": "ada", "groups": ["night"]}])
    given.ingest()
    with given.world.catalog() as catalog:
        groups = catalog.people.groups()
    assert groups["group:night"] == groups["group:hr"] == ("user:ada",)


def test_the_command_shows_progress_and_totals(given, monkeypatch):
    monkeypatch.setattr(embedder, "load", lambda settings, say, **_: SpyEmbedder())
    monkeypatch.setenv("CLEARANCE_HOME", str(given.world.settings.home))
    result = CliRunner().invoke(app, ["ingest-set", str(given.folder)])
    assert result.exit_code == 0, result.output
    assert "Done: 2 new." in result.stdout
    assert "2 files." in result.stderr
    nowhere = CliRunner().invoke(app, ["ingest-set", str(given.folder / "nowhere")])
    assert (nowhere.exit_code, "Traceback" in nowhere.output) == (2, False)
