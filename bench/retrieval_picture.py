"""The figures of `bench.retrieval` as one picture, which is readable on light and dark pages.

    python -m bench.retrieval_picture bench/results/retrieval-200k.json

draws a file of figures again, into the same folder; `bench.retrieval --json` does so by itself.
"""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

K = 10
FULL_RECALL = 0.99
ELSEWHERE = ("pgvector + RLS", "Qdrant edge")
"""Work that is not, or not only, done on the thread that asks: its time is by the clock."""
NAMES = {
    "search": "Clearance, whole search",
    "index": "Clearance, index alone",
    "FAISS flat + bitmap": "FAISS flat + bitmap",
    "FAISS HNSW32 + bitmap": "FAISS HNSW + bitmap",
    "pgvector + RLS": "pgvector + row security",
    "Qdrant edge": "Qdrant",
}
"""Who is drawn, and the name beside the line."""
STYLES = {name: f"e{number}" for number, name in enumerate(NAMES)}

WIDTH, HEIGHT = 880, 520
LEFT, RIGHT, TOP, BOTTOM = 92, 214, 102, 66
LABEL_LINE = 16  # pixels that a line of text takes

STYLE = """
svg { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
.page { fill: #ffffff; stroke: #d0d7de; } .text { fill: #1f2328; } .quiet { fill: #59636e; }
.title { font-size: 17px; font-weight: 600; } .small { font-size: 12px; }
.grid { stroke: #d8dee4; } .line { fill: none; stroke-width: 1.8; } .hollow { fill: #ffffff; }
.e0 { --c: #0550ae; } .e1 { --c: #0550ae; } .e2 { --c: #59636e; } .e3 { --c: #bc4c00; }
.e4 { --c: #116329; } .e5 { --c: #a0307f; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; stroke: #3d444d; } .text { fill: #f0f6fc; } .quiet { fill: #a5aeb8; }
.grid { stroke: #2a313a; } .hollow { fill: #0d1117; }
.e0 { --c: #79b8ff; } .e1 { --c: #79b8ff; } .e2 { --c: #a5aeb8; } .e3 { --c: #f0883e; }
.e4 { --c: #56d364; } .e5 { --c: #f778ba; }
}
.line, .mark { stroke: var(--c); } .mark { fill: var(--c); stroke-width: 1.8; }
.hollow { stroke: var(--c); stroke-width: 1.8; } .named { fill: var(--c); }
.line.e0 { stroke-width: 3.5; } .line.e1 { stroke-dasharray: 5 4; } .named.e0 { font-weight: 600; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    engine: str
    share: float
    ms: float
    recall: float


@dataclass(frozen=True, slots=True)
class Scales:
    """From figures to pixels; both axes are logarithmic."""

    shares: tuple[float, float]
    ms: tuple[float, float]

    def x(self, share: float) -> float:
        return LEFT + _part(share, *self.shares) * (WIDTH - LEFT - RIGHT)

    def y(self, ms: float) -> float:
        return HEIGHT - BOTTOM - _part(ms, *self.ms) * (HEIGHT - TOP - BOTTOM)


def _part(value: float, low: float, high: float) -> float:
    return math.log(value / low) / math.log(high / low)


def draw(facts: dict[str, Any]) -> str:
    """The picture, as SVG."""
    points = read_points(facts["figures"])
    shares, times = [p.share for p in points], [p.ms for p in points]
    scales = Scales(
        (min(shares), max(shares)),
        (10 ** math.floor(math.log10(min(times))), 1.4 * max(times)),
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' width="{WIDTH}" height="{HEIGHT}" aria-label="{escape(_title())}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8"/>',
        *_head(facts["vectors"]),
        *_axes(scales, sorted(set(shares)), facts["vectors"]),
        *_lines(scales, points),
        *_recalls(scales, points),
        *_names(scales, points),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def read_points(figures: Iterable[dict[str, Any]]) -> list[Point]:
    return [
        Point(
            engine=row["engine"],
            share=row["share"],
            ms=row["wall_p50_ms" if row["engine"] in ELSEWHERE else "cpu_p50_ms"],
            recall=row["recall"],
        )
        for row in figures
        if row["k"] == K and row["engine"] in NAMES
    ]


def _title() -> str:
    return f"The time to find the best {K} passages among those that one may read"


def _head(passages: int) -> list[str]:
    lines = (
        f"{passages:,} passages, one thread. Whole search: with both checks of access and the text"
        " of each hit; the others give numbers.",
        f"Full mark: at least 99 % of the true best {K} are found. Hollow mark: fewer; the share"
        " found (recall) stands beside it.",
    )
    told = [_text(24, 54 + 18 * n, line, "quiet small") for n, line in enumerate(lines)]
    return [_text(24, 32, _title(), "text title"), *told]


def _axes(scales: Scales, shares: Sequence[float], passages: int) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    low, high = scales.ms
    for power in range(round(math.log10(low)), math.floor(math.log10(high)) + 1):
        y = scales.y(10.0**power)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(_text(LEFT - 20, y + 4, f"{10.0**power:g} ms", "quiet", "end"))
    for share in shares:
        x = scales.x(share)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>')
        parts.append(_text(x, bottom + 20, f"{100 * share:g} %", "quiet", "middle"))
    middle = (LEFT + right) / 2
    told = f"visible: how much of the {passages:,} passages the asker may read"
    parts.append(_text(middle, bottom + 46, told, "text", "middle"))
    up = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 18 {up})"'
    parts.append(_text(18, up, "time of one search, median", "text", "middle", turned))
    return parts


def _lines(scales: Scales, points: Sequence[Point]) -> list[str]:
    """Ours last, so that they lie above the others."""
    parts = []
    for engine in reversed(NAMES):
        some = [p for p in points if p.engine == engine]
        if not some:
            continue
        places = [(scales.x(p.share), scales.y(p.ms)) for p in some]
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path class="line {STYLES[engine]}" d="M{way}"/>')
        for p, (x, y) in zip(some, places, strict=True):
            kind = "mark" if p.recall >= FULL_RECALL else "hollow"
            parts.append(
                f'<circle class="{kind} {STYLES[engine]}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            )
    return parts


def _recalls(scales: Scales, points: Sequence[Point]) -> list[str]:
    """Beside hollow marks, on the side where there is more room."""
    parts = []
    for p in points:
        if p.recall >= FULL_RECALL:
            continue
        y = scales.y(p.ms)
        others = [scales.y(q.ms) for q in points if q.share == p.share and q is not p]
        above = min((y - other for other in others if other <= y), default=math.inf)
        below = min((other - y for other in others if other > y), default=math.inf)
        place = y - 9 if above > below else y + 17
        told = f"{min(p.recall, FULL_RECALL - 0.01):.2f}"
        parts.append(
            _text(scales.x(p.share), place, told, f"named small {STYLES[p.engine]}", "middle")
        )
    return parts


def _names(scales: Scales, points: Sequence[Point]) -> list[str]:
    """Beside the ends of the lines, moved apart where they would lie on one another."""
    ends = {p.engine: p for p in points}  # the last of each, which has the largest share
    wanted = sorted((scales.y(p.ms) + 4, engine) for engine, p in ends.items())
    places = [y for y, _ in wanted]
    for number in range(1, len(places)):
        places[number] = max(places[number], places[number - 1] + LABEL_LINE)
    return [
        _text(WIDTH - RIGHT + 14, y, NAMES[engine], f"named {STYLES[engine]}")
        for y, (_, engine) in zip(places, wanted, strict=True)
    ]


def _text(x: float, y: float, told: str, style: str, anchor: str = "start", more: str = "") -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>'
        f"{escape(told)}</text>"
    )


def write_picture(facts: dict[str, Any], figures: Path) -> Path:
    """Beside the file of figures. Returns where."""
    place = figures.with_suffix(".svg")
    place.write_text(draw(facts), encoding="utf-8")
    return place


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("figures", type=Path, nargs="+", help="what bench.retrieval --json wrote")
    for path in options.parse_args().figures:
        print(write_picture(json.loads(path.read_text(encoding="utf-8")), path))


if __name__ == "__main__":
    main()
