"""Plain text that is a table becomes one with its header; everything else stays text."""

import pytest

from ingest.partition.text_tables import find_text_table
from tests.ingest.completeness import text_of
from tests.ingest.parsing import parsed

ROWS = [(f"Ship{n}", str(7 * n), str(n)) for n in range(60)]
FORMS = {
    "signs": "\n".join(";".join(row) for row in [("Ship", "Tons", "Crew"), *ROWS]),
    "tabs": "\n".join("\t".join(row) for row in [("Ship", "Tons", "Crew"), *ROWS]),
    "quoted": "\n".join(";".join(f'"{cell}"' for cell in row) for row in [("Ship", "Tons", "Crew"), *ROWS]),
    "pipes": "| Ship | Tons | Crew |\n|------|-----:|------|\n" + "\n".join("| " + " | ".join(row) + " |" for row in ROWS),
    "pipes only between": "Ship|Tons|Crew\n" + "\n".join("|".join(row) for row in ROWS),
    "box": "+------+----+---+\n| Ship | Tons | Crew |\n+------+----+---+\n"
    + "\n".join("| " + " | ".join(row) + " |" for row in ROWS) + "\n+------+----+---+",
    "fixed": "Ship        Tons   Crew\n----------  -----  ----\n" + "\n".join(f"{a:10}  {b:>5}  {c:>4}" for a, b, c in ROWS),
    "fixed without a line": "Ship        Tons   Crew\n" + "\n".join(f"{a:10}  {b:>5}  {c:>4}" for a, b, c in ROWS),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("around", [("", ""), ("Ships of the yard\n\n", "\n\nCounted in May.\n")])
def test_a_text_that_is_a_table_keeps_its_header(tmp_path, form, around):
    document = parsed(tmp_path / "a.txt", around[0] + FORMS[form] + around[1])
    (table,) = (one.table for one in document.elements if one.table)
    assert table.header_rows == 1
    assert table.rows == (("Ship", "Tons", "Crew"), *ROWS)
    for line in around:
        assert line.strip() in text_of(document)


def test_one_row_in_many_may_be_broken():
    found = find_text_table(FORMS["signs"].replace("Ship30;", "Ship30;;;"))
    assert found is not None
    assert len(found.rows) == 61


TEXTS = {
    "prose": "The yard opens at eight; bring a pass.\nThe gate is shut; ring twice.\nBoats lie at jetty nine; ask first.\n"
    "Ropes are dear; sails are dearer.\nIt rains; it pours.\n",
    "code": "a = 1;\nb = 2;\nc = 3;\nd = 4;\ne = 5;\n",
    "list": "\tfirst thing\n\tsecond thing\n\tthird thing\n\tfourth thing\n\tfifth thing\n",
    "two columns of prose": "The yard opens at eight    The gate is shut and so\n"
    "and closes at nine, and    you ring twice, until a\nboats are let for hire.    guard comes who looks\n"
    "Nobody may take one out    at your pass and writes\nwithout a pass in hand.    down the hour of it.\n",
    "rows without a header": "Rope;12;5\nSail;99;7\nOar;7;1\nMast;120;4\nHull;9;3\n1;2;3\n4;5;6\n".replace("Rope;", "1;"),
    "names and values": "Opens:     08:00\nShuts:     17:00\nLength:    14\nCrew:      5\nBoats:     9\n",
    "log": "2024-01-01 10:00:00  INFO   started\n2024-01-01 10:00:01  WARN   no wind\n2024-01-01 10:00:02  INFO   wind\n"
    "2024-01-01 10:00:03  INFO   off\n",
    "short": "Ship;Tons\nRope;5\n",
    "table in a text": "\n".join(f"This is line {n} of a long letter." for n in range(8)) + "\n" + FORMS["signs"],
    "empty": "",
    "spaces": "   \n\t\n",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_other_text_stays_text(text):
    assert find_text_table(TEXTS[text]) is None


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_two_rows_without_an_ending_are_a_table(tmp_path, sign):
    document = parsed(tmp_path / "planks", f"Plank{sign}Length\nOak{sign}412\n")
    (element,) = document.elements
    assert element.table is not None
    assert element.table.rows == (("Plank", "Length"), ("Oak", "412"))


@pytest.mark.parametrize(
    "text", ["Dear Ada, hello\nRoom, 12\n", "Oak,412\nElm,300\n", "a,b\nc,d\n", "One,two\n"]
)
def test_two_lines_with_a_comma_are_text(tmp_path, text):
    assert all(one.table is None for one in parsed(tmp_path / "note", text).elements)
