"""What the model says: its citations are checked, an abstention is recognised before anybody sees
half of it, and it is stopped when it only repeats itself.
"""

from indexes.errors import GeneratorBroken
from indexes.text.folding import letters_and_digits
from indexes.text.scripts import writing
from service.answering import phrases
from service.answering.budget import FittedPrompt
from service.answering.citations import Citation, CitationWriter, Doubt, Written
from service.answering.no_answer import is_no_answer
from service.answering.repetition import RepetitionWatch
from service.llm.port import CompletionPart, TokenCounts
from service.templates.template import Template


class ModelOutput:
    """One answer of a model.

    Nothing is given out while it may still be the sentence that says it knows nothing.
    """

    def __init__(self, question: str, template: Template, fitted: FittedPrompt) -> None:
        self.finish_reason: str | None = None
        self.usage: TokenCounts | None = None
        self.abstained = False
        self.parts = 0  # that the model has sent: about as many tokens
        self._watch = RepetitionWatch()
        self._writer = CitationWriter(fitted.passages, question)
        self._no_answer = phrases.rewrite(template.no_answer, writing(question))
        self._sought = letters_and_digits(template.no_answer)
        # None if it is an answer: nothing is held back any more
        self._held: list[Written] | None = []

    @property
    def text(self) -> str:
        return self._no_answer if self._held is not None and self.abstained else self._writer.text

    @property
    def repeats_itself(self) -> bool:
        """Whether the model says the same again and again; nothing more is taken from it then."""
        return self._watch.is_loop

    def find_doubt(self, citation: Citation) -> Doubt | None:
        """What speaks against a citation of this answer, if its meaning could still speak for it."""
        return self._writer.doubts.get(citation.span)

    def take(self, part: CompletionPart) -> list[Written]:
        """What may be shown now."""
        self.finish_reason = part.finish or self.finish_reason
        self.usage = part.usage or self.usage
        self.parts += bool(part.text)
        if self.abstained or not (text := self._watch.take(part.text)):
            return []
        return self._let_through(self._writer.feed(text))

    def finish(self) -> list[Written]:
        """The rest. Raises GeneratorBroken if the model said nothing at all."""
        return [] if self.abstained else self._finish_output()

    def _finish_output(self) -> list[Written]:
        shown = self._let_through(self._writer.finish())
        if not self._writer.text.strip():
            raise GeneratorBroken("It sent an empty answer.")
        if self._held is not None and not shown:
            shown, self._held = self._held, None
        self.abstained = self.abstained or is_no_answer(self._writer.bare)
        return shown

    def _let_through(self, new: list[Written]) -> list[Written]:
        if self._held is None:
            return new
        self._held.extend(new)
        said = letters_and_digits(self._writer.text)
        if said.startswith(self._sought):
            self.abstained = True
            return [self._no_answer]
        if self._sought.startswith(said):
            return []
        shown, self._held = self._held, None
        return shown
