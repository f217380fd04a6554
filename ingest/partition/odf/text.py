"""What one paragraph of an OpenDocument file says, apart from what stands in boxes and notes in it."""

from collections.abc import Sequence

from lxml import etree

from ingest.partition.encodings import clean
from ingest.partition.notation import lowered, raised
from ingest.partition.odf.styles import WHITE_LETTERS, OdfStyles
from ingest.partition.office.package import local, number_of, value_of

MAX_SPACES = 100  # that one sign stands for
_SIGNS = {"tab": "\t", "line-break": "\n"}
_OUTSIDE = frozenset(
    {"note", "annotation", "text-box", "table", "creator", "date", "date-string", "sender-initials"}
)


class ParagraphText:
    """Letters that a reader sees, letters that none sees, and how words are read aloud."""

    def __init__(
        self, node: etree._Element, styles: OdfStyles, style: str | None, *, on_white: bool
    ) -> None:
        """style: of the paragraph. on_white: nothing coloured stands behind it that it does not tell."""
        self.seen: list[str] = []
        self.unseen: dict[str, list[str]] = {}  # by why no reader sees it
        self.readings: list[str] = []
        self._styles = styles
        self._around: list[tuple[str, str | None]] = [("paragraph", style)]  # the innermost last
        self._on_white = on_white
        self._why = self._why_unseen()
        self._outside = 0  # so many things around that are read by themselves
        self._base = ""
        self._read(node)

    def _read(self, node: etree._Element) -> None:
        for event, piece in etree.iterwalk(node, events=("start", "end")):
            name = local(piece)
            step = 1 if event == "start" else -1
            self._outside += step * (name in _OUTSIDE)
            if name == "span":
                self._enter_or_leave(piece, event)
            into = self.unseen.setdefault(self._why, []) if self._why else self.seen
            if event == "start":
                if not self._outside and name not in ("ruby-text", ""):
                    own = piece.text or ""
                    if name == "span" and own.strip():
                        own = self._shift(own, value_of(piece, "style-name"), into)
                    into.append(_sign(name, piece) + own)
                continue
            if name in ("ruby-base", "ruby-text"):
                self._take_reading(name, piece)
            if piece is not node and piece.tail and not self._outside:
                into.append(piece.tail)

    def _enter_or_leave(self, span: etree._Element, event: str) -> None:
        if event == "start":
            self._around.append(("text", value_of(span, "style-name")))
        else:
            self._around.pop()
        self._why = self._why_unseen()

    def _why_unseen(self) -> str:
        why = self._styles.why_unseen(reversed(self._around))
        return "" if why == WHITE_LETTERS and not self._on_white else why

    def _shift(self, text: str, style: str | None, before: Sequence[str]) -> str:
        """The text with a sign if its style raises or lowers it."""
        shift = self._styles.shift(style)
        if not shift:
            return text
        return (raised if shift > 0 else lowered)(next(filter(None, reversed(before)), ""), text)

    def _take_reading(self, name: str, piece: etree._Element) -> None:
        said = "".join(piece.itertext())
        if name == "ruby-base":
            self._base = said
        else:
            self.readings.append(f"{self._base}: {said.strip()}")


def _sign(name: str, piece: etree._Element) -> str:
    """What a tag shows itself."""
    if name == "s":
        return " " * min(MAX_SPACES, max(1, number_of(value_of(piece, "c"), 1)))
    return _SIGNS.get(name, "")


def squeeze(text: str) -> str:
    """Runs of spaces are one space in OpenDocument; tabs and line ends are signs of their own."""
    lines = clean(text).replace("\u00ad", "").split("\n")
    return "\n".join(
        "\t".join(" ".join(part.split()) for part in line.split("\t")) for line in lines
    ).strip()
