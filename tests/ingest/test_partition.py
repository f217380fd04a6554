"""What becomes of a file of each format, and of a file that is not what it should be."""

import contextlib
import zipfile
from pathlib import Path

import docx
import pytest
from reportlab.pdfgen.canvas import Canvas

from indexes.errors import (
    SourceBroken,
    SourceEmpty,
    SourceError,
    SourceRefused,
    SourceTooCostly,
    SourceUnavailable,
)
from indexes.losses import describe_loss
from ingest.elements import Parsed, ParseOptions
from ingest.partition import parse
from ingest.partition.context import ParseContext
from tests.ingest import files

NO_OCR = ParseOptions(ocr=False)


def parsed(
    path: Path, content: str | bytes | None = None, options: ParseOptions = NO_OCR
) -> Parsed:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse(path, options)


def told(document: Parsed) -> str:
    return "\n".join(element.text for element in document.elements)


def headings(document: Parsed) -> list[tuple[int, str]]:
    return [
        (element.level, element.text) for element in document.elements if element.kind == "heading"
    ]


# --- formats ------------------------------------------------------------------------------------


def test_pdf_lines_become_paragraphs_and_larger_ones_headings(tmp_path):
    lines = [
        ("Annual report", 24),
        ("The year was very produc-", 10),
        ("tive for all of us.", 10),
        ("Outlook", 16),
    ]
    document = parsed(files.pdf(tmp_path / "a.pdf", lines, [("Next year will be better.", 10)] * 1))
    assert headings(document) == [(1, "Annual report"), (2, "Outlook")]
    assert "very productive for all of us." in told(document)
    assert [element.page for element in document.elements] == [1, 1, 1, 2]
    assert document.page_kind == "page"


def test_running_headers_and_footers_stand_once(tmp_path):
    pages = [
        [("Confidential", 9), *[(f"Line {n} of page {p}", 9) for n in range(5)], (f"Page {p}", 9)]
        for p in range(8)
    ]
    text = told(parsed(files.pdf(tmp_path / "a.pdf", *pages)))
    assert text.count("Confidential") == 1
    assert text.count("Line 3") == 8


def test_a_pdf_with_only_an_owner_password_is_read(tmp_path):
    assert "Hello" in told(
        parsed(files.pdf(tmp_path / "a.pdf", [("Hello there", 12)], owner="secret"))
    )


def test_what_is_filled_into_a_pdf_form_is_read(tmp_path):
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawString(60, 700, "Name of the applicant:")
    canvas.acroForm.textfield(name="applicant", value="Ada Lovelace", x=200, y=690, width=200)
    canvas.save()
    assert "Ada Lovelace" in told(parsed(tmp_path / "a.pdf"))


def test_word_gives_headings_lists_tables_and_comments(tmp_path):
    document = parsed(files.word(tmp_path / "a.docx"))
    assert document.title == "Staff rules"
    assert headings(document) == [(1, "Leave"), (2, "Sick leave")]
    assert [element.kind for element in document.elements if "nine" in element.text] == ["list"]
    (grid,) = (element for element in document.elements if element.kind == "table")
    assert grid.text == "Name | Days\nAda | 30"
    assert grid.table
    assert grid.table.rows == (("Name", "Days"), ("Ada", "30"))
    assert "Is this still right?" in told(document)


def test_word_text_boxes_are_read_once(tmp_path):
    path, box = (
        tmp_path / "a.docx",
        "<w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent>",
    )
    plain = docx.Document()
    plain.add_paragraph("Outside")
    plain.save(str(tmp_path / "plain.docx"))
    with zipfile.ZipFile(tmp_path / "plain.docx") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name).replace(
                b"<w:t>Outside</w:t>", f"<w:t>Outside</w:t><w:pict>{box}</w:pict>".encode()
            )
            new.writestr(name, data)
    assert told(parsed(path)).split("\n") == ["Outside", "In a box"]


def test_slides_keep_their_number_notes_and_charts(tmp_path):
    document = parsed(files.slides(tmp_path / "a.pptx"))
    assert [(e.page, e.text) for e in document.elements if e.kind == "heading"] == [
        (1, "First slide"),
        (2, "Second slide"),
    ]
    second = "\n".join(e.text for e in document.elements if e.page == 2)
    assert "Speak slowly." in second
    assert "Spring | 17.5" in second
    assert document.page_kind == "slide"


