"""What is read on a PDF page, what is left out, and what is told of that."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest.elements import Element, Parsed, ParseOptions
from ingest.partition import ocr, parse
from ingest.partition.lines import join_lines
from ingest.partition.pdf.words import needless_breaks
from ingest.partition.titles import choose_title, is_title

NO_OCR = ParseOptions(ocr=False)


def canvas_at(path: Path, **about: str) -> Canvas:
    canvas = Canvas(str(path / "a.pdf"), pagesize=(595, 842))
    if "title" in about:
        canvas.setTitle(about["title"])
    canvas.setFont("Helvetica", 11)
    return canvas


def read(path: Path, options: ParseOptions = NO_OCR) -> Parsed:
    return parse(path / "a.pdf", options)


def text_of(document: Parsed) -> str:
    return "\n".join(element.text for element in document.elements)


def losses(document: Parsed) -> dict[str, int]:
    return {loss.kind: loss.count for loss in document.losses}


def write(canvas: Canvas, lines: list[str], y: float, x: float = 60, size: float = 11) -> None:
    canvas.setFont("Helvetica", size)
    for number, line in enumerate(lines):
        canvas.drawString(x, y - 1.3 * size * number, line)


BODY = [
    "Some words stand here that fill",
    "a page of a book, and more of",
    "them follow on this line.",
]


# --- running lines --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["Invoice no. {n}", "Article {n}", "Total due: {n}.50 crowns", "Week {n}", "{n} of 900 boards"],
)
def test_a_line_that_carries_a_number_of_its_own_is_no_running_line(tmp_path, line):
    canvas = canvas_at(tmp_path)
    for number in range(6):
        write(canvas, [line.format(n=number + 40)], y=800)
        write(canvas, BODY, y=700)
        canvas.showPage()
    canvas.save()
    text = text_of(read(tmp_path))
    assert all(line.format(n=number + 40) in text for number in range(6))


@pytest.mark.parametrize("shown", ["{n}", "Page {n} of 6", "- {n} -", "Seite {n}", "第 {n} 页"])
def test_page_numbers_and_repeated_lines_stand_once_and_are_counted(tmp_path, shown):
    if "第" in shown:
        pytest.importorskip("reportlab.pdfbase.cidfonts")
    canvas = canvas_at(tmp_path)
    for number in range(6):
        write(canvas, ["Handbook of the quay, fourth edition"], y=800, size=9)
        write(canvas, [f"{line} {number}" for line in BODY], y=700)
        write(canvas, [shown.format(n=number + 1).replace("第", "p.").replace("页", "")], y=30)
        canvas.showPage()
    canvas.save()
    document = read(tmp_path)
    assert text_of(document).count("Handbook of the quay") == 1
    assert losses(document)["repeated"] == 10


# --- hidden text ----------------------------------------------------------------------------------


def white_on_white(canvas: Canvas) -> None:
    canvas.setFillGray(1)
    write(canvas, ["secret words"], y=600)


def beside_the_page(canvas: Canvas) -> None:
    write(canvas, ["secret words"], y=600, x=-400)


def too_small(canvas: Canvas) -> None:
    write(canvas, ["secret words"], y=600, size=0.5)


def in_no_colour(canvas: Canvas) -> None:
    line = canvas.beginText(60, 600)
    line.setTextRenderMode(3)
    line.textLine("secret words")
    canvas.drawText(line)


def under_a_white_box(canvas: Canvas) -> None:
    write(canvas, ["secret words"], y=600)
    canvas.setFillGray(1)
    canvas.rect(50, 590, 200, 25, fill=1, stroke=0)


def red_on_red(canvas: Canvas) -> None:
    canvas.setFillColorRGB(0.8, 0, 0)
    canvas.rect(50, 590, 200, 25, fill=1, stroke=0)
    write(canvas, ["secret words"], y=600)


def outside_a_clip_path(canvas: Canvas) -> None:
    canvas.saveState()
    path = canvas.beginPath()
    path.rect(0, 0, 40, 40)
    canvas.clipPath(path, stroke=0)
    write(canvas, ["secret words"], y=600)
    canvas.restoreState()


def outside_the_clip_path_of_a_form(canvas: Canvas) -> None:
    canvas.beginForm("part", 0, 0, 595, 842)
    write(canvas, ["secret words"], y=600)
    canvas.endForm()
    canvas.saveState()
    path = canvas.beginPath()
    path.rect(0, 0, 595, 500)
    canvas.clipPath(path, stroke=0)
    canvas.doForm("part")
    canvas.restoreState()


def nearly_transparent(canvas: Canvas) -> None:
    canvas.setFillAlpha(0.02)
    write(canvas, ["secret words"], y=600)


def in_a_nearly_transparent_form(canvas: Canvas) -> None:
    canvas.beginForm("part", 0, 0, 595, 842)
    write(canvas, ["secret words"], y=600)
    canvas.endForm()
    canvas.setFillAlpha(0.02)
    canvas.doForm("part")


@pytest.mark.parametrize(
    "hide",
    [
        white_on_white,
        beside_the_page,
        too_small,
        in_no_colour,
        under_a_white_box,
        red_on_red,
        outside_a_clip_path,
        outside_the_clip_path_of_a_form,
        nearly_transparent,
        in_a_nearly_transparent_form,
    ],
)
def test_text_that_no_reader_sees_is_left_out_and_counted_or_marked(tmp_path, hide):
    canvas = canvas_at(tmp_path)
    write(canvas, BODY, y=700)
    hide(canvas)
    canvas.save()
    document = read(tmp_path)
    assert "secret" not in text_of(document)
    assert losses(document) == {"hidden": 2}
    marked = text_of(read(tmp_path, ParseOptions(ocr=False, hidden_text="mark")))
    assert "[hidden text: secret words]" in marked


def write_layers(path: Path, layers: str) -> None:
    """A page with the layer "Plan" around one line. layers: what the catalog says of it."""
    content = (
        "BT /F 11 Tf 1 0 0 1 60 700 Tm (Open words of the quay) Tj ET "
        "/OC /P BDC BT /F 11 Tf 1 0 0 1 60 600 Tm (secret words) Tj ET EMC"
    )
    objects = [
        f"<</Type/Catalog/Pages 2 0 R/OCProperties<</OCGs[6 0 R]/D<<{layers}>>>>>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        "/Resources<</Font<</F 5 0 R>>/Properties<</P 6 0 R>>>>>>",
        f"<</Length {len(content)}>>stream\n{content}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        "<</Type/OCG/Name(Plan)>>",
    ]
    body = "\n".join(f"{n} 0 obj {each} endobj" for n, each in enumerate(objects, start=1))
    path.write_bytes(
        f"%PDF-1.5\n{body}\ntrailer<</Root 1 0 R/Size 7>>\nstartxref\n0\n%%EOF".encode()
    )


@pytest.mark.parametrize("layers", ["/OFF[6 0 R]", "/BaseState/OFF"])
def test_a_layer_that_is_off_is_hidden_text(tmp_path, layers):
    write_layers(tmp_path / "a.pdf", layers)
    document = read(tmp_path)
    assert text_of(document) == "Open words of the quay"
    assert losses(document) == {"hidden": 2}


@pytest.mark.parametrize("layers", ["", "/ON[6 0 R]", "/BaseState/OFF/ON[6 0 R]"])
def test_a_layer_that_is_on_is_read(tmp_path, layers):
    write_layers(tmp_path / "a.pdf", layers)
    assert "secret words" in text_of(read(tmp_path))
    assert not losses(read(tmp_path))


def test_letters_as_faint_as_a_watermark_are_seen(tmp_path):
    canvas = canvas_at(tmp_path)
    canvas.setFillAlpha(0.1)
    write(canvas, ["Draft of the third day"], y=600)
    canvas.save()
    assert "Draft of the third day" in text_of(read(tmp_path))


def test_light_letters_on_dark_ground_are_seen(tmp_path):
    canvas = canvas_at(tmp_path)
    canvas.roundRect(50, 590, 400, 25, 6, fill=1)
    canvas.setFillGray(1)
    write(canvas, ["Gate B is the way in"], y=600)
    canvas.save()
    document = read(tmp_path)
    assert "Gate B is the way in" in text_of(document)
    assert not document.losses


# --- scans ----------------------------------------------------------------------------------------


def picture(lines: list[str], size: tuple[int, int] = (900, 300)) -> Image.Image:
    made = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(made)
    for number, line in enumerate(lines):
        draw.text((40, 40 + 90 * number), line, fill="black", font_size=56)
    return made


def test_letters_behind_a_scan_are_its_text(tmp_path):
    canvas = canvas_at(tmp_path)
    canvas.drawImage(ImageReader(picture(["Notice"])), 0, 0, 595, 842)
    line = canvas.beginText(60, 600)
    line.setTextRenderMode(3)
    line.textLine("Notice of the keeper of the lock and the weir")
    canvas.drawText(line)
    canvas.save()
    document = read(tmp_path)
    assert "Notice of the keeper" in text_of(document)
    assert not document.losses


@pytest.mark.slow
def test_a_scan_with_a_stamp_is_read_and_the_stamp_is_kept_once(tmp_path):
    canvas = canvas_at(tmp_path)
    canvas.drawImage(ImageReader(picture(["The gate is shut"], (1240, 1754))), 0, 0, 595, 842)
    write(canvas, ["EXHIBIT 0004711 RECEIVED 2 MAY 2024"], y=15, size=8)
    canvas.save()
    text = text_of(read(tmp_path, ParseOptions())).replace(" ", "")
    assert "Thegateisshut" in text
    assert text.count("0004711") == 1


def test_a_picture_of_text_is_counted_when_ocr_is_off(tmp_path):
    canvas = canvas_at(tmp_path)
    write(canvas, BODY, y=800)
    canvas.drawImage(ImageReader(picture(["The gate is shut"])), 40, 200, 515, 330)
    canvas.save()
    assert losses(read(tmp_path)) == {"picture": 1}


def test_photographs_do_not_look_like_text():
    ramp = Image.linear_gradient("L").resize((600, 400)).convert("RGB")
    assert not ocr.looks_like_text(ocr.to_pixels(ramp))
    assert ocr.looks_like_text(ocr.to_pixels(picture(["Monday: paint", "the fence"])))


# --- lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["the equip-", "ment"], "the equipment"),
        (["a well-known part-", "ner"], "a well-known partner"),
        (["form KD-", "5820 from"], "form KD-5820 from"),
        (["on shelf R\x02", "17 of"], "on shelf R-17 of"),
        (["Jean-", "Paul"], "Jean-Paul"),
        (["the B2B-", "market"], "the B2B-market"),
        (["long-", "and short-term"], "long- and short-term"),
        (
            ["see http://a.example/pump-", "guide/x.html now"],
            "see http://a.example/pump-guide/x.html now",
        ),
        (["see https://a.example/", "guide.html now"], "see https://a.example/guide.html now"),
        (["soft\u00ad", "ware"], "software"),
        (["ends with KD\x02"], "ends with KD-"),
        (["中文的", "行"], "中文的行"),
    ],
)
def test_a_hyphen_at_a_line_end_joins_words_and_never_names(lines, joined):
    assert join_lines(lines) == joined


@pytest.mark.parametrize(
    ("before", "script", "shift", "shown"),
    [
        ("It holds 10", "6", 5, "10^6"),
        ("on the 2", "nd", 5, "2nd"),
        ("a tank of H", "2", -3, "H2"),
        ("as was shown", "51", 5, "shown51"),
        ("an area of 4 km", "2", 5, "km^2"),
        ("times x", "−3", 5, "x^−3"),
    ],
)
def test_raised_letters_keep_their_meaning(tmp_path, before, script, shift, shown):
    canvas = canvas_at(tmp_path)
    write(canvas, [before], y=700)
    at = 60 + canvas.stringWidth(before, "Helvetica", 11)
    write(canvas, [script.replace("−", "-")], x=at, y=700 + shift, size=7)
    write(canvas, ["and more words."], x=at + 14, y=700)
    canvas.save()
    assert f"{shown.replace('−', '-')} and more words." in text_of(read(tmp_path))


@pytest.mark.parametrize("size", [6.75, 7.5, 8.25, 9.0, 9.75, 12.0])
def test_raised_letters_of_browsers_are_five_sixths_of_the_text(tmp_path, size):
    canvas = canvas_at(tmp_path)
    write(canvas, ["It holds 10"], y=700, size=size)
    at = 60.1 + canvas.stringWidth("It holds 10", "Helvetica", size)
    write(canvas, ["6"], x=at, y=700 + 0.42 * size, size=size * 5 / 6)
    write(canvas, [" tons and more words."], x=at + 0.47 * size, y=700, size=size)
    canvas.save()
    assert "It holds 10^6 tons and more words." in text_of(read(tmp_path))


@pytest.mark.parametrize("rise", [2.5, 3.5, 4.5])
def test_marks_of_notes_drawn_after_a_table_stand_at_their_cells(tmp_path, rise):
    canvas = canvas_at(tmp_path)
    rows = [("Year", "Visitors"), ("2021", "4,120"), ("2022", "5,310"), ("2023", "6,044")]
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            write(canvas, [text], x=60 + 110 * column, y=740 - 18 * number, size=10)
    for mark, number, x, text in [("a", 3, 60, "2023"), ("2", 0, 170, "Visitors")]:
        at = x + 0.5 + canvas.stringWidth(text, "Helvetica", 10)
        write(canvas, [mark], x=at, y=740 - 18 * number + rise, size=6.5)
    canvas.save()
    table = next(element.table for element in read(tmp_path).elements if element.table)
    assert [tuple(row) for row in table.rows] == [
        ("Year", "Visitors2"),
        *rows[1:3],
        ("2023a", "6,044"),
    ]


def breaks_in(letters: list[tuple[str, float, float]], size: float = 10) -> list[int]:
    """Places of the line ends that are needless. letters: (letter, left, top), 6 points wide; a line
    end has no breadth.
    """
    codes = np.array([ord(letter) for letter, _, _ in letters])
    sides = np.array(
        [
            (left, top, left + 6 * (letter > " "), top + size * (letter > " "))
            for letter, left, top in letters
        ]
    ).T
    return np.flatnonzero(needless_breaks(codes, sides)).tolist()


END = [("\r", 90, 100), ("\n", 90, 100)]


def test_a_line_end_within_a_word_is_none():
    assert breaks_in([("W", 60, 100), *END, ("r", 65.6, 100), ("e", 72, 100)]) == [1, 2]
    assert breaks_in([("m", 60, 100), *END, (".", 66.4, 102)]) == [1, 2]


@pytest.mark.parametrize(
    ("left", "top"), [(68.0, 100.0), (60.0, 112.0), (66.0, 112.0), (20.0, 100.0), (66.0, 106.0)]
)
def test_a_line_end_before_another_word_or_line_stays(left, top):
    assert breaks_in([("W", 60, 100), *END, ("r", left, top), ("e", left + 6, top)]) == []


def test_columns_that_the_file_mixes_line_by_line_are_read_one_after_the_other(tmp_path):
    left = [
        "The first column tells of the",
        "cranes at the quay, which may",
        "not lift more than forty in a",
        "storm, whatever anybody says.",
    ]
    right = [
        "The second column is about the",
        "tugs in the harbour, which are",
        "not let out after eight in the",
        "evening without a good pilot.",
    ]
    canvas = canvas_at(tmp_path)
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        canvas.drawString(60, 700 - 14 * number, one)
        canvas.drawString(320, 700 - 14 * number, other)
    canvas.save()
    text = text_of(read(tmp_path))
    assert " ".join(left) in text
    assert " ".join(right) in text


def test_a_page_that_lies_on_its_side_is_read_upright(tmp_path):
    canvas = canvas_at(tmp_path)
    canvas.rotate(90)
    for number, row in enumerate(
        [("Mill", "2021", "2022"), ("Brook", "14", "15"), ("Hill", "23", "24")]
    ):
        for column, cell in enumerate(row):
            canvas.drawString(80 + 90 * column, -100 - 18 * number, cell)
    canvas.save()
    table = next(element.table for element in read(tmp_path).elements if element.table)
    assert table.rows == (("Mill", "2021", "2022"), ("Brook", "14", "15"), ("Hill", "23", "24"))


# --- page names, forms ----------------------------------------------------------------------------


def test_printed_page_numbers_are_the_names_of_pages(tmp_path):
    canvas = canvas_at(tmp_path)
    canvas.addPageLabel(0, style="ROMAN_LOWER", start=1)
    canvas.addPageLabel(2, style="ARABIC", start=1)
    for number in range(4):
        write(canvas, [f"Words of sheet {number}"], y=700)
        canvas.showPage()
    canvas.save()
    assert [(e.page, e.page_name) for e in read(tmp_path).elements] == [
        (1, "i"),
        (2, "ii"),
        (3, "1"),
        (4, "2"),
    ]


def test_a_form_is_read_by_the_names_of_its_fields(tmp_path):
    canvas = canvas_at(tmp_path)
    form = canvas.acroForm
    form.textfield(name="Applicant", value="Ada", x=100, y=700)
    form.textfield(name="Empty", value="", x=100, y=660)
    form.checkbox(name="Married", checked=True, x=100, y=620)
    form.checkbox(name="Retired", checked=False, x=100, y=580)
    form.radio(name="Payment", value="cash", selected=True, x=100, y=540)
    form.radio(name="Payment", value="card", selected=False, x=140, y=540)
    form.choice(name="Berth", value="North", options=["North", "South"], x=100, y=500)
    canvas.save()
    assert [element.text for element in read(tmp_path).elements] == [
        "Applicant: Ada",
        "Married: yes",
        "Retired: no",
        "Payment: cash",
        "Berth: North",
    ]


# --- titles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "untitled", "Document1", "0009999999-24-001234", "Microsoft Word - Draft7.docx", "report.indd",
        "PowerPoint Presentation", "10-K", "Form 8-K", "annual_report_final_v2", "C:\\docs\\a.doc",
        "20240301", "d41d8cd98f00b204e9800998ecf8427e", "PowerPoint-Präsentation", "Untitled-3",
    ],
)  # fmt: skip
def test_what_programs_and_storages_leave_behind_is_no_title(name):
    assert not is_title(name)


@pytest.mark.parametrize(
    "name",
    [
        "Harvest rules 2025", "10-year plan of the brickyard", "Handbook", "1984", "年度报告",
        "Word order in German", "Excel for beginners", "Report on the state of the river",
    ],
)  # fmt: skip
def test_what_a_person_wrote_is_a_title(name):
    assert is_title(name) or name == "1984"


def test_the_largest_heading_of_the_first_page_names_a_file_that_does_not_name_itself():
    elements = [
        Element(kind="text", text="Confidential", page=1),
        Element(kind="heading", text="Lime works", level=2, page=1),
        Element(kind="heading", text="Annual report", level=1, page=1),
        Element(kind="heading", text="Outlook", level=1, page=2),
    ]
    assert choose_title("untitled", elements) == "Annual report"
    assert choose_title("Good years", elements) == "Good years"
    assert choose_title(None, elements[:1]) is None
