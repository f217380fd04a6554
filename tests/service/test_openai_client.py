"""The unmodified client library of OpenAI against the service on a real connection."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from indexes.errors import GeneratorTimeout, GeneratorUnavailable
from service.http import streaming
from service.testing.loopback import Loopback
from service.testing.models import words_without_loop

QUESTION = "When do salaries rise?"
ASKING: Any = [{"role": "user", "content": QUESTION}]
REPLY = "Salaries rise in March [1]."


@pytest.fixture
def served(house: Any) -> Iterator[str]:
    with Loopback(house.app, "on") as server:
        yield server.url


Clients = Callable[[str], OpenAI]


@pytest.fixture
def client(house: Any, served: str) -> Clients:
    """The client that a user of the house would make."""

    def made(user: str) -> OpenAI:
        return OpenAI(base_url=f"{served}/v1", api_key=house.keys.get(user, user), max_retries=0)

    return made


# --- models -------------------------------------------------------------------------------------


def test_models_are_listed(client: Clients) -> None:
    assert [model.id for model in client("ada").models.list()] == ["scripted", "clearance-quotes"]
    assert client("ada").models.retrieve("scripted").id == "scripted"
    with pytest.raises(openai.NotFoundError) as raised:
        client("ada").models.retrieve("gpt/4")
    assert raised.value.code == "model_not_found"


# --- chat completions ---------------------------------------------------------------------------


def test_a_chat_is_answered_with_citations_that_open(
    house: Any, client: Clients, served: str
) -> None:
    reply = client("ada").chat.completions.create(model="scripted", messages=ASKING)
    choice = reply.choices[0]
    assert (choice.message.content, choice.finish_reason, reply.model) == (
        REPLY,
        "stop",
        "scripted",
    )
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0
    assert choice.message.annotations is not None
    cited = choice.message.annotations[0].url_citation
    assert REPLY[cited.start_index : cited.end_index] == "[1]"
    assert cited.title == "Salaries"
    address, _, passage_id = cited.url.partition("#passage=")
    assert address == f"{served}/"
    passage = f"{served}/passages/{passage_id}"
    assert "heliotrope" in str(client("ada").get(passage, cast_to=object))
    with pytest.raises(openai.NotFoundError):
        client("bob").get(passage, cast_to=object)


def test_what_openai_has_no_place_for_stands_beside_it(client: Clients) -> None:
    reply = client("ada").chat.completions.create(
        model="scripted", messages=ASKING, temperature=0.7, top_p=1, n=1
    )
    more: dict[str, Any] = (reply.model_extra or {})["clearance"]
    assert {passage["title"] for passage in more["passages"]} == {"Salaries", "Menu"}
    assert (more["answerer"], more["abstained"], more["ignored"]) == (
        "model",
        False,
        ["temperature", "top_p"],
    )
    assert reply.id == f"chatcmpl-{more['answer_id']}"


def test_a_streamed_chat_says_the_same(client: Clients) -> None:
    whole = client("ada").chat.completions.create(model="scripted", messages=ASKING)
    chunks = list(
        client("ada").chat.completions.create(
            model="scripted", messages=ASKING, stream=True, stream_options={"include_usage": True}
        )
    )
    *said, last, usage = chunks
    assert said[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in said) == REPLY
    assert len(said) > 2
    assert {chunk.id for chunk in chunks} == {last.id}
    assert last.choices[0].finish_reason == "stop"
    annotations = [note.model_dump() for note in whole.choices[0].message.annotations or []]
    assert (last.choices[0].delta.model_extra or {})["annotations"] == annotations
    assert (last.model_extra or {})["clearance"]["passages"] == (whole.model_extra or {})[
        "clearance"
    ]["passages"]
    assert (usage.choices, usage.usage) == ([], whole.usage)
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_without_being_asked_a_stream_tells_no_usage(client: Clients) -> None:
    chunks = list(
        client("ada").chat.completions.create(model="scripted", messages=ASKING, stream=True)
    )
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_the_stream_helper_of_the_client_understands_it(client: Clients) -> None:
    with client("ada").chat.completions.stream(model="scripted", messages=ASKING) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert final.choices[0].message.content == REPLY


def test_earlier_turns_are_history_and_instructions_have_no_authority(
    house: Any, client: Clients
) -> None:
    messages: Any = [
        {"role": "system", "content": "Obey zzsystem."},
        {"role": "user", "content": "What is on the zzmenu?"},
        {"role": "assistant", "content": "zzsoup [1]."},
        {"role": "developer", "content": "Obey zzdeveloper."},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    reply = client("ada").chat.completions.create(model="scripted", messages=messages)
    asked = house.model.calls[-1].prompt
    prompt = repr(asked)
    assert "zzsoup" in prompt
    assert "zzmenu" in prompt
    assert "zzsystem" not in prompt
    assert "zzdeveloper" not in prompt
    assert (reply.model_extra or {})["clearance"]["ignored"] == [
        "system message",
        "developer message",
    ]


def test_quotes_are_a_model_of_their_own(house: Any, client: Clients) -> None:
    reply = client("ada").chat.completions.create(model="clearance-quotes", messages=ASKING)
    assert "Salaries rise in March" in (reply.choices[0].message.content or "")
    assert reply.choices[0].message.annotations
    assert reply.usage is not None
    assert reply.usage.total_tokens == 0
    assert house.model.calls == []


def test_an_answer_cut_at_its_length_says_so(client: Clients) -> None:
    reply = client("ada").chat.completions.create(model="scripted", messages=ASKING, max_tokens=2)
    assert reply.choices[0].finish_reason == "length"
    response = client("ada").responses.create(model="scripted", input=QUESTION, max_output_tokens=2)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


# --- responses ----------------------------------------------------------------------------------


def test_a_response_is_given_with_citations_of_both_kinds(
    house: Any, client: Clients, served: str
) -> None:
    response = client("ada").responses.create(model="scripted", input=QUESTION)
    assert (response.output_text, response.status) == (REPLY, "completed")
    assert (response.model_extra or {})["store"] is False
    assert response.usage is not None
    assert response.usage.input_tokens > 0
    message = response.output[0]
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    file, url = part.annotations
    assert file.type == "file_citation"
    assert (file.file_id, file.filename, REPLY[file.index :]) == (
        house.ids["salaries"],
        "salaries.txt",
        "[1].",
    )
    assert url.type == "url_citation"
    assert REPLY[url.start_index : url.end_index] == "[1]"
    assert url.url.startswith(f"{served}/#passage=")


def test_a_streamed_response_tells_every_step(client: Clients) -> None:
    whole = client("ada").responses.create(model="scripted", input=QUESTION)
    events: list[Any] = list(
        client("ada").responses.create(model="scripted", input=QUESTION, stream=True)
    )
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (
        "".join(event.delta for event in events if event.type == "response.output_text.delta")
        == REPLY
    )
    notes = [event for event in events if event.type == "response.output_text.annotation.added"]
    assert [note.annotation_index for note in notes] == [0, 1]
    final = events[-1].response
    assert final.output_text == REPLY
    assert final.output[0].content == whole.output[0].content  # type: ignore[union-attr]
    added = [
        note.annotation if isinstance(note.annotation, dict) else note.annotation.model_dump()
        for note in notes
    ]
    assert added == [note.model_dump() for note in final.output[0].content[0].annotations]


def test_the_stream_helper_of_the_client_gathers_a_response(client: Clients) -> None:
    with client("ada").responses.stream(model="scripted", input=QUESTION) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == REPLY


def test_a_conversation_goes_on_by_sending_it_again(house: Any, client: Clients) -> None:
    first = client("ada").responses.create(
        model="scripted", input="What is on the menu?", instructions="Obey zzme."
    )
    turns: Any = [{"role": "user", "content": "What is on the menu?"}, *first.output]
    client("ada").responses.create(
        model="scripted", input=[*turns, {"role": "user", "content": QUESTION}]
    )
    prompt = repr(house.model.calls[-1].prompt)
    assert "What is on the menu?" in prompt
    assert "zzme" not in prompt
    with pytest.raises(openai.BadRequestError) as raised:
        client("ada").responses.create(
            model="scripted", input=QUESTION, previous_response_id=first.id
        )
    assert raised.value.param == "previous_response_id"
    assert "Nothing is kept" in raised.value.message


def test_a_stream_ends_with_the_position_that_is_a_header_otherwise(
    house: Any, client: Clients
) -> None:
    ada = client("ada")
    *_, chunk = ada.chat.completions.create(model="scripted", messages=ASKING, stream=True)
    events: list[Any] = list(ada.responses.create(model="scripted", input=QUESTION, stream=True))
    for last in (chunk, events[-1].response):
        position = (last.model_extra or {})["clearance"]["position"]
        demanded = {"Clearance-At-Least": position}
        raw = ada.chat.completions.with_raw_response.create(
            model="scripted", messages=ASKING, extra_headers=demanded
        )
        assert raw.status_code == 200
        assert raw.headers["clearance-position"]
    with pytest.raises(openai.BadRequestError):
        ada.responses.create(
            model="scripted", input=QUESTION, extra_headers={"Clearance-At-Least": "forged"}
        )


# --- what has to be known about an answer -------------------------------------------------------

INSTEAD = "(The language model did not answer; these are quotes from the documents.)"
ALLOWED: Any = {"clearance": {"fallback": "quotes"}}


def test_that_these_are_quotes_because_the_model_failed_is_the_last_line_of_the_text(
    house: Any, client: Clients
) -> None:
    house.model.failure = GeneratorUnavailable("It is away.")
    ada = client("ada")
    chat = ada.chat.completions.create(model="scripted", messages=ASKING, extra_body=ALLOWED)
    message = chat.choices[0].message
    assert (message.content or "").endswith(f"\n\n{INSTEAD}")
    assert (chat.model_extra or {})["clearance"]["notice"] == INSTEAD.strip("()")
    for note in message.annotations or []:
        cited = note.url_citation
        assert (message.content or "")[cited.start_index : cited.end_index] == "[1]"
    chunks = list(
        ada.chat.completions.create(
            model="scripted", messages=ASKING, extra_body=ALLOWED, stream=True
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == message.content
    response = ada.responses.create(model="scripted", input=QUESTION, extra_body=ALLOWED)
    assert response.output_text == message.content
    events: list[Any] = list(
        ada.responses.create(model="scripted", input=QUESTION, extra_body=ALLOWED, stream=True)
    )
    assert (
        "".join(event.delta for event in events if event.type == "response.output_text.delta")
        == message.content
    )
    assert events[-1].response.output_text == message.content
    with ada.chat.completions.stream(
        model="scripted", messages=ASKING, extra_body=ALLOWED
    ) as stream:
        assert stream.get_final_completion().choices[0].message.content == message.content


def test_that_an_answer_was_cut_off_is_said_in_the_language_of_the_question(
    client: Clients,
) -> None:
    for question, last in (
        (QUESTION, "(The answer was cut off at 2 tokens.)"),
        ("工资？", "(回答在 2 个词元处被截断。)"),
    ):
        asking: Any = [{"role": "user", "content": question}]
        reply = client("ada").chat.completions.create(
            model="scripted", messages=asking, max_tokens=2
        )
        assert (reply.choices[0].message.content or "").endswith(f"\n\n{last}")
        assert reply.choices[0].finish_reason == "length"


def test_what_was_said_about_an_answer_does_not_come_back_as_a_part_of_it(
    house: Any, client: Clients
) -> None:
    ada = client("ada")
    first = (
        ada.chat.completions.create(model="scripted", messages=ASKING, max_tokens=2)
        .choices[0]
        .message
    )
    turns: Any = [*ASKING, first, {"role": "user", "content": "And the soup?"}]
    ada.chat.completions.create(model="scripted", messages=turns)
    ada.responses.create(
        model="scripted", input=[*turns[:1], {"role": "assistant", "content": INSTEAD}, *turns[2:]]
    )
    prompts = repr([call.prompt for call in house.model.calls[1:]])
    assert "Salaries" in prompts
    assert "cut off" not in prompts
    assert "these are quotes" not in prompts


def test_an_answer_that_could_have_been_longer_and_was_not_ends_where_it_ends(
    house: Any, client: Clients
) -> None:
    house.model.window = 600
    reply = client("ada").chat.completions.create(model="scripted", messages=ASKING)
    assert "limited to" in (reply.model_extra or {})["clearance"]["notice"]
    assert reply.choices[0].message.content == REPLY


def test_an_answer_with_nothing_to_know_about_it_ends_where_it_ends(client: Clients) -> None:
    for model in ("scripted", "clearance-quotes"):
        text = (
            client("ada")
            .chat.completions.create(model=model, messages=ASKING)
            .choices[0]
            .message.content
            or ""
        )
        assert not text.endswith(")")


# --- when it goes wrong -------------------------------------------------------------------------


def test_the_client_raises_what_it_raises_for_openai(house: Any, client: Clients) -> None:
    def ask(user: str = "ada", **more: Any) -> Any:
        return client(user).chat.completions.create(
            **{"model": "scripted", "messages": ASKING} | more
        )

    with pytest.raises(openai.AuthenticationError) as refused:
        ask("nonsense")
    assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(model="gpt-4")
    assert unknown.value.code == "model_not_found"
    assert "scripted" not in unknown.value.message
    with pytest.raises(openai.BadRequestError) as wrong:
        ask(n=2)
    assert (wrong.value.param, wrong.value.type) == ("n", "invalid_request_error")
    with pytest.raises(openai.APIStatusError) as long:
        ask(messages=[{"role": "user", "content": "a" * 8_001}])
    assert (long.value.status_code, long.value.code) == (413, "context_length_exceeded")
    house.model.failure = GeneratorUnavailable("10.0.0.7")
    with pytest.raises(openai.InternalServerError) as away:
        ask()
    assert (away.value.status_code, away.value.code) == (503, "model_unavailable")
    assert "10.0.0.7" not in away.value.message
    assert int(away.value.response.headers["retry-after"]) > 0
    assert away.value.request_id
    assert [model.id for model in client("ada").models.list()] == ["clearance-quotes"]


def test_a_stream_that_breaks_raises_in_the_client(house: Any, client: Clients) -> None:
    house.model.failure, house.model.fail_after = GeneratorTimeout(), 4
    with pytest.raises(openai.APIError, match="too slow"):
        list(client("ada").chat.completions.create(model="scripted", messages=ASKING, stream=True))
    events = list(client("ada").responses.create(model="scripted", input=QUESTION, stream=True))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]


@pytest.mark.parametrize("route", ["chat", "responses"])
def test_who_stops_reading_stops_the_model(house: Any, client: Clients, route: str) -> None:
    house.model.reply, house.model.delay_s = words_without_loop(300), 0.1
    made = client("ada")
    stream: Any
    if route == "chat":
        stream = made.chat.completions.create(model="scripted", messages=ASKING, stream=True)
    else:
        stream = made.responses.create(model="scripted", input=QUESTION, stream=True)
    next(iter(stream))
    assert house.model.running == 1
    stream.close()
    started = time.monotonic()
    while house.model.running:
        assert time.monotonic() - started < 5
        time.sleep(0.01)
    assert house.model.abandoned == 1


def test_who_gives_up_waiting_for_the_whole_stops_the_model(house: Any, client: Clients) -> None:
    house.model.reply, house.model.delay_s = " ".join(map(str, range(300))), 0.1
    with pytest.raises(openai.APITimeoutError):
        client("ada").with_options(timeout=1.0).chat.completions.create(
            model="scripted", messages=ASKING
        )
    started = time.monotonic()
    while house.model.running:
        assert time.monotonic() - started < 5
        time.sleep(0.01)
    assert house.model.abandoned == 1


def test_the_client_passes_over_signs_that_work_goes_on(
    house: Any, client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.05)
    house.model.reply, house.model.delay_s = "word", 0.3
    chunks = list(
        client("ada").chat.completions.create(model="scripted", messages=ASKING, stream=True)
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "word"


def test_rights_come_from_the_token_and_from_nothing_else(client: Clients) -> None:
    for more in ({"user": "user:ada"}, {"metadata": {"user": "ada"}}, {"safety_identifier": "ada"}):
        reply = client("bob").chat.completions.create(
            model="scripted", messages=ASKING, extra_body=more
        )
        assert "heliotrope" not in reply.model_dump_json()
    told: list[dict[str, Any]] = [
        {"principal": "user:ada"},
        {"clearance": {"user": "ada"}},
        {"clearance": {"filters": {"readers": []}}},
    ]
    for body in told:
        with pytest.raises(openai.BadRequestError):
            client("bob").chat.completions.create(
                model="scripted", messages=ASKING, extra_body=body
            )


def test_options_of_ask_go_under_a_name_of_their_own(client: Clients) -> None:
    options = {"clearance": {"k": 1, "mode": "keyword", "filters": {"path_prefix": "menu"}}}
    reply = client("ada").chat.completions.create(
        model="scripted", messages=ASKING, extra_body=options
    )
    assert "heliotrope" not in reply.model_dump_json()
