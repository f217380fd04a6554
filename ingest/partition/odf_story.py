"""One stream of OpenDocument markup, read once and in its order: text, slides, headers and footers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lxml import etree

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import clean
from ingest.partition.grids import Placed, cell_text, spread, table_elements
from ingest.partition.notation import lowered, raised
from ingest.partition.ooxml import Package, child, local, number_of, release, value_of
from ingest.partition.pictures import Pictures
from ingest.partition.tables import MAX_SPAN, make_table

TAGS = (
    "style", "p", "h", "list-item", "list-header", "table", "table-header-rows", "table-row", "table-cell",
    "covered-table-cell", "page", "notes", "note", "annotation", "tracked-changes", "section", "frame", "text-box",
    "image", "object", "header", "footer", "forms",
)  # fmt: skip
MAX_BLOCKS = 1_000_000
MAX_STYLES = 20  # that one is based on, one after the other
DELETED, VANISHED, HIDDEN_SLIDE, HIDDEN_SECTION = (
    "in tracked deletions", "in hidden characters", "in hidden slides", "in hidden sections",
)  # fmt: skip
_TITLES: Mapping[str, int] = {"Title": 1, "Subtitle": 2}
_MARGINS = ("header", "footer", "date-time", "page-number")
_OUTSIDE = (
    "note",
    "annotation",
    "text-box",
    "table",
    "creator",
    "date",
    "date-string",
    "sender-initials",
)


@dataclass(frozen=True, slots=True)
class OdfStyle:
    """What one style says by itself."""

    parent: str = ""
    hidden: bool = False
    shift: int = 0  # of letters: above 0 they are raised, below 0 lowered


@dataclass(slots=True)
class _Flow:
    elements: list[Element] = field(default_factory=list)


@dataclass(slots=True)
class _Grid:
    placed: list[Placed] = field(default_factory=list)
    row: int = -1
    column: int = 0
    header_rows: int = 0
    in_header: bool = False
    taken: set[tuple[int, int]] = field(default_factory=set)


class OdfStory:
    """Reads one part of an OpenDocument file. `elements` are its blocks; `margins` those of its
    headers and footers.
    """

    def __init__(
        self, package: Package, work: ParseContext, pictures: Pictures, styles: dict[str, OdfStyle]
    ) -> None:
        self.package, self.work, self.pictures, self.styles = package, work, pictures, styles
        self.margins: list[Element] = []
        self._flows = [_Flow()]
        self._grids: list[_Grid] = []
        self._lists = self._deleted = self._blocks = self._inside = 0
        self._hidden_sections: list[bool] = []
        self._frames: list[str] = []  # what every open frame is, on a slide
        self._after: list[Element] = []  # notes and comments of the block being read
        self._page = 0
        self._page_flow: _Flow | None = None
        self._page_hidden = self._titled = False
        self._told: set[str] = set()

    @property
    def elements(self) -> list[Element]:
        return self._flows[0].elements

    def read(self, name: str) -> None:
        for event, node in self.package.stream(name, *TAGS):
            handler = _HANDLERS.get((event, local(node)))
            if handler is not None:
                handler(self, node)
            if self._blocks > MAX_BLOCKS:
                limit = f"{name} beyond its first {MAX_BLOCKS:,} paragraphs and cells"
                self.work.lose("limit", 1, "parts", limit)
                break
        for flow in self._flows[1:]:
            self.elements.extend(flow.elements)
        self._flows = self._flows[:1]
        self._flush()

    def _flush(self) -> None:
        after, self._after = self._after, []
        self._flows[-1].elements += after

    # --- styles ---------------------------------------------------------------------------------

    def _end_style(self, node: etree._Element) -> None:
        about = child(node, "text-properties")
        page = child(node, "drawing-page-properties")
        table = child(node, "table-properties")
        hidden = (
            value_of(about, "display") == "none"
            or value_of(page, "visibility") == "hidden"
            or value_of(table, "display") == "false"
        )
        name = f"{value_of(node, 'family')} {value_of(node, 'name')}"
        parent = f"{value_of(node, 'family')} {value_of(node, 'parent-style-name') or ''}"
        self.styles[name] = OdfStyle(parent, hidden, _shift_of(value_of(about, "text-position")))
        release(node)

    def style_hides(self, family: str, name: str | None) -> bool:
        return any(style.hidden for _, style in self._chain(family, name))

    def _chain(self, family: str, name: str | None) -> list[tuple[str, OdfStyle]]:
        found: list[tuple[str, OdfStyle]] = []
        key = f"{family} {name}"
        while key in self.styles and len(found) < MAX_STYLES:
            found.append((key.partition(" ")[2], self.styles[key]))
            key = self.styles[key].parent
        return found

    # --- paragraphs -----------------------------------------------------------------------------

    def _end_paragraph(self, node: etree._Element) -> None:
        self._blocks += 1
        style = value_of(node, "style-name")
        if self._deleted:
            self.work.hide("".join(node.itertext()), DELETED)
        else:
            text = self._seen_text(node, self.style_hides("paragraph", style))
            if text:
                self._emit(text, node, style)
        if len(self._flows) == 1:
            self._flush()
        _release_in_place(node)

    def _emit(self, text: str, node: etree._Element, style: str | None) -> None:
        flow = self._flows[-1]
        kind = self._frames[-1] if self._frames else ""
        level = number_of(value_of(node, "outline-level"), 1) if local(node) == "h" else None
        if level is None and not self._page:
            names = [name for name, _ in self._chain("paragraph", style)] or [style or ""]
            level = next((_TITLES[name] for name in names if name in _TITLES), None)
        if self._page and kind in _MARGINS:
            if kind == "page-number" or text in self._told:
                return
            self._told.add(text)
        if self._page and kind == "title" and not self._titled and not self._grids:
            self._titled, level = True, 1
        if level is not None and not self._grids:
            line = " ".join(text.split())
            flow.elements.append(self._element("heading", line, min(max(level, 1), 9)))
        else:
            flow.elements.append(self._element("list" if self._lists else "text", text, 0))

    def _element(self, kind: str, text: str, level: int) -> Element:
        return Element(kind=kind, text=text, level=level, page=self._page or None)  # type: ignore[arg-type]

    def _seen_text(self, node: etree._Element, hidden: bool) -> str:
        """The paragraph's own text. What stands in boxes and notes inside it has been read already."""
        parts: list[str] = []
        unseen: list[str] = []
        readings: list[str] = []
        hidden_in = outside = 0
        base = ""
        for event, piece in etree.iterwalk(node, events=("start", "end")):
            name = local(piece)
            step = 1 if event == "start" else -1
            outside += step * (name in _OUTSIDE)
            if name == "span" and self.style_hides("text", value_of(piece, "style-name")):
                hidden_in += step
            into = unseen if hidden or hidden_in else parts
            if event == "start":
                if not outside and name not in ("ruby-text", ""):
                    own = piece.text or ""
                    if name == "span" and own.strip():
                        own = self._shifted(into, own, value_of(piece, "style-name"))
                    into.append(_sign(name, piece) + own)
                continue
            if name == "ruby-base":
                base = "".join(piece.itertext())
            elif name == "ruby-text":
                readings.append(f"{base}: {''.join(piece.itertext()).strip()}")
            if piece is not node and piece.tail and not outside:
                into.append(piece.tail)
        if any(self._hidden_sections):
            unseen, parts = unseen + parts, []
        why = HIDDEN_SECTION if any(self._hidden_sections) else VANISHED
        shown = self.work.hide("".join(unseen), why)
        text = _squeeze("".join(parts)) + (f" {shown}" if shown else "")
        return (f"{text} ({'; '.join(readings)})" if readings and text else text).strip()

    def _shifted(self, before: Sequence[str], text: str, style: str | None) -> str:
        """The text with a sign if its style raises or lowers it."""
        shifts = (each.shift for _, each in self._chain("text", style))
        shift = next(filter(None, shifts), 0)
        if not shift:
            return text
        return (raised if shift > 0 else lowered)(next(filter(None, reversed(before)), ""), text)

    def _start_item(self, node: etree._Element) -> None:
        self._lists += 1

    def _end_item(self, node: etree._Element) -> None:
        self._lists -= 1
        _release_in_place(node)

    def _start_changes(self, node: etree._Element) -> None:
        self._deleted += 1

    def _end_changes(self, node: etree._Element) -> None:
        self._deleted -= 1
        release(node)

    def _start_section(self, node: etree._Element) -> None:
        hides = value_of(node, "display") == "none" or value_of(node, "is-hidden") == "true"
        self._hidden_sections.append(hides)

    def _end_section(self, node: etree._Element) -> None:
        if self._hidden_sections:
            self._hidden_sections.pop()

    # --- notes, comments, boxes, margins --------------------------------------------------------

    def _start_flow(self, node: etree._Element) -> None:
        self._flows.append(_Flow())

    def _end_note(self, node: etree._Element) -> None:
        kind = value_of(node, "note-class") or "footnote"
        self._after += _named(self._pop(), kind.capitalize())
        node.clear(keep_tail=True)

    def _end_annotation(self, node: etree._Element) -> None:
        author = child(node, "creator")
        by = clean(author.text or "").strip() if author is not None else ""
        self._after += _named(self._pop(), f"Comment by {by}" if by else "Comment")
        node.clear(keep_tail=True)

    def _end_box(self, node: etree._Element) -> None:
        inner = self._pop()
        if self._page or self._grids:
            self._flows[-1].elements += inner
        else:
            self._after += inner
        node.clear(keep_tail=True)

    def _end_margin(self, node: etree._Element) -> None:
        self.margins += [
            Element(kind="text", text=each.text) if each.kind == "heading" else each
            for each in self._pop()
        ]
        node.clear()

    def _end_forms(self, node: etree._Element) -> None:
        self._pop()
        node.clear()

    def _pop(self) -> list[Element]:
        return self._flows.pop().elements if len(self._flows) > 1 else []

    # --- slides ---------------------------------------------------------------------------------

    def _start_page(self, node: etree._Element) -> None:
        self._page += 1
        self._titled = False
        self._page_hidden = self.style_hides("drawing-page", value_of(node, "style-name"))
        self._flows.append(_Flow())

    def _end_page(self, node: etree._Element) -> None:
        found = self._pop()
        titles = [each for each in found if each.kind == "heading"][:1]
        others = [each for each in found if each not in titles]
        for element in [*titles, *others]:
            shown = self.work.hide(element.text, HIDDEN_SLIDE) if self._page_hidden else None
            if not self._page_hidden:
                self.elements.append(element)
            elif shown:
                self.elements.append(self._element("text", shown, 0))
        release(node)

    def _start_frame(self, node: etree._Element) -> None:
        self._frames.append(value_of(node, "class") or "")

    def _end_frame(self, node: etree._Element) -> None:
        if self._frames:
            self._frames.pop()

    def _end_speaker_notes(self, node: etree._Element) -> None:
        lines = [each.text for each in self._pop()]
        if lines:
            self._after.append(self._element("text", "Notes: " + "\n".join(lines), 0))
            self._flush()
        node.clear()

    def _end_image(self, node: etree._Element) -> None:
        name = (value_of(node, "href") or "").removeprefix("./")
        before = {local(each) for each in node.itersiblings(preceding=True)}
        if before & {"object", "table", "image"}:
            return  # how it looks, for programs that cannot draw it
        if name in self.package.names and not self._deleted:
            self._add(self.pictures.read(name, self._page or None))

    def _end_object(self, node: etree._Element) -> None:
        name = (value_of(node, "href") or "").removeprefix("./")
        root = self.package.xml(f"{name}/content.xml") if name else None
        if root is not None:
            self._add(_object_elements(root, self._page or None))
        elif name in self.package.names:
            self.work.lose("part", 1, "embedded objects", "of kinds that nothing here reads")

    def _add(self, found: list[Element]) -> None:
        if self._page:
            self._flows[-1].elements += found
        else:
            self._after += found

    # --- tables ---------------------------------------------------------------------------------

    def _start_table(self, node: etree._Element) -> None:
        self._grids.append(_Grid())

    def _start_header_rows(self, node: etree._Element) -> None:
        if self._grids:
            self._grids[-1].in_header = True

    def _end_header_rows(self, node: etree._Element) -> None:
        if self._grids:
            self._grids[-1].in_header = False

    def _start_row(self, node: etree._Element) -> None:
        if self._grids:
            grid = self._grids[-1]
            grid.row, grid.column = grid.row + 1, 0
            grid.header_rows += grid.in_header

    def _end_row(self, node: etree._Element) -> None:
        release(node)

    def _end_cell(self, node: etree._Element) -> None:
        self._blocks += 1
        text = cell_text(self._pop())
        if self._grids:
            grid = self._grids[-1]
            across = min(max(1, number_of(value_of(node, "number-columns-spanned"), 1)), MAX_SPAN)
            down = min(max(1, number_of(value_of(node, "number-rows-spanned"), 1)), MAX_SPAN)
            repeated = min(max(1, number_of(value_of(node, "number-columns-repeated"), 1)), 64)
            for _ in range(repeated):
                grid.placed.append(Placed(grid.row, grid.column, text, down, across))
                grid.column += 1
        release(node)

    def _end_covered(self, node: etree._Element) -> None:
        text = self._pop()
        if self._grids:
            grid = self._grids[-1]
            if text:
                grid.placed.append(Placed(grid.row, grid.column, cell_text(text)))
            grid.column += min(max(1, number_of(value_of(node, "number-columns-repeated"), 1)), 64)
        release(node)

    def _end_table(self, node: etree._Element) -> None:
        if self._grids:
            grid = self._grids.pop()
            rows, spans = spread(grid.placed, grid.row + 1)
            self._flows[-1].elements += table_elements(
                rows, spans, header_rows=grid.header_rows or None, page=self._page or None
            )
            if len(self._flows) == 1:
                self._flush()
        _release_in_place(node)


