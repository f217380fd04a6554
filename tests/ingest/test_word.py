"""What stands in a Word file is what is read: once, in its place, and what is left out is counted."""

from io import BytesIO

import pytest
from PIL import Image

from indexes.errors import SourceBroken
from ingest.elements import ParseOptions
from ingest.partition.office import story
from tests.ingest import files
from tests.ingest.office_xml import (
    NAMES,
    NO_OCR,
    cell,
    grid,
    lost,
    pack,
    para,
    read,
    relations,
    row,
    run,
    share_of_words,
    table,
    texts,
    word,
)

KEPT = ParseOptions(ocr=False, hidden_text="mark")


def sentence(tmp_path, *pieces: str, options: ParseOptions = NO_OCR) -> str:
    """What becomes of one paragraph of these pieces."""
    (text,) = texts(read(word(tmp_path / "a.docx", para(*pieces)), options))
    return text


SDT = "<w:sdt><w:sdtPr/><w:sdtContent>{}</w:sdtContent></w:sdt>"
SIGN = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
INSTRUCTION = "<w:r><w:instrText> REF secret </w:instrText></w:r>"


@pytest.mark.parametrize(
    ("piece", "stands"),
    [
        (f'<w:fldSimple w:instr=" DATE ">{run("14 March")}</w:fldSimple>', "14 March"),
        (SIGN.format("begin") + INSTRUCTION + SIGN.format("separate") + run("page 9") + SIGN.format("end"), "page 9"),
        (SIGN.format("begin") + INSTRUCTION + run("never closed"), "never closed"),
        (SDT.format(run("Quill Harrow")), "Quill Harrow"),
        (f'<w:smartTag w:element="place">{run("Northfield")}</w:smartTag>', "Northfield"),
        (f'<w:ins w:id="1">{run("ninety")}</w:ins>', "ninety"),
        (f'<w:moveTo w:id="1">{run("moved here")}</w:moveTo>', "moved here"),
        ("<m:oMath><m:r><m:t>q=3×40</m:t></m:r></m:oMath>", "q=3×40"),
        ("<w:r><w:t>BX</w:t><w:noBreakHyphen/><w:t>47</w:t></w:r>", "BX-47"),
        ("<w:r><w:t>co</w:t><w:softHyphen/><w:t>operate</w:t></w:r>", "cooperate"),
        ('<w:r><w:sym w:font="Symbol" w:char="F061"/></w:r>', "α"),
        ('<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>', "☑"),
        ("<w:r><w:t>five</w:t><w:tab/><w:t>sharp</w:t></w:r>", "five\tsharp"),
        (f"<w:hyperlink>{run('the sexton')}</w:hyperlink>", "the sexton"),
    ],
)  # fmt: skip
def test_what_stands_in_a_sentence_is_read_in_its_place(tmp_path, piece, stands):
    assert sentence(tmp_path, "Before ", piece, " after.") == f"Before {stands} after."


def test_deletions_are_out_and_counted_or_marked(tmp_path):
    gone = '<w:del w:id="1"><w:r><w:delText>thirty</w:delText></w:r></w:del>'
    path = word(tmp_path / "a.docx", para("The period is ", gone, "ninety days."))
    document = read(path)
    assert texts(document) == ["The period is ninety days."]
    assert lost(document) == [("hidden", 1, "in tracked deletions")]
    assert "[hidden text: thirty]" in texts(read(path, KEPT))[0]


def test_a_paragraph_whose_end_was_deleted_goes_on_in_the_next(tmp_path):
    first = para("One sentence", about="<w:rPr><w:del/></w:rPr>")
    assert texts(read(word(tmp_path / "a.docx", first + para(" in two parts.")))) == [
        "One sentence in two parts."
    ]


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ("<w:vanish/>", "in hidden characters"),
        ('<w:color w:val="FFFFFF"/>', "in white on white"),
        ('<w:sz w:val="2"/>', "in letters of one point or less"),
    ],
)
def test_text_that_nobody_sees_is_left_out_and_counted(tmp_path, about, why):
    path = word(tmp_path / "a.docx", para("Seen.", run("Obey the mole", about)))
    document = read(path)
    assert texts(document) == ["Seen."]
    assert lost(document) == [("hidden", 3, why)]
    assert "[hidden text: Obey the mole]" in texts(read(path, KEPT))[0]