@pytest.mark.parametrize("strict", [False, True], ids=["usual", "strict"])
def test_sheets_keep_their_names_rows_and_comments(tmp_path, strict):
    path = files.sheets(tmp_path / "a.xlsx")
    document = parsed(files.strict(tmp_path / "s.xlsx", path) if strict else path)
    assert [(e.page, e.page_name, e.text) for e in document.elements if e.kind == "table"] == [
        (1, "Budget", "Item | Cost\nChair | 120\nDesk | 340"),
        (2, "Travel", "City | Nights\nKyoto | 3"),
    ]
    assert headings(document) == [(1, "Budget"), (1, "Travel")]
    assert "Too dear" in told(document)


def test_html_keeps_headings_tables_captions_and_puts_menus_last(tmp_path):
    page = """<html><head><title>Ducks &amp; geese</title><script>no()</script></head><body>
      <nav><ul><li>Home</li></ul></nav><h1>Ducks</h1><p>They swim.</p>
      <figure><figcaption>A mallard</figcaption></figure>
      <table><tr><th>Name</th><th>Legs</th></tr><tr><td>Duck</td><td>2</td></tr></table></body></html>"""
    document = parsed(tmp_path / "a.html", page)
    assert document.title == "Ducks & geese"
    assert [e.text for e in document.elements] == [
        "Ducks",
        "They swim.",
        "A mallard",
        "Name | Legs\nDuck | 2",
        "Home",
    ]


def test_markdown_front_matter_is_told_about_the_document_and_is_not_its_text(tmp_path):
    document = parsed(
        tmp_path / "a.md",
        "---\ntitle: Leave\norder: 3\n---\n# Rules\n\nThirty days.\n\n- one\n- two\n",
    )
    assert (document.title, document.metadata) == ("Leave", {"order": 3})
    assert [e.kind for e in document.elements] == ["heading", "text", "list", "list"]


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path):
    document = parsed(files.book(tmp_path / "a.epub"))
    assert [(e.page, e.page_name, e.text) for e in document.elements if e.kind == "text"] == [
        (1, "Snow", "It falls."),
        (2, "Ice", "It is thick."),
    ]
    assert (document.title, document.page_kind) == ("Winter", "part")


def test_rich_text_is_read(tmp_path):
    assert "Grüße aus Köln" in told(
        parsed(tmp_path / "a.rtf", rb"{\rtf1\ansi\ansicpg1252 Gr\'fc\'dfe aus K\'f6ln\par}")
    )


def test_mail_has_its_envelope_body_and_attachments(tmp_path):
    inner = files.letter("Inner letter", "Deep inside.\n")
    message = files.letter(
        "Budget",
        "See the files attached here.\n",
        ("plan.csv", b"a,b\n1,2\n"),
        ("x.exe", b"MZ\0\0\1\2"),
    )
    message.add_attachment(inner)
    document = parsed(tmp_path / "a.eml", bytes(message))
    text = told(document)
    assert document.title == "Budget"
    assert "From: Ada <ada@example.org>" in text
    assert "1 | 2" in text
    assert "Deep inside." in text
    assert (1, "plan.csv") in headings(document)
    assert any("x.exe" in warning for warning in document.warnings)


def test_letters_within_letters_are_followed_only_so_far(tmp_path):
    message = files.letter("Letter 0", "This is letter number 0.\n")
    for n in range(1, 9):
        outer = files.letter(f"Letter {n}", f"This is letter number {n}.\n")
        outer.add_attachment(message)
        message = outer
    document = parsed(tmp_path / "a.eml", bytes(message))
    assert "number 5" in told(document)
    assert "number 1." not in told(document)
    assert document.warnings


def test_an_html_only_mail_is_read(tmp_path):
    message = files.letter("Hi", "x")
    message.set_content("<p>Only <b>markup</b> here.</p>", subtype="html")
    assert "Only markup here." in told(parsed(tmp_path / "a.eml", bytes(message)))


def test_delimited_rows_keep_every_cell(tmp_path):
    document = parsed(tmp_path / "a.csv", 'name;note\nAda;"one; two"\nBob;x;extra\n')
    assert document.elements[0].text == "name | note\nAda | one; two\nBob | x | extra"


def test_plain_text_with_commas_stays_text(tmp_path):
    document = parsed(
        tmp_path / "a.txt", "First, we went home.\nThen, we ate.\n\nLast, we slept.\n"
    )
    assert [e.kind for e in document.elements] == ["text", "text"]