def _sign(name: str, piece: etree._Element) -> str:
    if name == "tab":
        return "\t"
    if name == "line-break":
        return "\n"
    if name == "s":
        return " " * min(100, max(1, number_of(value_of(piece, "c"), 1)))
    return ""


def _shift_of(position: str | None) -> int:
    """1 if "super 58%" or "33% 58%" raises letters, -1 if it lowers them."""
    first = (position or "").partition(" ")[0]
    if first in ("super", "sub"):
        return 1 if first == "super" else -1
    return 0 if first.strip("-0%.") == "" else -1 if first.startswith("-") else 1


def _squeeze(text: str) -> str:
    """Runs of spaces are one space in OpenDocument; tabs and line ends are signs of their own."""
    lines = clean(text).replace("\u00ad", "").split("\n")
    return "\n".join(
        "\t".join(" ".join(part.split()) for part in line.split("\t")) for line in lines
    ).strip()


def _release_in_place(node: etree._Element) -> None:
    """Clears a block that may stand inside a paragraph, whose text goes on after it."""
    node.clear(keep_tail=True)
    parent = node.getparent()
    if parent is not None and local(parent) in (
        "text",
        "section",
        "list-item",
        "text-box",
        "note-body",
    ):
        while (before := node.getprevious()) is not None:
            parent.remove(before)


