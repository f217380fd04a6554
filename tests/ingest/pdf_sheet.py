"""One page of a PDF to draw on, and the tables that are read of it."""

from collections.abc import Sequence
from pathlib import Path

from reportlab.pdfgen.canvas import Canvas

from ingest.elements import Parsed, ParseOptions, Table
from ingest.partition import parse

Rows = Sequence[Sequence[str]]
FIGURES = (
    ("Mill", "2021", "2022", "2023"),
    ("Brook", "", "14", "15"),
    ("Hill", "23", "", "25"),
    ("Ford", "33", "34", ""),
)
PROSE = (
    "The ropes of the bell are changed every seven years and the",
    "old ones are given to the school for the games that children",
    "play there in the summer when the weather is warm enough.",
)


class Sheet:
    """One page to draw on, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.pdf"
        self.canvas = Canvas(str(self.path), pagesize=(595, 842))
        self.canvas.setFont("Helvetica", 10)

    def words(self, *lines: str, y: float, x: float = 60, size: float = 10) -> None:
        self.canvas.setFont("Helvetica", size)
        for number, line in enumerate(lines):
            self.canvas.drawString(x, y - 13 * number, line)
        self.canvas.setFont("Helvetica", 10)

    def grid(self, rows: Rows, *, x: float = 60, y: float = 700, dx: float = 100, dy: float = 18,
             flush_right: bool = False) -> None:  # fmt: skip
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                if flush_right and column:
                    self.canvas.drawRightString(x + dx * column + 60, y - dy * number, text)
                elif text:
                    self.canvas.drawString(x + dx * column, y - dy * number, text)

    def rules(self, rows: int, columns: int, *, x: float = 55, y: float = 713, dx: float = 100,
              dy: float = 18) -> None:  # fmt: skip
        for number in range(rows + 1):
            self.canvas.line(x, y - dy * number, x + dx * columns, y - dy * number)
        for number in range(columns + 1):
            self.canvas.line(x + dx * number, y, x + dx * number, y - dy * rows)

    def next_page(self) -> None:
        self.canvas.showPage()
        self.canvas.setFont("Helvetica", 10)

    def read(self) -> Parsed:
        self.canvas.save()
        return parse(self.path, ParseOptions(ocr=False))


def tables(document: Parsed) -> list[Table]:
    return [element.table for element in document.elements if element.table is not None]


def text_beside(document: Parsed) -> str:
    return "\n".join(element.text for element in document.elements if element.kind != "table")
