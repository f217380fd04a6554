"""Administration of rights per model over HTTP. Needs the scope `operate`.

Names stand in bodies: some hold a slash.
"""

from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from indexes.catalog.models import Models
from indexes.errors import GeneratorError
from indexes.scopes import OPERATE
from service.http.admin.unknown_names import unknown_names
from service.http.auth import ActingCaller, needs_scope
from service.http.bodies import Name, ReadersBody, RequestBody
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, json_response
from service.http.replies import ReadersReply, Reply
from service.llm.rights import refuse_quotes
from service.runtime import Runtime

T = TypeVar("T")


class RuleBody(RequestBody):
    model: Name
    readers: ReadersBody = Field(
        description="Only these may use it; to all others it does not exist."
    )


class ModelBody(RequestBody):
    model: Name


class RuleReply(Reply):
    model: str
    served: bool | None = Field(
        description="Whether it is served now; null: no model server answers."
    )
    readers: ReadersReply | None = Field(description="null: everybody who may ask may use it.")


class RulesReply(Reply):
    models: tuple[RuleReply, ...] = Field(
        description="All that are served or have a rule, the default first."
    )
    warnings: tuple[str, ...] = Field(
        (), description="Names in the rule that nobody has declared; they mean nobody."
    )


router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(OPERATE), prefix="")


@router.get(
    "/admin/models",
    operation_id="every_admin_models_get",
    responses={200: {"model": RulesReply}},
    summary="Every model, and who may use it",
)
async def list_models(runtime: CurrentRuntime) -> Response:
    return json_response(await _list_rules(runtime))


@router.put(
    "/admin/models/readers",
    responses={200: {"model": RulesReply}},
    summary="Say who may use a model",
)
async def allow(body: RuleBody, by: ActingCaller, runtime: CurrentRuntime) -> Response:
    """Effective at the next request, in every process."""
    refuse_quotes(body.model)
    readers = body.readers.readers()
    warnings = await to_thread.run_sync(
        unknown_names, runtime, readers, limiter=runtime.admin_threads
    )
    await _run_on_models(runtime, lambda models: models.set(body.model, readers, by=by))
    return json_response((await _list_rules(runtime)).model_copy(update={"warnings": warnings}))


@router.post(
    "/admin/models/clear",
    responses={200: {"model": RulesReply}},
    summary="Take a model's rule away",
)
async def clear(body: ModelBody, by: ActingCaller, runtime: CurrentRuntime) -> Response:
    """From the next request on everybody who may ask may use it."""
    await _run_on_models(runtime, lambda models: models.clear(body.model, by=by))
    return json_response(await _list_rules(runtime))


async def _list_rules(runtime: Runtime) -> RulesReply:
    served, rules = await _served_names(runtime), await _run_on_models(runtime, Models.list)
    names = dict.fromkeys([*(served or ()), *rules])
    return RulesReply(
        models=tuple(
            RuleReply(
                model=name,
                served=None if served is None else name in served,
                readers=ReadersReply.of(rules[name]) if name in rules else None,
            )
            for name in names
        )
    )


async def _served_names(runtime: Runtime) -> list[str] | None:
    if runtime.model is None:
        return None
    try:
        return [model.name for model in await runtime.model.offered_models()]
    except GeneratorError:
        return None


async def _run_on_models(runtime: Runtime, work: Callable[[Models], T]) -> T:
    return await to_thread.run_sync(work, runtime.catalog.models, limiter=runtime.admin_threads)
