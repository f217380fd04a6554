"""Running headers and footers: what stands in one place with one text on many pages."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.partition.pdf.flow import Line

MIN_PAGES = 4  # with the same line; fewer are not worth a rule
MAX_DEPTH = 4  # lines from either edge that may be running ones
SAME_PLACE = 4.0  # points
NEARBY = 2  # pages; left and right ones may differ
_PAGE = "\0"  # in a key, in place of a page number; no text holds it
_ROMAN_PAGE = f"{_PAGE}roman"
_DIGITS = re.compile(r"\d+")
_LEADING = re.compile(r"^(?P<number>\d{1,4})\s+(?P<text>\D*[^\W\d_].*)$")
_TRAILING = re.compile(r"^(?P<text>.*[^\W\d_]\D*?)\s+(?P<number>\d{1,4})$")
_LETTERS = re.compile(r"[^\W\d_]+")
_PARTS = re.compile(r"\s+[|•·–—]\s+|\s{2,}|\t")
_ROMAN = re.compile(r"^[ivxlc]+$", re.IGNORECASE)
_PAGE_WORD = re.compile(
    r"^(?:pages?|pp?|pg|of|seiten?|s|von|blatt|pagina|página|pág|strana|str|strona|sida|side|sayfa|"
    r"de|sur|di|av|z|стр|страница|из|[第页頁共ページ쪽]+)$"
)


@dataclass(frozen=True, slots=True)
class PageLines:
    """The lines of one page, and what number it has."""

    number: int
    label: str | None  # printed on it as its number
    lines: Sequence[Line]
    has_tables: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """A line near the top or the bottom of its page."""

    page: int
    line: Line
    key: tuple[str, ...]  # what repeats: its pieces, page numbers as _PAGE
    side: str

    @property
    def is_page_number(self) -> bool:
        """Whether its text is of the form of a page number; a Roman one may be a word."""
        return len(self.key) == 1 and _PAGE in self.key[0] and self.key[0] != _ROMAN_PAGE


def find_edges(pages: Sequence[PageLines]) -> list[list[Edge]]:
    """The lines near the edges of each page, from each edge inwards."""
    return _without_numbers([list(_edges(page)) for page in pages])


def _without_numbers(edges: Sequence[Sequence[Edge]]) -> list[list[Edge]]:
    """The edges, page numbers that stand before or after some text cut off from it: before it if
    the text is the same on many pages and the number grows with them; after it if that is so and
    the pages beside begin with theirs in that place, as those of books do.
    """
    leading = _numbered(edges, _LEADING)
    trailing = _numbered(edges, _TRAILING)
    keys = dict(leading)
    for number, each in enumerate(edges):
        beside = [
            one
            for near in (number - 1, number + 1)
            if 0 <= near < len(edges)
            for one in edges[near]
        ]
        for edge in (one for one in each if id(one) in trailing and id(one) not in leading):
            key = trailing[id(edge)]
            if any(
                id(one) in leading and leading[id(one)][0] == key[0] and _in_one_place(edge, one)
                for one in beside
            ):
                keys[id(edge)] = key
    return [[replace(edge, key=keys.get(id(edge), edge.key)) for edge in each] for each in edges]


def _numbered(edges: Sequence[Sequence[Edge]], form: re.Pattern[str]) -> dict[int, tuple[str, ...]]:
    """New keys by the ids of the edges of this form, if the text beside the number repeats."""
    keys: dict[int, tuple[str, ...]] = {}
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    flat = [edge for each in edges for edge in each]
    for edge in flat:
        match = form.match(edge.line.text)
        if match and not match["text"][0].islower():  # "12 of 900 boards" tells a number
            key = f"{int(match['number']) - edge.page}{_PAGE}", match["text"]
            keys[id(edge)] = key
            counts[edge.side, key] += 1
    return {
        id(edge): keys[id(edge)]
        for edge in flat
        if id(edge) in keys and counts[edge.side, keys[id(edge)]] >= MIN_PAGES
    }


def _in_one_place(one: Edge, other: Edge) -> bool:
    return one.side == other.side and abs(one.line.top - other.line.top) <= SAME_PLACE


def running_lines(edges: Sequence[Sequence[Edge]]) -> list[set[int]]:
    """For each page the ids of the lines that only repeat what stands in their place on an earlier
    page. Page numbers apart, nothing that tells a number of its own is among them.
    """
    places: dict[tuple[tuple[str, ...], str], list[float]] = defaultdict(list)
    for each in edges:
        for edge in each:
            places[edge.key, edge.side].append(edge.line.top)
    found: list[set[int]] = []
    seen: set[tuple[tuple[str, ...], str]] = set()
    for each in edges:
        running = [
            edge for side in ("top", "bottom") for edge in _running_edges(each, side, places)
        ]
        found.append({id(edge.line) for edge in running if (edge.key, edge.side) in seen})
        seen |= {(edge.key, edge.side) for edge in each}
    return found


def _running_edges(
    edges: Iterable[Edge], side: str, places: Mapping[tuple[tuple[str, ...], str], Sequence[float]]
) -> Iterator[Edge]:
    """From the edge of the page on those that stand in one place on enough pages."""
    for edge in (one for one in edges if one.side == side):
        alike = places[edge.key, side]
        if len(alike) < MIN_PAGES or not _in_place(edge.line.top, alike):
            break
        yield edge


def repeated_lines(edges: Sequence[Sequence[Edge]]) -> list[set[int]]:
    """For each page the ids of the lines that stand in one place on a page nearby, too, and of its
    page number. They are not enough to be left out, but they part nothing that goes on.
    """
    return [
        {
            id(edge.line)
            for edge in each
            if _is_numbered(edge) or _repeats_nearby(edge, edges, place)
        }
        for place, each in enumerate(edges)
    ]


def page_numbers(edges: Sequence[Sequence[Edge]]) -> list[set[int]]:
    """For each page the ids of the lines that are its number and nothing else."""
    return [
        {
            id(edge.line)
            for edge in each
            if edge.is_page_number and (_is_numbered(edge) or _repeats_nearby(edge, edges, place))
        }
        for place, each in enumerate(edges)
    ]


def _is_numbered(edge: Edge) -> bool:
    """Whether a line is the number of its own page."""
    return edge.is_page_number and edge.key[0].split(_PAGE)[0] in ("", "0")


def _repeats_nearby(edge: Edge, edges: Sequence[Sequence[Edge]], place: int) -> bool:
    nearby = (*edges[max(0, place - NEARBY) : place], *edges[place + 1 : place + 1 + NEARBY])
    return any(
        other.key == edge.key and _in_one_place(edge, other) for each in nearby for other in each
    )


def _in_place(top: float, tops: Sequence[float]) -> bool:
    return sum(abs(top - other) <= SAME_PLACE for other in tops) >= MIN_PAGES


def _edges(page: PageLines) -> Iterator[Edge]:
    """The outermost lines, from each edge inwards; not the only one of a page, if all it holds."""
    ordered = sorted(page.lines, key=lambda line: line.top)
    depth = min(MAX_DEPTH, len(ordered) if page.has_tables else max(0, len(ordered) - 1))
    for side, row in (("top", ordered[:depth]), ("bottom", ordered[::-1][:depth])):
        for line in row:
            yield Edge(page.number, line, _key(line, page.number, page.label), side)


def _key(line: Line, number: int, label: str | None) -> tuple[str, ...]:
    parts = [part for piece in line.pieces or (line.text,) for part in _PARTS.split(piece) if part]
    return tuple(_mask(part, number, label) for part in parts)


def _mask(part: str, number: int, label: str | None) -> str:
    """A page number, whatever is written around it, as _PAGE; everything else as it is."""
    bare = part.strip(" -–—[]().·•|")
    if label and bare == label:
        return _PAGE
    if _ROMAN.match(bare) and len(bare) < 8:
        return _ROMAN_PAGE
    words = [word.casefold() for word in _LETTERS.findall(part)]
    if _DIGITS.search(part) and all(map(_PAGE_WORD.match, words)):
        figures = _DIGITS.findall(part)
        if len(figures) <= 2 and len(figures[0]) <= 4 and not re.search(r"\d[.,:]\d", part):
            return f"{int(figures[0]) - number}{_PAGE} " + " ".join(words)
    return part
