"""Small files of every format, made on the spot."""

import io
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
from PIL import Image, ImageDraw, ImageFont
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas


def pdf(
    path: Path, *pages: list[tuple[str, int]], password: str | None = None, owner: str | None = None
) -> Path:
    """Pages of (line, size), top to bottom, with a line's height between lines."""
    lock = (
        StandardEncryption(password or "", owner or password, canPrint=0)
        if password or owner
        else None
    )
    canvas = Canvas(str(path), encrypt=lock)
    for lines in pages:
        y = 800.0
        for line, size in lines:
            y -= 1.2 * size
            canvas.setFont("Helvetica", size)
            canvas.drawString(60, y, line)
        canvas.showPage()
    canvas.save()
    return path


def word(path: Path) -> Path:
    document = docx.Document()
    document.core_properties.title = "Staff rules"
    document.add_heading("Leave", 1)
    document.add_paragraph("Everybody has thirty days.")
    document.add_heading("Sick leave", 2)
    document.add_paragraph("Call before nine.", style="List Bullet")
    grid = document.add_table(2, 2)
    for cell, text in zip(grid._cells, ["Name", "Days", "Ada", "30"], strict=True):
        cell.text = text
    document.add_comment(document.paragraphs[1].runs, "Is this still right?", author="Ada")
    document.save(str(path))
    return path


def slides(path: Path) -> Path:
    deck = pptx.Presentation()
    for title in ("First slide", "Second slide"):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = title
    slide.notes_slide.notes_text_frame.text = "Speak slowly."
    data = CategoryChartData()
    data.categories = ["Spring", "Autumn"]
    data.add_series("Ducks", (17.5, 42.25))
    slide.shapes.add_chart(XL_CHART_TYPE.PIE, Inches(1), Inches(2), Inches(4), Inches(3), data)
    deck.save(str(path))
    return path


def sheets(path: Path) -> Path:
    book = openpyxl.Workbook()
    book.active.title = "Budget"
    for row in (["Item", "Cost"], ["Chair", 120], ["Desk", 340]):
        book.active.append(row)
    book.active["B2"].comment = openpyxl.comments.Comment("Too dear", "Ada")
    other = book.create_sheet("Travel")
    other.append(["City", "Nights"])
    other.append(["Kyoto", 3])
    book.save(str(path))
    return path


def strict(path: Path, source: Path) -> Path:
    """The same file in the strict form of the format."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            for area in (b"spreadsheetml", b"officeDocument", b"drawingml"):
                data = data.replace(
                    b"http://schemas.openxmlformats.org/" + area + b"/2006/",
                    b"http://purl.oclc.org/ooxml/" + area + b"/",
                )
            new.writestr(name, data)
    return path


def book(path: Path) -> Path:
    page = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>{1}</p></body></html>"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="O/p.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "O/p.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            "<dc:title>Winter</dc:title></metadata><manifest>"
            '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="a" href="a%20a.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        )
        archive.writestr("O/a a.xhtml", page.format("Snow", "It falls."))
        archive.writestr("O/b.xhtml", page.format("Ice", "It is thick."))
    return path


def letter(subject: str, body: str, *attached: tuple[str, bytes]) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = (
        subject,
        "Ada <ada@example.org>",
        "Bob <bob@example.org>",
    )
    message.set_content(body)
    for name, data in attached:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message


def picture(text: str, turned: int = 0) -> bytes:
    """A PNG with the lines of a text, turned by so many degrees."""
    image = Image.new("RGB", (900, 80 + 60 * len(text.split("\n"))), "white")
    ImageDraw.Draw(image).text((40, 40), text, "black", ImageFont.load_default(40), spacing=18)
    out = io.BytesIO()
    image.rotate(turned, expand=True, fillcolor="white").save(out, "PNG")
    return out.getvalue()
