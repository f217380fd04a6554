"""Every address of the service with requests to it: each mode, filter, stream and error that a
caller can get to.

What stands here is asked by `clearance leaktest` and by the tests; a route without a request here
fails a test.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args
from urllib.parse import urlencode

from indexes.model import Mode
from service.llm.rights import QUOTES

OPERATORS = frozenset(
    {
        "DELETE /scim/v2/{path:path}",
        "DELETE /admin/keys/{key_id}",
        "GET /admin/access/changes",
        "GET /admin/access/explain",
        "GET /admin/access/readers",
        "GET /admin/audit/events",
        "GET /admin/documents",
        "GET /admin/jobs/{job_id}",
        "GET /admin/keys",
        "GET /admin/models",
        "GET /admin/templates",
        "GET /admin/usage",
        "GET /admin/templates/{template}",
        "GET /metrics",
        "GET /scim/v2/{path:path}",
        "PATCH /scim/v2/{path:path}",
        "POST /admin/index/rebuild",
        "POST /admin/keys",
        "POST /admin/keys/{key_id}/rotate",
        "POST /admin/models/clear",
        "POST /admin/templates",
        "POST /admin/templates/{template}/activate",
        "POST /admin/templates/{template}/rollback",
        "POST /scim/v2/{path:path}",
        "PUT /admin/models/readers",
        "PUT /admin/templates/{template}/readers",
        "PUT /scim/v2/{path:path}",
    }
)
"""Routes for operators.

What they reply may depend on everything; none of them replies with text or titles.
"""

WRITERS = frozenset(
    {
        "DELETE /documents/{document_id}",
        "GET /jobs",
        "GET /jobs/{job_id}",
        "PATCH /documents/{document_id}/readers",
        "POST /blobs",
        "POST /documents",
        "POST /jobs/{job_id}/cancel",
        "POST /jobs/{job_id}/retry",
        "PUT /documents/{document_id}",
    }
)
"""Routes for those who may write to a source; to others they tell nothing. None of them replies with
text or titles, either.
"""

MCP = "POST /mcp"
MCP_HEADERS = {"Accept": "application/json, text/event-stream"}
ANSWERING = frozenset({"POST /ask", "POST /v1/chat/completions", "POST /v1/responses"})
MODES: tuple[Mode, ...] = get_args(Mode)
NOWHERE = "zzzzzzzzzzzzzzzzzzzz"  # a public id that nothing has

HOSTILE_FILTERS: tuple[dict[str, Any], ...] = (
    {"metadata": {"a\\": 1}},
    {"metadata": {'a"': "x"}},
    {"metadata": {"a.b[0]": True}},
    {"metadata": {"$": 0.5}},
    {"metadata": {"": "x"}},
    {"metadata": {"author": 1}},
    {"metadata": {"author": 1.5}},
    {"metadata": {"author": True}},
    {"metadata": {"author": "\x00"}},
    {"metadata": {"size": 2**63 - 1}},
    {"metadata": {"size": -(2**63)}},
    {"metadata": {"size": 1e308}},
    {"collection": "\x00"},
    {"path_prefix": "%"},
    {"path_prefix": "\x00"},
    {"language": "''"},
    {"media_types": ["text/plain", "\x00"]},
    {"modified_after": "0001-01-01T00:00:00+23:59"},
    {"modified_before": "9999-12-31T23:59:59-23:59"},
)
"""Conditions that a database can stumble over.