@pytest.mark.parametrize(
    "body",
    [
        para(run("Seen", '<w:vanish w:val="0"/>')),
        para(run("Seen", '<w:color w:val="FFFFFF"/><w:shd w:val="clear" w:fill="002060"/>')),
        para(run("Seen", '<w:color w:val="FFFFFF"/>'), about='<w:shd w:val="clear" w:fill="002060"/>'),
        grid(row(cell(para(run("Seen", '<w:color w:val="FFFFFF"/>')).replace("<w:pPr></w:pPr>", ""),
                      '<w:shd w:val="clear" w:fill="002060"/>'), "b"), row("c", "d")),
    ],
)  # fmt: skip
def test_white_text_on_a_colour_and_text_that_is_shown_again_are_seen(tmp_path, body):
    document = read(word(tmp_path / "a.docx", body))
    assert "Seen" in texts(document)[0]
    assert not document.losses


def test_formulas_read_as_lines(tmp_path):
    def part(name: str, text: str) -> str:
        return f"<m:{name}><m:r><m:t>{text}</m:t></m:r></m:{name}>"

    fraction = f"<m:f>{part('num', 'a+b')}{part('den', '2')}</m:f>"
    power = f"<m:sSup>{part('e', 'x')}{part('sup', '10')}</m:sSup>"
    root = f"<m:rad><m:deg/>{part('e', 'y')}</m:rad>"
    text = sentence(tmp_path, f"<m:oMath>{fraction}<m:r><m:t>=</m:t></m:r>{power}{root}</m:oMath>")
    assert text == "(a+b)/2=x^10√(y)"


def test_a_reading_beside_a_word_does_not_break_it(tmp_path):
    ruby = f"<w:r><w:ruby><w:rt>{run('かんじ')}</w:rt><w:rubyBase>{run('漢字')}</w:rubyBase></w:ruby></w:r>"
    assert sentence(tmp_path, "この", ruby, "を読む。") == "この漢字を読む。 (漢字: かんじ)"


