"""The OpenAI routes on the wire: their form of errors, what they accept, and what they refuse."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.errors import GeneratorBroken, GeneratorError, GeneratorTimeout, GeneratorUnavailable
from service.app import create_app
from service.http import problems
from service.http.openai import errors as openai_errors

QUESTION = "When do salaries rise?"
CHAT: dict[str, Any] = {"model": "scripted", "messages": [{"role": "user", "content": QUESTION}]}
RESPONSE: dict[str, Any] = {"model": "scripted", "input": QUESTION}
GOOD = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSE}


def check(reply: Any, status: int) -> dict[str, Any]:
    """An error as promised: OpenAI's form, an id, and nothing from inside."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert len(reply.headers["x-request-id"]) == 32
    assert set(reply.json()) == {"error"}
    error: dict[str, Any] = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    for inside in ("Traceback", ".py", "pydantic", "sqlalchemy", "sqlite", "Error("):
        assert inside not in reply.text
    return error


def send(http: TestClient, at: str, body: Any, headers: dict[str, str]) -> Any:
    if isinstance(body, bytes):
        return http.post(at, content=body, headers=headers | {"Content-Type": "application/json"})
    return http.post(at, json=body, headers=headers)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


IMAGE = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "http://e.example/x"}},
]
BAD_FOR_BOTH: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "no model": ({"model": None}, 400, "model"),
    "an empty model": ({"model": ""}, 400, "model"),
    "a model that is none": ({"model": 7}, 400, "model"),
    "an unknown model": ({"model": "gpt-4"}, 404, None),
    "a model with a path": ({"model": "../../etc/passwd"}, 404, None),
    "the name of a principal for a model": ({"model": "user:root"}, 404, None),
    "an unknown parameter": ({"readers": ["group:hr"]}, 400, "readers"),
    "an unknown option": ({"clearance": {"user": "root"}}, 400, "clearance.user"),
    "options out of limits": ({"clearance": {"k": 10**9}}, 400, None),
    "an unknown template": ({"clearance": {"template": "../x"}}, 404, None),
    "a tool": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "tools"),
    "a tool demanded": ({"tool_choice": "required"}, 400, "tool_choice"),
    "probabilities": ({"top_logprobs": 3}, 400, "top_logprobs"),
    "stream as text": ({"stream": "yes"}, 400, "stream"),
}
BAD_CHATS: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "no messages": ({"messages": []}, 400, "messages"),
    "null for messages": ({"messages": None}, 400, "messages"),
    "text for messages": ({"messages": "Hello"}, 400, "messages"),
    "numbers for messages": ({"messages": [1]}, 400, "messages[0]"),
    "instructions only": ({"messages": [{"role": "system", "content": "Obey."}]}, 400, "messages"),
    "blanks only": ({"messages": [user(" \u200b\n")]}, 400, "messages"),
    "nothing after the answer": (
        {"messages": [user("a"), {"role": "assistant", "content": "b"}]},
        400,
        "messages",
    ),
    "an unknown role": ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages[0].role"),
    "an image": ({"messages": [user(IMAGE)]}, 400, "messages[0].content"),
    "a part without text": ({"messages": [user([{"type": "text"}])]}, 400, "messages[0].content"),
    "a number for content": ({"messages": [user(7)]}, 400, "messages[0].content"),
    "a call of a tool": (
        {"messages": [{"role": "assistant", "tool_calls": [{}]}, user("a")]},
        400,
        None,
    ),
    "a thousand and two turns": ({"messages": [user("a")] * 1_002}, 400, "messages"),
    "a long question": ({"messages": [user("a" * 8_001)]}, 413, None),
    "two answers": ({"n": 2}, 400, "n"),
    "no answer": ({"n": 0}, 400, "n"),
    "logprobs": ({"logprobs": True}, 400, "logprobs"),
    "weights of tokens": ({"logit_bias": {"50256": -100}}, 400, "logit_bias"),
    "stops": ({"stop": ["\n"]}, 400, "stop"),
    "functions": ({"functions": [{"name": "f"}]}, 400, "functions"),
    "a schema": (
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        400,
        "response_format",
    ),
    "sound": ({"modalities": ["text", "audio"]}, 400, "modalities"),
    "the web": ({"web_search_options": {}}, 400, "web_search_options"),
    "max_tokens of 0": ({"max_tokens": 0}, 400, "max_tokens"),
    "max_tokens as text": ({"max_tokens": "5"}, 400, "max_tokens"),
}
BAD_RESPONSES: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "no input": ({"input": None}, 400, "input"),
    "an empty input": ({"input": ""}, 400, "input"),
    "an empty list": ({"input": []}, 400, "input"),
    "a long question": ({"input": "a" * 8_001}, 413, None),
    "an earlier response": ({"previous_response_id": "resp_1"}, 400, "previous_response_id"),
    "a conversation": ({"conversation": "conv_1"}, 400, "conversation"),
    "in the background": ({"background": True}, 400, "background"),
    "an image": (
        {"input": [user([{"type": "input_image", "image_url": "http://e.example"}])]},
        400,
        None,
    ),
    "a call of a tool": (
        {"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]},
        400,
        None,
    ),
    "a reference": ({"input": [{"type": "item_reference", "id": "msg_1"}, user("a")]}, 400, None),
    "a schema": (
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": {}}}},
        400,
        "text",
    ),
    "a prompt kept elsewhere": ({"prompt": {"id": "pmpt_1"}}, 400, "prompt"),
    "max_output_tokens of 0": ({"max_output_tokens": 0}, 400, "max_output_tokens"),
}
CASES = [
    (at, name, *case)
    for at, cases in (("/v1/chat/completions", BAD_CHATS), ("/v1/responses", BAD_RESPONSES))
    for name, case in {**BAD_FOR_BOTH, **cases}.items()
]


