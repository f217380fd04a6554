"""Asking on the page: answers, citations, follow-ups, what was read."""

import re

import pytest
from playwright.sync_api import expect

from indexes.formats import PageKind
from indexes.model import Chunk, Document, PageMark, Readers
from service.testing.models import words_without_loop
from tests.service.page.person import QUESTION, Person, Sit, label, said, shelve, wait_until
from tests.world import TESTER

pytestmark = pytest.mark.slow


def test_the_answer_is_seen_while_it_grows(ada: Person) -> None:
    ada.house.model.reply, ada.house.model.delay_s = (
        "Salaries rise in March [1]. " + "More of it follows. " * 10,
        0.03,
    )
    ada.start()
    expect(ada.page.locator(".turn.busy .answer")).to_contain_text("Salaries rise")
    expect(ada.page.locator("#stop")).to_be_visible()
    early = len(ada.answer.inner_text())
    expect(ada.page.locator(".turn.busy")).to_have_count(0)
    assert len(ada.answer.inner_text()) > early
    expect(ada.page.locator("#ask")).to_be_visible()
    expect(ada.page.locator(".sources .source")).to_have_count(1)
    expect(ada.page.locator(".sources .name")).to_have_text("Salaries")
    expect(ada.page.locator(".sources .where")).to_have_text("Page 1")


def test_an_answer_is_read_out_sentence_by_sentence_and_its_end_is_told(ada: Person) -> None:
    ada.house.model.reply = "Salaries **rise** in March [1]. They rise by three per cent."
    ada.ask()
    said = ada.page.locator("#spoken p").all_inner_texts()
    assert " ".join(said) == "Salaries rise in March . They rise by three per cent."
    assert ada.page.locator("#spoken").get_attribute("aria-live") == "polite"
    expect(ada.page.locator("#status")).to_have_text("The answer is complete, with 1 source.")


def test_a_click_on_a_citation_opens_its_words_in_the_document(ada: Person) -> None:
    parts = [
        "Holidays are thirty days 🙂.",
        "Parental leave 👩‍👩‍👧 is paid. It lasts sixteen weeks. It can be split.",
    ]
    shelve(ada.house, "hr/handbook.pdf", parts)
    ada.house.model.reply = lambda prompt: (
        f"Parental leave lasts sixteen weeks 🎉 [{label(prompt, 'sixteen')}]."
    )
    ada.ask("How long is parental leave?")
    ada.page.locator(".cite").click()
    expect(ada.panel.locator("mark.quote")).to_have_text("It lasts sixteen weeks.")
    marked = "".join(ada.panel.locator("mark").all_text_contents())
    assert marked == parts[1]
    expect(ada.page.locator("#panel-place")).to_have_text(
        re.compile(r"^\d\s*Page 12 · Working here › Time off$")
    )
    expect(ada.page.locator("#panel-title")).to_have_text("Handbook")
    expect(ada.panel.locator(".path")).to_have_text("hr/handbook.pdf")
    assert parts[0] in ada.panel.locator(".page").inner_text()


@pytest.mark.parametrize(
    ("kind", "name", "shown"),
    [
        ("slide", None, "Slide 11"),
        ("sheet", "Budget <b>", "Sheet “Budget <b>”"),
        ("part", "Preface", "Preface"),
        (None, None, ""),
    ],
)
def test_a_source_says_where_it_stands_as_its_format_counts(
    ada: Person, kind: PageKind | None, name: str | None, shown: str
) -> None:
    shelve(ada.house, "x", ["The zeppelin lands at noon."], kind=kind, names=(name,), section=())
    ada.house.model.reply = lambda prompt: (
        f"The zeppelin lands at noon [{label(prompt, 'zeppelin')}]."
    )
    ada.ask("When does the zeppelin land?")
    expect(ada.page.locator(".sources .where")).to_have_text(shown)


