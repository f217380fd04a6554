"""Running text of a page to elements: what `page_reader` hands over piece by piece."""

import re
from dataclasses import dataclass, field

from indexes.text.scripts import NO_SPACE_AT_LINE_END
from ingest.elements import Element, ElementKind, Table
from ingest.partition.context import ParseContext
from ingest.partition.tables import element_of, inline_table

BREAK = "\v"  # a line end that the page shows
_SPACE = re.compile(r"[ \t\r\n\f\xa0]+")
_LINES_OF_CJK = re.compile(
    f"(?<=[{NO_SPACE_AT_LINE_END}])[ \t\r]*\n[ \t\r\n]*(?=[{NO_SPACE_AT_LINE_END}])"
)


@dataclass(slots=True)
class PageWriter:
    """Collects text until a block ends, then makes an element of it."""

    work: ParseContext
    content: list[Element] = field(default_factory=list)
    menus: list[Element] = field(default_factory=list)
    kept_lines: int = 0  # so many elements around that keep their white space
    in_menu: int = 0
    heading: int = 0  # level of the heading that is open
    prefixes: list[str] = field(default_factory=list)  # of open list items: their numbers
    _parts: list[str] = field(default_factory=list)
    _unseen: list[str] = field(default_factory=list)
    _why: str = ""

    @property
    def last(self) -> str:
        """The last character so far in the block; empty at its beginning."""
        return self._parts[-1][-1:] if self._parts else ""

    def add(self, text: str, hidden: str = "") -> None:
        """Text as it stands in the page; `hidden` says why no reader sees it."""
        text = text.replace("\xad", "").replace("\v", " ")
        if not text:
            return
        if hidden:
            if hidden != self._why:
                self._end_unseen()
            self._why = hidden
            self._unseen.append(text)
            return
        if self._unseen and not text.isspace():
            self._end_unseen()
        self._parts.append(text.replace("\n", BREAK) if self.kept_lines else text)

    def add_break(self) -> None:
        self._parts.append(BREAK)

    def _end_unseen(self) -> None:
        text, why = _SPACE.sub(" ", "".join(self._unseen)).strip(), self._why
        self._unseen, self._why = [], ""
        kept = self.work.hide(text, why)
        if kept:
            self._parts.append(f" {kept} ")

    def end_block(self) -> None:
        """Makes an element, or several where the page has empty lines, of what was collected."""
        if self._unseen:
            self._end_unseen()
        text = "".join(self._parts)
        self._parts = []
        if not text or text.isspace():
            return
        if self.kept_lines:
            self._store("code", text.replace(BREAK, "\n").strip("\n").rstrip())
            return
        lines = [_SPACE.sub(" ", line).strip() for line in _LINES_OF_CJK.sub("", text).split(BREAK)]
        for paragraph in re.split(r"\n{2,}", "\n".join(lines).strip("\n")):
            if paragraph:
                self._store("list" if self.prefixes else "text", paragraph)

    def _store(self, kind: ElementKind, text: str) -> None:
        if self.heading:
            self._place(Element(kind="heading", text=" ".join(text.split()), level=self.heading))
            return
        if self.prefixes and self.prefixes[-1]:
            text, self.prefixes[-1] = self.prefixes[-1] + text, ""
        self._place(Element(kind=kind, text=text))

    def add_table(self, table: Table) -> None:
        self.end_block()
        self._place(element_of(table))

    def _place(self, element: Element) -> None:
        (self.menus if self.in_menu else self.content).append(element)

    def plain(self) -> str:
        """What was collected so far as one line of text, instead of elements."""
        self.end_block()
        text = " ".join(
            inline_table(element.table) if element.table else element.text
            for element in (*self.content, *self.menus)
        )
        self.content, self.menus = [], []
        return text
