"""One measurement from its beginning to its end: the set, what answers it, asking, what came of it."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from indexes import embedder as embedding
from indexes.catalog import Catalog
from indexes.embedder import Embedder
from indexes.embedder.cross_encoder import load_reranker
from indexes.errors import BadInput
from indexes.model import Mode, Principal
from indexes.search.searcher import Searcher
from indexes.settings import Settings
from service.answering.answerer import Answerer
from service.answering.evidence import EvidenceJudge
from service.answering.values import Ask
from service.evaluation import sets
from service.evaluation.arms import make_arms
from service.evaluation.outcomes import OutcomeFile
from service.evaluation.results import Results
from service.evaluation.sets import QuestionSet
from service.evaluation.trial import Trial, TrialContext, Watcher
from service.llm.port import LanguageModel
from service.llm.vllm import VllmModel
from service.runtime import installed_version
from service.templates.template import TemplateSource


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
    answer_tokens: int | None = None
    concurrency: int = 4
    users: Path | None = None
    out: Path | None = None
    seed: int = 0

    @property
    def ask(self) -> Ask:
        return Ask(
            question="", k=self.k, mode=self.mode, max_tokens=self.answer_tokens, model=self.model
        )

    def output_folder(self, settings: Settings) -> Path:
        return self.out or settings.home / "evaluation" / self.place.resolve().name.removesuffix(
            ".jsonl"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What a measurement needs of the installation."""

    settings: Settings
    catalog: Catalog
    searcher: Searcher
    model: LanguageModel | None
    cpu: CapacityLimiter

    def answerer(self, templates: TemplateSource) -> Answerer:
        return Answerer(
            self.searcher,
            self.model,
            self.settings,
            self.cpu,
            templates=templates,
            judge=EvidenceJudge(self.searcher.corpus),
            secret=self.catalog.secret,
        )


async def measure_arms(wanted: MeasurementPlan, settings: Settings, watcher: Watcher) -> Results:
    """Asks the set.

    Raises ClearanceError if that cannot begin, or if the model server is gone.
    """
    begun, at = time.perf_counter(), datetime.now(UTC)
    async with prepare_measurement(wanted, settings) as (here, given):
        asking = make_arms(wanted.templates, wanted.quotes, wanted.ask, here.catalog, here.answerer)
        model = await _ask_model_name(wanted, here)
        context = TrialContext(
            searcher=here.searcher,
            settings=settings,
            cpu=here.cpu,
            version=installed_version(),
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
) -> AsyncIterator[tuple[Installation, QuestionSet]]:
    """The installation and the questions to ask of it. Raises BadInput."""
    async with open_installation(settings) as here:
        given = await to_thread.run_sync(_load_set, wanted, here)
        yield here, sets.draw_sample(given, wanted.questions, wanted.seed)


@asynccontextmanager
async def open_installation(settings: Settings) -> AsyncIterator[Installation]:
    """The configured catalog, searched as the service searches it.

    Raises BadInput if there is none.
    """
    if settings.database_url is None and not (settings.home / "catalog.sqlite").exists():
        raise BadInput(
            f"There is no catalog in {settings.home}.",
            remedy="Ingest documents, or set CLEARANCE_HOME.",
        )
    async with AsyncExitStack() as stack:
        catalog = stack.enter_context(closing(Catalog.open(settings.catalog_url)))
        model = (
            await stack.enter_async_context(aclosing(VllmModel(settings)))
            if settings.llm_url
            else None
        )
        searcher = await to_thread.run_sync(_make_searcher, catalog, settings)
        if searcher.status().documents == 0:
            raise BadInput("The catalog holds no documents.", remedy="Ingest some first.")
        with searcher.background_work():
            cores = (
                len(os.sched_getaffinity(0))
                if hasattr(os, "sched_getaffinity")
                else os.cpu_count() or 1
            )
            yield Installation(
                settings=settings,
                catalog=catalog,
                searcher=searcher,
                model=model,
                cpu=CapacityLimiter(max(2, cores)),
            )


def _make_searcher(catalog: Catalog, settings: Settings) -> Searcher:
    def load(name: str) -> Embedder:
        return embedding.load(settings.model_copy(update={"embedding_model": name}))

    return Searcher(
        catalog,
        load(settings.embedding_model),
        settings,
        load_embedder=load,
        reranker=load_reranker(settings),
    )


def _load_set(wanted: MeasurementPlan, here: Installation) -> QuestionSet:
    def find_readable(user: str) -> frozenset[str]:
        return here.catalog.documents.paths(Principal(name=user))

    return sets.load_set(
        wanted.place,
        find_readable,
        here.catalog.people.askers(),
        user=wanted.asker,
        users=wanted.users,
    )


async def _ask_model_name(wanted: MeasurementPlan, here: Installation) -> str | None:
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
        "answer tokens": wanted.answer_tokens or context.settings.llm_answer_tokens,
        "questions at a time": wanted.concurrency,
        "embedding": context.searcher.status().generation.model,
        "version": context.version,
    }
