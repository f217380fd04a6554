"""Where to search and how to be answered is chosen on the page, and first questions are offered."""

import json

import pytest
from playwright.sync_api import expect

from tests.service.page.person import Person, Sit, shelve
from tests.world import TESTER

pytestmark = pytest.mark.slow


def asked(person: Person) -> list[dict[str, object]]:
    """The bodies of the questions from now on."""
    bodies: list[dict[str, object]] = []
    person.page.on(
        "request",
        lambda request: (
            bodies.append(json.loads(request.post_data or "{}"))
            if request.url.endswith("/ask")
            else None
        ),
    )
    return bodies


def choose(person: Person, label: str, value: str) -> None:
    person.page.click("#choices")
    person.panel.get_by_label(label).select_option(value)
    person.page.click("#panel-close")
    expect(person.page.locator("#choices")).to_be_focused()


def test_a_folder_and_quotes_can_be_chosen_and_go_with_every_question(ada: Person) -> None:
    shelve(ada.house, "harbour/zeppelins.txt", ["Salaries of zeppelin crews rise in May."])
    bodies = asked(ada)
    choose(ada, "Folder", "harbour/")
    choose(ada, "Answer with", "quotes")
    expect(ada.page.locator("#choices")).to_contain_text("Folder “harbour/” · Quotes")
    ada.ask()
    expect(ada.answer).to_contain_text("rise in May")
    assert "March" not in ada.answer.inner_text()
    assert bodies[0]["filters"] == {"path_prefix": "harbour/"}
    assert bodies[0]["answerer"] == "quotes"


def test_a_choice_lasts_over_a_reload_and_is_forgotten_at_sign_out(ada: Person) -> None:
    choose(ada, "Answer with", "scripted")
    ada.page.reload()
    expect(ada.page.locator("#choices")).to_contain_text("All documents · scripted")
    ada.page.click("#sign-out")
    expect(ada.page.locator("#door")).to_be_visible()
    assert "scripted" not in ada.traces()
    assert ada.page.evaluate("localStorage.length") == 0
    ada.enter()
    expect(ada.page.locator("#choices")).to_have_text("Where and how to ask: All documents")


def test_the_choice_of_one_person_is_not_that_of_another_in_the_same_browser(ada: Person) -> None:
    choose(ada, "Answer with", "quotes")
    ada.page.evaluate("sessionStorage.clear()")  # as closing the tab does
    ada.page.reload()
    ada.enter("bob")
    expect(ada.page.locator("#choices")).to_have_text("Where and how to ask: All documents")


def test_only_what_one_may_read_can_be_chosen(ada: Person, sit: Sit) -> None:
    shelve(ada.house, "payroll/x.txt", ["Salaries are paid on Fridays."])
    bob = sit()
    bob.enter("bob")
    for person, offered in ((ada, ["", "payroll/"]), (bob, [""])):
        person.page.click("#choices")
        field = person.panel.get_by_label("Folder")
        expect(field.locator("option")).to_have_count(len(offered))  # once they are there
        values = field.locator("option").evaluate_all("all => all.map((one) => one.value)")
        assert values == offered
    assert "payroll" not in bob.traces()


def test_a_folder_that_is_no_longer_there_is_not_searched_in_silence(ada: Person) -> None:
    shelve(ada.house, "harbour/zeppelins.txt", ["Zeppelin crews rise early."])
    choose(ada, "Folder", "harbour/")
    ada.house.catalog.documents.delete("file:///house/harbour/zeppelins.txt", by=TESTER)
    ada.page.click("#choices")
    expect(ada.panel.locator(".aside")).to_contain_text("no longer there")
    expect(ada.page.locator("#choices")).to_contain_text("All documents")


def test_a_list_that_cannot_be_loaded_is_said(ada: Person) -> None:
    ada.page.route("**/v1/models", lambda route: route.fulfill(status=503, body="{}"))
    ada.page.click("#choices")
    expect(ada.panel.locator(".aside")).to_have_text("The list cannot be loaded now.")


def test_first_questions_are_made_of_titles_that_one_may_read(ada: Person, sit: Sit) -> None:
    shelve(ada.house, "hr/evil.txt", ["Markup."], title="<b>Pay</b>")
    ada.page.reload()
    offered = ada.page.locator("#suggested button")
    expect(offered).to_have_count(3)
    titles = " ".join(offered.all_inner_texts())
    assert "“<b>Pay</b>”" in titles
    assert "Roadmap" not in titles
    bob = sit(locale="zh-TW")
    bob.enter("bob")
    expect(bob.page.locator("#suggested button")).to_have_count(2)
    assert "《Roadmap》" in bob.page.locator("#suggested").inner_text()
    offered.filter(has_text="Salaries").click()
    expect(ada.page.locator(".asked")).to_contain_text("“Salaries”")
    expect(ada.page.locator("#suggested")).to_be_hidden()


def test_nothing_is_offered_where_nothing_may_be_read(sit: Sit) -> None:
    person = sit()
    person.house.catalog.documents.delete("file:///house/menu.txt", by=TESTER)
    person.house.catalog.people.add_user("eve", by=TESTER)
    person.house.keys["eve"] = person.house.catalog.keys.issue("eve", by=TESTER).secret
    with person.page.expect_response("**/documents?*"):
        person.enter("eve")
    person.page.wait_for_timeout(100)
    expect(person.page.locator("#suggested")).to_be_hidden()
