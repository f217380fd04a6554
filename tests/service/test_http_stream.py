"""An answer of /ask as it grows, event by event."""

import json
from typing import Any

from starlette.testclient import TestClient

from indexes.errors import GeneratorTimeout, GeneratorUnavailable

QUESTION = {"question": "When do salaries rise?"}


def events(body: str) -> list[tuple[str, Any]]:
    """The server-sent events of a body, comments left out."""
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines())
        for block in body.split("\n\n")
        if block
    ]
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


def test_a_stream_tells_the_same_as_the_whole_reply(house: Any, http: TestClient) -> None:
    whole = http.post("/ask", json=QUESTION, headers=house.headers("ada")).json()
    streamed = http.post("/ask", json=QUESTION | {"stream": True}, headers=house.headers("ada"))
    assert streamed.headers["content-type"].startswith("text/event-stream")
    heard = events(streamed.text)
    names = [name for name, _ in heard]
    assert names[0] == "passages"
    assert names[-2:] == ["usage", "done"]
    assert "".join(said["text"] for name, said in heard if name == "token") == whole["answer"]
    assert [said for name, said in heard if name == "citation"] == whole["citations"]
    for field in ("answer", "citations", "passages", "view_id", "usage", "budget"):
        assert heard[-1][1][field] == whole[field]
    assert set(heard[-1][1]) - set(whole) == {"position"}


def test_a_stream_ends_with_the_position_that_is_a_header_otherwise(
    house: Any, http: TestClient
) -> None:
    headers = house.headers("ada")
    streamed = http.post("/ask", json=QUESTION | {"stream": True}, headers=headers)
    position = events(streamed.text)[-1][1]["position"]
    for stream in (False, True):
        again = http.post(
            "/ask",
            json=QUESTION | {"stream": stream},
            headers=headers | {"Clearance-At-Least": position},
        )
        assert again.status_code == 200
        assert position not in again.text, "each is sealed anew"
    forged = http.post(
        "/ask", json=QUESTION | {"stream": True}, headers=headers | {"Clearance-At-Least": "forged"}
    )
    assert forged.status_code == 422


def test_a_stream_that_cannot_begin_is_a_plain_problem(house: Any, http: TestClient) -> None:
    house.model.failure = GeneratorUnavailable()
    reply = http.post("/ask", json=QUESTION | {"stream": True}, headers=house.headers("ada"))
    assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")


def test_a_stream_that_breaks_says_so_as_its_last_event(house: Any, http: TestClient) -> None:
    house.model.failure, house.model.fail_after = GeneratorTimeout(), 4
    reply = http.post("/ask", json=QUESTION | {"stream": True}, headers=house.headers("ada"))
    name, problem = events(reply.text)[-1]
    assert name == "error"
    assert (problem["type"], problem["status"]) == ("/problems/model-timeout", 504)
    assert problem["instance"] == reply.headers["x-request-id"]
    assert problem["retry_after_s"] > 0