Stumbling must not depend on what the caller may not read.
"""

PLAIN_FILTERS: tuple[dict[str, Any], ...] = (
    {"collection": "default"},
    {"path_prefix": "mix/"},
    {"media_types": ["text/plain", "application/pdf"]},
    {"language": "en"},
    {"modified_after": "2026-01-01T00:00:00Z"},
    {"modified_before": "2026-06-01T00:00:00+02:00"},
    {"metadata": {"author": "Bob Smith"}},
    {"metadata": {"size": 3, "draft": False}},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    door: str  # what it tries, in words; no two calls share it
    route: str  # "GET /documents/{document_id}"
    path: str
    body: Any = None  # sent as JSON; bytes as they are; None if there is no body
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def asks_a_model(self) -> bool:
        """Whether a language model answers it, if the service has one."""
        if not isinstance(self.body, dict):
            return False
        if self.route == MCP:
            params = self.body.get("params") or {}
            return bool(params.get("name") == "ask")
        if self.route not in ANSWERING:
            return False
        return self.body.get("answerer") != "quotes" and self.body.get("model") != QUOTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What the attacker knows or guesses."""

    questions: Sequence[str]
    documents: Sequence[str] = ()  # public ids, its own and others
    passages: Sequence[str] = ()
    models: Sequence[str] = ()
    templates: Sequence[str] = ()
    filters: Sequence[Mapping[str, Any]] = (*PLAIN_FILTERS, *HOSTILE_FILTERS)
    k: int = 20


def make_calls(known: Knowledge) -> Iterator[Call]:
    """Every door, with everything that this attacker can try at it; none changes anything in the
    service.
    """
    yield from _search_calls(known)
    yield from _ask_calls(known)
    yield from _openai_calls(known)
    yield from _embedding_calls(known)
    yield from _list_calls(known)
    yield from _document_calls(known)
    yield from _mcp_calls(known)
    yield from _writing_calls(known)
    yield from _mistaken_calls(known)
    yield from _service_calls()
    yield from _sign_in_calls()


def _search_calls(known: Knowledge) -> Iterator[Call]:
    for number, question in enumerate(known.questions):
        for mode in MODES:
            body = {"question": question, "k": known.k, "mode": mode}
            yield Call(
                door=f"search {mode} {number}", route="POST /search", path="/search", body=body
            )
    question = known.questions[0]
    one = {"question": question, "k": 1}
    yield Call(door="search for one", route="POST /search", path="/search", body=one)
    for number, filters in enumerate(known.filters):
        body = {"question": question, "k": known.k, "mode": MODES[number % 3], "filters": filters}
        yield Call(
            door=f"search filtered {number}", route="POST /search", path="/search", body=body
        )
    sealed = {"Clearance-At-Least": "AAAA"}
    yield Call(
        door="search forged position",
        route="POST /search",
        path="/search",
        body=one,
        headers=sealed,
    )
    tagged = {"If-None-Match": '"0"'}
    yield Call(
        door="search other tag", route="POST /search", path="/search", body=one, headers=tagged
    )


def _ask_calls(known: Knowledge) -> Iterator[Call]:
    for number, question in enumerate(known.questions):
        yield _ask_call(known, f"plain {number}", question=question)
    for stream in (False, True):
        yield from _ask_calls_in_form(known, stream=stream)
    for number, filters in enumerate(known.filters):
        yield _ask_call(
            known,
            f"filtered {number}",
            filters=filters,
            answerer="quotes",
            stream=bool(number % 2),
        )


def _ask_calls_in_form(known: Knowledge, *, stream: bool) -> Iterator[Call]:
    """Answers as a stream, or whole."""
    way, ask = "stream" if stream else "whole", partial(_ask_call, known, stream=stream)
    turns = [
        {"role": "user", "content": known.questions[-1]},
        {"role": "assistant", "content": "It rises [1]."},
    ]
    yield ask(f"quotes {way}", answerer="quotes")
    yield ask(f"default {way}", max_tokens=40)
    yield ask(f"history {way}", history=turns)
    yield ask(f"fallback {way}", fallback="quotes", mode="keyword")
    for number, courtesy in enumerate(("Hello", "有哪些文档？", "Thanks")):
        yield ask(f"courtesy {number} {way}", question=courtesy, answerer="quotes")
    narrowed = {"collection": "default"}
    yield ask(f"courtesy narrowed {way}", question="help", filters=narrowed, answerer="quotes")
    for name in (*known.templates, "no-such-template"):
        yield ask(f"template {name} {way}", template=name)
        yield ask(f"template {name}@1 {way}", template=f"{name}@1")
    for name in (*known.models, "no-such-model"):
        yield ask(f"model {name} {way}", model=name)


