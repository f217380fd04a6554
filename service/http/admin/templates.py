"""Administration of templates over HTTP.

Needs the scope `operate`; a template's text is no document's text.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Self, TypeVar

from anyio import to_thread
from fastapi import APIRouter
from pydantic import Field, StrictInt
from starlette.responses import Response

from indexes.catalog.template_choice import TemplateVersion
from indexes.catalog.templates import TemplateInfo, Templates
from indexes.scopes import OPERATE
from service.http.admin.unknown_names import unknown_names
from service.http.auth import ActingCaller, needs_scope
from service.http.bodies import Name, Number, ReadersBody, RequestBody
from service.http.deps import PROBLEM_RESPONSES, CurrentRuntime, json_response
from service.http.replies import ReadersReply, Reply
from service.templates.drafts import Draft, refuse_built_in_name
from service.templates.template import BUILT_IN, Template

T = TypeVar("T")


class SaveBody(RequestBody):
    name: Name
    readers: ReadersBody | None = Field(
        None, description="For all its versions; none: those it has."
    )
    draft: Draft


class ActivateBody(RequestBody):
    version: Annotated[StrictInt, Field(ge=1, le=10**9)]
    audience: Name = Field(
        "name", description="`name`: who asks for it by name; `default`; `user:…`; `group:…`."
    )
    candidate: Name | None = Field(None, description="`name@version` for a share of the audience.")
    share: Annotated[Number, Field(ge=0, le=1)] = 0.0


class RollbackBody(RequestBody):
    audience: Name = "name"


class InfoReply(Reply):
    name: str
    style: str
    language: str
    readers: ReadersReply
    versions: int = Field(description="1 to this.")

    @classmethod
    def of(cls, info: TemplateInfo) -> Self:
        readers = ReadersReply.of(info.readers)
        return cls(
            name=info.name,
            style=info.style,
            language=info.language,
            versions=info.versions,
            readers=readers,
        )


class ActiveReply(Reply):
    audience: str
    version: str
    candidate: str | None
    share: float
    activated_by: str
    activated_at: datetime


class ListReply(Reply):
    templates: tuple[InfoReply, ...]
    active: tuple[ActiveReply, ...]
    built_in: tuple[str, ...] = Field(description="They answer if nothing else is active.")


class VersionOfTemplateReply(Reply):
    """One version, for ever the same."""

    label: str
    style: str
    language: str
    system: str
    user: str
    no_answer: str
    stop: tuple[str, ...]
    saved_by: str | None = Field(description="None: it comes with the service.")
    saved_at: datetime | None

    @classmethod
    def of(cls, version: TemplateVersion) -> Self:
        text = version.text
        return cls(
            label=version.label,
            style=version.style,
            language=version.language,
            system=text.system,
            user=text.user,
            no_answer=text.no_answer,
            stop=text.stop,
            saved_by=version.saved_by,
            saved_at=version.saved_at,
        )

    @classmethod
    def of_built_in(cls, template: Template) -> Self:
        shown = ("label", "style", "language", "system", "user", "no_answer", "stop")
        return cls(
            **{name: getattr(template, name) for name in shown}, saved_by=None, saved_at=None
        )


class TemplateReply(Reply):
    name: str
    versions: tuple[VersionOfTemplateReply, ...]
    active: tuple[ActiveReply, ...]
    warnings: tuple[str, ...] = Field(
        (), description="Names in the rule that nobody has declared; they mean nobody."
    )


class ReadersChangedReply(ReadersReply):
    warnings: tuple[str, ...] = Field(
        (), description="Names in the rule that nobody has declared; they mean nobody."
    )


class ActivationsReply(Reply):
    active: tuple[ActiveReply, ...]


router = APIRouter(responses=PROBLEM_RESPONSES, dependencies=needs_scope(OPERATE), prefix="")


@router.get(
    "/admin/templates",
    operation_id="every_admin_templates_get",
    responses={200: {"model": ListReply}},
    summary="Every template, and what is active",
)
async def list_templates(runtime: CurrentRuntime) -> Response:
    def read(templates: Templates) -> ListReply:
        infos = tuple(InfoReply.of(info) for info in templates.list())
        return ListReply(
            templates=infos,
            active=_activations(templates),
            built_in=tuple(t.label for t in BUILT_IN),
        )

    return json_response(await _run_on_templates(runtime, read))


@router.post(
    "/admin/templates",
    status_code=201,
    responses={201: {"model": TemplateReply}},
    summary="Save a version",
)
async def save(body: SaveBody, by: ActingCaller, runtime: CurrentRuntime) -> Response:
    """Checked before it is saved; changes nothing for anybody until it is activated."""

    def save_draft(templates: Templates) -> TemplateReply:
        refuse_built_in_name(body.name)
        text, readers = body.draft.build_text(), body.readers.readers() if body.readers else None
        warnings = unknown_names(runtime, readers) if readers else ()
        draft = body.draft
        made = templates.save(body.name, draft.style, draft.language, text, readers, by=by)
        versions = (VersionOfTemplateReply.of(made),)
        return TemplateReply(
            name=made.name,
            versions=versions,
            active=_activations(templates, made.name),
            warnings=warnings,
        )

    return json_response(await _run_on_templates(runtime, save_draft), 201)


@router.get(
    "/admin/templates/{template}",
    operation_id="one_admin_templates__template__get",
    responses={200: {"model": TemplateReply}},
    summary="All its versions",
)
async def show_template(template: str, runtime: CurrentRuntime) -> Response:
    def read(templates: Templates) -> TemplateReply:
        own = tuple(
            VersionOfTemplateReply.of_built_in(each) for each in BUILT_IN if each.name == template
        )
        versions = own or tuple(
            VersionOfTemplateReply.of(each) for each in templates.versions(template)
        )
        return TemplateReply(
            name=template, versions=versions, active=_activations(templates, template)
        )

    return json_response(await _run_on_templates(runtime, read))


@router.put(
    "/admin/templates/{template}/readers",
    responses={200: {"model": ReadersChangedReply}},
    summary="Change who may use it",
)
async def relabel(
    template: str, body: ReadersBody, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """Effective at the next request, for all its versions."""

    def relabel_template(templates: Templates) -> ReadersChangedReply:
        readers = body.readers()
        warnings = unknown_names(runtime, readers)
        templates.relabel(template, readers, by=by)
        stored = ReadersReply.of(
            next(info.readers for info in templates.list() if info.name == template)
        )
        return ReadersChangedReply(allow=stored.allow, deny=stored.deny, warnings=warnings)

    return json_response(await _run_on_templates(runtime, relabel_template))


@router.post(
    "/admin/templates/{template}/activate",
    responses={200: {"model": ActivationsReply}},
    summary="Use a version",
)
async def activate(
    template: str, body: ActivateBody, by: ActingCaller, runtime: CurrentRuntime
) -> Response:
    """From the next request on, in every process."""

    def activate_version(templates: Templates) -> ActivationsReply:
        templates.activate(
            template,
            body.version,
            audience=body.audience,
            candidate=body.candidate,
            share=float(body.share),
            by=by,
        )
        return ActivationsReply(active=_activations(templates, template))

    return json_response(await _run_on_templates(runtime, activate_version))


@router.post(
    "/admin/templates/{template}/rollback",
    responses={200: {"model": ActivationsReply}},
    summary="Undo an activation",
)
async def rollback(
    template: str, by: ActingCaller, runtime: CurrentRuntime, body: RollbackBody | None = None
) -> Response:
    """What was active before for this audience holds again, from the next request on."""

    def roll_back(templates: Templates) -> ActivationsReply:
        audience = (body or RollbackBody()).audience
        templates.rollback(template, audience=audience, by=by)
        return ActivationsReply(active=_activations(templates))

    return json_response(await _run_on_templates(runtime, roll_back))


def _activations(templates: Templates, name: str | None = None) -> tuple[ActiveReply, ...]:
    return tuple(ActiveReply.model_validate(each) for each in templates.activations(name))


async def _run_on_templates(runtime: CurrentRuntime, work: Callable[[Templates], T]) -> T:
    return await to_thread.run_sync(work, runtime.catalog.templates, limiter=runtime.admin_threads)
