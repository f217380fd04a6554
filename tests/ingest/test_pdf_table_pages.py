"""Tables of PDF files that go on over pages, and what stands at the edges of pages."""

from collections.abc import Sequence

import pytest

from tests.ingest.pdf_sheet import FIGURES, PROSE, Sheet, tables, text_beside


def test_a_table_that_goes_on_has_its_header_on_every_page(sheet):
    rows = [
        ("", "2024", "2023"),
        *((f"Item {n:02}", f"{n + 100}", f"{n + 200}") for n in range(70)),
    ]
    sheet.words("Statement of the dairy", y=780)
    for first in (0, 36):
        sheet.grid(rows[first : first + 36], y=760, dx=140, dy=18)
        sheet.next_page()
    document = sheet.read()
    one, two = (element for element in document.elements if element.table)
    assert (one.page, two.page) == (1, 2)
    assert two.table.rows[:2] == (("", "2024", "2023"), ("Item 35", "135", "235"))
    assert (two.table.header_rows, two.table.caption) == (1, "Statement of the dairy")


def test_another_table_on_the_next_page_keeps_its_own_header(sheet):
    sheet.grid(FIGURES, y=200)
    sheet.next_page()
    sheet.grid((("Weir", "2011", "2012", "2013"), *FIGURES[1:]), y=760)
    assert [table.rows[0][0] for table in tables(sheet.read())] == ["Mill", "Weir"]


LEDGER = (
    ("Ship", "Berth", "Dues"),
    *((f"Ship {n:03}", f"{n + 100}", f"{7 + 13 * n}.50") for n in range(100)),
)


@pytest.mark.parametrize("repeated", [True, False])
@pytest.mark.parametrize("header", ["", "Harbour ledger 2024"])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_running_lines_and_page_numbers_do_not_part_a_table(sheet, count, header, repeated):
    for number in range(count):
        sheet.words(f"Page {number + 1}", y=30, x=280, size=13)
        if header:
            sheet.words(header, y=800, size=8)
        if number == 0:
            sheet.words("Table 7: Dues of ships", "(in crowns)", y=776)
        head = LEDGER[:1] if repeated or not number else ()
        sheet.grid((*head, *LEDGER[1 + 15 * number : 16 + 15 * number]), y=750)
        sheet.next_page()
    document = sheet.read()
    found = tables(document)
    assert [table.rows[:2] for table in found] == [
        (LEDGER[0], LEDGER[1 + 15 * n]) for n in range(count)
    ]
    assert {(table.caption, table.notes) for table in found} == {
        ("Table 7: Dues of ships", ("(in crowns)",))
    }
    assert not [element for element in document.elements if element.kind == "heading"]


def test_a_line_with_the_sign_for_numbers_is_no_page_number(sheet):
    sheet.words("# of ships", y=760, size=18)
    sheet.words(*PROSE, y=720)
    assert [element.kind for element in sheet.read().elements] == ["heading", "text"]


def test_a_line_of_its_own_between_two_tables_parts_them(sheet):
    sheet.words("Table 7: Dues of ships", y=776)
    sheet.grid(LEDGER[:16], y=750)
    sheet.words("Dues were raised in March.", y=60)
    sheet.next_page()
    sheet.grid(LEDGER[:16], y=750)
    assert [table.caption for table in tables(sheet.read())] == ["Table 7: Dues of ships", ""]


def draw_pages(sheet: Sheet, heads: Sequence[str]) -> None:
    for number, head in enumerate(heads, start=1):
        sheet.words(head, y=800, size=8)
        sheet.words(f"The swans were counted on bank {number} of", "the river at dawn.", y=700)
        sheet.next_page()


def test_page_numbers_beside_the_text_of_a_running_line_are_no_text_of_it(sheet):
    heads = [
        f"{n} Annual report of 2024" if n % 2 == 0 else f"Chapter two: birds {n}"
        for n in range(1, 11)
    ]
    draw_pages(sheet, heads)
    beside = text_beside(sheet.read())
    assert [head for head in heads if head in beside] == heads[:2]


@pytest.mark.parametrize("form", ["Article {n}", "Invoice no. {n}", "2024 report of bank {n}"])
def test_a_number_after_text_stays_if_no_page_begins_with_its_own(sheet, form):
    heads = [form.format(n=n) for n in range(1, 7)]
    draw_pages(sheet, heads)
    beside = text_beside(sheet.read())
    assert all(head in beside for head in heads)


def test_a_year_before_a_running_line_is_no_page_number(sheet):
    draw_pages(sheet, ["2024 report of the weir board"] * 6)
    assert text_beside(sheet.read()).count("2024 report") == 1
