"""Conversations are kept in the browser if the person wants that, and nowhere else."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from indexes.model import Readers
from tests.service.page.person import QUESTION, Person, wait_until
from tests.world import TESTER

pytestmark = pytest.mark.slow

KEEP, LEAVE = "Keep my conversations in this browser", "Leave them here when I sign out"


KEPT = """() => new Promise((resolve, reject) => {
  const asked = indexedDB.open("clearance");
  asked.onerror = reject;
  asked.onsuccess = () => {
    const all = asked.result.transaction("conversations").objectStore("conversations").getAll();
    all.onsuccess = () => { asked.result.close(); resolve(all.result.map((each) => each.turns.length)); };
  };
})"""
"""How many questions each conversation in the browser has."""


def open_list(person: Person) -> Locator:
    person.page.click("#conversations")
    expect(person.panel.get_by_label(KEEP)).to_be_visible()
    return person.panel.locator(".kept .source")


def keep(person: Person, *, leave: bool = False) -> None:
    open_list(person)
    person.panel.get_by_label(KEEP).check()
    expect(person.panel.get_by_label(LEAVE)).to_be_visible()  # it keeps from now on
    if leave:
        person.panel.get_by_label(LEAVE).check()
    person.page.click("#panel-close")


def ask_kept(person: Person, question: str = QUESTION) -> None:
    """The browser has the answer when this returns: it writes a moment after it shows one."""
    before = sum(person.page.evaluate(KEPT))
    person.ask(question)
    wait_until(lambda: sum(person.page.evaluate(KEPT)) == before + 1, person)


def come_back(person: Person, name: str) -> None:
    """Somebody signs in in the same browser, after the tab was closed."""
    person.page.evaluate("sessionStorage.clear()")
    person.page.reload()
    person.enter(name)


def test_nothing_is_kept_unless_the_person_wants_it(ada: Person) -> None:
    ada.ask()
    expect(open_list(ada)).to_have_count(0)
    assert ada.page.evaluate("indexedDB.databases()") == []
    assert ada.page.evaluate("localStorage.length") == 0


def test_a_kept_conversation_is_opened_again_and_goes_on(ada: Person) -> None:
    ada.ask()
    keep(ada)
    ask_kept(ada, "And by how much?")
    come_back(ada, "ada")
    kept = open_list(ada)
    expect(kept).to_have_count(1)
    expect(kept).to_contain_text(QUESTION)
    expect(kept).to_contain_text("2 questions")
    kept.click()
    expect(ada.page.locator(".turn")).to_have_count(2)
    expect(ada.page.locator(".reopened")).to_contain_text("Kept on")
    expect(ada.page.locator("#question")).to_be_focused()
    ada.page.locator(".cite").first.click()
    expect(ada.panel.locator("mark.quote")).to_be_visible()
    ask_kept(ada, "And when?")
    said = [message.content for message in ada.house.model.calls[-1].prompt.messages]
    assert QUESTION in said
    expect(open_list(ada)).to_have_count(1)


def test_no_text_of_documents_is_kept_and_sources_open_under_a_fresh_check(ada: Person) -> None:
    keep(ada)
    ask_kept(ada)
    come_back(ada, "ada")
    assert "heliotrope" not in ada.traces()
    ada.house.catalog.documents.relabel(
        "file:///house/salaries.txt", Readers(allow=frozenset({"group:eng"})), by=TESTER
    )
    open_list(ada).click()
    ada.page.locator(".cite").first.click()
    expect(ada.page.locator("#panel-title")).to_have_text("No longer available to you")


def test_another_person_in_the_same_browser_sees_nothing_of_it(ada: Person) -> None:
    keep(ada, leave=True)
    ask_kept(ada)
    come_back(ada, "bob")
    open_list(ada)
    ada.panel.get_by_label(KEEP).check()
    expect(ada.panel.locator(".kept")).to_have_text("Nothing is kept yet.")
    assert "Salaries" not in str(ada.page.evaluate("document.documentElement.outerHTML"))
    ada.panel.get_by_label(KEEP).uncheck()
    come_back(ada, "ada")
    expect(open_list(ada)).to_have_count(1)


@pytest.mark.parametrize("leave", [False, True])
def test_signing_out_deletes_or_leaves_what_is_kept_as_the_person_chose(
    ada: Person, leave: bool
) -> None:
    keep(ada, leave=leave)
    ask_kept(ada)
    ada.page.click("#sign-out")
    said = "Your kept conversations stay" if leave else "Nothing is left on this page"
    expect(ada.page.locator("#key-problem")).to_contain_text(said)
    if not leave:
        assert "Salaries" not in ada.traces()
    ada.enter()
    expect(open_list(ada)).to_have_count(int(leave))


def test_a_conversation_is_renamed_saved_and_deleted(ada: Person, tmp_path: Path) -> None:
    keep(ada)
    ask_kept(ada)
    open_list(ada)
    ada.panel.get_by_role("button", name="Rename").click()
    ada.panel.get_by_label("New name").fill("Pay <b>")
    ada.page.keyboard.press("Enter")
    expect(ada.panel.locator(".kept .name")).to_have_text("Pay <b>")
    for kind, suffix in (("Markdown", "md"), ("JSON", "json")):
        with ada.page.expect_download() as saved:
            ada.panel.get_by_role("button", name=f"Save as {kind}").click()
        assert saved.value.suggested_filename == f"Pay b.{suffix}"
        saved.value.save_as(tmp_path / suffix)
    text = (tmp_path / "md").read_text()
    assert f"# Pay <b>\n\n## {QUESTION}\n\nSalaries rise in March [1].\n" in text
    assert "- [1] Salaries, Page 1 (salaries.txt)" in text
    assert json.loads((tmp_path / "json").read_text())["turns"][0]["question"] == QUESTION
    ada.panel.get_by_role("button", name="Delete: Pay").click()
    ada.panel.get_by_role("button", name="Cancel").click()
    expect(ada.panel.locator(".kept .source")).to_have_count(1)
    ada.panel.get_by_role("button", name="Delete: Pay").click()
    ada.panel.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(ada.panel.locator(".kept")).to_have_text("Nothing is kept yet.")
    assert "Salaries rise" not in ada.traces().replace(
        ada.page.locator("#turns").evaluate("node => node.outerHTML"), ""
    ).replace(ada.page.locator("#spoken").evaluate("node => node.outerHTML"), "")


def test_all_can_be_deleted_and_keeping_can_be_stopped(ada: Person) -> None:
    keep(ada)
    for question in (QUESTION, "What is served on Mondays?"):
        ask_kept(ada, question)
        ada.page.click("#fresh")
    expect(open_list(ada)).to_have_count(2)
    ada.panel.get_by_role("button", name="Delete all").click()
    confirm = ada.panel.get_by_role("alertdialog")
    expect(confirm).to_contain_text("Delete all 2 conversations?")
    confirm.get_by_role("button", name="Delete").click()
    expect(ada.panel.locator(".kept .source")).to_have_count(0)
    ask_kept(ada)
    ada.page.click("#panel-close")
    expect(open_list(ada)).to_have_count(1)
    ada.panel.get_by_label(KEEP).uncheck()
    expect(confirm).to_contain_text("Stop keeping, and delete 1 conversation?")
    confirm.get_by_role("button", name="Delete").click()
    expect(ada.panel.get_by_label(LEAVE)).to_have_count(0)
    assert ada.page.evaluate("localStorage.length") == 0


def test_a_browser_that_keeps_nothing_is_said(ada: Person) -> None:
    ada.page.evaluate(
        "() => { IDBFactory.prototype.open = () => { throw new Error('forbidden') } }"
    )
    open_list(ada)
    ada.panel.get_by_label(KEEP).click()
    expect(ada.panel.get_by_role("alert")).to_contain_text("does not keep anything")