def _named(found: list[Element], name: str) -> list[Element]:
    """Blocks of a note or comment; the first says what it is."""
    return [
        each
        if each.kind == "table"
        else Element(
            kind="text", text=each.text if number else f"{name}: {each.text}", page=each.page
        )
        for number, each in enumerate(found)
    ]


def _object_elements(root: etree._Element, page: int | None) -> list[Element]:
    """An embedded chart as its table, a formula as its line of text, anything else as paragraphs."""
    if local(root) == "math":
        note = next(root.iter("{*}annotation"), None)
        said = (note.text or "") if note is not None else "".join(root.itertext())
        text = _squeeze(said)
        return [Element(kind="text", text=text, page=page)] if text else []
    title = " ".join(" ".join("".join(each.itertext()).split()) for each in root.iter("{*}title"))
    rows = [
        [" ".join("".join(cell.itertext()).split()) for cell in row.iterchildren("{*}table-cell")]
        for row in root.iter("{*}table-row")
    ]
    if any(any(row) for row in rows):
        return [make_table(rows, header_rows=1, header_columns=1, caption=title, page=page)]
    texts = (_squeeze("".join(each.itertext())) for each in root.iter("{*}p"))
    return [Element(kind="text", text=text, page=page) for text in texts if text]


_HANDLERS: Mapping[tuple[str, str], Callable[[OdfStory, etree._Element], None]] = {
    ("end", "style"): OdfStory._end_style,
    ("end", "p"): OdfStory._end_paragraph,
    ("end", "h"): OdfStory._end_paragraph,
    ("start", "list-item"): OdfStory._start_item,
    ("end", "list-item"): OdfStory._end_item,
    ("start", "list-header"): OdfStory._start_item,
    ("end", "list-header"): OdfStory._end_item,
    ("start", "tracked-changes"): OdfStory._start_changes,
    ("end", "tracked-changes"): OdfStory._end_changes,
    ("start", "section"): OdfStory._start_section,
    ("end", "section"): OdfStory._end_section,
    ("start", "note"): OdfStory._start_flow,
    ("end", "note"): OdfStory._end_note,
    ("start", "annotation"): OdfStory._start_flow,
    ("end", "annotation"): OdfStory._end_annotation,
    ("start", "text-box"): OdfStory._start_flow,
    ("end", "text-box"): OdfStory._end_box,
    ("start", "header"): OdfStory._start_flow,
    ("end", "header"): OdfStory._end_margin,
    ("start", "footer"): OdfStory._start_flow,
    ("end", "footer"): OdfStory._end_margin,
    ("start", "forms"): OdfStory._start_flow,
    ("end", "forms"): OdfStory._end_forms,
    ("start", "page"): OdfStory._start_page,
    ("end", "page"): OdfStory._end_page,
    ("start", "frame"): OdfStory._start_frame,
    ("end", "frame"): OdfStory._end_frame,
    ("start", "notes"): OdfStory._start_flow,
    ("end", "notes"): OdfStory._end_speaker_notes,
    ("end", "image"): OdfStory._end_image,
    ("end", "object"): OdfStory._end_object,
    ("start", "table"): OdfStory._start_table,
    ("start", "table-header-rows"): OdfStory._start_header_rows,
    ("end", "table-header-rows"): OdfStory._end_header_rows,
    ("start", "table-row"): OdfStory._start_row,
    ("end", "table-row"): OdfStory._end_row,
    ("start", "table-cell"): OdfStory._start_flow,
    ("end", "table-cell"): OdfStory._end_cell,
    ("start", "covered-table-cell"): OdfStory._start_flow,
    ("end", "covered-table-cell"): OdfStory._end_covered,
    ("end", "table"): OdfStory._end_table,
}
