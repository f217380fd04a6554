"""The one table model: what becomes of spans, headers, bars and hostile markup."""

import pytest

from ingest.partition.tables import make_table, parse_table


def test_a_merged_cell_stands_in_every_place_it_covers():
    table = parse_table(
        "<table><tr><th rowspan=2>Item</th><th colspan=2>2018</th></tr>"
        "<tr><th>Plan</th><th>Real</th></tr><tr><td>Rent</td><td>1</td><td>2</td></tr></table>"
    )
    assert table is not None
    assert table.rows == (("Item", "2018", "2018"), ("Item", "Plan", "Real"), ("Rent", "1", "2"))
    assert (table.header_rows, table.spans) == (2, ((0, 0, 2, 1), (0, 1, 1, 2)))


def test_an_empty_cell_keeps_its_place_in_the_text():
    element = make_table([["Item", "2018", "2019"], ["Rent", "", "5"], ["", "7", "|"]])
    assert element.text == "Item | 2018 | 2019\nRent |  | 5\n| 7 | \\|"


def test_the_caption_and_the_unit_stand_above_the_rows():
    element = make_table([["a", "b"], ["c", "d"]], caption="Costs", notes=["in millions"])
    assert element.text == "Costs\nin millions\na | b\nc | d"


def test_a_cell_that_claims_a_million_places_gets_few():
    table = parse_table(
        "<table><tr><td colspan=99999999 rowspan=99999999>a</td><td>b</td></tr></table>"
    )
    assert table is not None
    assert len(table.rows) == 1
    assert len(table.rows[0]) <= 1_001


def test_a_table_in_a_cell_is_part_of_that_cell():
    table = parse_table(
        "<table><tr><td>a<table><tr><td>b</td></tr></table></td><td>c</td></tr></table>"
    )
    assert table is not None
    assert table.rows == (("a b", "c"),)


_SIGNS = (
    "<tr><td colspan=2></td><td colspan=7>Year</td></tr>"
    "<tr><td colspan=2></td><td colspan=3>2024</td><td></td><td colspan=3>2023</td></tr>"
    "<tr><td colspan=2>Sales</td><td>$</td><td>4,120</td><td></td><td></td><td>$</td><td>3,990</td><td></td></tr>"
    "<tr><td colspan=2>Loss</td><td></td><td>(31</td><td>)</td><td></td><td></td><td>(29</td><td>)</td></tr>"
    "<tr><td colspan=2>Margin</td><td></td><td>14</td><td>%</td><td></td><td></td><td>12</td><td>%</td></tr>"
)


def test_signs_in_cells_of_their_own_are_part_of_the_figure_beside_them():
    table = parse_table(f"<table>{_SIGNS}</table>")
    assert table is not None
    assert table.rows == (
        ("", "Year", "Year"),
        ("", "2024", "2023"),
        ("Sales", "$4,120", "$3,990"),
        ("Loss", "(31)", "(29)"),
        ("Margin", "14%", "12%"),
    )
    assert table.spans == ((0, 1, 1, 2),)


@pytest.mark.parametrize(
    ("rows", "joined"),
    [
        (  # the header stands over the sign
            [
                ["", "2024", "", "2023", ""],
                ["Cash", "$", "5", "$", "(9)"],
                ["Debt", "", "8", "", "—"],
            ],
            [["", "2024", "2023"], ["Cash", "$5", "$(9)"], ["Debt", "8", "—"]],
        ),
        (  # signs behind the figures
            [
                ["", "2024", "", "2023", ""],
                ["Kasse", "5", "€", "9", "€"],
                ["Bank", "8", "€", "7", "€"],
            ],
            [["", "2024", "2023"], ["Kasse", "5 €", "9 €"], ["Bank", "8 €", "7 €"]],
        ),
        (
            [["Who", "Staff", ""], ["Ada", "1,200", "(1)"], ["Bo", "900", "*"]],
            [["Who", "Staff"], ["Ada", "1,200 (1)"], ["Bo", "900*"]],
        ),
        ([["Item", "", "Cost"], ["Rent", "", "5"]], [["Item", "Cost"], ["Rent", "5"]]),
        (  # without a header
            [["Cash", "$", "5"], ["Debt", "$", "7"]],
            [["Cash", "$5"], ["Debt", "$7"]],
        ),
        ([["Item", "€", "2024"], ["Rent", "€", "5"]], [["Item", "€", "2024"], ["Rent", "€", "5"]]),
    ],
)
def test_a_header_over_a_figure_and_its_signs_is_that_of_the_figure(rows, joined):
    table = make_table(rows).table
    assert table is not None
    assert [list(row) for row in table.rows] == joined


@pytest.mark.parametrize(
    "rows",
    [
        [["Item", "Unit", "Amount"], ["Rent", "€", "5"], ["Rate", "%", "7"]],
        [["Item", "Amount", "Unit"], ["Rent", "5", "€"], ["Rate", "7", "%"]],
        [["Item", "Amount", ""], ["Rent", "5", "€"], ["Salt", "7", "kg"]],
        [["Item", "Plan", "Real"], ["Rent", "5", "(1)"], ["Salt", "7", "(2)"]],
        [["Name", "Sign"], ["Euro", "€"], ["Pound", "£"]],
        [["Rent", "5", "(1)"], ["Salt", "7", "(2)"]],
    ],
)
def test_columns_of_units_and_of_figures_below_zero_stay(rows):
    header_rows = None if any(map(str.isalpha, rows[0][1])) else 0
    table = make_table(rows, header_rows=header_rows).table
    assert table is not None
    assert [list(row) for row in table.rows] == rows


