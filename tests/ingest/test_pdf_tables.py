"""Tables of PDF pages: cells, headers and names, and what is no table."""

import pytest

from tests.ingest.pdf_sheet import FIGURES, PROSE, Sheet, tables, text_beside


@pytest.mark.parametrize("flush_right", [False, True])
@pytest.mark.parametrize("ruled", [False, True])
def test_empty_cells_stay_empty(sheet, ruled, flush_right):
    if ruled:
        sheet.rules(4, 4)
    sheet.grid(FIGURES, flush_right=flush_right)
    (table,) = tables(sheet.read())
    assert table.rows == FIGURES
    assert (table.header_rows, table.header_columns) == (1, 1)


def test_a_table_drawn_column_by_column_has_rows(sheet):
    for column in range(4):
        for number, row in enumerate(FIGURES):
            sheet.canvas.drawString(60 + 100 * column, 700 - 18 * number, row[column])
    assert tables(sheet.read())[0].rows == FIGURES


def test_name_unit_and_period_above_a_table_go_with_it_and_stand_once(sheet):
    sheet.words(
        "Table 3: Upkeep of the mills",
        "(in thousands of crowns)",
        "for the years 2021 to 2023",
        y=760,
    )
    sheet.grid(FIGURES)
    sheet.words("The table above shows upkeep without tax.", y=600)
    document = sheet.read()
    (table,) = tables(document)
    assert table.caption == "Table 3: Upkeep of the mills"
    assert table.notes == ("(in thousands of crowns)", "for the years 2021 to 2023")
    assert text_beside(document) == "The table above shows upkeep without tax."
    assert document.elements[0].text.count("Upkeep of the mills") == 1


def test_the_end_of_a_paragraph_is_no_name_of_the_table_below(sheet):
    sheet.words("The mills were kept well in all the years that are shown here and cost",
                "more than in the years before.", y=735)  # fmt: skip
    sheet.grid(FIGURES)
    document = sheet.read()
    assert tables(document)[0].caption == ""
    assert "more than in the years before." in text_beside(document)


def test_merged_cells_of_a_ruled_table_are_spread(sheet):
    canvas = sheet.canvas
    for y in (700, 680, 640):
        canvas.line(50, y, 350, y)
    canvas.line(150, 660, 350, 660)
    for x in (50, 150, 350):
        canvas.line(x, 700, x, 640)
    canvas.line(250, 680, 250, 640)
    sheet.words("Quay", y=686, x=55)
    sheet.words("Crates on", y=686, x=220)
    sheet.words("West", y=656, x=55)
    for x, y, text in (
        (155, 666, "Monday"),
        (255, 666, "12"),
        (155, 646, "Friday"),
        (255, 646, "14"),
    ):
        sheet.words(text, y=y, x=x)
    (table,) = tables(sheet.read())
    assert table.rows == (
        ("Quay", "Crates on", "Crates on"),
        ("West", "Monday", "12"),
        ("West", "Friday", "14"),
    )
    assert set(table.spans) == {(0, 1, 1, 2), (1, 0, 2, 1)}


def test_cells_of_several_lines_are_one(sheet):
    sheet.grid(
        [
            ("", "2024", "2023"),
            ("Crates", "12", "14"),
            ("Purchases of property,", "", ""),
            ("plant and equipment", "120", "111"),
            ("Sacks", "9", "8"),
        ],
        dx=140,
        dy=12,
    )
    assert tables(sheet.read())[0].rows[2:] == (
        ("Purchases of property, plant and equipment", "120", "111"),
        ("Sacks", "9", "8"),
    )


def test_currency_signs_that_stand_apart_belong_to_their_figures(sheet):
    sheet.grid(
        [
            ("", "", "2024", "", "2023"),
            ("Sales", "$", "32,765", "$", "32,184"),
            ("Costs", "", "6,929", "", "(7,049)"),
            ("Profit", "$", "7,654", "$", "—"),
        ],
        dx=60,
    )
    assert tables(sheet.read())[0].rows == (
        ("", "2024", "2023"),
        ("Sales", "$ 32,765", "$ 32,184"),
        ("Costs", "6,929", "(7,049)"),
        ("Profit", "$ 7,654", "$ —"),
    )


COUNTS = (
    ("Month", "Barges", "Rafts", "Boats", "Tolls"),
    ("March", "41", "7", "19", "1,204"),
    ("April", "52", "9", "23", "1,377"),
    ("May", "66", "12", "31", "1,902"),
)


def text_in_two_columns(sheet: Sheet, y: float) -> None:
    for x in (40, 320):
        sheet.words(*PROSE, y=y, x=x, size=8)


