"""Rich text (RTF): its words one by one, every text in the code page of its font.

What a reader of the document sees becomes elements: paragraphs, headings by style, list items,
tables with merged cells, notes, headers and footers once. Hidden and deleted text is counted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from indexes.errors import SourceBroken
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.encodings import REPLACED, clean
from ingest.partition.letters import plausibility
from ingest.partition.notation import lowered, raised
from ingest.partition.reading import ReadResult
from ingest.partition.rtf_tables import RtfTable
from ingest.partition.symbols import symbol_of
from ingest.partition.titles import worthy_title

MAX_NESTING = 100_000  # groups inside groups; no writer makes so many
MAX_COLOURS = 10_000
WHITE = 247  # of 255, of each colour: letters that cannot be told from white paper
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?"  # a word with its number
    rb"|\\'([0-9a-fA-F]{2})"  # a byte
    rb"|\\([^a-zA-Z'])"  # a sign
    rb"|([{}])"
    rb"|[\r\n\0]+"
    rb"|([^\\{}\r\n\0]+)"
    rb"|\\"
)
MAX_REST = 1_000_000  # bytes behind the end that are looked at
_WORDS = re.compile(rb"(?<![\\\w])[a-zA-Z\x80-\xff]{2,}")
_CHARSETS = {
    0: 1252, 2: -2, 77: 10000, 78: 932, 79: 949, 80: 936, 81: 950, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950,
    161: 1253, 162: 1254, 163: 1258, 177: 1255, 178: 1256, 179: 1256, 180: 1256, 181: 1255, 186: 1257, 204: 1251, 222: 874,
    238: 1250, 254: 437, 255: 850,
}  # fmt: skip
_CODECS = {932: "cp932", 936: "gb18030", 949: "cp949", 950: "big5hkscs", 1361: "johab", 10000: "mac-roman",
           10001: "shift_jis", 10006: "mac-greek", 10007: "mac-cyrillic", 10029: "mac-latin2", 65001: "utf-8",
           54936: "gb18030", 20866: "koi8-r", 28592: "iso8859-2", 708: "cp1256", 709: "cp1256"}  # fmt: skip
_MANY_BYTES = frozenset({"cp932", "gb18030", "cp949", "big5hkscs", "johab", "shift_jis", "utf-8"})
_SIGNS = {
    "par": "\n", "line": "\v", "tab": "\t", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’",
    "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ", "qmspace": " ", "sect": "\n",
    "page": "\n", "column": "\n", "softline": "\v", "zwj": "\u200d", "zwnj": "\u200c",
}  # fmt: skip
_SKIPPED = frozenset(
    {
        "stylesheet", "listtable", "listoverridetable", "revtbl", "rsidtbl", "generator", "fldinst", "pict",
        "objdata", "objclass", "objname", "themedata", "colorschememapping", "datastore", "latentstyles", "xmlnstbl",
        "mmathPr", "nonshppict", "filetbl", "bkmkstart", "bkmkend", "atnid", "atnauthor", "atnref", "atndate",
        "atnparent", "atnicon", "atntime", "pgdsctbl", "wgrffmtfilter", "template", "background", "ffname", "ffdeftext",
        "ffformat", "ffhelptext", "ffstattext", "ffentrymcr", "ffexitmcr", "ffl", "datafield", "formfield", "sp", "sn",
        "sv", "xe", "tc", "rxe", "private", "fname", "panose", "falt", "fontemb", "listname", "passwordhash", "ftnsep",
        "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "do", "htmltag", "mhtmltag", "userprops", "docvar",
        "blipuid", "picprop", "pntxtb", "pntxta", "xmlopen", "xmlclose", "xmlattrname", "xmlattrvalue", "factoidname",
        "protusertbl", "fchars", "lchars", "printim", "buptim", "creatim", "revtim", "objalias", "objsect", "comment",
        "keywords", "subject", "operator", "manager", "company", "category", "doccomm", "hlinkbase", "info",
    }
)  # fmt: skip
_BOXES = frozenset({"shptxt", "dptxbxtext"})
_NOTES = frozenset({"footnote", "annotation"})
_EDGES = {"header": "header", "headerl": "header", "headerr": "header", "headerf": "header",
          "footer": "footer", "footerl": "footer", "footerr": "footer", "footerf": "footer"}  # fmt: skip
_FORMULAS = frozenset({"mmath", "moMath", "moMathPara"})
_FORMULA_SHIFTS = {"msup": "super", "msub": "sub"}
_TWINS = ("shprslt", "nonshppict")  # what stands elsewhere in a newer form
_TEXT_INSIDE = frozenset({"shptxt", "ud", "fldrslt", "result", "dptxbxtext", "title", "author"})
"""Groups whose text counts although they stand inside a group that is passed over."""


@dataclass(slots=True)
class _Font:
    codec: str
    symbols: bool = False
    greek: bool = False  # its symbols are those of the font "Symbol"
    certain: bool = False  # the file names its charset, and not only the usual one


@dataclass(slots=True)
class _State:
    """What a group inherits from the group around it."""

    flow: "_Flow | None"  # where text goes; None: it is passed over
    font: int = -1
    wide_font: int = -1  # the font of East Asian characters
    unicode_skip: int = 1
    hidden: bool = False
    deleted: bool = False
    shift: str = ""  # "super" or "sub"
    only_rtf: bool = False  # text that stands for the markup of a web page inside
    in_formula: bool = False
    colour: int = 0  # its number in the table of colours; 0: that of the reader
    shaded: bool = False  # the ground is not that of the page
    place: str = ""  # fonttbl, stylesheet, info, listtext
    alternative: int = 0  # 1: the first of two versions comes next


@dataclass(slots=True)
class _Flow:
    """A run of paragraphs: the body, a note, a header."""

    kind: str = "body"
    depth: int = 0  # of the group that it is the text of
    elements: list[Element] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    why: str = ""
    notes: list["_Flow"] = field(default_factory=list)
    level: int = 0  # of a heading; 0: it is none
    in_list: bool = False
    in_table: bool = False
    shaded: bool = False  # the paragraph has a ground of its own
    table: RtfTable = field(default_factory=RtfTable)


def read_rtf(path: Path, work: ParseContext) -> ReadResult:
    return parse_rtf(path.read_bytes(), work)


def parse_rtf(data: bytes, work: ParseContext) -> ReadResult:
    """Elements, title and author. Raises SourceBroken."""
    start = data.find(b"{\\rtf")
    if start < 0:
        raise SourceBroken("It does not begin like rich text.")
    reader = _Reader(work)
    reader.read(data, start)
    return reader.elements(), reader.about


class _Reader:
    def __init__(self, work: ParseContext) -> None:
        self.work = work
        self.body = _Flow()
        self.edges: dict[str, list[_Flow]] = {"header": [], "footer": []}
        self.state = _State(self.body)
        self.stack: list[_State] = []
        self.code_page = "cp1252"
        self.fonts: dict[int, _Font] = {}
        self.default_font = -1
        self.defined_font = -1
        self.levels: dict[int, int] = {}  # of headings, by style
        self.style, self.style_name = -1, ""
        self.colours: list[tuple[int, ...] | None] = []
        self.parts_of_colour: list[int] = []
        self.pending = bytearray()
        self.to_skip = 0
        self.starred = False
        self.replaced = self.characters = self.pictures = 0
        self.about: dict[str, Scalar] = {}
        self.info: dict[str, str] = {"title": "", "author": ""}

    # --- the file ---

    def read(self, data: bytes, at: int) -> None:
        end = len(data)
        while at < end:
            found = _TOKEN.match(data, at)
            if found is None:  # no byte is no token
                at += 1
                continue
            at = found.end()
            kind = found.lastindex
            if kind in (1, 2):
                number = int(found.group(2)) if found.group(2) else None
                word = found.group(1).decode("ascii")
                if word == "bin":
                    at += max(0, number or 0)
                else:
                    self._word(word, number)
            elif kind == 3:
                self._bytes(bytes((int(found.group(3), 16),)))
            elif kind == 4:
                self._sign(found.group(4))
            elif kind == 5:
                self._brace(found.group(5))
            elif kind == 6:
                self._bytes(found.group(6))
            if not self.stack and kind == 5:
                self._lose_rest(data[at:])
                break
        if self.stack:
            self.work.warn("It ends within a group; its end may be missing.")
        while self.stack:
            self._brace(b"}")
        self._flush()

    def _lose_rest(self, data: bytes) -> None:
        """Counts the words behind the end of the document, which no program shows."""
        rest = _WORDS.findall(data[:MAX_REST])
        self.work.lose("hidden", len(rest), "words", "after its end")

    def _brace(self, brace: bytes) -> None:
        self._flush()
        self.to_skip = 0
        if brace == b"{":
            if len(self.stack) >= MAX_NESTING:
                raise SourceBroken(f"More than {MAX_NESTING:,} groups stand inside one another.")
            self.stack.append(self.state)
            self.state = replace(self.state, alternative=0)
            if self.stack[-1].alternative == 1:  # \upr{this}{\*\ud that}
                self.stack[-1].alternative = 2
                self.state.flow = None
            self.starred = False
        elif self.stack:
            inner, self.state = self.state, self.stack.pop()
            if inner.flow is not None and inner.flow.depth > len(self.stack):
                self._end_paragraph(inner.flow)
                self._end_table(inner.flow)

    def _sign(self, sign: bytes) -> None:
        if sign == b"*":
            self.starred = True
        elif sign in b"\\{}":
            self._bytes(sign)
        elif sign in b"\r\n":
            self._word("par", None)
        elif sign in b"~_" and not self.to_skip:
            self._flush()
            self._text("-" if sign == b"_" else " ")

    def _bytes(self, data: bytes) -> None:
        if self.to_skip:
            skipped = min(self.to_skip, len(data))
            self.to_skip -= skipped
            data = data[skipped:]
        self.starred = False
        if data and (self.state.flow is not None or self.state.place):
            self.pending += data

    # --- words ---

    def _word(self, word: str, number: int | None) -> None:
        if self.to_skip and word not in ("u", "uc"):
            self.to_skip -= 1
            return
        if word == "u" and number is not None:
            self._flush()
            self._text(self._sign_of(number % 65_536))
            self.to_skip = self.state.unicode_skip
            return
        self._flush()
        starred, self.starred = self.starred, False
        if self._opens_group(word, starred):
            return
        if word in _SIGNS:
            self._say(word)
        elif not self._set_character(word, number) and not self._set_paragraph(word, number):
            self._define(word, number)

    def _sign_of(self, code: int) -> str:
        """A character by its number; those of fonts of symbols have numbers of their own."""
        if not 0xF020 <= code <= 0xF0FF:
            return chr(code)
        font = self.fonts.get(self.state.font)
        greek = font is not None and font.greek
        return symbol_of(code - 0xF000, greek=greek)

    def _opens_group(self, word: str, starred: bool) -> bool:
        """Whether the word says what the group that it begins is for."""
        state = self.state
        if word == "shprslt":  # the same drawing once more, for programs that know no others
            state.flow, state.place = None, word
            return True
        if (
            word in _TEXT_INSIDE
            and state.place != "shprslt"
            and (state.flow is None or starred or word in ("title", "author"))
        ):
            if word in self.info:
                state.place, state.flow = word, None
            elif word != "result":
                state.flow = next(
                    (one.flow for one in reversed(self.stack) if one.flow is not None), self.body
                )
                state.place = ""
                if word in _BOXES:
                    box = _Flow("box", len(self.stack))
                    state.flow.notes.append(box)
                    state.flow = box
            return True
        if word in _NOTES and state.flow is not None:
            note = _Flow(word, len(self.stack))
            state.flow.notes.append(note)
            state.flow, state.hidden, state.shift = note, False, ""
            return True
        if word in _EDGES and state.flow is not None:
            edge = _Flow(_EDGES[word], len(self.stack))
            self.edges[edge.kind].append(edge)
            state.flow = edge
            return True
        if word in ("fonttbl", "stylesheet", "colortbl"):
            state.flow, state.place = None, word
            return True
        if word in ("listtext", "pntext"):
            state.place = "listtext"
            return True
        if word in _FORMULAS:
            state.in_formula = state.flow is not None
            return True
        if state.in_formula and (word.endswith("Pr") or word == "mmathPict"):
            state.flow = None
            return True
        if state.in_formula and word in _FORMULA_SHIFTS:
            state.shift = _FORMULA_SHIFTS[word]
            return True
        if word == "upr":
            state.alternative = 1
            return True
        if word in _SKIPPED or (starred and word not in ("shpinst", "shppict")):
            if word == "pict" and state.place not in _TWINS:
                self.pictures += 1
            kept = word if word in _TWINS else state.place
            state.flow, state.place = None, kept if kept in (*_TWINS, "stylesheet") else ""
            return True
        return word in ("shpinst", "shppict") and self._pass_over()

    def _pass_over(self) -> bool:
        """A drawing: only the text in it counts."""
        self.state.flow = None
        return True

    def _say(self, word: str) -> None:
        flow = self.state.flow
        if flow is None:
            return
        if _SIGNS[word] == "\n":
            if flow.in_table and word == "par":
                self._move_to_table(flow)
                flow.table.add("\v")
            else:
                self._end_paragraph(flow)
        else:
            self._text(_SIGNS[word])

    def _set_character(self, word: str, number: int | None) -> bool:
        state, on = self.state, number != 0
        if word == "f" or (word == "af" and state.wide_font == -2):
            if word == "af":
                state.wide_font = number if number is not None else -1
            elif state.place == "fonttbl":
                self.defined_font = number or 0
                self.fonts.setdefault(self.defined_font, _Font(self.code_page))
            else:
                state.font = number if number is not None else self.default_font
        elif word == "dbch":
            state.wide_font = -2
        elif word in ("loch", "hich"):
            state.wide_font = -1
        elif word == "uc":
            state.unicode_skip = max(0, min(number if number is not None else 1, 100))
        elif word == "v":
            state.hidden = on
        elif word == "deleted":
            state.deleted = on
        elif word in ("super", "sub"):
            state.shift = word if on else ""
        elif word == "up" or word == "dn":
            state.shift = {"up": "super", "dn": "sub"}[word] if number and number > 3 else ""
        elif word == "nosupersub":
            state.shift = ""
        elif word == "plain":
            state.hidden = state.deleted = state.shaded = False
            state.colour = 0
            state.shift, state.font = "", self.default_font
        elif word == "cf":
            state.colour = number or 0
        elif word in ("highlight", "cb", "chcbpat", "chshdng"):
            state.shaded = bool(number)
        elif word == "htmlrtf":
            state.only_rtf = on
        else:
            return False
        return True

    def _set_paragraph(self, word: str, number: int | None) -> bool:
        flow = self.state.flow
        if word == "s" and self.state.place == "stylesheet":
            self.style = number or 0
            return True
        if flow is None:
            return False
        if word == "pard":
            flow.level, flow.in_list, flow.in_table, flow.shaded = 0, False, False, False
        elif word in ("cbpat", "shading"):
            flow.shaded = bool(number)
        elif word == "s":
            flow.level = self.levels.get(number or 0, 0)
        elif word == "outlinelevel" and number is not None and number < 9:
            flow.level = number + 1
        elif word in ("ls", "pnlvlblt", "pnlvlbody"):
            flow.in_list = True
        elif word == "intbl":
            self._begin_row_text(flow)
        elif word in ("trowd", "nesttableprops"):
            if word == "trowd":
                flow.table.begin_definition()
        elif word == "cellx":
            flow.table.define_cell(number or 0)
        elif word in ("clvmgf", "clvmrg", "clmgf", "clmrg"):
            flow.table.merge_next(word)
        elif word == "trhdr":
            flow.table.is_header()
        elif word in ("cell", "nestcell"):
            self._move_to_table(flow)
            flow.table.end_cell() if word == "cell" else flow.table.add("\v")
        elif word in ("row", "nestrow"):
            self._move_to_table(flow)
            if word == "row":
                flow.table.end_row()
                flow.in_table = False
        else:
            return False
        return True

    def _begin_row_text(self, flow: _Flow) -> None:
        if not flow.in_table and flow.parts and not flow.table.has_rows:
            self._end_paragraph(flow)
        flow.in_table = True

    def _define(self, word: str, number: int | None) -> None:
        if word == "ansicpg" and number:
            self.code_page = _codec(number)
        elif word in ("mac", "pc", "pca"):
            self.code_page = {"mac": "mac-roman", "pc": "cp437", "pca": "cp850"}[word]
        elif word == "deff":
            self.default_font = number if number is not None else -1
            self.state.font = self.default_font
        elif word in ("red", "green", "blue") and self.state.place == "colortbl":
            self.parts_of_colour.append(max(0, min(number or 0, 255)))
        elif word in ("fcharset", "cpg") and self.state.place == "fonttbl":
            font = self.fonts.setdefault(self.defined_font, _Font(self.code_page))
            page = _CHARSETS.get(number or 0, 0) if word == "fcharset" else number or 0
            if page == -2:
                font.symbols = True
            elif page and not (
                word == "fcharset" and number == 0 and self.code_page in _MANY_BYTES
            ):
                font.codec, font.certain = _codec(page), bool(number)

    # --- text ---

    def _flush(self) -> None:
        if not self.pending:
            return
        data = bytes(self.pending)
        self.pending.clear()
        state = self.state
        if state.place == "stylesheet" and state.flow is None:
            self._name_style(data)
        elif state.place == "fonttbl" and self.defined_font in self.fonts:
            font = self.fonts[self.defined_font]
            font.greek = font.greek or data.strip(b" ;").lower() == b"symbol"
            font.symbols = font.symbols or font.greek
        elif state.place == "colortbl":
            self._end_colours(data.count(b";"))
        elif state.place in self.info:
            self.info[state.place] += self._decode(data, None)
        elif state.flow is not None:
            number = state.wide_font if state.wide_font >= 0 and max(data) > 0x7F else state.font
            self._text(self._decode(data, self.fonts.get(number)))

    def _end_colours(self, count: int) -> None:
        told = tuple(self.parts_of_colour)
        self.parts_of_colour = []
        self.colours += ([told or None, *[None] * (count - 1)] if count else [])[:MAX_COLOURS]

    def _name_style(self, data: bytes) -> None:
        name = data.decode("latin-1").split(";")[0].strip().lower()
        found = re.fullmatch(
            r"(?:heading|überschrift|titre|título|titolo|nadpis|kop|rubrik|标题)\s*([1-9])", name
        )
        if found and self.style >= 0:
            self.levels[self.style] = int(found.group(1))
        elif name == "title" and self.style >= 0:
            self.levels[self.style] = 1

    def _decode(self, data: bytes, font: _Font | None) -> str:
        if font is not None and font.symbols:
            return "".join(symbol_of(byte, greek=font.greek) for byte in data)
        codec = font.codec if font is not None else self.code_page
        text = data.decode(codec, "replace")
        if not data.isascii():
            if codec not in _MANY_BYTES:
                text = _likelier(data, text, "utf-8")
            if (font is None or not font.certain) and codec != self.code_page:
                text = _likelier(data, text, self.code_page)
            elif (
                REPLACED in text and codec != "cp1252"
            ):  # a font that has one letter of another script
                text = _likelier(data, text, self.code_page)
            self.replaced += text.count(REPLACED)
        self.characters += len(text)
        return text

    def _text(self, text: str) -> None:
        state = self.state
        flow = state.flow
        if state.place in self.info:
            self.info[state.place] += text
        if flow is None or state.only_rtf:
            return
        if state.place == "listtext":
            flow.in_list = True
            if not any(char.isalnum() for char in text) and text.strip():
                return  # the sign of a list without numbers
        why = "deleted" if state.deleted else "marked as hidden" if state.hidden else ""
        if not why and self._is_white(state, flow):
            why = "in the colour of its background"
        if why:
            if why != flow.why:
                self._end_unseen(flow)
            flow.why = why
            flow.unseen.append(text)
            return
        if flow.unseen and not text.isspace():
            self._end_unseen(flow)
        if state.shift and text.strip():
            text = (raised if state.shift == "super" else lowered)(_last(flow), text)
        flow.parts.append(text)

    def _is_white(self, state: _State, flow: _Flow) -> bool:
        """Whether letters cannot be told from the page; cells of tables often have a ground."""
        if not 0 < state.colour < len(self.colours) or flow.kind == "box":
            return False
        colour = self.colours[state.colour]
        on_page = not (state.shaded or flow.shaded or flow.in_table)
        return on_page and colour is not None and min(colour) >= WHITE

    def _end_unseen(self, flow: _Flow) -> None:
        text, why = "".join(flow.unseen), flow.why
        flow.unseen, flow.why = [], ""
        if kept := self.work.hide(" ".join(text.split()), why):
            flow.parts.append(f" {kept} ")

    def _move_to_table(self, flow: _Flow) -> None:
        if flow.unseen:
            self._end_unseen(flow)
        flow.table.add("".join(flow.parts))
        flow.parts = []

    def _end_paragraph(self, flow: _Flow) -> None:
        if flow.unseen:
            self._end_unseen(flow)
        text = _whole("".join(flow.parts)).strip()
        flow.parts = []
        if text or flow.notes:
            self._end_table(flow)
        if text:
            flow.elements.append(_element(text, flow.level, flow.in_list))
        notes, flow.notes = flow.notes, []
        for note in notes:
            flow.elements += note.elements

    def _end_table(self, flow: _Flow) -> None:
        table, flow.table = flow.table, RtfTable()
        if (element := table.element()) is not None:
            flow.elements.append(element)

    # --- the result ---

    def elements(self) -> list[Element]:
        for flow in (self.body, *self.edges["header"], *self.edges["footer"]):
            if flow.in_table:
                self._move_to_table(flow)
                flow.table.end_row()
            self._end_paragraph(flow)
            self._end_table(flow)
        self.work.lose("picture", self.pictures, "pictures", "in the text")
        total = self.characters if self.replaced > 3 else None
        self.work.lose("undecodable", self.replaced, "characters", total=total)
        if title := worthy_title(clean(_whole(self.info["title"]))):
            self.about["title"] = title
        if author := clean(_whole(self.info["author"])).strip():
            self.about["author"] = author
        return [*self._edge("header"), *self.body.elements, *self._edge("footer")]

    def _edge(self, kind: str) -> Iterator[Element]:
        """What stands above or below every page, each text once."""
        told: dict[str, Element] = {}
        for flow in self.edges[kind]:
            for element in flow.elements:
                told.setdefault(
                    element.text,
                    replace(element, kind="text", level=0)
                    if element.kind == "heading"
                    else element,
                )
        yield from told.values()


def _element(text: str, level: int, in_list: bool) -> Element:
    if level and len(text) < 500:
        return Element(kind="heading", text=" ".join(text.split()), level=level)
    return Element(kind="list" if in_list else "text", text=text)


def _last(flow: _Flow) -> str:
    return next((part[-1:] for part in reversed(flow.parts) if part), "")


def _whole(text: str) -> str:
    """Surrogate pairs put together, line ends of lines within a paragraph kept."""
    text = text.replace("\v", "\n")
    if any("\ud800" <= char <= "\udfff" for char in text):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _likelier(data: bytes, text: str, codec: str) -> str:
    other = data.decode(codec, "replace")
    return other if plausibility(other) > plausibility(text) else text


def _codec(page: int) -> str:
    name = _CODECS.get(page, f"cp{page}")
    try:
        b"".decode(name)
    except LookupError:
        return "cp1252"
    return name
