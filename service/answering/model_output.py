"""What the model says: its citations are checked, and an abstention is recognised before anybody
sees half of it.
"""

import re

from indexes.errors import GeneratorBroken
from indexes.text.folding import fold_han, letters_and_digits
from indexes.text.scripts import writing
from indexes.text.sentences import sentences
from service.answering import phrases
from service.answering.budget import FittedPrompt
from service.answering.citations import Citation, CitationWriter, Doubt
from service.llm.port import CompletionPart, TokenCounts
from service.templates.template import Template

_CANNOT = re.compile(
    r"\b(?:passages?|documents?|context|text|sources?|information)\b.{0,60}\b(?:do|does|did|is|are)(?: not|n['’]t)\b"
    r".{0,40}\b(?:answer|contain|mention|provide|say|state|specify|include|give|address|available|enough)"
    r"|\bno (?:answer|information|mention)\b.{0,60}\b(?:passages?|documents?|context|text|sources?)\b"
    r"|(?:资料|文档|文件|段落|文中|上文|原文|材料|文章).{0,12}(?:没有|未|无法|并无|不包含).{0,12}(?:回答|提到|提及|答案|说明|相关|信息|包含|给出)"
    r"|(?:没有|无法|未能).{0,6}(?:找到|回答).{0,20}(?:问题|答案|信息)",
    re.IGNORECASE | re.DOTALL,
)
LONGEST_ABSTENTION = 2  # sentences, for one in the model's own words


class ModelOutput:
    """One answer of a model.

    Nothing is given out while it may still be the sentence that says it knows nothing.
    """

    def __init__(self, question: str, template: Template, fitted: FittedPrompt) -> None:
        self.finish_reason: str | None = None
        self.usage: TokenCounts | None = None
        self.abstained = False
        self._writer = CitationWriter(fitted.passages, question)
        self._no_answer = phrases.rewrite(template.no_answer, writing(question))
        self._sought = letters_and_digits(template.no_answer)
        # None if it is an answer: nothing is held back any more
        self._held: list[str | Citation] | None = []

    @property
    def text(self) -> str:
        return self._no_answer if self._held is not None and self.abstained else self._writer.text

    def find_doubt(self, citation: Citation) -> Doubt | None:
        """What speaks against a citation of this answer, if its meaning could still speak for it."""
        return self._writer.doubts.get(citation.span)

    def take(self, part: CompletionPart) -> list[str | Citation]:
        """What may be shown now."""
        self.finish_reason = part.finish or self.finish_reason
        self.usage = part.usage or self.usage
        if self.abstained or not part.text:
            return []
        return self._let_through(self._writer.feed(part.text))

    def finish(self) -> list[str | Citation]:
        """The rest. Raises GeneratorBroken if the model said nothing at all."""
        return [] if self.abstained else self._finish_output()

    def _finish_output(self) -> list[str | Citation]:
        shown = self._let_through(self._writer.finish())
        if not self._writer.text.strip():
            raise GeneratorBroken("It sent an empty answer.")
        if self._held is not None and not shown:
            shown, self._held = self._held, None
        self.abstained = self.abstained or self._abstains_in_its_own_words()
        return shown

    def _let_through(self, new: list[str | Citation]) -> list[str | Citation]:
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

    def _abstains_in_its_own_words(self) -> bool:
        """Small models paraphrase.

        A short answer that cites nothing and says that nothing is there is no answer.
        """
        text = self._writer.text
        return (
            not self._writer.citations
            and len(sentences(text)) <= LONGEST_ABSTENTION
            and _CANNOT.search(fold_han(text)) is not None
        )