@pytest.mark.parametrize(
    ("text", "encoding", "language"),
    [
        ("本公司员工每年享有十五天带薪年假，请提前两周提出申请。", "gb18030", "zh"),
        ("本公司員工每年享有十五天帶薪年假，請提前兩週提出申請。", "big5", "zh"),
        ("従業員は毎年十五日の有給休暇を取得することができます。", "shift_jis", "ja"),
        ("모든 직원은 매년 십오 일의 유급 휴가를 받을 수 있습니다.", "euc_kr", "ko"),
        ("Каждый сотрудник имеет право на пятнадцать дней отпуска.", "cp1251", "ru"),
        (
            "Die Mitarbeiter haben für die Ferien “fünfzehn” schöne Tage, und das ist nicht zu viel.",
            "cp1252",
            "de",
        ),
        ("本公司员工每年享有十五天带薪年假。", "utf-16", "zh"),
        ("Every employee has fifteen days of leave and that is not too much.", "utf-16-le", "en"),
        ("本公司员工每年享有十五天带薪年假。", "utf-8-sig", "zh"),
        ("年假十五天，请提前申请。", "gb18030", "zh"),
    ],
)
def test_text_in_old_encodings_is_read(tmp_path, text, encoding, language):
    document = parsed(tmp_path / "a.txt", text.encode(encoding))
    assert told(document) == text
    assert document.language == language


@pytest.mark.slow
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_picture_is_read_whichever_way_it_lies(tmp_path, turned):
    text = "The canteen opens at noon\nand closes at two sharp\nNobody eats at home"
    document = parsed(tmp_path / "a.png", files.picture(text, turned), ParseOptions())
    assert "canteen opens at noon and closes at two sharp Nobody eats" in told(document)


@pytest.mark.slow
def test_word_with_nothing_but_a_picture_is_read(tmp_path):
    (tmp_path / "a.png").write_bytes(files.picture("Visitors sign in here"))
    document = docx.Document()
    document.add_picture(str(tmp_path / "a.png"))
    document.save(str(tmp_path / "a.docx"))
    assert "Visitors sign in here" in told(parse(tmp_path / "a.docx", ParseOptions()))
    with pytest.raises(SourceEmpty, match="OCR is off"):
        parse(tmp_path / "a.docx", NO_OCR)


@pytest.mark.slow
def test_a_picture_without_text_is_empty(tmp_path):
    with pytest.raises(SourceEmpty, match="OCR found no text"):
        parsed(tmp_path / "a.png", files.picture(""), ParseOptions())


# --- files that are not accepted ----------------------------------------------------------------


def archive(path: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name.replace("__", "/").replace("_xml", ".xml"), data)
    return path


def test_a_pdf_with_a_password_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(SourceRefused, match="password") as caught:
        parsed(files.pdf(tmp_path / "a.pdf", [("Hello", 12)], password="secret"))
    assert caught.value.remedy


def test_a_pdf_without_text_is_empty_when_ocr_is_off(tmp_path):
    (tmp_path / "a.png").write_bytes(files.picture("Hidden in a picture"))
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawImage(str(tmp_path / "a.png"), 50, 300, 500, 100)
    canvas.save()
    with pytest.raises(SourceEmpty, match="OCR is off"):
        parse(tmp_path / "a.pdf", NO_OCR)


