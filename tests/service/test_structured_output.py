"""Answers as JSON over the OpenAI routes: what the caller asks for is what comes back, or an honest
refusal, or a clear error.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel
from starlette.testclient import TestClient

from indexes.errors import BadInput, GeneratorUnavailable
from service.answering.json_form import MAX_CHARS, JsonOutput, find_values, make_json_form
from service.app import create_app
from service.llm.port import CompletionPart
from service.testing.loopback import Loopback
from service.testing.model_server import FakeVllm
from tests.service.conftest import House
from tests.service.given import hit, shown

QUESTION = "When do salaries rise?"
ASKING: Any = [{"role": "user", "content": QUESTION}]
NO_ANSWER = "The documents do not answer this question."


class Rise(BaseModel):
    month: str
    percent: int
    sure: bool
    kind: Literal["salaries", "rents"] = "salaries"


RISE = '{"month": "March", "percent": 3, "sure": true, "kind": "salaries"}'
SCHEMA = Rise.model_json_schema()
WANTED: Any = {
    "type": "json_schema",
    "json_schema": {"name": "rise", "schema": SCHEMA, "strict": True},
}
Clients = Callable[[str], OpenAI]


@pytest.fixture
def client(house: House) -> Iterator[Clients]:
    with Loopback(house.app, "on") as server:
        yield lambda user: OpenAI(
            base_url=f"{server.url}/v1", api_key=house.keys[user], max_retries=0
        )


def test_the_parse_helper_of_the_client_gets_the_object_it_asks_for(
    house: House, client: Clients
) -> None:
    house.model.reply = RISE
    reply = client("ada").chat.completions.parse(
        model="scripted", messages=ASKING, response_format=Rise
    )
    message = reply.choices[0].message
    assert message.parsed == Rise(month="March", percent=3, sure=True)
    assert (message.content, message.refusal, message.annotations) == (RISE, None, [])
    response = client("ada").responses.parse(model="scripted", input=QUESTION, text_format=Rise)
    assert response.output_parsed == message.parsed
    for call in house.model.calls:
        assert call.prompt.form is not None
        assert (
            json.loads(call.prompt.form.schema or "")["properties"].keys()
            == SCHEMA["properties"].keys()
        )
        assert '"percent"' in repr(call.prompt.messages), "the model is told the form, too"


def test_a_stream_gives_the_same_object(house: House, client: Clients) -> None:
    house.model.reply = RISE
    ada = client("ada")
    with ada.chat.completions.stream(
        model="scripted", messages=ASKING, response_format=Rise
    ) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.parsed == Rise.model_validate_json(
            RISE
        )
    with ada.responses.stream(model="scripted", input=QUESTION, text_format=Rise) as events:
        kinds = [event.type for event in events]
        assert events.get_final_response().output_parsed == Rise.model_validate_json(RISE)
    assert kinds.count("response.output_text.delta") == 1


def test_any_object_can_be_asked_for(house: House, client: Clients) -> None:
    house.model.reply = '{"anything": ["goes", 1]}'
    reply = client("ada").chat.completions.create(
        model="scripted", messages=ASKING, response_format={"type": "json_object"}
    )
    assert reply.choices[0].message.content == house.model.reply
    house.model.reply = '["no object"]'
    with pytest.raises(openai.InternalServerError):
        client("ada").chat.completions.create(
            model="scripted", messages=ASKING, response_format={"type": "json_object"}
        )


def test_not_a_character_of_the_json_is_changed(house: House, client: Clients) -> None:
    odd = '{"month": "March [1] ![x](http://e.example/a) <b>", "percent": 3,\n "sure": true}'
    house.model.reply = odd
    reply = client("ada").chat.completions.create(
        model="scripted",
        messages=ASKING,
        response_format=WANTED,
    )
    assert reply.choices[0].message.content == odd


def test_where_the_values_stand_is_told_beside_the_answer(house: House, client: Clients) -> None:
    house.model.reply = RISE
    reply = client("ada").chat.completions.create(
        model="scripted",
        messages=ASKING,
        response_format=WANTED,
    )
    more: dict[str, Any] = (reply.model_extra or {})["clearance"]
    held = {each["pointer"]: each["passages"] for each in more["values"]}
    salaries = next(each["n"] for each in more["passages"] if each["title"] == "Salaries")
    assert held == {"/month": [salaries], "/percent": [], "/kind": [salaries]}


def test_a_value_stands_in_a_passage_only_as_a_whole_word_or_number() -> None:
    passages = shown(hit("The lid has 30 bolts of 1.5 mm in Kiel.\n港口早上六点开放。"))
    text = json.dumps({"a": 3, "b": 30, "c": ["Kiel", "Ki"], "d/e": "六点", "f": "", "g": True})
    assert {each["pointer"]: each["passages"] for each in find_values(text, passages)} == {
        "/a": [],
        "/b": [1],
        "/c/0": [1],
        "/c/1": [],
        "/d~1e": [1],
        "/f": [],
    }
    assert find_values('{"a": "Ki', passages) == []


def test_nothing_found_is_a_refusal_and_the_same_for_hidden_and_absent(
    house: House, client: Clients
) -> None:
    house.model.reply = RISE

    def ask(word: str) -> Any:
        return client("bob").chat.completions.parse(
            model="scripted",
            messages=[{"role": "user", "content": word}],
            response_format=Rise,
            extra_body={"clearance": {"mode": "keyword"}},
        )

    hidden, absent = ask("heliotrope"), ask("heliotropf")
    for reply in (hidden, absent):
        message = reply.choices[0].message
        assert (message.content, message.parsed) == (None, None)
        assert "Nothing about this was found" in message.refusal
    assert hidden.choices == absent.choices
    assert house.model.calls == []


def test_a_model_that_says_in_the_fields_that_there_is_no_answer_has_refused(
    house: House, client: Clients
) -> None:
    house.model.reply = json.dumps(
        {"month": NO_ANSWER, "percent": 0, "sure": False, "kind": "rents"}
    )
    loose = {"type": "object", "properties": {"month": {"type": "string"}}, "required": ["month"]}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "m", "schema": loose}}
    reply = client("ada").chat.completions.create(
        model="scripted", messages=ASKING, response_format=wanted
    )
    assert reply.choices[0].message.content is not None, "another field says something"
    house.model.reply = json.dumps({"month": NO_ANSWER})
    ada = client("ada")
    message = (
        ada.chat.completions.create(model="scripted", messages=ASKING, response_format=wanted)
        .choices[0]
        .message
    )
    assert (message.content, message.refusal) == (None, NO_ANSWER)
    stream = ada.chat.completions.create(
        model="scripted", messages=ASKING, response_format=wanted, stream=True
    )
    deltas = [chunk.choices[0].delta for chunk in stream]
    assert [delta.refusal for delta in deltas if delta.refusal] == [NO_ANSWER]
    assert not any(delta.content for delta in deltas)
    form: Any = {"format": {"type": "json_schema", "name": "m", "schema": loose}}
    whole: Any = ada.responses.create(model="scripted", input=QUESTION, text=form)
    part = whole.output[0].content[0]
    assert (part.type, part.refusal) == ("refusal", NO_ANSWER)
    events: list[Any] = list(
        ada.responses.create(model="scripted", input=QUESTION, text=form, stream=True)
    )
    kinds = [event.type for event in events]
    assert "response.refusal.done" in kinds
    assert "response.output_text.done" not in kinds
    assert events[-1].response.output[0].content[0].refusal == NO_ANSWER


@pytest.mark.parametrize(
    "said", ["March.", RISE.replace("3", "NaN"), '{"month": "March"}', '{"month": 3', "[1] " + RISE]
)
def test_what_does_not_have_the_form_never_leaves(house: House, client: Clients, said: str) -> None:
    house.model.reply = said
    allowed = {"clearance": {"fallback": "quotes"}}
    with pytest.raises(openai.InternalServerError) as raised:
        client("ada").chat.completions.create(
            model="scripted",
            messages=ASKING,
            response_format=WANTED,
            extra_body=allowed,
        )
    assert (raised.value.status_code, raised.value.code) == (502, "model_broken")


@pytest.mark.parametrize(
    "said",
    ['{"\\ud800": "March"}', '{"a": "\\udc00"}', '{"a": ' + "[" * 400 + "]" * 400 + "}"],
    ids=["half a character in a name", "half a character in a value", "too deep"],
)
@pytest.mark.parametrize("form", [{"type": "json_object"}, None], ids=["any object", "a schema"])
def test_what_no_reply_can_be_made_of_is_the_fault_of_the_model(
    house: House, client: Clients, said: str, form: Any
) -> None:
    house.model.reply = said
    loose: Any = {"type": "json_schema", "json_schema": {"name": "m", "schema": {"type": "object"}}}
    with pytest.raises(openai.InternalServerError) as raised:
        client("ada").chat.completions.create(
            model="scripted", messages=ASKING, response_format=form or loose, max_tokens=1_500
        )
    assert (raised.value.status_code, raised.value.code) == (502, "model_broken")


def test_no_greeting_stands_in_for_json(house: House, client: Clients) -> None:
    house.model.reply = RISE
    ada = client("ada")
    hello: Any = [{"role": "user", "content": "Hello!"}]
    message = (
        ada.chat.completions.create(model="scripted", messages=hello, response_format=WANTED)
        .choices[0]
        .message
    )
    assert message.refusal or json.loads(message.content or "") == json.loads(RISE)


def test_what_was_cut_off_says_so_and_the_client_raises(house: House, client: Clients) -> None:
    house.model.reply = RISE
    with pytest.raises(openai.LengthFinishReasonError) as raised:
        client("ada").chat.completions.parse(
            model="scripted", messages=ASKING, response_format=Rise, max_tokens=4
        )
    assert RISE.startswith(raised.value.completion.choices[0].message.content or "-")


def test_quotes_stand_in_for_no_json(house: House, client: Clients) -> None:
    house.model.failure = GeneratorUnavailable("It is away.")
    allowed = {"clearance": {"fallback": "quotes"}}
    with pytest.raises(openai.InternalServerError) as away:
        client("ada").chat.completions.parse(
            model="scripted", messages=ASKING, response_format=Rise, extra_body=allowed
        )
    assert away.value.status_code == 503
    for model in ("clearance-quotes",):
        with pytest.raises(openai.BadRequestError, match="Only a language model"):
            client("ada").chat.completions.parse(model=model, messages=ASKING, response_format=Rise)


def test_without_a_model_server_the_error_is_clear(house: House) -> None:
    app = create_app(house.settings, embedder=house.embedder, catalog=house.catalog)
    with TestClient(app) as bare:
        body = {"model": "clearance-quotes", "messages": ASKING, "response_format": WANTED}
        reply = bare.post("/v1/chat/completions", json=body, headers=house.headers("ada"))
        assert reply.status_code == 400
        assert "Only a language model" in reply.json()["error"]["message"]
        body["model"] = "scripted"
        reply = bare.post("/v1/chat/completions", json=body, headers=house.headers("ada"))
        assert reply.status_code == 404


# --- schemas ------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        made = {"type": "object", "properties": {"a": made}}
    return made


BAD_SCHEMAS: dict[str, tuple[Any, str]] = {
    "none": (None, "must stand in it"),
    "an empty one": ({}, "must stand in it"),
    "a list": ([], "must stand in it"),
    "an unknown type": ({"type": "obj"}, "no JSON schema"),
    "a reference to elsewhere": ({"$ref": "http://127.0.0.1:9/x"}, "its own parts only"),
    "a reference to a file": ({"$ref": "file:///etc/passwd"}, "its own parts only"),
    "a name of its own": ({"$id": "http://e.example/x", "type": "object"}, "cannot be used"),
    "a reference to nothing": ({"$ref": "#/$defs/x"}, "no JSON schema"),
    "a pattern that is none": ({"type": "string", "pattern": "("}, "no JSON schema"),
    "a pattern without end": (
        {"type": "string", "pattern": "((a{999}){999}){999}"},
        "no JSON schema",
    ),
    "too much": ({"type": "object", "title": "a" * MAX_CHARS}, "characters"),
    "too deep": (nested(20), "deeper than"),
    "deeper than can be written": (nested(450), "deeper than"),
    "too many parts": ({"enum": list(range(1_001))}, "parts"),
    "a great many patterns": (
        {"properties": {f"p{n}": {"pattern": rf"^\pL{{4}}{n}$"} for n in range(51)}},
        "patterns",
    ),
    "patterns of names": (
        {"patternProperties": {f"^a{n}": True for n in range(51)}},
        "patterns",
    ),
    "a great many items": ({"type": "array", "minItems": 10**9}, "minItems"),
    "a long text": ({"type": "string", "maxLength": 10**6}, "maxLength"),
}


def test_a_schema_that_cannot_be_used_is_refused_by_name(house: House, http: TestClient) -> None:
    for name, (schema, told) in BAD_SCHEMAS.items():
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        bodies: dict[str, dict[str, Any]] = {
            "/v1/chat/completions": {"messages": ASKING, "response_format": form},
            "/v1/responses": {
                "input": QUESTION,
                "text": {"format": {"type": "json_schema", "name": "x", "schema": schema}},
            },
        }
        for at, body in bodies.items():
            reply = http.post(at, json={"model": "scripted", **body}, headers=house.headers("ada"))
            assert reply.status_code == 400, (name, reply.text)
            error = reply.json()["error"]
            assert told in error["message"], (name, error)
            assert error["param"] == ("text" if at.endswith("responses") else "response_format")
            assert len(error["message"]) < 500
    assert house.model.calls == []


@pytest.mark.parametrize("given", ["rise", ["rise"], 3])
def test_a_schema_that_stands_in_nothing_is_refused(
    house: House, http: TestClient, given: object
) -> None:
    form = {"type": "json_schema", "json_schema": given}
    body = {"model": "scripted", "messages": ASKING, "response_format": form}
    reply = http.post("/v1/chat/completions", json=body, headers=house.headers("ada"))
    assert reply.status_code == 400, reply.text
    assert "must stand in it" in reply.json()["error"]["message"]


def test_what_pydantic_makes_of_models_is_accepted() -> None:
    class Part(BaseModel):
        name: str
        parts: "list[Part]" = []

    form = make_json_form(Part.model_json_schema())
    assert form.fits({"name": "a", "parts": [{"name": "b"}]})
    assert not form.fits({"name": "a", "parts": [{"nam": "b"}]})


def test_half_a_character_is_refused_before_it_is_sent_on() -> None:
    with pytest.raises(BadInput, match="half a character"):
        make_json_form({"type": "object", "title": "\ud800"})


def test_a_pattern_takes_no_longer_for_a_hostile_text() -> None:
    form = make_json_form({"type": "string", "pattern": "^(a+)+$"})
    assert not form.fits("a" * 50_000 + "b")


def doubling(levels: int) -> dict[str, Any]:
    """Each part looks at the value twice through the next one."""
    parts: dict[str, Any] = {"p0": {"type": "object"}}
    for n in range(1, levels):
        parts[f"p{n}"] = {"allOf": [{"$ref": f"#/$defs/p{n - 1}"}] * 2}
    return {"$defs": parts, "$ref": f"#/$defs/p{levels - 1}"}


def test_a_schema_whose_parts_multiply_is_refused_before_anything_is_checked() -> None:
    assert make_json_form(doubling(4)).fits({})
    with pytest.raises(BadInput, match="the same value"):
        make_json_form(doubling(60))
    disguised = json.loads(json.dumps(doubling(60)).replace("#/$defs", "#/%24defs"))
    with pytest.raises(BadInput, match="the same value"):
        make_json_form(disguised)


def test_an_answer_that_would_take_for_ever_to_check_does_not_fit() -> None:
    again: dict[str, Any] = {"properties": {"a": {"$ref": "#/$defs/node"}}}
    node = {"oneOf": [again, {**again, "required": ["b"]}]}
    form = make_json_form({"$defs": {"node": node}, "$ref": "#/$defs/node"})
    assert form.fits({"a": {}})
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    assert not form.fits(deep)


def test_an_answer_that_many_patterns_would_look_through_does_not_fit() -> None:
    form = make_json_form({"anyOf": [{"pattern": f"x{n}"} for n in range(50)]})
    assert form.fits("x0 " * 100)
    assert not form.fits("x0 " * 20_000)


def test_an_answer_is_held_until_it_is_whole() -> None:
    output = JsonOutput(make_json_form(None), NO_ANSWER)
    assert output.take(CompletionPart('{"a": ')) == []
    assert output.take(CompletionPart("1}", "stop")) == []
    assert output.finish() == ['{"a": 1}']


# --- the model server ---------------------------------------------------------------------------


def test_the_form_goes_to_the_model_server_and_no_stop_cuts_it(house: House) -> None:
    with FakeVllm() as server:
        server.model.reply = RISE
        settings = house.settings.model_copy(update={"llm_url": server.url, "llm_stop": ("}",)})
        app = create_app(settings, embedder=house.embedder, catalog=house.catalog)
        with TestClient(app) as http:
            for wanted in (WANTED, {"type": "json_object"}, None):
                body = {"model": server.model.name, "messages": ASKING, "response_format": wanted}
                reply = http.post("/v1/chat/completions", json=body, headers=house.headers("ada"))
                assert reply.status_code == 200, reply.text
        schema, anything, text = [
            body for route, body in server.requests if route == "/v1/chat/completions"
        ]
    sent = schema["response_format"]["json_schema"]
    assert (schema["response_format"]["type"], sent["schema"]) == ("json_schema", SCHEMA)
    assert anything["response_format"] == {"type": "json_object"}
    assert "response_format" not in text
    assert [body.get("stop") for body in (schema, anything)] == [None, None]
    assert text["stop"]


def test_a_schema_that_the_model_server_refuses_is_the_fault_of_who_asks(house: House) -> None:
    with FakeVllm(misbehaviour="rejecting") as server:
        settings = house.settings.model_copy(update={"llm_url": server.url})
        app = create_app(settings, embedder=house.embedder, catalog=house.catalog)
        with TestClient(app) as http:
            body = {"model": server.model.name, "messages": ASKING, "response_format": WANTED}
            reply = http.post("/v1/chat/completions", json=body, headers=house.headers("ada"))
    assert reply.status_code == 400
    assert "cannot follow that schema" in reply.json()["error"]["message"]
