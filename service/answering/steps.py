"""What each step of an answer leaves to the next: the question ready to be searched for, and what
was found for it.
"""

import secrets
from dataclasses import dataclass, field

from indexes.model import Hit, Principal
from indexes.text.scripts import Script, Writing, script, writing
from service.answering.answer_check.verdict import Verdict
from service.answering.near import choose_nearest
from service.answering.permission import Permission
from service.answering.prompt import Excerpt, LeftOut, Passage, pack_passages
from service.answering.untrusted import make_inert
from service.answering.values import Ask
from service.llm.port import LanguageModel
from service.templates.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question that stands alone, and what is to answer it."""

    ask: Ask
    principal: Principal
    permission: Permission
    model: LanguageModel | None  # None if quotes answer
    question: str  # standing alone: what is searched for
    begun: float  # on the clock of time.perf_counter, as all times here
    condensed: float
    answer_id: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def language(self) -> Script:
        return script(self.ask.question)

    @property
    def writing(self) -> Writing:
        """What the service's own sentences in the reply are written in."""
        return writing(self.ask.question)

    @property
    def standalone_question(self) -> str | None:
        """What is searched for, if that is not the question itself."""
        return make_inert(self.question) if self.question != self.ask.question else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was read for a question: the passages of this caller, and the template."""

    asked: Asked
    hits: tuple[Hit, ...]  # best first
    left_out: tuple[LeftOut, ...]
    view_id: str
    position: str
    template: Template | None  # None if no model is asked
    searched: float
    refused: tuple[Hit, ...] = ()  # what matched too weakly to answer from, best first
    named: tuple[str, ...] = ()  # ids of the documents whose titles a greeting names
    # which sentences answer, and how surely; None if nobody has judged it
    verdict: Verdict | None = None
    # of an answer made of quotes; if None, what comes with the check
    least_strength: float | None = None

    @property
    def near(self) -> tuple[Passage, ...]:
        """The nearest of what was refused: for the asker to read, and for nothing to answer from."""
        return choose_nearest(pack_passages([Excerpt(hit, len(hit.text)) for hit in self.refused]))
