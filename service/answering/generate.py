"""Answers by the language model: a prompt that fits, and what the model makes of it."""

import hashlib
import hmac
import logging
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace

from indexes.model import Principal
from indexes.settings import Settings
from indexes.text.scripts import Writing
from service.answering import phrases
from service.answering.budget import FittedPrompt, PackingRequest, fit_prompt
from service.answering.citation_support import CitationSupport
from service.answering.citations import Citation
from service.answering.condense import make_question_standalone
from service.answering.growing_answer import GrowingAnswer
from service.answering.json_form import JsonOutput
from service.answering.meaning import Meaning
from service.answering.model_output import ModelOutput
from service.answering.permission import Permission
from service.answering.steps import Found
from service.answering.values import Answer, Ask, Usage
from service.llm.port import AnswerForm, CompletionPart, LanguageModel, TokenCounts
from service.operating.threads import Threads
from service.templates.template import Template

log = logging.getLogger(__name__)


class Completion:
    """Asks the model. Holds no state between questions."""

    def __init__(
        self,
        settings: Settings,
        secret: bytes,
        *,
        meaning: Meaning | None = None,
        cpu: Threads | None = None,
    ) -> None:
        """meaning: supports citations across languages; if None, words alone decide. cpu: limits the
        work on that.
        """
        self.settings = settings
        self.secret = secret
        self.meaning = meaning
        self.cpu = cpu

    async def make_standalone(
        self, ask: Ask, asker: Principal, model: LanguageModel | None, permission: Permission
    ) -> str:
        """The question as it can be searched for, without the conversation before it."""
        if model is not None and ask.history:
            await permission.confirm_if_stale()
        salt = self._make_cache_salt("caller", f"{asker.id} {asker.name}")
        return await make_question_standalone(
            ask.question, ask.history, model, self.settings.llm_style, salt
        )

    async def generate(
        self, growing: GrowingAnswer, model: LanguageModel, template: Template
    ) -> Answer:
        """The model's answer.

        Raises QuestionTooLong, BadInput for the template, GeneratorError.
        """
        asked = growing.found.asked
        served = await model.served_model()
        await asked.permission.confirm_if_stale()
        request = self._make_packing_request(growing.found, template)
        fitted = await fit_prompt(request, model, served.window)
        growing.note_prompted(fitted.prompt)
        await asked.permission.confirm_if_stale()
        await growing.show(fitted.passages, fitted.budget)
        form = asked.ask.form
        output = (
            ModelOutput(asked.question, template, fitted)
            if form is None
            else JsonOutput(form, template.no_answer)
        )
        pieces = model.stream(
            replace(fitted.prompt, form=None if form is None else AnswerForm(form.schema)),
            max_tokens=fitted.answer_tokens,
            cache_salt=self._make_cache_salt("view", growing.found.view_id),
            stop=(*template.stop, *self.settings.llm_stop),
        )
        async with aclosing(pieces), CitationSupport(self.meaning, self.cpu) as support:
            await asked.permission.confirm_if_stale()
            await _tell_output(growing, pieces, output, support)
        answer = growing.complete(output.text, answerer="model", abstained=output.abstained)
        return replace(
            answer,
            citations=() if output.abstained else tuple(support.citations),
            usage=_make_usage(output.usage, fitted.tokens),
            model=served.name,
            template=template.label,
            cut_off=output.finish_reason == "length",
            notice=_choose_notice(
                asked.writing, fitted, request.answer_tokens, output.finish_reason
            ),
        )

    def _make_packing_request(self, found: Found, template: Template) -> PackingRequest:
        ask, language = found.asked.ask, found.asked.language
        told = "" if ask.form is None else f"\n\n{ask.form.instruct(language, template.no_answer)}"
        return PackingRequest(
            template=template,
            question=ask.question + told,
            standalone=found.asked.question + told,
            hits=found.hits,
            left_out=found.left_out,
            history=ask.history,
            answer_tokens=ask.max_tokens or self.settings.llm_answer_tokens,
            view_id=found.view_id,
            secret=self.secret,
        )

    def _make_cache_salt(self, kind: str, whose: str) -> str:
        """The same for all who may share the model server's prefix cache: for answers, who have the
        same clearance; for conversations, one caller alone.
        """
        return hmac.new(self.secret, f"cache {kind} {whose}".encode(), hashlib.sha256).hexdigest()


async def _tell_output(
    growing: GrowingAnswer,
    pieces: AsyncGenerator[CompletionPart],
    output: ModelOutput | JsonOutput,
    support: CitationSupport,
) -> None:
    """Text and citations, each as soon as it may be shown, until all is told."""
    asked = time.perf_counter()
    async for piece in pieces:
        if piece.text:
            growing.note_first_token(asked)
        await _tell(growing, output, support, output.take(piece))
    await _tell(growing, output, support, output.finish())
    while certain := await support.wait_for_certain():
        await _cite(growing, certain)


async def _tell(
    growing: GrowingAnswer,
    output: ModelOutput | JsonOutput,
    support: CitationSupport,
    stretch: Iterable[str | Citation],
) -> None:
    """Text at once, and the citations that are certain by now."""
    for item in stretch:
        if isinstance(item, str):
            await growing.say(item)
        else:
            support.add(item, output.find_doubt(item))
            await _cite(growing, support.take_certain())
    await _cite(growing, support.take_certain())


async def _cite(growing: GrowingAnswer, citations: Iterable[Citation]) -> None:
    for citation in citations:
        await growing.cite(citation)


def _make_usage(reported: TokenCounts | None, counted: int) -> Usage | None:
    if reported is None:
        return None
    if reported.prompt_tokens != counted:
        log.error(
            "the prompt was counted as %d tokens, the server says %d",
            counted,
            reported.prompt_tokens,
        )
    return Usage(
        prompt_tokens=reported.prompt_tokens,
        completion_tokens=reported.completion_tokens,
        counted_prompt_tokens=counted,
    )


def _choose_notice(
    writing: Writing, fitted: FittedPrompt, wanted: int, finish: str | None
) -> str | None:
    if finish == "length":
        return phrases.CUT_OFF[writing].format(tokens=fitted.answer_tokens)
    if fitted.answer_tokens < wanted:
        return phrases.SHORTENED[writing].format(tokens=fitted.answer_tokens)
    return None
