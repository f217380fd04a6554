"""One exchange of the protocol for each request: nothing is remembered from one to the next."""

import json
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from indexes.catalog.filters import Filters
from indexes.errors import ClearanceError
from indexes.model import DocumentEntry, DocumentView
from indexes.search.document_list import DocumentPage
from indexes.version import installed_version
from service.answering.recording import listed
from service.http import problems
from service.http.auth import principal_of
from service.http.deps import run_in_thread, runtime_of
from service.http.disconnects import CallerLeft
from service.http.documents import MAX_CHARACTERS
from service.http.mcp.tools import TOOLS, CitedAnswer, ToolKind, metadata_of, open_document
from service.http.middleware import log_unexpected
from service.http.replies import Reply, encode_json

SCHEME = "clearance://documents/"
TEXT = "text/plain"
PAGE = 100  # documents in one part of the list
INSTRUCTIONS = (
    "Search and read the documents of this organisation that you are cleared to read, and ask"
    " questions about them. What you may not read looks exactly like what does not exist."
)
Context = ServerRequestContext[Any, Request]


class Exchange(Response):
    """Reads one message and answers it, as JSON."""

    def __init__(self, max_body: int) -> None:
        super().__init__()
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        manager = StreamableHTTPSessionManager(
            _SERVER, json_response=True, stateless=True, max_request_body_size=self._max_body
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)


async def list_tools(
    context: Context, params: types.PaginatedRequestParams | None
) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[_describe(name, tool) for name, tool in TOOLS.items()])


async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Whatever goes wrong with a known tool is its result: the assistant may mend its arguments."""
    tool = TOOLS.get(params.name)
    if tool is None:
        raise MCPError(types.INVALID_PARAMS, "There is no tool by that name.")
    request = _request_of(context)
    try:
        given = tool.arguments.model_validate(params.arguments or {})
        return _result_of(await tool.call(given, request))
    except CallerLeft:
        return types.CallToolResult(content=[], is_error=True)  # nobody is there to read it
    except Exception as error:
        return _failed(_problem_of(error, request))


async def list_resources(
    context: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    request = _request_of(context)
    after = params.cursor if params is not None else None
    try:
        page = await _list_documents(request, after)
    except Exception as error:
        raise _protocol_error(_problem_of(error, request)) from error
    return types.ListResourcesResult(
        resources=[_resource_of(each) for each in page.documents], next_cursor=page.next
    )


async def list_resource_templates(
    context: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    one = types.ResourceTemplate(
        name="document",
        title="A document",
        uri_template=SCHEME + "{id}",
        description="The text of a document that you may read.",
        mime_type=TEXT,
    )
    return types.ListResourceTemplatesResult(resource_templates=[one])


async def read_resource(
    context: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    request = _request_of(context)
    known, _, document_id = params.uri.rpartition("/")
    try:
        document = await open_document(document_id if known + "/" == SCHEME else "", request)
    except Exception as error:
        raise _protocol_error(_problem_of(error, request)) from error
    return types.ReadResourceResult(contents=[_contents_of(params.uri, document)])


_SERVER: Server[Any] = Server(
    "clearance",
    version=installed_version(),
    title="Clearance",
    instructions=INSTRUCTIONS,
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_resources=list_resources,
    on_list_resource_templates=list_resource_templates,
    on_read_resource=read_resource,
)
_SERVER.middleware.clear()  # it makes spans; `traced` has one for each request


def _request_of(context: Context) -> Request:
    assert context.request is not None  # the transport gives it to every message
    return context.request


async def _list_documents(request: Request, cursor: str | None) -> DocumentPage:
    caller, runtime = principal_of(request), runtime_of(request)

    def list_page() -> DocumentPage:
        page = runtime.documents.page(caller, Filters(), cursor, PAGE)
        runtime.trail.record(listed(caller, [each.id for each in page.documents]))
        return page

    return await run_in_thread(runtime, list_page)


def _describe(name: str, tool: ToolKind) -> types.Tool:
    return types.Tool(
        name=name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.arguments.model_json_schema(),
        output_schema=tool.reply.model_json_schema(),
        annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )


def _result_of(reply: Reply) -> types.CallToolResult:
    """The reply as JSON in a text, which connectors read, and as a structure."""
    content = encode_json(reply).decode()
    text = _storable(reply.as_text()) if isinstance(reply, CitedAnswer) else content
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content=json.loads(content)
    )


def _resource_of(entry: DocumentEntry) -> types.Resource:
    return types.Resource(
        name=_storable(entry.path),
        title=_storable(entry.title),
        uri=SCHEME + entry.id,
        mime_type=TEXT,
    )


def _contents_of(uri: str, document: DocumentView) -> types.TextResourceContents:
    told = {"title": document.title, **metadata_of(document)}
    return types.TextResourceContents(
        uri=uri,
        mime_type=TEXT,
        text=_storable(document.text[:MAX_CHARACTERS]),
        _meta=json.loads(_storable(json.dumps(told, ensure_ascii=False))),
    )


def _storable(text: str) -> str:
    """Text that is no valid Unicode is shown with marks in its place."""
    return text.encode("utf-8", "replace").decode()


def _problem_of(error: Exception, request: Request) -> problems.Problem:
    """What the caller is told. Anything that nobody expected goes to the log, and only there."""
    if isinstance(error, ClearanceError):
        problems.log_problem(error, request.state.request_id)
        return problems.problem_of(error)
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False)
        return problems.problem_of_validation(
            [{**each, "loc": ("body", *each["loc"])} for each in found]
        )
    log_unexpected(error, request.state.request_id)
    return problems.Problem(problems.INTERNAL)


def _told(problem: problems.Problem) -> str:
    wrong = [f"{each['pointer']}: {each['detail']}" for each in problem.errors]
    return " ".join([problem.kind.title, *([problem.detail] if problem.detail else []), *wrong])


def _failed(problem: problems.Problem) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=_told(problem))], is_error=True)


def _protocol_error(problem: problems.Problem) -> MCPError:
    inside = problem.kind.status >= problems.INTERNAL.status
    return MCPError(types.INTERNAL_ERROR if inside else types.INVALID_PARAMS, _told(problem))
