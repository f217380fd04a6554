"""The long-lived objects of one process, made once and closed in the end.

The only place that makes a searcher, a model, an embedder and an answerer: a question that is
measured takes the same way as one that is asked over HTTP.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from anyio import CapacityLimiter, fail_after, to_thread

from indexes import embedder as embedding
from indexes.blobs import BlobFolder
from indexes.catalog import Catalog
from indexes.catalog.audit.trail import Trail
from indexes.derived.precedence import Precedence
from indexes.embedder import Embedder, LoadEmbedder
from indexes.embedder.answer_scorer import is_prepared, load_answer_scorer
from indexes.embedder.cross_encoder import load_reranker
from indexes.errors import ClearanceError
from indexes.model import MAINTENANCE
from indexes.private_files import keep_private
from indexes.search.document_list import DocumentList
from indexes.search.searcher import Searcher
from indexes.settings import Settings
from indexes.version import installed_version
from service.answering.answer_check.verdict import AnswerCheck
from service.answering.answerer import Answerer
from service.answering.evidence import EvidenceJudge
from service.answering.greetings import Greeter
from service.answering.meaning import Meaning, make_meaning
from service.answering.recording import AnswerRecords
from service.answering.values import Answer
from service.llm import open_model
from service.llm.port import LanguageModel
from service.llm.rights import ModelRights
from service.operating.health import Health
from service.operating.metrics import Metrics
from service.operating.rebuild_jobs import RebuildJobs
from service.operating.sealing import Sealing
from service.operating.tasks import do_in_background, end_task, repeat
from service.operating.threads import Threads
from service.templates.store import CatalogTemplates
from service.templates.template import TemplateSource

# between two looks after the indexes: a new generation must be loaded before it is switched to
MAINTENANCE_S = 1.0
KEY_USES_EVERY_S = 60.0  # when keys were used last is written
CHECK_S = 5.0  # for the model server to show that it is there

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Which of the things that an answer needs are there. Tells nothing of what they hold."""

    catalog: bool
    index: bool
    model: bool | None  # None: no model server is configured


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What answers questions, and what is told of it."""

    settings: Settings
    catalog: Catalog
    trail: Trail  # of what people ask and are shown
    searcher: Searcher
    documents: DocumentList
    model: LanguageModel | None  # None if none is configured: quotes answer
    meaning: Meaning | None  # None if the embedding model can tell nothing of meanings
    check: AnswerCheck = field(default_factory=AnswerCheck)  # of what answers
    answerer: Answerer = field(init=False)  # of callers: by the catalog's templates and rights
    jobs: RebuildJobs
    blobs: BlobFolder
    metrics: Metrics
    health: Health
    version: str
    cpu: Threads  # everything that burns CPU in a thread stands in this one line
    admin_threads: CapacityLimiter = field(
        default_factory=lambda: CapacityLimiter(4)
    )  # administration, which must not stand in it

    def __post_init__(self) -> None:
        records = AnswerRecords(
            self.trail,
            self.cpu,
            self.catalog.secret,
            keep_questions=self.settings.audit_questions,
        )
        templates = CatalogTemplates(self.catalog)
        of_callers = self.make_answerer(templates, rights=self.catalog.models, records=records)
        object.__setattr__(self, "answerer", of_callers)

    def make_answerer(
        self,
        templates: TemplateSource,
        *,
        rights: ModelRights | None,
        records: AnswerRecords | None = None,
    ) -> Answerer:
        """Every answerer is made here. rights: None if whoever asks may use every model. records: None
        if only the operator sees the answers.
        """
        return Answerer(
            self.searcher,
            self.model,
            self.settings,
            self.cpu,
            templates=templates,
            rights=rights,
            judge=EvidenceJudge(self.searcher.corpus, self.check),
            meaning=self.meaning,
            secret=self.catalog.secret,
            records=records,
            greeter=Greeter(self.searcher, self.documents),
        )

    def count_answer(self, answer: Answer) -> None:
        """Counts a finished answer."""
        self.metrics.count_answer(answer.answerer, noticed=answer.notice is not None)
        if answer.usage is not None:
            waited = answer.timings.first_token_ms
            self.metrics.count_model_call(
                answer.usage.prompt_tokens,
                answer.usage.completion_tokens,
                answer.usage.counted_prompt_tokens,
                None if waited is None else waited / 1000,
            )

    async def readiness(self) -> Readiness:
        """From what is known already."""
        return Readiness(
            catalog=self.health.catalog,
            index=self.searcher.ready(),
            model=await self._model_answers(),
        )

    async def _model_answers(self) -> bool | None:
        if self.model is None:
            return None
        try:
            with fail_after(CHECK_S):
                await self.model.served_model()
        except (ClearanceError, TimeoutError) as error:
            log.warning(
                "the model server does not answer",
                extra={"fields": {"error": type(error).__qualname__}},
            )
            return False
        return True


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    embedder: Embedder | None = None,
    model: LanguageModel | None = None,
    catalog: Catalog | None = None,
    load_embedder: LoadEmbedder | None = None,
    metrics: Metrics | None = None,
    precedence: Precedence | None = None,
    waits_for_scorer: bool = True,
) -> AsyncIterator[Runtime]:
    """All that answers questions: opens what was not given, and closes exactly that.

    embedder: if given, no model is loaded beside it, and words alone decide what answers.
    waits_for_scorer: also if the answer scorer has to be converted first; else words alone decide
    until `preparing_scorer` is done.

    Nothing but the indexes is looked after: a process that serves does its duties (`do_duties`), too.
    Raises ClearanceError if something cannot be opened.
    """
    load = load_embedder or embedding.embedder_loader(settings)
    async with AsyncExitStack() as stack:
        await to_thread.run_sync(keep_private, settings.home)
        if catalog is None:
            catalog = await to_thread.run_sync(Catalog.open, settings.catalog_url)
            stack.push_async_callback(to_thread.run_sync, catalog.close)
        if model is None:
            model = await stack.enter_async_context(open_model(settings))
        scorer = None
        if embedder is None:
            if waits_for_scorer or is_prepared(settings):
                scorer = await to_thread.run_sync(load_answer_scorer, settings)
            active = await to_thread.run_sync(catalog.generations.active)
            embedder = await to_thread.run_sync(embedding.load_in_use, load, settings, active)
        searcher = await to_thread.run_sync(
            _open_searcher, catalog, embedder, settings, load, precedence
        )
        await stack.enter_async_context(_look_after_indexes(searcher))
        trail = await to_thread.run_sync(catalog.open_trail)
        stack.push_async_callback(to_thread.run_sync, trail.close)
        yield Runtime(
            settings=settings,
            catalog=catalog,
            trail=trail,
            searcher=searcher,
            documents=DocumentList(catalog),
            model=model,
            meaning=make_meaning(embedder),
            check=AnswerCheck(scorer, settings.answer_scorer),
            jobs=RebuildJobs(catalog, load, settings.rebuild_least_overlap),
            blobs=BlobFolder(settings.home),
            metrics=metrics or Metrics(),
            health=Health(catalog.reachable),
            version=installed_version(),
            cpu=Threads(max(2, embedding.available_cores())),
        )


@asynccontextmanager
async def do_duties(runtime: Runtime) -> AsyncIterator[None]:
    """What a process that serves does beside answering: rebuilds that are asked for, looks at
    whether it can answer at all, notes of when keys were used.
    """
    async with AsyncExitStack() as stack:
        runtime.jobs.start()
        stack.push_async_callback(to_thread.run_sync, runtime.jobs.stop)
        await runtime.health.check()
        looking = asyncio.create_task(runtime.health.keep_checking())
        stack.push_async_callback(end_task, looking)
        sealing = Sealing(runtime.trail, runtime.catalog, runtime.settings.home)
        await stack.enter_async_context(sealing.keep_sealing())
        write_uses = partial(runtime.catalog.keys.write_uses, by=MAINTENANCE)
        stack.push_async_callback(
            do_in_background, "uses of keys", write_uses
        )  # once more at the end
        writing = asyncio.create_task(repeat("uses of keys", write_uses, KEY_USES_EVERY_S))
        stack.push_async_callback(end_task, writing)
        yield


@asynccontextmanager
async def _look_after_indexes(searcher: Searcher) -> AsyncIterator[None]:
    """Follows the catalog and maintains the indexes while the block runs."""
    work = ExitStack()
    work.enter_context(searcher.background_work(MAINTENANCE_S))
    try:
        yield
    finally:
        await to_thread.run_sync(work.close)  # waits for its thread


def _open_searcher(
    catalog: Catalog,
    embedder: Embedder,
    settings: Settings,
    load: LoadEmbedder,
    precedence: Precedence | None,
) -> Searcher:
    return Searcher(
        catalog,
        embedder,
        settings,
        load_embedder=load,
        reranker=load_reranker(settings),
        precedence=precedence,
    )
