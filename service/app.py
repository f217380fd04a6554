"""The application: what stands around every request, and what lives as long as the process."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, nullcontext
from functools import partial

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from indexes.catalog import Catalog
from indexes.catalog.audit.trail import Trail
from indexes.derived.precedence import Precedence
from indexes.embedder import Embedder, LoadEmbedder
from indexes.errors import ClearanceError
from indexes.model import Principal
from indexes.settings import Settings
from indexes.version import installed_version
from service.http import (
    answers,
    ask,
    documents,
    feedback,
    jobs,
    operations,
    originals,
    problems,
    uploads,
)
from service.http.admin import access, audit, index, keys, models, templates, usage
from service.http.admin import documents as admin_documents
from service.http.auth import Authenticator, Gate
from service.http.cross_origin import allow_origins
from service.http.direct import DirectWay, ErrorHandler
from service.http.mcp import resource_metadata
from service.http.mcp import routes as mcp_routes
from service.http.middleware import BodyReader, Envelope
from service.http.oidc import routes as sign_in_routes
from service.http.oidc.provider import Provider, ask_at_start
from service.http.oidc.sign_in import SignIn, page_origin
from service.http.oidc.tokens import KeysAndTokens
from service.http.openai import routes as openai_routes
from service.http.quotas import Quotas
from service.http.refusals import Refusals
from service.http.scim import routes as scim_routes
from service.http.traced import Traced
from service.llm.port import LanguageModel
from service.operating.metrics import Metrics
from service.operating.scorer import preparing_scorer
from service.operating.threads import Threads
from service.operating.tracing import Tracing
from service.runtime import Runtime, do_duties, open_runtime

DESCRIPTION = "Ask your documents. Get answers made only of what you are cleared to read."
MAX_KEY_LOOKUPS = 16  # keys looked up at the same time
MAX_SIGN_INS = 4  # of people, at the same time


def create_app(
    settings: Settings,
    *,
    embedder: Embedder | None = None,
    model: LanguageModel | None = None,
    catalog: Catalog | None = None,
    load_embedder: LoadEmbedder | None = None,
    authenticator: Authenticator | None = None,
) -> FastAPI:
    """The service.

    What is given is used and left open; the rest is opened at the start and closed at the end.

    A request passes, from outside in: Envelope (id, log line, headers), what pages of other origins may do,
    Gate (who asks), Quotas, BodyReader (limits), the route, to which DirectWay knows a shorter way.
    """
    metrics, precedence, origin = Metrics(), Precedence(), page_origin(settings)
    tracing = (
        Tracing(settings.otlp_endpoint, installed_version()) if settings.otlp_endpoint else None
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opening = open_runtime(
            settings,
            embedder=embedder,
            model=model,
            catalog=catalog,
            load_embedder=load_embedder,
            metrics=metrics,
            precedence=precedence,
            waits_for_scorer=False,
        )
        async with opening as runtime, do_duties(runtime), preparing(runtime):
            with ExitStack() as stack:
                if tracing is not None:
                    stack.callback(tracing.close)
                app.state.runtime = runtime
                await _open_identity(app, runtime, stack, authenticator)
                yield

    def preparing(runtime: Runtime) -> AbstractAsyncContextManager[None]:
        there = embedder is not None or runtime.check.name == settings.answer_scorer
        return nullcontext() if there else preparing_scorer(settings, runtime.check.use)

    looking = Threads(MAX_KEY_LOOKUPS)

    def find_authenticator() -> Authenticator:
        found: Authenticator = app.state.authenticator
        return found

    def find_principals() -> Catalog:
        found: Catalog = app.state.runtime.catalog
        return found

    def find_trail() -> Trail:
        found: Trail = app.state.runtime.trail
        return found

    async def groups_of(principal: Principal) -> frozenset[str]:
        catalog: Catalog = app.state.runtime.catalog
        return await looking.run(catalog.groups_of, principal)

    error_handlers: dict[int | type[Exception], ErrorHandler] = {
        ClearanceError: problems.on_clearance_error,
        RequestValidationError: problems.on_validation_error,
        HTTPException: problems.on_http_error,
    }
    app = FastAPI(
        title="Clearance",
        version=installed_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False},
        middleware=[
            Middleware(Envelope, metrics=metrics, precedence=precedence),
            *allow_origins(settings.cors_origins),
            Middleware(Traced, tracing=tracing),
            Middleware(
                Gate,
                authenticator=find_authenticator,
                principals=find_principals,
                threads=looking,
                metrics_token=settings.metrics_token,
                challenge=partial(resource_metadata.challenge, public_url=settings.public_url),
                page_origin=origin,
                refusals=Refusals(find_trail, Threads(1)),
            ),
            Middleware(
                Quotas,
                quotas=settings.quotas,
                storage=settings.quota_storage.get_secret_value(),
                groups_of=groups_of,
            ),
            Middleware(
                BodyReader, most=settings.max_body_kb * 1024, within_s=settings.body_timeout_s
            ),
            Middleware(DirectWay, routes=ask.router.routes, error_handlers=error_handlers),
        ],
        exception_handlers=error_handlers,
    )
    app.state.metrics = metrics
    app.state.page_origin = origin
    for router in (
        operations.open_router,
        ask.router,
        documents.router,
        originals.router,
        answers.router,
        feedback.router,
        uploads.router,
        jobs.router,
        openai_routes.router,
        mcp_routes.open_router,
        mcp_routes.router,
        index.router,
        admin_documents.router,
        operations.metrics_router,
        templates.router,
        models.router,
        usage.router,
        scim_routes.router,
        access.router,
        audit.router,
        keys.router,
        sign_in_routes.router,
    ):
        app.include_router(router)
    return app


async def _open_identity(
    app: FastAPI, runtime: Runtime, stack: ExitStack, authenticator: Authenticator | None
) -> None:
    """Who is let in, and where people sign in; closed with the stack."""
    providers = [Provider(each) for each in runtime.settings.identity_providers]
    for provider in providers:
        stack.callback(provider.close)
    await ask_at_start(providers)
    app.state.sign_in = SignIn(runtime.settings, runtime.catalog, providers)
    app.state.sign_in_threads = CapacityLimiter(MAX_SIGN_INS)
    app.state.authenticator = authenticator or KeysAndTokens(
        runtime.catalog.keys, runtime.catalog.subjects, providers
    )