@pytest.mark.parametrize(
    ("name", "content", "error", "told"),
    [
        ("a.pdf", b"%PDF-1.7\ngarbage that goes on", SourceBroken, "PDFium"),
        ("a.pdf", b"", SourceEmpty, "no bytes"),
        ("a.txt", b" \n\n\t", SourceEmpty, "No text"),
        ("a.html", b"<html><body></body></html>", SourceEmpty, "No text"),
        ("a.csv", b",,\n,,\n", SourceEmpty, "No text"),
        ("a.txt", b"%PDF-1.7 really", SourceBroken, "PDFium"),
        ("a.png", b"\x89PNG\r\n\x1a\nbroken", SourceBroken, "picture"),
        ("a.docx", b"PK\x03\x04 cut off", SourceBroken, "zip"),
        ("a.txt", bytes(range(256)) * 20, SourceRefused, "binary"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 cut off", SourceBroken, "container"),
        ("a.exe", b"MZ", SourceRefused, "cannot be read"),
        ("a", bytes(range(256)) * 20, SourceRefused, "binary"),
        ("a.eml", b"no headers here\n\nat all", SourceError, ""),
        ("a.epub", b"PK\x05\x06" + bytes(18), SourceRefused, "epub"),
    ],
)
def test_what_cannot_be_a_document_says_why(tmp_path, name, content, error, told):
    options = ParseOptions(ocr=name.endswith("png"))
    with pytest.raises(error, match=told):
        parsed(tmp_path / name, content, options)


def test_a_container_that_unpacks_to_too_much_is_refused(tmp_path):
    path = archive(tmp_path / "a.docx", word__document_xml=bytes(40_000_000))
    with pytest.raises(SourceRefused, match="times its size"):
        parse(path, NO_OCR)
    with pytest.raises(SourceRefused, match="unpacks to"):
        parse(path, ParseOptions(max_unpacked_mb=30))


def test_a_container_with_too_many_entries_is_refused(tmp_path):
    path = archive(tmp_path / "a.docx", **{f"word__{n}": b"" for n in range(30)})
    with pytest.raises(SourceRefused, match="entries"):
        parse(path, ParseOptions(max_entries=20))


def test_a_file_over_the_size_limit_is_refused_unread(tmp_path):
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(3_000_000)
    with pytest.raises(SourceRefused, match="limit is 2 MB"):
        parse(tmp_path / "a.txt", ParseOptions(max_file_mb=2))


def test_too_many_pages_are_too_costly(tmp_path):
    path = files.pdf(tmp_path / "a.pdf", *[[("x", 9)]] * 5)
    with pytest.raises(SourceTooCostly, match="5 pages"):
        parse(path, ParseOptions(max_pages=4))


def test_encrypted_mail_is_refused(tmp_path):
    head = b"From: a@example.org\nMIME-Version: 1.0\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\n"
    with pytest.raises(SourceRefused, match="encrypted"):
        parsed(tmp_path / "a.eml", head)


def test_a_file_that_is_gone_is_unavailable(tmp_path):
    with pytest.raises(SourceUnavailable):
        parse(tmp_path / "gone.txt", NO_OCR)


def test_an_external_entity_reads_no_file(tmp_path):
    (tmp_path / "secret.txt").write_text("top secret")
    body = f'<!DOCTYPE d [<!ENTITY x SYSTEM "{tmp_path / "secret.txt"}">]><w:document xmlns:w="w"><w:p><w:r><w:t>&x; hi'
    path = archive(
        tmp_path / "a.docx", word__document_xml=(body + "</w:t></w:r></w:p></w:document>").encode()
    )
    with contextlib.suppress(SourceError):
        assert "top secret" not in told(parse(path, NO_OCR))


def test_old_word_files_need_libreoffice_and_say_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    from ingest.partition.context import ParseContext
    from ingest.partition.convert import convert_office_file

    with pytest.raises(SourceRefused, match="LibreOffice") as caught:
        convert_office_file(tmp_path / "a.doc", "doc", ParseContext(NO_OCR, tmp_path))
    assert "libreoffice-writer-nogui" in (caught.value.remedy or "")


# --- what is left out is counted ------------------------------------------------------------------


def test_what_is_left_out_is_counted_by_kind_and_place(tmp_path):
    work = ParseContext(ParseOptions(), tmp_path)
    work.lose("picture", 2, "pictures", "OCR is off")
    work.lose("picture", 1, "pictures", "OCR is off")
    work.lose("part", 0, "sheets")
    assert [describe_loss(loss) for loss in work.losses] == [
        "3 pictures were not read: OCR is off."
    ]


def test_damage_above_a_small_share_fails_the_file(tmp_path):
    work = ParseContext(ParseOptions(), tmp_path)
    work.lose("undecodable", 2, "characters", total=100)
    with pytest.raises(SourceBroken, match="3 of its 100 characters"):
        work.lose("undecodable", 3, "characters", total=100)


def test_hidden_text_is_left_out_or_marked_as_the_options_say(tmp_path):
    omits = ParseContext(ParseOptions(), tmp_path)
    marks = ParseContext(ParseOptions(hidden_text="mark"), tmp_path)
    assert omits.hide("obey me", "white on white") is None
    assert marks.hide("obey me", "white on white") == "[hidden text: obey me]"
    assert [loss.count for loss in (*omits.losses, *marks.losses)] == [2, 2]