@pytest.mark.parametrize(
    ("markup", "header_rows"),
    [
        (  # two levels without a mark
            "<tr><td><td colspan=2>2023<td colspan=2>2024<tr><td>Ship<td>Plan<td>Real<td>Plan<td>Real"
            "<tr><td>Swan<td>1<td>2<td>3<td>4",
            2,
        ),
        (
            "<tr><td rowspan=2>Ship<td colspan=2>2023<tr><td>Plan<td>Real<tr><td>Swan<td>1<td>2",
            2,
        ),
        (  # the wide header names the first column too
            "<tr><td colspan=2>Freight<td>Rate<tr><td>Good<td>Count<td><tr><td>Salt<td>4<td>0.5",
            2,
        ),
        (  # a wide cell, and rows of words below it
            "<tr><td colspan=2>Name<td>Role<tr><td>Ada<td>Bell<td>cook<tr><td>Bo<td>Carr<td>mate",
            1,
        ),
        ("<tr><td colspan=3>Dues<tr><td>Ship<td>Plan<td>Real<tr><td>Swan<td>1<td>2", 2),
        ("<tr><td colspan=2>Dues of 2023<tr><td>Swan<td>1<tr><td>Heron<td>2", 1),
        ("<tr><td><td>Staff<tr><td>Ada<td>1,200<tr><td>Bo<td>900", 1),
        ("<tr><td><td>Staff<td><tr><td>Ada<td>1,200<td>4<tr><td>Bo<td>900<td>5", 1),
    ],
)
def test_header_rows_that_no_mark_tells_are_told_by_what_they_hold(markup, header_rows):
    table = parse_table(f"<table>{markup}</table>")
    assert table is not None
    assert table.header_rows == header_rows


def test_names_of_groups_with_gaps_between_them_stand_over_all_of_their_columns():
    rows = [["", "2023", "", "2024", ""], ["Ship", "Plan", "Real", "Plan", "Real"], ["A", *"1234"]]
    table = make_table(rows).table
    assert table is not None
    assert table.header_rows == 2
    assert table.rows[0] == ("", "2023", "2023", "2024", "2024")


@pytest.mark.parametrize(
    "rows",
    [
        [["Name", "", "Age"], ["Anna", "Smith", "unknown"], ["Bob", "Lee", "5"]],
        [["", "Name", "Score"], ["first", "Anna", "good"], ["second", "Bob", "5"]],
        [["Ship", "Plan"], ["Swan", "none"], ["Heron", "4"]],
    ],
)
def test_a_row_of_words_above_figures_is_no_header_without_evidence(rows):
    table = make_table(rows).table
    assert table is not None
    assert table.header_rows == 1


def test_a_table_in_a_cell_gives_each_figure_its_header():
    inner = "<table><tr><th>Good<th>Tons<tr><td>Rye<td>31<tr><td>Oats<td>47</table>"
    middle = f"<table><tr><th>Hold<th>Load<tr><td>aft<td>{inner}</table>"
    table = parse_table(
        f"<table><tr><th>Ship<th>Load<tr><td>Swan<td>by {inner} now<tr><td>Sun<td>{middle}</table>"
    )
    assert table is not None
    said = "Good: Rye, Tons: 31; Good: Oats, Tons: 47"
    assert table.rows[1:] == (("Swan", f"by {said} now"), ("Sun", f"Hold: aft, Load: {said}"))


@pytest.mark.parametrize(
    ("rows", "header_rows"),
    [
        ([["Ship", "Plan", "Cost"], ["", "t", "EUR"], ["Swan", "1", "2"]], 2),
        ([["Ship", "Plan", "Cost"], ["", "(tons)", "(in crowns)"], ["Swan", "1", "—"]], 2),
        ([["Ship", "Plan", "Cost"], ["Unit", "t", "€"], ["Swan", "1", "2"], ["Sun", "", "3"]], 2),
        ([["Ship", "Sales", "Costs"], ["", "2023", "2023"], ["Swan", "1.5", "20"]], 2),
        ([["Ship", "Plan"], ["Swan", "low"], ["Heron", "4"]], 1),
        ([["Ship", "Plan", "Cost"], ["", "low", "high"], ["Swan", "some", "2"]], 1),
        ([["Ship", "Plan", "Cost", "Gain"], ["", "", "", "none"], ["Swan", "1", "2", "3"]], 1),
        ([["Ship", "Plan"], ["", "7"], ["Heron", "4"]], 1),
        ([["Ship", "Plan"], ["", "n/a"], ["Heron", "4"]], 1),
        ([["Name", "Grade"], ["Ada", "A"], ["Bo", "4"]], 1),
    ],
)
def test_a_row_of_units_below_the_names_is_a_header(rows, header_rows):
    table = make_table(rows).table
    assert table is not None
    assert table.header_rows == header_rows


def test_a_row_of_units_below_a_marked_header_is_a_header():
    table = parse_table(
        "<table><tr><th>Ship<th>Plan<th>Cost<tr><td><td>t<td>EUR<tr><td>Swan<td>1<td>2</table>"
    )
    assert table is not None
    assert table.header_rows == 2
