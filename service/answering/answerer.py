"""A question in, a cited answer out: where a question enters, and everything it meets on its way."""

import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial

from anyio import CapacityLimiter, to_thread

from indexes.catalog.models import Models
from indexes.errors import BadInput, GeneratorBroken, GeneratorError, NoSuchModel
from indexes.model import Principal
from indexes.settings import Settings
from service.answering import phrases
from service.answering.evidence import EvidenceJudge
from service.answering.generate import Completion
from service.answering.meaning import Meaning
from service.answering.permission import LOOKS_AT_ONCE, Permission
from service.answering.prompt import LeftOut
from service.answering.quote import answer_nothing_found, answer_with_quotes
from service.answering.run import Retrieval, Run
from service.answering.search import Search
from service.answering.values import (
    Answer,
    Ask,
    Event,
    Finished,
)
from service.llm.port import LanguageModel
from service.llm.rights import PermittedModels
from service.templates.template import BuiltInTemplates, Template, TemplateSource

log = logging.getLogger(__name__)


class Answerer:
    """Answers questions out of what the asker may read. Holds no state between questions."""

    def __init__(
        self,
        searcher: Search,
        model: LanguageModel | None,
        settings: Settings,
        cpu: CapacityLimiter,
        *,
        templates: TemplateSource | None = None,
        rights: Models | None = None,
        judge: EvidenceJudge | None = None,
        meaning: Meaning | None = None,
        secret: bytes | None = None,
    ) -> None:
        """cpu: shared by all work that burns CPU. rights: who may use which model; if None,
        everybody may use all.

        judge: tells whether there is evidence enough; if None, there always is. meaning: supports
        citations across languages; if None, words alone support them. secret: for boundaries and
        cache salts; if None, one is made for this process.
        """
        self.searcher = searcher
        self.permitted_models = PermittedModels(model, rights)
        self.settings = settings
        self.cpu = cpu
        self._looks = CapacityLimiter(LOOKS_AT_ONCE)
        self.templates = templates or BuiltInTemplates()
        self.judge = judge
        self.completion = Completion(
            settings, secret or secrets.token_bytes(32), meaning=meaning, cpu=cpu
        )

    def make_permission(self, principal: Principal) -> Permission:
        """For one answer to this asker."""
        return Permission(self.searcher, principal, self._looks)

    async def answer(
        self, ask: Ask, principal: Principal, permission: Permission | None = None
    ) -> Answer:
        """The whole answer. Raises what `stream` raises."""
        kept = permission or self.make_permission(principal)
        async with aclosing(
            self._events(Run(ask=ask, principal=principal, permission=kept, watched=False))
        ) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.answer
        raise GeneratorBroken("The answer has no end.")

    def stream(
        self, ask: Ask, principal: Principal, permission: Permission | None = None
    ) -> AsyncGenerator[Event]:
        """The answer as it grows; the last event is Finished. Closing it stops the model.

        permission: is told what the answer rests on, so that the caller of this can go on looking
        while the answer grows. Raises
        BadInput, QuestionTooLong and NotFound before the first event, GeneratorError at any time,
        and before each call to the model NotAuthenticated and Withdrawn.
        """
        return self._events(
            Run(
                ask=ask,
                principal=principal,
                permission=permission or self.make_permission(principal),
            )
        )

    async def _events(self, run: Run) -> AsyncGenerator[Event]:
        """The path of a question: made to stand alone, searched for, answered."""
        run.model = await self._choose_model(run.ask, run.principal)
        run.question = await self.completion.make_standalone(run)
        run.condensed = time.perf_counter()
        run.found = await to_thread.run_sync(self._find, run, limiter=self.cpu)
        run.searched = time.perf_counter()
        async with aclosing(self._choose_answerer(run)) as events:
            async for event in events:
                yield event

    async def _choose_model(self, ask: Ask, asker: Principal) -> LanguageModel | None:
        """The model that answers; if None, quotes do.

        Raises BadInput, and NoSuchModel whatever the search may find.
        """
        if ask.answerer == "quotes":
            return None
        model = await self.permitted_models.models_for(asker)
        if ask.answerer == "model" and model is None:
            raise BadInput(
                "No language model can be asked.",
                remedy="Ask with `answerer: quotes`, or leave it out.",
            )
        if ask.model is None:
            return model
        if model is None:
            raise NoSuchModel
        named = model.select_model(ask.model)
        with suppress(GeneratorError):  # whether it can answer now shows when it is asked
            await named.served_model()
        return named

    def _find(self, run: Run) -> Retrieval:
        """Everything that is read for this question: the passages, and the template that says how
        to ask the model.
        """
        ask, asker = run.ask, run.principal
        search = partial(
            self.searcher.search,
            run.question,
            asker,
            ask.k,
            mode=ask.mode,
            filters=ask.filters,
            at_least=ask.at_least,
        )
        if self.judge is None:
            result, weak = search(), False
        else:
            result, weak = self.judge.search_with_evidence(run.question, search)
        # the reply names what was left out as well
        named = (*result.hits, *(omission.hit for omission in result.left_out))
        run.permission.add_rows(hit.row for hit in named)
        hits = result.hits
        left_out = tuple(LeftOut.of(left.hit, left.reason) for left in result.left_out)
        if weak:  # from here on it is a view in which there is nothing
            left_out = (*(LeftOut.of(hit, "weak_evidence") for hit in hits), *left_out)
            hits = ()
        template = None
        if run.model is not None:
            template = self.templates.choose(
                ask.template, asker, self.settings.llm_style, run.language
            )
        return Retrieval(hits, left_out, result.view_id, result.position, template)

    def _choose_answerer(self, run: Run) -> AsyncGenerator[Event]:
        if not run.found.hits:
            return answer_nothing_found(run)
        if run.model is None or run.found.template is None:
            return answer_with_quotes(run, self.cpu)
        return self._generate_or_quote(run, run.model, run.found.template)

    async def _generate_or_quote(
        self, run: Run, model: LanguageModel, template: Template
    ) -> AsyncGenerator[Event]:
        """The model's answer, or quotes if it fails before the caller has seen any of it and quotes
        are allowed.
        """
        try:
            async with aclosing(self.completion.generate(run, model, template)) as events:
                async for event in events:
                    yield event
            return
        except GeneratorError as error:
            if run.spoken or (run.ask.fallback or self.settings.fallback) != "quotes":
                raise
            log.warning("answered with quotes: %s", error)
        async with aclosing(
            answer_with_quotes(run, self.cpu, phrases.QUOTED_INSTEAD[run.language])
        ) as events:
            async for event in events:
                yield event
