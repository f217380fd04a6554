"""The one table model: what becomes of spans, headers, bars and hostile markup."""

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
