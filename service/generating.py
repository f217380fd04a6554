"""Answers by the language model: a prompt that fits, and what the model makes of it."""

import hashlib
import hmac
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from indexes.settings import Settings
from service import phrases
from service.answers import CitationFound, Event, Finished, Usage
from service.budget import Fitted, Request, fit
from service.condensing import standalone
from service.hearing import Hearing
from service.llm import LanguageModel
from service.llm import Usage as Reported
from service.run import Run
from service.templates import Template

log = logging.getLogger(__name__)


class Generation:
    """Asks the model. Holds no state between questions."""

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self.settings = settings
        self.secret = secret

    async def generate(self, run: Run, model: LanguageModel, template: Template) -> AsyncGenerator[Event]:
        """The model's answer as it grows. Raises QuestionTooLong, BadInput for the template, GeneratorError."""
        served = await model.served()
        fitted = await fit(self._request(run, template), model, served.window)
        run.prompted = time.perf_counter()
        yield run.show(fitted.passages, fitted.budget)
        hearing = Hearing(run.question, template, fitted)
        async with aclosing(self._listen(run, model, template, fitted, hearing)) as events:
            async for event in events:
                yield event
        answer = run.answer(hearing.text, answerer="model", abstained=hearing.abstained)
        yield Finished(
            replace(
                answer,
                citations=hearing.citations,
                usage=_usage(hearing.usage, fitted.tokens),
                model=served.name,
                template=template.label,
                cut_off=hearing.finish_reason == "length",
                notice=_notice(run, fitted, self._wanted(run), hearing.finish_reason),
            )
        )

    async def standalone(self, run: Run) -> str:
        """The question as it can be searched for, without the conversation before it."""
        salt = self._salt("caller", run.principal.name)
        return await standalone(run.ask.question, run.ask.history, run.model, self.settings.llm_style, salt)

    async def _listen(
        self, run: Run, model: LanguageModel, template: Template, fitted: Fitted, hearing: Hearing
    ) -> AsyncGenerator[Event]:
        """What the model says, as it becomes certain."""
        asked = time.perf_counter()
        pieces = model.stream(
            fitted.prompt,
            max_tokens=fitted.answer_tokens,
            cache_salt=self._salt("view", run.found.view_id),
            stop=(*template.stop, *self.settings.llm_stop),
        )
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.text and run.first_token_ms is None:
                    run.first_token_ms = 1000 * (time.perf_counter() - asked)
                hearing.finish_reason = piece.finish or hearing.finish_reason
                hearing.usage = piece.usage or hearing.usage
                for heard in hearing.feed(piece.text):
                    yield run.say(heard) if isinstance(heard, str) else CitationFound(heard)
        for heard in hearing.finish():
            yield run.say(heard) if isinstance(heard, str) else CitationFound(heard)

    def _request(self, run: Run, template: Template) -> Request:
        return Request(
            template=template,
            question=run.ask.question,
            standalone=run.question,
            hits=run.found.hits,
            left_out=run.found.left_out,
            history=run.ask.history,
            answer_tokens=self._wanted(run),
            view_id=run.found.view_id,
            secret=self.secret,
        )

    def _wanted(self, run: Run) -> int:
        return run.ask.max_tokens or self.settings.llm_answer_tokens

    def _salt(self, kind: str, whose: str) -> str:
        """Equal for who may share the model server's prefix cache: equal clearance for answers, one caller for talk."""
        return hmac.new(self.secret, f"cache {kind} {whose}".encode(), hashlib.sha256).hexdigest()


def _usage(reported: Reported | None, counted: int) -> Usage | None:
    if reported is None:
        return None
    if reported.prompt_tokens != counted:
        log.error("the prompt was counted as %d tokens, the server says %d", counted, reported.prompt_tokens)
    return Usage(
        prompt_tokens=reported.prompt_tokens,
        completion_tokens=reported.completion_tokens,
        counted_prompt_tokens=counted,
    )


def _notice(run: Run, fitted: Fitted, wanted: int, finish: str | None) -> str | None:
    if finish == "length":
        return phrases.CUT_OFF[run.language].format(tokens=fitted.answer_tokens)
    if fitted.answer_tokens < wanted:
        return phrases.SHORTENED[run.language].format(tokens=fitted.answer_tokens)
    return None
