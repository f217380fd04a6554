"""Elements to one document text and chunks with exact offsets into it, measured with the embedder's
own tokenizer.

Headings make sections; a section is cut at its blocks, a long block at its sentences, a long
sentence at a clause or a space, a table at its rows. Short neighbouring sections share a chunk.
Everything is one pass over the text, whatever it looks like.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from indexes.errors import SourceEmpty
from indexes.model import Chunk
from ingest.document_tables import DocumentTables
from ingest.elements import CutOptions, CutText, Parsed
from ingest.sections import (
    HeadingPath,
    Section,
    TextBlock,
    count_shared_headings,
    headings_in,
    lay_out,
    make_sections,
    page_marks,
    pages_of,
    section_marks,
)
from ingest.splitting import Splitter, TextSpan
from ingest.table_text import TableText

if TYPE_CHECKING:
    from indexes.embedder import TokenCounter

# title and section path take at most one in so many tokens of a chunk; a table's header too
PREFIX_SHARE = 3
SMALL_SHARE = 3  # a section below one in so many tokens of a chunk looks for company
# what has less than one in so many tokens of a chunk, and still does not fit below what stands
# above it, is embedded without that
ALONE_SHARE = 6
MAX_TITLE_CHARS = 300
PATH_SIGN = " > "


@dataclass(frozen=True, slots=True)
class _Draft:
    """A chunk to be: a stretch of text, and the headings above it."""

    start: int
    end: int
    tokens: int
    path: HeadingPath
    alone: bool = False  # embedded without anything above it
    whole: bool = False  # it is a whole section, or several: others may join it


def cut(parsed: Parsed, options: CutOptions, counter: "TokenCounter") -> Parsed:
    """The same document, cut, without its elements. Raises SourceEmpty if there is no text."""
    title = storable_title(options.title or parsed.title or "", options.fallback_title)
    text, chunks = chunk(parsed, title, counter, options.chunk_tokens)
    if not chunks:
        raise SourceEmpty()
    return replace(parsed, elements=(), cut=CutText(title=title, text=text, chunks=chunks))


def storable_title(given: str, fallback: str) -> str:
    """The title as one line that is not too long; if nothing is left of it, the other one."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in given).split())
    return shown[:MAX_TITLE_CHARS] or fallback


def chunk(
    parsed: Parsed, title: str, embedder: "TokenCounter", chunk_tokens: int
) -> tuple[str, tuple[Chunk, ...]]:
    """The document's text and its chunks in reading order; every visible character of the text is
    in exactly one chunk.

    What is embedded (title, section path, what stands above a part of a table, the text with its
    tables as prose) has at most `chunk_tokens` tokens, and at most what the embedder takes. Equal
    input gives equal output.
    """
    text, blocks = lay_out(parsed.elements)
    sections = list(make_sections(blocks))
    tables = DocumentTables(text, blocks)
    chunker = _Chunker(
        text, title, Splitter(text, embedder), tables, min(chunk_tokens, embedder.max_tokens)
    )
    fitting = chunker.fit(_join_small_sections(chunker, sections))
    marks = page_marks(blocks)
    headings = section_marks(sections)
    chunks = tuple(
        Chunk(
            ordinal=ordinal,
            text=text[draft.start : draft.end],
            start=draft.start,
            end=draft.end,
            section=tuple(heading.text for heading in draft.path),
            pages=pages_of(marks, draft.start, draft.end),
            embedded=embedded,
            words=chunker.words(draft),
            headings=headings_in(headings, draft.start, draft.end, draft.path),
            header=tables.header_above(draft.start, draft.end),
            tables=tables.marks(draft.start, draft.end),
        )
        for ordinal, (draft, embedded) in enumerate(fitting)
    )
    return text, chunks


def _join_small_sections(chunker: "_Chunker", sections: Sequence[Section]) -> list[_Draft]:
    """Drafts of all sections, small neighbours under one parent merged."""
    drafts: list[_Draft] = []
    for made in chunker.cut(sections):
        if len(made) == 1 and drafts and chunker.may_join(drafts[-1], made[0]):
            drafts[-1] = _merge(drafts[-1], made[0])
        else:
            drafts += made
    return drafts


def _merge(one: _Draft, other: _Draft) -> _Draft:
    shared = count_shared_headings(one.path, other.path)
    return _Draft(
        one.start, other.end, one.tokens + other.tokens + 1, one.path[:shared], whole=True
    )


