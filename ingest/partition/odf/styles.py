"""What the styles of an OpenDocument file say: what is hidden, raised and lowered."""

from dataclasses import dataclass

from lxml import etree

from ingest.partition.office.package import child, release, value_of

MAX_CHAIN = 20  # styles that one is based on, one after the other


@dataclass(frozen=True, slots=True)
class _Style:
    """What one style says by itself."""

    parent: str = ""
    hidden: bool = False
    shift: int = 0  # of letters: above 0 they are raised, below 0 lowered


class Styles:
    """The styles of one file, by family and name."""

    def __init__(self) -> None:
        self._known: dict[str, _Style] = {}

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
        self._known[name] = _Style(parent, hidden, _shift_of(value_of(about, "text-position")))
        release(node)

    def hides(self, family: str, name: str | None) -> bool:
        return any(style.hidden for _, style in self._chain(family, name))

    def shift(self, name: str | None) -> int:
        """Of letters in this style: above 0 they are raised, below 0 lowered."""
        return next(filter(None, (style.shift for _, style in self._chain("text", name))), 0)

    def names(self, name: str | None) -> list[str]:
        """The style of a paragraph and those that it is based on."""
        return [each for each, _ in self._chain("paragraph", name)] or [name or ""]

    def _chain(self, family: str, name: str | None) -> list[tuple[str, _Style]]:
        found: list[tuple[str, _Style]] = []
        key = f"{family} {name}"
        while key in self._known and len(found) < MAX_CHAIN:
            found.append((key.partition(" ")[2], self._known[key]))
            key = self._known[key].parent
        return found


def _shift_of(position: str | None) -> int:
    """1 if "super 58%" or "33% 58%" raises letters, -1 if it lowers them."""
    first = (position or "").partition(" ")[0]
    if first in ("super", "sub"):
        return 1 if first == "super" else -1
    return 0 if first.strip("-0%.") == "" else -1 if first.startswith("-") else 1
