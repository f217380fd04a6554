"""Answers by the language model: a prompt that fits, and what the model makes of it."""

import hashlib
import hmac
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace

from anyio import CapacityLimiter

from indexes.settings import Settings
from service.answering import phrases
from service.answering.budget import FittedPrompt, PackingRequest, fit_prompt
from service.answering.citation_support import CitationSupport
from service.answering.citations import Citation
from service.answering.condense import make_question_standalone
from service.answering.meaning import Meaning
from service.answering.model_output import ModelOutput
from service.answering.run import Run
from service.answering.values import CitationFound, Event, Finished, Usage
from service.llm.port import LanguageModel
from service.llm.port import TokenCounts as Reported
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
        cpu: CapacityLimiter | None = None,
    ) -> None:
        """meaning: supports citations across languages; if None, words alone decide. cpu: limits the
        work on that.
        """
        self.settings = settings
        self.secret = secret
        self.meaning = meaning
        self.cpu = cpu

    async def generate(
        self, run: Run, model: LanguageModel, template: Template
    ) -> AsyncGenerator[Event]:
        """The model's answer as it grows.

        Raises QuestionTooLong, BadInput for the template, GeneratorError.
        """
        served = await model.served_model()
        await run.permission.confirm_if_stale()
        fitted = await fit_prompt(self._make_packing_request(run, template), model, served.window)
        run.prompted = time.perf_counter()
        await run.permission.confirm_if_stale()
        yield run.show(fitted.passages, fitted.budget)
        output = ModelOutput(run.question, template, fitted)
        async with (
            CitationSupport(self.meaning, self.cpu) as support,
            aclosing(self._read_output(run, model, template, fitted, output)) as stretches,
        ):
            async for stretch in stretches:
                for event in _make_events(run, output, support, stretch):
                    yield event
            async for citation in support.wait_for_rest():
                yield CitationFound(citation)
        answer = run.answer(output.text, answerer="model", abstained=output.abstained)
        yield Finished(
            replace(
                answer,
                citations=() if output.abstained else tuple(support.citations),
                usage=_make_usage(output.usage, fitted.tokens),
                model=served.name,
                template=template.label,
                cut_off=output.finish_reason == "length",
                notice=_choose_notice(run, fitted, self._wanted_tokens(run), output.finish_reason),
            )
        )

    async def make_standalone(self, run: Run) -> str:
        """The question as it can be searched for, without the conversation before it."""
        if run.model is not None and run.ask.history:
            await run.permission.confirm_if_stale()
        salt = self._make_cache_salt("caller", f"{run.principal.id} {run.principal.name}")
        return await make_question_standalone(
            run.ask.question, run.ask.history, run.model, self.settings.llm_style, salt
        )

    async def _read_output(
        self,
        run: Run,
        model: LanguageModel,
        template: Template,
        fitted: FittedPrompt,
        output: ModelOutput,
    ) -> AsyncGenerator[list[str | Citation]]:
        """What the model says: text and citations, each as soon as it may be shown."""
        await run.permission.confirm_if_stale()
        asked = time.perf_counter()
        pieces = model.stream(
            fitted.prompt,
            max_tokens=fitted.answer_tokens,
            cache_salt=self._make_cache_salt("view", run.found.view_id),
            stop=(*template.stop, *self.settings.llm_stop),
        )
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.text and run.first_token_ms is None:
                    run.first_token_ms = 1000 * (time.perf_counter() - asked)
                output.finish_reason = piece.finish or output.finish_reason
                output.usage = piece.usage or output.usage
                yield output.feed(piece.text)
        yield output.finish()

    def _make_packing_request(self, run: Run, template: Template) -> PackingRequest:
        return PackingRequest(
            template=template,
            question=run.ask.question,
            standalone=run.question,
            hits=run.found.hits,
            left_out=run.found.left_out,
            history=run.ask.history,
            answer_tokens=self._wanted_tokens(run),
            view_id=run.found.view_id,
            secret=self.secret,
        )

    def _wanted_tokens(self, run: Run) -> int:
        return run.ask.max_tokens or self.settings.llm_answer_tokens

    def _make_cache_salt(self, kind: str, whose: str) -> str:
        """The same for all who may share the model server's prefix cache: for answers, who have the
        same clearance; for conversations, one caller alone.
        """
        return hmac.new(self.secret, f"cache {kind} {whose}".encode(), hashlib.sha256).hexdigest()


def _make_events(
    run: Run,
    output: ModelOutput,
    support: CitationSupport,
    stretch: Iterable[str | Citation],
) -> Iterator[Event]:
    """Text at once, and the citations that are certain by now."""
    for item in stretch:
        if isinstance(item, str):
            yield run.say(item)
        else:
            support.add(item, output.find_doubt(item))
            yield from map(CitationFound, support.take_certain())
    yield from map(CitationFound, support.take_certain())


def _make_usage(reported: Reported | None, counted: int) -> Usage | None:
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


def _choose_notice(run: Run, fitted: FittedPrompt, wanted: int, finish: str | None) -> str | None:
    if finish == "length":
        return phrases.CUT_OFF[run.language].format(tokens=fitted.answer_tokens)
    if fitted.answer_tokens < wanted:
        return phrases.SHORTENED[run.language].format(tokens=fitted.answer_tokens)
    return None
