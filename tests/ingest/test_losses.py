"""What a document lacks of its file is stored with it and told wherever somebody looks."""

import json
from concurrent.futures import Future

import pytest
from typer.testing import CliRunner

from indexes.cli.administration import app
from indexes.losses import name_losses
from indexes.model import Loss
from ingest.elements import Element, Parsed
from ingest.report import FileOutcome, IngestReport

HIDDEN = Loss(kind="hidden", count=41, unit="words", detail="in the sheet Costs")
PICTURES = Loss(kind="picture", count=2, unit="pictures", detail="OCR is off")


class LosingParsers:
    """Every file is one sentence, and lacks what it is told to lack."""

    def __init__(self, *losses: Loss) -> None:
        self.losses = losses

    def prepare(self) -> None: ...

    def submit(self, document, cutting) -> "Future[Parsed]":
        document.close()
        parsed = Parsed(
            title=None, elements=(Element(kind="text", text="The canteen opens at noon."),),
            media_type="text/plain", language="en", page_kind=None, losses=self.losses,
        )  # fmt: skip
        future: Future[Parsed] = Future()
        future.set_result(parsed)
        return future


@pytest.fixture
def lossy(world):
    world.rule("group:hr")
    world.write("a.txt")
    world.pool = LosingParsers(HIDDEN, PICTURES)
    return world


def clearance(world, monkeypatch, *arguments: str) -> str:
    monkeypatch.setenv("CLEARANCE_HOME", str(world.settings.home))
    return CliRunner().invoke(app, arguments).stdout


def test_the_report_tells_losses_under_the_file_and_in_all(lossy):
    report = lossy.ingest()
    (file,) = report["files"]
    assert [(loss["kind"], loss["count"], loss["unit"]) for loss in file["losses"]] == [
        ("hidden", 41, "words"),
        ("picture", 2, "pictures"),
    ]
    assert file["losses"][0]["detail"] == "in the sheet Costs"
    assert any("41 words are hidden" in warning for warning in file["warnings"])
    assert (report["lacking"], [loss["count"] for loss in report["losses"]]) == (1, [41, 2])


def test_a_document_keeps_what_it_lacks_and_operators_are_told(lossy, monkeypatch):
    lossy.ingest()
    (told,) = json.loads(clearance(lossy, monkeypatch, "documents", "list", "--json"))
    assert [Loss(**loss) for loss in told["losses"]] == [HIDDEN, PICTURES]
    assert "lacks 41 hidden words, 2 pictures" in clearance(lossy, monkeypatch, "documents", "list")
    shown = clearance(lossy, monkeypatch, "documents", "show", told["id"])
    assert "lacks: 41 words are hidden from readers of the file: in the sheet Costs." in shown
    assert "lacks: 2 pictures were not read: OCR is off." in shown
    assert (
        json.loads(clearance(lossy, monkeypatch, "documents", "show", told["id"], "--json"))[
            "losses"
        ]
        == told["losses"]
    )


def test_an_unchanged_file_keeps_them_and_a_changed_one_has_its_own(lossy, monkeypatch):
    lossy.ingest()
    lossy.pool = LosingParsers()
    assert lossy.ingest()["totals"]["unchanged"] == 1
    listed = json.loads(clearance(lossy, monkeypatch, "documents", "list", "--json"))
    assert len(listed[0]["losses"]) == 2
    lossy.write("a.txt", "It opens at one now.")
    lossy.ingest()
    listed = json.loads(clearance(lossy, monkeypatch, "documents", "list", "--json"))
    assert listed[0]["losses"] == []


def test_losses_of_all_files_are_added_up_in_one_line(null_watcher):
    report = IngestReport(watcher=null_watcher)
    for name, losses in (("a", (HIDDEN,)), ("b", (HIDDEN, PICTURES)), ("c", ())):
        report.add(FileOutcome(path=name, status="new", losses=losses))
    assert "2 files lack something: 82 hidden words, 2 pictures." in list(report.lines())


def test_losses_are_named_by_kind():
    cut = Loss(kind="limit", count=1500, unit="rows")
    assert name_losses([cut, PICTURES, PICTURES]) == "1,500 rows beyond a limit, 4 pictures"


@pytest.fixture
def null_watcher():
    class Silent:
        def expect_files(self, files: int) -> None: ...
        def show_outcome(self, outcome: FileOutcome) -> None: ...
        def say(self, text: str) -> None: ...

    return Silent()
