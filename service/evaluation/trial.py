"""Asking: every question to every arm through the path that callers' questions take.

Read `run` first.
"""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from anyio import to_thread

from indexes.errors import BadInput, ClearanceError, GeneratorError, NotFound
from indexes.model import Principal
from indexes.search.searcher import Searcher
from indexes.settings import Settings
from service.answering.evidence import read_thresholds
from service.answering.values import Answer
from service.evaluation.arms import Arm
from service.evaluation.cases import Case
from service.evaluation.outcomes import CaseOutcome, OutcomeFile, outcome_key
from service.operating.threads import Threads

GIVE_UP = 10  # questions in a row without an answer from the model server

SETTINGS_OF_ANSWERS = (
    "llm_window", "llm_style", "llm_stop", "llm_temperature", "llm_answer_tokens", "passages_per_document",
    "reranker_model", "answer_scorer", "exact_scan_limit", "unsupported",
)  # fmt: skip
"""Settings that change answers. What changes the corpus changes the view or the generation."""


class TrialWatcher(Protocol):
    """Is told while the work goes on."""

    def expect(self, questions: int) -> None: ...

    def report_outcome(
        self, arm: Arm, case: Case, outcome: CaseOutcome, *, known: bool
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialContext:
    """The long-lived objects of one measurement."""

    searcher: Searcher
    settings: Settings
    cpu: Threads
    version: str  # of the service
    model: str | None  # that answers; None if there are only quotes


@dataclass(slots=True, kw_only=True)
class Trial:
    """One run over all questions and arms. Filled in as answers come."""

    context: TrialContext
    arms: Sequence[Arm]
    cases: Sequence[Case]
    kept: OutcomeFile
    watcher: TrialWatcher
    concurrency: int = 1
    name: str = field(default_factory=lambda: secrets.token_hex(4))
    outcomes: dict[tuple[str, str], CaseOutcome] = field(default_factory=dict)  # by arm and case
    stopped: ClearanceError | None = None
    failed_in_a_row: int = 0

    async def run(self) -> None:
        """Fills `outcomes`.

        A question without an answer is a failure among them; a server that is gone is raised.
        """
        self.watcher.expect(len(self.arms) * len(self.cases))
        conditions = await to_thread.run_sync(self._find_conditions)
        waiting = ((case, arm) for case in self.cases for arm in self.arms)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.concurrency):
                tasks.create_task(self._answer_waiting(waiting, conditions))
        if self.stopped is not None:
            raise self.stopped

    async def _answer_waiting(
        self, waiting: Iterator[tuple[Case, Arm]], conditions: dict[str, Any]
    ) -> None:
        for case, arm in waiting:
            if self.stopped is not None:
                return
            try:
                outcome, known = await self._answer_case(case, arm, conditions)
            except ClearanceError as error:
                self.stopped = error
                return
            self.outcomes[arm.label, case.id] = outcome
            self.watcher.report_outcome(arm, case, outcome, known=known)

    async def _answer_case(
        self, case: Case, arm: Arm, conditions: dict[str, Any]
    ) -> tuple[CaseOutcome, bool]:
        """What came of one question, and whether that was known before."""
        asker = Principal(name=case.user)
        about = conditions | {"ask": asdict(arm.ask), "question": case.question}
        if case.history:
            about["history"] = [asdict(turn) for turn in case.history]
        about["told"] = await self.context.cpu.run(arm.digest_template, case.question, asker)
        view_id = await self.context.cpu.run(self.context.searcher.view_id, asker)
        if found := self.kept.get(outcome_key(**about, view=view_id)):
            return found, True
        try:
            ask = replace(arm.ask, question=case.question, history=case.history)
            answer = await arm.answerer.answer(ask, asker)
        except (GeneratorError, BadInput) as error:
            self._note_failure(error)
            return CaseOutcome(text="", abstained=False, failure=str(error)), False
        self.failed_in_a_row = 0
        leaked = await self.context.cpu.run(self._find_leaked, answer, asker)
        outcome = _make_outcome(answer, leaked, self.name)
        self.kept.put(outcome_key(**about, view=answer.view_id), outcome)
        return outcome, False

    def _find_conditions(self) -> dict[str, Any]:
        """What answers depend on beside the question, the arm and the view."""
        shaping = self.context.settings.model_dump(include=set(SETTINGS_OF_ANSWERS))
        corpus = self.context.searcher.corpus
        in_force = corpus.in_force()
        shaping["generation"] = asdict(corpus.generation())
        shaping["abstention"] = sorted(read_thresholds(*in_force).items()) if in_force else None
        return {"version": self.context.version, "model": self.context.model, **shaping}

    def _note_failure(self, error: ClearanceError) -> None:
        self.failed_in_a_row = self.failed_in_a_row + 1 if isinstance(error, GeneratorError) else 0
        if self.failed_in_a_row >= GIVE_UP:
            error.remedy = "See to the model server, then run the same command again: it goes on where it stopped."
            self.stopped = error

    def _find_leaked(self, answer: Answer, asker: Principal) -> tuple[str, ...]:
        """Passages of the answer that this asker cannot open, although nothing has changed for him
        since.
        """
        closed = [
            passage.path for passage in answer.passages if not self._can_open(passage.hits, asker)
        ]
        closed += [
            cited.path
            for cited in answer.citations
            if not self._can_open((cited.passage_id,), asker)
        ]
        return (
            tuple(closed)
            if closed and self.context.searcher.view_id(asker) == answer.view_id
            else ()
        )

    def _can_open(self, passage_ids: Sequence[str], asker: Principal) -> bool:
        try:
            for passage_id in passage_ids:
                self.context.searcher.passage(passage_id, asker)
        except NotFound:
            return False
        return True


def _make_outcome(answer: Answer, leaked: tuple[str, ...], run: str) -> CaseOutcome:
    return CaseOutcome(
        text=answer.text,
        abstained=answer.abstained,
        cited=tuple(dict.fromkeys(citation.path for citation in answer.citations)),
        shown=tuple(dict.fromkeys(passage.path for passage in answer.passages)),
        leaked=leaked,
        prompt_tokens=answer.usage.prompt_tokens if answer.usage else None,
        answer_tokens=answer.usage.completion_tokens if answer.usage else None,
        seconds=answer.timings.total_ms / 1000,
        run=run,
        template=answer.template,
        model=answer.model,
        cut_off=answer.cut_off,
        claims=len(answer.support.sentences) if answer.support else 0,
        supported_claims=answer.support.supported if answer.support else 0,
    )