def _ask_call(known: Knowledge, door: str, **more: Any) -> Call:
    body = {"question": known.questions[0], "k": known.k, **more}
    return Call(door=f"ask {door}", route="POST /ask", path="/ask", body=body)


def _openai_calls(known: Knowledge) -> Iterator[Call]:
    question = known.questions[0]
    yield Call(door="models", route="GET /v1/models", path="/v1/models")
    for name in (*known.models, QUOTES, "no-such-model"):
        yield Call(
            door=f"model {name}", route="GET /v1/models/{name:path}", path=f"/v1/models/{name}"
        )
        for stream in (False, True):
            said = {"model": name, "stream": stream, "clearance": {"k": known.k}}
            way = f"{name} {'stream' if stream else 'whole'}"
            chat = said | {"messages": [{"role": "user", "content": question}]}
            route = "POST /v1/chat/completions"
            yield Call(door=f"chat {way}", route=route, path="/v1/chat/completions", body=chat)
            yield Call(
                door=f"response {way}",
                route="POST /v1/responses",
                path="/v1/responses",
                body=said | {"input": question},
            )
    for number, filters in enumerate(known.filters):
        options = {
            "clearance": {"k": known.k, "filters": filters},
            "model": QUOTES,
            "stream": bool(number % 2),
        }
        yield Call(
            door=f"response filtered {number}",
            route="POST /v1/responses",
            path="/v1/responses",
            body=options | {"input": question},
        )


def _embedding_calls(known: Knowledge) -> Iterator[Call]:
    """Vectors of what the attacker sends itself; and the address that only tells of another."""
    route = "POST /v1/embeddings"
    texts: dict[str, dict[str, Any]] = {
        "one": {"input": known.questions[0], "input_type": "query"},
        "many": {"input": list(known.questions), "encoding_format": "base64"},
        "other dimensions": {"input": known.questions[0], "dimensions": 7},
        "tokens": {"input": [1, 2]},
        "by another model": {"input": known.questions[0], "model": "no-such-model"},
    }
    for name, said in texts.items():
        body = {"model": "clearance-embeddings", **said}
        yield Call(door=f"embeddings {name}", route=route, path="/v1/embeddings", body=body)
    route, body = "POST /v1/completions", {"model": QUOTES, "prompt": known.questions[0]}
    yield Call(door="completions", route=route, path="/v1/completions", body=body)


def _list_calls(known: Knowledge) -> Iterator[Call]:
    route = "GET /documents"
    yield Call(door="list", route=route, path="/documents")
    yield Call(door="list one", route=route, path="/documents?limit=1")
    yield Call(door="list with a forged cursor", route=route, path="/documents?cursor=AAAA")
    for number, filters in enumerate(known.filters):
        asked = urlencode({"filters": json.dumps(filters), "limit": 2})
        yield Call(door=f"list filtered {number}", route=route, path=f"/documents?{asked}")


def _writing_calls(known: Knowledge) -> Iterator[Call]:
    """For whoever asks without the right to write, none of these changes anything."""
    readers: dict[str, Any] = {"allow": ["public"]}
    for number, name in enumerate((*known.documents, NOWHERE)):
        path = f"/documents/{name}"
        yield Call(door=f"delete {number}", route="DELETE /documents/{document_id}", path=path)
        yield Call(
            door=f"relabel {number}",
            route="PATCH /documents/{document_id}/readers",
            path=f"{path}/readers",
            body=readers,
        )
        yield Call(
            door=f"replace {number}",
            route="PUT /documents/{document_id}",
            path=path,
            body={"blob": NOWHERE},
        )
    for source in ("default", "no-such-source"):
        body = {"source": source, "path": "a.txt", "blob": NOWHERE}
        yield Call(
            door=f"upload to {source}", route="POST /documents", path="/documents", body=body
        )
    yield Call(door="upload nothing", route="POST /blobs", path="/blobs")
    yield Call(door="jobs", route="GET /jobs", path="/jobs")
    yield Call(door="job", route="GET /jobs/{job_id}", path=f"/jobs/{NOWHERE}")
    for step in ("cancel", "retry"):
        route = f"POST /jobs/{{job_id}}/{step}"
        yield Call(door=f"{step} a job", route=route, path=f"/jobs/{NOWHERE}/{step}")


