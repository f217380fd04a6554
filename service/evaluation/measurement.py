"""One measurement from its beginning to its end: the set, what answers it, asking, what came of it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from anyio import to_thread

from indexes.errors import BadInput
from indexes.model import Mode, Principal
from indexes.settings import Settings
from service.answering.values import Ask
from service.evaluation import sets
from service.evaluation.arms import make_arms
from service.evaluation.outcomes import OutcomeFile
from service.evaluation.results import Results
from service.evaluation.sets import QuestionSet
from service.evaluation.trial import Trial, TrialContext, TrialWatcher
from service.runtime import Runtime, open_runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementPlan:
    """What the command was asked for."""

    place: Path
    k: int
    templates: tuple[str, ...] = ()
    quotes: bool = False
    model: str | None = None
    asker: str | None = None
    questions: int | None = None
    mode: Mode = "hybrid"
    concurrency: int = 4
    users: Path | None = None
    out: Path | None = None
    seed: int = 0

    @property
    def ask(self) -> Ask:
        return Ask(question="", k=self.k, mode=self.mode, model=self.model)

    def output_folder(self, settings: Settings) -> Path:
        return self.out or settings.home / "evaluation" / self.place.resolve().name.removesuffix(
            ".jsonl"
        )


async def measure_arms(
    wanted: MeasurementPlan, settings: Settings, watcher: TrialWatcher
) -> Results:
    """Asks the set.

    Raises ClearanceError if that cannot begin, or if the model server is gone.
    """
    begun, at = time.perf_counter(), datetime.now(UTC)
    async with prepare_measurement(wanted, settings) as (here, given):
        # the operator chooses what is measured, whoever else may use it
        answering = partial(here.make_answerer, rights=None)
        asking = make_arms(wanted.templates, wanted.quotes, wanted.ask, here.catalog, answering)
        model = await _ask_model_name(wanted, here)
        context = TrialContext(
            searcher=here.searcher,
            settings=settings,
            cpu=here.cpu,
            version=here.version,
            model=model,
        )
        with OutcomeFile(wanted.output_folder(settings) / "answers.jsonl") as kept:
            trial = Trial(
                context=context,
                arms=asking,
                cases=given.cases,
                kept=kept,
                watcher=watcher,
                concurrency=wanted.concurrency,
            )
            await trial.run()
        return Results(
            given=given,
            arms=tuple(arm.label for arm in asking),
            outcomes=trial.outcomes,
            conditions=_describe_conditions(wanted, context),
            seed=wanted.seed,
            at=at,
            seconds=time.perf_counter() - begun,
        )


@asynccontextmanager
async def prepare_measurement(
    wanted: MeasurementPlan, settings: Settings
) -> AsyncIterator[tuple[Runtime, QuestionSet]]:
    """The installation and the questions to ask of it. Raises BadInput."""
    async with open_installation(settings) as here:
        given = await to_thread.run_sync(_load_set, wanted, here)
        yield here, sets.draw_sample(given, wanted.questions, wanted.seed)


@asynccontextmanager
async def open_installation(settings: Settings) -> AsyncIterator[Runtime]:
    """The configured installation, which answers as the service answers.

    Raises BadInput if there is none, or if it holds nothing.
    """
    if settings.database_url is None and not (settings.home / "catalog.sqlite").exists():
        raise BadInput(
            f"There is no catalog in {settings.home}.",
            remedy="Ingest documents, or set CLEARANCE_HOME.",
        )
    async with open_runtime(settings) as here:
        if here.searcher.status().documents == 0:
            raise BadInput("The catalog holds no documents.", remedy="Ingest some first.")
        yield here


def _load_set(wanted: MeasurementPlan, here: Runtime) -> QuestionSet:
    def find_readable(user: str) -> frozenset[str]:
        return here.catalog.documents.paths(Principal(name=user))

    return sets.load_set(
        wanted.place,
        find_readable,
        here.catalog.people.askers(),
        user=wanted.asker,
        users=wanted.users,
    )


async def _ask_model_name(wanted: MeasurementPlan, here: Runtime) -> str | None:
    """The name of the model that answers.

    Raises GeneratorError, NoSuchModel: before anything is asked.
    """
    if here.model is None:
        return None
    model = here.model if wanted.model is None else here.model.select_model(wanted.model)
    return (await model.served_model()).name


def _describe_conditions(wanted: MeasurementPlan, context: TrialContext) -> dict[str, object]:
    return {
        "model": context.model,
        "passages": wanted.k,
        "search": wanted.mode,
        "answer tokens": context.settings.llm_answer_tokens,
        "questions at a time": wanted.concurrency,
        "embedding": context.searcher.status().generation.model,
        "version": context.version,
    }
