"""Writes the binary examples: PDF, DOCX, PPTX and XLSX. The same bytes every time.

    python -m tools.examples_make [FOLDER]

The examples in text formats are written by hand and lie beside them.
"""

import io
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

import docx
import pptx
import xlsxwriter
import yaml
from pptx.util import Inches
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

TEXT = Path(__file__).with_name("examples.yaml")
FOLDER = Path(__file__).resolve().parent.parent / "examples" / "documents"
WRITTEN_AT = datetime(2031, 1, 6, 9, 0, tzinfo=UTC).replace(tzinfo=None)
ZIP_TIME = (2031, 1, 6, 9, 0, 0)
COMPANY = "Larkmoor Instruments"
CHINESE_FONT = "STSong-Light"  # known to every PDF reader by name, so that no font file is needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    title: str
    language: str = "en"
    note: str = ""  # a subtitle
    pages: tuple[Mapping[str, list[str]], ...] = ()  # paragraphs by heading
    tables: Mapping[str, list[list[str | int | float]]] = field(default_factory=dict)

    def sections(self) -> Iterator[tuple[str, list[str]]]:
        return (section for page in self.pages for section in page.items())


def main(folder: Path = FOLDER) -> list[Path]:
    """The files that were written."""
    written = []
    for name, values in yaml.safe_load(TEXT.read_text(encoding="utf-8")).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MAKERS[path.suffix](Content(**values)))
        written.append(path)
    return written


def pdf(content: Content) -> bytes:
    """One page per item of `pages`; headings are larger, as in any printed paper."""
    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE_FONT))
    chinese = content.language == "zh"
    plain, bold = (CHINESE_FONT, CHINESE_FONT) if chinese else ("Times-Roman", "Times-Bold")
    wrap = "CJK" if chinese else None
    styles = {
        "title": ParagraphStyle(
            "title", fontName=bold, fontSize=20, leading=28, spaceAfter=14, wordWrap=wrap
        ),
        "heading": ParagraphStyle(
            "heading", fontName=bold, fontSize=14, leading=20, spaceBefore=10, spaceAfter=6
        ),
        "text": ParagraphStyle(
            "text", fontName=plain, fontSize=11, leading=16, spaceAfter=8, wordWrap=wrap
        ),
    }
    story: list[object] = [Paragraph(content.title, styles["title"])]
    for number, page in enumerate(content.pages):
        if number:
            story.append(PageBreak())
        for heading, paragraphs in page.items():
            story.append(Paragraph(escape(heading), styles["heading"]))
            story.extend(Paragraph(escape(paragraph), styles["text"]) for paragraph in paragraphs)
    out = io.BytesIO()
    SimpleDocTemplate(
        out, pagesize=A4, title=content.title, author=COMPANY, lang=content.language, invariant=1
    ).build(story)
    return out.getvalue()


def word(content: Content) -> bytes:
    document = docx.Document()
    document.core_properties.title = content.title
    document.core_properties.author = COMPANY
    document.core_properties.created = document.core_properties.modified = WRITTEN_AT
    document.add_heading(content.title, 0)
    for heading, paragraphs in content.sections():
        document.add_heading(heading, 1)
        for paragraph in paragraphs:
            document.add_paragraph(paragraph)
    for rows in content.tables.values():
        table = document.add_table(rows=0, cols=len(rows[0]))
        table.style = "Table Grid"
        for row in rows:
            for cell, value in zip(table.add_row().cells, row, strict=True):
                cell.text = str(value)
    out = io.BytesIO()
    document.save(out)
    return _without_clock(out.getvalue())


def slides(content: Content) -> bytes:
    """One slide per item of `pages`, its paragraphs as bullets; the tables on a slide of their own."""
    deck = pptx.Presentation()
    deck.core_properties.title = content.title
    deck.core_properties.author = COMPANY
    deck.core_properties.created = deck.core_properties.modified = WRITTEN_AT
    cover = deck.slides.add_slide(deck.slide_layouts[0])
    cover.shapes.title.text = content.title
    cover.placeholders[1].text = content.note
    for heading, paragraphs in content.sections():
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = heading
        slide.placeholders[1].text = "\n".join(paragraphs)
    for name, rows in content.tables.items():
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = name
        shape = slide.shapes.add_table(
            len(rows), len(rows[0]), Inches(1), Inches(2), Inches(8), Inches(3)
        )
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                shape.table.cell(i, j).text = str(value)
    out = io.BytesIO()
    deck.save(out)
    return _without_clock(out.getvalue())


def workbook(content: Content) -> bytes:
    """One sheet per table, with a bold first row."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"title": content.title, "author": COMPANY, "created": WRITTEN_AT})
    bold = book.add_format({"bold": True})
    for name, rows in content.tables.items():
        sheet = book.add_worksheet(name)
        sheet.set_column(0, len(rows[0]) - 1, 22)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row, bold if number == 0 else None)
    book.close()
    return out.getvalue()


def _without_clock(archive: bytes) -> bytes:
    """The same archive with one fixed time in all its entries."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            plain = zipfile.ZipInfo(entry.filename, ZIP_TIME)
            plain.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(plain, source.read(entry))
    return out.getvalue()


MAKERS: dict[str, Callable[[Content], bytes]] = {
    ".pdf": pdf,
    ".docx": word,
    ".pptx": slides,
    ".xlsx": workbook,
}

if __name__ == "__main__":
    for made in main(*map(Path, sys.argv[1:2])):
        print(made)