def test_a_citation_of_a_neighbour_far_from_the_best_passage_is_shown_too(ada: Person) -> None:
    first = "The zeppelin lands at noon. " + "It waits in the wind. " * 150
    second = "A ladder is let down for everybody. " + "It is long. " * 20
    text = first + second
    chunks = tuple(
        Chunk(
            ordinal=n, text=part, start=start, end=start + len(part), pages=(PageMark(start, n + 1),), embedded=part
        )
        for n, (part, start) in enumerate(((first, 0), (second, len(first))))
    )  # fmt: skip
    made = Document(
        uri="file:///z", path="z.txt", title="Zeppelins", media_type="text/plain", text=text, chunks=chunks,
        content_hash="z", readers=Readers(allow=frozenset({"group:hr"})), page_kind="page",
    )  # fmt: skip
    vectors = ada.house.embedder.passages([chunk.embedded for chunk in chunks])
    ada.house.catalog.documents.put(
        made, {g.id: vectors for g in ada.house.catalog.generations.writable()}, by=TESTER
    )
    ada.house.model.reply = lambda prompt: (
        f"A ladder is let down for everybody [{label(prompt, 'ladder')}]."
    )
    ada.ask("When does the zeppelin land at noon in the wind?")
    ada.page.locator(".cite").click()
    expect(ada.panel.locator("mark.quote")).to_have_text("A ladder is let down for everybody.")
    expect(ada.page.locator("#panel-place")).to_contain_text("Page 2")


def test_more_of_the_document_can_be_read_around_a_passage(ada: Person) -> None:
    parts = ["Begin. " + "alpha " * 900, "The zeppelin lands at noon.", "omega " * 900 + "End."]
    shelve(ada.house, "long.pdf", parts)
    ada.house.model.reply = lambda prompt: (
        f"The zeppelin lands at noon [{label(prompt, 'zeppelin')}]."
    )
    ada.ask("When does the zeppelin land?")
    ada.page.locator(".cite").click()
    expect(ada.panel.locator("mark.quote")).to_be_visible()
    assert "Begin." not in ada.panel.inner_text()
    for side in ("Show what comes before", "Show what comes after"):
        while (button := ada.panel.get_by_role("button", name=side)).count():
            button.click()
            expect(ada.panel.locator(".more:disabled")).to_have_count(0)
    text = ada.panel.locator(".page").inner_text()
    assert "Begin." in text
    assert "End." in text
    expect(ada.panel.locator("mark.quote")).to_have_text("The zeppelin lands at noon.")
    assert ada.panel.locator(".leaf").all_text_contents() == ["Page 12", "Page 13"]


def test_what_one_may_no_longer_read_is_not_shown_again(ada: Person) -> None:
    ada.ask()
    ada.page.locator(".cite").first.click()
    expect(ada.panel.locator("mark.quote")).to_be_visible()
    ada.house.catalog.documents.relabel(
        "file:///house/salaries.txt", Readers(allow=frozenset({"group:eng"})), by=TESTER
    )
    ada.page.locator(".cite").first.click()
    expect(ada.page.locator("#panel-title")).to_have_text("No longer available to you")
    assert "heliotrope" not in ada.traces()


def test_two_people_who_ask_the_same_see_what_each_may_read(ada: Person, sit: Sit) -> None:
    ada.house.model.reply = lambda prompt: (
        "It is heliotrope [1]." if "heliotrope" in said(prompt) else "There is soup [1]."
    )
    bob = sit()
    bob.enter("bob")
    for person in (ada, bob):
        person.ask("What is the secret word of salaries and soup?")
        person.context()
    expect(ada.answer).to_contain_text("heliotrope")
    expect(bob.answer).to_contain_text("soup")
    assert "Salaries" in ada.panel.inner_text()
    assert not [
        secret for secret in ("heliotrope", "Salaries", "salaries.txt") if secret in bob.traces()
    ]


