"""Tables are shown as tables, in answers and in passages, and stay text all the same."""

import pytest
from playwright.sync_api import expect

from tests.service.page.person import Person, shelve

pytestmark = pytest.mark.slow

TABLE = "Zeppelin | Length | Note\nHindenburg | 245 | <b>bold</b>\nNorge | 106 | a\\|b"


def cells(person: Person, where: str) -> list[list[str]]:
    rows: list[list[str]] = person.page.locator(f"{where} table.cells").first.evaluate(
        "table => [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    return rows


def test_a_table_in_an_answer_is_drawn_and_its_marker_opens_the_row_in_its_table(
    ada: Person,
) -> None:
    shelve(ada.house, "zeppelins.txt", [f"The zeppelins of the harbour.\n\n{TABLE}\n\nNo more."])
    ada.house.model.reply = (
        "They are:\n\n| Zeppelin | Length |\n|---|---|\n| Norge | 106 [1] |\n\nSo much."
    )
    ada.ask("How long is the zeppelin Norge?")
    expect(ada.page.locator(".cite").first).to_be_visible()
    assert [row[0] for row in cells(ada, "#turns")] == ["Zeppelin", "Norge"]
    assert ada.page.locator("#turns td .cite").count() == 1
    ada.page.locator(".cite").first.click()
    expect(ada.panel.locator("mark").first).to_be_visible()
    assert cells(ada, "#panel") == [
        ["Zeppelin", "Length", "Note"],
        ["Hindenburg", "245", "<b>bold</b>"],
        ["Norge", "106", "a|b"],
    ]
    quoted = ada.panel.locator("mark.quote").all_inner_texts()
    assert quoted == ["Norge", "106", "a|b"]
    assert "No more." in ada.panel.locator(".page").inner_text()


@pytest.mark.parametrize("from_the_top", [False, True])
def test_rows_stand_below_the_names_of_their_columns_however_far_above_these_are(
    ada: Person, from_the_top: bool
) -> None:
    rows = "\n".join(f"Zeppelin {n} | {n + 100}" for n in range(90, 92))
    text = f"Zeppelin | Length\n{rows}"
    start = text.index("Zeppelin 90")
    text_start = 0 if from_the_top else start
    passage = {
        "id": "a-passage", "document_id": "d", "title": "Fleet", "path": "fleet.txt", "media_type": "text/plain",
        "language": "en", "section": [], "pages": [], "header": "The fleet, in metres\nZeppelin | Length",
        "start": start, "end": len(text),
    }  # fmt: skip
    opened = {
        "passage": passage, "text": text[text_start:], "text_start": text_start, "characters": len(text),
        "highlight": {"start": start - text_start, "end": len(text) - text_start}, "original": None,
    }  # fmt: skip
    ada.page.route("**/passages/a-passage", lambda route: route.fulfill(json=opened))
    ada.page.evaluate("location.hash = '#passage=a-passage'")
    expect(ada.panel.locator("mark").first).to_be_visible()
    assert cells(ada, "#panel") == [
        ["Zeppelin", "Length"],
        ["Zeppelin 90", "190"],
        ["Zeppelin 91", "191"],
    ]
    assert ada.panel.locator("th[scope=col]").all_inner_texts() == ["Zeppelin", "Length"]
    above = [] if from_the_top else ["The fleet, in metres"]
    assert ada.panel.locator(".above").all_inner_texts() == above


def test_one_line_with_a_bar_is_no_table(ada: Person) -> None:
    shelve(ada.house, "zeppelins.txt", ["The zeppelin | the balloon. Both fly."])
    ada.house.model.reply = "Zeppelin | balloon [1]."
    ada.ask("What flies, a zeppelin?")
    expect(ada.page.locator(".cite").first).to_be_visible()
    assert ada.page.locator("#turns table.cells").count() == 0