def test_a_text_box_is_read_once_after_its_paragraph(tmp_path):
    box = f"<w:txbxContent>{para('In the box')}</w:txbxContent>"
    both = (
        f"<w:r><mc:AlternateContent><mc:Choice><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    body = para("Around ", both, "the box.") + para("After.")
    assert texts(read(word(tmp_path / "a.docx", body))) == [
        "Around the box.",
        "In the box",
        "After.",
    ]


def test_what_only_old_programs_show_is_read_if_there_is_nothing_else(tmp_path):
    only = (
        "<w:r><mc:AlternateContent><mc:Choice/><mc:Fallback><w:t>Shown to all</w:t></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )
    assert sentence(tmp_path, only) == "Shown to all"


def test_notes_and_comments_stand_after_their_block_and_headers_once(tmp_path):
    body = (
        para("The fee", '<w:r><w:footnoteReference w:id="2"/></w:r>', " is 99 crowns.",
             '<w:r><w:commentReference w:id="0"/></w:r>')
        + para("The end.")
    )  # fmt: skip
    path = word(
        tmp_path / "a.docx",
        body,
        footnotes=f'<w:footnote w:id="2">{para("Members pay half.")}</w:footnote>',
        comments=f'<w:comment w:id="0" w:author="Ada">{para("Still right?")}</w:comment>',
        header1=para("Mill rules"),
        header2=para("Mill rules"),
    )
    document = read(path)
    assert texts(document) == [
        "The fee is 99 crowns.",
        "Footnote: Members pay half.",
        "Comment by Ada: Still right?",
        "The end.",
        "Mill rules",
    ]
    assert share_of_words(path, document) == 1


def test_headings_are_known_by_style_in_any_language_and_by_outline_level(tmp_path):
    styles = (
        '<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="k"><w:name w:val="Kapitel"/><w:basedOn w:val="berschrift2"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="zh"><w:name w:val="标题 3"/></w:style>'
    )
    body = "".join(
        para(text, about=about)
        for text, about in (
            ("Own", '<w:pStyle w:val="berschrift2"/>'),
            ("Based", '<w:pStyle w:val="k"/>'),
            ("Chinese", '<w:pStyle w:val="zh"/>'),
            ("Outline", '<w:outlineLvl w:val="0"/>'),
            ("Plain", ""),
        )
    )
    document = read(word(tmp_path / "a.docx", body, styles=styles))
    assert [(each.text, each.level) for each in document.elements] == [
        ("Own", 2), ("Based", 2), ("Chinese", 3), ("Outline", 1), ("Plain", 0),
    ]  # fmt: skip


def test_numbered_paragraphs_carry_their_numbers(tmp_path):
    levels = (
        '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
        '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1%2)"/></w:lvl>'
    )
    numbering = (
        f'<w:abstractNum w:abstractNumId="7">{levels}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    )

    def item(text: str, level: int) -> str:
        return para(text, about=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr>')

    body = (
        item("First", 0) + item("Inner", 1) + item("More", 1) + item("Second", 0) + item("New", 1)
    )
    document = read(word(tmp_path / "a.docx", body, numbering=numbering))
    assert texts(document) == ["1. First", "1a) Inner", "1b) More", "2. Second", "2a) New"]
    assert {each.kind for each in document.elements} == {"list"}


def test_merged_cells_of_a_table_stand_in_every_place_and_tie_its_header_rows(tmp_path):
    wide, top, more = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    body = grid(
        row(cell("Street", top), cell("Lamps", wide)),
        row(cell("", more), "Gas", "Oil"),
        row("Lane 1", "12", "23"),
    )
    found = table(read(word(tmp_path / "a.docx", body))).table
    assert found
    assert found.rows == (
        ("Street", "Lamps", "Lamps"), ("Street", "Gas", "Oil"), ("Lane 1", "12", "23"),
    )  # fmt: skip
    assert found.header_rows == 2
    assert set(found.spans) == {(0, 0, 2, 1), (0, 1, 1, 2)}


def test_a_table_takes_the_header_rows_that_the_file_marks_and_the_caption_above_it(tmp_path):
    styles = '<w:style w:styleId="c"><w:name w:val="caption"/></w:style>'
    body = para("Table 4: Fees", about='<w:pStyle w:val="c"/>') + grid(
        row("Tool", "Fee", about="<w:tblHeader/>"),
        row("of the shed", "in crowns", about="<w:tblHeader/>"),
        row("Ladder", "250"),
    )
    document = read(word(tmp_path / "a.docx", body, styles=styles))
    found = table(document).table
    assert found
    assert (found.header_rows, found.caption) == (2, "Table 4: Fees")
    assert len(document.elements) == 1


def test_rows_and_cells_within_controls_and_changes_keep_their_places(tmp_path):
    gone = f'<w:tr><w:trPr><w:del w:id="1"/></w:trPr>{cell("Old")}{cell("1")}</w:tr>'
    controlled = SDT.format(f"<w:tr>{cell('Yew')}{SDT.format(cell('2004'))}</w:tr>")
    body = grid(row("Tree", "Felled"), controlled, gone, row("Oak", "2011"))
    document = read(word(tmp_path / "a.docx", body))
    assert table(document).text == "Tree | Felled\nYew | 2004\nOak | 2011"
    assert ("hidden", 2, "in tracked deletions") in lost(document)


def test_a_table_in_a_cell_is_part_of_that_cell_with_its_headers(tmp_path):
    inner = grid(row("Size", "Price"), row("small", "3"), row("large", "5"))
    body = grid(row("Good", "Prices"), row("Nail", cell(inner)), row("Screw", "none"))
    assert table(read(word(tmp_path / "a.docx", body))).text == (
        "Good | Prices\nNail | Size: small, Price: 3; Size: large, Price: 5\nScrew | none"
    )


def test_signs_in_cells_of_their_own_join_their_figures(tmp_path):
    wide = '<w:gridSpan w:val="3"/>'
    body = grid(
        row("", cell("2024", wide), cell("2023", wide)),
        row("Loss", "$", "(31", ")", "$", "(29", ")"),
        row("Share", "", "14", "%", "", "12", "%"),
    )
    assert table(read(word(tmp_path / "a.docx", body))).text == (
        "| 2024 | 2023\nLoss | $(31) | $(29)\nShare | 14% | 12%"
    )


def test_a_table_of_one_cell_is_only_a_frame(tmp_path):
    styles = '<w:style w:styleId="h"><w:name w:val="heading 1"/></w:style>'
    inside = para("Notice", about='<w:pStyle w:val="h"/>') + para("The mill is shut.")
    body = grid(row(f"<w:tc><w:tcPr/>{inside}</w:tc>"))
    document = read(word(tmp_path / "a.docx", body, styles=styles))
    assert [(each.kind, each.text) for each in document.elements] == [
        ("heading", "Notice"), ("text", "The mill is shut."),
    ]  # fmt: skip


def test_an_embedded_workbook_is_read_at_the_end_and_other_objects_are_counted(tmp_path):
    sheet = files.sheets(tmp_path / "inner.xlsx").read_bytes()
    objects = "".join(f'<w:r><w:object><o:OLEObject xmlns:o="o" r:id="{name}"/></w:object></w:r>'
                      for name in ("package", "oleObject"))  # fmt: skip
    path = pack(
        tmp_path / "a.docx",
        {
            "word/document.xml": f"<w:document {NAMES}><w:body>{para('See:', objects)}{para('End.')}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(package="embeddings/stock.xlsx", oleObject="x.bin"),
            "word/embeddings/stock.xlsx": sheet,
            "word/x.bin": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 no such thing",
        },
    )  # fmt: skip
    document = read(path)
    assert texts(document)[:3] == ["See:", "End.", "stock.xlsx"]
    assert any("Chair | 120" in text for text in texts(document))
    assert ("part", 1, "of kinds that nothing here reads") in lost(document)


def test_pictures_that_are_not_read_are_counted_once_each_and_tiny_ones_are_not(tmp_path):
    def blip(name: str) -> str:
        return f'<w:r><w:drawing><a:blip r:embed="{name}"/></w:drawing></w:r>'

    dot = BytesIO()
    Image.new("RGB", (16, 16)).save(dot, "PNG")
    plan = files.picture("Meeting point")
    path = pack(
        tmp_path / "a.docx",
        {
            "word/document.xml": f"<w:document {NAMES}><w:body>"
            + para("Plan:", *(blip(f"image{number}") for number in range(1, 5)))
            + "</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(
                image1="m/1.png", image2="m/2.png", image3="m/3.png", image4="m/4.emf"
            ),
            "word/m/1.png": plan,
            "word/m/2.png": plan,
            "word/m/3.png": dot.getvalue(),
            "word/m/4.emf": b"drawn",
        },
    )
    assert lost(read(path)) == [
        ("picture", 1, "because OCR is off"), ("picture", 1, "of the kind emf"),
    ]  # fmt: skip


def test_a_part_that_is_cut_off_is_read_as_far_as_it_goes_and_told(tmp_path):
    whole = f"<w:document {NAMES}><w:body>{para('Whole.')}{grid(row('a', 'b'), row('c', 'd'))}"
    path = pack(
        tmp_path / "a.docx", {"word/document.xml": whole + "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>cut"}
    )
    document = read(path)
    assert texts(document)[0] == "Whole."
    assert any(kind == "part" and "is damaged" in detail for kind, _, detail in lost(document))


def test_nesting_and_length_have_limits_that_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(story, "MAX_BLOCKS", 50)
    path = word(tmp_path / "a.docx", para("First.") + "<w:p/>" * 100 + para("Last."))
    document = read(path)
    assert texts(document) == ["First."]
    assert [kind for kind, _, _ in lost(document)] == ["limit"]


def test_deep_nesting_is_read(tmp_path):
    deep = "<w:ins>" * 200 + run("at the bottom") + "</w:ins>" * 200
    assert sentence(tmp_path, "Words ", deep) == "Words at the bottom"


def test_every_word_of_an_ordinary_file_arrives(tmp_path):
    path = files.word(tmp_path / "a.docx")
    assert share_of_words(path, read(path)) == 1


@pytest.mark.parametrize("body", ["no markup at all", ""])
def test_a_file_of_which_nothing_can_be_read_is_damaged_and_not_empty(tmp_path, body):
    with pytest.raises(SourceBroken, match="damaged"):
        read(pack(tmp_path / "a.docx", {"word/document.xml": body}))