def test_a_follow_up_sends_what_was_said_and_a_new_conversation_does_not(ada: Person) -> None:
    ada.ask()
    ada.ask("And by how much?")
    *before, asked = ada.house.model.calls[-1].prompt.messages
    assert [(turn.role, turn.content) for turn in before[1:]] == [
        ("user", QUESTION),
        ("assistant", "Salaries rise in March."),
    ]
    assert "And by how much?" in asked.content
    expect(ada.page.locator(".turn:last-child .searched")).to_contain_text("Searched for: ")
    expect(ada.page.locator(".turn:first-child .searched")).to_be_hidden()
    ada.page.get_by_role("button", name="New conversation").click()
    expect(ada.page.locator(".turn")).to_have_count(0)
    ada.ask("And by how much?")
    assert len(ada.house.model.calls[-1].prompt.messages) == 2


def test_stop_ends_the_answer_at_the_model_and_the_next_question_goes_on(ada: Person) -> None:
    ada.house.model.reply, ada.house.model.delay_s = (
        "Salaries rise [1]. " + words_without_loop(100),
        0.02,
    )
    ada.start()
    expect(ada.answer).to_contain_text("Salaries rise")
    ada.page.click("#stop")
    expect(ada.page.locator(".turn .aside")).to_have_text("Stopped. The answer is not complete.")
    wait_until(lambda: ada.house.model.abandoned == 1)
    ada.house.model.reply, ada.house.model.delay_s = "In March [1].", 0.0
    ada.ask("And once more?")
    expect(ada.answer).to_contain_text("In March")
    # what was not finished is no history
    assert len(ada.house.model.calls[-1].prompt.messages) == 2


def test_the_answer_is_copied_with_its_sources(ada: Person) -> None:
    ada.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ada.ask()
    ada.page.get_by_role("button", name="Copy with sources").click()
    expect(ada.page.get_by_role("button", name="Copied")).to_be_visible()
    copied = ada.page.evaluate("navigator.clipboard.readText()")
    assert copied == "Salaries rise in March [1].\n\nSources\n[1] Salaries, Page 1 (salaries.txt)\n"


def test_what_was_read_and_what_was_left_out_adds_up_to_the_window(ada: Person) -> None:
    shelve(
        ada.house,
        "long.txt",
        ["Salaries rise. " + f"Part {n} of it. " * 40 for n in range(4)],
        title="Long",
    )
    ada.house.model.window = 700
    ada.ask()
    ada.context()
    expect(ada.page.locator("#panel-title")).to_have_text("What was read")
    numbers = [
        int(text.replace(",", "")) for text in ada.panel.locator(".ledger td").all_inner_texts()
    ]
    assert sum(numbers) == 700
    assert ada.panel.locator(".entries:not(.out) .source").count() >= 1
    expect(ada.panel.locator(".chip.good")).to_have_text("cited")
    out = ada.panel.locator(".entries.out .source")
    assert out.count() >= 1
    expect(out.last).to_contain_text("no room in the window")
    assert "Long" in out.locator(".name").all_inner_texts(), "what was left out has its own title"
    expect(out.filter(has_text="Long").first.locator(".where")).to_contain_text(
        "Working here › Time off · "
    )
    left_out = out.filter(has_text="Long").first
    left_out.click()
    expect(ada.panel.locator("mark").first).to_contain_text("Part")
    ada.panel.get_by_role("button", name="Back to what was read").click()
    expect(ada.page.locator("#panel-title")).to_have_text("What was read")


def test_nothing_found_is_said_as_such(sit: Sit) -> None:
    person = sit()
    person.house.catalog.people.add_user("eve", by=TESTER)
    person.house.keys["eve"] = person.house.catalog.keys.issue("eve", by=TESTER).secret
    person.house.catalog.documents.delete("file:///house/menu.txt", by=TESTER)
    person.enter("eve")
    person.ask()
    expect(person.page.locator(".tag strong")).to_have_text("No answer found")
    expect(person.answer).to_have_text(
        "Nothing about this was found in the documents that you may read."
    )
    expect(person.page.locator("#status")).to_have_text("No answer found")


def test_a_citation_without_support_is_marked(ada: Person) -> None:
    ada.house.model.reply = "Salaries rise in March [1]. The moon is made of green cheese [2]."
    ada.ask()
    expect(ada.page.locator(".cite.weak")).to_have_count(1)
    expect(ada.page.locator(".sources .chip")).to_have_text("weak support")
