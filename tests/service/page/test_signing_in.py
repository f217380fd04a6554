"""Who may use the page, and that nothing is left when they go."""

import re

import pytest
from playwright.sync_api import expect

from service.testing.models import words_without_loop
from tests.service.page.person import Person, Sit, wait_until
from tests.world import TESTER

pytestmark = pytest.mark.slow

SECRETS = ("heliotrope", "three per cent", "Salaries", "salaries.txt", "When do")


def test_a_wrong_key_is_refused_and_the_right_one_lets_in(sit: Sit) -> None:
    person = sit()
    for wrong in ("", "clr_000000000000_" + "A" * 43, "schlüssel", "two words"):
        person.page.fill("#key", wrong)
        person.page.press("#key", "Enter")
        expect(person.page.locator("#key-problem")).to_have_text(re.compile("key"))
        expect(person.page.locator("#composer")).to_be_hidden()
        assert person.page.evaluate("sessionStorage.length") == 0
    person.enter()
    expect(person.page.locator("#door")).to_be_hidden()
    expect(person.page.locator("#question")).to_be_focused()
    assert person.page.evaluate("[Object.keys(sessionStorage), localStorage.length]") == [
        ["clearance.key"],
        0,
    ]
    assert person.house.keys["ada"] not in "".join(person.requests)


def test_a_reload_in_the_same_tab_stays_signed_in_and_another_tab_is_not(ada: Person) -> None:
    ada.page.reload()
    expect(ada.page.locator("#who")).to_have_text("ada")
    other = ada.page.context.new_page()
    other.goto(ada.url)
    expect(other.locator("#door")).to_be_visible()


def test_signing_out_leaves_nothing_on_the_page_and_nothing_in_storage(ada: Person) -> None:
    ada.house.model.reply = "Salaries rise in March by three per cent, heliotrope [1]."
    ada.ask()
    ada.page.locator(".cite").first.click()
    expect(ada.panel.locator("mark.quote")).to_be_visible()
    ada.page.fill("#question", "When do they fall? heliotrope")
    assert all(secret in ada.traces() for secret in SECRETS)
    ada.page.click("#sign-out")
    expect(ada.page.locator("#door")).to_be_visible()
    left = ada.traces()
    assert not [secret for secret in (*SECRETS, ada.house.keys["ada"], ">ada<") if secret in left]
    assert ada.page.evaluate("sessionStorage.length") == 0
    ada.page.reload()
    expect(ada.page.locator("#key")).to_be_visible()


def test_signing_out_while_an_answer_streams_stops_it_and_nothing_arrives_later(
    ada: Person,
) -> None:
    ada.house.model.reply, ada.house.model.delay_s = words_without_loop(200, "heliotrope"), 0.02
    ada.start()
    expect(ada.answer).to_contain_text("heliotrope")
    ada.page.click("#sign-out")
    ada.page.wait_for_timeout(500)
    assert "heliotrope" not in ada.traces()
    wait_until(lambda: ada.house.model.abandoned == 1)


def test_a_key_that_is_revoked_ends_the_visit_at_the_next_request(ada: Person) -> None:
    ada.ask()
    expect(ada.answer).to_contain_text("March")
    key = ada.house.keys["ada"]
    ada.house.catalog.keys.revoke(key.split("_")[1], by=TESTER)
    ada.start("And when do they fall?")
    expect(ada.page.locator("#key-problem")).to_contain_text("sign in again")
    left = ada.traces()
    assert not [said for said in ("March", "fall", key) if said in left]