class _Chunker:
    """Cuts the sections of one document."""

    def __init__(
        self, text: str, title: str, splitter: Splitter, tables: DocumentTables, budget: int
    ) -> None:
        self.text, self.splitter, self.tables, self.budget = text, splitter, tables, budget
        self.title = splitter.shorten(" ".join(title.split()), budget // (2 * PREFIX_SHARE))
        self._prefixes: dict[tuple[str, ...], str] = {}
        self._rooms: dict[tuple[str, ...], int] = {}
        self._leads: dict[str, str] = {}
        self._lines_of: dict[int, list[int]] = {}  # tokens of the lines of tables, by place

    def cut(self, sections: Sequence[Section]) -> Iterator[list[_Draft]]:
        """Each section's drafts."""
        blocks = [block for section in sections for block in section.blocks]
        counts = self._count_blocks(blocks)
        at = 0
        for section in sections:
            yield self._cut_section(section, counts[at : at + len(section.blocks)])
            at += len(section.blocks)

    def may_join(self, before: _Draft, after: _Draft) -> bool:
        """Whether a small section and its neighbour, siblings or parent and child, fit into one
        chunk.
        """
        shared = count_shared_headings(before.path, after.path)
        related = shared >= min(len(before.path), len(after.path)) - 1
        together = before.tokens + after.tokens + 1
        small = min(before.tokens, after.tokens) * SMALL_SHARE < self.budget
        return (
            before.whole
            and after.whole
            and related
            and small
            and together <= self._room(before.path[:shared])
        )

    def embedded_text(self, draft: _Draft) -> str:
        """What the embedder sees: the headings that the text does not show itself, what stands above
        a part of a table, the text.
        """
        if draft.alone:
            return self.text[draft.start : draft.end]
        text = self.tables.say(draft.start, draft.end)
        parts = (self._named(draft, text), self._lead(draft.start, draft.end), text)
        return "\n".join(part for part in parts if part)

    def words(self, draft: _Draft) -> str:
        """What keyword search reads, if that is not what the embedder sees."""
        if draft.alone or not self.tables.has_prose(draft.start, draft.end):
            return ""
        text = self.text[draft.start : draft.end]
        parts = (self._named(draft, text), self.tables.header_above(draft.start, draft.end), text)
        return "\n".join(part for part in parts if part)

    def _named(self, draft: _Draft, text: str) -> str:
        """Title and headings that the text does not show itself."""
        above = tuple(one.text for one in draft.path if not draft.start <= one.start < draft.end)
        named = self._prefix(above)
        return "" if text.startswith(named) else named

    def fit(self, drafts: Sequence[_Draft]) -> list[tuple[_Draft, str]]:
        """The drafts with what is embedded of each; those cut again whose tokens together are more
        than those of their parts.
        """
        done: list[tuple[_Draft, str]] = []
        texts = [self.embedded_text(draft) for draft in drafts]
        for draft, text, count in zip(drafts, texts, self.splitter.count(texts), strict=True):
            done += [(draft, text)] if count <= self.budget else self._halve(draft)
        return done

    def _halve(self, draft: _Draft) -> list[tuple[_Draft, str]]:
        own = self.splitter.count([self.text[draft.start : draft.end]])[0]
        # nearly all of it is what stands above: without that it fits
        if draft.end - draft.start <= 1 or own * ALONE_SHARE <= self.budget:
            alone = replace(draft, path=(), alone=True)
            return [(alone, self.embedded_text(alone))]
        middle = self._find_middle(draft.start, draft.end)
        halves = [
            self.splitter.trim(draft.start, middle),
            self.splitter.trim(middle, draft.end),
        ]
        tokens = self._count_said(halves)
        parts = [
            replace(draft, start=half.start, end=half.end, tokens=count, whole=False)
            for half, count in zip(halves, tokens, strict=True)
            if half.end > half.start
        ]
        return self.fit(parts)

    def _cut_section(self, section: Section, counts: Sequence[int]) -> list[_Draft]:
        room = self._room(section.path)
        total = sum(counts) + len(counts)
        if total <= room:
            last = section.blocks[-1]
            return [_Draft(section.blocks[0].start, last.end, total, section.path, whole=True)]
        drafts: list[_Draft] = []
        run: list[tuple[TextSpan, int]] = []
        for block, count in zip(section.blocks, counts, strict=True):
            if block.element.kind == "table" and count > room:
                drafts += self._cut_table(block, run, section.path, room)
                run = []
            elif count > room:
                run += self.splitter.pieces(block.start, block.end, room)
            else:
                run.append((TextSpan(block.start, block.end), count))
        return drafts + self._pack(run, section.path, room)

    def _cut_table(
        self, block: TextBlock, lead: list[tuple[TextSpan, int]], path: HeadingPath, room: int
    ) -> list[_Draft]:
        """Groups of rows; what stands above the rows is embedded with every group.

        `lead` is what stands before the table: with the first rows if it is short, else in
        chunks of its own.
        """
        table = self.tables.at(block.start)
        assert table is not None
        header = self._lead(table.body_start, table.end)
        below = room - (self.splitter.count([header])[0] + 1 if header else 0)
        short = 2 * sum(count + 1 for _, count in lead) <= below
        drafts = [] if short else self._pack(lead, path, room)
        run = list(lead) if short else []
        for place, count in zip(table.lines, self._lines_of.pop(block.start), strict=True):
            line = TextSpan(*place)
            if count <= below:
                run.append((line, count))
                continue
            # a part of a row has other columns than the rows beside it: none of them joins it
            drafts += self._pack(run, path, below)
            drafts += self._pack(self._cut_row(table, line, below), path, below)
            run = []
        return [*drafts, *self._pack(run, path, below)]

    def _cut_row(self, table: TableText, row: TextSpan, room: int) -> list[tuple[TextSpan, int]]:
        """A row that does not fit: cut between its cells, a cell that does not fit like a text."""
        begins = table.cells((row.start, row.end))
        if not begins:
            return self.splitter.pieces(row.start, row.end, room)
        edges = [row.start, *begins[1:], row.end]  # the bar behind a cell goes with it
        cells = [self.splitter.trim(*edge) for edge in pairwise(edges)]
        pieces: list[tuple[TextSpan, int]] = []
        for cell, count in zip(cells, self._count_said(cells), strict=True):
            if count <= room:
                pieces.append((cell, count))
                continue
            over = count - self.splitter.count_spans([cell])[0]  # of its label and its header
            pieces += [
                (piece, tokens + over)
                for piece, tokens in self.splitter.pieces(
                    cell.start, cell.end, max(1, room - max(0, over))
                )
            ]
        return pieces

    def _find_middle(self, start: int, end: int) -> int:
        """Where to halve a stretch: where a row of a table begins, else a cell, else after a clause
        or at a space.
        """
        middle = start + (end - start) // 2
        table = self.tables.at(middle)
        cut = table.boundary(start, end, middle) if table else None
        if cut is not None:
            return cut
        half, quarter = (end - start) // 2, (end - start) // 4
        cut = min(self.splitter.best_cut(start, start + half + 1, start + quarter), end - 1)
        table = table or self.tables.at(cut)
        inside = table.boundary(start, end, cut) if table and table.start < cut else None
        return cut if inside is None else inside

    def _count_blocks(self, blocks: Sequence[TextBlock]) -> list[int]:
        """Tokens of each block; of a table, those of its lines, which are kept for cutting it."""
        spans = [TextSpan(block.start, block.end) for block in blocks]
        counts = iter(
            self._count_said(
                [s for s, b in zip(spans, blocks, strict=True) if b.element.kind != "table"]
            )
        )
        found: list[int] = []
        for block in blocks:
            table = self.tables.at(block.start) if block.element.kind == "table" else None
            if table is None:
                found.append(next(counts))
                continue
            lines = self._count_said([TextSpan(*line) for line in table.lines])
            found.append(sum(lines) + len(lines))
            self._lines_of[block.start] = lines
        return found

    def _count_said(self, spans: Sequence[TextSpan]) -> list[int]:
        """Tokens of each stretch as it is embedded."""
        return self.splitter.count(self.tables.say(span.start, span.end) for span in spans)

    def _lead(self, start: int, end: int) -> str:
        """What is embedded above a part of a table, within its share of the budget: if it is too
        long, its last lines.
        """
        table = self.tables.at(start)
        lines = table.lead_above(start, end) if table else []
        lead = "\n".join(lines)
        if lead not in self._leads:
            while lines and self.splitter.count(["\n".join(lines)])[0] * PREFIX_SHARE > self.budget:
                lines = lines[1:]
            self._leads[lead] = "\n".join(lines)
        return self._leads[lead]

    def _pack(
        self, pieces: Sequence[tuple[TextSpan, int]], path: HeadingPath, room: int
    ) -> list[_Draft]:
        """Pieces put together in order into drafts of about equal size, none above the room."""
        if not pieces:
            return []
        total = sum(count + 1 for _, count in pieces)
        target = total / -(-total // room)
        drafts: list[_Draft] = []
        start, end, tokens = pieces[0][0].start, pieces[0][0].end, pieces[0][1]
        for span, count in pieces[1:]:
            if tokens + 1 + count > room or (tokens >= target and count < tokens):
                drafts.append(_Draft(start, end, tokens, path))
                start, tokens = span.start, count
            else:
                tokens += 1 + count
            end = span.end
        return [*drafts, _Draft(start, end, tokens, path)]

    def _room(self, path: HeadingPath) -> int:
        names = tuple(heading.text for heading in path)
        if names not in self._rooms:
            prefix = self._prefix(names)
            self._rooms[names] = max(
                1, self.budget - (self.splitter.count([prefix])[0] + 1 if prefix else 0)
            )
        return self._rooms[names]

    def _prefix(self, names: tuple[str, ...]) -> str:
        """Title and headings within their share of the budget; the outermost headings go first
        if there are many.
        """
        if names not in self._prefixes:
            shown = names[1:] if names and names[0].casefold() == self.title.casefold() else names
            while True:
                prefix = PATH_SIGN.join(name for name in (self.title, *shown) if name)
                if not shown or self.splitter.count([prefix])[0] * PREFIX_SHARE <= self.budget:
                    break
                shown = shown[1:]
            self._prefixes[names] = prefix
        return self._prefixes[names]
