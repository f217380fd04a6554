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
from service.answering.citations import Citation, Written
from service.answering.claim_check import CheckedClaim, ClaimChecker
from service.answering.condense import make_question_standalone
from service.answering.gate import ClaimGate
from service.answering.growing_answer import GrowingAnswer
from service.answering.json_form import JsonOutput, count_held
from service.answering.meaning import Meaning
from service.answering.model_output import ModelOutput
from service.answering.permission import Permission
from service.answering.steps import Found
from service.answering.unsupported import (
    add_quotes,
    is_enough,
    is_supported,
    replace_by_quotes,
    withhold,
)
from service.answering.values import Answer, Ask, Support, Usage
from service.llm.port import AnswerForm, CompletionPart, LanguageModel
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
        checker = ClaimChecker(asked.question, fitted.passages, self.meaning)
        async with (
            CitationSupport(self.meaning, self.cpu) as support,
            ClaimGate(checker, self.cpu) as gate,
            aclosing(pieces),  # ends first: a model is stopped before anything else is waited for
        ):
            await asked.permission.confirm_if_stale()
            telling = _Telling(growing, output, support, gate, hold=self._holds_back)
            await telling.follow(pieces)
        answer = replace(
            telling.make_answer(fitted.tokens), model=served.name, template=template.label
        )
        answer = _add_notice(answer, asked.writing, fitted, request.answer_tokens, output)
        return await self._let_through(growing, answer, telling)

    @property
    def _holds_back(self) -> bool:
        """Whether nothing of an answer is told before all of it has been checked."""
        return self.settings.unsupported != "mark"

    async def _let_through(
        self, growing: GrowingAnswer, answer: Answer, telling: "_Telling"
    ) -> Answer:
        """The answer, or what stands in its place or below it if the passages do not support it."""
        cpu = self.cpu or Threads(1)
        if growing.found.asked.ask.form is not None and self._holds_back and not answer.abstained:
            held, values = await cpu.run(count_held, answer.text, answer.passages)
            if not is_enough(held, values):  # quotes would not have the form
                return await withhold(growing, answer)
        if answer.support is None or is_supported(answer.support):
            await telling.release()
            return answer
        if self.settings.unsupported == "quotes":
            return await replace_by_quotes(growing, answer, cpu)
        if self.settings.unsupported == "refuse":
            return await withhold(growing, answer)
        return await add_quotes(growing, answer, cpu)

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


class _Telling:
    """Text, citations and marks of one answer on their way, each as soon as it may be shown."""

    def __init__(
        self,
        growing: GrowingAnswer,
        output: ModelOutput | JsonOutput,
        support: CitationSupport,
        gate: ClaimGate,
        *,
        hold: bool,
    ) -> None:
        """hold: nothing is told before `release`."""
        self._growing = growing
        self._output = output
        self._support = support
        self._gate = gate
        self._held: list[str | Citation | CheckedClaim] | None = [] if hold else None

    async def follow(self, pieces: AsyncGenerator[CompletionPart]) -> None:
        """Until all is told, or the model only repeats itself."""
        asked = time.perf_counter()
        async for piece in pieces:
            if piece.text:
                self._growing.note_first_token(asked)
            await self._take(self._output.take(piece))
            if self._output.repeats_itself:
                await pieces.aclose()
                break
        await self._take(self._output.finish())
        while certain := await self._support.wait_for_certain():
            await self._tell(certain)
        await self._tell(await self._gate.wait_for_checked())

    def make_answer(self, counted: int) -> Answer:
        """The answer as the model made it. counted: tokens of the prompt."""
        abstained = self._output.abstained
        return replace(
            self._growing.complete(self._output.text, answerer="model", abstained=abstained),
            citations=() if abstained else tuple(self._support.citations),
            usage=_make_usage(self._output, counted),
            cut_off=self._output.finish_reason == "length",
            support=self._support_of_sentences(),
        )

    def _support_of_sentences(self) -> Support | None:
        if self._output.abstained or isinstance(self._output, JsonOutput):
            return None  # JSON has values and no sentences
        return Support(tuple(self._gate.checked))

    async def release(self) -> None:
        """Tells what was held back."""
        held, self._held = self._held, None
        await self._tell(held or ())

    async def _take(self, stretch: Iterable[Written]) -> None:
        """Text at once, and what is certain by now of the citations and the sentences."""
        for item in stretch:
            if isinstance(item, str):
                await self._tell([item])
            elif isinstance(item, Citation):
                self._support.add(item, self._output.find_doubt(item))
            elif not self._output.abstained:
                self._gate.add(item)
        await self._tell(self._support.take_certain())
        await self._tell(self._gate.take_checked())

    async def _tell(self, items: Iterable[str | Citation | CheckedClaim]) -> None:
        if self._held is not None:
            self._held += items
            return
        for item in items:
            if isinstance(item, str):
                await self._growing.say(item)
            elif isinstance(item, Citation):
                await self._growing.cite(item)
            else:
                await self._growing.mark(item)


def _make_usage(output: ModelOutput | JsonOutput, counted: int) -> Usage | None:
    """As the server reports it; of a model that was stopped, what is known."""
    reported = output.usage
    if reported is None:
        return (
            Usage(
                prompt_tokens=counted, completion_tokens=output.parts, counted_prompt_tokens=counted
            )
            if output.repeats_itself
            else None
        )
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


def _add_notice(
    answer: Answer,
    writing: Writing,
    fitted: FittedPrompt,
    wanted: int,
    output: ModelOutput | JsonOutput,
) -> Answer:
    """The answer with what its reader should know about it."""
    told: list[str] = []
    support = answer.support
    if answer.cut_off:
        told.append(phrases.CUT_OFF[writing].format(tokens=fitted.answer_tokens))
    if output.repeats_itself:
        told.append(phrases.REPEATED[writing])
    if support is not None and support.supported < len(support.sentences):
        claims = len(support.sentences)
        told.append(
            phrases.UNSUPPORTED[writing].format(
                unsupported=claims - support.supported, claims=claims
            )
        )
    caveat = bool(told)
    if not caveat and fitted.answer_tokens < wanted:
        told.append(phrases.SHORTENED[writing].format(tokens=fitted.answer_tokens))
    between = " " if writing == "en" else ""
    return replace(answer, notice=between.join(told) or None, caveat=caveat)
