"""The addresses that speak as OpenAI's do, for clients and chat pages that know nothing else.

They are other forms of /ask: the same door, the same limits, the same rights, which come from the
bearer token and from nothing in the body. Errors have OpenAI's form (`errors`).
"""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from indexes.errors import NoSuchModel
from service.answering.metering import Spent
from service.http import problems
from service.http.ask import answer_over_http
from service.http.auth import Caller, needs_key
from service.http.deps import CurrentRuntime, json_response
from service.http.disconnects import CallerLeft, run_unless_gone
from service.http.openai.bodies import ChatBody, ResponsesBody
from service.http.openai.embeddings import EmbeddingsBody, EmbeddingsReply, embed_texts
from service.http.openai.replies import (
    ChatReply,
    ErrorReply,
    ModelCard,
    ModelList,
    OpenAIReply,
    ResponseReply,
)
from service.http.openai.streaming import ChatForm, ResponsesForm
from service.http.quotas import SPENT
from service.runtime import Runtime

ERROR: dict[int | str, dict[str, Any]] = {
    "default": {"description": "An error.", "model": ErrorReply}
}
EVENTS: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}

router = APIRouter(prefix="", responses=ERROR, dependencies=needs_key)


@router.get(
    "/v1/models",
    responses={200: {"model": ModelList}},
    summary="The models that the caller may ask",
)
async def models(caller: Caller, runtime: CurrentRuntime) -> Response:
    """While the model server is away, only the one that needs none."""
    return json_response(ModelList.of(await runtime.answerer.permitted_models.list_for(caller)))


@router.get(
    "/v1/models/{name:path}", responses={200: {"model": ModelCard}}, summary="One of those models"
)
async def model(name: str, caller: Caller, runtime: CurrentRuntime) -> Response:
    for card in ModelList.of(await runtime.answerer.permitted_models.list_for(caller)).data:
        if card.id == name:
            return json_response(card)
    raise NoSuchModel


@router.post(
    "/v1/chat/completions",
    responses={200: {"model": ChatReply, "content": EVENTS}},
    summary="Answer the last message of a chat, in OpenAI's form",
)
async def chat(
    body: ChatBody, request: Request, caller: Caller, runtime: CurrentRuntime
) -> Response:
    """Earlier messages are history. System messages are ignored.

    Citations are annotations of the message.

    The reply has `Clearance-Position` as /ask has; the last chunk of a stream has it as
    `clearance.position`.
    """
    form = ChatForm(_openai_reply(body, request, runtime), usage=body.wants_usage)
    return await answer_over_http(
        body.to_ask(runtime.settings), form, request, caller, runtime, stream=bool(body.stream)
    )


@router.post(
    "/v1/responses",
    responses={200: {"model": ResponseReply, "content": EVENTS}},
    summary="Answer the last message, in the form of OpenAI's responses",
)
async def responses(
    body: ResponsesBody, request: Request, caller: Caller, runtime: CurrentRuntime
) -> Response:
    """Nothing is kept: earlier messages come with the request.

    Citations are annotations of the text.

    The reply has `Clearance-Position` as /ask has; the last event of a stream has it as
    `clearance.position`.
    """
    form = ResponsesForm(_openai_reply(body, request, runtime))
    return await answer_over_http(
        body.to_ask(runtime.settings), form, request, caller, runtime, stream=bool(body.stream)
    )


@router.post(
    "/v1/embeddings",
    responses={200: {"model": EmbeddingsReply}},
    summary="Vectors of texts, by the embedding model of the indexes",
)
async def embeddings(
    body: EmbeddingsBody, request: Request, caller: Caller, runtime: CurrentRuntime
) -> Response:
    """No document is looked at. Tokens count against quotas, as those of other models do."""
    spent: Spent = request.scope["state"].setdefault(SPENT, Spent())
    try:
        work = embed_texts(body, caller, runtime, spent)
        return json_response(await run_unless_gone(work, request.receive))
    except CallerLeft:
        request.state.left = True
        return Response(status_code=204)  # nobody is there to read it


@router.post("/v1/completions", include_in_schema=False)
async def completions(request: Request) -> Response:
    """Clients of before chats ask here; what is said tells them where to ask."""
    return problems.Problem(problems.COMPLETIONS).response(request.state.request_id)


def _openai_reply(
    body: ChatBody | ResponsesBody, request: Request, runtime: Runtime
) -> OpenAIReply:
    """Links lead to where the service was asked, or to where its settings say that it is reached."""
    base = runtime.settings.public_url or str(request.base_url)
    return OpenAIReply(
        body.model, base.rstrip("/") + "/", body.ignored_names(), is_json=body.form is not None
    )
