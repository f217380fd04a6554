"""How the replies of every route tell which sentences the passages do not support."""

import json
from typing import Any

from starlette.testclient import TestClient

from tests.service.test_http_stream import events

QUESTION = "When do salaries rise?"
WRONG = "Salaries rise in May by nine per cent [1]."
LAST_LINE = "\n\n(The documents do not support 1 of the 1 sentences of this answer.)"


def chat(turns: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"model": "scripted", "messages": turns, **more}


def test_a_stream_of_ask_marks_each_sentence_behind_its_text(house: Any, http: TestClient) -> None:
    house.model.reply = f"Salaries rise in March [1]. {WRONG}"
    body = {"question": QUESTION, "stream": True}
    heard = events(http.post("/ask", json=body, headers=house.headers("ada")).text)
    done = heard[-1][1]
    marks = [said for name, said in heard if name == "support"]
    assert [mark["supported"] for mark in marks] == [True, False]
    assert marks == done["support"]["sentences"]
    assert done["support"]["share"] == 0.5
    said = ""
    for name, told in heard:
        said += told["text"] if name == "token" else ""
        assert name != "support" or len(said) >= told["span"][1]


def test_a_chat_page_reads_it_in_the_last_line_and_does_not_hear_it_again(
    house: Any, http: TestClient
) -> None:
    house.model.reply = WRONG
    turn = {"role": "user", "content": QUESTION}
    whole = http.post(
        "/v1/chat/completions", json=chat([turn]), headers=house.headers("ada")
    ).json()
    message = whole["choices"][0]["message"]
    assert "The documents say:" in message["content"]
    assert message["content"].endswith(LAST_LINE)
    assert whole["clearance"]["support"]["sentences"][0]["supported"] is False
    again = chat([turn, message, {"role": "user", "content": "And then?"}])
    http.post("/v1/chat/completions", json=again, headers=house.headers("ada"))
    told = repr(house.model.calls[-1].prompt)
    assert "Salaries rise in May" in told
    assert "do not support" not in told


def test_a_streamed_chat_says_what_the_whole_one_says(house: Any, http: TestClient) -> None:
    house.model.reply = WRONG
    turn = {"role": "user", "content": QUESTION}
    headers = house.headers("ada")
    whole = http.post("/v1/chat/completions", json=chat([turn]), headers=headers).json()
    streamed = http.post("/v1/chat/completions", json=chat([turn], stream=True), headers=headers)
    chunks = [
        json.loads(line.removeprefix("data: "))
        for line in streamed.text.splitlines()
        if line.startswith("data: {")
    ]
    said = "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )
    assert said == whole["choices"][0]["message"]["content"]
    last = next(chunk for chunk in chunks if "clearance" in chunk)
    assert last["clearance"]["support"] == whole["clearance"]["support"]


def test_the_record_of_an_answer_holds_no_sentence_of_it(house: Any, http: TestClient) -> None:
    house.model.reply = WRONG
    http.post("/ask", json={"question": QUESTION}, headers=house.headers("ada"))
    audit = http.get("/admin/audit/events", headers=house.headers("root"))
    assert audit.status_code == 200
    assert "Salaries" not in audit.text
