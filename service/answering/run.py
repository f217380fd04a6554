"""One question on its way to its answer: what was found for it, what was shown, what it took."""

import secrets
import time
from dataclasses import dataclass, field

from indexes.model import Hit, Principal
from indexes.text.scripts import Script, script
from service.answering.budget import Budget, pack_everything
from service.answering.permission import Permission
from service.answering.prompt import LeftOut, Passage
from service.answering.untrusted import make_inert
from service.answering.values import Answer, AnswererName, Ask, Passages, Timings, Token
from service.llm.port import LanguageModel
from service.templates.template import Template


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What the search gave for this caller."""

    hits: tuple[Hit, ...]  # best first
    left_out: tuple[LeftOut, ...]
    view_id: str
    position: str = ""
    template: Template | None = None  # None if no model is asked


@dataclass(slots=True, kw_only=True)
class Run:
    """Filled in step by step, by one task; gone with the answer."""

    ask: Ask
    principal: Principal
    permission: Permission
    model: LanguageModel | None = None  # None if quotes answer
    watched: bool = True  # whether the caller sees the answer grow
    question: str = ""  # standing alone: what is searched for
    found: Retrieval = field(default_factory=lambda: Retrieval((), (), ""))
    answer_id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    passages: tuple[Passage, ...] | None = None  # what the caller has been shown
    budget: Budget = field(default_factory=lambda: pack_everything((), ())[1])
    spoken: bool = False  # whether the caller has seen any of the answer
    begun: float = field(default_factory=time.perf_counter)
    condensed: float = 0.0
    searched: float = 0.0
    prompted: float = 0.0
    first_token_ms: float | None = None

    @property
    def language(self) -> Script:
        return script(self.ask.question)

    @property
    def standalone_question(self) -> str | None:
        """What is searched for, if that is not the question itself."""
        return make_inert(self.question) if self.question != self.ask.question else None

    def show(self, passages: tuple[Passage, ...], budget: Budget) -> Passages:
        self.passages, self.budget = passages, budget
        return Passages(passages, self.answer_id, self.found.view_id, self.standalone_question)

    def say(self, text: str) -> Token:
        self.spoken = self.watched
        return Token(text)

    def answer(self, text: str, *, answerer: AnswererName, abstained: bool) -> Answer:
        """The answer so far; who made it adds citations and what the model reported."""
        return Answer(
            text=text,
            citations=(),
            passages=self.passages or (),
            abstained=abstained,
            usage=None,
            budget=self.budget,
            view_id=self.found.view_id,
            answer_id=self.answer_id,
            model=None,
            template=None,
            timings=self._timings(),
            answerer=answerer,
            standalone_question=self.standalone_question,
            position=self.found.position,
        )

    def _timings(self) -> Timings:
        return Timings(
            condense_ms=1000 * (self.condensed - self.begun),
            search_ms=1000 * (self.searched - self.condensed),
            prompt_ms=1000 * (max(self.prompted, self.searched) - self.searched),
            first_token_ms=self.first_token_ms,
            total_ms=1000 * (time.perf_counter() - self.begun),
        )
