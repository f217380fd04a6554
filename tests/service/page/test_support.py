"""What supports an answer, what comes near one, what people think of it, and how it goes on."""

import json
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.service.page.person import QUESTION, Person, scripted

pytestmark = pytest.mark.slow

PAGE = {"number": 1, "name": None, "kind": "page"}
PASSAGE = {
    "n": 1, "id": "x", "document_id": "d", "title": "Handbook", "path": "hr/handbook.pdf", "section": [],
    "media_type": "application/pdf", "language": "en", "pages": [PAGE], "cut": False, "header": "", "spans": [],
}  # fmt: skip


def reply(answer: str, **given: Any) -> dict[str, Any]:
    return {
        "answer": answer, "citations": [], "passages": [PASSAGE], "abstained": False, "usage": None, "view_id": "v",
        "answer_id": "an-answer", "model": "scripted", "template": "t@1", "answerer": "model", "notice": None,
        "cut_off": False, "standalone_question": None, "support": None, "near": [], "advice": None,
        "budget": {"window": None, "passages": [], "left_out": [], "dropped_turns": 0},
        "timings": {"search_ms": 1, "prompt_ms": 1, "first_token_ms": None, "total_ms": 1},
    } | given  # fmt: skip


def answered(person: Person, said: dict[str, Any], *between: tuple[str, Any]) -> None:
    """The next answer comes as the service would stream it."""
    shown = {"passages": said["passages"], "answer_id": "an-answer", "view_id": "v"}
    tokens = [("token", {"text": letter}) for letter in said["answer"]]
    scripted(person, [("passages", shown), *tokens, *between, ("done", said)])
    person.ask()


def sentence(answer: str, text: str, reason: str | None = None) -> dict[str, Any]:
    start = answer.index(text)
    return {
        "span": [start, start + len(text)], "supported": reason is None, "reason": reason,
        "passages": [] if reason else [1],
    }  # fmt: skip


def test_sentences_without_support_are_marked_in_words_and_the_share_is_told(ada: Person) -> None:
    text = "🙂 It is long [1]. The **bolts** are 1.5 mm.\n\n- It is of steel.\n- It flies.\n\n“It flies.” [1]"
    sentences = [
        sentence(text, "It is long [1]."),
        sentence(text, "The **bolts** are 1.5 mm.", "numbers"),
        sentence(text, "- It is of steel.", "names"),
        sentence(text, "It flies."),
    ]
    support = {"share": 0.5, "sentences": sentences, "quotes_from": text.index("“It")}
    answered(ada, reply(text, support=support), ("support", sentences[1]))
    answer = ada.page.locator(".answer").first
    assert answer.locator(".doubted").all_inner_texts() == [
        "The ", "bolts", " are 1.5 mm.", "It is of steel.",
    ]  # fmt: skip
    assert answer.locator(".doubt").all_inner_texts() == [
        "not supported: numbers",
        "not supported: names",
    ]
    expect(answer.locator("li").first).to_contain_text("It is of steel.not supported: names")
    expect(ada.page.locator(".foot > .fine")).to_have_text(
        "2 of 4 sentences are supported by the passages."
    )
    expect(ada.page.locator(".below h3")).to_have_text("What the documents say, word for word")
    expect(ada.page.locator(".below .answer")).to_contain_text("“It flies.”")
    assert "“It" not in answer.inner_text()
    assert ada.page.locator(".below .cite").get_attribute("data-at") == str(text.rindex("[1]") + 1)


def test_an_answer_that_is_supported_has_no_marks(ada: Person) -> None:
    text = "It is long [1]."
    answered(
        ada,
        reply(
            text, support={"share": 1.0, "sentences": [sentence(text, text)], "quotes_from": None}
        ),
    )
    expect(ada.page.locator(".foot > .fine")).to_contain_text("1 of 1 sentence is supported")
    assert ada.page.locator(".doubted, .doubt").count() == 0
    expect(ada.page.locator(".below")).to_be_hidden()


def test_passages_that_come_near_are_folded_below_and_open_in_their_document(ada: Person) -> None:
    span = {
        "text": "Norge | 106\nThe end.",
        "start": 0,
        "end": 5,
        "section": [],
        "header": "Ship | Length",
    }
    passage = PASSAGE | {"id": ada.house.ids["salaries"], "spans": [span]}
    answered(
        ada,
        reply(
            "Nothing here.", abstained=True, near=[passage], advice="Try other words.", passages=[]
        ),
    )
    section = ada.page.locator(".turn .sources")
    expect(section.locator("h3")).to_have_text("Not an answer, but near")
    expect(ada.page.locator(".foot")).to_contain_text("Try other words.")
    expect(section.locator("table")).to_be_hidden()
    section.locator("summary").click()
    assert section.locator("th").all_inner_texts() == ["Ship", "Length"]
    expect(section.locator("p")).to_have_text("The end.")
    with ada.page.expect_request(f"**/passages/{passage['id']}"):
        section.get_by_role("button", name="Open in its document").click()


def test_a_greeting_is_taken_for_what_it_is(ada: Person) -> None:
    answered(ada, reply("Hello.\n\n- Salaries", answerer="service", passages=[], model=None))
    expect(ada.answer.first.locator("li")).to_have_text("Salaries")
    assert ada.page.locator(".tag").count() == 0
    assert ada.page.get_by_role("button", name="What was read").count() == 0


