"""Runs of paragraphs in rich text: letters to paragraphs and tables."""

from dataclasses import dataclass, field

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.notation import lowered, raised
from ingest.partition.rtf.tables import RtfTable

MAX_HEADING_CHARS = 500


@dataclass(slots=True)
class RtfFlow:
    """A run of paragraphs: the body, a note, a header."""

    work: ParseContext
    kind: str = "body"
    depth: int = 0  # of the group that it is the text of
    elements: list[Element] = field(default_factory=list)
    notes: list["RtfFlow"] = field(default_factory=list)  # of the paragraph that is open
    level: int = 0  # of a heading; 0: it is none
    in_list: bool = False
    in_table: bool = False
    shaded: bool = False  # the paragraph has a ground of its own
    table: RtfTable = field(default_factory=RtfTable)
    _parts: list[str] = field(default_factory=list)
    _unseen: list[str] = field(default_factory=list)
    _why: str = ""

    def write(self, text: str, why: str, shift: str) -> None:
        """why: no reader sees the text; "" if one does. shift: "super" or "sub" or nothing."""
        if why:
            if why != self._why:
                self._end_unseen()
            self._why = why
            self._unseen.append(text)
            return
        if self._unseen and not text.isspace():
            self._end_unseen()
        if shift and text.strip():
            before = next((part[-1:] for part in reversed(self._parts) if part), "")
            text = (raised if shift == "super" else lowered)(before, text)
        self._parts.append(text)

    def _end_unseen(self) -> None:
        text, why = "".join(self._unseen), self._why
        self._unseen, self._why = [], ""
        if kept := self.work.hide(" ".join(text.split()), why):
            self._parts.append(f" {kept} ")

    def begin_paragraph(self) -> None:
        """Takes back what was said of the paragraphs before."""
        self.level, self.in_list, self.in_table, self.shaded = 0, False, False, False

    def end_line(self) -> None:
        """Ends a paragraph, or a line in a cell of a table."""
        if self.in_table:
            self.move_to_table()
            self.table.add("\v")
        else:
            self.end_paragraph()

    def end_paragraph(self) -> None:
        if self._unseen:
            self._end_unseen()
        text = whole("".join(self._parts)).strip()
        self._parts = []
        if text or self.notes:
            self.end_table()
        if text:
            self.elements.append(_element(text, self.level, self.in_list))
        notes, self.notes = self.notes, []
        for note in notes:
            self.elements += note.elements

    def begin_row_text(self) -> None:
        if not self.in_table and self._parts and not self.table.has_rows:
            self.end_paragraph()
        self.in_table = True

    def move_to_table(self) -> None:
        if self._unseen:
            self._end_unseen()
        self.table.add("".join(self._parts))
        self._parts = []

    def end_table(self) -> None:
        table, self.table = self.table, RtfTable()
        if (element := table.element()) is not None:
            self.elements.append(element)

    def end(self) -> None:
        """Ends what a cut file left open."""
        if self.in_table:
            self.move_to_table()
            self.table.end_row()
        self.end_paragraph()
        self.end_table()


def _element(text: str, level: int, in_list: bool) -> Element:
    if level and len(text) < MAX_HEADING_CHARS:
        return Element(kind="heading", text=" ".join(text.split()), level=level)
    return Element(kind="list" if in_list else "text", text=text)


def whole(text: str) -> str:
    """Surrogate pairs put together, line ends of lines within a paragraph kept."""
    text = text.replace("\v", "\n")
    if any("\ud800" <= char <= "\udfff" for char in text):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