def test_a_table_over_both_columns_of_a_page_is_whole(sheet):
    text_in_two_columns(sheet, 760)
    text_in_two_columns(sheet, 720)
    sheet.words("Table 2: Passages of the lock", y=670, x=40, size=8)
    sheet.grid(COUNTS, y=650, x=40)
    text_in_two_columns(sheet, 540)
    (table,) = tables(sheet.read())
    assert (table.rows, table.header_rows) == (COUNTS, 1)
    assert table.caption == "Table 2: Passages of the lock"


def test_tables_beside_each_other_in_two_columns_are_two(sheet):
    text_in_two_columns(sheet, 760)
    text_in_two_columns(sheet, 720)
    for x, rows in ((40, FIGURES), (320, COUNTS)):
        sheet.grid([row[:3] for row in rows], y=660, x=x, dx=70)
    text_in_two_columns(sheet, 540)
    assert [table.rows[0][0] for table in tables(sheet.read())] == ["Mill", "Month"]


@pytest.mark.parametrize("step", [26, 30])
def test_tables_with_other_columns_below_each_other_are_two(sheet, step):
    tides = (
        ("Day", "High water", "Height"),
        ("14.03.2024", "06:10", "3,2 m"),
        ("15.03.2024", "06:55", "3,4 m"),
    )
    sheet.grid(FIGURES, dx=60, flush_right=True)
    sheet.grid(tides, y=646 - step, dx=90, flush_right=True)
    assert [table.rows for table in tables(sheet.read())] == [FIGURES, tides]


def test_a_row_of_words_with_white_above_stays_in_its_table(sheet):
    rows = (*FIGURES, ("Stones", "red", "grey", "red"), ("Quay", "41", "42", "43"))
    sheet.grid(rows[:4], flush_right=True)
    sheet.grid(rows[4:], y=621, flush_right=True)
    assert [table.rows for table in tables(sheet.read())] == [rows]


def words_wide_apart(sheet: Sheet) -> None:
    for number, line in enumerate(PROSE):
        x = 60.0
        for word in line.split():
            sheet.canvas.drawString(x, 700 - 15 * number, word)
            x += sheet.canvas.stringWidth(word, "Helvetica", 10) + 13


def contents(sheet: Sheet) -> None:
    for number, name in enumerate(("Scope", "Terms", "Delivery", "Storage", "Liability")):
        sheet.words(f"{name} " + ". " * 40 + str(3 * number + 1), y=700 - 15 * number)


def contents_without_dots(sheet: Sheet) -> None:
    sheet.grid(
        [
            (name, str(3 * n + 1))
            for n, name in enumerate(("Scope", "Terms", "Delivery", "Storage", "Liability"))
        ],
        dx=300,
    )


def bullets(sheet: Sheet) -> None:
    sheet.grid([("•", line) for line in PROSE], dx=20)


def numbered(sheet: Sheet) -> None:
    sheet.grid([(f"{n}.", line) for n, line in enumerate(PROSE, start=1)], dx=25)


def two_columns(sheet: Sheet) -> None:
    for x in (40, 320):
        sheet.words(*PROSE, *PROSE, y=700, x=x, size=8)


def names_and_values(sheet: Sheet) -> None:
    sheet.grid([("Boat:", "Heron"), ("Length:", "nine metres"), ("Owner:", "rowing club")], dx=70)


def framed_text(sheet: Sheet) -> None:
    sheet.canvas.rect(50, 640, 400, 80)
    sheet.words(*PROSE, y=700)


@pytest.mark.parametrize(
    "draw",
    [
        words_wide_apart,
        contents,
        contents_without_dots,
        bullets,
        numbered,
        two_columns,
        names_and_values,
        framed_text,
    ],
)
def test_what_is_no_table_is_none(sheet, draw):
    draw(sheet)
    document = sheet.read()
    assert not tables(document)
    assert document.elements


def test_a_table_of_words_between_two_lines_is_one(sheet):
    sheet.canvas.line(55, 714, 480, 714)
    rows = (
        ("Name", "Duty"),
        ("A. Miller", "Keeper of the lock"),
        ("B. Weber", "Pilot"),
        ("C. Huang", "Cook"),
    )
    sheet.grid(rows, dx=200)
    sheet.canvas.line(55, 640, 480, 640)
    assert tables(sheet.read())[0].rows == rows


def test_a_page_of_very_many_lines_ends_soon(sheet):
    for number in range(3_000):
        sheet.canvas.line(number % 600, 0, number % 600, 800)
        sheet.canvas.line(0, number % 800, 600, number % 800)
    sheet.words(*PROSE, y=700)
    assert "ropes of the bell" in text_beside(sheet.read())