def test_what_cannot_be_meant_is_refused_by_name(house: Any, http: TestClient) -> None:
    for at, name, more, status, param in CASES:
        for stream in (False, True):
            reply = send(http, at, GOOD[at] | {"stream": stream} | more, house.headers("ada"))
            try:
                error = check(reply, status)
                assert param is None or error["param"] == param, error
            except AssertionError as error:
                raise AssertionError(f"{at}, {name}, stream {stream}: {error}") from error
    assert house.model.calls == []


@pytest.mark.parametrize("at", GOOD)
def test_what_is_no_body_is_refused(house: Any, http: TestClient, at: str) -> None:
    for body, status in (
        (b"", 400),
        (b"{nonsense", 400),
        (b'"model"', 400),
        (b"[" * 20_000, 400),
        (
            b'{"model": "scripted", "input": "\\ud800", "messages": [{"role": "user", "content": "\\ud800"}]}',
            400,
        ),
        (
            b'{"messages": [{"role": "user", "content": ['
            + b'{"type": "text", "text": "\\udfff"}]}]}',
            400,
        ),
        (b"x" * 1_000_000, 413),
    ):
        check(send(http, at, body, house.headers("ada")), status)
    check(
        http.post(
            at, content=json.dumps(GOOD[at]), headers=house.headers("ada") | {"Content-Type": "a/b"}
        ),
        415,
    )
    check(http.get(at, headers=house.headers("ada")), 405)
    assert house.model.calls == []


def test_every_unknown_address_and_every_missing_key_has_the_same_form(
    house: Any, http: TestClient
) -> None:
    for at in ("/v1/", "/v1/files", "/v1/responses/resp_1", "/v1/models/nothing"):
        assert check(http.get(at, headers=house.headers("ada")), 404)["type"] == "not_found_error"
        assert check(http.get(at), 401)["code"] == "invalid_api_key"
    assert http.get("/v1/models").headers["www-authenticate"].startswith("Bearer")
    assert (
        http.get("/v1", headers=house.headers("ada")).headers["content-type"] == problems.MEDIA_TYPE
    )


def test_an_unexpected_failure_tells_nothing(
    house: Any, http: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("heliotrope in /var/lib")

    http.app.state.runtime.searcher.search = broken  # type: ignore[attr-defined]
    for at, body in GOOD.items():
        for stream in (False, True):
            reply = send(http, at, body | {"stream": stream}, house.headers("ada"))
            assert check(reply, 500)["code"] == "internal_error"
            assert "heliotrope" not in reply.text
    assert "heliotrope" not in caplog.text


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (GeneratorUnavailable("10.0.0.7"), 503),
        (GeneratorTimeout(), 504),
        (GeneratorBroken("bad"), 502),
    ],
)
def test_a_failing_model_is_an_error_of_the_server(
    house: Any, http: TestClient, failure: GeneratorError, status: int
) -> None:
    house.model.failure = failure
    for at, body in GOOD.items():
        for stream in (False, True):
            reply = send(http, at, body | {"stream": stream}, house.headers("ada"))
            assert check(reply, status)["type"] == "server_error"
            assert ("retry-after" in reply.headers) == (status != 502)
    allowed = CHAT | {"clearance": {"fallback": "quotes"}}
    reply = send(http, "/v1/chat/completions", allowed, house.headers("ada")).json()
    assert (reply["clearance"]["answerer"], reply["model"]) == ("quotes", "scripted")
    assert reply["clearance"]["notice"]


def test_the_log_has_the_status_that_was_sent(house: Any, http: TestClient) -> None:
    send(http, "/v1/chat/completions", {}, house.headers("ada"))
    counted = (
        'clearance_requests_total{method="POST",route="/v1/chat/completions",status="400"} 1.0'
    )
    assert counted in http.get("/metrics", headers=house.headers("root")).text


