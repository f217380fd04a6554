"""What the styles of an OpenDocument file say: what is hidden or not to be seen, raised, lowered."""

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from ingest.partition.office.package import child, release, value_of

VANISHED, WHITE_LETTERS, DOT = (
    "in hidden characters", "in white on white", "in letters of one point or less",
)  # fmt: skip
TINY = 1.0  # points: letters that nobody can read
_WHITE = ("#ffffff", "#fff", "white")
_PICTURED = ("gradient", "bitmap", "hatch")
MAX_CHAIN = 20  # styles that one is based on, one after the other


@dataclass(frozen=True, slots=True)
class _OdfStyle:
    """What one style says by itself."""

    parent: str = ""
    hidden: bool = False
    shift: int = 0  # of letters: above 0 they are raised, below 0 lowered
    colour: str = ""  # of letters
    size: str = ""
    filled: bool = False  # something coloured stands behind the letters


class OdfStyles:
    """The styles of one file, by family and name."""

    def __init__(self) -> None:
        self._known: dict[str, _OdfStyle] = {}
        self.coloured_page = False

    def add(self, node: etree._Element) -> None:
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
        automatic = value_of(about, "use-window-font-color") == "true"
        self._known[name] = _OdfStyle(
            parent,
            hidden,
            _shift_of(value_of(about, "text-position")),
            "automatic" if automatic else (value_of(about, "color") or "").lower(),
            value_of(about, "font-size") or "",
            any(map(_is_filled, node)),
        )
        release(node)

    def add_page(self, node: etree._Element) -> None:
        """The layout of pages: whether they have a colour."""
        self.coloured_page = self.coloured_page or any(map(_is_filled, node))
        release(node)

    def fills(self, family: str, name: str | None) -> bool:
        return any(style.filled for _, style in self._chain(family, name))

    def why_unseen(self, names: Iterable[tuple[str, str | None]]) -> str:
        """Why no reader sees letters if they stand on white; "" if one does. names: (family, style) of
        what is around them, the innermost first.
        """
        styles = [style for each in names for _, style in self._chain(*each)]
        if any(style.hidden for style in styles):
            return VANISHED
        if _is_tiny(next((style.size for style in styles if style.size), "")):
            return DOT
        colour = next((style.colour for style in styles if style.colour), "")
        filled = self.coloured_page or any(style.filled for style in styles)
        return WHITE_LETTERS if colour in _WHITE and not filled else ""

    def hides(self, family: str, name: str | None) -> bool:
        return any(style.hidden for _, style in self._chain(family, name))

    def shift(self, name: str | None) -> int:
        """Of letters in this style: above 0 they are raised, below 0 lowered."""
        return next(filter(None, (style.shift for _, style in self._chain("text", name))), 0)

    def names(self, name: str | None) -> list[str]:
        """The style of a paragraph and those that it is based on."""
        return [each for each, _ in self._chain("paragraph", name)] or [name or ""]

    def _chain(self, family: str, name: str | None) -> list[tuple[str, _OdfStyle]]:
        found: list[tuple[str, _OdfStyle]] = []
        key = f"{family} {name}"
        while key in self._known and len(found) < MAX_CHAIN:
            found.append((key.partition(" ")[2], self._known[key]))
            key = self._known[key].parent
        return found


def _is_filled(about: etree._Element) -> bool:
    """Whether properties give a background that is not white."""
    colour = (value_of(about, "background-color") or "transparent").lower()
    return (
        colour not in ("transparent", *_WHITE)
        or value_of(about, "fill") in _PICTURED
        or value_of(child(about, "background-image"), "href") is not None
    )


def _is_tiny(size: str) -> bool:
    try:
        return size.endswith("pt") and 0 < float(size.removesuffix("pt")) <= TINY
    except ValueError:
        return False


def _shift_of(position: str | None) -> int:
    """1 if "super 58%" or "33% 58%" raises letters, -1 if it lowers them."""
    first = (position or "").partition(" ")[0]
    if first in ("super", "sub"):
        return 1 if first == "super" else -1
    return 0 if first.strip("-0%.") == "" else -1 if first.startswith("-") else 1
