"""A question in, a cited answer out: the path from `Ask` to `Answer`, and the events on the way."""

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from anyio import CapacityLimiter, to_thread

from indexes.catalog import Filters
from indexes.errors import BadInput, GeneratorBroken, GeneratorError
from indexes.model import Hit, Principal
from indexes.search import Searcher
from indexes.settings import Settings
from service import extractive, phrases
from service.budget import Budget, Fitted, Request, fit, unlimited
from service.citations import Citation
from service.hearing import Hearing
from service.llm import LanguageModel
from service.llm import Usage as Reported
from service.prompt import LeftOut, Passage, Turn, worth_showing
from service.templates import BuiltIn, Template, TemplateSource
from service.words import Script, script

log = logging.getLogger(__name__)

AnswererName = Literal["model", "quotes"]
Mode = Literal["hybrid", "dense", "keyword"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question as the caller put it. Limits on its size are the edge's business."""

    question: str
    k: int = 8
    mode: Mode = "hybrid"
    filters: Filters | None = None
    history: tuple[Turn, ...] = ()  # the caller's own earlier turns, oldest first
    max_tokens: int | None = None  # for the answer; None: the setting
    template: str | None = None  # a template's name; None: chosen by the question's script
    answerer: AnswererName | None = None  # None: the model where one is configured, else quotes
    fallback: Literal["none", "quotes"] | None = None  # when the model server fails; None: the setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call to the model, as its server reports them, beside our own count of the prompt."""

    prompt_tokens: int
    completion_tokens: int
    counted_prompt_tokens: int  # by us, before the call; equal to prompt_tokens or an alarm is logged


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds since the question came in, spent in each step."""

    search_ms: float
    prompt_ms: float
    first_token_ms: float | None  # from the call to the model until its first text; None: no model, or no text
    total_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller gets. Citations point at passages, those come from hits, and hits from what he may read."""

    text: str  # inert: plain text or a little Markdown, markers [n] only for passages that were supplied
    citations: tuple[Citation, ...]  # in the order of the text
    passages: tuple[Passage, ...]  # all that was shown, best first; n counts from 1
    abstained: bool
    usage: Usage | None  # None: no model was called
    budget: Budget
    view_id: str
    answer_id: str  # random
    model: str | None  # None: no model was called
    template: str | None  # "name@version"; None: no model was called
    timings: Timings
    answerer: AnswererName
    notice: str | None = None  # what the caller should know: quotes instead of the model, a shortened answer


@dataclass(frozen=True, slots=True)
class Passages:
    """First event: what was found and is shown to the answerer."""

    passages: tuple[Passage, ...]
    answer_id: str
    view_id: str


@dataclass(frozen=True, slots=True)
class Token:
    """The next stretch of the answer's final text. All of them together are `Answer.text`."""

    text: str


@dataclass(frozen=True, slots=True)
class CitationFound:
    """A citation became certain; its marker has been sent already."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event. A stream that ends without it raises instead."""

    answer: Answer


Event = Passages | Token | CitationFound | Finished


@dataclass(frozen=True, slots=True)
class _Found:
    """What the search gave for this caller."""

    hits: tuple[Hit, ...]  # worth showing, best first
    left_out: tuple[LeftOut, ...]
    view_id: str


@dataclass(slots=True, kw_only=True)
class _Run:
    """One question on its way: what it was and how far it came."""

    ask: Ask
    principal: Principal
    language: Script
    found: _Found = field(default_factory=lambda: _Found((), (), ""))
    answer_id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    begun: float = field(default_factory=time.perf_counter)
    searched: float = 0.0
    prompted: float = 0.0
    first_token_ms: float | None = None
    shown: tuple[Passage, ...] | None = None  # what the caller has been told
    spoken: bool = False  # whether the caller has seen any of the answer

    def show(self, passages: tuple[Passage, ...]) -> Passages:
        self.shown = passages
        return Passages(passages, self.answer_id, self.found.view_id)

    def say(self, text: str) -> Token:
        self.spoken = True
        return Token(text)

    def timings(self) -> Timings:
        now = time.perf_counter()
        return Timings(
            search_ms=1000 * (self.searched - self.begun),
            prompt_ms=1000 * (max(self.prompted, self.searched) - self.searched),
            first_token_ms=self.first_token_ms,
            total_ms=1000 * (now - self.begun),
        )


class Answerer:
    """Answers questions out of what the asker may read. Holds no state between questions."""

    def __init__(
        self,
        searcher: Searcher,
        model: LanguageModel | None,
        settings: Settings,
        cpu: CapacityLimiter,
        *,
        templates: TemplateSource | None = None,
        secret: bytes | None = None,
    ) -> None:
        """cpu: shared by all work that burns CPU. secret: for boundaries and cache salts; default: one per process."""
        self.searcher = searcher
        self.model = model
        self.settings = settings
        self.cpu = cpu
        self.templates = templates or BuiltIn()
        self.secret = secret or secrets.token_bytes(32)

    async def answer(self, ask: Ask, principal: Principal) -> Answer:
        """The whole answer. Raises what `stream` raises."""
        async with aclosing(self.stream(ask, principal)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.answer
        raise GeneratorBroken("The answer has no end.")

    async def stream(self, ask: Ask, principal: Principal) -> AsyncGenerator[Event]:
        """The answer as it grows; the last event is Finished. Closing it stops the model.

        Raises BadInput, QuestionTooLong and NotFound before the first event, GeneratorError at any time.
        """
        run = _Run(ask=ask, principal=principal, language=script(ask.question))
        model = self._model_for(ask)
        run.found = await to_thread.run_sync(self._find, ask, principal, limiter=self.cpu)
        run.searched = time.perf_counter()
        if not run.found.hits:
            events = self._nothing(run)
        elif model is None:
            events = self._quote(run)
        else:
            events = self._generate_or_quote(run, model)
        async with aclosing(events):
            async for event in events:
                yield event

    def _model_for(self, ask: Ask) -> LanguageModel | None:
        if ask.answerer == "model" and self.model is None:
            raise BadInput("No language model is configured.", remedy="Ask with `answerer: quotes`, or leave it out.")
        return None if ask.answerer == "quotes" else self.model

    def _find(self, ask: Ask, principal: Principal) -> _Found:
        result = self.searcher.search(ask.question, principal, ask.k, mode=ask.mode, filters=ask.filters)
        hits, left_out = worth_showing(result.hits, self.settings.passages_per_document)
        return _Found(hits, left_out, result.view_id)

    async def _nothing(self, run: _Run) -> AsyncGenerator[Event]:
        passages, budget = unlimited((), run.found.left_out)
        yield run.show(passages)
        text = phrases.NOTHING_FOUND[run.language]
        yield run.say(text)
        by: AnswererName = "quotes" if self._model_for(run.ask) is None else "model"
        yield Finished(_answer(run, text, budget=budget, answerer=by, abstained=True))

    async def _quote(self, run: _Run, notice: str | None = None) -> AsyncGenerator[Event]:
        """The best sentences of the passages. Where passages have been shown already, of those."""
        passages, budget = unlimited(run.found.hits, run.found.left_out)
        if run.shown is None:
            yield run.show(passages)
        shown = run.shown or ()
        chosen = await to_thread.run_sync(extractive.quotes, run.ask.question, shown, limiter=self.cpu)
        run.prompted = time.perf_counter()
        pieces = extractive.compose(chosen)
        for text, citation in pieces:
            yield run.say(text)
            yield CitationFound(citation)
        whole = "".join(text for text, _ in pieces)
        if not pieces:
            whole = phrases.NOT_ANSWERED[run.language]
            yield run.say(whole)
        answer = _answer(run, whole, budget=budget, answerer="quotes", abstained=not pieces)
        yield Finished(replace(answer, citations=tuple(citation for _, citation in pieces), notice=notice))

    async def _generate_or_quote(self, run: _Run, model: LanguageModel) -> AsyncGenerator[Event]:
        """The model's answer; quotes where it fails before the caller has seen any of it and quotes are allowed."""
        try:
            async with aclosing(self._generate(run, model)) as events:
                async for event in events:
                    yield event
            return
        except GeneratorError as error:
            if run.spoken or (run.ask.fallback or self.settings.fallback) != "quotes":
                raise
            log.warning("answered with quotes: %s", error)
        async with aclosing(self._quote(run, notice=phrases.QUOTED_INSTEAD[run.language])) as events:
            async for event in events:
                yield event

    async def _generate(self, run: _Run, model: LanguageModel) -> AsyncGenerator[Event]:
        served = await model.served()
        template = self.templates.choose(run.ask.template, run.principal, self.settings.llm_style, run.language)
        fitted = await fit(self._request(run, template), model, served.window)
        run.prompted = time.perf_counter()
        yield run.show(fitted.passages)
        hearing = Hearing(run.ask.question, template, fitted)
        async with aclosing(self._listen(run, model, template, fitted, hearing)) as events:
            async for event in events:
                yield event
        answer = _answer(run, hearing.text, budget=fitted.budget, answerer="model", abstained=hearing.abstained)
        yield Finished(
            replace(
                answer,
                citations=hearing.citations,
                usage=_usage(hearing.usage, fitted.tokens),
                model=served.name,
                template=template.label,
                notice=_notice(run, fitted, self._wanted(run.ask), hearing.finish_reason),
            )
        )

    async def _listen(
        self, run: _Run, model: LanguageModel, template: Template, fitted: Fitted, hearing: Hearing
    ) -> AsyncGenerator[Event]:
        """What the model says, as it becomes certain."""
        asked = time.perf_counter()
        pieces = model.stream(
            fitted.prompt,
            max_tokens=fitted.answer_tokens,
            cache_salt=self._salt(run.found.view_id),
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

    def _request(self, run: _Run, template: Template) -> Request:
        return Request(
            template=template,
            question=run.ask.question,
            hits=run.found.hits,
            left_out=run.found.left_out,
            history=run.ask.history,
            answer_tokens=self._wanted(run.ask),
            view_id=run.found.view_id,
            secret=self.secret,
        )

    def _wanted(self, ask: Ask) -> int:
        return ask.max_tokens or self.settings.llm_answer_tokens

    def _salt(self, view_id: str) -> str:
        """Equal for callers with equal clearance, and no one else: they alone share the model server's prefix cache."""
        return hmac.new(self.secret, b"cache " + view_id.encode(), hashlib.sha256).hexdigest()


def _answer(run: _Run, text: str, *, budget: Budget, answerer: AnswererName, abstained: bool) -> Answer:
    return Answer(
        text=text,
        citations=(),
        passages=run.shown or (),
        abstained=abstained,
        usage=None,
        budget=budget,
        view_id=run.found.view_id,
        answer_id=run.answer_id,
        model=None,
        template=None,
        timings=run.timings(),
        answerer=answerer,
    )


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


def _notice(run: _Run, fitted: Fitted, wanted: int, finish: str | None) -> str | None:
    if finish == "length":
        return phrases.CUT_OFF[run.language].format(tokens=fitted.answer_tokens)
    if fitted.answer_tokens < wanted:
        return phrases.SHORTENED[run.language].format(tokens=fitted.answer_tokens)
    return None