def test_what_chat_pages_send_is_accepted(house: Any, http: TestClient) -> None:
    chat: dict[str, Any] = {
        "temperature": 0.7, "top_p": 1, "n": 1, "user": "someone", "tools": [], "tool_choice": "auto", "stop": None,
        "presence_penalty": 0, "frequency_penalty": 0, "logit_bias": {}, "seed": 1, "max_tokens": 10**9, "store": False,
        "metadata": {"chat": "1"}, "parallel_tool_calls": True, "response_format": {"type": "text"}, "logprobs": False,
        "stream_options": {"include_usage": True, "include_obfuscation": False}, "reasoning_effort": "low",
    }  # fmt: skip
    reply = send(http, "/v1/chat/completions", CHAT | chat, house.headers("ada"))
    assert reply.status_code == 200, reply.text
    tuning = {
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "store",
        "reasoning_effort",
    }
    assert set(reply.json()["clearance"]["ignored"]) == tuning
    response: dict[str, Any] = {
        "temperature": 0.7, "tools": [], "tool_choice": "none", "store": True, "instructions": "Be brief.",
        "text": {"format": {"type": "text"}, "verbosity": "low"}, "truncation": "auto", "include": [],
        "reasoning": {"effort": "low"}, "background": False, "previous_response_id": None, "parallel_tool_calls": True,
    }  # fmt: skip
    reply = send(http, "/v1/responses", RESPONSE | response, house.headers("ada"))
    assert reply.status_code == 200, reply.text
    assert "instructions" in reply.json()["clearance"]["ignored"]


def test_messages_that_come_back_with_additions_are_read(house: Any, http: TestClient) -> None:
    first = send(http, "/v1/chat/completions", CHAT, house.headers("ada")).json()["choices"][0][
        "message"
    ]
    turns = [
        user("Salaries?") | {"id": 1},
        first,
        {"role": "assistant", "content": None},
        user("And then?"),
    ]
    again = CHAT | {"messages": [*turns, {"role": "assistant", "content": ""}]}
    assert send(http, "/v1/chat/completions", again, house.headers("ada")).status_code == 200
    assert "Salaries rise in March" in repr(house.model.calls[-1].prompt)


def test_links_lead_to_the_public_address(house: Any) -> None:
    settings = house.settings.model_copy(update={"public_url": "https://ask.example/clearance/"})
    with TestClient(
        create_app(settings, embedder=house.embedder, model=house.model, catalog=house.catalog)
    ) as http:
        reply = send(http, "/v1/chat/completions", CHAT, house.headers("ada")).json()
    url = reply["choices"][0]["message"]["annotations"][0]["url_citation"]["url"]
    assert url.startswith("https://ask.example/clearance/#passage=")


def test_a_marker_behind_other_scripts_is_pointed_at_by_character(
    house: Any, http: TestClient
) -> None:
    house.model.reply = "🙂 工资在三月上涨 [1]。 Salaries rise in March [1]."
    message = send(http, "/v1/chat/completions", CHAT, house.headers("ada")).json()["choices"][0][
        "message"
    ]
    assert len(message["annotations"]) == 2
    for note in message["annotations"]:
        place = note["url_citation"]
        assert message["content"][place["start_index"] : place["end_index"]] == "[1]"


def test_nothing_found_is_an_answer_and_the_same_for_hidden_and_absent(
    house: Any, http: TestClient
) -> None:
    def said(word: str) -> tuple[Any, ...]:
        chat = CHAT | {"messages": [user(word)], "clearance": {"mode": "keyword"}}
        reply = send(http, "/v1/chat/completions", chat, house.headers("bob")).json()
        extension = {
            k: v for k, v in reply["clearance"].items() if k not in ("answer_id", "timings")
        }
        return reply["choices"], extension, reply["usage"]

    assert said("heliotrope") == said("heliotropf")
    assert said("heliotrope")[1]["abstained"] is True


def test_without_a_model_server_the_quotes_remain(house: Any, http: TestClient) -> None:
    with TestClient(
        create_app(house.settings, embedder=house.embedder, catalog=house.catalog)
    ) as bare:
        ada = house.headers("ada")
        assert [card["id"] for card in bare.get("/v1/models", headers=ada).json()["data"]] == [
            "clearance-quotes"
        ]
        assert (
            send(bare, "/v1/responses", RESPONSE | {"model": "clearance-quotes"}, ada).status_code
            == 200
        )
        check(send(bare, "/v1/responses", RESPONSE, ada), 404)


def test_every_problem_has_an_openai_form() -> None:
    for kind in problems.KINDS.values():
        problem = problems.Problem(
            kind,
            errors=({"pointer": "/a/0/b~1c", "detail": "Wrong."}, {"pointer": "", "detail": "x"}),
        )
        error = openai_errors.error_body(problem.body("id"))["error"]
        assert error["param"] == "a[0].b/c"
        assert error["message"] == f"{kind.title} a[0].b/c: Wrong. x"
        assert openai_errors.status_of(problem.body("id")) == (
            400 if kind.status == 422 else kind.status
        )
