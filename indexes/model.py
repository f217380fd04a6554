"""The values that travel: frozen, complete when created, safe to share between threads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType, Self

from indexes.formats import PageKind

Row = NewType("Row", int)
"""A chunk's id in the catalog and its id in FAISS. Never used twice, never shown to a caller."""

PUBLIC = "public"
"""The principal that every authenticated caller is.

A document is public only if a rule says so by this name.
"""

Mode = Literal["hybrid", "dense", "keyword"]
"""How passages are found: by meaning, by words, or by both fused."""

OmissionReason = Literal["duplicate", "document_cap"]
"""Why a search left out a hit: it adds nothing to a better one, or its document has its share."""

Scalar = str | int | float | bool

LossKind = Literal["undecodable", "repeated", "hidden", "picture", "part", "limit"]
"""Why something that stands in a file is not in its document: its bytes are no characters of its
encoding; it repeats on every page; no reader of the file sees it; it is a picture that was not
read; it is a part that nothing here reads; it lies beyond a limit.
"""

MAX_ACTOR_CHARS = 255  # the catalog has room for so many
_KINDS_OF_ACTORS = frozenset({"user", "cli", "system"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """A document's ACL. Nobody may read it unless allowed; a deny beats every allow."""

    allow: frozenset[str]
    deny: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnReaders:
    """What a document's writers said of its readers: it narrows the rule of the place, whatever that
    becomes, and never widens it.

    Compared by name alone: who is in which group today says nothing about tomorrow.
    """

    allow: frozenset[str] | None = None  # None: whom the rule allows
    deny: frozenset[str] = frozenset()

    def under(self, rule: Readers) -> Readers:
        """The readers that both allow."""
        return Readers(allow=_allowed_by_both(self.allow, rule.allow), deny=self.deny | rule.deny)

    def beyond(self, rule: Readers) -> frozenset[str]:
        """Names that are allowed here and not by the rule."""
        if self.allow is None or PUBLIC in rule.allow:
            return frozenset()
        return self.allow - rule.allow

    def and_also(self, other: "OwnReaders") -> "OwnReaders":
        """What is left if both hold."""
        if self.allow is None or other.allow is None:
            allow = self.allow if other.allow is None else other.allow
        else:
            allow = _allowed_by_both(self.allow, other.allow)
        return OwnReaders(allow=allow, deny=self.deny | other.deny)


def _allowed_by_both(own: frozenset[str] | None, other: frozenset[str]) -> frozenset[str]:
    """Who is `public` is everybody, so each name says less."""
    if own is None or PUBLIC in own:
        return other
    return own if PUBLIC in other else own & other


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks.

    What it may do is looked up inside the transaction that uses it, so it is never stale.

    With an id it is that one person, whatever has become of the name; with a key it reads only
    while the key holds.
    """

    name: str  # "user:ada"
    # in the catalog. If None, whoever has the name in the transaction that uses it
    id: int | None = None
    # public id of the API key it came with. If None, the operator vouches for it (command line)
    key: str | None = None
    # groups that came with the token, valid for this request only
    groups: frozenset[str] = frozenset()
    # the provider ("corp") that told all its groups with the token. Of any other that knows this
    # person every group may be one of theirs, so that denies of it hold
    told_by: str | None = None
    # of `indexes.scopes`, as they were when it came; none gives a right to read
    scopes: frozenset[str] = frozenset()
    # who asks as this principal, "user:bot", with a key of its own. If None, the principal itself
    acted_by: str | None = None


@dataclass(frozen=True, slots=True)
class Identities:
    """Whom an asker is, by ids; none if it is nobody, or if its key does not hold."""

    own: frozenset[int]  # the asker and all groups that it is in
    possible: frozenset[int]  # groups that it may be in: only denies count

    def are_meant(self, effect: str, who: int) -> bool:
        """Whether an entry of a reader set means this asker."""
        return who in self.own or (effect == "deny" and who in self.possible)


@dataclass(frozen=True, slots=True)
class KnownIssuer:
    """An identity provider, by our name for it and by its own."""

    provider: str  # "corp"
    issuer: str  # as its tokens say in `iss`


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changed something, as it is stored with the change. It gives no right to anything.

    name: `user:ada`, `cli:` with a user of the operating system, or `system:` with a part of the
    service. Raises ValueError for anything else: nobody outside writes the name of an actor.
    """

    name: str

    def __post_init__(self) -> None:
        kind, _, rest = self.name.partition(":")
        known = kind in _KINDS_OF_ACTORS and bool(rest) and rest == rest.strip()
        if not known or not self.name.isprintable() or len(self.name) > MAX_ACTOR_CHARS:
            raise ValueError(f"{self.name[:80]!a} names no actor.")

    @classmethod
    def of(cls, principal: Principal) -> Self:
        """Somebody who asked for the change with a key or token of their own."""
        return cls(principal.acted_by or principal.name)


MAINTENANCE = Actor("system:maintenance")
"""The service itself, doing what nobody asked for."""

WORKER = Actor("system:worker")
"""A worker, doing what nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something that stands in a source file and not in its document, counted.

    For operators: it holds no text of the file but names of its parts.
    """

    kind: LossKind
    count: int  # at least 1
    unit: str  # what is counted, in the plural: "characters", "lines", "pictures", "sheets"
    detail: str = ""  # which, or why, such as "in the sheet Costs"; empty if the kind says it all


@dataclass(frozen=True, slots=True)
class PageMark:
    """From this character of the document on, the text stands on this page."""

    start: int  # character offset in the document's text
    number: int  # 1-based page, slide, sheet or part, in reading order
    name: str | None = None  # a sheet's name, a part's title


@dataclass(frozen=True, slots=True)
class SectionMark:
    """From this character of the document on, the text stands under these headings."""

    start: int  # character offset in the document's text: where the innermost heading stands
    section: tuple[str, ...]  # outermost first


@dataclass(frozen=True, slots=True)
class TableMark:
    """A table, or a part of one, inside a chunk; its header stands before `body`, or above the
    chunk.
    """

    start: int  # character offsets in the document's text
    body: int  # where the rows of values begin
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A stretch of one document, small enough to embed and to cite."""

    ordinal: int  # 0-based, in reading order
    text: str  # document.text[start:end], to the letter
    start: int
    end: int
    section: tuple[str, ...] = ()  # headings above it, outermost first
    # the page it starts on, then each page that begins inside it; empty: no pages
    pages: tuple[PageMark, ...] = ()
    embedded: str = ""  # what the embedder sees: title and section path, then the text as prose
    # what keyword search reads, if that is not what is embedded: rows of tables as they stand,
    # since headers that are said with every value would count too often
    words: str = ""
    # headings that stand inside it, in reading order; none: it is all of one section
    headings: tuple[SectionMark, ...] = ()
    # caption, notes and header rows of the table that it begins in; empty if it begins in none,
    # or shows them itself
    header: str = ""
    tables: tuple[TableMark, ...] = ()  # that stand in it, in reading order


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One source file, parsed and chunked, ready to be stored."""

    uri: str  # identity: one document per uri. Of a file in a source: source:ID/path inside it
    path: str  # what readers see and filters match: posix, relative to the folder that was ingested
    title: str
    media_type: str
    text: str
    chunks: tuple[Chunk, ...]
    # SHA-256 over source bytes and the settings that shaped the chunks; equal means unchanged
    content_hash: str
    readers: Readers
    collection: str = "default"
    language: str | None = None  # ISO 639-1
    page_kind: PageKind | None = None  # what a page is called in this format
    modified_at: datetime | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    source_id: int | None = None  # None if it is of no source, such as a row of a labelled set
    losses: tuple[Loss, ...] = ()  # what of the file is not in the text
    original: str | None = None  # SHA-256 of the file's bytes, if they are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """What ingestion needs to know of a document that is there already.

    Never leaves the ingest side.
    """

    uri: str
    content_hash: str
    readers: Readers
    title: str
    chunks: int
    original: str | None = None  # SHA-256 of the file's bytes, if they are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A chunk that matched a question and that the asker may read.

    Only the catalog's guarded read makes one.
    """

    row: Row  # internal: order and de-duplication, never sent
    id: str  # public id of the passage, not guessable
    document_id: str  # public id of the document
    title: str
    path: str
    media_type: str
    collection: str
    language: str | None
    ordinal: int
    text: str
    start: int
    end: int
    section: tuple[str, ...]
    pages: tuple[PageMark, ...]
    page_kind: PageKind | None
    score: float  # as ranked: cosine for dense, BM25 for keyword, fused otherwise
    headings: tuple[SectionMark, ...] = ()  # inside it
    header: str = ""  # of the table that it begins in, if it does not show it itself
    tables: tuple[TableMark, ...] = ()  # that stand in it

    @property
    def shown(self) -> str:
        """The text, below the header of the table that it begins in."""
        return f"{self.header}\n{self.text}" if self.header else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """A whole document as one reader may see it. Only the catalog's guarded read makes one."""

    id: str
    title: str
    path: str
    media_type: str
    collection: str
    language: str | None
    text: str
    page_kind: PageKind | None
    pages: tuple[PageMark, ...]
    modified_at: datetime | None
    metadata: Mapping[str, Scalar]
    original: str | None  # SHA-256 of the file's bytes, if they are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEntry:
    """A document in a list, without its text. Only the catalog's guarded read makes one."""

    id: str
    title: str
    path: str
    media_type: str
    collection: str
    language: str | None
    modified_at: datetime | None
    metadata: Mapping[str, Scalar]
    original: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalView:
    """The kept file of a document that one reader may have. Only the catalog's guarded read makes
    one.
    """

    document_id: str
    path: str
    media_type: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Omission:
    """A hit that a search left out. The asker may read it like those that it gives back."""

    hit: Hit
    reason: OmissionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search gives back: hits best first, and what may be said about how they were found."""

    hits: tuple[Hit, ...]
    view_id: str
    exactness: Literal["exact", "approximate"]
    mode: Mode
    # score of the best passage, at most 1: cosine, BM25 / ceiling, or both fused; 0: none
    evidence: float = 0.0
    # best first, and no more than hits were asked for; of those that rank above the last hit
    left_out: tuple[Omission, ...] = ()
    # sealed; different each time, whatever happened
    position: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexGeneration:
    """One build of the derived indexes for one embedding model."""

    id: int
    model: str  # the name or folder it was asked for by
    fingerprint: str  # weights, prefixes, pooling and backend: equal means vectors may be compared
    dimension: int
    state: Literal["building", "ready", "active", "retired"]