def _document_calls(known: Knowledge) -> Iterator[Call]:
    for number, name in enumerate((*known.documents, NOWHERE)):
        route = "GET /documents/{document_id}"
        yield Call(door=f"document {number}", route=route, path=f"/documents/{name}")
        yield Call(
            door=f"part of document {number}",
            route=route,
            path=f"/documents/{name}?start=5&length=20",
        )
        yield from _original_calls(number, name)
    for verb, body in (("POST", {"verdict": "up"}), ("DELETE", None)):
        yield Call(
            door=f"{verb} feedback",
            route=f"{verb} /answers/{{answer_id}}/feedback",
            path=f"/answers/{NOWHERE}/feedback",
            body=body,
        )
    for door, name in (("answer", NOWHERE), ("answer elsewhere", "..%2f..%2fetc")):
        yield Call(door=door, route="GET /answers/{answer_id}", path=f"/answers/{name}")
    for number, name in enumerate((*known.passages, NOWHERE)):
        yield Call(
            door=f"passage {number}", route="GET /passages/{passage_id}", path=f"/passages/{name}"
        )


def _original_calls(number: int, name: str) -> Iterator[Call]:
    """The file of a document: all of it, its head, a part, to be shown, and of another version."""
    path = f"/documents/{name}/original"
    get, other = "GET /documents/{document_id}/original", {"Range": "bytes=0-9"}
    yield Call(door=f"original {number}", route=get, path=path)
    yield Call(door=f"part of original {number}", route=get, path=path, headers=other)
    yield Call(door=f"original {number} to look at", route=get, path=f"{path}?inline=true")
    yield Call(door=f"other original {number}", route=get, path=f"{path}?version={'0' * 64}")
    yield Call(
        door=f"head of original {number}",
        route="HEAD /documents/{document_id}/original",
        path=path,
    )


def _mcp_calls(known: Knowledge) -> Iterator[Call]:
    """What assistants send: every tool, the list of documents, and documents as resources."""
    for number, question in enumerate(known.questions):
        yield _tool_call(f"search {number}", "search", query=question)
        yield _tool_call(f"ask {number}", "ask", question=question)
    for number, name in enumerate((*known.documents, NOWHERE)):
        yield _tool_call(f"fetch {number}", "fetch", id=name)
        uri = f"clearance://documents/{name}"
        yield _mcp_call(f"resource {number}", "resources/read", uri=uri)
        yield _mcp_call(f"resources behind {number}", "resources/list", cursor=name)
    yield _tool_call("fetch a path", "fetch", id="../../etc")
    yield _tool_call("search without words", "search")
    yield _tool_call("no such tool", "nothing")
    yield _mcp_call("resources", "resources/list")
    yield _mcp_call("resource of another kind", "resources/read", uri="file:///etc/passwd")
    yield _mcp_call("templates of resources", "resources/templates/list")
    yield _mcp_call("tools", "tools/list")
    yield _mcp_call("unknown method", "documents/list")
    yield _modern_mcp_call(known)
    for path in (
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ):
        yield Call(door=path, route=f"GET {path}", path=path)


def _tool_call(door: str, tool: str, **arguments: str) -> Call:
    return _mcp_call(f"tool {door}", "tools/call", name=tool, arguments=arguments)


def _mcp_call(door: str, method: str, **params: Any) -> Call:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Call(door=f"mcp {door}", route=MCP, path="/mcp", body=body, headers=MCP_HEADERS)


