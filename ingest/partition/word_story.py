"""One stream of Word markup, read once and in its order: a body, a header, the notes, the comments.

Fields, content controls, smart tags, insertions and formulas stand where they stand in the
sentence; what is deleted, or was moved from here, does not. Nothing here recurs, and finished
markup goes from memory at once, whatever the size of the part.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from lxml import etree

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.grids import Placed, cell_text, spread, table_elements
from ingest.partition.notation import lowered, raised
from ingest.partition.omml import linear_text
from ingest.partition.ooxml import Package, child, is_on, local, number_of, release, value_of
from ingest.partition.word_styles import Numbering, Style, Styles, symbol

TAGS = (
    "p", "pPr", "r", "oMath", "rt", "rubyBase", "ruby", "tbl", "tblPr", "tr", "trPr", "tc", "tcPr", "txbxContent",
    "AlternateContent", "Choice", "Fallback", "del", "moveFrom", "footnote", "endnote", "comment", "altChunk",
)  # fmt: skip
MAX_BLOCKS = 1_000_000  # paragraphs and cells of one part, empty ones too
TINY = 2  # half points: letters that nobody can read
WHITE = "FFFFFF"
DELETED, VANISHED, UNSEEN, DOT = (
    "in tracked deletions", "in hidden characters", "in white on white", "in letters of one point or less",
)  # fmt: skip
MAX_HEADING_CHARS = 100  # of a line in bold that stands for a heading
_SENTENCE_ENDS = tuple(".:;,!?。：；，！？")


class Piece(NamedTuple):
    """Letters of a paragraph that look alike."""

    text: str
    why: str = ""  # why no reader sees them; "" if one does
    shift: str = ""  # "superscript", "subscript" or nothing


ReadPart = Callable[[str, str], list[Element]]  # kind of relation, name of the part


@dataclass(slots=True)
class Flow:
    """Blocks one after the other: a body, a cell, a text box, a note."""

    elements: list[Element] = field(default_factory=list)
    carried: list[Piece] = field(default_factory=list)  # of a paragraph whose end was deleted
    caption: Element | None = None  # the last block, if it names the table after it
    boxed: bool = False  # has, or may have, a colour of its own behind it


@dataclass(slots=True)
class _Paragraph:
    style: Style = field(default_factory=Style)
    pieces: list[Piece] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)  # text of fields not yet closed
    readings: list[str] = field(default_factory=list)
    anchored: list[Element] = field(default_factory=list)
    level: int | None = None
    numbering: tuple[str, int] | None = None
    shaded: bool = False
    end_deleted: bool = False
    shift: str = ""  # of the run that is being read
    plain: bool = False  # some of it is not in bold
    ruby_text: list[str] | None = None  # while the reading of a word is being read
    base_at: int = 0


@dataclass(slots=True)
class _Cell:
    flow: Flow
    across: int = 1
    merge: str = ""  # "restart", "continue" or nothing
    deleted: bool = False


@dataclass(slots=True)
class _Row:
    cells: list[_Cell] = field(default_factory=list)
    header: bool = False
    before: int = 0  # columns that it leaves out at its start
    unseen: str = ""  # why no reader sees it


@dataclass(slots=True)
class _Table:
    rows: list[_Row] = field(default_factory=list)
    caption: str = ""
    shaded: bool = False


class Story:
    """Reads one part. `elements` are its blocks, `notes` those of its notes or comments by id."""

    def __init__(
        self,
        package: Package,
        work: ParseContext,
        styles: Styles,
        numbering: Numbering,
        read: ReadPart,
    ) -> None:
        self.package, self.work, self.styles, self.numbering = package, work, styles, numbering
        self.read_part = read
        self.notes: dict[str, list[Element]] = {}
        self.referred: Mapping[str, list[Element]] = {}  # "footnotes 3" → its blocks
        self.used: set[str] = set()
        self.relations: Mapping[str, tuple[str, str]] = {}
        self.white_page = True
        self._flows = [Flow()]
        self._paragraphs: list[_Paragraph] = []
        self._tables: list[_Table] = []
        self._fields: list[bool] = []  # of every open field: whether its instruction goes on
        self._choices: list[int] = []  # how much there was when the alternatives began
        self._fallbacks: list[bool] = []  # of every open one: whether it is passed over
        self._open: list[str] = []  # what has begun and not ended, from the outside in
        self._skipped = self._deleted = self._made = self._blocks = 0
        self._pending: list[Element] = []  # what follows the block that is being read
        self._above = 0  # the level of the last heading with a style

    @property
    def elements(self) -> list[Element]:
        return self._flows[0].elements

    def read(self, name: str) -> None:
        self.relations = {
            key: (each.kind, each.target) for key, each in self.package.relations(name).items()
        }
        for event, node in self.package.stream(name, *TAGS):
            handler = _HANDLERS.get((event, local(node)))
            if handler is not None:
                handler(self, node)
            if self._blocks > MAX_BLOCKS:
                limit = f"{name} beyond its first {MAX_BLOCKS:,} paragraphs and cells"
                self.work.lose("limit", 1, "parts", limit)
                break
        self._close()

    def _close(self) -> None:
        """Ends what a damaged or cut part left open."""
        while self._open:
            _FINISHERS[self._open.pop()](self)
        self._settle(self._flows[0])
        self._flush()

    def _ends(self, kind: str) -> bool:
        """Whether such a thing is open; what was left open inside it ends with it."""
        if kind not in self._open:
            return False
        while self._open[-1] != kind:
            _FINISHERS[self._open.pop()](self)
        self._open.pop()
        return True

    def _settle(self, flow: Flow) -> None:
        """A paragraph whose end was deleted and that nothing follows."""
        if flow.carried:
            pieces, flow.carried = flow.carried, []
            self._emit(flow, _Paragraph(plain=True), pieces)

    # --- paragraphs -----------------------------------------------------------------------------

    def _start_paragraph(self, node: etree._Element) -> None:
        self._blocks += 1
        self._open.append("p")
        self._paragraphs.append(_Paragraph())

    def _read_paragraph_properties(self, node: etree._Element) -> None:
        if not self._paragraphs:
            return
        paragraph = self._paragraphs[-1]
        style = self.styles.style(value_of(child(node, "pStyle")))
        outline = value_of(child(node, "outlineLvl"))
        level = number_of(outline, 9) if outline is not None else None
        paragraph.style = style
        paragraph.level = style.level if level is None else level + 1 if level < 9 else None
        paragraph.numbering = _numbering_of(child(node, "numPr"), style)
        paragraph.shaded = style.shaded or _fill_of(node) is not None
        mark = child(node, "rPr")
        paragraph.end_deleted = (
            child(mark, "del") is not None or child(mark, "moveFrom") is not None
        )

    def _end_paragraph(self, node: etree._Element) -> None:
        if self._ends("p"):
            self._finish_paragraph()
        release(node)

    def _finish_paragraph(self) -> None:
        paragraph = self._paragraphs.pop()
        flow = self._flows[-1]
        if any(self._fields) and paragraph.instructions:  # a field that never came to its result
            paragraph.pieces += [Piece(text) for text in paragraph.instructions]
            self._fields = [False] * len(self._fields)
        if not (paragraph.pieces or paragraph.anchored or paragraph.numbering or flow.carried):
            return self._flush_after_block()
        pieces = flow.carried + paragraph.pieces
        flow.carried = []
        if paragraph.end_deleted and not self._skipped:
            flow.carried = pieces
        else:
            self._emit(flow, paragraph, pieces)
        flow.elements += paragraph.anchored
        return self._flush_after_block()

    def _emit(self, flow: Flow, paragraph: _Paragraph, pieces: list[Piece]) -> None:
        text = self._seen_text(pieces)
        if paragraph.readings:
            text = f"{text} ({'; '.join(paragraph.readings)})"
        counts = paragraph.numbering and not self._skipped and (text or not pieces)
        label = self.numbering.label(*paragraph.numbering) if paragraph.numbering and counts else ""
        if self._skipped or not text:
            return
        element = self._element(paragraph, f"{label} {text}" if label else text)
        before = flow.elements[-1] if flow.elements else None
        if before is not None and before.kind == element.kind == "code":
            flow.elements[-1] = replace(before, text=f"{before.text}\n{text}")
        else:
            flow.elements.append(element)
        flow.caption = element if paragraph.style.caption else None
        self._made += 1

    def _element(self, paragraph: _Paragraph, text: str) -> Element:
        level = paragraph.level
        if level is not None:
            self._above = level
        elif self._stands_for_heading(paragraph, text):
            level = min(self._above + 1, 9)
        if level is not None:
            return Element(kind="heading", text=" ".join(text.split()), level=level)
        if paragraph.numbering:
            return Element(kind="list", text=text)
        return Element(kind="code" if paragraph.style.code else "text", text=text)

    def _stands_for_heading(self, paragraph: _Paragraph, text: str) -> bool:
        """Whether it is a short line of the body in bold, which is how many people write headings."""
        return (
            len(self._flows) == 1
            and not paragraph.plain
            and not paragraph.numbering
            and not paragraph.style.caption
            and len(text) <= MAX_HEADING_CHARS
            and "\n" not in text
            and "\t" not in text
            and not text.endswith(_SENTENCE_ENDS)
            and any(char.isalpha() for char in text)
        )

    def _seen_text(self, pieces: list[Piece]) -> str:
        parts: list[str] = []
        for why, group in groupby(pieces, key=attrgetter("why")):
            text = _written(group)
            if not why:
                parts.append(text)
            elif not self._skipped and (shown := self.work.hide(text, why)):
                parts.append(f" {shown} ")
        return clean("".join(parts)).replace("\u00ad", "").strip()

    def _flush_after_block(self) -> None:
        if len(self._flows) == 1 and self._pending:
            self._flush()

    def _flush(self) -> None:
        self._flows[0].elements += self._pending
        self._pending = []

    # --- runs -----------------------------------------------------------------------------------

    def _end_run(self, node: etree._Element) -> None:
        if "/math" in node.tag or "}math" in node.tag:
            return
        if self._paragraphs and not self._skipped:
            paragraph = self._paragraphs[-1]
            about = child(node, "rPr")
            why = self._why_unseen(about, paragraph)
            style = self.styles.style(value_of(child(about, "rStyle")))
            paragraph.shift = value_of(child(about, "vertAlign")) or style.shift
            for piece in node.iter():
                self._read_piece(piece, paragraph, why)
            paragraph.shift = ""
            has_text = child(node, "t") is not None
            if has_text and not why and not self._is_bold(about, paragraph):
                paragraph.plain = True
        release(node)

    def _read_piece(self, piece: etree._Element, paragraph: _Paragraph, why: str) -> None:
        name = local(piece)
        if name in _SIGNS:
            self._say(paragraph, _SIGNS[name], why)
        elif name in ("t", "delText"):
            self._say(paragraph, piece.text or "", DELETED if name == "delText" else why)
        elif name in _PIECES:
            _PIECES[name](self, piece, paragraph, why)

    def _say(self, paragraph: _Paragraph, text: str, why: str) -> None:
        if any(self._fields):
            paragraph.instructions.append(text)
        elif paragraph.ruby_text is not None:
            paragraph.ruby_text.append(text)
        else:
            paragraph.pieces.append(Piece(text, why, paragraph.shift))

    def _why_unseen(self, about: etree._Element | None, paragraph: _Paragraph) -> str:
        if self._deleted:
            return DELETED
        vanish = child(about, "vanish")
        style = self.styles.style(value_of(child(about, "rStyle")))
        if is_on(vanish) if vanish is not None else style.hidden or paragraph.style.hidden:
            return VANISHED
        size = value_of(child(about, "sz")) or style.size or paragraph.style.size
        if 0 < number_of(size, TINY + 1) <= TINY:
            return DOT
        colour = value_of(child(about, "color")) or style.colour or paragraph.style.colour
        white = colour.upper() == WHITE and not style.shaded
        return UNSEEN if white and self._is_on_white(about, paragraph) else ""

    def _is_on_white(self, about: etree._Element | None, paragraph: _Paragraph) -> bool:
        return (
            self.white_page
            and not paragraph.shaded
            and not self._flows[-1].boxed
            and not any(table.shaded for table in self._tables)
            and _fill_of(about) is None
            and child(about, "highlight") is None
        )

    def _is_bold(self, about: etree._Element | None, paragraph: _Paragraph) -> bool:
        if about is None:
            return paragraph.style.bold
        bold = child(about, "b")
        style = self.styles.style(value_of(child(about, "rStyle")))
        return is_on(bold) if bold is not None else style.bold or paragraph.style.bold

    def _read_field_sign(self, piece: etree._Element, paragraph: _Paragraph, why: str) -> None:
        kind = value_of(piece, "fldCharType")
        if kind == "begin":
            form = child(piece, "ffData")
            if form is not None:
                self._say(paragraph, _form_value(form), why)
            self._fields.append(True)
        elif kind == "separate" and self._fields:
            self._fields[-1] = False
        elif kind == "end" and self._fields:
            self._fields.pop()
        if not any(self._fields):
            paragraph.instructions.clear()

    def _read_symbol(self, piece: etree._Element, paragraph: _Paragraph, why: str) -> None:
        font = value_of(piece, "font") or ""
        sign = symbol(font, value_of(piece, "char") or "")
        if sign is None:
            self.work.lose("undecodable", 1, "symbols", f"of the font {font}")
        else:
            self._say(paragraph, sign, why)

    def _read_note_reference(self, piece: etree._Element, paragraph: _Paragraph, why: str) -> None:
        key = f"{local(piece).removesuffix('Reference')}s {value_of(piece, 'id')}"
        if key not in self.used and not why:
            self.used.add(key)
            self._pending += self.referred.get(key, [])

    def _read_relation(self, piece: etree._Element, paragraph: _Paragraph, why: str) -> None:
        """A picture, a chart, a diagram or an embedded file, which stands after this block."""
        what = local(piece)
        if what == "imagedata" and any(local(above) == "object" for above in piece.iterancestors()):
            return  # the icon or the preview of an embedded file
        name = value_of(piece, {"blip": "embed", "relIds": "dm"}.get(what, "id")) or ""
        kind, target = self.relations.get(name, ("", ""))
        if kind and not self._deleted:
            found = self.read_part(kind, target)
            self._pending += found
            self._made += len(found)

    def _read_word_art(self, piece: etree._Element, paragraph: _Paragraph, why: str) -> None:
        text = clean(piece.get("string") or "").strip()
        if text:
            paragraph.anchored.append(Element(kind="text", text=text))
            self._made += 1

    def _end_formula(self, node: etree._Element) -> None:
        if self._paragraphs and not self._skipped:
            paragraph = self._paragraphs[-1]
            self._say(paragraph, linear_text(node), DELETED if self._deleted else "")
            paragraph.plain = True
        node.clear()

    def _start_reading(self, node: etree._Element) -> None:
        if self._paragraphs:
            self._paragraphs[-1].ruby_text = []

    def _end_reading(self, node: etree._Element) -> None:
        if self._paragraphs:
            paragraph = self._paragraphs[-1]
            paragraph.readings.append("".join(paragraph.ruby_text or ()).strip())
            paragraph.ruby_text = None

    def _start_ruby_base(self, node: etree._Element) -> None:
        if self._paragraphs:
            self._paragraphs[-1].base_at = len(self._paragraphs[-1].pieces)

    def _end_ruby(self, node: etree._Element) -> None:
        if self._paragraphs and self._paragraphs[-1].readings:
            paragraph = self._paragraphs[-1]
            base = "".join(piece.text for piece in paragraph.pieces[paragraph.base_at :])
            paragraph.readings[-1] = f"{base}: {paragraph.readings[-1]}"
        node.clear()

    # --- alternatives, changes ------------------------------------------------------------------

    def _start_alternatives(self, node: etree._Element) -> None:
        self._choices.append(self._produced())

    def _end_alternatives(self, node: etree._Element) -> None:
        if self._choices:
            self._choices.pop()

    def _start_fallback(self, node: etree._Element) -> None:
        """What an old program shows instead is passed over, unless nothing came of the other way."""
        produced = bool(self._choices) and self._produced() > self._choices[-1]
        choices = node.itersiblings("{*}Choice", preceding=True)
        passed = produced or any(
            True
            for choice in choices
            for _ in choice.iter("{*}blip", "{*}chart", "{*}relIds", "{*}t")
        )
        self._fallbacks.append(passed)
        self._skipped += passed

    def _end_fallback(self, node: etree._Element) -> None:
        if self._fallbacks and self._fallbacks.pop():
            self._skipped -= 1
            node.clear()

    def _produced(self) -> int:
        return self._made + sum(len(each.pieces) for each in self._paragraphs)

    def _start_deletion(self, node: etree._Element) -> None:
        self._deleted += 1

    def _end_deletion(self, node: etree._Element) -> None:
        self._deleted = max(0, self._deleted - 1)

    def _start_move(self, node: etree._Element) -> None:
        self._skipped += 1

    def _end_move(self, node: etree._Element) -> None:
        self._skipped = max(0, self._skipped - 1)

    # --- flows ----------------------------------------------------------------------------------

    def _start_box(self, node: etree._Element) -> None:
        self._open.append("box")
        self._flows.append(Flow(boxed=True))

    def _end_box(self, node: etree._Element) -> None:
        if self._ends("box"):
            self._finish_box()
        node.clear()

    def _finish_box(self) -> None:
        inner = self._flows.pop()
        self._settle(inner)
        into = self._paragraphs[-1].anchored if self._paragraphs else self._flows[-1].elements
        into += inner.elements

    def _start_note(self, node: etree._Element) -> None:
        self._open.append("note")
        self._flows.append(Flow())

    def _end_note(self, node: etree._Element) -> None:
        if self._ends("note"):
            inner = self._flows.pop()
            self._settle(inner)
            found = inner.elements + self._pending
            self._pending = []
            self.notes[value_of(node, "id") or ""] = list(_named_note(node, found))
        release(node)

    def _finish_note(self) -> None:
        self._flows[0].elements += self._flows.pop().elements

    def _end_alternative_format(self, node: etree._Element) -> None:
        kind, target = self.relations.get(value_of(node, "id") or "", ("", ""))
        if kind and not self._skipped:
            self._flows[-1].elements += self.read_part(kind, target)

    # --- tables ---------------------------------------------------------------------------------

    def _start_table(self, node: etree._Element) -> None:
        self._open.append("tbl")
        self._tables.append(_Table())

    def _read_table_properties(self, node: etree._Element) -> None:
        if self._tables:
            table = self._tables[-1]
            table.caption = clean(value_of(child(node, "tblCaption")) or "").strip()
            style = self.styles.style(value_of(child(node, "tblStyle")))
            table.shaded = style.shaded or _fill_of(node) is not None

    def _start_row(self, node: etree._Element) -> None:
        if self._tables:
            self._tables[-1].rows.append(_Row())

    def _read_row_properties(self, node: etree._Element) -> None:
        if self._tables and self._tables[-1].rows:
            row = self._tables[-1].rows[-1]
            row.header = is_on(child(node, "tblHeader"))
            row.before = number_of(value_of(child(node, "gridBefore")))
            if child(node, "del") is not None:
                row.unseen = DELETED
            elif is_on(child(node, "hidden")):
                row.unseen = "in hidden rows"

    def _start_cell(self, node: etree._Element) -> None:
        self._blocks += 1
        self._open.append("tc")
        flow = Flow(boxed=self._flows[-1].boxed)
        self._flows.append(flow)
        if self._tables:
            rows = self._tables[-1].rows
            if not rows:
                rows.append(_Row())
            rows[-1].cells.append(_Cell(flow))

    def _read_cell_properties(self, node: etree._Element) -> None:
        if self._tables and self._tables[-1].rows and self._tables[-1].rows[-1].cells:
            cell = self._tables[-1].rows[-1].cells[-1]
            cell.across = max(1, number_of(value_of(child(node, "gridSpan")), 1))
            merge = child(node, "vMerge")
            cell.merge = (value_of(merge) or "continue") if merge is not None else ""
            cell.deleted = child(node, "cellDel") is not None
            cell.flow.boxed = cell.flow.boxed or _fill_of(node) is not None

    def _end_cell(self, node: etree._Element) -> None:
        if self._ends("tc"):
            self._finish_cell()
        release(node)

    def _finish_cell(self) -> None:
        inner = self._flows.pop()
        self._settle(inner)
        if not self._tables:
            self._flows[-1].elements += inner.elements

    def _end_row(self, node: etree._Element) -> None:
        release(node)

    def _end_table(self, node: etree._Element) -> None:
        if self._ends("tbl"):
            self._finish_table()
        release(node)

    def _finish_table(self) -> None:
        table, flow = self._tables.pop(), self._flows[-1]
        rows = [row for row in table.rows if self._keeps(row)]
        if _is_layout(rows):
            flow.elements += [
                each for row in rows for cell in row.cells for each in cell.flow.elements
            ]
        else:
            caption = table.caption
            if flow.caption is not None and flow.elements and flow.elements[-1] is flow.caption:
                caption = flow.elements.pop().text
            flow.elements += _grid_elements(rows, caption)
        flow.caption = None
        if len(self._flows) == 1:
            self._flush()

    def _keeps(self, row: _Row) -> bool:
        """Whether the row stays, with the marks of hidden text if it is kept for these only."""
        if row.unseen:
            for cell in row.cells:
                shown = self.work.hide(cell_text(cell.flow.elements), row.unseen)
                cell.flow.elements = [Element(kind="text", text=shown)] if shown else []
            return any(cell.flow.elements for cell in row.cells)
        for cell in row.cells:
            if cell.deleted:
                shown = self.work.hide(cell_text(cell.flow.elements), DELETED)
                cell.flow.elements = [Element(kind="text", text=shown)] if shown else []
        return True


def _written(pieces: Iterable[Piece]) -> str:
    """Their letters, with signs for what is raised and lowered: ten to the sixth is not 106."""
    text = ""
    parts: list[str] = []
    for shift, group in groupby(pieces, key=attrgetter("shift")):
        own = "".join(piece.text for piece in group)
        if own.strip() and shift in ("superscript", "subscript"):
            own = (raised if shift == "superscript" else lowered)(text, own)
        text = own or text
        parts.append(own)
    return "".join(parts)


def _numbering_of(about: etree._Element | None, style: Style) -> tuple[str, int] | None:
    number, level = value_of(child(about, "numId")), value_of(child(about, "ilvl"))
    if number is None:
        if style.numbering is None or level is None:
            return style.numbering
        return style.numbering[0], number_of(level)
    return None if number == "0" else (number, number_of(level))


def _fill_of(about: etree._Element | None) -> str | None:
    """The colour behind it; None if it is that of the page."""
    shade = child(about, "shd")
    fill = value_of(shade, "fill")
    dark = value_of(shade) not in (None, "clear", "nil")
    return "pattern" if dark else fill if fill not in (None, "auto", WHITE) else None


def _form_value(form: etree._Element) -> str:
    """What an old form field shows that has no text of its own: a box, a choice."""
    box = child(form, "checkBox")
    if box is not None:
        checked = child(box, "checked")
        checked = checked if checked is not None else child(box, "default")
        return "☒" if is_on(checked) else "☐"
    choices = child(form, "ddList")
    if choices is not None:
        entries = [value_of(each) or "" for each in choices.iterchildren("{*}listEntry")]
        chosen = number_of(value_of(child(choices, "result")))
        return clean(entries[chosen]) if 0 <= chosen < len(entries) else ""
    return ""


def _named_note(node: etree._Element, found: list[Element]) -> Iterator[Element]:
    """The blocks of a note or comment; the first says what it is."""
    name = local(node)
    author = clean(value_of(node, "author") or "").strip() if name == "comment" else ""
    begin = f"Comment by {author}: " if author else f"{name.capitalize()}: "
    for number, each in enumerate(found):
        if each.kind == "table":
            yield each
        else:
            yield Element(kind="text", text=each.text if number else begin + each.text)


def _is_layout(rows: list[_Row]) -> bool:
    """Whether the table only places things: one column, or one row with whole sections in it."""
    if all(len(row.cells) <= 1 for row in rows):
        return True
    return len(rows) == 1 and any(
        len(cell.flow.elements) > 3
        or any(each.kind in ("heading", "table") for each in cell.flow.elements)
        for cell in rows[0].cells
    )


def _grid_elements(rows: list[_Row], caption: str) -> Iterator[Element]:
    placed: list[Placed] = []
    open_merges: dict[int, int] = {}  # column → place in `placed`
    for number, row in enumerate(rows):
        column = row.before
        for cell in row.cells:
            text, above = cell_text(cell.flow.elements), open_merges.get(column)
            if cell.merge == "continue" and above is not None and not text:
                top = placed[above]
                height = number - top.row + 1
                placed[above] = Placed(top.row, top.column, top.text, height, top.width)
            else:
                open_merges.pop(column, None)
                if cell.merge:
                    open_merges[column] = len(placed)
                placed.append(Placed(number, column, text, 1, cell.across))
            column += cell.across
    grid, spans = spread(placed, len(rows))
    marked = next((i for i, row in enumerate(rows) if not row.header), len(rows))
    yield from table_elements(grid, spans, header_rows=marked or None, caption=caption)


_SIGNS: Mapping[str, str] = {
    "tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-",
}  # fmt: skip
_PIECES: Mapping[str, Callable[[Story, etree._Element, _Paragraph, str], None]] = {
    "fldChar": Story._read_field_sign,
    "sym": Story._read_symbol,
    "footnoteReference": Story._read_note_reference,
    "endnoteReference": Story._read_note_reference,
    "commentReference": Story._read_note_reference,
    "blip": Story._read_relation,
    "imagedata": Story._read_relation,
    "chart": Story._read_relation,
    "relIds": Story._read_relation,
    "OLEObject": Story._read_relation,
    "textpath": Story._read_word_art,
}
_FINISHERS: Mapping[str, Callable[[Story], None]] = {
    "p": Story._finish_paragraph,
    "tc": Story._finish_cell,
    "tbl": Story._finish_table,
    "box": Story._finish_box,
    "note": Story._finish_note,
}
_HANDLERS: Mapping[tuple[str, str], Callable[[Story, etree._Element], None]] = {
    ("start", "p"): Story._start_paragraph,
    ("end", "pPr"): Story._read_paragraph_properties,
    ("end", "p"): Story._end_paragraph,
    ("end", "r"): Story._end_run,
    ("end", "oMath"): Story._end_formula,
    ("start", "rt"): Story._start_reading,
    ("end", "rt"): Story._end_reading,
    ("start", "rubyBase"): Story._start_ruby_base,
    ("end", "ruby"): Story._end_ruby,
    ("start", "AlternateContent"): Story._start_alternatives,
    ("end", "AlternateContent"): Story._end_alternatives,
    ("start", "Fallback"): Story._start_fallback,
    ("end", "Fallback"): Story._end_fallback,
    ("start", "del"): Story._start_deletion,
    ("end", "del"): Story._end_deletion,
    ("start", "moveFrom"): Story._start_move,
    ("end", "moveFrom"): Story._end_move,
    ("start", "txbxContent"): Story._start_box,
    ("end", "txbxContent"): Story._end_box,
    ("start", "footnote"): Story._start_note,
    ("end", "footnote"): Story._end_note,
    ("start", "endnote"): Story._start_note,
    ("end", "endnote"): Story._end_note,
    ("start", "comment"): Story._start_note,
    ("end", "comment"): Story._end_note,
    ("end", "altChunk"): Story._end_alternative_format,
    ("start", "tbl"): Story._start_table,
    ("end", "tblPr"): Story._read_table_properties,
    ("start", "tr"): Story._start_row,
    ("end", "trPr"): Story._read_row_properties,
    ("end", "tr"): Story._end_row,
    ("start", "tc"): Story._start_cell,
    ("end", "tcPr"): Story._read_cell_properties,
    ("end", "tc"): Story._end_cell,
    ("end", "tbl"): Story._end_table,
}
