"""One answer while it is made: what its caller has been told of it, and at last all of it."""

import time
from collections.abc import Awaitable, Callable

from service.answering.budget import Budget
from service.answering.citations import Citation
from service.answering.claim_check import CheckedClaim
from service.answering.near import choose_nearest, offer_other_words
from service.answering.prompt import Passage
from service.answering.recording import AnswerRecords
from service.answering.steps import Found
from service.answering.values import (
    Answer,
    AnsweredBy,
    CitationFound,
    ClaimChecked,
    Event,
    Passages,
    Timings,
    Token,
)
from service.llm.port import Prompt

Emit = Callable[[Event], Awaitable[None]]
"""Takes the next event of an answer to its caller."""


class GrowingAnswer:
    """Tells the caller what is certain, and remembers what has been told."""

    def __init__(
        self, found: Found, emit: Emit | None, records: AnswerRecords | None = None
    ) -> None:
        """emit: if None, the caller waits for the whole answer and sees nothing of it before.

        records: are told before the caller is; if None, nothing is recorded.
        """
        self.found = found
        self._records = records
        self._prompt: Prompt | None = None
        self.begun_to_speak = False  # whether the caller has seen any of the text
        self._emit = emit
        self._shown: tuple[tuple[Passage, ...], Budget] | None = None
        self._prompted = found.searched
        self._first_token_ms: float | None = None

    @property
    def passages(self) -> tuple[Passage, ...] | None:
        """What the caller has been shown; None if nothing has been shown yet."""
        return None if self._shown is None else self._shown[0]

    async def show(self, passages: tuple[Passage, ...], budget: Budget) -> None:
        """What the answer is made from. Once for each answer."""
        self._shown = passages, budget
        asked = self.found.asked
        if self._records is not None and self._emit is not None:
            await self._records.begin(self.found, passages, budget, self._prompt)
        await self._tell(
            Passages(passages, asked.answer_id, self.found.view_id, asked.standalone_question)
        )

    async def say(self, text: str) -> None:
        self.begun_to_speak = self._emit is not None
        await self._tell(Token(text))

    async def cite(self, citation: Citation) -> None:
        await self._tell(CitationFound(citation))

    async def mark(self, claim: CheckedClaim) -> None:
        """What the passages say to a sentence that has been said."""
        await self._tell(ClaimChecked(claim))

    async def conclude(self, answer: Answer) -> None:
        """The answer is whole, and nobody has it yet."""
        if self._records is not None:
            begun = self._emit is not None
            await self._records.end(self.found, answer, self._prompt, begun=begun)

    def note_prompted(self, prompt: Prompt) -> None:
        """The prompt is ready now."""
        self._prompt = prompt
        self._prompted = time.perf_counter()

    def note_first_token(self, asked: float) -> None:
        """The model, asked at that time, has sent text. Only the first one counts."""
        if self._first_token_ms is None:
            self._first_token_ms = 1000 * (time.perf_counter() - asked)

    def complete(self, text: str, *, answerer: AnsweredBy, abstained: bool) -> Answer:
        """The answer; who made it adds citations and what the model reported."""
        assert self._shown is not None, "an answer shows what it is made from"
        passages, budget = self._shown
        near = choose_nearest(passages or self.found.near) if abstained else ()
        return Answer(
            text=text,
            citations=(),
            passages=passages,
            abstained=abstained,
            usage=None,
            budget=budget,
            view_id=self.found.view_id,
            answer_id=self.found.asked.answer_id,
            model=None,
            template=None,
            timings=self._timings(),
            answerer=answerer,
            standalone_question=self.found.asked.standalone_question,
            near=near,
            advice=offer_other_words(self.found.asked.writing, near) if abstained else None,
            position=self.found.position,
        )

    async def _tell(self, event: Event) -> None:
        if self._emit is not None:
            await self._emit(event)

    def _timings(self) -> Timings:
        asked, searched = self.found.asked, self.found.searched
        return Timings(
            condense_ms=1000 * (asked.condensed - asked.begun),
            search_ms=1000 * (searched - asked.condensed),
            prompt_ms=1000 * (self._prompted - searched),
            first_token_ms=self._first_token_ms,
            total_ms=1000 * (time.perf_counter() - asked.begun),
        )