def _modern_mcp_call(known: Knowledge) -> Call:
    """As clients ask which say everything with each request."""
    version, prefix = "2026-07-28", "io.modelcontextprotocol/"
    meta = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": {}}
    params = {"name": "search", "arguments": {"query": known.questions[0]}, "_meta": meta}
    routing = {"MCP-Protocol-Version": version, "Mcp-Method": "tools/call", "Mcp-Name": "search"}
    return Call(
        door="mcp search of its time",
        route=MCP,
        path="/mcp",
        body={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
        headers={**MCP_HEADERS, **routing},
    )


def _mistaken_calls(known: Knowledge) -> Iterator[Call]:
    question = known.questions[0]
    wrong: dict[str, Any] = {
        "nothing": None,
        "no JSON": b"{question: 1}",
        "unknown field": {"question": question, "readers": ["public"]},
        "k of zero": {"question": question, "k": 0},
        "k of a million": {"question": question, "k": 10**6},
        "no such mode": {"question": question, "mode": "regex"},
        "contradiction": {
            "question": question,
            "filters": {
                "modified_after": "2026-02-01T00:00:00Z",
                "modified_before": "2026-01-01T00:00:00Z",
            },
        },
        "long question": {"question": question + "a" * 9_000},
    }
    for name, body in wrong.items():
        for path in ("/search", "/ask", "/v1/chat/completions", "/v1/responses"):
            yield Call(door=f"mistake {name} at {path}", route=f"POST {path}", path=path, body=body)
    yield Call(
        door="document by a path",
        route="GET /documents/{document_id}",
        path="/documents/..%2f..%2fetc",
    )
    yield Call(door="passage by a word", route="GET /passages/{passage_id}", path="/passages/%00")
    yield Call(door="other method", route="GET /search", path="/search")
    yield Call(door="unknown address", route="GET /nothing", path="/nothing")


def _sign_in_calls() -> Iterator[Call]:
    """For whoever has no session; a way that has begun elsewhere does not go on here."""
    for path in (
        "/sign-in/providers",
        "/sign-in?provider=nobody",
        "/sign-in/callback?state=a&code=b",
    ):
        yield Call(door=path, route=f"GET {path.partition('?')[0]}", path=path)
    yield Call(door="sign-out", route="POST /sign-out", path="/sign-out", body={})


def _service_calls() -> Iterator[Call]:
    for path in ("/whoami", "/livez", "/readyz", "/version", "/openapi.json", "/docs", "/"):
        yield Call(door=path, route=f"GET {path}", path=path)
    yield Call(door="part of the page", route="GET /page/{name}", path="/page/main.js")
    yield Call(door="problem page", route="GET /problems/{slug}", path="/problems/not-found")


def make_operator_calls(
    template: str = "no-such-template", model: str = "no-such-model"
) -> Iterator[Call]:
    """The doors of operators, with every scope in hand; some of these change something."""
    readers = {"allow": ["public"]}
    draft = {
        "style": "chat",
        "language": "en",
        "system": "Answer.",
        "user": "{{ question }}",
        "no_answer": "Nothing.",
    }
    bodies: dict[str, Any] = {
        "POST /admin/index/rebuild": None,
        "POST /admin/keys": {"user": "nobody"},
        "POST /admin/keys/{key_id}/rotate": {},
        "POST /admin/models/clear": {"model": model},
        "POST /admin/templates": {"name": template, "draft": draft, "readers": readers},
        "POST /admin/templates/{template}/activate": {"version": 1},
        "POST /admin/templates/{template}/rollback": {},
        "PATCH /documents/{document_id}/readers": readers,
        "POST /documents": {"source": "no-such-source", "path": "a.txt", "blob": NOWHERE},
        "PUT /documents/{document_id}": {"blob": NOWHERE},
        "PUT /admin/models/readers": {"model": model, "readers": readers},
        "PUT /admin/templates/{template}/readers": readers,
    }
    for route in sorted(OPERATORS | WRITERS):
        path = route.partition(" ")[2].replace("{template}", template)
        for name in ("{job_id}", "{key_id}", "{document_id}"):
            path = path.replace(name, NOWHERE)
        path = path.replace("{path:path}", "Users")
        yield Call(door=f"operators {route}", route=route, path=path, body=bodies.get(route))
