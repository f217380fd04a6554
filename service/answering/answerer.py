"""A question in, a cited answer out: where a question enters, and everything it meets on its way."""

import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial

from indexes.errors import BadInput, GeneratorError, NoSuchModel
from indexes.model import Hit, Principal
from indexes.settings import Settings
from service.answering import phrases
from service.answering.evidence import EvidenceJudge, Judged
from service.answering.generate import Completion
from service.answering.greetings import Courtesy, Greeter, find_courtesy
from service.answering.growing_answer import Emit, GrowingAnswer
from service.answering.meaning import Meaning
from service.answering.metering import Metered, Spent
from service.answering.permission import LOOKS_AT_ONCE, Permission
from service.answering.prompt import LeftOut
from service.answering.quote import answer_courtesy, answer_nothing_found, answer_with_quotes
from service.answering.recording import AnswerRecords
from service.answering.search import Search
from service.answering.steps import Asked, Found
from service.answering.values import Answer, Ask, Event, Finished
from service.llm.port import LanguageModel
from service.llm.rights import ModelRights, PermittedModels
from service.operating.tasks import iterate_over
from service.operating.threads import Threads
from service.templates.template import BuiltInTemplates, TemplateSource

log = logging.getLogger(__name__)


class Answerer:
    """Answers questions out of what the asker may read. Holds no state between questions."""

    def __init__(
        self,
        searcher: Search,
        model: LanguageModel | None,
        settings: Settings,
        cpu: Threads,
        *,
        templates: TemplateSource | None = None,
        rights: ModelRights | None = None,
        judge: EvidenceJudge | None = None,
        meaning: Meaning | None = None,
        secret: bytes | None = None,
        records: AnswerRecords | None = None,
        greeter: Greeter | None = None,
    ) -> None:
        """cpu: shared by all work that burns CPU. rights: who may use which model; if None,
        everybody may use all.

        judge: tells whether there is evidence enough; if None, there always is. meaning: supports
        citations across languages; if None, words alone support them. secret: for boundaries and
        cache salts; if None, one is made for this process. records: of what askers are shown; if
        None, nothing is recorded. greeter: replies to greetings; if None, they are searched for like
        every question.
        """
        self.searcher = searcher
        self.permitted_models = PermittedModels(model, rights)
        self.settings = settings
        self.cpu = cpu
        self._looks = Threads(LOOKS_AT_ONCE)
        self.templates = templates or BuiltInTemplates()
        self.judge = judge
        self.records = records
        self.greeter = greeter
        self.completion = Completion(
            settings, secret or secrets.token_bytes(32), meaning=meaning, cpu=cpu
        )

    def make_permission(self, principal: Principal) -> Permission:
        """For one answer to this asker."""
        return Permission(self.searcher, principal, self._looks)

    def stream(
        self,
        ask: Ask,
        principal: Principal,
        permission: Permission | None = None,
        spent: Spent | None = None,
    ) -> AsyncGenerator[Event]:
        """The answer as it grows; the last event is Finished. Closing it stops the model.

        Raises what `answer` raises: BadInput, QuestionTooLong and NotFound before the first event.
        """

        async def tell_all(emit: Emit) -> None:
            await emit(Finished(await self.answer(ask, principal, permission, emit, spent)))

        return iterate_over(tell_all)

    async def answer(
        self,
        ask: Ask,
        principal: Principal,
        permission: Permission | None = None,
        emit: Emit | None = None,
        spent: Spent | None = None,
    ) -> Answer:
        """The path of a question: made to stand alone, searched for, answered.

        permission: is told what the answer rests on, so that the caller of this can go on looking
        while the answer grows. emit: is told what is certain of the answer; if None, nobody sees it
        before it is whole. spent: what models took, also for an answer that comes to no
        end. Raises BadInput, QuestionTooLong, NotFound and GeneratorError, and
        before each call to the model NotAuthenticated and Withdrawn.
        """
        permission = permission or self.make_permission(principal)
        courtesy = None
        if self.greeter is not None and ask.form is None:  # a greeting has no form but its own
            courtesy = find_courtesy(ask.question)
        asked = await self._make_standalone(ask, principal, permission, spent or Spent(), courtesy)
        if self.greeter is not None and courtesy is not None:
            found, text = await self.cpu.run(self.greeter.reply, asked, courtesy)
            growing = GrowingAnswer(found, emit, self.records)
            answer = await answer_courtesy(growing, text)
        else:
            found = await self.cpu.run(self._find, asked)
            growing = GrowingAnswer(found, emit, self.records)
            answer = await self._answer(growing)
        await growing.conclude(answer)
        return answer

    async def _answer(self, growing: GrowingAnswer) -> Answer:
        """From what was found: by the model, by quotes, or the sentence that nothing was."""
        found, asked = growing.found, growing.found.asked
        if not found.hits:
            return await answer_nothing_found(growing)
        if asked.model is None or found.template is None:
            return await answer_with_quotes(growing, self.cpu)
        try:
            return await self.completion.generate(growing, asked.model, found.template)
        except GeneratorError as error:
            fallback = asked.ask.fallback or self.settings.fallback
            if growing.begun_to_speak or fallback != "quotes" or asked.ask.form is not None:
                raise
            log.warning("answered with quotes: %s", error)
        return await answer_with_quotes(growing, self.cpu, phrases.QUOTED_INSTEAD[asked.writing])

    async def _make_standalone(
        self,
        ask: Ask,
        principal: Principal,
        permission: Permission,
        spent: Spent,
        courtesy: Courtesy | None,
    ) -> Asked:
        """The question without the conversation before it, and the model that will answer it. A
        courtesy stays as it is and asks no model; one that may not be asked is refused all the same.
        """
        begun = time.perf_counter()
        chosen = await self._choose_model(ask, principal)
        model = None if chosen is None or courtesy else Metered(chosen, spent)
        question = ask.question
        if courtesy is None:
            question = await self.completion.make_standalone(ask, principal, model, permission)
        return Asked(
            ask=ask,
            principal=principal,
            permission=permission,
            model=model,
            question=question,
            begun=begun,
            condensed=time.perf_counter(),
        )

    async def _choose_model(self, ask: Ask, asker: Principal) -> LanguageModel | None:
        """The model that answers; if None, quotes do.

        Raises BadInput, and NoSuchModel whatever the search may find.
        """
        if ask.answerer == "quotes":
            _refuse_form(ask)
            return None
        model = await self.permitted_models.models_for(asker)
        if ask.model is None and model is None:
            _refuse_form(ask)
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

    def _find(self, asked: Asked) -> Found:
        """Everything that is read for this question: the passages, and the template that says how
        to ask the model.
        """
        ask, asker, begun = asked.ask, asked.principal, time.monotonic()
        judged = self._search(asked)
        result = judged.result
        # the reply names what was left out as well
        named = (*result.hits, *(omission.hit for omission in result.left_out))
        asked.permission.add_rows((hit.row for hit in named), begun)
        hits = result.hits
        refused: tuple[Hit, ...] = ()
        left_out = tuple(LeftOut.of(left.hit, left.reason) for left in result.left_out)
        if judged.weak or (judged.refuses_model and asked.model is not None):
            # from here on it is a view in which there is nothing
            left_out = (*(LeftOut.of(hit, "weak_evidence") for hit in hits), *left_out)
            refused, hits = hits, ()
        template = None
        if asked.model is not None:
            style = self.settings.llm_style
            template = self.templates.choose(ask.template, asker, style, asked.language)
        return Found(
            asked=asked,
            hits=hits,
            left_out=left_out,
            view_id=result.view_id,
            position=result.position,
            template=template,
            searched=time.perf_counter(),
            refused=refused,
            verdict=judged.verdict,
            least_strength=judged.least_strength,
        )

    def _search(self, asked: Asked) -> Judged:
        """What the search gives, and whether that answers."""
        ask = asked.ask
        search = partial(
            self.searcher.search,
            asked.question,
            asked.principal,
            ask.k,
            mode=ask.mode,
            filters=ask.filters,
            at_least=ask.at_least,
        )
        if self.judge is None:
            return Judged(result=search())
        return self.judge.search_with_evidence(asked.question, search)


def _refuse_form(ask: Ask) -> None:
    """Raises BadInput if the answer was to be JSON: quotes have no other form than their own."""
    if ask.form is not None:
        raise BadInput(
            "Only a language model can answer in that form.",
            remedy="Name a model of /v1/models, or leave the format out.",
        )
