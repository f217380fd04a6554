"""What goes in and what comes out: a question, its answer, and the events on the way."""

from dataclasses import dataclass, field
from typing import Literal

from indexes.catalog.filters import Filters
from indexes.model import Mode
from service.answering.budget import Budget
from service.answering.citations import Citation
from service.answering.claim_check import CheckedClaim
from service.answering.json_form import JsonForm
from service.answering.prompt import Passage, Turn

AnswererName = Literal["model", "quotes"]
AnsweredBy = AnswererName | Literal["service"]
"""`service`: a greeting or thanks, which nothing has to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question as the caller put it. Limits on its size are the edge's business."""

    question: str
    k: int = 8
    mode: Mode = "hybrid"
    filters: Filters | None = None
    history: tuple[Turn, ...] = ()  # the caller's own earlier turns, oldest first
    max_tokens: int | None = None  # for the answer; if None, as set
    template: str | None = None  # "name" or "name@version"; if None, what is active
    answerer: AnswererName | None = None  # if None, the model if there is one
    model: str | None = None  # one of those that are offered; if None, the default
    form: JsonForm | None = None  # of the answer; None: text with citations
    # what answers if the model server fails; if None, as set
    fallback: Literal["none", "quotes"] | None = None
    # a position from an earlier reply: search a state at least as fresh
    at_least: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call to the model, as its server reports them, beside our own count of the
    prompt.
    """

    prompt_tokens: int
    completion_tokens: int
    # by us, before the call; equal to prompt_tokens or an alarm is logged
    counted_prompt_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds since the question came in, spent in each step."""

    condense_ms: float  # making a follow-up stand alone
    search_ms: float
    prompt_ms: float
    # from the call to the model until its first text; None if there was no model or no text
    first_token_ms: float | None
    total_ms: float


@dataclass(frozen=True, slots=True)
class Support:
    """How much of a model's answer the passages support."""

    sentences: tuple[CheckedClaim, ...]  # those that claim something, in the order of the text
    # where the quotes begin that stand below the model's own text; None if there are none
    quotes_from: int | None = None

    @property
    def supported(self) -> int:
        """How many of the sentences."""
        return sum(claim.supported for claim in self.sentences)

    @property
    def share(self) -> float | None:
        """Of the sentences that claim something; None if none does."""
        return self.supported / len(self.sentences) if self.sentences else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller gets.

    Citations point at passages, those come from hits, and hits from what he may read.
    """

    # inert: plain text or a little Markdown, markers [n] only for passages that were supplied
    text: str
    citations: tuple[Citation, ...]  # in the order of the text
    passages: tuple[Passage, ...]  # all that was shown, best first; n counts from 1
    abstained: bool
    usage: Usage | None  # None if no model was called
    budget: Budget
    view_id: str
    answer_id: str  # random
    model: str | None  # None if no model was called
    template: str | None  # "name@version"; None if no model was called
    timings: Timings
    answerer: AnsweredBy
    cut_off: bool = False  # at the length that was asked for
    # what the caller should know: quotes instead of the model, a shortened answer
    notice: str | None = None
    # whether the notice has to be known to read the text rightly
    caveat: bool = False
    # None if no model made the text, or if it says that nothing answers
    support: Support | None = None
    # what was searched for; None if that is the question as it was put
    standalone_question: str | None = None
    # if nothing answers: the nearest passages, whether they were shown to the answerer or not
    near: tuple[Passage, ...] = ()
    advice: str | None = None  # if nothing answers: how to ask with other words
    # sealed; different each time, whatever happened
    position: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Passages:
    """First event: what was found and is shown to the answerer."""

    passages: tuple[Passage, ...]
    answer_id: str
    view_id: str
    standalone_question: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """The next stretch of the answer's final text. All of them together are `Answer.text`."""

    text: str


@dataclass(frozen=True, slots=True)
class CitationFound:
    """A citation became certain; its marker has been sent already."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class ClaimChecked:
    """A sentence was held against the passages; it has been sent already."""

    claim: CheckedClaim


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event. A stream that ends without it raises instead."""

    answer: Answer


Event = Passages | Token | CitationFound | ClaimChecked | Finished
