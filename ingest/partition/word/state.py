"""What is known while a part of a Word file is read: open paragraphs, tables, fields and flows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ingest.elements import Element
from ingest.partition.context import ParseContext
from ingest.partition.office.package import Package
from ingest.partition.office.story import Flow, Story
from ingest.partition.word.numbering import Numbering
from ingest.partition.word.styles import WordStyle, WordStyles


class TextRun(NamedTuple):
    """Letters of a paragraph that look alike."""

    text: str
    why: str = ""  # why no reader sees them; "" if one does
    shift: str = ""  # "superscript", "subscript" or nothing


ReadRelation = Callable[[str, str], list[Element]]  # kind of relation, name of the part


@dataclass(slots=True)
class WordFlow(Flow):
    carried: list[TextRun] = field(default_factory=list)  # of a paragraph whose end was deleted
    caption: Element | None = None  # the last block, if it names the table after it
    boxed: bool = False  # has, or may have, a colour of its own behind it


@dataclass(slots=True)
class Paragraph:
    style: WordStyle = field(default_factory=WordStyle)
    runs: list[TextRun] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)  # text of fields not yet closed
    readings: list[str] = field(default_factory=list)
    anchored: list[Element] = field(default_factory=list)
    level: int | None = None
    numbering: tuple[str, int] | None = None
    shaded: bool = False
    end_deleted: bool = False
    shift: str = ""  # of the run that is being read
    plain: bool = False  # some of it is not in bold
    ruby_text: list[str] | None = None  # while the reading of a word is being read
    base_at: int = 0


@dataclass(slots=True)
class WordCell:
    flow: WordFlow
    across: int = 1
    merge: str = ""  # "restart", "continue" or nothing
    deleted: bool = False


@dataclass(slots=True)
class WordRow:
    cells: list[WordCell] = field(default_factory=list)
    header: bool = False
    before: int = 0  # columns that it leaves out at its start
    unseen: str = ""  # why no reader sees it


@dataclass(slots=True)
class WordTable:
    rows: list[WordRow] = field(default_factory=list)
    caption: str = ""
    shaded: bool = False


class WordStory(Story[WordFlow]):
    """One part of a Word file. `notes` are the blocks of its notes or comments by id."""

    def __init__(
        self,
        package: Package,
        work: ParseContext,
        styles: WordStyles,
        numbering: Numbering,
        read_relation: ReadRelation,
    ) -> None:
        super().__init__(package, work, WordFlow())
        self.styles, self.numbering, self.read_relation = styles, numbering, read_relation
        self.notes: dict[str, list[Element]] = {}
        self.referred: Mapping[str, list[Element]] = {}  # "footnotes 3" → its blocks
        self.used: set[str] = set()
        self.relations: Mapping[str, tuple[str, str]] = {}
        self.paragraphs: list[Paragraph] = []
        self.tables: list[WordTable] = []
        self.fields: list[bool] = []  # of every open field: whether its instruction goes on
        self.choices: list[int] = []  # how much there was when the alternatives began
        self.fallbacks: list[bool] = []  # of every open one: whether it is passed over
        self.skipped = self.deleted = 0  # so many open things are passed over, or were deleted
        self.made = 0
        self.above = 0  # the level of the last heading with a style
        self._open: list[tuple[str, Finish]] = []  # from the outside in

    @property
    def produced(self) -> int:
        """How much has come of the part so far."""
        return self.made + sum(len(each.runs) for each in self.paragraphs)

    def begin(self, kind: str, finish: "Finish") -> None:
        """finish: called at its end, which a damaged part may leave to what is around it."""
        self._open.append((kind, finish))

    def end(self, kind: str) -> "Finish | None":
        """Takes the innermost thing of this kind off, with all that was left open inside it, and
        gives back how it ends; None if no such thing is open.
        """
        if not any(each == kind for each, _ in self._open):
            return None
        while self._open[-1][0] != kind:
            self._open.pop()[1](self)
        return self._open.pop()[1]

    def end_all(self) -> None:
        """Ends what a damaged or cut part left open."""
        while self._open:
            self._open.pop()[1](self)


Finish = Callable[[WordStory], None]