def test_an_answer_that_was_cut_goes_on_in_the_same_conversation(ada: Person) -> None:
    def cut(route: Route) -> None:
        route.continue_(
            post_data=json.dumps({**(route.request.post_data_json or {}), "max_tokens": 4})
        )

    ada.page.route("**/ask", cut)
    ada.ask()
    expect(ada.page.locator(".cut-off")).to_contain_text("reached its longest length")
    ada.page.unroute("**/ask")
    ada.press("Continue")
    expect(ada.page.locator(".turn")).to_have_count(2)
    expect(ada.page.locator(".turn.busy")).to_have_count(0)
    expect(ada.page.locator(".asked").last).to_have_text(
        f"Please go on with the answer to: {QUESTION}"
    )
    earlier = [message.content for message in ada.house.model.calls[-1].prompt.messages]
    assert QUESTION in earlier
    assert ada.page.locator(".cut-off").count() == 1


def test_thumbs_are_sent_with_a_reason_and_taken_back(ada: Person) -> None:
    sent: list[tuple[str, Any]] = []

    def take(route: Route) -> None:
        sent.append((route.request.method, route.request.post_data_json))
        status = 204 if route.request.method == "DELETE" else 200
        route.fulfill(status=status, body="" if status == 204 else "{}")

    ada.page.route("**/answers/*/feedback", take)
    ada.ask()
    ada.press("Bad answer")
    expect(ada.page.get_by_role("button", name="Bad answer")).to_have_attribute(
        "aria-pressed", "true"
    )
    ada.page.get_by_label("Why?").fill("It is old.")
    ada.page.get_by_label("What should the answer say?").fill("In May.")
    ada.page.get_by_label("Send my question, too").check()
    ada.press("Send")
    expect(ada.page.locator(".judged")).to_have_text("Sent. Thank you.")
    ada.press("Bad answer")
    expect(ada.page.locator(".judged")).to_have_text("Taken back")
    explained = {
        "verdict": "down",
        "reason": "It is old.",
        "expected": "In May.",
        "question": QUESTION,
    }
    assert sent == [("POST", {"verdict": "down"}), ("POST", explained), ("DELETE", None)]


def test_a_thumb_that_cannot_be_sent_is_not_shown_as_sent(ada: Person) -> None:
    ada.page.route("**/answers/*/feedback", lambda route: route.fulfill(status=503, body="{}"))
    ada.ask()
    ada.press("Good answer")
    expect(ada.page.locator(".judged")).to_have_text("That could not be sent. Try again.")
    expect(ada.page.get_by_role("button", name="Good answer")).to_have_attribute(
        "aria-pressed", "false"
    )


def open_source(person: Person, **passage: Any) -> None:
    """A source opens; `passage`: what the service tells of it beside what it is."""

    def add(route: Route) -> None:
        told = route.fetch().json()
        told["original"] = passage.get("original")
        told["passage"]["media_type"] = passage.get("media_type", "application/pdf")
        route.fulfill(json=told)

    person.page.route("**/passages/*", add)
    person.ask()
    person.page.locator(".cite").first.click()
    expect(person.panel.locator("mark").first).to_be_visible()


def test_the_original_is_fetched_when_it_is_asked_for_and_opens_at_its_page(ada: Person) -> None:
    asked: list[str] = []

    def give(route: Route) -> None:
        asked.append(route.request.url.split("/documents/")[1])
        assert route.request.headers["authorization"].startswith("Bearer ")
        route.fulfill(body=b"%PDF-1.4", content_type="application/pdf")

    ada.page.route("**/documents/*/original?*", give)
    open_source(ada, original="abc")
    ada.page.evaluate(
        "() => { window.open = (address) => { window.shown = address; return null; } }"
    )
    ada.panel.get_by_role("button", name="Open the original at page 1").click()
    expect(ada.panel.get_by_role("button", name="Open the original at page 1")).to_be_enabled()
    ada.page.wait_for_timeout(50)
    assert str(ada.page.evaluate("window.shown")).startswith("blob:")
    assert str(ada.page.evaluate("window.shown")).endswith("#page=1")
    with ada.page.expect_download() as saved:
        ada.panel.get_by_role("button", name="Download the original").click()
    assert saved.value.suggested_filename == "salaries.txt"
    document = ada.house.ids["salaries"]
    assert asked == [
        f"{document}/original?version=abc&inline=true",
        f"{document}/original?version=abc",
    ]


def test_a_web_page_is_never_opened_beside_the_page_but_downloaded(ada: Person) -> None:
    open_source(ada, original="abc", media_type="text/html")
    assert ada.panel.locator(".originals button").all_inner_texts() == ["Download the original"]


def test_without_a_kept_original_there_is_no_button_and_one_that_went_is_said(ada: Person) -> None:
    open_source(ada)
    assert ada.panel.locator(".originals").count() == 0
    ada.page.unroute("**/passages/*")
    ada.page.route(
        "**/documents/*/original?*",
        lambda route: route.fulfill(status=404, json={"type": "/problems/not-found"}),
    )
    open_source(ada, original="abc")
    ada.panel.get_by_role("button", name="Download the original").click()
    expect(ada.panel.get_by_role("alert")).to_contain_text("no longer available to you")
