"""What is known while a rich text is read: what each open group inherits, and where its text goes."""

import re
from dataclasses import dataclass

from ingest.partition.context import ParseContext
from ingest.partition.rtf.flows import RtfFlow
from ingest.partition.rtf.fonts import Fonts

MAX_COLOURS = 10_000
WHITE = 247  # of 255, of each colour: letters that cannot be told from white paper
_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titolo|nadpis|kop|rubrik|标题)\s*([1-9])"
)


@dataclass(slots=True)
class RtfState:
    """What a group inherits from the group around it."""

    flow: RtfFlow | None  # where text goes; None: it is passed over
    font: int = -1
    wide_font: int = -1  # the font of East Asian characters; -2: the next one named is
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


class RtfReading:
    def __init__(self, work: ParseContext) -> None:
        self.work = work
        self.body = RtfFlow(work)
        self.edges: dict[str, list[RtfFlow]] = {"header": [], "footer": []}
        self.state = RtfState(self.body)
        self.stack: list[RtfState] = []  # of the groups around
        self.fonts = Fonts()
        self.levels: dict[int, int] = {}  # of headings, by style
        self.style = -1  # that the table of styles tells of
        self.colours: list[tuple[int, ...] | None] = []
        self.parts_of_colour: list[int] = []
        self.pending = bytearray()  # bytes not decoded yet
        self.to_skip = 0  # characters that follow a Unicode character for old programs
        self.starred = False  # the next word may be passed over if it is not known
        self.pictures = 0
        self.info: dict[str, str] = {"title": "", "author": ""}

    def flush(self) -> None:
        """Makes text of the bytes that are pending, or whatever they are for."""
        if not self.pending:
            return
        data = bytes(self.pending)
        self.pending.clear()
        state, fonts = self.state, self.fonts
        if state.place == "stylesheet" and state.flow is None:
            self._name_style(data)
        elif state.place == "fonttbl":
            fonts.name(data)
        elif state.place == "colortbl":
            self._end_colours(data.count(b";"))
        elif state.place in self.info:
            self.info[state.place] += fonts.decode(data, None)
        elif state.flow is not None:
            number = state.wide_font if state.wide_font >= 0 and max(data) > 0x7F else state.font
            self.write(fonts.decode(data, fonts.get(number)))

    def _name_style(self, data: bytes) -> None:
        name = data.decode("latin-1").split(";")[0].strip().lower()
        found = _HEADING.fullmatch(name)
        if found and self.style >= 0:
            self.levels[self.style] = int(found.group(1))
        elif name == "title" and self.style >= 0:
            self.levels[self.style] = 1

    def _end_colours(self, count: int) -> None:
        told = tuple(self.parts_of_colour)
        self.parts_of_colour = []
        self.colours += ([told or None, *[None] * (count - 1)] if count else [])[:MAX_COLOURS]

    def write(self, text: str) -> None:
        """Text at its place."""
        state, flow = self.state, self.state.flow
        if state.place in self.info:
            self.info[state.place] += text
        if flow is None or state.only_rtf:
            return
        if state.place == "listtext":
            flow.in_list = True
            if not any(char.isalnum() for char in text) and text.strip():
                return  # the sign of a list without numbers
        flow.write(text, self._why_unseen(state, flow), state.shift)

    def _why_unseen(self, state: RtfState, flow: RtfFlow) -> str:
        if state.deleted:
            return "deleted"
        if state.hidden:
            return "marked as hidden"
        return "in the colour of its background" if self._is_white(state, flow) else ""

    def _is_white(self, state: RtfState, flow: RtfFlow) -> bool:
        """Whether letters cannot be told from the page; cells of tables often have a ground."""
        if not 0 < state.colour < len(self.colours) or flow.kind == "box":
            return False
        colour = self.colours[state.colour]
        on_page = not (state.shaded or flow.shaded or flow.in_table)
        return on_page and colour is not None and min(colour) >= WHITE
