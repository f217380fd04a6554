"""Vectors over HTTP, in OpenAI's form: what they are, what is refused, and that nobody else waits."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from openai import OpenAI
from starlette.testclient import TestClient

from indexes.settings import Quota
from service.app import create_app
from service.http.openai.embeddings import AT_ONCE, EMBEDDINGS, MAX_TEXTS
from service.testing.loopback import Loopback
from tests.service.conftest import House
from tests.world import TESTER

AT = "/v1/embeddings"
TEXTS = ["Salaries rise in March.", "工资在三月上涨。"]


def send(house: House, http: TestClient, **said: Any) -> Any:
    body = {"model": EMBEDDINGS, "input": TEXTS, **said}
    return http.post(AT, json=body, headers=house.headers("ada"))


def test_the_client_of_openai_gets_the_vectors_of_the_indexes(house: House) -> None:
    with Loopback(house.app, "on") as server:
        client = OpenAI(base_url=f"{server.url}/v1", api_key=house.keys["ada"], max_retries=0)
        packed = client.embeddings.create(model=EMBEDDINGS, input=TEXTS)
        plain = client.embeddings.create(model=EMBEDDINGS, input=TEXTS[0], encoding_format="float")
    expected = house.embedder.passages(TEXTS)
    assert [each.index for each in packed.data] == [0, 1]
    np.testing.assert_array_equal(
        np.array([each.embedding for each in packed.data], np.float32), expected
    )
    np.testing.assert_array_equal(np.array(plain.data[0].embedding, np.float32), expected[0])
    tokens = sum(house.embedder.count(TEXTS))
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == tokens > 0
    assert packed.model == EMBEDDINGS


def test_numbers_and_base64_are_the_same_vector(house: House, http: TestClient) -> None:
    number, text = (
        send(house, http, input="soup", encoding_format=form).json()["data"][0]["embedding"]
        for form in ("float", "base64")
    )
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(text), "<f4"), np.array(number, np.float32)
    )


def test_questions_and_passages_are_embedded_as_such(
    house: House, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = house.embedder.passages
    marked = "a passage: {}".format
    monkeypatch.setattr(
        house.embedder, "passages", lambda texts: passages(list(map(marked, texts)))
    )
    found = {
        kind: send(house, http, input="soup", **given).json()
        for kind, given in {
            "default": {},
            "passage": {"input_type": "passage"},
            "query": {"input_type": "query"},
        }.items()
    }
    vectors = {kind: reply["data"][0]["embedding"] for kind, reply in found.items()}
    assert vectors["default"] == vectors["passage"] != vectors["query"]
    assert found["query"]["clearance"] == {
        "fingerprint": house.embedder.fingerprint,
        "input_type": "query",
    }


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "no text": ({"input": []}, 400, "input"),
    "an empty text": ({"input": ""}, 400, "input"),
    "a blank text": ({"input": ["a", " \n"]}, 400, "nothing in text 2"),
    "tokens": ({"input": [1, 2, 3]}, 400, "check_embedding_ctx_length=False"),
    "lists of tokens": ({"input": [[1, 2], [3]]}, 400, "check_embedding_ctx_length=False"),
    "a number": ({"input": 7}, 400, "input"),
    "too many texts": ({"input": ["a"] * (MAX_TEXTS + 1)}, 400, str(MAX_TEXTS)),
    "a long text": ({"input": "a" * 8_001}, 400, "8000"),
    "more than the model reads": ({"input": "a b " * 1_999}, 400, "the model reads"),
    "other dimensions": ({"dimensions": 7}, 400, "no other"),
    "another encoding": ({"encoding_format": "int8"}, 400, "encoding_format"),
    "another kind of text": ({"input_type": "image"}, 400, "input_type"),
    "another model": ({"model": "text-embedding-3-small"}, 404, "no model by that name"),
    "a chat model": ({"model": "scripted"}, 404, "no model by that name"),
    "an unknown field": ({"readers": ["group:hr"]}, 400, "readers"),
}


def test_what_cannot_be_embedded_is_refused_with_the_reason(house: House, http: TestClient) -> None:
    for name, (said, status, told) in BAD.items():
        reply = send(house, http, **said)
        assert reply.status_code == status, (name, reply.text)
        assert told in reply.json()["error"]["message"], (name, reply.text)
    dimension = house.embedder.dimension
    assert send(house, http, dimensions=dimension).status_code == 200


def test_it_is_no_model_to_ask(house: House, http: TestClient) -> None:
    ada = house.headers("ada")
    listed = http.get("/v1/models", headers=ada).json()["data"]
    assert EMBEDDINGS not in [card["id"] for card in listed]
    body = {"model": EMBEDDINGS, "messages": [{"role": "user", "content": "Soup?"}]}
    assert http.post("/v1/chat/completions", json=body, headers=ada).status_code == 404


def test_who_is_locked_out_while_the_body_comes_gets_no_vector(
    house: House, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = http.app.state.runtime.searcher  # type: ignore[attr-defined]
    confirm = searcher.confirm

    def locked_out(principal: Any, rows: Any = ()) -> None:
        house.catalog.people.remove_user("ada", by=TESTER)
        confirm(principal, rows)

    monkeypatch.setattr(searcher, "confirm", locked_out)
    assert send(house, http).status_code == 401


def test_texts_take_their_turn_a_few_at_a_time(
    house: House, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    passages = house.embedder.passages

    def noting(texts: Any) -> Any:
        sizes.append(len(texts))
        return passages(texts)

    monkeypatch.setattr(house.embedder, "passages", noting)
    assert len(send(house, http, input=["soup"] * 10).json()["data"]) == 10
    assert sizes == [4, 4, 2]


def test_requests_and_tokens_count_against_quotas(house: House) -> None:
    quotas = (Quota(name="mine", of="user", requests="3/day", tokens="9/day"),)
    settings = house.settings.model_copy(update={"quotas": quotas})
    app = create_app(settings, embedder=house.embedder, catalog=house.catalog)
    with TestClient(app) as http:
        first = send(house, http)
        assert first.status_code == 200
        assert first.json()["usage"]["total_tokens"] > 9
        refused = send(house, http)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "quota_spent"
    assert int(refused.headers["retry-after"]) > 0


def test_what_comes_to_no_end_counts_as_far_as_it_came(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas = (Quota(name="mine", of="user", tokens="9/day"),)
    settings = house.settings.model_copy(update={"quotas": quotas})
    app = create_app(settings, embedder=house.embedder, catalog=house.catalog)
    passages, batches = house.embedder.passages, [TEXTS]

    def fail_at_the_end(texts: Sequence[str]) -> Any:
        if not batches:
            raise RuntimeError
        batches.pop()
        return passages(texts)

    monkeypatch.setattr(house.embedder, "passages", fail_at_the_end)
    with TestClient(app, raise_server_exceptions=False) as http:
        assert send(house, http, input=TEXTS * AT_ONCE).status_code == 500
        assert send(house, http).status_code == 429


def test_completions_of_before_chats_are_refused_with_a_pointer(
    house: House, http: TestClient
) -> None:
    body = {"model": "scripted", "prompt": "Once upon a time"}
    reply = http.post("/v1/completions", json=body, headers=house.headers("ada"))
    assert reply.status_code == 404
    error = reply.json()["error"]
    assert "/v1/chat/completions" in error["message"]
    assert error["code"] == "completions_not_offered"
    assert http.post("/v1/completions", json=body).status_code == 401
    assert house.model.calls == []
