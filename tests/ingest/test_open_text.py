"""What stands in an OpenDocument text is what is read."""

from ingest.elements import ParseOptions
from tests.ingest.office_xml import lost, open_text, read, share_of_words, table, texts


def test_notes_stand_after_their_paragraph_and_do_not_break_it(tmp_path):
    note = (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body>'
        "<text:p>Members pay half.</text:p></text:note-body></text:note>"
    )
    path = open_text(
        tmp_path / "a.odt",
        f"<text:p>The fee is 99 crowns{note} a year.</text:p><text:p>End.</text:p>",
    )
    document = read(path)
    assert texts(document) == [
        "The fee is 99 crowns a year.",
        "Footnote: Members pay half.",
        "End.",
    ]
    assert share_of_words(path, document) == 1


def test_deletions_and_hidden_text_are_out_and_counted(tmp_path):
    styles = '<style:style style:name="T1" style:family="text"><style:text-properties text:display="none"/></style:style>'
    changes = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>The lamp costs 77.</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
    )
    body = (
        changes
        + '<text:p>Seen<text:span text:style-name="T1">obey the mole</text:span> all.</text:p>'
    )
    path = open_text(tmp_path / "a.odt", body, styles)
    document = read(path)
    assert texts(document) == ["Seen all."]
    assert lost(document) == [
        ("hidden", 4, "in tracked deletions"),
        ("hidden", 3, "in hidden characters"),
    ]
    kept = read(path, ParseOptions(ocr=False, hidden_text="mark"))
    assert "[hidden text: obey the mole]" in texts(kept)[0]


def test_tables_keep_merged_cells_and_their_header_rows(tmp_path):
    def line(*cells: str) -> str:
        return f"<table:table-row>{''.join(cells)}</table:table-row>"

    def cell(text: str, about: str = "") -> str:
        return f"<table:table-cell {about}><text:p>{text}</text:p></table:table-cell>"

    covered = "<table:covered-table-cell/>"
    body = (
        "<table:table><table:table-header-rows>"
        + line(
            cell("Street", 'table:number-rows-spanned="2"'),
            cell("Lamps", 'table:number-columns-spanned="2"'),
            covered,
        )
        + line(covered, cell("Gas"), cell("Oil"))
        + "</table:table-header-rows>"
        + line(cell("Lane"), cell("12"), cell("23"))
        + "</table:table>"
    )
    found = table(read(open_text(tmp_path / "a.odt", body))).table
    assert found
    assert found.rows == (
        ("Street", "Lamps", "Lamps"),
        ("Street", "Gas", "Oil"),
        ("Lane", "12", "23"),
    )
    assert found.header_rows == 2


def test_headings_lists_signs_and_margins(tmp_path):
    body = (
        '<text:h text:outline-level="2">Lamps</text:h><text:list><text:list-item><text:p>One<text:tab/>two<text:s/>'
        "three</text:p></text:list-item></text:list>"
    )
    around = (
        '<office:master-styles><style:master-page style:name="S"><style:header><text:p>Mill rules</text:p></style:header>'
        "</style:master-page></office:master-styles>"
    )
    document = read(open_text(tmp_path / "a.odt", body, around=around))
    assert [(each.kind, each.level, each.text) for each in document.elements] == [
        ("heading", 2, "Lamps"), ("list", 0, "One\ttwo three"), ("text", 0, "Mill rules"),
    ]  # fmt: skip
