"""A link to a passage, as replies of the OpenAI routes carry it: opened by whoever signs in and may
read it.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.service.page.person import QUESTION, Person, Sit, label, shelve

pytestmark = pytest.mark.slow


def link(person: Person) -> str:
    """The address that a chat page would show for the first citation."""
    body = {"model": "scripted", "messages": [{"role": "user", "content": QUESTION}]}
    headers = {"Authorization": f"Bearer {person.house.keys['ada']}"}
    reply: Any = person.page.request.post(
        f"{person.url}/v1/chat/completions", data=body, headers=headers
    ).json()
    url: str = reply["choices"][0]["message"]["annotations"][0]["url_citation"]["url"]
    return url


def test_a_link_opens_the_passage_in_its_document_after_signing_in(sit: Sit) -> None:
    person = sit()
    person.page.goto(link(person))
    expect(person.page.locator("#key-problem")).to_have_text(
        "Sign in to open the passage that the link leads to."
    )
    expect(person.panel).to_be_hidden()
    person.enter()
    expect(person.page.locator("#panel-title")).to_have_text("Salaries")
    expect(person.panel.locator("mark")).to_contain_text("Salaries rise in March")
    expect(person.page.locator("#panel-place")).to_contain_text("Page 1")
    assert person.house.keys["ada"] not in person.page.url
    assert not [url for url in person.requests if person.house.keys["ada"] in url]


def test_who_is_signed_in_follows_links_at_once_and_one_after_the_other(ada: Person) -> None:
    first = link(ada)
    ada.page.goto(first)
    expect(ada.page.locator("#panel-title")).to_have_text("Salaries")
    ada.page.reload()
    expect(ada.page.locator("#panel-title")).to_have_text("Salaries")
    ada.page.evaluate("location.hash = '#passage=AAAAAAAAAAAAAAAAAAAA'")
    expect(ada.page.locator("#panel-title")).to_have_text("No longer available to you")
    assert "heliotrope" not in ada.panel.inner_text()
    ada.page.evaluate("(address) => { location.href = address }", first)
    expect(ada.panel.locator("mark")).to_contain_text("Salaries rise in March")


def test_a_link_shows_nothing_to_who_may_not_read_it_and_looks_as_if_nothing_were_there(
    sit: Sit,
) -> None:
    person = sit()
    shown = []
    for address in (link(person), f"{person.url}/#passage=AAAAAAAAAAAAAAAAAAAA"):
        bob = sit()
        bob.page.goto(address)
        bob.enter("bob")
        expect(bob.page.locator("#panel-title")).to_have_text("No longer available to you")
        shown.append(bob.panel.inner_html())
        assert not [
            secret
            for secret in ("heliotrope", "Salaries", "salaries.txt")
            if secret in bob.traces()
        ]
    assert shown[0] == shown[1]


def test_closing_the_passage_and_signing_out_take_the_link_away(ada: Person) -> None:
    address = link(ada)
    ada.page.goto(address)
    expect(ada.panel.locator("mark")).to_be_visible()
    ada.page.click("#panel-close")
    expect(ada.panel).to_be_hidden()
    expect(ada.page.locator("#question")).to_be_focused()
    expect(ada.page).to_have_url(f"{ada.url}/")
    ada.page.goto(address)
    expect(ada.panel.locator("mark")).to_be_visible()
    ada.page.click("#sign-out")
    expect(ada.page.locator("#door")).to_be_visible()
    passage = address.partition("=")[2]
    assert not [trace for trace in ("heliotrope", "Salaries", passage) if trace in ada.traces()]


def test_a_citation_that_is_opened_after_a_link_takes_its_place(ada: Person) -> None:
    ada.page.goto(link(ada))
    expect(ada.page.locator("#panel-title")).to_have_text("Salaries")
    shelve(ada.house, "rise.txt", ["The zeppelin rises when salaries rise."], title="Zeppelin")
    ada.house.model.reply = lambda prompt: (
        f"The zeppelin rises when salaries rise [{label(prompt, 'zeppelin')}]."
    )
    ada.ask("When does the zeppelin rise?")
    ada.page.locator(".cite").first.click()
    expect(ada.page.locator("#panel-title")).to_have_text("Zeppelin")
    expect(ada.panel.locator("mark.quote")).to_be_visible()
    expect(ada.page).to_have_url(f"{ada.url}/")


@pytest.mark.parametrize(
    "after", ["#passage=", "#passage=../admin", "#passage=a%20b", "#nothing", "#passage=a&key=x"]
)
def test_an_address_that_is_no_link_opens_nothing(sit: Sit, after: str) -> None:
    person = sit()
    person.page.goto(f"{person.url}/{after}")
    person.enter()
    expect(person.page.locator("#question")).to_be_focused()
    expect(person.panel).to_be_hidden()
    assert not [url for url in person.requests if re.search("/(passages|documents)/", url)]


def test_on_a_phone_a_link_opens_over_the_page(sit: Sit) -> None:
    person = sit(viewport={"width": 375, "height": 667})
    person.page.goto(link(person))
    person.enter()
    expect(person.panel.locator("mark")).to_contain_text("Salaries rise in March")
    assert person.overflow() <= 0
