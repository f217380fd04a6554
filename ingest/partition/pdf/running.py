"""Running headers and footers: what stands in one place with one text on many pages."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.partition.pdf.flow import Line

MIN_PAGES = 4  # with the same line; fewer are not worth a rule
MAX_DEPTH = 4  # lines from either edge that may be running ones
SAME_PLACE = 4.0  # points
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")
_PARTS = re.compile(r"\s+[|•·–—]\s+|\s{2,}|\t")
_ROMAN = re.compile(r"^[ivxlc]+$", re.IGNORECASE)
_PAGE_WORD = re.compile(
    r"^(?:pages?|pp?|pg|of|seiten?|s|von|blatt|pagina|página|pág|strana|str|strona|sida|side|sayfa|"
    r"de|sur|di|av|z|стр|страница|из|[第页頁共ページ쪽]+)$"
)


@dataclass(frozen=True, slots=True)
class _Edge:
    """A line near the top or the bottom of its page."""

    page: int
    line: Line
    key: tuple[str, ...]  # what repeats: its pieces, page numbers as "#"
    place: tuple[str, int]  # the edge and the distance from it, in steps of SAME_PLACE


def running_lines(
    pages: Sequence[tuple[int, str | None, Sequence[Line]]],
) -> list[set[int]]:
    """For each page (number, printed number, lines) the ids of the lines that only repeat what
    stands in their place on an earlier page. Page numbers apart, nothing that tells a number of
    its own is among them.
    """
    edges = [list(_edges(*page)) for page in pages]
    counts = Counter((edge.key, edge.place[0]) for each in edges for edge in each)
    places: dict[tuple[tuple[str, ...], str], list[float]] = defaultdict(list)
    for each in edges:
        for edge in each:
            places[edge.key, edge.place[0]].append(edge.line.top)
    found: list[set[int]] = []
    seen: set[tuple[tuple[str, ...], str]] = set()
    for each in edges:
        dropped: set[int] = set()
        for side in ("top", "bottom"):
            for edge in (one for one in each if one.place[0] == side):
                name = edge.key, side
                if counts[name] < MIN_PAGES or not _in_place(edge.line.top, places[name]):
                    break
                if name in seen:
                    dropped.add(id(edge.line))
        seen |= {(edge.key, edge.place[0]) for edge in each}
        found.append(dropped)
    return found


def _in_place(top: float, tops: Sequence[float]) -> bool:
    return sum(abs(top - other) <= SAME_PLACE for other in tops) >= MIN_PAGES


def _edges(number: int, label: str | None, lines: Sequence[Line]) -> Iterator[_Edge]:
    """The outermost lines, from each edge inwards."""
    ordered = sorted(lines, key=lambda line: line.top)
    depth = min(MAX_DEPTH, max(0, len(ordered) - 1))
    for side, row in (("top", ordered[:depth]), ("bottom", ordered[::-1][:depth])):
        for line in row:
            yield _Edge(number, line, _key(line, number, label), (side, round(line.top)))


def _key(line: Line, number: int, label: str | None) -> tuple[str, ...]:
    parts = [part for piece in line.pieces or (line.text,) for part in _PARTS.split(piece) if part]
    return tuple(_mask(part, number, label) for part in parts)


def _mask(part: str, number: int, label: str | None) -> str:
    """A page number, whatever is written around it, as "#"; everything else as it is."""
    bare = part.strip(" -–—[]().·•|")
    if label and bare == label:
        return "#"
    if _ROMAN.match(bare) and len(bare) < 8:
        return "#roman"
    words = [word.casefold() for word in _LETTERS.findall(part)]
    if _DIGITS.search(part) and all(map(_PAGE_WORD.match, words)):
        figures = _DIGITS.findall(part)
        if len(figures) <= 2 and len(figures[0]) <= 4 and not re.search(r"\d[.,:]\d", part):
            return f"{int(figures[0]) - number}# " + " ".join(words)
    return part
